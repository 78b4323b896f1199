"""Recorded sessions: what client and server sent, frame by frame, out of captures, conversations and plain text.

A recording is one of
- a pcap or pcapng file: of all its connections the one with the most octets, or the one that is asked for;
- a JSON conversation: `messages`, each with `bytes` in hexadecimal and `dir` (`client` or `server`);
- text: a line per frame, hexadecimal, with `>` before what the client sends and `<` before what the server sends.

Frames are those of the wrapper or of HDLC, told apart by their first octets.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from meterworks.protocols import DecodeError
from meterworks.protocols.capture import Chunk, Endpoint, is_capture, read_capture, read_chunks
from meterworks.system.errors import ConfigurationError

__all__ = ["Frames", "Message", "Recording", "load_recording"]

SIZE_MAX: Final = 256 * 2**20
MESSAGES_MAX: Final = 100_000
FLAG: Final = 0x7E
WRAPPER_HEADER: Final = 8
FRAME_SIZE_MAX: Final = WRAPPER_HEADER + 0xFFFF
SNRM_AND_DISC: Final = frozenset({0x93, 0x83, 0x53, 0x43})
UA_AND_DM: Final = frozenset({0x73, 0x63, 0x1F, 0x0F})


@dataclass(frozen=True, slots=True)
class Message:
    """One frame."""

    from_client: bool
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A session. note: what of the file was left out."""

    messages: tuple[Message, ...]
    note: str = ""


class Frames:
    """Cuts a stream into frames of the wrapper or of HDLC; at most one unfinished frame is kept."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, octets: bytes) -> list[bytes]:
        """Take octets and give the frames that are whole. Raises DecodeError for what is neither kind of frame."""
        self._buffer += octets
        frames = []
        while (end := self._end()) is not None:
            frames.append(self._buffer[:end])
            # The flag that ends an HDLC frame may be the one that begins the next.
            self._buffer = self._buffer[end - 1 if self._buffer[0] == FLAG else end :]
        return frames

    @property
    def rest(self) -> bytes:
        """Octets of a frame that is not whole."""
        return b"" if self._buffer == b"\x7e" else self._buffer

    def _end(self) -> int | None:
        """Where the first frame ends; None until it is whole."""
        buffer = self._buffer
        if not buffer:
            return None
        if buffer[0] == FLAG:
            return self._end_of_hdlc()
        if buffer[:2] == b"\x00\x01"[: len(buffer)]:
            if len(buffer) < WRAPPER_HEADER:
                return None
            end = WRAPPER_HEADER + int.from_bytes(buffer[6:8], "big")
            return end if len(buffer) >= end else None
        raise DecodeError(f"neither the wrapper nor HDLC begins with {buffer[:4].hex()}", offset=0)

    def _end_of_hdlc(self) -> int | None:
        buffer = self._buffer.lstrip(b"\x7e")  # flags may stand between frames
        if len(buffer) < 2:
            return None
        if buffer[0] & 0xF0 != 0xA0:
            raise DecodeError(f"no HDLC frame of type 3 begins with {buffer[:2].hex()}", offset=0)
        size = int.from_bytes(buffer[:2], "big") & 0x7FF
        if size < 7:
            raise DecodeError(f"an HDLC frame of {size} octets", offset=0)
        self._buffer = b"\x7e" + buffer
        return size + 2 if len(self._buffer) >= size + 2 else None


def load_recording(path: Path, *, stream: str | None = None) -> Recording:
    """Read a recorded session. stream: `ADDRESS:PORT` of the server, of a capture with several connections.

    Raises ConfigurationError for a file that is none.
    """
    try:
        if path.stat().st_size > SIZE_MAX:
            raise ConfigurationError(f"{path} is larger than {SIZE_MAX} octets", path=str(path))
        octets = path.read_bytes()
        recording = _recording(octets, stream)
    except (OSError, ValueError, DecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path} is no recorded session: {error}", path=str(path)) from error
    if not any(message.from_client for message in recording.messages):
        raise ConfigurationError(f"{path} holds nothing that a client sent", path=str(path))
    return recording


def _recording(octets: bytes, stream: str | None) -> Recording:
    if is_capture(octets):
        return _captured(octets, stream)
    text = octets.decode("utf-8")
    if text.lstrip().startswith(("{", "[")):
        return _conversation(json.loads(text))
    return Recording(messages=tuple(_lines(text)))


# --- captures -------------------------------------------------------------------------------------------------------


def _captured(octets: bytes, stream: str | None) -> Recording:
    capture = read_capture(octets)
    connections: dict[frozenset[Endpoint], list[Chunk]] = {}
    for chunk in read_chunks(capture.packets):
        connections.setdefault(frozenset((chunk.source, chunk.destination)), []).append(chunk)
    if stream is not None:
        wanted = [chunks for ends, chunks in connections.items() if any(str(end) == stream for end in ends)]
        if not wanted:
            known = ", ".join(sorted({str(chunks[0].destination) for chunks in connections.values()}))
            raise ConfigurationError(f"the capture holds no connection with {stream}; it has {known}")
        chosen = [chunk for chunks in wanted for chunk in chunks]
    else:
        chosen = max(connections.values(), key=lambda chunks: sum(len(chunk.octets) for chunk in chunks), default=[])
    note = f"{len(connections)} connections, one of them taken" if stream is None and len(connections) > 1 else ""
    return Recording(messages=tuple(_cut(chosen)), note=capture.fault or note)


def _cut(chunks: list[Chunk]) -> Iterator[Message]:
    """Frames of one connection; who sends first is the client."""
    cutters: dict[bool, Frames] = {True: Frames(), False: Frames()}
    for chunk in chunks:
        from_client = chunk.source == chunks[0].source
        if chunk.lost:
            cutters[from_client] = Frames()
        for frame in cutters[from_client].feed(chunk.octets):
            yield Message(from_client, frame)


# --- conversations and text -----------------------------------------------------------------------------------------


def _conversation(document: Any) -> Recording:
    rows = document.get("messages") if isinstance(document, dict) else document
    if not isinstance(rows, list) or len(rows) > MESSAGES_MAX:
        raise ConfigurationError(f"a conversation has a list `messages` of at most {MESSAGES_MAX}")
    before = False
    messages: list[Message] = []
    others = 0
    for row in rows:
        if not isinstance(row, dict) or "bytes" not in row:
            continue
        octets = bytes.fromhex(str(row["bytes"]))
        try:
            frames = _whole(octets)
        except DecodeError:
            others += 1
            continue
        before = _is_from_client(row, octets, before=before)
        messages += (Message(before, frame) for frame in frames)
    note = f"{others} messages are no frames of the wrapper or HDLC: left out" if others else ""
    return Recording(messages=tuple(messages), note=note)


def _is_from_client(row: dict[str, Any], octets: bytes, *, before: bool) -> bool:
    """By what the row says, else by the control octet or the LLC of the frame, else the other side in turn."""
    said = row.get("dir") or next((each.get("dir") for each in _dicts(row.get("frames")) if each.get("dir")), None)
    if said in ("client", "server"):
        return bool(said == "client")
    if b"\xe6\xe6\x00" in octets[:16]:
        return True
    if b"\xe6\xe7\x00" in octets[:16]:
        return False
    control = _control(octets)
    if control in SNRM_AND_DISC or control in UA_AND_DM:
        return control in SNRM_AND_DISC
    return not before


def _dicts(rows: object) -> Iterable[dict[str, Any]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _control(octets: bytes) -> int | None:
    """The control octet of an HDLC frame; None where it is none."""
    place = 3
    for _address in range(2):
        while place < len(octets) and not octets[place] & 1:
            place += 1
        place += 1
    return octets[place] if octets[:1] == b"\x7e" and place < len(octets) else None


def _lines(text: str) -> Iterator[Message]:
    marks = {">": True, "<": False}
    count = 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if bare[0] not in marks:
            raise ConfigurationError(f"line {number}: begin it with > (client) or < (server)")
        count += 1
        if count > MESSAGES_MAX:
            raise ConfigurationError(f"a recording has at most {MESSAGES_MAX} frames")
        for frame in _whole(bytes.fromhex(bare[1:])):
            yield Message(marks[bare[0]], frame)


def _whole(octets: bytes) -> list[bytes]:
    cutter = Frames()
    frames = cutter.feed(octets)
    if cutter.rest:
        raise DecodeError(f"a frame is cut off: {cutter.rest[:8].hex()}...", offset=0)
    return frames
