"""How long data stays, what a consumer takes away, and that no store is forgotten."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.security.privacy.conftest import MOVED, NOW, Street

import meterworks.headend
import meterworks.trust.audit
from meterworks.catalogue import data_flows, unregistered_tables
from meterworks.market import AccessLogRow, Holds, Retention, deletion_history
from meterworks.market.audit import AccessEntry
from meterworks.readings import RecentDay
from meterworks.runtime import RemovalRule, insert_many, metadata

DAY_S = 86_400
CANARY = b"canary-of-an-expired-day"


class Warehouse:
    """Rows in a list, and the snapshots that name them."""

    def __init__(self, rows: Sequence[tuple[int, int, int]]) -> None:
        self.rows = list(rows)  # device, channel, epoch s

    def _matches(self, row: tuple[int, int, int], rules: Sequence[RemovalRule], spared: Collection[int]) -> bool:
        device, channel, at = row
        return device not in spared and any(
            channel in rule.channels and rule.device in (None, device) and at < (rule.to_epoch_s or 0) for rule in rules
        )

    def count_doomed(self, rules: Sequence[RemovalRule], *, spared: Collection[int] = ()) -> dict[int, int]:
        found = [row for row in self.rows if self._matches(row, rules, spared)]
        return {channel: sum(row[1] == channel for row in found) for channel in {row[1] for row in found}}

    def remove(self, rules: Sequence[RemovalRule], *, spared: Collection[int] = ()) -> Any:
        self.rows = [row for row in self.rows if not self._matches(row, rules, spared)]
        return type("Report", (), {"refused": False, "paths": ()})()

    def discard(self, _paths: Sequence[str]) -> int:
        return 0


def _retention(street: Street, rows: Sequence[tuple[int, int, int]] = ()) -> tuple[Retention, Warehouse]:
    warehouse: Any = Warehouse(rows)
    holds = Holds(street.database, street.registry, street.clock)
    made = Retention(database=street.database, warehouse=warehouse, clock=street.clock, holds=holds, audit=street.audit)
    return made, warehouse


@pytest.mark.requirement("SEC-140")
async def test_what_is_past_its_limit_is_in_no_store(street: Street, tmp_path: Path) -> None:
    now_s, months = int(NOW.timestamp()), 31 * DAY_S
    expired, kept = (1, 12, now_s - 15 * months), (1, 12, now_s - 12 * months)
    books = (1, 15, now_s - 15 * months)
    retention, warehouse = _retention(street, [expired, kept, books])
    async with street.database.transaction() as connection:
        days = [
            {"device": device, "channel": channel, "day": at // DAY_S, "readings": CANARY if at == expired[2] else b"x"}
            for device, channel, at in (expired, kept)
        ]
        await insert_many(connection, RecentDay, days)
    done = await retention.run()
    assert warehouse.rows == [kept, books], "intervals go, a month's register stays for the books"
    async with street.database.read() as connection:
        left = (await connection.execute(sa.select(RecentDay.readings))).scalars().all()
    assert list(left) == [b"x"]
    recorded = await deletion_history(street.database)
    assert {(entry.data_class, entry.store) for entry in recorded} >= {("usage-interval", "warehouse")}
    assert len(recorded) == len(done)
    assert "data.retired" in street.audit.acts()


def _entry(at: datetime, user: str) -> AccessEntry:
    return AccessEntry(
        at=at,
        usage_point_id="MP1",
        device_id=None,
        user_name=user,
        role="supplier",
        organisation_id=1,
        range_start=at - timedelta(days=1),
        range_end=at,
        channels="electricity.import.active.30min",
        purpose="settlement",
        request_id=user,
    )


@pytest.mark.requirement("SEC-093")
async def test_no_entry_of_the_log_outlives_its_limit_or_names_a_consumer(street: Street) -> None:
    await street.access_log.record([_entry(NOW - timedelta(days=800), "old"), _entry(NOW - timedelta(days=5), "new")])
    retention, _ = _retention(street)
    await retention.run()
    async with street.database.read() as connection:
        rows = (await connection.execute(sa.select(*AccessLogRow.__table__.columns))).all()
    assert {row.user_name for row in rows} == {"new"}
    assert "canary" not in str(rows).lower(), "neither name nor e-mail address of a consumer"


@pytest.mark.requirement("SEC-141")
async def test_a_consumer_takes_away_their_own_time_and_nobody_elses(street: Street) -> None:
    await street.access_log.record([_entry(MOVED - timedelta(days=9), "of-ann"), _entry(NOW, "of-bea")])
    package = await street.export.package(street.numbers["bea"], by=street.bea, request_id="own")
    data = package.json().decode()
    assert "Ann Canary" not in data
    assert "of-bea" in data, "who read is part of it"
    assert "of-ann" not in data, "but not who read of the tenant before"
    starts = [row["start"] for row in package._tables["readings"] if row["channel"].endswith("active.30min")]
    assert starts[0] == "2026-04-01T00:00:00Z"


@pytest.mark.requirement("SEC-143")
async def test_every_table_and_flow_is_in_the_register() -> None:
    assert meterworks.headend.HeadEnd and meterworks.trust.audit.ACTS, "their tables are known"
    assert unregistered_tables(metadata.tables) == []
    flows = data_flows()
    assert all(flow.kept_months for flow in flows), "each flow says how long"
    assert {flow.basis for flow in flows if flow.role == "other_user"} == {"consent"}
