"""Shapes of single values: each gives the octets of its kind, and refuses with path, value and expectation."""

from dataclasses import replace

import pytest
from tests.unit.companions.gb.transform.dlms_body import DEVICE, SITUATION, el, scope

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.transform.dlms_leaf import LEAVES, pairs
from meterworks.companions.gb.transform.dlms_path import ElementPath
from meterworks.companions.gb.transform.dlms_wire import Wire

TYPES = {
    "u8": Wire("unsigned", None), "u16": Wire("long-unsigned", None), "i16": Wire("long", None),
    "u32": Wire("double-long-unsigned", None), "flag": Wire("boolean", None), "enum": Wire("enum", None),
    "octets": Wire("octet-string", 20), "bits": Wire("bit-string", 20),
}  # fmt: skip


def made(shape, path, argument, type_name, where):
    return LEAVES[shape](ElementPath.compile(path), argument, TYPES[type_name])(where).hex()


def days(*names):
    return el("Days", *(el("DayOfWeekApplicability", el("DayOfWeekID", name)) for name in names))


DEFINED = el("Defined", *(el("Day", "", index=str(n)) for n in (1, 2, 3)))


@pytest.mark.parametrize(
    ("shape", "path", "argument", "type_name", "where", "octets"),
    [
        ("number", "Price", "", "i16", scope(el("Price", "-12")), "10fff4"),
        ("number", "Price", "", "u32", scope(el("Price", "01")), "0600000001"),
        ("decimal", "Share", "2", "u16", scope(el("Share", "60.00")), "121770"),
        ("decimal", "Share", "2", "u16", scope(el("Share", "1.3")), "120082"),
        ("text", "Name", "", "octets", scope(el("Name", "winter")), "090677696e746572"),
        ("digits", "Code", "4", "octets", scope(el("Code", "0123")), "090430313233"),
        ("joined", "One|Two", "2", "octets", scope(el("One", "12"), el("Two", "34")), "090431323334"),
        ("joined", "One|Two", "2", "octets", scope(el("One", "12")), "09023132"),
        ("truth", "On", "", "flag", scope(el("On", "true")), "03ff"),
        ("meaning", "State", "Locked=true Open=false", "flag", scope(el("State", "Open")), "0300"),
        ("meaning", "Period", "HOURLY=3600", "u32", scope(el("Period", "HOURLY")), "0600000e10"),
        ("named", "Add|Remove", "Add=true Remove=false", "flag", scope(el("Remove", "true")), "0300"),
        ("offset", ".", "Time=0 Block=100", "u16", scope(el("Block", "8")), "12006c"),
        ("offset", ".", "Time=200", "u16", scope(el("Time", "04")), "1200cc"),
        ("script", ".", "On=17 Reset=32", "u16", scope(el("Reset", index="5")), "120520"),
        ("script", "Switch", "On=1 Off=2", "u16", scope(el("Switch", el("Off"), index="2")), "120202"),
        ("level", ".", "0", "u16", scope(el("CommandedStateLevel", "100"), auxiliaryControllerN="5"), "121564"),
        ("octet", "Week", "", "octets", scope(el("Week", "4")), "090104"),
        ("position", ".", "", "u16", scope(position=3), "120003"),
        ("position", ".", "-1", "u16", scope(position=1), "120000"),
        ("index", "Day", "", "u8", scope(el("Day", index="7")), "1107"),
        ("constant", ".", "604800", "u32", scope(), "0600093a80"),
        ("time", "At", "", "octets", scope(el("At", "07:30:00Z")), "0904071e0000"),
        ("calendar_date", "On", "", "octets", scope(el("On", "65535-04-29Z")), "0905ffff041dff"),
        ("moment", "At", "", "octets", scope(el("At", "2014-03-27T15:45:32Z")), "090c07de031bff0f2d20008000ff"),
        ("weekdays", "Days", "", "bits", scope(days("Saturday", "Sunday")), "040706"),
        ("weekdays", "Days", "", "bits", scope(), "040700"),
        ("special_days", "Used", "Defined/Day", "bits", scope(DEFINED, el("Used", "", index="1")), "040380"),
        ("special_days", "Used", "Defined/Day", "bits", scope(DEFINED, el("Used", "3")), "040320"),
        ("special_days", "Used", "Defined/Day", "bits", scope(), "0400"),
        ("identity", "Id", "", "octets", scope(el("Id", "00-DB-12-34-56-78-90-A0")), "090800db1234567890a0"),
        ("switch_identity", "Type", "", "octets", scope(el("Type", el("ALCS"))), "0908" + "00" * 8),
        ("install_code", "Code", "", "octets", scope(el("Code", "30" * 16)), "0910" + "30" * 16),
    ],
)  # fmt: skip
def test_a_value_becomes_its_octets(shape, path, argument, type_name, where, octets):
    assert made(shape, path, argument, type_name, where) == octets


def test_a_level_of_input_is_told_from_one_of_output():
    body = el("Action", el("CommandedStateLevel", "50"), el("InputFromControlledLoad"), auxiliaryControllerN="3")
    assert made("level", "Action", "128", "u16", scope(body)) == "1223b2"


def test_a_moment_may_be_later_by_what_another_element_says():
    where = scope(el("Now", "2014-12-31T23:59:10Z"), el("Tolerance", "60"))
    assert made("moment", "Now", "Tolerance", "octets", where) == "090c07df0101ff00000a008000ff"


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        (None, "00" * 9),
        ("3000-12-31T00:00:00.00Z", "ff" * 9),
        ("2030-01-15T09:00:00.00Z", "07ee010fff09000000"),
        ("2030-01-15T10:00:00+01:00", "07ee010fff09000000"),
    ],
)
def test_a_change_is_made_now_later_or_never(text, octets):
    where = scope() if text is None else scope(el("ExecutionDateTime", text))
    assert made("activation", "ExecutionDateTime", "", "octets", where) == f"090c{octets}8000ff"


def test_a_time_of_activation_stands_in_the_body_however_deep_its_value():
    where = scope(el("ExecutionDateTime", "3000-12-31T00:00:00Z"), el("Inner"))
    inner = where.inside(where.element.children[1], 1)
    assert made("activation", "ExecutionDateTime", "", "octets", inner) == f"090c{'ff' * 9}8000ff"


@pytest.mark.parametrize(
    ("shape", "path", "argument", "type_name", "where", "refused"),
    [
        ("number", "Price", "", "i16", scope(), "Body/Price stands 0 times"),
        ("number", "Price", "", "i16", scope(el("Price", "40000")), "Body/Price is '40000'; a whole number"),
        ("number", "Price", "", "i16", scope(el("Price", "12.5")), "a whole number"),
        ("decimal", "Share", "2", "u16", scope(el("Share", "1.234")), "at most 2 digits"),
        ("decimal", "Share", "2", "u16", scope(el("Share", "1" * 30)), "at most 2 digits"),
        ("decimal", "Share", "2", "u16", scope(el("Share", "NaN")), "at most 2 digits"),
        ("decimal", "Share", "2", "u16", scope(el("Share", "700")), "long-unsigned"),
        ("meaning", "State", "Locked=true", "flag", scope(el("State", "Ajar")), "Body/State is 'Ajar'; one of Locked"),
        ("offset", ".", "Time=0 Block=100", "u16", scope(), "one of Time, Block"),
        ("offset", ".", "Time=0 Block=100", "u16", scope(el("Time", "1"), el("Block", "1")), "one of Time, Block"),
        ("script", ".", "On=17", "u16", scope(el("On")), "no index"),
        ("level", ".", "0", "u16", scope(el("CommandedStateLevel", "101"), auxiliaryControllerN="5"), r"0\.\.100"),
        ("moment", "At", "", "octets", scope(el("At", "soon")), "a date and time"),
        ("moment", "At", "T", "octets", scope(el("At", "9999-12-31T23:59:59Z"), el("T", "60")), "year 10000"),
        ("activation", "At", "", "octets", scope(el("At", "soon")), "a date and time"),
        ("weekdays", "Days", "", "bits", scope(days("Someday")), "one of Monday"),
        ("special_days", "Used", "Defined/Day", "bits", scope(DEFINED, el("Used", "4")), "one of the 3 days"),
        ("identity", "Id", "", "octets", scope(el("Id", "00-DB")), "an EUI-64"),
        ("joined", "One|Two", "2", "octets", scope(), "0 times"),
        ("joined", "One|Two", "2", "octets", scope(el("One", "123")), "2 characters"),
    ],
)
def test_a_bad_value_is_refused_with_its_path(shape, path, argument, type_name, where, refused):
    with pytest.raises(TransformError, match=refused) as error:
        made(shape, path, argument, type_name, where)
    assert error.value.facts["path"]


@pytest.mark.parametrize(("shape", "secret"), [("digits", "7394614433204021731"), ("install_code", "3031323334")])
def test_no_error_repeats_a_token_or_an_install_code(shape, secret):
    with pytest.raises(TransformError) as error:
        made(shape, "Code", "20", "octets", scope(el("Code", secret)))
    assert secret not in str(error.value) and secret not in str(error.value.facts)


def test_a_hub_is_told_the_kind_of_a_device_by_its_own_number():
    where = scope(
        el("DeviceID", "00-DB-12-34-56-78-90-A0"),
        situation=replace(SITUATION, device_kinds={DEVICE: DeviceKind.PPMID}),
    )
    assert made("device_type", "DeviceID", "", "enum", where) == "1684"
    with pytest.raises(TransformError, match="of what kind"):
        made("device_type", "DeviceID", "", "enum", scope(el("DeviceID", "00-DB-12-34-56-78-90-A0")))


def test_the_customer_number_is_the_carriers():
    drawn = scope(situation=replace(SITUATION, customer_number="0427"))
    assert made("customer_number", ".", "", "octets", drawn) == "090430343237"
    with pytest.raises(TransformError, match="4 digits"):
        made("customer_number", ".", "", "octets", scope())


@pytest.mark.parametrize("argument", ["", "Locked", "=true", "Locked="])
def test_pairs_that_are_none_are_refused_when_rows_are_read(argument):
    with pytest.raises(CatalogueError, match="no pairs"):
        pairs(argument)


@pytest.mark.parametrize(("shape", "argument"), [("script", "On=one"), ("decimal", "two"), ("constant", "x")])
def test_an_argument_that_is_none_is_refused_when_rows_are_read(shape, argument):
    with pytest.raises(CatalogueError):
        made(shape, ".", argument, "u16", scope())
