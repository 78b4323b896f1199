"""Commands dated ahead: which of their instructions took effect, and which are still to come.

A device answers such a command at once and reports later, one alert for each instruction: 8F66 for one carried out,
8F67 for one that was not. An instruction is what takes effect by itself: of electricity an attribute that holds a time
of activation (a tariff has six, a prepayment configuration nine), of gas a ZigBee command, of credentials and firmware
the whole message.
Source: GBCS 9.2 (future dated commands); fact sheet gb/GBCS.md section 10.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from meterworks.companions.gb.result.asn1_value import read_asn1
from meterworks.companions.gb.result.cosem import OUTCOME_CODES
from meterworks.companions.gb.result.item_name import asked_one
from meterworks.companions.gb.result.result import Result
from meterworks.companions.gb.result.zcl_table import command_name
from meterworks.protocols import DecodeError, UnlawfulMessage
from meterworks.protocols.dlms import AccessKind, AccessRequest, AttributeAddress, MethodAddress, ObisCode
from meterworks.protocols.gbcs import GbzMessage, Message, MessageKind

__all__ = ["Instruction", "InstructionState", "follow_instructions"]

DONE: Final = 0x8F66
_OUTCOME: Final = "outcome"
_ACTIVATIONS: Final = frozenset({(9000, 6), (20, 10), (113, 7), (111, 13)})  # class and attribute
_ACCESS_REQUEST: Final = 0xD9
_GBZ: Final = b"\x01\x09"
_WHOLE_CODES: Final = MappingProxyType({  # alerts that report on whole messages, and on which
    0x00CA: frozenset({0x0012}), 0x00CB: frozenset(range(0x0100, 0x010A)), 0x0124: frozenset(range(0x0125, 0x0128)),
})  # fmt: skip
_WHOLE: Final = "message"


class InstructionState(StrEnum):
    """What became of an instruction."""

    PENDING = "pending"
    DONE = "done"
    NOT_DONE = "not-done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction of a command. place: where on the device. time: of the alert that reported it, ISO UTC."""

    name: str
    place: str
    state: InstructionState = InstructionState.PENDING
    time: str = ""


def follow_instructions(command: Message, alerts: Sequence[Result]) -> tuple[Instruction, ...]:
    """The instructions of a command in their order, each with what the alerts say of it.

    alerts: of one device, in the order of their arrival; those about other commands are left alone.
    Raises UnlawfulMessage where an alert names an instruction that the command does not have, DecodeError for a command
    that cannot be read.
    """
    if command.kind is not MessageKind.COMMAND:
        raise DecodeError("instructions are followed from their command", offset=0)
    found = list(_instructions(command))
    for alert in alerts:
        place = _reported(command, alert)
        if place is None or alert.alert is None:
            continue
        pending = [number for number, each in enumerate(found) if each.place == place]
        waiting = [number for number in pending if found[number].state is InstructionState.PENDING]
        if not pending:
            raise UnlawfulMessage(f"an alert reports on {place}, which the command does not have", place=place)
        state = InstructionState.DONE if alert.alert.code == DONE else InstructionState.NOT_DONE
        number = (waiting or pending)[0]
        found[number] = replace(found[number], state=state, time=alert.alert.time)
    return tuple(found)


def _instructions(command: Message) -> Iterator[Instruction]:
    if command.payload[:1] == bytes((_ACCESS_REQUEST,)):
        for specification in AccessRequest.from_bytes(command.payload).specifications:
            address = specification.address
            if specification.kind != AccessKind.SET or isinstance(address, MethodAddress):
                continue
            if (address.class_id, address.attribute) in _ACTIVATIONS:
                asked = asked_one(command.message_code, address)
                yield Instruction(name=asked.name, place=asked.place)
    elif command.payload.startswith(_GBZ):
        for component in GbzMessage.from_bytes(command.payload).components:
            frame = component.frame
            name = command_name(component.cluster, frame.from_server, frame.command)
            yield Instruction(name=name, place=_zcl_place(component.cluster, frame.control, frame.command))
    else:
        yield Instruction(name=_WHOLE, place=_WHOLE)


def _zcl_place(cluster: int, control: int, command: int) -> str:
    return f"{cluster:04x}/{'s' if control & 0x08 else 'c'}{command:02x}"


def _reported(command: Message, alert: Result) -> str | None:
    """The place that an alert reports on; None where it is about another command, or no such alert."""
    if alert.device != command.recipient or alert.alert is None or alert.alert.code not in OUTCOME_CODES:
        return None
    told = next((item.value for item in alert.items if item.form == _OUTCOME), None)
    if told is None:
        return _WHOLE if _is_about(command, alert) else None
    if (int(told["message_code"], 16), told["counter"]) != (command.message_code, command.counter):
        return None
    if "cluster" in told:
        return _zcl_place(int(told["cluster"], 16), told["frame_control"], told["command"])
    address = AttributeAddress(told["class_id"], ObisCode(told["obis"]), told["attribute"])
    return asked_one(command.message_code, address).place


def _is_about(command: Message, alert: Result) -> bool:
    """Whether an alert on a whole message is about this one: by the counter or sequence number that it repeats."""
    if command.message_code not in _WHOLE_CODES.get(alert.header.message_code, ()):
        return False
    told: Any = alert.items[0].value
    if not isinstance(told, Mapping):
        return False
    asked = read_asn1(command.message_code, command.kind, command.payload)
    if asked is None:
        raise DecodeError(f"the command {command.message_code:04X} has another payload than its use case", offset=0)
    value, _ = asked
    if "originator_counter" in told:
        return bool(value["originator_counter"] == told["originator_counter"])
    return "outcome" in told and bool(
        value["authorising_control"]["sequence_number"] == told["outcome"]["sequence_number"]
    )
