"""Keys: unique, not everyone's, each with one use, kept where nobody reads them, of a source that is sound."""

import hashlib
import hmac
import io
import itertools
import random
import secrets
import shutil

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.security.keys.canary import Canaries
from tests.security.keys.conftest import MASTER

from meterworks.registry import shipment
from meterworks.trust import (
    CURVES,
    EntropyError,
    FileKeyVault,
    HealthTestedSource,
    KeyExistsError,
    KeyNotFoundError,
    KeyRegister,
    KeyStore,
    KeyUsage,
    KeyUsageError,
    KnownKeyError,
    SharedKeyError,
    VaultLockedError,
    entropy,
    envelope,
    known_key,
    refuse_known_key,
    refuse_known_key_pair,
    scan_keys,
    wrap_key,
)
from meterworks.world import NeighbourhoodSettings, open_neighbourhood

TRANSPORT_KEY = bytes.fromhex("5f0e1d2c3b4a59687786958493a2b1c0")
PUBLISHED = (
    bytes(range(16)),
    bytes(range(0xD0, 0xE0)),
    bytes(16),
    bytes(32),
    b"\xff" * 16,
    b"1111111111111111",
    bytes.fromhex("59a71fd81c929a86a99438da17a66c05"),
    bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"),
    bytes.fromhex("aad3fd0732e991cf52a74c66c1f2827ddc53522a2e0a169d7c4ffcc0fb5d6a4d"),
)
PUBLISHED_SCALAR = 0xAAD3FD0732E991CF52A74C66C1F2827DDC53522A2E0A169D7C4FFCC0FB5D6A4D


def guesses(public: str) -> set[bytes]:
    """Keys that somebody would try who knows what is printed on the meter."""
    text = public.encode()
    digests = [hashlib.new(name, text).digest() for name in ("md5", "sha1", "sha256", "sha512")]
    digests += [hmac.digest(bytes(16), text, "sha256"), hashlib.pbkdf2_hmac("sha256", text, b"", 1)]
    return {digest[:16] for digest in digests} | {text.ljust(16, pad)[:16] for pad in (b"\0", b" ", b"0")}


@pytest.mark.requirement("SEC-018")
def test_no_two_devices_share_a_key_and_none_is_made_of_what_is_printed_on_it(tmp_path):
    made = open_neighbourhood(tmp_path, NeighbourhoodSettings(meters=60, seed=7), now_epoch_s=1_790_000_000.0)
    register = KeyRegister()
    for index in range(len(made)):
        meter = made.specification(index)
        keys = {kind: getattr(meter, kind) for kind in ("guek", "gak", "kek")}
        for kind, key in keys.items():
            register.add(key, f"{meter.serial} {kind}")
        assert not set(keys.values()) & (guesses(meter.serial) | guesses(meter.system_title.hex()))
    assert len(register) == 180
    with pytest.raises(SharedKeyError):
        register.add(made.specification(3).gak, "another meter")


@pytest.mark.requirement("SEC-018")
def test_a_shipment_in_which_two_devices_have_one_key_is_caught():
    one, two, three = (wrap_key(TRANSPORT_KEY, bytes([9, *range(start, start + 15)])).hex() for start in (1, 90, 140))
    rows = [f"MW{number},Meterworks,MW-E1,1.0.0,electricity,1,127.0.0.1:4059" for number in range(2)]
    text = (
        "identity,serial,manufacturer,model,firmware,medium,phases,address,guek,gak\n"
        f"4d57530000000001,{rows[0]},{one},{two}\n"
        f"4d57530000000002,{rows[1]},{three},{one}\n"
    )
    results, candidates = shipment._parse(text.encode(), "csv", TRANSPORT_KEY, None)
    assert [candidate.identity for candidate in candidates] == ["4d57530000000001"] or len(candidates) == 1
    assert [row.line for row in results] == [3]
    assert "keys of its own" in results[0].message


@pytest.mark.requirement("SEC-019")
def test_keys_that_everyone_knows_are_refused():
    for key in PUBLISHED:
        with pytest.raises(KnownKeyError):
            refuse_known_key(key, "a key")
    for curve in (ec.SECP256R1(),):
        with pytest.raises(KnownKeyError):
            refuse_known_key_pair(ec.derive_private_key(PUBLISHED_SCALAR, curve).public_key(), "a key pair")
    store = [(f"known {number}", key) for number, key in enumerate(PUBLISHED)] + [("own", MASTER)]
    assert [fault.where for fault in scan_keys(store)] == [name for name, _ in store[:-1]]
    assert known_key(secrets.token_bytes(16)) == ""


@pytest.mark.requirement("SEC-027")
def test_a_key_does_what_it_was_made_for_and_nothing_else(vault):
    signing = vault.generate("signs", KeyUsage.SIGN, "P-256")
    agreeing = vault.generate("agrees", KeyUsage.AGREE, "P-256")
    peer = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert signing.sign(b"x")
    assert agreeing.agree(peer)
    refused = 0
    for act in (
        lambda: signing.agree(peer),
        lambda: agreeing.sign(b"x"),
        lambda: agreeing.sign_der(b"x"),
        lambda: agreeing.for_x509(),
        lambda: signing.for_x509().exchange(ec.ECDH(), peer),
    ):
        with pytest.raises(KeyUsageError):
            act()
        refused += 1
    assert refused == 5


@pytest.mark.requirement("SEC-027")
def test_no_key_is_put_in_place_of_one_of_another_usage(vault):
    first = vault.generate("once", KeyUsage.SIGN, "P-256")
    with pytest.raises(KeyExistsError):
        vault.generate("once", KeyUsage.AGREE, "P-256")
    vault.generate("other", KeyUsage.AGREE, "P-256")
    points = {vault.key(label).public_key.public_numbers() for label in vault.labels()}
    assert vault.key("once").public_key == first.public_key
    assert len(points) == 2


@pytest.mark.requirement("SEC-038")
def test_a_copied_store_is_useless_without_what_opens_it(vault, tmp_path):
    held = vault.generate("signs", KeyUsage.SIGN, "P-256")._held()
    vault.generate_wrapping_key("wraps")
    scalar = held.private_numbers().private_value.to_bytes(32, "big")
    pkcs8 = held.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert Canaries({"scalar": scalar, "pkcs8": pkcs8, "master": MASTER}).in_folders([tmp_path]) == []
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "vault", copy)
    with pytest.raises(VaultLockedError):
        FileKeyVault(copy, KeyStore(secrets.token_bytes(32)))


@pytest.mark.requirement("SEC-038")
def test_a_token_gives_no_private_key_away(token):
    pkcs11 = pytest.importorskip("pkcs11")
    label = secrets.token_hex(8)
    token.generate(label, KeyUsage.SIGN, "P-256")

    def look(session):
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
        flags = (pkcs11.Attribute.EXTRACTABLE, pkcs11.Attribute.DERIVE, pkcs11.Attribute.MODIFIABLE)
        shown = [key[flag] for flag in flags]
        try:
            return [*shown, bytes(key[pkcs11.Attribute.VALUE])]
        except pkcs11.AttributeSensitive:
            return [*shown, None]

    assert token._token.run(look) == [False, False, False, None]
    token.destroy(label)


@pytest.mark.requirement("SEC-039")
def test_a_derived_key_is_bound_to_both_sides_and_the_purpose():
    one, other = b"public key one", b"public key two"
    cases = [("backup", b"s" * 16, one, other), ("backup", b"s" * 16, other, one), ("escrow", b"s" * 16, one, other),
             ("backup", b"t" * 16, one, other), ("backup", b"s" * 16, one, one)]  # fmt: skip
    derived = {envelope._wrapping_key(bytes(32), *case) for case in cases}
    assert len(derived) == len(cases)


@pytest.mark.requirement("SEC-039")
def test_no_key_outlives_its_use(vault):
    signing = vault.generate("signs", KeyUsage.SIGN, "P-256")
    wrapping = vault.generate_wrapping_key("wraps")
    vault.forget()
    for act in (lambda: signing.sign(b"x"), lambda: wrapping.wrap(bytes(16))):
        with pytest.raises(KeyNotFoundError):
            act()
    target = io.BytesIO()
    writer = envelope.EnvelopeWriter(target, "backup", [vault.key("signs").public_key])
    held = [value for value in vars(writer).values() if isinstance(value, ec.EllipticCurvePrivateKey | bytes)]
    assert held == []


@pytest.mark.requirement("SEC-130")
def test_an_ill_source_of_chance_makes_no_key(vault, monkeypatch):
    tape = itertools.cycle(random.Random(3).randbytes(640))
    biased = random.Random(2)
    ill = {
        "stuck": lambda count: b"\x5a" * count,
        "biased": lambda count: bytes(0x41 if biased.random() < 0.3 else biased.randrange(256) for _ in range(count)),
        "a tape": lambda count: bytes(itertools.islice(tape, count)),
    }
    events: list[str] = []
    for draw in ill.values():
        source = HealthTestedSource(draw, on_failure=events.append)
        monkeypatch.setattr(entropy, "system_source", lambda source=source: source)
        with pytest.raises(EntropyError):
            vault.generate("made-of-it", KeyUsage.SIGN, "P-256")
    assert len(events) == len(ill)
    assert dict(vault.labels()) == {}
    assert set(CURVES) == {"P-256", "P-384", "brainpoolP256r1"}
