"""Values for people, and choices that a request leaves."""

from datetime import UTC, datetime

import pytest

from meterworks.companions.gb.correlate.fact import AnyOf, Carriers, term_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (6900, "6900"),
        (b"\xde\xad", "DEAD"),
        (b"", "nothing"),
        (datetime(2030, 1, 15, 9, tzinfo=UTC), "2030-01-15T09:00:00Z"),
        (frozenset({"Sunday", "Monday"}), "{Monday, Sunday}"),
        ((None, 3, "last"), "(None, 3, last)"),
        (AnyOf((2, 3)), "2 or 3"),
        (Carriers("digits", 4), "digits"),
    ],
)
def test_texts_of_values(value, text):
    assert term_text(value) == text


def test_a_long_value_is_cut_to_a_line():
    assert len(term_text(bytes(1000))) == 120


def test_any_of_the_choices_is_admitted_and_nothing_else():
    assert AnyOf((2, 3)).admits(3)
    assert not AnyOf((2, 3)).admits(4)


@pytest.mark.parametrize(
    ("text", "is_admitted"), [("1234", True), ("1", True), ("", False), ("12345", False), ("12a", False)]
)
def test_a_number_that_the_carrier_draws(text, is_admitted):
    assert Carriers("one to four digits", 4).admits(text) == is_admitted
