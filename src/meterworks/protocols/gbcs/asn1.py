"""ASN.1 payloads: credentials, certificates, joins, firmware activation, device logs. One row a message code.

The library holds the types; here stands which of them a command, a response and an alert of a use case carries. A
use case that is in no row is read as whatever elements it is made of, so that nothing is lost.
Devices write lengths from 128 on in two octets where one would do (82 009F), which DER forbids. Such payloads are read,
say so (`has_wide_lengths`), and come out again as they came.
Source: GBCS, ASN.1 modules of CS02 to CS09, CCS, GCS28, GCS59, GCS62; ITU-T X.690; fact sheet gb/GBCS.md section 9.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

from asn1crypto import core, csr, x509

from meterworks.protocols.dlms.length import encode_length
from meterworks.protocols.errors import DecodeError, EncodeError
from meterworks.protocols.gbcs.message import MessageKind

__all__ = ["PAYLOADS", "Asn1Payload", "payload_type"]

DEPTH_MAX: Final = 24
_CONSTRUCTED_TYPES: Final = (core.Sequence, core.SequenceOf)
_PLAIN_TYPES: Final[Mapping[Any, Any]] = MappingProxyType({core.Null: type(None), core.Integer: int})
_FOREIGN_TYPES: Final = (x509.Certificate, csr.CertificationRequest)  # others defined them, and wrote their lengths


def _record(**fields: Any) -> Any:
    """A SEQUENCE of named fields: a type, or a type and its options."""
    rows = [(name, *(row if isinstance(row, tuple) else (row,))) for name, row in fields.items()]
    return type("Record", (core.Sequence,), {"_fields": rows})


def _list(element: Any) -> Any:
    """A SEQUENCE OF elements of one type."""
    return type("List", (core.SequenceOf,), {"_child_spec": element})


def _optional(spec: Any, implicit: int | None = None) -> tuple[Any, dict[str, Any]]:
    return spec, {"optional": True} if implicit is None else {"optional": True, "implicit": implicit}


def _choice(**alternatives: Any) -> Any:
    """One of several types of different tags."""
    return type("Choice", (core.Choice,), {"_alternatives": list(alternatives.items())})


# An enumeration whose unknown members stay numbers: 0 success, 5 bad certificate, 10 no trust anchor …
_STATUS: Final[Any] = type("Status", (core.Integer,), {"tag": 10})

# A trust anchor cell: whose, for which use, and for management (0) or prepayment top-up (1).
_CELL: Final = _record(role=core.Integer, key_usage=x509.KeyUsage, cell_usage=_optional(core.Integer))
_CREDENTIALS_ASKED: Final = _record(asked_by=_CELL, roles=_list(core.Integer))
_HELD_CELL: Final = _record(
    key_usage=x509.KeyUsage, cell_usage=_optional(core.Integer), party=core.OctetString, key_id=core.OctetString
)
_HELD_CREDENTIALS: Final = _record(
    role=core.Integer, status=_STATUS, counter=_optional(core.Integer), cells=_optional(_list(_HELD_CELL))
)
_SPECIALIST_FLOORS: Final = _list(_record(use=core.Integer, floor=core.Integer))
_COUNTER_CHANGES: Final = _list(
    _record(role=core.Integer, floor=core.Integer, specialist_floors=_optional(_SPECIALIST_FLOORS))
)
_AUTHORISING_CONTROL: Final = _record(  # who authorises a replacement, and where counters begin afterwards
    mode=core.Integer,
    plaintext_symmetric_key=_optional(core.OctetString, 0),
    apply_time_checks=_optional(core.Integer, 1),  # a flag that senders write as 1
    authorising_cell=_optional(_CELL, 2),
    sequence_number=(core.Integer, {"implicit": 3}),
    new_floor=_optional(core.Integer, 4),
    specialist_floors=_optional(_SPECIALIST_FLOORS, 5),
    other_changes=_optional(_COUNTER_CHANGES, 6),
)
_REPLACEMENT: Final = _record(
    authorising_control=_AUTHORISING_CONTROL,
    replacements=_list(_record(certificate=x509.Certificate, cell=_CELL)),
    path_certificates=_list(x509.Certificate),
    execution_time=_optional(core.GeneralizedTime),
)
_CELL_OUTCOME: Final = _record(
    cell=_CELL,
    status=_STATUS,
    old_party=core.OctetString,
    old_key_id=core.OctetString,
    new_party=core.OctetString,
    new_key_id=core.OctetString,
)
_REPLACEMENT_OUTCOME: Final = _record(
    sequence_number=core.Integer, mode=core.Integer, counter_changes=_COUNTER_CHANGES, cells=_list(_CELL_OUTCOME)
)
_REPLACEMENT_ANSWER: Final = _record(accepted=core.Null, outcome=_optional(_REPLACEMENT_OUTCOME))
_REPLACEMENT_ALERT: Final = _record(alert_code=core.Integer, time=core.GeneralizedTime, outcome=_REPLACEMENT_OUTCOME)
_KEY_USAGE_ASKED: Final = _record(key_usage=x509.KeyUsage)
# What was asked for, or why it is not there.
_CERTIFICATION_REQUEST: Final = _choice(request=csr.CertificationRequest, failure=core.Integer)
_OWN_CERTIFICATE: Final = _choice(certificate=x509.Certificate, failure=core.Integer)

# method_and_role: 0 method A initiator, 1 its responder, 2 method B, 3 method C.
_JOIN: Final = _record(
    method_and_role=core.Integer,
    device=core.OctetString,
    device_type=core.Integer,
    certificate=_optional(x509.Certificate),
)
_ACTIVATION: Final = _record(
    image_hash=core.OctetString, originator_counter=core.Integer, execution_time=_optional(core.GeneralizedTime)
)
_ACTIVATION_OUTCOME: Final = _record(status=core.Integer, firmware_version=core.OctetString)
_ACTIVATION_ANSWER: Final = _choice(accepted=core.Null, outcome=_ACTIVATION_OUTCOME)
_ACTIVATION_ALERT: Final = _record(  # of an activation dated ahead: which one, by the counter of its command
    alert_code=core.Integer, time=core.GeneralizedTime, originator_counter=core.Integer, outcome=_ACTIVATION_OUTCOME
)
_VERSION_ALERT: Final = _record(
    alert_code=core.Integer, time=core.GeneralizedTime, firmware_version=core.OctetString, status=core.Integer
)
_TRANSFER_ALERT: Final = _record(
    alert_code=core.Integer,
    time=core.GeneralizedTime,
    device=core.OctetString,
    firmware_version=core.OctetString,
    status=core.Integer,
)
_FIRMWARE_VERSION: Final = _record(firmware_version=core.OctetString, status=core.Integer)
_JOINED_DEVICE: Final = _record(device=core.OctetString, device_type=core.Integer)
_JOINED_DEVICES: Final = _record(status=core.Integer, devices=_optional(_list(_JOINED_DEVICE)))
_CLOCK_WINDOW: Final = _record(from_=core.GeneralizedTime, to=core.GeneralizedTime)
_CLOCK_STATE: Final = _record(time=core.GeneralizedTime, status=core.Integer)  # 0 reliable, 1 invalid, 2 unreliable
_LOG_RESTORED: Final = _record(devices=_list(_JOINED_DEVICE))
_LOG_ALERT: Final = _record(alert_code=core.Integer, time=core.GeneralizedTime, devices=_list(_JOINED_DEVICE))
_LOG_RESTORED_ANSWER: Final = _record(devices=_list(_record(device=_JOINED_DEVICE, status=core.Integer)))


@dataclass(frozen=True, slots=True)
class _Row:
    """What a use case carries each way; None: nothing, or a form that is in no public text."""

    command: Any = None
    response: Any = None
    alert: Any = None

    def of(self, kind: MessageKind) -> Any:
        """The type of a message's kind."""
        return {MessageKind.COMMAND: self.command, MessageKind.RESPONSE: self.response}.get(kind, self.alert)


_REPLACES: Final = _Row(_REPLACEMENT, _REPLACEMENT_ANSWER, _REPLACEMENT_ALERT)
_JOINS: Final = _Row(_JOIN, core.Integer)
_UNJOINS: Final = _Row(core.OctetString, core.Integer)

# fmt: off
PAYLOADS: Final[Mapping[int, _Row]] = MappingProxyType({
    0x0008: _Row(_CREDENTIALS_ASKED, _list(_HELD_CREDENTIALS)),                      # CS02a
    0x000A: _Row(_KEY_USAGE_ASKED, _CERTIFICATION_REQUEST),                   # CS02c
    0x000B: _Row(x509.Certificate, core.Integer),                           # CS02d
    0x000C: _Row(_KEY_USAGE_ASKED, _OWN_CERTIFICATE),                         # CS02e
    0x000D: _JOINS,                                                         # CS03A1
    0x000E: _JOINS,                                                         # CS03B
    0x000F: _UNJOINS,                                                       # CS04AC
    0x0010: _UNJOINS,                                                       # CS04B
    0x0012: _Row(_ACTIVATION, _ACTIVATION_ANSWER),                           # CS06
    0x0013: _Row(core.Null, _JOINED_DEVICES),                                # CS07
    0x007F: _Row(_CLOCK_WINDOW, _CLOCK_STATE),                                # GCS28
    0x008C: _Row(_LOG_RESTORED, _LOG_RESTORED_ANSWER),                         # GCS59
    0x00AB: _JOINS,                                                         # CS03A2
    0x00AF: _JOINS,                                                         # CS03C
    0x00B2: _Row(alert=_LOG_ALERT),                                          # GCS62
    0x00CA: _Row(alert=_ACTIVATION_ALERT),                                   # firmware, dated ahead
    0x00CB: _Row(alert=_REPLACEMENT_ALERT),                                  # credentials, dated ahead
    **dict.fromkeys(range(0x0100, 0x010A), _REPLACES),                       # CS02b, by mode
    0x011B: _Row(_CREDENTIALS_ASKED, _list(_HELD_CREDENTIALS)),                      # CS02f
    **dict.fromkeys(range(0x0124, 0x0128), _REPLACES),                       # CS02g
    0x0128: _Row(alert=_TRANSFER_ALERT),                                     # CCS08
    0x0129: _Row(core.Null, _FIRMWARE_VERSION),                              # CS08
    0x012B: _Row(alert=_VERSION_ALERT),                                      # CS09
})
# fmt: on


def payload_type(message_code: int, kind: MessageKind) -> Any:
    """The type of a payload; None where the use case is in no row, or carries nothing of that kind."""
    row = PAYLOADS.get(message_code)
    return None if row is None else row.of(kind)


@dataclass(frozen=True, slots=True)
class Asn1Payload:
    """A payload and the type it was read or made by.

    content: of the library's types. has_wide_lengths: lengths from 128 on stand in two octets.
    """

    content: Any
    has_wide_lengths: bool = False

    @property
    def value(self) -> Any:
        """The content as plain values: dictionaries by name, lists, numbers, octets, times.

        Raises DecodeError for an element that holds no value of its type: some are looked into only now.
        """
        try:
            return self.content.native
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
            raise DecodeError(f"an element holds no value of its type: {error}", offset=0) from error

    @property
    def is_known(self) -> bool:
        """Whether a row says what it means; otherwise it is elements without names."""
        return any(type(self.content) in (row.command, row.response, row.alert) for row in PAYLOADS.values())

    @classmethod
    def make(cls, message_code: int, kind: MessageKind, value: Any) -> Self:
        """Make a payload of plain values; certificates and requests are octets (DER).

        Raises EncodeError for a use case in no row and for values that do not fit.
        """
        spec = payload_type(message_code, kind)
        if spec is None:
            raise EncodeError(f"message code {message_code:04X} has no {kind.name.lower()} in ASN.1")
        try:
            made = _made(spec, value)
            made.dump()
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise EncodeError(f"these values make no {kind.name.lower()} {message_code:04X}: {error}") from error
        return cls(made)

    @classmethod
    def from_bytes(cls, message_code: int, kind: MessageKind, octets: bytes) -> Self:
        """Decode a payload to its last octet. Raises DecodeError."""
        spec = payload_type(message_code, kind)
        try:
            loaded = core.load(octets, strict=True) if spec is None else spec.load(octets, strict=True)
            forms = [_encode(loaded, wide=wide) for wide in (False, True)]
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
            raise DecodeError(f"no payload of message code {message_code:04X}: {error}", offset=0) from error
        if octets not in forms:
            raise DecodeError("not in its only form: lengths, numbers or bits say the same in another way", offset=0)
        return cls(loaded, has_wide_lengths=octets != forms[0])

    def to_bytes(self) -> bytes:
        """Encode it anew, from its values."""
        return _encode(self.content, wide=self.has_wide_lengths)


def _made(spec: Any, value: Any) -> Any:
    if spec in _FOREIGN_TYPES and isinstance(value, bytes):
        return spec.load(value, strict=True)
    if issubclass(spec, core.Choice):
        name, inner = _alternative(spec, value)
        return spec(name=name, value=_made(inner, value))
    return spec() if value is None else spec(_prepared(spec, value))


def _prepared(spec: Any, value: Any) -> Any:
    """Plain values with what others defined read from its octets, wherever it stands; None of an option is left out."""
    if spec in _FOREIGN_TYPES:
        return spec.load(value, strict=True) if isinstance(value, bytes) else value
    if issubclass(spec, core.SequenceOf):
        return [_prepared(spec._child_spec, one) for one in value]
    if issubclass(spec, core.Sequence):
        specs = {field[0]: field[1] for field in spec._fields}
        return {
            name: _prepared(specs[name], one)
            for name, one in value.items()
            if one is not None or specs[name] is core.Null
        }
    return value


def _alternative(spec: Any, value: Any) -> tuple[str, Any]:
    """The alternative of a choice that a plain value belongs to."""
    for name, inner, *_ in spec._alternatives:  # the library adds options
        wanted = _PLAIN_TYPES.get(inner)
        is_foreign = inner in _FOREIGN_TYPES and isinstance(value, bytes | inner)
        if is_foreign or (isinstance(value, wanted) if wanted else isinstance(value, dict)):
            return name, inner
    raise ValueError(f"{type(value).__name__} is none of the alternatives")


def _encode(element: Any, *, wide: bool, depth: int = 0) -> bytes:
    """Encode an element from its parts. What others defined stays as it is."""
    if depth > DEPTH_MAX:
        raise ValueError(f"more than {DEPTH_MAX} levels")
    if isinstance(element, core.Choice):
        return _encode(element.chosen, wide=wide, depth=depth)
    if isinstance(element, _FOREIGN_TYPES) or not isinstance(element, _CONSTRUCTED_TYPES):
        octets: bytes = element.copy().dump(force=not isinstance(element, _FOREIGN_TYPES))
        return octets
    content = b"".join(_encode(element[place], wide=wide, depth=depth + 1) for place in range(len(element)))
    head = bytes((element.class_ << 6 | element.method << 5 | element.tag,))
    size = len(content)
    if wide and 0x80 <= size <= 0xFFFF:
        return head + b"\x82" + size.to_bytes(2, "big") + content
    return head + encode_length(size) + content
