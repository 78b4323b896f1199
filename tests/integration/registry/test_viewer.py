"""Who sees what, in which time: nobody sees a usage point before or after it is theirs."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterworks.catalogue import Role
from meterworks.registry import (
    ConsumerId,
    DeviceFilter,
    InvalidValueError,
    Occupancy,
    OrganisationId,
    OrganisationKind,
    Registration,
    Span,
    UsagePointFilter,
    UsagePointId,
    Viewer,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
OPERATOR = Viewer(role=Role.OPERATOR)


def day(number):
    return START + timedelta(days=number)


def span(first, last=None):
    return Span(starts_at=day(first), ends_at=None if last is None else day(last))


async def points_seen(registry, viewer, first, last=None):
    return list((await registry.visible_usage_points(viewer, day(first), None if last is None else day(last))).items)


@pytest.fixture
async def scene(registry, street):
    """Supplier 1 has point 1 in days 0 to 10 and point 2 from 0 on, supplier 2 has point 1 from 10 on.

    Both hold the role from day 0, supplier 1 until day 100. Ada lives at point 1 in days 2 to 6, Bo from 6 on. Device 1
    stands at point 1 in days 0 to 8, then at point 2; device 2 at point 1 from 8 on; device 3 nowhere.
    """
    devices, points = street
    suppliers = []
    for index, last in enumerate((100, None)):
        number = await registry.add_organisation(f"Supplier {index}", f"{index:016x}", OrganisationKind.MARKET)
        await registry.grant_role(number, Role.SUPPLIER, day(0), None if last is None else day(last))
        suppliers.append(number)
    consumers = [await registry.add_consumer(name) for name in ("Ada", "Bo")]
    await registry.register(
        [
            Registration(
                organisation_id=suppliers[supplier],
                usage_point_id=points[point],
                role=Role.SUPPLIER,
                starts_at=day(first),
                ends_at=None if last is None else day(last),
            )
            for supplier, point, first, last in ((0, 0, 0, 10), (0, 1, 0, None), (1, 0, 10, None))
        ]
    )
    await registry.occupy(
        [
            Occupancy(consumer_id=consumers[0], usage_point_id=points[0], starts_at=day(2), ends_at=day(6)),
            Occupancy(consumer_id=consumers[1], usage_point_id=points[0], starts_at=day(6)),
        ]
    )
    await registry.install(devices[0], points[0], day(0))
    await registry.move(devices[0], points[1], day(8))
    await registry.install(devices[1], points[0], day(8))
    viewers = {
        "supplier 1": Viewer(role=Role.SUPPLIER, organisation_id=suppliers[0]),
        "supplier 2": Viewer(role=Role.SUPPLIER, organisation_id=suppliers[1]),
        "Ada": Viewer(role=Role.CONSUMER, consumer_id=consumers[0]),
        "Bo": Viewer(role=Role.CONSUMER, consumer_id=consumers[1]),
        "operator": OPERATOR,
        "network operator": Viewer(role=Role.NETWORK_OPERATOR, organisation_id=suppliers[0]),
        "nobody": Viewer(role=Role.CONSUMER, consumer_id=ConsumerId(2**70)),
        "no organisation": Viewer(role=Role.SUPPLIER, organisation_id=OrganisationId(99)),
    }
    return viewers, devices, points


@pytest.mark.parametrize(
    ("viewer", "first", "last", "seen"),
    [
        ("operator", 0, 1, [1, 2, 3]),
        ("supplier 1", 0, 1, [1, 2]),
        ("supplier 1", 9, 11, [1, 2]),
        ("supplier 1", 10, 11, [2]),
        ("supplier 1", 10, None, [2]),
        ("supplier 1", 99, 200, [2]),
        ("supplier 1", 100, None, []),  # still registered, but no supplier any more
        ("supplier 2", 0, 10, []),
        ("supplier 2", 0, 11, [1]),
        ("Ada", 0, 2, []),
        ("Ada", 0, 3, [1]),
        ("Ada", 6, None, []),
        ("Bo", 0, 6, []),
        ("Bo", 6, 7, [1]),
        ("network operator", 0, None, []),
        ("nobody", 0, None, []),
        ("no organisation", 0, None, []),
    ],
)
async def test_each_sees_their_own_points_in_their_time(registry, scene, viewer, first, last, seen):
    viewers, _, points = scene
    expected = [points[number - 1] for number in seen]
    assert await points_seen(registry, viewers[viewer], first, last) == expected
    filter_ = UsagePointFilter(
        visible_to=viewers[viewer], visible_from=day(first), visible_until=None if last is None else day(last)
    )
    assert [point.id for point in (await registry.usage_points(filter_)).items] == expected


@pytest.mark.parametrize(
    ("viewer", "spans"),
    [
        ("operator", {1: (span(-5, 200),), 2: (span(-5, 200),), 3: (span(-5, 200),)}),
        ("supplier 1", {1: (span(0, 10),), 2: (span(0, 100),)}),
        ("supplier 2", {1: (span(10, 200),)}),
        ("Ada", {1: (span(2, 6),)}),
        ("Bo", {1: (span(6, 200),)}),
        ("network operator", {}),
        ("nobody", {}),
        ("no organisation", {}),
    ],
)
async def test_readings_are_shown_for_their_time_only(registry, scene, viewer, spans):
    viewers, _, points = scene
    found = await registry.visible_spans(viewers[viewer], points, day(-5), day(200))
    assert found == {points[number - 1]: expected for number, expected in spans.items()}


@pytest.mark.parametrize(
    ("viewer", "device", "spans"),
    [
        ("operator", 3, (span(0, 200),)),
        ("supplier 1", 1, (span(0, 100),)),  # at point 1 and, without a break, at point 2
        ("supplier 1", 2, (span(8, 10),)),
        ("supplier 2", 1, ()),
        ("supplier 2", 2, (span(10, 200),)),
        ("Ada", 1, (span(2, 6),)),
        ("Ada", 2, ()),
        ("Bo", 1, (span(6, 8),)),
        ("Bo", 2, (span(8, 200),)),
        ("Bo", 3, ()),
    ],
)
async def test_a_device_is_seen_where_it_stood_with_the_viewer(registry, scene, viewer, device, spans):
    viewers, devices, _ = scene
    assert await registry.visible_device_spans(viewers[viewer], devices[device - 1], day(0), day(200)) == spans


@pytest.mark.parametrize(
    ("viewer", "at", "seen"),
    [
        ("operator", 50, [1, 2, 3]),
        ("supplier 1", 5, [1]),
        ("supplier 1", 9, [1, 2]),
        ("supplier 1", 50, [1]),
        ("supplier 2", 50, [2]),
        ("Bo", 50, [2]),
        ("Bo", 7, [1]),
        ("Ada", 50, []),
    ],
)
async def test_lists_of_devices_hold_what_the_viewer_sees_at_that_time(registry, scene, viewer, at, seen):
    viewers, devices, _ = scene
    page = await registry.devices(DeviceFilter(visible_to=viewers[viewer], at=day(at)))
    assert [entry.device.id for entry in page.items] == [devices[number - 1] for number in seen]


async def test_a_list_without_a_time_is_of_now(registry, scene):
    viewers, devices, points = scene  # the registry's clock stands at day 324
    assert (await registry.devices(DeviceFilter(visible_to=viewers["supplier 1"]))).items == ()
    (entry,) = (await registry.devices(DeviceFilter(visible_to=viewers["Bo"]))).items
    assert entry.device.id == devices[1]
    (point,) = (await registry.usage_points(UsagePointFilter(visible_to=viewers["Bo"]))).items
    assert point.id == points[0]


async def test_pages_lead_through_all_that_is_visible_once(registry, scene, new_point):
    viewers, _, _ = scene
    supplier = viewers["supplier 2"].organisation_id
    await registry.add_usage_points([new_point(number) for number in range(100, 123)])
    await registry.register(
        [
            Registration(
                organisation_id=supplier,
                usage_point_id=UsagePointId(f"MP{number:010d}"),
                role=Role.SUPPLIER,
                starts_at=day(first),
                ends_at=day(first + 10),
            )
            for number in range(100, 123)
            for first in (20, 40)
        ]
    )
    seen, after = [], None
    for expected_size in (10, 10, 4):
        page = await registry.visible_usage_points(viewers["supplier 2"], day(0), after=after, limit=10)
        assert len(page.items) == expected_size
        seen += page.items
        after = page.next_cursor
    assert after is None
    assert seen == sorted(set(seen))


async def test_a_cursor_nobody_gave_is_refused(registry):
    with pytest.raises(InvalidValueError, match="the cursor"):
        await registry.visible_usage_points(OPERATOR, day(0), after="\ud800")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-3, 110), st.one_of(st.none(), st.integers(1, 60)))
async def test_list_and_spans_agree_for_every_range(registry, scene, first, length):
    viewers, _, points = scene
    last = None if length is None else first + length
    for viewer in viewers.values():
        spans = await registry.visible_spans(viewer, points, day(first), None if last is None else day(last))
        assert list(spans) == await points_seen(registry, viewer, first, last)
        for seen in spans.values():
            assert all(entry.starts_at >= day(first) for entry in seen)


async def test_a_registration_after_the_role_ended_shows_nothing(registry, scene):
    viewers, _, points = scene
    supplier = viewers["supplier 2"].organisation_id
    late = Registration(organisation_id=supplier, usage_point_id=points[2], role=Role.SUPPLIER, starts_at=day(50))
    await registry.register([late])
    await registry.end_role(supplier, Role.SUPPLIER, day(20))
    assert await points_seen(registry, viewers["supplier 2"], 0, 200) == [points[0]]
    assert await registry.visible_spans(viewers["supplier 2"], [points[2]], day(0), day(200)) == {}
