"""Where a stored reading came from, shown: its rows, the line of the book, the device's message, and the trail.

A line of the book says what was stored of a message; the trail holds the book's state now and then. So four things are
compared: the rows in the warehouse with the line, the line with its batch, the batches with the anchors in the trail,
and where somebody has the message, the message with the line.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from meterworks.readings import Anchor, Observations, OriginBook, OriginLine, rows_digest
from meterworks.runtime.warehouse import Warehouse
from meterworks.system.errors import ConfigurationError
from meterworks.system.trail import TrailStore
from meterworks.trust.audit import AuditEvent, AuditQuestion, AuditRecord

__all__ = ["ACT", "Asked", "ReadingProof", "anchored", "forget_gone", "prove", "prove_reading"]

ACT = "readings.anchored"
ANCHORS_MAX = 100_000
_COLUMNS = "device, channel, epoch(ts)::BIGINT AS ts_s, value, quality, flags, version, source"
_ONE = f"""
SELECT {_COLUMNS}, epoch_us(received_at) AS received_us FROM readings
WHERE device = $device AND channel = $channel AND ts = make_timestamp($at_us) ORDER BY version
"""  # noqa: S608  # our own column names
_BROUGHT = f"""
SELECT {_COLUMNS}, epoch_us(received_at) AS received_us FROM readings
WHERE device = $device AND received_at = make_timestamp($received_us) ORDER BY channel, ts, version
"""  # noqa: S608  # our own column names
_STORED = """
SELECT device, epoch_us(received_at) AS received_us, count(*) AS count FROM readings
WHERE received_at BETWEEN make_timestamp($first_us) AND make_timestamp($last_us) GROUP BY ALL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingProof:
    """One version of a reading and what is known of its origin.

    line: None where the book knows nothing. rows: whether what is stored of the message is what was stored then.
    record: of the trail, the first that anchors the line's batch; None while none does. message: whether the octets
    given are those of the message; None where none were given.
    """

    value: int
    version: int
    received_us: int
    line: OriginLine | None
    rows: bool
    record: int | None
    message: bool | None

    @property
    def is_proved(self) -> bool:
        """Whether a device's message is known, the rows are unchanged since, and the trail says so."""
        told = self.line is not None and bool(self.line.message)
        return told and self.rows and self.record is not None and self.message is not False


def anchored(state: Anchor) -> AuditEvent:
    """The act that puts the state of the book into the trail."""
    return AuditEvent(
        act=ACT,
        actor="process:writer",
        object="readings",
        facts={"batches": state.batches, "lines": state.lines, "sha256": state.digest},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A reading, and the octets of a message that it is said to have come in, if somebody has them."""

    device: int
    channel: int
    at: datetime
    message: bytes | None = None


async def prove_reading(store: TrailStore, warehouse: Warehouse, asked: Asked) -> list[ReadingProof]:
    """All versions of a reading with their origin, oldest first.

    Raises ConfigurationError where there is no such reading, OriginError where the book is not what it was.
    """
    anchors = await store.reader.records(AuditQuestion(act=ACT, limit=ANCHORS_MAX))
    book = OriginBook(store.layout.origins, reads_only=True)
    return await asyncio.to_thread(prove, book, warehouse, anchors, asked)


def prove(book: OriginBook, warehouse: Warehouse, anchors: Sequence[AuditRecord], asked: Asked) -> list[ReadingProof]:
    """The same with the book and the records that anchor it in hand."""
    at_us = round(asked.at.timestamp() * 1_000_000)
    bounds = {"device": asked.device, "channel": asked.channel, "at_us": at_us}
    found = _observations(warehouse.query(_ONE, bounds))
    if not len(found):
        raise ConfigurationError(
            f"device {asked.device} has no reading of channel {asked.channel} at {asked.at.isoformat()}"
        )
    confirmed = _confirmed(book, anchors)
    digest = None if asked.message is None else hashlib.sha256(asked.message).hexdigest()
    rows = [found.take(slice(place, place + 1)) for place in range(len(found))]
    return [_proof(row, book, warehouse, confirmed, digest) for row in rows]


def _confirmed(book: OriginBook, anchors: Sequence[AuditRecord]) -> list[tuple[int, int]]:
    """Batches whose state the trail tells, each with its record; computed anew from the first line on."""
    told = {int(str(each.event.facts["batches"])): each for each in anchors}
    found = []
    for state in book.states():
        record = told.get(state.batches)
        if record is not None and record.event.facts["sha256"] == state.digest:
            found.append((state.batches, record.sequence))
    return sorted(found)


def _proof(
    row: Observations, book: OriginBook, warehouse: Warehouse, confirmed: Sequence[tuple[int, int]], digest: str | None
) -> ReadingProof:
    device, received_us = int(row.device[0]), int(row.received_us[0])
    brought = _observations(warehouse.query(_BROUGHT, {"device": device, "received_us": received_us}))
    now = rows_digest(brought)
    lines = book.find(device, received_us)
    same = [(line, batch) for line, batch in lines if line.rows == now]
    line, batch = (same or lines)[-1] if lines else (None, 0)
    record = next((number for batches, number in confirmed if batches >= batch), None)
    return ReadingProof(
        value=int(row.value[0]),
        version=int(row.version[0]),
        received_us=received_us,
        line=line,
        rows=bool(same),
        record=None if line is None else record,
        message=None if digest is None else line is not None and line.message == digest,
    )


def forget_gone(book: OriginBook, warehouse: Warehouse) -> int:
    """Take out of the book what it says of readings that are not all stored any more; gives how many lines."""
    gone = 0
    for day in book.days():
        span = book.spans(day)
        if span is not None:
            stored = warehouse.query(_STORED, {"first_us": span[0], "last_us": span[1]})
            keys = zip(stored["device"].to_pylist(), stored["received_us"].to_pylist(), strict=True)
            gone += book.forget(dict(zip(keys, stored["count"].to_pylist(), strict=True)), day)
    return gone


def _observations(table: pa.Table) -> Observations:
    return Observations(**{name: table[name].to_numpy().astype(np.int64, copy=False) for name in table.column_names})
