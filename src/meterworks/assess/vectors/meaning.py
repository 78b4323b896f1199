"""What a message of ours means, in the words of the vectors: names as in the ASN.1, octets as hex, data by its type.

Where the vectors leave it open how something is written, several forms are given (`Either`). The table goes by the
names of the message classes: a test holds it against all messages that there are.
"""

from collections.abc import Callable
from typing import Any, Final

from meterworks.assess.vectors.compare import Either
from meterworks.assess.vectors.data_meaning import value_meaning
from meterworks.assess.vectors.other_meaning import OTHER_MEANINGS
from meterworks.assess.vectors.part_meaning import (
    address_meaning,
    block_meaning,
    date_time_meaning,
    invoke_meaning,
    item_meaning,
    number_meaning,
    outcome_meaning,
    parameter_meaning,
    result_meaning,
)
from meterworks.protocols import dlms
from meterworks.protocols.dlms.dissect import APDU_NAMES, EXCEPTION_SERVICES, EXCEPTION_STATES, conformance_names

__all__ = ["MEANINGS", "meaning_of"]

Meaning = dict[str, Any]

_ACSE_ARC: Final = "2.16.756.5.8"
_CONFORMANCE_SIZE: Final = 3
_OTHER_FIELDS: Final = {
    0x80: "protocol_version", 0xA2: "called_ap_title", 0xA3: "called_ae_qualifier", 0xA4: "called_ap_invocation_id",
    0xA5: "called_ae_invocation_id", 0xA7: "calling_ae_qualifier", 0xA8: "calling_ap_invocation_id",
    0xA9: "calling_ae_invocation_id", 0x8A: "sender_acse_requirements", 0x88: "responder_acse_requirements",
    0xBD: "implementation_information",
}  # fmt: skip


# --- association ----------------------------------------------------------------------------------------------------


def _association_name(arc: int, number: int) -> Either:
    return Either(f"{_ACSE_ARC}.{arc}.{number}", number)


def _acse_parts(message: Any, *, side: str, title: bytes | None) -> Meaning:
    parts: Meaning = {"application_context_name": _association_name(1, message.context)}
    if title is not None:
        parts["calling_ap_title" if side == "calling" else "responding_ap_title"] = title
    if message.mechanism is not None:
        parts["sender_acse_requirements" if side == "calling" else "responder_acse_requirements"] = Either(
            b"\x07\x80", 1
        )
        parts["mechanism_name"] = _association_name(2, message.mechanism)
    if message.authentication is not None:
        parts[f"{side}_authentication_value"] = Either({"charstring": message.authentication}, message.authentication)
    for tag, octets in message.others:
        name = _OTHER_FIELDS.get(tag, f"field_{tag:02x}")
        name = name.replace("calling", "responding") if side == "responding" and "calling" in name else name
        parts[name] = Either(octets, octets[2:], int.from_bytes(octets[2:], "big"))
    return parts | _user_information(message.user_information)


def _user_information(octets: bytes | None) -> Meaning:
    if octets is None:
        return {}
    return {"user_information": octets, "user_information_decoded": meaning_of(dlms.decode_apdu(octets))}


def _aarq(message: dlms.AssociationRequest) -> Meaning:
    return {"apdu": "AARQ"} | _acse_parts(message, side="calling", title=message.calling_title)


def _aare(message: dlms.AssociationResponse) -> Meaning:
    source = "acse-service-provider" if message.by_provider else "acse-service-user"
    return {
        "apdu": "AARE",
        "result": number_meaning(message.result),
        "result_source_diagnostic": {source: number_meaning(message.diagnostic)},
    } | _acse_parts(message, side="responding", title=message.responding_title)


def _release(message: dlms.ReleaseRequest | dlms.ReleaseResponse) -> Meaning:
    name = "RLRQ" if isinstance(message, dlms.ReleaseRequest) else "RLRE"
    reason = {} if message.reason is None else {"reason": message.reason}
    return {"apdu": name} | reason | _user_information(message.user_information)


def _conformance(prefix: str, conformance: dlms.Conformance) -> Meaning:
    octets = int(conformance).to_bytes(_CONFORMANCE_SIZE, "big")
    return {"conformance_hex": octets, f"{prefix}_conformance": Either(conformance_names(conformance), octets)}


def _initiate_request(message: Any) -> Meaning:
    return {
        "apdu": "initiate-request",
        "dedicated_key": message.dedicated_key,
        "response_allowed": message.response_allowed,
        "proposed_quality_of_service": message.quality_of_service,
        "proposed_dlms_version": message.version,
        "client_max_receive_pdu_size": message.max_pdu,
    } | _conformance("proposed", message.conformance)


def _initiate_response(message: Any) -> Meaning:
    return {
        "apdu": "initiate-response",
        "negotiated_quality_of_service": message.quality_of_service,
        "negotiated_dlms_version": message.version,
        "server_max_receive_pdu_size": message.max_pdu,
        "vaa_name": Either(message.vaa.to_bytes(2, "big"), message.vaa),
    } | _conformance("negotiated", message.conformance)


# --- services -------------------------------------------------------------------------------------------------------


def _service(apdu: str, kind: str, message: Any, **parts: Any) -> Meaning:
    return {"apdu": apdu, "type": kind, **invoke_meaning(message.invoke), **parts}


def _get_request(message: Any) -> Meaning:
    return _service("get-request", "normal", message, **item_meaning((message.address, message.selection)))


def _get_next(message: Any) -> Meaning:
    return _service("get-request", "next", message, block_number=message.number)


def _get_with_list(message: Any) -> Meaning:
    return _service("get-request", "with-list", message, list=[item_meaning(item) for item in message.items])


def _get_response(message: Any) -> Meaning:
    return _service("get-response", "normal", message, result=result_meaning(message.result))


def _get_response_block(message: Any) -> Meaning:
    if isinstance(message.result, dlms.DataAccessResult):
        number = number_meaning(message.result)
        parts = {"last_block": message.last, "block_number": message.number, "data_access_result": number}
    else:
        parts = block_meaning(message.last, message.number, message.result)
    return _service("get-response", "with-datablock", message, **parts)


def _get_with_list_response(message: Any) -> Meaning:
    return _service("get-response", "with-list", message, list=[result_meaning(result) for result in message.results])


def _set_request(message: Any) -> Meaning:
    item = item_meaning((message.address, message.selection))
    return _service("set-request", "normal", message, **item, value=value_meaning(message.value))


def _datablock(message: Any) -> Meaning:
    return block_meaning(message.block.last, message.block.number, message.block.octets)


def _set_first_block(message: Any) -> Meaning:
    item = item_meaning((message.address, message.selection))
    kind = Either("with-first-datablock", "first-datablock")
    return _service("set-request", "", message, **item, **_datablock(message)) | {"type": kind}


def _set_block(message: Any) -> Meaning:
    return _service("set-request", "with-datablock", message, **_datablock(message))


def _set_with_list(message: Any) -> Meaning:
    values = [value_meaning(value) for value in message.values]
    items = [item_meaning(item) for item in message.items]
    rows = [item | {"value": value} for item, value in zip(items, values, strict=True)]
    return _service("set-request", "with-list", message, list=rows, values=values, value_list=values, data=values)


def _set_list_first_block(message: Any) -> Meaning:
    kind = Either("with-list-and-first-datablock", "with-list-and-with-first-datablock")
    items = [item_meaning(item) for item in message.items]
    return _service("set-request", "", message, list=items, **_datablock(message)) | {"type": kind}


def _set_response(message: Any) -> Meaning:
    number = number_meaning(message.result)
    return _service("set-response", "normal", message, data_access_result=number, result=number)


def _set_response_block(message: Any) -> Meaning:
    return _service("set-response", "datablock", message, block_number=message.number) | {
        "type": Either("datablock", "with-datablock")
    }


def _set_response_last(message: Any) -> Meaning:
    number = number_meaning(message.result)
    parts = {"data_access_result": number, "result": number, "block_number": message.number}
    return _service("set-response", "", message, **parts) | {"type": Either("last-datablock", "with-last-datablock")}


def _results(results: Any) -> Meaning:
    numbers = [Either(number_meaning(result), {"data_access_result": number_meaning(result)}) for result in results]
    return {"list": numbers, "results": numbers, "result": numbers}


def _set_list_last(message: Any) -> Meaning:
    kind = Either("last-datablock-with-list", "with-list-and-last-datablock")
    parts = _results(message.results) | {"block_number": message.number}
    return _service("set-response", "", message, **parts) | {"type": kind}


def _set_list_response(message: Any) -> Meaning:
    return _service("set-response", "with-list", message, **_results(message.results))


def _action_request(message: Any) -> Meaning:
    parameters = parameter_meaning(message.parameter)
    return _service("action-request", "normal", message, **address_meaning(message.address), parameters=parameters)


def _action_next(message: Any) -> Meaning:
    return _service("action-request", "next-pblock", message, block_number=message.number) | {
        "type": Either("next-pblock", "next")
    }


def _action_with_list(message: Any) -> Meaning:
    values = [value_meaning(value) for value in message.parameters]
    rows = [
        address_meaning(address) | {"parameters": value}
        for address, value in zip(message.addresses, values, strict=True)
    ]
    return _service("action-request", "with-list", message, list=rows, parameters=values, data=values, values=values)


def _action_first_block(message: Any) -> Meaning:
    kind = Either("with-first-pblock", "first-pblock")
    return _service("action-request", "", message, **address_meaning(message.address), **_datablock(message)) | {
        "type": kind
    }


def _action_list_first_block(message: Any) -> Meaning:
    kind = Either("with-list-and-first-pblock", "with-list-and-with-first-pblock")
    rows = [address_meaning(address) for address in message.addresses]
    return _service("action-request", "", message, list=rows, **_datablock(message)) | {"type": kind}


def _action_block(message: Any) -> Meaning:
    return _service("action-request", "with-pblock", message, **_datablock(message))


def _action_response(message: Any) -> Meaning:
    return _service("action-response", "normal", message, **outcome_meaning(message.outcome))


def _action_response_block(message: Any) -> Meaning:
    return _service("action-response", "with-pblock", message, **_datablock(message))


def _action_list_response(message: Any) -> Meaning:
    return _service("action-response", "with-list", message, list=[outcome_meaning(row) for row in message.outcomes])


def _action_response_next(message: Any) -> Meaning:
    return _service("action-response", "next-pblock", message, block_number=message.number) | {
        "type": Either("next-pblock", "next")
    }


def _data_notification(message: Any) -> Meaning:
    long_invoke = Either(message.long_invoke.to_bytes(4, "big"), message.long_invoke)
    return {
        "apdu": "data-notification",
        "long_invoke_id_and_priority": long_invoke,
        **date_time_meaning(message.date_time),
        "body": value_meaning(message.body),
    }


def _event_notification(message: Any) -> Meaning:
    value = value_meaning(message.value)
    return {
        "apdu": Either("event-notification-request", "event-notification"),
        **date_time_meaning(message.date_time),
        **address_meaning(message.address),
        "value": value,
        "attribute_value": value,
    }


# --- faults and ciphered APDUs --------------------------------------------------------------------------------------


def _exception(message: Any) -> Meaning:
    return {
        "apdu": "exception-response",
        "state_error": Either(int(message.state), EXCEPTION_STATES.get(message.state)),
        "service_error": Either(int(message.service), EXCEPTION_SERVICES.get(message.service)),
        "invocation_counter": message.counter,
        "invocation_counter_error": message.counter,
    }


def _service_error(message: Any) -> Meaning:
    return {
        "apdu": "confirmed-service-error",
        "service": Either(message.service, message.service_name),
        "error_type": Either(message.kind, message.error_name.partition("/")[0]),
        "error": Either(message.error, message.error_name.partition("/")[2]),
    }


def _ciphered(message: Any) -> Meaning:
    return {
        "apdu": APDU_NAMES.get(message.tag, f"{message.tag:02x}"),
        "tag": bytes((message.tag,)),
        "system_title": message.title,
        "security_control": bytes((message.control,)),
        "invocation_counter": message.counter,
        "payload": message.body,
    }


def _unknown(message: Any) -> Meaning:
    return {"apdu": f"{message.octets[:1].hex()}", "octets": message.octets}


MEANINGS: Final[dict[str, Callable[[Any], Meaning]]] = {
    "AssociationRequest": _aarq, "AssociationResponse": _aare, "ReleaseRequest": _release, "ReleaseResponse": _release,
    "InitiateRequest": _initiate_request, "InitiateResponse": _initiate_response,
    "GetRequest": _get_request, "GetNext": _get_next, "GetWithList": _get_with_list,
    "GetResponse": _get_response, "GetResponseBlock": _get_response_block,
    "GetWithListResponse": _get_with_list_response,
    "SetRequest": _set_request, "SetFirstBlock": _set_first_block, "SetBlock": _set_block,
    "SetWithList": _set_with_list, "SetWithListFirstBlock": _set_list_first_block,
    "SetResponse": _set_response, "SetResponseBlock": _set_response_block,
    "SetResponseLastBlock": _set_response_last, "SetWithListLastBlock": _set_list_last,
    "SetWithListResponse": _set_list_response,
    "ActionRequest": _action_request, "ActionNext": _action_next, "ActionWithList": _action_with_list,
    "ActionFirstBlock": _action_first_block, "ActionWithListFirstBlock": _action_list_first_block,
    "ActionBlock": _action_block, "ActionResponse": _action_response, "ActionResponseBlock": _action_response_block,
    "ActionWithListResponse": _action_list_response, "ActionResponseNext": _action_response_next,
    "DataNotification": _data_notification, "EventNotification": _event_notification,
    "ExceptionResponse": _exception, "ConfirmedServiceError": _service_error,
    "CipheredApdu": _ciphered, "UnknownApdu": _unknown, **OTHER_MEANINGS,
}  # fmt: skip


def meaning_of(message: object) -> Meaning:
    """Give the meaning of a message. Raises DecodeError where a value inside is malformed."""
    return MEANINGS[type(message).__name__](message)
