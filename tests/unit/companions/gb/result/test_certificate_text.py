"""Certificates and requests as lines for people."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from tests.unit.companions.gb.result.messages import message

from meterworks.companions.gb.result import annotate
from meterworks.companions.gb.result.certificate_text import certificate_text

KEY = ec.derive_private_key(5, ec.SECP256R1())
HARDWARE_NAME = x509.OtherName(
    x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4"), bytes.fromhex("300f 06032a0304 0408 00db1234567890a1")
)
ORGANISATION = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "02"),
                          x509.NameAttribute(x509.NameOID.COMMON_NAME, "Z1")])  # fmt: skip


def usage(*, signs: bool) -> x509.KeyUsage:
    off = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign", "crl_sign",
                         "encipher_only", "decipher_only"), False)  # fmt: skip
    return x509.KeyUsage(digital_signature=signs, key_agreement=not signs, **off)


def certificate(subject: x509.Name, *extensions: x509.ExtensionType) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ORGANISATION)
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 12, 31, tzinfo=UTC))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(KEY, SHA256()).public_bytes(Encoding.DER)


def test_a_device_is_named_by_its_hardware():
    der = certificate(x509.Name([]), usage(signs=True), x509.SubjectAlternativeName([HARDWARE_NAME]))
    told = certificate_text(der)
    assert (
        told == f"certificate of 00-DB-12-34-56-78-90-A1, digital_signature, until 2030-12-31, {len(der)} octets of DER"
    )


def test_an_organisation_is_named_with_its_role():
    told = certificate_text(certificate(ORGANISATION, usage(signs=False)))
    assert told is not None
    assert told.startswith("certificate of Z1 (remote party role 2), key_agreement, until 2030-12-31")


def test_an_identifier_comes_before_a_name():
    own = x509.NameAttribute(x509.ObjectIdentifier("2.5.4.45"), bytes.fromhex("0090b3d51f30010000"),
                             x509.name._ASN1Type.BitString)  # fmt: skip
    told = certificate_text(certificate(x509.Name([own])))
    assert told is not None
    assert told.startswith("certificate of 90-B3-D5-1F-30-01-00-00, any use")


def test_a_request_is_told_as_such():
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    names = x509.SubjectAlternativeName([HARDWARE_NAME])
    der = builder.add_extension(names, critical=True).sign(KEY, SHA256()).public_bytes(Encoding.DER)
    assert certificate_text(der) == f"request for a certificate of 00-DB-12-34-56-78-90-A1, {len(der)} octets of DER"


@pytest.mark.parametrize("octets", ["", "3000", "30820000", "020100", "ff" * 40])
def test_other_octets_are_neither(octets):
    assert certificate_text(bytes.fromhex(octets)) is None


def test_altered_certificates_are_told_or_not_and_never_raise():
    der = certificate(ORGANISATION, usage(signs=True), x509.SubjectAlternativeName([HARDWARE_NAME]))
    told = 0
    for place in range(len(der)):
        for value in (0x00, 0x03, 0xFF, der[place] ^ 0x01):
            told += certificate_text(der[:place] + bytes((value,)) + der[place + 1 :]) is None
    assert told


def test_the_tree_shows_the_line():
    der = certificate(ORGANISATION, usage(signs=True))
    node = annotate(message(0x000C, der).to_bytes()).find("content")
    assert node is not None
    assert node.value.startswith("certificate of Z1")


def test_a_text_that_only_begins_like_one_stays():
    made = message(0x9999, "da200003e80000 01 0a0833303832 4142435a 01 0100")
    node = annotate(made.to_bytes()).find("get item_1")
    assert node is not None
    assert node.value == "3082ABCZ"
