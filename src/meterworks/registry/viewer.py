"""Visibility: which usage points somebody may see, and in which time.

An operator or auditor sees everything (their actions are the bound); an organisation what it is registered for, while
it is and while it holds the role; a consumer what they occupy, while they do. The API asks here and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from meterworks.catalogue import ORGANISATION_ROLES, UNBOUND_ROLES, Role
from meterworks.registry.dated import Span, holds_within, merged
from meterworks.registry.errors import InvalidValueError
from meterworks.registry.installation import INSTALLATION_COLUMNS, installation_from_row
from meterworks.registry.organisation import role_spans
from meterworks.registry.part import RegistryPart, chunks
from meterworks.registry.tables import (
    InstallationRow,
    OccupancyRow,
    OrganisationRoleRow,
    RegistrationRow,
    UsagePointRow,
)
from meterworks.registry.value import (
    ConsumerId,
    DeviceId,
    OrganisationId,
    Page,
    UsagePointId,
    checked_limit,
    checked_number,
    checked_text,
    page_of,
    storable,
)

__all__ = ["Viewer", "Visibility", "visible"]

_Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks: a role, and the organisation or consumer in it."""

    role: Role
    organisation_id: OrganisationId | None = None  # of a market party's user
    consumer_id: ConsumerId | None = None  # of a consumer

    def __post_init__(self) -> None:
        if self.role in ORGANISATION_ROLES and self.organisation_id is None:
            raise InvalidValueError(f"a {self.role.value} looks for an organisation: name it", what="organisation_id")
        if self.role is Role.CONSUMER and self.consumer_id is None:
            raise InvalidValueError("a consumer looks for themselves: name them", what="consumer_id")


class Visibility(RegistryPart):
    """Answers who may see what, in which time."""

    async def visible_usage_points(
        self,
        viewer: Viewer,
        from_: datetime,
        to: datetime | None = None,
        *,
        after: str | None = None,
        limit: int = 1000,
    ) -> Page[UsagePointId]:
        """Give the usage points a viewer may see at some instant of [from_, to), in order of their id."""
        limit = checked_limit(limit)
        point, condition = _sighted(viewer, Span(starts_at=from_, ends_at=to))
        beyond = sa.true() if after is None else point > checked_text("the cursor", after)
        statement = sa.select(point).where(condition, beyond).distinct().order_by(point).limit(limit + 1)
        async with self._database.read() as connection:
            points = [UsagePointId(found) for found in await connection.scalars(statement)]
        return page_of(points, limit, points)

    async def visible_spans(
        self, viewer: Viewer, usage_point_ids: Sequence[UsagePointId], from_: datetime, to: datetime | None = None
    ) -> dict[UsagePointId, tuple[Span, ...]]:
        """Give when within [from_, to) a viewer may see usage points, in order of time.

        Usage points the viewer never may see are left out.
        """
        async with self._database.read() as connection:
            return await _spans(connection, viewer, usage_point_ids, Span(starts_at=from_, ends_at=to))

    async def visible_device_spans(
        self, viewer: Viewer, device_id: DeviceId, from_: datetime, to: datetime | None = None
    ) -> tuple[Span, ...]:
        """Give when within [from_, to) a viewer may see a device: where it stood, they may see.

        An operator sees it while it stands nowhere, too.
        """
        window = Span(starts_at=from_, ends_at=to)
        if viewer.role in UNBOUND_ROLES:
            return (window,)
        condition = sa.and_(
            InstallationRow.device_id == checked_number(device_id), holds_within(InstallationRow, window)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(sa.select(*INSTALLATION_COLUMNS).where(condition))
            stood = [installation_from_row(row) for row in rows]
            seen = await _spans(connection, viewer, [entry.usage_point_id for entry in stood], window)
        spans = (span.clipped(entry.span) for entry in stood for span in seen.get(entry.usage_point_id, ()))
        return merged(span for span in spans if span is not None)


def visible(viewer: Viewer, usage_point: sa.ColumnElement[str] | InstrumentedAttribute[str], span: Span) -> _Condition:
    """Condition: the viewer may see the usage point at some instant of the span."""
    if viewer.role in UNBOUND_ROLES:
        return sa.true()
    table, condition = _claim(viewer, span)
    return usage_point.in_(sa.select(table.usage_point_id).where(condition))


def _sighted(viewer: Viewer, span: Span) -> tuple[InstrumentedAttribute[str], _Condition]:
    """Give the column that lists what the viewer may see, so that a page is one walk along its index."""
    if viewer.role in UNBOUND_ROLES:
        return UsagePointRow.id, sa.true()
    table, condition = _claim(viewer, span)
    return table.usage_point_id, condition


def _claim(viewer: Viewer, span: Span) -> tuple[type[RegistrationRow] | type[OccupancyRow], _Condition]:
    """Give the table of what lets the viewer see, and which of its rows do so within the span."""
    if viewer.role is Role.CONSUMER:
        own = OccupancyRow.consumer_id == checked_number(viewer.consumer_id or 0)
        return OccupancyRow, sa.and_(own, holds_within(OccupancyRow, span))
    row, held = RegistrationRow, OrganisationRoleRow
    organisation = checked_number(viewer.organisation_id or 0)
    # Three spans have an instant in common when each two of them have.
    role_held = sa.exists().where(
        held.organisation_id == organisation,
        held.role == viewer.role,
        holds_within(held, span),
        sa.or_(held.ends_at.is_(None), row.starts_at < held.ends_at),
        sa.or_(row.ends_at.is_(None), held.starts_at < row.ends_at),
    )
    return row, sa.and_(
        row.organisation_id == organisation, row.role == viewer.role, holds_within(row, span), role_held
    )


async def _spans(
    connection: AsyncConnection, viewer: Viewer, usage_point_ids: Sequence[UsagePointId], window: Span
) -> dict[UsagePointId, tuple[Span, ...]]:
    if viewer.role in UNBOUND_ROLES:
        return dict.fromkeys(usage_point_ids, (window,))
    windows = await _sight_windows(connection, viewer, window)
    table, condition = _claim(viewer, window)
    found: dict[UsagePointId, list[Span]] = {}
    statement = sa.select(table.usage_point_id, table.starts_at, table.ends_at).where(condition)
    for chunk in chunks(storable(usage_point_ids)):
        for point, starts_at, ends_at in await connection.execute(statement.where(table.usage_point_id.in_(chunk))):
            claim = Span(starts_at=starts_at, ends_at=ends_at)
            clipped = (claim.clipped(sight) for sight in windows)
            found.setdefault(UsagePointId(point), []).extend(span for span in clipped if span is not None)
    return {point: merged(spans) for point, spans in found.items() if spans}


async def _sight_windows(connection: AsyncConnection, viewer: Viewer, window: Span) -> list[Span]:
    """Give the parts of the window in which the viewer has their role at all."""
    if viewer.organisation_id is None:
        return [window]
    clipped = [window.clipped(span) for span in await role_spans(connection, viewer.organisation_id, viewer.role)]
    return [span for span in clipped if span is not None]
