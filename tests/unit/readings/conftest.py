"""Makers of reading sets for the readings tests."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from meterworks.readings import DecodedSet, Source

Row = tuple[int, int, int, int]  # channel, ts, value, flags
SetMaker = Callable[..., DecodedSet]


@pytest.fixture
def make_set() -> SetMaker:
    """Give a decoded set of rows (channel, ts, value, flags)."""

    def make(device: int, rows: Sequence[Row], *, sequence: int = 1, received_s: int = 1_700_000_000) -> DecodedSet:
        columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
        return DecodedSet(
            sequence=sequence,
            set_id=f"set-{sequence}",
            device=device,
            profile="load_import",
            range_start=0,
            range_end=0,
            received_us=received_s * 1_000_000,
            source=Source.PULL,
            channel=columns[0].copy(),
            ts_s=columns[1].copy(),
            value=columns[2].copy(),
            flags=columns[3].copy(),
        )

    return make
