"""Values with their units, together and one by one, and how they are shown."""

from decimal import Decimal

import pytest
from tests.unit.system.meter.fake_meter import CLOCK, ENERGY, ENTRIES, POWER, FakeMeter

from meterworks.protocols.dlms import (
    Conformance,
    CosemDateTime,
    decode_all,
    encode_array,
    encode_double_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import shape
from meterworks.system.meter.objects import ObjectBook
from meterworks.system.meter.reading import attributes_of, read_values, shaped_json, value_document, value_row

MANY = int(Conformance.MULTIPLE_REFERENCES | Conformance.GET)


def read(meter, *texts, conformance=0):
    book = ObjectBook(identity="x", entries=ENTRIES)
    return read_values(meter, [book.find(text) for text in texts], book, conformance=conformance)


def test_values_come_in_their_units_exactly():
    energy, power, clock = read(FakeMeter(), "1.8.0", "1.7.0", "clock")
    assert (energy.number, power.number, clock.number) == (Decimal("1234.56"), 500, None)
    assert value_document(energy) == {
        "obis_code": "1-0:1.8.0.255", "name": "active energy import, total", "class": 3, "attribute": 2,
        "attribute_name": "value", "value": "1234.56", "unit": "Wh", "typed": {"uint32": 123456},
    }  # fmt: skip
    assert value_document(power)["value"] == 500
    assert value_document(clock)["value"] == "2026-01-31T12:00:00Z"
    assert value_row(energy)["unit"] == "Wh"


@pytest.mark.parametrize("refused", [False, True])
def test_several_values_are_asked_for_at_once_where_the_meter_takes_lists(refused):
    meter = FakeMeter()
    meter.lists_refused = refused
    energy, missing, power = read(meter, "1.8.0", "3/9.9.9.9.9.9/2", "1.7.0", conformance=MANY)
    assert (energy.number, power.number) == (Decimal("1234.56"), 500)
    assert missing.error
    assert value_row(missing)["value"] == missing.error
    asked_alone = [key for key in meter.asked if key in ((3, ENERGY, 2), (3, POWER, 2))]
    assert len(asked_alone) == (2 if refused else 0)


def test_many_values_are_asked_for_in_parts():
    meter = FakeMeter()
    read(meter, *["1.8.0"] * 25, conformance=MANY)
    assert [len(asked) for asked in meter.asked if isinstance(asked[0], object) and not isinstance(asked[0], int)] == [
        10, 10, 5,
    ]  # fmt: skip


def test_a_list_answered_with_too_few_values_is_read_one_by_one():
    meter = FakeMeter()
    meter.get_list = lambda items: []
    assert [each.error for each in read(meter, "1.8.0", "1.7.0", conformance=MANY)] == ["", ""]


def test_octets_that_are_no_value_are_told_in_their_place():
    (broken,) = read(FakeMeter({(3, ENERGY, 2): b"\x06\x00"}), "1.8.0")
    assert "no A-XDR value" in broken.error
    document = value_document(broken)
    assert document["value"] == "0600"
    assert "typed" not in document


@pytest.mark.parametrize("value", [b"\x03\x01", encode_octet_string(b"ab"), b"\x00"])
def test_what_is_no_number_has_no_unit(value):
    (odd,) = read(FakeMeter({(3, ENERGY, 2): value}), "1.8.0")
    assert odd.number is None
    assert value_document(odd)["unit"] is None


def test_a_scaler_out_of_reason_is_not_applied():
    (odd,) = read(FakeMeter({(3, ENERGY, 3): b"\x02\x02\x0f\x7f\x16\x1e"}), "1.8.0")
    assert odd.number is None
    assert value_document(odd)["value"] == 123_456


def test_all_attributes_are_those_that_may_be_read():
    book = ObjectBook(identity="x", entries=ENTRIES)
    assert [each.attribute_name for each in attributes_of(book.find("1.8.0"), book)] == [
        "logical_name", "value", "scaler_unit",
    ]  # fmt: skip
    unknown = attributes_of(book.find("3/9.9.9.9.9.9/2"), book)
    assert len(unknown) == 3


STAMP = CosemDateTime(2026, 1, 31, 6, 12, 0, 0, 0, 0, 0).to_bytes()


@pytest.mark.parametrize(
    ("encoded", "text", "shown"),
    [
        (encode_structure(encode_unsigned(1), encode_octet_string(b"ab")), "{n:u8,s:os}", {"n": 1, "s": "ab"}),
        (encode_array([encode_octet_string(STAMP)]), "[dt]", ["2026-01-31T12:00:00Z"]),
        (encode_octet_string(bytes((1, 0, 1, 8, 0, 255))), "ln", "1-0:1.8.0.255"),
        (b"\x00", "u16|null", None),
        (encode_unsigned(5), "null|u8", 5),
        (encode_octet_string(STAMP), "null|dt", "2026-01-31T12:00:00Z"),
        (encode_structure(encode_unsigned(1)), "{a:u8,b:u8}", [1]),
        (encode_structure(encode_unsigned(1)), "u8", [1]),
        (encode_array([b"\x00"]), "{a:u8}|[null]", [None]),
        (encode_structure(encode_unsigned(1)), "[u8]|{a:u8}", {"a": 1}),
        (encode_structure(encode_unsigned(1)), "u8|null", [1]),
    ],
)
def test_a_value_is_shown_as_its_class_describes_it(encoded, text, shown):
    assert shaped_json(decode_all(encoded), shape(text)) == shown


def test_without_a_shape_a_value_is_shown_plain():
    assert shaped_json((1, b"ab"), None) == [1, "ab"]


def test_long_values_are_not_spread_over_a_row():
    rows = encode_array([encode_double_long_unsigned(number) for number in range(7)])
    (long,) = read(FakeMeter({(3, ENERGY, 2): rows, (8, CLOCK, 2): b"\x00"}), "1.8.0")
    assert value_row(long)["value"] == "7 elements; see --json"
    (short,) = read(FakeMeter({(3, ENERGY, 2): encode_array([b"\x00", b"\x11\x05"])}), "1.8.0")
    assert value_row(short)["value"] == "[-, 5]"
    (scaler,) = read(FakeMeter(), "1.8.0/3")
    assert value_row(scaler)["value"] == "scaler -2, unit 30"
