"""Bus contract: subjects, patterns, keys, headers and settings that can and cannot be."""

import pytest

from meterworks.runtime import BusSettings, BusUsageError, MemoryBus, SettingsError, connect_bus
from meterworks.runtime.bus.contract import checked_headers, checked_key, checked_subject, subject_matches


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*", "a", False),
        ("*.b", "a.b", True),
        ("a.>", "a.b", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("a.*.c.>", "a.b.c.d", True),
        ("a.*.c.>", "a.b.x.d", False),
    ],
)
def test_a_pattern_covers_subjects_word_by_word(pattern, subject, matches):
    assert subject_matches(pattern, subject) is matches


@pytest.mark.parametrize("subject", ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a\n", "a\x00"])
def test_what_is_no_subject_is_refused(subject):
    with pytest.raises(BusUsageError):
        checked_subject(subject)


@pytest.mark.parametrize("pattern", ["", "a.>.b", "a*", "a.", "> ", "a b"])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(BusUsageError):
        checked_subject(pattern, pattern=True)


@pytest.mark.parametrize("pattern", ["a", "a.b", "*", ">", "a.*.b", "a.>", "readings.set.>"])
def test_patterns_stay_as_they_are(pattern):
    assert checked_subject(pattern, pattern=True) == pattern


@pytest.mark.parametrize("key", ["", " ", "a b", "a.", ".a", "a*", "ä", "a>"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(BusUsageError):
        checked_key(key)


@pytest.mark.parametrize(
    "headers",
    [{"": "x"}, {"a b": "x"}, {"a:": "x"}, {"Nats-Msg-Id": "1"}, {"a": " x"}, {"a": "x\n"}, {"a": "x\r\nb: y"}],
)
def test_headers_that_would_not_come_out_the_same_are_refused(headers):
    with pytest.raises(BusUsageError):
        checked_headers(headers)


def test_headers_are_copied():
    headers = {"schema": "reading-set", "note": "zählt"}
    assert checked_headers(headers) == headers
    assert checked_headers(None) == {}


def test_patience_beyond_the_duplicate_window_is_refused():
    with pytest.raises(SettingsError, match="twice"):
        BusSettings(patience_s=600)


async def test_an_address_says_which_bus():
    bus = await connect_bus("memory://")
    assert isinstance(bus, MemoryBus)
    await bus.close()
    with pytest.raises(SettingsError, match="kafka"):
        await connect_bus(BusSettings(url="kafka://host"))
