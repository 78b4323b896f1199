"""Usage points: places where energy is delivered and accounted for. They survive every meter."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from meterworks.catalogue import Medium
from meterworks.registry.dated import Span
from meterworks.registry.errors import AlreadyThereError, UnknownRecordError
from meterworks.registry.part import RegistryPart, chunks, refuse_twice
from meterworks.registry.tables import UsagePointRow
from meterworks.registry.value import (
    Page,
    UsagePointId,
    checked_limit,
    checked_text,
    checked_time,
    checked_time_zone,
    checked_usage_point_id,
    page_of,
    storable,
)
from meterworks.registry.viewer import Viewer, visible
from meterworks.runtime import insert_many

__all__ = [
    "USAGE_POINT_COLUMNS",
    "UsagePoint",
    "UsagePointFilter",
    "UsagePoints",
    "matches_text",
    "usage_point_from_row",
]

_TEXT_LENGTHS = {"name": 200, "address": 200, "postcode": 16, "feeder": 64, "transformer": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePoint:
    """A usage point. Texts come out trimmed; unknown ones are empty."""

    id: UsagePointId
    medium: Medium  # what is accounted for here; devices of other media may stand here as well
    name: str = ""
    address: str = ""
    postcode: str = ""
    feeder: str = ""
    transformer: str = ""
    time_zone: str = "UTC"  # IANA name: local days, tariffs and bills go by it
    created_at: datetime | None = None  # None in one to add: now

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", checked_usage_point_id(self.id))
        for name, length_max in _TEXT_LENGTHS.items():
            text = checked_text(name, getattr(self, name), length_max=length_max, empty=True)
            object.__setattr__(self, name, text)
        object.__setattr__(self, "time_zone", checked_time_zone(self.time_zone))
        if self.created_at is not None:
            object.__setattr__(self, "created_at", checked_time("created_at", self.created_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePointFilter:
    """Which usage points; None or nothing: any. All that is given has to hold."""

    search: str = ""  # part of id, name, address or postcode, upper or lower case
    medium: Medium | None = None
    feeder: str | None = None
    transformer: str | None = None
    visible_to: Viewer | None = None
    visible_from: datetime | None = None  # with `visible_to`: at some instant from here; None: now
    visible_until: datetime | None = None  # up to here, not included; None: until further notice


USAGE_POINT_COLUMNS = tuple(UsagePointRow.__table__.c[column.name] for column in fields(UsagePoint))
_FIELD_NAMES = tuple(column.name for column in fields(UsagePoint))


def usage_point_from_row(row: Sequence[Any]) -> UsagePoint:
    """Build a usage point from the columns of USAGE_POINT_COLUMNS, in their order."""
    values = dict(zip(_FIELD_NAMES, row, strict=True))
    return UsagePoint(**{**values, "medium": Medium(values["medium"])})


class UsagePoints(RegistryPart):
    """Adding and finding usage points."""

    async def add_usage_points(self, usage_points: Sequence[UsagePoint]) -> None:
        """Add usage points. All or none. Raises AlreadyThereError when one is known or stands twice in the list."""
        refuse_twice("usage point", [point.id for point in usage_points])
        now = self._clock.now()
        rows = [asdict(point if point.created_at else replace(point, created_at=now)) for point in usage_points]
        async with self._database.transaction() as connection:
            for chunk in chunks([point.id for point in usage_points]):
                known = await connection.scalar(sa.select(UsagePointRow.id).where(UsagePointRow.id.in_(chunk)).limit(1))
                if known is not None:
                    raise AlreadyThereError(
                        f"usage point {known!r} is there already: nothing was added", kind="usage point", id=known
                    )
            await insert_many(connection, UsagePointRow, rows)

    async def usage_point(self, usage_point_id: UsagePointId) -> UsagePoint:
        """Give a usage point. Raises UnknownRecordError."""
        found = await self.usage_points_by_id([usage_point_id])
        if not found:
            raise UnknownRecordError(
                f"there is no usage point {usage_point_id!r}", kind="usage point", id=usage_point_id
            )
        return found[usage_point_id]

    async def usage_points_by_id(self, usage_point_ids: Sequence[UsagePointId]) -> dict[UsagePointId, UsagePoint]:
        """Give those of the usage points that are there, by id."""
        found: dict[UsagePointId, UsagePoint] = {}
        async with self._database.read() as connection:
            for chunk in chunks(storable(usage_point_ids)):
                statement = sa.select(*USAGE_POINT_COLUMNS).where(UsagePointRow.id.in_(chunk))
                points = [usage_point_from_row(row) for row in await connection.execute(statement)]
                found.update((point.id, point) for point in points)
        return found

    async def usage_points(
        self, filter_: UsagePointFilter | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page[UsagePoint]:
        """Give a page of usage points in order of their id."""
        limit = checked_limit(limit)
        conditions = _conditions(filter_ or UsagePointFilter(), self._clock.now())
        if after is not None:
            conditions.append(UsagePointRow.id > checked_text("the cursor", after))
        statement = sa.select(*USAGE_POINT_COLUMNS).where(*conditions).order_by(UsagePointRow.id).limit(limit + 1)
        async with self._database.read() as connection:
            points = [usage_point_from_row(row) for row in await connection.execute(statement)]
        return page_of(points, limit, (point.id for point in points))

    async def count_usage_points(self, filter_: UsagePointFilter | None = None) -> int:
        """Count the usage points a filter lets through."""
        statement = sa.select(sa.func.count()).select_from(UsagePointRow)
        async with self._database.read() as connection:
            count = await connection.scalar(
                statement.where(*_conditions(filter_ or UsagePointFilter(), self._clock.now()))
            )
        return int(count or 0)


def _conditions(filter_: UsagePointFilter, now: datetime) -> list[sa.ColumnElement[bool]]:
    row = UsagePointRow
    given = ((row.medium, filter_.medium), (row.feeder, filter_.feeder), (row.transformer, filter_.transformer))
    conditions: list[sa.ColumnElement[bool]] = [
        column.in_(storable([value])) for column, value in given if value is not None
    ]
    if filter_.search:
        conditions.append(matches_text(filter_.search, row.id, row.name, row.address, row.postcode))
    if filter_.visible_to is not None:
        from_ = filter_.visible_from or now
        span = Span(starts_at=from_, ends_at=filter_.visible_until)
        conditions.append(visible(filter_.visible_to, row.id, span))
    return conditions


def matches_text(search: str, *columns: sa.SQLColumnExpression[str]) -> sa.ColumnElement[bool]:
    """Condition: one of the columns holds the text, upper or lower case. Raises InvalidValueError when unprintable."""
    text = checked_text("the search", search, empty=True)
    return sa.or_(*(column.icontains(text, autoescape=True) for column in columns))
