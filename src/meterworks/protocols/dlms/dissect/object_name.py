"""What classes, attributes, methods and logical names are called, for people."""

from functools import lru_cache

from meterworks.protocols.dlms.cosem import CLASSES, InterfaceClass, describe
from meterworks.protocols.dlms.obis import ObisCode

__all__ = ["attribute_name", "class_name", "describe_name", "method_name"]


@lru_cache(maxsize=1024)
def _newest(class_id: int) -> InterfaceClass | None:
    """Give the newest version of a class in the table; messages name no version."""
    versions = [version for number, version in CLASSES if number == class_id]
    return CLASSES[class_id, max(versions)] if versions else None


def class_name(class_id: int) -> str:
    """Give the name of a class; empty where we have none."""
    found = _newest(class_id)
    return found.name if found else ""


def attribute_name(class_id: int, attribute: int) -> str:
    """Give the name of an attribute; empty where we have none."""
    if attribute == 0:
        return "all attributes"
    found = _newest(class_id)
    return next((row.name for row in found.attributes if row.number == attribute), "") if found else ""


def method_name(class_id: int, method: int) -> str:
    """Give the name of a method; empty where we have none."""
    found = _newest(class_id)
    return next((row.name for row in found.methods if row.number == method), "") if found else ""


@lru_cache(maxsize=4096)
def describe_name(octets: bytes) -> str:
    """Give a logical name in the form of the trade, with what it stands for."""
    return f"{ObisCode(octets).text} {describe(octets)}"
