"""The appender on the bus: takes acts of the other processes, each on the subject that only that process may use."""

import contextlib
from collections.abc import AsyncIterator, Iterable

from meterworks.errors import MeterworksError
from meterworks.runtime import Bus, get_logger
from meterworks.trust.audit.act import act_of
from meterworks.trust.audit.errors import ActNotRecorded, AuditFormatError, AuditUsageError
from meterworks.trust.audit.event import AuditEvent
from meterworks.trust.audit.sink import AuditSink
from meterworks.trust.audit.trail import AuditTrail
from meterworks.trust.audit.wire import APPEND_SUBJECT, decode_events, encode_receipts

__all__ = ["TrailSink", "serve_appends"]

log = get_logger("trust.audit.service")
TOLD_BY_OTHERS = frozenset({"audit.read", "audit.verified", "audit.spool_dropped"})
"""The only acts of the trail's own family that another process may tell."""


class TrailSink(AuditSink):
    """The sink of the appender itself, and of whoever holds the trail."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def append(self, event: AuditEvent) -> None:
        """See AuditSink."""
        await self._trail.append([event])

    def post(self, event: AuditEvent) -> None:
        """See AuditSink."""
        self._trail.post([event])


@contextlib.asynccontextmanager
async def serve_appends(bus: Bus, trail: AuditTrail, sources: Iterable[str]) -> AsyncIterator[None]:
    """Answer on the subject of each source while inside; a record tells the source whose subject it came by."""
    async with contextlib.AsyncExitStack() as stack:
        for source in sources:
            subscription = await bus.respond(f"{APPEND_SUBJECT}.{source}", _Taker(trail, source))
            stack.push_async_callback(subscription.unsubscribe)
        yield


class _Taker:
    def __init__(self, trail: AuditTrail, source: str) -> None:
        self._trail = trail
        self._source = f"process:{source}"

    async def __call__(self, data: bytes) -> bytes:
        """Raises AuditUsageError for what can never be taken, ActNotRecorded for what may be asked again."""
        events = self._checked(data)
        try:
            return encode_receipts(await self._trail.append(events, source=self._source))
        except MeterworksError as error:
            raise ActNotRecorded(f"the trail does not take acts now: {error}") from error

    def _checked(self, data: bytes) -> list[AuditEvent]:
        try:
            events = decode_events(data)
        except AuditFormatError as error:
            raise AuditUsageError(f"not acts: {error}") from error
        for event in events:
            if act_of(event.act).family == "audit" and event.act not in TOLD_BY_OTHERS:
                log.warning("a process told of an act of the trail itself", source=self._source, act=event.act)
                raise AuditUsageError(f"{event.act} is for the appender to tell", act=event.act)
        return events
