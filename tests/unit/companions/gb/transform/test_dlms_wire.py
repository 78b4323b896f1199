"""COSEM data of values: each type its octets, its range and its length; dates and times as COSEM writes them."""

from datetime import UTC, datetime

import pytest

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import load_use_case_items
from meterworks.companions.errors import TransformError
from meterworks.companions.gb import Element
from meterworks.companions.gb.transform.dlms_wire import (
    Wire,
    calendar_date,
    date_of,
    midnight,
    moment,
    seconds,
    time_of,
)
from meterworks.protocols.dlms import BitString


@pytest.mark.parametrize(
    ("type_name", "value", "octets"),
    [
        ("integer", -5, "0ffb"),
        ("unsigned", 255, "11ff"),
        ("enum", 2, "1602"),
        ("long", -32768, "108000"),
        ("long-unsigned", 65535, "12ffff"),
        ("double-long", -1, "05ffffffff"),
        ("double-long-unsigned", 4294967295, "06ffffffff"),
        ("boolean", True, "03ff"),
        ("boolean", False, "0300"),
        ("octet-string", b"\x01\x02", "09020102"),
        ("octet-string", "Reset", "09055265736574"),
        ("visible-string", "Label2", "0a064c6162656c32"),
        ("bit-string", BitString.from_text("1100000"), "0407c0"),
        ("null", 0, "00"),
    ],
)
def test_a_value_becomes_the_data_of_its_type(type_name, value, octets):
    assert Wire(type_name, None).encode(value, "Body/Value").hex() == octets


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("integer", 128), ("unsigned", -1), ("enum", 256), ("long", 32768), ("long-unsigned", 65536),
        ("double-long", 2**31), ("double-long-unsigned", 2**32),
    ],
)  # fmt: skip
def test_a_number_out_of_range_names_path_value_and_range(type_name, value):
    with pytest.raises(TransformError, match=rf"Body/Value is '{value}'; {type_name} of .* expected") as refused:
        Wire(type_name, None).encode(value, "Body/Value")
    assert refused.value.facts["path"] == "Body/Value"


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (Wire("octet-string", 4), b"12345"),
        (Wire("octet-string", 4), "12345"),
        (Wire("visible-string", 3), "long"),
        (Wire("bit-string", 7), BitString.from_text("11111111")),
        (Wire("octet-string", None), "pound £"),
        (Wire("visible-string", None), "line\nfeed"),
    ],
)
def test_a_string_that_does_not_fit_is_refused(wire, value):
    with pytest.raises(TransformError, match="expected"):
        wire.encode(value, "Body/Value")


def test_a_row_that_puts_a_value_into_another_type_is_refused():
    with pytest.raises(CatalogueError, match="no boolean"):
        Wire("boolean", None).encode("true", "Body/Value")


@pytest.mark.parametrize(
    ("type_name", "text", "octets"),
    [
        ("integer", "-5", "0ffb"), ("boolean", "true", "03ff"), ("octet-string", "0x", "0900"),
        ("octet-string", "0x00000A0064FF", "090600000a0064ff"), ("bit-string", "0b", "0400"),
        ("bit-string", "0b1111111", "0407fe"),
    ],
)  # fmt: skip
def test_constants_of_rows_are_encoded_once(type_name, text, octets):
    assert Wire(type_name, None).constant(text).hex() == octets


@pytest.mark.parametrize(("type_name", "text"), [("unsigned", "256"), ("unsigned", "many"), ("octet-string", "0x1")])
def test_a_constant_that_is_none_is_refused(type_name, text):
    with pytest.raises(CatalogueError, match="no constant"):
        Wire(type_name, None).constant(text)


def test_the_type_of_a_row_is_that_of_its_item():
    item = load_use_case_items()["ECS10"][0]
    assert Wire.of(item) == Wire("octet-string", 116)
    with pytest.raises(CatalogueError, match="carries no structure"):
        Wire.of(load_use_case_items()["ECS17b"][0])


def leaf(text):
    return Element("Leaf", text)


def date(year=None, month=None, day=None, weekday=None):
    """A date of four parts; a name instead of a number is a wildcard's."""
    parts = [("Year", year), ("Month", month), ("DayOfMonth", day), ("DayOfWeek", weekday)]
    return Element(
        "Date",
        children=tuple(
            Element(
                name,
                children=(
                    Element(f"Specified{name}", str(part))
                    if isinstance(part, int)
                    else Element(part or f"NonSpecified{name}"),
                ),
            )
            for name, part in parts
        ),
    )


@pytest.mark.parametrize(
    ("element", "octets"),
    [
        (date(2015, 3, 29), "07df031dff"),
        (date(month=12, day=25), "ffff0c19ff"),
        (date(weekday=7), "ffffffff07"),
        (date(day="LastDayOfMonth"), "fffffffeff"),
        (date(day="SecondLastDayOfMonth"), "fffffffdff"),
    ],
)
def test_a_date_keeps_its_wildcards(element, octets):
    assert date_of(element).hex() == octets
    assert midnight(element).hex() == octets + "000000008000ff"


@pytest.mark.parametrize(
    "element", [date(month=13), date(day=0), date(weekday=8), date(month="LastDayOfMonth"), Element("Date")]
)
def test_a_date_that_is_none_is_refused(element):
    with pytest.raises(TransformError, match="expected"):
        date_of(element)


@pytest.mark.parametrize(
    ("text", "octets"), [("2014-10-27Z", "07de0a1bff"), ("2016-02-29", "07e0021dff"), ("65535-07-26Z", "ffff071aff")]
)
def test_a_calendar_date_may_hold_for_every_year(text, octets):
    assert calendar_date(leaf(text)).hex() == octets


@pytest.mark.parametrize("text", ["", "2015-02-29Z", "2015-13-01", "15-01-01", "2015-01-01T00:00:00Z"])
def test_a_calendar_date_that_is_none_is_refused(text):
    with pytest.raises(TransformError, match="a date"):
        calendar_date(leaf(text))


@pytest.mark.parametrize(
    ("text", "octets"), [("07:30:00.00Z", "071e0000"), ("23:59:59.5", "173b3b32"), ("00:00:00Z", "00000000")]
)
def test_a_time_of_day_counts_hundredths(text, octets):
    assert time_of(leaf(text)).hex() == octets


@pytest.mark.parametrize("text", ["24:00:00Z", "7:30:00", "07:30", "07:30:00+01:00", ""])
def test_a_time_of_day_that_is_none_is_refused(text):
    with pytest.raises(TransformError, match="time of day"):
        time_of(leaf(text))


def test_a_moment_says_utc_and_no_day_of_the_week():
    assert moment(datetime(2030, 1, 15, 9, 0, 30, 250_000, UTC)).hex() == "07ee010fff09001e198000ff"


def test_logs_count_seconds_since_2000():
    assert seconds(leaf("2014-12-31T00:00:00.00Z")) == 473_299_200
    with pytest.raises(TransformError, match="2000"):
        seconds(leaf("1999-12-31T23:59:59Z"))
