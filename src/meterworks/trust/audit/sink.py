"""Where acts are handed in."""

from typing import Protocol

from meterworks.trust.audit.act import act_of
from meterworks.trust.audit.errors import ActNotRecorded
from meterworks.trust.audit.event import AuditEvent

__all__ = ["AuditSink", "MemoryAuditSink"]


class AuditSink(Protocol):
    """Takes acts towards the trail."""

    async def append(self, event: AuditEvent) -> None:
        """Return when the act is durable.

        Raises ActNotRecorded when it cannot be made so and its row of the table says that it must be: then the act is
        not to be done. Other acts are kept for later without an error.
        """
        ...

    def post(self, event: AuditEvent) -> None:
        """Take the act without waiting: it is made durable soon. Not for acts that must be recorded."""
        ...


class MemoryAuditSink:
    """Keeps acts in a list, for tests. `away`: whether it refuses, as a sink does whose appender is gone."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.away = False

    async def append(self, event: AuditEvent) -> None:
        """Keep the act, once by its id."""
        if self.away and act_of(event.act).must_record:
            raise ActNotRecorded(f"the act {event.act} could not be recorded, so it was not done", act=event.act)
        self.post(event)

    def post(self, event: AuditEvent) -> None:
        """Keep the act, once by its id."""
        if all(known.event_id != event.event_id for known in self.events):
            self.events.append(event)

    def acts(self) -> list[str]:
        """The names of the acts kept, in order."""
        return [event.act for event in self.events]
