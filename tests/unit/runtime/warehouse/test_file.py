"""Splitting rows into the pieces they are written to."""

import numpy as np
import pyarrow as pa
import pytest

from meterworks.runtime.warehouse import file as warehouse_file


@pytest.mark.parametrize("run", [1, 7, 63, 64, 65, 1000])
def test_rows_of_a_piece_keep_their_order_however_they_lie(run):
    keys = np.repeat(np.tile(np.array([3, 1, 70_000], dtype=np.uint32), 4), run)
    rows = pa.table({"value": np.arange(len(keys))})
    parts = dict(warehouse_file._group(rows, keys))
    assert sorted(parts) == [1, 3, 70_000]
    for key, part in parts.items():
        assert part["value"].to_pylist() == np.flatnonzero(keys == key).tolist()


def test_a_single_row_is_a_piece():
    parts = warehouse_file._group(pa.table({"value": [5]}), np.array([2], dtype=np.uint32))
    assert [(key, part.to_pydict()) for key, part in parts] == [(2, {"value": [5]})]
