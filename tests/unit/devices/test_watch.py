"""The order in which a meter does what is due by itself, and that nothing is done twice or forgotten."""

import pytest
from tests.unit.devices.conftest import NOW, TITLE

from meterworks.devices import FleetState
from meterworks.devices.watch import ACTS_MAX, REACH_S, catch_up, note_change

START = int(NOW)


class Ticker:
    """Acts every so many seconds, and writes down when."""

    def __init__(self, period_s, done, *, active=True):
        self.period_s, self.done, self.active = period_s, done, active

    def is_active(self, view):
        return self.active

    def due(self, view, after_s, until_s):
        following = after_s // self.period_s * self.period_s + self.period_s
        return following if following <= until_s else None

    def act(self, view, at_s):
        self.done.append((self.period_s, at_s))


def look(bench, watches, seconds):
    bench.hand.epoch_s = START + seconds
    catch_up(bench.view, watches)


def test_the_first_look_begins_and_does_nothing(bench):
    done = []
    look(bench, (Ticker(10, done),), 0)
    assert done == []
    look(bench, (Ticker(10, done),), 25)
    assert [at for _, at in done] == [at for at in range(START, START + 26) if at % 10 == 0 and at > START]


def test_acts_come_in_the_order_of_their_instants_whoever_does_them(bench):
    done = []
    watches = (Ticker(30, done), Ticker(7, done))
    look(bench, watches, 0)
    look(bench, watches, 200)
    assert [at for _, at in done] == sorted(at for _, at in done)
    assert (
        len(done) == len(set(done)) == 200 // 30 + 200 // 7 + (START % 30 + 200 % 30 >= 30) + (START % 7 + 200 % 7 >= 7)
    )


@pytest.mark.parametrize("step_s", [1, 3, 50, 1000])
def test_looking_often_or_seldom_gives_the_same_acts(bench, step_s):
    done = []
    watches = (Ticker(17, done), Ticker(60, done))
    look(bench, watches, 0)
    for seconds in range(step_s, 1001, step_s):
        look(bench, watches, seconds)
    look(bench, watches, 1000)
    assert {period: sum(1 for each, _ in done if each == period) for period in (17, 60)} == {
        17: (START + 1000) // 17 - START // 17,
        60: (START + 1000) // 60 - START // 60,
    }


def test_a_behaviour_at_its_factory_setting_is_not_asked(bench):
    done = []
    look(bench, (Ticker(10, done, active=False),), 0)
    look(bench, (Ticker(10, done, active=False),), 100)
    assert done == []
    assert not list(bench.view.state.overlay.meters())


def test_what_was_missed_for_too_long_is_not_made_up_for(bench):
    done = []
    watches = (Ticker(86_400, done),)
    look(bench, watches, 0)
    look(bench, watches, 3 * REACH_S)
    assert len(done) == REACH_S // 86_400
    assert done[-1][1] > START + 3 * REACH_S - 86_400


def test_one_look_does_so_much_and_the_next_goes_on(bench):
    done = []
    look(bench, (Ticker(1, done),), 0)
    look(bench, (Ticker(1, done),), ACTS_MAX + 500)
    assert len(done) == ACTS_MAX
    look(bench, (Ticker(1, done),), ACTS_MAX + 501)
    assert [at for _, at in done] == list(range(START + 1, START + ACTS_MAX + 502))


def test_after_a_restart_it_goes_on_at_the_last_act(make_bench, tmp_path):
    done = []
    bench = make_bench(state=FleetState(tmp_path / "fleet.state", [TITLE]))
    look(bench, (Ticker(100, done),), 0)
    look(bench, (Ticker(100, done),), 250)
    bench.view.state.close()
    again = make_bench(state=FleetState(tmp_path / "fleet.state", [TITLE]))
    look(again, (Ticker(100, done),), 450)
    again.view.state.close()
    assert len(done) == len(set(done)) == (START + 450) // 100 - START // 100


def test_a_change_is_judged_from_its_moment_on(bench):
    done = []
    bench.hand.epoch_s = START + 1000
    note_change(bench.view)
    look(bench, (Ticker(100, done),), 1150)
    assert len(done) == (START + 1150) // 100 - (START + 1000) // 100
