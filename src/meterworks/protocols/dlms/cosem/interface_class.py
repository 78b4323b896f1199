"""COSEM interface classes as rows: what attributes and methods an object of the class has, and of which type.

Source: COSEM interface classes (IEC 62056-6-2). A class is used by a device model under its number and version; the
type of an attribute is what a SET must bring and what a GET gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from meterworks.protocols.errors import TableError

__all__ = [
    "ASSOCIATION", "CLASSES", "CLOCK", "DATA", "DEMAND_REGISTER", "DISCONNECT_CONTROL", "EXTENDED_REGISTER", "LIMITER",
    "PROFILE_GENERIC", "PUSH_SETUP", "REGISTER", "SAP_ASSIGNMENT", "SCRIPT_TABLE", "SECURITY_SETUP",
    "SINGLE_ACTION_SCHEDULE", "Attribute", "InterfaceClass", "Method", "TypeTags", "interface_class",
]  # fmt: skip

TypeTags = frozenset[int]  # A-XDR tags an attribute's value may have

ANY: Final = TypeTags(range(34))
ARRAY: Final = TypeTags({1})
STRUCTURE: Final = TypeTags({2})
BOOLEAN: Final = TypeTags({3})
DOUBLE_LONG_UNSIGNED: Final = TypeTags({6})
OCTET_STRING: Final = TypeTags({9})
DATE_TIME: Final = TypeTags({9, 25})
INTEGER: Final = TypeTags({15})
LONG: Final = TypeTags({16})
UNSIGNED: Final = TypeTags({17})
LONG_UNSIGNED: Final = TypeTags({18})
ENUM: Final = TypeTags({22})
NAME: Final = TypeTags({2, 9})  # context and mechanism names: structure in old editions, octet-string now


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its number in the class, its name, the A-XDR tags of its value, whether it never changes."""

    number: int
    name: str
    tags: TypeTags
    static: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its number in the class and its name.

    by_association: the association itself answers it, for clients that must prove who they are; models bind nothing.
    """

    number: int
    name: str
    by_association: bool = False


@dataclass(frozen=True, slots=True)
class InterfaceClass:
    """One class and version. Attributes are in order from 1 (logical name); methods from 1."""

    class_id: int
    version: int
    name: str
    attributes: tuple[Attribute, ...]
    methods: tuple[Method, ...] = ()

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


def _attributes(*rows: tuple[str, TypeTags] | tuple[str, TypeTags, bool]) -> tuple[Attribute, ...]:
    """Number the rows from 2; attribute 1, the logical name, is the same in every class."""
    return (
        Attribute(1, "logical_name", OCTET_STRING, static=True),
        *(Attribute(number, row[0], row[1], row[2] if len(row) == 3 else False) for number, row in enumerate(rows, 2)),
    )


def _methods(*names: str) -> tuple[Method, ...]:
    return tuple(Method(number, name) for number, name in enumerate(names, 1))


STATIC: Final = True

DATA: Final = InterfaceClass(1, 0, "Data", _attributes(("value", ANY)))

REGISTER: Final = InterfaceClass(
    3, 0, "Register", _attributes(("value", ANY), ("scaler_unit", STRUCTURE, STATIC)), _methods("reset")
)

EXTENDED_REGISTER: Final = InterfaceClass(
    4, 0, "Extended register",
    _attributes(("value", ANY), ("scaler_unit", STRUCTURE, STATIC), ("status", ANY), ("capture_time", DATE_TIME)),
    _methods("reset"),
)  # fmt: skip

DEMAND_REGISTER: Final = InterfaceClass(
    5, 0, "Demand register",
    _attributes(
        ("current_average_value", ANY), ("last_average_value", ANY), ("scaler_unit", STRUCTURE, STATIC),
        ("status", ANY), ("capture_time", DATE_TIME), ("start_time_current", DATE_TIME),
        ("period", DOUBLE_LONG_UNSIGNED, STATIC), ("number_of_periods", LONG_UNSIGNED, STATIC),
    ),
    _methods("reset", "next_period"),
)  # fmt: skip

PROFILE_GENERIC: Final = InterfaceClass(
    7, 1, "Profile generic",
    _attributes(
        ("buffer", ARRAY), ("capture_objects", ARRAY, STATIC), ("capture_period", DOUBLE_LONG_UNSIGNED, STATIC),
        ("sort_method", ENUM, STATIC), ("sort_object", STRUCTURE, STATIC), ("entries_in_use", DOUBLE_LONG_UNSIGNED),
        ("profile_entries", DOUBLE_LONG_UNSIGNED, STATIC),
    ),
    _methods("reset", "capture"),
)  # fmt: skip

CLOCK: Final = InterfaceClass(
    8, 0, "Clock",
    _attributes(
        ("time", DATE_TIME), ("time_zone", LONG), ("status", UNSIGNED), ("daylight_savings_begin", DATE_TIME),
        ("daylight_savings_end", DATE_TIME), ("daylight_savings_deviation", INTEGER),
        ("daylight_savings_enabled", BOOLEAN), ("clock_base", ENUM, STATIC),
    ),
    _methods(
        "adjust_to_quarter", "adjust_to_measuring_period", "adjust_to_minute", "adjust_to_preset_time",
        "preset_adjusting_time", "shift_time",
    ),
)  # fmt: skip

SCRIPT_TABLE: Final = InterfaceClass(9, 0, "Script table", _attributes(("scripts", ARRAY, STATIC)), _methods("execute"))

ASSOCIATION: Final = InterfaceClass(
    15, 1, "Association LN",
    _attributes(
        ("object_list", ARRAY), ("associated_partners_id", STRUCTURE), ("application_context_name", NAME),
        ("xdlms_context_info", STRUCTURE), ("authentication_mechanism_name", NAME), ("secret", OCTET_STRING),
        ("association_status", ENUM), ("security_setup_reference", OCTET_STRING, STATIC),
    ),
    (
        Method(1, "reply_to_HLS_authentication", by_association=True), Method(2, "change_HLS_secret"),
        Method(3, "add_object"), Method(4, "remove_object"),
    ),
)  # fmt: skip

SAP_ASSIGNMENT: Final = InterfaceClass(
    17, 0, "SAP assignment", _attributes(("sap_assignment_list", ARRAY, STATIC)), _methods("connect_logical_device")
)

SINGLE_ACTION_SCHEDULE: Final = InterfaceClass(
    22, 0, "Single action schedule",
    _attributes(("executed_script", STRUCTURE, STATIC), ("type", ENUM, STATIC), ("execution_time", ARRAY)),
)  # fmt: skip

PUSH_SETUP: Final = InterfaceClass(
    40, 0, "Push setup",
    _attributes(
        ("push_object_list", ARRAY, STATIC), ("send_destination_and_method", STRUCTURE),
        ("communication_window", ARRAY, STATIC), ("randomisation_start_interval", LONG_UNSIGNED, STATIC),
        ("number_of_retries", UNSIGNED, STATIC), ("repetition_delay", LONG_UNSIGNED, STATIC),
    ),
    _methods("push"),
)  # fmt: skip

SECURITY_SETUP: Final = InterfaceClass(
    64, 0, "Security setup",
    _attributes(
        ("security_policy", ENUM), ("security_suite", ENUM, STATIC), ("client_system_title", OCTET_STRING),
        ("server_system_title", OCTET_STRING, STATIC),
    ),
    _methods("security_activate", "global_key_transfer"),
)  # fmt: skip

DISCONNECT_CONTROL: Final = InterfaceClass(
    70, 0, "Disconnect control",
    _attributes(("output_state", BOOLEAN), ("control_state", ENUM), ("control_mode", ENUM)),
    _methods("remote_disconnect", "remote_reconnect"),
)  # fmt: skip

LIMITER: Final = InterfaceClass(
    71, 0, "Limiter",
    _attributes(
        ("monitored_value", STRUCTURE, STATIC), ("threshold_active", ANY), ("threshold_normal", ANY),
        ("threshold_emergency", ANY), ("min_over_threshold_duration", DOUBLE_LONG_UNSIGNED),
        ("min_under_threshold_duration", DOUBLE_LONG_UNSIGNED), ("emergency_profile", STRUCTURE),
        ("emergency_profile_group_id_list", ARRAY), ("emergency_profile_active", BOOLEAN),
        ("actions", STRUCTURE, STATIC),
    ),
)  # fmt: skip


def _by_number(*classes: InterfaceClass) -> Mapping[tuple[int, int], InterfaceClass]:
    table: dict[tuple[int, int], InterfaceClass] = {}
    for row in classes:
        if (row.class_id, row.version) in table:
            raise TableError(f"interface class {row.class_id} version {row.version} stands in the table twice")
        table[row.class_id, row.version] = row
    return MappingProxyType(table)


CLASSES: Final = _by_number(
    DATA, REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER, PROFILE_GENERIC, CLOCK, SCRIPT_TABLE, ASSOCIATION,
    SAP_ASSIGNMENT, SINGLE_ACTION_SCHEDULE, PUSH_SETUP, SECURITY_SETUP, DISCONNECT_CONTROL, LIMITER,
)  # fmt: skip

GENERIC_ATTRIBUTES: Final = 32  # of a class we have no row for: so many numbers are taken as they come


def interface_class(class_id: int, version: int) -> InterfaceClass:
    """Give the row of a class; for one we do not know a generic row of attributes of any type, without methods."""
    known = CLASSES.get((class_id, version))
    if known is not None:
        return known
    rows = (Attribute(number, f"attribute_{number}", ANY) for number in range(2, GENERIC_ATTRIBUTES + 1))
    logical_name = Attribute(1, "logical_name", OCTET_STRING, static=True)
    return InterfaceClass(class_id, version, f"class {class_id}", (logical_name, *rows))
