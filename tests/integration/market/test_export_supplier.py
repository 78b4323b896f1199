"""An export supplier reads what is fed in at its points, and no channel of what is taken."""

from datetime import timedelta

import httpx
import pytest
from tests.integration.market.conftest import ClientOf
from tests.integration.market.small_neighbourhood import PASSWORD, START, SmallNeighbourhood

from meterworks.catalogue import CHANNELS, PURPOSES, Direction, Role
from meterworks.market import Accounts, Acts, Admissions, NewUser
from meterworks.market.errors import PurposeExceeded
from meterworks.market.purpose import check_detail, purpose_of, seen_of
from meterworks.registry import OrganisationKind, Registration, UsagePointId
from meterworks.trust.audit import MemoryAuditSink

DAY = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
IMPORT, EXPORT, EXPORT_REGISTER = 12, 22, 26


@pytest.fixture
async def buyer(neighbourhood: SmallNeighbourhood, client_of: ClientOf) -> httpx.AsyncClient:
    """A party that buys what MP0001 feeds in."""
    registry, now = neighbourhood.services.registry, neighbourhood.clock.now()
    number = await registry.add_organisation("Sun Traders", "90b3d51f30000066", OrganisationKind.MARKET)
    await registry.grant_role(number, Role.EXPORT_SUPPLIER, START)
    await Admissions(neighbourhood.database, Acts(MemoryAuditSink()), now=lambda: now).admit(
        int(number), assessor="olivia", document_digest="5f" * 32, valid_until=now + timedelta(days=365)
    )
    point = UsagePointId("MP0001")
    await registry.register(
        [Registration(organisation_id=number, usage_point_id=point, role=Role.EXPORT_SUPPLIER, starts_at=START)]
    )
    new = NewUser(name="sunny", password=PASSWORD, role=Role.EXPORT_SUPPLIER, organisation_id=int(number))
    await Accounts(neighbourhood.database).add_user(new)
    return await client_of("sunny")


async def test_export_is_read_and_import_refused_whatever_the_purpose(buyer: httpx.AsyncClient) -> None:
    path = "/metering-points/MP0001/readings"
    for purpose in (None, "settlement", "complaint"):
        named = {} if purpose is None else {"purpose": purpose}
        seen = await buyer.get(path, params={**DAY, **named, "channel": str(EXPORT)})
        assert seen.status_code == 200, seen.text
        refused = await buyer.get(path, params={**DAY, **named, "channel": str(IMPORT)})
        assert (refused.status_code, refused.json()["code"]) == (403, "purpose-exceeded")
    unnamed = await buyer.get("/devices/1/readings", params=DAY)
    assert unnamed.status_code == 200
    assert not [each for each in unnamed.json()["series"] if each["channel_id"] == IMPORT]


async def test_a_point_it_is_not_registered_for_is_unknown_to_it(buyer: httpx.AsyncClient) -> None:
    answer = await buyer.get("/metering-points/MP0002/readings", params={**DAY, "channel": str(EXPORT)})
    assert answer.status_code == 404
    assert (await buyer.post("/devices/1/reads")).status_code == 403, "a meter asked now tells of both directions"
    assert (await buyer.get("/devices/1/events", params=DAY)).status_code == 403


@pytest.mark.parametrize("name", [name for name, row in PURPOSES.items() if Role.EXPORT_SUPPLIER in row.roles])
def test_no_purpose_of_its_role_sees_another_direction(name: str) -> None:
    purpose = purpose_of(Role.EXPORT_SUPPLIER, name)
    seen = seen_of(purpose, list(CHANNELS.values()), "interval")
    assert all(channel.direction is Direction.EXPORT for channel in seen)
    with pytest.raises(PurposeExceeded):
        check_detail(purpose, [CHANNELS[IMPORT]], "month")
    assert purpose_of(Role.IMPORT_SUPPLIER, name).direction is None


def test_settlement_sees_the_register_of_export() -> None:
    check_detail(purpose_of(Role.EXPORT_SUPPLIER, "settlement"), [CHANNELS[EXPORT_REGISTER]], "interval")
