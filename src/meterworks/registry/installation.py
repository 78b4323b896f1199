"""Installations: which device stood at which usage point, from when until when.

A usage point keeps one series of readings through every exchange, because readings belong to the device and this
table says whose they were. Two rules hold at every instant: a device stands at one place at most, and at a usage point
stands one device of a medium at most.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from meterworks.registry.dated import DatedFact, Timeline
from meterworks.registry.device import DeviceState
from meterworks.registry.errors import InstallationError, InvalidValueError, OverlapError
from meterworks.registry.part import RegistryPart, chunks, lock_devices, lock_usage_points
from meterworks.registry.tables import DeviceRow, InstallationRow
from meterworks.registry.value import DeviceId, UsagePointId, checked_number, checked_time, storable
from meterworks.runtime import UtcDateTime, insert_many

__all__ = [
    "INSTALLATION_COLUMNS",
    "Installation",
    "Installations",
    "InstalledTimeline",
    "insert_installations",
    "installation_from_row",
    "installed_timeline",
]

_MULTIPLIER_MAX = 1_000_000
# Beyond any time the registry takes, so that a span without end can be asked for like any other.
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation(DatedFact):
    """A device at a usage point. Readings times multiplier_numerator / multiplier_denominator are what flowed."""

    device_id: DeviceId
    usage_point_id: UsagePointId
    multiplier_numerator: int = 1  # of the current and voltage transformers
    multiplier_denominator: int = 1

    def __post_init__(self) -> None:
        DatedFact.__post_init__(self)
        for name in ("multiplier_numerator", "multiplier_denominator"):
            if not 1 <= getattr(self, name) <= _MULTIPLIER_MAX:
                raise InvalidValueError(f"{name} is {getattr(self, name)}: give 1 to {_MULTIPLIER_MAX}", what=name)


INSTALLATION_COLUMNS = (
    InstallationRow.starts_at,
    InstallationRow.ends_at,
    InstallationRow.device_id,
    InstallationRow.usage_point_id,
    InstallationRow.multiplier_numerator,
    InstallationRow.multiplier_denominator,
)


class Installations(RegistryPart):
    """Installing, exchanging, moving and removing devices."""

    async def add_installations(self, installations: Sequence[Installation]) -> None:
        """Add installations, past ones too. All or none. Raises UnknownRecordError, OverlapError."""
        async with self._database.transaction() as connection:
            await _add(connection, installations)

    async def install(
        self, device_id: DeviceId, usage_point_id: UsagePointId, at: datetime, *, multiplier: tuple[int, int] = (1, 1)
    ) -> Installation:
        """Install a device until further notice. Raises UnknownRecordError, OverlapError."""
        installation = _opened(device_id, usage_point_id, at, multiplier)
        await self.add_installations([installation])
        return installation

    async def exchange(
        self,
        usage_point_id: UsagePointId,
        old: DeviceId,
        new: DeviceId,
        at: datetime,
        *,
        multiplier: tuple[int, int] = (1, 1),
    ) -> Installation:
        """Put a new device in the place of the old one at an instant; both happen or neither.

        Raises InstallationError when the old one does not stand there or media differ, OverlapError when the new one
        stands elsewhere, UnknownRecordError.
        """
        installation = _opened(new, usage_point_id, at, multiplier)
        async with self._database.transaction() as connection:
            media = await lock_devices(connection, [old, new])
            if media[old] != media[new]:
                raise InstallationError(
                    f"device {old} measures {media[old]}, device {new} {media[new]}: not an exchange"
                )
            await lock_usage_points(connection, [usage_point_id])
            await _close(connection, old, usage_point_id, installation.starts_at)
            await _add(connection, [installation])
        return installation

    async def move(
        self, device_id: DeviceId, usage_point_id: UsagePointId, at: datetime, *, multiplier: tuple[int, int] = (1, 1)
    ) -> Installation:
        """Take a device from where it stands to another usage point at an instant; its history stays where it was.

        Raises InstallationError when it stands nowhere, OverlapError when the place is taken, UnknownRecordError.
        """
        installation = _opened(device_id, usage_point_id, at, multiplier)
        async with self._database.transaction() as connection:
            await lock_devices(connection, [device_id])
            await lock_usage_points(connection, [usage_point_id])
            await _close(connection, device_id, None, installation.starts_at)
            await _add(connection, [installation])
        return installation

    async def remove(self, device_id: DeviceId, at: datetime) -> None:
        """Take a device away from where it stands. Raises InstallationError when it stands nowhere."""
        async with self._database.transaction() as connection:
            await lock_devices(connection, [device_id])
            await _close(connection, device_id, None, checked_time("the removal", at))

    async def installations(
        self,
        *,
        usage_point_id: UsagePointId | Sequence[UsagePointId] | None = None,
        device_id: DeviceId | Sequence[DeviceId] | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
    ) -> tuple[Installation, ...]:
        """Give the installations at usage points, or of devices, that touch [from_, to), by usage point and time.

        Give the number of one or of many, of one kind. Spans are given whole; clip them with `span.clipped`.
        Raises InvalidValueError when neither kind or both are given.
        """
        if (usage_point_id is None) == (device_id is None):
            raise InvalidValueError("installations of whom? give usage points or devices", what="usage_point_id")
        span = {
            "from_": _EARLIEST if from_ is None else checked_time("the beginning", from_),
            "to": _LATEST if to is None else checked_time("the end", to),
        }
        found: list[Installation] = []
        async with self._database.read() as connection:
            for statement, subjects in _whose(usage_point_id, device_id):
                rows = await connection.execute(statement, {**span, "subjects": subjects})
                found += [installation_from_row(row) for row in rows]
        return tuple(sorted(found, key=lambda entry: (entry.usage_point_id, entry.starts_at)))


def _touching(column: InstrumentedAttribute[Any]) -> sa.Executable:
    """Installations of some subjects that touch a span. Made once: making it costs more than asking it."""
    ends_at, from_ = InstallationRow.ends_at, sa.bindparam("from_", type_=UtcDateTime())
    return sa.select(*INSTALLATION_COLUMNS).where(
        column.in_(sa.bindparam("subjects", expanding=True)),
        sa.or_(ends_at.is_(None), ends_at > from_),
        InstallationRow.starts_at < sa.bindparam("to", type_=UtcDateTime()),
    )


_AT_USAGE_POINTS = _touching(InstallationRow.usage_point_id)
_OF_DEVICES = _touching(InstallationRow.device_id)


def _whose(
    usage_point_id: UsagePointId | Sequence[UsagePointId] | None, device_id: DeviceId | Sequence[DeviceId] | None
) -> Iterator[tuple[sa.Executable, Sequence[object]]]:
    if usage_point_id is not None:
        points = [usage_point_id] if isinstance(usage_point_id, str) else usage_point_id
        for texts in chunks(storable(points)):
            yield _AT_USAGE_POINTS, texts
    if device_id is not None:
        devices = [device_id] if isinstance(device_id, int) else device_id
        for numbers in chunks(number for number in devices if checked_number(number)):
            yield _OF_DEVICES, numbers


def installation_from_row(row: Sequence[Any]) -> Installation:
    """Build an installation from the columns of INSTALLATION_COLUMNS, in their order."""
    return Installation(**dict(zip(_FIELD_NAMES, row, strict=True)))


_FIELD_NAMES = tuple(entry.name for entry in fields(Installation))


def _opened(
    device_id: DeviceId, usage_point_id: UsagePointId, at: datetime, multiplier: tuple[int, int]
) -> Installation:
    numerator, denominator = multiplier
    return Installation(
        device_id=device_id,
        usage_point_id=usage_point_id,
        starts_at=at,
        multiplier_numerator=numerator,
        multiplier_denominator=denominator,
    )


async def _add(connection: AsyncConnection, installations: Sequence[Installation]) -> None:
    """Check and insert installations in a transaction that holds nothing yet, or holds these very records."""
    media = await lock_devices(connection, [entry.device_id for entry in installations])
    await lock_usage_points(connection, [entry.usage_point_id for entry in installations])
    timeline = await installed_timeline(connection, list(media), [entry.usage_point_id for entry in installations])
    for entry in installations:
        conflict = timeline.claim(entry, media[entry.device_id])
        if conflict is not None:
            raise OverlapError(conflict, device=entry.device_id, usage_point=entry.usage_point_id)
    await insert_installations(connection, installations)


class InstalledTimeline:
    """Who stands where when, with both rules applied to each further installation."""

    def __init__(self) -> None:
        self._devices = Timeline()
        self._places = Timeline()

    def note(self, installation: Installation, medium: str) -> None:
        """Take an installation as it is."""
        self._devices.add(installation.device_id, installation.span)
        self._places.add((installation.usage_point_id, medium), installation.span)

    def claim(self, installation: Installation, medium: str) -> str | None:
        """Take an installation if both rules allow it; otherwise tell why not."""
        held = self._devices.conflict(installation.device_id, installation.span)
        if held is not None:
            return f"device {installation.device_id} is installed from {held}: remove or move it first"
        problem = self.claim_place(installation, medium)
        if problem is None:
            self._devices.add(installation.device_id, installation.span)
        return problem

    def claim_place(self, installation: Installation, medium: str) -> str | None:
        """Take the place alone, for a device that is about to be added and stands nowhere yet."""
        usage_point_id = installation.usage_point_id
        held = self._places.conflict((usage_point_id, medium), installation.span)
        if held is not None:
            return f"usage point {usage_point_id} has a device for {medium} from {held}: exchange it instead"
        self._places.add((usage_point_id, medium), installation.span)
        return None


async def installed_timeline(
    connection: AsyncConnection, device_ids: Sequence[DeviceId], usage_point_ids: Sequence[UsagePointId]
) -> InstalledTimeline:
    """Read what is installed of these devices and at these usage points."""
    found: dict[tuple[int, datetime], tuple[Installation, str]] = {}
    statement = sa.select(*INSTALLATION_COLUMNS, DeviceRow.medium).join(
        DeviceRow, DeviceRow.id == InstallationRow.device_id
    )
    conditions = [InstallationRow.device_id.in_(chunk) for chunk in chunks(device_ids)]
    conditions += [InstallationRow.usage_point_id.in_(chunk) for chunk in chunks(usage_point_ids)]
    for condition in conditions:
        for *values, medium in await connection.execute(statement.where(condition)):
            entry = installation_from_row(values)
            found[entry.device_id, entry.starts_at] = (entry, medium)
    timeline = InstalledTimeline()
    for entry, medium in found.values():
        timeline.note(entry, medium)
    return timeline


async def insert_installations(connection: AsyncConnection, installations: Sequence[Installation]) -> None:
    """Insert installations that were checked, and bring the devices' states along."""
    await insert_many(connection, InstallationRow, [asdict(entry) for entry in installations])
    standing = [entry.device_id for entry in installations if entry.ends_at is None]
    gone = [entry.device_id for entry in installations if entry.ends_at is not None]
    await _set_states(connection, standing, (DeviceState.STOCK, DeviceState.REMOVED), DeviceState.INSTALLED)
    await _set_states(connection, gone, (DeviceState.STOCK,), DeviceState.REMOVED)


async def _close(
    connection: AsyncConnection, device_id: DeviceId, usage_point_id: UsagePointId | None, at: datetime
) -> None:
    """End the open installation of a device, at this usage point when one is named."""
    row = InstallationRow
    statement = sa.select(row.id, row.usage_point_id, row.starts_at).where(
        row.device_id == device_id, row.ends_at.is_(None)
    )
    held = (await connection.execute(statement)).one_or_none()
    if held is None or usage_point_id not in (None, held.usage_point_id):
        where = "anywhere" if usage_point_id is None else f"at usage point {usage_point_id}"
        raise InstallationError(f"device {device_id} is not installed {where} now: look at its installations")
    if at <= held.starts_at:
        raise InstallationError(
            f"device {device_id} stands at {held.usage_point_id} since {held.starts_at.isoformat()}: "
            f"it cannot leave at {at.isoformat()}, which is not after"
        )
    await connection.execute(sa.update(row).where(row.id == held.id).values(ends_at=at))
    await _set_states(connection, [device_id], (DeviceState.INSTALLED,), DeviceState.REMOVED)


async def _set_states(
    connection: AsyncConnection, device_ids: Sequence[DeviceId], before: Sequence[DeviceState], after: DeviceState
) -> None:
    """Change the state of those devices that are in one of the states before: a quarantined one stays so."""
    for chunk in chunks(device_ids):
        await connection.execute(
            sa.update(DeviceRow).where(DeviceRow.id.in_(chunk), DeviceRow.state.in_(before)).values(state=after)
        )
