"""A stated meaning beside ours: what must be the same, what may be written in several ways, what says nothing."""

from typing import Any

import pytest

from meterworks.assess.vectors.compare import Either, check_meaning, same_text
from meterworks.assess.vectors.verdict import Mismatch, shortened

SAME: list[tuple[Any, Any]] = [
    (1, 1),
    (True, True),
    (True, 1),
    (False, 0),
    (None, None),
    ("a-b", "A_B"),
    ("with list", "with-list"),
    (b"\x01\xff", "01ff"),
    (b"\x01\xff", "01 FF"),
    (b"\x01\xff", "0x01ff"),
    (b"", ""),
    (1.5, 1.5),
    (0.1, 0.10000000149),
    (2.0, 2),
    (float("nan"), float("nan")),
    ([1, 2], [1, 2]),
    ((1, 2), [1, 2]),
    ([], []),
    ({"a": 1, "b": 2}, {"a": 1}),
    ({"a": {"b": b"\x00"}}, {"a": {"b": "00"}}),
    ({"a": 1}, {"a": 1, "note": "whatever"}),
    (Either(1, "one"), 1),
    (Either(1, "one"), "ONE"),
    (Either(None, ""), None),
    ({"a": Either([Either(1, "one")], b"\x01")}, {"a": ["one"]}),
    (Either({"x": 1}, 7), {"x": 1}),
    ({"a": 5}, {"other_name": 5}),
    ({"a": b"\x05"}, {"other_name": "05"}),
    ({"a": 5}, {"other_name": None}),
    ({"a": 5}, {"other_name": ""}),
    ({"a": 5}, {"other_name": "some prose!"}),
    ({"a": [{"b": 5}]}, {"other_name": {"deep": [5]}}),
]
DIFFERENT: list[tuple[Any, Any]] = [
    (1, 2),
    (1, "1"),
    (True, False),
    (True, 2),
    (None, 0),
    ("a", "b"),
    (b"\x01", "02"),
    (b"\x01", 1),
    (1.5, 1.6),
    (1.5, "1.5"),
    ([1, 2], [1]),
    ([1, 2], [2, 1]),
    ("12", [1, 2]),
    (b"\x01", [1]),
    ([1], 1),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, [1]),
    (1, {"a": 1}),
    (Either(1, "one"), 2),
    (Either(1, "one"), {"a": 1}),
    ({"a": 5}, {"other_name": 6}),
    ({"a": 5}, {"other_name": "06"}),
    ({"a": 5}, {"other_name": True}),
    ({"a": [{"b": 5}]}, {"other_name": {"deep": [6]}}),
]


@pytest.mark.parametrize(("ours", "theirs"), SAME)
def test_what_means_the_same_is_taken(ours: Any, theirs: Any) -> None:
    check_meaning("it", ours, theirs)
    assert check_meaning("it", {"x": [ours]}, {"x": [theirs]}) is None  # type: ignore[func-returns-value]  # no error


@pytest.mark.parametrize(("ours", "theirs"), DIFFERENT)
def test_what_differs_is_told(ours: Any, theirs: Any) -> None:
    with pytest.raises(Mismatch, match="it"):
        check_meaning("it", ours, theirs)


def test_the_place_of_a_difference_is_told() -> None:
    with pytest.raises(Mismatch, match=r"decoded\.list\[1\]\.class_id: the vector says 9, we have 8"):
        check_meaning("decoded", {"list": [{}, {"class_id": 8}]}, {"list": [{}, {"class_id": 9}]})


@pytest.mark.parametrize(("one", "other", "same"), [("A-b c_d", "abcd", True), ("a", "b", False), ("", "-", True)])
def test_names_are_the_same_whatever_joins_their_words(one: str, other: str, same: bool) -> None:
    assert same_text(one, other) is same


def test_long_values_are_cut_in_messages() -> None:
    assert len(shortened(bytes(500))) == 120
    assert shortened(b"\x01") == "01"
    assert repr(Either(1, "a")) == "1 or 'a'"
