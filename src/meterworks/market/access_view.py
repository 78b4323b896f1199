"""Who has read the data of a metering point, for the operator and for the consumer living there.

The consumer sees which organisation read, in which role and for which purpose; which person did is the organisation's
affair and the operator's.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from meterworks.catalogue import PURPOSES
from meterworks.market.audit import AccessEntry, AccessLog
from meterworks.market.errors import NotFound
from meterworks.market.principal import Principal
from meterworks.market.scope import viewer_of
from meterworks.market.series import TimeRange
from meterworks.market.services import MarketServices
from meterworks.registry import OrganisationId, UnknownRecordError, UsagePointId

__all__ = ["AccessView", "MonthOfReads", "Recipient", "purpose_title", "reads_by_month"]

_BEGINNING = datetime(1990, 1, 1, tzinfo=UTC)
MONTHS_SHOWN = 13
ENTRIES_COUNTED_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who got data: a role, and the organisation in it; without one, the carrier or the consumer themselves."""

    role: str
    organisation: str | None

    @property
    def title(self) -> str:
        """As a person reads it."""
        role = self.role.replace("_", " ")
        return role if self.organisation is None else f"{self.organisation}, {role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthOfReads:
    """How often a recipient read in each of the months, oldest first."""

    recipient: Recipient
    counts: Sequence[int]


def purpose_title(name: str) -> str:
    """A purpose as a consumer reads it; texts of before purposes were a table stay as they were."""
    return PURPOSES[name].title if name in PURPOSES else name


class AccessView:
    """The access log as a principal may see it."""

    def __init__(self, services: MarketServices, access_log: AccessLog) -> None:
        self._services = services
        self._access_log = access_log

    async def of_usage_point(
        self,
        principal: Principal,
        usage_point_id: str,
        *,
        before_id: int | None = None,
        limit: int = 50,
        but_own: bool = False,
    ) -> tuple[Sequence[AccessEntry], int | None]:
        """Accesses to readings of the time the principal may see, newest first, and where the next page begins.

        but_own: leave out the principal's own. Raises NotFound.
        """
        point_id = UsagePointId(usage_point_id)
        until = self._services.clock.now() + timedelta(days=1)
        spans = await self._services.registry.visible_spans(viewer_of(principal), [point_id], _BEGINNING, until)
        ranges = [TimeRange(span.starts_at, span.ends_at or until) for span in spans.get(point_id, ())]
        if not ranges:
            raise NotFound(f"there is no metering point {usage_point_id!r} in your view", id=usage_point_id)
        found = await self._access_log.of_usage_point(
            usage_point_id,
            ranges,
            before_id=before_id,
            limit=limit + 1,
            but_user=principal.name if but_own else None,
        )
        following = found[limit - 1][0] if len(found) > limit else None
        return [entry for _, entry in found[:limit]], following

    async def recipients(self, entries: Iterable[AccessEntry]) -> Mapping[tuple[str, int | None], Recipient]:
        """Who the entries' organisations are, by role and organisation number."""
        keys = {(entry.role, entry.organisation_id) for entry in entries}
        names: dict[int, str] = {}
        for number in sorted({number for _, number in keys if number is not None}):
            try:
                names[number] = (await self._services.registry.organisation(OrganisationId(number))).name
            except UnknownRecordError:
                names[number] = f"organisation {number}"
        return {(role, number): Recipient(role, None if number is None else names[number]) for role, number in keys}


def reads_by_month(
    entries: Sequence[AccessEntry],
    recipients: Mapping[tuple[str, int | None], Recipient],
    now: datetime,
    zone: ZoneInfo,
) -> tuple[Sequence[str], Sequence[MonthOfReads]]:
    """The last MONTHS_SHOWN local months (`2026-03`), and how often each recipient read in them, busiest first.

    Entries of one request count once: a request that touched several spans is one look.
    """
    count = now.astimezone(zone).year * 12 + now.astimezone(zone).month - 1
    months = [f"{number // 12}-{number % 12 + 1:02d}" for number in range(count - MONTHS_SHOWN + 1, count + 1)]
    looks = {
        (recipients[entry.role, entry.organisation_id], f"{entry.at.astimezone(zone):%Y-%m}", entry.request_id)
        for entry in entries
    }
    counted = Counter((recipient, month) for recipient, month, _ in looks)
    totals = Counter(recipient for recipient, month, _ in looks if month in months)
    return months, [
        MonthOfReads(recipient=recipient, counts=[counted[recipient, month] for month in months])
        for recipient, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0].title))
    ]
