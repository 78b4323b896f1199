"""The warehouse on real files: positions, conflicts, queries, merging, sweeping."""

import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from meterworks.runtime import (
    CommitConflict,
    StreamPosition,
    WarehouseSettings,
    WarehouseUnreachableError,
    WarehouseUsageError,
)
from meterworks.runtime.warehouse import READING_COLUMNS, Warehouse
from meterworks.runtime.warehouse.engine import QueryEngine

JANUARY = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
MARCH = datetime(2026, 3, 5, tzinfo=UTC)
DAY = 86_400
ALL = "SELECT device, channel, epoch(ts)::BIGINT AS ts, value, version FROM readings ORDER BY ALL"


def settings_in(folder: Path, **changes):
    return WarehouseSettings(
        location=str(folder / "files"), catalog_url=f"sqlite:///{folder}/catalog.sqlite3", **changes
    )


@pytest.fixture
def warehouse(tmp_path):
    opened = Warehouse(settings_in(tmp_path, shards=2))
    yield opened
    opened.close()


def readings(devices, *, start=JANUARY, count=4, value=0, version=1, step=1800):
    rows = [(device, start + step * k, value + k) for device in devices for k in range(count)]
    total = len(rows)
    return pa.table(
        {
            "device": pa.array([row[0] for row in rows], pa.int64()),
            "channel": pa.array([12] * total, pa.int32()),
            "ts": pa.array([row[1] * 1_000_000 for row in rows], pa.int64()).view(pa.timestamp("us")),
            "value": pa.array([row[2] for row in rows], pa.int64()),
            "quality": pa.array([0] * total, pa.int32()),
            "flags": pa.array([0] * total, pa.int32()),
            "version": pa.array([version] * total, pa.int32()),
            "source": pa.array([1] * total, pa.int32()),
            "received_at": pa.array([(start + DAY) * 1_000_000] * total, pa.int64()).view(pa.timestamp("us")),
        }
    )


def rows_of(warehouse, sql=ALL, **arguments):
    return [tuple(row.values()) for row in warehouse.query(sql, **arguments).to_pylist()]


def files_on_disk(folder, pattern="*.parquet"):
    return sorted((folder / "files").rglob(pattern))


def test_a_new_warehouse_is_empty_and_stands_at_zero(warehouse):
    assert warehouse.stream_position() == StreamPosition("", 0)
    assert rows_of(warehouse) == []
    assert warehouse.files(None, None, None) == []
    assert warehouse.statistics().rows == 0


def test_rows_and_position_are_committed_together_and_found_by_another_process_object(warehouse, tmp_path):
    warehouse.append(readings([1, 2]), position=17, epoch="a")
    other = Warehouse(settings_in(tmp_path))
    assert other.stream_position() == StreamPosition("a", 17)
    assert other.position() == 17
    assert rows_of(other) == [(d, 12, JANUARY + 1800 * k, k, 1) for d in (1, 2) for k in range(4)]
    assert other.shards == 2  # what the table was made with, whatever is set now
    warehouse.append(readings([3]), position=18, epoch="a")
    assert other.position() == 18
    assert len(rows_of(other)) == 12
    other.close()


def test_rows_in_any_order_are_stored_sorted_one_file_per_piece(warehouse, tmp_path):
    table = pa.concat_tables([readings([5, 4], start=JANUARY + 40 * DAY), readings([4, 2, 1, 5])])
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(table.num_rows)))
    warehouse.append(shuffled, position=1)
    names = [path.relative_to(tmp_path / "files" / "readings" / "data").parts[:2] for path in files_on_disk(tmp_path)]
    assert names == [
        ("month=2026-01", "shard=0"),
        ("month=2026-01", "shard=1"),
        ("month=2026-02", "shard=0"),
        ("month=2026-02", "shard=1"),
    ]
    for path in files_on_disk(tmp_path):
        got = pq.read_table(path, partitioning=None)
        keys = list(zip(got["device"].to_pylist(), got["ts"].to_pylist(), strict=True))
        assert keys == sorted(keys)
        assert got.schema.field("device").metadata[b"PARQUET:field_id"] == b"1"
    assert len(rows_of(warehouse)) == 24


def test_iceberg_itself_reads_the_same_table(warehouse, tmp_path):
    warehouse.append(readings([1, 2, 3]), position=1)
    warehouse.append(readings([2], value=50, version=2), position=2)
    catalogue = SqlCatalog("meterworks", uri=warehouse.settings.catalog_url)
    table = catalogue.load_table("meterworks.readings")
    got = table.scan(row_filter=f"device == 2 and shard == 0 and ts >= '{datetime(2026, 1, 1).isoformat()}'").to_arrow()  # noqa: DTZ001  # the table's times have no zone
    assert sorted(got["value"].to_pylist()) == [0, 1, 2, 3, 50, 51, 52, 53]
    catalogue.engine.dispose()


def test_a_query_reads_only_the_planned_files(warehouse):
    warehouse.append(readings([1, 2, 3], count=2 * 48 * 31), position=1)
    plan = warehouse.plan({3}, JANUARY, JANUARY + DAY)
    assert len(plan.files) == 1
    assert plan.version_max == 1
    got = rows_of(
        warehouse,
        "SELECT count(*) FROM readings WHERE device = $device AND ts < make_timestamp($to)",
        parameters={"device": 3, "to": (JANUARY + DAY) * 1_000_000},
        plan=plan,
    )
    assert got == [(48,)]
    warehouse.append(readings([3], version=2), position=2)
    assert warehouse.plan({3}, JANUARY, JANUARY + DAY).version_max == 2
    assert warehouse.plan({3}, JANUARY + 32 * DAY, None).version_max == 1


def test_files_in_which_nothing_was_received_since_are_left_out(warehouse):
    warehouse.append(readings([2]), position=1)
    warehouse.append(readings([2], start=JANUARY + 9 * DAY), position=2)
    assert len(warehouse.plan(None, None, None, received_from_us=(JANUARY + 2 * DAY) * 1_000_000).files) == 1
    assert len(warehouse.plan(None, None, None, received_from_us=JANUARY * 1_000_000).files) == 2


def test_a_query_may_join_given_relations(warehouse):
    warehouse.append(readings([1, 2, 3]), position=1)
    wanted = pa.table({"device": pa.array([2, 9], pa.int64())})
    got = rows_of(
        warehouse, "SELECT DISTINCT device FROM readings SEMI JOIN wanted USING (device)", relations={"wanted": wanted}
    )
    assert got == [(2,)]


def test_queries_of_many_threads_do_not_disturb_each_other(warehouse):
    warehouse.append(readings(range(1, 21)), position=1)
    wrong = []

    def ask(device):
        for _ in range(5):
            relation = pa.table({"device": pa.array([device], pa.int64())})
            sql = "SELECT device, count(*) FROM readings SEMI JOIN wanted USING (device) GROUP BY device"
            got = rows_of(warehouse, sql, relations={"wanted": relation})
            if got != [(device, 4)]:
                wrong.append((device, got))

    threads = [threading.Thread(target=ask, args=(device,)) for device in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_wrong_sql_is_our_fault_and_a_lost_file_is_not(warehouse, tmp_path):
    warehouse.append(readings([1]), position=1)
    with pytest.raises(WarehouseUsageError, match="refused"):
        warehouse.query("SELECT nothing FROM readings")
    for path in files_on_disk(tmp_path):
        path.unlink()
    with pytest.raises(WarehouseUnreachableError):
        warehouse.query("SELECT value FROM readings")
    assert rows_of(warehouse, "SELECT 1") == [(1,)]


def test_a_batch_trimmed_against_another_position_is_refused(warehouse, tmp_path):
    other = Warehouse(settings_in(tmp_path))
    before = warehouse.stream_position()
    other.append(readings([1]), position=5, epoch="a", expected=before)
    with pytest.raises(CommitConflict, match="another writer"):
        warehouse.append(readings([1]), position=6, epoch="a", expected=before)
    assert len(rows_of(warehouse)) == 4
    assert warehouse.position() == 5
    other.close()


def test_a_commit_that_lost_a_race_is_not_repeated_on_top_of_the_other(warehouse, tmp_path, monkeypatch):
    other = Warehouse(settings_in(tmp_path))
    real_write = warehouse._write

    def slow_write(*arguments):
        added = real_write(*arguments)
        other.append(readings([2]), position=5, epoch="a")
        return added

    monkeypatch.setattr(warehouse, "_write", slow_write)
    with pytest.raises(CommitConflict):
        warehouse.append(readings([1]), position=6, epoch="a")
    assert {row[0] for row in rows_of(warehouse)} == {2}
    assert warehouse.position() == 5
    assert len(files_on_disk(tmp_path)) == 1  # the loser's files are gone
    other.close()


def test_the_position_never_goes_back_within_an_epoch(warehouse):
    warehouse.append(readings([1]), position=5, epoch="a")
    with pytest.raises(WarehouseUsageError, match="before the committed"):
        warehouse.append(readings([2]), position=4, epoch="a")
    warehouse.append(readings([2]), position=1, epoch="b")
    assert warehouse.stream_position() == StreamPosition("b", 1)


@pytest.mark.parametrize("column", READING_COLUMNS)
def test_readings_without_a_column_or_with_nulls_are_refused(warehouse, column):
    table = readings([1])
    with pytest.raises(WarehouseUsageError, match="lack"):
        warehouse.append(table.drop_columns([column]), position=1)
    nulls = pa.array([None] * table.num_rows, table.schema.field(column).type)
    with pytest.raises(WarehouseUsageError, match="nulls"):
        warehouse.append(table.set_column(table.column_names.index(column), column, nulls), position=1)
    assert warehouse.position() == 0


class TestUpkeep:
    def test_merging_keeps_rows_and_position_and_leaves_one_file_per_piece(self, warehouse):
        for place in range(5):
            warehouse.append(
                readings([1, 2, 3], start=JANUARY + place * DAY, value=place), position=place + 1, epoch="a"
            )
        before = rows_of(warehouse)
        report = warehouse.compact(MARCH)
        assert (report.pieces, report.files_before, report.files_after, report.rows) == (2, 10, 2, 60)
        assert report.more
        assert rows_of(warehouse) == before
        assert warehouse.stream_position() == StreamPosition("a", 5)
        assert warehouse.statistics().files == 2
        assert warehouse.compact(MARCH).pieces == 0

    def test_the_open_month_is_left_alone_until_it_is_scattered(self, tmp_path):
        warehouse = Warehouse(settings_in(tmp_path, shards=1, compact_open_files_min=3))
        now = datetime(2026, 1, 20, tzinfo=UTC)
        warehouse.append(readings([1]), position=1)
        warehouse.append(readings([2]), position=2)
        assert warehouse.compact(now).pieces == 0
        warehouse.append(readings([3]), position=3)
        assert warehouse.compact(now).pieces == 1
        warehouse.close()

    def test_a_merge_that_lost_a_race_changes_nothing_and_succeeds_later(self, warehouse, tmp_path, monkeypatch):
        other = Warehouse(settings_in(tmp_path))
        for place in range(3):
            warehouse.append(readings([1]), position=place + 1)
        real_write = warehouse._write

        def slow_write(*arguments):
            added = real_write(*arguments)
            other.append(readings([3]), position=9)
            return added

        with monkeypatch.context() as patched:
            patched.setattr(warehouse, "_write", slow_write)
            report = warehouse.compact(MARCH)
        assert report.refused
        assert len(rows_of(warehouse)) == 16
        assert warehouse.compact(MARCH).pieces == 1
        assert len(rows_of(warehouse)) == 16
        assert warehouse.position() == 9
        other.close()

    def test_versions_survive_merging_in_order(self, warehouse):
        warehouse.append(readings([1]), position=1)
        warehouse.append(readings([1], value=10, version=2), position=2)
        warehouse.compact(MARCH)
        assert warehouse.plan({1}, None, None).version_max == 2
        assert [row[3:] for row in rows_of(warehouse)][:2] == [(0, 1), (10, 2)]

    def test_old_snapshots_and_then_dead_files_go_away(self, tmp_path):
        warehouse = Warehouse(settings_in(tmp_path, shards=1, snapshots_keep=1, orphan_keep_s=0.0))
        for place in range(6):
            warehouse.append(readings([1], start=JANUARY + place * DAY), position=place + 1)
        before = rows_of(warehouse)
        expired, merged, swept = self.keep_house(warehouse)
        assert (expired, merged) == (5, 6)
        assert rows_of(warehouse) == before
        warehouse.append(readings([2]), position=7)
        warehouse.append(readings([3]), position=8)
        expired, merged, more_swept = self.keep_house(warehouse)
        assert expired > 0
        assert swept + more_swept > 6
        assert len(files_on_disk(tmp_path)) < 6
        assert len(rows_of(warehouse)) == len(before) + 8
        assert warehouse.position() == 8
        warehouse.close()

    def keep_house(self, warehouse):
        """Take steps until there is nothing to do; gives snapshots expired, files merged and files swept."""
        reports = [warehouse.compact(MARCH)]
        while reports[-1].more:
            reports.append(warehouse.compact(MARCH))
        return tuple(
            sum(getattr(report, name) for report in reports)
            for name in ("snapshots_expired", "files_before", "files_swept")
        )

    def test_a_file_no_snapshot_names_waits_before_it_is_swept(self, tmp_path):
        warehouse = Warehouse(settings_in(tmp_path, shards=1, orphan_keep_s=3600.0))
        warehouse.append(readings([1]), position=1)
        stray = tmp_path / "files" / "readings" / "data" / "stray.parquet"
        stray.write_bytes(b"left by a killed writer")
        assert warehouse.compact(MARCH).files_swept == 0
        assert stray.exists()
        warehouse.close()
        impatient = Warehouse(settings_in(tmp_path, orphan_keep_s=0.0))
        assert impatient.compact(MARCH).files_swept == 1
        assert not stray.exists()
        assert len(rows_of(impatient)) == 4
        impatient.close()


def test_a_row_group_layout_that_prunes_and_compresses(warehouse, tmp_path):
    rng = np.random.default_rng(7)
    table = readings(range(2, 202, 2), count=31 * 48)
    values = pa.array(rng.integers(0, 900, table.num_rows))
    warehouse.append(table.set_column(table.column_names.index("value"), "value", values), position=1)
    statistics = warehouse.statistics()
    assert statistics.size_bytes / statistics.rows < 2.0
    metadata = pq.read_metadata(files_on_disk(tmp_path)[0])
    assert metadata.row_group(0).num_rows == 61_440
    assert metadata.row_group(0).column(0).statistics.max < metadata.row_group(1).column(0).statistics.max


def test_an_object_store_is_read_through_arrow_with_the_same_answers(warehouse):
    warehouse.append(readings([1, 2, 3]), position=1)
    plan = warehouse.plan({2}, None, None)
    engine = QueryEngine(threads=1, memory_mb=256, file_io=warehouse._state.table.io, local=False)
    got = engine.query("SELECT value FROM readings WHERE device = $device ORDER BY ts", {"device": 2}, plan.files, {})
    assert got["value"].to_pylist() == [0, 1, 2, 3]
    assert engine.query("SELECT value FROM readings", {}, [], {}).num_rows == 0
    engine.close()


def test_a_catalogue_of_other_origin_is_refused(tmp_path):
    settings = settings_in(tmp_path)
    catalogue = SqlCatalog("meterworks", uri=settings.catalog_url, warehouse=str(tmp_path / "files"))
    catalogue.create_namespace("meterworks")
    catalogue.create_table(("meterworks", "readings"), schema=pa.schema([("x", pa.int64())]))
    catalogue.engine.dispose()
    with pytest.raises(WarehouseUsageError, match="not made by this system"):
        Warehouse(settings)


def test_a_catalogue_out_of_reach_is_told_so(tmp_path):
    (tmp_path / "catalog.sqlite3").mkdir()
    with pytest.raises(WarehouseUnreachableError, match="cannot be opened"):
        Warehouse(settings_in(tmp_path))


def test_two_processes_that_append_at_once_lose_nothing_and_double_nothing(tmp_path):
    Warehouse(settings_in(tmp_path, shards=1)).close()
    script = textwrap.dedent(
        """
        import sys
        sys.path.insert(0, sys.argv[3])
        from test_warehouse import JANUARY, DAY, readings, settings_in
        from pathlib import Path
        from meterworks.runtime import CommitConflict
        from meterworks.runtime.warehouse import Warehouse
        warehouse = Warehouse(settings_in(Path(sys.argv[1])))
        device = int(sys.argv[2])
        for number in range(8):
            while True:
                try:
                    position = warehouse.stream_position()
                    table = readings([device], start=JANUARY + number * DAY)
                    warehouse.append(table, position=position.sequence + 1, expected=position)
                    break
                except CommitConflict:
                    continue
        """
    )
    here = str(Path(__file__).parent)
    children = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(device), here]) for device in (1, 2)]
    assert [child.wait(100) for child in children] == [0, 0]
    warehouse = Warehouse(settings_in(tmp_path))
    rows = rows_of(warehouse)
    assert len(rows) == len(set(rows)) == 2 * 8 * 4
    assert warehouse.position() == 16
    warehouse.close()
