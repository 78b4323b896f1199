"""Consents of consumers: who may read what of a metering point, why, how fine, from when until when.

    proposed --confirm--> confirmed --(starts_at)--> in force --(ends_at)--> expired
        \\--decline-->  ended            \\-------- withdraw --------> ended

An organisation proposes and shows what evidence it holds; only the consumer confirms. A consumer who gives a consent
in portal or API proposes and confirms at once. What a consent allows never changes: other terms are another consent,
so the rows are the history.

Nothing of this is remembered between requests. Each access asks the database, so a withdrawal holds from the next
access on, in every process.

Times are the system's. Source: GDPR article 7; requirement base SEC-068.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

import sqlalchemy as sa

from meterworks.catalogue import PURPOSES, Detail, Role
from meterworks.market.errors import ConsentNotPossible, NotFound, RequestMalformed
from meterworks.market.principal import Principal
from meterworks.market.privacy_model import ConsentRow
from meterworks.registry import (
    ConsumerId,
    OrganisationId,
    Registry,
    Span,
    UnknownRecordError,
    UsagePointId,
    Viewer,
)
from meterworks.runtime import Clock, Database
from meterworks.trust.audit import AuditEvent, AuditSink, Fact

__all__ = ["Consent", "ConsentState", "ConsentTerms", "Consents", "Evidence", "Proposer"]

Proposer = Literal["portal", "api", "organisation"]
LENGTH_DEFAULT = timedelta(days=365)
LENGTH_MAX = timedelta(days=731)
PROPOSAL_LENGTH = timedelta(days=30)  # a proposal nobody answered is over
OPEN_PROPOSALS_MAX = 1_000  # of one organisation: consumers are asked, not flooded
LIST_MAX = 1_000
_EVIDENCE_LENGTH_MAX = 200
_DIGEST_SIZE = 64
_HEXADECIMAL = frozenset("0123456789abcdef")


class ConsentState(StrEnum):
    """Where a consent stands at an instant."""

    PROPOSED = "proposed"
    LAPSED = "lapsed"  # proposed, and nobody answered in time
    DECLINED = "declined"
    FUTURE = "future"
    IN_FORCE = "in-force"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an organisation says it holds: where it is filed, and the SHA-256 of it in hexadecimal."""

    reference: str
    digest: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.reference) <= _EVIDENCE_LENGTH_MAX or not self.reference.isprintable():
            raise RequestMalformed(
                f"an evidence's reference has 1 to {_EVIDENCE_LENGTH_MAX} printable characters", parameter="reference"
            )
        if len(self.digest) != _DIGEST_SIZE or set(self.digest) - _HEXADECIMAL:
            raise RequestMalformed("an evidence's digest is SHA-256 in 64 hexadecimal digits", parameter="digest")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentTerms:
    """What is allowed: to an organisation, at a metering point, for a purpose, this fine, readings from here on.

    Times that are left out: from now on, for a year, and readings from the start on.
    """

    organisation_id: int
    usage_point_id: str
    purpose: str
    detail: Detail
    data_from: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        purpose = PURPOSES.get(self.purpose)
        if purpose is None or not purpose.rests_on_consent:
            lawful = ", ".join(name for name, row in PURPOSES.items() if row.rests_on_consent)
            raise RequestMalformed(f"nobody consents to {self.purpose!r}: give one of {lawful}", parameter="purpose")
        finest = max(purpose.sees.values())
        if self.detail > finest:
            raise RequestMalformed(
                f"the purpose {purpose.name} sees {finest.label} at finest, not {self.detail.label}", parameter="detail"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A consent as it is stored."""

    reference: str
    consumer_id: int | None
    organisation_id: int
    usage_point_id: str
    purpose: str
    detail: Detail
    data_from: datetime
    starts_at: datetime
    ends_at: datetime
    via: str
    evidence_reference: str
    evidence_digest: str
    proposed_at: datetime
    confirmed_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None

    def state(self, now: datetime) -> ConsentState:
        """Where it stands."""
        if self.confirmed_at is None:
            if self.ended_at is not None:
                return ConsentState.DECLINED
            return ConsentState.PROPOSED if now < self.proposed_at + PROPOSAL_LENGTH else ConsentState.LAPSED
        if self.ended_at is not None:
            return ConsentState.WITHDRAWN
        if now >= self.ends_at:
            return ConsentState.EXPIRED
        return ConsentState.FUTURE if now < self.starts_at else ConsentState.IN_FORCE


_NAMES = tuple(Consent.__dataclass_fields__)
_COLUMNS = tuple(getattr(ConsentRow, name) for name in _NAMES)


def _consent(row: Sequence[Any]) -> Consent:
    values = dict(zip(_NAMES, row, strict=True))
    return Consent(**{**values, "detail": Detail[values["detail"].upper()]})


class Consents:
    """Gives, keeps and ends consents, and says which are in force."""

    def __init__(self, database: Database, registry: Registry, clock: Clock, audit: AuditSink) -> None:
        self._database = database
        self._registry = registry
        self._clock = clock
        self._audit = audit

    def now(self) -> datetime:
        """The instant at which consents are judged."""
        return self._clock.now()

    # --- by the consumer ------------------------------------------------------------------------------------------

    async def give(self, consumer_id: int, terms: ConsentTerms, *, via: Proposer, actor: str) -> Consent:
        """Record a consumer's own consent; it is in force from its start on.

        Raises NotFound for a metering point that is not theirs now, ConsentNotPossible for terms nobody can agree to.
        """
        now = self._clock.now()
        if await self._occupant(terms.usage_point_id) != consumer_id:
            raise NotFound(f"there is no metering point {terms.usage_point_id!r} in your view", id=terms.usage_point_id)
        await self._check_organisation(terms, now)
        consent = _new(terms, now, consumer_id=consumer_id, via=via, evidence=None, confirmed=True)
        await self._tell("consent.given", actor, consent)
        await self._store(consent)
        return consent

    async def confirm(self, consumer_id: int, reference: str, *, actor: str) -> Consent:
        """Agree to what an organisation proposed. Raises NotFound, and ConsentNotPossible when it is no open proposal.

        It is in force from now on, never from before.
        """
        now = self._clock.now()
        consent = await self._one(reference, consumer_id=consumer_id)
        if consent.state(now) is not ConsentState.PROPOSED or consent.ends_at <= now:
            raise ConsentNotPossible(f"consent {reference} is no open proposal any more", reference=reference)
        if await self._occupant(consent.usage_point_id) != consumer_id:
            raise ConsentNotPossible("you do not live at its metering point any more", reference=reference)
        await self._tell("consent.given", actor, consent)
        await self._set(reference, {"confirmed_at": now, "starts_at": max(now, consent.starts_at)})
        return await self._one(reference, consumer_id=consumer_id)

    # --- by an organisation ---------------------------------------------------------------------------------------

    async def propose(self, principal: Principal, terms: ConsentTerms, evidence: Evidence) -> Consent:
        """Record that an organisation has a consumer's consent on file; nothing is allowed until they confirm it here.

        The answer is the same for a metering point that does not exist, one where nobody lives, and one where somebody
        does: it tells nothing of who lives where.
        """
        now = self._clock.now()
        if principal.role not in PURPOSES[terms.purpose].roles:
            raise ConsentNotPossible(
                f"the role {principal.role.value} cannot use a consent to {terms.purpose}", purpose=terms.purpose
            )
        if principal.organisation_id != terms.organisation_id:
            raise ConsentNotPossible("an organisation records consents to itself", organisation=terms.organisation_id)
        await self._check_open_proposals(terms.organisation_id, now)
        occupant = await self._occupant(terms.usage_point_id)
        consent = _new(terms, now, consumer_id=occupant, via="organisation", evidence=evidence, confirmed=False)
        await self._store(consent)
        return consent

    # --- by any of them -------------------------------------------------------------------------------------------

    async def end(
        self,
        reference: str,
        *,
        by: Literal["consumer", "organisation", "operator"],
        actor: str,
        consumer_id: int | None = None,
        organisation_id: int | None = None,
    ) -> Consent:
        """Withdraw or decline; of no effect on one that is over already. Raises NotFound for what is not theirs."""
        consent = await self._one(reference, consumer_id=consumer_id, organisation_id=organisation_id)
        if consent.ended_at is None:
            await self._tell("consent.withdrawn", actor, consent)
            await self._set(reference, {"ended_at": self._clock.now(), "ended_by": by})
        return await self._one(reference, consumer_id=consumer_id, organisation_id=organisation_id)

    async def end_all_of(self, consumer_id: int, *, actor: str) -> int:
        """End all consents of a consumer who is erased, and forget where their evidence is filed."""
        condition = ConsentRow.consumer_id == consumer_id
        now = self._clock.now()
        async with self._database.transaction() as connection:
            ended = await connection.execute(
                sa.update(ConsentRow)
                .where(condition, ConsentRow.ended_at.is_(None))
                .values(ended_at=now, ended_by="erasure")
            )
            await connection.execute(sa.update(ConsentRow).where(condition).values(evidence_reference=""))
        count = int(ended.rowcount)
        if count:
            event = AuditEvent(act="consent.withdrawn", actor=actor, object=f"consumer:{consumer_id}", cause="erasure")
            await self._audit.append(event)
        return count

    # --- looking --------------------------------------------------------------------------------------------------

    async def of(
        self, *, consumer_id: int | None = None, organisation_id: int | None = None, usage_point_id: str | None = None
    ) -> list[Consent]:
        """Consents of a consumer, to an organisation or at a metering point, newest first, at most LIST_MAX."""
        given = (
            (ConsentRow.consumer_id, consumer_id),
            (ConsentRow.organisation_id, organisation_id),
            (ConsentRow.usage_point_id, usage_point_id),
        )
        conditions = [column == value for column, value in given if value is not None]
        statement = sa.select(*_COLUMNS).where(*conditions).order_by(ConsentRow.id.desc()).limit(LIST_MAX)
        async with self._database.read() as connection:
            return [_consent(tuple(row)) for row in await connection.execute(statement)]

    async def in_force(
        self, organisation_id: int, purpose: str, usage_point_ids: Sequence[str]
    ) -> Mapping[str, Sequence[Consent]]:
        """The consents an organisation may use now for a purpose, by metering point. One look at the database."""
        now = self._clock.now()
        row = ConsentRow
        statement = sa.select(*_COLUMNS).where(
            row.organisation_id == organisation_id,
            row.usage_point_id.in_([point for point in usage_point_ids if "\0" not in point]),
            row.purpose == purpose,
            row.confirmed_at.is_not(None),
            row.ended_at.is_(None),
            row.starts_at <= now,
            row.ends_at > now,
        )
        found: dict[str, list[Consent]] = {}
        async with self._database.read() as connection:
            for entry in await connection.execute(statement):
                consent = _consent(tuple(entry))
                found.setdefault(consent.usage_point_id, []).append(consent)
        return found

    async def lived(self, consent: Consent, window: Span) -> Sequence[Span]:
        """When within the window the consumer who consented lives there, as far as the consent reaches."""
        reach = window.clipped(Span(starts_at=consent.data_from, ends_at=consent.ends_at))
        if reach is None or consent.consumer_id is None:
            return ()
        viewer = Viewer(role=Role.CONSUMER, consumer_id=ConsumerId(consent.consumer_id))
        point = UsagePointId(consent.usage_point_id)
        spans = await self._registry.visible_spans(viewer, [point], reach.starts_at, reach.ends_at)
        return spans.get(point, ())

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _occupant(self, usage_point_id: str) -> int | None:
        now = self._clock.now()
        occupancies = await self._registry.occupancies(usage_point_id=UsagePointId(usage_point_id))
        return next((int(entry.consumer_id) for entry in occupancies if entry.span.contains(now)), None)

    async def _check_organisation(self, terms: ConsentTerms, now: datetime) -> None:
        try:
            organisation = await self._registry.organisation(OrganisationId(terms.organisation_id))
        except UnknownRecordError as error:
            raise ConsentNotPossible(
                f"there is no organisation {terms.organisation_id}", organisation=terms.organisation_id
            ) from error
        roles = {held.role for held in organisation.roles if held.span.contains(now)}
        if not roles & PURPOSES[terms.purpose].roles:
            raise ConsentNotPossible(
                f"{organisation.name} holds no role that could use a consent to {terms.purpose}",
                organisation=terms.organisation_id,
            )

    async def _check_open_proposals(self, organisation_id: int, now: datetime) -> None:
        row = ConsentRow
        statement = sa.select(sa.func.count()).where(
            row.organisation_id == organisation_id,
            row.confirmed_at.is_(None),
            row.ended_at.is_(None),
            row.proposed_at > now - PROPOSAL_LENGTH,
        )
        async with self._database.read() as connection:
            count = int(await connection.scalar(statement) or 0)
        if count >= OPEN_PROPOSALS_MAX:
            raise ConsentNotPossible(
                f"{count} proposals wait for an answer; withdraw some or wait for consumers", count=count
            )

    async def _one(
        self, reference: str, *, consumer_id: int | None = None, organisation_id: int | None = None
    ) -> Consent:
        """A consent, if it is the asker's. Somebody else's and an unknown one are the same."""
        conditions = [ConsentRow.reference == reference]
        if consumer_id is not None:
            conditions.append(ConsentRow.consumer_id == consumer_id)
        if organisation_id is not None:
            conditions.append(ConsentRow.organisation_id == organisation_id)
        async with self._database.read() as connection:
            row = (await connection.execute(sa.select(*_COLUMNS).where(*conditions))).one_or_none()
        if row is None:
            raise NotFound(f"there is no consent {reference!r} in your view", reference=reference)
        return _consent(tuple(row))

    async def _store(self, consent: Consent) -> None:
        values = {name: getattr(consent, name) for name in _NAMES}
        async with self._database.transaction() as connection:
            await connection.execute(sa.insert(ConsentRow).values(**{**values, "detail": consent.detail.label}))

    async def _set(self, reference: str, values: Mapping[str, object]) -> None:
        """Change a consent that has not ended; one that ended meanwhile stays as it is."""
        statement = sa.update(ConsentRow).where(ConsentRow.reference == reference, ConsentRow.ended_at.is_(None))
        async with self._database.transaction() as connection:
            await connection.execute(statement.values(**values))

    async def _tell(self, act: str, actor: str, consent: Consent) -> None:
        facts: dict[str, Fact] = {
            "organisation": consent.organisation_id,
            "purpose": consent.purpose,
            "detail": consent.detail.label,
            "reference": consent.reference,
        }
        await self._audit.append(
            AuditEvent(act=act, actor=actor, object=f"usage-point:{consent.usage_point_id}", facts=facts)
        )


def _new(
    terms: ConsentTerms,
    now: datetime,
    *,
    consumer_id: int | None,
    via: Proposer,
    evidence: Evidence | None,
    confirmed: bool,
) -> Consent:
    starts_at = max(now, terms.starts_at or now)
    ends_at = terms.ends_at or starts_at + LENGTH_DEFAULT
    if not starts_at < ends_at <= starts_at + LENGTH_MAX:
        raise ConsentNotPossible(
            f"a consent ends after its start and within {LENGTH_MAX.days} days; ask again then", parameter="to"
        )
    return Consent(
        reference=str(uuid.uuid4()),
        consumer_id=consumer_id,
        organisation_id=terms.organisation_id,
        usage_point_id=terms.usage_point_id,
        purpose=terms.purpose,
        detail=terms.detail,
        data_from=terms.data_from or starts_at,
        starts_at=starts_at,
        ends_at=ends_at,
        via=via,
        evidence_reference=evidence.reference if evidence else "",
        evidence_digest=evidence.digest if evidence else "",
        proposed_at=now,
        confirmed_at=now if confirmed else None,
        ended_at=None,
        ended_by=None,
    )
