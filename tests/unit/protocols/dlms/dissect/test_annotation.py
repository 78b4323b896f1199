"""Parts of structures told by what they mean beside each other."""

import pytest

from meterworks.protocols.dlms.dissect import Node, dissect
from meterworks.protocols.dlms.dissect.annotation import annotate_structure, scaler_unit_of

NAME = "09060100010800ff"
CLOCK = "09060000010000ff"


def values(encoded: str) -> list[str]:
    """Give the texts of the parts of a structure."""
    tree = dissect(bytes.fromhex("0f0000000100" + encoded.replace(" ", "")))
    assert tree.errors == []
    node = tree.find("data-value")
    assert node is not None
    return [child.value for child in node.children[0].children]


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        ("1209 21", "0fff 1623", "2337 = 233.7 V"),
        ("0600003289", "0f00 161e", "12937 = 12937 Wh"),
        ("05fffffffe", "0f03 161b", "-2 = -2000 W"),
        ("110a", "0ffd 16ff", "10 = 0.010"),
        ("150000000000000001", "0ffe 1621", "1 = 0.01 A"),
        ("1001f4", "0f00 164d", "500 = 500 unit 77"),
    ],
)
def test_a_value_is_told_in_its_unit(value: str, unit: str, told: str) -> None:
    assert values(f"0203 {NAME} {value} 0202 {unit}")[1] == told


def test_values_of_a_flat_list_are_told_each_in_its_own_unit() -> None:
    flat = values(f"0206 {NAME} 1105 02020f00161e {NAME} 1107 02020fff1623")
    assert (flat[1], flat[4]) == ("5 = 5 Wh", "7 = 0.7 V")


@pytest.mark.parametrize(
    "encoded",
    [
        f"0202 {NAME} 02020f00161e",
        "0202 0a0131 02020f00161e",
        "0202 1105 02020f001105",
        "0202 1105 0202120001161e",
        "0202 1105 020101161e".replace("020101161e", "0201161e"),
        "0202 173f800000 02020f00161e",
    ],
    ids=["name before", "text before", "no unit", "no scaler", "one part", "float before"],
)
def test_nothing_is_told_where_it_is_not_certain(encoded: str) -> None:
    assert not any(" = " in value for value in values(encoded))


def test_capture_objects_are_told_by_class_and_attribute() -> None:
    assert values(f"0204 120008 {CLOCK} 0f02 120000") == [
        "Clock (8)",
        "0000010000ff (0-0:1.0.0.255 clock)",
        "time (2)",
        "0",
    ]


def test_a_capture_object_of_an_unknown_class_keeps_its_numbers() -> None:
    told = values(f"0204 12fffe {NAME} 0f02 120000")
    assert (told[0], told[2]) == ("65534", "2")


def test_entries_of_an_object_list_are_told_by_class() -> None:
    told = values(f"0204 120003 1100 {NAME} 0202 0100 0100")
    assert told[:2] == ["Register (3)", "0"]


@pytest.mark.parametrize(
    "encoded", ["0203 120008 0905 0102030405 0f02", "0203 120003 1100 0901aa", "0200", "0201 120008"]
)
def test_other_structures_are_left_alone(encoded: str) -> None:
    assert not any("(" in value and "Clock" in value for value in values(encoded))


@pytest.mark.parametrize("encoded", ["", "02020f00161e00", "01020f00161e", "02020f001100", "020210001616"])
def test_only_an_integer_and_an_enum_are_a_scaler_with_its_unit(encoded: str) -> None:
    assert scaler_unit_of(bytes.fromhex(encoded)) is None


def test_a_structure_without_parts_is_left_alone() -> None:
    node = Node("structure")
    annotate_structure(node, b"")
    assert node.children == []


def test_a_push_of_a_meter_reads_like_a_table() -> None:
    push = f"0f00000001000103 0203{NAME}0600003289 02020f00161e".replace("0103", "0101").replace(" ", "")
    node = dissect(bytes.fromhex(push)).find("double-long-unsigned")
    assert node is not None
    assert node.value == "12937 = 12937 Wh"
    assert node.xml == "12937"
