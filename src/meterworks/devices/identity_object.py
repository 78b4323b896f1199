"""Who a meter is and what it runs: identity, firmware, logical devices, newest events.

The metrology part (registers, clock, history) and the management part (communication) are two programs with a version
and a checksum each, as the measuring instruments directive wants it: one may change without the other.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from meterworks.devices.image_transfer import firmware_of
from meterworks.devices.view import LOG_POWER_QUALITY, LOG_STANDARD, LOG_TAMPER, MeterView
from meterworks.protocols.dlms import (
    MANAGEMENT_DEVICE,
    ActionResult,
    PlainValue,
    encode_array,
    encode_double_long_unsigned,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)

__all__ = ["COMMANDS", "STATES", "logical_device_name"]

Getter = Callable[[MeterView, int], bytes]

SAP_ASSIGNMENT_NAME: Final = bytes((0, 0, 41, 0, 0, 255))
SAPS_MAX: Final = 16
SAPS_END: Final = 0x4000  # what an HDLC address can say
CHECKSUM_SIZE: Final = 8
NAME_TEXT_SIZE: Final = 13
RECENT_EVENTS_S: Final = 7 * 86_400
LOGS: Final = frozenset({LOG_STANDARD, LOG_TAMPER, LOG_POWER_QUALITY})


def logical_device_name(system_title: bytes) -> bytes:
    """Give the 16 octets: the maker's three letters, then text unique to the meter (the title's other octets)."""
    return system_title[:3] + system_title[3:].hex().upper().rjust(NAME_TEXT_SIZE, "0").encode()


def _name(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    return encode_octet_string(logical_device_name(view.specification.system_title))


def _sap_list(view: MeterView, client_sap: int) -> bytes:
    """The management device, and the further addresses that were connected to it."""
    del client_sap
    name = encode_octet_string(logical_device_name(view.specification.system_title))
    saps = (MANAGEMENT_DEVICE, *_connected(view))
    return encode_array(encode_structure(encode_long_unsigned(sap), name) for sap in saps)


def _connected(view: MeterView) -> list[int]:
    kept = view.written((SAP_ASSIGNMENT_NAME, 2)) or b""
    return [int.from_bytes(kept[start : start + 2], "big") for start in range(0, len(kept), 2)]


def _connect(view: MeterView, parameter: PlainValue) -> ActionResult:
    """List one more address of a logical device of this meter (class 17, method 1); without a name it is taken off."""
    match parameter:
        case (int(sap), bytes(name)) if 0 < sap < SAPS_END and sap != MANAGEMENT_DEVICE:
            pass
        case _:
            return ActionResult.TYPE_UNMATCHED
    if name and name != logical_device_name(view.specification.system_title):
        return ActionResult.OBJECT_UNDEFINED
    left = [known for known in _connected(view) if known != sap] + ([sap] if name else [])
    if len(left) > SAPS_MAX:
        return ActionResult.OTHER_REASON
    view.write((SAP_ASSIGNMENT_NAME, 2), b"".join(known.to_bytes(2, "big") for known in left))
    return ActionResult.SUCCESS


def _text(value_of: Callable[[MeterView], str]) -> Getter:
    return lambda view, client_sap: encode_octet_string(value_of(view).encode())


def _checksum(value_of: Callable[[MeterView], str]) -> Getter:
    """Stand for the checksum over a part's program: a digest of its version text."""
    return lambda view, client_sap: encode_octet_string(
        hashlib.sha256(value_of(view).encode()).digest()[:CHECKSUM_SIZE]
    )


def _newest_event(view: MeterView, logs: frozenset[int]) -> tuple[int, int, int]:
    """Give time, log and code of the newest event of some logs; zeros when there was none in the last week."""
    now_s = int(view.now_epoch_s())
    events = view.load.events(now_s - RECENT_EVENTS_S, now_s + 1)
    found = [(event.epoch_s, event.log, event.code) for event in view.state.own_events(view.index)]
    found += zip(events.epoch_s.tolist(), events.log.tolist(), events.code.tolist(), strict=True)
    return max((event for event in found if event[1] in logs), default=(0, 0, 0))


def _event_code(*logs: int) -> Getter:
    return lambda view, client_sap: encode_long_unsigned(_newest_event(view, frozenset(logs))[2])


def _event_log(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    return encode_unsigned(_newest_event(view, LOGS)[1])


def _invocation_counter(view: MeterView, client_sap: int) -> bytes:
    """The highest counter accepted from any client: what the next message must be above."""
    del client_sap
    return encode_double_long_unsigned(view.state.highest_accepted_counter(view.index))


STATES: Final[Mapping[str, Getter]] = {
    "logical_device_name": _name,
    "sap_list": _sap_list,
    "serial": _text(lambda view: view.specification.serial),
    "metrology_firmware": _text(lambda view: firmware_of(view, "metrology")),
    "metrology_checksum": _checksum(lambda view: firmware_of(view, "metrology")),
    "management_firmware": _text(lambda view: firmware_of(view, "management")),
    "management_checksum": _checksum(lambda view: firmware_of(view, "management")),
    "invocation_counter": _invocation_counter,
    "system_title": lambda view, client_sap: encode_octet_string(view.specification.system_title),
    "event_standard": _event_code(LOG_STANDARD),
    "event_tamper": _event_code(LOG_TAMPER),
    "event_power_quality": _event_code(LOG_POWER_QUALITY),
    "event_newest_log": _event_log,
    "event_newest": _event_code(*LOGS),
}
COMMANDS: Final[Mapping[str, Callable[[MeterView, PlainValue], ActionResult]]] = {"connect_logical_device": _connect}
