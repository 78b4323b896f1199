"""Who moved out of their last home longer ago than the books need: their rows go, and what refers to them stays."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from meterworks.catalogue import DATA_CLASSES, Medium, Role
from meterworks.market import Accounts, NewUser
from meterworks.market.consumer_retention import departed_consumers, forget_consumers
from meterworks.registry import ConsumerId, Occupancy, Registry, UnknownRecordError, UsagePoint, UsagePointId
from meterworks.runtime import Database
from meterworks.trust import KeyStore

NOW = datetime(2026, 6, 15, tzinfo=UTC)
BEFORE = NOW - timedelta(days=30 * (DATA_CLASSES["consumer"].store_months or 0))
LONG_AGO, LATER = BEFORE - timedelta(days=400), BEFORE + timedelta(days=1)


class Village:
    """Four consumers: gone long ago, gone with an account, gone not so long ago, and still there."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.registry = Registry(database, KeyStore(bytes(range(32))))
        self.numbers: list[ConsumerId] = []

    async def lay(self) -> None:
        points = [UsagePointId(f"MP{number}") for number in range(4)]
        await self.registry.add_usage_points(
            [UsagePoint(id=point, medium=Medium.ELECTRICITY, name="", time_zone="UTC") for point in points]
        )
        self.numbers = [ConsumerId(await self.registry.add_consumer(name, "a@b.example")) for name in "ABCD"]
        ends = (BEFORE - timedelta(days=1), BEFORE - timedelta(days=1), LATER, None)
        await self.registry.occupy(
            [
                Occupancy(consumer_id=number, usage_point_id=point, starts_at=LONG_AGO, ends_at=end)
                for number, point, end in zip(self.numbers, points, ends, strict=True)
            ]
        )
        new = NewUser(name="bea", password="a long enough secret", role=Role.CONSUMER, consumer_id=self.numbers[1])
        await Accounts(self.database).add_user(new)


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    database = Database(f"sqlite:///{tmp_path}/village.sqlite3")
    await database.create_tables()
    laid = Village(database)
    await laid.lay()
    yield laid
    await database.close()


async def test_only_those_whose_last_occupancy_is_past_the_limit_depart(village: Village) -> None:
    assert await departed_consumers(village.database, BEFORE, frozenset()) == village.numbers[:2]
    assert await departed_consumers(village.database, BEFORE, frozenset({"MP0"})) == village.numbers[1:2]
    await village.registry.occupy(
        [Occupancy(consumer_id=village.numbers[0], usage_point_id=UsagePointId("MP2"), starts_at=LATER)]
    )
    assert await departed_consumers(village.database, BEFORE, frozenset()) == village.numbers[1:2]


async def test_a_row_goes_unless_something_refers_to_it_and_then_its_person_goes(village: Village) -> None:
    gone = await departed_consumers(village.database, BEFORE, frozenset())
    async with village.database.transaction() as connection:
        assert await forget_consumers(connection, gone) == 4
    with pytest.raises(UnknownRecordError):
        await village.registry.consumer(village.numbers[0])
    kept = await village.registry.consumer(village.numbers[1])
    assert (kept.name, kept.email) == ("", "")
    assert (await village.registry.consumer(village.numbers[2])).name == "C"
    async with village.database.read() as connection:
        left = await connection.scalar(sa.text("SELECT count(*) FROM registry_occupancy"))
    assert left == 2
    assert await departed_consumers(village.database, BEFORE, frozenset()) == []
