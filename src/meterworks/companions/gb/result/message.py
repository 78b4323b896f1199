"""Responses and alerts: octets to results, and results to the same octets.

Source: GBCS 7.2 and 7.3; fact sheet gb/GBCS.md sections 2 and 7 to 9.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

from meterworks.catalogue.gb import UseCase, load_use_cases
from meterworks.companions.gb.result.asn1_status import asn1_status
from meterworks.companions.gb.result.asn1_value import read_asn1, read_elements, write_asn1, write_elements
from meterworks.companions.gb.result.cosem import (
    read_access_response,
    read_notification,
    write_access_response,
    write_notification,
)
from meterworks.companions.gb.result.gas import read_gas, read_gas_alert, write_gas
from meterworks.companions.gb.result.result import AlertHead, Item, PayloadFrame, PayloadKind, Result, SecretOf
from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.dlms import AccessRequest
from meterworks.protocols.gbcs import Message, MessageKind, decrypt_attribute, encrypt_attribute, joined_message

__all__ = ["read_result", "result_of", "write_result"]

_ACCESS_REQUEST: Final = 0xD9
_ACCESS_RESPONSE: Final = 0xDA
_NOTIFICATION: Final = 0x0F
_GBZ: Final = b"\x01\x09"
_CONTENT: Final = "content"

Open = Callable[[bytes], bytes | None]


@cache
def _use_cases() -> Mapping[int, UseCase]:
    return load_use_cases()


def read_result(octets: bytes, *, command: Message | None = None, secret: SecretOf | None = None) -> Result:
    """What a device answered or told. Raises DecodeError, and UsageError for a command; no MAC is checked here.

    octets: of a response or an alert, in blocks (general block transfer) or whole. command: the one that is answered:
    it names every item, where the use case alone leaves a choice. secret: opens what is encrypted for a reader; raises
    TagError where that was altered. What stays shut is kept as it is.
    """
    return result_of(Message.from_bytes(joined_message(octets)), command=command, secret=secret)


def result_of(message: Message, *, command: Message | None = None, secret: SecretOf | None = None) -> Result:
    """As `read_result`, of a message that is decoded already."""
    if message.kind is MessageKind.COMMAND:
        raise DecodeError("a command is no result: a response or an alert is expected", offset=0)
    frame, items, alert = _read_payload(message, _request_of(message, command), _opening(message, secret))
    row = _use_cases().get(message.message_code)
    return Result(
        header=replace(message, payload=b""),
        use_case=row.use_case if row else "",
        title=row.title if row else "",
        frame=frame,
        items=tuple(items),
        alert=alert,
    )


def write_result(result: Result, *, secret: SecretOf | None = None) -> bytes:
    """The message of a result: the very octets it was read from. Raises EncodeError for values that have no form.

    Where a value was changed, the protection does not fit any more. What was opened is encrypted anew with `secret`;
    without it the sealed octets go out as they came.
    """
    header = result.header
    payload = _write_payload(result.frame, result.items, header, _sealing(header, secret))
    return replace(header, payload=payload).to_bytes()


def _request_of(message: Message, command: Message | None) -> AccessRequest | None:
    """What a command asked, where it is the one that the message answers; an alert answers none."""
    if message.kind is MessageKind.ALERT or command is None or command.payload[:1] != bytes((_ACCESS_REQUEST,)):
        return None
    if (command.message_code, command.counter) != (message.message_code, message.counter):
        raise EncodeError(
            f"the command {command.message_code:04X} with counter {command.counter} is not the one answered: "
            f"{message.message_code:04X} with counter {message.counter}"
        )
    return AccessRequest.from_bytes(command.payload)


def _ends(message: Message) -> dict[str, Any]:
    """Whose key and counter encrypt for the reader (GBCS 4.3.4; fact sheet section 4.3)."""
    other = message.other
    own = other.supplementary_originator_counter
    return {
        "originator": message.originator,
        "recipient": other.supplementary_party or message.recipient,
        "counter": message.counter if own is None else own,
    }


def _secret_of(message: Message, secret: SecretOf | None) -> bytes | None:
    ends = _ends(message)
    return None if secret is None else secret(ends["originator"], ends["recipient"])


def _opening(message: Message, secret: SecretOf | None) -> Open:
    shared = _secret_of(message, secret)
    return lambda sealed: None if shared is None else decrypt_attribute(sealed, shared, **_ends(message))


def _sealing(message: Message, secret: SecretOf | None) -> Open:
    shared = _secret_of(message, secret)
    return lambda plain: None if shared is None else encrypt_attribute(plain, shared, **_ends(message))


_Read = tuple[PayloadFrame, list[Item], AlertHead | None]


def _read_payload(message: Message, request: AccessRequest | None, opened: Open) -> _Read:
    payload, code = message.payload, message.message_code
    if not payload:
        raise DecodeError("the message has no payload", offset=0)
    if payload.startswith(_GBZ):
        if message.kind is MessageKind.ALERT:
            return read_gas_alert(payload, opened)
        return (*read_gas(payload, opened), None)
    if payload[0] == _ACCESS_RESPONSE:
        return (*read_access_response(payload, code, opened, request), None)
    if payload[0] == _NOTIFICATION:
        return read_notification(payload, code, opened)
    return _read_asn1(message)


def _read_asn1(message: Message) -> _Read:
    told = read_asn1(message.message_code, message.kind, message.payload)
    if told is not None:
        value, is_wide = told
        frame = PayloadFrame(kind=PayloadKind.ASN1, is_wide=is_wide)
    else:
        value, is_wide = read_elements(message.payload)
        frame = PayloadFrame(kind=PayloadKind.ELEMENTS, is_wide=is_wide)
    status, code = asn1_status(message.message_code, value)
    head = _asn1_head(value) if message.kind is MessageKind.ALERT else None
    return frame, [Item(name=_CONTENT, value=value, status=status, code=code)], head


def _asn1_head(value: Any) -> AlertHead | None:
    """Code and time of an alert: by name, or the first two elements."""
    if isinstance(value, Mapping) and "alert_code" in value:
        return AlertHead(code=value["alert_code"], time=value["time"])
    parts = value.get("elements", []) if isinstance(value, Mapping) else []
    if len(parts) > 1 and "number" in parts[0] and "time" in parts[1]:
        return AlertHead(code=parts[0]["number"], time=parts[1]["time"])
    return None


def _write_payload(frame: PayloadFrame, items: Sequence[Item], header: Message, sealing: Open) -> bytes:
    if frame.kind in (PayloadKind.GBZ, PayloadKind.GBZ_ALERT):
        return write_gas(frame, items, sealing)
    if frame.kind is PayloadKind.ACCESS_RESPONSE:
        return write_access_response(frame, items, sealing)
    if frame.kind is PayloadKind.DATA_NOTIFICATION:
        return write_notification(frame, items, sealing)
    if len(items) != 1:
        raise EncodeError(f"a payload in ASN.1 has one item, not {len(items)}")
    if frame.kind is PayloadKind.ELEMENTS:
        return write_elements(items[0].value, is_wide=frame.is_wide)
    return write_asn1(header.message_code, header.kind, items[0].value, is_wide=frame.is_wide)
