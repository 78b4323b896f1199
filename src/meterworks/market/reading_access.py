"""Readings as a principal may see them: bounded by purpose, role, registration, occupancy and consent; logged; then
encoded elsewhere.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pyarrow as pa

from meterworks.catalogue import CHANNELS, Purpose
from meterworks.market.audit import AccessEntry, AccessLog
from meterworks.market.errors import PurposeExceeded
from meterworks.market.principal import Principal
from meterworks.market.purpose import check_detail, detail_asked, exceeded, is_coarse, purpose_of, seen_of
from meterworks.market.question import Cursor, SeriesQuestion
from meterworks.market.scope import INTERVAL_LENGTH_MAX, Scope, VisiblePart
from meterworks.market.series import (
    Columns,
    SeriesResult,
    TimeRange,
    clip,
    columns_from,
    group,
    split_channels,
    whole_periods,
)
from meterworks.market.services import MarketServices
from meterworks.market.timestamp import parse_zone
from meterworks.readings import InstalledDevice
from meterworks.registry import DeviceId, Installation
from meterworks.runtime import together

__all__ = ["ReadingAccess"]

CHANNELS_TEXT_LENGTH_MAX = 512
AHEAD_MAX = timedelta(days=1)  # how far a meter's clock may be ahead
CHANNEL_COUNT_DEFAULT_MAX = 32


@dataclass(frozen=True, slots=True)
class _Subject:
    """What was asked for, and how it is named in the answer."""

    facts: dict[str, object]
    purpose: Purpose
    zone_name: str
    parts: Sequence[VisiblePart]


def _is_local(question: SeriesQuestion) -> bool:
    """Does the answer depend on the usage point's own time zone?"""
    return question.resolution != "interval" and question.zone_name is None


class ReadingAccess:
    """Answers questions for readings. An access is in the log before its answer is given."""

    def __init__(self, services: MarketServices, scope: Scope, access_log: AccessLog, *, rows_max: int) -> None:
        self._services = services
        self._scope = scope
        self._access_log = access_log
        self._rows_max = rows_max

    async def of_usage_point(self, principal: Principal, usage_point_id: str, question: SeriesQuestion) -> SeriesResult:
        """The series of a usage point, stitched over its devices.

        Raises NotFound for an unknown one and for one that the principal may not know of; before anything is looked up,
        PurposeNotPermitted and PurposeExceeded for what its purpose does not include.
        """
        purpose = _purpose(principal, question)
        view = await self._scope.usage_point_series(
            principal, usage_point_id, question.asked, purpose=purpose, local=_is_local(question)
        )
        subject = _Subject({"metering_point": usage_point_id}, purpose, view.time_zone or "UTC", view.parts)
        devices = [entry.device_id for entry in view.installations]
        question = await self._with_channels(question, purpose, devices, self._lived(view.installations))
        subject, question = self._fitted(subject, question)

        installed = [_installed(entry) for entry in view.installations]
        elsewhere = await self._elsewhere(view.installations, question.asked)

        def fetch() -> Awaitable[pa.Table]:
            return self._services.readings.by_usage_point(
                installed,
                [channel.id for channel in question.channels],
                question.asked.from_,
                question.asked.to,
                as_of=question.as_of,
                elsewhere=elsewhere,
            )

        return await self._answer(principal, subject, question, fetch)

    async def _elsewhere(self, here: Sequence[Installation], asked: TimeRange) -> list[InstalledDevice]:
        """Where else the meters stood in an interval within which they came or went: that interval is shared."""
        wide = TimeRange(asked.from_ - INTERVAL_LENGTH_MAX, asked.to + INTERVAL_LENGTH_MAX)
        moved = [entry.device_id for entry in here if _splits(entry.starts_at, wide) or _splits(entry.ends_at, wide)]
        if not moved:
            return []
        known = {(entry.device_id, entry.starts_at) for entry in here}
        found = await self._services.registry.installations(device_id=moved, from_=wide.from_, to=wide.to)
        return [_installed(entry) for entry in found if (entry.device_id, entry.starts_at) not in known]

    async def of_device(self, principal: Principal, device_id: int, question: SeriesQuestion) -> SeriesResult:
        """The series of one device, wherever it hung. Raises NotFound as for a usage point."""
        purpose = _purpose(principal, question)
        view = await self._scope.device_series(
            principal, device_id, question.asked, purpose=purpose, local=_is_local(question)
        )
        subject = _Subject({"device": device_id}, purpose, view.time_zone or "UTC", view.parts)
        lived = self._lived(view.installations)
        question = await self._with_channels(question, purpose, [DeviceId(device_id)], lived)
        subject, question = self._fitted(subject, question)

        def fetch() -> Awaitable[pa.Table]:
            return self._services.readings.by_device(
                device_id,
                [channel.id for channel in question.channels],
                question.asked.from_,
                question.asked.to,
                as_of=question.as_of,
            )

        return await self._answer(principal, subject, question, fetch)

    def _lived(self, installations: Sequence[Installation]) -> list[TimeRange] | None:
        """When there can be readings: while a meter was installed, until now. None where that tells nothing."""
        soon = self._services.clock.now() + AHEAD_MAX
        whole = TimeRange(datetime.min.replace(tzinfo=UTC), soon)
        lived = [whole.overlap(entry.starts_at - INTERVAL_LENGTH_MAX, entry.ends_at) for entry in installations]
        return [part for part in lived if part is not None] or None

    def _fitted(self, subject: _Subject, question: SeriesQuestion) -> tuple[_Subject, SeriesQuestion]:
        """Leave out what a consent does not reach, and make sums whole where purpose or consent is coarse.

        Raises PurposeExceeded when consents there are, but none that fine.
        """
        if not question.channels:
            return subject, question
        asked = max(detail_asked(channel, question.resolution) for channel in question.channels)
        parts = [part for part in subject.parts if part.detail is None or asked <= part.detail]
        if not parts:
            finest = max(part.detail for part in subject.parts if part.detail is not None)
            raise exceeded(subject.purpose, question.channels[0], asked, finest)
        subject = replace(subject, parts=parts)
        if question.resolution == "interval":
            return subject, question
        finest_seen = [subject.purpose.detail(channel) for channel in question.channels]
        finest_seen += [part.detail for part in parts]
        if not any(detail is not None and is_coarse(detail) for detail in finest_seen):
            return subject, question
        return self._whole(subject, question)

    def _whole(self, subject: _Subject, question: SeriesQuestion) -> tuple[_Subject, SeriesQuestion]:
        """The question for whole periods that have ended; see `is_coarse` for why."""
        assert question.resolution != "interval"
        if question.zone_name is not None:
            raise PurposeExceeded(
                f"for the purpose {subject.purpose.name} days begin as they do where the meter is; leave `tz` out",
                purpose=subject.purpose.name,
            )
        now = self._services.clock.now()
        ended_by = now if question.as_of is None else min(now, question.as_of)
        asked, zone = question.asked, parse_zone(subject.zone_name)
        nothing = TimeRange(asked.from_, asked.from_)
        whole = whole_periods(asked, zone, question.resolution, ended_by=ended_by) or nothing
        inside = ((part, whole.overlap(part.range.from_, part.range.to)) for part in subject.parts)
        parts = [replace(part, range=seen) for part, seen in inside if seen is not None]
        return replace(subject, parts=parts), replace(question, asked=whole)

    async def _with_channels(
        self,
        question: SeriesQuestion,
        purpose: Purpose,
        device_ids: Sequence[DeviceId],
        lived: Sequence[TimeRange] | None,
    ) -> SeriesQuestion:
        """Without channels named, the interval channels of the devices are meant, as far as the purpose sees them.

        Checks the question as a whole.
        """
        if not question.channels:
            numbers = {
                channel.channel_id
                for device_id in device_ids
                for channel in await self._services.registry.channels(device_id)
            }
            usual = [
                channel
                for channel in (CHANNELS[number] for number in sorted(numbers))
                if channel.kind == "interval" and (not question.bases or channel.base in question.bases)
            ]
            usual = seen_of(purpose, usual, question.resolution)
            question = replace(question, channels=usual[:CHANNEL_COUNT_DEFAULT_MAX])
        question.check(self._rows_max, lived=lived)
        return question

    async def _answer(
        self,
        principal: Principal,
        subject: _Subject,
        question: SeriesQuestion,
        fetch: Callable[[], Awaitable[pa.Table]],
    ) -> SeriesResult:
        zone = parse_zone(question.zone_name or subject.zone_name)
        entries = self._entries(principal, subject, question)
        found, _ = await together(fetch(), self._access_log.record(entries))
        columns = clip(columns_from(found), [part.range for part in subject.parts])
        next_cursor: str | None = None
        if question.resolution == "interval":
            columns, next_cursor = _page(columns, question)
        series = split_channels(columns, question.channels)
        if question.resolution != "interval":
            series = [group(part, question.asked, zone, question.resolution) for part in series]
        return SeriesResult(
            subject=subject.facts,
            from_=question.asked.from_,
            to=question.asked.to,
            as_of=question.as_of,
            resolution=question.resolution,
            zone_name=zone.key,
            series=series,
            next_cursor=next_cursor,
        )

    def _entries(self, principal: Principal, subject: _Subject, question: SeriesQuestion) -> list[AccessEntry]:
        at = self._services.clock.now()
        channels = ",".join(channel.code for channel in question.channels)[:CHANNELS_TEXT_LENGTH_MAX]
        return [
            AccessEntry(
                at=at,
                usage_point_id=part.usage_point_id,
                device_id=part.device_id,
                user_name=principal.name,
                role=principal.role.value,
                organisation_id=principal.organisation_id,
                range_start=part.range.from_,
                range_end=part.range.to,
                channels=channels,
                purpose=subject.purpose.name,
                request_id=question.request_id,
                consent_reference=part.consent,
            )
            for part in subject.parts
            if part.usage_point_id is not None
        ]


def _purpose(principal: Principal, question: SeriesQuestion) -> Purpose:
    """What the question claims. Raises PurposeNotPermitted, PurposeExceeded."""
    purpose = purpose_of(principal.role, question.purpose)
    check_detail(purpose, question.channels, question.resolution)
    return purpose


def _splits(at: datetime | None, wide: TimeRange) -> bool:
    """Can an interval of any length within the range have this moment inside?"""
    return at is not None and wide.contains(at) and at.timestamp() % INTERVAL_LENGTH_MAX.total_seconds() != 0


def _installed(entry: Installation) -> InstalledDevice:
    multiplier = Fraction(entry.multiplier_numerator, entry.multiplier_denominator)
    return InstalledDevice(entry.device_id, entry.starts_at, entry.ends_at, multiplier)


def _page(columns: Columns, question: SeriesQuestion) -> tuple[Columns, str | None]:
    """The rows from the cursor on, at most `row_limit`, and the cursor of the page after."""
    if question.cursor is not None:
        at = question.cursor
        later = columns.channel > at.channel_id
        columns = columns.take(
            later | ((columns.channel == at.channel_id) & (columns.start_epoch_s >= at.start_epoch_s))
        )
    limit = question.row_limit
    if limit is None or len(columns) <= limit:
        return columns, None
    following = Cursor(int(columns.channel[limit]), int(columns.start_epoch_s[limit]))
    return columns.take(slice(0, limit)), following.encode()
