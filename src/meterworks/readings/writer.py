"""The readings writer: one process that takes reading sets from the stream into the warehouse, exactly once.

The order of its steps, and what a death right after each leaves:

1. gather sets from the stream after the committed position     nothing has happened
2. trim them against what is committed                          nothing has happened
3. append the rest as one snapshot that carries the position    the warehouse is ahead of the progress: 4 to 7 are owed
4. fill recent days, set bad messages aside (one transaction)   the same; filling again changes nothing
5. tell the senders (`readings.committed`)                      the same; senders may be told twice
6. keep the progress                                            the messages are dropped at the next start
7. drop the messages from the stream                            all is done

The warehouse's own position decides where reading starts; the progress, in the database, only tells what is owed. A
stream that was lost and made anew counts from 1 again: each life of it has an epoch, a random name kept in the bus's
own key-value store and so lost with it. A position of another epoch means nothing.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.errors import OutcomeUnknown, UnreachableError
from meterworks.readings.commit import Commit, Committer, WriterBatch
from meterworks.readings.day_blob import DAY_S
from meterworks.readings.model import RejectedSet
from meterworks.readings.origin import Anchor, OriginBook
from meterworks.readings.reading_set import (
    COMMITTED_STREAM,
    COMMITTED_SUBJECT,
    READINGS_STREAM,
    READINGS_SUBJECTS,
)
from meterworks.readings.recent import (
    Progress,
    drop_days_before,
    load_progress,
    rebuild_recent_days,
    save_progress,
    store_rows,
)
from meterworks.readings.settings import WriterSettings
from meterworks.runtime import (
    Bus,
    Clock,
    CommitConflict,
    Database,
    StreamPosition,
    counter,
    gauge,
    get_logger,
    histogram,
    upsert,
)

if TYPE_CHECKING:
    from meterworks.runtime.warehouse import Warehouse  # whoever gives one has loaded it

__all__ = ["Writer", "ensure_reading_streams"]

log = get_logger("readings.writer")

ROWS = counter("readings_rows_total", "Readings taken from the stream", ["outcome"])
SETS = counter("readings_sets_total", "Reading sets taken from the stream", ["outcome"])
COMMIT_S = histogram("readings_commit_seconds", "Time from a gathered batch to its confirmation")
POSITION = gauge("readings_position", "Stream sequence that is committed and confirmed")
MERGED = counter("readings_merged_files_total", "Small warehouse files merged away")

EPOCH_BUCKET = "readings"
EPOCH_KEY = "stream-epoch"
NOTICE_SETS_MAX = 2_000  # in one message, some 300 kB
STREAM_BYTES_MAX = 2**30
REJECTED_KEEP = 10_000
ANCHOR_S = 600.0  # machine seconds between two states of the book of origins that are told
RECENT_SLACK_DAYS = 1  # days kept beyond the promise: readers may remember yesterday's promise


async def ensure_reading_streams(bus: Bus) -> None:
    """Make the streams between head-end and writer. A full one makes the head-end wait: nothing is dropped unread."""
    await bus.ensure_stream(READINGS_STREAM, [READINGS_SUBJECTS], max_bytes=STREAM_BYTES_MAX, when_full="refuse")
    await bus.ensure_stream(COMMITTED_STREAM, [COMMITTED_SUBJECT])


class Writer:
    """Runs until stopped. One per warehouse: a second one is refused at its first commit and starts over."""

    def __init__(
        self,
        *,
        bus: Bus,
        warehouse: "Warehouse",
        database: Database,
        clock: Clock,
        settings: WriterSettings | None = None,
        origins: OriginBook | None = None,
        anchor: Callable[[Anchor], None] | None = None,
    ) -> None:
        """origins: where it is kept which message brought which rows. anchor: told of its state now and then."""
        self._origins = origins
        self._anchor = anchor
        self._anchored = None if origins is None else origins.anchor
        self._anchored_s = 0.0
        self._bus = bus
        self._warehouse = warehouse
        self._database = database
        self._clock = clock
        self._settings = settings or WriterSettings()
        self._committer = Committer(warehouse, origins)
        self._stopping = asyncio.Event()
        self._epoch = ""
        self._progress = Progress(epoch="", sequence=0, recent_from_day=0)
        self._busy_s = self._urgent_s = time.monotonic()
        self._upkeep_pending = False

    def stop(self) -> None:
        """Ask `run` to end; it does so within a second or with the batch in hand."""
        self._stopping.set()

    async def run(self) -> None:
        """Take sets until stopped. What is out of reach is waited for; after each such break the state is read anew."""
        try:
            await self._run()
        finally:
            self._tell_anchor()

    async def _run(self) -> None:
        delay_s = self._settings.retry_min_s
        while not self._stopping.is_set():
            try:
                await self.recover()
                delay_s = self._settings.retry_min_s
                while not self._stopping.is_set():
                    await self.step()
            except (UnreachableError, OutcomeUnknown) as error:
                log.warning("writer starts over", reason=str(error), retry_in_s=delay_s)
                await self._pause(delay_s)
                delay_s = min(2 * delay_s, self._settings.retry_max_s)

    async def recover(self) -> None:
        """Read where warehouse, stream and progress stand, and do what is owed since a death."""
        await ensure_reading_streams(self._bus)
        committed = await asyncio.to_thread(self._committer.reload)
        async with self._database.read() as connection:
            progress = await load_progress(connection)
        self._epoch = await self._stream_epoch(committed, progress)
        self._progress = await self._healed(progress, committed)
        await self._bus.trim(READINGS_STREAM, self._start + 1)
        log.info("writer ready", position=self._start, epoch=self._epoch, series=self._committer.series)

    @property
    def _start(self) -> int:
        """The stream sequence after which to read."""
        committed = self._committer.position
        sequence = committed.sequence if committed.epoch == self._epoch else 0
        # Beyond the warehouse's position lie only batches that brought nothing new.
        return max(sequence, self._progress.sequence)

    async def step(self) -> int:
        """Gather and commit one batch, or do some housekeeping when none comes; gives the number of messages."""
        batch = await self._gather()
        if batch.messages:
            await self._process(batch)
        await self._upkeep()
        return batch.messages

    async def _gather(self) -> WriterBatch:
        """Sets until there are enough, they have waited long enough, or no more come."""
        settings = self._settings
        batch = WriterBatch(epoch=self._epoch, last_sequence=self._start)
        started_s = time.monotonic()
        wait_s = settings.quiet_s if not self._upkeep_pending else 0.05
        while not self._stopping.is_set():
            messages = await self._bus.fetch(
                READINGS_STREAM,
                after_sequence=batch.last_sequence,
                batch_max=settings.fetch_messages_max,
                bytes_max=settings.fetch_bytes_max,
                timeout_s=wait_s,
            )
            if not messages:
                break
            if messages[0].sequence <= batch.last_sequence:
                await self._new_epoch()
                raise CommitConflict("the stream was made anew while it was read; start again from its beginning")
            if not batch.messages:
                started_s = time.monotonic()
            for message in messages:
                batch.take(message)
            full = batch.rows >= settings.batch_rows_max or batch.messages >= settings.batch_messages_max
            if full or time.monotonic() - started_s >= settings.batch_age_max_s:
                break
            wait_s = settings.quiet_s
        return batch

    async def _process(self, batch: WriterBatch) -> None:
        started_s = time.monotonic()
        commit = await asyncio.to_thread(self._committer.commit, batch, recent_from_day=self._progress.recent_from_day)
        async with self._database.transaction() as connection:
            await store_rows(connection, commit.days, may_be_stored=commit.days_to_merge)
            await self._set_aside(batch, connection)
        await self._confirm(batch)
        await self._advance(batch.last_sequence)
        if batch.rows >= self._settings.busy_rows:
            self._busy_s = time.monotonic()
        self._count(batch, commit, time.monotonic() - started_s)
        if time.monotonic() - self._anchored_s >= ANCHOR_S:
            self._tell_anchor()

    def _tell_anchor(self) -> None:
        """Tell the state of the book of origins where it has changed."""
        if self._origins is not None and self._anchor is not None and self._origins.anchor != self._anchored:
            self._anchored = self._origins.anchor
            self._anchored_s = time.monotonic()
            self._anchor(self._anchored)

    async def _advance(self, sequence: int) -> None:
        """Steps 6 and 7; and, when a day has passed, recent days that have become old."""
        from_day = max(self._progress.recent_from_day, self._wanted_from_day())
        async with self._database.transaction() as connection:
            if from_day > self._progress.recent_from_day:
                await drop_days_before(connection, from_day - RECENT_SLACK_DAYS)
            progress = Progress(epoch=self._epoch, sequence=sequence, recent_from_day=from_day)
            await save_progress(connection, progress)
        self._progress = progress
        await self._bus.trim(READINGS_STREAM, sequence + 1)

    def _wanted_from_day(self) -> int:
        return int(self._clock.epoch_s() // DAY_S) - self._settings.recent_days

    async def _confirm(self, batch: WriterBatch) -> None:
        """Tell the senders which sets are durable, and which can never be."""
        notices = [one.notice() for one in batch.sets]
        rejected = [{"set_id": one.set_id, "reason": one.reason} for one in batch.rejected]
        for start in range(0, max(len(notices), 1), NOTICE_SETS_MAX):
            body = {
                "position": batch.last_sequence,
                "sets": notices[start : start + NOTICE_SETS_MAX],
                "rejected": rejected if start == 0 else [],
            }
            await self._bus.publish(
                COMMITTED_SUBJECT,
                orjson.dumps(body),
                headers={"schema": "readings-committed", "version": "1"},
                message_id=f"{self._epoch}-{batch.last_sequence}-{start}",
            )

    async def _set_aside(self, batch: WriterBatch, connection: AsyncConnection) -> None:
        """Keep rejected messages, the newest ones, for a person to look at."""
        if not batch.rejected:
            return
        now = self._clock.now()
        rows = [one.row(batch.epoch, now) for one in batch.rejected]
        await upsert(connection, RejectedSet, rows, keys=["epoch", "sequence"], update=[])
        newest_too_old = (
            sa.select(RejectedSet.rejected_at).order_by(RejectedSet.rejected_at.desc()).offset(REJECTED_KEEP).limit(1)
        )
        await connection.execute(
            sa.delete(RejectedSet).where(RejectedSet.rejected_at <= newest_too_old.scalar_subquery())
        )

    def _count(self, batch: WriterBatch, commit: Commit, took_s: float) -> None:
        ROWS.labels("committed").inc(commit.rows_new)
        ROWS.labels("known").inc(commit.rows_seen - commit.rows_new)
        SETS.labels("committed").inc(len(batch.sets))
        SETS.labels("rejected").inc(len(batch.rejected))
        COMMIT_S.observe(took_s)
        POSITION.set(batch.last_sequence)
        for one in batch.rejected:
            log.warning("message set aside", sequence=one.sequence, set_id=one.set_id, reason=one.reason)
        log.info(
            "batch committed",
            position=batch.last_sequence,
            sets=len(batch.sets),
            rows=commit.rows_seen,
            rows_new=commit.rows_new,
            took_s=round(took_s, 3),
        )

    async def _upkeep(self) -> None:
        """Let the warehouse merge and tidy: all that is worth it, or while much comes in, only what is urgent."""
        now_s = time.monotonic()
        urgent = now_s - self._busy_s < self._settings.upkeep_idle_s
        self._upkeep_pending = False
        if urgent and now_s - self._urgent_s < self._settings.upkeep_busy_s:
            return
        report = await asyncio.to_thread(self._warehouse.compact, self._clock.now(), urgent=urgent)
        self._urgent_s = time.monotonic()
        self._upkeep_pending = report.more and not urgent
        if report.pieces:
            MERGED.inc(report.files_before)
            log.info("files merged", pieces=report.pieces, before=report.files_before, after=report.files_after)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _stream_epoch(self, committed: StreamPosition, progress: Progress | None) -> str:
        """The name of the stream's present life; a new one when the name or the stream's messages are gone."""
        stored = await self._bus.get(EPOCH_BUCKET, EPOCH_KEY)
        if stored is None:
            return await self._new_epoch()
        epoch = str(stored, "ascii")
        reached = committed.sequence if committed.epoch == epoch else 0
        if progress is not None and progress.epoch == epoch:
            reached = max(reached, progress.sequence)
        if await self._bus.last_sequence(READINGS_STREAM) < reached:
            return await self._new_epoch()
        return epoch

    async def _new_epoch(self) -> str:
        epoch = uuid.uuid4().hex
        await self._bus.put(EPOCH_BUCKET, EPOCH_KEY, epoch.encode())
        log.info("stream has a new epoch", epoch=epoch)
        return epoch

    async def _healed(self, progress: Progress | None, committed: StreamPosition) -> Progress:
        """Do what is owed: recent days and notices of commits after the progress."""
        wanted_from_day = self._wanted_from_day()
        position = committed.sequence if committed.epoch == self._epoch else 0
        if progress is None or progress.recent_from_day > wanted_from_day:
            return await self._rebuilt(position, wanted_from_day)
        if progress.epoch == committed.epoch:
            owed = progress.sequence < committed.sequence
        else:  # progress in the stream's present life was kept only after all of earlier lives was done
            owed = committed.sequence > 0 and progress.epoch != self._epoch
        if not owed:
            sequence = progress.sequence if progress.epoch == self._epoch else 0
            return Progress(epoch=self._epoch, sequence=sequence, recent_from_day=progress.recent_from_day)
        batch = await self._owed(progress, position) if progress.epoch == self._epoch else None
        if batch is None:
            return await self._rebuilt(position, progress.recent_from_day)
        devices = {one.device for one in batch.sets}
        log.info("doing what a killed writer left", position=position, sets=len(batch.sets), devices=len(devices))
        await rebuild_recent_days(self._warehouse, self._database, from_day=progress.recent_from_day, devices=devices)
        async with self._database.transaction() as connection:
            await self._set_aside(batch, connection)
        await self._confirm(batch)
        self._progress = progress
        await self._advance(position)
        return self._progress

    async def _owed(self, progress: Progress, position: int) -> WriterBatch | None:
        """The committed sets whose senders were perhaps not told; None when the stream no longer has them all."""
        batch = WriterBatch(epoch=self._epoch, last_sequence=progress.sequence)
        while batch.last_sequence < position:
            messages = await self._bus.fetch(
                READINGS_STREAM, after_sequence=batch.last_sequence, timeout_s=self._settings.quiet_s
            )
            if not messages or messages[0].sequence != batch.last_sequence + 1:
                return None
            for message in messages:
                if message.sequence <= position:
                    batch.take(message)
        return batch

    async def _rebuilt(self, position: int, from_day: int) -> Progress:
        """Make all recent days anew: there were none, more are wanted, or it is not known which are owed."""
        days = await rebuild_recent_days(self._warehouse, self._database, from_day=from_day)
        log.info("recent days rebuilt", days=days, from_day=from_day)
        progress = Progress(epoch=self._epoch, sequence=position, recent_from_day=from_day)
        async with self._database.transaction() as connection:
            await save_progress(connection, progress)
        return progress
