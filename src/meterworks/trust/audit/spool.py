"""A bounded file of acts that one process keeps while the appender is away."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from meterworks.runtime import write_atomically
from meterworks.trust.audit.act import act_of
from meterworks.trust.audit.errors import AuditFormatError, AuditStoreError
from meterworks.trust.audit.event import AuditEvent
from meterworks.trust.audit.wire import decode_event, encode_event

__all__ = ["Spool"]

ORDINARY_SHARE = 0.5  # of the room; the rest is for acts that keep


class Spool:
    """Blocking: call it in a thread. One process, one spool; the file is of mode 0600."""

    def __init__(self, path: Path, *, bytes_max: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self.dropped = 0
        """Acts that found no room since the last `take_dropped`."""

    @property
    def size(self) -> int:
        """Octets kept."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def keep(self, events: Sequence[AuditEvent]) -> None:
        """Write the events durably; what finds no room is counted. Raises AuditStoreError when the disk fails."""
        size, lines = self.size, []
        for event in events:
            line = encode_event(event) + b"\n"
            room = self._bytes_max * (1.0 if act_of(event.act).keeps else ORDINARY_SHARE)
            if size + len(line) > room:
                self.dropped += 1
                continue
            size += len(line)
            lines.append(line)
        if not lines:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                self._write(descriptor, b"".join(lines))
            finally:
                os.close(descriptor)
        except OSError as error:
            self.dropped += len(lines)
            raise AuditStoreError(
                f"cannot keep acts in {self._path}: {error.strerror}", path=str(self._path)
            ) from error

    def _write(self, descriptor: int, octets: bytes) -> None:
        before = os.fstat(descriptor).st_size
        if before and os.pread(descriptor, 1, before - 1) != b"\n":  # what a crash left of a line
            octets = b"\n" + octets
        try:
            while octets:
                octets = octets[os.write(descriptor, octets) :]
        except OSError:
            os.ftruncate(descriptor, before)
            raise
        os.fsync(descriptor)

    def read(self, events_max: int) -> tuple[list[AuditEvent], int]:
        """The oldest events, and how many octets they take; a line that is no event is passed over.

        Raises AuditStoreError.
        """
        try:
            with self._path.open("rb") as file:
                events: list[AuditEvent] = []
                size = 0
                for line in file:
                    if len(events) == events_max or not line.endswith(b"\n"):
                        break
                    size += len(line)
                    with contextlib.suppress(AuditFormatError):
                        events.append(decode_event(line[:-1]))
                return events, size
        except FileNotFoundError:
            return [], 0
        except OSError as error:
            raise AuditStoreError(f"cannot read {self._path}: {error.strerror}", path=str(self._path)) from error

    def forget(self, size: int) -> None:
        """Take the oldest octets away: they are in the trail. Raises AuditStoreError."""
        try:
            rest = self._path.read_bytes()[size:]
            if b"\n" in rest:
                write_atomically(self._path, rest, mode=0o600)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise AuditStoreError(f"cannot write {self._path}: {error.strerror}", path=str(self._path)) from error

    def take_dropped(self) -> int:
        """How many acts found no room; the count begins anew."""
        dropped, self.dropped = self.dropped, 0
        return dropped
