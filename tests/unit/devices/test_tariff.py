"""Tariffs and schedules by the clock: calendars, special days, schedules, masks, single actions, scripts."""

from datetime import UTC, date, datetime

import pytest

from meterworks.devices.script import run_script
from meterworks.devices.tariff import day_profile
from meterworks.devices.tariff_part import encode_script
from meterworks.protocols.dlms import (
    ANY,
    ANY_YEAR,
    ActionResult,
    BitString,
    CosemDate,
    CosemDateTime,
    CosemTime,
    DataAccessResult,
    ObisCode,
    encode_array,
    encode_bit_string,
    encode_boolean,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)

CALENDAR, SPECIAL, SCHEDULE = "0.0.13.0.0.255", "0.0.11.0.0.255", "0.0.12.0.0.255"
ACTIVATION, TARIFF, SCRIPTS = "0.0.14.0.0.255", "0.0.96.14.0.255", "0.0.10.0.100.255"
SINGLE, SNAPSHOT, BILLING = "0.0.15.0.0.255", "0.0.98.10.0.255", "0.0.10.0.1.255"
SUCCESS = DataAccessResult.SUCCESS


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def go(bench, text):
    bench.hand.epoch_s = at(text)
    bench.meter.catch_up()


def text(value):
    return encode_octet_string(value)


def day(number, *switches):
    rows = [
        encode_structure(text(time.to_bytes()), text(ObisCode(SCRIPTS)), encode_long_unsigned(script))
        for time, script in ((CosemTime(hour, minute, 0, 0), script) for hour, minute, script in switches)
    ]
    return encode_structure(encode_unsigned(number), encode_array(rows))


def week(name, *days):
    return encode_structure(text(name), *map(encode_unsigned, days))


def season(name, month, number, week_name):
    start = CosemDateTime(ANY_YEAR, month, number, ANY, 0, 0, 0, 0)
    return encode_structure(text(name), text(start.to_bytes()), text(week_name))


SEASONS = encode_array([season(b"summer", 4, 1, b"S"), season(b"winter", 10, 1, b"W")])
WEEKS = encode_array([week(b"S", 1, 1, 1, 1, 1, 1, 1), week(b"W", 2, 2, 2, 2, 2, 1, 1)])
DAYS = encode_array([day(1, (0, 0, 1)), day(2, (7, 0, 2), (22, 30, 1)), day(3, (0, 0, 1), (12, 0, 2))])


def write_passive(bench):
    for number, value in ((6, text(b"new")), (7, SEASONS), (8, WEEKS), (9, DAYS)):
        assert bench.write(CALENDAR, number, value) is SUCCESS


def test_a_passive_calendar_becomes_active_at_its_instant_and_switches_tariffs(bench):
    write_passive(bench)
    moment = CosemDateTime(2026, 11, 22, ANY, 12, 0, 0, 0)
    assert bench.write(CALENDAR, 10, text(moment.to_bytes())) is SUCCESS
    go(bench, "2026-11-22T11:59:59")
    assert bench.read(CALENDAR, 2) == b"factory"
    go(bench, "2026-11-23T06:59:59")
    assert bench.read(CALENDAR, 2) == b"new"
    assert bench.read(TARIFF) == 1
    go(bench, "2026-11-23T07:00:00")
    assert bench.read(TARIFF) == 2
    assert bench.read(ACTIVATION, 4) == b"T2"
    go(bench, "2026-11-23T22:30:00")
    assert bench.read(TARIFF) == 1
    assert bench.read(CALENDAR, 10) == CosemDateTime().to_bytes()


def test_what_was_missed_ends_as_if_somebody_had_looked(bench):
    write_passive(bench)
    assert bench.act(CALENDAR, 1) is SUCCESS
    go(bench, "2026-11-27T12:00:00")
    assert bench.read(TARIFF) == 2


def test_a_calendar_survives_a_restart(make_bench):
    first = make_bench()
    write_passive(first)
    first.act(CALENDAR, 1)
    again = make_bench(state=first.view.state)
    go(again, "2026-11-23T08:00:00")
    assert again.read(CALENDAR, 2) == b"new"
    assert again.read(TARIFF) == 2


@pytest.mark.parametrize(
    ("when", "profile"),
    [("2026-11-23", 2), ("2026-11-22", 1), ("2026-06-01", 1), ("2026-01-05", 2), ("2026-12-25", 3), ("2026-03-31", 2)],
)
def test_season_week_and_special_day_decide_the_day(bench, when, profile):
    write_passive(bench)
    bench.act(CALENDAR, 1)
    christmas = encode_structure(
        encode_long_unsigned(1), text(CosemDate(ANY_YEAR, 12, 25).to_bytes()), encode_unsigned(3)
    )
    assert bench.act(SPECIAL, 1, christmas) is SUCCESS
    calendar = bench.view.objects[ObisCode(CALENDAR)]
    assert day_profile(bench.view, calendar, date.fromisoformat(when)) == profile


def test_special_days_are_inserted_in_order_replaced_and_deleted(bench):
    def row(index, month, profile):
        return encode_structure(
            encode_long_unsigned(index), text(CosemDate(ANY_YEAR, month, 1).to_bytes()), encode_unsigned(profile)
        )

    for parameter in (row(2, 5, 1), row(1, 1, 1), row(2, 6, 3)):
        assert bench.act(SPECIAL, 1, parameter) is SUCCESS
    assert [(index, profile) for index, _, profile in bench.read(SPECIAL)] == [(1, 1), (2, 3)]
    assert bench.act(SPECIAL, 2, encode_long_unsigned(1)) is SUCCESS
    assert len(bench.read(SPECIAL)) == 1
    assert bench.act(SPECIAL, 2, encode_long_unsigned(9)) is ActionResult.OTHER_REASON
    assert bench.act(SPECIAL, 2, text(b"")) is ActionResult.TYPE_UNMATCHED
    assert bench.act(SPECIAL, 1, encode_long_unsigned(9)) is ActionResult.TYPE_UNMATCHED
    wrong = encode_structure(encode_long_unsigned(1), text(b"no date"), encode_unsigned(1))
    assert bench.act(SPECIAL, 1, wrong) is ActionResult.TYPE_UNMATCHED


ALWAYS = CosemDate()


def schedule_entry(index, time, weekdays, *, enabled=True, begins=ALWAYS, ends=ALWAYS, script=2):
    return encode_structure(
        encode_long_unsigned(index), encode_boolean(enabled), text(ObisCode(SCRIPTS)), encode_long_unsigned(script),
        text(time.to_bytes()), encode_long_unsigned(0), encode_bit_string(BitString.from_text(weekdays)),
        encode_bit_string(BitString.from_text("")), text(begins.to_bytes()), text(ends.to_bytes()),
    )  # fmt: skip


def test_a_schedule_runs_on_its_weekdays_between_its_dates(bench):
    begins, ends = CosemDate(2026, 11, 24), CosemDate(2026, 11, 30)
    assert bench.act(SCHEDULE, 2, schedule_entry(1, CosemTime(6, 0, 0), "1010000", begins=begins, ends=ends)) is SUCCESS
    go(bench, "2026-11-23T12:00:00")
    assert bench.read(TARIFF) == 1  # a Monday, before the first day
    go(bench, "2026-11-24T12:00:00")
    assert bench.read(TARIFF) == 1  # a Tuesday
    go(bench, "2026-11-25T06:00:00")
    assert bench.read(TARIFF) == 2


def test_a_disabled_entry_of_a_schedule_does_not_run(bench):
    assert bench.act(SCHEDULE, 2, schedule_entry(7, CosemTime(6, 0, 0), "1111111", enabled=False)) is SUCCESS
    go(bench, "2026-11-22T07:00:00")
    assert bench.read(TARIFF) == 1
    enable = encode_structure(*map(encode_long_unsigned, (0, 0, 1, 9)))
    assert bench.act(SCHEDULE, 1, enable) is SUCCESS
    assert bench.read(SCHEDULE)[0][1] is True
    go(bench, "2026-11-23T07:00:00")
    assert bench.read(TARIFF) == 2
    disable = encode_structure(*map(encode_long_unsigned, (7, 7, 0, 0)))
    assert bench.act(SCHEDULE, 1, disable) is SUCCESS
    assert bench.read(SCHEDULE)[0][1] is False
    assert bench.act(SCHEDULE, 3, encode_structure(encode_long_unsigned(1), encode_long_unsigned(9))) is SUCCESS
    assert bench.read(SCHEDULE) == []
    assert bench.act(SCHEDULE, 3, encode_unsigned(1)) is ActionResult.TYPE_UNMATCHED
    assert bench.act(SCHEDULE, 1, encode_unsigned(1)) is ActionResult.TYPE_UNMATCHED


def test_a_single_action_runs_at_each_of_its_times(bench):
    rows = [
        encode_structure(text(CosemTime(0, 0, 0, 0).to_bytes()), text(CosemDate(ANY_YEAR, ANY, ANY).to_bytes())),
        encode_structure(text(CosemTime(12, 0, 0, 0).to_bytes()), text(CosemDate(2026, 11, 22).to_bytes())),
    ]
    assert bench.write(SINGLE, 4, encode_array(rows)) is SUCCESS
    go(bench, "2026-11-23T12:30:00")
    stamps = [CosemDateTime.from_bytes(row[0]) for row in bench.read(SNAPSHOT)]
    assert [(stamp.day, stamp.hour) for stamp in stamps] == [(22, 0), (22, 12), (23, 0)]


def test_a_snapshot_holds_what_the_registers_were_at_its_instant(bench):
    row = encode_structure(text(CosemTime(0, 0, 0, 0).to_bytes()), text(CosemDate().to_bytes()))
    bench.write(SINGLE, 4, encode_array([row]))
    go(bench, "2026-11-22T18:00:00")
    (_, total, _) = bench.read(SNAPSHOT)[0]
    assert total == bench.load.registers_at(int(at("2026-11-22T00:00:00"))).import_wh
    assert total < bench.read("1.0.1.8.0.255")


def test_masks_name_registers_that_are_assigned(bench):
    night = encode_structure(text(b"night"), encode_array([encode_unsigned(4)]))
    assert bench.act(ACTIVATION, 2, night) is SUCCESS
    assert bench.write(ACTIVATION, 4, text(b"night")) is SUCCESS
    assert bench.read(TARIFF) == 3
    assert bench.write(ACTIVATION, 4, text(b"day")) is DataAccessResult.OTHER_REASON
    assert bench.act(ACTIVATION, 3, text(b"night")) is ActionResult.OTHER_REASON
    assert bench.act(ACTIVATION, 3, text(b"T1")) is SUCCESS
    far = encode_structure(text(b"far"), encode_array([encode_unsigned(9)]))
    assert bench.act(ACTIVATION, 2, far) is ActionResult.SCOPE_OF_ACCESS_VIOLATED
    register = encode_structure(encode_long_unsigned(3), text(ObisCode("1.0.3.8.0.255")))
    assert bench.act(ACTIVATION, 1, register) is SUCCESS
    assert len(bench.read(ACTIVATION, 2)) == 5
    nobody = encode_structure(encode_long_unsigned(3), text(ObisCode("1.0.77.8.0.255")))
    assert bench.act(ACTIVATION, 1, nobody) is ActionResult.OBJECT_UNDEFINED
    for method in (1, 2):
        assert bench.act(ACTIVATION, method, encode_unsigned(1)) is ActionResult.TYPE_UNMATCHED


# --- scripts ---------------------------------------------------------------------------------------------------------


def test_a_script_that_is_written_does_what_it_says(bench):
    table = encode_array(
        [
            encode_script(5, 1, 6, ObisCode(ACTIVATION), 4, text(b"T2")),
            encode_script(6, 2, 7, ObisCode(SNAPSHOT), 2, encode_integer(0)),
            encode_script(7, 1, 6, ObisCode(ACTIVATION), 44, text(b"T2")),
            encode_script(8, 2, 9, ObisCode(SCRIPTS), 1, encode_long_unsigned(8)),
            encode_script(9, 3, 9, ObisCode(SCRIPTS), 1, encode_long_unsigned(8)),
            encode_script(10, 2, 9, ObisCode("0.0.10.0.200.255"), 1, encode_long_unsigned(8)),
        ]
    )
    assert bench.write(SCRIPTS, 2, table) is SUCCESS
    assert bench.act(SCRIPTS, 1, encode_long_unsigned(5)) is SUCCESS
    assert bench.read(TARIFF) == 2
    assert bench.act(SCRIPTS, 1, encode_long_unsigned(6)) is SUCCESS
    assert bench.read(SNAPSHOT, 7) == 1
    for selector, result in ((7, ActionResult.OBJECT_UNDEFINED), (8, ActionResult.OTHER_REASON),
                             (9, ActionResult.OBJECT_UNDEFINED), (10, ActionResult.OBJECT_UNDEFINED),
                             (99, ActionResult.OTHER_REASON)):  # fmt: skip
        assert bench.act(SCRIPTS, 1, encode_long_unsigned(selector)) is result
    assert bench.act(SCRIPTS, 1, text(b"x")) is ActionResult.TYPE_UNMATCHED
    assert bench.view.script_depth == 0


def test_no_script_does_nothing_and_another_object_runs_none(bench):
    assert run_script(bench.view, bytes(6), 1) is ActionResult.SUCCESS
    assert run_script(bench.view, ObisCode(TARIFF), 1) is ActionResult.OBJECT_UNDEFINED
    assert run_script(bench.view, b"nobody", 1) is ActionResult.OBJECT_UNDEFINED
    assert run_script(bench.view, ObisCode(BILLING), 1) is ActionResult.SUCCESS


def test_only_management_writes_and_only_the_right_shape(bench):
    assert bench.write(CALENDAR, 6, text(b"x"), client=2) is DataAccessResult.READ_WRITE_DENIED
    assert bench.write(CALENDAR, 7, encode_array([encode_unsigned(1)])) is DataAccessResult.TYPE_UNMATCHED
    assert bench.write(CALENDAR, 7, encode_enum(1)) is DataAccessResult.TYPE_UNMATCHED
    assert bench.read(CALENDAR, 7) == []


def test_a_meter_whose_memory_is_full_says_so(bench):
    for number in range(890):
        bench.view.write((b"filler", number), bytes(1100))
    days = encode_array([day(number % 200, *[(hour, 0, 1) for hour in range(24)]) for number in range(80)])
    assert len(days) > 30_000
    assert bench.write(CALENDAR, 9, days) is SUCCESS
    assert bench.write(CALENDAR, 5, days) is DataAccessResult.TEMPORARY_FAILURE


# --- times that are no times -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [CosemTime(ANY, 0, 0, 0), CosemTime(6, ANY, 0, 0), CosemTime()])
def test_a_day_or_an_entry_with_a_time_left_open_is_refused(bench, time):
    action = encode_structure(text(time.to_bytes()), text(ObisCode(SCRIPTS)), encode_long_unsigned(2))
    days = encode_array([encode_structure(encode_unsigned(1), encode_array([action]))])
    for number in (5, 9):
        assert bench.write(CALENDAR, number, days) is DataAccessResult.OTHER_REASON
    assert bench.act(SCHEDULE, 2, schedule_entry(1, time, "1111111")) is ActionResult.OTHER_REASON
    assert bench.read(SCHEDULE) == []


def test_a_season_that_began_last_year_lasts_into_this_one(bench):
    write_passive(bench)
    bench.act(CALENDAR, 1)
    go(bench, "2026-11-21T10:10:00")
    calendar = bench.view.objects[ObisCode(CALENDAR)]
    assert day_profile(bench.view, calendar, date(2027, 3, 31)) == 2  # winter began in October
    assert day_profile(bench.view, calendar, date(2027, 4, 1)) == 1


@pytest.mark.parametrize(
    ("night", "expected"),
    [
        (("2026-10-25T00:29:59", "2026-10-25T00:30:00"), (1, 2)),  # 01:30 comes twice: the first one counts
        (("2027-03-28T01:29:59", "2027-03-28T01:30:00"), (1, 2)),  # 01:30 does not come: it is half past two
    ],
)
def test_a_switching_in_the_night_of_the_clock_change_happens_once(bench, night, expected):
    bench.hand.epoch_s = at(night[0][:10] + "T00:00:00") - 3600
    for number, value in (
        (6, text(b"n")),
        (7, SEASONS),
        (8, encode_array([week(b"S", *[1] * 7), week(b"W", *[1] * 7)])),
    ):
        bench.write(CALENDAR, number, value)
    bench.write(CALENDAR, 9, encode_array([day(1, (1, 30, 2), (4, 0, 1))]))
    bench.act(CALENDAR, 1)
    for moment, tariff in zip(night, expected, strict=True):
        go(bench, moment)
        assert bench.read(TARIFF) == tariff
    go(bench, night[0][:10] + "T05:00:00")
    assert bench.read(TARIFF) == 1


def test_a_single_action_has_exact_times_and_only_so_many(bench):
    def row(time):
        return encode_structure(text(time.to_bytes()), text(CosemDate().to_bytes()))

    rows = [row(CosemTime(ANY, ANY, 0, 0)), *(row(CosemTime(10, 8 + number % 50, 0, 0)) for number in range(80))]
    assert bench.write(SINGLE, 4, encode_array([*rows, row(CosemTime(11, 0, 0, 0))])) is SUCCESS
    go(bench, "2026-11-21T11:30:00")
    stamps = [CosemDateTime.from_bytes(kept[0]) for kept in bench.read(SNAPSHOT)]
    assert {stamp.hour for stamp in stamps} == {10}
    assert len(stamps) == 12  # the size of the profile


def test_a_day_of_too_many_switchings_is_refused(bench):
    crowded = encode_array([day(1, *[(number % 24, number // 24, 1) for number in range(65)])])
    assert bench.write(CALENDAR, 5, crowded) is DataAccessResult.OTHER_REASON
    many = encode_array([day(number % 256, (0, 0, 1)) for number in range(257)])
    assert bench.write(CALENDAR, 5, many) is DataAccessResult.OTHER_REASON
