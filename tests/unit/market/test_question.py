"""What a client may ask for, and how it is told what it may not."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.catalogue import CHANNELS
from meterworks.market.errors import RangeTooLarge, RequestMalformed
from meterworks.market.question import Cursor, SeriesQuestion, parse_channels, parse_range, parse_resolution
from meterworks.market.series import TimeRange

NOW = datetime(2026, 11, 21, 12, 0, 0, 5, tzinfo=UTC)


def test_channels_go_by_code_or_number_and_come_once_in_order() -> None:
    found = parse_channels(["22,electricity.import.active.30min", "12", " 22 "])
    assert [channel.id for channel in found] == [12, 22]


@pytest.mark.parametrize(
    "text", ["9999", "-12", "12.5", "electricity", "elektricity.import.active.30min", "x" * 100_000, "１２", "12;22"]
)
def test_an_unknown_channel_is_refused(text: str) -> None:
    with pytest.raises(RequestMalformed, match="channel"):
        parse_channels([text])


def test_too_many_channels_are_refused() -> None:
    with pytest.raises(RequestMalformed, match="at most"):
        parse_channels([",".join(["12"] * 33)])


def test_the_default_range_is_the_last_seven_days() -> None:
    assert parse_range(None, None, NOW) == TimeRange(
        NOW.replace(microsecond=0) - timedelta(days=7), NOW.replace(microsecond=0)
    )


@pytest.mark.parametrize("to", ["2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z"])
def test_an_empty_or_reversed_range_is_refused(to: str) -> None:
    with pytest.raises(RequestMalformed, match="before"):
        parse_range("2026-01-01T00:00:00Z", to, NOW)


def test_resolutions_are_three_words() -> None:
    assert [parse_resolution(text) for text in ("interval", "day", "month")] == ["interval", "day", "month"]
    with pytest.raises(RequestMalformed):
        parse_resolution("year")


@given(st.integers(0, 10_000), st.integers(0, 2**40))
def test_a_cursor_survives_its_text(channel_id: int, start: int) -> None:
    assert Cursor.decode(Cursor(channel_id, start).encode()) == Cursor(channel_id, start)


@given(st.text(max_size=60))
def test_any_other_text_is_no_cursor(text: str) -> None:
    try:
        cursor = Cursor.decode(text)
    except RequestMalformed:
        return
    assert cursor.encode() == text


def test_a_question_that_may_touch_too_many_rows_is_refused_before_any_is_read() -> None:
    question = SeriesQuestion(
        channels=[CHANNELS[12], CHANNELS[22]],
        asked=TimeRange(NOW - timedelta(days=10), NOW),
        as_of=None,
        resolution="interval",
        zone_name=None,
        row_limit=None,
        cursor=None,
        purpose="test",
        request_id="r",
    )
    question.check(960)
    with pytest.raises(RangeTooLarge, match="960"):
        question.check(959)
    lived = [TimeRange(NOW - timedelta(days=40), NOW - timedelta(days=9)), TimeRange(NOW, NOW + timedelta(days=5))]
    question.check(96, lived=lived)
    with pytest.raises(RangeTooLarge, match="96 rows"):
        question.check(95, lived=lived)
