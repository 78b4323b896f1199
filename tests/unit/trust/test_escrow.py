"""Escrow packages: nothing to their holder alone, everything to the quorum, and never a signing key."""

import io
import json
from datetime import UTC, datetime

import pytest

from meterworks.trust import (
    SYMMETRIC_KEYS,
    CeremonyProtocol,
    EnvelopeError,
    EnvelopeWriter,
    EscrowEntry,
    EscrowError,
    FileKeyVault,
    KeyStore,
    KeyUsage,
    Quorum,
    QuorumError,
    open_escrow,
    write_escrow,
)
from meterworks.trust.escrow import COUNTER_JUMP

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ENTRIES = [
    EscrowEntry(
        device=f"4D57530000000{number:03X}",
        facts={"serial": f"MW{number:08}", "usage_point": None, "interval_s": 1800},
        keys={"guek": bytes([number]) * 16, "gak": bytes([number + 100]) * 32},
        counters={"guek": 1000 + number, "gak": 0},
    )
    for number in range(1, 40)
]


@pytest.fixture
def vault(tmp_path):
    return FileKeyVault(tmp_path / "vault", KeyStore(bytes(range(32))))


def package(key, entries=ENTRIES):
    target = io.BytesIO()
    assert write_escrow(target, entries, recovery_keys=[key.public_key], system="here", now=NOW) == len(entries)
    return target.getvalue()


def test_a_takeover_needs_the_quorum_and_gives_keys_and_counters_that_never_repeat(tmp_path, vault):
    signing = vault.generate("protocol", KeyUsage.SIGN, "P-256")
    protocol = CeremonyProtocol(tmp_path / "recovery" / "protocol.jsonl", signing)
    quorum, shares = Quorum.create(tmp_path / "recovery", ("A", "B", "C"), 2, protocol=protocol, purpose="recovery")
    with quorum.opened(shares[:2], "make the recovery key") as held:
        public = held.generate("recovery", KeyUsage.AGREE, "P-384")
        written = package(public)
    with pytest.raises(QuorumError), quorum.opened(shares[:1], "alone"):
        pytest.fail("opened")
    with quorum.opened(shares[1:], "take over") as held:
        taken = open_escrow(io.BytesIO(written), held.key("recovery"))
    assert (taken.system, taken.written_at, taken.exhausted) == ("here", NOW, [])
    assert [entry.keys for entry in taken.entries] == [entry.keys for entry in ENTRIES]
    assert [entry.facts for entry in taken.entries] == [entry.facts for entry in ENTRIES]
    assert [entry.counters["guek"] for entry in taken.entries] == [
        entry.counters["guek"] + COUNTER_JUMP for entry in ENTRIES
    ]


def test_its_holder_alone_sees_nothing(vault):
    recovery = vault.generate("recovery", KeyUsage.AGREE, "P-256")
    holder = vault.generate("holder", KeyUsage.AGREE, "P-256")
    written = package(recovery)
    for entry in ENTRIES:
        assert entry.device.encode() not in written
        assert all(key not in written for key in entry.keys.values())
    with pytest.raises(EnvelopeError, match="sealed to others"):
        open_escrow(io.BytesIO(written), holder)


def test_keys_are_wrapped_within_the_envelope(vault):
    from meterworks.trust import open_envelope

    recovery = vault.generate("recovery", KeyUsage.AGREE, "P-256")
    content = open_envelope(io.BytesIO(package(recovery)), "escrow", recovery).read()
    assert b"MW00000007" in content
    assert all(key.hex().encode() not in content for entry in ENTRIES for key in entry.keys.values())


@pytest.mark.parametrize("kind", ["signing", "agree", "tls", "private", ""])
def test_no_key_but_a_symmetric_one_is_laid_down(vault, kind):
    recovery = vault.generate("recovery", KeyUsage.AGREE, "P-256")
    with pytest.raises(EscrowError, match="never laid down") as caught:
        package(recovery, [EscrowEntry(device="d", keys={kind: bytes(range(32))})])
    assert bytes(range(32)).hex() not in str(caught.value)
    with pytest.raises(EscrowError):
        package(recovery, [EscrowEntry(device="d", keys={"guek": bytes(48)})])
    assert not {"signing", "agree", "tls"} & SYMMETRIC_KEYS


def test_a_counter_without_room_for_the_jump_is_told(vault):
    recovery = vault.generate("recovery", KeyUsage.AGREE, "P-256")
    late = EscrowEntry(device="late", keys={"guek": bytes(range(16))}, counters={"guek": 0xFFFF_FFFF - 5})
    assert open_escrow(io.BytesIO(package(recovery, [late])), recovery).exhausted == ["late"]


@pytest.mark.parametrize(
    "content", [b"", b"[]\n", b"garbage\n", json.dumps({"format": "meterworks-escrow-9"}).encode() + b"\n"]
)
def test_content_of_another_version_is_told(vault, content):
    recovery = vault.generate("recovery", KeyUsage.AGREE, "P-256")
    target = io.BytesIO()
    writer = EnvelopeWriter(target, "escrow", [recovery.public_key])
    writer.write(content)
    writer.close()
    with pytest.raises(EnvelopeError, match="cannot be read"):
        open_escrow(io.BytesIO(target.getvalue()), recovery)


def test_an_entry_shows_no_key_when_printed():
    assert ENTRIES[0].keys["guek"].hex() not in repr(ENTRIES[0])
    assert "guek'" not in repr(ENTRIES[0]).replace("counters={'guek'", "")
