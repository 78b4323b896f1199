"""Results as JSON, and the JSON back to results. What is derived (alert names, quantities) is told and not read back.

Source: our own; the values are those of `result`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, TypeVar

from meterworks.catalogue.gb import DeviceAlert, load_device_alerts
from meterworks.companions.gb.result.moment import eui_octets, eui_text
from meterworks.companions.gb.result.quantity import quantities_of
from meterworks.companions.gb.result.result import (
    AlertHead,
    GasFrame,
    Item,
    PayloadFrame,
    PayloadKind,
    Result,
    Sealed,
)
from meterworks.protocols import EncodeError
from meterworks.protocols.gbcs import Message, MessageKind, OtherInformation

__all__ = ["alert_name", "result_from_json", "result_to_json"]

_Value = TypeVar("_Value")
_KINDS: Final = {kind.name.lower(): kind for kind in MessageKind}


@cache
def _alerts() -> Mapping[int, DeviceAlert]:
    return load_device_alerts()


def alert_name(code: int) -> str:
    """What an alert code stands for; empty where no table has it."""
    row = _alerts().get(code)
    return row.name if row else ""


def result_to_json(result: Result) -> dict[str, Any]:
    """A result as JSON values: header, payload frame, items, and what follows from them."""
    told: dict[str, Any] = _header_to_json(result.header) | {"use_case": result.use_case, "title": result.title}
    told["payload"] = _frame_to_json(result.frame)
    if result.alert is not None:
        head = result.alert
        told["alert"] = {"code": f"{head.code:04X}", "time": head.time, "name": alert_name(head.code)}
    told["items"] = [_item_to_json(item) for item in result.items]
    quantities = quantities_of(result)
    if quantities:
        told["quantities"] = {name: {"value": str(each.value), "unit": each.unit} for name, each in quantities.items()}
    return told


def result_from_json(told: Mapping[str, Any]) -> Result:
    """The result that `result_to_json` told. Raises EncodeError for anything else."""
    try:
        alert = told.get("alert")
        return Result(
            header=_header_from_json(told),
            use_case=_text(told["use_case"]),
            title=_text(told["title"]),
            frame=_frame_from_json(told["payload"]),
            items=tuple(_item_from_json(item) for item in told["items"]),
            alert=None if alert is None else AlertHead(code=int(alert["code"], 16), time=_text(alert["time"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EncodeError(f"no result in JSON: {type(error).__name__} at {error}") from error


def _header_to_json(header: Message) -> dict[str, Any]:
    other = header.other
    told: dict[str, Any] = {
        "kind": header.kind.name.lower(),
        "message_code": f"{header.message_code:04X}",
        "counter": header.counter,
        "originator": eui_text(header.originator),
        "recipient": eui_text(header.recipient),
        "signature": header.signature.hex(),
        "mac": None if header.mac is None else header.mac.hex(),
    }
    if other.supplementary_party is not None:
        told["supplementary_party"] = eui_text(other.supplementary_party)
    for name in ("supplementary_counter", "supplementary_originator_counter"):
        if getattr(other, name) is not None:
            told[name] = getattr(other, name)
    if other.certificate:
        told["certificate"] = other.certificate.hex()
    if header.date_time:
        told["date_time"] = header.date_time.hex()
    if header.ends_behind_payload:
        told["ends_behind_payload"] = True
    return told


def _header_from_json(told: Mapping[str, Any]) -> Message:
    other = OtherInformation(
        message_code=int(told["message_code"], 16),
        supplementary_party=_maybe(told.get("supplementary_party"), eui_octets),
        supplementary_counter=_maybe(told.get("supplementary_counter"), _number),
        supplementary_originator_counter=_maybe(told.get("supplementary_originator_counter"), _number),
        certificate=bytes.fromhex(told.get("certificate", "")),
    )
    return Message(
        kind=_KINDS[told["kind"]],
        counter=_number(told["counter"]),
        originator=eui_octets(told["originator"]),
        recipient=eui_octets(told["recipient"]),
        other=other,
        payload=b"",
        date_time=bytes.fromhex(told.get("date_time", "")),
        signature=bytes.fromhex(told["signature"]),
        mac=_maybe(told["mac"], bytes.fromhex),
        ends_behind_payload=bool(told.get("ends_behind_payload", False)),
    )


def _frame_to_json(frame: PayloadFrame) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": str(frame.kind)}
    if frame.kind in (PayloadKind.ACCESS_RESPONSE, PayloadKind.DATA_NOTIFICATION):
        told["long_invoke"] = frame.long_invoke
    if frame.date_time:
        told["date_time"] = frame.date_time.hex()
    if frame.echo is not None:
        told["echo"] = [octets.hex() for octets in frame.echo]
    told |= {name: True for name in ("is_tagged", "is_bare", "is_wide") if getattr(frame, name)}
    if frame.kind is PayloadKind.GBZ_ALERT:
        told |= {"alert_code": frame.alert_code, "time_s": frame.time_s}
        if frame.component_count is not None:
            told["component_count"] = frame.component_count
    return told


def _frame_from_json(told: Mapping[str, Any]) -> PayloadFrame:
    echo = told.get("echo")
    return PayloadFrame(
        kind=PayloadKind(told["kind"]),
        long_invoke=_number(told.get("long_invoke", 0)),
        date_time=bytes.fromhex(told.get("date_time", "")),
        is_tagged=bool(told.get("is_tagged", False)),
        echo=None if echo is None else tuple(bytes.fromhex(octets) for octets in echo),
        is_bare=bool(told.get("is_bare", False)),
        is_wide=bool(told.get("is_wide", False)),
        alert_code=_number(told.get("alert_code", 0)),
        time_s=_number(told.get("time_s", 0)),
        component_count=_maybe(told.get("component_count"), _number),
    )


def _item_to_json(item: Item) -> dict[str, Any]:
    told: dict[str, Any] = {"name": item.name, "status": item.status, "code": item.code}
    told |= {name: getattr(item, name) for name in ("place", "access") if getattr(item, name)}
    told |= {name: getattr(item, name) for name in ("value", "form") if getattr(item, name) is not None}
    if item.sealed is not None:
        told["sealed"] = {"octets": item.sealed.octets.hex()}
        if item.sealed.is_open:
            told["sealed"] |= {"value": item.sealed.value, "form": item.sealed.form}
    if item.gas is not None:
        gas = item.gas
        told["zcl"] = {
            "cluster": f"{gas.cluster:04x}", "control": gas.control, "sequence": gas.sequence, "command": gas.command
        }  # fmt: skip
        told["zcl"] |= {name: getattr(gas, name) for name in ("answered", "time_s") if getattr(gas, name) is not None}
        if gas.encryption:
            told["zcl"]["encryption"] = gas.encryption.hex()
    return told


def _item_from_json(told: Mapping[str, Any]) -> Item:
    return Item(
        name=_text(told["name"]),
        status=_text(told["status"]),
        code=_number(told["code"]),
        place=_text(told.get("place", "")),
        access=_text(told.get("access", "")),
        value=told.get("value"),
        form=told.get("form"),
        sealed=_maybe(told.get("sealed"), _sealed_from_json),
        gas=_maybe(told.get("zcl"), _gas_from_json),
    )


def _sealed_from_json(told: Mapping[str, Any]) -> Sealed:
    octets = bytes.fromhex(told["octets"])
    return Sealed(octets=octets, is_open="value" in told, value=told.get("value"), form=told.get("form"))


def _gas_from_json(told: Mapping[str, Any]) -> GasFrame:
    return GasFrame(
        cluster=int(told["cluster"], 16),
        control=_number(told["control"]),
        sequence=_number(told["sequence"]),
        command=_number(told["command"]),
        answered=_maybe(told.get("answered"), _number),
        time_s=_maybe(told.get("time_s"), _number),
        encryption=bytes.fromhex(told.get("encryption", "")),
    )


def _maybe(told: Any, read: Callable[[Any], _Value]) -> _Value | None:
    return None if told is None else read(told)


def _number(told: Any) -> int:
    if isinstance(told, bool) or not isinstance(told, int):
        raise TypeError(f"{told!r} is no number")
    return told


def _text(told: Any) -> str:
    if not isinstance(told, str):
        raise TypeError(f"{told!r} is no text")
    return told
