"""Descriptors and selective access."""

import pytest

from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    AttributeAddress,
    CaptureObject,
    CosemDateTime,
    EntrySelection,
    MethodAddress,
    ObisCode,
    RangeSelection,
    decode_all,
    decode_selection,
)
from meterworks.protocols.errors import DecodeError, EncodeError


def test_descriptors_are_nine_octets() -> None:
    attribute = AttributeAddress(8, ObisCode("0.0.1.0.0.255"), -1)
    assert attribute.to_bytes().hex() == "00080000010000ffff"
    assert AttributeAddress.from_bytes(b"\x00" + attribute.to_bytes(), 1) == attribute
    method = MethodAddress(15, ObisCode("0.0.40.0.0.255"), 1)
    assert MethodAddress.from_bytes(method.to_bytes()) == method
    with pytest.raises(DecodeError):
        MethodAddress.from_bytes(b"\x00\x08")
    with pytest.raises(EncodeError):
        AttributeAddress(70_000, ObisCode("0.0.1.0.0.255"), 1).to_bytes()


def test_range_selection_is_that_of_the_green_book() -> None:
    selection = RangeSelection(
        from_=CosemDateTime.from_bytes(bytes.fromhex("07e2020cff00000000800000")),
        to=CosemDateTime.from_bytes(bytes.fromhex("07e3020cff00000000800000")),
    )
    expected = (
        "01020402041200080906" "0000010000ff" "0f02120000" "090c07e2020cff00000000800000"
        "090c07e3020cff00000000800000" "0100"
    )  # fmt: skip
    assert selection.to_bytes().hex() == expected
    assert decode_selection(selection.to_bytes()) == selection


def test_range_selection_takes_tagged_dates_and_columns() -> None:
    column = CaptureObject(3, ObisCode("1.0.1.8.0.255"), 2)
    moment = bytes.fromhex("1907e2020cff00000000800000")
    encoded = b"\x01\x02\x04" + CLOCK_OBJECT.to_bytes() + moment + moment + b"\x01\x01" + column.to_bytes()
    selection = decode_selection(encoded)
    assert isinstance(selection, RangeSelection)
    assert selection.columns == (column,)


def test_entry_selection_both_ways() -> None:
    selection = EntrySelection(from_entry=3, to_entry=7, from_column=1, to_column=2)
    assert selection.to_bytes().hex() == "02020406000000030600000007120001120002"
    assert decode_selection(selection.to_bytes()) == selection


@pytest.mark.parametrize(
    "octets", ["", "01", "0300", "010200", "02020111010000", "0202040600000003060000000712000112000200"]
)
def test_other_selections_are_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        decode_selection(bytes.fromhex(octets))


def test_capture_object_both_ways() -> None:
    column = CaptureObject(3, ObisCode("1.0.1.8.0.255"), 2, 1)
    assert CaptureObject.from_plain(decode_all(column.to_bytes())) == column
    with pytest.raises(DecodeError):
        CaptureObject.from_plain((3, b"short", 2, 0))
