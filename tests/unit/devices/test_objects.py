"""Registers, identity, switch, limiter and push set-up as a client reads and writes them."""

from datetime import UTC, datetime

import pytest
from tests.unit.devices.conftest import INSTALLED, TITLE
from tests.unit.devices.plain_load import import_wh

from meterworks.devices.identity_object import logical_device_name
from meterworks.devices.push_object import PERIODS_S, PUSH_SETUPS
from meterworks.protocols.dlms import (
    ActionResult,
    CosemDate,
    CosemDateTime,
    CosemTime,
    DataAccessResult,
    encode_array,
    encode_double_long_unsigned,
    encode_enum,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
)

SWITCH, LIMITER, PUSH, SCHEDULE = "0.0.96.3.10.255", "0.0.17.0.0.255", "0.0.25.9.0.255", "0.0.15.0.4.255"
PUSH_SCRIPT, SWITCH_SCRIPT = "0.0.10.0.108.255", "0.0.10.0.106.255"


def test_totals_and_rates_are_the_loads_registers(bench):
    registers = bench.load.registers_at(int(bench.hand.epoch_s))
    codes = ("1.8.0", "2.8.0", "3.8.0", "4.8.0", "1.8.1", "1.8.2", "2.8.1", "2.8.2")
    read = [bench.read(f"1.0.{code}.255") for code in codes]
    assert read == [
        registers.import_wh, registers.export_wh, registers.import_varh, registers.export_varh,
        registers.import_rate_1_wh, registers.import_rate_2_wh, registers.export_rate_1_wh, registers.export_rate_2_wh,
    ]  # fmt: skip
    assert read[4] + read[5] == read[0]
    assert bench.read("1.0.1.8.0.255", 3) == (0, 30)


def test_momentary_values_are_integers_with_scalers(make_bench):
    bench = make_bench(phases=3)
    shown = {
        code: bench.read(f"1.0.{code}.255")
        for code in ("32.7.0", "52.7.0", "72.7.0", "31.7.0", "1.7.0", "2.7.0", "13.7.0", "14.7.0", "12.7.124",
                     "11.7.124", "52.7.124", "71.7.124")
    }  # fmt: skip
    assert shown == {
        "32.7.0": 230_100, "52.7.0": 229_200, "72.7.0": 231_300, "31.7.0": 4321, "1.7.0": 987, "2.7.0": 0,
        "13.7.0": 991, "14.7.0": 49_987, "12.7.124": 250, "11.7.124": 1400, "52.7.124": 250, "71.7.124": 1300,
    }  # fmt: skip
    assert bench.read("1.0.32.7.0.255", 3) == (-3, 35)


def test_the_last_interval_is_the_newest_complete_one(bench):
    number = int(datetime(2026, 11, 21, 9, 30, tzinfo=UTC).timestamp()) // 1800
    assert bench.read("1.0.1.29.0.255") == import_wh(number)


def test_an_interval_not_captured_reads_zero(make_bench):
    start = int(datetime(2026, 11, 21, 9, 30, tzinfo=UTC).timestamp())
    bench = make_bench(absent_starts=frozenset({start}))
    assert bench.read("1.0.1.29.0.255") == 0
    assert bench.read("0.0.96.10.1.255") == 0


def test_maximum_demand_is_that_of_this_month_with_its_time(bench):
    numbers = range(int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) // 1800, int(bench.hand.epoch_s) // 1800)
    highest = max(numbers, key=import_wh)
    assert bench.read("1.0.1.6.0.255") == 2 * import_wh(highest)
    shown = CosemDateTime.from_bytes(bench.read("1.0.1.6.0.255", 5)).to_datetime().timestamp()
    assert shown == (highest + 1) * 1800


def test_demand_register_gives_running_and_last_average(bench):
    number = int(bench.hand.epoch_s) // 1800
    assert bench.read("1.0.1.4.0.255", 3) == 2 * import_wh(number - 1)
    assert bench.read("1.0.1.4.0.255", 2) == 0  # the plain load's registers move at interval ends only
    assert bench.read("1.0.1.4.0.255", 8) == 1800


def test_a_new_meter_has_no_demand_yet(bench):
    bench.hand.epoch_s = INSTALLED + 10
    assert bench.read("1.0.1.6.0.255") == 0


def test_identity_is_unique_and_says_the_maker(bench):
    name = bench.read("0.0.42.0.0.255", client=16)
    assert name == logical_device_name(TITLE) == b"MWR00000000001A5"
    assert bench.read("0.0.41.0.0.255") == [(1, name)]
    assert bench.read("0.0.96.1.0.255") == b"MW0000000001"


def test_metrology_and_management_have_each_their_version_and_checksum(bench):
    shown = [bench.read(f"1.0.0.2.{part}.255", client=16) for part in (0, 8, 1, 9)]
    assert shown[0] != shown[2]
    assert shown[1] != shown[3]
    assert len(shown[1]) == len(shown[3]) == 8


@pytest.mark.parametrize(("client", "context", "mechanism"), [(16, 1, 0), (2, 3, 5), (1, 3, 5)])
def test_the_current_association_describes_the_asking_client(bench, client, context, mechanism):
    current = "0.0.40.0.0.255"
    assert bench.read(current, 3, client=client) == (client, 1)
    assert bench.read(current, 4, client=client)[-1] == context
    assert bench.read(current, 6, client=client)[-1] == mechanism
    assert bench.read(current, 5, client=client)[1:4] == (65_535, 65_535, 6)
    assert bench.read(current, 8, client=client) == 2
    assert bench.raw(current, 7, client=client) == DataAccessResult.READ_WRITE_DENIED


def test_other_association_objects_describe_their_own_client(bench):
    assert [bench.read(f"0.0.40.0.{index}.255", 3)[0] for index in (1, 2, 3)] == [16, 2, 1]
    assert [bench.read(f"0.0.40.0.{index}.255", 8) for index in (1, 2, 3)] == [0, 0, 2]


def test_security_setup_says_suite_policy_and_title(bench):
    assert [bench.read("0.0.43.0.0.255", number) for number in (2, 3, 5)] == [0x6C, 0, TITLE]


def test_the_newest_event_is_shown_by_log_and_over_all(make_bench):
    bench = make_bench(event_rows=((INSTALLED + 100, 0, 2), (INSTALLED + 200, 4, 76)))
    bench.hand.epoch_s = INSTALLED + 300
    assert [bench.read(f"0.0.96.11.{number}.255") for number in (0, 1, 4, 20, 21)] == [2, 0, 76, 4, 76]
    bench.view.record(1, 50)
    assert [bench.read(f"0.0.96.11.{number}.255") for number in (0, 1, 4, 20, 21)] == [2, 50, 76, 1, 50]


# --- switch and limiter ----------------------------------------------------------------------------------------------


def switch_state(bench):
    return bench.read(SWITCH, 2), bench.read(SWITCH, 3)


def test_disconnecting_stops_the_current_and_is_recorded(bench):
    assert switch_state(bench) == (True, 1)
    assert bench.act(SWITCH, 1) == ActionResult.SUCCESS
    assert switch_state(bench) == (False, 0)
    assert bench.read("1.0.31.7.0.255") == bench.read("1.0.1.7.0.255") == 0
    assert bench.read("1.0.32.7.0.255") > 0
    assert [row[1] for row in bench.read("0.0.99.98.0.255")] == [62]


@pytest.mark.parametrize(("mode", "reached"), [(1, (False, 2)), (2, (True, 1)), (4, (True, 1)), (6, (False, 2))])
def test_reconnecting_follows_the_control_mode(bench, mode, reached):
    bench.act(SWITCH, 1)
    assert bench.write(SWITCH, 4, encode_enum(mode)) == DataAccessResult.SUCCESS
    assert bench.act(SWITCH, 2) == ActionResult.SUCCESS
    assert switch_state(bench) == reached


def test_mode_zero_allows_no_remote_switching(bench):
    bench.write(SWITCH, 4, encode_enum(0))
    assert bench.act(SWITCH, 1) == bench.act(SWITCH, 2) == ActionResult.READ_WRITE_DENIED
    assert switch_state(bench) == (True, 1)


def test_a_mode_the_class_has_not_is_refused(bench):
    assert bench.write(SWITCH, 4, encode_enum(7)) == DataAccessResult.OTHER_REASON


def test_switching_twice_is_recorded_once(bench):
    assert [bench.act(SWITCH, 2), bench.act(SWITCH, 1), bench.act(SWITCH, 1)] == [ActionResult.SUCCESS] * 3
    assert [row[1] for row in bench.read("0.0.99.98.0.255")] == [62]


def test_scripts_work_the_switch(bench):
    assert bench.act(SWITCH_SCRIPT, 1, encode_long_unsigned(1)) == ActionResult.SUCCESS
    assert switch_state(bench) == (False, 0)
    assert bench.act(SWITCH_SCRIPT, 1, encode_long_unsigned(2)) == ActionResult.SUCCESS
    assert switch_state(bench) == (True, 1)
    assert bench.act(SWITCH_SCRIPT, 1, encode_long_unsigned(3)) == ActionResult.OTHER_REASON


@pytest.mark.parametrize("attribute", [4, 5, 6, 7])
def test_limits_are_kept(bench, attribute):
    assert bench.write(LIMITER, attribute, encode_double_long_unsigned(5000)) == DataAccessResult.SUCCESS
    assert bench.read(LIMITER, attribute) == 5000
    assert [row[1] for row in bench.read("0.0.99.98.0.255")] == [67]


def test_a_limit_that_is_no_number_is_unmatched(bench):
    assert bench.write(LIMITER, 4, encode_octet_string(b"x")) == DataAccessResult.TYPE_UNMATCHED


# --- push set-up -----------------------------------------------------------------------------------------------------


def destination(text, transport=0, message=0):
    return encode_structure(encode_enum(transport), encode_octet_string(text), encode_enum(message))


def test_a_push_destination_is_kept(bench):
    assert bench.write(PUSH, 3, destination(b"127.0.0.1:4060")) == DataAccessResult.SUCCESS
    assert bench.read(PUSH, 3) == (0, b"127.0.0.1:4060", 0)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (destination(b"nowhere"), DataAccessResult.OTHER_REASON),
        (destination(b"host:port"), DataAccessResult.OTHER_REASON),
        (destination(b"h" * 70 + b":1"), DataAccessResult.OTHER_REASON),
        (destination(b"\xff\xfe:1", transport=1), DataAccessResult.OTHER_REASON),
        (encode_structure(), DataAccessResult.TYPE_UNMATCHED),
        (destination(b""), DataAccessResult.SUCCESS),
    ],
)
def test_only_a_tcp_address_is_a_push_destination(bench, value, result):
    assert bench.write(PUSH, 3, value) == result


@pytest.mark.parametrize("instance", PUSH_SETUPS)
def test_every_pushed_attribute_is_an_object_and_the_first_names_the_setup(bench, instance):
    setup = PUSH_SETUPS[instance]
    assert setup.objects[0].obis_code == setup.obis_code
    assert [bench.raw(str(column.obis_code), column.attribute)[:0] for column in setup.objects] == [b""] * len(
        setup.objects
    )
    listed = bench.read(str(setup.obis_code), 2)
    assert [row[1] for row in listed] == [column.obis_code for column in setup.objects]


@pytest.mark.parametrize("instance", PUSH_SETUPS)
def test_push_and_its_script_ask_the_fleet(bench, instance):
    assert bench.act(f"0.0.25.9.{instance}.255", 1) == ActionResult.SUCCESS
    assert bench.act(PUSH_SCRIPT, 1, encode_long_unsigned(instance + 1)) == ActionResult.SUCCESS
    assert bench.pushed == [(0, instance)] * 2


def test_an_unknown_push_script_is_refused(bench):
    assert bench.act(PUSH_SCRIPT, 1, encode_long_unsigned(9)) == ActionResult.OTHER_REASON


def test_a_meter_without_a_head_end_cannot_push(bench):
    bench.view.push = None
    assert bench.act(PUSH, 1) == ActionResult.TEMPORARY_FAILURE


def times(*moments):
    date = encode_octet_string(CosemDate().to_bytes())
    return encode_array(
        encode_structure(encode_octet_string(CosemTime(*moment).to_bytes()), date) for moment in moments
    )


@pytest.mark.parametrize("period_s", PERIODS_S)
def test_every_period_survives_being_written_as_times_of_day(bench, period_s):
    bench.view.state.rows["push_period_s"][0] = period_s
    written = bench.raw(SCHEDULE, 4)
    bench.view.state.rows["push_period_s"][0] = 0
    assert bench.write(SCHEDULE, 4, written) == DataAccessResult.SUCCESS
    assert bench.view.state.rows["push_period_s"][0] == period_s


@pytest.mark.parametrize(
    ("value", "result", "period_s"),
    [
        (times(), DataAccessResult.SUCCESS, 0),
        (times((0xFF, 0, 0, 0), (0xFF, 30, 0, 0)), DataAccessResult.SUCCESS, 1800),
        (times((6, 0, 0, 0), (18, 0, 0, 0)), DataAccessResult.SUCCESS, 43_200),
        (times((6, 0, 0, 0), (7, 0, 0, 0), (18, 0, 0, 0)), DataAccessResult.OTHER_REASON, 900),
        (times((0xFF, 0xFF, 0, 0)), DataAccessResult.TYPE_UNMATCHED, 900),
        (encode_array([encode_structure()]), DataAccessResult.TYPE_UNMATCHED, 900),
    ],
    ids=["none", "half-hourly", "twice-a-day", "uneven", "every-minute", "no-time"],
)
def test_a_schedule_is_a_list_of_times_at_equal_distance(bench, value, result, period_s):
    bench.view.state.rows["push_period_s"][0] = 900
    assert bench.write(SCHEDULE, 4, value) == result
    assert bench.view.state.rows["push_period_s"][0] == period_s
