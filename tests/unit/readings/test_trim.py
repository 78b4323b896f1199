"""Trimming: each rule of the module's docstring by name."""

from dataclasses import fields

import numpy as np
import pytest

from meterworks.readings.trim import Observations, join_sets, trim_observations

T = 1_700_006_400
SUSPECT, MERGED, SHORT, POWER_DOWN = 256, 1024, 512, 128


def nothing_committed(wanted):
    return wanted.take(slice(0, 0))


def told(rows):
    return [
        (int(d), int(c), int(t) - T, int(v), int(f), int(n))
        for d, c, t, v, f, n in zip(
            rows.device, rows.channel, rows.ts_s, rows.value, rows.flags, rows.version, strict=True
        )
    ]


def committed(*rows):
    """Rows (device, channel, ts offset, value, flags, version) as the lookup gives them."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 6).T
    zeros = np.zeros(len(rows), dtype=np.int64)
    return Observations(
        device=columns[0],
        channel=columns[1],
        ts_s=columns[2] + T,
        value=columns[3],
        quality=zeros,
        flags=columns[4],
        version=columns[5],
        source=zeros,
        received_us=zeros,
    )


def trimmed(sets, before=None):
    rows = join_sets(sets)
    if before is None:
        return told(trim_observations(rows, np.zeros(len(rows), dtype=bool), nothing_committed))
    return told(trim_observations(rows, np.ones(len(rows), dtype=bool), lambda wanted: before))


def test_rows_come_out_ordered_with_version_one(make_set):
    sets = [make_set(9, [(12, T, 5, 0)]), make_set(2, [(22, T, 1, 0), (12, T + 1800, 3, 0), (12, T, 2, 0)])]
    assert trimmed(sets) == [
        (2, 12, 0, 2, 0, 1),
        (2, 12, 1800, 3, 0, 1),
        (2, 22, 0, 1, 0, 1),
        (9, 12, 0, 5, 0, 1),
    ]


def test_two_rows_of_one_interval_in_one_set_are_added_and_flagged(make_set):
    rows = [(12, T, 5, POWER_DOWN), (12, T, 7, 0), (12, T + 1800, 1, 0)]
    assert trimmed([make_set(1, rows)]) == [(1, 12, 0, 12, MERGED | POWER_DOWN, 1), (1, 12, 1800, 1, 0, 1)]


def test_two_rows_of_one_register_instant_in_one_set_keep_the_last(make_set):
    assert trimmed([make_set(1, [(14, T, 500, 0), (14, T, 507, 0)])]) == [(1, 14, 0, 507, MERGED, 1)]


def test_a_set_that_came_twice_in_one_batch_counts_once(make_set):
    rows = [(12, T, 5, 0), (12, T + 1800, 6, 0)]
    assert trimmed([make_set(1, rows, sequence=1), make_set(1, rows, sequence=2)]) == [
        (1, 12, 0, 5, 0, 1),
        (1, 12, 1800, 6, 0, 1),
    ]


def test_a_merged_set_that_came_twice_counts_once(make_set):
    rows = [(12, T, 5, 0), (12, T, 7, 0)]
    assert trimmed([make_set(1, rows, sequence=1), make_set(1, rows, sequence=2)]) == [(1, 12, 0, 12, MERGED, 1)]


def test_different_values_in_one_batch_become_versions_in_order_of_arrival(make_set):
    sets = [make_set(1, [(12, T, value, 0)], sequence=place) for place, value in enumerate((7, 5, 7, 9), start=1)]
    assert trimmed(sets) == [(1, 12, 0, 7, 0, 1), (1, 12, 0, 5, 0, 2), (1, 12, 0, 9, 0, 3)]


def test_a_committed_value_vanishes(make_set):
    assert trimmed([make_set(1, [(12, T, 5, 0)])], committed((1, 12, 0, 5, 0, 1))) == []


def test_a_different_value_becomes_the_next_version(make_set):
    before = committed((1, 12, 0, 5, 0, 1), (1, 12, 0, 6, 0, 2))
    assert trimmed([make_set(1, [(12, T, 7, 0)])], before) == [(1, 12, 0, 7, 0, 3)]


def test_an_old_set_delivered_again_after_a_correction_brings_nothing_back(make_set):
    before = committed((1, 12, 0, 5, 0, 1), (1, 12, 0, 6, 0, 2))
    assert trimmed([make_set(1, [(12, T, 5, 0)])], before) == []


@pytest.mark.parametrize(
    ("known_flags", "new_flags", "expected"),
    [
        pytest.param(0, SUSPECT, [(1, 12, 0, 5, SUSPECT, 2)], id="a value found suspect later says so once"),
        pytest.param(SUSPECT, 0, [], id="read again without the suspicion"),
        pytest.param(SUSPECT, SUSPECT, [], id="read again with the suspicion"),
        pytest.param(SUSPECT, SHORT, [(1, 12, 0, 5, SUSPECT | SHORT, 2)], id="judgements accumulate"),
        pytest.param(0, POWER_DOWN, [(1, 12, 0, 5, POWER_DOWN, 2)], id="the meter's own status differs"),
        pytest.param(POWER_DOWN, 0, [(1, 12, 0, 5, 0, 2)], id="the meter's own status went away"),
    ],
)
def test_flags_on_the_same_value(make_set, known_flags, new_flags, expected):
    assert trimmed([make_set(1, [(12, T, 5, new_flags)])], committed((1, 12, 0, 5, known_flags, 1))) == expected


def test_only_keys_that_may_be_committed_are_looked_up_and_each_once(make_set):
    rows = join_sets([make_set(1, [(12, T, 5, 0), (12, T + 1800, 6, 0)], sequence=n) for n in (1, 2)])
    asked = []

    def lookup(wanted):
        asked.append([int(ts) - T for ts in wanted.ts_s])
        return wanted.take(slice(0, 0))

    trim_observations(rows, rows.ts_s > T, lookup)
    assert asked == [[1800]]


def test_no_lookup_when_nothing_overlaps(make_set):
    rows = join_sets([make_set(1, [(12, T, 5, 0)])])
    fresh = trim_observations(rows, np.zeros(1, dtype=bool), lambda wanted: pytest.fail("looked up"))
    assert len(fresh) == 1


def test_a_version_tells_of_the_observation_that_made_it(make_set):
    sets = [
        make_set(1, [(12, T, 5, 0)], sequence=1, received_s=100),
        make_set(1, [(12, T, 5, 0)], sequence=2, received_s=200),
        make_set(1, [(12, T, 6, 0)], sequence=3, received_s=300),
    ]
    rows = trim_observations(join_sets(sets), np.zeros(3, dtype=bool), nothing_committed)
    assert rows.received_us.tolist() == [100_000_000, 300_000_000]


def test_empty_sets_bring_nothing(make_set):
    assert trimmed([make_set(1, []), make_set(2, [])]) == []


def test_sets_of_many_devices_and_channels_interleaved_lose_nothing(make_set):
    sets = [
        make_set(device, [(channel, T + 1800 * k, device + k, 0) for k in range(3) for channel in (12, 22)], sequence=n)
        for n, device in enumerate((7, 3, 5, 1), start=1)
    ]
    got = trimmed(sets)
    assert got == sorted(got)
    assert len(got) == 4 * 2 * 3


def test_table_has_the_columns_of_the_warehouse(make_set):
    rows = join_sets([make_set(1, [(12, T, 5, 0)])])
    table = rows.to_table()
    assert table.column_names == [
        "device", "channel", "ts", "value", "quality", "flags", "version", "source", "received_at",
    ]  # fmt: skip
    assert table["ts"][0].as_py().timestamp() != 0
    assert {field.name for field in fields(rows)} >= {"device", "channel", "value"}
