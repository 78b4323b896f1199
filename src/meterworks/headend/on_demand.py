"""On-demand reads: what a person or the market asks of one device now, as JSON over the bus, subject `headend.read`.

Request: {"device": 17, "what": "registers"}
         {"device": 17, "what": "clock"}
         {"device": 17, "what": "profile", "profile": "load_import", "start": 1767225600, "end": 1767312000}
Answer:  {"device": 17, "what": ..., "read_at": epoch s, "drift_s": ..., and
          "values": {"16": [epoch s, value], ...}                       for registers
          "readings": [[channel, epoch s, value, flags], ...]}          for a profile
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from meterworks.catalogue import PROFILES
from meterworks.errors import MeterworksError, UnreachableError
from meterworks.headend.collection import Collector
from meterworks.headend.device import DeviceRecord
from meterworks.headend.errors import DeviceQuarantinedError, QueueFullError, RequestError, UnknownDeviceError
from meterworks.headend.session import DeviceSession
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.slots import Job, Lane, SessionSlots
from meterworks.headend.visitor import Work
from meterworks.runtime import Clock, histogram

__all__ = ["READ_SUBJECT", "OnDemandReader", "ReadRequest"]

READ_SUBJECT = "headend.read"
What = Literal["registers", "clock", "profile"]
WHATS: tuple[What, ...] = ("registers", "clock", "profile")
READINGS_MAX = 20_000
READ_S = histogram("headend_on_demand_seconds", "Duration of on-demand reads, waiting included")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """A checked request."""

    device_id: int
    what: What
    profile: str = ""
    start_epoch_s: int = 0
    end_epoch_s: int = 0

    @classmethod
    def from_json(cls, data: bytes) -> "ReadRequest":
        """Read a request. RequestError says what is wrong with it."""
        try:
            body = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise RequestError(f"a read request is JSON: {error}") from error
        if not isinstance(body, dict) or not isinstance(body.get("device"), int) or body.get("what") not in WHATS:
            raise RequestError(f"a read request names a device by number and one of {', '.join(WHATS)}")
        if body["what"] != "profile":
            return cls(device_id=body["device"], what=body["what"])
        return cls._of_profile(body)

    @classmethod
    def _of_profile(cls, body: dict[str, Any]) -> "ReadRequest":
        profile, start, end = body.get("profile"), body.get("start"), body.get("end")
        if not isinstance(profile, str) or profile not in PROFILES:
            raise RequestError(f"profiles are {', '.join(PROFILES)}, not {profile!r}")
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= 2**40:
            raise RequestError("start and end are epoch seconds, start before end")
        return cls(device_id=body["device"], what="profile", profile=profile, start_epoch_s=start, end_epoch_s=end)


class OnDemandReader:
    """Answers read requests through the urgent lane of the slots."""

    def __init__(
        self,
        collector: Collector,
        slots: SessionSlots,
        when_it_calls: Callable[[int, Work], Awaitable[MeterworksError | None]],
        *,
        clock: Clock,
        settings: HeadendSettings,
    ) -> None:
        self._collector = collector
        self._when_it_calls = when_it_calls
        self._slots = slots
        self._clock = clock
        self._settings = settings
        self._over_calls = 0

    async def respond(self, data: bytes) -> bytes:
        """Carry out a request. Raises the device's error, RequestError, UnknownDeviceError or QueueFullError."""
        request = ReadRequest.from_json(data)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._settings.on_demand_s_max):
                answer = await self._read(request)
        except TimeoutError as error:
            raise UnreachableError(
                f"device {request.device_id} was not read within {self._settings.on_demand_s_max:g} s",
                device=request.device_id,
            ) from error
        READ_S.observe(loop.time() - started)
        return orjson.dumps(answer)

    async def _read(self, request: ReadRequest) -> dict[str, object]:
        device = self._collector.devices.get(request.device_id)
        if device is None:
            raise UnknownDeviceError(f"there is no device {request.device_id} to read", device=request.device_id)
        if self._collector.is_quarantined(request.device_id):
            raise DeviceQuarantinedError(
                f"device {request.device_id} refused our keys and is left alone until it is released",
                device=request.device_id,
            )
        answer: dict[str, object] = {"device": request.device_id, "what": request.what}

        async def work(session: DeviceSession) -> None:
            answer.update(await _carry_out(session, request))
            answer["read_at"], answer["drift_s"] = self._clock.epoch_s(), session.report.drift_s

        if device.calls_us:
            await self._over_its_call(request.device_id, work)
        else:
            await self._over_ours(device, work)
        return answer

    async def _over_ours(self, device: DeviceRecord, work: Work) -> None:
        """In the session that is open, or in one of its own; a second one if the first is lost on the way."""
        device_id = device.device_id
        if self._slots.stopped:
            raise UnreachableError("the head-end is stopping", device=device_id)
        if self._slots.is_busy(device_id):
            if self._collector.urgent.count >= self._settings.on_demand_queue_max:
                raise QueueFullError("too many requests wait for sessions that are open; try again later")
            served = await self._collector.urgent.ask(device_id, work)
            if served.done:
                if served.error is not None:
                    raise served.error
                return
        try:
            await self._in_slot(device_id, device.address, work)
        except UnreachableError:
            if self._slots.stopped:
                raise
            await self._in_slot(device_id, device.address, work)

    async def _in_slot(self, device_id: int, address: str, work: Work) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                error = await self._collector.visit_on_demand(device_id, work)
                _settle(done, error)
            except asyncio.CancelledError:
                _settle(done, UnreachableError("the head-end is stopping", device=device_id))
                raise

        job = Job(device_id=device_id, address=address, lane=Lane.ON_DEMAND, run=run)
        self._slots.submit(job)
        try:
            await done
        finally:
            job.cancelled = True  # nobody waits for it any more

    async def _over_its_call(self, device_id: int, work: Work) -> None:
        """For a device that opens the connection itself."""
        if self._over_calls >= self._settings.on_demand_queue_max:
            raise QueueFullError("too many requests wait for devices that call us; try again later")
        self._over_calls += 1
        try:
            error = await self._when_it_calls(device_id, work)
        finally:
            self._over_calls -= 1
        if error is not None:
            raise error


def _settle(done: asyncio.Future[None], error: MeterworksError | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


async def _carry_out(session: DeviceSession, request: ReadRequest) -> dict[str, object]:
    if request.what == "clock":
        return {}
    if request.what == "registers":
        values = await session.read_registers()
        return {"values": {str(channel): [at, value] for channel, (at, value) in values.items()}}
    plan = await session.plan(request.profile)
    step_s = plan.interval_s if plan.rule.on_grid else 1
    span = (request.start_epoch_s // step_s * step_s, -(-request.end_epoch_s // step_s) * step_s)
    if plan.rule.on_grid and (span[1] - span[0]) // step_s * len(plan.rule.channels) > READINGS_MAX:
        raise RequestError(f"at most {READINGS_MAX} readings at once; ask for a shorter range")
    readings = await session.read_range(plan, span, source="on-demand")
    rows = zip(
        readings.channel.tolist(),
        readings.ts_epoch_s.tolist(),
        readings.value.tolist(),
        readings.flags.tolist(),
        strict=True,
    )
    return {"profile": request.profile, "readings": [list(row) for row in rows]}
