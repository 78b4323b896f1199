"""Times, dates, texts and identities of GB payloads: each text gives the very octets back."""

import pytest

from meterworks.companions.gb.result.moment import PRESENTATIONS, eui_octets, eui_text, seconds_of, seconds_text
from meterworks.protocols import EncodeError


@pytest.mark.parametrize(
    ("presentation", "octets", "text", "residue"),
    [
        ("date-time", "07df0101ff000000008000ff", "2015-01-01T00:00:00Z", ""),
        ("date-time", "07de0c1f03173200008000ff", "2014-12-31T23:50:00Z", "03008000ff"),
        ("date-time", "07de0c1f03173200ff000000", "2014-12-31T23:50:00Z", "03ff000000"),
        ("date-time", "ffff0314ff162d00008000ff", "*-03-20T22:45:00Z", ""),
        ("date-time", "0000000000000000008000ff", "now", ""),
        ("date-time", "ffffffffffffffffff8000ff", "never", ""),
        ("date", "ffff0c19ff", "*-12-25", ""),
        ("date", "07df040305", "2015-04-03", "05"),
        ("date", "000001ffff", "0000-01-*", ""),
        ("time", "0c000000", "12:00:00", ""),
        ("time", "ff1e00ff", "*:30:00", "ff"),
        ("text", "737072696e67", "spring", ""),
        ("eui", "00db1234567890a0", "00-DB-12-34-56-78-90-A0", ""),
        ("logical-name", "0100010800ff", "1-0:1.8.0.255", ""),
    ],
)
def test_octets_and_text(presentation, octets, text, residue):
    found = PRESENTATIONS[presentation]
    assert found.tell(bytes.fromhex(octets)) == (text, residue)
    assert found.octets(text, residue).hex() == octets


@pytest.mark.parametrize(
    ("presentation", "octets"),
    [
        ("date-time", "07df0101ff00000000ffc4ff"),  # an hour from UTC
        ("date-time", "07dffe01ff000000008000ff"),  # the month in which daylight saving begins
        ("date-time", "ea600101ff000000008000ff"),  # year 60000
        ("date-time", "07df0101ff"),
        ("date", "07df01fdff"),  # the second last day of the month
        ("date", "07df"),
        ("time", "64000000"),
        ("time", ""),
        ("text", "ff00"),
        ("text", "0a"),
        ("eui", "00db"),
    ],
)
def test_what_a_text_cannot_tell_exactly_is_left_to_others(presentation, octets):
    assert PRESENTATIONS[presentation].tell(bytes.fromhex(octets)) is None


@pytest.mark.parametrize(
    ("presentation", "text", "residue"),
    [
        ("date-time", "yesterday", ""),
        ("date-time", "2015-01-01", ""),
        ("date-time", "2015-01-01T00:00:00Z", "ff"),
        ("date", "2015-1-1", ""),
        ("time", "12:00", ""),
        ("time", "12:00:00", "zz"),
        ("eui", "00DB1234567890A0", ""),
        ("logical-name", "", ""),
    ],
)
def test_what_is_no_text_of_a_presentation_is_refused(presentation, text, residue):
    with pytest.raises((ValueError, EncodeError), match=r"\w"):
        PRESENTATIONS[presentation].octets(text, residue)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "2000-01-01T00:00:00Z"), (473_385_600, "2015-01-01T00:00:00Z"), (2**32 - 1, "2136-02-07T06:28:15Z")],
)
def test_seconds_since_2000(seconds, text):
    assert seconds_text(seconds) == text
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["2015-01-01T00:00:00", "1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z",
                                  "2015-01-01T00:00:00.5Z", "soon"])  # fmt: skip
def test_other_moments_are_no_seconds(text):
    with pytest.raises(ValueError, match=r"\w"):
        seconds_of(text)


def test_identities():
    assert eui_text(bytes(8)) == "00-00-00-00-00-00-00-00"
    assert eui_octets("90-B3-D5-1F-30-01-00-00").hex() == "90b3d51f30010000"
