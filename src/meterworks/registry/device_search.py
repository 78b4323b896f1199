"""Finding devices: search, filters and pages, with where they stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from meterworks.catalogue import Medium
from meterworks.registry.dated import Span, holds_at
from meterworks.registry.device import DEVICE_COLUMNS, ConnectionKind, Device, DeviceState, device_from_row
from meterworks.registry.installation import INSTALLATION_COLUMNS, Installation, installation_from_row
from meterworks.registry.part import RegistryPart
from meterworks.registry.tables import DeviceRow, InstallationRow, UsagePointRow
from meterworks.registry.usage_point import USAGE_POINT_COLUMNS, UsagePoint, matches_text, usage_point_from_row
from meterworks.registry.value import (
    Page,
    UsagePointId,
    checked_limit,
    checked_time,
    number_cursor,
    page_of,
    storable,
)
from meterworks.registry.viewer import Viewer, visible

__all__ = ["DeviceCounts", "DeviceFilter", "DeviceSearch", "PlacedDevice"]

_Select = TypeVar("_Select", bound=sa.Select[*tuple[Any, ...]])
_Conditions = list[sa.ColumnElement[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFilter:
    """Which devices; None or nothing: any. All that is given has to hold."""

    search: str = ""  # part of serial, identity, or of the usage point's id, name, address or postcode
    manufacturer: str | None = None
    model: str | None = None
    firmware: str | None = None
    state: DeviceState | None = None
    medium: Medium | None = None
    connection: ConnectionKind | None = None
    usage_point_id: UsagePointId | None = None
    feeder: str | None = None
    transformer: str | None = None
    at: datetime | None = None  # where it stands at this instant; None: where it stands until further notice
    visible_to: Viewer | None = None  # only devices at usage points this viewer may see at that instant (None: now)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedDevice:
    """A device and where it stands; None twice when it stands nowhere."""

    device: Device
    installation: Installation | None
    usage_point: UsagePoint | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCounts:
    """How many devices there are, in all and by what a filter offers."""

    total: int
    by_state: Mapping[str, int]
    by_model: Mapping[str, int]
    by_medium: Mapping[str, int]
    by_firmware: Mapping[str, int]
    by_feeder: Mapping[str, int]
    by_transformer: Mapping[str, int]


class DeviceSearch(RegistryPart):
    """Lists and counts of devices."""

    async def devices(
        self, filter_: DeviceFilter | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page[PlacedDevice]:
        """Give a page of devices in order of number, each with where it stands."""
        limit = checked_limit(limit)
        filter_ = filter_ or DeviceFilter()
        columns = (*DEVICE_COLUMNS, *INSTALLATION_COLUMNS, *USAGE_POINT_COLUMNS)
        statement = (
            _placed(sa.select(*columns), filter_)
            .where(*_conditions(filter_, self._clock.now()), DeviceRow.id > number_cursor(after))
            .order_by(DeviceRow.id)
            .limit(limit + 1)
        )
        async with self._database.read() as connection:
            found = [_placed_device(tuple(row)) for row in await connection.execute(statement)]
        return page_of(found, limit, (entry.device.id for entry in found))

    async def count_devices(self, filter_: DeviceFilter | None = None) -> DeviceCounts:
        """Count the devices a filter lets through."""
        filter_ = filter_ or DeviceFilter()
        row, point = DeviceRow, UsagePointRow
        async with self._database.read() as connection:

            async def counts(column: sa.SQLColumnExpression[str]) -> dict[str, int]:
                statement = _placed(sa.select(column, sa.func.count()), filter_).where(
                    *_conditions(filter_, self._clock.now())
                )
                rows = await connection.execute(statement.group_by(column).order_by(column))
                return {value: count for value, count in rows if value is not None}

            by_state = await counts(row.state)
            return DeviceCounts(
                total=sum(by_state.values()),
                by_state=by_state,
                by_model=await counts(row.model),
                by_medium=await counts(row.medium),
                by_firmware=await counts(row.firmware),
                by_feeder=await counts(point.feeder),
                by_transformer=await counts(point.transformer),
            )


def _conditions(filter_: DeviceFilter, now: datetime) -> _Conditions:
    row, point = DeviceRow, UsagePointRow
    given = (
        (row.manufacturer, filter_.manufacturer),
        (row.model, filter_.model),
        (row.firmware, filter_.firmware),
        (row.state, filter_.state),
        (row.medium, filter_.medium),
        (row.connection, filter_.connection),
        (point.id, filter_.usage_point_id),
        (point.feeder, filter_.feeder),
        (point.transformer, filter_.transformer),
    )
    conditions: _Conditions = [column.in_(storable([value])) for column, value in given if value is not None]
    if filter_.search:
        texts = (row.serial, row.identity, point.id, point.name, point.address, point.postcode)
        conditions.append(matches_text(filter_.search, *texts))
    if filter_.visible_to is not None:
        at = checked_time("the instant", filter_.at or now)
        instant = Span(starts_at=at, ends_at=at + timedelta(microseconds=1))
        conditions.append(visible(filter_.visible_to, point.id, instant))
    return conditions


def _placed(statement: _Select, filter_: DeviceFilter) -> _Select:
    """Join devices with where they stand."""
    at = None if filter_.at is None else checked_time("the instant", filter_.at)
    stands = sa.and_(InstallationRow.device_id == DeviceRow.id, holds_at(InstallationRow, at))
    return (
        statement.select_from(DeviceRow)
        .outerjoin(InstallationRow, stands)
        .outerjoin(UsagePointRow, UsagePointRow.id == InstallationRow.usage_point_id)
    )


_INSTALLATION_START = len(DEVICE_COLUMNS)
_USAGE_POINT_START = _INSTALLATION_START + len(INSTALLATION_COLUMNS)


def _placed_device(row: tuple[Any, ...]) -> PlacedDevice:
    installed = row[_INSTALLATION_START] is not None
    return PlacedDevice(
        device=device_from_row(row[:_INSTALLATION_START]),
        installation=installation_from_row(row[_INSTALLATION_START:_USAGE_POINT_START]) if installed else None,
        usage_point=usage_point_from_row(row[_USAGE_POINT_START:]) if installed else None,
    )
