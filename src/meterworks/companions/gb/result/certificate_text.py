"""Certificates and requests for such, as a line for people: whose, for which use, until when.

Source: GBCS 12 (certificates of organisations and devices); fact sheet gb/GBCS.md section 4.1.
"""

from typing import Any, Final

from asn1crypto import csr, x509

from meterworks.companions.gb.result.moment import eui_text

__all__ = ["certificate_text"]

_UNREADABLE: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)  # of the library
_HARDWARE_NAME: Final = bytes.fromhex("06082b06010505070804")  # otherName of devices: type and identity follow
_IDENTITY_MARK: Final = b"\x04\x08"
_IDENTITY_SIZE: Final = 8


def certificate_text(der: bytes) -> str | None:
    """What a certificate or a request says, None for what is neither. Nothing is checked."""
    for tell in (_of_certificate, _of_request):
        try:
            return f"{tell(der)}, {len(der)} octets of DER"
        except _UNREADABLE:
            continue
    return None


def _of_certificate(der: bytes) -> str:
    read = x509.Certificate.load(der, strict=True)
    unit = read.subject.native.get("organizational_unit_name")
    role = f" (remote party role {int(unit, 16)})" if unit else ""
    usage = read.key_usage_value
    uses = "+".join(sorted(usage.native)) if usage is not None else "any use"
    return f"certificate of {_holder(read.subject, der)}{role}, {uses}, until {read.not_valid_after:%Y-%m-%d}"


def _of_request(der: bytes) -> str:
    read = csr.CertificationRequest.load(der, strict=True)
    subject = read["certification_request_info"]["subject"]
    return f"request for a certificate of {_holder(subject, der)}"


def _holder(subject: Any, der: bytes) -> str:
    """The identity of an organisation is in its subject, that of a device in another name."""
    told = subject.native
    identifier = told.get("unique_identifier")
    if isinstance(identifier, bytes) and len(identifier) == _IDENTITY_SIZE:
        return eui_text(identifier)
    start = der.find(_HARDWARE_NAME)
    place = der.find(_IDENTITY_MARK, start) if start >= 0 else -1
    if place >= 0:
        return eui_text(der[place + len(_IDENTITY_MARK) :][:_IDENTITY_SIZE])
    return str(told.get("common_name") or "nobody")
