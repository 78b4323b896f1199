"""Servers that break one rule each: the suite must notice every one of them, by the tests that are about that rule."""

import pytest
from tests.unit.assess.conformance.bench import CREDENTIALS, judge
from tests.unit.assess.conformance.broken import BREAKAGES, LINE_BREAKAGES, Breakage, broken
from tests.unit.assess.conformance.broken_further import FURTHER_BREAKAGES, FURTHER_LINE_BREAKAGES

from meterworks.assess.conformance import ROWS, Outcome

ALL = (*BREAKAGES, *FURTHER_BREAKAGES)
ALL_LINES = (*LINE_BREAKAGES, *FURTHER_LINE_BREAKAGES)
NOTICED_MIN = 0.9  # share of the rows that some breakage makes fail


@pytest.mark.parametrize("breakage", [pytest.param(row, id=row.name.replace(" ", "-")) for row in ALL])
def test_the_suite_notices_a_broken_rule(breakage: Breakage) -> None:
    results = judge(broken(breakage), CREDENTIALS[breakage.who], breakage.ids.split(), writes=True)
    missed = {result.row.id: result.reason for result in results.values() if result.outcome is not Outcome.FAILED}
    assert missed == {}


@pytest.mark.parametrize("breakage", [pytest.param(row, id=row.name.replace(" ", "-")) for row in ALL_LINES])
def test_the_suite_notices_a_broken_line(breakage: Breakage) -> None:
    results = judge(broken(breakage), CREDENTIALS[breakage.who], breakage.ids.split(), over_hdlc=True)
    missed = {result.row.id: result.reason for result in results.values() if result.outcome is not Outcome.FAILED}
    assert missed == {}


def test_a_failure_says_why_and_shows_what_was_exchanged() -> None:
    breakage = next(row for row in BREAKAGES if row.name == "any context")
    (result,) = judge(broken(breakage), CREDENTIALS["public"], ["ASSOC-12"]).values()
    assert result.reason == "context 9 was accepted"
    assert result.evidence[0].sent
    assert result.evidence[0].octets[:1] == b"\x60"
    assert result.evidence[1].octets[:1] == b"\x61"


def test_most_rows_are_proved_by_a_breakage() -> None:
    proved = {name for row in (*ALL, *ALL_LINES) for name in row.ids.split()}
    assert proved <= {row.id for row in ROWS}
    assert len(proved) >= NOTICED_MIN * len(ROWS)
