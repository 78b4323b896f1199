"""Values of gas commands: what a text of a request becomes, and how a bad one is refused."""

from datetime import UTC, datetime

import pytest

from meterworks.companions.errors import TransformError
from meterworks.companions.gb import Element
from meterworks.companions.gb.transform.gbz_value import (
    NUMBERS,
    SHAPES,
    date_of,
    execution_time,
    in_order,
    index_of,
    seconds_of,
)

MAX = 0xFFFF_FFFF


def leaf(text, name="Leaf", **attributes):
    return Element(name, text, attributes=attributes)


def tree(name, *children):
    return Element(name, children=children)


def window(start, end):
    return tree("ReadLogPeriod", leaf(start, "StartDateTime"), leaf(end, "EndDateTime"))


def prepayment(disabled, emergency):
    return tree("Prepayment", leaf(disabled, "SuspendDebtDisabled"), leaf(emergency, "SuspendDebtEmergency"))


def event(code, *wanted):
    names = ("WANAlert", "HANAlert", "EventLog", "Alarm")
    return tree(code, *(leaf(one, name) for name, one in zip(names, wanted, strict=True)))


def date(year, month, day, weekday):
    names = {
        "GasYearWithWildcards": ("SpecifiedYear", "NonSpecifiedYear", year),
        "GasMonthWithWildcards": ("SpecifiedMonth", "NonSpecifiedMonth", month),
        "GasDayOfMonthWithWildcards": ("SpecifiedDayOfMonth", "GasNonSpecifiedDayOfMonth", day),
        "GasDayOfWeekWithWildcards": ("SpecifiedDayOfWeek", "NonSpecifiedDayOfWeek", weekday),
    }
    return tree(
        "Date", *(tree(name, leaf(text, one) if text else leaf("", any_)) for name, (one, any_, text) in names.items())
    )


@pytest.mark.parametrize(
    ("reader", "element", "number"),
    [
        ("", leaf("007"), 7),
        ("utc", leaf("2030-01-15T09:00:00.00Z"), 0x38818890),
        ("utc", leaf("2030-01-15T10:00:00+01:00"), 0x38818890),
        ("utc", leaf("2000-01-01T00:00:00"), 0),
        ("utc_or_never", leaf("3000-12-31T00:00:00Z"), 0xFFFFFFFE),
        ("utc_or_never", leaf("2014-12-01T00:00:00Z"), 0x1C0E6C00),
        ("minutes", leaf("18:05:00.00Z"), 1085),
        ("decimal_1", leaf("40.0"), 400),
        ("decimal_1", leaf("40"), 400),
        ("decimal_5", leaf("1.02264"), 102264),
        ("decimal_4", leaf("6.5535"), 65535),
        ("half_hours", window("2014-12-30T00:00:00Z", "2015-01-01T00:00:00Z"), 97),
        ("half_hours", window("2014-12-30T00:00:00Z", "2014-12-30T00:29:59Z"), 1),
        ("half_hours", window("2014-12-30T00:00:00Z", "3000-12-31T00:00:00Z"), 19_056),
        ("days", window("2014-12-10T00:00:00Z", "2014-12-20T00:00:00Z"), 11),
        ("days", window("2014-12-10T00:00:00Z", "2020-12-20T00:00:00Z"), 731),
        ("payment", prepayment("true", "true"), 0x0497),
        ("payment", prepayment("0", "1"), 0x0097),
        ("payment", prepayment("true", "false"), 0x0C97),
        ("payment", prepayment("false", "false"), 0x0897),
        ("currency", leaf("GBP"), 826),
        ("currency", leaf("ECB"), 978),
        ("start_stop", leaf("START"), 1),
        ("start_stop", leaf("STOP"), 0),
        ("frequency", leaf("HOURLY"), 0),
        ("frequency", leaf("DAILY"), 1),
        ("lock", leaf("Unchanged"), 3),
        ("lock", leaf("Locked"), 0),
        *[("period_count", leaf(name), count) for name, count in
          {"Daily": 1, "Weekly": 1, "Monthly": 1, "Quarterly": 3, "SixMonthly": 6, "Yearly": 12}.items()],
        *[("period_kind", leaf(name), kind) for name, kind in
          {"Daily": 0x21, "Weekly": 0x22, "Monthly": 0x23, "Yearly": 0x23}.items()],
    ],
)  # fmt: skip
def test_a_text_becomes_a_number(reader, element, number):
    assert NUMBERS[reader](element, 0, MAX) == number


@pytest.mark.parametrize(
    ("reader", "element", "expected"),
    [
        ("", leaf("seven"), "a whole number"),
        ("", leaf("4294967296"), "0..4294967295"),
        ("utc", leaf("yesterday"), "a date and time"),
        ("utc", leaf("1999-12-31T23:59:59Z"), "from 2000"),
        ("utc", leaf("2136-02-07T06:28:15Z"), "to 2136"),
        ("utc_or_never", leaf("1999-12-31T23:59:59Z"), "from 2000"),
        ("minutes", leaf("8 o'clock"), "a time of day"),
        ("minutes", leaf("08:00:30Z"), "whole minutes"),
        ("minutes", leaf("08:00:00+01:00"), "in UTC"),
        ("decimal_1", leaf("40.05"), "at most 1 digits"),
        ("decimal_1", leaf("4E2"), "a decimal number"),
        ("decimal_1", leaf("NaN"), "a decimal number"),
        ("decimal_5", leaf("forty"), "a decimal number"),
        ("decimal_5", leaf("-0.1"), "a decimal number"),
        ("decimal_5", leaf("1" * 30), "a decimal number"),
        ("half_hours", window("2015-01-01T00:00:00Z", "2014-12-30T00:00:00Z"), "not before"),
        ("days", tree("ReadLogPeriod"), "once expected"),
        ("payment", prepayment("yes", "true"), "one of true"),
        ("currency", leaf("USD"), "one of GBP, ECB"),
        ("lock", leaf(""), "one of Unchanged, Locked"),
    ],
)
def test_a_bad_text_is_refused_with_path_value_and_expectation(reader, element, expected):
    with pytest.raises(TransformError, match=expected) as refused:
        NUMBERS[reader](element, 0, MAX)
    assert refused.value.facts["path"]
    assert refused.value.facts["expected"]


def test_a_moment_counts_seconds_since_2000():
    assert seconds_of(datetime(2000, 1, 1, 0, 1, tzinfo=UTC)) == 60
    assert seconds_of(datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)) == -1


@pytest.mark.parametrize(
    ("texts", "number"),
    [((), 0), (("2030-01-15T09:00:00.00Z",), 0x38818890), (("3000-12-31T00:00:00.00Z",), 0xFFFFFFFE)],
)
def test_a_body_takes_effect_at_once_later_or_never(texts, number):
    body = tree("Body", *(leaf(text, "ExecutionDateTime") for text in texts))
    assert execution_time(body, 0xFFFFFFFE) == number


@pytest.mark.parametrize("texts", [("2999-12-31T00:00:00Z",), ("2000-01-01T00:00:00Z",), ("2030-01-01T00:00:00Z",) * 2])
def test_another_time_to_take_effect_is_refused(texts):
    with pytest.raises(TransformError, match="ExecutionDateTime"):
        execution_time(tree("Body", *(leaf(text, "ExecutionDateTime") for text in texts)), 0xFFFFFFFE)


@pytest.mark.parametrize(
    ("parts", "octets"),
    [
        (("2014", "10", "27", "1"), "720a1b01"),
        (("", "", "", ""), "ffffffff"),
        (("", "04", "05", ""), "ff0405ff"),
        (("2154", "12", "31", "7"), "fe0c1f07"),
    ],
)
def test_a_date_has_wildcards(parts, octets):
    assert date_of(date(*parts)).hex() == octets


@pytest.mark.parametrize(
    "parts", [("1899", "1", "1", "1"), ("2155", "", "", ""), ("", "13", "", ""), ("", "", "32", ""), ("", "", "", "8")]
)
def test_a_date_of_no_calendar_is_refused(parts):
    with pytest.raises(TransformError, match="Specified"):
        date_of(date(*parts))


def test_a_date_names_each_part_or_says_any():
    with pytest.raises(TransformError, match="neither SpecifiedYear nor NonSpecifiedYear"):
        date_of(tree("Date", tree("GasYearWithWildcards", leaf("", "EveryYear"))))
    with pytest.raises(TransformError, match="GasYearWithWildcards"):
        date_of(tree("Date"))


def test_elements_stand_at_the_places_they_give_themselves():
    first, second = leaf("b", index="1"), leaf("a", index="2")
    assert in_order((second, first)) == (first, second)
    assert in_order((leaf("b"), leaf("a"))) == (leaf("b"), leaf("a"))
    assert index_of(second) == 2
    with pytest.raises(TransformError, match="each place once"):
        in_order((first, first))
    with pytest.raises(TransformError, match=r"Leaf/@index is ''"):
        in_order((first, leaf("c")))


def test_events_that_are_treated_alike_stand_together():
    settings = tree(
        "Settings",
        event("x810E", "Enable", "Disable", "Disable", "Disable"),
        event("x8161", "Disable", "Disable", "Enable", "Enable"),
        event("x81AA", "Enable", "Enable", "Enable", "Enable"),
        event("x81BD", "Enable", "Disable", "Enable", "Enable"),
        event("x81BE", "Enable", "Disable", "Enable", "Enable"),
    )
    groups = SHAPES["by_actions"]((settings,))
    assert [[one.text for one in group.children] for group in groups] == [
        [str(0x5B), str(0x81AA)],
        [str(0x08), str(0x810E)],
        [str(0x4B), str(0x81BD), str(0x81BE)],
        [str(0x43), str(0x8161)],
    ]


@pytest.mark.parametrize("name", ["x81", "y810E", "x81ZZ"])
def test_an_event_of_no_code_is_refused(name):
    with pytest.raises(TransformError, match="four hexadecimal digits"):
        SHAPES["by_actions"]((tree("Settings", event(name, "Enable", "Enable", "Enable", "Enable")),))
