"""Fields of ZigBee payloads: layouts, types, repetitions and records."""

import pytest

from meterworks.companions.gb.result.zcl_field import Reader, layout_of, read_leaf, write_leaf
from meterworks.protocols import DecodeError, EncodeError


@pytest.mark.parametrize(
    ("kind", "octets", "value"),
    [
        ("u8", "ff", 255), ("u16", "0201", 0x0102), ("u24", "010000", 1), ("u48", "393000000000", 12345),
        ("i8", "ff", -1), ("i32", "c0ffffff", -64),
        ("utc", "804a371c", "2015-01-01T00:00:00Z"), ("utc", "00000000", "now"), ("utc", "ffffffff", "never"),
        ("date", "720c19ff", "2014-12-25"), ("date", "ff03ff04", "*-03-*/4"),
        ("text", "0452657365", "Rese"), ("text", "00", ""), ("text", "040123abcd", "0x0123abcd"),
        ("text", "023078", "0x3078"), ("hex", "0102", "0102"), ("hex", "", ""),
    ],
)  # fmt: skip
def test_types(kind, octets, value):
    reader = Reader(bytes.fromhex(octets))
    assert read_leaf(kind, reader) == value
    assert not reader.left
    assert write_leaf(kind, value).hex() == octets


LAYOUT = layout_of("total:u8 tiers:u16# entries:(start:u8,name:text)*")


def test_a_layout_reads_and_writes_its_fields():
    octets = bytes.fromhex("07 02 0100 0200 05 0141 06 00")
    reader = Reader(octets)
    value = LAYOUT.read(reader)
    assert value == {"total": 7, "tiers": [1, 2], "entries": [{"start": 5, "name": "A"}, {"start": 6, "name": ""}]}
    assert LAYOUT.write(value) == octets


@pytest.mark.parametrize("octets", ["", "07", "0702", "07020100", "070005", "07000502"])
def test_cut_payloads_are_refused(octets):
    with pytest.raises(DecodeError, match="octets expected at octet"):
        LAYOUT.read(Reader(bytes.fromhex(octets)))


@pytest.mark.parametrize(
    "value",
    [
        {}, {"total": 1, "tiers": [], "entries": [], "more": 1}, {"total": 256, "tiers": [], "entries": []},
        {"total": 1, "tiers": 5, "entries": []}, {"total": 1, "tiers": [], "entries": [{"start": 1}]},
        {"total": 1, "tiers": [0] * 256, "entries": []}, {"total": "x", "tiers": [], "entries": "x"}, None,
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(value):
    with pytest.raises(EncodeError):
        LAYOUT.write(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("utc", "soon"), ("utc", 5), ("date", "2014"), ("date", "2500-01-01"), ("text", "é"), ("text", "a" * 256),
     ("text", "0xzz"), ("hex", 5), ("u8", -1), ("i8", 128), ("u16", None)],
)  # fmt: skip
def test_leaves_that_do_not_fit_are_refused(kind, value):
    with pytest.raises(EncodeError, match="is no value of type"):
        write_leaf(kind, value)


@pytest.mark.parametrize("text", ["name", "name:u7", "name:", "a:(b:u8", "a:u8?"])
def test_lines_that_are_no_layout_are_refused(text):
    with pytest.raises(EncodeError, match=r"no field of a layout|no type of a field"):
        layout_of(text)
