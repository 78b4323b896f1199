"""What the parts of a structure mean together: a value with its unit, a capture object, an entry of an object list."""

from decimal import Decimal
from itertools import pairwise
from typing import Final

from meterworks.protocols.dlms.data import Tag
from meterworks.protocols.dlms.dissect.node import Node
from meterworks.protocols.dlms.dissect.object_name import attribute_name, class_name
from meterworks.protocols.dlms.scaler_unit import ScalerUnit

__all__ = ["annotate_structure", "scaler_unit_of"]

_NUMBERS: Final = frozenset(
    {
        "double-long", "double-long-unsigned", "integer", "long", "unsigned", "long-unsigned", "long64",
        "long64-unsigned",
    }
)  # fmt: skip
_NAME_SIZE: Final = 8  # tag, length, six octets
_CAPTURE_OBJECT: Final = ("long-unsigned", "octet-string", "integer")
_OBJECT_LIST_ENTRY: Final = ("long-unsigned", "unsigned", "octet-string")
_SCALER_UNIT_SIZE: Final = 6
_SCALER_UNIT_HEAD: Final = b"\x02\x02\x0f"


def scaler_unit_of(encoded: bytes) -> ScalerUnit | None:
    """Give a structure {integer, enum} as the scaler with its unit that it is; None for any other value."""
    if len(encoded) != _SCALER_UNIT_SIZE or encoded[:3] != _SCALER_UNIT_HEAD or encoded[4] != Tag.ENUM:
        return None
    return ScalerUnit.from_bytes(encoded)


def annotate_structure(node: Node, data: bytes) -> None:
    """Write into the parts of a structure what they mean beside each other. data: where their offsets count."""
    for value, following in pairwise(node.children):
        unit = scaler_unit_of(data[following.offset : following.offset + following.size])
        if unit is not None and value.name in _NUMBERS:
            value.value += f" = {_scaled(value, unit)}"
    kinds = tuple(child.name for child in node.children[:3])
    if kinds == _CAPTURE_OBJECT and node.children[1].size == _NAME_SIZE:
        class_node, _, number = node.children[:3]
        class_id = int(class_node.xml or 0)
        _tell(class_node, class_name(class_id))
        _tell(number, attribute_name(class_id, int(number.xml or 0)))
    elif kinds == _OBJECT_LIST_ENTRY and node.children[2].size == _NAME_SIZE:
        _tell(node.children[0], class_name(int(node.children[0].xml or 0)))


def _scaled(value: Node, unit: ScalerUnit) -> str:
    scaled: Decimal = unit.apply(int(value.xml or 0))
    return f"{scaled:f} {unit.symbol}".rstrip()


def _tell(node: Node, name: str) -> None:
    if name:
        node.value = f"{name} ({node.xml})"
