"""Seeded defects of the custody of keys: quorum, escrow, backup, what shows and how secrets are compared."""

import io
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from tests.security.seeded import Defect, replaced

from meterworks.system import backup
from meterworks.trust import ceremony, escrow, quorum, shamir, token
from meterworks.trust.keystore import KeyStore

__all__ = ["DEFECTS"]


class _ClearWriter:
    """An envelope that seals nothing."""

    def __init__(self, target: BinaryIO, *_: object) -> None:
        self.write = target.write

    def close(self) -> None:
        pass


def _in_clear(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(backup, "EnvelopeWriter", _ClearWriter)
    patch.setattr(backup, "open_envelope", lambda source, _kind, _key: io.BufferedReader(source.raw))


_copy_database = backup._copy_database


def _copied_without_a_row(path: Path, copy: Path) -> Mapping[str, int]:
    _copy_database(path, copy)
    with closing(sqlite3.connect(copy)) as database:
        database.execute("DELETE FROM meters WHERE id = 0")
        database.commit()
        return backup._rows(database)


def _joined_unchecked(threshold: int, shares: Mapping[int, bytes]) -> bytes:
    return bytes(shamir._value_at(255, dict(list(shares.items())[:threshold])))


def _unsigned(line: bytes, _key: object) -> Any:
    import json

    facts = json.loads(json.loads(line)["entry"])
    return ceremony.CeremonyEntry(**{**facts, "people": tuple(facts["people"])})


def constant_time_equal(password: bytes, secret: bytes) -> bool:
    """Compare as any two values, octet by octet until one differs."""
    return password == secret


DEFECTS: tuple[Defect, ...] = (
    Defect(
        "shares are joined without a look at their digest",
        "test_one_holder_less_opens_nothing",
        replaced(quorum, "join_shares", _joined_unchecked),
    ),
    Defect(
        "entries of a ceremony are not verified",
        "test_every_use_is_entered_in_a_protocol_that_shows_each_change",
        replaced(ceremony, "_entry", _unsigned),
    ),
    Defect(
        "counters go on where the package was written",
        "test_an_escrow_package_serves_its_quorum_only_and_no_counter_comes_again",
        replaced(escrow, "COUNTER_JUMP", 0),
    ),
    Defect(
        "every key may be laid down",
        "test_no_signing_key_is_ever_laid_down",
        replaced(escrow, "SYMMETRIC_KEYS", frozenset({"signing", "agree", "tls", "root", "guek"})),
    ),
    Defect(
        "backups are written in clear",
        "test_a_backup_opens_for_its_recipient_only",
        _in_clear,
    ),
    Defect(
        "a backup loses a row",
        "test_a_restore_gives_back_every_row_and_every_octet",
        replaced(backup, "_copy_database", _copied_without_a_row),
    ),
    Defect(
        "a printed key store shows its master key",
        "test_no_key_shows_in_texts_errors_and_logs",
        replaced(KeyStore, "__repr__", lambda store: f"KeyStore({store._master._key!r})"),
    ),
    Defect(
        "secrets are compared octet by octet",
        "test_secrets_are_compared_in_constant_time",
        replaced(token, "constant_time_equal", constant_time_equal),
    ),
)
