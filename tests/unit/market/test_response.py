"""Compression only where it was asked for, and worth it."""

import zlib
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from fastapi import Request

from meterworks.market.api.response import OrjsonResponse, data_response, next_page_link
from meterworks.market.encoding import ARROW, CSV, JSON, PARQUET

LONG, LONGER = b"abcdefgh" * 200, b"abcdefgh" * 20_000


def _request(accept_encoding: str) -> object:
    return SimpleNamespace(headers={"accept-encoding": accept_encoding})


@pytest.mark.parametrize("name", ["MP0001", "a/b", "Zürich №7", "北京", "50%", "what?", "#1", "<>; rel"])
@pytest.mark.parametrize("raw", [True, False])
def test_the_next_page_of_any_name_is_linked_as_it_was_asked_for(name: str, raw: bool) -> None:
    path = f"/api/v1/metering-points/{quote(name, safe='')}/readings"
    scope = {
        "type": "http", "scheme": "http", "server": ("127.0.0.1", 8080), "headers": [(b"host", b"here:8080")],
        "path": f"/api/v1/metering-points/{name}/readings", "query_string": b"channel=12&cursor=old&tz=Europe%2FRome",
        **({"raw_path": path.encode()} if raw else {}),
    }  # fmt: skip
    link = next_page_link(Request(scope), "new")
    if raw:
        assert link == f"http://here:8080{path}?channel=12&tz=Europe%2FRome&cursor=new"
    assert link.encode("ascii").startswith(b"http://here:8080/api/v1/metering-points/")
    assert not set(link) & set("<># ")


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
