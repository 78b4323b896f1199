"""Canonical encoding: what is signed is accepted in its one DER form only, so that octets and meaning agree.

Source: X.690, clauses 8, 10 and 11; RFC 5280, 4.1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from meterworks.trust.pki.errors import CertificateRefused
from meterworks.trust.pki.reason import Reason

__all__ = ["Element", "check_canonical", "elements", "whole"]

DEPTH_MAX: Final = 24  # of nested values
BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OBJECT_IDENTIFIER = 0x01, 0x02, 0x03, 0x04, 0x06
SEQUENCE, SET = 0x30, 0x31
_CONSTRUCTED: Final = 0x20
_CLASS: Final = 0xC0
_LONG_TAG: Final = 0x1F
_LENGTH_SIZE_MAX: Final = 3  # octets of a length: 16 MiB, far above any certificate or list
_CONSTRUCTED_UNIVERSAL: Final = frozenset({SEQUENCE, SET})


@dataclass(frozen=True, slots=True)
class Element:
    """One value: its identifier octet, its content, and all its octets."""

    tag: int
    content: bytes
    octets: bytes

    @property
    def is_constructed(self) -> bool:
        """Whether the content is made of further values."""
        return bool(self.tag & _CONSTRUCTED)

    def children(self) -> list["Element"]:
        """The values of the content. Raises CertificateRefused."""
        return list(elements(self.content))


def whole(data: bytes) -> Element:
    """The one value that the octets are. Raises CertificateRefused: malformed, or octets behind it."""
    element, end = _pull(data, 0)
    if end != len(data):
        raise _refusal(Reason.NOT_CANONICAL, f"{len(data) - end} octets follow the value", end)
    return element


def elements(data: bytes) -> Iterator[Element]:
    """The values that the octets are, one behind the other. Raises CertificateRefused."""
    position = 0
    while position < len(data):  # bounded: each value takes two octets at least
        element, position = _pull(data, position)
        yield element


def check_canonical(data: bytes) -> Element:
    """Check that the octets are one value in DER, all the way down; gives it.

    A BOOLEAN that is FALSE is refused too: in certificates, lists and requests FALSE is every default, and DER leaves
    defaults out. Raises CertificateRefused, NOT_CANONICAL or MALFORMED.
    """
    element = whole(data)
    _check(element, 0)
    return element


def _check(element: Element, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise _refusal(Reason.MALFORMED, f"values are nested deeper than {DEPTH_MAX}", 0)
    universal = element.tag & _CLASS == 0
    if universal and element.is_constructed != (element.tag in _CONSTRUCTED_UNIVERSAL):
        raise _refusal(
            Reason.NOT_CANONICAL, f"a value of tag {element.tag:02x} is in pieces, or not where it must be", 0
        )
    if not element.is_constructed:
        check = _PRIMITIVES.get(element.tag)
        if check is not None:
            check(element.content)
        return
    children = element.children()
    if element.tag == SET and [child.octets for child in children] != sorted(child.octets for child in children):
        raise _refusal(Reason.NOT_CANONICAL, "the members of a set are not in order", 0)
    for child in children:
        _check(child, depth + 1)


def _check_boolean(content: bytes) -> None:
    if content != b"\xff":
        raise _refusal(Reason.NOT_CANONICAL, f"a truth value is written {content.hex() or 'as nothing'}, not ff", 0)


def _check_integer(content: bytes) -> None:
    if not content:
        raise _refusal(Reason.MALFORMED, "a number has no octets", 0)
    if len(content) > 1 and (content[0], content[1] >> 7) in {(0x00, 0), (0xFF, 1)}:
        raise _refusal(Reason.NOT_CANONICAL, "a number has an octet too many in front", 0)


def _check_bit_string(content: bytes) -> None:
    if not content or content[0] > 7 or (len(content) == 1 and content[0]):
        raise _refusal(Reason.MALFORMED, "a bit string does not say how many bits it has", 0)
    if content[-1] & ((1 << content[0]) - 1) and len(content) > 1:
        raise _refusal(Reason.NOT_CANONICAL, "unused bits of a bit string are set", 0)


_PRIMITIVES: Final = {BOOLEAN: _check_boolean, INTEGER: _check_integer, BIT_STRING: _check_bit_string}


def _pull(data: bytes, start: int) -> tuple[Element, int]:
    """One value from `start`, and where it ends."""
    if len(data) - start < 2:
        raise _refusal(Reason.MALFORMED, "the octets end within a value", start)
    tag = data[start]
    if tag & _LONG_TAG == _LONG_TAG:
        raise _refusal(Reason.MALFORMED, "a tag of several octets, which no certificate has", start)
    length, position = _pull_length(data, start + 1)
    end = position + length
    if end > len(data):
        raise _refusal(
            Reason.MALFORMED, f"a value of {length} octets ends {end - len(data)} octets behind the last", start
        )
    return Element(tag, data[position:end], data[start:end]), end


def _pull_length(data: bytes, position: int) -> tuple[int, int]:
    first = data[position]
    if first < 0x80:
        return first, position + 1
    size = first & 0x7F
    if size == 0:
        raise _refusal(Reason.NOT_CANONICAL, "a length is indefinite", position)
    octets = data[position + 1 : position + 1 + size]
    if size > _LENGTH_SIZE_MAX or len(octets) < size:
        raise _refusal(Reason.MALFORMED, "a length does not fit the octets", position)
    length = int.from_bytes(octets)
    if octets[0] == 0 or length < 0x80:
        raise _refusal(Reason.NOT_CANONICAL, "a length is written longer than it need be", position)
    return length, position + 1 + size


def _refusal(reason: Reason, what: str, position: int) -> CertificateRefused:
    return CertificateRefused(f"refused at octet {position}: {what} (X.690)", reason=reason, position=position)
