"""What the messages of ACCESS, short names, general protection and transfer mean, in the words of the vectors."""

from collections.abc import Callable
from typing import Any, Final

from meterworks.assess.vectors.compare import Either
from meterworks.assess.vectors.data_meaning import value_meaning
from meterworks.assess.vectors.part_meaning import (
    address_meaning,
    date_time_meaning,
    number_meaning,
    selection_meaning,
)
from meterworks.protocols import dlms

__all__ = ["OTHER_MEANINGS"]

Meaning = dict[str, Any]

_SERVICES: Final = {1: "get", 2: "set", 3: "action", 4: "get-with-selection", 5: "set-with-selection"}
_KEY_FIELDS: Final = ("key_id", "kek_id", "wrapped", "scheme", "data")


# --- ACCESS and confirmations ---------------------------------------------------------------------------------------


def _long_invoke(message: Any) -> Meaning:
    octets = message.long_invoke.to_bytes(4, "big")
    return {"long_invoke_id_and_priority": Either(octets, message.long_invoke), **date_time_meaning(message.date_time)}


def _specification(row: Any) -> Meaning:
    selection = selection_meaning(row.selection)
    return {"service": Either(_SERVICES[row.kind], row.kind), "access_selection": selection} | address_meaning(
        row.address
    )


def _access_request(message: Any) -> Meaning:
    return {
        "apdu": "access-request",
        **_long_invoke(message),
        "specification": [_specification(row) for row in message.specifications],
        "data": [value_meaning(value) for value in message.values],
    }


def _access_response(message: Any) -> Meaning:
    echo = message.specifications
    results = [
        {"service": Either(_SERVICES[kind], kind), "result": number_meaning(result)} for kind, result in message.results
    ]
    return {
        "apdu": "access-response",
        **_long_invoke(message),
        "specification": None if echo is None else [_specification(row) for row in echo],
        "data": [value_meaning(value) for value in message.values],
        "results": results,
    }


def _confirmation(message: Any) -> Meaning:
    return {"apdu": "data-notification-confirm", **_long_invoke(message)}


# --- short names ----------------------------------------------------------------------------------------------------


def _variable(row: Any) -> Meaning:
    """Give an access specification; which it is, its fields tell."""
    told: Meaning = {}
    if hasattr(row, "name"):
        name = Either(row.name, row.name.to_bytes(2, "big"))
        told |= {"variable_name": name, "name": name}
    if hasattr(row, "selector"):
        parameter = value_meaning(row.parameter)
        told |= {"selector": row.selector, "parameter": parameter, "parameters": parameter}
    if hasattr(row, "number"):
        told["block_number"] = row.number
    if hasattr(row, "last"):
        told["last_block"] = row.last
    if hasattr(row, "octets"):
        told["raw_data"] = row.octets
    return told


def _variables(message: Any) -> list[Any]:
    return [_named(row) for row in message.variables]


def _named(row: Any) -> Any:
    """Give a plain variable as its name alone, too."""
    told = _variable(row)
    return Either(told, told["variable_name"]) if set(told) == {"variable_name", "name"} else told


def _short_result(row: Any) -> Any:
    if isinstance(row, bytes):
        return {"data": value_meaning(row)}
    if isinstance(row, dlms.DataAccessResult):
        number = number_meaning(row)
        return Either({"data_access_error": number, "data_access_result": number}, number)
    return _variable(row)


def _lists(apdu: str, message: Any) -> Meaning:
    variables = _variables(message)
    told: Meaning = {
        "apdu": apdu,
        "variables": variables,
        "variable_access_specification": variables,
        "list": variables,
    }
    if hasattr(message, "values"):
        values = [value_meaning(value) for value in message.values]
        told |= {"data": values, "values": values, "list_of_data": values}
    return told


def _read_request(message: Any) -> Meaning:
    return _lists("read-request", message)


def _write_request(message: Any) -> Meaning:
    return _lists("write-request", message)


def _unconfirmed_write(message: Any) -> Meaning:
    return _lists("unconfirmed-write-request", message) | {
        "apdu": Either("unconfirmed-write-request", "unconfirmed-write")
    }


def _information_report(message: Any) -> Meaning:
    moment = message.current_time or Either(None, "")
    return _lists("", message) | {
        "apdu": Either("information-report-request", "information-report"),
        "current_time": moment,
        "date_time": moment,
    }


def _read_response(message: Any) -> Meaning:
    results = [_short_result(row) for row in message.results]
    return {"apdu": "read-response", "list": results, "results": results}


def _write_response(message: Any) -> Meaning:
    results = [_short_result(row) for row in message.results]
    return {"apdu": "write-response", "list": results, "results": results}


# --- general protection and transfer --------------------------------------------------------------------------------


def _header(header: Any) -> Meaning:
    return {
        "transaction_id": header.transaction_id,
        "originator_system_title": header.originator,
        "originator": header.originator,
        "recipient_system_title": header.recipient,
        "recipient": header.recipient,
        "date_time": header.date_time or Either(None, ""),
        "other_information": header.other_information or Either(None, ""),
    }


def _key_info(info: Any) -> Meaning | None:
    if info is None:
        return None
    return {name: getattr(info, name) for name in _KEY_FIELDS if hasattr(info, name)}


def _general_ciphering(message: Any) -> Meaning:
    return {
        "apdu": "general-ciphering",
        **_header(message.header),
        "key_info": _key_info(message.key_info),
        "security_control": bytes((message.control,)),
        "invocation_counter": message.counter,
        "payload": message.body,
    }


def _general_signing(message: Any) -> Meaning:
    return {
        "apdu": "general-signing",
        **_header(message.header),
        "content": message.content,
        "signature": message.signature,
    }


def _general_block(message: Any) -> Meaning:
    return {
        "apdu": "general-block-transfer",
        "last": message.last,
        "last_block": message.last,
        "streaming": message.streaming,
        "window": message.window,
        "block": message.number,
        "block_number": message.number,
        "ack": message.acknowledged,
        "block_number_ack": message.acknowledged,
        "len": len(message.octets),
        "short": False,
        "block_data": message.octets,
        "raw_data": message.octets,
    }


def _gateway(message: Any) -> Meaning:
    return {
        "apdu": "gateway-request" if message.tag == 0xE6 else "gateway-response",
        "network_id": message.network_id,
        "physical_device_address": message.physical_address,
        "physical_address": message.physical_address,
        "content": message.apdu,
    }


OTHER_MEANINGS: Final[dict[str, Callable[[Any], Meaning]]] = {
    "AccessRequest": _access_request, "AccessResponse": _access_response, "DataNotificationConfirm": _confirmation,
    "ReadRequest": _read_request, "ReadResponse": _read_response, "WriteRequest": _write_request,
    "WriteResponse": _write_response, "UnconfirmedWriteRequest": _unconfirmed_write,
    "InformationReport": _information_report, "GeneralCiphering": _general_ciphering,
    "GeneralSigning": _general_signing, "GeneralBlock": _general_block, "GatewayApdu": _gateway,
}  # fmt: skip
