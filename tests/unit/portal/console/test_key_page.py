"""The picture of a key campaign."""

from meterworks.headend import KeyJobState
from meterworks.portal.console.key_page import bar_of_jobs


def test_the_bar_is_as_long_as_the_jobs_and_says_so_in_words():
    drawn = bar_of_jobs({KeyJobState.DONE: 3, KeyJobState.PLANNED: 1}, label="rotate <guek>")
    assert 'width="75.000"' in drawn
    assert 'x="75.000" y="0" width="25.000"' in drawn
    assert 'aria-label="rotate &lt;guek&gt;: 3 done, 1 planned"' in drawn
    assert "<guek>" not in drawn


def test_a_campaign_without_jobs_is_drawn_empty():
    assert "no jobs" in bar_of_jobs({}, label="rotate")
