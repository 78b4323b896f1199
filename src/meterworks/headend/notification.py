"""What a push says: registers, an alarm, a profile buffer, or just that a device is on the line.

The body is one structure. Its first element tells what follows: the list of pushed objects itself, or the logical name
of a push set-up whose list is agreed, in `PUSH_LISTS`. Source: COSEM interface classes, Push setup (class 40).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from meterworks.catalogue import EVENT_LOGS, PROFILES
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    CaptureObject,
    CosemDateTime,
    DataNotification,
    ObisCode,
    PlainValue,
    decode,
    decode_all,
    end_of,
)

__all__ = ["PUSH_LISTS", "Pushed", "read_notification"]

Column = tuple[int, str, int]
"""Class, logical name and attribute of a pushed object."""

STRUCTURE = 2
PUSH_SETUP_CLASS = 40
CLOCK_CLASS = 8
PROFILE_CLASS = 7
REGISTER_CLASSES = frozenset({3, 4})
ELEMENTS_MAX = 64
NAME = (1, "0.0.42.0.0.255", 2)
CLOCK = (8, "0.0.1.0.0.255", 2)
ALARM_LOG = (1, "0.0.96.11.20.255", 2)
"""E of the event log 0-0:99.98.E that an alarm belongs to."""
ALARM_CODE = (1, "0.0.96.11.21.255", 2)

PUSH_LISTS: Mapping[str, tuple[Column, ...]] = {
    "0.0.25.9.0.255": (
        NAME,
        CLOCK,
        (3, "1.0.1.7.0.255", 2),
        (3, "1.0.2.7.0.255", 2),
        (3, "1.0.1.8.0.255", 2),
        (3, "1.0.2.8.0.255", 2),
    ),
    "0.0.25.9.1.255": (NAME, CLOCK, ALARM_LOG, ALARM_CODE),
    "0.0.25.9.2.255": (NAME, CLOCK),
}
"""What follows the logical name of a push set-up: scheduled values, an alarm, the first word of a caller."""
CALLING = "0.0.25.9.2.255"

_LOG_OF_NUMBER = {int(log.obis_code.split(".")[4]): name for name, log in EVENT_LOGS.items()}
_PROFILE_OF_CODE = {profile.obis_code: name for name, profile in PROFILES.items()}


@dataclass(slots=True)
class Pushed:
    """What a notification holds."""

    setup: str
    """Logical name of the push set-up."""
    at: datetime | None = None
    """The device's clock, if the push gives it."""
    registers: dict[str, int] = field(default_factory=dict)
    """Raw values of registers by logical name."""
    alarms: list[tuple[str, int]] = field(default_factory=list)
    """Event log and code."""
    buffers: list[tuple[str, bytes]] = field(default_factory=list)
    """Profile name and encoded buffer."""

    @property
    def is_call(self) -> bool:
        """Whether the device only says that it is on the line and can be read over this connection."""
        return self.setup == CALLING


def read_notification(notification: DataNotification) -> Pushed:
    """Take a notification apart. PeerError for a body nobody agreed on."""
    elements = _elements(notification.body)
    setup, columns = _columns(elements[0])
    values = elements[1:]
    if len(values) != len(columns):
        raise PeerError(f"push {setup} holds {len(values)} values for {len(columns)} objects", setup=setup)
    pushed = Pushed(setup=setup, at=_moment(notification.moment))
    numbers: dict[Column, PlainValue] = {}
    for column, value in zip(columns, values, strict=True):
        _take(pushed, numbers, column, value)
    log, code = numbers.get(ALARM_LOG), numbers.get(ALARM_CODE)
    if isinstance(log, int) and isinstance(code, int) and log in _LOG_OF_NUMBER:
        pushed.alarms.append((_LOG_OF_NUMBER[log], code))
    return pushed


def _elements(body: bytes) -> list[bytes]:
    """The encoded elements of the body's structure."""
    if len(body) < 2 or body[0] != STRUCTURE or not 1 <= body[1] <= ELEMENTS_MAX:
        raise PeerError(f"a push is a structure of 1 to {ELEMENTS_MAX} elements", expected="structure")
    found, offset = [], 2
    for _ in range(body[1]):
        end = end_of(body, offset)
        found.append(body[offset:end])
        offset = end
    if offset != len(body):
        raise PeerError(f"{len(body) - offset} octets follow the push", offset=offset)
    return found


def _columns(first: bytes) -> tuple[str, Sequence[Column]]:
    value, _ = decode(first, 0)
    if isinstance(value, bytes) and len(value) == 6:
        setup = str(ObisCode(value))
        if setup not in PUSH_LISTS:
            raise PeerError(f"push set-up {setup} is not one we agreed on", setup=setup)
        return setup, PUSH_LISTS[setup]
    if isinstance(value, list):
        objects = [CaptureObject.from_plain(each) for each in value]
        if objects and objects[0].class_id == PUSH_SETUP_CLASS:
            columns = [(each.class_id, str(ObisCode(each.obis_code)), each.attribute) for each in objects[1:]]
            return str(ObisCode(objects[0].obis_code)), columns
    raise PeerError("a push begins with its object list or the logical name of its set-up", expected="push set-up")


def _take(pushed: Pushed, numbers: dict[Column, PlainValue], column: Column, encoded: bytes) -> None:
    class_id, name, attribute = column
    if class_id == PROFILE_CLASS and attribute == 2:
        if name in _PROFILE_OF_CODE:
            pushed.buffers.append((_PROFILE_OF_CODE[name], encoded))
        return
    value = decode_all(encoded)
    if class_id == CLOCK_CLASS and attribute == 2:
        pushed.at = _moment(CosemDateTime.from_bytes(value) if isinstance(value, bytes) else value) or pushed.at
    elif class_id in REGISTER_CLASSES and attribute == 2 and isinstance(value, int) and not isinstance(value, bool):
        pushed.registers[name] = value
    else:
        numbers[column] = value


def _moment(value: object) -> datetime | None:
    return value.to_datetime() if isinstance(value, CosemDateTime) and value.is_exact else None
