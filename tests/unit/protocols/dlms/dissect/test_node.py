"""The cursor that makes the tree: what it takes, where it stops, how it tells errors."""

from collections.abc import Callable

import pytest

from meterworks.protocols.dlms.dissect.node import NODES_MAX, Node, Walk, note, shown, upper
from meterworks.protocols.errors import DecodeError


def walk_of(octets: str, **bounds: int) -> Walk:
    return Walk(bytes.fromhex(octets), Node("root"), **bounds)


def test_leaves_take_octets_and_say_where_they_were() -> None:
    walk = walk_of("01ff0203aabbcc")
    assert walk.unsigned("one") == 1
    assert walk.unsigned("two", 2, as_hex=True) == 0xFF02
    assert walk.counted("three") == bytes.fromhex("aabbcc")
    assert [(node.name, node.value, node.offset, node.size) for node in walk.node.children] == [
        ("one", "1", 0, 1),
        ("two", "ff02", 1, 2),
        ("three", "aabbcc", 3, 4),
    ]
    assert walk.left == 0


def test_numbers_are_told_by_name_where_they_have_one() -> None:
    walk = walk_of("0102")
    walk.unsigned("a", names={1: "first"})
    walk.unsigned("b", names={1: "first"})
    assert [(node.value, node.xml) for node in walk.node.children] == [("first (1)", "first"), ("2", "2")]


def test_looking_ahead_takes_nothing() -> None:
    walk = walk_of("0102")
    assert (walk.peek(), walk.peek(1), walk.left) == (1, 2, 2)
    with pytest.raises(DecodeError):
        walk.peek(2)


@pytest.mark.parametrize(
    "take", [lambda walk: walk.raw(3), lambda walk: walk.octets("a", 3), lambda walk: walk.unsigned("a", 3)]
)
def test_more_than_is_there_is_refused(take: Callable[[Walk], object]) -> None:
    walk = walk_of("0102")
    with pytest.raises(DecodeError, match="3 octets expected at octet 0, 2 are there"):
        take(walk)
    assert walk.offset == 0


def test_a_bounded_walk_does_not_see_what_follows() -> None:
    walk = walk_of("0001020304", offset=1, end=3)
    assert walk.raw(2) == b"\x01\x02"
    assert walk.left == 0
    with pytest.raises(DecodeError):
        walk.count()


def test_a_count_longer_than_the_rest_is_refused_when_it_is_taken() -> None:
    with pytest.raises(DecodeError):
        walk_of("05aabb").counted("a")


def test_groups_hold_what_is_made_inside_and_know_their_size() -> None:
    walk = walk_of("010203")
    with walk.group("outer") as outer:
        walk.unsigned("a")
        with walk.group("inner", "text", is_wire=True) as inner:
            walk.unsigned("b")
    walk.unsigned("c")
    assert [node.name for node in walk.node.walk()] == ["root", "outer", "a", "inner", "b", "c"]
    assert (outer.size, inner.offset, inner.size, inner.value, inner.is_wire) == (2, 1, 1, "text", True)


def test_an_error_is_noted_at_the_innermost_group_only() -> None:
    walk = walk_of("01")
    with pytest.raises(DecodeError), walk.group("outer") as outer, walk.group("inner") as inner:
        walk.raw(1)
        walk.raw(1)
    assert (outer.error, outer.size) == ("", 1)
    assert inner.error == "1 octets expected at octet 1, 0 are there"


def test_an_attempt_that_fails_shows_the_rest() -> None:
    walk = walk_of("0102030405")

    def pull(inner: Walk) -> None:
        with inner.group("part"):
            inner.unsigned("a")
            inner.raw(10)

    assert walk.attempt(pull) is False
    assert [(node.name, node.offset, node.size) for node in walk.node.children] == [
        ("part", 0, 1),
        ("not understood", 1, 4),
    ]
    assert walk.node.children[0].error
    assert walk.node.error == ""


def test_an_attempt_that_works_says_so() -> None:
    walk = walk_of("01")
    assert walk.attempt(lambda inner: inner.unsigned("a")) is True
    assert walk.node.errors == []


def test_an_error_outside_of_any_group_is_noted_at_the_root() -> None:
    walk = walk_of("01")
    assert walk.attempt(lambda inner: inner.raw(2)) is False
    assert walk.node.error


def test_octets_behind_the_end_are_refused_when_asked() -> None:
    walk = walk_of("0102")
    walk.raw(1)
    with pytest.raises(DecodeError, match="1 octets follow"):
        walk.finish()
    walk.raw(1)
    walk.finish()
    assert walk.left == 0


def test_nothing_is_shown_where_nothing_is_left() -> None:
    walk = walk_of("")
    walk.rest("rest")
    assert walk.node.children == []


def test_a_tree_has_a_bound() -> None:
    walk = walk_of("00")
    walk._left = 3  # of NODES_MAX
    with pytest.raises(DecodeError, match=f"more than {NODES_MAX} parts; the rest is not shown"):
        for _ in range(4):
            walk.add(Node("leaf"))
    assert len(walk.node.children) == 3


def test_an_error_is_noted_once() -> None:
    error = DecodeError("wrong")
    first, second = Node("a"), Node("b")
    note(first, error)
    note(second, error)
    assert (first.error, second.error) == ("wrong", "")


def test_the_first_error_is_where_understanding_ended() -> None:
    root = Node("root", children=[Node("a", offset=0, size=3), Node("b", offset=3, size=2, error="wrong")])
    assert root.first_error == 5
    assert [node.name for node in root.errors] == ["b"]
    assert Node("root").first_error is None


@pytest.mark.parametrize(
    ("octets", "text"), [(b"", ""), (b"\x01\xff", "01ff"), (bytes(65), "00" * 64 + "... (65 octets)")]
)
def test_octets_for_people(octets: bytes, text: str) -> None:
    assert shown(octets) == text
    assert upper(octets) == octets.hex().upper()
