"""The readings warehouse: one Iceberg table, appended by one writer, read by anyone.

Exactly once: a commit carries the stream position it reaches, so after any crash `position()` tells what is in. A
commit that lost a race is refused (CommitConflict) and never retried on top of the other. All calls block: from an
event loop use `asyncio.to_thread`. A warehouse object may be used by many threads.
"""

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from meterworks.runtime.errors import (
    CommitConflict,
    CommitOutcomeUnknown,
    WarehouseUnreachableError,
    WarehouseUsageError,
)
from meterworks.runtime.telemetry import get_logger
from meterworks.runtime.warehouse.engine import QueryEngine
from meterworks.runtime.warehouse.file import PieceFile, write_pieces
from meterworks.runtime.warehouse.index import (
    EPOCH_PROPERTY,
    POSITION_PROPERTY,
    TableState,
    read_state,
)
from meterworks.runtime.warehouse.removal import (
    DOOMED,
    KEPT,
    RemovalReport,
    rule_table,
    spared_table,
)
from meterworks.runtime.warehouse.table import (
    NAMESPACE,
    TABLE_NAME,
    is_local,
    month_of,
    open_catalogue,
    open_table,
    shown_catalogue,
)
from meterworks.runtime.warehouse.upkeep import (
    CompactionReport,
    OrphanSweeper,
    expirable_snapshots,
    pieces_to_merge,
)
from meterworks.runtime.warehouse_settings import RemovalRule, StreamPosition, WarehouseSettings

__all__ = ["Warehouse", "WarehousePlan", "WarehouseStatistics"]

log = get_logger(__name__)

WRITE_THREADS = 2
_IN_ORDER = "SELECT * FROM readings ORDER BY device, channel, ts, version"
_POINTER = text(
    "SELECT metadata_location FROM iceberg_tables"
    " WHERE catalog_name = :catalogue AND table_namespace = :namespace AND table_name = :table"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehousePlan:
    """The files a query has to read. version_max 1 means that no reading in them was ever superseded."""

    files: tuple[str, ...]
    rows: int
    version_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseStatistics:
    """Size of the current snapshot."""

    rows: int
    files: int
    pieces: int
    size_bytes: int
    position: int


class Warehouse:
    """The readings table of a system, created if absent."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self.settings = settings
        try:
            self._catalogue = open_catalogue(settings)
            table, self.shards = open_table(self._catalogue, settings)
            self._state = read_state(table, self.shards, {})
        except (SQLAlchemyError, OSError) as error:
            raise _unreachable("cannot be opened", settings, error) from error
        if not isinstance(table.io, PyArrowFileIO):
            raise WarehouseUsageError(f"the location {settings.location} is not served by Arrow's file systems")
        self._engine = QueryEngine(
            threads=settings.query_threads,
            memory_mb=settings.query_memory_mb,
            file_io=table.io,
            local=is_local(settings.location),
        )
        self._sweeper = OrphanSweeper(settings.orphan_keep_s)
        self._commit_lock = threading.Lock()
        self._refresh_lock = threading.Lock()

    def position(self) -> int:
        """The stream sequence the current snapshot reaches; 0 before the first append."""
        return self.stream_position().sequence

    def stream_position(self) -> StreamPosition:
        """The stream sequence the current snapshot reaches, and the life of the stream it belongs to."""
        return self._refreshed().position

    def append(
        self, table: pa.Table, *, position: int, epoch: str = "", expected: StreamPosition | None = None
    ) -> None:
        """Commit the readings (columns READING_COLUMNS, any order of rows) as one snapshot that reaches the position.

        expected: the position the batch was trimmed against. Raises CommitConflict when another commit came first,
        WarehouseUnreachableError when files cannot be written (nothing is in, both safe to try again), and
        CommitOutcomeUnknown when only `stream_position()` can tell whether it is in.
        """
        with self._commit_lock:
            state = self._refreshed()
            if expected is not None and state.position != expected:
                raise CommitConflict(
                    f"the warehouse stands at {state.position}, not at {expected}: another writer commits to it; "
                    "start again from its position",
                    found=state.position,
                    expected=expected,
                )
            if state.position.epoch == epoch and position < state.position.sequence:
                raise WarehouseUsageError(
                    f"the position {position} is before the committed {state.position.sequence}", position=position
                )
            added = self._write(state.table, table)
            self._commit(state, added=added, removed=(), position=StreamPosition(epoch, position))

    def plan(
        self,
        device_ids: Collection[int] | None,
        from_epoch_s: int | None,
        to_epoch_s: int | None,
        *,
        received_from_us: int | None = None,
    ) -> WarehousePlan:
        """Files that may hold readings of the devices (None: all) with from <= ts < to (None: unbounded).

        received_from_us: leave out files in which everything was received before this instant.
        """
        files = self._refreshed().index.select(device_ids, from_epoch_s, to_epoch_s)
        if received_from_us is not None:
            files = [file for file in files if file.received_max_us >= received_from_us]
        return WarehousePlan(
            files=tuple(file.path for file in files),
            rows=sum(file.rows for file in files),
            version_max=max((file.version_max for file in files), default=1),
        )

    def files(self, device_ids: Collection[int] | None, from_epoch_s: int | None, to_epoch_s: int | None) -> list[str]:
        """Paths of the plan, for other engines; read them with their own partition discovery switched off."""
        return list(self.plan(device_ids, from_epoch_s, to_epoch_s).files)

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        plan: WarehousePlan | None = None,
        relations: Mapping[str, pa.Table] | None = None,
    ) -> pa.Table:
        """Run one SELECT over `readings`, the rows of the plan's files (default: all), with `$name` parameters.

        The plan only leaves out files that cannot matter: the SELECT still has to filter by device and time. `ts` and
        `received_at` are UTC without zone. Relations are further tables the SELECT may name.
        """
        files = (plan or self.plan(None, None, None)).files
        return self._engine.query(sql, parameters or {}, files, relations or {})

    def compact(self, now: datetime, *, urgent: bool = False) -> CompactionReport:
        """One step of housekeeping: an expiry of snapshots, else a merge of small files, else a sweep of dead files.

        now: system time, which tells the month still running. urgent: merge only what is badly scattered. Never loses
        or doubles a row; a step that met another commit changes nothing and says so in `refused`.
        """
        with self._commit_lock:
            state = self._refreshed()
            if old := expirable_snapshots(state.table, self.settings.snapshots_keep):
                return self._expire(state, old)
            open_month = month_of(now.timestamp())
            if chosen := pieces_to_merge(state.index, self.settings, open_month=open_month, urgent=urgent):
                return self._merge(state, chosen)
            return self._sweep(state)

    def count_doomed(self, rules: Sequence[RemovalRule], *, spared: Collection[int] = ()) -> dict[int, int]:
        """How many rows `remove` would take away, by channel."""
        counts: Counter[int] = Counter()
        for _, by_channel in self._doomed(self._refreshed(), rules, spared):
            counts.update(by_channel)
        return dict(counts)

    def remove(self, rules: Sequence[RemovalRule], *, spared: Collection[int] = ()) -> RemovalReport:
        """Take the rows of the rules away, for every reader from now on, and out of every snapshot that is kept.

        spared: devices of which nothing goes, whatever the rules say. The files stay on the disk until `discard` is
        called with the report's paths, or until they are swept: readers may still be at them. Appends that come
        meanwhile may leave rows of the rules behind: the next removal takes them.
        """
        report = RemovalReport()
        with self._commit_lock:
            for group in self._groups(self._doomed(self._refreshed(), rules, spared)):
                report += self._remove(group, rules, spared)
                if report.refused:
                    return report
            state = self._refreshed()
            current = state.table.current_snapshot()
            kept = None if current is None else current.snapshot_id
            old = [each.snapshot_id for each in state.table.snapshots() if each.snapshot_id != kept]
            if report.rows and old:
                expired = self._expire(state, old)
                report += RemovalReport(snapshots_expired=expired.snapshots_expired, refused=expired.refused)
        return report

    def discard(self, paths: Sequence[str]) -> int:
        """Delete files that a removal reported, those that no snapshot names; gives how many are gone."""
        with self._commit_lock:
            state = self._refreshed()
            named = {file.path for file in state.index.all()}
            gone = 0
            for path in paths:
                if path in named:
                    continue
                try:
                    state.table.io.delete(path)
                except FileNotFoundError:  # swept already
                    pass
                except OSError as error:
                    raise _unreachable("cannot be tidied", self.settings, error) from error
                gone += 1
            return gone

    def _doomed(
        self, state: TableState, rules: Sequence[RemovalRule], spared: Collection[int]
    ) -> list[tuple[PieceFile, dict[int, int]]]:
        """Files that hold rows of the rules, each with how many by channel."""
        candidates: dict[str, PieceFile] = {}
        for rule in rules:
            devices = None if rule.device is None else {rule.device}
            for file in state.index.select(devices, rule.from_epoch_s, rule.to_epoch_s):
                candidates[file.path] = file
        relations = {"rules": rule_table(rules), "spared": spared_table(spared)} if candidates else {}
        found: list[tuple[PieceFile, dict[int, int]]] = []
        for path, file in candidates.items():
            counts = self._engine.query(DOOMED, {}, [path], relations)
            if counts.num_rows:
                pairs = zip(counts["channel"].to_pylist(), counts["count"].to_pylist(), strict=True)
                found.append((file, dict(pairs)))
        return found

    def _groups(self, doomed: Sequence[tuple[PieceFile, dict[int, int]]]) -> list[list[tuple[PieceFile, int]]]:
        """Files by commit: as many as keep the rows of one commit in bounds, at least one."""
        groups: list[list[tuple[PieceFile, int]]] = []
        rows = 0
        for file, by_channel in doomed:
            if not groups or rows + file.rows > self.settings.compact_rows_max:
                groups.append([])
                rows = 0
            groups[-1].append((file, sum(by_channel.values())))
            rows += file.rows
        return groups

    def _remove(
        self, group: Sequence[tuple[PieceFile, int]], rules: Sequence[RemovalRule], spared: Collection[int]
    ) -> RemovalReport:
        state = self._refreshed()
        relations = {"rules": rule_table(rules), "spared": spared_table(spared)}
        added: list[PieceFile] = []
        for file, count in group:
            if count < file.rows:
                added += self._write(state.table, self._engine.query(KEPT, {}, [file.path], relations))
        try:
            self._commit(state, added=added, removed=[file for file, _ in group], position=state.position)
        except CommitConflict:
            return RemovalReport(refused=True)
        dropped = sum(count == file.rows for file, count in group)
        return RemovalReport(
            rows=sum(count for _, count in group),
            files_rewritten=len(group) - dropped,
            files_dropped=dropped,
            paths=tuple(file.path for file, _ in group),
        )

    def statistics(self) -> WarehouseStatistics:
        """Rows, files and bytes of the current snapshot."""
        state = self._refreshed()
        files = state.index.all()
        return WarehouseStatistics(
            rows=sum(file.rows for file in files),
            files=len(files),
            pieces=len(state.index.pieces),
            size_bytes=sum(file.size_bytes for file in files),
            position=state.position.sequence,
        )

    def close(self) -> None:
        """Close the query engine and the catalogue."""
        self._engine.close()
        self._catalogue.engine.dispose()

    def _refreshed(self) -> TableState:
        """The state of the newest snapshot: one cheap question to the catalogue, more only when the pointer moved."""
        try:
            with self._catalogue.engine.connect() as connection:
                pointer = connection.execute(
                    _POINTER,
                    {"catalogue": self._catalogue.name, "namespace": NAMESPACE, "table": TABLE_NAME},
                ).scalar_one()
            state = self._state
            if pointer == state.pointer:
                return state
            with self._refresh_lock:
                if pointer != self._state.pointer:
                    table = self._catalogue.load_table((NAMESPACE, TABLE_NAME))
                    self._state = read_state(table, self.shards, self._state.manifests)
                return self._state
        except (SQLAlchemyError, OSError) as error:
            raise _unreachable("cannot be read", self.settings, error) from error

    def _write(self, iceberg: Table, rows: pa.Table) -> list[PieceFile]:
        if rows.num_rows == 0:
            return []
        try:
            return write_pieces(
                rows, io=iceberg.io, location=iceberg.location(), shards=self.shards, threads=WRITE_THREADS
            )
        except OSError as error:  # files already written are unnamed and will be swept
            raise _unreachable("cannot be written", self.settings, error) from error

    def _commit(
        self, state: TableState, *, added: Sequence[PieceFile], removed: Sequence[PieceFile], position: StreamPosition
    ) -> None:
        properties = {POSITION_PROPERTY: str(position.sequence), EPOCH_PROPERTY: position.epoch}
        table = state.table
        try:
            with table.transaction() as transaction:
                update = transaction.update_snapshot(snapshot_properties=properties)
                with update.overwrite() if removed else update.fast_append() as producer:
                    for file in removed:
                        producer.delete_data_file(file.data_file)
                    for file in added:
                        producer.append_data_file(file.data_file)
        except (CommitFailedException, ValidationException) as error:
            self._discard(table, added)
            raise CommitConflict(f"another commit reached the warehouse first: {error}") from error
        except (SQLAlchemyError, OSError) as error:
            raise CommitOutcomeUnknown(
                f"the warehouse's catalogue broke off during a commit: {error}; read the position back",
                reason=str(error),
            ) from error
        with self._refresh_lock:
            self._state = read_state(table, self.shards, state.manifests)

    def _discard(self, table: Table, files: Sequence[PieceFile]) -> None:
        for file in files:
            try:
                table.io.delete(file.path)
            except OSError as error:  # it stays unnamed, and the sweep will try again
                log.warning("data file not removed after a refused commit", path=file.path, reason=str(error))

    def _merge(self, state: TableState, chosen: Sequence[PieceFile]) -> CompactionReport:
        pieces: dict[tuple[int, int], list[str]] = {}
        for file in chosen:
            pieces.setdefault((file.month, file.shard), []).append(file.path)
        added: list[PieceFile] = []
        for paths in pieces.values():  # one at a time: the largest piece bounds the memory
            rows = self._engine.query(_IN_ORDER, {}, paths, {})
            added += self._write(state.table, rows)
        try:
            self._commit(state, added=added, removed=chosen, position=state.position)
        except CommitConflict:
            return CompactionReport(refused=True, more=True)
        return CompactionReport(
            pieces=len(pieces),
            files_before=len(chosen),
            files_after=len(added),
            rows=sum(file.rows for file in added),
            more=True,
        )

    def _expire(self, state: TableState, old: list[int]) -> CompactionReport:
        try:
            state.table.maintenance.expire_snapshots().by_ids(old).commit()
        except CommitFailedException:
            return CompactionReport(refused=True, more=True)
        except (SQLAlchemyError, OSError) as error:
            raise _unreachable("cannot be tidied", self.settings, error) from error
        return CompactionReport(snapshots_expired=len(old), more=True)

    def _sweep(self, state: TableState) -> CompactionReport:
        if not self._sweeper.due():
            return CompactionReport()
        try:
            return CompactionReport(files_swept=self._sweeper.sweep(state.table))
        except OSError as error:
            raise _unreachable("cannot be tidied", self.settings, error) from error


def _unreachable(what: str, settings: WarehouseSettings, error: Exception) -> WarehouseUnreachableError:
    return WarehouseUnreachableError(
        f"the warehouse at {settings.location} (catalogue {shown_catalogue(settings)}) {what}: {error}",
        location=settings.location,
        reason=str(error),
    )
