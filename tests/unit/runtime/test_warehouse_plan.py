"""Planning without I/O: which files a query reads, and which ones are worth merging."""

import numpy as np
import pytest
from pyiceberg.manifest import DataFile

from meterworks.runtime import WarehouseSettings, WarehouseUsageError
from meterworks.runtime.warehouse.file import PieceFile, row_order
from meterworks.runtime.warehouse.index import FileIndex
from meterworks.runtime.warehouse.table import is_local, month_of, month_start_epoch_s
from meterworks.runtime.warehouse.upkeep import mergeable_files, pieces_to_merge

JANUARY_2026 = 56 * 12
SECOND = 1_000_000


def piece_file(path, *, month=JANUARY_2026, shard=0, rows=100, devices=(0, 1000), days=(0, 31)):
    start = month_start_epoch_s(month)
    return PieceFile(
        path=path,
        month=month,
        shard=shard,
        rows=rows,
        size_bytes=rows,
        device_min=devices[0],
        device_max=devices[1],
        ts_min_us=(start + days[0] * 86_400) * SECOND,
        ts_max_us=(start + days[1] * 86_400 - 1800) * SECOND,
        version_max=1,
        received_max_us=0,
        data_file=DataFile(),
    )


def paths(files):
    return [file.path for file in files]


def settings(**changes):
    return WarehouseSettings(location="/nowhere", catalog_url="sqlite:////nowhere/catalog", **changes)


@pytest.mark.parametrize(
    ("epoch_s", "month"),
    [
        (0, 0),
        (-1, -1),
        (2_678_399, 0),
        (2_678_400, 1),
        (1_767_225_600, JANUARY_2026),
        (1_767_225_599, JANUARY_2026 - 1),
    ],
)
def test_months_are_counted_from_1970(epoch_s, month):
    assert month_of(epoch_s) == month
    assert month_start_epoch_s(month) <= epoch_s < month_start_epoch_s(month + 1)


@pytest.mark.parametrize(
    ("location", "local"),
    [("/var/readings", True), ("file:///var/readings", True), ("var", True), ("s3://bucket/readings", False)],
)
def test_folders_are_told_from_object_stores(location, local):
    assert is_local(location) is local


@pytest.mark.parametrize("changes", [{"shards": 0}, {"shards": 5000}, {"location": ""}])
def test_settings_that_cannot_be_are_refused(changes):
    with pytest.raises(WarehouseUsageError):
        WarehouseSettings(**{"location": "x", "catalog_url": "sqlite:///x", **changes})


class TestSelect:
    index = FileIndex(
        [
            piece_file("jan-0", shard=0),
            piece_file("jan-1", shard=1),
            piece_file("feb-0", month=JANUARY_2026 + 1, shard=0, days=(0, 28)),
            piece_file("feb-0-low", month=JANUARY_2026 + 1, shard=0, devices=(0, 40), days=(0, 2)),
        ],
        shards=2,
    )
    february = month_start_epoch_s(JANUARY_2026 + 1)

    def test_all_files_without_conditions(self):
        assert sorted(paths(self.index.select(None, None, None))) == ["feb-0", "feb-0-low", "jan-0", "jan-1"]
        assert len(self.index) == 4

    def test_only_shards_of_the_devices(self):
        assert paths(self.index.select({7}, None, None)) == ["jan-1"]
        assert paths(self.index.select({8, 7}, None, self.february)) == ["jan-0", "jan-1"]

    def test_only_files_whose_devices_can_be_meant(self):
        assert paths(self.index.select({100}, self.february, None)) == ["feb-0"]
        assert paths(self.index.select({40}, self.february, None)) == ["feb-0", "feb-0-low"]

    def test_only_files_whose_time_can_be_meant(self):
        assert paths(self.index.select({2}, self.february + 3 * 86_400, None)) == ["feb-0"]
        assert paths(self.index.select({2}, None, self.february)) == ["jan-0"]
        assert self.index.select({2}, self.february + 90 * 86_400, None) == []

    def test_no_devices_no_files(self):
        assert self.index.select(set(), None, None) == []


class TestMergeable:
    @pytest.mark.parametrize(
        ("rows", "files_min", "expected"),
        [
            pytest.param([], 2, [], id="nothing"),
            pytest.param([100], 2, [], id="one file"),
            pytest.param([100, 100], 2, [100, 100], id="two alike"),
            pytest.param([100, 100], 3, [], id="fewer than asked"),
            pytest.param([1000, 10], 2, [], id="one dwarfs the other"),
            pytest.param([1000, 10, 10, 10], 2, [10, 10, 10], id="small ones without the large one"),
            pytest.param([1, 100, 100], 2, [1, 100, 100], id="the smallest goes along"),
            pytest.param([600, 600], 2, [], id="large enough already"),
            pytest.param([400, 400, 400], 2, [400, 400], id="no more than a commit may hold"),
        ],
    )
    def test_files_of_like_size_are_merged(self, rows, files_min, expected):
        files = [piece_file(str(place), rows=count) for place, count in enumerate(rows)]
        got = mergeable_files(files, files_min=files_min, rows_max=1000)
        assert [file.rows for file in got] == expected


class TestPiecesToMerge:
    def index(self, months):
        """One file of 10 rows each, as many as said, per month."""
        return FileIndex(
            [
                piece_file(f"{month}-{count}", month=month, rows=10)
                for month, files in months.items()
                for count in range(files)
            ],
            shards=2,
        )

    def test_a_finished_month_is_merged_early_and_the_open_one_late(self):
        index = self.index({1: 2, 2: 2, 3: 15})
        assert {file.month for file in pieces_to_merge(index, settings(), open_month=3, urgent=False)} == {1, 2}
        index = self.index({3: 16})
        assert len(pieces_to_merge(index, settings(), open_month=3, urgent=False)) == 16

    def test_while_data_streams_in_only_scattered_pieces_are_merged(self):
        index = self.index({1: 15, 2: 16})
        assert {file.month for file in pieces_to_merge(index, settings(), open_month=3, urgent=True)} == {2}

    def test_one_commit_holds_a_limited_number_of_rows_the_most_scattered_first(self):
        index = self.index({1: 3, 2: 5, 3: 4})
        chosen = pieces_to_merge(index, settings(compact_rows_max=90), open_month=9, urgent=False)
        assert {file.month for file in chosen} == {2, 3}


def test_rows_in_order_need_no_sorting():
    device, ts = np.array([1, 1, 2]), np.array([5, 6, 1])
    assert row_order([device, ts]) is None
    assert row_order([np.array([], dtype=np.int64)]) is None


def test_rows_out_of_order_are_sorted_by_all_columns_and_stably():
    device, ts, version = np.array([2, 1, 1, 1]), np.array([1, 6, 5, 6]), np.array([1, 2, 1, 1])
    order = row_order([device, ts, version])
    assert order is not None
    assert order.tolist() == [2, 3, 1, 0]
