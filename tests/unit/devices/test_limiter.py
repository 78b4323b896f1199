"""The limiter: when it acts, what it does, and that nobody has to look for it to happen."""

from datetime import UTC, datetime

import pytest
from tests.unit.devices.conftest import NOW, TITLE
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import FleetState
from meterworks.devices.disconnect_control import Origin, SwitchOrder, operate
from meterworks.devices.watch import REACH_S, catch_up
from meterworks.protocols.dlms import (
    ActionResult,
    CosemDateTime,
    DataAccessResult,
    encode_array,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
)

LIMITER, SWITCH, LOG = "0.0.17.0.0.255", "0.0.96.3.10.255", "0.0.99.98.0.255"
SWITCH_SCRIPTS = bytes((0, 0, 10, 0, 106, 255))
OK = DataAccessResult.SUCCESS
STEP = 1800
FIRST = int(NOW) // STEP * STEP + STEP  # start of the interval after now
CHANGED = 67


class StepLoad(PlainLoad):
    """Watts by number of the interval after now; 100 W where nothing else is said."""

    watts: dict

    def intervals(self, from_epoch_s, to_epoch_s):
        block = super().intervals(from_epoch_s, to_epoch_s)
        for place, start_s in enumerate(block.start_epoch_s.tolist()):
            block.import_wh[place] = self.watts.get((start_s - FIRST) // STEP, 100) * STEP // 3600
            block.export_wh[place] = 300 * STEP // 3600
        return block


@pytest.fixture
def make_limited(make_bench):
    """Give a function that makes a meter with these watts in the intervals after now, and a limiter of 1 kW."""

    def make(watts, *, limit_w=1000, over_s=60, under_s=120, mode=4, state=None):
        bench = make_bench(state=state)
        load = StepLoad(bench.load.starts_epoch_s)
        load.watts = watts
        bench.view.unswitched_load = bench.view.load = load
        bench.view.state.rows["control_mode"][0] = mode
        for attribute, value in ((4, limit_w), (6, over_s), (7, under_s)):
            assert bench.write(LIMITER, attribute, encode_double_long_unsigned(value)) == OK
        return bench

    return make


def events(bench):
    """Events since the limiter was set: (seconds after the first interval, code)."""
    log = [(int(CosemDateTime.from_bytes(row[0]).to_datetime().timestamp()) - FIRST, row[1]) for row in bench.read(LOG)]
    return [row for row in log if row[1] != CHANGED]


def acted(bench):
    """Codes of the limiter's events, whatever the clock says now."""
    return [event.code for event in bench.view.state.own_events(0) if event.code in (64, 65, 66)]


def look(bench, seconds):
    bench.hand.epoch_s = FIRST + seconds
    return bench.read(SWITCH, 2), bench.read(SWITCH, 3)


def actions(over, under):
    scripts = [
        encode_structure(encode_octet_string(name), encode_long_unsigned(number)) for name, number in (over, under)
    ]
    return encode_structure(*scripts)


def test_too_much_for_too_long_disconnects(make_limited):
    bench = make_limited({2: 1500})
    assert look(bench, 2 * STEP + 59) == (True, 1)
    assert look(bench, 2 * STEP + 60) == (False, 2)
    assert events(bench) == [(2 * STEP + 60, 65), (2 * STEP + 60, 64)]


def test_it_is_the_same_however_late_somebody_looks(make_limited):
    bench = make_limited({2: 1500})
    assert look(bench, 5 * 86_400) == (False, 2)
    assert events(bench)[:2] == [(2 * STEP + 60, 65), (2 * STEP + 60, 64)]
    assert bench.view.gaps.begin_s.tolist() == [FIRST + 2 * STEP + 60]


@pytest.mark.parametrize("watts", [{2: 1000}, {}, {2: 999, 3: 1000}])
def test_up_to_the_threshold_nothing_happens(make_limited, watts):
    bench = make_limited(watts)
    assert look(bench, 5 * STEP) == (True, 1)
    assert events(bench) == []


def test_shorter_than_the_minimum_duration_nothing_happens(make_limited):
    bench = make_limited({2: 1500, 4: 1500}, over_s=STEP + 1)
    assert look(bench, 9 * STEP) == (True, 1)


def test_a_duration_of_several_intervals_runs_through_them(make_limited):
    bench = make_limited({2: 1500, 3: 1200, 4: 9000}, over_s=2 * STEP + 300)
    for seconds in range(0, 8 * STEP, 700):  # looked at all the time: each look must not begin anew
        look(bench, seconds)
    assert events(bench)[0] == (4 * STEP + 300, 65)


def test_when_it_is_under_again_that_is_an_event_of_its_own(make_limited):
    bench = make_limited({2: 1500})
    look(bench, 4 * STEP)
    # Off means nothing flows: under the threshold from the moment of switching on.
    assert events(bench) == [(2 * STEP + 60, 65), (2 * STEP + 60, 64), (2 * STEP + 180, 66)]


def test_in_a_mode_with_local_reconnection_the_limiter_tries_again(make_limited):
    bench = make_limited({2: 1500}, mode=5)
    assert bench.write(LIMITER, 11, actions((SWITCH_SCRIPTS, 1), (SWITCH_SCRIPTS, 2))) == OK
    assert look(bench, 4 * STEP) == (True, 1)
    cycle = [(60, 65), (60, 64), (180, 66), (180, 69)]
    expected = [(2 * STEP + round_s + at, code) for round_s in range(0, STEP, 180) for at, code in cycle]
    assert events(bench) == expected[-len(events(bench)) :]
    off_s = bench.view.gaps.seconds_off(bench.view.unswitched_load._starts(FIRST, FIRST + 4 * STEP), STEP)
    assert off_s.tolist() == [0, 0, 1200, 0]


def test_a_switch_that_may_not_move_is_an_event(make_limited):
    bench = make_limited({2: 1500}, mode=0)
    assert look(bench, 3 * STEP) == (True, 1)
    assert events(bench)[:2] == [(2 * STEP + 60, 65), (2 * STEP + 60, 68)]


def test_a_limiter_without_action_only_tells(make_limited):
    bench = make_limited({2: 1500})
    assert bench.write(LIMITER, 11, actions((bytes(6), 0), (bytes(6), 0))) == OK
    assert look(bench, 5 * STEP) == (True, 1)
    assert events(bench) == [(2 * STEP + 60, 65), (3 * STEP + 120, 66)]


def test_any_script_of_the_meter_can_be_the_action(make_limited):
    bench = make_limited({2: 1500})
    tariffs = bytes((0, 0, 10, 0, 100, 255))
    assert bench.write(LIMITER, 11, actions((tariffs, 2), (tariffs, 1))) == OK
    assert look(bench, 2 * STEP + 59) == (True, 1)
    assert bench.read("0.0.96.14.0.255") == 1
    look(bench, 2 * STEP + 60)
    assert bench.read("0.0.96.14.0.255") == 2
    look(bench, 3 * STEP + 120)
    assert bench.read("0.0.96.14.0.255") == 1
    assert bench.view.gaps.is_open is False


def test_a_hand_at_the_meter_switches_on_again(make_limited):
    bench = make_limited({2: 1500})
    look(bench, 4 * STEP)
    assert operate(bench.view, Origin.MANUAL, SwitchOrder.RECONNECT) == ActionResult.SUCCESS
    assert look(bench, 5 * STEP) == (True, 1)


def test_export_can_be_the_monitored_value(make_limited):
    bench = make_limited({}, limit_w=250)
    export = encode_structure(
        encode_long_unsigned(3), encode_octet_string(bytes((1, 0, 2, 7, 0, 255))), encode_integer(2)
    )
    assert bench.write(LIMITER, 2, export) == OK
    assert bench.read(LIMITER, 2) == (3, bytes((1, 0, 2, 7, 0, 255)), 2)
    assert look(bench, STEP) == (False, 2)


def test_no_limit_is_the_factory_setting_and_costs_nothing(bench):
    assert [bench.read(LIMITER, attribute) for attribute in (3, 4, 5)] == [0, 0, 0]
    bench.load.asked.clear()
    bench.hand.epoch_s += 90 * 86_400
    bench.read("0.0.96.1.0.255")
    assert bench.load.asked == []
    assert not list(bench.view.state.overlay.meters())


def test_a_limit_taken_away_ends_the_excess(make_limited):
    bench = make_limited({2: 1500, 3: 1500, 4: 1500})
    look(bench, 2 * STEP + 70)
    assert bench.write(LIMITER, 4, encode_double_long_unsigned(0)) == OK
    look(bench, 2 * STEP + 400)
    assert events(bench)[-1] == (2 * STEP + 70 + 120, 66)


# --- emergency profile -----------------------------------------------------------------------------------------------


def emergency(bench, group, starts_s, duration_s):
    moment = CosemDateTime.from_datetime(datetime.fromtimestamp(FIRST + starts_s, UTC)).to_bytes()
    return bench.write(
        LIMITER, 8,
        encode_structure(
            encode_long_unsigned(group), encode_octet_string(moment), encode_double_long_unsigned(duration_s)
        ),
    )  # fmt: skip


@pytest.fixture
def emergency_bench(make_limited):
    bench = make_limited(dict.fromkeys(range(20), 700))
    assert bench.write(LIMITER, 5, encode_double_long_unsigned(500)) == OK
    assert bench.write(LIMITER, 9, encode_array([encode_long_unsigned(7)])) == OK
    return bench


def test_an_emergency_of_our_group_lowers_the_threshold_for_its_time(emergency_bench):
    bench = emergency_bench
    assert emergency(bench, 7, 3 * STEP + 100, 400) == OK
    shown = []
    for seconds in (3 * STEP + 99, 3 * STEP + 100, 3 * STEP + 499, 3 * STEP + 500):
        bench.hand.epoch_s = FIRST + seconds
        shown.append((bench.read(LIMITER, 10), bench.read(LIMITER, 3)))
    assert shown == [(False, 1000), (True, 500), (True, 500), (False, 1000)]
    assert events(bench)[0] == (3 * STEP + 160, 65)


@pytest.mark.parametrize(("group", "duration_s"), [(8, 400), (7, 0), (7, 59)])
def test_others_emergencies_and_too_short_ones_change_nothing(emergency_bench, group, duration_s):
    assert emergency(emergency_bench, group, STEP, duration_s) == OK
    assert look(emergency_bench, 9 * STEP) == (True, 1)
    assert events(emergency_bench) == []


def test_an_emergency_at_no_exact_time_never_begins(emergency_bench):
    value = encode_structure(
        encode_long_unsigned(7), encode_octet_string(CosemDateTime().to_bytes()), encode_double_long_unsigned(900)
    )
    assert emergency_bench.write(LIMITER, 8, value) == OK
    assert look(emergency_bench, 9 * STEP) == (True, 1)


# --- being written ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "value", "result"),
    [
        (2, encode_structure(encode_long_unsigned(3), encode_octet_string(bytes(6)), encode_integer(2)), "other"),
        (2, encode_structure(encode_array([]), encode_octet_string(bytes(6)), encode_integer(2)), "unmatched"),
        (4, encode_octet_string(b"x"), "unmatched"),
        (8, encode_structure(encode_long_unsigned(3), encode_octet_string(b""), encode_integer(2)), "unmatched"),
        (8, encode_structure(), "unmatched"),
        (9, encode_array([encode_octet_string(b"x")]), "unmatched"),
        (9, encode_array([encode_long_unsigned(1)] * 33), "other"),
        (11, encode_structure(encode_structure()), "unmatched"),
        (11, actions((SWITCH_SCRIPTS, 3), (SWITCH_SCRIPTS, 0)), "other"),
        (11, actions((bytes(6), 1), (SWITCH_SCRIPTS, 0)), "other"),
        (11, actions((bytes((0, 0, 1, 0, 0, 255)), 1), (SWITCH_SCRIPTS, 0)), "other"),
        (3, encode_double_long_unsigned(1), "denied"),
    ],
)
def test_what_a_limiter_cannot_be_set_to_is_refused(bench, attribute, value, result):
    expected = {
        "other": DataAccessResult.OTHER_REASON,
        "unmatched": DataAccessResult.TYPE_UNMATCHED,
        "denied": DataAccessResult.READ_WRITE_DENIED,
    }[result]
    before = bench.raw(LIMITER, attribute)
    assert bench.write(LIMITER, attribute, value) == expected
    assert bench.raw(LIMITER, attribute) == before


def test_settings_and_state_survive_a_restart(make_limited, make_bench, tmp_path):
    path = tmp_path / "fleet.state"
    bench = make_limited({2: 1500}, state=FleetState(path, [TITLE]))
    look(bench, 2 * STEP + 70)
    settings = [bench.raw(LIMITER, number) for number in range(2, 12)]
    bench.view.state.close()
    again = make_bench(state=FleetState(path, [TITLE]))
    load = again.view.unswitched_load = StepLoad(again.load.starts_epoch_s)
    load.watts = {2: 1500}
    again.view._use_gaps(again.view.gaps)
    assert look(again, 2 * STEP + 300) == (False, 2)
    assert [again.raw(LIMITER, number) for number in range(2, 12)] == settings
    assert events(again) == [(2 * STEP + 60, 65), (2 * STEP + 60, 64), (2 * STEP + 180, 66)]
    again.view.state.close()


def test_a_meter_nobody_looked_at_for_very_long_makes_up_for_the_last_weeks(make_limited):
    bench = make_limited({2: 1500})
    assert look(bench, REACH_S + 10 * STEP) == (True, 1)


def test_a_clock_set_back_repeats_nothing(make_limited):
    bench = make_limited({2: 1500})
    look(bench, 4 * STEP)
    before = acted(bench)
    assert before == [65, 64, 66]
    bench.view.set_clock(FIRST)
    assert bench.read(SWITCH, 3) == 2
    bench.hand.epoch_s += 2 * STEP
    bench.meter.catch_up()
    assert acted(bench) == before


def test_acts_of_one_instant_happen_once_each_in_the_order_of_the_table(bench):
    done = []

    class Once:
        def __init__(self, name, at_s):
            self.name, self.at_s = name, at_s

        def is_active(self, view):
            return True

        def due(self, view, after_s, until_s):
            return self.at_s if after_s < self.at_s <= until_s else None

        def act(self, view, at_s):
            done.append((self.name, at_s))

    watches = (Once("first", FIRST), Once("second", FIRST), Once("earlier", FIRST - 5))
    catch_up(bench.view, watches)
    bench.hand.epoch_s = FIRST + 100
    catch_up(bench.view, watches)
    catch_up(bench.view, watches)
    assert done == [("earlier", FIRST - 5), ("first", FIRST), ("second", FIRST)]


def test_mode_written_by_a_client_counts(make_limited):
    bench = make_limited({2: 1500})
    assert bench.write(SWITCH, 4, encode_enum(0)) == OK
    assert look(bench, 3 * STEP) == (True, 1)
