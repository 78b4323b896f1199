"""Short names of a model's objects, for clients that address a meter by them (association SN, class 12).

Each object has a base name; its attributes and methods follow at the offsets of its class. The association itself is at
FA00. Names follow from the model alone, so every meter of a kind has the same.
Source: COSEM interface classes, Association SN (class 12); fact sheet section 4.
"""

from bisect import bisect_right
from typing import Final

from meterworks.devices.access import CLIENTS, Audience, Client, Rights, rights_of
from meterworks.devices.model import Bindings, BoundObject, DeviceModel, Place, bind, deed, derived, entry
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    ActionResult,
    AttributeAddress,
    MethodAddress,
    ObisCode,
    PlainValue,
    encode_array,
    encode_enum,
    encode_integer,
    encode_long,
    encode_null,
    encode_octet_string,
    encode_structure,
)
from meterworks.protocols.dlms.cosem import (
    CLASSES,
    Attribute,
    ObjectListEntry,
    encode_short_name_list,
)

__all__ = ["ASSOCIATION_NAME", "ShortNameTable", "short_names_of"]

ASSOCIATION_NAME: Final = ObisCode("0.0.40.0.0.255")
ASSOCIATION_BASE: Final = 0xFA00
ASSOCIATION_CLASS: Final = 12
ASSOCIATION_VERSION: Final = 2
NAMED_CLASS: Final = 15
FIRST_BASE: Final = 0x0800
STEP: Final = 8
ROUND: Final = 0x20  # base names are multiples of it
TABLES_MAX: Final = 64


class ShortNameTable:
    """The short names of one model, shared by all its meters."""

    def __init__(self, model: DeviceModel) -> None:
        """Give each object its base name, in the order of the model; association objects by logical name have none."""
        self._bases: list[int] = []
        self._objects: list[BoundObject] = []
        self._base_of: dict[bytes, int] = {}
        base = FIRST_BASE
        for bound in model.objects.values():
            if bound.interface_class.class_id != NAMED_CLASS:
                self._put(base, bound)
                base += -(-_extent(bound) // ROUND) * ROUND
        self.association = bind(
            entry(
                str(ASSOCIATION_NAME), CLASSES[ASSOCIATION_CLASS, ASSOCIATION_VERSION], Audience.EVERYONE,
                object_list=derived(self._object_list), access_rights_list=derived(self._rights_list),
                security_setup_reference=encode_octet_string(ObisCode("0.0.43.0.0.255")),
                read_by_logicalname=deed(self._names_of),
            ),
            Bindings(states={}, settings={}, histories={}, commands={}),
        )  # fmt: skip
        self._put(ASSOCIATION_BASE, self.association)

    def _put(self, base: int, bound: BoundObject) -> None:
        self._bases.append(base)
        self._objects.append(bound)
        self._base_of[bound.obis_code] = base

    def base_of(self, obis_code: bytes) -> int | None:
        """Give the base name of an object, or None."""
        return self._base_of.get(obis_code)

    def _at(self, short_name: int) -> tuple[int, BoundObject] | None:
        index = bisect_right(self._bases, short_name) - 1
        return None if index < 0 else (self._bases[index], self._objects[index])

    def attribute_of(self, short_name: int) -> AttributeAddress | None:
        """Give the attribute with a short name, or None."""
        found = self._at(short_name)
        if found is None:
            return None
        row = found[1].interface_class.at_short_name(found[0], short_name)
        if not isinstance(row, Attribute):
            return None
        return AttributeAddress(found[1].interface_class.class_id, found[1].obis_code, row.number)

    def method_of(self, short_name: int) -> MethodAddress | None:
        """Give the method with a short name, or None."""
        found = self._at(short_name)
        if found is None:
            return None
        row = found[1].interface_class.at_short_name(found[0], short_name)
        if row is None or isinstance(row, Attribute):
            return None
        return MethodAddress(found[1].interface_class.class_id, found[1].obis_code, row.number)

    # -- what the association shows -----------------------------------------------------------------------------------

    def _visible(self, client_sap: int) -> list[tuple[int, BoundObject, Rights]]:
        client = client_sap if client_sap in CLIENTS else Client.PUBLIC
        rows = zip(self._bases, self._objects, strict=True)
        return [(base, bound, rights) for base, bound in rows if (rights := rights_of(client, bound.audience))]

    def _object_list(self, view: MeterView, place: Place, client_sap: int) -> bytes:
        del view, place
        return encode_short_name_list(
            ObjectListEntry(
                class_id=bound.interface_class.class_id, version=bound.interface_class.version,
                obis_code=bound.obis_code, short_name=base,
            )
            for base, bound, _ in self._visible(client_sap)
        )  # fmt: skip

    def _rights_list(self, view: MeterView, place: Place, client_sap: int) -> bytes:
        del view, place
        return encode_array(_rights_row(base, bound, rights) for base, bound, rights in self._visible(client_sap))

    def _names_of(self, view: MeterView, place: Place, parameter: PlainValue) -> tuple[ActionResult, bytes]:
        """Give the short names of attributes named by class, logical name and number (method 3); 0 for unknown ones."""
        del view, place
        names = []
        for row in parameter if isinstance(parameter, list) else ():
            match row:
                case (int(), bytes(name), int(number)) if (base := self._base_of.get(name)) is not None:
                    names.append(base + STEP * (max(number, 1) - 1))
                case _:
                    names.append(0)
        return ActionResult.SUCCESS, encode_array(encode_long(_signed(name)) for name in names)


def _extent(bound: BoundObject) -> int:
    row = bound.interface_class
    after = 0 if row.method_offset is None else row.method_offset + STEP * len(row.methods)
    return max(STEP * len(row.attributes), after)


def _signed(name: int) -> int:
    return name - 0x10000 if name >= 0x8000 else name


def _rights_row(base: int, bound: BoundObject, rights: Rights) -> bytes:
    attributes = [
        encode_structure(
            encode_integer(number),
            encode_enum(0 if attribute.hidden else 3 if attribute.writable and Rights.WRITE in rights else 1),
            encode_null(),
        )
        for number, attribute in enumerate(bound.attributes, 1)
    ]
    methods = [
        encode_structure(encode_integer(number), encode_enum(int(number in bound.methods and Rights.EXECUTE in rights)))
        for number in range(1, len(bound.interface_class.methods) + 1)
    ]
    return encode_structure(encode_long(_signed(base)), encode_array(attributes), encode_array(methods))


_TABLES: dict[int, tuple[DeviceModel, ShortNameTable]] = {}  # by identity: a model cannot be compared cheaply


def short_names_of(model: DeviceModel) -> ShortNameTable:
    """Give the short names of a model, made once per process."""
    known = _TABLES.get(id(model))
    if known is None:
        if len(_TABLES) >= TABLES_MAX:
            _TABLES.clear()
        known = _TABLES[id(model)] = (model, ShortNameTable(model))
    return known[1]
