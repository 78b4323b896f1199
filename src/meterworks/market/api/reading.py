"""Readings of devices and metering points, and the channels there are."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response

from meterworks.catalogue import CHANNELS
from meterworks.market.api.gate import market_of, permit, request_id_of
from meterworks.market.api.parameter import (
    ChannelNames,
    DeviceNumber,
    FromText,
    MeteringPointId,
    PurposeText,
    ToText,
)
from meterworks.market.api.response import OrjsonResponse, data_response, next_page_link
from meterworks.market.encoding import ARROW, CSV, JSON, PARQUET, channel_facts, choose_media_type, encode
from meterworks.market.principal import Principal
from meterworks.market.question import (
    Cursor,
    SeriesQuestion,
    parse_channels,
    parse_purpose,
    parse_range,
    parse_resolution,
)
from meterworks.market.series import SeriesResult
from meterworks.market.timestamp import parse_time

__all__ = ["router"]

router = APIRouter()
PAGE_ROWS_DEFAULT = 20_000  # 13 months of half-hours in one page
_INLINE_ROWS_MAX = 4_000  # fewer rows are encoded sooner than a thread would start

_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Series in the accepted form. JSON and CSV come in pages: `next`, or the Link header.",
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/Series"}},
            CSV: {"schema": {"type": "string"}},
            ARROW: {"schema": {"type": "string", "format": "binary"}},
            PARQUET: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


async def series_question(
    request: Request,
    channels: ChannelNames = None,
    from_text: FromText = None,
    to_text: ToText = None,
    as_of: Annotated[
        str | None, Query(max_length=40, description="What was known at this moment: RFC 3339 with offset")
    ] = None,
    resolution: Annotated[str, Query(max_length=16, description="interval, day or month")] = "interval",
    tz: Annotated[
        str | None, Query(max_length=64, description="Zone of local days; default: the metering point's")
    ] = None,
    limit: Annotated[int, Query(ge=1, description="Rows of one page in JSON and CSV")] = PAGE_ROWS_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=64, description="`next` of the page before")] = None,
    purpose: PurposeText = None,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> tuple[SeriesQuestion, str]:
    """The question of a query string, and the form its answer shall have. Raises RequestMalformed, NotAcceptable."""
    market = market_of(request)
    media_type = choose_media_type(accept)
    paged = media_type in (JSON, CSV)
    question = SeriesQuestion(
        channels=parse_channels(channels or []),
        asked=parse_range(from_text, to_text, market.clock.now()),
        as_of=None if as_of is None else parse_time(as_of, "as_of"),
        resolution=parse_resolution(resolution),
        zone_name=tz,
        row_limit=min(limit, market.settings.page_rows_max) if paged else None,
        cursor=None if cursor is None else Cursor.decode(cursor),
        purpose=parse_purpose(purpose, default="API"),
        request_id=request_id_of(request),
    )
    return question, media_type


Question = Annotated[tuple[SeriesQuestion, str], Depends(series_question)]


async def _respond(request: Request, result: SeriesResult, media_type: str) -> Response:
    rows = sum(series.row_count for series in result.series)
    body = (
        encode(result, media_type) if rows <= _INLINE_ROWS_MAX else await asyncio.to_thread(encode, result, media_type)
    )
    link = None if result.next_cursor is None else next_page_link(request, result.next_cursor)
    return await data_response(request, body, media_type, next_link=link)


@router.get("/channels", tags=["readings"], summary="What can be read")
async def list_channels(principal: Annotated[Principal, permit("reading.read")]) -> Response:
    """All channels: a value times ten to the power of `scaler` is in `unit`."""
    return OrjsonResponse(
        {
            "channels": [
                {
                    **channel_facts(channel),
                    "medium": channel.medium,
                    "quantity": channel.quantity,
                    "direction": channel.direction,
                    "obis_code": channel.obis_code,
                }
                for channel in CHANNELS.values()
            ]
        }
    )


@router.get("/devices/{device_id}/readings", tags=["readings"], responses=_FORMS, summary="Readings of a device")
async def device_readings(
    request: Request,
    principal: Annotated[Principal, permit("reading.read")],
    device_id: DeviceNumber,
    question: Question,
) -> Response:
    """Series of one device, wherever it hung."""
    result = await market_of(request).reading_access.of_device(principal, device_id, question[0])
    return await _respond(request, result, question[1])


@router.get(
    "/metering-points/{metering_point:path}/readings",
    tags=["readings"],
    responses=_FORMS,
    summary="Readings of a metering point",
)
async def metering_point_readings(
    request: Request,
    principal: Annotated[Principal, permit("reading.read")],
    metering_point: MeteringPointId,
    question: Question,
) -> Response:
    """Series of a metering point, stitched over its meters; an interval split by an exchange is marked `derived`."""
    result = await market_of(request).reading_access.of_usage_point(principal, metering_point, question[0])
    return await _respond(request, result, question[1])
