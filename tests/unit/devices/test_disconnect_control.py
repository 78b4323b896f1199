"""The supply switch: every transition of every control mode, and what a meter registers while it is open.

The table of the standard stands here a second time, written as who may do what from which state.
"""

from datetime import UTC, datetime

import numpy as np
import pytest
from tests.unit.devices.conftest import TITLE
from tests.unit.devices.plain_load import SteadyLoad, import_wh

from meterworks.devices import FleetState, MeterView
from meterworks.devices.disconnect_control import CONTROL_MODES, ControlState, Origin, SwitchOrder, operate
from meterworks.protocols.dlms import (
    ActionResult,
    CosemDateTime,
    DataAccessResult,
    RangeSelection,
    encode_enum,
    encode_long_unsigned,
)

SWITCH, SCRIPT, LOG = "0.0.96.3.10.255", "0.0.10.0.106.255", "0.0.99.98.0.255"
OFF, ON, READY = 0, 1, 2
REMOTE, MANUAL, LOCAL = Origin
OPEN, CLOSE = SwitchOrder
DONE, DENIED, OTHER = ActionResult.SUCCESS, ActionResult.READ_WRITE_DENIED, ActionResult.OTHER_REASON

# origin, order, state before: state after in each mode 0 to 6, or why not
EXPECTED = [
    (REMOTE, OPEN, ON, (DENIED, OFF, OFF, OFF, OFF, OFF, OFF)),
    (REMOTE, OPEN, READY, (DENIED, OFF, OFF, OFF, OFF, OFF, OFF)),
    (REMOTE, OPEN, OFF, (DENIED, OFF, OFF, OFF, OFF, OFF, OFF)),
    (REMOTE, CLOSE, OFF, (DENIED, READY, ON, READY, ON, READY, READY)),
    (REMOTE, CLOSE, READY, (DENIED, READY, OTHER, READY, OTHER, READY, READY)),
    (REMOTE, CLOSE, ON, (DENIED, ON, ON, ON, ON, ON, ON)),
    (MANUAL, OPEN, ON, (DENIED, READY, READY, DENIED, DENIED, READY, DENIED)),
    (MANUAL, OPEN, OFF, (DENIED, OFF, OFF, DENIED, DENIED, OFF, DENIED)),
    (MANUAL, CLOSE, READY, (DENIED, ON, ON, ON, ON, ON, ON)),
    (MANUAL, CLOSE, OFF, (DENIED, OTHER, OTHER, OTHER, OTHER, OTHER, OTHER)),
    (LOCAL, OPEN, ON, (DENIED, READY, READY, READY, READY, READY, READY)),
    (LOCAL, OPEN, READY, (DENIED, READY, READY, READY, READY, READY, READY)),
    (LOCAL, CLOSE, READY, (DENIED, DENIED, DENIED, DENIED, DENIED, ON, ON)),
    (LOCAL, CLOSE, OFF, (DENIED, DENIED, DENIED, DENIED, DENIED, OTHER, OTHER)),
]
CASES = [
    pytest.param(origin, order, before, mode, outcome, id=f"{origin.value}-{order.name}-from-{before}-mode-{mode}")
    for origin, order, before, outcomes in EXPECTED
    for mode, outcome in enumerate(outcomes)
]  # fmt: skip


def put_into(bench, mode, state):
    bench.view.switch_supply(connected=state == ON)
    bench.view.state.rows["control_state"][0] = state
    bench.view.state.rows["control_mode"][0] = mode


def switch_state(bench):
    return bench.read(SWITCH, 2), bench.read(SWITCH, 3)


@pytest.mark.parametrize(("origin", "order", "before", "mode", "outcome"), CASES)
def test_every_transition_of_every_control_mode(bench, origin, order, before, mode, outcome):
    put_into(bench, mode, before)
    result = operate(bench.view, origin, order)
    refused = isinstance(outcome, ActionResult)
    reached = before if refused else outcome
    assert result == (outcome if refused else DONE)
    assert switch_state(bench) == (reached == ON, reached)
    assert bench.view.gaps.is_open == (reached != ON)
    assert len(bench.view.state.own_events(0)) == (reached != before)


@pytest.mark.parametrize(
    ("letters", "origin", "order", "before", "event"),
    [
        ("a", REMOTE, CLOSE, OFF, 63), ("b", REMOTE, OPEN, ON, 62), ("c", REMOTE, OPEN, READY, 62),
        ("e", MANUAL, CLOSE, READY, 61), ("f", MANUAL, OPEN, ON, 60), ("g", LOCAL, OPEN, ON, 64),
    ],
)  # fmt: skip
def test_each_transition_leaves_its_event(bench, letters, origin, order, before, event):
    put_into(bench, 2, before)
    assert operate(bench.view, origin, order) == DONE, letters
    assert [row[1] for row in bench.read(LOG)] == [event]


@pytest.mark.parametrize(("origin", "before", "event"), [(REMOTE, OFF, 59), (LOCAL, READY, 69)])
def test_transitions_of_mode_five_leave_theirs(bench, origin, before, event):
    put_into(bench, 5, before)
    assert operate(bench.view, origin, CLOSE) == DONE
    assert [row[1] for row in bench.read(LOG)] == [event]


def test_mode_zero_switches_a_disconnected_supply_on(bench):
    bench.act(SWITCH, 1)
    assert bench.write(SWITCH, 4, encode_enum(0)) == DataAccessResult.SUCCESS
    assert switch_state(bench) == (True, ON)
    assert not bench.view.gaps.is_open


def test_the_modes_are_those_of_the_class():
    assert sorted(CONTROL_MODES) == list(range(7))
    assert [state.value for state in ControlState] == [0, 1, 2]


# --- what is registered ----------------------------------------------------------------------------------------------


def registers(bench):
    return [bench.read(f"1.0.{code}.255") for code in ("1.8.0", "1.8.1", "1.8.2", "2.8.0", "3.8.0", "4.8.0")]


def test_a_disconnected_meter_counts_nothing(bench):
    before = registers(bench)
    bench.act(SWITCH, 1)
    bench.hand.epoch_s += 10 * 3600
    assert registers(bench) == before
    bench.act(SWITCH, 2)
    assert registers(bench) == before
    bench.hand.epoch_s += 10 * 3600
    assert bench.read("1.0.1.8.0.255") > before[0]


def test_the_load_profile_has_rows_without_energy_while_it_is_off(bench):
    off_at = int(bench.hand.epoch_s)
    bench.act(SWITCH, 1)
    bench.hand.epoch_s += 4 * 3600
    bench.act(SWITCH, 2)
    bench.hand.epoch_s += 2 * 3600
    since = CosemDateTime.from_datetime(datetime.fromtimestamp(off_at - 3600, UTC))
    until = CosemDateTime.from_datetime(datetime.fromtimestamp(bench.hand.epoch_s, UTC))
    rows = bench.read("1.0.99.1.0.255", 2, selection=RangeSelection(from_=since, to=until).to_bytes())
    energies = [row[2] for row in rows]
    first = off_at // 1800
    # The plain load's registers move at the ends of intervals: one that the switch was open in at its end counts 0.
    assert energies == [
        import_wh(first - 2),
        import_wh(first - 1),
        *[0] * 8,
        *map(import_wh, range(first + 8, first + 12)),
    ]


def test_registers_and_profile_agree_at_any_second(make_bench):
    bench = make_bench()
    bench.view.unswitched_load = bench.view.load = SteadyLoad(bench.load.starts_epoch_s)
    for wait_s, method in ((137, 1), (5000, 2), (77, 1), (20, 2), (12_345, 1), (3601, 2)):
        bench.hand.epoch_s += wait_s
        assert bench.act(SWITCH, method) == DONE
    bench.hand.epoch_s += 7200
    first_s = int(bench.hand.epoch_s) // 1800 * 1800 - 20 * 1800
    block = bench.view.load.intervals(first_s, first_s + 20 * 1800)
    bounds = bench.view.load.registers_at_many(np.arange(first_s, first_s + 20 * 1800 + 1, 1800))
    assert block.import_wh.tolist() == np.diff(bounds.import_wh).tolist()
    assert bench.view.load.registers_at(int(bench.hand.epoch_s) - 7200).import_wh == 3 * (
        int(bench.hand.epoch_s) - 7200 - bench.load.starts_epoch_s - 5000 - 20 - 3601
    )


def test_maximum_demand_and_last_interval_know_of_the_switch(bench):
    bench.act(SWITCH, 1)
    bench.hand.epoch_s += 3600
    assert bench.read("1.0.1.29.0.255") == 0
    assert bench.read("1.0.1.4.0.255", 3) == 0


def test_a_restart_forgets_no_switching(make_bench, tmp_path):
    path = tmp_path / "fleet.state"
    bench = make_bench(state=FleetState(path, [TITLE]))
    before = registers(bench)
    bench.act(SWITCH, 1)
    bench.view.state.close()
    again = make_bench(state=FleetState(path, [TITLE]))
    again.hand.epoch_s += 86_400
    assert switch_state(again) == (False, OFF)
    assert registers(again) == before
    again.view.state.close()


def test_what_was_written_first_decides_after_a_kill_in_between(bench):
    """The stretch is kept, then the state: a process that dies between the two has switched."""
    bench.act(SWITCH, 1)
    bench.view.state.rows["output_connected"][0] = bench.view.state.rows["control_state"][0] = 1
    view = MeterView(
        0, bench.view.specification, bench.load, bench.view.state, epoch_s=bench.hand, object_lists={}
    )  # fmt: skip
    assert view.gaps.is_open
    assert (view.state.rows["output_connected"][0], view.state.rows["control_state"][0]) == (0, 0)


def test_setting_the_clock_back_lets_a_disconnected_meter_count_nothing(bench):
    bench.hand.epoch_s += 7200
    bench.act(SWITCH, 1)
    bench.view.set_clock(bench.view.now_epoch_s() - 7200)
    shown = registers(bench)
    bench.hand.epoch_s += 7200
    assert registers(bench) == shown


def test_only_the_meter_that_was_switched_pays_for_it(bench):
    assert bench.view.load is bench.load
    assert not list(bench.view.state.overlay.meters())
    bench.act(SWITCH, 1)
    assert bench.view.load is not bench.load
    assert len(bench.view.state.overlay.values(0)) == 1


@pytest.mark.parametrize("script", [0, 3, 250])
def test_the_switch_has_two_scripts(bench, script):
    assert bench.act(SCRIPT, 1, encode_long_unsigned(script)) == OTHER


def test_a_meter_switched_off_before_stretches_were_kept_stands_still_from_now_on(bench):
    rows = bench.view.state.rows
    rows["output_connected"][0] = rows["control_state"][0] = 0
    view = MeterView(0, bench.view.specification, bench.load, bench.view.state, epoch_s=bench.hand, object_lists={})
    assert view.gaps.begin_s.tolist() == [int(bench.hand.epoch_s)]
    before = view.registers()
    bench.hand.epoch_s += 86_400
    assert view.registers() == before
