"""One side of a recorded session played against a living peer; what the peer sends is compared with the recording.

Nothing is understood on the way: octets are compared frame by frame, so it works where keys are not known. Challenges,
counters, times and values differ from session to session; frames of the same kind are therefore told apart from frames
of another kind, and only the latter, missing ones and those too many are failures.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterworks.errors import UnreachableError
from meterworks.links import MeterTarget, OctetLink, OctetListener, Tap
from meterworks.protocols import DecodeError
from meterworks.system.meter.recording import Frames, Message, Recording

__all__ = ["Played", "Verdict", "frame_kind", "play", "play_client", "play_server", "replay_document"]

LLC_SIZE: Final = 3
PAUSE_MAX_S: Final = 0.2  # for frames that come though none was recorded
_TAGS: Final = {
    0x01: "initiate request", 0x05: "READ request", 0x06: "WRITE request", 0x08: "initiate response",
    0x0C: "READ response", 0x0D: "WRITE response", 0x0E: "confirmed service error", 0x0F: "data notification",
    0x60: "AARQ", 0x61: "AARE", 0x62: "RLRQ", 0x63: "RLRE", 0xC0: "GET request", 0xC1: "SET request",
    0xC2: "event notification", 0xC3: "ACTION request", 0xC4: "GET response", 0xC5: "SET response",
    0xC7: "ACTION response", 0xC8: "glo GET request", 0xC9: "glo SET request", 0xCB: "glo ACTION request",
    0xCC: "glo GET response", 0xCD: "glo SET response", 0xCF: "glo ACTION response", 0xD0: "ded GET request",
    0xD1: "ded SET request", 0xD3: "ded ACTION request", 0xD4: "ded GET response", 0xD5: "ded SET response",
    0xD7: "ded ACTION response", 0xD8: "exception response", 0xD9: "ACCESS request", 0xDA: "ACCESS response",
    0xDB: "general glo", 0xDC: "general ded", 0xDD: "general ciphering", 0xDF: "general signing",
    0xE0: "general block transfer", 0xE6: "gateway request", 0xE7: "gateway response",
}  # fmt: skip


class Verdict(StrEnum):
    """How what the peer sent compares with what was recorded."""

    SAME = "same"
    ALIKE = "alike"  # the same kind of frame with other content
    OTHER = "other"  # another kind of frame
    MISSING = "missing"
    EXTRA = "extra"
    SENT = "sent"  # ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One frame of the play."""

    number: int
    from_client: bool
    verdict: Verdict
    recorded: bytes
    received: bytes = b""

    @property
    def failed(self) -> bool:
        """Whether the peer behaved otherwise than recorded."""
        return self.verdict in (Verdict.OTHER, Verdict.MISSING, Verdict.EXTRA)


Tell = Callable[[Played], None]


def frame_kind(frame: bytes) -> str:
    """What a frame is, in words: its APDU, or its control octet."""
    if frame[:1] != b"\x7e":
        return _apdu_name(frame[8:])
    place = 3
    for _address in range(2):
        while place < len(frame) and not frame[place] & 1:
            place += 1
        place += 1
    control = frame[place] if place < len(frame) else 0
    if control & 1:
        names = {0x83: "SNRM", 0x63: "UA", 0x43: "DISC", 0x0F: "DM", 0x87: "FRMR", 0x03: "UI"}
        unnumbered = control & 0xEF
        if control & 3 == 3:
            return names.get(unnumbered, f"U frame {control:02x}")
        return "RNR" if control & 0x0F == 5 else "RR"
    body = frame[place + 3 : -3]
    if body[:1] == b"\xe6":
        return f"I {_apdu_name(body[LLC_SIZE:])}"
    return "I segment"


def _apdu_name(apdu: bytes) -> str:
    if not apdu:
        return "nothing"
    name = _TAGS.get(apdu[0], f"APDU {apdu[0]:02x}")
    choice = apdu[1] if apdu[0] in (0xC0, 0xC1, 0xC3, 0xC4, 0xC5, 0xC7) and len(apdu) > 1 else None
    return name if choice is None else f"{name} {choice}"


def _compare(recorded: bytes, received: bytes) -> Verdict:
    if recorded == received:
        return Verdict.SAME
    return Verdict.ALIKE if frame_kind(recorded) == frame_kind(received) else Verdict.OTHER


def play_client(
    target: MeterTarget,
    recording: Recording,
    *,
    timeout_s: float = 10.0,
    tell: Tell | None = None,
    tap: Tap | None = None,
) -> list[Played]:
    """Play the client's side against a server. tap: is shown all octets. Raises ConnectFailed."""
    with OctetLink.open(target, timeout_s=timeout_s, tap=tap) as link:
        return play(link, recording, as_client=True, timeout_s=timeout_s, tell=tell)


def play_server(
    listener: OctetListener,
    recording: Recording,
    *,
    wait_s: float = 60.0,
    timeout_s: float = 10.0,
    tell: Tell | None = None,
    tap: Tap | None = None,
) -> list[Played]:
    """Wait for a client and play the server's side to it. Raises NoAnswer where none comes."""
    with listener.accept(wait_s=wait_s, tap=tap) as link:
        return play(link, recording, as_client=False, timeout_s=timeout_s, tell=tell)


def play(
    link: OctetLink, recording: Recording, *, as_client: bool, timeout_s: float, tell: Tell | None = None
) -> list[Played]:
    """Play one side over a connection. It ends with the recording, or where the peer falls silent or leaves."""
    return _Play(link, as_client, timeout_s, tell).run(recording.messages)


class _Play:
    def __init__(self, link: OctetLink, as_client: bool, timeout_s: float, tell: Tell | None) -> None:
        self._link = link
        self._as_client = as_client
        self._timeout_s = timeout_s
        self._tell = tell
        self._frames = Frames()
        self._waiting: list[bytes] = []
        self._played: list[Played] = []

    def run(self, messages: tuple[Message, ...]) -> list[Played]:
        for number, message in enumerate(messages, 1):
            if message.from_client == self._as_client:
                if not self._send(number, message):
                    break
            elif not self._expect(number, message):
                break
        self._take_extra(len(messages) + 1)
        return self._played

    def _note(self, played: Played) -> None:
        self._played.append(played)
        if self._tell is not None:
            self._tell(played)

    def _send(self, number: int, message: Message) -> bool:
        """Send our frame; give whether the connection still stands."""
        try:
            self._link.send(message.octets)
        except UnreachableError:
            self._note(self._row(number, message, Verdict.MISSING))
            return False
        self._note(self._row(number, message, Verdict.SENT))
        return True

    def _row(self, number: int, message: Message, verdict: Verdict, received: bytes = b"") -> Played:
        return Played(
            number=number, from_client=message.from_client, verdict=verdict, recorded=message.octets, received=received
        )

    def _expect(self, number: int, message: Message) -> bool:
        received = self._next(time.monotonic() + self._timeout_s)
        if received is None:
            self._note(self._row(number, message, Verdict.MISSING))
            return False
        self._note(self._row(number, message, _compare(message.octets, received), received))
        return True

    def _next(self, until_s: float) -> bytes | None:
        """The next frame of the peer; None where none comes."""
        while not self._waiting:
            try:
                octets = self._link.receive(until_s)
                self._waiting += self._frames.feed(octets)
            except (UnreachableError, DecodeError):
                return None
            if not octets:
                return None
        return self._waiting.pop(0)

    def _take_extra(self, number: int) -> None:
        """What the peer still says though the recording is over; failures before make that none of our business."""
        if any(played.failed for played in self._played):
            return
        received = self._next(time.monotonic() + PAUSE_MAX_S)
        if received is not None:
            self._note(
                Played(
                    number=number, from_client=not self._as_client, verdict=Verdict.EXTRA, recorded=b"",
                    received=received,
                )
            )  # fmt: skip


def replay_document(played: list[Played]) -> dict[str, object]:
    """A play for JSON."""
    return {
        "frames": len(played),
        "same": sum(row.verdict is Verdict.SAME for row in played),
        "alike": sum(row.verdict is Verdict.ALIKE for row in played),
        "failed": sum(row.failed for row in played),
        "differences": [
            {
                "frame": row.number,
                "from": "client" if row.from_client else "server",
                "verdict": row.verdict.value,
                "recorded_kind": frame_kind(row.recorded) if row.recorded else None,
                "received_kind": frame_kind(row.received) if row.received else None,
                "recorded": row.recorded.hex(),
                "received": row.received.hex(),
            }
            for row in played
            if row.verdict not in (Verdict.SAME, Verdict.SENT)
        ],
    }
