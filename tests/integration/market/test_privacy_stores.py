"""Retention and erasure on real stores: canaries are looked for in every file that is left."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from tests.security.privacy.conftest import MOVED, NOW, Street, lay_street

from meterworks.errors import MeterworksError
from meterworks.market import AccessLogRow, Erasures, Holds, Retention, RetentionSettings
from meterworks.market.errors import ErasureNotPossible
from meterworks.market.privacy_model import ErasedTotalRow
from meterworks.readings import ReadingsProgress, RecentDay, rebuild_recent_days
from meterworks.registry import ConsumerId, UsagePointId
from meterworks.runtime import Database, WarehouseSettings, insert_many
from meterworks.runtime.warehouse import Warehouse

CANARY = 7_654_321
OLD = datetime(2025, 1, 10, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def _rows(device: int, start: datetime, values: list[int], channel: int = 12) -> pa.Table:
    count = len(values)
    starts = (int(start.timestamp()) + 1800 * np.arange(count, dtype=np.int64)) * 1_000_000
    return pa.table(
        {
            "device": pa.array([device] * count, pa.int64()),
            "channel": pa.array([channel] * count, pa.int32()),
            "ts": pa.array(starts).view(pa.timestamp("us")),
            "value": pa.array(values, pa.int64()),
            "quality": pa.array([0] * count, pa.int32()),
            "flags": pa.array([0] * count, pa.int32()),
            "version": pa.array([1] * count, pa.int32()),
            "source": pa.array([0] * count, pa.int32()),
            "received_at": pa.array(starts).view(pa.timestamp("us")),
        }
    )


class Stores:
    """The street with a warehouse, and what keeps the limits of both."""

    def __init__(self, folder: Path, street: Street, warehouse: Warehouse) -> None:
        self.folder, self.street, self.warehouse = folder, street, warehouse
        self.holds = Holds(street.database, street.registry, street.clock)
        self.retention = Retention(
            database=street.database,
            warehouse=warehouse,
            clock=street.clock,
            holds=self.holds,
            audit=street.audit,
            settings=RetentionSettings(grace_s=0.0),
        )
        self.erasures = Erasures(
            database=street.database,
            registry=street.registry,
            warehouse=warehouse,
            clock=street.clock,
            retention=self.retention,
            audit=street.audit,
        )

    def values(self) -> set[int]:
        """Every value in any file of the warehouse, named by a snapshot or not."""
        found: set[int] = set()
        for path in (self.folder / "files").rglob("*.parquet"):
            found.update(pq.read_table(path, partitioning=None)["value"].to_pylist())
        return found

    async def days(self) -> list[tuple[int, int]]:
        """Device and day of the recent days."""
        async with self.street.database.read() as connection:
            rows = await connection.execute(sa.select(RecentDay.device, RecentDay.day).order_by(RecentDay.day))
            return [(device, day) for device, day in rows]


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    """Device 1 at MP1: old readings, and Ann's and Bea's; recent days of all of it."""
    numbers = await lay_street(tmp_path / "street.sqlite3")
    database = Database(f"sqlite:///{tmp_path / 'street.sqlite3'}")
    warehouse = Warehouse(
        WarehouseSettings(
            location=str(tmp_path / "files"), catalog_url=f"sqlite:///{tmp_path / 'catalog.sqlite3'}", shards=1
        )
    )
    anns, beas = [CANARY + 1, 10], [20, 30]
    parts = [
        _rows(1, OLD, [CANARY]),
        _rows(1, OLD, [99], channel=15),
        _rows(1, MOVED - 2 * HALF_HOUR, anns),
        _rows(1, MOVED, beas),
    ]
    warehouse.append(pa.concat_tables(parts), position=1)
    from_day = int(OLD.timestamp()) // 86_400
    await rebuild_recent_days(warehouse, database, from_day=from_day)
    async with database.transaction() as connection:
        row = {"name": "writer", "epoch": "", "sequence": 1, "recent_from_day": from_day}
        await insert_many(connection, ReadingsProgress, [row])
    yield Stores(tmp_path, Street(database, numbers), warehouse)
    warehouse.close()
    await database.close()


async def test_a_trial_counts_and_a_run_takes_away_what_it_counted(stores: Stores) -> None:
    due = await stores.retention.due()
    assert CANARY in stores.values()
    done = await stores.retention.run()
    named = {(entry.data_class, entry.store, entry.rows) for entry in done}
    assert named == {(entry.data_class, entry.store, entry.rows) for entry in due}
    assert ("usage-interval", "warehouse", 1) in named
    assert CANARY not in stores.values()
    assert 99 in stores.values(), "the books stay"
    assert await stores.retention.run() == []


async def test_a_hold_keeps_what_it_names_until_it_is_released(stores: Stores) -> None:
    await stores.holds.set("MP1", "case 4711", by="olivia")
    await stores.retention.run()
    assert CANARY in stores.values()
    [hold] = await stores.holds.standing()
    await stores.holds.release(hold.id, by="olivia")
    await stores.holds.set(None, "court", by="olivia")
    assert await stores.retention.run() == []
    [hold] = await stores.holds.standing()
    await stores.holds.release(hold.id, by="olivia")
    await stores.retention.run()
    assert CANARY not in stores.values()
    with pytest.raises(MeterworksError):
        await stores.holds.release(hold.id, by="olivia")


async def test_erasure_takes_the_person_and_keeps_the_books(stores: Stores) -> None:
    street, ann = stores.street, stores.street.numbers["ann"]
    reference = (await street.consents.give(ann, street.terms(usage_point_id="MP2"), via="api", actor="a")).reference
    await street.read(street.ann, "MP1", MOVED - timedelta(days=1), MOVED)
    wish = await stores.erasures.wishes.ask(ann, by="consumer")
    assert wish.id == (await stores.erasures.wishes.ask(ann, by="consumer")).id, "one wish at a time"
    assert await stores.erasures.carry_out_approved() == [], "nobody has approved it"
    await stores.erasures.wishes.approve(ann, by="olivia")
    assert await stores.erasures.carry_out_approved() == [], "she lives at MP2"
    await street.registry.end_occupancy(UsagePointId("MP2"), NOW - timedelta(days=1))
    [report] = await stores.erasures.carry_out_approved()
    assert (report.rows, report.months_kept, report.consents_ended) == (2, 1, 1)
    assert CANARY + 1 not in stores.values()
    assert {20, 30} <= stores.values(), "the next tenant keeps theirs"
    async with street.database.read() as connection:
        totals = (await connection.execute(sa.select(ErasedTotalRow.month, ErasedTotalRow.value))).all()
        readers = (await connection.execute(sa.select(AccessLogRow.user_name))).scalars().all()
    assert [tuple(row) for row in totals] == [("2026-03", CANARY + 11)]
    assert readers == ["ann"], "no account of hers was named so"
    person = await street.registry.consumer(ConsumerId(ann))
    assert (person.name, person.email) == (report.pseudonym, "")
    consents = {consent.reference: consent for consent in await street.consents.of(consumer_id=ann)}
    assert consents[reference].ended_by == "erasure"
    assert "data.erased" in street.audit.acts()
    assert await stores.erasures.carry_out_approved() == [], "done is done"


async def test_what_was_erased_and_read_again_goes_again(stores: Stores) -> None:
    street, ann = stores.street, stores.street.numbers["ann"]
    await street.registry.end_occupancy(UsagePointId("MP2"), NOW - timedelta(days=1))
    wish = await stores.erasures.wishes.approve(ann, by="olivia")
    await stores.erasures.carry_out(wish, actor="account:olivia")
    stores.warehouse.append(_rows(1, MOVED - 2 * HALF_HOUR, [CANARY + 1, 10]), position=2)
    done = await stores.retention.run()
    assert ("erasure", "warehouse", 2) in {(entry.cause, entry.store, entry.rows) for entry in done}
    assert CANARY + 1 not in stores.values()


async def test_a_hold_stands_against_erasure(stores: Stores) -> None:
    street, ann = stores.street, stores.street.numbers["ann"]
    await street.registry.end_occupancy(UsagePointId("MP2"), NOW - timedelta(days=1))
    await stores.holds.set("MP1", "case 4711", by="olivia")
    wish = await stores.erasures.wishes.approve(ann, by="olivia")
    with pytest.raises(ErasureNotPossible, match="hold"):
        await stores.erasures.carry_out(wish, actor="account:olivia")
    assert CANARY + 1 in stores.values()
