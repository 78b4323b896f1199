"""Names of attributes and methods on the wire, and selective access.  Source: IEC 62056-5-3; fact sheet 4, 7."""

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from meterworks.protocols.dlms.data import (
    decode,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    end_of,
)
from meterworks.protocols.dlms.datetime import CosemDateTime
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = [
    "CLOCK_OBJECT",
    "AttributeAddress",
    "CaptureObject",
    "EntrySelection",
    "MethodAddress",
    "RangeSelection",
    "decode_selection",
    "selection_end",
]

_DESCRIPTOR = struct.Struct(">H6sb")
DESCRIPTOR_SIZE = _DESCRIPTOR.size
ADDRESSES_KEPT_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class AttributeAddress:
    """An attribute of a COSEM object: class, logical name, attribute number (0 means all).

    EncodeError where a number does not fit its octets.
    """

    class_id: int
    obis_code: ObisCode
    attribute: int
    item: bytes = field(init=False, repr=False, compare=False)  # ten octets: descriptor, and 0 for no selection

    def __post_init__(self) -> None:
        """Encode once: an address is asked for far more often than it is made."""
        object.__setattr__(self, "item", _pack(self.class_id, self.obis_code, self.attribute) + b"\x00")

    def to_bytes(self) -> bytes:
        """Give the nine octets of the attribute descriptor."""
        return self.item[:DESCRIPTOR_SIZE]

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0) -> Self:
        """Read nine octets at `offset`."""
        known = _ATTRIBUTES.get(data[offset : offset + DESCRIPTOR_SIZE])
        if known is not None and type(known) is cls:
            return known
        address = cls(*_unpack(data, offset))
        if len(_ATTRIBUTES) >= ADDRESSES_KEPT_MAX:
            _ATTRIBUTES.clear()
        _ATTRIBUTES[address.to_bytes()] = address
        return address


@dataclass(frozen=True, slots=True)
class MethodAddress:
    """A method of a COSEM object: class, logical name, method number.

    EncodeError where a number does not fit its octets.
    """

    class_id: int
    obis_code: ObisCode
    method: int
    item: bytes = field(init=False, repr=False, compare=False)  # nine octets: the descriptor

    def __post_init__(self) -> None:
        """Encode once."""
        object.__setattr__(self, "item", _pack(self.class_id, self.obis_code, self.method))

    def to_bytes(self) -> bytes:
        """Give the nine octets of the method descriptor."""
        return self.item

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0) -> Self:
        """Read nine octets at `offset`."""
        known = _METHODS.get(data[offset : offset + DESCRIPTOR_SIZE])
        if known is not None and type(known) is cls:
            return known
        address = cls(*_unpack(data, offset))
        if len(_METHODS) >= ADDRESSES_KEPT_MAX:
            _METHODS.clear()
        _METHODS[address.item] = address
        return address


# Addresses that came in, by their octets: the same few come again and again.
_ATTRIBUTES: dict[bytes, AttributeAddress] = {}
_METHODS: dict[bytes, MethodAddress] = {}


def _pack(class_id: int, name: bytes, number: int) -> bytes:
    try:
        return _DESCRIPTOR.pack(class_id, name, number)
    except struct.error as error:
        raise EncodeError(f"class {class_id} or number {number} does not fit into a descriptor") from error


def _unpack(data: bytes, offset: int) -> tuple[int, ObisCode, int]:
    try:
        class_id, name, number = _DESCRIPTOR.unpack_from(data, offset)
    except struct.error as error:
        raise DecodeError(f"descriptor cut off at octet {offset}", offset=offset) from error
    return class_id, bytes.__new__(ObisCode, name), number  # six octets by the layout: nothing to check


@dataclass(frozen=True, slots=True)
class CaptureObject:
    """A column of a profile: attribute (0 is all), data index (0 is the whole attribute, else its n-th element)."""

    class_id: int
    obis_code: ObisCode
    attribute: int
    data_index: int = 0

    def to_bytes(self) -> bytes:
        """Encode as structure {long-unsigned, octet-string, integer, long-unsigned}."""
        return encode_structure(
            encode_long_unsigned(self.class_id),
            encode_octet_string(self.obis_code),
            encode_integer(self.attribute),
            encode_long_unsigned(self.data_index),
        )

    @classmethod
    def from_plain(cls, value: object) -> Self:
        """Take the structure as `decode` gives it."""
        match value:
            case (int(class_id), bytes(name), int(attribute), int(data_index)) if len(name) == 6:
                return cls(class_id, ObisCode(name), attribute, data_index)
            case _:
                raise DecodeError(f"capture object expected, got {value!r}")


CLOCK_OBJECT = CaptureObject(8, ObisCode("0.0.1.0.0.255"), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeSelection:
    """Rows of a profile between two values of the sort object, both ends included (selector 1).

    columns: those wanted, none for all.
    """

    from_: CosemDateTime
    to: CosemDateTime
    sort_object: CaptureObject = CLOCK_OBJECT
    columns: tuple[CaptureObject, ...] = field(default=())

    def to_bytes(self) -> bytes:
        """Encode selector and parameters as they stand in a request."""
        return b"\x01" + encode_structure(
            self.sort_object.to_bytes(),
            encode_date_time(self.from_),
            encode_date_time(self.to),
            encode_array(column.to_bytes() for column in self.columns),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySelection:
    """Rows and columns of a profile by number, from 1 (selector 2); to_entry 0 is the last, to_column 0 is all."""

    from_entry: int = 1
    to_entry: int = 0
    from_column: int = 1
    to_column: int = 0

    def to_bytes(self) -> bytes:
        """Encode selector and parameters as they stand in a request."""
        return b"\x02" + encode_structure(
            encode_double_long_unsigned(self.from_entry),
            encode_double_long_unsigned(self.to_entry),
            encode_long_unsigned(self.from_column),
            encode_long_unsigned(self.to_column),
        )


def selection_end(data: bytes, offset: int) -> int:
    """Give the offset after selector and parameters that start at `offset`."""
    return end_of(data, offset + 1)


def decode_selection(selection: bytes) -> RangeSelection | EntrySelection:
    """Decode selector and parameters; DecodeError for a selector that a profile does not have."""
    if not selection:
        raise DecodeError("selective access without a selector")
    parameters, end = decode(selection, 1)
    if end != len(selection):
        raise DecodeError(f"{len(selection) - end} octets follow the selection", offset=end)
    match selection[0], parameters:
        case 1, (sort_object, from_, to, list(columns)):
            return RangeSelection(
                from_=_moment(from_),
                to=_moment(to),
                sort_object=CaptureObject.from_plain(sort_object),
                columns=tuple(map(CaptureObject.from_plain, columns)),
            )
        case 2, (int(from_entry), int(to_entry), int(from_column), int(to_column)):
            return EntrySelection(
                from_entry=from_entry, to_entry=to_entry, from_column=from_column, to_column=to_column
            )
        case selector, _:
            raise DecodeError(f"selector {selector} or its parameters are not those of a profile", selector=selector)


def _moment(value: object) -> CosemDateTime:
    """Take a date-time as tag 25 or as octet-string of 12: senders use both."""
    if isinstance(value, CosemDateTime):
        return value
    if isinstance(value, bytes):
        return CosemDateTime.from_bytes(value)
    raise DecodeError(f"date-time expected, got {value!r}")
