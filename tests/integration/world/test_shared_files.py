"""The measured files, read by our reader and by plain pyarrow: every household, every reading, nothing else."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from meterworks.world import Calendar, HistoryCache, ReplayLoad, ReplayOptions, read_replay_file
from meterworks.world.replay_file import MISSING

NOW = 1_795_260_000

# file, options, label column, households, interval, scale to Wh
FILES = [
    ("lcl_2013_hh.parquet", {}, "label_utc", 250, 1800, 1),
    ("zonnedael_2013h1_15min.parquet", {}, "label_local", 56, 900, 1),
    ("sgsc_2012_2014_hh.parquet", {}, "label_as_published", 10, 1800, 1),
    ("ausgrid_c12_2011_12_hh.csv.gz", {}, "start_local_as_published", 2, 1800, 1000),
    ("hue_r1_2012_2015_hourly.csv.gz", {"zone": "America/Vancouver"}, "hour_local_as_published", 1, 3600, 1000),
]


def plain_table(path: Path) -> pa.Table:
    return pq.read_table(path) if path.suffix == ".parquet" else pa_csv.read_csv(path)


def new_rows(table: pa.Table, label: str) -> pa.Array:
    """Mark the rows that do not repeat the one before in label and value: HUE has one that does."""
    home = next(name for name in table.column_names if name != label)
    rows = list(zip(table[label].to_pylist(), table[home].to_pylist(), strict=True))
    return pa.array([True, *(here != before for before, here in pairwise(rows))])


@pytest.mark.parametrize(
    ("name", "options", "label", "homes", "interval_s", "scale"), FILES, ids=lambda value: str(value)
)
def test_every_household_is_replayed_as_measured(
    shared_folder: Path, name: str, options: dict, label: str, homes: int, interval_s: int, scale: int
):
    path = shared_folder / "data" / name
    table = plain_table(path)
    table = table.filter(new_rows(table, label))
    file = read_replay_file(path, ReplayOptions(**options))
    assert (len(file.homes), file.interval_s) == (homes, interval_s)
    shift_s, cache, calendar = file.shift_to(NOW), HistoryCache(), Calendar()
    labels = table[label].cast(pa.timestamp("s", table[label].type.tz)).cast(pa.int64()).to_numpy()
    for home in file.homes:
        load = ReplayLoad(file, home, shift_s=shift_s, calendar=calendar, cache=cache)
        block = load.intervals(0, 2**40)
        column = table[home.name]
        measured = np.rint(column.drop_null().cast(pa.float64()).to_numpy() * scale).astype(np.int64)
        assert int(block.present.sum()) == len(measured)
        assert np.array_equal(block.import_wh[block.present], measured)
        if not options:
            known = labels[column.is_valid().to_numpy(zero_copy_only=False)]
            assert np.array_equal(block.start_epoch_s[block.present] - shift_s, known)
        registers = load.registers_at_many(np.array([load.starts_epoch_s, NOW]))
        assert registers.import_wh.tolist() == [0, int(measured.sum())]


def test_loads_and_roofs_are_netted(shared_folder: Path):
    path = shared_folder / "data" / "fontana_2016_17_hourly.parquet"
    table, file = plain_table(path), read_replay_file(path)
    assert [home.name for home in file.homes] == [f"F{number}" for number in range(1, 18)]
    for home in file.homes:
        net = table[f"{home.name}_load"].to_numpy().astype(np.int64) - table[f"{home.name}_pv"].to_numpy()
        assert np.array_equal(home.import_wh, np.maximum(net, 0))
        assert home.export_wh is not None
        assert np.array_equal(home.export_wh, np.maximum(-net, 0))


def test_the_doubled_hours_of_local_labels_are_both_kept(shared_folder: Path):
    file = read_replay_file(
        shared_folder / "data" / "hue_r1_2012_2015_hourly.csv.gz", ReplayOptions(zone="America/Vancouver")
    )
    table = plain_table(file.path)
    table = table.filter(new_rows(table, "hour_local_as_published"))
    assert int((file.homes[0].import_wh != MISSING).sum()) == table["kwh"].length() - table["kwh"].null_count


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hue_r1_2012_2015_hourly.csv.gz", "say in which zone"),
        ("uci_house_2006_2010_hourly.csv.gz", "does not look like energy"),
        ("fontana_weather_hourly.csv.gz", "does not look like energy"),
        ("ev_charges_2018_2020.csv.gz", "not energy"),
        ("dk_heat_meter_hourly.csv.gz", "does not look like energy"),
        ("lcl_2013_meta.csv", "not energy"),
    ],
)
def test_other_files_are_refused_with_a_reason(shared_folder: Path, name: str, says: str):
    from meterworks.errors import UsageError

    with pytest.raises(UsageError, match=says):
        read_replay_file(shared_folder / "data" / name)
