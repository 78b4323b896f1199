"""A small request and the message that does what it asks, made by hand: no vectors, no transform."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.correlate import correlate
from meterworks.companions.gb.correlate.scope import Scope
from meterworks.protocols.dlms import (
    AccessKind,
    AccessRequest,
    AccessSpecification,
    AttributeAddress,
    DataValue,
    MethodAddress,
    ObisCode,
    Tag,
    encode,
)
from meterworks.protocols.gbcs import Component, GbzMessage, Message, MessageKind, OtherInformation, ZclFrame

USER = bytes.fromhex("90b3d51f30010000")
BROKER = bytes.fromhex("90b3d51f30000002")
CARRIER = bytes.fromhex("90b3d51f30000004")  # its party for change of supplier
METER = bytes.fromhex("00db1234567890a0")
COUNTER = 1002
MADE_AT = datetime(2015, 1, 1, tzinfo=UTC)
EVENT = bytes.fromhex("804a371c")  # the same, as gas commands carry it


def element(name: str, *children: Element, text: str = "", **attributes: str) -> Element:
    return Element(name, text, children, attributes)


def texts(**leaves: str) -> list[Element]:
    return [Element(name, text) for name, text in leaves.items()]


def request(variant: str, body: Element, *, originator: bytes = USER, counter: int = COUNTER) -> Request:
    return Request(
        request_id=RequestId(originator, METER, counter),
        command_variant=CommandVariant.PREPARE,
        reference=variant,
        variant=variant,
        body=body,
    )


def situation(device: DeviceKind = DeviceKind.ESME, **facts: Any) -> Situation:
    known: dict[str, Any] = {"device": device, "broker": BROKER, "broker_counter": 1300, "made_at": MADE_AT}
    return Situation(**(known | facts))


def scope(body: Element, **facts: Any) -> Scope:
    return Scope.of(request("6.4.1", body), situation(**facts), COUNTER)


def message(code: int, payload: bytes, **facts: Any) -> Message:
    fields: dict[str, Any] = {
        "kind": MessageKind.COMMAND, "counter": COUNTER, "originator": USER, "recipient": METER,
        "other": OtherInformation(message_code=code), "payload": payload, "ends_behind_payload": True,
    }  # fmt: skip
    return Message(**(fields | facts))


def refusal(asked: Request, octets: bytes, known: Situation) -> str:
    """Why the check refuses a message; empty where it accepts it."""
    try:
        correlate(asked, octets, known)
    except RequestMismatchError as error:
        return str(error)
    return ""


def access(items: Sequence[tuple[str, DataValue]], counter: int = COUNTER) -> bytes:
    """An access request of items as the tables write them: verb, class, logical name, number."""
    parts = [(_specification(*item.split()), encode(value)) for item, value in items]
    return AccessRequest(
        long_invoke=0x2000_0000 | counter & 0x00FF_FFFF,
        specifications=tuple(specification for specification, _ in parts),
        values=tuple(value for _, value in parts),
    ).to_bytes()


def _specification(verb: str, class_id: str, obis_code: str, number: str) -> AccessSpecification:
    kind = {"get": AccessKind.GET, "set": AccessKind.SET, "act": AccessKind.ACTION}[verb]
    address = MethodAddress if verb == "act" else AttributeAddress
    return AccessSpecification(kind, address(int(class_id), ObisCode(obis_code), int(number)))


def commands(*rows: tuple[int, int, int, str]) -> bytes:
    """A ZigBee payload of cluster, command, frame control and fields in hexadecimal."""
    frames = [
        (cluster, ZclFrame(control=control, sequence=place, command=command, payload=bytes.fromhex(fields)))
        for place, (cluster, command, control, fields) in enumerate(rows)
    ]
    return GbzMessage(tuple(Component(cluster=cluster, frame=frame) for cluster, frame in frames)).to_bytes()


# --- load limits: four values, and when each of them is to take effect ----------------------------------------------

LIMITS = element(
    "UpdateDeviceConfigurationLoadLimitingGeneralSettings",
    *texts(
        ExecutionDateTime="2030-01-15T09:00:00.00Z",
        LoadLimitPeriod="300",
        LoadLimitPowerThreshold="6900",
        LoadLimitRestorationPeriod="30",
        LoadLimitSupplyState="Disable",
    ),
)
LIMITS_CODE = 0x0043
WHEN = DataValue(Tag.OCTET_STRING, bytes.fromhex("07ee010fff090000008000ff"))


def limits(power_w: int = 6900, period_s: int = 300, rest_s: int = 30, when: DataValue = WHEN) -> bytes:
    """The payload that the request above asks for."""
    numbers = (("94.44.128.7", power_w), ("94.44.128.6", period_s), ("94.44.128.8", rest_s))
    return access(
        [
            ("set 9000 0-0:94.44.0.3 4", DataValue(Tag.BOOLEAN, True)),
            *((f"set 9000 0-0:{name} 4", DataValue(Tag.DOUBLE_LONG_UNSIGNED, number)) for name, number in numbers),
            ("set 9000 0-0:94.44.0.3 6", when),
            *((f"set 9000 0-0:{name} 6", when) for name, _ in numbers),
        ]
    )
