"""The load of an emulated meter: what it registers, the truth beside it, and how both keep together."""

from dataclasses import asdict

import numpy as np
import pytest

from meterworks.devices import NO_GAPS, MeterLoad
from meterworks.devices.supply_gap import SwitchedLoad
from meterworks.errors import UsageError
from meterworks.world import Accuracy, Climate, FaultKind, HistoryCache, HouseholdKind, MeteringFault

NEW_YEAR_2024 = 1_704_067_200
DAY_S = 86_400
NOW = NEW_YEAR_2024 + 400 * DAY_S + 12_345


def registers(load, epoch_s: int) -> dict[str, int]:
    return asdict(load.registers_at(epoch_s))


def test_it_is_a_meter_load(make_load):
    load: MeterLoad = make_load(phases=3)
    assert (load.interval_s, load.starts_epoch_s, load.ends_epoch_s, load.phases) == (1800, NEW_YEAR_2024, None, 3)


@pytest.mark.parametrize("kind", HouseholdKind)
@pytest.mark.parametrize("interval_s", [900, 1800, 3600])
def test_interval_values_add_up_to_register_differences(make_load, kind: HouseholdKind, interval_s: int):
    load = make_load(2, kind, climate=Climate(7, interval_s=interval_s), accuracy=Accuracy(error_ppm=4_321))
    for low, high in [(0, 400), (0, 1), (100, 101), (27, 29), (350, 400)]:
        from_s, to_s = NEW_YEAR_2024 + low * DAY_S, NEW_YEAR_2024 + high * DAY_S
        block = load.intervals(from_s, to_s)
        before, after = registers(load, from_s), registers(load, to_s)
        for name in ("import_wh", "export_wh", "import_varh", "export_varh"):
            assert int(getattr(block, name).sum()) == after[name] - before[name]


def test_any_part_equals_the_part_of_the_whole(make_load):
    whole = make_load(4, HouseholdKind.PV_EV).intervals(NEW_YEAR_2024, NOW)
    fresh = make_load(4, HouseholdKind.PV_EV)
    for low, high in [(19_000, 19_200), (0, 10), (5_000, 5_001), (1_343, 1_345)]:
        part = fresh.intervals(NEW_YEAR_2024 + low * 1800, NEW_YEAR_2024 + high * 1800)
        for name in ("start_epoch_s", "import_wh", "export_wh", "import_varh", "export_varh", "status"):
            assert np.array_equal(getattr(part, name), getattr(whole, name)[low:high]), (name, low)


def test_thirteen_months_are_there_from_the_first_moment(make_load):
    block = make_load().intervals(NOW - 397 * DAY_S, NOW)
    assert len(block.start_epoch_s) == 19_056
    assert block.present.all()
    assert (np.diff(block.start_epoch_s) == 1800).all()


def test_starts_are_those_inside_the_range_asked_for(make_load):
    load = make_load()
    assert load.intervals(NEW_YEAR_2024 + 1, NEW_YEAR_2024 + 3601).start_epoch_s.tolist() == [
        NEW_YEAR_2024 + 1800, NEW_YEAR_2024 + 3600,
    ]  # fmt: skip
    assert load.intervals(0, NEW_YEAR_2024 + 1).start_epoch_s.tolist() == [NEW_YEAR_2024]
    assert load.intervals(NEW_YEAR_2024, NEW_YEAR_2024).start_epoch_s.size == 0
    assert load.intervals(0, 10).start_epoch_s.size == 0


def test_a_removed_meter_captures_nothing_more(make_load):
    end = NEW_YEAR_2024 + 10 * DAY_S + 900  # in mid-interval
    load = make_load(ends_epoch_s=end)
    assert load.intervals(end - DAY_S, end + DAY_S).start_epoch_s[-1] == end - 900 - 1800
    assert registers(load, end) == registers(load, end + 5 * DAY_S)
    assert load.registers_at_many(np.array([end, end + DAY_S])).import_wh[1] == load.registers_at(end).import_wh
    assert load.events(end, end + 1_000 * DAY_S).epoch_s.size == 0


def test_before_its_installation_a_meter_shows_what_it_came_with(make_load):
    load = make_load(opening_wh=(1_500, 0, 99, 1))
    assert registers(load, NEW_YEAR_2024 - DAY_S)["import_wh"] == 1_500
    assert registers(load, NEW_YEAR_2024)["import_varh"] == 99


def test_a_meter_is_installed_on_the_grid(make_load):
    with pytest.raises(UsageError, match="multiple"):
        make_load(starts_epoch_s=NEW_YEAR_2024 + 60)


def test_registers_inside_an_interval_lie_between_its_ends(make_load):
    load = make_load(3, HouseholdKind.EV)
    moments = NOW - NOW % 1800 + np.arange(0, 1801, 60)
    values = [registers(load, int(moment)) for moment in moments]
    for name in values[0]:
        assert (np.diff([value[name] for value in values]) >= 0).all()
    many = load.registers_at_many(moments)
    assert many.import_wh.tolist() == [value["import_wh"] for value in values]


def test_the_second_rate_advances_by_night_only(make_load):
    load = make_load(1, HouseholdKind.EV)
    midnights = NEW_YEAR_2024 + DAY_S * np.arange(60)  # winter: UTC is local
    night = (
        load.registers_at_many(midnights + 27_000).import_rate_2_wh
        - load.registers_at_many(midnights + 1_800).import_rate_2_wh
    )
    day = (
        load.registers_at_many(midnights + DAY_S).import_rate_2_wh
        - load.registers_at_many(midnights + 27_000).import_rate_2_wh
    )
    assert (night > 0).all()
    assert (day == 0).all()


def test_a_healthy_meter_stays_within_its_class(make_load):
    load = make_load(accuracy=Accuracy(error_ppm=8_000, drift_ppm_per_year=1_000))
    true_wh = load.truth(NEW_YEAR_2024, NOW).import_mwh.sum() / 1000
    registered_wh = load.intervals(NEW_YEAR_2024, NOW).import_wh.sum()
    assert 0.008 < registered_wh / true_wh - 1 < 0.0095


def test_theft_shows_in_the_registers_and_not_in_the_truth(make_load):
    from_s, to_s = NEW_YEAR_2024 + 100 * DAY_S, NEW_YEAR_2024 + 200 * DAY_S
    theft = MeteringFault(kind=FaultKind.FRACTION, from_epoch_s=from_s, to_epoch_s=to_s, parameter=0.4)
    honest, thief = make_load(6), make_load(6, faults=(theft,))
    assert np.array_equal(honest.truth(0, NOW).import_mwh, thief.truth(0, NOW).import_mwh)
    during = thief.intervals(from_s, to_s).import_wh.sum() / honest.intervals(from_s, to_s).import_wh.sum()
    assert abs(during - 0.4) < 0.001
    after = thief.intervals(to_s, NOW).import_wh.astype(int) - honest.intervals(to_s, NOW).import_wh
    assert np.abs(after).max() <= 1  # whole watt-hours may complete one interval earlier or later


def test_supply_failures_take_energy_and_leave_a_mark(make_load):
    def longest_off_s(load) -> int:
        off = load.interruptions(NEW_YEAR_2024, NOW)
        return int((off.end_s - off.begin_s).max(initial=0))

    load = next(load for load in map(make_load, range(200)) if longest_off_s(load) > 5_400)
    off = load.interruptions(NEW_YEAR_2024, NOW)
    longest = int((off.end_s - off.begin_s).argmax())
    begin, end = int(off.begin_s[longest]), int(off.end_s[longest])
    block = load.intervals(begin - begin % 1800, end)
    assert (block.status == 128).all()
    assert block.present.all()
    inside = (block.start_epoch_s >= begin) & (block.start_epoch_s + 1800 <= end)
    assert (block.import_wh[inside] == 0).all()
    down = load.events(begin, end + 1)
    assert {(begin, 1), (end, 2)} <= set(zip(down.epoch_s.tolist(), down.code.tolist(), strict=True))
    assert set(load.instant((begin + end) / 2).voltage_mv) == {0}


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("kind", [HouseholdKind.PLAIN, HouseholdKind.PV, HouseholdKind.HEAT_PUMP])
def test_terminals_show_sound_values(make_load, phases: int, kind: HouseholdKind):
    load = make_load(8, kind, phases=phases)
    for hour in range(0, 240, 7):
        moment = NOW + hour * 3600.5
        instant = load.instant(moment)
        block = load.truth(int(moment) - int(moment) % 1800, int(moment) - int(moment) % 1800 + 1)
        net_w = float(block.import_mwh[0] - block.export_mwh[0]) / 500
        assert len(instant.voltage_mv) == len(instant.current_ma) == len(instant.current_thd_permille) == phases
        assert all(216_200 < voltage < 253_000 for voltage in instant.voltage_mv)
        assert all(49_800 < frequency < 50_200 for frequency in [instant.frequency_mhz])
        assert all(10 <= distortion <= 50 for distortion in instant.voltage_thd_permille)
        assert all(50 <= distortion <= 400 for distortion in instant.current_thd_permille)
        assert 0 in (instant.import_power_w, instant.export_power_w)
        assert abs(instant.import_power_w - instant.export_power_w - net_w) <= abs(net_w) * 0.04 + 1
        assert 0 <= instant.power_factor_permille <= 1000
        apparent = sum(u * i for u, i in zip(instant.voltage_mv, instant.current_ma, strict=True)) / 1e6
        assert apparent >= max(instant.import_power_w, instant.export_power_w) * 0.99 - 1


def test_a_moment_shows_the_same_twice(make_load):
    load = make_load()
    assert load.instant(NOW + 1.5) == load.instant(NOW + 1.9)


def test_a_fleet_shares_its_history_cache(make_load):
    cache = HistoryCache(histories_max=3)
    loads = [make_load(number, cache=cache) for number in range(6)]
    first = [load.intervals(NEW_YEAR_2024, NOW).import_wh for load in loads]
    again = [load.intervals(NEW_YEAR_2024, NOW).import_wh for load in loads]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])


def test_registers_behind_an_open_switch_follow_the_truth(make_load):
    """Disconnected for parts of intervals, whole days and across an anchor: what is registered is what flowed."""
    load = make_load(3, HouseholdKind.PV)
    gaps = NO_GAPS
    for begins, ends in ((100, 700), (5_000, 90_000), (20 * DAY_S + 1, 41 * DAY_S + 1799), (60 * DAY_S, None)):
        gaps = gaps.opened(NEW_YEAR_2024 + begins)
        gaps = gaps if ends is None else gaps.closed(NEW_YEAR_2024 + ends)
    switched = SwitchedLoad(load, gaps)
    until = NEW_YEAR_2024 + 70 * DAY_S
    truth = load.truth(NEW_YEAR_2024, until, gaps=gaps)
    before, after = switched.registers_at(NEW_YEAR_2024), switched.registers_at(until)
    for name in ("import", "export"):
        flowed_wh = int(getattr(truth, f"{name}_mwh").sum()) / 1000
        registered_wh = getattr(after, f"{name}_wh") - getattr(before, f"{name}_wh")
        assert registered_wh == pytest.approx(flowed_wh, abs=len(gaps) + 1)
    assert switched.registers_at(NEW_YEAR_2024 + 65 * DAY_S) == after
    assert not truth.import_mwh[-48:].any()
    assert load.truth(NEW_YEAR_2024, until).import_mwh.sum() > truth.import_mwh.sum()
