"""Shapes: what the tables write is read, and held against values down to the last member."""

import pytest

from meterworks.errors import UsageError
from meterworks.protocols.dlms import (
    CosemDateTime,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_integer,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import shape

COLUMN = "{class_id:u16,logical_name:ln,attribute_index:i8,data_index:u16}"
GOOD_COLUMN = encode_structure(
    encode_long_unsigned(3), encode_octet_string(bytes(6)), encode_integer(2), encode_long_unsigned(0)
)

FITS = [
    ("u32", encode_double_long_unsigned(7), True),
    ("u32", encode_unsigned(7), False),
    ("any", encode_null(), True),
    ("num", encode_unsigned(7), True),
    ("num", encode_octet_string(b"7"), False),
    ("ln", encode_octet_string(bytes(6)), True),
    ("ln", encode_octet_string(bytes(5)), False),
    ("dt", encode_octet_string(bytes(12)), True),
    ("dt", encode_octet_string(bytes(11)), False),
    ("dt", b"\x19" + CosemDateTime().to_bytes(), True),
    ("dt", encode_date_time(CosemDateTime()), True),
    ("u16|null", encode_null(), True),
    ("u16|null", encode_unsigned(1), False),
    ("[u8]", encode_array([encode_unsigned(1), encode_unsigned(2)]), True),
    ("[u8]", encode_array([encode_unsigned(1), encode_null()]), False),
    ("[u8]", encode_array([]), True),
    ("array", encode_array([encode_null()]), True),
    (COLUMN, GOOD_COLUMN, True),
    (COLUMN, encode_structure(encode_long_unsigned(3)), False),
    (f"[{COLUMN}]", encode_array([GOOD_COLUMN, GOOD_COLUMN]), True),
    (f"[{COLUMN}]", encode_array([GOOD_COLUMN, encode_null()]), False),
    ("{a:u8|null,b:[{c:ln}]}", encode_structure(encode_null(), encode_array([encode_structure(encode_octet_string(bytes(6)))])), True),  # noqa: E501  # one row is one case
    ("u8", b"\x11", False),
    ("u8", b"\x11\x01\x00", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "encoded", "fits"), FITS)
def test_a_shape_takes_its_values_and_no_others(text, encoded, fits):
    assert shape(text).takes(encoded) is fits
    assert str(shape(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "u7", "[u8", "{a}", "{a:u8", "{:u8}", "u8]", "u8|", "{a:u8,}", "[" * 10 + "u8" + "]" * 10, "u8 u8",
        "{a:u8;b:u8}",
    ],
)  # fmt: skip
def test_what_is_no_shape_is_refused(text):
    with pytest.raises(UsageError, match="shape"):
        shape(text)


def test_choices_have_the_tags_of_all():
    assert shape("u16|[u16]|null").tags == {0, 1, 18}
    assert shape("[u16]").element == shape("u16")
    assert [name for name, _ in shape(COLUMN).members or ()] == [
        "class_id", "logical_name", "attribute_index", "data_index",
    ]  # fmt: skip
