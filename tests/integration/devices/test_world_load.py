"""Meters on the world's own loads: every attribute answers, and what meters say is what the loads registered."""

from datetime import UTC, datetime, timedelta

import pytest

from meterworks.devices import METER_MODELS, Fleet, FleetSettings
from meterworks.protocols.dlms import (
    AttributeAddress,
    CaptureLayout,
    CosemDateTime,
    ObisCode,
    RangeSelection,
    decode_all,
    decode_capture_objects,
    decode_profile,
)
from meterworks.runtime import ManualClock
from meterworks.world import NeighbourhoodSettings, open_neighbourhood

MANAGEMENT = 1
NOW = datetime(2026, 11, 21, 10, 7, 12, tzinfo=UTC)
IMPORT, EXPORT, DAILY, MONTHLY = "1.0.99.1.0.255", "1.0.99.1.1.255", "1.0.98.2.0.255", "1.0.98.1.0.255"


@pytest.fixture
async def fleet(tmp_path):
    """Thirty homes of all kinds, not listening."""
    settings = NeighbourhoodSettings(meters=30, seed=11, pv_share=0.4, car_share=0.3, heat_pump_share=0.3)
    neighbourhood = open_neighbourhood(tmp_path, settings, now_epoch_s=NOW.timestamp())
    made = Fleet(neighbourhood.meters(), FleetSettings(), ManualClock(NOW))
    yield made
    await made.stop()


@pytest.fixture
async def replay_fleet(tmp_path):
    """Two homes of a file with a gap, replayed unshifted."""
    lines = ["timestamp,house1,house2"]
    first = datetime(2026, 10, 20, tzinfo=UTC)
    for number in range(48 * 10):
        moment = first + timedelta(minutes=30 * number)
        value = "" if 100 <= number < 107 else f"{number % 37 / 100:.3f}"
        lines.append(f"{moment:%Y-%m-%d %H:%M:%S},{value},{number % 11 / 10:.3f}")
    path = tmp_path / "homes.csv"
    path.write_text("\n".join(lines))
    settings = NeighbourhoodSettings(replay=path, replay_shift=False, replay_unit="kwh")
    neighbourhood = open_neighbourhood(tmp_path / "world", settings, now_epoch_s=NOW.timestamp())
    made = Fleet(neighbourhood.meters(), FleetSettings(), ManualClock(first + timedelta(days=10)))
    yield made
    await made.stop()


def attribute(obis_code, number=2):
    code = ObisCode(obis_code)
    return AttributeAddress(METER_MODELS[1].objects[code].interface_class.class_id, code, number)


def value_of(meter, obis_code, number=2):
    encoded = meter.get(MANAGEMENT, attribute(obis_code, number), None)
    assert isinstance(encoded, bytes), (obis_code, number, encoded)
    return decode_all(encoded)


def table_of(meter, obis_code, selection=None):
    objects = decode_capture_objects(meter.get(MANAGEMENT, attribute(obis_code, 3), None))
    layout = CaptureLayout.compile(objects, value_of(meter, obis_code, 4))
    return decode_profile(meter.get(MANAGEMENT, attribute(obis_code), selection), layout)


def between(first, last):
    return RangeSelection(from_=CosemDateTime.from_datetime(first), to=CosemDateTime.from_datetime(last)).to_bytes()


async def test_every_attribute_of_every_kind_of_home_answers(fleet):
    for index in range(0, 30, 3):
        meter = fleet.meter(index)
        for code, bound in meter.model.objects.items():
            for number, row in enumerate(bound.attributes, 1):
                if row.hidden or row.read is not None:
                    continue
                address = AttributeAddress(bound.interface_class.class_id, code, number)
                encoded = meter.get(MANAGEMENT, address, None)
                assert isinstance(encoded, bytes), (str(code), number, encoded)
                assert encoded[0] in row.tags


async def test_both_models_are_in_the_neighbourhood(fleet):
    assert {fleet.meter(index).model.phases for index in range(30)} == {1, 3}


async def test_the_profile_is_what_the_load_registered(fleet):
    for index in (0, 7, 14, 21):
        meter = fleet.meter(index)
        table = table_of(meter, IMPORT)
        assert len(table.time_epoch_s) == value_of(meter, IMPORT, 7) > 18_000
        block = meter.view.load.intervals(int(table.time_epoch_s[0]) - 1800, int(table.time_epoch_s[-1]))
        assert table.columns[-1].tolist() == block.import_wh[block.present].tolist()


async def test_intervals_add_up_to_the_daily_registers(fleet):
    for index in (1, 8, 15):
        meter = fleet.meter(index)
        daily = table_of(meter, DAILY)
        imported = table_of(meter, IMPORT)
        for first, last in ((-40, -10), (-10, -1)):
            start, end = int(daily.time_epoch_s[first]), int(daily.time_epoch_s[last])
            inside = (imported.time_epoch_s > start) & (imported.time_epoch_s <= end)
            registers = daily.column(ObisCode("1.0.1.8.0.255"))
            assert int(imported.columns[-1][inside].sum()) == int(registers[last] - registers[first])


async def test_rates_add_up_to_totals_in_both_billing_profiles(fleet):
    meter = fleet.meter(2)
    for name in (DAILY, MONTHLY):
        table = table_of(meter, name)
        total, first, second = (table.column(ObisCode(f"1.0.1.8.{rate}.255")) for rate in (0, 1, 2))
        assert (first + second == total).all()
        assert len(total) in (397, 13)


async def test_homes_that_export_show_it_in_the_export_profile(fleet):
    sums = []
    for index in range(30):
        table = table_of(fleet.meter(index), EXPORT)
        sums.append(int(table.column(ObisCode("1.0.2.29.0.255")).sum()))
    assert any(sums)
    assert not all(sums)


async def test_a_replayed_gap_is_no_row_in_the_profile(replay_fleet):
    meter = replay_fleet.meter(0)
    first = datetime(2026, 10, 20, tzinfo=UTC)
    rows = table_of(meter, IMPORT, between(first, first + timedelta(days=10)))
    start = int(first.timestamp())
    numbers = [(time - start) // 1800 - 1 for time in rows.time_epoch_s.tolist()]
    assert numbers == [number for number in range(480) if not 100 <= number < 107]
    assert rows.columns[-1].tolist() == [number % 37 * 10 for number in numbers]


async def test_a_replayed_home_without_gaps_has_every_row(replay_fleet):
    table = table_of(replay_fleet.meter(1), IMPORT)
    assert table.columns[-1].tolist() == [number % 11 * 100 for number in range(480)]
