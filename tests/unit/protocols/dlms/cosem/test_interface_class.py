"""The class tables: every row holds, agrees with the fact sheet and with other people's program; unknown is generic."""

import re

import pytest
from gurux_dlms._GXObjectFactory import _GXObjectFactory
from gurux_dlms.enums import DataType, ObjectType

from meterworks.errors import UsageError
from meterworks.protocols.dlms.cosem import (
    CLASS_NAMES,
    CLASSES,
    DATA,
    PROFILE_GENERIC,
    REGISTER,
    Attribute,
    InterfaceClass,
    Method,
    interface_class,
    read_classes,
    shape,
)

ROWS = list(CLASSES.values())
IDS = [f"{row.class_id}v{row.version}" for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_every_row_can_be_walked(row):
    assert CLASSES[row.class_id, row.version] is row
    assert interface_class(row.class_id, row.version) is row
    assert not row.generic
    assert CLASS_NAMES[row.class_id] == row.name
    for attribute in row.attributes:
        assert row.attribute_named(attribute.name) is attribute
        assert attribute.tags == attribute.shape.tags
        assert attribute.name == attribute.name.lower()
    for method in row.methods:
        assert row.method_named(method.name) is method
        assert method.parameter.tags
    assert row.attributes[0].shape.takes(b"\x09\x06" + bytes(6))


@pytest.mark.parametrize("row", [row for row in ROWS if row.method_offset is not None], ids=lambda row: row.name)
def test_short_names_of_a_row_do_not_collide_and_lead_back(row):
    assert row.method_offset >= 8 * len(row.attributes)
    for attribute in row.attributes:
        assert row.at_short_name(0x1000, row.attribute_short_name(0x1000, attribute.number)) is attribute
    for method in row.methods:
        assert row.at_short_name(0x1000, row.method_short_name(0x1000, method.number)) is method
    assert row.at_short_name(0x1000, 0x1001) is None
    assert row.at_short_name(0x1000, 0x0FF8) is None
    assert row.at_short_name(0x1000, row.method_short_name(0x1000, len(row.methods)) + 8) is None


def test_methods_have_short_names_only_where_the_class_says_so():
    with pytest.raises(UsageError, match="short name"):
        DATA.method_short_name(0, 1)
    with pytest.raises(UsageError, match="short name"):
        REGISTER.method_short_name(0, 2)
    assert REGISTER.method_short_name(0x100, 1) == 0x128
    assert PROFILE_GENERIC.attribute_short_name(0x100, 2) == 0x108


#: Offset of the first method, from Gurux's own table; where it differs ours is checked by the dumps of real meters.
GURUX_OFFSETS = {
    (5, 0): 0x48, (7, 1): 0x58, (8, 0): 0x60, (9, 0): 0x20, (11, 0): 0x10, (15, 1): 0x60, (18, 0): 0x40, (20, 0): 0x50,
    (40, 0): 0x38, (42, 0): 0x60, (64, 1): 0x30, (70, 0): 0x20, (12, 2): 0x20, (3, 0): 0x28, (4, 0): 0x38, (6, 0): 0x30,
}  # fmt: skip


@pytest.mark.parametrize(("key", "offset"), GURUX_OFFSETS.items())
def test_method_offsets_are_those_of_another_program(key, offset):
    assert CLASSES[key].method_offset == offset


#: Attributes and methods by number of class and version where Gurux counts otherwise than the standard. A maximum for
#: versions it does not know is its own: it gives the newest it has.
GURUX_DIFFERS = {
    (1, 0), (12, 3), (12, 4),  # its list of versions ends at 2
    (4, 0),  # counts no reset
    (7, 0),  # has version 1 only
    (15, 0), (24, 0), (28, 0), (29, 0), (29, 1), (27, 0), (47, 1), (65, 1), (72, 0), (151, 1),
}  # fmt: skip
GURUX_TYPES = {
    DataType.ARRAY: 1, DataType.STRUCTURE: 2, DataType.BOOLEAN: 3, DataType.BITSTRING: 4, DataType.INT32: 5,
    DataType.UINT32: 6, DataType.OCTET_STRING: 9, DataType.STRING: 10, DataType.INT8: 15, DataType.INT16: 16,
    DataType.UINT8: 17, DataType.UINT16: 18, DataType.ENUM: 22,
}  # fmt: skip


def of_gurux(row):
    """Their object of the class and version, or None where they have none of their own."""
    kind = next((kind for kind in ObjectType if int(kind) == row.class_id), None)
    theirs = None if kind is None else _GXObjectFactory.createObject(kind)
    if theirs is None or type(theirs).__name__ == "GXDLMSObject":
        return None
    theirs.version = row.version
    return theirs


COMPARED = [row for row in ROWS if (row.class_id, row.version) not in GURUX_DIFFERS and of_gurux(row) is not None]
COMPARED_IDS = [f"{row.class_id}v{row.version}" for row in COMPARED]


@pytest.mark.parametrize("row", COMPARED, ids=COMPARED_IDS)
def test_rows_agree_with_another_program(row):
    theirs = of_gurux(row)
    assert theirs.getAttributeCount() == len(row.attributes)
    assert theirs.getMethodCount() == len(row.methods)


#: Types on which Gurux stands alone; each is contradicted by the standard's own text in the fact sheet.
GURUX_TYPE_DIFFERS = {
    (3, 0, 3), (4, 0, 3), (5, 0, 4),  # scaler and unit is a structure; Gurux gives an array for two of them
    (7, 1, 6),  # the sort object is one structure
    (15, 1, 4), (15, 1, 6),
    (18, 0, 7), (21, 0, 3), (22, 0, 2), (115, 0, 2),
}  # fmt: skip


@pytest.mark.parametrize("row", COMPARED, ids=COMPARED_IDS)
def test_types_agree_with_another_program(row):
    theirs = of_gurux(row)
    faults = []
    for attribute in row.attributes[1:]:
        tag = GURUX_TYPES.get(theirs.getDataType(attribute.number))
        known = (row.class_id, row.version, attribute.number) in GURUX_TYPE_DIFFERS
        if tag is not None and tag not in attribute.tags and not known:
            faults.append((attribute.number, attribute.name, str(attribute.shape), tag))
    assert faults == []


NOT_COUNTABLE = re.compile(r"[({\[]|same|group|several|status,? current")
SHEET_ROW = re.compile(
    r"\| (?P<ids>[\d /]+) \| (?P<version>\d)[^|]*\| (?P<name>[^|]+) \| (?P<attributes>[^|]*) \| (?P<methods>[^|]*)\|"
)


def test_every_class_of_the_fact_sheet_has_a_row(shared_folder):
    sheet = (shared_folder / "reference" / "DLMS.md").read_text(encoding="utf-8")
    rows = [match for line in sheet.splitlines() if (match := SHEET_ROW.match(line))]
    assert len(rows) > 50
    missing = {
        (int(number), int(row["version"]))
        for row in rows
        for number in row["ids"].split("/")
        if (int(number), int(row["version"])) not in CLASSES and not interface_class(int(number), 0).name[:5] != "class"
    }
    assert missing == set()
    plain = {
        (int(row["ids"]), int(row["version"])): len(row["attributes"].split(","))
        for row in rows
        if row["ids"].strip().isdecimal() and not NOT_COUNTABLE.search(row["attributes"])
    }
    counted = {key: len(CLASSES[key].attributes) - 1 for key in plain if key in CLASSES}
    assert len(counted) > 35
    assert {key: (plain[key], counted[key]) for key in counted if plain[key] != counted[key]} == {}


@pytest.mark.parametrize(("number", "version", "name"), [(9999, 3, "class 9999"), (7, 9, "Profile generic"), (128, 0, "LoRaWAN setup")])  # fmt: skip # noqa: E501
def test_an_unknown_class_or_version_is_kept_generic(number, version, name):
    row = interface_class(number, version)
    assert row.generic
    assert (row.class_id, row.version, row.name) == (number, version, name)
    assert row.attributes[0].name == "logical_name"
    assert row.attributes[1].shape.takes(b"\x00")


LOGICAL_NAME = Attribute(1, "logical_name", frozenset({9}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"attributes": (LOGICAL_NAME, Attribute(3, "value", frozenset({6})))},
        {"attributes": (LOGICAL_NAME, Attribute(2, "logical_name", frozenset({6})))},
        {"attributes": (Attribute(1, "value", frozenset({6})),)},
        {"attributes": (LOGICAL_NAME,), "methods": (Method(2, "reset"),)},
    ],
)
def test_a_class_that_does_not_hold_together_is_refused(wrong):
    with pytest.raises(UsageError):
        InterfaceClass(99, 0, "Wrong", **wrong)


@pytest.mark.parametrize(
    "table",
    [
        "Register 3 0\n  value any", "3 0 Register\n  value", "3 0 Register\n  value nothing",
        "3 0 Register\n  value $nothing", "3 0 Register\n  value any dynamic", "3 0 Register\n  > reset",
    ],
)  # fmt: skip
def test_a_table_that_is_not_written_as_it_should_is_refused(table):
    with pytest.raises(UsageError):
        list(read_classes(table))


def test_a_table_is_read_as_written():
    (row,) = read_classes("77 2 Thing @18\n  one u8 static\n  -\n  two [$column]\n  > act i8\n")
    assert (row.class_id, row.version, row.name, row.method_offset) == (77, 2, "Thing", 0x18)
    assert [attribute.name for attribute in row.attributes] == ["logical_name", "one", "unused_3", "two"]
    assert [attribute.static for attribute in row.attributes] == [True, True, False, False]
    assert row.methods == (Method(1, "act", parameter=shape("i8")),)
