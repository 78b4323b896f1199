"""Organisations and the roles they hold from until."""

from datetime import UTC, datetime, timedelta

import pytest

from meterworks.catalogue import Role
from meterworks.registry import (
    AlreadyThereError,
    InvalidValueError,
    Organisation,
    OrganisationId,
    OrganisationKind,
    OrganisationRole,
    OverlapError,
    Span,
    UnknownRecordError,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(days=30)


async def test_every_field_survives(registry):
    number = await registry.add_organisation("Bright Energy", "00-11-22-33-44-55-66-77", OrganisationKind.MARKET)
    await registry.grant_role(number, Role.NETWORK_OPERATOR, LATER)
    await registry.grant_role(number, Role.SUPPLIER, START, LATER)
    expected = Organisation(
        id=number,
        name="Bright Energy",
        eui64="0011223344556677",
        kind=OrganisationKind.MARKET,
        roles=(
            OrganisationRole(role=Role.SUPPLIER, span=Span(starts_at=START, ends_at=LATER)),
            OrganisationRole(role=Role.NETWORK_OPERATOR, span=Span(starts_at=LATER)),
        ),
    )
    assert await registry.organisation(number) == expected
    assert await registry.organisations() == (expected,)


async def test_names_and_identities_are_taken_once(registry):
    await registry.add_organisation("Bright", "0000000000000001", OrganisationKind.MARKET)
    for name, eui64 in (("Bright", "0000000000000002"), ("Dark", "0000000000000001")):
        with pytest.raises(AlreadyThereError, match="has this name or EUI-64 already"):
            await registry.add_organisation(name, eui64, OrganisationKind.CARRIER)


async def test_a_role_is_held_once_at_a_time(registry):
    number = await registry.add_organisation("Bright", "0000000000000001", OrganisationKind.MARKET)
    await registry.grant_role(number, Role.SUPPLIER, START)
    with pytest.raises(OverlapError, match="is supplier from"):
        await registry.grant_role(number, Role.SUPPLIER, LATER)
    await registry.grant_role(number, Role.NETWORK_OPERATOR, LATER)
    await registry.end_role(number, Role.SUPPLIER, LATER)
    await registry.grant_role(number, Role.SUPPLIER, LATER)
    assert len((await registry.organisation(number)).roles) == 3


async def test_a_role_that_is_not_held_cannot_end(registry):
    number = await registry.add_organisation("Bright", "0000000000000001", OrganisationKind.MARKET)
    await registry.grant_role(number, Role.SUPPLIER, LATER)
    for role, at in ((Role.NETWORK_OPERATOR, LATER), (Role.SUPPLIER, START)):
        with pytest.raises(UnknownRecordError, match="is not"):
            await registry.end_role(number, role, at)


async def test_no_organisation_is_a_consumer(registry):
    number = await registry.add_organisation("Bright", "0000000000000001", OrganisationKind.MARKET)
    with pytest.raises(InvalidValueError, match="cannot be consumer"):
        await registry.grant_role(number, Role.CONSUMER, START)


@pytest.mark.parametrize("number", [0, 77, 2**70])
async def test_an_unknown_organisation_is_told(registry, number):
    with pytest.raises(UnknownRecordError, match="there is no organisation"):
        await registry.organisation(OrganisationId(number))
    with pytest.raises(UnknownRecordError, match="there is no organisation"):
        await registry.grant_role(OrganisationId(number), Role.SUPPLIER, START)
