"""Periods of a consumer's page begin at local midnight, whatever the clocks do."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from meterworks.portal.usage import PERIODS, PeriodName, period_start

LONDON, AUCKLAND = ZoneInfo("Europe/London"), ZoneInfo("Pacific/Auckland")


@pytest.mark.parametrize(
    ("period", "now", "zone", "expected"),
    [
        ("today", "2026-11-21T12:00:00+00:00", LONDON, "2026-11-21T00:00:00+00:00"),
        ("today", "2026-07-01T23:30:00+00:00", LONDON, "2026-07-01T23:00:00+00:00"),  # already the 2nd in London
        ("today", "2026-03-29T12:00:00+00:00", LONDON, "2026-03-29T00:00:00+00:00"),
        ("week", "2026-03-31T12:00:00+00:00", LONDON, "2026-03-25T00:00:00+00:00"),  # across the change of clocks
        ("week", "2026-10-28T12:00:00+00:00", LONDON, "2026-10-21T23:00:00+00:00"),
        ("year", "2026-11-21T12:00:00+00:00", LONDON, "2026-01-01T00:00:00+00:00"),
        ("year", "2025-12-31T12:00:00+00:00", AUCKLAND, "2025-12-31T11:00:00+00:00"),  # 2026 has begun there
    ],
)
def test_a_period_begins_at_local_midnight(period: PeriodName, now: str, zone: ZoneInfo, expected: str) -> None:
    assert period_start(period, datetime.fromisoformat(now), zone) == datetime.fromisoformat(expected)


@pytest.mark.parametrize("hour", range(24))
def test_periods_nest_and_never_begin_in_the_future(hour: int) -> None:
    now = datetime(2026, 1, 3, hour, 59, tzinfo=UTC)
    today, week, year = (period_start(period, now, AUCKLAND) for period in PERIODS)
    assert week < today <= now
    assert year <= today
