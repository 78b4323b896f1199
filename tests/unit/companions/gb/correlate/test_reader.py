"""Readers: what octets mean in the words of a request, and which of them mean nothing."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from tests.unit.companions.gb.correlate.sample import element, scope, texts

from meterworks.companions.gb.correlate.compound import COMPOUND_READERS, COMPOUND_TERMS
from meterworks.companions.gb.correlate.reader import DLMS_READERS, scaled, with_words
from meterworks.companions.gb.correlate.zcl_reader import REST, STRING, ZCL_READERS, FieldCursor
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import BitString, DataValue, Tag

NINE_AT_2030 = datetime(2030, 1, 15, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reader", "octets", "value"),
    [
        ("time", "07ee010fff090000008000ff", NINE_AT_2030),
        ("time", "0000000000000000008000ff", "now"),
        ("time", "ffffffffffffffffff8000ff", "never"),
        ("date", "07de0a1bff", (2014, 10, 27, None)),
        ("date", "fffffffe07", (None, None, "last", 7)),
        ("date", "ffff02fdff", (None, 2, "second last", None)),
        ("season", "07de0a1bff000000008000ff", (2014, 10, 27, None)),
        ("clock", "173b3b63", (23, 59, 59, 99)),
        ("o1", "30", 48),
        ("s", "452d4f4e", "E-ON"),
        ("switch", "00db123456789097", bytes.fromhex("00db123456789097")),
        ("switch", "0000000000000000", None),
    ],
)
def test_octet_strings(reader, octets, value):
    assert DLMS_READERS[reader].of_wire(bytes.fromhex(octets)) == value


@pytest.mark.parametrize(
    ("reader", "octets"),
    [
        ("time", "07ee010fff09000000"),
        ("time", "07ee010f02090000008000ff"),
        ("time", "07ee010fff090000328000ff"),
        ("time", "07ee010fff0900000080003f"),
        ("time", "07ee0d0fff090000008000ff"),
        ("date", "07de0d1bff"),
        ("date", "07de0a20ff"),
        ("date", "07de0a1b08"),
        ("date", "07de0a1b"),
        ("season", "07de0a1bff010000008000ff"),
        ("clock", "18000000"),
        ("clock", "0000"),
        ("o1", ""),
        ("s", "ff"),
        ("switch", "00"),
        ("transaction", "0500000000000003e8"),
        ("transaction", "04"),
    ],
)
def test_octet_strings_without_meaning(reader, octets):
    readers = {**DLMS_READERS, **COMPOUND_READERS}
    with pytest.raises((DecodeError, ValueError)):
        readers[reader].of_wire(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("reader", "number", "value"),
    [
        ("tariff", 48, ("TOUTariffAction", 48)),
        ("tariff", 108, ("BlockTariffAction", 8)),
        ("tariff2", 204, 4),
        ("schedule", 0x0501, ("ActivateSwitch", 5)),
        ("load", 0x0520, ("ResetALCSHCALCS", 5)),
        ("level", 0x2332, (True, 3, 50)),
        ("level", 0x1564, (False, 5, 100)),
        ("scheduled_level", 0x11B2, (False, 1, 50)),
        ("seconds", 473385600, datetime(2015, 1, 1, tzinfo=UTC)),
        ("seconds", 0xFFFFFFFF, "never"),
    ],
)
def test_numbers_that_stand_for_several_things(reader, number, value):
    assert DLMS_READERS[reader].of_wire(number) == value


@pytest.mark.parametrize(
    ("reader", "number"),
    [
        ("tariff", 0),
        ("tariff", 49),
        ("tariff", 109),
        ("tariff2", 200),
        ("schedule", 0x0103),
        ("load", 0x0101),
        ("level", 0x3132),
        ("level", 0x21B2),
        ("scheduled_level", 0x1132),
    ],
)
def test_numbers_that_stand_for_nothing(reader, number):
    with pytest.raises(DecodeError):
        DLMS_READERS[reader].of_wire(number)


@pytest.mark.parametrize(
    ("reader", "bits", "value"),
    [
        ("week", "0000011", frozenset({"Saturday", "Sunday"})),
        ("specials", "11001", (5, frozenset({1, 2, 5}))),
        ("specials", "", (0, frozenset())),
        ("page29", "11101" + "0" * 25 + "10", frozenset({28})),
        ("page28", "11100" + "1" + "0" * 26, frozenset({26})),
    ],
)
def test_bit_strings(reader, bits, value):
    assert DLMS_READERS[reader].of_wire(BitString.from_text(bits)) == value


@pytest.mark.parametrize(
    ("reader", "bits"),
    [
        ("week", "00000110"),
        ("page29", "11100" + "0" * 27),
        ("page29", "11101" + "1" + "0" * 26),
        ("page28", "11100"),
        ("alerts", "0" * 511),
        ("alerts", "0" * 511 + "1"),
    ],
)
def test_bit_strings_without_meaning(reader, bits):
    with pytest.raises(DecodeError):
        DLMS_READERS[reader].of_wire(BitString.from_text(bits))


def test_padding_of_a_bit_string_is_zero():
    with pytest.raises(DecodeError, match="padding"):
        DLMS_READERS["week"].of_wire(BitString(7, b"\xff"))


def test_alerts_are_counted_from_the_last_bit():
    meant = ["0"] * 512
    meant[255 - 0x0D] = meant[255 - 0x19] = meant[511 - 0x0D] = "1"
    assert DLMS_READERS["alerts"].of_wire(BitString.from_text("".join(meant))) == {(0x0D, True), (0x19, False)}


def test_a_number_that_stands_multiplied():
    hundredths = scaled(DLMS_READERS["u2"], 100)
    assert hundredths.of_wire(130) == hundredths.of_text("1.3") == Decimal("1.30")


def test_a_number_that_stands_for_a_word():
    state = with_words(DLMS_READERS["b"], {"true": "Locked", "false": "Unchanged"})
    assert (state.of_wire(True), state.of_text("Unchanged")) == ("Locked", "Unchanged")
    with pytest.raises(DecodeError, match="stands for nothing"):
        with_words(DLMS_READERS["e"], {"1": "Credit"}).of_wire(2)


# --- arrays read as a whole -----------------------------------------------------------------------------------------


def entry(*parts: DataValue) -> DataValue:
    return DataValue(Tag.STRUCTURE, parts)


def octets(text: str) -> DataValue:
    return DataValue(Tag.OCTET_STRING, bytes.fromhex(text))


def test_which_charges_a_credit_pays():
    paid = entry(octets("0000130a00ff"), octets("0000131404ff"), DataValue(Tag.BIT_STRING, BitString.from_text("111")))
    assert COMPOUND_READERS["charges"].of_wire((paid,)) == (("19.10.0", "19.20.4", "111"),)


@pytest.mark.parametrize(
    "parts",
    [
        (octets("0001130a00ff"), octets("0000131404ff"), DataValue(Tag.BIT_STRING, BitString.from_text("111"))),
        (octets("0000130a00ff"), octets("0000131404ff")),
        (octets("0000130a00ff"), octets("0000131404ff"), DataValue(Tag.UNSIGNED, 7)),
    ],
)
def test_charges_without_meaning(parts):
    with pytest.raises(DecodeError):
        COMPOUND_READERS["charges"].of_wire((entry(*parts),))


def test_a_billing_date_that_stands_twice_is_refused():
    once = entry(octets("00000000"), octets("ffff0101ff"))
    assert COMPOUND_READERS["billing"].of_wire((once,)) == {((0, 0, 0, 0), (None, 1, 1, None))}
    with pytest.raises(DecodeError, match="twice"):
        COMPOUND_READERS["billing"].of_wire((once, once))


@pytest.mark.parametrize(
    ("disabled", "emergency", "resting", "entries"),
    [("true", "false", 4, 10), ("false", "false", 0, 10), ("true", "true", 2, 8), ("false", "true", 0, 8)],
)
def test_time_based_debts_rest_as_asked(disabled, emergency, resting, entries):
    mode = element("Prepayment", *texts(SuspendDebtDisabled=disabled, SuspendDebtEmergency=emergency))
    charges = COMPOUND_TERMS["prepayment_charges"](scope(element("UpdatePaymentMode", mode)))
    assert (len([bits for *_, bits in charges if bits == "110"]), len(charges)) == (resting, entries)


def test_a_second_element_is_paid_too():
    body = element("UpdatePaymentMode", element("Credit"))
    assert len(COMPOUND_TERMS["credit_charges"](scope(body))) == 2
    assert len(COMPOUND_TERMS["credit_charges"](scope(body, has_second_element=True))) == 3


# --- ZigBee ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reader", "octets", "value"),
    [
        ("z2", "6801", 360),
        ("z6", "40420f000000", 1_000_000),
        ("y4", "ffffffff", -1),
        ("zt", "00000000", "now"),
        ("zt", "ffffffff", "never"),
        ("ze", "feffffff", "never"),
        ("zt", "90888138", NINE_AT_2030),
        ("zl", "feffffff", "never"),
        ("zd", "720a1bff", (2014, 10, 27, None)),
        ("zd", "ff0101ff", (None, 1, 1, None)),
        ("zm", "e001", 480),
        ("zs", "5265736574", "Reset"),
        ("zp", "9708", (False, False)),
        ("zp", "940c", "Credit"),
        ("zp", "9700", (False, True)),
        ("zp", "970c", (True, False)),
        ("zp", "9704", (True, True)),
        ("charging", "10", ("BlockTariff", "")),
        ("gas_tariff", "03", ("TOUTariffAction", 3)),
        ("period", "06000023", "SixMonthly"),
    ],
)
def test_fields(reader, octets, value):
    assert ZCL_READERS[reader].of_wire(bytes.fromhex(octets)) == value


@pytest.mark.parametrize(
    ("reader", "octets"),
    [
        ("zt", "feffffff"),
        ("ze", "ffffffff"),
        ("zl", "ffffffff"),
        ("zd", "720d1bff"),
        ("zd", "720020ff"),
        ("zd", "720a1b08"),
        ("zs", "ff"),
        ("zp", "0000"),
        ("zp", "940e"),
        ("zp", "9710"),
        ("charging", "20"),
        ("gas_tariff", "05"),
        ("period", "02000023"),
    ],
)
def test_fields_without_meaning(reader, octets):
    with pytest.raises((DecodeError, ValueError)):
        ZCL_READERS[reader].of_wire(bytes.fromhex(octets))


def test_a_cursor_takes_fields_and_strings_to_the_end():
    cursor = FieldCursor(bytes.fromhex("0102034142430405"))
    assert [cursor.take(2), cursor.take(1)] == [b"\x01\x02", b"\x03"]
    cursor = FieldCursor(bytes.fromhex("034142430405"))
    assert [cursor.take(STRING), cursor.take(REST), cursor.is_at_end] == [b"ABC", b"\x04\x05", True]


@pytest.mark.parametrize("size", [3, STRING])
def test_a_cursor_refuses_to_read_past_its_end(size):
    with pytest.raises(DecodeError, match="cut off"):
        FieldCursor(b"\x09\x00").take(size)
