"""The services of logical-name referencing as nodes: GET, SET, ACTION, notifications, ACCESS, faults."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from meterworks.protocols.dlms.dissect.data import pull_date_time, pull_value
from meterworks.protocols.dlms.dissect.name import EXCEPTION_SERVICES, EXCEPTION_STATES
from meterworks.protocols.dlms.dissect.node import Walk
from meterworks.protocols.dlms.dissect.part import (
    pull_block,
    pull_choice,
    pull_data,
    pull_descriptor,
    pull_invoke,
    pull_item,
    pull_list,
    pull_long_invoke,
    pull_optional,
    pull_result,
)
from meterworks.protocols.dlms.fault import CONFIRMED_SERVICES, SERVICE_ERRORS
from meterworks.protocols.errors import DecodeError

__all__ = ["SERVICES", "Pull", "pull_get_result", "pull_outcome"]

Pull = Callable[[Walk], None]  # takes what follows the tag of an APDU

_COUNTER_ERROR: Final = 6
_WITH_SELECTION: Final = "Cosem-Attribute-Descriptor-With-Selection"


def _of_kind(kinds: Mapping[int, tuple[str, Pull]]) -> Pull:
    """Make the decoder of a service that has several kinds, told apart by the octet after the tag."""

    def pull(walk: Walk) -> None:
        kind = walk.peek()
        if kind not in kinds:
            raise DecodeError(f"kind {kind} at octet {walk.offset} is none of {sorted(kinds)}", offset=walk.offset)
        name, pull_kind = kinds[kind]
        with walk.group(name):
            walk.raw(1)
            pull_invoke(walk)
            pull_kind(walk)

    return pull


def _pull_number(walk: Walk) -> None:
    walk.unsigned("block-number", 4)


# --- GET ------------------------------------------------------------------------------------------------------------


def _pull_items(walk: Walk) -> None:
    pull_list(walk, "attribute-descriptor-list", pull_item, _WITH_SELECTION)


def pull_get_result(walk: Walk) -> None:
    """Take data or an access result."""
    pull_choice(walk, pull_data, pull_result)


def _pull_get_response(walk: Walk) -> None:
    with walk.group("result"):
        pull_get_result(walk)


def _pull_get_block(walk: Walk) -> None:
    with walk.group("result") as node:
        last = walk.unsigned("last-block")
        number = walk.unsigned("block-number", 4)
        node.value = f"block {number}{', the last' if last else ''}"
        with walk.group("result"):
            pull_choice(walk, lambda inner: inner.counted("raw-data"), pull_result)


def _pull_get_list(walk: Walk) -> None:
    pull_list(walk, "result", pull_get_result)


# --- SET ------------------------------------------------------------------------------------------------------------


def _pull_set(walk: Walk) -> None:
    pull_item(walk)
    pull_data(walk, "value")


def _pull_set_first_block(walk: Walk) -> None:
    pull_item(walk)
    pull_block(walk)


def _pull_datablock(walk: Walk) -> None:
    pull_block(walk)


def _pull_values(walk: Walk) -> None:
    pull_list(walk, "value-list", pull_value, "Data")


def _pull_set_list(walk: Walk) -> None:
    _pull_items(walk)
    _pull_values(walk)


def _pull_set_list_first_block(walk: Walk) -> None:
    _pull_items(walk)
    pull_block(walk)


def _pull_set_result(walk: Walk) -> None:
    pull_result(walk, "result")


def _pull_set_last(walk: Walk) -> None:
    _pull_set_result(walk)
    _pull_number(walk)


def _pull_set_results(walk: Walk) -> None:
    pull_list(walk, "result", pull_result)


def _pull_set_results_last(walk: Walk) -> None:
    _pull_set_results(walk)
    _pull_number(walk)


# --- ACTION ---------------------------------------------------------------------------------------------------------


def _pull_method(walk: Walk) -> None:
    pull_descriptor(walk, "method")


def _pull_action(walk: Walk) -> None:
    _pull_method(walk)
    pull_optional(walk, lambda inner: pull_data(inner, "method-invocation-parameters"))


def _pull_methods(walk: Walk) -> None:
    pull_list(walk, "cosem-method-descriptor-list", _pull_method)


def _pull_action_list(walk: Walk) -> None:
    _pull_methods(walk)
    pull_list(walk, "method-invocation-parameters", pull_value, "Data")


def _pull_pblock(walk: Walk) -> None:
    pull_block(walk, "pblock")


def _pull_action_first_block(walk: Walk) -> None:
    _pull_method(walk)
    _pull_pblock(walk)


def _pull_action_list_first_block(walk: Walk) -> None:
    _pull_methods(walk)
    _pull_pblock(walk)


def pull_outcome(walk: Walk) -> None:
    """Take the outcome of a method: result and what it may have returned."""
    pull_result(walk, "result")
    if walk.left:  # a widely used server leaves out the octet that says whether a value follows
        pull_optional(walk, _pull_return)


def _pull_return(walk: Walk) -> None:
    with walk.group("return-parameters"):
        pull_get_result(walk)


def _pull_action_response(walk: Walk) -> None:
    with walk.group("single-response"):
        pull_outcome(walk)


def _pull_outcomes(walk: Walk) -> None:
    pull_list(walk, "list-of-responses", pull_outcome, "Action-Response-With-Optional-Data")


# --- notifications and faults ---------------------------------------------------------------------------------------


def _pull_data_notification(walk: Walk) -> None:
    pull_long_invoke(walk)
    pull_date_time(walk)
    with walk.group("notification-body"):
        pull_data(walk, "data-value")


def _pull_confirmation(walk: Walk) -> None:
    pull_long_invoke(walk)
    pull_date_time(walk)


def _pull_event(walk: Walk) -> None:
    pull_optional(walk, lambda inner: pull_date_time(inner, "time"))
    pull_descriptor(walk)
    pull_data(walk, "attribute-value")


def _pull_exception(walk: Walk) -> None:
    walk.unsigned("state-error", names=EXCEPTION_STATES)
    service = walk.unsigned("service-error", names=EXCEPTION_SERVICES)
    if service == _COUNTER_ERROR and walk.left:
        walk.unsigned("invocation-counter", 4)


def _pull_service_error(walk: Walk) -> None:
    service = walk.peek()
    with walk.group(f"{CONFIRMED_SERVICES.get(service, f'service-{service}')}Error"):
        walk.raw(1)
        kind, names = SERVICE_ERRORS.get(walk.peek(), (f"kind-{walk.peek()}", ()))
        walk.raw(1)
        walk.unsigned(kind, names=dict(enumerate(names)))


# --- ACCESS ---------------------------------------------------------------------------------------------------------

_ACCESS_KINDS: Final = {1: "get", 2: "set", 3: "action", 4: "get-with-selection", 5: "set-with-selection"}


def _access_kind(walk: Walk, *, lawful: int) -> str:
    kind = walk.peek()
    if not 1 <= kind <= lawful:
        raise DecodeError(f"ACCESS of kind {kind} at octet {walk.offset}", offset=walk.offset)
    return _ACCESS_KINDS[kind]


def _pull_specification(walk: Walk) -> None:
    kind = _access_kind(walk, lawful=5)
    with walk.group(f"access-request-{kind}"):
        walk.raw(1)
        pull_descriptor(walk, "method" if kind == "action" else "attribute")
        if kind.endswith("selection"):
            with walk.group("access-selection"):
                walk.unsigned("access-selector")
                pull_data(walk, "access-parameters")


def _pull_specifications(walk: Walk) -> None:
    pull_list(walk, "access-request-specification", _pull_specification, "Access-Request-Specification")


def _pull_access_data(walk: Walk, name: str) -> None:
    pull_list(walk, name, pull_value, "Data")


def _pull_access_request(walk: Walk) -> None:
    pull_long_invoke(walk)
    pull_date_time(walk)
    with walk.group("access-request-body"):
        _pull_specifications(walk)
        _pull_access_data(walk, "access-request-list-of-data")


def _pull_access_result(walk: Walk) -> None:
    with walk.group(f"access-response-{_access_kind(walk, lawful=3)}"):
        walk.raw(1)
        pull_result(walk, "result")


def _pull_access_response(walk: Walk) -> None:
    pull_long_invoke(walk)
    pull_date_time(walk)
    with walk.group("access-response-body"):
        pull_optional(walk, _pull_specifications)
        _pull_access_data(walk, "access-response-list-of-data")
        pull_list(walk, "access-response-specification", _pull_access_result, "Access-Response-Specification")


SERVICES: Final[Mapping[int, Pull]] = MappingProxyType(
    {
        0x0E: _pull_service_error,
        0x0F: _pull_data_notification,
        0x10: _pull_confirmation,
        0xC0: _of_kind({
            1: ("get-request-normal", pull_item), 2: ("get-request-next", _pull_number),
            3: ("get-request-with-list", _pull_items),
        }),
        0xC1: _of_kind({
            1: ("set-request-normal", _pull_set), 2: ("set-request-first-data-block", _pull_set_first_block),
            3: ("set-request-with-datablock", _pull_datablock),
            4: ("set-request-with-list", _pull_set_list),
            5: ("set-request-with-list-and-first-datablock", _pull_set_list_first_block),
        }),
        0xC2: _pull_event,
        0xC3: _of_kind({
            1: ("action-request-normal", _pull_action), 2: ("action-request-next-pblock", _pull_number),
            3: ("action-request-with-list", _pull_action_list),
            4: ("action-request-with-first-pblock", _pull_action_first_block),
            5: ("action-request-with-list-and-first-pblock", _pull_action_list_first_block),
            6: ("action-request-with-pblock", _pull_pblock),
        }),
        0xC4: _of_kind({
            1: ("get-response-normal", _pull_get_response), 2: ("get-response-with-data-block", _pull_get_block),
            3: ("get-response-with-list", _pull_get_list),
        }),
        0xC5: _of_kind({
            1: ("set-response-normal", _pull_set_result), 2: ("set-response-data-block", _pull_number),
            3: ("set-response-with-last-data-block", _pull_set_last),
            4: ("set-response-last-datablock-with-list", _pull_set_results_last),
            5: ("set-response-with-list", _pull_set_results),
        }),
        0xC7: _of_kind({
            1: ("action-response-normal", _pull_action_response), 2: ("action-response-with-pblock", _pull_pblock),
            3: ("action-response-with-list", _pull_outcomes), 4: ("action-response-next-pblock", _pull_number),
        }),
        0xD8: _pull_exception,
        0xD9: _pull_access_request,
        0xDA: _pull_access_response,
    }
)  # fmt: skip
