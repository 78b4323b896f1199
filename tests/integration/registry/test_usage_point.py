"""Usage points in a real database: what goes in comes out, and pages lead through all of them."""

from datetime import UTC, datetime

import pytest

from meterworks.catalogue import Medium
from meterworks.registry import AlreadyThereError, InvalidValueError, UnknownRecordError, UsagePointFilter, UsagePointId


async def test_every_field_survives(registry, new_point):
    point = new_point(
        1,
        medium=Medium.WATER,
        name="Mühle 7 'links'; DROP TABLE",
        address="1 Mill Lane",
        postcode="AB1 2CD",
        feeder="F9",
        transformer="T7",
        time_zone="Australia/Lord_Howe",
        created_at=datetime(2025, 3, 30, 1, 30, 0, 123456, tzinfo=UTC),
    )
    await registry.add_usage_points([point])
    assert await registry.usage_point(point.id) == point


async def test_a_point_added_without_a_time_is_added_now(registry, new_point):
    await registry.add_usage_points([new_point(1)])
    added = await registry.usage_point(UsagePointId("MP0000000001"))
    assert added.created_at == datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def test_a_known_point_stops_the_whole_list(registry, new_point):
    await registry.add_usage_points([new_point(2)])
    with pytest.raises(AlreadyThereError, match="'MP0000000002' is there already: nothing was added"):
        await registry.add_usage_points([new_point(1), new_point(2)])
    assert await registry.count_usage_points() == 1


async def test_a_point_standing_twice_in_the_list_is_refused(registry, new_point):
    with pytest.raises(AlreadyThereError, match="stands in the list 2 times"):
        await registry.add_usage_points([new_point(1), new_point(1)])


async def test_nothing_added_is_nothing_wrong(registry):
    await registry.add_usage_points([])
    assert (await registry.usage_points()).items == ()


@pytest.mark.parametrize("point_id", ["MP9", "", "\ud800", "a\0b", "x" * 10_000])
async def test_an_unknown_point_is_told(registry, point_id):
    with pytest.raises(UnknownRecordError, match="there is no usage point"):
        await registry.usage_point(UsagePointId(point_id))


async def test_pages_lead_through_all_points_once(registry, new_point):
    await registry.add_usage_points([new_point(number) for number in range(25)])
    seen, after = [], None
    for expected_size in (10, 10, 5):
        page = await registry.usage_points(after=after, limit=10)
        assert len(page.items) == expected_size
        seen += [point.id for point in page.items]
        after = page.next_cursor
    assert after is None
    assert seen == [f"MP{number:010d}" for number in range(25)]


@pytest.mark.parametrize(
    ("filter_", "numbers"),
    [
        (UsagePointFilter(), [0, 1, 2, 3, 4, 5]),
        (UsagePointFilter(feeder="F1"), [1, 4]),
        (UsagePointFilter(feeder="F1", transformer="T4"), [4]),
        (UsagePointFilter(medium=Medium.GAS), []),
        (UsagePointFilter(search="4 mill LANE"), [4]),
        (UsagePointFilter(search="mp000000000"), [0, 1, 2, 3, 4, 5]),
        (UsagePointFilter(search="%"), []),
        (UsagePointFilter(search="_"), []),
        (UsagePointFilter(feeder="\ud800"), []),
    ],
)
async def test_filters_let_through_what_fits(registry, new_point, filter_, numbers):
    await registry.add_usage_points([new_point(number) for number in range(6)])
    page = await registry.usage_points(filter_)
    assert [int(point.id[2:]) for point in page.items] == numbers
    assert await registry.count_usage_points(filter_) == len(numbers)


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "x" * 1000])
async def test_a_search_nobody_could_type_is_refused(registry, text):
    with pytest.raises(InvalidValueError, match="the search"):
        await registry.usage_points(UsagePointFilter(search=text))


async def test_many_points_are_found_by_id(registry, new_point):
    await registry.add_usage_points([new_point(number) for number in range(6)])
    wanted = [UsagePointId("MP0000000003"), UsagePointId("MP9"), UsagePointId("\ud800")]
    found = await registry.usage_points_by_id(wanted)
    assert list(found) == ["MP0000000003"]
