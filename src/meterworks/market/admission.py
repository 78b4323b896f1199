"""Admission of organisations: they act while an assessment of them is valid, and not a moment longer.

An organisation that was never assessed, whose assessment has lapsed or which was suspended, keeps its records but is
refused every action. Validity is business time: the system's clock.  Source: GB security assessment of service users
before entry, with audits after; SECURITY.md SEC-064.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from meterworks.market.acts import Acts
from meterworks.market.errors import OrganisationSuspended, RequestMalformed
from meterworks.market.model import AdmissionRow
from meterworks.runtime import Database

__all__ = ["Admission", "Admissions"]

CACHE_TTL_S = 5.0  # a suspension by another process is honoured no later than this
CACHE_COUNT_MAX = 10_000
HISTORY_COUNT_MAX = 100
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What was decided about an organisation. valid_until None: it is suspended."""

    organisation_id: int
    at: datetime
    assessor: str
    document_digest: str  # SHA-256 of the report, 64 hexadecimal digits
    valid_until: datetime | None
    reason: str

    def __post_init__(self) -> None:
        if _DIGEST.fullmatch(self.document_digest) is None:
            raise RequestMalformed("a digest is SHA-256 in 64 small hexadecimal digits", parameter="document_digest")
        if self.valid_until is not None and self.valid_until <= self.at:
            raise RequestMalformed("an assessment that has lapsed admits nobody", parameter="valid_until")

    def holds(self, now: datetime) -> bool:
        """The organisation may act."""
        return self.valid_until is not None and now < self.valid_until


_COLUMNS = (
    *(AdmissionRow.organisation_id, AdmissionRow.at, AdmissionRow.assessor, AdmissionRow.document_digest),
    *(AdmissionRow.valid_until, AdmissionRow.reason),
)


class Admissions:
    """Assessments and suspensions, in order of time; the last one of an organisation counts."""

    def __init__(
        self,
        database: Database,
        acts: Acts,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._acts = acts
        self._now = now
        self._monotonic = monotonic
        self._cache: dict[int, tuple[Admission | None, float]] = {}

    async def admit(
        self, organisation_id: int, *, assessor: str, document_digest: str, valid_until: datetime, reason: str = ""
    ) -> Admission:
        """Record an assessment that found the organisation fit. Raises RequestMalformed."""
        admission = Admission(
            organisation_id=organisation_id,
            at=self._now(),
            assessor=assessor,
            document_digest=document_digest,
            valid_until=valid_until,
            reason=reason,
        )
        facts = {"document_digest": document_digest, "valid_until": valid_until.isoformat()}
        await self._acts.record(
            "organisation.admitted", by=f"account:{assessor}", on=f"organisation:{organisation_id}", facts=facts
        )
        await self._write(admission)
        return admission

    async def suspend(self, organisation_id: int, *, by: str, reason: str) -> None:
        """From now on the organisation may act no more, until it is admitted again."""
        await self._write(
            Admission(
                organisation_id=organisation_id,
                at=self._now(),
                assessor=by,
                document_digest="0" * 64,
                valid_until=None,
                reason=reason,
            )
        )
        self._acts.tell(
            "organisation.suspended", by=f"account:{by}", on=f"organisation:{organisation_id}", cause=reason
        )

    async def _write(self, admission: Admission) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                insert(AdmissionRow).values({name: getattr(admission, name) for name in Admission.__slots__})
            )
        self._cache.clear()

    async def history(self, organisation_id: int) -> list[Admission]:
        """What was decided about an organisation, newest first."""
        statement = (
            select(*_COLUMNS)
            .where(AdmissionRow.organisation_id == organisation_id)
            .order_by(AdmissionRow.id.desc())
            .limit(HISTORY_COUNT_MAX)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return [Admission(**row._mapping) for row in rows]

    async def require(self, organisation_id: int) -> None:
        """Raises OrganisationSuspended unless the organisation may act now."""
        held = self._cache.get(organisation_id)
        if held is None or held[1] <= self._monotonic():
            found = await self.history(organisation_id)
            if len(self._cache) >= CACHE_COUNT_MAX:
                self._cache.clear()
            held = (found[0] if found else None, self._monotonic() + CACHE_TTL_S)
            self._cache[organisation_id] = held
        if held[0] is None or not held[0].holds(self._now()):
            raise OrganisationSuspended("your organisation is not admitted at present; ask the operator")
