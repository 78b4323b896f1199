"""Loads asked in any order, for any range: always the same history."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.world import (
    Accuracy,
    Climate,
    FaultKind,
    HistoryCache,
    HouseholdKind,
    MeteringFault,
    MeterSetting,
    StochasticLoad,
    Supply,
    draw_household,
)

START = 1_704_067_200
DAY_S = 86_400
CLIMATE = Climate(7)
FAULT = MeteringFault(
    kind=FaultKind.GAIN,
    from_epoch_s=START + 20 * DAY_S,
    to_epoch_s=START + 50 * DAY_S,
    parameter=3.7,
    daily_to_s=30_000,
)


def load_of(kind: HouseholdKind) -> StochasticLoad:
    setting = MeterSetting(
        starts_epoch_s=START, accuracy=Accuracy(error_ppm=-3_210, drift_ppm_per_year=777), faults=(FAULT,)
    )
    supply = Supply(feeder_key=4, home_key=5)
    return StochasticLoad(draw_household(1, 2, kind), setting, climate=CLIMATE, supply=supply, cache=HistoryCache())


WHOLE = {kind: load_of(kind).intervals(START, START + 90 * DAY_S) for kind in HouseholdKind}
ranges = st.tuples(st.integers(-1_000, 91 * DAY_S), st.integers(0, 40 * DAY_S))


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(HouseholdKind), asked=st.lists(ranges, min_size=1, max_size=5))
def test_every_range_is_the_part_of_the_whole(kind: HouseholdKind, asked: list[tuple[int, int]]):
    load, whole = load_of(kind), WHOLE[kind]
    for offset, length in asked:
        from_s, to_s = START + offset, min(START + offset + length, START + 90 * DAY_S)
        inside = (whole.start_epoch_s >= from_s) & (whole.start_epoch_s < to_s)
        part = load.intervals(from_s, to_s)
        assert np.array_equal(part.start_epoch_s, whole.start_epoch_s[inside])
        for name in ("import_wh", "export_wh", "import_varh", "export_varh", "status"):
            assert np.array_equal(getattr(part, name), getattr(whole, name)[inside])


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(HouseholdKind), moments=st.lists(st.integers(0, 90 * DAY_S), min_size=2, max_size=20))
def test_registers_never_fall_and_agree_with_intervals(kind: HouseholdKind, moments: list[int]):
    load = load_of(kind)
    moments = sorted(moments)
    many = load.registers_at_many(np.array(moments) + START)
    for moment, import_wh, rate_2 in zip(moments, many.import_wh, many.import_rate_2_wh, strict=True):
        one = load.registers_at(START + moment)
        assert (one.import_wh, one.import_rate_2_wh) == (import_wh, rate_2)
        whole_intervals = moment // 1800
        expected = int(WHOLE[kind].import_wh[:whole_intervals].sum())
        extra = int(WHOLE[kind].import_wh[whole_intervals]) if whole_intervals < 90 * 48 else 0
        assert expected <= one.import_wh <= expected + extra
    for name in ("import_wh", "import_rate_1_wh", "import_rate_2_wh", "export_wh", "import_varh", "export_varh"):
        assert (np.diff(getattr(many, name)) >= 0).all()
