"""Where the findings of sessions go: readings to the bus, gaps to the expectation table, events and values on."""

from collections.abc import Sequence

from meterworks.headend.capture import CapturePlan
from meterworks.headend.device import DeviceRecord
from meterworks.headend.last_value import LastValueWriter
from meterworks.headend.outbox import Outbox
from meterworks.headend.profile_rows import Readings
from meterworks.headend.ranges import Range
from meterworks.headend.reading_set import ReadingSet, Source
from meterworks.headend.session import LastValues
from meterworks.headend.store import Event
from meterworks.headend.workbook import Workbook
from meterworks.runtime import Clock

__all__ = ["Findings"]


class Findings:
    """The sink of all sessions."""

    def __init__(
        self,
        book: Workbook,
        outbox: Outbox,
        last_values: LastValueWriter,
        event_since: dict[tuple[int, str], float],
        clock: Clock,
    ) -> None:
        self._book = book
        self._outbox = outbox
        self._last_values = last_values
        self._event_since = event_since
        self._clock = clock

    async def readings(
        self, device: DeviceRecord, plan: CapturePlan, span: Range, readings: Readings, *, source: Source, origin: str
    ) -> None:
        """Cross off gaps, publish what there is. An answer without any entry needs no set."""
        profile = plan.profile.name
        self._book.table.mark_absent((device.device_id, profile), readings.absent)
        if not len(readings):
            return
        reading_set = ReadingSet.of(
            readings,
            device_id=device.device_id,
            profile=profile,
            span=(readings.covered[0][0], readings.covered[-1][1]) if readings.covered else span,
            source=source,
            received_at_epoch_s=self._clock.epoch_s(),
            origin=origin,
            title=device.system_title.hex(),
        )
        await self._outbox.put(reading_set, readings.covered)

    def events(self, events: Sequence[Event]) -> None:
        """Keep events, and remember up to when a log is known."""
        self._book.add_events(events)
        for event in events:
            key = (event.device_id, event.log)
            self._event_since[key] = max(event.at.timestamp(), self._event_since.get(key, 0.0))

    def last_values(self, device: DeviceRecord, values: LastValues) -> None:
        """Show momentary values."""
        self._last_values.add(device.device_id, values)
