"""Values of a request: what is read, and what is refused with path, value and expectation."""

from datetime import UTC, datetime

import pytest

from meterworks.companions.errors import TransformError
from meterworks.companions.gb import Element
from meterworks.companions.gb.transform.value import SHOWN_MAX, need, need_text, number, one_of, refusal, truth, utc


def leaf(text):
    return Element("Leaf", text)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("007", 7), (" -5 ", -5), ("+9", 9)])
def test_a_number_is_read_as_the_schema_writes_it(text, value):
    assert number(leaf(text), -10, 10) == value


@pytest.mark.parametrize("text", ["", "11", "-11", "1.0", "1e1", "٣", "1" * 30, "--1", "0x1"])
def test_a_number_out_of_range_or_none_at_all_is_refused(text):
    with pytest.raises(TransformError, match=r"a whole number of -10\.\.10 expected"):
        number(leaf(text), -10, 10)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_a_boolean_has_two_spellings(text, value):
    assert truth(leaf(text)) is value


def test_an_unknown_word_is_refused_with_those_that_are_known():
    assert one_of(leaf("A"), {"A": 1, "B": 2}) == 1
    with pytest.raises(TransformError, match="Leaf is 'C'; one of A, B expected"):
        one_of(leaf("C"), {"A": 1, "B": 2})


@pytest.mark.parametrize(
    "text", ["2030-01-15T09:00:00.00Z", "2030-01-15T09:00:00", "2030-01-15T11:00:00+02:00", "2030-01-15T09:00:00.000Z"]
)
def test_a_moment_is_utc_whatever_its_zone(text):
    assert utc(leaf(text)) == datetime(2030, 1, 15, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2030-02-30T00:00:00Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:00"]
)
def test_a_moment_that_is_none_is_refused(text):
    with pytest.raises(TransformError, match="a date and time"):
        utc(leaf(text))


def test_what_is_needed_stands_once():
    body = Element("Body", children=(leaf("a"), Element("Pair", "x"), Element("Pair", "y")))
    assert (need(body, "Leaf").text, need_text(body, "Leaf")) == ("a", "a")
    for path, times in (("Pair", 2), ("Nothing", 0)):
        with pytest.raises(TransformError, match=f"Body/{path} stands {times} times"):
            need(body, path)


def test_a_refusal_has_facts_and_cuts_long_values_short():
    error = refusal("Body/Leaf", "x" * 500, "less")
    assert error.facts == {"path": "Body/Leaf", "value": "x" * SHOWN_MAX + "…", "expected": "less"}
    assert len(str(error)) < 100
