"""GBZ payloads: ZigBee cluster commands for gas meters and their mirrors, several in one message.

A component is a control octet, a cluster, and one ZCL frame. The control says whether it is the last one, whether a
time goes before the frame (the start of a log's window, or the moment an update takes effect) and whether the frame's
content is encrypted for its reader. Inside a frame numbers are little-endian as ZigBee has them; around it they are
big-endian. An alert carries a code, a time and whatever its code says.
Times count seconds from 2000-01-01T00:00:00Z; the largest one cancels or means never.
Source: GBCS 7.2.10 to 7.2.12 (GBZ); ZigBee cluster library, frame format; fact sheet gb/GBCS.md section 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from meterworks.protocols.dlms.length import take, unsigned_at
from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = ["COMPONENTS_MAX", "NEVER", "Component", "GbzAlert", "GbzMessage", "GbzOutcome", "ZclFrame"]

PROFILE: Final = b"\x01\x09"  # ZigBee smart energy
COMPONENTS_MAX: Final = 255
NEVER: Final = 0xFFFF_FFFF
FUTURE_DATED_CODES: Final = frozenset({0x8F66, 0x8F67})  # an instruction was carried out, or was not

_LAST: Final = 0x01
_ENCRYPTED: Final = 0x02
_TIMED: Final = 0x10
_KNOWN: Final = _LAST | _ENCRYPTED | _TIMED
_OUTCOME_SIZE: Final = 14
_COMPONENT_HEAD_SIZE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ZclFrame:
    """A ZCL frame. control: frame control; sequence: transaction number; command: identifier in cluster or profile."""

    control: int
    sequence: int
    command: int
    payload: bytes = b""

    @property
    def is_cluster_command(self) -> bool:
        """Whether the command belongs to the cluster, not to every cluster (attributes, default response)."""
        return self.control & 0b11 == 1

    @property
    def from_server(self) -> bool:
        """Whether the server of the cluster speaks."""
        return bool(self.control & 0x08)

    def to_bytes(self) -> bytes:
        """Encode header and payload."""
        return _octets((self.control, self.sequence, self.command)) + self.payload

    @classmethod
    def from_bytes(cls, octets: bytes, offset: int = 0) -> Self:
        """Decode all there is. offset: of the frame in the message, for the error. Raises DecodeError."""
        if len(octets) < 3:
            raise DecodeError(f"a ZCL frame of {len(octets)} octets at octet {offset}; 3 at least", offset=offset)
        return cls(control=octets[0], sequence=octets[1], command=octets[2], payload=octets[3:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One cluster command. The octet that marks the last one follows from its place in the message.

    cluster: 0..65535. time_s: seconds since 2000 before the frame, None where there is none. sealed: the encrypted
    content in place of the frame's payload. encryption_header: additional control and frame counter, 2 octets, with it.
    """

    cluster: int
    frame: ZclFrame
    time_s: int | None = None
    sealed: bytes | None = None
    encryption_header: bytes = b""

    def to_bytes(self, *, is_last: bool) -> bytes:
        """Encode it. Raises EncodeError for what does not fit."""
        control = is_last * _LAST
        inner = b""
        if self.time_s is not None:
            control |= _TIMED
            inner += _number(self.time_s, 4)
        if self.sealed is None:
            inner += self.frame.to_bytes()
        else:
            if len(self.encryption_header) != 2 or self.frame.payload:
                raise EncodeError("an encrypted component has a header of two octets and no payload in clear")
            control |= _ENCRYPTED
            inner += self.encryption_header + self.frame.to_bytes() + _number(len(self.sealed), 2) + self.sealed
        return bytes((control,)) + _number(self.cluster, 2) + _number(len(inner), 2) + inner

    @classmethod
    def pull(cls, octets: bytes, offset: int) -> tuple[Self, bool, int]:
        """Decode a component; gives it, whether it says that it is the last one, and the offset behind it."""
        control = unsigned_at(octets, offset, 1)
        if control & ~_KNOWN:
            raise DecodeError(f"control {control:02X} of a component at octet {offset} is unknown", offset=offset)
        cluster = unsigned_at(octets, offset + 1, 2)
        size = unsigned_at(octets, offset + 3, 2)
        start = offset + 5
        inner = take(octets, start, size)
        time_s, place = (unsigned_at(inner, 0, 4), 4) if control & _TIMED else (None, 0)
        if not control & _ENCRYPTED:
            frame = ZclFrame.from_bytes(inner[place:], start + place)
            return cls(cluster=cluster, frame=frame, time_s=time_s), bool(control & _LAST), start + size
        header = take(inner, place, 2)
        frame = ZclFrame.from_bytes(take(inner, place + 2, 3), start + place + 2)
        sealed = take(inner, place + 7, unsigned_at(inner, place + 5, 2))
        if place + 7 + len(sealed) != size:
            raise DecodeError(f"octets behind an encrypted content at octet {start}", offset=start)
        component = cls(cluster=cluster, frame=frame, time_s=time_s, sealed=sealed, encryption_header=header)
        return component, bool(control & _LAST), start + size


@dataclass(frozen=True, slots=True)
class GbzMessage:
    """The payload of a command or response: 1 to 255 components."""

    components: tuple[Component, ...]

    def to_bytes(self) -> bytes:
        """Encode it. Raises EncodeError."""
        if not 0 < len(self.components) <= COMPONENTS_MAX:
            raise EncodeError(f"{len(self.components)} components; 1 to {COMPONENTS_MAX} have a form")
        return PROFILE + bytes((len(self.components),)) + _joined(self.components)

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Decode it to its last octet. Raises DecodeError."""
        _check_profile(payload)
        components = _pull_components(payload, 3, unsigned_at(payload, 2, 1))
        if not components:
            raise DecodeError("no components", offset=2)
        return cls(components)


@dataclass(frozen=True, slots=True, kw_only=True)
class GbzOutcome:
    """What became of an instruction that was dated ahead: which command, of which message."""

    message_code: int
    counter: int
    cluster: int
    frame_control: int
    command: int

    def to_bytes(self) -> bytes:
        """Encode it, with its length in front."""
        fields = _number(self.message_code, 2) + _number(self.counter, 8) + _number(self.cluster, 2)
        return bytes((_OUTCOME_SIZE,)) + fields + _octets((self.frame_control, self.command))

    @classmethod
    def from_bytes(cls, octets: bytes, offset: int = 0) -> Self:
        """Decode all there is. Raises DecodeError."""
        if len(octets) != _OUTCOME_SIZE + 1 or octets[0] != _OUTCOME_SIZE:
            raise DecodeError(f"an outcome has {_OUTCOME_SIZE} octets behind their number", offset=offset)
        return cls(
            message_code=unsigned_at(octets, 1, 2),
            counter=unsigned_at(octets, 3, 8),
            cluster=unsigned_at(octets, 11, 2),
            frame_control=octets[13],
            command=octets[14],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GbzAlert:
    """The payload of an alert: its code, its time (seconds since 2000), and components, an outcome or other content.

    content: octets of a form that its code says (a firmware's hash as `09 20` and 32 octets, a kind of fault as two).
    component_count: as the device wrote it before an outcome, content or nothing; None: 1 before an outcome, else 0.
    """

    alert_code: int
    time_s: int
    components: tuple[Component, ...] = ()
    outcome: GbzOutcome | None = None
    content: bytes = b""
    component_count: int | None = None

    def to_bytes(self) -> bytes:
        """Encode it. Raises EncodeError."""
        if bool(self.components) + (self.outcome is not None) + bool(self.content) > 1:
            raise EncodeError("an alert carries components, an outcome or other content, not several of them")
        body = _joined(self.components) if self.outcome is None else self.outcome.to_bytes()
        head = PROFILE + _number(self._count, 1) + _number(self.alert_code, 2) + _number(self.time_s, 4)
        return head + body + self.content

    @property
    def _count(self) -> int:
        if self.components:
            return len(self.components)
        return int(self.outcome is not None) if self.component_count is None else self.component_count

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Decode it to its last octet. Raises DecodeError."""
        _check_profile(payload)
        count, code, time_s = (unsigned_at(payload, *where) for where in ((2, 1), (3, 2), (5, 4)))
        content = payload[9:]
        if code in FUTURE_DATED_CODES:
            outcome = GbzOutcome.from_bytes(content, 9)
            own = None if count == 1 else count
            return cls(alert_code=code, time_s=time_s, outcome=outcome, component_count=own)
        if _has_components(content) and count:
            return cls(alert_code=code, time_s=time_s, components=_pull_components(payload, 9, count))
        return cls(alert_code=code, time_s=time_s, content=content, component_count=count or None)


def _has_components(content: bytes) -> bool:
    """Whether content begins as a component does: control and the rest of its head."""
    return len(content) >= _COMPONENT_HEAD_SIZE and not content[0] & ~_KNOWN


def _check_profile(payload: bytes) -> None:
    if payload[:2] != PROFILE:
        raise DecodeError("a GBZ payload begins with 0109", offset=0)


def _pull_components(payload: bytes, offset: int, count: int) -> tuple[Component, ...]:
    components = []
    for number in range(1, count + 1):
        start = offset
        component, is_last, offset = Component.pull(payload, offset)
        if is_last != (number == count):
            raise DecodeError(f"component {number} of {count} says the contrary of its place", offset=start)
        components.append(component)
    if offset != len(payload):
        raise DecodeError(f"{len(payload) - offset} octets behind the components", offset=offset)
    return tuple(components)


def _joined(components: Sequence[Component]) -> bytes:
    last = len(components) - 1
    return b"".join(component.to_bytes(is_last=place == last) for place, component in enumerate(components))


def _number(value: int, size: int) -> bytes:
    try:
        return value.to_bytes(size, "big")
    except OverflowError as error:
        raise EncodeError(f"{value} does not fit into {size} octets") from error


def _octets(values: tuple[int, ...]) -> bytes:
    try:
        return bytes(values)
    except ValueError as error:
        raise EncodeError(f"one of {values} does not fit into an octet") from error
