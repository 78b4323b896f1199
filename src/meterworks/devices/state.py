"""What a fleet of meters must remember: one row per meter in one memory-mapped file.

A meter may lose power (its process may be killed) between any two instructions and must not, after it, use a server
invocation counter twice, accept a client counter again, or forget that its supply is off. The file is mapped shared, so
what is written is in the kernel's hands at once and survives a kill of the process; `flush` hands it to the disk.

Server counters are reserved ahead in blocks: the file holds the end of the block in use, the next value lives in memory
only, and a restart goes on at the end of the block. Client counters are written before the message they came with acts.

The file: a header row (magic, layout version, number of meters), then the rows of `METER_STATE`, little-endian.
"""

import fcntl
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.devices.errors import FleetStateError
from meterworks.devices.firmware_image import ChecksumVerifier, ImageVerifier
from meterworks.devices.image_store import ImageMemory, ImageStore, StoredImages
from meterworks.devices.overlay import Overlay, move_keys_apart

__all__ = ["CLIENTS_MAX", "COUNTER_BLOCK", "METER_STATE", "OWN_EVENTS_MAX", "FleetState", "OwnEvent"]

CLIENTS_MAX: Final = 8  # client titles whose counters one meter remembers; the ninth is refused
COUNTER_BLOCK: Final = 256  # server counters reserved at once: what a restart may skip
COUNTER_MAX: Final = 0xFFFFFFFF  # at this value the key is dead (DLMS/COSEM, security header)
OWN_EVENTS_MAX: Final = 32  # events the management part keeps of itself; the oldest is overwritten
HEADER_SIZE: Final = 64
MAGIC: Final = b"MWFLEET1"
DESTINATION_SIZE_MAX: Final = 64

METER_STATE: Final = np.dtype(
    [
        ("title", "S8"),  # system title of the meter the row belongs to
        ("server_counter_end", "<u8"),  # first server counter not yet reserved
        ("client_titles", "S8", (CLIENTS_MAX,)),
        ("client_counters", "<u4", (CLIENTS_MAX,)),  # highest accepted counter of each title
        ("clock_offset_s", "<f8"),  # meter time minus system time, at clock_set_epoch_s
        ("clock_set_epoch_s", "<f8"),  # system time of the last clock set; drift counts from here
        ("clock_drift_ppm", "<f4"),
        ("preset_epoch_s", "<f8"),  # preset time of the clock (method 5), 0 none
        ("output_connected", "u1"),  # disconnect control, attribute 2
        ("control_state", "u1"),  # 0 disconnected, 1 connected, 2 ready for reconnection
        ("control_mode", "u1"),  # 0..6
        ("limit_normal_w", "<u4"),
        ("limit_emergency_w", "<u4"),
        ("limit_over_s", "<u4"),
        ("limit_under_s", "<u4"),
        ("push_period_s", "<u4"),  # 0: no scheduled push
        ("push_destination", f"S{DESTINATION_SIZE_MAX}"),  # "host:port" as text, empty: the fleet's default
        ("events_written", "<u4"),  # how many own events were ever recorded
        ("event_epoch_s", "<i8", (OWN_EVENTS_MAX,)),
        ("event_log", "u1", (OWN_EVENTS_MAX,)),
        ("event_code", "<u2", (OWN_EVENTS_MAX,)),
    ]
)


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """One event of the management part: when (epoch s, meter clock), which log (E of 0-0:99.98.E), which code."""

    epoch_s: int
    log: int
    code: int


class FleetState:
    """The rows of all meters of one process. Columns are arrays, indexed by the meter's number in the fleet.

    One process at a time: the file is locked while it is open. `path` None keeps everything in memory (tests,
    stand-alone meters that start afresh with a new key each time).
    """

    def __init__(
        self, path: Path | None, titles: list[bytes], *, image_verifier: ImageVerifier | None = None
    ) -> None:  # fmt: skip
        """Open or create the file for these meters (system titles, 8 octets each, in fleet order).

        image_verifier: who judges firmware images; None: one that checks our own images' checksum.

        A file of another set of meters keeps the rows of the titles it knows; rows follow the title, not the number.
        Raises FleetStateError when the file is in use, damaged, or cannot be made.
        """
        self._lock: int | None = None
        self._map: mmap.mmap | None = None
        self.overlay = Overlay(None, titles)
        self.keys = Overlay(None, titles)
        """Keys that clients brought: apart from other written values, so that a meter with nothing else stays light."""
        if path is None:
            self.rows: npt.NDArray[np.void] = np.zeros(len(titles), METER_STATE)
        else:
            self._lock_file(path)
            self._map = self._open(path, titles)
            self.rows = np.ndarray(len(titles), METER_STATE, buffer=self._map, offset=HEADER_SIZE)
        self._fill_new(titles)
        self._counter_next: npt.NDArray[np.uint64] = self.rows["server_counter_end"].copy()
        self._counter_end = self.rows["server_counter_end"]
        self._client_titles = self.rows["client_titles"]
        self._client_counters = self.rows["client_counters"]
        self.images: ImageStore = ImageMemory() if path is None else StoredImages(path.with_suffix(".images"))
        self.image_verifier = image_verifier or ChecksumVerifier()
        if path is not None:
            self._open_overlay(path, titles)

    def _open_overlay(self, path: Path, titles: list[bytes]) -> None:
        """Open the values that clients wrote, in their own file beside the rows."""
        try:
            self.overlay = Overlay(path.with_suffix(".overlay"), titles)
            self.keys = Overlay(path.with_suffix(".keys"), titles)
            move_keys_apart(self.overlay, self.keys)
        except FleetStateError:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self.rows)

    def _lock_file(self, path: Path) -> None:
        """Take the lock beside the file: the file itself is replaced when the fleet changes."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise FleetStateError(f"fleet state {path} is in use by another process: stop that one first") from error
        except OSError as error:
            self.close()
            raise FleetStateError(f"cannot open the fleet state {path}: {error.strerror}", path=str(path)) from error

    def _open(self, path: Path, titles: list[bytes]) -> mmap.mmap:
        """Map the file, first bringing its rows into the order of the fleet when they are not."""
        try:
            held = path.read_bytes() if path.exists() else b""
            wanted = _in_order(_rows_of(held, path), titles)
            if wanted != held:
                fresh = path.with_suffix(".new")
                fresh.write_bytes(wanted)
                fresh.chmod(0o600)
                fresh.replace(path)  # whole or not at all: a kill here leaves the old file
            with path.open("r+b") as file:
                return mmap.mmap(file.fileno(), len(wanted))
        except OSError as error:
            self.close()
            raise FleetStateError(f"cannot use the fleet state {path}: {error.strerror}", path=str(path)) from error
        except FleetStateError:
            self.close()
            raise

    def _fill_new(self, titles: list[bytes]) -> None:
        """Give meters that have no row yet their factory state."""
        wanted = np.array(titles, "S8")
        new = self.rows["title"] != wanted
        self.new = new
        for column, value in FACTORY_STATE.items():
            self.rows[column][new] = value
        self.rows["title"][new] = wanted[new]

    # -- invocation counters ------------------------------------------------------------------------------------------

    def next_server_counter(self, index: int) -> int:
        """Give the meter's next invocation counter; never the same twice, whatever happens to the process.

        When all are used up it gives COUNTER_MAX + 1, which the cipher refuses: the key must be changed.
        """
        counter = int(self._counter_next[index])
        if counter >= int(self._counter_end[index]):
            self._counter_end[index] = counter + COUNTER_BLOCK
        if counter >= COUNTER_MAX:
            return COUNTER_MAX + 1
        self._counter_next[index] = counter + 1
        return counter

    def server_counter(self, index: int) -> int:
        """Give the counter that comes next, without taking it."""
        return int(self._counter_next[index])

    def restart_server_counter(self, index: int) -> None:
        """Count from 1 again: the meter has a new encryption key."""
        self._counter_end[index] = 1
        self._counter_next[index] = 1

    def lowest_acceptable_counter(self, index: int, client_title: bytes) -> int:
        """Give the smallest client counter this meter would accept from this client title."""
        slot = self._client_slot(index, client_title)
        return 0 if slot is None else int(self._client_counters[index, slot]) + 1

    def highest_accepted_counter(self, index: int) -> int:
        """Give the highest counter accepted from any client: the value of 0-0:43.1.0."""
        return int(self._client_counters[index].max())

    def accept_client_counter(self, index: int, client_title: bytes, counter: int) -> bool:
        """Store a counter whose tag was verified, before its message acts; False when it is not above the last one.

        The first counter of a new title takes a free slot; with none free the title is refused.
        """
        if not client_title.rstrip(b"\0"):
            return False
        slot = self._client_slot(index, client_title)
        if slot is not None:
            if counter <= int(self._client_counters[index, slot]):
                return False
            self._client_counters[index, slot] = counter
            return True
        slot = self._client_slot(index, b"")
        if slot is None:
            return False
        self._client_counters[index, slot] = counter
        self._client_titles[index, slot] = client_title  # last: a row without its title is a free slot
        return True

    def forget_client_counters(self, index: int) -> None:
        """Let every client of a meter begin anew: it has a new encryption key."""
        self._client_titles[index] = b""
        self._client_counters[index] = 0

    def _client_slot(self, index: int, client_title: bytes) -> int | None:
        wanted = client_title.rstrip(b"\0")
        for slot in range(CLIENTS_MAX):
            if self._client_titles[index, slot] == wanted:
                return slot
        return None

    # -- events of the management part --------------------------------------------------------------------------------

    def record_event(self, index: int, epoch_s: int, log: int, code: int, *, quiet_s: int = 0) -> bool:
        """Record an event; False when the same one was recorded less than `quiet_s` ago."""
        for known in reversed(self.own_events(index)) if quiet_s else ():
            if known.log == log and known.code == code:
                if 0 <= epoch_s - known.epoch_s < quiet_s:
                    return False
                break
        row = self.rows[index]
        written = int(row["events_written"])
        slot = written % OWN_EVENTS_MAX
        row["event_epoch_s"][slot] = epoch_s
        row["event_log"][slot] = log
        row["event_code"][slot] = code
        row["events_written"] = written + 1
        return True

    def own_events(self, index: int) -> list[OwnEvent]:
        """Give the events kept, oldest first, at most OWN_EVENTS_MAX."""
        row = self.rows[index]
        written = int(row["events_written"])
        return [
            OwnEvent(
                int(row["event_epoch_s"][number % OWN_EVENTS_MAX]),
                int(row["event_log"][number % OWN_EVENTS_MAX]),
                int(row["event_code"][number % OWN_EVENTS_MAX]),
            )
            for number in range(max(0, written - OWN_EVENTS_MAX), written)
        ]

    # -- file ---------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Hand everything to the disk (a power loss then loses nothing before this call). Blocks; call in a thread."""
        if self._map is not None:
            self._map.flush()
        self.overlay.flush()
        self.keys.flush()

    def close(self) -> None:
        """Flush and let the file go. The object cannot be used afterwards."""
        if self._map is not None:
            self._map.flush()
        self.overlay.close()
        self.keys.close()
        self.rows = np.zeros(0, METER_STATE)
        self._map = None  # unmapped when the last array that looks at it is gone
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _rows_of(held: bytes, path: Path) -> npt.NDArray[np.void]:
    """Give the rows a file holds; none for a file that does not exist yet."""
    if not held:
        return np.zeros(0, METER_STATE)
    if held[: len(MAGIC)] != MAGIC or (len(held) - HEADER_SIZE) % METER_STATE.itemsize:
        raise FleetStateError(f"{path} is not a fleet state of this version: move it away to start with new counters")
    return np.frombuffer(held, METER_STATE, offset=HEADER_SIZE)


def _in_order(kept: npt.NDArray[np.void], titles: list[bytes]) -> bytes:
    """Give the whole file with one row per title in this order; rows of meters that are gone stay behind them."""
    row_of = {bytes(row["title"]): row for row in kept if row["title"]}
    ordered = np.zeros(len(titles), METER_STATE)
    for index, title in enumerate(titles):
        row = row_of.pop(title.rstrip(b"\0"), None)
        if row is not None:
            ordered[index] = row
    gone = np.array(list(row_of.values()), METER_STATE)
    return MAGIC.ljust(HEADER_SIZE, b"\0") + ordered.tobytes() + gone.tobytes()


FACTORY_STATE: Final[dict[str, int | float | bytes]] = {
    "server_counter_end": 1,
    "client_titles": b"",
    "client_counters": 0,
    "clock_offset_s": 0.0,
    "clock_set_epoch_s": 0.0,
    "clock_drift_ppm": 0.0,
    "preset_epoch_s": 0.0,
    "output_connected": 1,
    "control_state": 1,
    "control_mode": 4,
    "limit_normal_w": 0,
    "limit_emergency_w": 0,
    "limit_over_s": 60,
    "limit_under_s": 60,
    "push_period_s": 0,
    "push_destination": b"",
    "events_written": 0,
    "event_epoch_s": 0,
    "event_log": 0,
    "event_code": 0,
}
