"""Requests of a GB set with the certificates that their commands hold.

Certificates are issued anew while the messages of a set stay: a request then carries newer ones than the command that
was made of it. The certificate of a reader is a random part of a command as a signature is; those that replace others
are too. Nothing else of a request is touched here.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from asn1crypto.core import Sequence

from meterworks.companions.gb import Element, Request
from meterworks.protocols import DecodeError
from meterworks.protocols.gbcs import Message, decode_payload
from meterworks.protocols.gbcs.asn1 import Asn1Payload

__all__ = ["with_certificates_of"]

_REPLACING: Final = ("DigitalSigningCertificate", "KeyAgreementCertificate", "KeyAgreementTopUpCertificate")
_ISSUERS: Final = "Certificate"  # of the path
_READER: Final = "KAPublicSecurityCredentials"


def with_certificates_of(request: Request, command: Message) -> Request:
    """The request with the certificates of a command in the place of its own, in their order."""
    held: dict[str, list[str]] = {}
    if command.other.certificate:
        held[_READER] = [_text(command.other.certificate)]
    replacing, issuers = _replacement(command)
    names = [leaf.name for leaf in _leaves(request.body) if leaf.name in _REPLACING]
    for name, certificate in zip(names, replacing, strict=False):
        held.setdefault(name, []).append(certificate)
    held[_ISSUERS] = issuers
    return replace(request, body=_put(request.body, {name: iter(texts) for name, texts in held.items()}))


def _replacement(command: Message) -> tuple[list[str], list[str]]:
    """The certificates a command puts in place, and those of their issuers."""
    try:
        payload = decode_payload(command)
    except DecodeError:
        return [], []
    if not isinstance(payload, Asn1Payload) or not isinstance(payload.content, Sequence):
        return [], []
    content: Any = payload.content
    if "replacements" not in (content.native or {}):
        return [], []
    replacing = [_text(one["certificate"].dump()) for one in content["replacements"]]
    return replacing, [_text(one.dump()) for one in content["path_certificates"]]


def _leaves(element: Element) -> Iterator[Element]:
    if not element.children:
        yield element
    for child in element.children:
        yield from _leaves(child)


def _put(element: Element, texts: Mapping[str, Iterator[str]]) -> Element:
    if element.children:
        return replace(element, children=tuple(_put(child, texts) for child in element.children))
    waiting = texts.get(element.name)
    return element if waiting is None else replace(element, text=next(waiting, element.text))


def _text(octets: bytes) -> str:
    return b64encode(octets).decode()
