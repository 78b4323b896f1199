"""The clock object: what it shows, and that setting acts on the meter alone."""

from datetime import UTC, datetime, timedelta

import pytest

from meterworks.devices.zone import local_rule, zone_table
from meterworks.protocols.dlms import (
    ActionResult,
    CosemDateTime,
    DataAccessResult,
    encode_boolean,
    encode_date_time,
    encode_integer,
    encode_long,
    encode_octet_string,
    encode_structure,
)

CLOCK = "0.0.1.0.0.255"
READER, PUBLIC = 2, 16


def shown(bench, **options):
    return CosemDateTime.from_bytes(bench.read(CLOCK, 2, **options)).to_datetime().timestamp()


def stamp(epoch_s):
    return encode_date_time(CosemDateTime.from_datetime(datetime.fromtimestamp(epoch_s, UTC)))


def test_the_time_is_the_systems_time_in_local_writing(bench):
    assert shown(bench, client=PUBLIC) == pytest.approx(bench.hand.epoch_s, abs=0.011)


def test_static_attributes_of_a_clock_in_london(bench):
    assert bench.read(CLOCK, 3) == 0
    assert bench.read(CLOCK, 4) == 0
    assert bench.read(CLOCK, 5) == bytes.fromhex("FFFF03FE0701000000800000"[:22] + "FF")
    assert bench.read(CLOCK, 6) == bytes.fromhex("FFFF0AFE0702000000800000"[:22] + "FF")
    assert [bench.read(CLOCK, number) for number in (7, 8, 9)] == [60, True, 1]


def test_time_zone_counts_from_local_to_utc(make_bench):
    assert make_bench(time_zone="Europe/Berlin").read(CLOCK, 3) == -60


def test_a_zone_without_daylight_saving_says_so(make_bench):
    bench = make_bench(time_zone="Asia/Kolkata")
    assert bench.read(CLOCK, 8) is False
    assert bench.read(CLOCK, 3) == -330


def test_status_carries_daylight_saving_in_summer(bench):
    bench.hand.epoch_s = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    assert bench.read(CLOCK, 4) == 0x80


def test_setting_the_time_moves_this_meter_and_records_old_and_new(bench):
    wrong = bench.hand.epoch_s + 95
    assert bench.write(CLOCK, 2, stamp(wrong)) == DataAccessResult.SUCCESS
    assert shown(bench) == pytest.approx(wrong, abs=0.011)
    bench.hand.epoch_s += 10
    assert shown(bench) == pytest.approx(wrong + 10, abs=0.011)
    assert [(event.log, event.code) for event in bench.view.state.own_events(0)] == [(0, 4), (0, 5)]


def test_a_correction_below_a_second_leaves_no_event(bench):
    assert bench.write(CLOCK, 2, stamp(bench.hand.epoch_s + 0.5)) == DataAccessResult.SUCCESS
    assert bench.view.state.own_events(0) == []


def test_a_time_without_deviation_is_local(bench):
    bench.hand.epoch_s = datetime(2026, 7, 1, 11, tzinfo=UTC).timestamp()
    local = CosemDateTime(2026, 7, 1, 0xFF, 12, 30, 0, 0)
    assert bench.write(CLOCK, 2, encode_date_time(local)) == DataAccessResult.SUCCESS
    assert shown(bench) == datetime(2026, 7, 1, 11, 30, tzinfo=UTC).timestamp()


def test_a_time_with_wildcards_is_refused(bench):
    assert bench.write(CLOCK, 2, encode_date_time(CosemDateTime())) == DataAccessResult.OTHER_REASON


@pytest.mark.parametrize("client", [READER, PUBLIC])
def test_only_management_sets_the_clock(bench, client):
    assert bench.write(CLOCK, 2, stamp(0), client=client) == DataAccessResult.READ_WRITE_DENIED
    assert bench.act(CLOCK, 6, encode_long(5), client=client) == ActionResult.READ_WRITE_DENIED


@pytest.mark.parametrize("shift", [-60, 5, 900])
def test_shift_time_moves_by_seconds(bench, shift):
    assert bench.act(CLOCK, 6, encode_long(shift)) == ActionResult.SUCCESS
    assert bench.view.clock_error_s() == pytest.approx(shift)


def test_a_shift_beyond_the_standards_limit_is_refused(bench):
    assert bench.act(CLOCK, 6, encode_long(901)) == ActionResult.OTHER_REASON


def test_a_shift_without_a_number_is_refused(bench):
    assert bench.act(CLOCK, 6, encode_octet_string(b"x")) == ActionResult.TYPE_UNMATCHED


@pytest.mark.parametrize(
    ("method", "minute", "second"),
    [(1, 15, 0), (2, 0, 0), (3, 7, 0)],  # from 10:07:12: nearest quarter 10:00 or 10:15, half hour, minute
)
def test_adjusting_takes_the_nearest_mark(bench, method, minute, second):
    bench.hand.epoch_s = datetime(2026, 11, 21, 10, 7 if method != 1 else 8, 12, tzinfo=UTC).timestamp()
    assert bench.act(CLOCK, method) == ActionResult.SUCCESS
    moment = datetime.fromtimestamp(bench.view.now_epoch_s(), UTC)
    assert (moment.hour, moment.minute, moment.second) == (10, minute, second)


def preset(bench, *, value, starts, ends):
    return bench.act(
        CLOCK, 5, encode_structure(*(stamp(bench.hand.epoch_s + offset) for offset in (value, starts, ends)))
    )


def test_a_preset_time_is_taken_over_once(bench):
    assert preset(bench, value=30, starts=-10, ends=10) == ActionResult.SUCCESS
    assert bench.act(CLOCK, 4) == ActionResult.SUCCESS
    assert bench.view.clock_error_s() == pytest.approx(30, abs=0.02)
    assert bench.act(CLOCK, 4) == ActionResult.OTHER_REASON


def test_a_preset_time_outside_its_validity_is_refused(bench):
    assert preset(bench, value=30, starts=10, ends=20) == ActionResult.OTHER_REASON
    assert bench.act(CLOCK, 5, encode_octet_string(b"")) == ActionResult.TYPE_UNMATCHED


def test_a_drifting_clock_gains_with_time_and_is_right_after_a_set(make_bench):
    bench = make_bench(drift_ppm=20.0)
    bench.hand.epoch_s += timedelta(days=30).total_seconds()
    assert bench.view.clock_error_s() == pytest.approx(30 * 86_400 * 20e-6, rel=1e-3)
    bench.view.set_clock(bench.hand.epoch_s)
    assert bench.view.clock_error_s() == pytest.approx(0)


# --- local time by written rules -------------------------------------------------------------------------------------

LAST, SUNDAY, ANY = 0xFE, 7, 0xFF


def berlin(bench):
    """Give the clock the rules of Berlin, one attribute after the other."""
    begins = CosemDateTime(0xFFFF, 3, LAST, SUNDAY, 2, 0, 0, 0)
    ends = CosemDateTime(0xFFFF, 10, LAST, SUNDAY, 3, 0, 0, 0)
    for number, value in (
        (3, encode_long(-60)), (5, encode_octet_string(begins.to_bytes())), (6, encode_octet_string(ends.to_bytes())),
        (7, encode_integer(60)), (8, encode_boolean(True)),
    ):  # fmt: skip
        assert bench.write(CLOCK, number, value) is DataAccessResult.SUCCESS


def test_a_clock_with_written_rules_agrees_with_the_zone_database(bench):
    berlin(bench)
    theirs = zone_table("Europe/Berlin")
    for moment in theirs.change_epoch_s.tolist():
        if moment < datetime(1997, 1, 1, tzinfo=UTC).timestamp():
            continue  # the European rule of October holds since then
        for epoch_s in (moment - 1, moment, moment + 86_400):
            assert bench.view.zone.local_time(epoch_s) == theirs.local_time(epoch_s)
    assert bench.read(CLOCK, 3) == -60
    assert shown(bench) == pytest.approx(bench.hand.epoch_s, abs=0.011)


def test_written_rules_survive_a_restart_and_give_local_midnights(make_bench):
    first = make_bench()
    berlin(first)
    again = make_bench(state=first.view.state)
    midnight = CosemDateTime.from_bytes(again.read("1.0.98.2.0.255")[0][0])
    assert (midnight.hour, midnight.deviation_min) == (0, -120)  # the oldest row is of a summer


def test_daylight_saving_can_be_switched_off(bench):
    assert bench.write(CLOCK, 8, encode_boolean(False)) is DataAccessResult.SUCCESS
    bench.hand.epoch_s += 200 * 86_400
    assert CosemDateTime.from_bytes(bench.read(CLOCK, 2)).deviation_min == 0
    assert bench.read(CLOCK, 4) == 0
    assert bench.read(CLOCK, 8) is False


@pytest.mark.parametrize(
    ("number", "value"),
    [(3, encode_long(1500)), (7, encode_integer(125)), (5, encode_octet_string(b"short"))],
)
def test_a_rule_that_is_none_is_refused(bench, number, value):
    before = bench.read(CLOCK, number)
    assert bench.write(CLOCK, number, value) is not DataAccessResult.SUCCESS
    assert bench.read(CLOCK, number) == before


@pytest.mark.parametrize(
    ("rule", "day"),
    [
        (CosemDateTime(0xFFFF, 3, 8, SUNDAY, 2, 0, 0, 0), 8),
        (CosemDateTime(0xFFFF, 3, ANY, SUNDAY, 2, 0, 0, 0), 1),
        (CosemDateTime(0xFFFF, 3, 0xFD, SUNDAY, 2, 0, 0, 0), 22),
        (CosemDateTime(0xFFFF, 3, LAST, ANY, 2, 0, 0, 0), 31),
        (CosemDateTime(2026, 3, 5, ANY, 2, 0, 0, 0), 5),
        (CosemDateTime(2025, 3, 5, ANY, 2, 0, 0, 0), None),
        (CosemDateTime(0xFFFF, ANY, 5, ANY, 2, 0, 0, 0), None),
        (CosemDateTime(0xFFFF, 2, 30, ANY, 2, 0, 0, 0), None),
    ],
)
def test_a_rule_names_its_day_of_a_year(rule, day):
    found = local_rule(rule, 2026)
    assert (None if found is None else datetime.fromtimestamp(found, UTC).day) == day
