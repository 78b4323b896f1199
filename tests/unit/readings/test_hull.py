"""The hull: what has to be looked up, and what cannot be committed yet."""

import pyarrow as pa

from meterworks.readings.hull import CommittedHull
from meterworks.readings.trim import join_sets

T = 1_700_006_400


def rows_of(make_set, *sets):
    return join_sets([make_set(device, rows) for device, rows in sets])


def test_an_empty_hull_overlaps_nothing(make_set):
    rows = rows_of(make_set, (1, [(12, T, 0, 0)]))
    assert CommittedHull().overlapping(rows).tolist() == [False]


def test_rows_between_the_bounds_of_their_own_series_overlap(make_set):
    hull = CommittedHull()
    hull.extend(rows_of(make_set, (1, [(12, T + 1800, 0, 0), (12, T + 5400, 0, 0)])))
    rows = rows_of(make_set, (1, [(12, T + 1800 * k, 0, 0) for k in range(5)]), (2, [(12, T + 1800, 0, 0)]))
    assert hull.overlapping(rows).tolist() == [False, True, True, True, False, False]
    assert hull.overlapping(rows_of(make_set, (1, [(22, T + 1800, 0, 0)]))).tolist() == [False]


def test_extending_widens_known_series_and_adds_new_ones(make_set):
    hull = CommittedHull()
    hull.extend(rows_of(make_set, (1, [(12, T, 0, 0)])))
    hull.extend(rows_of(make_set, (1, [(12, T - 1800, 0, 0), (12, T + 1800, 0, 0)]), (3, [(22, T, 0, 0)])))
    assert len(hull) == 2
    assert hull.touches(1, 12, T - 1800, T - 1800)
    assert hull.touches(1, 12, T + 1800, T + 9000)
    assert not hull.touches(1, 12, T + 1801, T + 9000)
    assert hull.touches(3, 22, T, T)
    assert not hull.touches(3, 12, T, T)


def test_a_hull_made_from_the_warehouse_equals_one_that_grew(make_set):
    bounds = pa.table(
        {"device": pa.array([1], pa.int64()), "channel": pa.array([12], pa.int32()), "low": [T], "high": [T + 1800]}
    )
    hull = CommittedHull.of(bounds)
    hull.extend(rows_of(make_set, (1, [(12, T + 3600, 0, 0)])))
    assert hull.touches(1, 12, T + 3600, T + 3600)
    assert len(hull) == 1


def test_nothing_extends_nothing(make_set):
    hull = CommittedHull()
    hull.extend(rows_of(make_set, (1, [])))
    assert len(hull) == 0
    assert hull.overlapping(rows_of(make_set, (1, []))).tolist() == []
