"""Readings of devices and metering points, and the channels there are."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from meterworks.catalogue import CHANNELS
from meterworks.market.api.gate import market_of, permit, request_id_of
from meterworks.market.api.parameter import DeviceNumber, MeteringPointId
from meterworks.market.api.response import OrjsonResponse, data_response, next_page_link
from meterworks.market.encoding import ARROW, CSV, JSON, PARQUET, channel_facts, choose_media_type, encode
from meterworks.market.errors import RequestMalformed
from meterworks.market.principal import Principal
from meterworks.market.purpose import default_resolution, parse_purpose
from meterworks.market.question import (
    Cursor,
    SeriesQuestion,
    parse_channels,
    parse_limit,
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


#    name          | type    | meaning
_PARAMETERS = """
    channel        | array   | Channel code or number; several by repetition or commas
    from           | string  | Start, included: RFC 3339 with offset
    to             | string  | End, excluded: RFC 3339 with offset
    as_of          | string  | What was known at this moment: RFC 3339 with offset
    resolution     | string  | interval, day or month; default: the finest the purpose sees
    tz             | string  | Zone of local days; default: the metering point's
    limit          | integer | Rows of one page in JSON and CSV
    cursor         | string  | `next` of the page before
    purpose        | string  | Why the data is read, see /purposes; the consumer sees it
"""


def _described() -> list[dict[str, Any]]:
    """The parameters as OpenAPI describes them."""
    rows = [[cell.strip() for cell in line.split("|")] for line in _PARAMETERS.splitlines() if line.strip()]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": meaning,
            "schema": {"type": kind, **({"items": {"type": "string"}} if kind == "array" else {})},
        }
        for name, kind, meaning in rows
    ]


_DESCRIPTION = {"parameters": _described()}
_NAMES = frozenset(parameter["name"] for parameter in _DESCRIPTION["parameters"])


async def series_question(request: Request) -> tuple[SeriesQuestion, str]:
    """The question of a query string, and the form its answer shall have. Raises RequestMalformed, NotAcceptable.

    Read by hand, because the framework takes longer over nine parameters than the store over a week of readings.
    """
    market = market_of(request)
    given = request.query_params
    unknown = next((name for name in given if name not in _NAMES), None)
    if unknown is not None:
        raise RequestMalformed(
            f"there is no parameter {unknown[:40]!r}; there are {', '.join(sorted(_NAMES))}", parameter=unknown[:40]
        )
    as_of, cursor = given.get("as_of"), given.get("cursor")
    media_type = choose_media_type(request.headers.get("accept"))
    purpose = parse_purpose(given.get("purpose"))
    limit = parse_limit(given.get("limit"), default=PAGE_ROWS_DEFAULT)
    question = SeriesQuestion(
        channels=parse_channels(given.getlist("channel")),
        asked=parse_range(given.get("from"), given.get("to"), market.clock.now()),
        as_of=None if as_of is None else parse_time(as_of, "as_of"),
        resolution=parse_resolution(given.get("resolution", default_resolution(purpose))),
        zone_name=given.get("tz"),
        row_limit=min(limit, market.settings.page_rows_max) if media_type in (JSON, CSV) else None,
        cursor=None if cursor is None else Cursor.decode(cursor),
        purpose=purpose,
        request_id=request_id_of(request),
    )
    return question, media_type


Question = Annotated[tuple[SeriesQuestion, str], Depends(series_question)]


async def _respond(request: Request, result: SeriesResult, media_type: str) -> Response:
    rows = sum(series.row_count for series in result.series)
    limits, client = market_of(request).limits, str(request.scope["state"]["client"])
    limits.check_rows(client)
    limits.took_rows(client, rows)
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


@router.get(
    "/devices/{device_id}/readings",
    tags=["readings"],
    responses=_FORMS,
    openapi_extra=_DESCRIPTION,
    summary="Readings of a device",
)
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
    openapi_extra=_DESCRIPTION,
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
