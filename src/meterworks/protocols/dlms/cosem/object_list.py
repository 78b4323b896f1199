"""Object lists: what attribute 2 of an association says, by logical names (class 15) and by short names (class 12).

Association LN writes class, version, logical name and access rights of each object; the rights are enumerations up to
version 2 and bits from version 3 on (`AccessRights`). Which it is stands in the list itself: the entry of an
association object has that version. Association SN writes base names and keeps the rights in its attribute 3.

Source: COSEM interface classes 12 and 15; fact sheet sections 4 and 7.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from meterworks.protocols.dlms.cosem.access_right import NO_RIGHTS, AccessRights
from meterworks.protocols.dlms.cosem.class_index import interface_class
from meterworks.protocols.dlms.cosem.interface_class import InterfaceClass
from meterworks.protocols.dlms.data import (
    PlainValue,
    decode_all,
    encode_array,
    encode_boolean,
    encode_enum,
    encode_integer,
    encode_long,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.errors import DecodeError

__all__ = [
    "ObjectListEntry", "decode_object_entry", "decode_object_list", "decode_short_name_list",
    "decode_short_name_rights", "encode_object_entry", "encode_object_list", "encode_short_name_list",
]  # fmt: skip

ASSOCIATION_CLASS: Final = 15
VERSION_ASSUMED: Final = 1  # of a list without an association object
METHOD_ENUM_VERSION: Final = 1  # version 0 writes a boolean for a method
SHORT_NAME_MASK: Final = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectListEntry:
    """One object of a device as its association shows it.

    Rights are by attribute or method number, negative numbers are a maker's own. selectors: of an attribute that can be
    read in part. short_name: base name, 0..65535, where the device is addressed by short names.
    """

    class_id: int
    version: int
    obis_code: ObisCode
    attributes: Mapping[int, AccessRights] = field(default_factory=dict)
    methods: Mapping[int, AccessRights] = field(default_factory=dict)
    selectors: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    short_name: int | None = None

    @property
    def interface_class(self) -> InterfaceClass:
        """The row of its class; a generic one where we have none."""
        return interface_class(self.class_id, self.version)

    def attribute_rights(self, number: int) -> AccessRights:
        """Give the rights to an attribute; none where the list does not name it."""
        return self.attributes.get(number, NO_RIGHTS)

    def method_rights(self, number: int) -> AccessRights:
        """Give the rights to a method; none where the list does not name it."""
        return self.methods.get(number, NO_RIGHTS)


# --- logical names ---------------------------------------------------------------------------------------------------


def decode_object_list(encoded: bytes, version: int | None = None) -> tuple[ObjectListEntry, ...]:
    """Decode attribute 2 of association LN.

    version: of the association object that was read; None takes it from the list, which names itself. DecodeError for
    what is no object list.
    """
    rows = decode_all(encoded)
    if not isinstance(rows, list):
        raise DecodeError("an object list is an array")
    if version is None:
        versions = [row[1] for row in rows if isinstance(row, tuple) and len(row) == 4 and row[0] == ASSOCIATION_CLASS]
        version = max((found for found in versions if isinstance(found, int)), default=VERSION_ASSUMED)
    return tuple(decode_object_entry(row, version) for row in rows)


def decode_object_entry(row: PlainValue, version: int) -> ObjectListEntry:
    """Take one element of an object list as `decode` gives it; DecodeError for what is none."""
    match row:
        case (int(class_id), int(object_version), bytes(name), (list(attributes), list(methods))) if len(name) == 6:
            pass
        case _:
            raise DecodeError(f"element of an object list expected, got {row!r}")
    rights: dict[int, AccessRights] = {}
    selectors: dict[int, tuple[int, ...]] = {}
    for item in attributes:
        match item:
            case (int(number), int(mode), chosen):
                rights[number] = AccessRights.from_attribute_mode(mode, version)
                if isinstance(chosen, list):
                    selectors[number] = tuple(selector for selector in chosen if isinstance(selector, int))
            case _:
                raise DecodeError(f"access rights of an attribute expected, got {item!r}")
    return ObjectListEntry(
        class_id=class_id, version=object_version, obis_code=ObisCode(name), attributes=rights,
        methods=_method_rights(methods, version), selectors=selectors,
    )  # fmt: skip


def _method_rights(methods: Sequence[PlainValue], version: int) -> dict[int, AccessRights]:
    rights: dict[int, AccessRights] = {}
    for item in methods:
        match item:
            case (int(number), int(mode)):  # a boolean of version 0 is an int too
                rights[number] = AccessRights.from_method_mode(int(mode), version)
            case _:
                raise DecodeError(f"access rights of a method expected, got {item!r}")
    return rights


def encode_object_list(entries: Iterable[ObjectListEntry], version: int) -> bytes:
    """Encode attribute 2 of association LN of a version."""
    return encode_array(encode_object_entry(entry, version) for entry in entries)


def encode_object_entry(entry: ObjectListEntry, version: int) -> bytes:
    """Encode one element of an object list."""
    attributes = []
    for number, rights in entry.attributes.items():
        chosen = entry.selectors.get(number)
        selectors = encode_null() if chosen is None else encode_array(map(encode_integer, chosen))
        mode = encode_enum(rights.attribute_mode(version))
        attributes.append(encode_structure(encode_integer(number), mode, selectors))
    methods = [
        encode_structure(
            encode_integer(number),
            encode_boolean(rights.executable)
            if version < METHOD_ENUM_VERSION
            else encode_enum(rights.method_mode(version)),
        )
        for number, rights in entry.methods.items()
    ]
    return encode_structure(
        encode_long_unsigned(entry.class_id),
        encode_unsigned(entry.version),
        encode_octet_string(entry.obis_code),
        encode_structure(encode_array(attributes), encode_array(methods)),
    )


# --- short names -----------------------------------------------------------------------------------------------------


def decode_short_name_list(encoded: bytes) -> tuple[ObjectListEntry, ...]:
    """Decode attribute 2 of association SN: base names and what lies there. DecodeError for anything else."""
    rows = decode_all(encoded)
    if not isinstance(rows, list):
        raise DecodeError("an object list is an array")
    entries = []
    for row in rows:
        match row:
            case (int(base_name), int(class_id), int(version), bytes(name)) if len(name) == 6:
                short_name = base_name & SHORT_NAME_MASK  # it is written signed
                code = ObisCode(name)
                entries.append(
                    ObjectListEntry(class_id=class_id, version=version, obis_code=code, short_name=short_name)
                )
            case _:
                raise DecodeError(f"element of an object list by short names expected, got {row!r}")
    return tuple(entries)


def decode_short_name_rights(
    encoded: bytes, entries: Iterable[ObjectListEntry], version: int
) -> tuple[ObjectListEntry, ...]:
    """Give the entries with the rights of attribute 3 of association SN (version 2 on).

    version: of the association; from 4 on rights are bits, as those of association LN from 3 on.
    """
    rows = decode_all(encoded)
    if not isinstance(rows, list):
        raise DecodeError("an access rights list is an array")
    named_version = version - 1  # association SN has each form of rights one version later
    found: dict[int, ObjectListEntry] = {}
    for row in rows:
        match row:
            case (int(base_name), list(attributes), list(methods)):
                shell = (1, 0, bytes(6), (attributes, methods))
                found[base_name & SHORT_NAME_MASK] = decode_object_entry(shell, named_version)
            case _:
                raise DecodeError(f"element of an access rights list expected, got {row!r}")
    return tuple(
        entry
        if (rights := found.get(-1 if entry.short_name is None else entry.short_name)) is None
        else replace(entry, attributes=rights.attributes, methods=rights.methods, selectors=rights.selectors)
        for entry in entries
    )


def encode_short_name_list(entries: Iterable[ObjectListEntry]) -> bytes:
    """Encode attribute 2 of association SN; entries without a short name are left out."""
    return encode_array(
        encode_structure(
            encode_long(entry.short_name - 0x10000 if entry.short_name >= 0x8000 else entry.short_name),
            encode_long_unsigned(entry.class_id),
            encode_unsigned(entry.version),
            encode_octet_string(entry.obis_code),
        )
        for entry in entries
        if entry.short_name is not None
    )
