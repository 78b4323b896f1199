"""The audit trail as an auditor sees it through API and portal. Each look is recorded before anything is given out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from meterworks.market.acts import Acts, actor_of
from meterworks.market.errors import NotFound
from meterworks.market.principal import Principal
from meterworks.market.services import MarketServices
from meterworks.market.timestamp import format_utc
from meterworks.trust.audit import (
    AuditQuestion,
    AuditRecord,
    AuditUsageError,
    SignedHead,
    TrailReader,
    longest_heads,
    prove_record,
)

__all__ = ["TrailPage", "TrailView", "record_document"]

PICTURE_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailPage:
    """Some records, newest first. sealed: how many of the trail's records a signed head covers."""

    records: Sequence[AuditRecord]
    sealed: int
    next: int | None


class TrailView:
    """Reads the trail for people with the permission `audit.read`, and records that they did."""

    def __init__(self, services: MarketServices, acts: Acts) -> None:
        self._reader = TrailReader(services.database)
        self._folders: Sequence[Path] = services.audit_heads
        self._clock = services.clock
        self._acts = acts

    async def page(self, principal: Principal, question: AuditQuestion) -> TrailPage:
        """The records that fit."""
        names = ("act", "actor", "object", "outcome", "before", "limit")
        facts = {name: value for name in names if (value := getattr(question, name)) is not None}
        await self._acts.record("audit.read", by=actor_of(principal), on="trail", facts=facts)
        found = await self._reader.records(question)
        full = len(found) == question.limit
        heads = self._heads()
        return TrailPage(
            records=found,
            sealed=heads[-1].head.size if heads else 0,
            next=found[-1].sequence if found and full else None,
        )

    async def proof(self, principal: Principal, sequence: int) -> bytes:
        """The proof file of a record. Raises NotFound where it is not there, or no head covers it yet."""
        facts = {"record": sequence}
        await self._acts.record("audit.read", by=actor_of(principal), on="trail", cause="proof", facts=facts)
        try:
            return (await prove_record(self._reader, sequence, self._heads())).encode()
        except AuditUsageError as error:
            raise NotFound(f"there is no proof of record {sequence}: {error}") from error

    async def per_hour(self, since: datetime | None = None) -> dict[str, int]:
        """How many acts fell into each hour of the last week that had any; hours as `2026-11-21T16`."""
        start = since or self._clock.now() - timedelta(days=PICTURE_DAYS)
        return await self._reader.per_hour(AuditQuestion(since=start))

    def _heads(self) -> list[SignedHead]:
        return longest_heads(self._folders)


def record_document(record: AuditRecord) -> dict[str, Any]:
    """A record as the API gives it."""
    event = record.event
    return {
        "record": record.sequence,
        "at": None if event.at is None else format_utc(event.at),
        "recorded_at": format_utc(record.recorded_at),
        "act": event.act,
        "actor": event.actor,
        "object": event.object,
        "outcome": event.outcome.value,
        "cause": event.cause,
        "facts": dict(event.facts),
        "source": record.source,
        "event": event.event_id,
    }
