"""Texts of leaves: which are lawful, what the fault says, and what they are in JSON."""

import re
from decimal import Decimal

import pytest

from meterworks.companions.gb.duis import ValueType

INTEGER = ValueType(name="t", kind="integer", low=Decimal(-128), high=Decimal(127))
DIGITS = ValueType(name="t", kind="integer", digits=4)
CHOICE = ValueType(name="t", kind="integer", choices=("1", "9"))
DECIMAL = ValueType(name="t", kind="decimal", low=Decimal(0), high=Decimal("429496729.5"), fraction=1)
HEX = ValueType(name="t", kind="hex", shortest=2, longest=2)
CODE = ValueType(name="t", kind="hex", choices=("8F66", "8F67"))
BASE64 = ValueType(name="t", kind="base64", longest=4)
TEXT = ValueType(name="t", kind="text", shortest=1, longest=3, pattern=re.compile("[ -~]+"))
ENUMERATION = ValueType(name="t", kind="text", choices=tuple(f"c{number}" for number in range(20)))
TOKEN = ValueType(name="t", kind="token", choices=("ACB",))
BOOLEAN = ValueType(name="t", kind="boolean")
DATE = ValueType(name="t", kind="date")
TIME = ValueType(name="t", kind="time")
DATE_TIME = ValueType(name="t", kind="date-time")
EUI = ValueType(name="t", kind="eui")
EUIS = ValueType(name="t", kind="eui-list", shortest=23)
REQUEST_ID = ValueType(name="t", kind="request-id")
ONE = "00-DB-12-34-56-78-90-A0"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (INTEGER, "127", 127), (INTEGER, "-128", -128), (INTEGER, "+007", 7), (INTEGER, " 5\n", 5),
        (DIGITS, "9999", 9999), (DIGITS, "-0009999", -9999), (DIGITS, "1000", 1000),
        (CHOICE, "9", 9), (CHOICE, "01", 1),
        (DECIMAL, "429496729.5", 429496729.5), (DECIMAL, "0.0", 0.0), (DECIMAL, ".5", 0.5), (DECIMAL, "5.", 5.0),
        (DECIMAL, "1.50", 1.5),
        (HEX, "8f66", "8f66"), (CODE, "8f66", "8f66"), (BASE64, "QQ==", "QQ=="), (BASE64, "QUJ\n DRA==", "QUJDRA=="),
        (TEXT, " a ", " a "), (ENUMERATION, "c7", "c7"), (TOKEN, " ACB ", "ACB"),
        (BOOLEAN, "1", True), (BOOLEAN, "false", False),
        (DATE, "2028-02-29", "2028-02-29"), (DATE, "65535-04-29Z", "65535-04-29Z"),
        (DATE, "2030-01-31-05:00", "2030-01-31-05:00"),
        (TIME, "23:59:59.999Z", "23:59:59.999Z"), (TIME, "24:00:00", "24:00:00"),
        (DATE_TIME, "2030-01-31T10:00:00+14:00", "2030-01-31T10:00:00+14:00"),
        (EUI, ONE.lower(), ONE.lower()), (EUIS, f"{ONE},{ONE}", f"{ONE},{ONE}"),
        (REQUEST_ID, f"{ONE}:{ONE}:18446744073709551615", f"{ONE}:{ONE}:18446744073709551615"),
    ],
)  # fmt: skip
def test_a_lawful_text_has_a_json_form_that_means_the_same(kind, text, value):
    assert kind.fault(text) is None
    assert kind.to_json(text) == value
    assert type(kind.to_json(text)) is type(value)
    back = kind.from_json(value)
    assert back is not None
    assert kind.fault(back) is None
    assert kind.to_json(back) == value


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        (INTEGER, "128", "from -128 to 127"), (INTEGER, "-129", "from -128"), (INTEGER, "", "whole number"),
        (INTEGER, "1.0", "whole number"), (INTEGER, "1e2", "whole number"), (INTEGER, "٣", "whole number"),
        (INTEGER, "1" * 41, "whole number"), (INTEGER, "1 2", "whole number"), (DIGITS, "10000", "more than 4 digits"),
        (CHOICE, "2", "none of 1, 9"),
        (DECIMAL, "429496729.6", "to 429496729.5"), (DECIMAL, "1.25", "more than 1 digits behind"),
        (DECIMAL, "1,5", "decimal number"), (DECIMAL, ".", "decimal number"), (DECIMAL, "INF", "decimal number"),
        (HEX, "8f6", "hexadecimal"), (HEX, "8f", "1 octets, where 2 to 2"), (HEX, "zz", "hexadecimal"),
        (CODE, "8F68", "none of 8F66"), (BASE64, "QQ", "base64"), (BASE64, "QR==", "base64"),
        (BASE64, "QQ==QQ==", "base64"),
        (BASE64, "é", "base64"), (BASE64, "10:00", "base64"), (BASE64, "QUJDREU=", "5 octets, where 0 to 4"),
        (TEXT, "", "form"), (TEXT, "abcd", "4 characters, where 1 to 3"), (TEXT, "é", "form"),
        (ENUMERATION, "c20", "and 8 more"), (ENUMERATION, " c1", "none of"), (TOKEN, "acb", "none of"),
        (BOOLEAN, "TRUE", "true or false"), (BOOLEAN, "", "true or false"),
        (DATE, "2030-02-29", "calendar"), (DATE, "2030-13-01", "calendar"), (DATE, "0000-01-01", "calendar"),
        (DATE, "2030-1-1", "a date"), (DATE, "02030-01-01", "a date"), (DATE, "2030-01-01T00:00:00", "a date"),
        (TIME, "24:00:01", "time of day"), (TIME, "10:00", "time of day"), (TIME, "10:00:60", "time of day"),
        (DATE_TIME, "2030-01-31", "date and time"), (DATE_TIME, "2030-01-31T10:00:00+14:30", "date and time"),
        (DATE_TIME, "2030-04-31T10:00:00Z", "calendar"),
        (EUI, ONE[:-1], "EUI-64"), (EUIS, f"{ONE},", "EUI-64s"), (EUIS, "", "EUI-64s"),
        (REQUEST_ID, f"{ONE}:{ONE}:18446744073709551616", "below"), (REQUEST_ID, f"{ONE}:{ONE}:01", "below"),
        (REQUEST_ID, f"{ONE}:{ONE}", "below"),
    ],
)  # fmt: skip
def test_an_unlawful_text_is_told_why(kind, text, fault):
    assert fault in (kind.fault(text) or "")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (INTEGER, "5"), (INTEGER, 5.0), (INTEGER, True), (INTEGER, None), (DECIMAL, True),
        (DECIMAL, float("nan")), (DECIMAL, float("inf")), (DECIMAL, [1]), (BOOLEAN, 1),
        (BOOLEAN, "true"), (TEXT, 5), (TEXT, None), (DATE, {}), (HEX, b"8f"),
    ],
)  # fmt: skip
def test_another_json_type_has_no_text(kind, value):
    assert kind.from_json(value) is None


@pytest.mark.parametrize("kind", [INTEGER, DECIMAL], ids=["integer", "decimal"])
def test_a_number_too_long_to_be_written_has_no_text(kind):
    assert kind.from_json(10**5000) is None
    assert kind.from_json(-(10**5000)) is None


def test_a_decimal_too_long_for_a_float_is_a_string_in_json():
    kind = ValueType(name="t", kind="decimal")
    assert kind.to_json("1.2345678901234567") == "1.2345678901234567"
    assert kind.from_json("1.2345678901234567") == "1.2345678901234567"
    assert kind.from_json(0.1) == "0.1"
    assert kind.from_json(1e-7) == "0.0000001"


@pytest.mark.parametrize("text", ["a\x00", "\x0b", "\ud800", "\uffff"])
def test_a_character_that_xml_has_not_is_unlawful_also_in_json(text):
    assert "XML has not" in (ValueType(name="t", kind="text").fault(text) or "")


def test_a_long_text_is_shown_short():
    assert len(EUI.fault("x" * 10_000) or "") < 200
