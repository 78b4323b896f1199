"""Organisations: market parties and the carrier, and the roles they hold from until."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.catalogue import ORGANISATION_ROLES, Role
from meterworks.registry.dated import Span, Timeline
from meterworks.registry.errors import AlreadyThereError, InvalidValueError, OverlapError, UnknownRecordError
from meterworks.registry.part import RegistryPart
from meterworks.registry.tables import OrganisationRoleRow, OrganisationRow
from meterworks.registry.value import OrganisationId, checked_identity, checked_number, checked_text, checked_time

__all__ = ["Organisation", "OrganisationKind", "OrganisationRole", "Organisations", "role_spans"]

_LIST_MAX = 10_000


class OrganisationKind(StrEnum):
    """On which side of the trust line an organisation stands."""

    CARRIER = "carrier"  # runs head-end and stores
    MARKET = "market"  # asks for service


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationRole:
    """A role an organisation holds, from until."""

    role: Role
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An organisation and its roles, in order of time."""

    id: OrganisationId
    name: str
    eui64: str
    kind: OrganisationKind
    roles: tuple[OrganisationRole, ...]


class Organisations(RegistryPart):
    """Adding organisations and giving them roles."""

    async def add_organisation(self, name: str, eui64: str | bytes, kind: OrganisationKind) -> OrganisationId:
        """Add an organisation without roles. Raises AlreadyThereError when its name or EUI-64 is taken."""
        values = {"name": checked_text("name", name), "eui64": checked_identity(eui64), "kind": kind}
        same = sa.or_(OrganisationRow.name == values["name"], OrganisationRow.eui64 == values["eui64"])
        async with self._database.transaction() as connection:
            known = (await connection.execute(sa.select(OrganisationRow.id).where(same))).first()
            if known is not None:
                raise AlreadyThereError(
                    f"organisation {known.id} has this name or EUI-64 already", kind="organisation", id=known.id
                )
            statement = sa.insert(OrganisationRow).values(**values).returning(OrganisationRow.id)
            return OrganisationId((await connection.execute(statement)).scalar_one())

    async def grant_role(
        self, organisation_id: OrganisationId, role: Role, starts_at: datetime, ends_at: datetime | None = None
    ) -> None:
        """Give an organisation a role from until. Raises OverlapError when it holds it already at that time.

        Raises UnknownRecordError, and InvalidValueError for a role that no organisation has (consumer, for one).
        """
        if role not in ORGANISATION_ROLES:
            raise InvalidValueError(f"an organisation cannot be {role.value}: give another role", what="role")
        span = Span(starts_at=starts_at, ends_at=ends_at)
        async with self._database.transaction() as connection:
            await _lock_organisation(connection, organisation_id)
            timeline = Timeline()
            for held in await role_spans(connection, organisation_id, role):
                timeline.add(role, held)
            conflict = timeline.conflict(role, span)
            if conflict is not None:
                raise OverlapError(f"organisation {organisation_id} is {role.value} from {conflict}", role=role.value)
            values = {"organisation_id": organisation_id, "role": role, "starts_at": span.starts_at}
            await connection.execute(sa.insert(OrganisationRoleRow).values(**values, ends_at=span.ends_at))

    async def end_role(self, organisation_id: OrganisationId, role: Role, at: datetime) -> None:
        """End a role an organisation holds until further notice. Raises UnknownRecordError when it holds none such."""
        row = OrganisationRoleRow
        ends_at = checked_time("the end", at)
        statement = sa.update(row).where(
            row.organisation_id == checked_number(organisation_id),
            row.role == role,
            row.ends_at.is_(None),
            row.starts_at < ends_at,
        )
        async with self._database.transaction() as connection:
            if (await connection.execute(statement.values(ends_at=ends_at))).rowcount == 0:
                raise UnknownRecordError(
                    f"organisation {organisation_id} is not {role.value} at {ends_at.isoformat()} until further notice",
                    kind="organisation role",
                    id=organisation_id,
                )

    async def organisation(self, organisation_id: OrganisationId) -> Organisation:
        """Give an organisation. Raises UnknownRecordError."""
        found = await self._find_organisations(OrganisationRow.id == checked_number(organisation_id))
        if not found:
            raise UnknownRecordError(
                f"there is no organisation {organisation_id}", kind="organisation", id=organisation_id
            )
        return found[0]

    async def organisations(self) -> tuple[Organisation, ...]:
        """Give all organisations in order of number, at most 10,000."""
        return tuple(await self._find_organisations(sa.true()))

    async def _find_organisations(self, condition: sa.ColumnElement[bool]) -> list[Organisation]:
        row, held = OrganisationRow, OrganisationRoleRow
        columns = (row.id, row.name, row.eui64, row.kind)
        async with self._database.read() as connection:
            statement = sa.select(*columns).where(condition).order_by(row.id).limit(_LIST_MAX)
            found = (await connection.execute(statement)).all()
            granted = sa.select(held.organisation_id, held.role, held.starts_at, held.ends_at).join(
                row, row.id == held.organisation_id
            )
            roles: dict[int, list[OrganisationRole]] = {}
            for number, role, starts_at, ends_at in await connection.execute(
                granted.where(condition).order_by(held.starts_at)
            ):
                span = Span(starts_at=starts_at, ends_at=ends_at)
                roles.setdefault(number, []).append(OrganisationRole(role=Role(role), span=span))
        return [
            Organisation(
                id=OrganisationId(number),
                name=name,
                eui64=eui64,
                kind=OrganisationKind(kind),
                roles=tuple(roles.get(number, ())),
            )
            for number, name, eui64, kind in found
        ]


async def role_spans(connection: AsyncConnection, organisation_id: OrganisationId, role: Role) -> Sequence[Span]:
    """Give when an organisation holds a role, in order of time."""
    row = OrganisationRoleRow
    statement = sa.select(row.starts_at, row.ends_at).where(
        row.organisation_id == checked_number(organisation_id), row.role == role
    )
    rows = await connection.execute(statement.order_by(row.starts_at))
    return [Span(starts_at=starts_at, ends_at=ends_at) for starts_at, ends_at in rows]


async def _lock_organisation(connection: AsyncConnection, organisation_id: OrganisationId) -> None:
    statement = sa.select(OrganisationRow.id).where(OrganisationRow.id == checked_number(organisation_id))
    if (await connection.execute(statement.with_for_update())).first() is None:
        raise UnknownRecordError(f"there is no organisation {organisation_id}", kind="organisation", id=organisation_id)
