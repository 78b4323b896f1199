"""How a restored database is noticed: a number that grows with every reservation, kept in it and in a file beside it.

A backup that is put back knows less than the file: the counters that were used since it was made are not in it, and
must not come again under the same keys (SEC-008). Where file and database are put back together nothing shows it here:
then whoever restores says so (`meterworks keys restored`).
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from meterworks.headend.errors import RestoreMarkError
from meterworks.headend.store import HeadendStore
from meterworks.registry import COUNTER_JUMP, Registry
from meterworks.runtime import Database

__all__ = ["RestoreMark", "jump_all_counters"]

_STREAM: Final = "counter-reservations"
_DIGITS: Final = 20


async def jump_all_counters(database: Database, registry: Registry | None) -> int:
    """Move the counters of all keys forward; no head-end runs meanwhile. Gives how many."""
    moved = await HeadendStore(database).jump_counters(COUNTER_JUMP)
    return moved + (0 if registry is None else await registry.jump_counters())


class RestoreMark:
    """The number, in the database and in a file. `path` None: nothing is noticed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._number = 0

    async def shows_restore(self, store: HeadendStore) -> bool:
        """Whether the database knows less than the file. Raises RestoreMarkError for a file that holds no number."""
        if self._path is None:
            return False
        known = await store.position(_STREAM)
        written = await asyncio.to_thread(_read, self._path)
        self._number = max(known, written)
        return written > known

    async def note(self, store: HeadendStore) -> None:
        """Count one more: first in the database, so that a kill between the two looks like no restore."""
        if self._path is None:
            return
        self._number += 1
        await store.save_position(_STREAM, self._number)
        await asyncio.to_thread(_write, self._path, self._number)


def _read(path: Path) -> int:
    try:
        return int(path.read_text().strip() or 0)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise RestoreMarkError(
            f"{path} does not hold the number of counter reservations: {error}; if the database was put back, run"
            " `meterworks keys restored`, then remove the file",
            path=str(path),
        ) from error


def _write(path: Path, number: int) -> None:
    """Overwrite in place, always as many digits: a kill leaves the old number or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, f"{number:0{_DIGITS}d}\n".encode(), 0)
    finally:
        os.close(descriptor)
