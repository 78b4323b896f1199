"""Interruptions and events: the same from wherever asked, at sensible rates, with codes the catalogue knows."""

from itertools import pairwise

import numpy as np
import pytest

from meterworks.catalogue import EVENT_CODES, EVENT_LOGS
from meterworks.world import Calendar, Supply

NEW_YEAR_2025 = 1_735_689_600
DAY_S = 86_400
YEAR_S = 365 * DAY_S
ZONE = Calendar("Europe/London").zone


def supplies(count: int = 300, phases: int = 1) -> list[Supply]:
    return [Supply(feeder_key=number // 100, home_key=1_000 + number, phases=phases) for number in range(count)]


def test_interruptions_are_whole_and_apart():
    for supply in supplies():
        found = supply.interruptions(NEW_YEAR_2025, NEW_YEAR_2025 + 3 * YEAR_S)
        assert (found.begin_s < found.end_s).all()
        assert (found.begin_s[1:] > found.end_s[:-1]).all()


def test_a_part_of_the_time_shows_the_interruptions_that_touch_it():
    supply = supplies(1)[0]
    whole = supply.interruptions(NEW_YEAR_2025, NEW_YEAR_2025 + YEAR_S)
    assert len(whole.begin_s) > 0
    for begin, end in zip(whole.begin_s.tolist(), whole.end_s.tolist(), strict=True):
        for moment in (begin, end - 1):
            inside = supply.interruptions(moment, moment + 1)
            assert (inside.begin_s.tolist(), inside.end_s.tolist()) == ([begin], [end])
        assert begin not in supply.interruptions(end, end + 1).begin_s


def test_a_feeder_fault_takes_all_its_homes():
    homes = [Supply(feeder_key=5, home_key=number) for number in range(20)]
    long_ones = []
    for home in homes:
        found = home.interruptions(NEW_YEAR_2025, NEW_YEAR_2025 + 10 * YEAR_S)
        long_ones.append({begin for begin, end in zip(found.begin_s, found.end_s, strict=True) if end - begin > 199})
    assert set.intersection(*long_ones)


def test_interruptions_come_as_often_as_in_britain():
    longer, minutes = 0, 0.0
    for number in range(200):
        found = Supply(feeder_key=number, home_key=number).interruptions(NEW_YEAR_2025, NEW_YEAR_2025 + 5 * YEAR_S)
        lengths = found.end_s - found.begin_s
        longer += int((lengths > 180).sum())
        minutes += float(lengths[lengths > 180].sum()) / 60
    assert 0.25 < longer / 1_000 < 0.6
    assert 20 < minutes / 1_000 < 90


@pytest.mark.parametrize("phases", [1, 3])
def test_every_event_stands_in_the_catalogue(phases: int):
    numbers = {int(log.obis_code.split(".")[4]): name for name, log in EVENT_LOGS.items()}
    seen = set()
    for supply in supplies(3_000 // phases, phases):
        events = supply.events(NEW_YEAR_2025, NEW_YEAR_2025 + YEAR_S, ZONE)
        seen |= {(numbers[log], code) for log, code in zip(events.log.tolist(), events.code.tolist(), strict=True)}
    assert seen <= set(EVENT_CODES)
    assert {("standard", 1), ("standard", 2), ("standard", 3), ("power_quality", 76), ("tamper", 40)} <= seen
    assert (("power_quality", 78) in seen) == (phases == 3)


def test_events_of_parts_are_those_of_the_whole():
    cuts = [NEW_YEAR_2025 + part for part in (0, 1_000_000, 1_000_001, 9_000_000, 20_000_000, YEAR_S)]
    for supply in supplies(40):
        whole = supply.events(NEW_YEAR_2025, NEW_YEAR_2025 + YEAR_S, ZONE)
        parts = [supply.events(low, high, ZONE) for low, high in pairwise(cuts)]
        assert np.concatenate([part.epoch_s for part in parts]).tolist() == whole.epoch_s.tolist()
        assert np.concatenate([part.code for part in parts]).tolist() == whole.code.tolist()


def test_events_part_at_the_very_moment_of_one():
    supply = supplies(1)[0]
    moments = supply.events(NEW_YEAR_2025, NEW_YEAR_2025 + YEAR_S, ZONE).epoch_s.tolist()
    found = [len(supply.events(moment, moment + 1, ZONE).epoch_s) for moment in sorted(set(moments))]
    assert sum(found) == len(moments)


def test_events_rise_in_time_and_have_their_types():
    events = supplies(1)[0].events(NEW_YEAR_2025, NEW_YEAR_2025 + YEAR_S, ZONE)
    assert (np.diff(events.epoch_s) >= 0).all()
    assert (events.epoch_s.dtype, events.log.dtype, events.code.dtype) == (np.int64, np.uint8, np.uint16)


def test_covers_are_opened_seldom():
    opened = 0
    for supply in supplies(3_000):
        codes = supply.events(NEW_YEAR_2025, NEW_YEAR_2025 + YEAR_S, ZONE).code
        opened += int(np.isin(codes, [40, 44]).sum())
    assert 3 <= opened <= 40  # 0.2 to 1 % of the meters a year


def test_no_time_holds_no_events():
    events = supplies(1)[0].events(NEW_YEAR_2025, NEW_YEAR_2025, ZONE)
    assert events.epoch_s.size == 0
