"""Accounts a fresh system starts with: the operator, and in an emulated neighbourhood a supplier and a consumer."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterworks.catalogue import Role
from meterworks.market.account import Accounts, NewUser
from meterworks.market.acts import Acts, LoggedActs
from meterworks.market.admission import Admissions
from meterworks.registry import (
    Occupancy,
    OrganisationKind,
    Registration,
    Registry,
    UsagePointFilter,
    Viewer,
)
from meterworks.runtime import Database
from meterworks.trust import new_password

__all__ = ["Credential", "ensure_demo_accounts", "ensure_operator"]

OPERATOR_NAME = "operator"
SUPPLIER_NAME, SUPPLIER_ORGANISATION, SUPPLIER_EUI64 = "supplier", "Demo Energy", "90b3d51f30000001"
CONSUMER_NAME, CONSUMER_PERSON = "consumer", "Demo Consumer"
SUPPLIED_POINTS_MAX = 10_000
_DEMO_ADMISSION = timedelta(days=3650)  # a demonstration's clock may run fast


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A new account and its password, to be printed once."""

    name: str
    password: str
    role: Role


async def ensure_operator(database: Database) -> str | None:
    """Create the operator's account if no operator exists; gives its password then, None otherwise."""
    accounts = Accounts(database)
    if await accounts.has_user(role=Role.OPERATOR):
        return None
    password = new_password()
    await accounts.add_user(NewUser(name=OPERATOR_NAME, password=password, role=Role.OPERATOR))
    return password


async def ensure_demo_accounts(
    database: Database, registry: Registry, *, now: datetime, since: datetime
) -> list[Credential]:
    """Create a supplier of every second metering point and a consumer at the first, with a right since `since`.

    Gives their passwords, or nothing when a supplier or consumer account exists already or no metering point does.
    """
    accounts = Accounts(database)
    for role in (Role.SUPPLIER, Role.CONSUMER):
        if await accounts.has_user(role=role):
            return []
    everything = UsagePointFilter(visible_to=Viewer(role=Role.OPERATOR), visible_from=now)
    points = (await registry.usage_points(everything, limit=SUPPLIED_POINTS_MAX)).items
    if not points:
        return []
    organisation = await registry.add_organisation(SUPPLIER_ORGANISATION, SUPPLIER_EUI64, OrganisationKind.MARKET)
    await Admissions(database, Acts(LoggedActs()), now=lambda: now).admit(
        organisation,
        assessor="first start",
        document_digest=hashlib.sha256(b"a demonstration is assessed by nobody").hexdigest(),
        valid_until=now + _DEMO_ADMISSION,
        reason="demonstration",
    )
    await registry.grant_role(organisation, Role.SUPPLIER, since)
    await registry.register(
        [
            Registration(organisation_id=organisation, usage_point_id=point.id, role=Role.SUPPLIER, starts_at=since)
            for point in points[::2]
        ]
    )
    consumer = await registry.add_consumer(CONSUMER_PERSON)
    await registry.occupy([Occupancy(consumer_id=consumer, usage_point_id=points[0].id, starts_at=since)])
    supplier_password, consumer_password = new_password(), new_password()
    await accounts.add_user(
        NewUser(name=SUPPLIER_NAME, password=supplier_password, role=Role.SUPPLIER, organisation_id=organisation)
    )
    await accounts.add_user(
        NewUser(name=CONSUMER_NAME, password=consumer_password, role=Role.CONSUMER, consumer_id=consumer)
    )
    return [
        Credential(name=SUPPLIER_NAME, password=supplier_password, role=Role.SUPPLIER),
        Credential(name=CONSUMER_NAME, password=consumer_password, role=Role.CONSUMER),
    ]
