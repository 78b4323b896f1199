"""The audit trail of a system as a person at its machine reads it, whether the system runs or not.

Nothing here writes to the trail's tables. That somebody looked is an act like others: it goes to the appender, or while
the system is down into the command's spool, which the appender takes up at its next start.
"""

import asyncio
import contextlib
import getpass
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.errors import MeterworksError
from meterworks.runtime import Clock, Database, SystemClock, connect_bus, get_logger, load_clock
from meterworks.system.configuration import Layout
from meterworks.system.errors import ConfigurationError
from meterworks.trust.audit import (
    AuditEvent,
    AuditQuestion,
    AuditRecord,
    BusAuditSink,
    Evidence,
    EvidenceFile,
    Fact,
    MemoryAuditSink,
    Outcome,
    RecordProof,
    SignedHead,
    Spool,
    TrailReader,
    Verdict,
    load_public_keys,
    longest_heads,
    make_bundle,
    prove_record,
    verify_stored,
)

__all__ = ["TrailStore", "open_trail", "started_database", "tell", "tell_at_start", "tell_event"]

log = get_logger("system.trail")
COMMAND = "command"  # the identity of a person's commands
APPENDER_S_MAX = 3.0
CAUSE_SHOWN_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailStore:
    """The trail of one system: its database, the heads beside it, and the public keys they are checked with.

    pinned: whether the keys were given by the person; keys that lie beside the heads show errors, but no forger.
    """

    layout: Layout
    database: Database
    clock: Clock
    heads: Sequence[SignedHead]
    keys: Sequence[ec.EllipticCurvePublicKey]
    pinned: bool

    @property
    def reader(self) -> TrailReader:
        """Reads records and proofs."""
        return TrailReader(self.database)

    async def verify(self, *, since: datetime | None = None, progress: Callable[[int], None] | None = None) -> Verdict:
        """Check the trail. since: begin at the last head signed before this instant of the machine's clock."""
        place = 0
        if since is not None:
            place = max((signed.head.size for signed in self.heads if signed.head.signed_at <= since), default=0)
        verdict = await verify_stored(self.database, self.heads, self.keys, since=place, progress=progress)
        facts: dict[str, Fact] = {"records": verdict.records, "heads": verdict.heads}
        if verdict.finding is not None:
            facts |= {"record": verdict.finding.record, "kind": verdict.finding.kind}
        await tell(self.layout, "audit.verified", facts=facts, outcome=_outcome(verdict))
        return verdict

    async def records(self, question: AuditQuestion) -> list[AuditRecord]:
        """Records that fit, newest first. That somebody looked is recorded."""
        facts = {
            name: value
            for name in ("act", "actor", "object", "outcome", "limit")
            if (value := getattr(question, name)) is not None
        }
        await tell(self.layout, "audit.read", facts=facts)
        return await self.reader.records(question)

    async def prove(self, sequence: int) -> RecordProof:
        """The proof of one record. That somebody took it is recorded."""
        await tell(self.layout, "audit.read", facts={"record": sequence})
        return await prove_record(self.reader, sequence, self.heads)

    async def export(self, *, first: int = 0, end: int | None = None) -> bytes:
        """A bundle of records with what verifies them; recorded with its digest, as data that left the system."""
        bundle = await make_bundle(self.reader, self.heads, first=first, end=end)
        digest = hashlib.sha256(bundle).hexdigest()
        facts: dict[str, Fact] = {"sha256": digest, "first": first, "octets": len(bundle)}
        await tell(self.layout, "audit.read", facts=facts, cause="export")
        return bundle

    async def evidence(self, evidence_id: str) -> EvidenceFile:
        """Evidence with its proof. That somebody was shown it is recorded."""
        archive = Evidence(self.database, MemoryAuditSink(), clock=self.clock)
        file = await archive.show(evidence_id, self.heads)
        await tell(self.layout, "evidence.shown", facts={"evidence": evidence_id})
        return file


def _outcome(verdict: Verdict) -> Outcome:
    return Outcome.SUCCESS if verdict.sound else Outcome.FAILURE


def started_database(layout: Layout) -> Database:
    """The database of record, opened for a command; the caller closes it.

    Raises ConfigurationError where no system was started on the data folder yet: a command makes no empty database.
    """
    if not layout.configuration.database.url and not layout.data.joinpath("db", "meterworks.sqlite3").exists():
        raise ConfigurationError(
            f"there is no system in {layout.data} yet: start one with `meterworks up`, or name --data"
        )
    return Database(layout.database(COMMAND))


@contextlib.asynccontextmanager
async def open_trail(layout: Layout, public_keys: Sequence[Path] = ()) -> AsyncIterator[TrailStore]:
    """Open the trail for reading. public_keys: PEM files; if none, those that the appender laid beside its heads.

    Raises ConfigurationError where no system has been started on the data folder yet, AuditStoreError for heads that
    disagree or cannot be read.
    """
    database = started_database(layout)
    paths = list(public_keys) or sorted(path for folder in layout.heads for path in folder.glob("audit-*.pem"))
    try:
        yield TrailStore(
            layout=layout,
            database=database,
            clock=SystemClock(load_clock(layout.clock)),
            heads=longest_heads(layout.heads),
            keys=load_public_keys(paths),
            pinned=bool(public_keys),
        )
    finally:
        await database.close()


async def tell(
    layout: Layout,
    act: str,
    *,
    facts: Mapping[str, Fact],
    outcome: Outcome = Outcome.SUCCESS,
    cause: str = "",
    about: str = "trail",
) -> None:
    """Record what the person at this machine did, at the appender, or in the command's spool.

    about: the object of the act; without it the trail itself, which was looked at.
    """
    actor = f"person:{getpass.getuser()}"
    await tell_event(layout, AuditEvent(act=act, actor=actor, object=about, outcome=outcome, cause=cause, facts=facts))


def tell_at_start(
    layout: Layout, act: str, *, facts: Mapping[str, Fact], about: str, cause: str = "", actor: str = ""
) -> None:
    """Leave an act to the next start of a system that does not run now. actor: the person at this machine, if empty."""
    event = AuditEvent(
        act=act,
        actor=actor or f"person:{getpass.getuser()}",
        object=about,
        cause=cause[:CAUSE_SHOWN_MAX],
        facts=facts,
        at=SystemClock(load_clock(layout.clock)).now(),
        machine_at=datetime.now(UTC),
    )
    Spool(layout.spool(COMMAND), bytes_max=layout.configuration.audit.spool_bytes_max).keep([event])


async def tell_event(layout: Layout, told: AuditEvent) -> None:
    """Record an act, as `tell` does; its times are set here."""
    clock = SystemClock(load_clock(layout.clock))
    event = replace(told, at=clock.now(), machine_at=datetime.now(UTC))
    try:
        async with asyncio.timeout(APPENDER_S_MAX):
            bus = await connect_bus(replace(layout.bus(COMMAND), connect_timeout_s=1.0))
            try:
                sink = BusAuditSink(bus, source=COMMAND, clock=clock, spool=layout.spool(COMMAND))
                await sink.append(event)
                await sink.close()
            finally:
                await bus.close()
    except (MeterworksError, TimeoutError):  # the system is down: reading its trail still works
        settings = layout.configuration.audit
        spool = Spool(layout.spool(COMMAND), bytes_max=settings.spool_bytes_max)
        await asyncio.to_thread(spool.keep, [event])
