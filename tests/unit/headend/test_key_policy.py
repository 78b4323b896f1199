"""Policies raised by job, whatever is lost; signed policies, and those that do not hold."""

import base64
import json
from datetime import UTC, datetime
from itertools import product

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.security.device_keys.bench import LOSSES, Bench

from meterworks.devices.meter_key import SECURITY_NAME
from meterworks.headend import (
    KeyJobError,
    KeyPurpose,
    KeyTask,
    PolicyRefused,
    PolicyStatement,
    SecurityLevel,
    open_statement,
    sign_statement,
)
from meterworks.headend.key_policy import raised_policy
from meterworks.headend.key_statement import policy_keys
from meterworks.protocols.dlms import MANAGEMENT_CLIENT, AttributeAddress, ObisCode, decode_all, is_weaker_policy
from meterworks.registry import KeySelection
from meterworks.trust import FileKeyVault, KeyStore, KeyUsage

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AUTHENTICATED, BOTH = 0x24, 0x6C
EXCHANGES = 5  # opening, policy, activation, policy, opening anew


def weak_bench():
    """A meter that asks for authentication only."""
    bench = Bench()
    bench.line.meters[1].view.write((SECURITY_NAME, 0x100), (0x10).to_bytes(2, "big") * 2)
    assert at_meter(bench) == AUTHENTICATED
    return bench


def at_meter(bench):
    return decode_all(
        bench.line.meters[1].get(MANAGEMENT_CLIENT, AttributeAddress(64, ObisCode("0.0.43.0.0.255"), 2), None)
    )


async def begun(bench, policy):
    level = SecurityLevel(policy=policy)
    await bench.service.start(KeyPurpose.PERSONALISE, KeySelection(), kinds=(), task=KeyTask.POLICY, level=level)


async def test_a_policy_is_raised_whatever_is_lost():
    for at, lost in product(range(EXCHANGES + 1), LOSSES):
        bench = weak_bench()
        await begun(bench, 0x48)
        bench.line.faults = [None] * at + [lost]
        for _ in range(3):
            await bench.contact()
            bench.service = bench.restarted()
            bench.clock.advance(3600)
            bench.take_up()
        assert bench.ledger.states() == ["done"]
        assert at_meter(bench) == BOTH  # what it asked for, and what is wanted besides
        assert bool(bench.line.faults) is (at >= EXCHANGES)
        assert "policy-raised" in bench.telegraph.told


async def test_no_policy_is_ever_lowered():
    bench = Bench()
    await begun(bench, 0x04)
    await bench.contact()
    assert bench.ledger.states() == ["done"]
    assert at_meter(bench) == BOTH
    assert [what for _, what in bench.line.heard if what == "action"] == []


async def test_a_policy_that_would_lock_us_out_is_not_sent():
    bench = weak_bench()
    await begun(bench, 0x7C)
    await bench.contact()
    (job,) = bench.ledger.all_jobs.values()
    assert (str(job.state), "asks for signatures" in job.reason) == ("failed", True)
    assert at_meter(bench) == AUTHENTICATED


@pytest.mark.parametrize(
    ("present", "wanted", "raised"),
    [
        (0, 0x24, 0x24),
        (0x24, 0x48, 0x6C),
        (0x6C, 0, 0x6C),
        (0x6C, 0x04, 0x6C),
        (1, 0x48, 3),
        (2, 0x24, 3),
        (3, 0x6C, 3),
    ],
)
def test_what_is_asked_for_stays_and_more_comes_to_it(present, wanted, raised):
    assert raised_policy(present, wanted, 1) == raised
    version = 0 if 0 < present <= 3 else 1
    assert not is_weaker_policy(raised, present, version)


@pytest.mark.parametrize(("present", "wanted"), [(1, 0x08), (0x6C, 0x10), (0x6C, 0x80), (0x6D, 0x04)])
def test_what_cannot_be_said_or_asked_for_is_refused(present, wanted):
    with pytest.raises(KeyJobError):
        raised_policy(present, wanted, 1)


# --- signed policies -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    made = FileKeyVault(tmp_path_factory.mktemp("vault"), KeyStore(bytes(32)))
    for label, curve in (("board", "P-256"), ("board-384", "P-384"), ("stranger", "P-256")):
        made.generate(label, KeyUsage.SIGN, curve)
    return made


def statement(**changes):
    fields = {"level": SecurityLevel(suite=2, policy=0x6C), "reason": "AES-128 ends", "signed_at": NOW, **changes}
    return PolicyStatement(**fields)


@pytest.mark.parametrize("label", ["board", "board-384"])
def test_a_signed_policy_is_opened_with_the_key_that_signed_it(vault, label):
    key = vault.key(label)
    opened = open_statement(
        sign_statement(statement(models=("One",)), key), [vault.key("stranger").public_key, key.public_key]
    )
    assert (opened.level, opened.reason, opened.models) == (
        SecurityLevel(suite=2, policy=0x6C),
        "AES-128 ends",
        ("One",),
    )
    assert opened.signed_at == NOW
    assert len(opened.key_id) == 64


def altered(text, place, change):
    """A part of a statement, decoded, changed and put back."""
    parts = text.split(".")
    octets = base64.urlsafe_b64decode(parts[place] + "=" * (-len(parts[place]) % 4))
    parts[place] = base64.urlsafe_b64encode(change(octets)).rstrip(b"=").decode()
    return ".".join(parts)


def member(name, value):
    return lambda octets: json.dumps({**json.loads(octets), name: value}).encode()


CHANGES = {
    "lower": (1, member("suite", 0)),
    "everyone": (1, member("models", ["Two"])),
    "algorithm": (0, member("alg", "ES384")),
    "none": (0, member("alg", "none")),
    "kind": (0, member("typ", "JWT")),
    "unknown": (0, member("kid", "0" * 64)),
    "signature": (2, lambda octets: octets[:-1] + bytes([octets[-1] ^ 1])),
    "short": (2, lambda octets: octets[:-1]),
    "text": (1, lambda octets: b"{"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_policy_that_was_changed_does_not_hold(vault, name):
    key = vault.key("board")
    place, change = CHANGES[name]
    with pytest.raises(PolicyRefused, match="does not hold"):
        open_statement(altered(sign_statement(statement(), key), place, change), [key.public_key])


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "x" * 10_000, "e30.e30.e30"])
def test_what_is_no_statement_is_refused(vault, text):
    with pytest.raises(PolicyRefused):
        open_statement(text, [vault.key("board").public_key])


def test_only_keys_that_count_here_sign(vault):
    with pytest.raises(PolicyRefused, match="none of those that count here"):
        open_statement(sign_statement(statement(), vault.key("stranger")), [vault.key("board").public_key])


@pytest.mark.parametrize("level", [SecurityLevel(), SecurityLevel(suite=3), SecurityLevel(policy=0x01)])
def test_a_level_that_is_none_is_not_signed(vault, level):
    with pytest.raises(PolicyRefused):
        sign_statement(statement(level=level), vault.key("board"))


def test_the_keys_that_count_are_files_of_a_folder(vault, tmp_path):
    assert policy_keys(None) == []
    assert policy_keys(tmp_path / "absent") == []
    key = vault.key("board").public_key
    (tmp_path / "board.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert policy_keys(tmp_path) == [key]
