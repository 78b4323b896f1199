"""Readings through the API: exactly what the store holds, in four forms, stitched, paged, grouped, as of a moment."""

import csv
import io
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.integration.market.conftest import ClientOf
from tests.integration.market.small_neighbourhood import CORRECTED, CORRECTED_VALUE, EXCHANGED_AT, NOW, value_of

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _expected(device: int, from_: datetime, to: datetime) -> list[tuple[str, int]]:
    starts = np.arange(int(from_.timestamp()), int(to.timestamp()), 1800, dtype=np.int64)
    values = value_of(device, starts)
    return [
        (_text(datetime.fromtimestamp(int(start), UTC)), int(value))
        for start, value in zip(starts, values, strict=True)
    ]


async def _readings(client: httpx.AsyncClient, path: str, **query: str) -> list[tuple[str, int]]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    (series,) = answer.json()["series"]
    return [(reading["start"], reading["value"]) for reading in series["readings"]]


@pytest.mark.parametrize("path", ["/devices/2/readings", "/metering-points/MP0002/readings"])
@pytest.mark.parametrize("days", [7, 60, 385], ids=["recent days", "both", "thirteen months"])
async def test_readings_come_out_as_they_went_in(client_of: ClientOf, path: str, days: int) -> None:
    from_ = NOW - timedelta(days=days)
    client = await client_of("olivia")
    found = await _readings(client, path, **{"channel": "12", "from": _text(from_), "to": _text(NOW)})
    assert found == _expected(2, max(from_, datetime(2025, 11, 1, tzinfo=UTC)), NOW)


async def test_seven_days_until_now_are_the_default_and_channels_are_the_devices_own(client_of: ClientOf) -> None:
    answer = (await (await client_of("olivia")).get("/metering-points/MP0001/readings")).json()
    assert (answer["from"], answer["to"]) == (_text(NOW - timedelta(days=7)), _text(NOW))
    by_channel = {series["channel"]: len(series["readings"]) for series in answer["series"]}
    assert by_channel["electricity.import.active.30min"] == 7 * 48
    assert by_channel["electricity.export.active.30min"] == 0
    by_day = (await (await client_of("olivia")).get("/metering-points/MP0001/readings?resolution=day")).json()
    assert by_day["tz"] == "Europe/London"


async def test_the_range_is_half_open_and_takes_offsets(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    found = await _readings(
        client,
        "/devices/1/readings",
        **{"channel": "12", "from": "2026-11-20T01:00:00+01:00", "to": "2026-11-20T01:00:00Z"},
    )
    assert [start for start, _ in found] == ["2026-11-20T00:00:00Z", "2026-11-20T00:30:00Z"]


async def test_four_forms_say_the_same(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    query = {"channel": "electricity.import.active.30min", "from": _text(NOW - timedelta(days=2)), "to": _text(NOW)}
    expected = _expected(3, NOW - timedelta(days=2), NOW)
    answers = {
        accept: await client.get("/devices/3/readings", params=query, headers={"Accept": accept})
        for accept in ("text/csv", ARROW, PARQUET)
    }
    for accept, answer in answers.items():
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, accept)
    lines = csv.DictReader(io.StringIO(answers["text/csv"].text, newline=""))
    assert [(line["start"], int(line["value"])) for line in lines] == expected
    for table in (
        pa.ipc.open_stream(answers[ARROW].content).read_all(),
        pq.read_table(io.BytesIO(answers[PARQUET].content)),
    ):
        assert [(_text(row["start"]), row["value"]) for row in table.to_pylist()] == expected


async def test_an_interval_split_by_an_exchange_is_derived_and_the_series_goes_on(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    from_, to = datetime(2026, 11, 10, 9, 0, tzinfo=UTC), datetime(2026, 11, 10, 11, 30, tzinfo=UTC)
    query = {"channel": "12", "from": _text(from_), "to": _text(to)}
    answer = (await client.get("/metering-points/MP0004/readings", params=query)).json()
    readings = answer["series"][0]["readings"]
    split = EXCHANGED_AT.replace(minute=0)
    assert [reading["quality"] for reading in readings] == ["raw", "raw", "derived", "raw", "raw"]
    at_split = np.array([int(split.timestamp())])
    assert readings[2]["value"] == int(value_of(5, at_split)[0]) + int(value_of(4, at_split)[0])


async def test_pages_join_to_the_whole(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    url: str | None = "/metering-points/MP0002/readings"
    query = {"channel": "12,22", "from": _text(NOW - timedelta(days=10)), "to": _text(NOW), "limit": "100"}
    found: list[tuple[str, int]] = []
    pages = 0
    while url is not None:
        answer = await client.get(url, params=query if pages == 0 else None)
        found += [(r["start"], r["value"]) for series in answer.json()["series"] for r in series["readings"]]
        pages += 1
        following = answer.links.get("next")
        assert (answer.json()["next"] is None) == (following is None)
        url = None if following is None else following["url"]
    assert pages == 5
    assert found == _expected(2, NOW - timedelta(days=10), NOW)


async def test_a_correction_is_the_latest_version_and_as_of_gives_what_was_known(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    query = {"channel": "12", "from": _text(CORRECTED), "to": _text(CORRECTED + timedelta(minutes=30))}
    latest = (await client.get("/devices/1/readings", params=query)).json()["series"][0]["readings"]
    assert [(r["value"], r["version"]) for r in latest] == [(CORRECTED_VALUE, 2)]
    day_after = await client.get("/devices/1/readings", params={**query, "as_of": _text(CORRECTED + timedelta(days=1))})
    first = day_after.json()["series"][0]["readings"]
    assert [(r["value"], r["version"]) for r in first] == [
        (_expected(1, CORRECTED, CORRECTED + timedelta(hours=1))[0][1], 1)
    ]
    before = await client.get("/devices/1/readings", params={**query, "as_of": _text(CORRECTED)})
    assert before.json()["series"][0]["readings"] == []


@pytest.mark.parametrize(("day", "half_hours"), [("2026-03-29", 46), ("2026-10-25", 50), ("2026-06-01", 48)])
async def test_local_days_have_46_48_or_50_half_hours(client_of: ClientOf, day: str, half_hours: int) -> None:
    client = await client_of("olivia")
    query = {"channel": "12", "resolution": "day", "from": f"{day}T00:00:00Z", "to": f"{day}T12:00:00Z"}
    # The whole local day, whatever the clocks do: from the midnight before to the one after.
    query |= {"from": "2026-03-01T00:00:00Z", "to": "2026-10-31T00:00:00Z"}
    answer = (await client.get("/metering-points/MP0002/readings", params=query)).json()
    row = next(r for r in answer["series"][0]["readings"] if r["local_date"] == day)
    assert (row["count"], row["expected"]) == (half_hours, half_hours)
    from_ = datetime.fromisoformat(row["start"])
    assert row["value"] == sum(value for _, value in _expected(2, from_, datetime.fromisoformat(row["end"])))


async def test_months_sum_to_the_intervals(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    query = {
        "channel": "12",
        "resolution": "month",
        "tz": "UTC",
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-03-01T00:00:00Z",
    }
    rows = (await client.get("/metering-points/MP0002/readings", params=query)).json()["series"][0]["readings"]
    assert [row["local_date"] for row in rows] == ["2026-01-01", "2026-02-01"]
    assert rows[1]["value"] == sum(
        value for _, value in _expected(2, datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    )


async def test_gzip_comes_only_when_asked_for(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    plain = await client.get("/devices/1/readings", headers={"Accept-Encoding": "identity"})
    refused = await client.get("/devices/1/readings", headers={"Accept-Encoding": "gzip;q=0"})
    packed = await client.get("/devices/1/readings", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refused.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.json() == packed.json()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "yesterday"}, "request-malformed"),
        ({"from": "2026-11-21T00:00:00Z", "to": "2026-11-20T00:00:00Z"}, "request-malformed"),
        ({"channel": "nonsense"}, "request-malformed"),
        ({"resolution": "year"}, "request-malformed"),
        ({"resolution": "day", "channel": "electricity.voltage.l1"}, "request-malformed"),
        ({"resolution": "day", "channel": "12", "tz": "Mars/Olympus"}, "request-malformed"),
        ({"cursor": "!!!"}, "request-malformed"),
        ({"limit": "0"}, "request-malformed"),
        ({"purpose": "a\x00b"}, "request-malformed"),
        ({"from": "1969-01-01T00:00:00Z"}, "request-malformed"),
    ],
)
async def test_a_question_that_makes_no_sense_is_a_problem(
    client_of: ClientOf, query: dict[str, str], code: str
) -> None:
    answer = await (await client_of("olivia")).get("/devices/1/readings", params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_only_the_time_of_a_meter_counts_for_the_size_of_an_answer(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    ever = {"channel": "11,12,22", "from": "1970-01-01T00:00:00Z", "to": "2190-01-01T00:00:00Z"}
    for path in ("/devices/1/readings", "/metering-points/MP0001/readings"):
        answer = await client.get(path, params={**ever, "limit": "10"})
        assert answer.status_code == 200
        assert answer.json()["next"]


async def test_an_unknown_form_is_not_acceptable(client_of: ClientOf) -> None:
    answer = await (await client_of("olivia")).get("/devices/1/readings", headers={"Accept": "image/png"})
    assert answer.status_code == 406


@pytest.mark.parametrize("path", ["/devices/77/readings", "/metering-points/MP0099/readings"])
async def test_what_does_not_exist_is_not_found(client_of: ClientOf, path: str) -> None:
    answer = await (await client_of("olivia")).get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
