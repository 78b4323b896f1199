"""Housekeeping of the readings table: merging small files, forgetting old snapshots, removing files nobody names.

Every append leaves one file in each piece (month and shard) it touches. Merging is tiered: files are merged only with
files of like size, so a late row does not rewrite a whole month, and a row is rewritten a logarithmic number of times.
A step is one short commit, so that the writer process can take steps between its own commits. A merge that lost a race
to an append is refused by the catalogue and simply tried again at the next step.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pyarrow.fs import FileSelector, FileType
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import ManifestContent
from pyiceberg.table import Table

from meterworks.runtime.warehouse.file import PieceFile
from meterworks.runtime.warehouse.index import FileIndex
from meterworks.runtime.warehouse_settings import WarehouseSettings

__all__ = ["CompactionReport", "OrphanSweeper", "expirable_snapshots", "mergeable_files", "pieces_to_merge"]

PIECES_PER_COMMIT_MAX = 64
_LIKE_SIZE = 2  # a file joins a merge when it holds at most this many times the rows of all smaller ones together


@dataclass(frozen=True, kw_only=True)
class CompactionReport:
    """What one step of housekeeping did; `more` says that another step has work at once."""

    pieces: int = 0
    files_before: int = 0
    files_after: int = 0
    rows: int = 0
    snapshots_expired: int = 0
    files_swept: int = 0
    refused: bool = False  # another commit came first; nothing was changed
    more: bool = False


def mergeable_files(files: Sequence[PieceFile], *, files_min: int, rows_max: int) -> list[PieceFile]:
    """The files of one piece worth merging: the longest run of smallest ones in which none dwarfs the rest."""
    ascending = sorted((file for file in files if file.rows <= rows_max // 2), key=lambda file: file.rows)
    best, total = 0, 0
    for count, file in enumerate(ascending, start=1):
        if total + file.rows > rows_max:
            break
        if file.rows <= _LIKE_SIZE * total:
            best = count
        total += file.rows
    return ascending[:best] if best >= files_min else []


def pieces_to_merge(index: FileIndex, settings: WarehouseSettings, *, open_month: int, urgent: bool) -> list[PieceFile]:
    """Files for one merging commit of at most `compact_rows_max` rows, the most scattered pieces first.

    urgent: data is streaming in, so only pieces with many files are worth the work.
    """
    chosen: list[PieceFile] = []
    rows = pieces = 0
    for (month, _), files in sorted(index.pieces.items(), key=lambda item: -len(item[1])):
        scattered = urgent or month >= open_month
        files_min = settings.compact_open_files_min if scattered else settings.compact_files_min
        merge = mergeable_files(files, files_min=files_min, rows_max=settings.compact_rows_max)
        merge_rows = sum(file.rows for file in merge)
        if not merge or (rows and rows + merge_rows > settings.compact_rows_max):
            continue
        chosen += merge
        rows, pieces = rows + merge_rows, pieces + 1
        if pieces == PIECES_PER_COMMIT_MAX:
            break
    return chosen


def expirable_snapshots(table: Table, keep: int) -> list[int]:
    """Snapshots beyond the newest `keep`, once there are twice as many: an expiry is a commit of its own."""
    snapshots = sorted(table.snapshots(), key=lambda snapshot: snapshot.sequence_number or 0)
    if len(snapshots) <= 2 * keep:
        return []
    return [snapshot.snapshot_id for snapshot in snapshots[:-keep]]


class OrphanSweeper:
    """Removes files under the table that no snapshot names, once they have been so for a while.

    The wait is counted from when this process first saw the file unnamed, not from the file's age: a file merged away
    a second ago may be years old and still be read by a query that was planned before.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._unnamed_since: dict[str, float] = {}
        self._next_s = 0.0

    def due(self) -> bool:
        """Whether looking again is worthwhile."""
        return time.monotonic() >= self._next_s

    def sweep(self, table: Table) -> int:
        """Remove what has been unnamed long enough; gives the number of files removed."""
        now_s = time.monotonic()
        self._next_s = now_s + self._keep_s / 4
        file_io = table.io
        if not isinstance(file_io, PyArrowFileIO):
            return 0
        scheme, authority, base = PyArrowFileIO.parse_location(table.location())
        file_system = file_io.fs_by_scheme(scheme, authority)
        named = {PyArrowFileIO.parse_location(path)[2] for path in _named_files(table)}
        found = file_system.get_file_info(FileSelector(base, recursive=True, allow_not_found=True))
        unnamed = [info for info in found if info.type == FileType.File and info.path not in named]
        self._unnamed_since = {info.path: self._unnamed_since.get(info.path, now_s) for info in unnamed}
        old = [path for path in self._unnamed_since if now_s - self._unnamed_since[path] >= self._keep_s]
        for path in old:
            _remove(file_system, path)
            del self._unnamed_since[path]
        return len(old)


def _remove(file_system: Any, path: str) -> None:
    try:
        file_system.delete_file(path)
    except FileNotFoundError:  # another process swept it: it is gone, as wanted
        pass


def _named_files(table: Table) -> Iterable[str]:
    """All files that any snapshot still held needs."""
    yield table.metadata_location
    for earlier in table.metadata.metadata_log:
        yield earlier.metadata_file
    seen: set[str] = set()
    for snapshot in table.snapshots():
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            yield manifest.manifest_path
            if manifest.content == ManifestContent.DATA:
                for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                    yield entry.data_file.file_path
