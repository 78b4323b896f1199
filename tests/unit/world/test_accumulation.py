"""Registers: whole watt-hours that add up, at any instant, computed from anchors."""

import numpy as np
import pytest

from meterworks.world.accumulation import Accumulation, HistoryCache

FIRST = 900_000  # index of the first half-hour
INTERVAL_S = 1800
START_S = FIRST * INTERVAL_S


class Source:
    """Energies of 0 to 2.5 Wh by a fixed rule, and how often they were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, first: int, last: int):
        self.asked.append((first, last))
        index = np.arange(first, last, dtype=np.int64)
        energies = np.stack([index * factor % 2_500_001 for factor in (7_919, 104_729, 1_299_709, 15_485_863)])
        return energies, index % 3 == 0


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def accumulation(source: Source) -> Accumulation:
    return Accumulation(source, first=FIRST, interval_s=INTERVAL_S, opening_wh=(5, 6, 7, 8), cache=HistoryCache())


def exact(source: Source, count: int) -> np.ndarray:
    """The naive registers: running sums in Python's own integers."""
    energies, _ = source(FIRST, FIRST + count)
    totals = [wh * 1_000_000 for wh in (5, 6, 7, 8)]
    rows = [list(totals)]
    for column in energies.T.tolist():
        totals = [total + energy for total, energy in zip(totals, column, strict=True)]
        rows.append(list(totals))
    return np.array(rows) // 1_000_000


def test_interval_values_are_register_differences(accumulation: Accumulation, source: Source):
    registers = exact(source, 4_000)
    values = accumulation.between(FIRST, FIRST + 4_000).interval_values()
    assert np.array_equal(values, np.diff(registers, axis=0).T)


@pytest.mark.parametrize(("low", "high"), [(0, 10), (1_343, 1_345), (1_344, 1_344), (3_000, 4_000), (17, 3_999)])
def test_any_part_equals_the_part_of_the_whole(accumulation: Accumulation, source: Source, low: int, high: int):
    registers = exact(source, 4_000)
    part = accumulation.between(FIRST + low, FIRST + high)
    assert np.array_equal(part.micro // 1_000_000, registers[low : high + 1].T)


def test_registers_at_an_instant_are_those_of_the_naive_sum(accumulation: Accumulation, source: Source):
    registers = exact(source, 3_000)
    for index in (0, 1, 47, 48, 49, 1_344, 2_999, 100):
        found = accumulation.at(START_S + index * INTERVAL_S)
        assert [found.import_wh, found.export_wh, found.import_varh, found.export_varh] == registers[index].tolist()


def test_one_instant_and_many_agree(accumulation: Accumulation):
    epochs = START_S + np.sort(np.random.default_rng(1).integers(0, 3_000 * INTERVAL_S, 200))
    block = accumulation.at_many(epochs)
    names = ["import_wh", "export_wh", "import_varh", "export_varh", "import_rate_1_wh", "import_rate_2_wh"]
    for place in range(0, 200, 7):
        one = accumulation.at(int(epochs[place]))
        assert [getattr(one, name) for name in names] == [int(getattr(block, name)[place]) for name in names]


def test_rates_add_up_and_nothing_ever_falls(accumulation: Accumulation):
    epochs = START_S + np.arange(0, 300 * INTERVAL_S, 97)
    block = accumulation.at_many(epochs)
    assert np.array_equal(block.import_rate_1_wh + block.import_rate_2_wh, block.import_wh)
    assert np.array_equal(block.export_rate_1_wh + block.export_rate_2_wh, block.export_wh)
    for name in (
        "import_wh",
        "export_wh",
        "import_rate_1_wh",
        "import_rate_2_wh",
        "export_rate_1_wh",
        "export_rate_2_wh",
    ):
        assert (np.diff(getattr(block, name)) >= 0).all()
    assert block.import_rate_2_wh[-1] > 0


def test_the_second_rate_counts_in_its_intervals_only(accumulation: Accumulation):
    index = np.arange(FIRST, FIRST + 301)
    rate_2 = accumulation.at_many(index * INTERVAL_S).import_rate_2_wh
    moved = np.diff(rate_2) > 0
    assert moved.any()
    assert (index[:-1][moved] % 3 == 0).all()


def test_before_the_first_interval_stands_the_opening(accumulation: Accumulation):
    assert accumulation.at_many(np.array([0, START_S])).import_wh.tolist() == [5, 5]


def test_no_instants_give_no_registers(accumulation: Accumulation):
    assert accumulation.at_many(np.array([], np.int64)).import_wh.size == 0


def test_a_second_question_costs_a_day_at_most(accumulation: Accumulation, source: Source):
    now = START_S + 19_056 * INTERVAL_S + 1000
    accumulation.at(now)
    source.asked.clear()
    accumulation.at(now + 60)
    assert sum(last - first for first, last in source.asked) <= 48


def test_a_far_question_starts_at_an_anchor(accumulation: Accumulation, source: Source):
    accumulation.at(START_S + 19_056 * INTERVAL_S)
    source.asked.clear()
    accumulation.between(FIRST + 10_000, FIRST + 10_010)
    assert sum(last - first for first, last in source.asked) <= 28 * 48 + 10


def test_long_histories_are_kept_and_cut(source: Source):
    cache = HistoryCache(histories_max=2)
    meters = [Accumulation(source, first=FIRST, interval_s=INTERVAL_S, cache=cache) for _ in range(3)]
    whole = [meter.between(FIRST, FIRST + 2_000).interval_values() for meter in meters]
    source.asked.clear()
    assert np.array_equal(meters[2].between(FIRST + 5, FIRST + 1_500).interval_values(), whole[2][:, 5:1_500])
    assert source.asked == []
    meters[0].between(FIRST + 5, FIRST + 1_500)
    assert source.asked != []


def test_short_histories_are_not_kept():
    source = Source()
    meter = Accumulation(source, first=FIRST, interval_s=INTERVAL_S, cache=HistoryCache())
    meter.between(FIRST, FIRST + 48)
    source.asked.clear()
    meter.between(FIRST, FIRST + 48)
    assert source.asked == [(FIRST, FIRST + 48)]
