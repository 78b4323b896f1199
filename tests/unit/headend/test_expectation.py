"""The expectation table: what is expected, sent, crossed off and returned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.headend.expectation import ConfirmedSet, ExpectationTable, ProfileRule
from meterworks.headend.ranges import intersect, normalise, subtract, union

STEP = 1800
DAY = 86_400
LOAD = ProfileRule(profile="load_import", step_s=STEP, depth_s=10 * DAY, on_grid=True)
DAILY = ProfileRule(profile="daily", step_s=3600, depth_s=10 * DAY, on_grid=False)
PAIR = (7, "load_import")
OPEN_END = 2**40


def table_with(installed=((0, OPEN_END),), until=2 * DAY, rule=LOAD):
    table = ExpectationTable()
    table.lay_down(7, rule, installed, until_epoch_s=until)
    return table


def confirmed(set_id, start, end, device_id=7, profile="load_import"):
    return ConfirmedSet(set_id, device_id, profile, start, end)


def test_whole_intervals_of_the_installed_time_are_expected():
    table = table_with(installed=((100, OPEN_END),), until=4000.0)
    assert table.missing(PAIR) == ((0, 3600),)


def test_the_interval_in_which_a_meter_is_removed_is_expected_of_it():
    table = table_with(installed=((0, 2 * STEP + 1),), until=DAY)
    assert table.missing(PAIR) == ((0, 3 * STEP),)


def test_registers_are_expected_from_the_very_second_of_installation():
    table = table_with(installed=((100, OPEN_END),), until=2 * DAY, rule=DAILY)
    assert table.missing((7, "daily")) == ((100, 2 * DAY),)


def test_only_what_the_device_remembers_is_expected():
    table = table_with(until=20 * DAY)
    assert table.missing(PAIR) == ((10 * DAY, 20 * DAY),)


def test_laying_down_again_adds_only_what_became_due():
    table = table_with(until=2 * DAY)
    table.mark_sent(PAIR, "a", ((0, 2 * DAY),), at_epoch_s=1.0, rows=96)
    table.confirm([confirmed("a", 0, 2 * DAY)])
    table.lay_down(7, LOAD, ((0, OPEN_END),), until_epoch_s=2 * DAY + STEP + 5)
    assert table.missing(PAIR) == ((2 * DAY, 2 * DAY + STEP),)


def test_a_back_dated_installation_is_expected_too():
    table = table_with(installed=((DAY, OPEN_END),), until=2 * DAY)
    table.mark_sent(PAIR, "a", ((DAY, 2 * DAY),), at_epoch_s=1.0, rows=48)
    table.confirm([confirmed("a", DAY, 2 * DAY)])
    table.lay_down(7, LOAD, ((0, OPEN_END),), until_epoch_s=2 * DAY)
    assert table.missing(PAIR) == ((0, DAY),)


def test_a_corrected_removal_takes_expectations_back():
    table = table_with(until=2 * DAY)
    table.lay_down(7, LOAD, ((0, DAY),), until_epoch_s=2 * DAY)
    assert table.missing(PAIR) == ((0, DAY),)
    assert table.totals("load_import").expected_s == DAY


def test_what_the_device_has_forgotten_becomes_a_gap():
    table = table_with(until=2 * DAY)
    table.lay_down(7, LOAD, ((0, OPEN_END),), until_epoch_s=11 * DAY)
    ledger = table.ledger(PAIR)
    assert ledger.absent == ((0, DAY),)
    assert ledger.missing == ((DAY, 11 * DAY),)


def test_nothing_is_crossed_off_before_it_is_confirmed():
    table = table_with()
    table.mark_sent(PAIR, "a", ((0, DAY),), at_epoch_s=1.0, rows=48)
    assert table.missing(PAIR) == ((DAY, 2 * DAY),)
    assert table.totals("load_import").committed_s == 0
    assert table.confirm([confirmed("a", 0, DAY)]) == 1
    assert table.totals("load_import").committed_s == DAY
    assert table.unconfirmed_sets == table.unconfirmed_rows == 0


def test_a_lost_set_is_missing_again():
    table = table_with()
    table.mark_sent(PAIR, "a", ((0, DAY),), at_epoch_s=1.0, rows=48)
    table.give_back("a")
    assert table.missing(PAIR) == ((0, 2 * DAY),)
    assert table.totals("load_import").sent_s == 0


def test_a_lost_set_does_not_take_back_what_another_set_carries():
    table = table_with()
    table.mark_sent(PAIR, "a", ((0, DAY),), at_epoch_s=1.0, rows=48)
    table.mark_sent(PAIR, "b", ((DAY // 2, 2 * DAY),), at_epoch_s=1.0, rows=72)
    table.give_back("a")
    assert table.missing(PAIR) == ((0, DAY // 2),)


def test_confirmation_of_a_set_that_was_given_up_still_counts():
    table = table_with()
    table.mark_sent(PAIR, "a", ((0, DAY),), at_epoch_s=1.0, rows=48)
    table.give_back("a")
    assert table.confirm([confirmed("a", 0, DAY)]) == 0
    assert table.missing(PAIR) == ((DAY, 2 * DAY),)


def test_confirmation_for_a_device_nobody_expects_is_passed_over():
    assert table_with().confirm([confirmed("x", 0, DAY, device_id=99)]) == 0


def test_gaps_of_the_device_are_crossed_off_and_kept_as_gaps():
    table = table_with()
    table.mark_absent(PAIR, ((STEP, 3 * STEP),))
    assert table.missing(PAIR) == ((0, STEP), (3 * STEP, 2 * DAY))
    assert table.ledger(PAIR).absent == ((STEP, 3 * STEP),)


def test_a_gap_that_fills_later_is_no_gap():
    table = table_with()
    table.mark_absent(PAIR, ((0, 3 * STEP),))
    table.mark_sent(PAIR, "late", ((STEP, 2 * STEP),), at_epoch_s=1.0, rows=1)
    assert table.ledger(PAIR).absent == ((0, STEP), (2 * STEP, 3 * STEP))


def test_a_set_is_overdue_when_the_writer_passed_it():
    table = table_with()
    table.mark_sent(PAIR, "a", ((0, DAY),), at_epoch_s=100.0, rows=48)
    table.acknowledge("a", 5)
    options = {"passed_s_max": 60.0, "stale_s_max": 3600.0}
    assert table.overdue(150.0, position=5, **options) == []
    assert table.overdue(161.0, position=4, **options) == []
    assert table.overdue(161.0, position=5, **options) == ["a"]
    assert table.overdue(3701.0, position=0, **options) == ["a"]


def test_a_set_is_overdue_when_one_sent_well_after_it_was_confirmed():
    table = table_with()
    table.mark_sent(PAIR, "a", ((0, DAY),), at_epoch_s=100.0, rows=48)
    table.mark_sent(PAIR, "b", ((DAY, 2 * DAY),), at_epoch_s=161.0, rows=48)
    table.confirm([confirmed("b", DAY, 2 * DAY)])
    assert table.overdue(162.0, passed_s_max=60.0, stale_s_max=3600.0, position=0) == ["a"]


def test_a_forgotten_profile_leaves_no_trace_in_the_totals():
    table = table_with()
    table.mark_sent(PAIR, "a", ((0, DAY),), at_epoch_s=1.0, rows=48)
    table.forget(7, "load_import")
    totals = table.totals("load_import")
    assert (totals.expected_s, totals.missing_s, totals.sent_s, totals.absent_s) == (0, 0, 0, 0)
    assert table.ledger(PAIR) is None
    assert table.unconfirmed_sets == 0


def test_what_is_stored_comes_back_the_same():
    table = table_with()
    table.mark_sent(PAIR, "a", ((0, STEP), (2 * STEP, DAY)), at_epoch_s=1.5, rows=47)
    table.acknowledge("a", 9)
    table.mark_absent(PAIR, ((DAY, DAY + STEP),))
    again = ExpectationTable()
    again.load(table.rows(PAIR))
    assert sorted(again.rows(PAIR), key=str) == sorted(table.rows(PAIR), key=str)
    assert again.totals("load_import") == table.totals("load_import")
    assert again.take_dirty() == set()
    assert again.confirm([confirmed("a", 0, DAY)]) == 1


def test_changed_pairs_are_told_once_and_can_be_returned():
    table = table_with()
    assert table.take_dirty() == {PAIR}
    assert table.take_dirty() == set()
    table.return_dirty([PAIR])
    assert table.take_dirty() == {PAIR}


def test_laying_down_what_is_known_changes_nothing():
    table = table_with()
    table.take_dirty()
    table.lay_down(7, LOAD, ((0, OPEN_END),), until_epoch_s=2 * DAY + 100)
    assert table.take_dirty() == set()


STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "lose", "confirm", "absent", "grow"]), st.integers(0, 30), st.integers(1, 12)),
    max_size=40,
)


@given(STEPS)
@pytest.mark.filterwarnings("error")
def test_every_expected_second_is_in_exactly_one_state(steps):
    table = table_with(until=20 * STEP)
    until, committed, serial = 20 * STEP, (), 0
    for action, start, length in steps:
        span = normalise([(start * STEP, (start + length) * STEP)])
        ledger = table.ledger(PAIR)
        if action == "send":
            serial += 1
            piece = intersect(span, ledger.missing)
            table.mark_sent(PAIR, f"s{serial}", piece, at_epoch_s=0.0, rows=length)
        elif action == "absent":
            table.mark_absent(PAIR, span)
        elif action == "grow":
            until += length * STEP
            table.lay_down(7, LOAD, ((0, OPEN_END),), until_epoch_s=until)
        elif ledger.sent:
            set_id, one = next(iter(ledger.sent.items()))
            if action == "lose":
                table.give_back(set_id)
            else:
                committed = union(committed, one.ranges)
                table.confirm([confirmed(set_id, 0, 0)])
    ledger = table.ledger(PAIR)
    parts = [ledger.missing, ledger.absent, ledger.sent_ranges(), committed]
    whole = normalise(piece for part in parts for piece in part)
    assert whole == ledger.expected
    assert sum(len(range(*piece)) for part in parts for piece in part) == sum(len(range(*r)) for r in ledger.expected)
    totals = table.totals("load_import")
    assert totals.committed_s == sum(end - start for start, end in committed)
    assert subtract(ledger.missing, ledger.expected) == ()
