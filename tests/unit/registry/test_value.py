"""Every value is checked before it is one; what is refused says what to give instead."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.registry import InvalidValueError
from meterworks.registry.value import (
    checked_identity,
    checked_limit,
    checked_number,
    checked_text,
    checked_time,
    checked_time_zone,
    number_cursor,
    page_of,
    storable,
)


@pytest.mark.parametrize(
    "given_identity",
    [
        "4d57530000000001",
        "4D57530000000001",
        "4d-57-53-00-00-00-00-01",
        "4D:57:53:00:00:00:00:01",
        " 4d57530000000001 ",
    ],
)
def test_an_identity_is_one_however_it_is_written(given_identity):
    assert checked_identity(given_identity) == "4d57530000000001"


def test_an_identity_comes_as_octets_too():
    assert checked_identity(b"MWS\0\0\0\0\1") == "4d57530000000001"


@pytest.mark.parametrize("text", ["", "4d5753000000000", "4d575300000000012", "4d5753000000000g", "４d57530000000001"])
def test_what_is_no_identity_is_refused(text):
    with pytest.raises(InvalidValueError, match="16 hexadecimal digits"):
        checked_identity(text)


def test_octets_of_a_wrong_count_are_no_identity():
    with pytest.raises(InvalidValueError):
        checked_identity(b"short")


def test_a_text_loses_the_blanks_around_it():
    assert checked_text("serial", "  MW 1\t") == "MW 1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "serial is empty"),
        ("   ", "serial is empty"),
        ("x" * 201, "has 201 characters"),
        ("a\0b", "cannot be printed"),
        ("a\nb", "cannot be printed"),
        ("\ud800", "cannot be printed"),
        ("a\u202eb", "cannot be printed"),
    ],
)
def test_texts_no_list_could_show_are_refused(text, reason):
    with pytest.raises(InvalidValueError, match=reason):
        checked_text("serial", text)


def test_an_empty_text_may_be_allowed():
    assert checked_text("postcode", " ", empty=True) == ""


def test_times_come_out_in_utc():
    local = datetime(2026, 7, 1, 2, 0, tzinfo=timezone(timedelta(hours=2)))
    assert checked_time("the start", local) == datetime(2026, 7, 1, tzinfo=UTC)
    assert checked_time("the start", local).tzinfo is UTC


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 7, 1),  # noqa: DTZ001  # a naive time is the point
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-14))),
    ],
    ids=["naive", "before the calendar", "after it"],
)
def test_times_without_zone_or_at_the_ends_of_the_calendar_are_refused(instant):
    with pytest.raises(InvalidValueError, match="the start"):
        checked_time("the start", instant)


def test_a_time_zone_is_a_name_of_the_zone_database():
    assert checked_time_zone("Europe/London") == "Europe/London"
    assert checked_time_zone("UTC") == "UTC"


@pytest.mark.parametrize("name", ["", "Europe", "Europe/Londn", "../etc/passwd", "europe/london\0"])
def test_other_names_are_no_time_zone(name):
    with pytest.raises(InvalidValueError, match="IANA"):
        checked_time_zone(name)


@pytest.mark.parametrize(("number", "kept"), [(1, 1), (2**63 - 1, 2**63 - 1), (0, 0), (-1, 0), (2**63, 0), (10**40, 0)])
def test_a_number_no_database_holds_becomes_one_no_record_has(number, kept):
    assert checked_number(number) == kept


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_page_has_a_size(limit):
    with pytest.raises(InvalidValueError, match=r"1 to 10000 entries"):
        checked_limit(limit)


def test_a_cursor_is_what_a_page_gave():
    assert number_cursor(None) == 0
    assert number_cursor("17") == 17


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "٣", "9" * 19, "1 "])
def test_other_texts_are_no_cursor(text):
    with pytest.raises(InvalidValueError, match="start again without one"):
        number_cursor(text)


def test_a_page_with_more_behind_it_says_where_to_go_on():
    page = page_of("abc", 2, "abc")
    assert (page.items, page.next_cursor) == (("a", "b"), "b")


def test_the_last_page_says_so():
    page = page_of("ab", 2, "ab")
    assert (page.items, page.next_cursor) == (("a", "b"), None)


@given(st.lists(st.text(st.characters())))
def test_what_is_storable_can_be_encoded(texts):
    kept = storable(texts)
    for text in kept:
        assert "\0" not in text
        text.encode()
    assert all(text in kept for text in texts if text.isprintable())
