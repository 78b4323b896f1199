"""The method of `tests.soak.timing` sees a leak, and the paths it times refuse; what it finds the soak tells."""

import math

import pytest
from tests.soak.timing import LIMIT, PATHS, Refusal, _compared, flipped, leaks_on_purpose, t_value

TRACES = 2_000


def test_a_comparison_that_stops_at_the_first_difference_is_seen():
    assert abs(t_value(_compared(leaks_on_purpose), traces=TRACES)) > 2 * LIMIT


@pytest.mark.parametrize("name", PATHS)
def test_each_path_refuses_what_is_wrong_in_any_place(name):
    path = PATHS[name]
    for place in (len(path.sound) - path.tail, len(path.sound) - 1):
        assert path.work(flipped(path.sound, place)) in (None, False)


def test_classes_that_cost_the_same_give_a_finite_value():
    assert math.isfinite(t_value(Refusal(lambda given: given, bytes(32), 32), traces=200))
