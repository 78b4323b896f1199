"""How far a principal sees: everything, the time an organisation is registered, or the time a consumer lives there.

What lies outside does not exist for the asker: an unknown metering point and somebody else's get the same answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterworks.catalogue import INTERVAL_S_BY_PERIOD, UNBOUND_ROLES
from meterworks.market.errors import NotFound, RangeTooLarge
from meterworks.market.principal import Principal
from meterworks.market.series import TimeRange
from meterworks.registry import (
    PAGE_SIZE_MAX,
    ConsumerId,
    Device,
    DeviceFilter,
    DeviceId,
    Installation,
    OrganisationId,
    Registry,
    Span,
    UnknownRecordError,
    UsagePoint,
    UsagePointId,
    Viewer,
)

__all__ = [
    "INTERVAL_LENGTH_MAX",
    "DeviceView",
    "Scope",
    "SeriesView",
    "UsagePointView",
    "VisiblePart",
    "instant",
    "viewer_of",
]

DEVICES_IN_VIEW_MAX = PAGE_SIZE_MAX
INTERVAL_LENGTH_MAX = timedelta(seconds=max(INTERVAL_S_BY_PERIOD.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class VisiblePart:
    """A part of the asked range that may be seen. `usage_point_id` None: the device was installed nowhere then."""

    usage_point_id: str | None
    device_id: int | None
    range: TimeRange


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePointView:
    """A usage point as far as it may be seen."""

    usage_point: UsagePoint
    installations: Sequence[Installation]
    parts: Sequence[VisiblePart]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A device as far as it may be seen; `usage_point` is where it stood last within the time asked."""

    device: Device
    installations: Sequence[Installation]
    usage_point: UsagePoint | None
    parts: Sequence[VisiblePart]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesView:
    """What a series is made of. `time_zone` None: it was not asked for."""

    time_zone: str | None
    installations: Sequence[Installation]
    parts: Sequence[VisiblePart]


def viewer_of(principal: Principal) -> Viewer:
    """The principal as the registry knows viewers."""
    return Viewer(
        role=principal.role,
        organisation_id=None if principal.organisation_id is None else OrganisationId(principal.organisation_id),
        consumer_id=None if principal.consumer_id is None else ConsumerId(principal.consumer_id),
    )


def instant(at: datetime) -> TimeRange:
    """The shortest range that holds an instant: what is true now."""
    return TimeRange(at, at + timedelta(seconds=1))


def _ranges(spans: Iterable[Span], asked: TimeRange) -> list[TimeRange]:
    found = (asked.overlap(span.starts_at, span.ends_at) for span in spans)
    return [overlap for overlap in found if overlap is not None]


class Scope:
    """Answers what of a usage point or device a principal may see, from the registry's dated facts."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def usage_point(self, principal: Principal, usage_point_id: str, asked: TimeRange) -> UsagePointView:
        """The usage point and the ranges that may be seen. Raises NotFound."""
        point_id = UsagePointId(usage_point_id)
        ranges = await self._ranges(principal, point_id, asked)
        point = await self._point(point_id) if ranges else None
        if point is None:
            raise _no_point(usage_point_id)
        installations = await self._registry.installations(usage_point_id=point_id, from_=asked.from_, to=asked.to)
        return UsagePointView(usage_point=point, installations=installations, parts=_point_parts(point_id, ranges))

    async def usage_point_series(
        self, principal: Principal, usage_point_id: str, asked: TimeRange, *, local: bool
    ) -> SeriesView:
        """What a series of a usage point is made of. Raises NotFound.

        A meter that hangs there proves that the usage point exists: then, unless local days are asked for, it is not
        looked up, because each look costs as much as reading a week of readings.
        """
        point_id = UsagePointId(usage_point_id)
        ranges = await self._ranges(principal, point_id, asked)
        if not ranges:
            raise _no_point(usage_point_id)
        # A meter that came after the end asked for may have measured the rest of the last interval.
        until = asked.to + INTERVAL_LENGTH_MAX
        installations = await self._registry.installations(usage_point_id=point_id, from_=asked.from_, to=until)
        time_zone = None
        if local or not installations:
            point = await self._point(point_id)
            if point is None:
                raise _no_point(usage_point_id)
            time_zone = point.time_zone
        return SeriesView(time_zone=time_zone, installations=installations, parts=_point_parts(point_id, ranges))

    async def device(self, principal: Principal, device_id: int, asked: TimeRange) -> DeviceView:
        """The device and the ranges of its readings that may be seen. Raises NotFound."""
        number = DeviceId(device_id)
        visible = await self._device_ranges(principal, number, asked)
        device = await self._device(number) if visible else None
        if device is None:
            raise _no_device(device_id)
        installations = await self._registry.installations(device_id=number, from_=asked.from_, to=asked.to)
        return DeviceView(
            device=device,
            installations=installations,
            usage_point=await self._point(installations[-1].usage_point_id) if installations else None,
            parts=_device_parts(device_id, visible, installations),
        )

    async def device_series(self, principal: Principal, device_id: int, asked: TimeRange, *, local: bool) -> SeriesView:
        """What a series of a device is made of. Raises NotFound. As few looks as for a usage point's series."""
        number = DeviceId(device_id)
        visible = await self._device_ranges(principal, number, asked)
        if not visible:
            raise _no_device(device_id)
        installations = await self._registry.installations(device_id=number, from_=asked.from_, to=asked.to)
        if not installations and await self._device(number) is None:
            raise _no_device(device_id)
        point = await self._point(installations[-1].usage_point_id) if local and installations else None
        return SeriesView(
            time_zone=None if point is None else point.time_zone,
            installations=installations,
            parts=_device_parts(device_id, visible, installations),
        )

    async def _ranges(self, principal: Principal, point_id: UsagePointId, asked: TimeRange) -> list[TimeRange]:
        spans = await self._registry.visible_spans(viewer_of(principal), [point_id], asked.from_, asked.to)
        return _ranges(spans.get(point_id, ()), asked)

    async def _device_ranges(self, principal: Principal, number: DeviceId, asked: TimeRange) -> list[TimeRange]:
        viewer = viewer_of(principal)
        return _ranges(await self._registry.visible_device_spans(viewer, number, asked.from_, asked.to), asked)

    async def _point(self, point_id: UsagePointId) -> UsagePoint | None:
        return (await self._registry.usage_points_by_id([point_id])).get(point_id)

    async def _device(self, number: DeviceId) -> Device | None:
        try:
            return await self._registry.device(number)
        except UnknownRecordError:
            return None

    async def devices_in_view(self, principal: Principal, asked: TimeRange) -> Mapping[int, Sequence[TimeRange]] | None:
        """The devices where they stand now, each with when within the range it may be seen; None stands for everything.

        Raises RangeTooLarge when more than DEVICES_IN_VIEW_MAX are in view.
        """
        if principal.role in UNBOUND_ROLES:
            return None
        viewer = viewer_of(principal)
        found = await self._registry.devices(DeviceFilter(visible_to=viewer), limit=DEVICES_IN_VIEW_MAX)
        if found.next_cursor is not None:
            raise RangeTooLarge(f"more than {DEVICES_IN_VIEW_MAX} devices are in view; ask for single ones")
        stands = {placed.device.id: placed.installation for placed in found.items if placed.installation is not None}
        points = sorted({entry.usage_point_id for entry in stands.values()})
        spans = await self._registry.visible_spans(viewer, points, asked.from_, asked.to)
        view: dict[int, list[TimeRange]] = {}
        for device_id, entry in stands.items():
            installed = asked.overlap(entry.starts_at, entry.ends_at)
            if installed is not None:
                view[device_id] = _ranges(spans.get(entry.usage_point_id, ()), installed)
        return view


def _no_point(usage_point_id: str) -> NotFound:
    return NotFound(f"there is no metering point {usage_point_id!r} in your view", id=usage_point_id)


def _no_device(device_id: int) -> NotFound:
    return NotFound(f"there is no device {device_id} in your view", id=device_id)


def _point_parts(point_id: UsagePointId, ranges: Sequence[TimeRange]) -> list[VisiblePart]:
    return [VisiblePart(usage_point_id=point_id, device_id=None, range=visible) for visible in ranges]


def _device_parts(
    device_id: int, visible: Sequence[TimeRange], installations: Sequence[Installation]
) -> list[VisiblePart]:
    """Each visible range as a whole, and for the access log what of it belongs to which usage point."""
    parts = [VisiblePart(usage_point_id=None, device_id=device_id, range=seen) for seen in visible]
    for entry in installations:
        for seen in visible:
            overlap = seen.overlap(entry.starts_at, entry.ends_at)
            if overlap is not None:
                parts.append(VisiblePart(usage_point_id=entry.usage_point_id, device_id=device_id, range=overlap))
    return parts
