"""XML signatures: the really signed documents verify, ours verify with other people's programs, altered ones do not."""

import shutil
import subprocess
import warnings
from datetime import UTC, datetime

import pytest
from asn1crypto import pem
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from lxml import etree
from tests.conformance.gbcs.duis_set import documents

from meterworks.companions.errors import DocumentSignatureError
from meterworks.companions.gb.duis import (
    IssuerSerial,
    issuer_serial_of,
    read_request,
    read_response,
    sign_document,
    sign_request,
    verify_document,
)
from meterworks.errors import MeterworksError
from meterworks.protocols.dlms.security import SecuritySuite, SoftwareSigner

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what its own libraries are about to drop
    import signxml

NUMBER = 0x1234567890ABCDEF
SERIAL = 2**120 + 77
SIGNER = SoftwareSigner(SecuritySuite.SUITE_1, NUMBER.to_bytes(32, "big"))
ISSUER = "CN=U1, OU=07"
KEYS = {IssuerSerial("CN=U1,OU=07", SERIAL): SIGNER.public_key}


def certificate() -> x509.Certificate:
    """A certificate of the signer."""
    key = ec.derive_private_key(NUMBER, ec.SECP256R1())
    parts = [(NameOID.ORGANIZATIONAL_UNIT_NAME, "07"), (NameOID.COMMON_NAME, "U1")]
    name = x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])
    builder = x509.CertificateBuilder(name, name, key.public_key(), SERIAL)
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2049, 1, 1, tzinfo=UTC)
    )
    return builder.sign(key, SHA256())


@pytest.fixture(scope="module")
def registry(shared_folder):
    folder = shared_folder / "vectors" / "gb" / "duis_signed"
    if not folder.is_dir():
        pytest.skip(f"no signed documents at {folder}")
    found = {}
    for path in folder.glob("*.pem"):
        _, _, der = pem.unarmor(path.read_bytes())
        found[issuer_serial_of(der)] = asn1_x509.Certificate.load(der).public_key["public_key"].native[1:]
    return found


def test_the_really_signed_documents_verify(shared_folder, registry):
    for name, xml in documents(shared_folder, "duis_signed").items():
        verified = verify_document(xml, registry.get)
        assert verified.signer in registry, name
        assert verified.content == read_response(xml)


def test_the_really_signed_documents_do_not_verify_when_altered(shared_folder, registry):
    for name, xml in documents(shared_folder, "duis_signed").items():
        for old, new in ((b">I0<", b">E1<"), (b"GBCSPayload>3Q", b"GBCSPayload>3A"), (b"Z</sr:", b"+00:00</sr:")):
            assert old in xml, name
            with pytest.raises(DocumentSignatureError):
                verify_document(xml.replace(old, new), registry.get)
        with pytest.raises(DocumentSignatureError, match="no certificate"):
            verify_document(xml, {}.get)


def test_the_placeholder_signatures_of_the_set_do_not_verify(shared_folder):
    for xml in documents(shared_folder, "duis").values():
        with pytest.raises(DocumentSignatureError):
            verify_document(xml, lambda _: SIGNER.public_key)


def test_every_request_of_the_set_signed_by_us_verifies_and_altered_does_not(shared_folder):
    for name, xml in documents(shared_folder, "duis").items():
        request = read_request(xml)
        signed = sign_document(xml, SIGNER, ISSUER, SERIAL)
        assert verify_document(signed, KEYS.get).content == request, name
        at_once = sign_request(request, SIGNER, ISSUER, SERIAL)
        assert verify_document(at_once, KEYS.get).content == request, name
        altered = at_once.replace(f":{request.request_id.counter}<".encode(), b":1<", 1)
        with pytest.raises(MeterworksError):
            verify_document(altered, KEYS.get)


def some_of(shared_folder) -> list[bytes]:
    """A few requests of different shape, signed by us in both ways."""
    found = list(documents(shared_folder, "duis").values())[::60]
    return [sign_document(xml, SIGNER, ISSUER, SERIAL) for xml in found] + [
        sign_request(read_request(xml), SIGNER, ISSUER, SERIAL) for xml in found
    ]


@pytest.fixture
def xmlsec1() -> str:
    program = shutil.which("xmlsec1")
    if program is None:
        pytest.skip("no xmlsec1 on this machine")
    return program


def test_what_we_sign_xmlsec1_verifies(shared_folder, tmp_path, xmlsec1):
    key = tmp_path / "key.pem"
    public = certificate().public_key()
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    path = tmp_path / "signed.xml"
    for xml in some_of(shared_folder):
        for octets, expected in ((xml, 0), (xml.replace(b"<sr:CommandVariant>", b"<sr:CommandVariant> ", 1), 1)):
            path.write_bytes(octets)
            command = [xmlsec1, "--verify", "--pubkey-pem", str(key), str(path)]
            assert subprocess.run(command, capture_output=True, check=False).returncode == expected


def test_what_xmlsec1_signs_verifies_with_us(shared_folder, tmp_path, xmlsec1):
    """The requests of the set are templates for it: it fills in digest and signature."""
    private = ec.derive_private_key(NUMBER, ec.SECP256R1())
    key, template, signed = tmp_path / "key.pem", tmp_path / "template.xml", tmp_path / "signed.xml"
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for xml in list(documents(shared_folder, "duis").values())[::80]:
        template.write_bytes(xml)
        command = [xmlsec1, "--sign", "--privkey-pem", str(key), "--output", str(signed), str(template)]
        subprocess.run(command, capture_output=True, check=True)
        assert verify_document(signed.read_bytes(), lambda _: SIGNER.public_key).content == read_request(xml)
        with pytest.raises(DocumentSignatureError):
            verify_document(signed.read_bytes().replace(b"<sr:Body>", b"<sr:Body> "), lambda _: SIGNER.public_key)


def test_what_we_sign_signxml_verifies(shared_folder):
    config = signxml.SignatureConfiguration(
        signature_methods=frozenset({signxml.SignatureMethod.ECDSA_SHA256}),
        digest_algorithms=frozenset({signxml.DigestAlgorithm.SHA256}),
    )
    for xml in some_of(shared_folder):
        verified = signxml.XMLVerifier().verify(xml, x509_cert=certificate(), expect_config=config)
        assert etree.QName(verified.signed_xml).localname == "Request"
        with pytest.raises(signxml.exceptions.InvalidSignature):
            altered = xml.replace(b"<sr:CommandVariant>", b"<sr:CommandVariant> ", 1)
            signxml.XMLVerifier().verify(altered, x509_cert=certificate(), expect_config=config)


def test_a_signature_that_brings_its_certificate_is_refused(shared_folder):
    xml = next(iter(documents(shared_folder, "duis").values()))
    root = etree.fromstring(xml)
    root.remove(root[-1])
    signer = signxml.XMLSigner(
        signature_algorithm=signxml.SignatureMethod.ECDSA_SHA256,
        digest_algorithm=signxml.DigestAlgorithm.SHA256,
        c14n_algorithm=signxml.CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    signed = signer.sign(root, key=ec.derive_private_key(NUMBER, ec.SECP256R1()), cert=[certificate()])
    with pytest.raises(DocumentSignatureError, match="one form"):
        verify_document(etree.tostring(signed), KEYS.get)
