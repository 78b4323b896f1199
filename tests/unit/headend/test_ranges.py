"""Interval arithmetic against the plainest model there is: sets of whole seconds."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.headend.ranges import (
    align,
    ceil_to,
    chunks,
    clip,
    floor_to,
    intersect,
    normalise,
    subtract,
    total_s,
    union,
)

PAIRS = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), max_size=12)
RANGES = PAIRS.map(normalise)


def seconds(ranges):
    return {second for start, end in ranges for second in range(start, end)}


def is_normal(ranges):
    inner = all(first[1] < second[0] for first, second in pairwise(ranges))
    return inner and all(start < end for start, end in ranges)


@given(PAIRS)
def test_normalising_keeps_the_seconds_and_sorts_and_parts_the_ranges(pairs):
    ranges = normalise(pairs)
    assert is_normal(ranges)
    assert seconds(ranges) == {second for start, end in pairs for second in range(start, end)}


@given(RANGES, RANGES)
def test_union_holds_what_is_in_either(first, second):
    assert seconds(union(first, second)) == seconds(first) | seconds(second)
    assert is_normal(union(first, second))


@given(RANGES, RANGES)
def test_subtraction_holds_what_is_in_the_first_alone(first, second):
    assert seconds(subtract(first, second)) == seconds(first) - seconds(second)
    assert is_normal(subtract(first, second))


@given(RANGES, RANGES)
def test_intersection_holds_what_is_in_both(first, second):
    assert seconds(intersect(first, second)) == seconds(first) & seconds(second)
    assert is_normal(intersect(first, second))


@given(RANGES, RANGES, RANGES)
def test_crossing_off_in_any_order_leaves_the_same(expected, one, other):
    assert subtract(subtract(expected, one), other) == subtract(expected, union(one, other))


@given(RANGES, st.integers(1, 20))
def test_alignment_widens_to_whole_steps(ranges, step_s):
    aligned = align(ranges, step_s)
    assert seconds(ranges) <= seconds(aligned)
    assert all(start % step_s == 0 and end % step_s == 0 for start, end in aligned)
    assert total_s(aligned) <= sum(end - start + 2 * step_s for start, end in ranges)


@given(RANGES, st.integers(1, 30), st.booleans())
def test_pieces_cover_the_whole_without_overlap(ranges, size_max_s, newest_first):
    pieces = list(chunks(ranges, size_max_s, newest_first=newest_first))
    assert normalise(pieces) == ranges
    assert sum(end - start for start, end in pieces) == total_s(ranges)
    assert all(end - start <= size_max_s for start, end in pieces)
    assert pieces == sorted(pieces, reverse=newest_first)


@given(RANGES, st.integers(-50, 50), st.integers(-50, 50))
def test_clipping_keeps_what_lies_inside(ranges, start, end):
    assert seconds(clip(ranges, start, end)) == seconds(ranges) & set(range(start, end))


@pytest.mark.parametrize(
    ("epoch_s", "floor", "ceiling"), [(0, 0, 0), (1, 0, 1800), (1799, 0, 1800), (1800, 1800, 1800), (-1, -1800, 0)]
)
def test_grid_points_around_an_instant(epoch_s, floor, ceiling):
    assert (floor_to(epoch_s, 1800), ceil_to(epoch_s, 1800)) == (floor, ceiling)


def test_pieces_are_cut_at_the_same_places_in_both_directions():
    ranges = ((0, 25), (40, 45))
    forward = list(chunks(ranges, 10, newest_first=False))
    assert forward == [(0, 10), (10, 20), (20, 25), (40, 45)]
    assert list(chunks(ranges, 10, newest_first=True)) == forward[::-1]
