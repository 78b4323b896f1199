"""All interface classes we have rows for, by number and version, and the names of those we only know by name."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from meterworks.protocols.dlms.cosem.classes_metering import METERING_CLASSES
from meterworks.protocols.dlms.cosem.classes_network import NETWORK_CLASSES
from meterworks.protocols.dlms.cosem.interface_class import InterfaceClass, by_number, generic_class, read_classes

__all__ = [
    "ACTIVITY_CALENDAR", "ASSOCIATION", "CLASSES", "CLASS_NAMES", "CLOCK", "DATA", "DEMAND_REGISTER",
    "DISCONNECT_CONTROL", "EXTENDED_REGISTER", "IMAGE_TRANSFER", "LIMITER", "MBUS_CLIENT", "PROFILE_GENERIC",
    "PUSH_SETUP", "REGISTER", "REGISTER_ACTIVATION", "REGISTER_MONITOR", "SAP_ASSIGNMENT", "SCHEDULE", "SCRIPT_TABLE",
    "SECURITY_SETUP", "SINGLE_ACTION_SCHEDULE", "SPECIAL_DAYS", "interface_class",
]  # fmt: skip

CLASSES: Final = by_number(*read_classes(METERING_CLASSES), *read_classes(NETWORK_CLASSES))

#: Classes whose attributes we found no reliable public description of: kept generic, called by their name.
_NAMED_ONLY: Final[Mapping[int, str]] = MappingProxyType(
    {
        95: "Wi-SUN setup", 96: "Wi-SUN diagnostic", 97: "RPL diagnostic", 98: "MPL diagnostic",
        101: "ZigBee SAS startup", 102: "ZigBee SAS join", 103: "ZigBee SAS APS fragmentation",
        104: "ZigBee network control", 105: "ZigBee tunnel setup", 126: "SCHC-LPWAN setup",
        127: "SCHC-LPWAN diagnostic", 128: "LoRaWAN setup", 129: "LoRaWAN diagnostic",
        130: "ISO/IEC 14908 identification", 131: "ISO/IEC 14908 protocol setup",
        132: "ISO/IEC 14908 protocol status", 133: "ISO/IEC 14908 diagnostic",
        140: "HS-PLC ISO/IEC 12139-1 MAC setup", 141: "HS-PLC ISO/IEC 12139-1 CPAS setup",
        142: "HS-PLC ISO/IEC 12139-1 IP SSAS setup", 143: "HS-PLC ISO/IEC 12139-1 HDLC SSAS setup",
    }
)  # fmt: skip
CLASS_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {**_NAMED_ONLY, **{row.class_id: row.name for row in CLASSES.values()}}
)


@lru_cache(maxsize=1024)
def interface_class(class_id: int, version: int) -> InterfaceClass:
    """Give the row of a class.

    For a version we have no row of, and for a class we do not know, it is a generic one: attributes and methods of
    any type, by number, under the class's name where we know that.
    """
    known = CLASSES.get((class_id, version))
    return generic_class(class_id, version, CLASS_NAMES.get(class_id)) if known is None else known


DATA: Final = CLASSES[1, 0]
REGISTER: Final = CLASSES[3, 0]
EXTENDED_REGISTER: Final = CLASSES[4, 0]
DEMAND_REGISTER: Final = CLASSES[5, 0]
REGISTER_ACTIVATION: Final = CLASSES[6, 0]
PROFILE_GENERIC: Final = CLASSES[7, 1]
CLOCK: Final = CLASSES[8, 0]
SCRIPT_TABLE: Final = CLASSES[9, 0]
SCHEDULE: Final = CLASSES[10, 0]
SPECIAL_DAYS: Final = CLASSES[11, 0]
ASSOCIATION: Final = CLASSES[15, 1]
SAP_ASSIGNMENT: Final = CLASSES[17, 0]
IMAGE_TRANSFER: Final = CLASSES[18, 0]
ACTIVITY_CALENDAR: Final = CLASSES[20, 0]
REGISTER_MONITOR: Final = CLASSES[21, 0]
SINGLE_ACTION_SCHEDULE: Final = CLASSES[22, 0]
PUSH_SETUP: Final = CLASSES[40, 0]
SECURITY_SETUP: Final = CLASSES[64, 0]
DISCONNECT_CONTROL: Final = CLASSES[70, 0]
LIMITER: Final = CLASSES[71, 0]
MBUS_CLIENT: Final = CLASSES[72, 1]
