"""What clients wrote to a few meters of a fleet: a sparse store over the models' tables, kept across restarts.

A model says what every meter of its kind holds; a value that one client wrote into one meter lives here, so that ten
thousand meters cost nothing and the written one costs its value. A key is (object, attribute): the six octets of the
logical name and a number; numbers above 255 are no attributes but what an object must remember beside them.

The file beside the fleet's state is a journal: a header, then one record per change (title, name, number, size, value,
check sum), appended before the change counts. What is written is in the kernel's hands at once and survives a kill;
`flush` hands it to the disk. A record cut short by a kill is dropped at the next start, and a journal that is mostly
past is written afresh. Records follow the meter's system title, not its number in the fleet.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from meterworks.devices.errors import FleetStateError

__all__ = ["ENTRIES_MAX", "METER_SIZE_MAX", "NUMBER_MAX", "VALUE_SIZE_MAX", "Overlay", "OverlayKey", "move_keys_apart"]

OverlayKey = tuple[bytes, int]  # logical name (6 octets), attribute number 0..NUMBER_MAX

MAGIC: Final = b"MWOVER01"
HEAD: Final = struct.Struct("<8s6sHI")  # title, logical name, number, size of the value (REMOVED: forget it)
CHECK_SIZE: Final = 4
REMOVED: Final = 0xFFFFFFFF
NUMBER_MAX: Final = 0xFFFF
VALUE_SIZE_MAX: Final = 65_536  # octets of one value
ENTRIES_MAX: Final = 1024  # values one meter may hold
METER_SIZE_MAX: Final = 1_048_576  # octets one meter may hold
JOURNAL_SIZE_MIN: Final = 1_048_576  # a journal below this is not worth writing afresh
NOTHING: Final[Mapping[OverlayKey, bytes]] = MappingProxyType({})


class Overlay:
    """Values written, by meter and key. `path` None keeps them in memory only."""

    def __init__(self, path: Path | None, titles: list[bytes]) -> None:
        """Open or create the journal for these meters (system titles, in fleet order).

        The caller holds the lock of the fleet's state. Raises FleetStateError for a file that is not a journal.
        """
        self._titles = titles
        self._path = path
        self._file: int | None = None
        self._written: dict[int, dict[OverlayKey, bytes]] = {}
        self._sizes: dict[int, int] = {}
        self._strangers: list[bytes] = []  # records of meters that are not in this fleet: kept for when they return
        self._journal_size = 0
        if path is not None:
            self._open(path)

    # -- values -------------------------------------------------------------------------------------------------------

    def get(self, index: int, key: OverlayKey) -> bytes | None:
        """Give what was written, or None."""
        written = self._written.get(index)
        return None if written is None else written.get(key)

    def values(self, index: int) -> Mapping[OverlayKey, bytes]:
        """Give all that was written into one meter."""
        return MappingProxyType(self._written[index]) if index in self._written else NOTHING

    def meters(self) -> Iterator[int]:
        """Give the meters that were written."""
        return iter(tuple(self._written))

    def set(self, index: int, key: OverlayKey, value: bytes) -> None:
        """Keep a value; it is in the journal before it counts.

        Raises FleetStateError where the meter is full, the value too long, or the disk takes nothing.
        """
        size = self._sizes.get(index, 0) - len(self.get(index, key) or b"") + len(value)
        count = len(self._written.get(index, NOTHING))
        if len(value) > VALUE_SIZE_MAX or size > METER_SIZE_MAX or (count >= ENTRIES_MAX and not self.has(index, key)):
            raise FleetStateError(f"meter {index} has no room for {len(value)} octets more")
        self._append(_record(self._titles[index], key, value))
        self._keep(index, key, value)

    def has(self, index: int, key: OverlayKey) -> bool:
        """Tell whether something was written."""
        return key in self._written.get(index, NOTHING)

    def remove(self, index: int, key: OverlayKey) -> None:
        """Forget a value: the model's own holds again."""
        if self.has(index, key):
            self._append(_record(self._titles[index], key, None))
            self._forget(index, key)

    def _keep(self, index: int, key: OverlayKey, value: bytes) -> None:
        held = self._written.setdefault(index, {})
        self._sizes[index] = self._sizes.get(index, 0) - len(held.get(key, b"")) + len(value)
        held[key] = value

    def _forget(self, index: int, key: OverlayKey) -> None:
        held = self._written.get(index, {})
        self._sizes[index] = self._sizes.get(index, 0) - len(held.pop(key, b""))
        if not held:
            self._written.pop(index, None)
            self._sizes.pop(index, None)

    # -- journal ------------------------------------------------------------------------------------------------------

    def _open(self, path: Path) -> None:
        try:
            held = path.read_bytes() if path.exists() else MAGIC
            whole = self._replay(held, path)
            if whole != len(held) or not path.exists() or self._mostly_past(whole):
                whole = self._write_afresh(path)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            self._journal_size = whole
        except OSError as error:
            raise FleetStateError(f"cannot use the written values {path}: {error.strerror}", path=str(path)) from error

    def _replay(self, held: bytes, path: Path) -> int:
        """Take over the records; give how many octets of the file are whole."""
        if held[: len(MAGIC)] != MAGIC:
            raise FleetStateError(f"{path} does not hold written values of this version: move it away to start afresh")
        index_of = {title: index for index, title in enumerate(self._titles)}
        offset = len(MAGIC)
        while (end := _end_of(held, offset)) is not None:  # bounded: each record moves the offset on
            title, name, number, size = HEAD.unpack_from(held, offset)
            index = index_of.get(title)
            if index is None:
                self._strangers.append(held[offset:end])
            elif size == REMOVED:
                self._forget(index, (name, number))
            else:
                self._keep(index, (name, number), held[offset + HEAD.size : end - CHECK_SIZE])
            offset = end
        return offset

    def _mostly_past(self, journal_size: int) -> bool:
        living = sum(self._sizes.values()) + sum(map(len, self._strangers))
        return journal_size > JOURNAL_SIZE_MIN and journal_size > 4 * living

    def _write_afresh(self, path: Path) -> int:
        """Write the journal with nothing but living values; whole or not at all. Gives its size."""
        records = [
            _record(self._titles[index], key, value)
            for index, held in self._written.items()
            for key, value in held.items()
        ]
        octets = b"".join([MAGIC, *self._strangers, *records])
        fresh = path.with_suffix(f"{path.suffix}-new")
        fresh.write_bytes(octets)
        fresh.chmod(0o600)
        fresh.replace(path)
        return len(octets)

    def _append(self, record: bytes) -> None:
        if self._file is None:
            return
        try:
            written = os.write(self._file, record)
            if written != len(record):  # a full disk took a part: cut it off again
                os.ftruncate(self._file, self._journal_size)
                raise FleetStateError(f"the disk of {self._path} is full")
        except OSError as error:
            raise FleetStateError(f"cannot write {self._path}: {error.strerror}", path=str(self._path)) from error
        self._journal_size += len(record)

    def flush(self) -> None:
        """Hand everything to the disk. Blocks; call in a thread."""
        if self._file is not None:
            os.fsync(self._file)

    def close(self) -> None:
        """Let the journal go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _record(title: bytes, key: OverlayKey, value: bytes | None) -> bytes:
    name, number = key
    head = HEAD.pack(title, name, number, REMOVED if value is None else len(value))
    octets = head + (value or b"")
    return octets + zlib.crc32(octets).to_bytes(CHECK_SIZE, "little")


def _end_of(held: bytes, offset: int) -> int | None:
    """Give where the record at an offset ends; None where it is not whole."""
    if offset + HEAD.size + CHECK_SIZE > len(held):
        return None
    size = HEAD.unpack_from(held, offset)[3]
    end: int = offset + HEAD.size + (0 if size == REMOVED else size) + CHECK_SIZE
    if end > len(held) or zlib.crc32(held[offset : end - CHECK_SIZE]) != int.from_bytes(
        held[end - CHECK_SIZE : end], "little"
    ):
        return None
    return end


_SECURITY_NAME: Final = bytes((0, 0, 43, 0, 0, 255))
_KEYS_BEFORE: Final = {0x110: 0x130, 0x120: 0x131}  # single keys in force, and waiting, to where their record is now
_KINDS: Final = range(4)


def move_keys_apart(overlay: Overlay, keys: Overlay) -> None:
    """Take keys that an earlier version kept one by one among the written values over into the records of today."""
    for index in overlay.meters():
        for before, now in _KEYS_BEFORE.items():
            found = {kind: overlay.get(index, (_SECURITY_NAME, before + kind)) for kind in _KINDS}
            held = {kind: octets for kind, octets in found.items() if octets is not None}
            if held:
                record = b"".join(bytes((kind, len(octets))) + octets for kind, octets in held.items())
                keys.set(index, (_SECURITY_NAME, now), record)
            for kind in held:
                overlay.remove(index, (_SECURITY_NAME, before + kind))
