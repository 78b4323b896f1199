"""Prometheus metrics, for the operator's token or a scraper on this machine."""

import asyncio
import ipaddress

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from meterworks.market.api.gate import Gate
from meterworks.market.principal import Principal
from meterworks.runtime import render_metrics

__all__ = ["LoopbackOrGate", "router"]

router = APIRouter()


class LoopbackOrGate(Gate):
    """Lets a request through that comes from this machine itself and through no proxy; others need the permission."""

    async def __call__(self, request: Request) -> Principal | None:  # type: ignore[override]  # nobody, on loopback
        """Who asks, or None for this machine."""
        forwarded = "forwarded" in request.headers or "x-forwarded-for" in request.headers
        if "authorization" not in request.headers and not forwarded and _is_loopback(request):
            return None
        return await super().__call__(request)


def _is_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


@router.get("/metrics", dependencies=[Depends(LoopbackOrGate("metrics.read"))], include_in_schema=False)
async def metrics() -> Response:
    """All metrics of all processes of this system."""
    return Response(await asyncio.to_thread(render_metrics), media_type=CONTENT_TYPE_LATEST)
