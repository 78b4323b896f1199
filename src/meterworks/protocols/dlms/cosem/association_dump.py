"""Association dumps: object lists as a client program of other people saves them (XML, one `GXDLMSObject` per object).

Such files are how makers and users hand around what a meter has. Read here are class, version, logical or short name
and rights; values are left alone, since what they mean follows from the class.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meterworks.protocols.dlms.cosem.access_right import NO_RIGHTS, AccessRights
from meterworks.protocols.dlms.cosem.object_list import ObjectListEntry
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = ["DUMP_SIZE_MAX", "read_association_dump"]

DUMP_SIZE_MAX: Final = 64 * 1024 * 1024  # octets of XML
TYPE_ATTRIBUTE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
RIGHTS_LEFT_OUT: Final = 3  # what the writer leaves out is its default: read and write
BIT_RIGHTS: Final = 3  # version from which the rights stand in the second field

#: The writer's names of classes, without its prefix.
_CLASS_OF_TYPE: Final[Mapping[str, int]] = MappingProxyType(
    {
        "Data": 1, "Register": 3, "ExtendedRegister": 4, "DemandRegister": 5, "RegisterActivation": 6,
        "ProfileGeneric": 7, "Clock": 8, "ScriptTable": 9, "Schedule": 10, "SpecialDaysTable": 11,
        "AssociationShortName": 12, "AssociationLogicalName": 15, "SapAssignment": 17, "ImageTransfer": 18,
        "IECLocalPortSetup": 19, "IECOpticalPortSetup": 19, "ActivityCalendar": 20, "RegisterMonitor": 21,
        "ActionSchedule": 22, "HdlcSetup": 23, "IECHdlcSetup": 23, "IecTwistedPairSetup": 24,
        "MBusSlavePortSetup": 25, "UtilityTables": 26, "ModemConfiguration": 27, "AutoAnswer": 28, "AutoConnect": 29,
        "DataProtection": 30, "PushSetup": 40, "TcpUdpSetup": 41, "Ip4Setup": 42, "MacAddressSetup": 43,
        "PppSetup": 44, "GprsSetup": 45, "SmtpSetup": 46, "GSMDiagnostic": 47, "Ip6Setup": 48,
        "SFSKPhyMacSetUp": 50, "SFSKActiveInitiator": 51, "SFSKMacSynchronizationTimeouts": 52,
        "SFSKMacCounters": 53, "Iec61334_4_32LlcSetup": 55, "SFSKReportingSystemList": 56,
        "Iso88022LlcType1Setup": 57, "Iso88022LlcType2Setup": 58, "Iso88022LlcType3Setup": 59, "RegisterTable": 61,
        "CompactData": 62, "StatusMapping": 63, "SecuritySetup": 64, "ParameterMonitor": 65, "SensorManager": 67,
        "Arbitrator": 68, "DisconnectControl": 70, "Limiter": 71, "MBusClient": 72, "WirelessModeQchannel": 73,
        "MBusMasterPortSetup": 74, "MBusPortSetup": 76, "MBusDiagnostic": 77, "LlcSscsSetup": 80,
        "PrimeNbOfdmPlcPhysicalLayerCounters": 81, "PrimeNbOfdmPlcMacSetup": 82,
        "PrimeNbOfdmPlcMacFunctionalParameters": 83, "PrimeNbOfdmPlcMacCounters": 84,
        "PrimeNbOfdmPlcMacNetworkAdministrationData": 85, "PrimeNbOfdmPlcApplicationsIdentification": 86,
        "G3PlcMacLayerCounters": 90, "G3PlcMacSetup": 91, "G3Plc6LoWPan": 92, "NtpSetup": 100,
        "ZigBeeSasStartup": 101, "ZigBeeSasJoin": 102, "ZigBeeSasApsFragmentation": 103, "ZigBeeNetworkControl": 104,
        "Account": 111, "Credit": 112, "Charge": 113, "TokenGateway": 115, "Iec6205541Attributes": 116,
        "FunctionControl": 122, "ArrayManager": 123, "CommunicationPortProtection": 124, "LteMonitoring": 151,
        "CoAPSetup": 152, "CoAPDiagnostic": 153,
    }
)  # fmt: skip


def read_association_dump(xml: str) -> tuple[ObjectListEntry, ...]:
    """Give the objects of a dump, in its order.

    Raises DecodeError for what is no such file, and for an object whose class or name cannot be read.
    """
    if len(xml) > DUMP_SIZE_MAX:
        raise DecodeError(f"a dump of more than {DUMP_SIZE_MAX} octets")
    try:
        root = ET.fromstring(xml.encode())  # noqa: S314  # bounded above; expat limits what entities may grow to
    except (ET.ParseError, UnicodeEncodeError) as error:
        raise DecodeError(f"not an association dump: {error}") from error
    found = [element for element in root.iter() if _local(element) == "GXDLMSObject"]
    if not found:
        raise DecodeError("the file holds no COSEM objects")
    return tuple(map(_entry, found))


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(element: ET.Element) -> dict[str, ET.Element]:
    return {_local(child): child for child in element}


def _entry(element: ET.Element) -> ObjectListEntry:
    type_name = element.get(TYPE_ATTRIBUTE, "").removeprefix("GXDLMS")
    parts = _children(element)
    class_id = _CLASS_OF_TYPE.get(type_name)
    if class_id is None:
        class_id = _number(parts, "ObjectType")
    name = parts["LogicalName"].text if "LogicalName" in parts else None
    try:
        code = ObisCode(name or "")
    except EncodeError as error:
        raise DecodeError(f"an object of type {type_name!r} without a logical name") from error
    short_name = _number(parts, "ShortName") if "ShortName" in parts else None
    return ObjectListEntry(
        class_id=class_id, version=_number(parts, "Version"), obis_code=code,
        attributes=_rights(parts.get("Attributes"), "Access"), methods=_rights(parts.get("Methods"), "MethodAccess"),
        short_name=short_name,
    )  # fmt: skip


def _rights(items: ET.Element | None, field: str) -> dict[int, AccessRights]:
    rights: dict[int, AccessRights] = {}
    for item in items if items is not None else ():
        parts = _children(item)
        bits = _number(parts, f"{field}3") if f"{field}3" in parts else 0
        if bits:
            rights[_number(parts, "Index")] = AccessRights.from_attribute_mode(bits, BIT_RIGHTS)
        elif field in parts:
            mode = _number(parts, field)
            read = AccessRights.from_attribute_mode if field == "Access" else AccessRights.from_method_mode
            rights[_number(parts, "Index")] = read(mode, 1)
        else:
            rights[_number(parts, "Index")] = AccessRights(RIGHTS_LEFT_OUT) if field == "Access" else NO_RIGHTS
    return rights


def _number(parts: Mapping[str, ET.Element], name: str) -> int:
    text = parts[name].text if name in parts else None
    if text is None or not text.strip().isdecimal():
        raise DecodeError(f"{name} is a number, not {text!r}")
    return int(text)
