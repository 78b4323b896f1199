"""Keys files: every field, and every mistake, told without the key."""

import datetime
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from meterworks.protocols.dlms import SecuritySuite, verify_signature
from meterworks.system import ConfigurationError
from meterworks.system.meter.key import aes_ecb_proof, load_keys

SECRET_HEX = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def keys_file(folder, **fields):
    path = folder / "keys.json"
    path.write_text(json.dumps(fields))
    return path


def private_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_of(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "4D574D0000000001")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


def test_symmetric_keys_and_secrets_are_hexadecimal(tmp_path):
    keys = load_keys(keys_file(tmp_path, guek=SECRET_HEX, gak="00" * 16, password="3132", secret_text="hello"))
    assert keys.guek == bytes.fromhex(SECRET_HEX)
    assert (keys.password, keys.secret, keys.suite) == (b"12", b"hello", SecuritySuite.SUITE_0)
    assert SECRET_HEX not in repr(keys)
    assert load_keys(keys_file(tmp_path)).guek is None
    assert load_keys(keys_file(tmp_path, guek=None)).guek is None


@pytest.mark.parametrize(
    ("suite", "curve", "size"), [(1, ec.SECP256R1(), 32), (2, ec.SECP384R1(), 48)], ids=["suite 1", "suite 2"]
)
def test_key_pairs_come_from_pem_files_beside_it(tmp_path, suite, curve, size):
    signing, agreement, meter = (ec.generate_private_key(curve) for _ in range(3))
    (tmp_path / "sign.pem").write_bytes(private_pem(signing))
    (tmp_path / "agree.pem").write_bytes(private_pem(agreement))
    own = certificate_of(signing)
    (tmp_path / "own.pem").write_bytes(own.public_bytes(Encoding.PEM))
    (tmp_path / "meter.pem").write_bytes(certificate_of(meter).public_bytes(Encoding.PEM))
    (tmp_path / "agreed.pem").write_bytes(
        meter.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    keys = load_keys(
        keys_file(
            tmp_path, suite=suite, signing_key="sign.pem", agreement_key="agree.pem", certificate="own.pem",
            meter_signing_key="meter.pem", meter_agreement_key="agreed.pem",
        )
    )  # fmt: skip
    signer, pair = keys.signer, keys.key_agreement
    assert signer is not None
    assert pair is not None
    verify_signature(keys.suite, signer.public_key, b"message", signer.sign(b"message"))
    assert len(pair.public_key) == 2 * size
    assert keys.meter_signing_key == keys.meter_agreement_key
    assert keys.certificate == own.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"guek": "zz"}, "guek: hexadecimal"),
        ({"guek": 5}, "guek: hexadecimal"),
        ({"guek": SECRET_HEX[:-2]}, "guek: 15 octets; suite 0 takes 16"),
        ({"guek": SECRET_HEX, "suite": 2}, "suite 2 takes 32"),
        ({"suite": 3}, "0, 1 or 2"),
        ({"suite": True}, "0, 1 or 2"),
        ({"geuk": SECRET_HEX}, "geuk unknown"),
        ({"signing_key": "sign.pem"}, "suite 1 or 2"),
        ({"suite": 1, "signing_key": "absent.pem"}, "signing_key"),
        ({"suite": 1, "signing_key": "text.pem"}, "no private key"),
        ({"suite": 1, "signing_key": "edwards.pem"}, "256 bits"),
        ({"suite": 2, "signing_key": "p256.pem"}, "384 bits"),
        ({"suite": 1, "meter_signing_key": "text.pem"}, "no public key"),
        ({"certificate": "text.pem"}, "no certificate"),
    ],
)
def test_a_mistake_names_file_and_field_and_no_key(tmp_path, fields, told):
    (tmp_path / "text.pem").write_text("hello")
    (tmp_path / "edwards.pem").write_bytes(private_pem(ed25519.Ed25519PrivateKey.generate()))
    (tmp_path / "p256.pem").write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ConfigurationError) as caught:
        load_keys(keys_file(tmp_path, **fields))
    assert told in str(caught.value)
    assert "keys.json" in str(caught.value)
    assert SECRET_HEX[:20] not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_keys_file_is_told(tmp_path, content):
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"keys\.json"):
        load_keys(path)
    with pytest.raises(ConfigurationError):
        load_keys(tmp_path / "absent.json")


def test_the_common_proof_of_mechanism_2_is_the_challenge_under_aes():
    secret, challenge = b"0123456789abcdef", b"challenge of 20 octe"
    proof = aes_ecb_proof(secret, challenge)
    decryptor = Cipher(algorithms.AES128(secret), modes.ECB()).decryptor()
    assert (decryptor.update(proof) + decryptor.finalize()).startswith(challenge)
    assert aes_ecb_proof(b"short", b"x" * 16) == aes_ecb_proof(b"short".ljust(16, b"\0"), b"x" * 16)
    with pytest.raises(ConfigurationError, match="17 octets"):
        aes_ecb_proof(b"x" * 17, challenge)
