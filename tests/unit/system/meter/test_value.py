"""Typed values as people write them, and values as people read them."""

import json

import pytest

from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import (
    CosemDate,
    CosemDateTime,
    CosemTime,
    decode_all,
    encode_date_time,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    encode_visible_string,
)
from meterworks.system import ConfigurationError
from meterworks.system.meter.value import change_text, instant, plain_json, typed_json, value_from_text

#   written                                  octets
WRITTEN = """
    null                                   | 00
    bool:true                              | 03 01
    bool:no                                | 03 00
    bits:0101                              | 04 04 50
    int8:-3                                | 0f fd
    int16:-2                               | 10 fffe
    int32:5                                | 05 00000005
    int64:-1                               | 14 ffffffffffffffff
    uint8:0x10                             | 11 10
    uint16:5                               | 12 0005
    uint32:4294967295                      | 06 ffffffff
    uint64:1                               | 15 0000000000000001
    enum:3                                 | 16 03
    bcd:7                                  | 0d 07
    float32:1.5                            | 17 3fc00000
    float64:-2                             | 18 c000000000000000
    octets:0aff                            | 09 02 0aff
    octets:                                | 09 00
    ascii:AB                               | 09 02 4142
    text:hi:there                          | 0a 08 68693a7468657265
    utf8:é                                 | 0c 02 c3a9
    datetime:2026-01-31T12:00:00+00:00     | 09 0c 07ea011f060c000000000000
    date:2026-01-31                        | 09 05 07ea011f06
    time:12:30                             | 09 04 0c1e0000
    tagged-datetime:2026-01-31T12:00+01:00 | 19 07ea011f060c000000ffc400
    tagged-date:2026-01-31                 | 1a 07ea011f06
    tagged-time:01:02:03                   | 1b 01020300
    raw:120005                             | 12 0005
    json:{"uint16": 5}                     | 12 0005
    {"structure": [{"uint16": 5}, {"array": [{"enum": 1}]}]} | 02 02 12 0005 01 01 16 01
    {"structure": [{"null": null}, {"bool": true}, {"text": "a"}]} | 02 03 00 03 01 0a 01 61
"""
CASES = [tuple(cell.strip() for cell in line.split("|")) for line in WRITTEN.strip().splitlines()]


@pytest.mark.parametrize(("text", "octets"), CASES, ids=[text for text, _ in CASES])
def test_a_written_value_becomes_these_octets(text, octets):
    assert value_from_text(text) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "uint8:256",
        "uint8:five",
        "uint99:5",
        "bool:maybe",
        "bits:012",
        "octets:0g",
        "ascii:é",
        "null:1",
        "datetime:soon",
        "date:2026-13-01",
        "raw:12",
        "raw:12000511",
        "raw:zz",
        "json:[",
        'json:{"uint16": 5, "uint8": 4}',
        'json:{"uint16": [5]}',
        "json:5",
        '{"array": ' * 20 + "[]" + "}" * 20,
        "json:" + "[" * 100_000,
    ],
)
def test_what_is_no_value_is_refused_with_words(text):
    with pytest.raises(ConfigurationError) as caught:
        value_from_text(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "present", "octets"),
    [
        ("5", encode_unsigned(1), "1105"),
        ("5", encode_long_unsigned(1), "120005"),
        ("hello", encode_visible_string("old"), "0a0568656c6c6f"),
        ("0aff", encode_octet_string(b"x"), "09020aff"),
        ("true", b"\x03\x00", "0301"),
        ("uint8:5", encode_long_unsigned(1), "1105"),
    ],
)
def test_a_bare_value_takes_the_type_that_the_attribute_has(text, present, octets):
    assert value_from_text(text, present=present) == bytes.fromhex(octets)


def test_a_bare_value_cannot_stand_for_a_structure():
    with pytest.raises(ConfigurationError, match="structure"):
        value_from_text("5", present=encode_structure(encode_unsigned(1)))


@pytest.mark.parametrize("octets", [octets for _, octets in CASES if not octets.startswith(("1a", "1b", "19"))])
def test_what_is_shown_typed_can_be_written_back(octets):
    encoded = bytes.fromhex(octets)
    assert value_from_text("json:" + json.dumps(typed_json(encoded))) == encoded


def test_a_type_that_people_do_not_write_is_shown_raw():
    assert typed_json(bytes.fromhex("1303020005")[:0] + b"\x1c\x05") == {"raw": "1c05"}


def test_octets_behind_a_value_are_not_shown_as_one():
    with pytest.raises(DecodeError):
        typed_json(b"\x11\x05\x00")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"MWC1234567", "MWC1234567"),
        (b"\x00\xff", "00ff"),
        (b"a", "61"),
        ((1, [b"ab", None]), [1, ["ab", None]]),
        (CosemDateTime(2026, 1, 31, 6, 12, 0, 0, 0, 0, 0), "2026-01-31T12:00:00Z"),
        (CosemDateTime(hour=1, minute=0, second=0), "*-*-*T01:00:00"),
        (CosemDate(2026, 0xFE, 1), "2026-last-or-dst-begin-01"),
        (CosemTime(1, 2, 3, 0), "01:02:03"),
        (decode_all(b"\xff"), "don't care"),
        (1.5, 1.5),
        (decode_all(b"\x04\x04\x50"), "0101"),
    ],
)
def test_a_value_is_shown_as_people_read_it(value, shown):
    assert plain_json(value) == shown


def test_octets_are_date_times_where_the_class_says_so():
    stamp = bytes.fromhex("07ea011f060c000000000000")
    assert plain_json(stamp, date_times=True) == "2026-01-31T12:00:00Z"
    assert plain_json(stamp[:5], date_times=True) == "2026-01-31"
    assert plain_json(bytes(4), date_times=True) == "00:00:00"
    assert plain_json(bytes(12), date_times=True) == bytes(12).hex()
    assert plain_json(b"abc", date_times=True) == "abc"


def test_a_change_is_told_in_one_line():
    assert change_text(encode_unsigned(5), encode_unsigned(6)) == "uint8 5 → uint8 6"
    assert change_text(None, encode_octet_string(b"ab")) == "? → octets ab"
    assert "2026-01-31T12:00:00Z" in change_text(
        None, encode_date_time(CosemDateTime(2026, 1, 31, 6, 12, 0, 0, 0, 0, 0))
    )
    assert change_text(b"\x99", encode_octet_string(bytes(200))).startswith("99 → octets of 2")


def test_an_instant_without_an_offset_is_utc():
    assert instant("2026-01-31").isoformat() == "2026-01-31T00:00:00+00:00"
    assert instant("2026-01-31T12:00+02:00").isoformat() == "2026-01-31T12:00:00+02:00"
    with pytest.raises(ConfigurationError, match="2026-01-31"):
        instant("yesterday")
