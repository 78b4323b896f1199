"""The auditor's page: rows, bars, and what the template makes of them."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.audited import event

from meterworks.portal.page import page
from meterworks.portal.trail import BAR_HEIGHT, HOURS_SHOWN, bars_of, row_of
from meterworks.trust.audit import AuditRecord

NOW = datetime(2026, 11, 21, 12, 34, tzinfo=UTC)


def record(number, **changes):
    return AuditRecord(
        sequence=number, event=event(number, **changes), recorded_at=NOW, source="process:web", previous=bytes(32)
    )


def shown(rows, **values):
    """The page's text."""
    defaults = {"act": "", "actor": "", "on": "", "sealed": 5, "next": None, "bars": bars_of({}, NOW)}
    given = {"user": "ada", "form_token": "f", "bar_height": BAR_HEIGHT, "rows": rows}
    return page("audit.html", **defaults | given | values).body.decode()


def test_bars_are_the_last_hours_oldest_first():
    bars = bars_of({"2026-11-21T12": 10, "2026-11-21T11": 5, "2026-11-01T00": 99}, NOW)
    assert len(bars) == HOURS_SHOWN
    assert bars[-1] == {"hour": "2026-11-21 12:00", "count": 10, "height": BAR_HEIGHT}
    assert (bars[-2]["count"], bars[-2]["height"], bars[0]["height"]) == (5, BAR_HEIGHT // 2, 0)
    assert bars[0]["hour"] == f"{NOW - timedelta(hours=HOURS_SHOWN - 1):%Y-%m-%d %H}:00"


@pytest.mark.parametrize(("sealed", "word"), [(8, True), (7, False)])
def test_a_row_tells_whether_a_head_covers_it(sealed, word):
    row = row_of(record(7), sealed)
    assert (row["record"], row["act"], row["outcome"], row["sealed"]) == (7, "login.failed", "success", word)
    assert row["meaning"]


def test_the_page_shows_rows_and_the_way_to_older_ones():
    text = shown([row_of(record(7), 5), row_of(record(3), 5)], next=3, act="login.*")
    assert "not sealed yet" in text
    assert "before=3" in text
    assert "act=login.%2A" in text
    assert text.count("<rect") == HOURS_SHOWN


def test_the_page_escapes_what_strangers_wrote():
    text = shown([row_of(record(1, actor="account:<script>alert(1)</script>"), 5)], actor='"><script>')
    assert "<script>" not in text
    assert "No act fits" in shown([])
