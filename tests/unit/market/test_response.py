"""Compression only where it was asked for, and worth it."""

import zlib
from types import SimpleNamespace

import pytest

from meterworks.market.api.response import OrjsonResponse, data_response
from meterworks.market.encoding import ARROW, CSV, JSON, PARQUET

LONG, LONGER = b"abcdefgh" * 200, b"abcdefgh" * 20_000


def _request(accept_encoding: str) -> object:
    return SimpleNamespace(headers={"accept-encoding": accept_encoding})


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5, br", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip ; q=0.001", True),
        ("xgzip", False),
        (",,;q=,", False),
    ],
)
async def test_gzip_is_used_when_it_is_accepted(accepted: str, packed: bool) -> None:
    response = await data_response(_request(accepted), LONG, JSON)  # type: ignore[arg-type]  # a stand-in
    assert ("content-encoding" in response.headers) == packed
    body = bytes(response.body)
    assert (zlib.decompress(body, wbits=31) if packed else body) == LONG


async def test_a_long_answer_is_packed_beside_the_loop() -> None:
    response = await data_response(_request("gzip"), LONGER, CSV)  # type: ignore[arg-type]  # a stand-in
    assert zlib.decompress(bytes(response.body), wbits=31) == LONGER


@pytest.mark.parametrize(("body", "media_type"), [(b"short", JSON), (LONG, ARROW), (LONG, PARQUET)])
async def test_what_is_short_or_packed_already_is_left_alone(body: bytes, media_type: str) -> None:
    response = await data_response(_request("gzip"), body, media_type)  # type: ignore[arg-type]  # a stand-in
    assert "content-encoding" not in response.headers
    assert response.body == body


async def test_files_have_a_name_and_pages_a_successor() -> None:
    response = await data_response(_request(""), LONG, CSV, next_link="http://m/x?cursor=1")  # type: ignore[arg-type]
    assert response.headers["content-disposition"] == 'attachment; filename="readings.csv"'
    assert response.headers["link"] == '<http://m/x?cursor=1>; rel="next"'
    assert "Accept-Encoding" in response.headers["vary"]


def test_no_shared_cache_keeps_an_answer() -> None:
    assert "private" in OrjsonResponse({}).headers["cache-control"]
    assert OrjsonResponse({}, headers={"Cache-Control": "no-store"}).headers["cache-control"] == "no-store"
