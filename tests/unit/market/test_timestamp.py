"""Times at the edge: what is read, what is refused, and how many are written at once."""

from datetime import UTC, datetime

import numpy as np
import pytest

from meterworks.market.errors import RequestMalformed
from meterworks.market.timestamp import format_times, format_utc, parse_time, parse_zone


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T00:00:00Z", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21t00:00:00z", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21T01:30:00+01:30", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-20T19:00:00-05:00", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21T01:00:00 01:00", datetime(2026, 11, 21, tzinfo=UTC)),  # a form made a space of the plus
        ("2026-11-21 00:00:00Z", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21T00:00:00.999Z", datetime(2026, 11, 21, tzinfo=UTC)),
    ],
)
def test_rfc_3339_is_read_as_utc(text: str, expected: datetime) -> None:
    assert parse_time(text, "from") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-21",
        "2026-11-21T00:00:00",
        "2026-11-31T00:00:00Z",
        "2026-11-21T24:00:01Z",
        "2026-11-21T00:00:00+99:00",
        "1969-12-31T00:00:00Z",
        "9999-12-31T23:59:59-23:00",
        "0001-01-01T00:00:00+23:59",
        "٢٠٢٦-11-21T00:00:00Z",
        "2026-11-21T00:00:00Z\n",
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(RequestMalformed, match="from="):
        parse_time(text, "from")


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "/etc/passwd", "Europe", "\0", "x" * 5000])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(RequestMalformed):
        parse_zone(name)


def test_many_times_are_written_like_one() -> None:
    epochs = np.array([0, 951_782_399, 951_782_400, 1_795_219_200, 4_102_444_799], np.int64)
    lines = [bytes(row).decode() for row in format_times(epochs)]
    assert lines == [format_utc(datetime.fromtimestamp(int(epoch), UTC)) for epoch in epochs]
    assert lines[1:3] == ["2000-02-28T23:59:59Z", "2000-02-29T00:00:00Z"]


def test_no_times_give_no_rows() -> None:
    assert format_times(np.array([], np.int64)).shape == (0, 20)
