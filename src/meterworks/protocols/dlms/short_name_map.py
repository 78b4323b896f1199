"""Which object has which short names: the object list of an association of class 12, from both sides.

Attribute n of an object with base name b has the short name b + 8 x (n - 1). Where the methods of a class begin is a
fact of that class. Source: COSEM interface classes, "mapping of attributes and methods" of each; fact sheet section 4.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from meterworks.errors import UsageError
from meterworks.protocols.dlms.data import (
    decode_all,
    encode_array,
    encode_long,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.descriptor import AttributeAddress, MethodAddress
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.errors import DecodeError

__all__ = [
    "ASSOCIATION_BASE_NAME",
    "METHOD_OFFSETS",
    "SHORT_NAME_ASSOCIATION",
    "SHORT_NAME_OBJECT_LIST",
    "NamedObject",
    "ShortNameMap",
]

ASSOCIATION_BASE_NAME: Final = 0xFA00
SHORT_NAME_ASSOCIATION: Final = ObisCode("0.0.40.0.0.255")
ASSOCIATION_CLASS: Final = 12
SHORT_NAME_OBJECT_LIST: Final = AttributeAddress(ASSOCIATION_CLASS, SHORT_NAME_ASSOCIATION, 2)
OBJECTS_MAX: Final = 8192  # 65,536 names, eight each
STEP: Final = 8
ATTRIBUTE_MAX: Final = 127  # the number is a signed octet
# Class: offset of the first method's name, number of methods. Classes without a row have none.
METHOD_OFFSETS: Final = MappingProxyType(
    {
        3: (0x28, 1),
        4: (0x38, 1),
        5: (0x48, 2),
        6: (0x30, 3),
        7: (0x58, 4),
        8: (0x60, 6),
        9: (0x20, 1),
        10: (0x20, 3),
        11: (0x10, 2),
        12: (0x20, 8),
        15: (0x60, 4),
        17: (0x20, 1),
        18: (0x40, 4),
        20: (0x50, 1),
        29: (0x38, 1),
        40: (0x38, 1),
        42: (0x60, 3),
        61: (0x28, 2),
        64: (0x30, 8),
        70: (0x20, 2),
        72: (0x60, 8),
    }
)


@dataclass(frozen=True, slots=True)
class NamedObject:
    """An object with its base name, a multiple of 8 (0 to 65,528)."""

    base_name: int
    class_id: int
    version: int
    obis_code: ObisCode

    def to_bytes(self) -> bytes:
        """Encode the entry of an object list; the base name is a signed long there."""
        signed = self.base_name - 0x1_0000 if self.base_name & 0x8000 else self.base_name
        return encode_structure(
            encode_long(signed),
            encode_long_unsigned(self.class_id),
            encode_unsigned(self.version),
            encode_octet_string(self.obis_code),
        )

    @classmethod
    def from_plain(cls, value: object) -> Self:
        """Take the structure as `decode` gives it; base names come signed or unsigned."""
        match value:
            case (int(base_name), int(class_id), int(version), bytes(name)) if len(name) == 6:
                return cls(base_name & 0xFFFF, class_id, version, ObisCode(name))
            case _:
                raise DecodeError(f"entry of an object list expected, got {value!r}")

    def attribute_name(self, attribute: int) -> int:
        """Give the short name of an attribute, from 1."""
        return self.base_name + STEP * (attribute - 1)

    def method_name(self, method: int) -> int:
        """Give the short name of a method, from 1. UsageError where the class has no such method."""
        offset, count = METHOD_OFFSETS.get(self.class_id, (0, 0))
        if not 1 <= method <= count:
            raise UsageError(f"class {self.class_id} has no method {method} under a short name")
        return self.base_name + offset + STEP * (method - 1)


class ShortNameMap:
    """The objects of a logical device by short name. UsageError for names that are not lawful or overlap."""

    __slots__ = ("_bases", "_by_address", "objects")

    def __init__(self, objects: Iterable[NamedObject]) -> None:
        self.objects = tuple(sorted(objects, key=lambda item: item.base_name))
        self._bases = [item.base_name for item in self.objects]
        self._by_address = {(item.class_id, item.obis_code): item for item in self.objects}
        lawful = all(0 <= base <= 0xFFF8 and not base % STEP for base in self._bases)
        if not lawful or len(set(self._bases)) != len(self._bases):
            raise UsageError("base names are multiples of 8 below 65,536, each given once")

    @classmethod
    def from_bytes(cls, object_list: bytes) -> Self:
        """Read attribute 2 of the association object, as a client does."""
        rows = decode_all(object_list)
        if not isinstance(rows, list) or len(rows) > OBJECTS_MAX:
            raise DecodeError(f"object list expected, an array of at most {OBJECTS_MAX}")
        objects = list(map(NamedObject.from_plain, rows))
        try:
            return cls(objects)
        except UsageError as error:
            raise DecodeError("base names of an object list overlap") from error

    def to_bytes(self) -> bytes:
        """Encode attribute 2 of the association object."""
        return encode_array(item.to_bytes() for item in self.objects)

    def name_of(self, address: AttributeAddress | MethodAddress) -> int:
        """Give the short name of an attribute or method; UsageError where the object is not in the list."""
        item = self._by_address.get((address.class_id, address.obis_code))
        if item is None:
            raise UsageError(f"object {address.obis_code} of class {address.class_id} has no short name here")
        if isinstance(address, MethodAddress):
            return item.method_name(address.method)
        return item.attribute_name(address.attribute)

    def attribute_of(self, name: int) -> AttributeAddress | None:
        """Give the attribute with this name, None where it is a method's or nobody's."""
        found = self._find(name)
        if found is None or found[2]:
            return None
        item, number, _ = found
        return AttributeAddress(item.class_id, item.obis_code, number)

    def method_of(self, name: int) -> MethodAddress | None:
        """Give the method with this name, None where it is an attribute's or nobody's."""
        found = self._find(name)
        if found is None or not found[2]:
            return None
        item, number, _ = found
        return MethodAddress(item.class_id, item.obis_code, number)

    def _find(self, name: int) -> tuple[NamedObject, int, bool] | None:
        """Give object, number of attribute or method, and whether it is a method."""
        index = bisect_right(self._bases, name) - 1
        if index < 0 or name % STEP:
            return None
        item = self.objects[index]
        distance = name - item.base_name
        offset, count = METHOD_OFFSETS.get(item.class_id, (0, 0))
        if count and offset <= distance < offset + STEP * count:
            return item, (distance - offset) // STEP + 1, True
        number = distance // STEP + 1
        return (item, number, False) if number <= ATTRIBUTE_MAX else None
