"""Responses and alerts of gas meters and their mirrors: components to items, and items to components.

Source: GBCS 7.2.10 to 7.2.12 (GBZ); fact sheet gb/GBCS.md section 8.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from meterworks.companions.gb.result.form import OCTETS, read_value, write_value
from meterworks.companions.gb.result.integrity_warning import INTEGRITY_ALERT, WARNING, warning_name, warning_octets
from meterworks.companions.gb.result.moment import seconds_text
from meterworks.companions.gb.result.result import AlertHead, GasFrame, Item, PayloadFrame, PayloadKind, Sealed
from meterworks.companions.gb.result.zcl import (
    is_default_response,
    read_payload,
    status_code,
    status_name,
    write_payload,
)
from meterworks.companions.gb.result.zcl_table import CLUSTERS, command_name
from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.gbcs import NEVER, Component, GbzAlert, GbzMessage, GbzOutcome, ZclFrame

__all__ = ["component_size", "read_gas", "read_gas_alert", "write_gas"]

Open = Callable[[bytes], bytes | None]
OUTCOME: Final = "outcome"
_HASH_MARK: Final = bytes.fromhex("0920")
_HASH_SIZE: Final = 34


def read_gas(payload: bytes, opened: Open) -> tuple[PayloadFrame, list[Item]]:
    """The items of a response, one for each component. opened: decrypts, None without a key. Raises DecodeError."""
    message = GbzMessage.from_bytes(payload)
    return PayloadFrame(kind=PayloadKind.GBZ), [_item(component, opened) for component in message.components]


def read_gas_alert(payload: bytes, opened: Open) -> tuple[PayloadFrame, list[Item], AlertHead]:
    """The items of an alert, its components or the outcome of an instruction dated ahead. Raises DecodeError."""
    alert = GbzAlert.from_bytes(payload)
    frame = PayloadFrame(
        kind=PayloadKind.GBZ_ALERT,
        alert_code=alert.alert_code,
        time_s=alert.time_s,
        component_count=alert.component_count,
    )
    head = AlertHead(code=alert.alert_code, time="never" if alert.time_s == NEVER else seconds_text(alert.time_s))
    if alert.content:
        return frame, [_content_item(alert.alert_code, alert.content)], head
    if alert.outcome is None:
        return frame, [_item(component, opened) for component in alert.components], head
    return frame, [_outcome_item(alert.outcome)], head


def write_gas(frame: PayloadFrame, items: Sequence[Item], sealing: Callable[[bytes], bytes | None]) -> bytes:
    """The payload of items. sealing: encrypts anew, None without a key. Raises EncodeError."""
    if frame.kind is PayloadKind.GBZ:
        return GbzMessage(tuple(_component(item, sealing) for item in items)).to_bytes()
    outcome: GbzOutcome | None = None
    content = b""
    components: tuple[Component, ...] = ()
    if len(items) == 1 and items[0].gas is None:
        is_outcome = items[0].form == OUTCOME
        outcome = _outcome(items[0]) if is_outcome else None
        content = b"" if is_outcome else _content(items[0])
    else:
        components = tuple(_component(item, sealing) for item in items)
    return GbzAlert(
        alert_code=frame.alert_code,
        time_s=frame.time_s,
        components=components,
        outcome=outcome,
        content=content,
        component_count=frame.component_count,
    ).to_bytes()


def component_size(item: Item) -> int:
    """How many octets of the payload an item takes that came in a component."""
    return len(_component(item, lambda _: None).to_bytes(is_last=False))


def _content(item: Item) -> bytes:
    return warning_octets(item.value) if item.form == WARNING else write_value(item.form, item.value)


def _content_item(alert_code: int, content: bytes) -> Item:
    """Content of another form than components: a warning, a value of COSEM (the hash of a firmware), or octets."""
    warning = warning_name(content)
    if alert_code == INTEGRITY_ALERT and warning is not None:
        return Item(name=WARNING, value=warning, form=WARNING)
    try:
        form, value = read_value(content)
    except DecodeError:
        form, value = OCTETS, content.hex()
    is_hash = content.startswith(_HASH_MARK) and len(content) == _HASH_SIZE
    return Item(name="firmware_hash" if is_hash else "content", value=value, form=form)


def _item(component: Component, opened: Open) -> Item:
    frame, cluster = component.frame, component.cluster
    way = "s" if frame.from_server else "c"
    gas = GasFrame(
        cluster=cluster,
        control=frame.control,
        sequence=frame.sequence,
        command=frame.command,
        time_s=component.time_s,
        encryption=component.encryption_header,
    )
    place = f"{cluster:04x}/{way}{frame.command:02x}"
    name = command_name(cluster, frame.from_server, frame.command)
    if not frame.is_cluster_command:
        name = f"{CLUSTERS.get(cluster, f'cluster_{cluster:04x}')}.attributes"
    if component.sealed is not None:
        plain = opened(component.sealed)
        value = None if plain is None else read_payload(cluster, frame, plain)
        sealed = Sealed(octets=component.sealed, is_open=plain is not None, value=value)
        code = _code_of(value)
        return Item(name=name, place=place, status=status_name(code), code=code, gas=gas, sealed=sealed)
    if is_default_response(frame, component.frame.payload):
        answered, code = component.frame.payload
        name = command_name(cluster, not frame.from_server, answered)
        return Item(name=name, place=place, status=status_name(code), code=code, gas=replace(gas, answered=answered))
    value = read_payload(cluster, frame, component.frame.payload)
    code = _code_of(value)
    return Item(name=name, place=place, status=status_name(code), code=code, value=value, gas=gas)


def _code_of(value: object) -> int:
    """The status of the first attribute that could not be read."""
    rows = value if isinstance(value, list) else []
    codes = [status_code(row["status"]) for row in rows if "status" in row]
    return next((code for code in codes if code), 0)


def _component(item: Item, sealing: Callable[[bytes], bytes | None]) -> Component:
    gas = item.gas
    if gas is None:
        raise EncodeError(f"{item.name} has no ZigBee frame")
    frame = ZclFrame(control=gas.control, sequence=gas.sequence, command=gas.command)
    if item.sealed is not None:
        again = sealing(write_payload(gas.cluster, frame, item.sealed.value)) if item.sealed.is_open else None
        octets = item.sealed.octets if again is None else again
        return Component(
            cluster=gas.cluster, frame=frame, time_s=gas.time_s, sealed=octets, encryption_header=gas.encryption
        )
    if gas.answered is not None:
        try:
            payload = bytes((gas.answered, item.code))
        except ValueError as error:
            raise EncodeError(f"{item.name}: a status of two octets") from error
    else:
        payload = write_payload(gas.cluster, frame, item.value)
    return Component(cluster=gas.cluster, frame=replace(frame, payload=payload), time_s=gas.time_s)


def _outcome_item(outcome: GbzOutcome) -> Item:
    is_from_server = bool(outcome.frame_control & 0x08)
    value = {
        "message_code": f"{outcome.message_code:04X}",
        "counter": outcome.counter,
        "cluster": f"{outcome.cluster:04x}",
        "frame_control": outcome.frame_control,
        "command": outcome.command,
        "name": command_name(outcome.cluster, is_from_server, outcome.command),
    }
    return Item(name=OUTCOME, value=value, form=OUTCOME)


def _outcome(item: Item) -> GbzOutcome:
    try:
        told = item.value
        return GbzOutcome(
            message_code=int(told["message_code"], 16),
            counter=told["counter"],
            cluster=int(told["cluster"], 16),
            frame_control=told["frame_control"],
            command=told["command"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EncodeError(f"an outcome names message code, counter, cluster and command; missing: {error}") from error
