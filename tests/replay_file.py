"""Replay files made for tests: homes with gaps, late starts and early ends, in the accepted wide form."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet

HALF_HOUR_S = 1800


def write_replay_file(path: Path, *, homes: int, days: int, seed: int) -> pa.Table:
    """Write a Parquet file of half-hours of `homes` homes in Wh, labelled UTC, and give the table."""
    chance = np.random.default_rng(seed)
    slots = days * 48
    labels = [datetime(2013, 1, 1) + timedelta(seconds=HALF_HOUR_S * slot) for slot in range(slots)]  # noqa: DTZ001
    columns: dict[str, pa.Array] = {"label_utc": pa.array(labels, pa.timestamp("ns"))}
    for home in range(homes):
        values = chance.gamma(1.2, 180, slots).astype(np.int64)
        missing = chance.random(slots) < 0.01
        if home % 4 == 1:
            missing[: int(chance.integers(1, slots // 3))] = True
        if home % 4 == 2:
            missing[int(chance.integers(slots // 2, slots)) :] = True
        columns[f"HOME{home:03d}"] = pa.array(values, pa.int32(), mask=missing)
    table = pa.table(columns)
    pa_parquet.write_table(table, path)
    return table


def present_values(table: pa.Table, home: str) -> list[tuple[int, int]]:
    """(label in epoch seconds, Wh) of every slot of a home that has a value, by time."""
    labels = (
        table.column(0).cast(pa.timestamp("s")).to_numpy(zero_copy_only=False).astype("datetime64[s]").astype(np.int64)
    )
    return [
        (int(label), value)
        for label, value in zip(labels, table.column(home).to_pylist(), strict=True)
        if value is not None
    ]
