"""Dated installations: one place a device, one device of a medium a usage point, and a history nobody rewrites."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from meterworks.catalogue import Medium
from meterworks.registry import (
    DeviceId,
    DeviceState,
    Installation,
    InstallationError,
    InvalidValueError,
    OverlapError,
    UnknownRecordError,
    UsagePointId,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number):
    return START + timedelta(days=number)


async def story(registry, **whose):
    """Give (device, usage point, from, until) of the installations asked for, in days from START."""

    def days(instant):
        return None if instant is None else (instant - START) / timedelta(days=1)

    return [
        (entry.device_id, entry.usage_point_id, days(entry.starts_at), days(entry.ends_at))
        for entry in await registry.installations(**whose)
    ]


async def test_an_exchange_keeps_one_series_for_the_usage_point(registry, street):
    (old, new, _), (point, *_) = street
    await registry.install(old, point, day(0))
    await registry.exchange(point, old, new, day(10), multiplier=(100, 5))
    assert await story(registry, usage_point_id=point) == [(old, point, 0, 10), (new, point, 10, None)]
    assert (await registry.installations(device_id=new))[0].multiplier_numerator == 100
    assert (await registry.device(old)).state is DeviceState.REMOVED
    assert (await registry.device(new)).state is DeviceState.INSTALLED


async def test_who_stood_there_is_asked_by_range(registry, street):
    (old, new, _), (point, *_) = street
    await registry.install(old, point, day(0))
    await registry.exchange(point, old, new, day(10))
    assert [entry[0] for entry in await story(registry, usage_point_id=point, from_=day(9), to=day(11))] == [old, new]
    assert [entry[0] for entry in await story(registry, usage_point_id=point, from_=day(10))] == [new]
    assert [entry[0] for entry in await story(registry, usage_point_id=point, to=day(10))] == [old]
    assert await story(registry, usage_point_id=point, to=day(0)) == []
    assert await story(registry, usage_point_id=UsagePointId("MP9")) == []


async def test_a_move_keeps_the_history_where_it_was(registry, street):
    (device, *_), (first, second, _) = street
    await registry.install(device, first, day(0))
    await registry.move(device, second, day(5))
    await registry.remove(device, day(7))
    assert await story(registry, device_id=device) == [(device, first, 0, 5), (device, second, 5, 7)]
    assert (await registry.device(device)).state is DeviceState.REMOVED


async def test_a_removed_device_may_stand_again(registry, street):
    (device, *_), (point, *_) = street
    await registry.install(device, point, day(0))
    await registry.remove(device, day(5))
    await registry.install(device, point, day(5))
    assert await story(registry, device_id=device) == [(device, point, 0, 5), (device, point, 5, None)]
    assert (await registry.device(device)).state is DeviceState.INSTALLED


async def test_a_device_cannot_stand_at_two_places(registry, street):
    (device, *_), (first, second, _) = street
    await registry.install(device, first, day(5))
    for at in (day(5), day(9), day(0)):
        with pytest.raises(OverlapError, match=f"device {device} is installed from .* further notice: remove or move"):
            await registry.install(device, second, at)
    assert len(await registry.installations(device_id=device)) == 1


async def test_two_devices_of_a_medium_cannot_stand_at_one_place(registry, street):
    (device, other, _), (point, *_) = street
    await registry.install(device, point, day(0))
    with pytest.raises(OverlapError, match=r"has a device for electricity from .* exchange it instead"):
        await registry.install(other, point, day(3))


async def test_devices_of_different_media_stand_together(registry, street, new_device):
    (electricity, *_), (point, *_) = street
    (water,) = await registry.add_devices([new_device(50, medium=Medium.WATER, phases=0)])
    await registry.install(electricity, point, day(0))
    await registry.install(water, point, day(0))
    assert len(await registry.installations(usage_point_id=point)) == 2


async def test_history_is_added_where_there_is_room(registry, street):
    (device, other, _), (point, *_) = street
    await registry.install(device, point, day(10))
    past = Installation(device_id=other, usage_point_id=point, starts_at=day(0), ends_at=day(10))
    await registry.add_installations([past])
    with pytest.raises(OverlapError):
        await registry.add_installations(
            [Installation(device_id=other, usage_point_id=point, starts_at=day(-5), ends_at=day(1))]
        )
    assert await story(registry, usage_point_id=point) == [(other, point, 0, 10), (device, point, 10, None)]
    assert (await registry.device(other)).state is DeviceState.REMOVED


async def test_a_list_is_installed_whole_or_not_at_all(registry, street):
    (first, second, _), (point, *_) = street
    both = [Installation(device_id=device, usage_point_id=point, starts_at=day(0)) for device in (first, second)]
    with pytest.raises(OverlapError):
        await registry.add_installations(both)
    assert await registry.installations(usage_point_id=point) == ()
    assert (await registry.device(first)).state is DeviceState.STOCK


async def test_a_failed_exchange_leaves_the_old_device_standing(registry, street):
    (old, new, _), (point, elsewhere, _) = street
    await registry.install(old, point, day(0))
    await registry.install(new, elsewhere, day(0))
    with pytest.raises(OverlapError):
        await registry.exchange(point, old, new, day(10))
    assert await story(registry, usage_point_id=point) == [(old, point, 0, None)]
    assert (await registry.device(old)).state is DeviceState.INSTALLED


async def test_only_who_stands_there_is_exchanged(registry, street):
    (old, new, other), (point, elsewhere, _) = street
    await registry.install(old, point, day(0))
    await registry.install(other, elsewhere, day(0))
    with pytest.raises(InstallationError, match="not installed at usage point MP0000000001 now"):
        await registry.exchange(point, other, new, day(10))
    with pytest.raises(InstallationError, match="which is not after"):
        await registry.exchange(point, old, new, day(0))
    with pytest.raises(InstallationError, match="not installed anywhere now"):
        await registry.move(new, point, day(10))


async def test_a_gas_meter_does_not_replace_an_electricity_meter(registry, street, new_device):
    (old, *_), (point, *_) = street
    (gas,) = await registry.add_devices([new_device(50, medium=Medium.GAS, phases=0)])
    await registry.install(old, point, day(0))
    with pytest.raises(InstallationError, match=r"measures electricity, device .* gas: not an exchange"):
        await registry.exchange(point, old, gas, day(10))


async def test_a_quarantined_device_stays_so_when_it_moves(registry, street):
    (device, *_), (point, other_point, _) = street
    await registry.install(device, point, day(0))
    await registry.set_state(device, DeviceState.QUARANTINED)
    await registry.move(device, other_point, day(5))
    assert (await registry.device(device)).state is DeviceState.QUARANTINED


async def test_unknown_devices_and_places_are_told(registry, street):
    (device, *_), (point, *_) = street
    with pytest.raises(UnknownRecordError, match="there is no device 999"):
        await registry.install(DeviceId(999), point, day(0))
    with pytest.raises(UnknownRecordError, match="there is no usage point 'MP9'"):
        await registry.install(device, UsagePointId("MP9"), day(0))
    with pytest.raises(UnknownRecordError, match="there is no usage point"):
        await registry.install(device, UsagePointId("\ud800"), day(0))


async def test_installations_are_asked_of_somebody(registry, street):
    (device, *_), (point, *_) = street
    for whose in ({}, {"device_id": device, "usage_point_id": point}):
        with pytest.raises(InvalidValueError, match="installations of whom"):
            await registry.installations(**whose)


async def test_installations_of_many_come_in_order(registry, street):
    devices, points = street
    for device, point in zip(devices, reversed(points), strict=True):
        await registry.install(device, point, day(0))
    by_device = await registry.installations(device_id=[*devices, DeviceId(2**70)])
    by_point = await registry.installations(usage_point_id=[*points, UsagePointId("\ud800")])
    assert by_device == by_point
    assert [entry.usage_point_id for entry in by_device] == points
    assert await registry.installations(device_id=[]) == ()


async def test_of_many_who_install_at_one_place_at_once_one_wins(registry, street, new_device):
    _, (point, *_) = street
    rivals = await registry.add_devices([new_device(number) for number in range(100, 110)])
    outcomes = await asyncio.gather(
        *(registry.install(device, point, day(0)) for device in rivals), return_exceptions=True
    )
    assert sum(isinstance(outcome, Installation) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, OverlapError) for outcome in outcomes) == 9
    assert len(await registry.installations(usage_point_id=point)) == 1
