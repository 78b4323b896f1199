"""Spans are half-open, and facts that exclude one another never hold together."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.registry import InvalidValueError, Span
from meterworks.registry.dated import Timeline, merged

START = datetime(2026, 1, 1, tzinfo=UTC)


def span(first, last=None):
    """Give a span by days from START."""
    return Span(starts_at=START + timedelta(days=first), ends_at=None if last is None else START + timedelta(days=last))


@st.composite
def spans(draw):
    first = draw(st.integers(0, 30))
    return span(first, draw(st.one_of(st.none(), st.integers(first + 1, 40))))


@pytest.mark.parametrize("last", [5, 4])
def test_a_span_ends_after_it_starts(last):
    with pytest.raises(InvalidValueError, match="is not after the start"):
        span(5, last)


def test_a_span_holds_its_start_and_not_its_end():
    held = span(1, 3)
    assert held.contains(START + timedelta(days=1))
    assert not held.contains(START + timedelta(days=3))
    assert not held.contains(START)
    assert span(1).contains(START + timedelta(days=9999))


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [
        (span(0, 5), span(5, 9), None),
        (span(0, 5), span(4, 9), span(4, 5)),
        (span(0, 5), span(1, 2), span(1, 2)),
        (span(0), span(5), span(5)),
        (span(0), span(5, 6), span(5, 6)),
        (span(0, 5), span(5), None),
        (span(0, 5), span(0, 5), span(0, 5)),
    ],
)
def test_two_spans_have_this_in_common(left, right, common):
    assert left.clipped(right) == right.clipped(left) == common
    assert left.overlaps(right) == right.overlaps(left) == (common is not None)


def test_a_span_reads_well():
    assert str(span(0)) == "2026-01-01T00:00:00+00:00 until further notice"
    assert str(span(0, 1)) == "2026-01-01T00:00:00+00:00 until 2026-01-02T00:00:00+00:00"


@pytest.mark.parametrize(
    ("given_spans", "joined"),
    [
        ([], ()),
        ([span(3, 4), span(0, 1)], (span(0, 1), span(3, 4))),
        ([span(0, 2), span(2, 4)], (span(0, 4),)),
        ([span(0, 9), span(2, 4)], (span(0, 9),)),
        ([span(0, 3), span(2)], (span(0),)),
        ([span(0), span(2, 4)], (span(0),)),
    ],
)
def test_spans_that_touch_are_joined(given_spans, joined):
    assert merged(given_spans) == joined


@given(st.lists(spans(), max_size=8))
def test_joined_spans_hold_the_same_instants_and_lie_apart(given_spans):
    joined = merged(given_spans)
    for day in range(45):
        instant = START + timedelta(days=day)
        assert any(held.contains(instant) for held in joined) == any(held.contains(instant) for held in given_spans)
    for left, right in pairwise(joined):
        assert left.ends_at is not None and left.ends_at < right.starts_at


@given(st.lists(spans(), max_size=10))
def test_a_timeline_never_takes_two_facts_of_one_instant(given_spans):
    timeline = Timeline()
    taken: list[Span] = []
    for held in given_spans:
        conflict = timeline.conflict("subject", held)
        assert (conflict is None) == (not any(held.overlaps(other) for other in taken))
        if conflict is None:
            timeline.add("subject", held)
            taken.append(held)


def test_facts_of_different_subjects_do_not_exclude_one_another():
    timeline = Timeline()
    timeline.add("device 1", span(0))
    assert timeline.conflict("device 2", span(0)) is None
    assert timeline.conflict("device 1", span(7)) == span(0)
