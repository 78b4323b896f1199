"""Known keys are recognised by digest, shared ones by a register that keeps no key."""

import itertools
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.trust import (
    KeyRegister,
    KnownKeyError,
    SharedKeyError,
    known_key,
    known_key_pair,
    refuse_known_key,
    refuse_known_key_pair,
    scan_keys,
)
from meterworks.trust.known_key_digest import KEY_PAIRS, SECRETS

RFC6979_PRIVATE = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721  # RFC 6979 A.2.5


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (bytes(range(16)), "octets that count"),
        (bytes(range(0xD0, 0xE0)), "octets that count"),
        (bytes(range(15, -1, -1)), "octets that count"),
        (bytes(range(0, 64, 2)), "octets that count"),
        (bytes(16), "one octet all over"),
        (b"\xff" * 32, "one octet all over"),
        (b"1111111111111111", "one octet all over"),
        (bytes.fromhex("59a71fd81c929a86a99438da17a66c05"), "a key of the Green Book's examples"),
        (bytes.fromhex("00112233445566778899aabbccddeeff"), "octets that count"),
        (bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), "a key of NIST's AES vectors"),
        (b"Gurux", "a default password of meters and tools"),
        (b"12345678", "octets that count"),
    ],
)
def test_a_known_key_is_named(key, kind):
    assert known_key(key) == kind
    with pytest.raises(KnownKeyError, match="which everyone knows") as caught:
        refuse_known_key(key, "meter 7, guek")
    assert key.hex() not in str(caught.value)
    assert caught.value.facts == {"where": "meter 7, guek", "name": kind}


def test_published_key_pairs_are_named():
    pair = ec.derive_private_key(RFC6979_PRIVATE, ec.SECP256R1()).public_key()
    assert known_key_pair(pair) == "the key pair of RFC 6979's vectors"
    with pytest.raises(KnownKeyError):
        refuse_known_key_pair(pair, "the root")


def test_each_published_private_key_of_the_gb_store_is_known(shared_folder):
    paths = sorted((shared_folder / "vectors" / "gb" / "keystore").glob("*.key"))
    assert len(paths) == 18
    for path in paths:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert known_key_pair(key.public_key()), path.name


def test_every_key_of_the_dlms_vectors_is_known(shared_folder):
    text = "".join(path.read_text() for path in sorted((shared_folder / "vectors" / "dlms").glob("*.json")))
    keys = set(re.findall(r'"(?:guek|gak|kek|derived_key|[a-z_]*private[a-z_]*)": *"([0-9a-f]+)"', text))
    assert len(keys) > 8
    assert [key for key in keys if not known_key(bytes.fromhex(key))] == []


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=16, max_size=32).filter(lambda key: len(set(key)) > 8))
def test_a_key_by_chance_is_not_known(key):
    steps = {(after - before) % 256 for before, after in itertools.pairwise(key)}
    assert bool(known_key(key)) == (len(steps) == 1)


def test_fresh_key_pairs_are_taken():
    refuse_known_key_pair(ec.generate_private_key(ec.SECP384R1()).public_key(), "the root")
    key = bytes.fromhex("9f3c5a7de1024b688d11f0a7c35e9b42")
    refuse_known_key(key, "meter 7, guek")
    refuse_known_key(b"", "nothing")
    assert known_key(key) == ""


def test_the_table_holds_digests_only():
    for digest in (*SECRETS, *KEY_PAIRS):
        assert re.fullmatch(r"[0-9a-f]{64}", digest)
    source = Path(known_key.__code__.co_filename).with_name("known_key_digest.py").read_text()
    assert not re.findall(r'"[0-9a-fA-F]{32}"|"[0-9a-fA-F]{48}"', source)


def test_a_register_tells_who_shares_a_key():
    register = KeyRegister()
    register.add(b"\x01\x07" * 8, "meter 1, guek")
    register.add(b"\x01\x07" * 8, "meter 1, guek")
    with pytest.raises(SharedKeyError, match="meter 2, gak has the same key as meter 1, guek"):
        register.add(b"\x01\x07" * 8, "meter 2, gak")
    assert len(register) == 1
    assert b"\x01\x07" * 8 not in repr(vars(register)).encode()


def test_a_scan_gives_every_fault():
    keys = [("a", b"\x02\x09" * 8), ("b", bytes(16)), ("c", b"\x02\x09" * 8), ("d", b"\x03\x01" * 8)]
    faults = scan_keys(keys)
    assert [(fault.where, fault.fault, fault.other) for fault in faults] == [("b", "known", ""), ("c", "shared", "a")]
    assert scan_keys([]) == []
