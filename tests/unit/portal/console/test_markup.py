"""Markup: every text is escaped, whoever it came from; tables and bars are readable by machines too."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.portal.console.markup import (
    Cell,
    badge,
    empty,
    facts,
    link,
    moment,
    number,
    progress,
    table,
    tile,
)

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'


class _Reader(HTMLParser):
    """Collects the elements and attributes that a browser would see."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "markup",
    [
        table([HOSTILE], [[HOSTILE]], caption=HOSTILE, none=HOSTILE),
        table(["a"], [], caption="c", none=HOSTILE),
        table(["a"], [[link(HOSTILE, HOSTILE)]], caption="c", none="n"),
        table(["a"], [[badge(HOSTILE, HOSTILE)]], caption="c", none="n"),
        facts([(HOSTILE, HOSTILE), (HOSTILE, badge(HOSTILE))]),
        tile(HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        progress(0.5, HOSTILE),
        empty(HOSTILE),
        number(1.5, HOSTILE).html,
    ],
)
def test_no_text_becomes_an_element_or_an_attribute(markup: str) -> None:
    seen = _Reader(markup)
    assert "script" not in seen.tags
    assert "img" not in seen.tags
    assert not [name for name in seen.attributes if name.startswith("on")]


@given(st.text(max_size=50))
def test_any_text_reads_back_as_itself(text: str) -> None:
    assert _Reader(empty(text)).text == text


def test_a_table_has_a_caption_and_column_heads() -> None:
    markup = table(["Device", "Rows"], [["D1", number(1234)]], caption="All", none="None.")
    assert "<caption>All</caption>" in markup
    assert markup.count('scope="col"') == 2
    assert '<td class="mw-number">1,234</td>' in markup


def test_a_table_without_rows_says_so() -> None:
    assert _Reader(table(["a"], [], caption="c", none="Nothing yet.")).text == "Nothing yet."


@pytest.mark.parametrize(
    ("value", "unit", "digits", "shown"),
    [(None, "kWh", 0, "–"), (0, "", 0, "0"), (1234567.891, "kB", 1, "1,234,567.9 kB"), (-5, "", 0, "-5")],
)
def test_numbers_are_grouped_and_missing_ones_are_a_dash(
    value: float | None, unit: str, digits: int, shown: str
) -> None:
    assert number(value, unit, digits) == Cell(shown, numeric=True)


@pytest.mark.parametrize(("share", "percent"), [(-1, "0"), (0, "0"), (0.5, "50"), (1, "100"), (7, "100")])
def test_a_bar_stays_within_its_bounds_and_tells_its_value(share: float, percent: str) -> None:
    markup = progress(share, "First fill")
    assert f'aria-valuenow="{percent}"' in markup
    assert 'role="progressbar"' in markup
    assert 0 <= float(re.findall(r"width:([\d.]+)%", markup)[0]) <= 100


def test_no_time_is_a_dash() -> None:
    assert moment(None) == "–"
