"""Erasure of a consumer that keeps the books.

What goes: name and e-mail address, accounts with their names, tokens and factors, all readings finer than a month of
the time the consumer lived there, where the evidence of their consents is filed. What stays, because others must
account for it: that somebody (a pseudonym without meaning) lived there from when until when, monthly registers and
monthly sums, consents with their times, and the log of who read. The trail of acts names numbers, and stays whole.

A wish (by the consumer) is carried out once the operator has approved it; not while the consumer still lives at a
metering point, because the running supply needs its data, and not against a hold.

Source: GDPR article 17 (1) and (3) b; requirement base SEC-141.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa

from meterworks.catalogue import CHANNELS
from meterworks.market.consent import Consents
from meterworks.market.errors import ErasureNotPossible
from meterworks.market.hold import Holds
from meterworks.market.model import AccessLogRow, ExternalIdentityRow, FactorRow, TokenRow, UserRow
from meterworks.market.privacy_model import ErasedRangeRow, ErasedTotalRow, ErasureRow
from meterworks.market.retention import Retention
from meterworks.registry import ConsumerId, Occupancy, Registry
from meterworks.runtime import Clock, Database, insert_many
from meterworks.trust.audit import AuditEvent, AuditSink

if TYPE_CHECKING:
    from meterworks.runtime.warehouse import Warehouse  # whoever gives one has loaded it

__all__ = ["Erasure", "ErasureReport", "ErasureWishes", "Erasures"]

NO_PASSWORD = "!"  # noqa: S105  # matches no hash: nobody logs in with it
_TOTALS = """
SELECT channel, strftime(ts, '%Y-%m') AS month, sum(value)::BIGINT AS value, count(*)::INTEGER AS count FROM (
    SELECT channel, ts, arg_max(value, version) AS value FROM readings
    WHERE device = $device AND ts >= make_timestamp($from_us) AND ts < make_timestamp($to_us) GROUP BY channel, ts
) GROUP BY channel, month ORDER BY channel, month
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A wish to be erased, and when it was carried out."""

    id: int
    consumer_id: int
    asked_at: datetime
    asked_by: str
    approved_by: str | None
    done_at: datetime | None
    pseudonym: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReport:
    """What an erasure took away and what it kept."""

    consumer_id: int
    pseudonym: str
    rows: int
    months_kept: int
    consents_ended: int


_NAMES = tuple(Erasure.__dataclass_fields__)


class ErasureWishes:
    """Wishes to be erased: asked by the consumer or the operator, approved by the operator."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ask(self, consumer_id: int, *, by: Literal["consumer", "operator"]) -> Erasure:
        """Note the wish; one that is open already is given back. Times are the system's."""
        known = [wish for wish in await self.of(consumer_id) if wish.done_at is None]
        if known:
            return known[0]
        values = {"consumer_id": consumer_id, "asked_at": self._clock.now(), "asked_by": by, "pseudonym": ""}
        async with self._database.transaction() as connection:
            await connection.execute(sa.insert(ErasureRow).values(**values))
        return (await self.of(consumer_id))[0]

    async def approve(self, consumer_id: int, *, by: str) -> Erasure:
        """Let the wish be carried out at the next run of retention; the operator's own approval is the wish as well."""
        wish = await self.ask(consumer_id, by="operator")
        statement = sa.update(ErasureRow).where(ErasureRow.id == wish.id, ErasureRow.approved_by.is_(None))
        async with self._database.transaction() as connection:
            await connection.execute(statement.values(approved_by=by))
        return (await self.of(consumer_id))[0]

    async def of(self, consumer_id: int | None = None) -> Sequence[Erasure]:
        """The wishes of a consumer (None: of all), newest first."""
        statement = sa.select(*(getattr(ErasureRow, name) for name in _NAMES)).order_by(ErasureRow.id.desc())
        if consumer_id is not None:
            statement = statement.where(ErasureRow.consumer_id == consumer_id)
        async with self._database.read() as connection:
            rows = await connection.execute(statement)
            return [Erasure(**dict(zip(_NAMES, row, strict=True))) for row in rows]


class Erasures:
    """Carries out wishes. For the process that commits to the warehouse, and for the command line."""

    def __init__(
        self,
        *,
        database: Database,
        registry: Registry,
        warehouse: "Warehouse",
        clock: Clock,
        retention: Retention,
        audit: AuditSink,
    ) -> None:
        self._database = database
        self._registry = registry
        self._warehouse = warehouse
        self._clock = clock
        self._retention = retention
        self._audit = audit
        self._holds = Holds(database, registry, clock)
        self.wishes = ErasureWishes(database, clock)

    async def carry_out_approved(self) -> Sequence[ErasureReport]:
        """Carry out all wishes that are approved; one that is not possible yet waits."""
        reports = []
        for wish in await self.wishes.of():
            if wish.approved_by is not None and wish.done_at is None:
                try:
                    reports.append(await self.carry_out(wish, actor=f"account:{wish.approved_by}"))
                except ErasureNotPossible:
                    continue
        return reports

    async def carry_out(self, wish: Erasure, *, actor: str) -> ErasureReport:
        """Erase the person and keep the books. Raises ErasureNotPossible; carried out again, it changes nothing."""
        consumer_id = wish.consumer_id
        occupancies = await self._registry.occupancies(consumer_id=ConsumerId(consumer_id))
        await self._check(consumer_id, occupancies)
        pseudonym = wish.pseudonym or f"erased-{secrets.token_hex(8)}"
        spans = await self._spans(occupancies)
        totals = [row for span in spans for row in await asyncio.to_thread(self._totals, wish.id, *span)]
        event = AuditEvent(act="data.erased", actor=actor, object=f"consumer:{consumer_id}")
        await self._audit.append(event)
        consents = Consents(self._database, self._registry, self._clock, self._audit)
        ended = await consents.end_all_of(consumer_id, actor=actor)
        await self._forget_person(wish, pseudonym, spans, totals)
        ranges = [(device, starts_at, ends_at) for _, device, starts_at, ends_at in spans]
        rows, _ = await self._retention.erase_ranges(ranges)
        async with self._database.transaction() as connection:
            await connection.execute(
                sa.update(ErasureRow).where(ErasureRow.id == wish.id).values(done_at=self._clock.now())
            )
        return ErasureReport(
            consumer_id=consumer_id, pseudonym=pseudonym, rows=rows, months_kept=len(totals), consents_ended=ended
        )

    async def _check(self, consumer_id: int, occupancies: Sequence[Occupancy]) -> None:
        now = self._clock.now()
        running = next((each for each in occupancies if each.ends_at is None or each.ends_at > now), None)
        if running is not None:
            raise ErasureNotPossible(
                f"consumer {consumer_id} lives at {running.usage_point_id}: the running supply needs the data; end the "
                "occupancy first",
                usage_point=running.usage_point_id,
            )
        held = await self._holds.held_points()
        points = {str(each.usage_point_id) for each in occupancies}
        if held is None or held & points:
            raise ErasureNotPossible(f"a hold keeps data of consumer {consumer_id}; release it first")

    async def _spans(self, occupancies: Sequence[Occupancy]) -> list[tuple[str, int, datetime, datetime]]:
        """Where and when which device measured the consumer."""
        found = []
        for entry in occupancies:
            installed = await self._registry.installations(
                usage_point_id=entry.usage_point_id, from_=entry.starts_at, to=entry.ends_at
            )
            for stay in installed:
                span = stay.span.clipped(entry.span)
                if span is not None and span.ends_at is not None:
                    found.append((str(entry.usage_point_id), int(stay.device_id), span.starts_at, span.ends_at))
        return found

    def _totals(
        self, erasure_id: int, point: str, device: int, starts_at: datetime, ends_at: datetime
    ) -> list[dict[str, object]]:
        """Monthly sums of the intervals that will go. None where they are gone already."""
        from_s, to_s = int(starts_at.timestamp()), int(ends_at.timestamp())
        plan = self._warehouse.plan({device}, from_s, to_s)
        bounds = {"device": device, "from_us": from_s * 1_000_000, "to_us": to_s * 1_000_000}
        sums = self._warehouse.query(_TOTALS, bounds, plan=plan).to_pylist()
        return [
            {
                "erasure_id": erasure_id,
                "device_id": device,
                "channel_id": row["channel"],
                "month": row["month"],
                "usage_point_id": point,
                "value": row["value"],
                "count": row["count"],
            }
            for row in sums
            if CHANNELS[row["channel"]].interval_s is not None
        ]

    async def _forget_person(
        self,
        wish: Erasure,
        pseudonym: str,
        spans: Sequence[tuple[str, int, datetime, datetime]],
        totals: Sequence[dict[str, object]],
    ) -> None:
        """One transaction: the person is gone and the books are kept, or neither is."""
        ranges = [
            {"erasure_id": wish.id, "device_id": device, "starts_at": starts_at, "ends_at": ends_at}
            for _, device, starts_at, ends_at in spans
        ]
        async with self._database.transaction() as connection:
            users = (
                await connection.execute(
                    sa.select(UserRow.id, UserRow.name).where(UserRow.consumer_id == wish.consumer_id)
                )
            ).all()
            for number, name in users:
                for table in (TokenRow, FactorRow, ExternalIdentityRow):
                    await connection.execute(sa.delete(table).where(table.user_id == number))
                hidden = {"name": f"{pseudonym}-{number}", "password_hash": NO_PASSWORD, "active": False}
                await connection.execute(sa.update(UserRow).where(UserRow.id == number).values(**hidden))
                await connection.execute(
                    sa.update(AccessLogRow).where(AccessLogRow.user_name == name).values(user_name=pseudonym)
                )
            if wish.pseudonym == "":
                await insert_many(connection, ErasedTotalRow, totals)
                await insert_many(connection, ErasedRangeRow, ranges)
            await connection.execute(sa.update(ErasureRow).where(ErasureRow.id == wish.id).values(pseudonym=pseudonym))
        await self._registry.change_consumer(ConsumerId(wish.consumer_id), name=pseudonym, email="")
