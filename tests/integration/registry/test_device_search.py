"""Lists of devices: search, filters, pages, and where each stands."""

from datetime import UTC, datetime, timedelta

import pytest

from meterworks.catalogue import Medium
from meterworks.registry import DeviceFilter, DeviceState, Installation, InvalidValueError, UsagePointId

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def estate(registry, new_device, new_point):
    """Ten devices; 0 to 7 stand at the usage points of their number, 8 and 9 lie in stock."""
    await registry.add_usage_points([new_point(number) for number in range(8)])
    models = ("MW-E1", "MW-E3")
    devices = [new_device(number, model=models[number % 2], firmware=f"1.{number % 4}") for number in range(9)] + [
        new_device(9, medium=Medium.GAS, phases=0, manufacturer="Other", model="G4")
    ]
    numbers = await registry.add_devices(devices)
    await registry.add_installations(
        [
            Installation(device_id=numbers[number], usage_point_id=UsagePointId(f"MP{number:010d}"), starts_at=START)
            for number in range(8)
        ]
    )
    return numbers


async def found(registry, **filters):
    page = await registry.devices(DeviceFilter(**filters))
    return [int(entry.device.identity[6:], 16) for entry in page.items]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, list(range(10))),
        ({"search": "mw00000003"}, [3]),
        ({"search": "4D57530000000004"}, [4]),
        ({"search": "MP0000000005"}, [5]),
        ({"search": "6 Mill"}, [6]),
        ({"search": "nowhere"}, []),
        ({"search": "%"}, []),
        ({"model": "MW-E3"}, [1, 3, 5, 7]),
        ({"model": "MW-E3", "feeder": "F1"}, [1, 7]),
        ({"manufacturer": "Other"}, [9]),
        ({"firmware": "1.2"}, [2, 6]),
        ({"state": DeviceState.STOCK}, [8, 9]),
        ({"state": DeviceState.INSTALLED, "transformer": "T0"}, [0, 5]),
        ({"medium": Medium.GAS}, [9]),
        ({"usage_point_id": UsagePointId("MP0000000002")}, [2]),
        ({"at": START - timedelta(days=1), "feeder": "F1"}, []),
        ({"at": START, "feeder": "F1"}, [1, 4, 7]),
        ({"model": "\ud800"}, []),
    ],
)
async def test_filters_let_through_what_fits(registry, estate, filters, expected):
    assert await found(registry, **filters) == expected
    assert (await registry.count_devices(DeviceFilter(**filters))).total == len(expected)


async def test_a_listed_device_says_where_it_stands(registry, estate):
    page = await registry.devices(limit=10)
    placed, in_stock = page.items[3], page.items[8]
    assert placed.device == await registry.device(estate[3])
    assert placed.usage_point == await registry.usage_point(UsagePointId("MP0000000003"))
    assert placed.installation == Installation(
        device_id=estate[3], usage_point_id=UsagePointId("MP0000000003"), starts_at=START
    )
    assert (in_stock.installation, in_stock.usage_point) == (None, None)


async def test_a_device_is_listed_once_however_often_it_moved(registry, estate, new_point):
    await registry.add_usage_points([new_point(20), new_point(21)])
    await registry.move(estate[0], UsagePointId("MP0000000020"), START + timedelta(days=1))
    await registry.move(estate[0], UsagePointId("MP0000000021"), START + timedelta(days=2))
    entries = [entry for entry in (await registry.devices()).items if entry.device.id == estate[0]]
    assert [entry.usage_point.id for entry in entries] == ["MP0000000021"]
    earlier = await registry.devices(DeviceFilter(at=START + timedelta(days=1)))
    assert earlier.items[0].usage_point.id == "MP0000000020"


async def test_pages_lead_through_all_devices_once(registry, estate):
    seen, after = [], None
    for expected_size in (4, 4, 2):
        page = await registry.devices(after=after, limit=4)
        assert len(page.items) == expected_size
        seen += [entry.device.id for entry in page.items]
        after = page.next_cursor
    assert after is None
    assert seen == estate


async def test_counts_are_told_by_what_a_filter_offers(registry, estate):
    counts = await registry.count_devices()
    assert counts.total == 10
    assert counts.by_state == {"installed": 8, "stock": 2}
    assert counts.by_model == {"G4": 1, "MW-E1": 5, "MW-E3": 4}
    assert counts.by_medium == {"electricity": 9, "gas": 1}
    assert counts.by_firmware == {"1.0": 3, "1.0.0": 1, "1.1": 2, "1.2": 2, "1.3": 2}
    assert counts.by_feeder == {"F0": 3, "F1": 3, "F2": 2}
    assert sum(counts.by_transformer.values()) == 8


@pytest.mark.parametrize("limit", [0, 10_001])
async def test_a_page_of_no_size_is_refused(registry, limit):
    with pytest.raises(InvalidValueError, match="a page holds"):
        await registry.devices(limit=limit)


async def test_a_cursor_of_another_list_is_refused(registry):
    with pytest.raises(InvalidValueError, match="start again"):
        await registry.devices(after="MP0000000001")
