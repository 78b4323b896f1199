"""What the head-end remembers while it runs, and writes behind: expectation, devices, logs, runs.

One flush is one transaction. A flush that fails is tried again with everything still in it; logs are bounded, and the
oldest lines go first when the database stays away.
"""

import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from meterworks.errors import MeterworksError
from meterworks.headend.act import act_of_event, act_of_incident, act_of_session
from meterworks.headend.expectation import ExpectationTable
from meterworks.headend.store import Batch, DeviceMemory, Event, HeadendStore, Incident, Run, SessionRecord
from meterworks.runtime import Clock, counter, get_logger
from meterworks.trust.audit import AuditEvent, AuditSink

__all__ = ["Workbook"]

log = get_logger("headend.workbook")

LOG_LINES_MAX = 100_000
INCIDENTS_PER_MINUTE_MAX = 600
PAIRS_PER_FLUSH_MAX = 4000
INCIDENTS = counter("headend_incidents_total", "Incidents by kind", ["kind"])


@dataclass(frozen=True, slots=True)
class _Taken:
    """Lines on their way to the database."""

    sessions: deque[SessionRecord]
    events: deque[tuple[Event, datetime]]
    incidents: deque[Incident]
    changed: set[int]
    runs: dict[str, Run]


class Workbook:
    """The working copy of everything the head-end keeps."""

    def __init__(
        self,
        store: HeadendStore,
        table: ExpectationTable,
        devices: dict[int, DeviceMemory],
        clock: Clock,
        audit: AuditSink | None = None,
    ) -> None:
        self.table = table
        self._store = store
        self._clock = clock
        self._audit = audit
        self._devices = devices
        self._changed: set[int] = set()
        self._sessions: deque[SessionRecord] = deque(maxlen=LOG_LINES_MAX)
        self._events: deque[tuple[Event, datetime]] = deque(maxlen=LOG_LINES_MAX)
        self._incidents: deque[Incident] = deque(maxlen=LOG_LINES_MAX)
        self._incident_minute = (0, 0)
        self._runs: dict[str, Run] = {}

    def memory(self, device_id: int) -> DeviceMemory:
        """What is remembered of a device."""
        found = self._devices.get(device_id)
        if found is None:
            found = self._devices[device_id] = DeviceMemory(device_id=device_id)
        return found

    def changed(self, device_id: int) -> None:
        """Say that a device's memory changed."""
        self._changed.add(device_id)

    def add_session(self, record: SessionRecord) -> None:
        """Log a session."""
        self._sessions.append(record)
        act = act_of_session(record)
        if act is not None and self._within_rate():
            self._tell(act)

    def add_events(self, events: Iterable[Event]) -> None:
        """Keep event log entries; those already known change nothing."""
        now = self._clock.now()
        for event in events:
            self._events.append((event, now))
            self._tell(act_of_event(event))

    def add_incident(
        self, kind: str, *, device_id: int | None = None, peer: str | None = None, detail: str = ""
    ) -> bool:
        """Record an incident and give whether it was. Beyond a rate they are only counted: no flood fills the disk."""
        INCIDENTS.labels(kind).inc()
        if not self._within_rate():
            return False
        incident = Incident(at=self._clock.now(), kind=kind, device_id=device_id, peer=peer, detail=detail[:500])
        self._incidents.append(incident)
        self._tell(act_of_incident(incident))
        return True

    def _within_rate(self) -> bool:
        minute = int(self._clock.epoch_s() // 60)
        count = self._incident_minute[1] + 1 if self._incident_minute[0] == minute else 1
        self._incident_minute = (minute, count)
        return count <= INCIDENTS_PER_MINUTE_MAX

    def _tell(self, act: AuditEvent | None) -> None:
        """Hand an act to the audit trail; nobody who collects readings waits for it."""
        if act is not None and self._audit is not None:
            self._audit.post(act)

    def open_run(self, kind: str) -> Run:
        """Begin a collection run."""
        run = Run(id=uuid.uuid4().hex, kind=kind, started=self._clock.now())
        self._runs[run.id] = run
        return run

    def update_run(self, run: Run) -> None:
        """Say that a run changed."""
        self._runs[run.id] = run

    async def flush(self, *, positions: dict[str, int]) -> bool:
        """Write everything that changed; what could not be written stays to be written. Gives whether all went well.

        Positions are written with the last of the ranges that were crossed off up to them, never before.
        """
        pairs = list(self.table.take_dirty())
        taken = _Taken(self._sessions, self._events, self._incidents, self._changed, self._runs)
        self._sessions, self._events = deque(maxlen=LOG_LINES_MAX), deque(maxlen=LOG_LINES_MAX)
        self._incidents, self._changed, self._runs = deque(maxlen=LOG_LINES_MAX), set(), {}
        try:
            while len(pairs) > PAIRS_PER_FLUSH_MAX:
                part = pairs[-PAIRS_PER_FLUSH_MAX:]
                await self._store.flush(Batch(expectation={pair: self.table.rows(pair) for pair in part}))
                del pairs[-PAIRS_PER_FLUSH_MAX:]
            batch = Batch(
                expectation={pair: self.table.rows(pair) for pair in pairs},
                devices=[self._devices[each] for each in taken.changed if each in self._devices],
                sessions=list(taken.sessions),
                events=list(taken.events),
                incidents=list(taken.incidents),
                runs=list(taken.runs.values()),
                positions=positions,
            )
            if batch:
                await self._store.flush(batch)
        except MeterworksError:
            self.table.return_dirty(pairs)
            self._take_back(taken)
            log.exception("the database takes nothing; trying again")
            return False
        return True

    def _take_back(self, taken: _Taken) -> None:
        self._sessions = deque([*taken.sessions, *self._sessions], maxlen=LOG_LINES_MAX)
        self._events = deque([*taken.events, *self._events], maxlen=LOG_LINES_MAX)
        self._incidents = deque([*taken.incidents, *self._incidents], maxlen=LOG_LINES_MAX)
        self._changed |= taken.changed
        self._runs = {**taken.runs, **self._runs}
