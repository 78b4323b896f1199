"""Who has read the data of a metering point, for the operator and for the consumer living there."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from meterworks.market.audit import AccessEntry, AccessLog
from meterworks.market.errors import NotFound
from meterworks.market.principal import Principal
from meterworks.market.scope import viewer_of
from meterworks.market.series import TimeRange
from meterworks.market.services import MarketServices
from meterworks.registry import UsagePointId

__all__ = ["AccessView"]

_BEGINNING = datetime(1990, 1, 1, tzinfo=UTC)


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
