"""Registrations: which organisation has a usage point, in which role, from when until when.

A usage point has one organisation in a role at any instant, so the next supplier never sees the last one's time.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.catalogue import ORGANISATION_ROLES, Role
from meterworks.registry.dated import DatedFact, Span
from meterworks.registry.errors import InvalidValueError
from meterworks.registry.exclusive import at_point, end_open, make_room
from meterworks.registry.organisation import role_spans
from meterworks.registry.part import RegistryPart, lock_usage_points
from meterworks.registry.tables import RegistrationRow
from meterworks.registry.value import OrganisationId, UsagePointId, checked_number
from meterworks.runtime import insert_many

__all__ = ["Registration", "Registrations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration(DatedFact):
    """An organisation at a usage point in a role."""

    organisation_id: OrganisationId
    usage_point_id: UsagePointId
    role: Role

    def __post_init__(self) -> None:
        DatedFact.__post_init__(self)
        if self.role not in ORGANISATION_ROLES:
            lawful = ", ".join(sorted(role.value for role in ORGANISATION_ROLES))
            raise InvalidValueError(f"nobody is registered as {self.role.value}: give one of {lawful}", what="role")


class Registrations(RegistryPart):
    """Registering organisations at usage points."""

    async def register(self, registrations: Sequence[Registration], *, replacing: bool = False) -> None:
        """Register organisations. All or none.

        replacing: a registration of the same role that would go on is ended where the new one starts (a change of
        supplier). Raises OverlapError, UnknownRecordError, and InvalidValueError when an organisation does not hold the
        role at the start.
        """
        async with self._database.transaction() as connection:
            await _refuse_roles_not_held(connection, registrations)
            await lock_usage_points(connection, [entry.usage_point_id for entry in registrations])
            facts = [((entry.usage_point_id, entry.role.value), entry) for entry in registrations]
            subject = (RegistrationRow.usage_point_id, RegistrationRow.role)
            await make_room(connection, RegistrationRow, subject, facts, replacing=replacing)
            await insert_many(connection, RegistrationRow, [asdict(entry) for entry in registrations])

    async def end_registration(self, usage_point_id: UsagePointId, role: Role, at: datetime) -> None:
        """End the registration of a role that goes on until further notice. Raises UnknownRecordError."""
        condition = sa.and_(RegistrationRow.usage_point_id == usage_point_id, RegistrationRow.role == role)
        async with self._database.transaction() as connection:
            await lock_usage_points(connection, [usage_point_id])
            await end_open(connection, RegistrationRow, condition, at, f"{role.value} registered at {usage_point_id}")

    async def registrations(
        self, *, usage_point_id: UsagePointId | None = None, organisation_id: OrganisationId | None = None
    ) -> tuple[Registration, ...]:
        """Give the registrations at a usage point, of an organisation, or of both, by usage point and time."""
        row = RegistrationRow
        conditions = [*at_point(row.usage_point_id, usage_point_id)]
        if organisation_id is not None:
            conditions.append(row.organisation_id == checked_number(organisation_id))
        columns = (row.starts_at, row.ends_at, row.organisation_id, row.usage_point_id, row.role)
        statement = sa.select(*columns).where(*conditions).order_by(row.usage_point_id, row.starts_at, row.role)
        async with self._database.read() as connection:
            found = (await connection.execute(statement)).all()
        return tuple(
            Registration(
                starts_at=starts_at,
                ends_at=ends_at,
                organisation_id=OrganisationId(organisation),
                usage_point_id=UsagePointId(point),
                role=Role(role),
            )
            for starts_at, ends_at, organisation, point, role in found
        )


async def _refuse_roles_not_held(connection: AsyncConnection, registrations: Sequence[Registration]) -> None:
    held: dict[tuple[OrganisationId, Role], Sequence[Span]] = {}
    for entry in registrations:
        key = (entry.organisation_id, entry.role)
        if key not in held:
            held[key] = await role_spans(connection, *key)
        if not any(span.contains(entry.starts_at) for span in held[key]):
            raise InvalidValueError(
                f"organisation {entry.organisation_id} is not {entry.role.value} at {entry.starts_at.isoformat()}: "
                "give it the role first",
                what="role",
            )
