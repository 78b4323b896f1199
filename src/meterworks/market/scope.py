"""How far a principal sees: everything, the time an organisation is registered, the time a consumer lives there, or
what that consumer consented to.

What lies outside does not exist for the asker: an unknown metering point and somebody else's get the same answer.
Sight of readings goes with the purpose they are read for. Master data (where a meter hangs) goes with registration
alone, so a consent opens readings and nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterworks.catalogue import INTERVAL_S_BY_PERIOD, UNBOUND_ROLES, Detail, Purpose, Reach, reach_of
from meterworks.market.consent import Consent, Consents
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
    """A part of the asked range that may be seen. `usage_point_id` None: the device was installed nowhere then.

    consent: the reference of what the sight rests on, and `detail` how fine that lets readings be; None: it rests on no
    consent, and the purpose alone decides.
    """

    usage_point_id: str | None
    device_id: int | None
    range: TimeRange
    consent: str | None = None
    detail: Detail | None = None


@dataclass(frozen=True, slots=True)
class _Sight:
    """A range in which readings may be seen, and the consent that lets them be."""

    range: TimeRange
    consent: Consent | None = None

    def clipped(self, from_: datetime, to: datetime | None) -> "_Sight | None":
        inside = self.range.overlap(from_, to)
        return None if inside is None else _Sight(inside, self.consent)

    def part(self, usage_point_id: str | None, device_id: int | None) -> VisiblePart:
        return VisiblePart(
            usage_point_id=usage_point_id,
            device_id=device_id,
            range=self.range,
            consent=None if self.consent is None else self.consent.reference,
            detail=None if self.consent is None else self.consent.detail,
        )


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
    """Answers what of a usage point or device a principal may see, from the registry's dated facts and from consents.

    Where no purpose is given, it is master data that is looked at.
    """

    def __init__(self, registry: Registry, consents: Consents) -> None:
        self._registry = registry
        self._consents = consents

    async def usage_point(
        self, principal: Principal, usage_point_id: str, asked: TimeRange, *, purpose: Purpose | None = None
    ) -> UsagePointView:
        """The usage point and the ranges that may be seen. Raises NotFound."""
        point_id = UsagePointId(usage_point_id)
        ranges = await self._sights(principal, point_id, asked, purpose)
        point = await self._point(point_id) if ranges else None
        if point is None:
            raise _no_point(usage_point_id)
        installations = await self._registry.installations(usage_point_id=point_id, from_=asked.from_, to=asked.to)
        return UsagePointView(usage_point=point, installations=installations, parts=_point_parts(point_id, ranges))

    async def usage_point_series(
        self, principal: Principal, usage_point_id: str, asked: TimeRange, *, purpose: Purpose, local: bool
    ) -> SeriesView:
        """What a series of a usage point is made of. Raises NotFound.

        A meter that hangs there proves that the usage point exists: then, unless local days are asked for, it is not
        looked up, because each look costs as much as reading a week of readings.
        """
        point_id = UsagePointId(usage_point_id)
        ranges = await self._sights(principal, point_id, asked, purpose)
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

    async def device(
        self, principal: Principal, device_id: int, asked: TimeRange, *, purpose: Purpose | None = None
    ) -> DeviceView:
        """The device and the ranges of its readings that may be seen. Raises NotFound."""
        number = DeviceId(device_id)
        visible = await self._device_sights(principal, number, asked, purpose)
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

    async def device_series(
        self, principal: Principal, device_id: int, asked: TimeRange, *, purpose: Purpose, local: bool
    ) -> SeriesView:
        """What a series of a device is made of. Raises NotFound. As few looks as for a usage point's series."""
        number = DeviceId(device_id)
        visible = await self._device_sights(principal, number, asked, purpose)
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

    async def _sights(
        self, principal: Principal, point_id: UsagePointId, asked: TimeRange, purpose: Purpose | None
    ) -> list[_Sight]:
        """When a usage point may be seen: by registration or occupancy, by consent, or by both together."""
        if purpose is None or not purpose.rests_on_consent:
            spans = await self._registry.visible_spans(viewer_of(principal), [point_id], asked.from_, asked.to)
            return [_Sight(visible) for visible in _ranges(spans.get(point_id, ()), asked)]
        return (await self._consented(principal, [point_id], asked, purpose)).get(point_id, [])

    async def _device_sights(
        self, principal: Principal, number: DeviceId, asked: TimeRange, purpose: Purpose | None
    ) -> list[_Sight]:
        if purpose is None or not purpose.rests_on_consent:
            spans = await self._registry.visible_device_spans(viewer_of(principal), number, asked.from_, asked.to)
            return [_Sight(visible) for visible in _ranges(spans, asked)]
        stood = await self._registry.installations(device_id=number, from_=asked.from_, to=asked.to)
        seen = await self._consented(principal, [entry.usage_point_id for entry in stood], asked, purpose)
        clipped = (
            sight.clipped(entry.starts_at, entry.ends_at)
            for entry in stood
            for sight in seen.get(entry.usage_point_id, ())
        )
        return [sight for sight in clipped if sight is not None]

    async def _consented(
        self, principal: Principal, points: Sequence[UsagePointId], asked: TimeRange, purpose: Purpose
    ) -> dict[UsagePointId, list[_Sight]]:
        """What consents in force let an organisation see; a party that is registered, within its registrations only."""
        number = principal.organisation_id
        if number is None:
            return {}
        consents = await self._consents.in_force(number, purpose.name, points)
        if not consents:
            return {}
        bounds = await self._bounds(principal, list(consents), asked)
        found: dict[UsagePointId, list[_Sight]] = {}
        for point, given in consents.items():
            for consent in given:
                for bound in bounds.get(UsagePointId(point), ()):
                    lived = await self._consents.lived(consent, bound)
                    found.setdefault(UsagePointId(point), []).extend(
                        _Sight(visible, consent) for visible in _ranges(lived, asked)
                    )
        return {point: sights for point, sights in found.items() if sights}

    async def _bounds(
        self, principal: Principal, points: Sequence[str], asked: TimeRange
    ) -> Mapping[UsagePointId, Sequence[Span]]:
        """What bounds a consent beside its own terms: a supplier's registration, and everybody's role being held."""
        window = Span(starts_at=asked.from_, ends_at=asked.to)
        known = [UsagePointId(point) for point in points]
        if reach_of(principal.role, "reading.read") is Reach.REGISTERED:
            return await self._registry.visible_spans(viewer_of(principal), known, asked.from_, asked.to)
        assert principal.organisation_id is not None
        organisation = await self._registry.organisation(OrganisationId(principal.organisation_id))
        now = self._consents.now()
        held = any(entry.role is principal.role and entry.span.contains(now) for entry in organisation.roles)
        return dict.fromkeys(known, (window,)) if held else {}

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


def _point_parts(point_id: UsagePointId, sights: Sequence[_Sight]) -> list[VisiblePart]:
    return [sight.part(point_id, None) for sight in sights]


def _device_parts(device_id: int, sights: Sequence[_Sight], installations: Sequence[Installation]) -> list[VisiblePart]:
    """Each visible range as a whole, and for the access log what of it belongs to which usage point."""
    parts = [sight.part(None, device_id) for sight in sights]
    for entry in installations:
        for sight in sights:
            inside = sight.clipped(entry.starts_at, entry.ends_at)
            if inside is not None:
                parts.append(inside.part(entry.usage_point_id, device_id))
    return parts
