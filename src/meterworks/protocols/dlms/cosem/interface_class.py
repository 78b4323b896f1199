"""COSEM interface classes as rows: what attributes and methods an object of the class has, and of which shape.

The rows stand as text in the modules `classes_*`; `read_classes` reads them:

    3 0 Register @28
      value        any
      scaler_unit  {scaler:i8,unit:enum}  static
      > reset      i8

A class opens with its number, version and name; @28 is where its methods begin when the object is addressed by short
names (octets after the base name, hexadecimal). Attributes count from 2, the logical name is the same everywhere;
methods follow with `>` and the shape of their parameter. `-` keeps a number that the version has given up.

Source: COSEM interface classes (IEC 62056-6-2); fact sheet section 7.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from meterworks.protocols.dlms.cosem.shape import Shape, TypeTags, shape
from meterworks.protocols.errors import TableError

__all__ = ["Attribute", "InterfaceClass", "Method", "by_number", "generic_class", "read_classes"]

SHORT_NAME_STEP: Final = 8  # octets from one attribute or method to the next
GENERIC_ATTRIBUTES: Final = 32  # of a class we have no row for: so many numbers are taken as they come
GENERIC_METHODS: Final = 16
ANYTHING: Final = shape("any")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its number in the class, its name, the A-XDR tags of its value, whether it never changes.

    shape: what lies below the tags; `any` where the tables do not know.
    """

    number: int
    name: str
    tags: TypeTags
    static: bool = False
    shape: Shape = ANYTHING


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its number in the class, its name, the shape of its parameter.

    by_association: the association itself answers it, for clients that must prove who they are; models bind nothing.
    """

    number: int
    name: str
    by_association: bool = False
    parameter: Shape = ANYTHING


@dataclass(frozen=True, slots=True)
class InterfaceClass:
    """One class and version. Attributes are in order from 1 (logical name); methods from 1.

    method_offset: of the first method from the object's base name in short-name referencing; None: it has none there.
    generic: we have no row for this class and version, its attributes are taken as they come.
    """

    class_id: int
    version: int
    name: str
    attributes: tuple[Attribute, ...]
    methods: tuple[Method, ...] = ()
    method_offset: int | None = None
    generic: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers out of order and names used twice."""
        where = f"interface class {self.class_id} {self.name}"
        if [row.number for row in self.attributes] != list(range(1, len(self.attributes) + 1)):
            raise TableError(f"{where}: attributes are not numbered from 1 without a gap")
        if [row.number for row in self.methods] != list(range(1, len(self.methods) + 1)):
            raise TableError(f"{where}: methods are not numbered from 1 without a gap")
        names = [row.name for row in self.attributes] + [row.name for row in self.methods]
        if len(set(names)) != len(names):
            raise TableError(f"{where}: a name stands twice")
        if self.attributes[0].name != "logical_name":
            raise TableError(f"{where}: attribute 1 is the logical name")

    def attribute_named(self, name: str) -> Attribute:
        """Give the attribute of a name; TableError when the class has none such."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        raise TableError(f"interface class {self.class_id} {self.name} has no attribute {name!r}")

    def method_named(self, name: str) -> Method:
        """Give the method of a name; TableError when the class has none such."""
        for method in self.methods:
            if method.name == name:
                return method
        raise TableError(f"interface class {self.class_id} {self.name} has no method {name!r}")

    def attribute_short_name(self, base_name: int, number: int) -> int:
        """Give the short name of an attribute of the object at `base_name`."""
        return base_name + SHORT_NAME_STEP * (number - 1)

    def method_short_name(self, base_name: int, number: int) -> int:
        """Give the short name of a method; TableError for a class whose methods have none."""
        if self.method_offset is None or not 1 <= number <= len(self.methods):
            raise TableError(f"interface class {self.class_id} {self.name}: method {number} has no short name")
        return base_name + self.method_offset + SHORT_NAME_STEP * (number - 1)

    def at_short_name(self, base_name: int, short_name: int) -> Attribute | Method | None:
        """Give what lies at a short name of the object at `base_name`, or None."""
        offset, rest = divmod(short_name - base_name, SHORT_NAME_STEP)
        if rest or offset < 0:
            return None
        if offset < len(self.attributes):
            return self.attributes[offset]
        if self.method_offset is not None:
            index = offset - self.method_offset // SHORT_NAME_STEP
            if 0 <= index < len(self.methods):
                return self.methods[index]
        return None


_LOGICAL_NAME_SHAPE: Final = shape("ln")
LOGICAL_NAME: Final = Attribute(1, "logical_name", _LOGICAL_NAME_SHAPE.tags, static=True, shape=_LOGICAL_NAME_SHAPE)
BY_ASSOCIATION: Final = "reply_to_HLS_authentication"

_HEAD: Final = re.compile(r"(?P<id>\d+) (?P<version>\d+) (?P<name>.*?)(?: @(?P<offset>[0-9a-f]+))?")
_ALIAS: Final = re.compile(r"\$([a-z_]+)")
_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "scaler_unit": "{scaler:i8,unit:enum}",
        "column": "{class_id:u16,logical_name:ln,attribute_index:i8,data_index:u16}",
        "value": "{class_id:u16,logical_name:ln,attribute_index:i8}",
        "action": "{script_logical_name:ln,script_selector:u16}",
        "window": "{start_time:dt,end_time:dt}",
        "user": "{id:u8,name:vs}",
        "script": (
            "{script_identifier:u16,actions:[{service_id:enum,class_id:u16,logical_name:ln,index:i8,parameter:any}]}"
        ),
        "schedule_entry": (
            "{index:u16,enable:bool,script_logical_name:ln,script_selector:u16,switch_time:time,"
            "validity_window:u16,exec_weekdays:bits,exec_specdays:bits,begin_date:date,end_date:date}"
        ),
        "special_day": "{index:u16,specialday_date:date,day_id:u8}",
        "object": "{class_id:u16,version:u8,logical_name:ln,access_rights:struct}",
        "short_object": "{base_name:i16|u16,class_id:u16,version:u8,logical_name:ln}",
        "short_rights": "{base_name:i16|u16,attribute_access:array,method_access:array}",
        "xdlms_context": (
            "{conformance:bits,max_receive_pdu_size:u16,max_send_pdu_size:u16,dlms_version_number:u8,"
            "quality_of_service:i8,cyphering_info:os}"
        ),
        "image": "{image_to_activate_size:u32,image_to_activate_identification:os,image_to_activate_signature:os}",
        "season": "{season_profile_name:os,season_start:dt,week_name:os}",
        "week": (
            "{week_profile_name:os,monday:u8,tuesday:u8,wednesday:u8,thursday:u8,friday:u8,saturday:u8,sunday:u8}"
        ),
        "day": "{day_id:u8,day_schedule:[{start_time:time,script_logical_name:ln,script_selector:u16}]}",
        "certificate": (
            "{certificate_entity:enum,certificate_type:enum,serial_number:os,issuer:os,subject:os,subject_alt_name:os}"
        ),
        "restricted_column": "{class_id:u16,logical_name:ln,attribute_index:i8,data_index:u16,restriction:struct}",
        "selected_column": (
            "{class_id:u16,logical_name:ln,attribute_index:i8,data_index:u16,restriction:struct,columns:array}"
        ),
        "mbus_capture": "{data_information_block:os,value_information_block:os}",
        "unit_charge": (
            "{charge_per_unit_scaling:{commodity_scale:i8,price_scale:i8},"
            "commodity_reference:{class_id:u16,logical_name:ln,attribute_index:i8},"
            "charge_table:[{index:os,charge_per_unit:i16}]}"
        ),
        "protection": "{protection_type:enum,protection_options:struct}",
        "sap": "{sap:u16,logical_device_name:os}",
        "key": "{key_id:enum,key_wrapped:os}",
        "function": "{function_name:os,function_status:bool}",
    }
)


def read_classes(table: str) -> Iterator[InterfaceClass]:
    """Read the rows of a table, written as the module says. TableError at the first line that is not."""
    blocks: list[list[str]] = []
    for line in table.splitlines():
        if line.strip():
            if not line.startswith(" "):
                blocks.append([])
            blocks[-1].append(line)
    return map(_read_class, blocks)


def _read_class(lines: list[str]) -> InterfaceClass:
    head = _HEAD.fullmatch(lines[0].rstrip())
    if head is None:
        raise TableError(f"a class begins with number, version and name, not {lines[0]!r}")
    rows = [line.split() for line in lines[1:]]
    attributes = [_attribute(number, row) for number, row in enumerate((row for row in rows if row[0] != ">"), 2)]
    methods = [_method(number, row[1:]) for number, row in enumerate((row for row in rows if row[0] == ">"), 1)]
    return InterfaceClass(
        int(head["id"]), int(head["version"]), head["name"], (LOGICAL_NAME, *attributes), tuple(methods),
        None if head["offset"] is None else int(head["offset"], 16),
    )  # fmt: skip


def _attribute(number: int, row: list[str]) -> Attribute:
    if row == ["-"]:
        return Attribute(number, f"unused_{number}", ANYTHING.tags)
    match row:
        case [name, text] | [name, text, "static"]:
            found = _shape(text)
            return Attribute(number, name, found.tags, len(row) == 3, found)
        case _:
            raise TableError(f"an attribute has a name, a shape and perhaps `static`, not {row}")


def _method(number: int, row: list[str]) -> Method:
    match row:
        case [name, text]:
            return Method(number, name, name == BY_ASSOCIATION, _shape(text))
        case _:
            raise TableError(f"a method has a name and the shape of its parameter, not {row}")


def _shape(text: str) -> Shape:
    try:
        return shape(_ALIAS.sub(lambda match: _ALIASES[match[1]], text))
    except KeyError as error:
        raise TableError(f"shape {text!r}: nothing is called {error}") from error


def by_number(*rows: InterfaceClass) -> Mapping[tuple[int, int], InterfaceClass]:
    """Give the rows by (class, version); TableError where one stands twice."""
    table: dict[tuple[int, int], InterfaceClass] = {}
    for row in rows:
        if (row.class_id, row.version) in table:
            raise TableError(f"interface class {row.class_id} version {row.version} stands in the table twice")
        table[row.class_id, row.version] = row
    return MappingProxyType(table)


def generic_class(class_id: int, version: int, name: str | None = None) -> InterfaceClass:
    """Give a row for a class nobody described: attributes and methods of any type, by number."""
    attributes = (
        Attribute(number, f"attribute_{number}", ANYTHING.tags) for number in range(2, GENERIC_ATTRIBUTES + 1)
    )
    methods = (Method(number, f"method_{number}") for number in range(1, GENERIC_METHODS + 1))
    return InterfaceClass(
        class_id, version, name or f"class {class_id}", (LOGICAL_NAME, *attributes), tuple(methods), generic=True
    )
