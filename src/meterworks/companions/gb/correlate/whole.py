"""Payloads that are read as a whole: those in ASN.1, and the behaviour of gas alerts, whose groups have no order."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from meterworks.companions.errors import RequestError
from meterworks.companions.gb.correlate.asn1_payload import ASN1_PAYLOADS, asn1_facts
from meterworks.companions.gb.correlate.fact import Fact, Term
from meterworks.companions.gb.correlate.scope import Scope
from meterworks.companions.gb.correlate.term import EPOCH, gas_alert_settings, made_at
from meterworks.companions.gb.correlate.zcl_reader import FieldCursor
from meterworks.protocols import DecodeError
from meterworks.protocols.gbcs import GbzMessage, Message

__all__ = ["WHOLE_PAYLOADS", "asked_whole"]

_SET_BEHAVIOUR: Final = (0x0708, 0x04, 0x09)  # cluster, command, frame control
_AT_ONCE: Final = bytes(4)
_BY_LIST: Final = 0
_LOG_MASK, _EVENT_LOG = 0x07, 0x03
_BEHAVIOUR: Final = MappingProxyType({0x08: "WANAlert", 0x10: "HANAlert", 0x40: "Alarm"})
_KNOWN: Final = _LOG_MASK | sum(_BEHAVIOUR)


def _gas_alert_facts(message: Message) -> list[Fact]:
    """One fact for each event code, by number. Raises DecodeError."""
    found: dict[int, frozenset[str]] = {}
    issued: set[Term] = set()
    for place, component in enumerate(GbzMessage.from_bytes(message.payload).components):
        frame = component.frame
        if (component.cluster, frame.command, frame.control) != _SET_BEHAVIOUR or frame.sequence != place:
            raise DecodeError(f"component {place} sets no behaviour of events, or is out of sequence", offset=0)
        if component.sealed is not None or component.time_s is not None:
            raise DecodeError(f"component {place} is encrypted, or has a time", offset=0)
        cursor = FieldCursor(frame.payload)
        issued.add(EPOCH + timedelta(seconds=int.from_bytes(cursor.take(4), "little")))
        for code, behaviour in _events(cursor):
            if code in found:
                raise DecodeError(f"event {code:04X} stands twice", offset=0)
            found[code] = behaviour
    behaviours = [Fact(f"payload/x{code:04X}", behaviour) for code, behaviour in sorted(found.items())]
    return [Fact("payload made_at", issued.pop() if len(issued) == 1 else frozenset(issued)), *behaviours]


def _events(cursor: FieldCursor) -> Iterator[tuple[int, frozenset[str]]]:
    if cursor.take(len(_AT_ONCE)) != _AT_ONCE:
        raise DecodeError("the behaviour of events is set at once, not at a time", offset=0)
    behaviour, control, count = cursor.take(3)
    if control != _BY_LIST or behaviour & ~_KNOWN or behaviour & _LOG_MASK not in (0, _EVENT_LOG) or not count:
        raise DecodeError(f"behaviour {behaviour:02X} by control {control} of {count} events has no meaning", offset=0)
    names = frozenset(name for bit, name in _BEHAVIOUR.items() if behaviour & bit)
    if behaviour & _LOG_MASK:
        names |= {"EventLog"}
    for _ in range(count):
        yield int.from_bytes(cursor.take(2), "little"), names
    if not cursor.is_at_end:
        raise DecodeError("octets behind the list of events", offset=0)


def _gas_alerts_asked(scope: Scope) -> Iterator[tuple[str, Term]]:
    settings = scope.at("GasSupplierAlertEventSettings")
    yield " made_at", made_at(scope)
    if settings is not None:
        for code, behaviour in sorted(gas_alert_settings(settings), key=lambda row: row[0]):
            yield f"/x{code:04X}", behaviour


# By name of the table: what reads the message, and what reads the request.
WHOLE_PAYLOADS: Final[
    Mapping[str, tuple[Callable[[Message], list[Fact]], Callable[[Scope], Iterator[tuple[str, Term]]]]]
] = MappingProxyType(
    {"gas_alerts": (_gas_alert_facts, _gas_alerts_asked)}
    | {name: (asn1_facts, asked) for name, asked in ASN1_PAYLOADS.items()}
)


def asked_whole(payload: str, scope: Scope) -> list[Fact]:
    """The facts that a request wants of a payload. Raises RequestMismatchError where it says nothing readable."""
    try:
        return [Fact(f"payload{name}", value) for name, value in WHOLE_PAYLOADS[payload][1](scope)]
    except (RequestError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise scope.mismatch(payload, f"what has no meaning ({error})", "no value to compare") from error
