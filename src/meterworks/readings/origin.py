"""Where stored readings came from: a chain of digests from a device's message to the rows of the warehouse (SEC-009).

For each message that brought new rows there is a line: device and system title, the SHA-256 of the message as it came
(still protected), when it was received, and the SHA-256 of the rows that were stored of it. Lines of one commit are a
batch; each batch holds the digest of the one before, and the newest digest goes into the audit trail now and then. So a
row can be shown against its message, and nobody can change a row, a line or their order behind an anchor unseen.

Lines lie in gzip files, one for each UTC day they were written on, a member a batch: `zcat` reads them. They are
written before the rows: a commit that is lost leaves lines of rows that never were, which harm nobody. A digest of few
rows could be tried out, so each line has octets of chance, and goes with the first of its rows; its own digest stays.
"""

import gzip
import hashlib
import json
import os
import secrets
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from meterworks.readings.errors import OriginError
from meterworks.readings.reading_set import DecodedSet
from meterworks.readings.trim import Observations
from meterworks.runtime import write_atomically

__all__ = ["Anchor", "OriginBook", "OriginLine", "lines_of", "rows_digest"]

ANCHOR_START: Final = "0" * 64
COMPRESSION: Final = 1  # digests do not compress; names do at once
SALT_SIZE: Final = 16
_MEMBER: Final = gzip.compress(b"", COMPRESSION, mtime=0)[:8]  # how each begins
_GONE: Final = "gone"
_BATCH: Final = b'{"batch":'


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginLine:
    """One message and the rows stored of it. message, rows: SHA-256, hex; message is empty where nothing proved it."""

    device: int
    title: str
    profile: str
    source: str
    received_us: int
    message: str
    count: int
    rows: str
    salt: str

    def encoded(self) -> bytes:
        """As a line of the book: JSON, names sorted, nothing between the signs."""
        return _canonical(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The state of the book after a batch: what the audit trail is told."""

    batches: int
    lines: int
    digest: str


def rows_digest(rows: Observations, runs: Sequence[slice] | None = None) -> str:
    """SHA-256 (hex) of rows in the order of channel, ts, version: four little-endian integers of 8 octets each.

    They are ts (epoch s), value, channel times 2^32 plus version, flags times 2^32 plus quality. runs: of all rows
    those that are meant, in order.
    """
    digest = hashlib.sha256()
    for run in runs or (slice(0, len(rows)),):
        table = np.empty((len(rows.ts_s[run]), 4), dtype="<i8")
        table[:, 0], table[:, 1] = rows.ts_s[run], rows.value[run]
        table[:, 2] = (rows.channel[run] << 32) | rows.version[run]
        table[:, 3] = (rows.flags[run] << 32) | rows.quality[run]
        digest.update(table.data)
    return digest.hexdigest()


def lines_of(sets: Sequence[DecodedSet], rows: Observations) -> list[OriginLine]:
    """The lines of a batch; rows: what is new of it, ordered by device, channel, ts and version.

    What one device brought at one instant is one line, as the stored rows tell it: by device and time of receipt.
    """
    edge = np.flatnonzero((np.diff(rows.device) != 0) | (np.diff(rows.received_us) != 0)) + 1
    runs: dict[tuple[int, int], list[slice]] = {}
    starts = [0, *edge.tolist()]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        runs.setdefault((int(rows.device[start]), int(rows.received_us[start])), []).append(slice(start, end))
    told = {(one.device, one.received_us): one for one in sets}
    return [_line(told[key], rows, slices) for key, slices in runs.items()]


def _line(one: DecodedSet, rows: Observations, slices: Sequence[slice]) -> OriginLine:
    return OriginLine(
        device=one.device,
        title=one.title,
        profile=one.profile,
        source=one.source.name.lower(),
        received_us=one.received_us,
        message=one.origin,
        count=sum(each.stop - each.start for each in slices),
        rows=rows_digest(rows, slices),
        salt=secrets.token_hex(SALT_SIZE),
    )


class OriginBook:
    """The files of a folder. One process writes; blocking, one call at a time."""

    def __init__(
        self, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC), reads_only: bool = False
    ) -> None:
        """now: the system's clock; a file is of its day. reads_only: leaves alone what another process writes."""
        self._folder = folder
        self._now = now
        self._reads_only = reads_only
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._turn = threading.Lock()  # one batch, or one day that is written anew
        self._state = self._reached()

    @property
    def anchor(self) -> Anchor:
        """The state after the newest batch."""
        return self._state

    def write(self, lines: Sequence[OriginLine]) -> None:
        """Write a batch; durable when this returns."""
        if not lines:
            return
        encoded = [line.encoded() for line in lines]
        state = _after(self._state, [hashlib.sha256(line).hexdigest() for line in encoded])
        head = _canonical({"batch": state.batches, "lines": state.lines, "digest": state.digest})
        day = self._now().strftime("%Y-%m-%d")
        member = gzip.compress(b"\n".join([*encoded, head]) + b"\n", COMPRESSION, mtime=0)
        path, flags = self._path(day), os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with self._turn, os.fdopen(os.open(path, flags, 0o600), "ab") as file:
            file.write(member)
            file.flush()
            os.fsync(file.fileno())
            self._state = state

    def find(self, device: int, received_us: int) -> list[tuple[OriginLine, int]]:
        """The lines of what a device brought at an instant, each with the number of its batch.

        One, or several where a commit was tried again.
        """
        wanted = f'"device":{device},'.encode()
        found: list[tuple[OriginLine, int]] = []
        pending: list[OriginLine] = []
        for path in self._files():
            for line in _lines(path):
                if line.startswith(_BATCH):
                    found += [(one, _entry(line)["batch"]) for one in pending]
                    pending = []
                elif wanted in line and (entry := _entry(line))["received_us"] == received_us:
                    pending.append(OriginLine(**entry))
        return found

    def verify(self) -> Anchor:
        """Compute the whole chain anew. Raises OriginError naming the file of the first batch that does not fit."""
        for _ in self.states():
            pass
        return self._state

    def states(self) -> Iterator[Anchor]:
        """The state after each batch, computed from its lines. Raises OriginError."""
        state: Anchor | None = None
        pending: list[str] = []
        for path in self._files():
            for line in _lines(path):
                entry = _entry(line)
                if "batch" not in entry:
                    pending.append(str(entry[_GONE]) if _GONE in entry else hashlib.sha256(line).hexdigest())
                    continue
                told = Anchor(batches=entry["batch"], lines=entry["lines"], digest=entry["digest"])
                before = state or _before(told, pending)
                if before is not None and _after(before, pending) != told:
                    raise OriginError(f"{path}: batch {told.batches} is not what its lines say", path=str(path))
                state, pending = told, []
                yield told

    def forget(self, alive: Mapping[tuple[int, int], int], day: str) -> int:
        """Take out the lines of a day whose rows are not all there any more; gives how many. Their digests stay.

        alive: how many rows are stored, by device and time of receipt (µs).
        """
        path = self._path(day)
        kept: list[bytes] = []
        gone = 0
        with self._turn:
            for line in _lines(path):
                entry = _entry(line)
                if "salt" in entry and alive.get((entry["device"], entry["received_us"]), 0) < entry["count"]:
                    kept.append(_canonical({_GONE: hashlib.sha256(line).hexdigest()}))
                    gone += 1
                else:
                    kept.append(line)
            if gone:
                write_atomically(path, gzip.compress(b"\n".join(kept) + b"\n", COMPRESSION, mtime=0), mode=0o600)
        return gone

    def days(self) -> list[str]:
        """The days there are files of, oldest first."""
        return [path.name.removesuffix(".jsonl.gz") for path in self._files()]

    def spans(self, day: str) -> tuple[int, int] | None:
        """First and last time of receipt (µs) of the lines of a day that are there; None without any."""
        times = [entry["received_us"] for entry in map(_entry, _lines(self._path(day))) if "salt" in entry]
        return (min(times), max(times)) if times else None

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.jsonl.gz"))

    def _path(self, day: str) -> Path:
        return self._folder / f"{day}.jsonl.gz"

    def _reached(self) -> Anchor:
        """The newest batch that was written whole; octets that a crash left behind it go."""
        for path in reversed(self._files()):
            if not self._reads_only:
                _mend(path)
            heads = [entry for entry in map(_entry, _lines(path)) if "batch" in entry]
            if heads:
                last = heads[-1]
                return Anchor(batches=last["batch"], lines=last["lines"], digest=last["digest"])
        return Anchor(batches=0, lines=0, digest=ANCHOR_START)


def _after(before: Anchor, digests: Sequence[str]) -> Anchor:
    """The state after a batch of lines with these digests: SHA-256 of the state before and of them, as text."""
    text = "".join((before.digest, *digests))
    return Anchor(
        batches=before.batches + 1,
        lines=before.lines + len(digests),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def _before(told: Anchor, pending: Sequence[str]) -> Anchor | None:
    """The state before the first batch there is; None where older files are gone, and nothing can be computed."""
    if told.batches > 1:
        return None
    return Anchor(batches=0, lines=told.lines - len(pending), digest=ANCHOR_START)


def _lines(path: Path) -> Iterable[bytes]:
    """Raises OriginError for a file that cannot be read to its end."""
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                yield line.rstrip(b"\n")
    except (OSError, EOFError) as error:
        raise OriginError(f"{path}: cannot be read: {error}", path=str(path)) from error


def _mend(path: Path) -> None:
    """Cut off what a crash left of a member that was not written whole."""
    octets = path.read_bytes()
    start = octets.rfind(_MEMBER)
    while start >= 0:  # bounded: each turn begins earlier
        unpacking = zlib.decompressobj(wbits=31)
        try:
            unpacking.decompress(octets[start:])
        except zlib.error:  # it only looks like the beginning of one
            start = octets.rfind(_MEMBER, 0, start)
            continue
        if not unpacking.eof:
            write_atomically(path, octets[:start], mode=0o600)
        return


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise OriginError("a line of the book of origins is no JSON") from error
    assert isinstance(entry, dict)
    return entry


def _canonical(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
