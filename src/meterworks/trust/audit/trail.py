"""The trail as its one appender holds it: events in, durable records out, signed heads at intervals.

Whoever hands in events waits until they are on disk; all who wait at one moment share one commit (group commit). The
order of writing is records, then tiles, then the head: a head never speaks of a record that a crash can take back.
"""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import func, select

from meterworks.errors import MeterworksError
from meterworks.runtime import (
    Clock,
    CommitOutcomeUnknown,
    Database,
    DatabaseConflictError,
    counter,
    get_logger,
    upsert,
)
from meterworks.trust.audit.act import act_of
from meterworks.trust.audit.errors import AuditFormatError, TrailBroken
from meterworks.trust.audit.event import AuditEvent, Fact, Outcome
from meterworks.trust.audit.head import (
    MARK_SIZE,
    HeadBook,
    HeadSigner,
    SignedHead,
    TreeHead,
    key_id,
    read_heads,
    sign_head,
)
from meterworks.trust.audit.merkle import Frontier, leaf_hash
from meterworks.trust.audit.model import AuditRecordRow, AuditTileRow
from meterworks.trust.audit.proof import bundle_start, check_bundle
from meterworks.trust.audit.record import GENESIS, AuditRecord, decode_record, encode_record
from meterworks.trust.audit.room import delete_records, oldest_place, oldest_that_may_go
from meterworks.trust.audit.settings import AuditSettings
from meterworks.trust.audit.tile import TILE_HASHES, TileReader, TileWriter

__all__ = ["APPENDER", "AuditTrail", "Receipt"]

log = get_logger("trust.audit")
APPENDER = "process:audit"
BATCH_EVENTS_MAX = 2_000
RECENT_IDS = 100_000  # ids remembered without asking the database
STEP_S = 1.0  # the machine's clock may lag this much before it counts as a step back
_RECORDS = counter("audit_records_total", "Records appended to the audit trail.")
_HEADS = counter("audit_heads_total", "Tree heads signed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Where an event lies in the trail. The same event handed in again gets the same receipt."""

    event_id: str
    sequence: int


@dataclass(slots=True)
class _Entry:
    event: AuditEvent
    source: str
    done: "asyncio.Future[Receipt]"


@dataclass(slots=True)
class _State:
    """What the next record is built on."""

    size: int
    previous: bytes
    frontier: Frontier
    tiles: TileWriter
    recorded_at: datetime


def _machine_now() -> datetime:
    return datetime.now(UTC)


class AuditTrail:
    """Use as `async with AuditTrail(...).appending() as trail`. One at a time per database: hold the folder's lock."""

    def __init__(
        self,
        database: Database,
        book: HeadBook,
        signer: HeadSigner,
        *,
        clock: Clock,
        settings: AuditSettings | None = None,
        machine_now: Callable[[], datetime] = _machine_now,
    ) -> None:
        self._database = database
        self._book = book
        self._signer = signer
        self._clock = clock
        self._settings = settings or AuditSettings()
        self._machine_now = machine_now
        self._waiting: list[_Entry] = []
        self._wake = asyncio.Event()
        self._recent: OrderedDict[str, int] = OrderedDict()
        self._state = _State(0, GENESIS, Frontier(), TileWriter(0, [], []), datetime.min.replace(tzinfo=UTC))
        self._marks: list[bytes] = []
        self._head: SignedHead | None = None
        self._log_id = ""
        self._held = 0  # records in the database
        self._warned = False
        self._stepped_back = False
        self._sealing = asyncio.Lock()

    @property
    def size(self) -> int:
        """Records appended so far."""
        return self._state.size

    @property
    def head(self) -> SignedHead | None:
        """The last head signed."""
        return self._head

    @property
    def held(self) -> int:
        """Records in the database, without those dropped or pruned."""
        return self._held

    @contextlib.asynccontextmanager
    async def appending(self) -> AsyncIterator["AuditTrail"]:
        """Take the trail up where it ends; seal it and stop at the end. Raises TrailBroken, UnreachableError."""
        await self._open()
        tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._seal_at_intervals())]
        try:
            await self._resume()
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(MeterworksError):
                await self._commit_waiting()
            for entry in self._waiting:
                entry.done.cancel()
            with contextlib.suppress(MeterworksError):
                await self.seal()

    async def append(self, events: Sequence[AuditEvent], *, source: str = APPENDER) -> list[Receipt]:
        """Return when all the events are durable, and sealed if one of them must be.

        An event whose id the trail has already is not appended again. Raises UnreachableError when the database does
        not take them, AuditStoreError when the heads cannot be written: then ask again.
        """
        loop = asyncio.get_running_loop()
        entries = [_Entry(event, source, loop.create_future()) for event in events]
        self._waiting += entries
        self._wake.set()
        return list(await asyncio.gather(*(entry.done for entry in entries)))

    def post(self, events: Sequence[AuditEvent], *, source: str = APPENDER) -> None:
        """Take events without waiting; what goes wrong is logged."""
        loop = asyncio.get_running_loop()
        for event in events:
            done = loop.create_future()
            done.add_done_callback(_logged)
            self._waiting.append(_Entry(event, source, done))
        self._wake.set()

    async def seal(self) -> SignedHead | None:
        """Sign a head over what is there, if it is more than the last one covers; gives the last head."""
        async with self._sealing:
            state, marks = self._state, list(self._marks)
            if not marks:
                return self._head
            head = TreeHead(
                log=self._log_id,
                size=state.size,
                root=state.frontier.root(),
                signed_at=self._machine_now(),
                previous="" if self._head is None else self._head.head.digest,
                key=key_id(self._signer.public_key),
                marks=b"".join(marks).hex(),
            )
            signed = await asyncio.to_thread(sign_head, head, self._signer)
            await asyncio.to_thread(self._book.append, signed)
            del self._marks[: len(marks)]
            self._head = signed
            _HEADS.inc()
            return signed

    async def _open(self) -> None:
        self._book.mend()
        heads = read_heads(self._book.path)
        self._head = heads[-1] if heads else None
        async with self._database.read() as connection:
            row = AuditRecordRow
            last = (await connection.execute(select(row).order_by(row.sequence.desc()).limit(1))).one_or_none()
            self._held = await connection.scalar(select(func.count()).select_from(row)) or 0
            first = await connection.scalar(select(row.event_id).order_by(row.sequence).limit(1))
        size = 0 if last is None else last.sequence + 1
        tiles, frontier = await TileReader(self._database).writer(size)
        previous, recorded_at = GENESIS, self._state.recorded_at
        if last is not None:
            previous = leaf_hash(last.body)
            with contextlib.suppress(AuditFormatError):  # for the verifier to name; we go on
                recorded_at = decode_record(last.body).recorded_at
        self._state = _State(size, previous, frontier, tiles, recorded_at)
        if self._head is not None:
            self._log_id = self._head.head.log
        else:
            self._log_id = first or ""
        self._book.publish_key(self._signer.public_key)
        await self._remark()

    async def _remark(self) -> None:
        """Marks of the records behind the last head: a crash came between them and their head."""
        sealed = 0 if self._head is None else self._head.head.size
        row = AuditRecordRow
        async with self._database.read() as connection:
            rows = await connection.execute(select(row.leaf_hash).where(row.sequence >= sealed).order_by(row.sequence))
            self._marks = [leaf[:MARK_SIZE] for leaf in rows.scalars()]

    async def _resume(self) -> None:
        """The first act of an appender: that it begins, or goes on, and whether what it found is what was sealed."""
        if not self.size and self._head is None:
            opening = self._own("audit.opened")
            self._log_id = opening.event_id
            await self.append([opening])
            await self.seal()
            return
        sealed = self._head.head if self._head else None
        facts: dict[str, Fact] = {"size": self.size, "sealed": sealed.size if sealed else 0}
        sound = sealed is None or (
            sealed.size <= self.size and (await TileReader(self._database).frontier(sealed.size)).root() == sealed.root
        )
        if not sound:
            log.error("the trail is not the one that was sealed: verify it", **facts)
        await self.append([self._own("audit.resumed", Outcome.SUCCESS if sound else Outcome.FAILURE, facts)])

    def _own(self, act: str, outcome: Outcome = Outcome.SUCCESS, facts: dict[str, Fact] | None = None) -> AuditEvent:
        """An act of the appender itself."""
        return AuditEvent(
            act=act,
            actor=APPENDER,
            object=f"trail:{self._log_id or 'new'}",
            outcome=outcome,
            facts=facts or {},
            at=self._clock.now(),
            machine_at=self._machine_now(),
        )

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._commit_waiting()

    async def _seal_at_intervals(self) -> None:
        while True:
            await asyncio.sleep(self._settings.head_interval_s)
            try:
                await self.seal()
            except MeterworksError as error:
                log.exception("a tree head could not be kept: the trail goes on unsealed", reason=str(error))

    async def _commit_waiting(self) -> None:
        batch = self._waiting[:BATCH_EVENTS_MAX]
        del self._waiting[: len(batch)]
        if not batch:
            return
        try:
            await self._commit(batch)
            if len(self._marks) >= self._settings.head_records or any(
                act_of(entry.event.act).must_record for entry in batch
            ):
                await self.seal()
        except asyncio.CancelledError:
            for entry in batch:
                entry.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 -- whoever waits is told, whatever it is
            for entry in batch:
                if not entry.done.done():
                    entry.done.set_exception(error)
            return
        await self._make_room()
        for entry in batch:
            if not entry.done.done():
                entry.done.set_result(
                    Receipt(event_id=entry.event.event_id, sequence=self._recent[entry.event.event_id])
                )

    async def prune(self, bundle: bytes, *, actor: str) -> int:
        """Take records out of the database that a bundle holds; gives how many went.

        The bundle must verify with our own key and begin where the records do; whole tiles go, so that hashes of what
        went stay for proofs. Recorded with the bundle's digest and sealed before anything goes. Raises AuditFormatError
        for a bundle that does not verify.
        """
        verdict = check_bundle(bundle, [self._signer.public_key])
        if verdict.finding is not None:
            raise AuditFormatError(f"the bundle does not verify: {verdict.finding.sentence}")
        end = min(verdict.sealed, self._state.tiles.whole) // TILE_HASHES * TILE_HASHES
        first = await oldest_place(self._database)
        if first < bundle_start(bundle) or end <= first:
            raise AuditFormatError(f"the bundle does not hold the oldest records, from {first} on, up to a whole tile")
        facts: dict[str, Fact] = {"first": first, "end": end, "sha256": hashlib.sha256(bundle).hexdigest()}
        told = replace(self._own("audit.pruned", facts=facts), cause=actor)
        await self.append([told])
        count = await delete_records(self._database, first, end)
        self._held -= count
        return count

    async def _make_room(self) -> None:
        """Warn in time; beyond the limit let the oldest go whose acts do not keep, and tell which before they go."""
        limit = self._settings.records_max
        if self._held < limit * self._settings.warning_share:
            self._warned = False
        elif not self._warned:
            self._warned = True
            log.warning("the audit trail nears its storage limit: export and prune it", held=self._held, limit=limit)
            self.post([self._own("audit.warning", facts={"held": self._held, "limit": limit})])
        if self._held <= limit:
            return
        try:
            for loss in await oldest_that_may_go(self._database, self._state.tiles.whole):
                told = self._own("audit.dropped", Outcome.FAILURE, dict(loss.facts()))
                await self._write([_Entry(told, APPENDER, asyncio.get_running_loop().create_future())])
                await self.seal()
                self._held -= await delete_records(self._database, loss.first, loss.first + TILE_HASHES, loss.places)
        except MeterworksError as error:
            log.warning("no room could be made in the audit trail", reason=str(error))

    async def _commit(self, batch: Sequence[_Entry]) -> None:
        """Append what is new of the batch; afterwards `_recent` knows every event of it."""
        try:
            await self._write(batch)
        except (DatabaseConflictError, CommitOutcomeUnknown) as error:
            await self._look_up(batch)
            if await self._stored_size() != self._state.size:
                if isinstance(error, DatabaseConflictError) and not self._all_known(batch):
                    raise TrailBroken("another process appends to this trail: stop one of them") from error
                await self._open()
                await self._look_up(batch)
            await self._write(batch)

    def _all_known(self, batch: Sequence[_Entry]) -> bool:
        return all(entry.event.event_id in self._recent for entry in batch)

    async def _stored_size(self) -> int:
        async with self._database.read() as connection:
            last = await connection.scalar(select(func.max(AuditRecordRow.sequence)))
        return 0 if last is None else int(last) + 1

    async def _look_up(self, batch: Sequence[_Entry]) -> None:
        """Ask the database which of the events it has."""
        row = AuditRecordRow
        ids = [entry.event.event_id for entry in batch]
        async with self._database.read() as connection:
            for start in range(0, len(ids), 500):
                found = await connection.execute(
                    select(row.event_id, row.sequence).where(row.event_id.in_(ids[start : start + 500]))
                )
                for event_id, sequence in found:
                    self._recent[event_id] = sequence

    async def _write(self, batch: Sequence[_Entry]) -> None:
        state = self._state
        now = self._machine_now()
        at, previous, sequence = max(now, state.recorded_at), state.previous, state.size
        rows, placed = [], {}
        for event, source in self._with_steps(batch, now):
            if event.event_id in self._recent:
                self._recent.move_to_end(event.event_id)
                continue
            if event.event_id in placed:
                continue
            event = self._timed(event, now)
            body = encode_record(
                AuditRecord(sequence=sequence, event=event, recorded_at=at, source=source, previous=previous)
            )
            previous = leaf_hash(body)
            rows.append(_row(sequence, event, body, previous))
            placed[event.event_id] = sequence
            sequence += 1
        if rows:
            await self._insert(rows)
            self._advance(rows, previous, at)
        self._recent.update(placed)
        while len(self._recent) > RECENT_IDS:
            self._recent.popitem(last=False)
        await self._write_tiles()

    async def _insert(self, rows: Sequence[dict[str, object]]) -> None:
        """One transaction, on disk when this returns."""
        await self._database.insert(AuditRecordRow, rows)

    def _with_steps(self, batch: Sequence[_Entry], now: datetime) -> list[tuple[AuditEvent, str]]:
        """The events, and before them the appender's own word where the machine's clock went back."""
        events = [(entry.event, entry.source) for entry in batch]
        behind_s = (self._state.recorded_at - now).total_seconds()
        if behind_s <= STEP_S or not self._state.size:
            self._stepped_back = False
        elif not self._stepped_back:
            self._stepped_back = True
            events.insert(0, (self._own("clock.stepped", facts={"behind_s": int(behind_s)}), APPENDER))
        return events

    def _timed(self, event: AuditEvent, now: datetime) -> AuditEvent:
        if event.at is not None and event.machine_at is not None:
            return event
        return replace(event, at=event.at or self._clock.now(), machine_at=event.machine_at or now)

    def _advance(self, rows: Sequence[dict[str, object]], previous: bytes, at: datetime) -> None:
        state = self._state
        for row in rows:
            leaf = row["leaf_hash"]
            assert isinstance(leaf, bytes)
            state.frontier.append(leaf)
            state.tiles.append(leaf)
            self._marks.append(leaf[:MARK_SIZE])
        state.size += len(rows)
        state.previous, state.recorded_at = previous, at
        self._held += len(rows)
        _RECORDS.inc(len(rows))

    async def _write_tiles(self) -> None:
        """Tiles are made of the records: one that cannot be written now is written with the next."""
        owed = self._state.tiles.owed()
        if not owed:
            return
        try:
            async with self._database.transaction() as connection:
                await upsert(connection, AuditTileRow, owed, keys=("level", "number"))
        except MeterworksError as error:
            log.warning("tiles of the audit trail are written later", reason=str(error))
            return
        self._state.tiles.paid()


def _logged(done: "asyncio.Future[Receipt]") -> None:
    if not done.cancelled() and done.exception() is not None:
        log.error("an act could not be recorded", reason=str(done.exception()))


def _row(sequence: int, event: AuditEvent, body: bytes, leaf: bytes) -> dict[str, object]:
    return {
        "sequence": sequence,
        "event_id": event.event_id,
        "at": event.at,
        "act": event.act,
        "actor": event.actor,
        "object": event.object,
        "outcome": event.outcome.value,
        "body": body,
        "leaf_hash": leaf,
    }
