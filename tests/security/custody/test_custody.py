"""Custody: quorum and its sealed protocol, escrow, backups; secrets in no output; compares in constant time."""

import ast
import inspect
import io
import logging
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from tests.security.keys.canary import Canaries
from tests.security.keys.conftest import MASTER

from meterworks.errors import MeterworksError
from meterworks.system import backup
from meterworks.trust import (
    CeremonyProtocol,
    CeremonyProtocolError,
    EnvelopeError,
    EscrowEntry,
    EscrowError,
    KeyStore,
    KeyUsage,
    Quorum,
    QuorumError,
    Share,
    open_escrow,
    read_protocol,
    token,
    write_escrow,
)

HOLDERS = ("Ada", "Bob", "Cleo")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOURCE = Path(token.__file__).resolve().parents[1]
SECRET_NAMES = re.compile(r"(^|_)(password|passphrase|secret|mac|tag|otp|pin|hmac|hash_token)$")
NOT_SECRETS = frozenset({"plain_tag"})  # of an APDU


@pytest.fixture
def quorum(tmp_path, vault):
    """Two of three holders, and the key that signs their protocol."""
    key = vault.generate("protocol", KeyUsage.SIGN, "P-256")
    protocol = CeremonyProtocol(tmp_path / "root" / "protocol.jsonl", key, now=lambda: NOW)
    made, shares = Quorum.create(tmp_path / "root", HOLDERS, 2, protocol=protocol, purpose="recovery")
    return made, shares, tmp_path / "root" / "protocol.jsonl", key.public_key


@pytest.mark.requirement("SEC-128")
def test_one_holder_less_opens_nothing(quorum):
    made, shares, _, _ = quorum
    forged = Share(set_id=shares[1].set_id, number=1, threshold=2, count=3, value=bytes(32))
    for brought in ([], shares[:1], [shares[0], shares[0]], [shares[0], forged]):
        with pytest.raises(QuorumError), made.opened(brought, "alone"):
            pytest.fail("opened")
    with made.opened(shares[1:], "together") as vault:
        assert vault.generate("root", KeyUsage.SIGN, "P-256").sign(b"x")


@pytest.mark.requirement("SEC-128")
def test_every_use_is_entered_in_a_protocol_that_shows_each_change(quorum):
    made, shares, path, key = quorum
    with made.opened(shares[:2], "sign"):
        pass
    with pytest.raises(MeterworksError), made.opened(shares[:1], "alone"):
        pytest.fail("opened")
    assert [(entry.act, entry.people) for entry in read_protocol(path, key)] == [
        ("created", HOLDERS),
        ("opened", ("Ada", "Bob")),
        ("closed", ("Ada", "Bob")),
        ("refused", ("Ada",)),
    ]
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    for changed in ("".join(lines[:-1]) + lines[-1].replace("alone", "agreed"), "".join(lines[1:])):
        path.write_text(changed)
        with pytest.raises(CeremonyProtocolError):
            read_protocol(path, key)


ENTRY = EscrowEntry(device="meter 7", keys={"guek": MASTER[:16]}, counters={"guek": 41})


@pytest.mark.requirement("SEC-129")
def test_an_escrow_package_serves_its_quorum_only_and_no_counter_comes_again(vault):
    recovery = vault.generate("recovery", KeyUsage.AGREE, "P-256")
    holder = vault.generate("holder", KeyUsage.AGREE, "P-256")
    target = io.BytesIO()
    write_escrow(target, [ENTRY], recovery_keys=[recovery.public_key], system="here", now=NOW)
    assert Canaries({"guek": MASTER[:16]}).in_octets(target.getvalue(), "the package") == []
    with pytest.raises(EnvelopeError):
        open_escrow(io.BytesIO(target.getvalue()), holder)
    (taken,) = open_escrow(io.BytesIO(target.getvalue()), recovery).entries
    assert (taken.keys, taken.counters) == (ENTRY.keys, {"guek": 41 + 2**20})


@pytest.mark.requirement("SEC-129")
def test_no_signing_key_is_ever_laid_down(vault):
    recovery = vault.generate("recovery", KeyUsage.AGREE, "P-256").public_key
    for kind in ("signing", "agree", "tls", "root"):
        with pytest.raises(EscrowError):
            write_escrow(
                io.BytesIO(), [EscrowEntry(device="d", keys={kind: MASTER})], recovery_keys=[recovery],
                system="here", now=NOW,
            )  # fmt: skip


@pytest.fixture
def data(tmp_path):
    """A data folder with a database of 40 rows and a key."""
    folder = tmp_path / "var"
    (folder / "db").mkdir(parents=True)
    with closing(sqlite3.connect(folder / "db" / "m.sqlite3")) as database:
        database.execute("CREATE TABLE meters (id INTEGER)")
        database.executemany("INSERT INTO meters VALUES (?)", [(number,) for number in range(40)])
        database.commit()
    (folder / "master.key").write_bytes(MASTER)
    return folder


@pytest.mark.requirement("SEC-042")
def test_a_backup_opens_for_its_recipient_only(data, tmp_path, vault):
    recovery = vault.generate("recovery", KeyUsage.AGREE, "P-256")
    other = vault.generate("other", KeyUsage.AGREE, "P-256")
    target = tmp_path / "backup"
    backup.create_backup(data, target, [recovery.public_key], now=NOW)
    faults = Canaries({"master": MASTER, "schema": b"CREATE TABLE meters"}).in_file(target)
    with pytest.raises(EnvelopeError):
        backup.restore_backup(target, tmp_path / "stolen", other)
    assert faults == []
    assert not (tmp_path / "stolen").exists()


@pytest.mark.requirement("SEC-061")
def test_a_restore_gives_back_every_row_and_every_octet(data, tmp_path, vault):
    recovery = vault.generate("recovery", KeyUsage.AGREE, "P-256")
    backup.create_backup(data, tmp_path / "backup", [recovery.public_key], now=NOW)
    backup.restore_backup(tmp_path / "backup", tmp_path / "restored", recovery)
    with closing(sqlite3.connect(tmp_path / "restored" / "db" / "m.sqlite3")) as database:
        assert database.execute("SELECT count(*), sum(id) FROM meters").fetchone() == (40, sum(range(40)))
    assert (tmp_path / "restored" / "master.key").read_bytes() == MASTER


@pytest.mark.requirement("SEC-037")
def test_no_key_shows_in_texts_errors_and_logs(vault, caplog):
    store = KeyStore(MASTER)
    share = Share(set_id="00000000", number=0, threshold=2, count=3, value=MASTER)
    wrapped = bytearray(store.wrap(MASTER[:16]))
    wrapped[0] ^= 1
    shown = [repr(store), str(store), repr(vault), repr(vars(vault)), repr(share), repr(ENTRY)]
    for act in (
        lambda: store.wrap(MASTER[:17]),
        lambda: store.unwrap(bytes(wrapped)),
        lambda: Share.parse(share.text()[:-1]),
        lambda: vault.key(MASTER.hex() + MASTER.hex() + "!"),
        lambda: write_escrow(
            io.BytesIO(), [EscrowEntry(device="d", keys={"guek": MASTER * 2})], system="here", now=NOW,
            recovery_keys=[vault.generate("r", KeyUsage.AGREE, "P-256").public_key],
        ),
    ):  # fmt: skip
        with pytest.raises(MeterworksError) as caught:
            act()
        shown += [str(caught.value), repr(caught.value.facts)]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("canary").warning("%s %r", store, vault)
    shown.append(caplog.text)
    assert Canaries({"master": MASTER, "guek": MASTER[:16]}).in_octets("\n".join(shown).encode(), "a text") == []


def _named(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def secret_comparisons(source: str) -> list[str]:
    """Each `==` and `!=` whose side bears a secret's name and is compared with a value, not with a constant."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            names = [_named(side) for side in sides]
            secret = any(SECRET_NAMES.search(name) and name not in NOT_SECRETS for name in names)
            if secret and not any(isinstance(side, ast.Constant) or side_is_type(side) for side in sides):
                found.append(ast.unparse(node))
    return found


def side_is_type(side: ast.expr) -> bool:
    """Whether a side is a name in capitals or of a class: a member of a table, no secret."""
    return _named(side)[:1].isupper()


@cache
def comparisons_of_the_tree() -> tuple[str, ...]:
    """Those of the folders that hold secrets."""
    paths = [*SOURCE.joinpath("trust").rglob("*.py"), *SOURCE.joinpath("protocols/dlms/security").rglob("*.py")]
    paths += SOURCE.joinpath("market").glob("*.py")
    return tuple(f"{path.name}: {each}" for path in paths for each in secret_comparisons(path.read_text()))


@pytest.mark.requirement("SEC-107")
def test_secrets_are_compared_in_constant_time():
    live = inspect.getsource(token.constant_time_equal)
    assert comparisons_of_the_tree() == ()
    assert secret_comparisons(live) == []
    assert "compare_digest" in live
    assert secret_comparisons("if password == stored: pass") == ["password == stored"]
