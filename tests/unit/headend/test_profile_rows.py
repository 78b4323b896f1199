"""Rows of a profile become readings: starts, flags, merged rows, holes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meterworks.catalogue import ReadingFlag
from meterworks.headend.profile_rows import ProfileRows, RowRule, readings_from_rows
from meterworks.headend.ranges import normalise, subtract

STEP = 1800
LOAD = RowRule(channels=(12,), step_s=STEP, on_grid=True)
TWO = RowRule(channels=(32, 22), step_s=STEP, on_grid=True)
DAILY = RowRule(channels=(14,), step_s=25 * 3600, on_grid=False)
DAY = 86_400


def rows(stamps, *columns, status=None, valid=None, nulls=None):
    values = columns or (list(range(len(stamps))),)
    nulls = nulls or [None] * len(values)
    return ProfileRows(
        stamps=np.array(stamps, np.int64),
        stamps_valid=None if valid is None else np.array(valid),
        status=None if status is None else np.array(status, np.int64),
        columns=[
            (np.array(column, np.int64), None if null is None else np.array(null))
            for column, null in zip(values, nulls, strict=True)
        ],
    )


def listed(readings):
    return list(
        zip(
            readings.channel.tolist(),
            readings.ts_epoch_s.tolist(),
            readings.value.tolist(),
            readings.flags.tolist(),
            strict=True,
        )
    )


def test_an_end_stamp_becomes_the_interval_start():
    readings = readings_from_rows(rows([STEP, 2 * STEP], [10, 20], status=[0, 128]), LOAD, (0, 2 * STEP))
    assert listed(readings) == [(12, 0, 10, 0), (12, STEP, 20, 128)]
    assert readings.covered == ((0, 2 * STEP),)
    assert readings.absent == ()


def test_a_row_off_the_grid_belongs_to_the_interval_that_holds_its_last_second():
    readings = readings_from_rows(rows([STEP + 900, 3 * STEP], [10, 20]), LOAD, (0, 3 * STEP))
    assert listed(readings) == [(12, STEP, 10, ReadingFlag.SHORT_INTERVAL), (12, 2 * STEP, 20, 0)]
    assert readings.absent == ((0, STEP),)


def test_rows_of_one_interval_are_added_up_and_marked():
    readings = readings_from_rows(rows([900, STEP, 2 * STEP], [4, 6, 20], status=[32, 0, 0]), LOAD, (0, 2 * STEP))
    mark = ReadingFlag.SHORT_INTERVAL | ReadingFlag.MERGED_DUPLICATE | ReadingFlag.CLOCK_ADJUSTED
    assert listed(readings) == [(12, 0, 10, mark), (12, STEP, 20, 0)]


def test_two_rows_with_one_stamp_make_one_reading():
    readings = readings_from_rows(rows([STEP, STEP], [7, 3]), LOAD, (0, STEP))
    mark = ReadingFlag.SHORT_INTERVAL | ReadingFlag.MERGED_DUPLICATE
    assert listed(readings) == [(12, 0, 10, mark)]


def test_rows_newest_first_come_out_oldest_first():
    readings = readings_from_rows(rows([3 * STEP, 2 * STEP, STEP], [3, 2, 1]), LOAD, (0, 3 * STEP))
    assert [value for _, _, value, _ in listed(readings)] == [1, 2, 3]


def test_several_columns_come_out_by_channel():
    readings = readings_from_rows(rows([STEP, 2 * STEP], [1, 2], [3, 4]), TWO, (0, 2 * STEP))
    assert [(c, v) for c, _, v, _ in listed(readings)] == [(22, 3), (22, 4), (32, 1), (32, 2)]


def test_a_null_value_is_no_reading_and_a_row_of_nulls_is_a_hole():
    given = rows([STEP, 2 * STEP], [1, 0], [3, 0], nulls=[[False, True], [False, True]])
    readings = readings_from_rows(given, TWO, (0, 2 * STEP))
    assert [(c, t) for c, t, _, _ in listed(readings)] == [(22, 0), (32, 0)]
    assert readings.absent == ((STEP, 2 * STEP),)
    given = rows([STEP, 2 * STEP], [1, 2], [3, 0], nulls=[None, [False, True]])
    readings = readings_from_rows(given, TWO, (0, 2 * STEP))
    assert [(c, t) for c, t, _, _ in listed(readings)] == [(22, 0), (32, 0), (32, STEP)]
    assert readings.absent == ()


def test_nulls_survive_merging():
    given = rows(
        [900, STEP, STEP + 900, 2 * STEP], [1, 2, 0, 0], [5, 6, 7, 8], nulls=[[False, False, True, True], None]
    )
    readings = readings_from_rows(given, TWO, (0, 2 * STEP))
    assert [(c, t, v) for c, t, v, _ in listed(readings)] == [(22, 0, 11), (22, STEP, 15), (32, 0, 3)]


def test_what_was_not_asked_for_is_dropped():
    readings = readings_from_rows(rows([0, STEP, 2 * STEP, 3 * STEP], [1, 2, 3, 4]), LOAD, (STEP, 2 * STEP))
    assert [(t, v) for _, t, v, _ in listed(readings)] == [(STEP, 3)]


def test_a_row_without_a_time_is_dropped():
    readings = readings_from_rows(rows([STEP, 0], [1, 9], valid=[True, False]), LOAD, (0, STEP))
    assert [v for _, _, v, _ in listed(readings)] == [1]


def test_no_rows_are_one_hole():
    readings = readings_from_rows(rows([]), LOAD, (0, 4 * STEP))
    assert len(readings) == 0
    assert (readings.covered, readings.absent) == ((), ((0, 4 * STEP),))


def test_readings_from_the_last_good_contact_to_the_correction_are_suspect():
    given = rows([STEP, 2 * STEP, 3 * STEP], [1, 2, 3])
    readings = readings_from_rows(given, LOAD, (0, 3 * STEP), suspect=(STEP, 2 * STEP))
    assert [flags for _, _, _, flags in listed(readings)] == [0, ReadingFlag.CLOCK_SUSPECT, 0]


def test_a_register_is_named_by_its_instant_and_the_last_of_two_stands():
    readings = readings_from_rows(rows([DAY, DAY, 2 * DAY], [5, 6, 9]), DAILY, (1, 2 * DAY + 10))
    assert [(c, t, v) for c, t, v, _ in listed(readings)] == [(14, DAY, 6), (14, 2 * DAY, 9)]
    assert listed(readings)[0][3] == ReadingFlag.MERGED_DUPLICATE


def test_the_time_after_the_last_register_stays_open_until_the_next_is_overdue():
    readings = readings_from_rows(rows([DAY], [5]), DAILY, (1, DAY + 3600))
    assert (readings.covered, readings.absent) == (((1, DAY + 1),), ())
    readings = readings_from_rows(rows([DAY], [5]), DAILY, (1, 3 * DAY))
    assert (readings.covered, readings.absent) == (((1, DAY + 1),), ((DAY + 1, 3 * DAY),))


def test_no_register_yet_settles_nothing():
    readings = readings_from_rows(rows([]), DAILY, (1, DAY))
    assert (readings.covered, readings.absent) == ((), ())


def test_a_missing_midnight_is_a_hole():
    readings = readings_from_rows(rows([DAY, 3 * DAY], [5, 6]), DAILY, (DAY - 5, 3 * DAY + 1))
    assert readings.absent == ((DAY + 1, 3 * DAY),)


STAMPS = st.lists(st.integers(-STEP, 40 * STEP), max_size=60)


@given(STAMPS, st.integers(0, 20), st.integers(1, 20))
def test_energy_is_kept_and_every_second_asked_for_is_settled(stamps, first, length):
    asked = (first * STEP, (first + length) * STEP)
    values = [1 + i for i in range(len(stamps))]
    readings = readings_from_rows(rows(stamps, values), LOAD, asked)
    inside = [v for s, v in zip(stamps, values, strict=True) if asked[0] < s <= asked[1]]
    assert int(readings.value.sum()) == sum(inside)
    starts = readings.ts_epoch_s.tolist()
    assert starts == sorted(set(starts))
    assert normalise((*readings.covered, *readings.absent)) == normalise([asked])
    assert subtract(readings.covered, readings.absent) == readings.covered
    assert normalise((s, s + STEP) for s in starts) == readings.covered
