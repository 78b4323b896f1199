"""COSEM data as plain values: value and form together are the octets, and a changed value is other octets."""

import json

import pytest

from meterworks.companions.gb.result.form import read_value, write_value
from meterworks.companions.gb.result.schema import NOTHING_KNOWN, Field, Schema
from meterworks.protocols import DecodeError, EncodeError

LOG = Schema(element=Schema(fields=(Field("timestamp", Schema("seconds")), Field("value", NOTHING_KNOWN))))
WHEN = Schema("date-time")


@pytest.mark.parametrize(
    ("octets", "schema", "form", "value"),
    [
        ("00", NOTHING_KNOWN, "null", None),
        ("0600000a00", NOTHING_KNOWN, "double-long-unsigned", 2560),
        ("05fffffff6", NOTHING_KNOWN, "double-long", -10),
        ("161e", NOTHING_KNOWN, "enum", 30),
        ("0301", NOTHING_KNOWN, "boolean", True),
        ("03ff", NOTHING_KNOWN, "boolean ff", True),
        ("0300", NOTHING_KNOWN, "boolean", False),
        ("0302", NOTHING_KNOWN, "octets", "0302"),
        ("0405c8", NOTHING_KNOWN, "bit-string", "11001"),
        ("090200ff", NOTHING_KNOWN, "octet-string", "00ff"),
        ("0a03414243", NOTHING_KNOWN, "visible-string", "ABC"),
        ("173f800000", NOTHING_KNOWN, "float32", "3f800000"),
        ("1907df0101ff000000008000ff", NOTHING_KNOWN, "date-time", "07df0101ff000000008000ff"),
        ("090c07df0101ff000000008000ff", NOTHING_KNOWN, "octet-string date-time", "2015-01-01T00:00:00Z"),
        ("090c07de0c1f03173200008000ff", WHEN, "octet-string date-time:03008000ff", "2014-12-31T23:50:00Z"),
        ("09810100", NOTHING_KNOWN, "octets", "09810100"),  # a length in a longer form than needed
        ("061c35f900", Schema("seconds"), "double-long-unsigned seconds", "2014-12-31T00:00:00Z"),
        ("02020f00161e", NOTHING_KNOWN, {"structure": ["integer", "enum"]}, [0, 30]),
        ("0102060000000106 00000002", NOTHING_KNOWN, {"array": "double-long-unsigned"}, [1, 2]),
        ("010206000000011102", NOTHING_KNOWN, {"array": ["double-long-unsigned", "unsigned"]}, [1, 2]),
        ("0100", NOTHING_KNOWN, {"array": []}, []),
    ],
)
def test_values_and_forms(octets, schema, form, value):
    told = read_value(bytes.fromhex(octets), schema)
    assert (told.form, told.value) == (form, value)
    assert write_value(*told) == bytes.fromhex(octets)


def test_a_compact_log_becomes_named_rows():
    octets = bytes.fromhex("1302020606 10 1c35f900 00000001 1c360008 00000002")
    told = read_value(octets, LOG)
    assert told.value == [
        {"timestamp": "2014-12-31T00:00:00Z", "value": 1},
        {"timestamp": "2014-12-31T00:30:00Z", "value": 2},
    ]
    assert write_value(*json.loads(json.dumps(told))) == octets
    told.value[1]["value"] = 3
    assert write_value(*told) == octets[:-1] + b"\x03"


def test_a_compact_array_with_arrays_inside():
    octets = bytes.fromhex("13020206010002 11 06 00000001 05 06".replace(" ", "") + "")
    told = read_value(octets)
    assert told.form == {"compact-array": {"structure": ["double-long-unsigned", {"array": "unsigned", "size": 2}]}}
    assert told.value == [[1, [5, 6]]]
    assert write_value(*told) == octets


def test_names_are_given_only_where_the_parts_are_as_many():
    assert read_value(bytes.fromhex("0102 0201 1101 0201 1102"), LOG).value == [[1], [2]]


def test_changed_values_change_the_octets():
    told = read_value(bytes.fromhex("02020f00161e"))
    assert write_value(told.form, [-3, 30]).hex() == "02020ffd161e"


@pytest.mark.parametrize("octets", ["", "06", "0600000a0000", "ee", "0102"])
def test_what_is_no_value_is_refused(octets):
    with pytest.raises(DecodeError):
        read_value(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("unsigned", 256), ("unsigned", "1"), ("nothing", 1), ("boolean", 1), ("null", 0), ("octet-string", "zz"),
        ("octet-string", 5), ("octets", 7), ("float32", "00"), ("octet-string date-time", "soon"),
        ("octet-string colour", "red"), ({"structure": ["unsigned"]}, [1, 2]), ({"structure": [["a", "unsigned"]]}, {}),
        ({"structure": [["a", "unsigned"]]}, {"a": 1, "b": 2}), ({"array": ["unsigned"]}, []), ({"list": []}, []),
        ({"structure": "unsigned"}, [1]), (5, 5), ({"compact-array": {"array": "unsigned", "size": 2}}, [[1]]),
        ({"array": "unsigned"}, None), (None, None),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_their_form_are_refused(form, value):
    with pytest.raises(EncodeError):
        write_value(form, value)


def test_forms_nested_too_deep_are_refused():
    form, value = "unsigned", 1
    for _ in range(30):
        form, value = {"array": form}, [value]
    for each in (form, {"compact-array": form}):
        with pytest.raises(EncodeError):
            write_value(each, value)
