"""What a principal may ask of a device besides series: latest values, events, and a read of the meter itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from meterworks.catalogue import CHANNELS, Channel, Detail, Purpose, detail_of, event_code
from meterworks.errors import MeterworksError, UnreachableError
from meterworks.headend import LAST_BUCKET, READ_SUBJECT, RELEASE_SUBJECT, SeenEvent
from meterworks.market.acts import Acts, actor_of
from meterworks.market.audit import AccessEntry, AccessLog
from meterworks.market.errors import PurposeExceeded, ReadFailed, ReadTimeout
from meterworks.market.principal import Principal
from meterworks.market.purpose import purpose_of
from meterworks.market.scope import Scope, VisiblePart, instant
from meterworks.market.series import TimeRange
from meterworks.market.services import MarketServices
from meterworks.market.timestamp import format_utc

__all__ = ["DeviceAccess", "DeviceRead", "LatestValue", "event_document"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestValue:
    """The latest known value of one channel."""

    channel: Channel
    at: datetime
    value: int

    def document(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "channel": self.channel.code,
            "channel_id": self.channel.id,
            "unit": self.channel.unit,
            "scaler": self.channel.scaler,
            "at": format_utc(self.at),
            "value": self.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRead:
    """What a meter answered just now."""

    device_id: int
    drift_s: float | None  # how far the meter's clock is ahead
    values: Sequence[LatestValue]

    def document(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "device": self.device_id,
            "clock_drift_s": self.drift_s,
            "values": [value.document() for value in self.values],
        }


def event_document(seen: SeenEvent) -> dict[str, object]:
    """An event with what its number means."""
    meaning = event_code(seen.event.log, seen.event.code)
    return {
        "device": seen.event.device_id,
        "log": seen.event.log,
        "code": seen.event.code,
        "name": meaning.name,
        "severity": meaning.severity,
        "at": format_utc(seen.event.at),
        "seen_at": format_utc(seen.seen_at),
    }


def _values(pairs: Mapping[str, Sequence[object]]) -> list[LatestValue]:
    """Channel number to [epoch, value], as the head-end writes it. A channel this version does not know is left out."""
    found: list[LatestValue] = []
    for number, pair in pairs.items():
        channel = CHANNELS.get(int(number))
        epoch_s, value = pair
        if channel is not None and isinstance(epoch_s, int | float) and isinstance(value, int):
            found.append(LatestValue(channel=channel, at=datetime.fromtimestamp(epoch_s, UTC), value=value))
    return sorted(found, key=lambda latest: latest.channel.id)


class DeviceAccess:
    """Answers about one device, within what the principal may see."""

    def __init__(self, services: MarketServices, scope: Scope, access_log: AccessLog, *, read_timeout_s: float) -> None:
        self._services = services
        self._acts = Acts(services.audit)
        self._scope = scope
        self._access_log = access_log
        self._read_timeout_s = read_timeout_s

    async def last_values(
        self, principal: Principal, device_id: int, *, purpose: str, request_id: str
    ) -> Sequence[LatestValue]:
        """The latest value of each channel that the principal may see for the purpose. Raises NotFound."""
        claimed = purpose_of(principal.role, purpose)
        now = self._services.clock.now()
        view = await self._scope.device(principal, device_id, instant(now), purpose=claimed)
        content = await self._services.bus.get(LAST_BUCKET, str(device_id))
        values = [] if content is None else _values(orjson.loads(content))
        if values:
            oldest = min(value.at for value in values)
            asked = TimeRange(oldest, instant(now).to)
            seen = await self._scope.device(principal, device_id, asked, purpose=claimed)
            values = [value for value in values if _may_see(value, claimed, seen.parts)]
        await self._record(principal, view.parts, purpose=claimed, request_id=request_id, what="last values")
        return values

    async def read_now(self, principal: Principal, device_id: int, *, purpose: str, request_id: str) -> DeviceRead:
        """Ask the meter for its registers now. Raises NotFound, PurposeExceeded, ReadTimeout, ReadFailed.

        The meter may take its time: whether the principal may see is asked again when the answer is there.
        """
        claimed = purpose_of(principal.role, purpose)
        if max(claimed.sees.values()) < Detail.INSTANT:
            raise PurposeExceeded(
                f"the purpose {claimed.name} does not include values of this moment", purpose=claimed.name
            )
        view = await self._scope.device(principal, device_id, instant(self._services.clock.now()), purpose=claimed)
        await self._acts.record(
            "meter.read",
            by=actor_of(principal),
            on=f"device:{device_id}",
            cause=request_id,
            facts={"purpose": claimed.name, "role": principal.role.value},
        )
        await self._record(principal, view.parts, purpose=claimed, request_id=request_id, what="read now")
        question = orjson.dumps({"device": device_id, "what": "registers", "request_id": request_id})
        try:
            answer = await self._services.bus.request(READ_SUBJECT, question, timeout_s=self._read_timeout_s)
        except UnreachableError as error:
            raise ReadTimeout(f"device {device_id} did not answer in time: {error}", device=device_id) from error
        except MeterworksError as error:
            raise ReadFailed(f"device {device_id} could not be read: {error}", device=device_id) from error
        document = orjson.loads(answer)
        seen = await self._scope.device(principal, device_id, instant(self._services.clock.now()), purpose=claimed)
        finest = max((part.detail or Detail.INSTANT for part in seen.parts), default=Detail.MONTH)
        values = [value for value in _values(document["values"]) if _includes(claimed, value.channel, finest)]
        return DeviceRead(device_id=device_id, drift_s=document.get("drift_s"), values=values)

    async def release(self, principal: Principal, device_id: int, *, purpose: str, request_id: str) -> None:
        """Have the head-end try a device again that it leaves alone because the device refused our keys.

        Raises NotFound, UnreachableError where no head-end answers, UsageError where it does not know the device.
        """
        view = await self._scope.device(principal, device_id, instant(self._services.clock.now()))
        claimed = purpose_of(principal.role, purpose)
        await self._acts.record(
            "collection.released", by=actor_of(principal), on=f"device:{device_id}", cause=request_id
        )
        await self._record(principal, view.parts, purpose=claimed, request_id=request_id, what="release")
        question = orjson.dumps({"device": device_id})
        await self._services.bus.request(RELEASE_SUBJECT, question, timeout_s=self._read_timeout_s)

    async def events(
        self, principal: Principal, device_id: int, asked: TimeRange, *, after: str | None, limit: int
    ) -> tuple[list[dict[str, object]], str | None]:
        """Event log entries in the part of a range the principal may see, newest first. Raises NotFound."""
        view = await self._scope.device(principal, device_id, asked)
        page = await self._services.collection.events(
            [device_id], from_=asked.from_, to=asked.to, after=after, limit=limit
        )
        visible = [seen for seen in page.events if _visible(seen.event.at, view.parts)]
        return [event_document(seen) for seen in visible], page.next

    async def _record(
        self, principal: Principal, parts: Sequence[VisiblePart], *, purpose: Purpose, request_id: str, what: str
    ) -> None:
        at = self._services.clock.now()
        entries = [
            AccessEntry(
                at=at,
                usage_point_id=part.usage_point_id,
                device_id=part.device_id,
                user_name=principal.name,
                role=principal.role.value,
                organisation_id=principal.organisation_id,
                range_start=part.range.from_,
                range_end=part.range.to,
                channels=what,
                purpose=purpose.name,
                request_id=request_id,
                consent_reference=part.consent,
            )
            for part in parts
            if part.usage_point_id is not None
        ]
        await self._access_log.record(entries)


def _visible(at: datetime, parts: Sequence[VisiblePart]) -> bool:
    return any(part.range.contains(at) for part in parts)


def _includes(purpose: Purpose, channel: Channel, finest: Detail) -> bool:
    """Is a single value of a channel within the purpose, and within what a consent to it lets through?"""
    return purpose.allows(channel, detail_of(channel)) and detail_of(channel) <= finest


def _may_see(value: LatestValue, purpose: Purpose, parts: Sequence[VisiblePart]) -> bool:
    return any(
        part.range.contains(value.at) and _includes(purpose, value.channel, part.detail or Detail.INSTANT)
        for part in parts
    )
