"""A-XDR data as nodes: every type with its text and its XML value, guesses at what octets mean, compact arrays."""

import pytest

from meterworks.protocols.dlms import DataValue, Tag, decode_typed, encode
from meterworks.protocols.dlms.datetime import CosemDate, CosemDateTime, CosemTime
from meterworks.protocols.dlms.dissect import Node, data_from_json, data_to_json, dissect
from meterworks.protocols.dlms.dissect.data import moment_text, plain_text
from meterworks.protocols.errors import EncodeError


def node_of(encoded: str) -> Node:
    tree = dissect(bytes.fromhex("0f0000000100" + encoded)).find("data-value")
    assert tree is not None
    return tree.children[0]


TYPES = [
    ("00", "null-data", "", ""),
    ("0300", "boolean", "false", "false"),
    ("03ff", "boolean", "true", "true"),
    ("0405a8", "bit-string", "10101 (5 bits)", "10101"),
    ("05fffffffe", "double-long", "-2", "-2"),
    ("06fffffffe", "double-long-unsigned", "4294967294", "4294967294"),
    ("0903ff00ff", "octet-string", "ff00ff", "FF00FF"),
    ("090568656c6c6f", "octet-string", "68656c6c6f ('hello')", "68656C6C6F"),
    ("0a05776f726c64", "visible-string", "'world'", "world"),
    ("0c03e282ac", "utf8-string", "'€'", "€"),
    ("0dff", "bcd", "-1", "-1"),
    ("0f80", "integer", "-128", "-128"),
    ("108000", "long", "-32768", "-32768"),
    ("11ff", "unsigned", "255", "255"),
    ("12ffff", "long-unsigned", "65535", "65535"),
    ("14ffffffffffffffff", "long64", "-1", "-1"),
    ("15ffffffffffffffff", "long64-unsigned", "18446744073709551615", "18446744073709551615"),
    ("1607", "enum", "7", "7"),
    ("173fc00000", "float32", "1.5", "3FC00000"),
    ("18bff8000000000000", "float64", "-1.5", "BFF8000000000000"),
    ("1907e50603040e091700ffc400", "date-time", "2021-06-03 14:09:23 +01:00", "07E50603040E091700FFC400"),
    ("1a07e50603ff", "date", "2021-06-03", "07E50603FF"),
    ("1b0e0917ff", "time", "14:09:23", "0E0917FF"),
    ("1affff5003ff", "date", "ffff5003ff (no date)", "FFFF5003FF"),
    ("1cff", "delta-integer", "-1", "-1"),
    ("1dffff", "delta-long", "-1", "-1"),
    ("1effffffff", "delta-double-long", "-1", "-1"),
    ("1fff", "delta-unsigned", "255", "255"),
    ("20ffff", "delta-long-unsigned", "65535", "65535"),
    ("21ffffffff", "delta-double-long-unsigned", "4294967295", "4294967295"),
    ("ff", "dont-care", "", ""),
]


@pytest.mark.parametrize(("encoded", "name", "text", "xml"), TYPES, ids=[row[1] + row[0][:4] for row in TYPES])
def test_simple_type(encoded: str, name: str, text: str, xml: str) -> None:
    node = node_of(encoded)
    assert (node.name, node.value, node.xml) == (name, text, xml)
    assert (node.offset, node.size) == (6, len(encoded) // 2)


@pytest.mark.parametrize(("encoded", "name", "text", "xml"), TYPES, ids=[row[1] + row[0][:4] for row in TYPES])
def test_json_of_a_value_gives_the_value_back(encoded: str, name: str, text: str, xml: str) -> None:
    octets = bytes.fromhex(encoded)
    told = data_to_json(decode_typed(octets)[0])
    assert list(told) == [name]
    again = encode(data_from_json(told))
    assert again == (octets if octets != b"\x03\xff" else b"\x03\x01"), (text, xml)


@pytest.mark.parametrize(
    "told",
    [
        {"array": [{"unsigned": 1}, {"unsigned": 2}]},
        {"structure": [{"null-data": None}, {"structure": []}]},
        {"compact-array": {"contents-description": "11", "array-contents": "010203"}},
        {"structure": [{"octet-string": ""}, {"visible-string": "a"}, {"bit-string": ""}]},
    ],
)
def test_json_of_nested_values(told: dict[str, object]) -> None:
    value = data_from_json(told)
    assert data_to_json(value) == told
    assert decode_typed(encode(value))[0] == value


@pytest.mark.parametrize(
    "told",
    [
        None, [], "unsigned", {}, {"unsigned": 1, "long": 2}, {"nothing": 1}, {"unsigned": 256}, {"unsigned": "1"},
        {"octet-string": "zz"}, {"octet-string": 7}, {"bit-string": "012"}, {"bit-string": 1}, {"array": {}},
        {"structure": [7]}, {"date-time": "00"}, {"date": 5}, {"compact-array": "00"}, {"compact-array": {}},
        {"visible-string": 5},
    ],
)  # fmt: skip
def test_json_that_is_no_value_is_refused(told: object) -> None:
    with pytest.raises(EncodeError):
        data_from_json(told)


def test_json_nested_too_deep_is_refused() -> None:
    told: object = {"null-data": None}
    for _ in range(40):
        told = {"array": [told]}
    with pytest.raises(EncodeError, match="nested"):
        data_from_json(told)


def test_a_date_that_is_none_keeps_its_octets_in_json() -> None:
    value = DataValue(Tag.DATE, bytes.fromhex("ffff5003ff"))
    assert data_from_json(data_to_json(value)) == value


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ("0906 0100010800ff".replace(" ", ""), "0100010800ff (1-0:1.8.0.255 "),
        ("090c 07e50603040e091700ffc400".replace(" ", ""), "(2021-06-03 14:09:23 +01:00)"),
        ("090c 07e5060304ffffffff800000".replace(" ", ""), "2021-06-03 **:**:**"),
        ("090c ffffffffffffffffff8000ff".replace(" ", ""), "****-**-** **:**:**"),
        ("0902 4142".replace(" ", ""), "'AB'"),
    ],
)
def test_octets_are_shown_with_what_they_probably_are(encoded: str, text: str) -> None:
    assert text in node_of(encoded).value


@pytest.mark.parametrize("encoded", ["0906010203040506", "090c000000000000000000000000", "090141", "0900"])
def test_no_meaning_is_made_up(encoded: str) -> None:
    assert node_of(encoded).value == encoded[4:]


def test_long_octets_are_cut_in_the_text_and_whole_in_the_xml() -> None:
    node = node_of("0981c8" + "ab" * 200)
    assert node.value == "ab" * 64 + "... (200 octets)"
    assert node.xml == "AB" * 200


@pytest.mark.parametrize(
    ("encoded", "told"),
    [
        ("02020fff161b", "2 elements: x 10^-1 W"),
        ("02020f00161e", "2 elements: Wh"),
        ("02020f0016ff", "2 elements: no unit"),
        ("02020f031607", "2 elements: x 10^3 s"),
        ("020211001107", "2 elements"),
        ("02010f00", "1 element"),
        ("0100", "0 elements"),
    ],
)
def test_a_scaler_with_its_unit_is_told(encoded: str, told: str) -> None:
    assert node_of(encoded).value == told


def test_elements_lie_below_their_array_in_order() -> None:
    node = node_of("0102" + "020211011102" * 2)
    assert [child.name for child in node.children] == ["structure", "structure"]
    assert [child.offset for child in node.children] == [8, 14]
    assert node.size == 14


def test_a_compact_array_shows_description_and_elements() -> None:
    node = node_of("130202121106000105000206")
    description, contents = node.children
    assert node.value == "2 elements"
    assert [part.name for part in description.walk()] == [
        "contents-description", "structure", "long-unsigned", "unsigned",
    ]  # fmt: skip
    assert contents.xml == "000105000206"
    assert [element.value for element in contents.children] == ["{1, 5}", "{2, 6}"]
    assert node.size == 12


def test_a_compact_array_of_arrays_shows_their_count() -> None:
    node = node_of("130100021104" + "01020304")
    assert node.find("number-of-elements") is not None
    assert [element.value for element in node.children[1].children] == ["[1, 2]", "[3, 4]"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), ([1, 2], "[1, 2]"), ((1, b"\x01"), "{1, 01}"), ("a", "'a'"), (b"", "(no octets)"), (1.5, "1.5"),
        (CosemTime(1, 2, 3), "01:02:03"), (CosemDate(2021, 1, 2), "2021-01-02"),
    ],
)  # fmt: skip
def test_plain_values_on_one_line(value: object, text: str) -> None:
    assert plain_text(value) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (CosemDateTime(2021, 6, 3, 4, 14, 9, 23, 50, -60, 0), "2021-06-03 14:09:23.50 +01:00"),
        (CosemDateTime(2021, 6, 3, 5, 14, 9, 23, 0, 300, 0x80), "2021-06-03 (weekday 5) 14:09:23 -05:00, status 80"),
        (CosemDateTime(month=0xFE, day=0xFE), "****-DST begin-last **:**:**"),
        (CosemDateTime(month=0xFD, day=0xFD), "****-DST end-second last **:**:**"),
        (CosemDate(2021, 2, 30, 1), "2021-02-30 (weekday 1)"),
        (CosemTime(), "**:**:**"),
    ],
)
def test_moments_are_told_as_people_write_them(moment: CosemDateTime | CosemDate | CosemTime, text: str) -> None:
    assert moment_text(moment) == text


@pytest.mark.parametrize(
    "encoded",
    ["01", "0102", "02021101", "0906ff", "0905", "13", "1302", "130211", "13110501", "0e00", "0b", "07", "190000"],
)
def test_a_value_cut_off_or_unknown_is_an_error_in_place(encoded: str) -> None:
    tree = dissect(bytes.fromhex("0f0000000100" + encoded))
    assert len(tree.errors) == 1
    assert tree.errors[0].error


def test_nesting_has_a_bound() -> None:
    tree = dissect(bytes.fromhex("0f0000000100" + "0101" * 100 + "00"))
    assert "nested deeper" in tree.errors[0].error


@pytest.mark.parametrize("encoded", ["020211011102", "0102110111 02".replace(" ", ""), "090100", "1105" * 3])
def test_data_alone_is_recognised(encoded: str) -> None:
    tree = dissect(bytes.fromhex(encoded))
    assert tree.errors == []
    assert sum(child.size for child in tree.children) == len(encoded) // 2
