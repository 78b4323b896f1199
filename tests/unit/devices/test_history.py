"""Profile buffers: what is in them, selective access with both ends included, gaps, daylight saving, bounded work."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from tests.unit.devices.conftest import INSTALLED
from tests.unit.devices.plain_load import export_wh, import_wh

from meterworks.devices.history import HISTORIES
from meterworks.protocols.dlms import (
    ANY_YEAR,
    CLOCK_OBJECT,
    CaptureLayout,
    CaptureObject,
    CosemDateTime,
    DataAccessResult,
    EntrySelection,
    ObisCode,
    RangeSelection,
    TimeColumn,
    ValueColumn,
    decode_all,
    decode_capture_objects,
    decode_profile,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_profile,
    encode_structure,
)

LOAD, EXPORT, DAILY, MONTHLY = "1.0.99.1.0.255", "1.0.99.1.1.255", "1.0.98.2.0.255", "1.0.98.1.0.255"
STANDARD, TAMPER, POWER_QUALITY = "0.0.99.98.0.255", "0.0.99.98.1.255", "0.0.99.98.4.255"
HALF_HOUR = 1800


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def between(first, last, **options):
    return RangeSelection(
        from_=CosemDateTime.from_datetime(first), to=CosemDateTime.from_datetime(last), **options
    ).to_bytes()


def stamps(rows):
    """Epoch seconds of the first column, null data carried on by the capture period."""
    found = []
    for row in rows:
        if row[0] is None:
            found.append(found[-1] + HALF_HOUR)
        else:
            found.append(int(CosemDateTime.from_bytes(row[0]).to_datetime().timestamp()))
    return found


def table_of(bench, obis_code, selection=None):
    """Decode a buffer with the project's own columnar decoder, by the meter's own description of it."""
    objects = decode_capture_objects(bench.raw(obis_code, 3))
    layout = CaptureLayout.compile(objects, bench.read(obis_code, 4))
    return decode_profile(bench.raw(obis_code, selection=selection), layout)


def test_a_range_gives_both_ends_stamped_with_the_interval_end(bench):
    rows = bench.read(LOAD, selection=between(at(2026, 11, 20), at(2026, 11, 21)))
    first = int(at(2026, 11, 20).timestamp())
    assert stamps(rows) == [first + HALF_HOUR * index for index in range(49)]
    assert [row[2] for row in rows] == [import_wh(first // HALF_HOUR - 1 + index) for index in range(49)]


def test_a_range_asks_the_load_for_no_more_than_it_needs(bench):
    bench.load.asked.clear()
    bench.read(LOAD, selection=between(at(2026, 11, 20), at(2026, 11, 21)))
    assert sum(last - first for first, last in bench.load.asked) <= 50 * HALF_HOUR


def test_the_whole_buffer_holds_thirteen_months_and_a_day_up_to_the_last_complete_interval(bench):
    rows = bench.read(LOAD)
    assert len(rows) == 19_104 == bench.read(LOAD, 7) == bench.read(LOAD, 8)
    assert stamps(rows)[-1] == int(at(2026, 11, 21, 10).timestamp())


@pytest.mark.parametrize(("obis_code", "days"), [(LOAD, 398), (EXPORT, 92)])
def test_a_load_may_say_how_far_back_its_meter_remembers(make_bench, obis_code, days):
    assert make_bench().read(obis_code, 8) == days * 48
    bench = make_bench(history_days=400)
    assert bench.read(obis_code, 8) == 400 * 48
    installed = (int(at(2026, 11, 21, 10).timestamp()) - INSTALLED) // HALF_HOUR
    assert bench.read(obis_code, 7) == len(bench.read(obis_code)) == min(400 * 48, installed)
    assert bench.read(DAILY, 8) == 397


def test_a_young_meter_holds_what_it_captured(bench):
    bench.hand.epoch_s = INSTALLED + 10 * HALF_HOUR + 5
    rows = bench.read(LOAD)
    assert stamps(rows) == [INSTALLED + HALF_HOUR * index for index in range(1, 11)]
    assert bench.read(LOAD, 7) == 10


def test_a_meter_without_rows_gives_an_empty_array(bench):
    bench.hand.epoch_s = INSTALLED + 5
    assert bench.read(LOAD) == []
    assert bench.read(LOAD, 7) == 0


def test_the_boundary_belongs_to_the_row_that_just_ended(bench):
    bench.hand.epoch_s = at(2026, 11, 21, 10).timestamp()
    assert stamps(bench.read(LOAD))[-1] == bench.hand.epoch_s


def test_times_and_repeated_status_are_left_out(bench):
    encoded = bench.raw(LOAD, selection=between(at(2026, 11, 20), at(2026, 11, 21)))
    assert len(encoded) == 2 + 49 * 9 + 13 + 1


def test_a_gap_is_no_row_and_the_next_row_carries_its_time(make_bench):
    start = int(at(2026, 11, 20, 3).timestamp())
    bench = make_bench(absent_starts=frozenset({start, start + HALF_HOUR}))
    rows = bench.read(LOAD, selection=between(at(2026, 11, 20, 2, 30), at(2026, 11, 20, 5)))
    expected = [start - HALF_HOUR, start, *(start + HALF_HOUR * index for index in (3, 4))]
    assert stamps(rows) == expected
    assert rows[2][0] is not None
    assert bench.read(LOAD, 7) == 19_102


@pytest.mark.parametrize(
    ("day", "rows"), [(at(2026, 3, 29), 46), (at(2026, 10, 25), 50), (at(2026, 6, 1), 48)], ids=str
)
def test_a_local_day_has_46_or_50_rows_when_the_clock_changes(bench, day, rows):
    zone = bench.view.zone.zone
    begins = datetime(day.year, day.month, day.day, tzinfo=zone)
    ends = begins + timedelta(days=1)
    found = stamps(bench.read(LOAD, selection=between(begins + timedelta(seconds=1), ends)))
    assert len(found) == rows
    assert {later - earlier for earlier, later in pairwise(found)} == {HALF_HOUR}


def test_the_row_at_the_change_carries_its_time_and_new_deviation(bench):
    rows = bench.read(LOAD, selection=between(at(2026, 10, 25, 0), at(2026, 10, 25, 2)))
    given = [row[0] for row in rows if row[0] is not None]
    assert [CosemDateTime.from_bytes(stamp).deviation_min for stamp in given] == [-60, 0]
    assert [row[1] for row in rows] == [8, None, 0, None, None]


def test_bounds_may_be_given_in_local_time_without_deviation(bench):
    selection = RangeSelection(
        from_=CosemDateTime(2026, 7, 1, 0xFF, 12, 0, 0, 0), to=CosemDateTime(2026, 7, 1, 0xFF, 13, 0, 0xFF, 0xFF)
    )
    assert stamps(bench.read(LOAD, selection=selection.to_bytes())) == [
        int(at(2026, 7, 1, 11, minute).timestamp()) if minute < 60 else int(at(2026, 7, 1, 12).timestamp())
        for minute in (0, 30, 60)
    ]


def test_open_ends_take_everything_on_that_side(bench):
    selection = RangeSelection(from_=CosemDateTime.from_datetime(at(2026, 11, 21, 9)), to=CosemDateTime(year=ANY_YEAR))
    assert len(bench.read(LOAD, selection=selection.to_bytes())) == 3


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (at(2020, 1, 1), at(2020, 2, 1)),
        (at(2030, 1, 1), at(2030, 2, 1)),
        (at(2026, 11, 20), at(2026, 11, 19)),
        (at(2026, 11, 20, 0, 1), at(2026, 11, 20, 0, 29)),
    ],
)
def test_nothing_in_range_is_an_empty_array(bench, first, last):
    assert bench.raw(LOAD, selection=between(first, last)) == b"\x01\x00"


def test_columns_may_be_chosen(bench):
    value = CaptureObject(3, ObisCode("1.0.1.29.0.255"), 2)
    rows = bench.read(LOAD, selection=between(at(2026, 11, 20), at(2026, 11, 20, 1), columns=(value,)))
    first = int(at(2026, 11, 20).timestamp()) // HALF_HOUR - 1
    assert rows == [(import_wh(first + index),) for index in range(3)]
    rows = bench.read(LOAD, selection=between(at(2026, 11, 20), at(2026, 11, 20), columns=(value, CLOCK_OBJECT)))
    assert rows[0][0] == import_wh(first)
    assert len(rows[0][1]) == 12


@pytest.mark.parametrize(
    "selection",
    [
        between(at(2026, 11, 20), at(2026, 11, 21), sort_object=CaptureObject(3, ObisCode("1.0.1.8.0.255"), 2)),
        between(at(2026, 11, 20), at(2026, 11, 21), columns=(CaptureObject(3, ObisCode("1.0.9.9.9.255"), 2),)),
        b"\x03\x00",
        b"\x01\x00",
        b"\x01\x02\x04" + CLOCK_OBJECT.to_bytes() + b"\x00\x00\x01\x00",
        b"\x01\x02\x04" + CLOCK_OBJECT.to_bytes() + 2 * encode_date_time(CosemDateTime(2026)) + b"\x01\x00",
        EntrySelection(from_entry=0).to_bytes(),
        EntrySelection(from_column=3, to_column=2).to_bytes(),
        EntrySelection(to_column=9).to_bytes(),
    ],
    ids=["sort-object", "column", "selector-3", "null", "no-times", "wildcards", "entry-0", "columns-back", "column-9"],
)
def test_a_selection_without_sense_is_type_unmatched(bench, selection):
    assert bench.raw(LOAD, selection=selection) == DataAccessResult.TYPE_UNMATCHED


def test_selection_on_another_attribute_is_refused(bench):
    selection = between(at(2026, 11, 20), at(2026, 11, 21))
    assert bench.raw(LOAD, 3, selection=selection) == DataAccessResult.TYPE_UNMATCHED


@pytest.mark.parametrize(
    ("selection", "first", "count"),
    [
        (EntrySelection(from_entry=1, to_entry=3), 1, 3),
        (EntrySelection(from_entry=19_103), 19_103, 2),
        (EntrySelection(from_entry=19_104, to_entry=99_999), 19_104, 1),
        (EntrySelection(from_entry=19_105), 0, 0),
        (EntrySelection(from_entry=5, to_entry=4), 0, 0),
    ],
)
def test_entries_are_counted_from_the_oldest(bench, selection, first, count):
    rows = bench.read(LOAD, selection=selection.to_bytes())
    oldest = int(at(2026, 11, 21, 10).timestamp()) - 19_103 * HALF_HOUR
    assert stamps(rows) == [oldest + HALF_HOUR * (first - 1 + index) for index in range(count)]


def test_columns_of_entries_are_a_range_of_numbers(bench):
    rows = bench.read(LOAD, selection=EntrySelection(to_entry=1, from_column=3, to_column=3).to_bytes())
    assert len(rows[0]) == 1


def test_the_export_profile_has_three_values_and_three_months(bench):
    rows = bench.read(EXPORT)
    assert len(rows) == 92 * 48
    number = int(at(2026, 11, 21, 9, 30).timestamp()) // HALF_HOUR
    assert tuple(rows[-1][2:]) == (export_wh(number), number % 50, number % 20)


def test_the_columnar_decoder_reads_what_the_meter_writes(bench):
    table = table_of(bench, LOAD, between(at(2026, 10, 24), at(2026, 10, 27)))
    numbers = [(time - HALF_HOUR) // HALF_HOUR for time in table.time_epoch_s.tolist()]
    assert len(numbers) == 3 * 48 + 1
    assert table.columns[-1].tolist() == [import_wh(number) for number in numbers]


def test_daily_rows_are_registers_at_local_midnight(bench):
    rows = bench.read(DAILY, selection=between(at(2026, 10, 23, 12), at(2026, 10, 27, 12)))
    times = [CosemDateTime.from_bytes(row[0]) for row in rows if row[0] is not None]
    assert {(time.hour, time.minute) for time in times} == {(0, 0)}
    midnights = bench.view.zone.local_midnights(
        int(at(2026, 10, 23, 12).timestamp()), int(at(2026, 10, 27, 12).timestamp())
    )
    expected = [bench.load.registers_at(int(midnight)) for midnight in midnights]
    assert [row[1] for row in rows] == [registers.import_wh for registers in expected]
    assert [row[5] + row[6] for row in rows] == [registers.import_wh for registers in expected]


def test_daily_rows_reach_back_thirteen_months(bench):
    assert len(bench.read(DAILY)) == 397
    assert bench.read(DAILY, 4) == 86_400


def test_monthly_rows_bring_the_maximum_demand_of_the_month_before(bench):
    rows = bench.read(MONTHLY)
    assert len(rows) == 13 == bench.read(MONTHLY, 7)
    assert [CosemDateTime.from_bytes(row[0]).day for row in rows] == [1] * 13
    october = range(int(at(2026, 9, 30, 23).timestamp()) // HALF_HOUR, int(at(2026, 11, 1).timestamp()) // HALF_HOUR)
    assert rows[-1][7] == 2 * max(import_wh(number) for number in october)


def test_a_range_of_months_respects_the_number_of_entries(bench):
    rows = bench.read(MONTHLY, selection=between(at(2020, 1, 1), at(2026, 2, 15)))
    assert [CosemDateTime.from_bytes(row[0]).month for row in rows] == [11, 12, 1, 2]


EVENTS = ((INSTALLED + 100, 0, 1), (INSTALLED + 200, 0, 2), (INSTALLED + 150, 1, 40), (INSTALLED + 500, 4, 76))


def test_event_logs_hold_the_loads_events_and_the_meters_own(make_bench):
    bench = make_bench(event_rows=EVENTS)
    bench.hand.epoch_s = INSTALLED + 1000
    bench.view.record(1, 46)
    assert [row[1] for row in bench.read(STANDARD)] == [1, 2]
    assert [row[1] for row in bench.read(TAMPER)] == [40, 46]
    assert [row[1] for row in bench.read(POWER_QUALITY)] == [76]
    assert [int(CosemDateTime.from_bytes(row[0]).to_datetime().timestamp()) for row in bench.read(TAMPER)] == [
        INSTALLED + 150, INSTALLED + 1000,
    ]  # fmt: skip
    assert bench.read(TAMPER, 7) == 2
    assert bench.read(STANDARD, selection=between(at(2025, 6, 1, 0, 3), at(2025, 6, 1, 0, 4)))[0][1] == 2


def test_a_log_keeps_the_newest_events(make_bench):
    bench = make_bench(event_rows=tuple((INSTALLED + number, 0, number % 200 + 1) for number in range(1, 400)))
    bench.hand.epoch_s = INSTALLED + 10_000
    rows = bench.read(STANDARD)
    assert len(rows) == 256 == bench.read(STANDARD, 8)
    assert rows[-1][1] == 200


def test_an_interval_in_which_the_clock_was_set_is_marked(bench):
    bench.view.set_clock(bench.hand.epoch_s + 95)
    bench.hand.epoch_s += 3600
    rows = bench.read(LOAD, selection=between(at(2026, 11, 21, 9), at(2026, 11, 21, 11)))
    assert [row[1] for row in rows] == [0, None, None, 32, 0]


def test_a_clock_that_is_ahead_captures_earlier(bench):
    bench.hand.epoch_s = at(2026, 11, 21, 9, 59).timestamp()
    assert stamps(bench.read(LOAD))[-1] == at(2026, 11, 21, 9, 30).timestamp()
    bench.view.set_clock(bench.hand.epoch_s + 95)
    assert stamps(bench.read(LOAD))[-1] == at(2026, 11, 21, 10).timestamp()


def test_a_load_that_ended_captures_no_more_but_the_logs_go_on(make_bench):
    ends = int(at(2026, 10, 1).timestamp())
    bench = make_bench(ends_epoch_s=ends)
    bench.view.record(0, 62)
    assert stamps(bench.read(LOAD))[-1] == ends
    assert [row[1] for row in bench.read(STANDARD)] == [62]


@pytest.mark.parametrize(("interval_s", "entries"), [(900, 38_208), (3600, 9552)])
def test_other_capture_periods_fill_the_same_depth(make_bench, interval_s, entries):
    bench = make_bench(interval_s=interval_s)
    assert bench.read(LOAD, 4) == interval_s
    assert bench.read(LOAD, 8) == entries
    bench.hand.epoch_s = INSTALLED + 86_400
    assert len(bench.read(LOAD)) == 86_400 // interval_s


@pytest.mark.parametrize(("phases_of_day", "obis_code"), [((0, 24), LOAD), ((5, 9), LOAD), ((0, 24), EXPORT)])
def test_the_short_way_writes_the_octets_of_the_general_encoder(bench, phases_of_day, obis_code):
    first, last = (at(2026, 9, 1) + timedelta(hours=hour) for hour in phases_of_day)
    rows = HISTORIES["load_import" if obis_code == LOAD else "load_export"].rows(
        bench.view, int(first.timestamp()), int(last.timestamp())
    )
    columns = [TimeColumn(epoch_s=rows.stamp_epoch_s, deviation_min=-60, clock_status=0x80)]
    columns += [
        ValueColumn(values=values, tag=6 if index else 17, repeat_as_null=not index)
        for index, values in enumerate(rows.values)
    ]
    expected = encode_profile(columns, capture_period_s=HALF_HOUR)
    assert bench.raw(obis_code, selection=between(first, last)) == expected


@pytest.mark.parametrize("whole", [True, False], ids=["the whole buffer", "a range"])
def test_a_meter_taken_down_within_an_interval_has_a_last_row_stamped_with_that_moment(bench, whole):
    removed = at(2026, 11, 20, 10, 13, 20)
    bench.load.ends_epoch_s = int(removed.timestamp())
    selection = None if whole else between(at(2026, 11, 20, 9, 30), at(2026, 11, 20, 10, 30))
    rows = bench.read(LOAD, selection=selection)
    expected = [at(2026, 11, 20, 9, 30), at(2026, 11, 20, 10), removed]
    assert stamps(rows)[-3:] == [int(moment.timestamp()) for moment in expected]
    assert stamps(bench.read(LOAD, selection=between(at(2026, 11, 20, 10, 0, 1), removed))) == stamps(rows)[-1:]


def test_a_load_that_ends_on_a_boundary_has_no_row_beyond_it(bench):
    bench.load.ends_epoch_s = int(at(2026, 11, 20, 10).timestamp())
    rows = bench.read(LOAD, selection=between(at(2026, 11, 20, 9, 30), at(2026, 11, 20, 10, 30)))
    assert stamps(rows) == [int(at(2026, 11, 20, 9, 30).timestamp()), int(at(2026, 11, 20, 10).timestamp())]


# --- ranges of any column, and resets ---------------------------------------------------------------------------------


def column_between(column, low, high, *columns):
    return b"\x01" + encode_structure(
        column.to_bytes(), encode_double_long_unsigned(low), encode_double_long_unsigned(high),
        encode_array(chosen.to_bytes() for chosen in columns),
    )  # fmt: skip


def test_a_range_may_be_of_a_register(bench):
    energy = CaptureObject(3, ObisCode("1.0.1.29.0.255"), 2)
    values = [row[2] for row in bench.read(LOAD)]
    chosen = [row[0] for row in bench.read(LOAD, selection=column_between(energy, 900, 990, energy))]
    assert chosen == [value for value in values if 900 <= value <= 990]
    assert 0 < len(chosen) < len(values)


def test_a_range_of_a_register_between_dates_or_of_the_clock_between_numbers_is_refused(bench):
    energy = CaptureObject(3, ObisCode("1.0.1.29.0.255"), 2)
    dates = RangeSelection(from_=CosemDateTime(), to=CosemDateTime(), sort_object=energy).to_bytes()
    for selection in (dates, column_between(CLOCK_OBJECT, 1, 2), column_between(energy, 1, 2, CLOCK_OBJECT, STRANGER)):
        assert bench.raw(LOAD, selection=selection) is DataAccessResult.TYPE_UNMATCHED


STRANGER = CaptureObject(3, ObisCode("1.0.9.8.0.255"), 2)


def test_a_clock_that_is_not_the_first_column_is_found_all_the_same(bench):
    table = HISTORIES["daily"]
    turned = replace(table, columns=(*table.columns[1:3], CLOCK_OBJECT, *table.columns[3:]))
    assert decode_all(turned.read(bench.view, None))[-1][:2] == decode_all(table.read(bench.view, None))[-1][1:3]
    selection = between(at(2026, 11, 10), at(2026, 11, 12))
    usual, found = decode_all(table.read(bench.view, selection)), decode_all(turned.read(bench.view, selection))
    assert [(row[2], *row[:2], *row[3:]) for row in found] == usual
    assert len(usual) == 3


def test_a_reset_buffer_begins_anew_and_stays_so(make_bench):
    first = make_bench()
    assert first.act(LOAD, 1, client=2) is DataAccessResult.READ_WRITE_DENIED
    assert first.act(LOAD, 1) is DataAccessResult.SUCCESS
    assert first.read(LOAD) == []
    assert first.read(DAILY) != []
    again = make_bench(state=first.view.state)
    again.hand.epoch_s += 2 * HALF_HOUR
    assert len(again.read(LOAD)) == again.read(LOAD, 7) == 2
