"""Files of any households, gaps, order, names and writing: read, they say what was written; broken ones are refused."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.errors import UsageError
from meterworks.world import ReplayOptions, read_replay_file
from meterworks.world.replay_file import MISSING

START = 1_356_998_400
LARGEST = 2**31 - 1

names = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), include_characters=" "), min_size=1, max_size=60
)
cells = st.one_of(st.none(), st.integers(-LARGEST, LARGEST))
kinds = st.sampled_from([pa.int32(), pa.int64(), pa.float64(), pa.decimal128(24, 2)])


@st.composite
def files(draw):
    """(table of rows in any order, interval, slots of the rows, cells by home)."""
    interval_s = draw(st.sampled_from([900, 1800, 3600]))
    gap = draw(st.integers(0, 3000))
    rows = draw(st.integers(3, 12))
    slots = [*range(rows - 1), rows - 1 + gap]
    readings = st.lists(cells, min_size=rows, max_size=rows)
    homes = draw(st.dictionaries(names.map(lambda name: f"{name.strip()}!"), readings, min_size=1, max_size=4))
    order = draw(st.permutations(range(rows)))
    kind = draw(kinds)
    labels = pa.array(
        [START + slots[row] * interval_s for row in order], pa.timestamp("s", draw(st.sampled_from([None, "UTC"])))
    )
    columns = {name: pa.array([values[row] for row in order], pa.int64()).cast(kind) for name, values in homes.items()}
    place = draw(st.integers(0, len(columns)))
    items = list(columns.items())
    table = pa.table(dict([*items[:place], ("label_utc", labels), *items[place:]]))
    return table, interval_s, slots, homes


def read_table(table: pa.Table, ending: str):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file.{ending}"
        if ending == "csv":
            pa_csv.write_csv(table, path)
        else:
            pq.write_table(table, path)
        return read_replay_file(path, ReplayOptions(unit="wh"))


@settings(max_examples=80, deadline=None)
@given(made=files(), ending=st.sampled_from(["parquet", "csv"]))
def test_what_was_written_is_read(made, ending: str):
    table, interval_s, slots, homes = made
    file = read_table(table, ending)
    assert (file.interval_s, file.first_epoch_s, file.slots) == (interval_s, START, slots[-1] + 1)
    assert {home.name for home in file.homes} == set(homes)
    for home in file.homes:
        wanted = np.full(file.slots, np.nan)
        wanted[slots] = [np.nan if cell is None else cell for cell in homes[home.name]]
        there = home.import_wh != MISSING
        assert np.array_equal(there, ~np.isnan(wanted))
        export_wh = np.zeros(file.slots) if home.export_wh is None else home.export_wh
        assert np.array_equal((home.import_wh - export_wh)[there], wanted[there])
        assert not (home.import_wh[there] * export_wh[there]).any()


@settings(max_examples=80, deadline=None)
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: f"label,a\n{text}".encode())),
       ending=st.sampled_from(["parquet", "csv", "csv.gz"]))  # fmt: skip
def test_garbage_is_refused_with_a_sentence(content: bytes, ending: str):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file.{ending}"
        path.write_bytes(content)
        try:
            read_replay_file(path)
        except UsageError as error:
            assert str(path) in str(error)
