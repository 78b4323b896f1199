"""Answers: JSON by orjson, and compression where the client asks for it."""

import asyncio
import zlib
from collections.abc import Mapping
from urllib.parse import quote

import orjson
from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import URL

from meterworks.market.encoding import ARROW, CSV, JSON, PARQUET

__all__ = ["OrjsonResponse", "data_response", "next_page_link"]

COMPRESS_SIZE_MIN = 500
COMPRESS_LEVEL = 1  # of a megabyte of readings it leaves a tenth in 8 ms; level 9 needs 90 ms for a fifteenth
ENCODING_PARTS_MAX = 16
_INLINE_SIZE_MAX = 64_000  # smaller than this, a thread costs more than the work
_ALREADY_SMALL = frozenset({ARROW, PARQUET})
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~"  # of an encoded path
_SUFFIXES = {JSON: "json", CSV: "csv", ARROW: "arrows", PARQUET: "parquet"}


class OrjsonResponse(Response):
    """A document as JSON. Nothing the API says may be kept by a shared cache."""

    media_type = JSON

    def __init__(self, document: object, *, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(
            orjson.dumps(document),
            status_code=status_code,
            headers={"Cache-Control": "private, no-cache", **(headers or {})},
        )


def _accepts_gzip(accepted: str) -> bool:
    """Does an Accept-Encoding header name gzip, with a weight above zero?"""
    for part in accepted.lower().split(",")[:ENCODING_PARTS_MAX]:
        name, _, weight = part.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or weight == ""
    return False


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(COMPRESS_LEVEL, wbits=31)
    return compressor.compress(body) + compressor.flush()


def next_page_link(request: Request, cursor: str) -> str:
    """The address of the page after. The path stays as it was asked for: identifiers may hold any character."""
    asked = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    query = URL("?" + request.scope["query_string"].decode("latin-1")).include_query_params(cursor=cursor).query
    return f"{request.url.scheme}://{request.url.netloc}{quote(asked, safe=_PATH_CHARACTERS)}?{query}"


async def data_response(request: Request, body: bytes, media_type: str, *, next_link: str | None = None) -> Response:
    """Readings in the form asked for; compressed if the client accepts gzip and it is worth it."""
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding"}
    if media_type != JSON:
        headers["Content-Disposition"] = f'attachment; filename="readings.{_SUFFIXES[media_type]}"'
    if next_link is not None:
        headers["Link"] = f'<{next_link}>; rel="next"'
    asked = _accepts_gzip(request.headers.get("accept-encoding", ""))
    if asked and len(body) >= COMPRESS_SIZE_MIN and media_type not in _ALREADY_SMALL:
        body = _gzip(body) if len(body) <= _INLINE_SIZE_MAX else await asyncio.to_thread(_gzip, body)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=media_type, headers=headers)
