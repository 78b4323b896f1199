"""What a device answered or told, as data: who, to whom, and one entry for each item.

Values are plain (numbers, texts, times as ISO UTC, objects, lists). Whatever a value leaves out of its octets stands
beside it, so that a result becomes the very message again.
Source: GBCS 7.2 (responses and alerts); fact sheet gb/GBCS.md sections 7 to 10.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from meterworks.companions.gb.result.form import Form, PlainJson
from meterworks.protocols.gbcs import Message

__all__ = ["AlertHead", "GasFrame", "Item", "PayloadFrame", "PayloadKind", "Result", "Sealed", "SecretOf"]

SecretOf: TypeAlias = Callable[[bytes, bytes], bytes | None]
"""The secret that a device and a reader share (EUI-64 of each), None where it is not known."""


class PayloadKind(StrEnum):
    """What a payload is written in."""

    ACCESS_RESPONSE = "access-response"
    DATA_NOTIFICATION = "data-notification"
    GBZ = "gbz"
    GBZ_ALERT = "gbz-alert"
    ASN1 = "asn1"  # of a type that the tables know
    ELEMENTS = "asn1-elements"  # of one that they do not


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertHead:
    """What an alert begins with. code: of the event. time: ISO UTC, `never`, or octets that are no time as hex."""

    code: int
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadFrame:
    """What stands around the items.

    long_invoke, date_time, is_tagged: of a DLMS APDU. echo: its specifications, where a response repeats them.
    is_bare: an alert that is no structure. is_wide: ASN.1 with lengths of two octets from 128 on. time_s: of a gas
    alert, seconds since 2000. component_count: as a gas alert writes it, where that does not follow from its content.
    """

    kind: PayloadKind
    long_invoke: int = 0
    date_time: bytes = b""
    is_tagged: bool = False
    echo: tuple[bytes, ...] | None = None
    is_bare: bool = False
    is_wide: bool = False
    alert_code: int = 0
    time_s: int = 0
    component_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GasFrame:
    """The ZigBee frame that an item came in.

    answered: of a default response, the command that it answers. time_s: seconds since 2000 before the frame.
    encryption: additional control and frame counter of an encrypted component.
    """

    cluster: int
    control: int
    sequence: int
    command: int
    answered: int | None = None
    time_s: int | None = None
    encryption: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """An encrypted part: its octets, and what it says where the key was given."""

    octets: bytes
    is_open: bool = False
    value: PlainJson = None
    form: Form = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that was read, written, done or told.

    name: of the object and its part. place: where it is on the device ("3/1-0:1.8.0.255/a2", "0702/s06").
    access: get, set, action, or empty. status: "success" or why not; code: its number.
    """

    name: str
    place: str = ""
    access: str = ""
    status: str = "success"
    code: int = 0
    value: PlainJson = None
    form: Form = None
    sealed: Sealed | None = None
    gas: GasFrame | None = None

    @property
    def is_done(self) -> bool:
        """Whether the device did or gave what was asked."""
        return self.code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A response or an alert. header: the message without its payload. use_case, title: empty where no table has them.

    alert: of an alert whose payload begins as alerts do.
    """

    header: Message
    use_case: str
    title: str
    frame: PayloadFrame
    items: tuple[Item, ...]
    alert: AlertHead | None = None

    @property
    def device(self) -> bytes:
        """Who speaks: EUI-64."""
        return self.header.originator

    @property
    def party(self) -> bytes:
        """For whom it is: the unknown remote party where the broker asked for one, else the recipient."""
        return self.header.other.supplementary_party or self.header.recipient

    @property
    def is_done(self) -> bool:
        """Whether every item was done."""
        return all(item.is_done for item in self.items)

    @property
    def values(self) -> dict[str, PlainJson]:
        """The values by name, those of opened parts among them; attributes of gas and fields of ASN.1 by their own."""
        told: dict[str, PlainJson] = {}
        for item in self.items:
            told |= _values_of(item)
        return told


def _values_of(item: Item) -> dict[str, PlainJson]:
    value = item.sealed.value if item.sealed is not None and item.sealed.is_open else item.value
    if item.sealed is not None and not item.sealed.is_open:
        return {}
    if item.gas is not None and isinstance(value, list):
        group = item.name.partition(".")[0]
        return {f"{group}.{row['name']}": row["value"] for row in value if "value" in row}
    if item.gas is None and isinstance(value, dict) and (item.sealed is not None or not item.form):
        return dict(value)
    return {} if value is None else {item.name: value}
