"""Association control: AARQ, AARE, RLRQ, RLRE in BER.  Source: IEC 62056-5-3, 7.2; fact sheet section 3.

The fields that are rarely sent are kept as (tag, octets) in `others` and go back out in their place. A table knows them
by name: `request_fields` and `response_fields` write them, the method `field` of a message reads one.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Self

from meterworks.protocols.dlms.length import decode_length, encode_length, take
from meterworks.protocols.dlms.result import AcseResult, Diagnostic
from meterworks.protocols.errors import DecodeError, StateError

__all__ = [
    "CONTEXTS",
    "ApplicationContext",
    "AssociationRequest",
    "AssociationResponse",
    "ReleaseRequest",
    "ReleaseResponse",
    "request_fields",
    "response_fields",
]

FIELDS_MAX: Final = 16
_OBJECT_IDENTIFIER: Final = b"\x06\x07\x60\x85\x74\x05\x08"
_MECHANISM_ARC: Final = b"\x60\x85\x74\x05\x08\x02"
_CONTEXT_FIELD: Final = b"\xa1\x09" + _OBJECT_IDENTIFIER + b"\x01"
_REQUIREMENTS_FIELD: Final = b"\x8a\x02\x07\x80"
_MECHANISM_FIELD: Final = b"\x8b\x07" + _MECHANISM_ARC
_RESPONDER_REQUIREMENTS_FIELD: Final = b"\x88\x02\x07\x80"
_RESPONDER_MECHANISM_FIELD: Final = b"\x89\x07" + _MECHANISM_ARC
_REQUEST_ORDER: Final = bytes.fromhex("80a1a2a3a4a5a6a7a8a98a8bac9dbdbe")
_RESPONSE_ORDER: Final = bytes.fromhex("80a1a2a3a4a5a6a78889aa9dbdbe")
_OCTETS: Final = 0x04  # kinds of content: an octet-string inside the field,
_NUMBER: Final = 0x02  # an integer inside it,
_BARE: Final = 0  # or the content itself
_REQUEST_FIELDS: Final[dict[str, tuple[int, int]]] = {
    "protocol_version": (0x80, _BARE),
    "called_title": (0xA2, _OCTETS),
    "called_qualifier": (0xA3, _OCTETS),
    "called_ap_invocation_id": (0xA4, _NUMBER),
    "called_ae_invocation_id": (0xA5, _NUMBER),
    "calling_qualifier": (0xA7, _OCTETS),
    "calling_ap_invocation_id": (0xA8, _NUMBER),
    "calling_ae_invocation_id": (0xA9, _NUMBER),
    "implementation_information": (0x9D, _BARE),
}
_RESPONSE_FIELDS: Final[dict[str, tuple[int, int]]] = {
    "protocol_version": (0x80, _BARE),
    "responding_qualifier": (0xA5, _OCTETS),
    "responding_ap_invocation_id": (0xA6, _NUMBER),
    "responding_ae_invocation_id": (0xA7, _NUMBER),
    "implementation_information": (0x9D, _BARE),
}


class ApplicationContext(IntEnum):
    """Last number of the application context name."""

    LOGICAL_NAME = 1
    SHORT_NAME = 2
    LOGICAL_NAME_CIPHERED = 3
    SHORT_NAME_CIPHERED = 4


CONTEXTS: Final[dict[tuple[bool, bool], int]] = {  # by (short names, ciphered)
    (False, False): int(ApplicationContext.LOGICAL_NAME),
    (True, False): int(ApplicationContext.SHORT_NAME),
    (False, True): int(ApplicationContext.LOGICAL_NAME_CIPHERED),
    (True, True): int(ApplicationContext.SHORT_NAME_CIPHERED),
}
_Fields = dict[int, bytes]
_Rows = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationRequest:
    """AARQ. authentication: password or challenge, sent with the mechanism. user_information: the initiate request.

    others: protocol_version (a bit-string), called_title, called_qualifier, called_ap_invocation_id and
    called_ae_invocation_id (gateways, pre-established use), calling_qualifier (the client's certificate, DER),
    calling_ap_invocation_id, calling_ae_invocation_id (the client's user id), implementation_information.
    """

    context: int
    user_information: bytes | None
    calling_title: bytes | None = None
    mechanism: int | None = None
    authentication: bytes | None = field(default=None, repr=False)
    others: tuple[tuple[int, bytes], ...] = ()

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        parts = [_CONTEXT_FIELD + bytes((self.context,))]
        if self.calling_title is not None:
            parts.append(_wrapped(0xA6, 0x04, self.calling_title))
        if self.mechanism is not None:
            parts += (_REQUIREMENTS_FIELD, _MECHANISM_FIELD + bytes((self.mechanism,)))
        if self.authentication is not None:
            parts.append(_wrapped(0xAC, 0x80, self.authentication))
        if self.user_information is not None:
            parts.append(_wrapped(0xBE, 0x04, self.user_information))
        return _encode_fields(0x60, parts, _REQUEST_ORDER, self.others)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        fields = _decode_fields(apdu, 0x60)
        context = _context(fields)
        mechanism = _mechanism(fields.pop(0x8B, None))
        if mechanism is not None:
            fields.pop(0x8A, None)
        return cls(
            context=context,
            user_information=_inner(fields.pop(0xBE, None), 0x04),
            calling_title=_inner(fields.pop(0xA6, None), 0x04),
            mechanism=mechanism,
            authentication=_inner(fields.pop(0xAC, None), 0x80),
            others=tuple(fields.items()),
        )

    def field(self, name: str) -> bytes | None:
        """Give the content of a rare field by name, None where it is absent. DecodeError for a malformed one."""
        return _field(_REQUEST_FIELDS, self.others, name) if self.others else None

    @property
    def user_id(self) -> int | None:
        """Who of the client's users asks."""
        octets = self.field("calling_ae_invocation_id")
        return None if octets is None else int.from_bytes(octets, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationResponse:
    """AARE. diagnostic: of the service user, or of the provider where `by_provider`.

    others: protocol_version, responding_qualifier (the server's certificate, DER), responding_ap_invocation_id,
    responding_ae_invocation_id, implementation_information.
    """

    context: int
    result: int
    diagnostic: int
    by_provider: bool = False
    user_information: bytes | None = None
    responding_title: bytes | None = None
    mechanism: int | None = None
    authentication: bytes | None = field(default=None, repr=False)
    others: tuple[tuple[int, bytes], ...] = ()

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        source = 0xA2 if self.by_provider else 0xA1
        parts = [
            _CONTEXT_FIELD + bytes((self.context, 0xA2, 3, 0x02, 1, self.result)),
            bytes((0xA3, 5, source, 3, 0x02, 1, self.diagnostic)),
        ]
        if self.responding_title is not None:
            parts.append(_wrapped(0xA4, 0x04, self.responding_title))
        if self.mechanism is not None:
            parts += (_RESPONDER_REQUIREMENTS_FIELD, _RESPONDER_MECHANISM_FIELD + bytes((self.mechanism,)))
        if self.authentication is not None:
            parts.append(_wrapped(0xAA, 0x80, self.authentication))
        if self.user_information is not None:
            parts.append(_wrapped(0xBE, 0x04, self.user_information))
        return _encode_fields(0x61, parts, _RESPONSE_ORDER, self.others)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        fields = _decode_fields(apdu, 0x61)
        context = _context(fields)
        by_provider, diagnostic = _diagnostic(fields.pop(0xA3, b""))
        mechanism = _mechanism(fields.pop(0x89, None))
        if mechanism is not None:
            fields.pop(0x88, None)
        return cls(
            context=context,
            result=_integer(fields.pop(0xA2, b"")),
            diagnostic=diagnostic,
            by_provider=by_provider,
            user_information=_inner(fields.pop(0xBE, None), 0x04),
            responding_title=_inner(fields.pop(0xA4, None), 0x04),
            mechanism=mechanism,
            authentication=_inner(fields.pop(0xAA, None), 0x80),
            others=tuple(fields.items()),
        )

    def field(self, name: str) -> bytes | None:
        """Give the content of a rare field by name, None where it is absent. DecodeError for a malformed one."""
        return _field(_RESPONSE_FIELDS, self.others, name) if self.others else None

    @property
    def is_accepted(self) -> bool:
        """Whether the association is open, or opens when the challenges are answered."""
        return self.result == AcseResult.ACCEPTED and self.diagnostic in (
            Diagnostic.NONE,
            Diagnostic.AUTHENTICATION_REQUIRED,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequest:
    """RLRQ. reason: 0 normal, 1 urgent, 30 user defined. user_information: the protected initiate request."""

    reason: int | None = 0
    user_information: bytes | None = None

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return _encode_release(0x62, self.reason, self.user_information)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        reason, user_information = _decode_release(apdu, 0x62)
        return cls(reason=reason, user_information=user_information)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseResponse:
    """RLRE. reason: 0 normal, 1 not finished, 30 user defined. user_information: the protected initiate response."""

    reason: int | None = 0
    user_information: bytes | None = None

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return _encode_release(0x63, self.reason, self.user_information)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        reason, user_information = _decode_release(apdu, 0x63)
        return cls(reason=reason, user_information=user_information)


def _tagged(tag: int, octets: bytes) -> bytes:
    return bytes((tag,)) + encode_length(len(octets)) + octets


def _wrapped(tag: int, inner: int, octets: bytes) -> bytes:
    """Encode a field that wraps one other."""
    size = len(octets)
    if size < 0x7E:  # both lengths are one octet
        return bytes((tag, size + 2, inner, size)) + octets
    return _tagged(tag, _tagged(inner, octets))


def request_fields(**values: bytes | int) -> tuple[tuple[int, bytes], ...]:
    """Give fields of an AARQ as `others` takes them: rows of the table by name. StateError for a name it has not."""
    return _encode_rows(_REQUEST_FIELDS, values)


def response_fields(**values: bytes | int) -> tuple[tuple[int, bytes], ...]:
    """Give fields of an AARE as `others` takes them."""
    return _encode_rows(_RESPONSE_FIELDS, values)


def _encode_rows(rows: _Rows, values: dict[str, bytes | int]) -> tuple[tuple[int, bytes], ...]:
    unknown = values.keys() - rows.keys()
    if unknown:
        raise StateError(f"no such field: {', '.join(sorted(unknown))}")
    found: list[tuple[int, bytes]] = []
    for name, value in values.items():
        tag, kind = rows[name]
        octets = value.to_bytes(max(1, (value.bit_length() + 7) >> 3), "big") if isinstance(value, int) else value
        found.append((tag, octets if kind == _BARE else _tagged(kind, octets)))
    return tuple(found)


def _field(rows: _Rows, others: tuple[tuple[int, bytes], ...], name: str) -> bytes | None:
    """Give the content of a field; None where it is absent. DecodeError where it is not written as its row says."""
    tag, kind = rows[name]
    for number, content in others:
        if number == tag:
            return content if kind == _BARE else _inner(content, kind)
    return None


def _encode_fields(tag: int, parts: list[bytes], order: bytes, others: tuple[tuple[int, bytes], ...]) -> bytes:
    """Join encoded fields that stand in order already; others, where there are any, find their places."""
    if others:
        parts = sorted((*parts, *(_tagged(*other) for other in others)), key=lambda part: order.find(part[0]))
    return _tagged(tag, b"".join(parts))


def _decode_fields(apdu: bytes, tag: int) -> _Fields:
    """Give the fields of an APDU by tag; a repeated field, or octets that no field covers, are refused."""
    if take(apdu, 0, 1)[0] != tag:
        raise DecodeError(f"APDU {tag:#04x} expected, got {apdu[0]:#04x}", offset=0)
    length, offset = decode_length(apdu, 1)
    if length != len(apdu) - offset:
        raise DecodeError(f"APDU {tag:#04x} says {length} octets and has {len(apdu) - offset}", offset=offset)
    fields: _Fields = {}
    size = len(apdu)
    while offset < size:
        number = apdu[offset]
        start = offset + 2
        if start <= size and (length := apdu[offset + 1]) < 0x80:
            offset = start + length
        else:
            length, start = decode_length(apdu, offset + 1)
            offset = start + length
        if number in fields or offset > size or len(fields) >= FIELDS_MAX:
            raise DecodeError(f"field {number:#04x} is repeated, cut off or beyond {FIELDS_MAX}", offset=start)
        fields[number] = apdu[start:offset]
    return fields


def _inner(octets: bytes | None, tag: int) -> bytes | None:
    """Give the content of a field that wraps one other."""
    if octets is None:
        return None
    if len(octets) < 2 or octets[0] != tag:
        raise DecodeError(f"{tag:#04x} expected inside a field, got {octets[:2].hex()}", offset=0)
    if octets[1] == len(octets) - 2 < 0x80:
        return octets[2:]
    length, offset = decode_length(octets, 1)
    if length != len(octets) - offset:
        raise DecodeError(f"field inside a field says {length} octets and has {len(octets) - offset}", offset=offset)
    return octets[offset:]


def _context(fields: _Fields) -> int:
    octets = fields.pop(0xA1, b"")
    if len(octets) != 9 or not octets.startswith(_OBJECT_IDENTIFIER + b"\x01"):
        raise DecodeError(f"application context expected, got {octets.hex()}", offset=0)
    return octets[8]


def _mechanism(octets: bytes | None) -> int | None:
    if octets is None:
        return None
    if len(octets) != 7 or not octets.startswith(_MECHANISM_ARC):
        raise DecodeError(f"mechanism name expected, got {octets.hex()}", offset=0)
    return octets[6]


def _integer(octets: bytes) -> int:
    value = _inner(octets, 0x02)
    if value is None or len(value) != 1:
        raise DecodeError(f"integer of one octet expected, got {octets.hex()}", offset=0)
    return value[0]


def _diagnostic(octets: bytes) -> tuple[bool, int]:
    source = take(octets, 0, 1)[0]
    if source not in (0xA1, 0xA2):
        raise DecodeError(f"diagnostic of service user or provider expected, got {octets.hex()}", offset=0)
    return source == 0xA2, _integer(_inner(octets, source) or b"")


def _encode_release(tag: int, reason: int | None, user_information: bytes | None) -> bytes:
    content = b"" if reason is None else bytes((0x80, 1, reason))
    if user_information is not None:
        content += _tagged(0xBE, _tagged(0x04, user_information))
    return _tagged(tag, content)


def _decode_release(apdu: bytes, tag: int) -> tuple[int | None, bytes | None]:
    fields = _decode_fields(apdu, tag)
    reason = fields.pop(0x80, None)
    if reason is not None and len(reason) != 1:
        raise DecodeError(f"reason of one octet expected, got {reason.hex()}", offset=0)
    return None if reason is None else reason[0], _inner(fields.pop(0xBE, None), 0x04)
