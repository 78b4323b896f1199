"""Every measured file through the whole system: each household's readings out of the API are the file's.

The file is read here with plain pyarrow, never with the reader that is under test. `make soak` replays them
(SOAK_REPLAYS=1): each takes a whole system of its own.
"""

import os
import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest
from tests.replayed import Household, differences, readings, settled
from tests.running import running_system
from tests.system_checks import DAY_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Replayed:
    """A file, and how it says what. zone: of labels that are local; pairs: of load and PV."""

    name: str
    label: str
    interval_s: int
    homes: int
    watt_hours: int = 1
    zone: str = ""
    pairs: bool = False
    limit_s: float = 90.0


FILES = [
    Replayed("lcl_2013_hh.parquet", "label_utc", 1800, 250, limit_s=150.0),
    Replayed("zonnedael_2013h1_15min.parquet", "label_local", 900, 56),
    Replayed("sgsc_2012_2014_hh.parquet", "label_as_published", 1800, 10),
    Replayed("fontana_2016_17_hourly.parquet", "start_local_standard", 3600, 17, pairs=True),
    Replayed("ausgrid_c12_2011_12_hh.csv.gz", "start_local_as_published", 1800, 2, watt_hours=1000),
    Replayed(
        "hue_r1_2012_2015_hourly.csv.gz", "hour_local_as_published", 3600, 1, watt_hours=1000, zone="America/Vancouver"
    ),
]


@pytest.mark.skipif(not os.environ.get("SOAK_REPLAYS"), reason="make soak replays it")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_household_of_a_measured_file_comes_out_as_it_went_in(tmp_path, shared_folder, file):
    path = shared_folder / "data" / file.name
    options = ["--set", f"neighbourhood.replay_zone={file.zone}"] if file.zone else []
    wanted = measured(path, file)
    assert len(wanted) == file.homes
    with running_system(tmp_path / "var", "--replay", str(path), *options) as system:
        profiles = ("load_import", "load_export") if file.pairs else ("load_import",)
        system.wait(lambda: settled(system, *profiles), "filled", file.limit_s)
        faults = [fault for home in wanted for fault in differences(system, home, file.interval_s, wanted[home])]
        last = max(int(readings(system, home, file.interval_s)[0].max(initial=0)) for home in list(wanted)[:3])
    assert faults == []
    assert 0 <= time.time() - last < 3 * DAY_S, "the file ends today"


# --- the file, read plainly ------------------------------------------------------------------------------------------


def measured(path, file):
    """Starts, import and export of each household, by name; null slots left out."""
    table = pa_parquet.read_table(path) if path.suffix == ".parquet" else pa_csv.read_csv(path)
    labels = table[file.label].cast(pa.timestamp("s")).cast(pa.int64()).to_numpy()
    columns = {
        name: table[name].cast(pa.float64()).to_numpy() * file.watt_hours
        for name in table.column_names
        if name != file.label
    }
    if file.zone:
        labels, columns = in_utc(labels, columns, file.zone)
    if file.pairs:
        homes = [name.removesuffix("_load") for name in columns if name.endswith("_load")]
        net = {home: columns[f"{home}_load"] - columns[f"{home}_pv"] for home in homes}
        return {home: present(labels, np.maximum(wh, 0), np.maximum(-wh, 0)) for home, wh in net.items()}
    return {name: present(labels, wh, None) for name, wh in columns.items()}


def present(labels, import_wh, export_wh):
    there = ~np.isnan(import_wh)
    export = None if export_wh is None else np.rint(export_wh[there]).astype(np.int64)
    return Household(labels[there], np.rint(import_wh[there]).astype(np.int64), export)


def in_utc(labels, columns, zone):
    """Local labels of rising rows in UTC: of two equal hours the second is the later one; a copied row counts once."""
    local = pa.array(labels, pa.timestamp("s"))

    def utc(which):
        return pc.assume_timezone(local, zone, ambiguous=which).cast(pa.int64()).to_numpy()

    early, late = utc("earliest"), utc("latest")
    again = np.concatenate(([False], np.isin(labels[1:], labels[:-1]) & (np.diff(labels) <= 0)))
    starts = np.where(again, late, early)
    starts, kept = np.unique(starts, return_index=True)
    return starts, {name: values[kept] for name, values in columns.items()}
