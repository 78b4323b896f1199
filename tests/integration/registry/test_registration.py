"""Registrations and occupancies: one organisation in a role and one consumer at a usage point at any instant."""

from datetime import UTC, datetime, timedelta

import pytest

from meterworks.catalogue import Role
from meterworks.registry import (
    Consumer,
    ConsumerId,
    InvalidValueError,
    Occupancy,
    OrganisationId,
    OrganisationKind,
    OverlapError,
    Registration,
    UnknownRecordError,
    UsagePointId,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number):
    return START + timedelta(days=number)


@pytest.fixture
async def market(registry, street):
    """Two suppliers and a network operator, all with their role from START on; and the usage points."""
    numbers = []
    for index, role in enumerate((Role.SUPPLIER, Role.SUPPLIER, Role.NETWORK_OPERATOR)):
        number = await registry.add_organisation(f"Organisation {index}", f"{index:016x}", OrganisationKind.MARKET)
        await registry.grant_role(number, role, START)
        numbers.append(number)
    return numbers, street[1]


def supplies(organisation, point, first, last=None, role=Role.SUPPLIER):
    return Registration(
        organisation_id=organisation,
        usage_point_id=point,
        role=role,
        starts_at=day(first),
        ends_at=None if last is None else day(last),
    )


async def test_every_field_of_a_registration_survives(registry, market):
    (supplier, _, network), (point, other, _) = market
    registrations = (
        supplies(supplier, point, 0, 9),
        supplies(network, point, 1, role=Role.NETWORK_OPERATOR),
        supplies(supplier, other, 0),
    )
    await registry.register(registrations)
    assert await registry.registrations() == registrations
    assert await registry.registrations(usage_point_id=point) == registrations[:2]
    assert await registry.registrations(organisation_id=supplier) == (registrations[0], registrations[2])
    assert await registry.registrations(usage_point_id=UsagePointId("\ud800")) == ()


async def test_two_suppliers_of_one_point_are_refused(registry, market):
    (first, second, _), (point, *_) = market
    await registry.register([supplies(first, point, 0)])
    with pytest.raises(OverlapError, match=r"MP0000000001 supplier is taken from .* notice: nothing was changed"):
        await registry.register([supplies(second, point, 10)])
    assert len(await registry.registrations()) == 1


async def test_a_change_of_supplier_ends_the_first_where_the_second_starts(registry, market):
    (first, second, _), (point, *_) = market
    await registry.register([supplies(first, point, 0)])
    await registry.register([supplies(second, point, 10)], replacing=True)
    assert await registry.registrations() == (supplies(first, point, 0, 10), supplies(second, point, 10))


async def test_a_change_does_not_rewrite_the_past(registry, market):
    (first, second, _), (point, *_) = market
    await registry.register([supplies(first, point, 5)])
    for attempt in (supplies(second, point, 5), supplies(second, point, 0)):
        with pytest.raises(OverlapError):
            await registry.register([attempt], replacing=True)
    await registry.end_registration(point, Role.SUPPLIER, day(8))
    with pytest.raises(OverlapError):
        await registry.register([supplies(second, point, 7)], replacing=True)
    assert await registry.registrations() == (supplies(first, point, 5, 8),)


async def test_a_list_is_registered_whole_or_not_at_all(registry, market):
    (first, second, _), (point, other, _) = market
    for replacing in (False, True):
        with pytest.raises(OverlapError):
            await registry.register(
                [supplies(first, other, 0), supplies(first, point, 0), supplies(second, point, 3)], replacing=replacing
            )
    assert await registry.registrations() == ()


async def test_a_registration_ends(registry, market):
    (first, second, _), (point, *_) = market
    await registry.register([supplies(first, point, 0)])
    await registry.end_registration(point, Role.SUPPLIER, day(9))
    await registry.register([supplies(second, point, 9)])
    assert await registry.registrations() == (supplies(first, point, 0, 9), supplies(second, point, 9))


async def test_what_does_not_go_on_cannot_end(registry, market):
    (first, *_), (point, *_) = market
    await registry.register([supplies(first, point, 5)])
    for role, at in ((Role.NETWORK_OPERATOR, day(9)), (Role.SUPPLIER, day(5))):
        with pytest.raises(UnknownRecordError, match="that goes on"):
            await registry.end_registration(point, role, at)


async def test_only_who_holds_the_role_is_registered(registry, market):
    (supplier, _, network), (point, *_) = market
    for attempt in (
        supplies(network, point, 0),
        supplies(supplier, point, -1),
        supplies(OrganisationId(99), point, 0),
        supplies(OrganisationId(2**70), point, 0),
    ):
        with pytest.raises(InvalidValueError, match="give it the role first"):
            await registry.register([attempt])


async def test_an_unknown_point_is_told(registry, market):
    (supplier, *_), _ = market
    with pytest.raises(UnknownRecordError, match="there is no usage point 'MP9'"):
        await registry.register([supplies(supplier, UsagePointId("MP9"), 0)])
    with pytest.raises(UnknownRecordError, match="there is no usage point 'MP9'"):
        await registry.end_occupancy(UsagePointId("MP9"), day(1))


async def test_every_field_of_a_consumer_survives(registry):
    numbers = [await registry.add_consumer("Ada Löwe", "ada@example.org"), await registry.add_consumer("Bo")]
    ada, bo = (
        Consumer(id=numbers[0], name="Ada Löwe", email="ada@example.org"),
        Consumer(id=numbers[1], name="Bo", email=""),
    )
    assert await registry.consumer(numbers[0]) == ada
    first = await registry.consumers(limit=1)
    assert first.items == (ada,)
    assert (await registry.consumers(after=first.next_cursor, limit=1)).items == (bo,)


@pytest.mark.parametrize("number", [0, 5, 2**70])
async def test_an_unknown_consumer_is_told(registry, street, number):
    with pytest.raises(UnknownRecordError, match="there is no consumer"):
        await registry.consumer(ConsumerId(number))
    with pytest.raises(UnknownRecordError, match="there is no consumer"):
        await registry.occupy([Occupancy(consumer_id=ConsumerId(number), usage_point_id=street[1][0], starts_at=START)])


async def test_a_new_occupant_follows_the_old_one(registry, street):
    _, (point, other, _) = street
    ada, bo = await registry.add_consumer("Ada"), await registry.add_consumer("Bo")
    await registry.occupy([Occupancy(consumer_id=ada, usage_point_id=point, starts_at=day(0))])
    moved = Occupancy(consumer_id=bo, usage_point_id=point, starts_at=day(7))
    with pytest.raises(OverlapError, match="MP0000000001 is taken"):
        await registry.occupy([moved])
    await registry.occupy([moved], replacing=True)
    await registry.occupy([Occupancy(consumer_id=ada, usage_point_id=other, starts_at=day(7))])
    assert await registry.occupancies(usage_point_id=point) == (
        Occupancy(consumer_id=ada, usage_point_id=point, starts_at=day(0), ends_at=day(7)),
        moved,
    )
    assert len(await registry.occupancies(consumer_id=ada)) == 2
    await registry.end_occupancy(point, day(9))
    assert (await registry.occupancies(consumer_id=bo))[0].ends_at == day(9)
    assert len(await registry.occupancies()) == 3
