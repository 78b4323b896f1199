"""Signatures: what signs, what verifies, and every way we know to make a false document look signed."""

import base64
import re

import pytest
from lxml import etree
from tests.unit.companions.gb.duis.sample import BODY, HEADER, ISSUER, KEYS, SIGNER, document, request

from meterworks.companions.errors import DocumentSignatureError, RequestError
from meterworks.companions.gb import CommandVariant, Element
from meterworks.companions.gb.duis import (
    IssuerSerial,
    read_request,
    sign_document,
    sign_request,
    signer_of,
    verify_document,
    write_request,
)
from meterworks.errors import MeterworksError
from meterworks.protocols.dlms.security import SecuritySuite, SoftwareSigner

DSIG = "http://www.w3.org/2000/09/xmldsig#"
SIGNED = sign_document(document(), SIGNER, ISSUER, 77)
OTHER = SoftwareSigner(SecuritySuite.SUITE_1, bytes(range(2, 34)))


def replaced(old: str, new: str, xml: bytes = SIGNED) -> bytes:
    assert old.encode() in xml
    return xml.replace(old.encode(), new.encode(), 1)


def signature_of(xml: bytes) -> str:
    found = re.search(b"<ds:Signature .*</ds:Signature>", xml, re.DOTALL)
    assert found is not None
    return found[0].decode()


def test_what_we_sign_verifies_and_says_who_signed():
    verified = verify_document(SIGNED, KEYS.get)
    assert verified.content == read_request(document()) == request()
    assert verified.signer == IssuerSerial("CN=U1,OU=07", 77) == signer_of(SIGNED)


def test_a_request_signed_at_once_is_the_document_signed():
    asked = request(Element("ReadSchedule", children=(Element("DSPScheduleID", "7"),)))
    assert sign_request(asked, SIGNER, ISSUER, 77) == sign_document(write_request(asked), SIGNER, ISSUER, 77)
    message = request(
        Element("DisplayMessage", children=(Element("SupplierMessage", """<a> & "b" 'c' ~"""),)),
        reference="3.1",
        variant="3.1",
        command_variant=CommandVariant.SEND,
    )
    assert verify_document(sign_request(message, SIGNER, ISSUER, 77), KEYS.get).content == message
    with pytest.raises(RequestError):
        sign_request(request(variant="5.3"), SIGNER, ISSUER, 77)


@pytest.mark.parametrize(
    "xml",
    [
        document(f"\n  <!-- left out -->{BODY}\n"),
        document().replace(b"sr:", b"").replace(b"xmlns:sr", b"xmlns"),
        document(after=signature_of(SIGNED)),
        document(header=HEADER.replace(">8<", ">&#56;<")),
        b'<?xml version="1.0" encoding="UTF-8"?>\n\n' + document(),
    ],
    ids=["comments", "no-prefix", "signed-before", "references", "declaration"],
)
def test_any_way_of_writing_a_document_can_be_signed(xml):
    signed = sign_document(xml, SIGNER, ISSUER, 77)
    assert verify_document(signed, KEYS.get).content == request()
    assert signed.count(b"</ds:Signature>") == 1


@pytest.mark.parametrize("name", ["CN=U1, OU=07", "CN=U1,OU=07", " CN=U1 ,  OU=07\n"])
def test_blanks_in_the_name_of_an_issuer_mean_nothing(name):
    assert verify_document(sign_document(document(), SIGNER, name, 77), KEYS.get).signer.issuer == "CN=U1,OU=07"


def test_an_issuer_is_written_as_text():
    keys = {IssuerSerial("CN=<U&1>", 1): SIGNER.public_key}
    assert verify_document(sign_document(document(), SIGNER, "CN=<U&1>", 1), keys.get).signer.issuer == "CN=<U&1>"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">123<", ">124<"),
        (":1000<", ":1001<"),
        ("</sr:Header>", "</sr:Header> "),
        ('schemaVersion="5.4"', 'schemaVersion="5.3"'),
        ("sr:ReadSchedule>", "sr:DeleteSchedule>"),
        (" xmlns:sr=", ' xmlns:more="urn:more" xmlns:sr='),
    ],
)
def test_no_change_of_a_document_verifies(old, new):
    with pytest.raises(MeterworksError):
        verify_document(SIGNED.replace(old.encode(), new.encode()), KEYS.get)


def test_no_bit_of_a_signature_can_be_changed():
    node = etree.fromstring(SIGNED)
    for name in ("DigestValue", "SignatureValue"):
        value = node.find(f".//{{{DSIG}}}{name}")
        assert value is not None
        octets = base64.b64decode(value.text or "")
        for bit in range(0, 8 * len(octets), 5):
            changed = bytearray(octets)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(DocumentSignatureError):
                verify_document(replaced(value.text or "", base64.b64encode(changed).decode()), KEYS.get)


METHOD = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
TRANSFORM = f'<ds:Transform Algorithm="{DSIG}enveloped-signature"></ds:Transform>'
REFERENCE = re.search("<ds:Reference.*</ds:Reference>", SIGNED.decode(), re.DOTALL)
assert REFERENCE is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (METHOD, f"{DSIG}hmac-sha1"),
        (METHOD, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1"),
        (METHOD, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"),
        ("http://www.w3.org/2001/04/xmlenc#sha256", f"{DSIG}sha1"),
        ("http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
        ('Reference URI=""', 'Reference URI="#body"'),
        ('Reference URI=""', 'Reference URI="http://127.0.0.1/"'),
        ('Reference URI=""', 'Reference URI="" Id="a"'),
        ('Reference URI=""', "Reference"),
        ('Reference URI=""', 'Reference URI="" Type="urn:x"'),
        (TRANSFORM, ""),
        (TRANSFORM, TRANSFORM + TRANSFORM),
        (TRANSFORM, TRANSFORM + '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>'),
        (TRANSFORM, '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"/>'),
        (REFERENCE[0], REFERENCE[0] * 2),
        (REFERENCE[0], ""),
        ("<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyName>k</ds:KeyName>"),
        ("<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyValue/>"),
        ("<ds:X509Data>", "<ds:X509Data><ds:X509Certificate>QUJD</ds:X509Certificate>"),
        ("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object/>"),
        ("<ds:SignatureValue>", '<ds:SignatureValue Id="v">'),
        ("<ds:DigestValue>", "<ds:DigestValue><!-- -->"),
        ("<ds:X509IssuerName>CN", "<ds:X509IssuerName>C<!-- -->N"),
        (">77<", ">7<!-- -->7<"),
        (">77<", ">٧٧<"),
        (">77<", ">0x4d<"),
        (">77<", f">{'7' * 60}<"),
        (">77<", "><"),
        ("<ds:Signature ", '<ds:Signature Id="s" '),
        ("<ds:SignatureValue>", "<ds:SignatureValue>QUJD"),
        ("ds:SignatureValue>", "ds:OtherValue>"),
    ],
)
def test_another_form_of_signature_is_refused_before_any_cryptography(old, new):
    changed = SIGNED.decode().replace(old, new) if old == "ds:SignatureValue>" else replaced(old, new).decode()
    with pytest.raises(DocumentSignatureError, match="one form") as refused:
        verify_document(changed.encode(), lambda _: pytest.fail("a key was asked for"))
    assert refused.value.code == "document-signature"


def test_parts_of_a_signature_that_stand_in_the_wrong_part_are_refused():
    inner = SIGNED.replace(b"</ds:SignedInfo>", b"").replace(
        b"</ds:SignatureValue>", b"</ds:SignatureValue></ds:SignedInfo>"
    )
    with pytest.raises(DocumentSignatureError, match="SignatureValue is expected"):
        verify_document(inner, KEYS.get)


def test_a_signature_that_is_not_there_or_not_where_it_belongs_is_refused():
    signature = signature_of(SIGNED)
    for xml in (
        document(),
        document(after=signature + signature),
        document(BODY + signature),
        document(header=signature + HEADER),
        document(f"<sr:ReadSchedule>{signature}</sr:ReadSchedule>"),
    ):
        with pytest.raises(MeterworksError):
            verify_document(xml, KEYS.get)


def test_a_wrapped_document_is_refused():
    """The signed request goes where nobody looks, and another stands in its place."""
    inner = SIGNED.decode().partition("?>")[2].strip()
    signature = signature_of(SIGNED)
    unsigned = inner.replace(signature, "")
    evil = BODY.replace("123", "666")
    wrapped = [
        document(evil, after=f"{signature}{unsigned}"),
        document(evil, after=f"{unsigned}{signature}"),
        document(evil, after=signature.replace("</ds:Signature>", f"<ds:Object>{unsigned}</ds:Object></ds:Signature>")),
        document(f"{evil}{inner}"),
        document(evil, header=f"{HEADER[: -len('</sr:Header>')]}{unsigned}</sr:Header>", after=signature),
        f"<x>{inner}</x>".encode(),
    ]
    for xml in wrapped:
        with pytest.raises(MeterworksError):
            verify_document(xml, KEYS.get)


def test_a_value_is_not_cut_in_two_by_a_comment():
    """Comments are outside the digest: who reads only the text before one would read another value than was signed."""
    with pytest.raises(RequestError, match="comment"):
        verify_document(replaced(">123<", ">12<!-- -->3<"), KEYS.get)


def test_the_key_comes_from_the_registry_only():
    with pytest.raises(DocumentSignatureError, match="no certificate 77 of 'CN=U1,OU=07'") as refused:
        verify_document(SIGNED, lambda _: None)
    assert refused.value.facts == {"issuer": "CN=U1,OU=07", "serial": 77}
    with pytest.raises(DocumentSignatureError, match="false"):
        verify_document(SIGNED, lambda _: OTHER.public_key)
    for no_key in (b"", bytes(64), b"\x01" * 64, SIGNER.public_key + b"\x00"):
        with pytest.raises(DocumentSignatureError, match="no point"):
            verify_document(SIGNED, lambda _, key=no_key: key)


def test_a_signature_for_one_document_does_not_stand_below_another():
    other = document(BODY.replace("123", "124"), after=signature_of(SIGNED))
    with pytest.raises(DocumentSignatureError, match="false"):
        verify_document(other, KEYS.get)


def test_a_signer_of_another_curve_is_refused():
    with pytest.raises(DocumentSignatureError, match="96 octets"):
        sign_document(document(), SoftwareSigner(SecuritySuite.SUITE_2, bytes(range(1, 49))), ISSUER, 77)


def test_a_document_without_a_canonical_form_is_refused():
    """Canonical XML 1.0 has no word for relative addresses of name spaces."""
    relative = document().replace(b" xmlns:sr", b' xmlns:more="more" xmlns:sr')
    assert read_request(relative) == request()
    with pytest.raises(RequestError, match="canonical form"):
        sign_document(relative, SIGNER, ISSUER, 77)
    with pytest.raises(DocumentSignatureError, match="false"):
        verify_document(relative.replace(b"</sr:Request>", signature_of(SIGNED).encode() + b"</sr:Request>"), KEYS.get)


def test_only_documents_of_ours_are_signed():
    for xml in (b"<a/>", document("<sr:Other/>"), document(BODY * 2)):
        with pytest.raises(RequestError):
            sign_document(xml, SIGNER, ISSUER, 77)
