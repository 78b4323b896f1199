"""Removal from the warehouse: exactly the rows of the rules go, from the table, its snapshots and its files."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.integration.runtime.test_warehouse import DAY, JANUARY, files_on_disk, readings, settings_in

from meterworks.runtime import RemovalRule, WarehouseUsageError
from meterworks.runtime.warehouse import RemovalReport, Warehouse

FEBRUARY = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp())
LAST_VALUE = 8_888_881  # a canary: in no other reading


@pytest.fixture
def warehouse(tmp_path):
    opened = Warehouse(settings_in(tmp_path, shards=2))
    opened.append(readings([1, 2, 3], start=JANUARY), position=1)
    opened.append(readings([1], start=JANUARY + DAY, count=1, value=LAST_VALUE), position=2)
    opened.append(readings([1, 2], start=FEBRUARY), position=3)
    yield opened
    opened.close()


def values(warehouse):
    return sorted(warehouse.query("SELECT value FROM readings")["value"].to_pylist())


def on_disk(folder):
    """The values in any file of the table, named by a snapshot or not."""
    found = []
    for path in files_on_disk(folder):
        found += pq.read_table(path, partitioning=None)["value"].to_pylist()
    return found


def test_rows_of_a_channel_before_an_instant_go(warehouse):
    rule = RemovalRule(channels={12}, to_epoch_s=FEBRUARY)
    assert warehouse.count_doomed([rule]) == {12: 13}
    report = warehouse.remove([rule])
    assert (report.rows, report.refused) == (13, False)
    assert values(warehouse) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert warehouse.count_doomed([rule]) == {}
    assert warehouse.position() == 3, "the stream's position outlives the removal"


def test_another_channel_keeps_its_rows(warehouse):
    before = values(warehouse)
    assert warehouse.remove([RemovalRule(channels={22}, to_epoch_s=FEBRUARY)]) == RemovalReport()
    assert values(warehouse) == before


def test_a_file_that_holds_other_rows_is_written_anew(warehouse):
    rule = RemovalRule(channels={12}, device=1, from_epoch_s=JANUARY + 1800, to_epoch_s=JANUARY + 3 * 1800)
    report = warehouse.remove([rule])
    assert (report.rows, report.files_rewritten, report.files_dropped) == (2, 1, 0)
    kept = warehouse.query("SELECT device, value FROM readings WHERE device = 1 AND ts < '2026-01-02' ORDER BY ts")
    assert kept["value"].to_pylist() == [0, 3]
    assert warehouse.query("SELECT count(*) AS n FROM readings WHERE device = 3")["n"].to_pylist() == [4]


def test_spared_devices_lose_nothing(warehouse):
    warehouse.remove([RemovalRule(channels={12}, to_epoch_s=FEBRUARY)], spared={1})
    devices = warehouse.query("SELECT DISTINCT device FROM readings WHERE ts < '2026-02-01'")["device"].to_pylist()
    assert devices == [1]


def test_no_snapshot_and_no_file_gives_the_rows_back(warehouse, tmp_path):
    assert LAST_VALUE in on_disk(tmp_path)
    report = warehouse.remove([RemovalRule(channels={12}, to_epoch_s=FEBRUARY)])
    assert report.snapshots_expired > 0
    table = warehouse._state.table
    for snapshot in table.snapshots():
        assert LAST_VALUE not in table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()["value"].to_pylist()
    assert LAST_VALUE in on_disk(tmp_path), "readers that planned before may still be at the files"
    assert warehouse.discard(report.paths) == len(report.paths)
    assert LAST_VALUE not in on_disk(tmp_path)
    assert values(warehouse) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert warehouse.discard(report.paths) == len(report.paths), "gone is gone"


def test_a_file_still_named_is_never_discarded(warehouse):
    named = warehouse.files(None, None, None)
    before = values(warehouse)
    assert warehouse.discard(named) == 0
    assert values(warehouse) == before


def test_another_process_object_sees_the_removal_and_appends_go_on(warehouse, tmp_path):
    other = Warehouse(settings_in(tmp_path, shards=2))
    assert len(values(other)) == 21
    other.remove([RemovalRule(channels={12}, to_epoch_s=FEBRUARY)])
    warehouse.append(readings([4], start=FEBRUARY, count=1, value=77), position=4)
    assert 77 in values(other)
    assert len(values(warehouse)) == 9
    other.close()


def test_files_are_taken_in_groups_that_bound_the_memory(tmp_path):
    opened = Warehouse(settings_in(tmp_path, shards=2, compact_rows_max=1))
    opened.append(readings([1, 2], start=JANUARY), position=1)
    opened.append(readings([1, 2], start=FEBRUARY), position=2)
    report = opened.remove([RemovalRule(channels={12})])
    assert (report.rows, report.files_dropped) == (16, 4)
    assert values(opened) == []
    opened.close()


def test_a_rule_without_channels_is_refused():
    with pytest.raises(WarehouseUsageError):
        RemovalRule(channels=())


def test_an_empty_warehouse_has_nothing_to_remove(tmp_path):
    opened = Warehouse(settings_in(tmp_path))
    assert opened.remove([RemovalRule(channels={12})]) == RemovalReport()
    opened.append(pa.table(readings([1])), position=1)
    assert opened.remove([]) == RemovalReport()
    opened.close()
