"""The four forms of an answer say the same, and the vectorised text equals what a plain encoder writes."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meterworks.catalogue import CHANNELS
from meterworks.market.encoding import ARROW, CSV, JSON, PARQUET, choose_media_type, encode
from meterworks.market.errors import NotAcceptable
from meterworks.market.series import ChannelSeries, Columns, Period, Resolution, SeriesResult

START = 1_795_219_200  # 2026-11-21T00:00:00Z


def _columns(count: int, channel_id: int = 12) -> Columns:
    return Columns(
        channel=np.full(count, channel_id, np.int32),
        start_epoch_s=START + 1800 * np.arange(count, dtype=np.int64),
        value=np.arange(count, dtype=np.int64) * 7 - 3,
        quality=(np.arange(count) % 3).astype(np.int16),
        flags=np.full(count, 256, np.int32),
        version=np.ones(count, np.int32),
    )


def _result(series: Sequence[ChannelSeries], resolution: Resolution = "interval") -> SeriesResult:
    return SeriesResult(
        subject={"metering_point": 'MP "1"'},
        from_=datetime(2026, 11, 21, tzinfo=UTC),
        to=datetime(2026, 11, 22, tzinfo=UTC),
        as_of=None,
        resolution=resolution,
        zone_name="Europe/London",
        series=series,
        next_cursor=None,
    )


PERIOD = Period(
    local_date=[date(2026, 11, 21)],
    start_epoch_s=np.array([START], np.int64),
    end_epoch_s=np.array([START + 86_400], np.int64),
    value=np.array([123], np.int64),
    count=np.array([47], np.int64),
    expected=np.array([48], np.int64),
)


def test_json_rows_equal_a_plain_encoder() -> None:
    result = _result([ChannelSeries(CHANNELS[12], _columns(3)), ChannelSeries(CHANNELS[22], _columns(0, 22))])
    document = orjson.loads(encode(result, JSON))
    assert document["metering_point"] == 'MP "1"'
    assert (document["from"], document["to"], document["next"]) == (
        "2026-11-21T00:00:00Z",
        "2026-11-22T00:00:00Z",
        None,
    )
    first, second = document["series"]
    assert first["channel"] == "electricity.import.active.30min"
    assert (first["unit"], first["interval_s"]) == ("Wh", 1800)
    assert first["readings"] == [
        {"start": "2026-11-21T00:00:00Z", "value": -3, "quality": "raw", "flags": 256, "version": 1},
        {"start": "2026-11-21T00:30:00Z", "value": 4, "quality": "valid", "flags": 256, "version": 1},
        {"start": "2026-11-21T01:00:00Z", "value": 11, "quality": "accepted", "flags": 256, "version": 1},
    ]
    assert second["readings"] == []


def test_a_period_names_its_local_date_and_what_is_missing() -> None:
    document = orjson.loads(encode(_result([ChannelSeries(CHANNELS[12], PERIOD)], "day"), JSON))
    assert document["series"][0]["readings"] == [
        {
            "start": "2026-11-21T00:00:00Z",
            "end": "2026-11-22T00:00:00Z",
            "local_date": "2026-11-21",
            "value": 123,
            "count": 47,
            "expected": 48,
        }
    ]


def test_csv_arrow_and_parquet_say_the_same_as_json() -> None:
    result = _result([ChannelSeries(CHANNELS[12], _columns(50)), ChannelSeries(CHANNELS[22], _columns(2, 22))])
    rows = [
        (series["channel"], reading["start"], reading["value"], reading["quality"])
        for series in orjson.loads(encode(result, JSON))["series"]
        for reading in series["readings"]
    ]
    lines = list(csv.DictReader(io.StringIO(encode(result, CSV).decode(), newline="")))
    assert [(r["channel"], r["start"], int(r["value"]), r["quality"]) for r in lines] == rows
    arrow = pa.ipc.open_stream(encode(result, ARROW)).read_all()
    parquet = pq.read_table(io.BytesIO(encode(result, PARQUET)))
    for table in (arrow, parquet):
        assert [
            (r["channel"], r["start"].strftime("%Y-%m-%dT%H:%M:%SZ"), r["value"], r["quality"])
            for r in table.to_pylist()
        ] == rows
        assert str(table.schema.field("start").type).endswith("tz=UTC]")


@pytest.mark.parametrize("media_type", [JSON, CSV, ARROW, PARQUET])
@pytest.mark.parametrize("rows", [PERIOD, _columns(0)], ids=["period", "empty"])
def test_every_form_writes_periods_and_empty_series(media_type: str, rows: Columns | Period) -> None:
    assert encode(_result([ChannelSeries(CHANNELS[12], rows)], "day"), media_type)


def test_an_unknown_quality_code_is_written_as_the_last_known() -> None:
    columns = _columns(1)
    columns.quality[0] = 99
    document = orjson.loads(encode(_result([ChannelSeries(CHANNELS[12], columns)]), JSON))
    assert document["series"][0]["readings"][0]["quality"] == "forecast"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/csv", CSV),
        ("text/*;q=0.5, application/vnd.apache.parquet", PARQUET),
        ("application/json;q=0.1, application/vnd.apache.arrow.stream;q=0.9", ARROW),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("application/json;q=0, text/csv;q=0.1", CSV),
    ],
)
def test_the_best_accepted_form_is_chosen(accept: str | None, expected: str) -> None:
    assert choose_media_type(accept) == expected


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "application/json;q=x", ",;,", "text"])
def test_a_form_not_on_offer_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        choose_media_type(accept)
