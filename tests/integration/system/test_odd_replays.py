"""A file as strangers make them, through the whole system: three years, odd homes, odd names, an odd end."""

import os
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from tests.replayed import Household, differences, readings, settled
from tests.running import running_system

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not os.environ.get("SOAK_REPLAYS"), reason="make soak replays it"),
]
STEP = 1800
SLOTS = 3 * 365 * 48 + 25  # ends at 12:30
FIRST = 1_451_606_400  # 2016-01-01
LARGEST = 2**31 - 1


def homes_of(chance):
    """Values per slot by name, NaN where there is none; negative values are exported."""
    usage = chance.gamma(1.2, 180, (9, SLOTS)).astype(np.int64).astype(float)
    usage[0][chance.random(SLOTS) < 0.01] = np.nan
    usage[1][5000:40_000] = np.nan  # two years
    usage[2][chance.random(SLOTS) < 0.3] *= -1
    usage[3][:] = np.nan
    usage[3][-1] = 7
    usage[4][:-1] = np.nan
    usage[4][0] = 3
    names = ("home_a", "long gap", "a/b c", "Zürich №7 50%", "x" * 60, "..", "a.b+c&d=e?f#g", "北京", "o'Brien;")
    return {
        **dict(zip(names, usage, strict=True)),
        "empty": np.full(SLOTS, np.nan),
        "zeros": np.zeros(SLOTS),
        "large": np.full(SLOTS, float(LARGEST)),
    }


def household(values):
    there = ~np.isnan(values)
    starts, wh = FIRST + STEP * there.nonzero()[0], values[there].astype(np.int64)
    return Household(starts, np.maximum(wh, 0), np.maximum(-wh, 0) if (wh < 0).any() else None)


def test_every_home_of_an_odd_file_comes_out_as_it_went_in(tmp_path):
    homes = homes_of(np.random.default_rng(11))
    starts = FIRST + STEP * np.arange(SLOTS)
    columns = {name: pa.array(values, from_pandas=True) for name, values in reversed(homes.items())}
    times = pa.array(starts * 1000, pa.timestamp("ms", "Australia/Sydney"))
    pa_parquet.write_table(pa.table({**columns, "when": times}), tmp_path / "odd.parquet")
    with running_system(tmp_path / "var", "--replay", str(tmp_path / "odd.parquet")) as system:
        system.wait(lambda: settled(system, "load_import", "load_export"), "filled", 150.0)
        faults = [text for name, values in homes.items() for text in differences(system, name, STEP, household(values))]
        newest = int(readings(system, "zeros", STEP)[0].max())
        shown = [system.get(f"/metering-points/{quote(name, safe='')}") for name in homes]
        empty = readings(system, "empty", STEP)
    assert faults == []
    assert newest % 86_400 == 12 * 3600
    assert len(empty[0]) == 0
    assert sorted(point["id"] for point in shown) == sorted(homes)
