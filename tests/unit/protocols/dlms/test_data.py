"""A-XDR data: tables of value and octets, and of what is refused."""

import struct

import pytest

from meterworks.protocols.dlms import (
    DONT_CARE,
    BitString,
    CosemDate,
    CosemDateTime,
    CosemTime,
    DataValue,
    Delta,
    Tag,
    decode,
    decode_all,
    decode_typed,
    encode,
    encode_array,
    encode_bit_string,
    encode_boolean,
    encode_double_long,
    encode_enum,
    encode_integer,
    encode_long,
    encode_long64,
    encode_long64_unsigned,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    encode_utf8_string,
    encode_visible_string,
    end_of,
)
from meterworks.protocols.dlms.data import DEPTH_MAX
from meterworks.protocols.errors import DecodeError, EncodeError

VALUES = [
    ("00", None),
    ("ff", DONT_CARE),
    ("0300", False),
    ("0301", True),
    ("0405a8", BitString.from_text("10101")),
    ("0400", BitString(0, b"")),
    ("05ffffffff", -1),
    ("06ffffffff", 4_294_967_295),
    ("0903010203", b"\x01\x02\x03"),
    ("0900", b""),
    ("0a05" + b"hello".hex(), "hello"),
    ("0c03e282ac", "€"),
    ("0d99", -103),
    ("0f80", -128),
    ("108000", -32768),
    ("11ff", 255),
    ("12ffff", 65535),
    ("14ffffffffffffffff", -1),
    ("15ffffffffffffffff", (1 << 64) - 1),
    ("161e", 30),
    ("173f800000", 1.0),
    ("183ff8000000000000", 1.5),
    ("1907e2020cff00000000800000", CosemDateTime(2018, 2, 12, 255, 0, 0, 0, 0, -32768, 0)),
    ("1a07e20b1503", CosemDate(2018, 11, 21, 3)),
    ("1b173b3b00", CosemTime(23, 59, 59, 0)),
    ("1cff", Delta(-1)),
    ("1dffff", Delta(-1)),
    ("1effffffff", Delta(-1)),
    ("1fff", Delta(255)),
    ("20ffff", Delta(65535)),
    ("21ffffffff", Delta(4_294_967_295)),
    ("0100", []),
    ("010211011102", [1, 2]),
    ("0202110109020304", (1, b"\x03\x04")),
    ("130202121106000105000206", [(1, 5), (2, 6)]),
    ("131106010203040506", [1, 2, 3, 4, 5, 6]),
    ("13010002110401020304", [[1, 2], [3, 4]]),
    ("1309050141024243", [b"A", b"BC"]),
]


@pytest.mark.parametrize(("octets", "value"), VALUES, ids=[octets[:16] for octets, _ in VALUES])
def test_octets_and_value(octets: str, value: object) -> None:
    data = bytes.fromhex(octets)
    assert decode(data) == (value, len(data))
    assert type(decode_all(data)) is type(value)
    assert end_of(data) == len(data)
    typed, end = decode_typed(data)
    assert end == len(data)
    assert encode(typed) == data


@pytest.mark.parametrize("octets", ["190000000000ffffffffffffff", "1a07e20d0101", "1b18000000"])
def test_octets_that_are_no_date_are_kept(octets: str) -> None:
    data = bytes.fromhex(octets)
    assert decode_all(data) == data[1:]
    assert encode(decode_typed(data)[0]) == data


MALFORMED = [
    ("", "nothing"),
    ("07", "unassigned tag"),
    ("0b00", "unassigned tag"),
    ("0e", "unassigned tag"),
    ("1200", "cut off"),
    ("0902aa", "string cut off"),
    ("09", "length missing"),
    ("0980", "indefinite length"),
    ("0985ffffffffff", "length of five octets"),
    ("0984ffffffff", "four gigabytes announced"),
    ("0184ffffffff", "four milliards of elements"),
    ("02051100", "more elements than octets"),
    ("0410ff", "bits cut off"),
    ("1907e2020c", "date cut off"),
    ("13", "compact array without a description"),
    ("130b00", "compact array of nothing known"),
    ("130001", "compact array of null"),
    ("130200050000000000", "compact array of empty structures"),
    ("13020212110400010500", "compact array cut off in an element"),
    ("13" * 40, "compact array in compact array"),
    ("0101" * (DEPTH_MAX + 2) + "00", "nested too deep"),
    ("13" + "010001" * 40 + "1100", "description nested too deep"),
]


@pytest.mark.parametrize(("octets", "why"), MALFORMED, ids=[why for _, why in MALFORMED])
def test_malformed_octets_are_refused(octets: str, why: str) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(DecodeError):
        decode(data)


def test_octets_behind_the_value_are_refused() -> None:
    with pytest.raises(DecodeError, match="follow"):
        decode_all(b"\x11\x01\x00")


def test_compact_array_cannot_make_more_values_than_the_limit() -> None:
    # Each element is one octet of content and 65,535 x 1 null values from nine octets of description.
    bomb = bytes.fromhex("13020201ffff00117f") + bytes(0x7F)
    with pytest.raises(DecodeError, match="more than"):
        decode(bomb)


@pytest.mark.parametrize(
    ("encoded", "octets"),
    [
        (encode_null(), "00"),
        (encode_boolean(True), "0301"),
        (encode_integer(-1), "0fff"),
        (encode_unsigned(255), "11ff"),
        (encode_long(-2), "10fffe"),
        (encode_long_unsigned(258), "120102"),
        (encode_double_long(-1), "05ffffffff"),
        (encode_long64(-1), "14" + "ff" * 8),
        (encode_long64_unsigned(1), "15" + "00" * 7 + "01"),
        (encode_enum(30), "161e"),
        (encode_octet_string(bytes(128)), "098180" + "00" * 128),
        (encode_octet_string(bytes(256)), "09820100" + "00" * 256),
        (encode_visible_string("ab"), "0a026162"),
        (encode_utf8_string("é"), "0c02c3a9"),
        (encode_bit_string(BitString.from_text("101")), "0403a0"),
        (encode_array([b"\x00", b"\x00"]), "01020000"),
        (encode_structure(b"\x00", b"\x11\x05"), "0202001105"),
    ],
)
def test_encoders_give_these_octets(encoded: bytes, octets: str) -> None:
    assert encoded.hex() == octets


@pytest.mark.parametrize(
    "make",
    [
        lambda: encode_unsigned(256),
        lambda: encode_integer(128),
        lambda: encode_long_unsigned(-1),
        lambda: encode_visible_string("é"),
        lambda: encode(DataValue(Tag.UNSIGNED, "x")),
        lambda: encode(DataValue(Tag.OCTET_STRING, 5)),
        lambda: encode(DataValue(Tag.DATE, b"\x00")),
        lambda: BitString(9, b"\x00"),
    ],
)
def test_values_that_do_not_fit_are_refused(make: object) -> None:
    with pytest.raises(EncodeError):
        make()  # type: ignore[operator]


def test_bit_string_reads_as_bits() -> None:
    assert str(BitString(5, b"\xa8")) == "10101"


def test_float_keeps_its_bits() -> None:
    data = b"\x17" + struct.pack(">f", 0.1)
    assert encode(decode_typed(data)[0]) == data
