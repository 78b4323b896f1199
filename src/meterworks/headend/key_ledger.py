"""What the head-end keeps of key campaigns, in one transaction with the keys themselves.

A job and the keys it changes are written together, so that no kill can part them. Jobs of many devices run at once:
what they have to write at one moment goes to the database in one transaction.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.errors import MeterworksError
from meterworks.headend.key_job import OPEN_STATES, CampaignState, KeyCampaign, KeyJob, KeyJobState, KeyPurpose, KeyTask
from meterworks.headend.key_models import KeyCampaignRow, KeyJobRow
from meterworks.headend.models import DeviceRow
from meterworks.headend.store import DeviceMemory
from meterworks.registry import DeviceId, KeyChange, KeyHand, KeyKind, KeyOrigin, KeySelection, KeyVersion, Registry
from meterworks.runtime import Database, get_logger, insert_many, upsert

__all__ = ["PUSH_COUNTER_FAR", "KeyLedger", "KeyProgress"]

log = get_logger("headend.key_ledger")

WRITES_MAX = 250  # devices in one transaction: keeps the write lock short
_JOB_KEYS = ("campaign_id", "device_id")
_NEVER_SEEN = -1
PUSH_COUNTER_FAR = 2**31
"""A device whose counter is this far begins anew with a new key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProgress:
    """How far a campaign is: jobs by state."""

    campaign: KeyCampaign
    jobs: Mapping[KeyJobState, int]

    @property
    def total(self) -> int:
        """All its jobs."""
        return sum(self.jobs.values())

    @property
    def open(self) -> int:
        """Jobs that are not over."""
        return sum(count for state, count in self.jobs.items() if state in OPEN_STATES)


@dataclass(eq=False, slots=True, kw_only=True)
class _Write:
    device_id: DeviceId
    change: KeyChange | None
    job: KeyJob | None
    counter: int | None
    suite: int | None
    done: "asyncio.Future[KeyHand | None]" = field(repr=False)


class KeyLedger:
    """Campaigns, jobs and keys in the database. The registry's own database is the one that is written."""

    def __init__(self, database: Database, registry: Registry) -> None:
        self._database = database
        self._registry = registry
        self._waiting: list[_Write] = []
        self._task: asyncio.Task[None] | None = None
        self._asked: list[tuple[DeviceId, asyncio.Future[KeyHand]]] = []
        self._reading: asyncio.Task[None] | None = None

    # Keys.

    async def hand(self, device_id: DeviceId) -> KeyHand:
        """All key versions of a device. What is asked at one moment is read at once, whoever of the askers leaves."""
        done: asyncio.Future[KeyHand] = asyncio.get_running_loop().create_future()
        self._asked.append((device_id, done))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._read_asked())
        return await done

    async def _read_asked(self) -> None:
        while self._asked:
            asked, self._asked = self._asked[:WRITES_MAX], self._asked[WRITES_MAX:]
            try:
                hands = await self._registry.key_hands([device_id for device_id, _ in asked])
            except MeterworksError as error:
                for _, done in asked:
                    if not done.done():
                        done.set_exception(error)
                continue
            for device_id, done in asked:
                if not done.done():
                    done.set_result(hands[device_id])

    def open(self, version: KeyVersion) -> bytes:
        """A key in clear."""
        return self._registry.open_key(version)

    def wrap(self, keys: Mapping[KeyKind, bytes]) -> dict[KeyKind, Any]:
        """Keys as they are stored."""
        return {kind: self._registry.wrap_key(key) for kind, key in keys.items()}

    async def transport_devices(self) -> list[DeviceId]:
        """Devices that still have keys of their maker."""
        return await self._registry.devices_of_keys(KeySelection(origin=KeyOrigin.TRANSPORT))

    async def selected(self, selection: KeySelection) -> list[DeviceId]:
        """Devices a selection finds."""
        return await self._registry.devices_of_keys(selection)

    def certified(self) -> AsyncIterator[Sequence[KeyHand]]:
        """All devices that have a certificate in force, in pages."""
        return self._registry.key_inventory(certified=True)

    async def declare_compromised(self, device_ids: Sequence[DeviceId], kinds: Sequence[KeyKind]) -> int:
        """Mark the keys in force of devices as known to others."""
        return await self._registry.declare_compromised(device_ids, kinds)

    # Writing jobs.

    async def write(
        self,
        device_id: DeviceId,
        *,
        change: KeyChange | None = None,
        job: KeyJob | None = None,
        counter: int | None = None,
        suite: int | None = None,
    ) -> KeyHand | None:
        """Write a change of keys, a job, and a new start of our invocation counter as one. Returns when it is durable.

        suite: that the device turned out to have. Gives the new hand where keys changed. A write that has begun is
        brought to its end though its caller is gone.
        """
        done: asyncio.Future[KeyHand | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(
            _Write(device_id=device_id, change=change, job=job, counter=counter, suite=suite, done=done)
        )
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write_waiting())
        return await done

    async def close(self) -> None:
        """Wait for what is being read and written."""
        under_way = [task for task in (self._task, self._reading) if task is not None]
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch: dict[DeviceId, _Write] = {}
            later: list[_Write] = []
            for write in self._waiting:
                taken = write.device_id in batch or len(batch) >= WRITES_MAX
                if taken:
                    later.append(write)
                else:
                    batch[write.device_id] = write
            self._waiting = later
            await self._write_batch(list(batch.values()))

    async def _write_batch(self, batch: list[_Write]) -> None:
        try:
            hands = await self._write_all(batch)
        except MeterworksError as error:
            if len(batch) > 1:  # one that cannot be written must not hold up the others
                for write in batch:
                    await self._write_batch([write])
            elif not batch[0].done.done():
                batch[0].done.set_exception(error)
            return
        for write in batch:
            if not write.done.done():
                write.done.set_result(hands.get(write.device_id))

    async def _write_all(self, batch: Sequence[_Write]) -> dict[DeviceId, KeyHand]:
        changes = {write.device_id: write.change for write in batch if write.change is not None}
        jobs = [write.job for write in batch if write.job is not None]
        counters = {write.device_id: write.counter for write in batch if write.counter is not None}
        suites = {write.device_id: write.suite for write in batch if write.suite is not None}
        async with self._database.transaction() as connection:
            hands = await self._registry.change_keys_within(connection, changes) if changes else {}
            await self._registry.set_suites_within(connection, suites)
            await upsert(connection, KeyJobRow, [_job_row(job) for job in jobs], keys=_JOB_KEYS)
            await _restart_counters(connection, counters)
        return hands

    # Campaigns.

    async def add_campaign(self, campaign: KeyCampaign, device_ids: Sequence[DeviceId]) -> list[KeyJob]:
        """Keep a campaign with a job for each device. All or nothing."""
        jobs = [
            KeyJob(campaign_id=campaign.id, device_id=device_id, changed_at=campaign.created_at)
            for device_id in device_ids
        ]
        async with self._database.transaction() as connection:
            await insert_many(connection, KeyCampaignRow, [_campaign_row(campaign)])
            if jobs:
                await insert_many(connection, KeyJobRow, [_job_row(job) for job in jobs])
        return jobs

    async def save_campaign(self, campaign: KeyCampaign, jobs: Sequence[KeyJob] = ()) -> None:
        """Write a campaign as it is now, and jobs that change with it."""
        async with self._database.transaction() as connection:
            await upsert(connection, KeyCampaignRow, [_campaign_row(campaign)], keys=("id",))
            await upsert(connection, KeyJobRow, [_job_row(job) for job in jobs], keys=_JOB_KEYS)

    async def campaigns(self, *, limit: int = 100) -> list[KeyCampaign]:
        """Campaigns, newest first."""
        table = KeyCampaignRow.__table__
        statement = sa.select(table).order_by(table.c.created_at.desc(), table.c.id).limit(limit)
        async with self._database.read() as connection:
            return [_campaign(dict(row)) for row in (await connection.execute(statement)).mappings()]

    async def open_campaigns(self) -> list[KeyCampaign]:
        """Campaigns that are not over, oldest first."""
        table = KeyCampaignRow.__table__
        states = [str(CampaignState.RUNNING), str(CampaignState.PAUSED)]
        open_jobs = sa.select(KeyJobRow.campaign_id).where(KeyJobRow.state.in_([str(each) for each in OPEN_STATES]))
        statement = sa.select(table).where(sa.or_(table.c.state.in_(states), table.c.id.in_(open_jobs)))
        async with self._database.read() as connection:
            rows = (await connection.execute(statement.order_by(table.c.created_at))).mappings().all()
        return [_campaign(dict(row)) for row in rows]

    async def open_jobs(self) -> list[KeyJob]:
        """Jobs that are not over."""
        table = KeyJobRow.__table__
        statement = sa.select(table).where(table.c.state.in_([str(each) for each in OPEN_STATES]))
        async with self._database.read() as connection:
            rows = (await connection.execute(statement.order_by(table.c.campaign_id, table.c.device_id))).mappings()
            return [_job(dict(row)) for row in rows]

    async def jobs(
        self, campaign_id: str, *, states: Sequence[KeyJobState] = (), limit: int = 1000, after: int = 0
    ) -> list[KeyJob]:
        """Jobs of a campaign, by device."""
        table = KeyJobRow.__table__
        statement = sa.select(table).where(table.c.campaign_id == campaign_id, table.c.device_id > after)
        if states:
            statement = statement.where(table.c.state.in_([str(each) for each in states]))
        async with self._database.read() as connection:
            rows = (await connection.execute(statement.order_by(table.c.device_id).limit(limit))).mappings()
            return [_job(dict(row)) for row in rows]

    async def begun_before(self, purpose: KeyPurpose) -> set[DeviceId]:
        """Devices that have or had a job of a purpose."""
        statement = (
            sa.select(KeyJobRow.device_id)
            .join(KeyCampaignRow, KeyCampaignRow.id == KeyJobRow.campaign_id)
            .where(KeyCampaignRow.purpose == str(purpose))
        )
        async with self._database.read() as connection:
            return {DeviceId(number) for number in await connection.scalars(statement)}

    async def campaign(self, campaign_id: str) -> KeyCampaign | None:
        """A campaign."""
        table = KeyCampaignRow.__table__
        async with self._database.read() as connection:
            found = await connection.execute(sa.select(table).where(table.c.id == campaign_id))
            row = found.mappings().one_or_none()
        return None if row is None else _campaign(dict(row))

    async def progress(self, campaign_ids: Sequence[str]) -> dict[str, dict[KeyJobState, int]]:
        """Jobs of campaigns by state."""
        table = KeyJobRow.__table__
        statement = (
            sa.select(table.c.campaign_id, table.c.state, sa.func.count())
            .where(table.c.campaign_id.in_(campaign_ids))
            .group_by(table.c.campaign_id, table.c.state)
        )
        found: dict[str, dict[KeyJobState, int]] = {campaign_id: {} for campaign_id in campaign_ids}
        async with self._database.read() as connection:
            for campaign_id, state, count in await connection.execute(statement):
                found[campaign_id][KeyJobState(state)] = int(count)
        return found


async def _restart_counters(connection: AsyncConnection, counters: Mapping[DeviceId, int]) -> None:
    """Under a new key counting begins anew: ours at what was reserved under it.

    A device that was far in its own range begins anew, too; any other goes on, and what is below stays a replay.
    """
    if not counters:
        return
    blank = [
        {**asdict(DeviceMemory(device_id=device_id)), "counter_reserved": bound}
        for device_id, bound in counters.items()
    ]
    await upsert(connection, DeviceRow, blank, keys=("device_id",), update=("counter_reserved",))
    far = sa.and_(DeviceRow.device_id.in_(list(counters)), DeviceRow.push_counter >= PUSH_COUNTER_FAR)
    await connection.execute(sa.update(DeviceRow).where(far).values(push_counter=_NEVER_SEEN))


def _job_row(job: KeyJob) -> dict[str, Any]:
    return {**asdict(job), "state": str(job.state)}


def _job(row: Mapping[str, Any]) -> KeyJob:
    return KeyJob(**{**row, "state": KeyJobState(row["state"]), "device_id": DeviceId(row["device_id"])})


def _campaign_row(campaign: KeyCampaign) -> dict[str, Any]:
    row = {each.name: getattr(campaign, each.name) for each in fields(campaign)}
    return {
        **row,
        "purpose": str(campaign.purpose),
        "state": str(campaign.state),
        "task": str(campaign.task),
        "kinds": ",".join(map(str, campaign.kinds)),
        "selection": json.dumps(_selection_document(campaign.selection)),
    }


def _campaign(row: Mapping[str, Any]) -> KeyCampaign:
    return KeyCampaign(
        **{
            **row,
            "purpose": KeyPurpose(row["purpose"]),
            "state": CampaignState(row["state"]),
            "task": KeyTask(row["task"]),
            "kinds": tuple(KeyKind(kind) for kind in row["kinds"].split(",") if kind),
            "selection": _selection(json.loads(row["selection"])),
        }
    )


def _selection_document(selection: KeySelection) -> dict[str, Any]:
    older = selection.older_than
    document = asdict(replace(selection, device_ids=()))  # who was selected, the jobs say
    return {**document, "older_than": None if older is None else older.isoformat(), "kinds": list(selection.kinds)}


def _selection(document: Mapping[str, Any]) -> KeySelection:
    older, origin = document["older_than"], document["origin"]
    return KeySelection(
        model=document["model"],
        origin=None if origin is None else KeyOrigin(origin),
        compromised=document["compromised"],
        older_than=None if older is None else datetime.fromisoformat(older),
        kinds=tuple(KeyKind(kind) for kind in document["kinds"]),
    )
