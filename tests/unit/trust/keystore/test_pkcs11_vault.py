"""A vault in a token: what the token itself refuses, who may log in, and a token that is pulled out."""

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from tests.softhsm import SoftToken, new_token
from tests.unit.trust.keystore.vaults import MASTER, settings_of, token_bench

from meterworks.errors import UnreachableError
from meterworks.trust import (
    EntropyError,
    KeyNotFoundError,
    KeyUsage,
    TokenLostError,
    VaultLockedError,
    VaultSettingsError,
    open_vault,
)
from meterworks.trust.keystore import VaultSettings

pkcs11 = pytest.importorskip("pkcs11")


@pytest.fixture
def token() -> SoftToken:
    return new_token()


@pytest.fixture
def bench(token):
    made = token_bench(token)
    yield made
    made.close()


@pytest.fixture
def session(bench, token):
    """The token as somebody sees it who has the PIN and writes his own program. The vault's login holds for him."""
    found = next(each for each in pkcs11.lib(str(token.module)).get_tokens(token_label=token.label))
    with found.open(rw=True) as opened:
        yield opened


def private_key(session: Any, label: str) -> Any:
    return session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)


def as_if_it_could(session: Any, label: str, mixin: str) -> Any:
    """The key's object with an operation that the library would not offer for it: the token has to refuse."""
    from pkcs11 import _pkcs11

    held = private_key(session, label)
    return type("Able", (type(held), getattr(_pkcs11, mixin)), {})(held.wrapper)


def test_the_token_itself_keeps_to_the_usage(bench, session):
    bench.vault.generate("signs", KeyUsage.SIGN, "P-256")
    agreeing = bench.vault.generate("agrees", KeyUsage.AGREE, "P-256")
    point = agreeing.public_key.public_numbers()
    octets = b"\x04" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
    with pytest.raises(pkcs11.PKCS11Error):
        as_if_it_could(session, "signs", "DeriveMixin").derive_key(
            pkcs11.KeyType.GENERIC_SECRET, 256, mechanism=pkcs11.Mechanism.ECDH1_DERIVE,
            mechanism_param=(pkcs11.KDF.NULL, None, octets),
        )  # fmt: skip
    with pytest.raises(pkcs11.PKCS11Error):
        as_if_it_could(session, "agrees", "SignMixin").sign(bytes(32), mechanism=pkcs11.Mechanism.ECDSA)
    assert as_if_it_could(session, "signs", "SignMixin").sign(bytes(32), mechanism=pkcs11.Mechanism.ECDSA)


def test_no_private_key_comes_out_of_the_token(bench, session):
    bench.vault.generate("stays", KeyUsage.SIGN, "P-256")
    bench.vault.generate_wrapping_key("stays-too")
    held = private_key(session, "stays")
    wrapping = session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label="stays-too")
    for key in (held, wrapping):
        with pytest.raises(pkcs11.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]
        with pytest.raises(pkcs11.PKCS11Error):
            key[pkcs11.Attribute.EXTRACTABLE] = True
        assert key[pkcs11.Attribute.NEVER_EXTRACTABLE]
    with pytest.raises(pkcs11.PKCS11Error):
        wrapping.wrap_key(held, mechanism=pkcs11.Mechanism.AES_KEY_WRAP)


def test_a_secret_agreed_on_does_not_stay_in_the_token(bench, session):
    key = bench.vault.generate("agrees", KeyUsage.AGREE, "P-256")
    before = len(list(session.get_objects()))
    key.agree(ec.generate_private_key(ec.SECP256R1()).public_key())
    wrapping = bench.vault.generate_wrapping_key("wraps")
    wrapping.unwrap(wrapping.wrap(bytes(16)))
    assert len(list(session.get_objects())) == before + 1


@pytest.mark.skipif(not os.environ.get("SOAK_TOKENS"), reason="wants a process of its own: make soak has it")
def test_a_token_that_is_pulled_out_gives_one_clear_error_and_works_again_when_it_is_back(bench, token):
    key = bench.vault.generate("interrupted", KeyUsage.SIGN, "P-256")
    wrapping = bench.vault.generate_wrapping_key("interrupted-too")
    token.remove()
    for act in (
        lambda: key.sign(b"x"),
        lambda: wrapping.unwrap(bytes(24)),
        lambda: bench.vault.key("interrupted"),
        lambda: bench.vault.generate("other", KeyUsage.SIGN, "P-256"),
        bench.vault.labels,
    ):
        with pytest.raises(TokenLostError, match="put it back, then try again") as caught:
            act()
        assert isinstance(caught.value, UnreachableError)
        assert caught.value.retry == "safe"
    token.put_back()
    key.public_key.verify(key.sign_der(b"x"), b"x", ec.ECDSA(SHA256()))
    assert wrapping.unwrap(wrapping.wrap(bytes(16))) == bytes(16)
    assert set(bench.vault.labels()) == {"interrupted", "interrupted-too"}


def test_a_session_that_ended_is_opened_again(bench, token):
    key = bench.vault.generate("goes-on", KeyUsage.SIGN, "P-256")
    bench.close()
    pkcs11.lib(str(token.module)).reinitialize()
    assert len(key.sign(b"x")) == 64
    pkcs11.lib(str(token.module)).reinitialize()
    assert len(key.sign(b"x")) == 64


def test_two_vaults_on_one_token_do_not_log_each_other_out(bench, token):
    other = open_vault(settings_of(token), Path(), MASTER)
    key = bench.vault.generate("both", KeyUsage.SIGN, "P-256")
    assert other.key("both").public_key == key.public_key
    other.destroy("both")
    with pytest.raises(KeyNotFoundError):
        key.sign(b"x")


def test_a_wrong_pin_is_told_and_not_tried_twice(token, tmp_path):
    pin = tmp_path / "pin"
    pin.touch(0o600)
    pin.write_text("00000000\n")
    settings = VaultSettings(kind="pkcs11", module=str(token.module), token_label=token.label, pin_reference=str(pin))
    with pytest.raises(VaultLockedError, match="each wrong try counts") as caught:
        open_vault(settings, Path(), MASTER)
    assert "00000000" not in str(caught.value)


def test_an_unknown_token_and_an_unknown_module_are_told(token, tmp_path):
    pin = str(token.pin_path)
    with pytest.raises(VaultSettingsError, match="has no token nobody"):
        open_vault(
            VaultSettings(kind="pkcs11", module=str(token.module), token_label="nobody", pin_reference=pin),
            Path(), MASTER,
        )  # fmt: skip
    absent = str(tmp_path / "absent.so")
    with pytest.raises(VaultSettingsError, match="cannot be loaded"):
        open_vault(VaultSettings(kind="pkcs11", module=absent, token_label="t", pin_reference=pin), Path(), MASTER)


def test_a_tokens_own_source_of_chance_is_tested_before_a_key_is_made(bench, monkeypatch):
    monkeypatch.setattr(bench.vault, "_draw", lambda count: b"\x5a" * count)
    monkeypatch.setattr(bench.vault._source, "_draw", bench.vault._draw)
    with pytest.raises(EntropyError):
        bench.vault.generate("weak", KeyUsage.SIGN, "P-256")
    assert "weak" not in bench.vault.labels()


def test_keys_of_others_in_the_token_are_left_alone(bench, session):
    session.generate_key(pkcs11.KeyType.AES, 128, label="theirs", store=True, capabilities=pkcs11.MechanismFlag.ENCRYPT)
    assert "theirs" not in bench.vault.labels()
    with pytest.raises(KeyNotFoundError):
        bench.vault.destroy("theirs")
