"""Commands around certificates, secrets and signed policies: what they ask the head-end for, and what they list."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.security.device_keys.certified import Registrar
from tests.unit.cli.test_key_escrow import device, made
from tests.unit.cli.test_keystore import run, secret_file

from meterworks.errors import MeterworksError
from meterworks.headend import SecurityLevel, open_statement
from meterworks.headend.key_statement import policy_keys
from meterworks.registry import DeviceKeys, KeyKind
from meterworks.trust.keystore import passphrase as passphrase_module


@pytest.fixture
def signed(tmp_path, monkeypatch):
    """A function that signs a policy; gives its file."""
    monkeypatch.setattr(passphrase_module, "_MEMORY_KIB", 1024)
    secret = secret_file(tmp_path / "pass", "a long passphrase\n")

    def sign(*words):
        file = tmp_path / "policy.jws"
        run("keys", "sign-policy", file, "--vault", tmp_path / "vault", "--passphrase", secret, *words)
        return file

    return sign


def certificate(number, days):
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    issued = Registrar(datetime.now(UTC).timestamp()).issue(f"{number:016x}", key, "signature", days=days)
    return issued.public_bytes(Encoding.DER)


def test_a_policy_is_signed_and_its_key_can_be_put_where_it_counts(signed, tmp_path):
    file = signed("--suite", "2", "--policy", "0x6c", "--model", "MW-E1", "--reason", "AES-128 ends")
    opened = open_statement(file.read_text(), policy_keys(tmp_path))
    assert (opened.level, opened.models) == (SecurityLevel(suite=2, policy=0x6C), ("MW-E1",))
    again = open_statement(signed("--suite", "1").read_text(), policy_keys(tmp_path))
    assert again.key_id == opened.key_id  # the key was made once


def test_what_is_no_policy_is_not_signed(signed):
    for words, reason in (
        ((), "asks for nothing"),
        (("--suite", "7"), "no suite 7"),
        (("--policy", "x"), "hexadecimal"),
    ):
        with pytest.raises(MeterworksError, match=reason):
            signed(*words)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("certify", "--kind", "signing"), {"task": "certificate", "kinds": ["signing"]}),
        (("certify", "--ours", "--model", "One"), {"task": "client", "model": "One"}),
        (("secret", "--device", "7"), {"task": "secret", "devices": [7]}),
    ],
)
def test_a_dry_run_says_what_would_be_asked_for(words, asked, tmp_path):
    told = json.loads(run("keys", *words, "--dry-run", "--data", tmp_path))
    assert {name: told[name] for name in asked} == asked
    assert told["started_by"]


def test_raising_asks_with_the_signed_policy_and_shows_it_to_nobody(signed, tmp_path):
    file = signed("--suite", "2")
    told = json.loads(run("keys", "raise", file, "--dry-run", "--data", tmp_path))
    assert (told["task"], "statement" in told) == ("keys", False)
    assert json.loads(run("keys", "raise", file, "--policy", "--dry-run", "--data", tmp_path))["task"] == "policy"
    with pytest.raises(MeterworksError, match="holds no signed policy"):
        run("keys", "raise", tmp_path / "absent", "--data", tmp_path)


def test_certificates_are_listed_those_that_end_first_at_the_top(tmp_path):
    keys = DeviceKeys(guek=bytes(range(16)), gak=bytes(range(1, 17)))
    ends = {1: 400, 2: 20, 3: None}
    devices = [
        device(
            number,
            keys=keys,
            suite=1,
            certificates={} if days is None else {KeyKind.SIGNING: certificate(number, days)},
        )
        for number, days in ends.items()
    ]
    data = tmp_path / "data"
    ids = asyncio.run(made(data, devices))
    rows = json.loads(run("keys", "certificates", "--data", data, "--json"))
    assert [(row["device"], row["kind"], row["days"]) for row in rows] == [
        (ids[1], "signing", 19),
        (ids[0], "signing", 399),
    ]
    (soon,) = json.loads(run("keys", "certificates", "--within-days", "30", "--data", data, "--json"))
    shown = json.loads(run("keys", "show", ids[1], "--data", data, "--json"))
    (signing,) = [row for row in shown if row["kind"] == "signing"]
    assert signing["certificate"].startswith(f"{soon['serial']} until {soon['ends_at']}")
