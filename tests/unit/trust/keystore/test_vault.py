"""Both vaults pass the same tests: files, and a token of SoftHSM."""

import copy
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.x509.oid import NameOID
from tests.unit.trust.keystore.vaults import file_bench, token_bench

from meterworks.protocols.dlms import SecuritySuite
from meterworks.protocols.dlms.security import SoftwareKeyAgreement, verify_signature
from meterworks.protocols.errors import SignatureError
from meterworks.trust import (
    CURVES,
    KeyExistsError,
    KeyMaterialError,
    KeyNameError,
    KeyNotFoundError,
    KeyStore,
    KeyUnwrapError,
    KeyUsage,
    KeyUsageError,
    VaultKeyAgreement,
    VaultSigner,
    keywrap,
)

CURVE_NAMES = tuple(CURVES)
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a vault's authority")])
DAY = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(params=["file", "pkcs11"], scope="module")
def bench(request, tmp_path_factory):
    """A vault of each kind, for all tests of this module; labels are of one test each."""
    made = file_bench(tmp_path_factory.mktemp("vault")) if request.param == "file" else token_bench()
    yield made
    made.close()


@pytest.fixture
def vault(bench):
    return bench.vault


@pytest.mark.parametrize("curve", CURVE_NAMES)
def test_a_signature_verifies_in_both_forms(vault, curve):
    key = vault.generate(f"sign-{curve}", KeyUsage.SIGN, curve)
    row = CURVES[curve]
    plain, encoded = key.sign(b"message"), key.sign_der(b"message")
    size = row.scalar_size
    numbers = int.from_bytes(plain[:size], "big"), int.from_bytes(plain[size:], "big")
    assert len(plain) == 2 * size
    assert all(0 < number < row.curve.group_order for number in numbers)
    key.public_key.verify(encoded, b"message", ec.ECDSA(row.digest))
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    key.public_key.verify(encode_dss_signature(*numbers), b"message", ec.ECDSA(row.digest))
    assert (key.label, key.usage, key.curve) == (f"sign-{curve}", KeyUsage.SIGN, curve)


@pytest.mark.parametrize("curve", CURVE_NAMES)
def test_both_sides_agree_on_one_secret(vault, curve):
    key = vault.generate(f"agree-{curve}", KeyUsage.AGREE, curve)
    peer = ec.generate_private_key(CURVES[curve].curve)
    assert key.agree(peer.public_key()) == peer.exchange(ec.ECDH(), key.public_key)


def test_a_hash_may_be_named(vault):
    key = vault.generate("named-hash", KeyUsage.SIGN, "P-256")
    key.public_key.verify(key.sign_der(b"x", SHA384()), b"x", ec.ECDSA(SHA384()))


def test_a_signing_key_does_not_agree(vault):
    key = vault.generate("only-signs", KeyUsage.SIGN, "P-256")
    with pytest.raises(KeyUsageError, match="of usage sign and does not agree"):
        key.agree(ec.generate_private_key(ec.SECP256R1()).public_key())


@pytest.mark.parametrize(
    "act", [lambda key: key.sign(b"x"), lambda key: key.sign_der(b"x"), lambda key: key.for_x509()]
)
def test_an_agreement_key_does_not_sign(bench, act):
    if "only-agrees" not in bench.vault.labels():
        bench.vault.generate("only-agrees", KeyUsage.AGREE, "P-256")
    with pytest.raises(KeyUsageError, match="of usage agree and does not sign"):
        act(bench.vault.key("only-agrees"))


def test_a_peer_on_another_curve_is_refused(vault):
    key = vault.generate("curve-of-peer", KeyUsage.AGREE, "P-256")
    for other in (ec.SECP384R1(), ec.BrainpoolP256R1()):
        with pytest.raises(KeyMaterialError, match="take a key of the same curve"):
            key.agree(ec.generate_private_key(other).public_key())


@pytest.mark.parametrize("usage", [KeyUsage.WRAP, KeyUsage.TLS])
def test_wrapping_and_tls_keys_are_no_key_pairs_of_a_vault(vault, usage):
    with pytest.raises(KeyUsageError):
        vault.generate("no-pair", usage, "P-256")
    assert "no-pair" not in vault.labels()


def test_an_unknown_curve_is_refused(vault):
    with pytest.raises(KeyMaterialError, match="no curve P-521"):
        vault.generate("unknown-curve", KeyUsage.SIGN, "P-521")


@pytest.mark.parametrize("label", ["", ".hidden", "../up", "a/b", "a b", "x" * 65, "ключ", "a\n"])
def test_a_label_that_no_file_could_carry_is_refused(vault, label):
    for act in (vault.key, vault.wrapping_key, vault.destroy, vault.generate_wrapping_key):
        with pytest.raises(KeyNameError):
            act(label)


def test_a_label_is_never_used_twice(vault):
    first = vault.generate("once", KeyUsage.SIGN, "P-256")
    for again in (lambda: vault.generate("once", KeyUsage.AGREE, "P-384"), lambda: vault.generate_wrapping_key("once")):
        with pytest.raises(KeyExistsError, match="destroy it first"):
            again()
    first.public_key.verify(vault.key("once").sign_der(b"x"), b"x", ec.ECDSA(SHA256()))


def test_an_absent_key_is_told(vault):
    for act in (vault.key, vault.wrapping_key, vault.destroy):
        with pytest.raises(KeyNotFoundError, match="no key nobody"):
            act("nobody")


def test_labels_tell_every_usage(bench):
    before = set(bench.vault.labels())
    bench.vault.generate("list-b", KeyUsage.AGREE, "P-256")
    bench.vault.generate("list-a", KeyUsage.SIGN, "P-256")
    bench.vault.generate_wrapping_key("list-c")
    found = {name: usage for name, usage in bench.vault.labels().items() if name not in before}
    assert found == {"list-a": KeyUsage.SIGN, "list-b": KeyUsage.AGREE, "list-c": KeyUsage.WRAP}
    assert list(bench.vault.labels()) == sorted(bench.vault.labels())


def test_a_destroyed_key_is_gone_for_who_still_holds_it(vault):
    key = vault.generate("short-lived", KeyUsage.SIGN, "P-256")
    wrapping = vault.generate_wrapping_key("short-lived-too")
    vault.destroy("short-lived")
    vault.destroy("short-lived-too")
    for act in (lambda: key.sign(b"x"), lambda: wrapping.wrap(bytes(16)), lambda: vault.key("short-lived")):
        with pytest.raises(KeyNotFoundError):
            act()
    other = vault.generate("short-lived", KeyUsage.SIGN, "P-256")
    assert other.public_key != key.public_key
    with pytest.raises(KeyNotFoundError):
        key.sign(b"x")


def test_what_wraps_unwraps_after_a_reopening(bench):
    wrapping = bench.vault.generate_wrapping_key("wraps")
    keys = [bytes([size]) * size for size in (16, 24, 32)]
    wrapped = [wrapping.wrap(key) for key in keys]
    again = bench.reopen().wrapping_key("wraps")
    assert [again.unwrap(entry) for entry in wrapped] == keys
    assert [len(entry) for entry in wrapped] == [24, 32, 40]


def test_a_changed_wrapped_key_does_not_open(vault):
    wrapping = vault.generate_wrapping_key("wraps-whole")
    wrapped = bytearray(wrapping.wrap(bytes(32)))
    wrapped[5] ^= 1
    with pytest.raises(KeyUnwrapError):
        wrapping.unwrap(bytes(wrapped))
    with pytest.raises(KeyUnwrapError):
        wrapping.unwrap(keywrap.wrap_key(bytes(32), bytes(16)))


@pytest.mark.parametrize("size", [0, 15, 17, 33])
def test_only_keys_are_wrapped(bench, size):
    if "wraps-keys" not in bench.vault.labels():
        bench.vault.generate_wrapping_key("wraps-keys")
    wrapping = bench.vault.wrapping_key("wraps-keys")
    with pytest.raises(KeyMaterialError):
        wrapping.wrap(bytes(size))
    with pytest.raises(KeyMaterialError):
        wrapping.unwrap(bytes(size + 8))


def test_a_wrapping_key_is_no_key_pair_and_the_reverse(vault):
    vault.generate_wrapping_key("kind-wrap")
    vault.generate("kind-sign", KeyUsage.SIGN, "P-256")
    with pytest.raises(KeyUsageError, match="is a wrapping key"):
        vault.key("kind-wrap")
    with pytest.raises(KeyUsageError, match="is a key pair"):
        vault.wrapping_key("kind-sign")


def test_the_key_stores_master_key_may_be_a_vaults(vault):
    store = KeyStore.under(vault.generate_wrapping_key("master"))
    keys = [bytes([number]) * 16 for number in range(4)]
    assert store.unwrap_many(store.wrap_many(keys)) == keys
    assert repr(store) == "KeyStore(...)"


def test_a_key_pair_is_the_same_after_a_reopening(bench):
    made = bench.vault.generate("lasting", KeyUsage.SIGN, "P-384")
    again = bench.reopen().key("lasting")
    assert again.public_key == made.public_key
    made.public_key.verify(again.sign_der(b"x"), b"x", ec.ECDSA(SHA384()))


def test_threads_share_a_key(vault):
    signing = vault.generate("shared", KeyUsage.SIGN, "P-256")
    agreeing = vault.generate("shared-too", KeyUsage.AGREE, "P-256")
    peer = ec.generate_private_key(ec.SECP256R1())
    expected = peer.exchange(ec.ECDH(), agreeing.public_key)

    def work(number: int) -> bool:
        message = number.to_bytes(4, "big")
        signing.public_key.verify(signing.sign_der(message), message, ec.ECDSA(SHA256()))
        return bool(agreeing.agree(peer.public_key()) == expected)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(24)))


@pytest.mark.parametrize("curve", CURVE_NAMES)
def test_certificates_lists_and_requests_are_signed(vault, curve):
    key = vault.generate(f"authority-{curve}", KeyUsage.SIGN, curve)
    signer, digest = key.for_x509(), CURVES[curve].digest
    certificate = (
        x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(signer.public_key())
        .serial_number(7).not_valid_before(DAY).not_valid_after(DAY + timedelta(days=1)).sign(signer, digest)
    )  # fmt: skip
    revoked = (
        x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(DAY)
        .next_update(DAY + timedelta(days=1)).sign(signer, digest)
    )  # fmt: skip
    request = x509.CertificateSigningRequestBuilder().subject_name(NAME).sign(signer, digest)
    certificate.verify_directly_issued_by(certificate)
    assert revoked.is_signature_valid(key.public_key)
    assert request.is_signature_valid


def test_what_signs_certificates_gives_no_key_away(vault):
    signer = vault.generate("closed", KeyUsage.SIGN, "P-256").for_x509()
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for act in (
        signer.private_numbers,
        lambda: signer.private_bytes(*pem),
        lambda: signer.exchange(ec.ECDH(), signer.public_key()),
    ):
        with pytest.raises(KeyUsageError, match="key closed signs certificates and does not"):
            act()
    with pytest.raises(UnsupportedAlgorithm):
        signer.sign(bytes(32), ec.ECDSA(Prehashed(SHA256())))
    assert (signer.curve.name, signer.key_size) == ("secp256r1", 256)
    assert copy.copy(signer).public_key() == copy.deepcopy(signer).public_key() == signer.public_key()
    assert "closed" in repr(signer)


@pytest.mark.parametrize(("suite", "curve"), [(SecuritySuite.SUITE_1, "P-256"), (SecuritySuite.SUITE_2, "P-384")])
def test_the_dlms_cores_take_a_vaults_keys(vault, suite, curve):
    signer = VaultSigner(vault.generate(f"dlms-sign-{curve}", KeyUsage.SIGN, curve))
    verify_signature(suite, signer.public_key, b"apdu", signer.sign(b"apdu"))
    agreement = VaultKeyAgreement(vault.generate(f"dlms-agree-{curve}", KeyUsage.AGREE, curve))
    peer = SoftwareKeyAgreement(suite, bytes([7]) * CURVES[curve].scalar_size)
    assert agreement.agree(peer.public_key) == peer.agree(agreement.public_key)
    with pytest.raises(SignatureError, match="is no point"):
        agreement.agree(bytes(2 * CURVES[curve].scalar_size))


def test_the_dlms_cores_take_no_key_of_another_usage_or_curve(vault):
    pairs = [
        (VaultSigner, vault.generate("dlms-a", KeyUsage.AGREE, "P-256")),
        (VaultKeyAgreement, vault.generate("dlms-b", KeyUsage.SIGN, "P-256")),
        (VaultSigner, vault.generate("dlms-c", KeyUsage.SIGN, "brainpoolP256r1")),
    ]
    for adapter, key in pairs:
        with pytest.raises(KeyUsageError, match="for a meter"):
            adapter(key)


def test_nothing_printed_shows_a_key(vault):
    shown = [
        vault,
        vault.generate("printed", KeyUsage.SIGN, "P-256"),
        vault.generate_wrapping_key("printed-too"),
    ]
    assert all(len(repr(each)) < 200 and "0x" not in repr(each) for each in shown)
