"""The sink of every process but the appender: acts go over the bus, or wait in a spool.

Acts handed in while a request is under way share the next one. When the appender does not answer, acts that must be
recorded are refused, all others go to the spool at once, so nobody who gives out readings waits for a trail that is
away; the spool is handed over when the appender is back, each act once by its id.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from meterworks.errors import MeterworksError, UsageError
from meterworks.runtime import Bus, Clock, counter, gauge, get_logger
from meterworks.trust.audit.act import act_of
from meterworks.trust.audit.errors import ActNotRecorded, AuditStoreError
from meterworks.trust.audit.event import AuditEvent, Outcome
from meterworks.trust.audit.settings import AuditSettings
from meterworks.trust.audit.spool import Spool
from meterworks.trust.audit.wire import APPEND_SUBJECT, encode_events

__all__ = ["BusAuditSink"]

log = get_logger("trust.audit.sink")
BATCH_EVENTS_MAX = 500
POSTED_MAX = 50_000  # acts that wait with nobody waiting for them
ANSWER_S_MAX = 5.0
RETRY_S = 1.0
CLOSE_S_MAX = 5.0
_SPOOLED = counter("audit_spooled_total", "Acts kept in a spool because the appender was away.")
_LOST = counter("audit_lost_total", "Acts that no spool could take.")
_WAITING = gauge("audit_waiting", "Acts handed in and not yet on their way.")


@dataclass(slots=True)
class _Entry:
    event: AuditEvent
    done: "asyncio.Future[None] | None"  # None: nobody waits

    @property
    def must(self) -> bool:
        return act_of(self.event.act).must_record

    def tell(self, error: Exception | None = None) -> None:
        if self.done is not None and not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)


class BusAuditSink:
    """An `AuditSink` over the bus. source: the process, as its bus identity is named. Close it at the end."""

    def __init__(
        self, bus: Bus, *, source: str, clock: Clock, spool: Path, settings: AuditSettings | None = None
    ) -> None:
        self._bus = bus
        self._source = source
        self._clock = clock
        self._spool = Spool(spool, bytes_max=(settings or AuditSettings()).spool_bytes_max)
        self._entries: list[_Entry] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._away = False
        self._spooled = True  # whether the spool may hold something: an earlier run may have left it
        self._file = asyncio.Lock()  # of the spool: what is kept while another part is forgotten would be lost
        self._sending: asyncio.Task[None] | None = None

    @property
    def away(self) -> bool:
        """Whether the appender did not answer the last time."""
        return self._away

    def start(self) -> None:
        """Begin to hand over, what an earlier run left first. Done by itself with the first act."""
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
            self._wake.set()

    async def append(self, event: AuditEvent) -> None:
        """See AuditSink."""
        entry = _Entry(self._timed(event), asyncio.get_running_loop().create_future())
        if self._away and not entry.must:
            await self._keep([entry])
            return
        assert entry.done is not None
        self._take(entry)
        await entry.done

    def post(self, event: AuditEvent) -> None:
        """See AuditSink."""
        if len(self._entries) >= POSTED_MAX:
            self._spool.dropped += 1  # told when the appender is back
            return
        self._take(_Entry(self._timed(event), None))

    async def flush(self) -> None:
        """Return when all that was handed in is in the trail or the spool."""
        self.start()
        self._idle.clear()
        self._wake.set()
        await self._idle.wait()

    async def close(self) -> None:
        """Hand over what waits, or keep it; then stop."""
        if self._sending is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S_MAX):
                await self.flush()
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        self._sending = None
        left, self._entries = self._entries, []
        await self._settle(left, ActNotRecorded("the process ends: the act was not recorded"))

    def _timed(self, event: AuditEvent) -> AuditEvent:
        if event.at is not None and event.machine_at is not None:
            return event
        return replace(event, at=event.at or self._clock.now(), machine_at=event.machine_at or datetime.now(UTC))

    def _take(self, entry: _Entry) -> None:
        self._entries.append(entry)
        _WAITING.set(len(self._entries))
        self.start()
        self._wake.set()

    async def _send(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if self._away else None):
                    await self._wake.wait()
            self._wake.clear()
            await self._hand_over()
            if not self._entries:
                self._idle.set()

    async def _hand_over(self) -> None:
        try:
            await self._drain()
        except AuditStoreError as error:  # what is new goes on all the same
            log.exception("the spool of acts cannot be read", reason=str(error))
            self._spooled = False
        while self._entries:
            batch, self._entries = self._entries[:BATCH_EVENTS_MAX], self._entries[BATCH_EVENTS_MAX:]
            _WAITING.set(len(self._entries))
            failure = await self._ask([entry.event for entry in batch])
            if failure is not None:  # nobody else waits for the same answer
                batch, self._entries = batch + self._entries, []
            await self._settle(batch, failure)

    async def _settle(self, batch: Sequence[_Entry], failure: MeterworksError | None) -> None:
        """Tell those who wait: done, refused, or kept."""
        if failure is None:
            for entry in batch:
                entry.tell()
            return
        for entry in (entry for entry in batch if entry.must):
            refusal = ActNotRecorded(
                f"the act {entry.event.act} could not be recorded, so it was not done: {failure}", act=entry.event.act
            )
            refusal.__cause__ = failure
            entry.tell(refusal)
        await self._keep([entry for entry in batch if not entry.must])

    async def _keep(self, batch: Sequence[_Entry]) -> None:
        if not batch:
            return
        async with self._file:
            self._spooled = True
            try:
                await asyncio.to_thread(self._spool.keep, [entry.event for entry in batch])
                _SPOOLED.inc(len(batch))
            except AuditStoreError as error:
                _LOST.inc(len(batch))
                log.exception("acts are lost: no appender and no room", acts=len(batch), reason=str(error))
        for entry in batch:
            entry.tell()

    async def _drain(self) -> None:
        """Hand over the spool, while the appender answers."""
        while self._spooled:
            async with self._file:
                events, size = await asyncio.to_thread(self._spool.read, BATCH_EVENTS_MAX)
                dropped = self._spool.dropped
                if dropped:
                    events = [*events, self._told_of(dropped)]
                if not events and not size:
                    self._spooled = False
                    return
            if events and await self._ask(events) is not None:
                return
            async with self._file:
                self._spool.dropped -= dropped
                if size:
                    await asyncio.to_thread(self._spool.forget, size)

    def _told_of(self, dropped: int) -> AuditEvent:
        return self._timed(
            AuditEvent(
                act="audit.spool_dropped",
                actor=f"process:{self._source}",
                object=f"process:{self._source}",
                outcome=Outcome.FAILURE,
                cause="the appender was away and the spool full",
                facts={"count": dropped},
            )
        )

    async def _ask(self, events: Sequence[AuditEvent]) -> MeterworksError | None:
        """Hand events to the appender; gives why it did not take them. One it can never take is logged and left."""
        subject = f"{APPEND_SUBJECT}.{self._source}"
        try:
            await self._bus.request(subject, encode_events(events), timeout_s=ANSWER_S_MAX)
        except UsageError as error:
            if len(events) > 1:
                outcomes = [await self._ask([event]) for event in events]
                return next((outcome for outcome in outcomes if outcome is not None), None)
            log.exception("the appender refuses an act", act=events[0].act, reason=str(error))
            return None if not act_of(events[0].act).must_record else error
        except MeterworksError as error:
            if not self._away:
                log.warning("the appender of the audit trail is away", reason=str(error))
            self._away = True
            return error
        self._away = False
        return None
