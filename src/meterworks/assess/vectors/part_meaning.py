"""Parts that several messages share, in the words of the vectors."""

from typing import Any, Final

from meterworks.assess.vectors.compare import Either
from meterworks.assess.vectors.data_meaning import date_time_fields, value_meaning
from meterworks.protocols import dlms
from meterworks.protocols.dlms.dissect import ACCESS_RESULTS

__all__ = [
    "address_meaning",
    "block_meaning",
    "date_time_meaning",
    "invoke_meaning",
    "item_meaning",
    "number_meaning",
    "outcome_meaning",
    "parameter_meaning",
    "result_meaning",
    "selection_meaning",
]

Meaning = dict[str, Any]

_DATE_SIZE: Final = 12


def invoke_meaning(octet: int) -> Meaning:
    """Give the parts of invoke-id and priority."""
    return {
        "invoke_id": octet & 0x0F,
        "self_descriptive": bool(octet & 0x10),
        "processing_option": Either("break", "break-on-error") if octet & 0x20 else "continue",
        "service_class": "confirmed" if octet & 0x40 else "unconfirmed",
        "priority": "high" if octet & 0x80 else "normal",
        "invoke_id_and_priority": Either(octet, bytes((octet,))),
    }


def address_meaning(address: dlms.AttributeAddress | dlms.MethodAddress) -> Meaning:
    """Give class, logical name and number of an attribute or method."""
    number = {"attribute": address.attribute} if isinstance(address, dlms.AttributeAddress) else {
        "method": address.method
    }  # fmt: skip
    name = Either(str(address.obis_code), address.obis_code.text, bytes(address.obis_code))
    return {"class_id": address.class_id, "instance": name, **number}


def selection_meaning(selection: bytes | None) -> Meaning | None:
    """Give selector and parameters of a selective access; None where there is none."""
    return None if selection is None else {"selector": selection[0], "parameters": value_meaning(selection[1:])}


def item_meaning(item: tuple[dlms.AttributeAddress, bytes | None]) -> Meaning:
    """Give an attribute with its selective access."""
    return address_meaning(item[0]) | {"access_selection": selection_meaning(item[1])}


def number_meaning(result: int) -> Either:
    """Give a result as its number or its name."""
    return Either(int(result), getattr(result, "name", ""), ACCESS_RESULTS.get(int(result), ""))


def result_meaning(result: bytes | dlms.DataAccessResult) -> Meaning:
    """Give data or a result."""
    if isinstance(result, bytes):
        return {"data": value_meaning(result)}
    return {"data_access_result": number_meaning(result)}


def outcome_meaning(outcome: dlms.ActionOutcome) -> Meaning:
    """Give result and return value of a method."""
    returned = {} if outcome.value is None else {"return": result_meaning(outcome.value)}
    return {"action_result": number_meaning(outcome.result), "result": number_meaning(outcome.result)} | returned


def block_meaning(last: bool, number: int, octets: bytes) -> Meaning:
    """Give the parts of a data block."""
    return {"last_block": last, "block_number": number, "raw_data": octets}


def date_time_meaning(octets: bytes) -> Meaning:
    """Give the date-time of an APDU with its parts."""
    absent = Either(None, "")
    return {
        "date_time": octets or absent,
        "date_time_fields": date_time_fields(octets) if len(octets) == _DATE_SIZE else None,
    }


def parameter_meaning(parameter: bytes | None) -> Meaning | None:
    """Give an optional parameter."""
    return None if parameter is None else value_meaning(parameter)
