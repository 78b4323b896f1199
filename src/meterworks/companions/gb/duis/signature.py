"""Signatures of XML documents: made by whoever holds the key, verified with a key of our own registry.

Two canonical forms are in play. The digest is over the rest of the document in *inclusive* canonical XML 1.0: the one
Reference has an empty URI and no transform but enveloped-signature, and that form is the default. The signature is over
SignedInfo in *exclusive* canonical XML, as it says itself. Both leave comments out.

What we sign is sent in the very form the digest is over, so that signing serialises once. The form of a signature we
accept is one form only, checked element by element before any cryptography: one signature, last below the root; one
reference, to the whole document; the listed algorithms; a key named by issuer and serial number, never brought along.
So no signature can be wrapped, doubled or aimed at a part, and no id means anything.
Source: XML Signature 1.0 (second edition), RFC 4051 2.3.6 (ecdsa-sha256, r || s); fact sheet gb/GBCS.md section 14.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn
from xml.sax.saxutils import escape

import xmlsec
from asn1crypto import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from meterworks.companions.errors import DocumentSignatureError
from meterworks.companions.gb.duis.document import DECLARATION, document_of, signature_element
from meterworks.companions.gb.duis.markup import DUIS, XMLDSIG, canonical_of, markup_of, parse
from meterworks.companions.gb.duis.request_document import element_of_request, request_of
from meterworks.companions.gb.duis.response import Response, response_of
from meterworks.companions.gb.duis.structure import check_element
from meterworks.companions.gb.duis.table import load_table
from meterworks.companions.gb.request import Request
from meterworks.protocols.dlms.security import Signer

__all__ = [
    "IssuerSerial",
    "KeyLookup",
    "VerifiedDocument",
    "issuer_serial_of",
    "sign_document",
    "sign_request",
    "signer_of",
    "verify_document",
]

KEYS_MAX: Final = 1024  # public keys kept in the form of the library
SIGNATURE_SIZE: Final = 64
_SERIAL_DIGITS_MAX: Final = 49  # 20 octets, RFC 5280 4.1.2.2
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
_ENVELOPED: Final = f"{XMLDSIG}enveloped-signature"
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"

_NO_ATTRIBUTES: Final[tuple[tuple[str, str], ...]] = ()
_FORM: Final = (  # what a signature holds, in order: number of the element it stands in, name, attributes
    (None, "Signature", _NO_ATTRIBUTES),
    (0, "SignedInfo", _NO_ATTRIBUTES),
    (1, "CanonicalizationMethod", (("Algorithm", _EXCLUSIVE),)),
    (1, "SignatureMethod", (("Algorithm", _ECDSA_SHA256),)),
    (1, "Reference", (("URI", ""),)),
    (4, "Transforms", _NO_ATTRIBUTES),
    (5, "Transform", (("Algorithm", _ENVELOPED),)),
    (4, "DigestMethod", (("Algorithm", _SHA256),)),
    (4, "DigestValue", _NO_ATTRIBUTES),
    (0, "SignatureValue", _NO_ATTRIBUTES),
    (0, "KeyInfo", _NO_ATTRIBUTES),
    (10, "X509Data", _NO_ATTRIBUTES),
    (11, "X509IssuerSerial", _NO_ATTRIBUTES),
    (12, "X509IssuerName", _NO_ATTRIBUTES),
    (12, "X509SerialNumber", _NO_ATTRIBUTES),
)
_DIGEST_VALUE, _SIGNATURE_VALUE, _ISSUER, _SERIAL = 8, 9, 13, 14
_SIGNED_INFO: Final = (  # in exclusive canonical form, which names the space where the element stands alone
    "<ds:SignedInfo{space}>"
    f'<ds:CanonicalizationMethod Algorithm="{_EXCLUSIVE}"></ds:CanonicalizationMethod>'
    f'<ds:SignatureMethod Algorithm="{_ECDSA_SHA256}"></ds:SignatureMethod>'
    '<ds:Reference URI=""><ds:Transforms>'
    f'<ds:Transform Algorithm="{_ENVELOPED}"></ds:Transform></ds:Transforms>'
    f'<ds:DigestMethod Algorithm="{_SHA256}"></ds:DigestMethod>'
    "<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
)
_SIGNATURE: Final = (
    f'<ds:Signature xmlns:ds="{XMLDSIG}">'
    "{signed_info}<ds:SignatureValue>{signature}</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509IssuerSerial>"
    "<ds:X509IssuerName>{issuer}</ds:X509IssuerName><ds:X509SerialNumber>{serial}</ds:X509SerialNumber>"
    "</ds:X509IssuerSerial></ds:X509Data></ds:KeyInfo></ds:Signature>"
)
_NAME_JOINT: Final = re.compile(r"\s*,\s*")
_SHORT_NAMES: Final = {
    "common_name": "CN",
    "organizational_unit_name": "OU",
    "organization_name": "O",
    "country_name": "C",
}


@dataclass(frozen=True, slots=True)
class IssuerSerial:
    """Which certificate signed: its issuer's name, normal as `issuer_serial_of` gives it, and its serial number."""

    issuer: str
    serial: int


KeyLookup = Callable[[IssuerSerial], bytes | None]
"""Public key x || y (P-256) of a certificate that may sign XML, from our own registry; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedDocument:
    """What a verified signature covers, and nothing else. signer: whose certificate it was."""

    content: Request | Response
    signer: IssuerSerial


def sign_document(xml: bytes, signer: Signer, issuer: str, serial: int) -> bytes:
    """Sign a request or a response as it is; a signature it has is replaced. Comments are left out.

    signer: a key pair of P-256, in memory or in hardware. issuer: of the signer's certificate, "CN=U1, OU=07".
    Raises RequestError where the document is none of ours.
    """
    root = parse(xml)
    old = signature_element(root)
    document_of(root, old)
    if old is not None:
        root.remove(old)
    return _signed(canonical_of(root, with_comments=False), signer, issuer, serial)


def sign_request(request: Request, signer: Signer, issuer: str, serial: int) -> bytes:
    """Write a request and sign it at once: half the work of writing it and signing the document.

    Raises RequestError where the request is not what the table says.
    """
    root = element_of_request(request)
    check_element(root, load_table().request)
    return _signed(markup_of(root, {"sr": DUIS}).encode(), signer, issuer, serial)


def _signed(canonical: bytes, signer: Signer, issuer: str, serial: int) -> bytes:
    """A document in inclusive canonical form, with its signature before its last tag."""
    digest = base64.b64encode(hashlib.sha256(canonical).digest()).decode()
    signature = signer.sign(_SIGNED_INFO.format(space=f' xmlns:ds="{XMLDSIG}"', digest=digest).encode())
    if len(signature) != SIGNATURE_SIZE:
        raise DocumentSignatureError(f"the signer gave {len(signature)} octets; DUIS is signed with a key of P-256")
    element = _SIGNATURE.format(
        signed_info=_SIGNED_INFO.format(space="", digest=digest),
        signature=base64.b64encode(signature).decode(),
        issuer=escape(issuer),
        serial=serial,
    )
    end = canonical.rindex(b"</")
    return b"".join((DECLARATION, canonical[:end], element.encode(), canonical[end:]))


def signer_of(xml: bytes) -> IssuerSerial:
    """Whose key a document says it is signed with. Nothing is verified.

    Raises RequestError or DocumentSignatureError where it is not signed in the one form.
    """
    return _signature(parse(xml))[1]


def verify_document(xml: bytes, key_lookup: KeyLookup) -> VerifiedDocument:
    """Verify the signature of a document, and give what it covers, read from the very tree that was verified.

    Raises DocumentSignatureError where there is no signature of the one form, where its key is not in the registry, or
    where it is false; RequestError where the document is none of ours.
    """
    root = parse(xml)
    node, signer = _signature(root)
    content = document_of(root, node)
    public_key = key_lookup(signer)
    if public_key is None:
        raise DocumentSignatureError(
            f"no certificate {signer.serial} of {signer.issuer!r} may sign XML",
            issuer=signer.issuer,
            serial=signer.serial,
        )
    _verify(node, public_key)
    return VerifiedDocument(
        content=request_of(content) if content.name == "Request" else response_of(content), signer=signer
    )


def issuer_serial_of(certificate: bytes) -> IssuerSerial:
    """The issuer and serial number of a certificate (DER), as key lookups are asked for them.

    Names are written as XML signatures write them: last part first, no blanks, OU=07 after CN=U1.
    """
    parsed = x509.Certificate.load(certificate)
    parts = [
        f"{_SHORT_NAMES.get(pair['type'].native, pair['type'].dotted)}={pair['value'].native}"
        for relative in reversed(list(parsed.issuer.chosen))
        for pair in relative
    ]
    return IssuerSerial(",".join(parts), int(parsed.serial_number))


def _signature(root: etree._Element) -> tuple[etree._Element, IssuerSerial]:
    """The signature of a document, which is of the one form, and whose it says it is."""
    node = signature_element(root)
    if node is None:
        raise DocumentSignatureError("the document is not signed")
    parts = [one for one in node.iter() if not isinstance(one, etree._Comment)]
    _check_form(parts)
    digits = (parts[_SERIAL].text or "").strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _SERIAL_DIGITS_MAX):
        _misformed("the serial number of the certificate is no decimal number")
    return node, IssuerSerial(_normal_issuer(parts[_ISSUER].text or ""), int(digits))


def _check_form(parts: Sequence[etree._Element]) -> None:
    if len(parts) != len(_FORM):
        _misformed(f"it has {len(parts)} elements; {len(_FORM)} are expected")
    for part, (parent, name, attributes) in zip(parts, _FORM, strict=True):
        if part.tag != f"{{{XMLDSIG}}}{name}" or (parent is not None and part.getparent() is not parts[parent]):
            _misformed(f"{part.tag!s:.80} stands where {name} is expected")
        if tuple(part.attrib.items()) != attributes:
            _misformed(f"{name} has other attributes, or names another algorithm, than is allowed")
    for at in (_DIGEST_VALUE, _SIGNATURE_VALUE, _ISSUER, _SERIAL):
        if len(parts[at]):
            _misformed("a comment stands inside a value")
    sizes = hashlib.sha256().digest_size, SIGNATURE_SIZE
    if (len(_octets(parts[_DIGEST_VALUE])), len(_octets(parts[_SIGNATURE_VALUE]))) != sizes:
        _misformed("the digest has 32 octets, the signature 64")


def _normal_issuer(name: str) -> str:
    """A name without the blanks that some writers put behind its commas."""
    return _NAME_JOINT.sub(",", name.strip())


def _octets(node: etree._Element) -> bytes:
    try:
        return base64.b64decode("".join((node.text or "").split()), validate=True)
    except ValueError:
        return b""


def _verify(node: etree._Element, public_key: bytes) -> None:
    context = xmlsec.SignatureContext()
    context.key = _library_key(public_key)
    try:
        context.verify(node)
    except xmlsec.Error as error:
        raise DocumentSignatureError(
            "the signature is false: another key made it, or the document was altered"
        ) from error


@lru_cache(maxsize=KEYS_MAX)
def _library_key(public_key: bytes) -> xmlsec.Key:
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + public_key)
    except ValueError as error:
        raise DocumentSignatureError(f"public key of {len(public_key)} octets is no point of P-256") from error
    pem = point.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem)


def _misformed(fault: str) -> NoReturn:
    raise DocumentSignatureError(f"the signature is not of the one form that is accepted: {fault}")
