"""Health: the one thing anyone may ask."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

import meterworks
from meterworks.market.api.gate import PUBLIC, market_of
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.timestamp import format_utc

__all__ = ["router"]

router = APIRouter()


@router.get("/health", tags=["health"], dependencies=[PUBLIC], summary="Is the system well?")
async def health(request: Request) -> Response:
    """Status `ok` with 200 when every part answers, `degraded` with 503 when one does not."""
    market = market_of(request)
    found = await market.health.ask()
    return OrjsonResponse(
        {
            "status": "ok" if found.well else "degraded",
            "parts": dict(found.parts),
            "version": meterworks.__version__,
            "time": format_utc(market.clock.now()),
        },
        status_code=200 if found.well else 503,
        headers={"Cache-Control": "no-store"},
    )
