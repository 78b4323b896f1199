"""Arrays without a told layout become columns: profile buffers, numbers, compact arrays, odd shapes, push bodies."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meterworks.protocols.dlms import (
    CompactArray,
    CosemDateTime,
    DataValue,
    ObisCode,
    ProfileTable,
    Tag,
    TimeColumn,
    ValueColumn,
    decode_all,
    decode_push_list,
    decode_table,
    encode,
    encode_array,
    encode_octet_string,
    encode_profile,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.errors import DecodeError

START = 1_767_225_600


def numbers(tag: Tag, values: list[Any]) -> bytes:
    return encode(DataValue(Tag.ARRAY, tuple(DataValue(tag, value) for value in values)))


def compact(description: str, contents: str) -> bytes:
    return encode(DataValue(Tag.COMPACT_ARRAY, CompactArray(bytes.fromhex(description), bytes.fromhex(contents))))


@pytest.mark.parametrize("compress", [False, True])
def test_profile_buffer_becomes_columns_with_times(compress: bool) -> None:
    times = START + 900 * np.arange(200)
    buffer = encode_profile(
        [
            TimeColumn(epoch_s=times, compress=compress),
            ValueColumn(values=np.arange(200) // 7, tag=17, repeat_as_null=compress),
            ValueColumn(values=np.arange(200) * 1000, tag=6),
        ],
        capture_period_s=900,
    )
    table = decode_table(buffer, capture_period_s=900)
    assert table.rows == 200
    assert table.time_epoch_s.tolist() == times.tolist()
    assert [column.tolist() for column in table.columns[1:]] == [
        (np.arange(200) // 7).tolist(),
        (np.arange(200) * 1000).tolist(),
    ]
    assert table.to_arrow().num_columns == 3


NUMBERS: dict[str, tuple[bytes, list[Any]]] = {
    "long-unsigned": (numbers(Tag.LONG_UNSIGNED, [1, 2, 65535]), [1, 2, 65535]),
    "long64": (numbers(Tag.LONG64, [-(2**63), 0]), [-(2**63), 0]),
    "float32": (numbers(Tag.FLOAT32, [1.5, -2.0]), [1.5, -2.0]),
    "boolean": (numbers(Tag.BOOLEAN, [True, False]), [1, 0]),
    "beyond int64": (numbers(Tag.LONG64_UNSIGNED, [2**64 - 1, 1]), [2**64 - 1, 1]),
    "within int64": (numbers(Tag.LONG64_UNSIGNED, [5, 1]), [5, 1]),
    "compact longs": (compact("10", "0001ffff"), [1, -1]),
    "compact doubles": (compact("18", "3ff0000000000000"), [1.0]),
    "compact, empty": (compact("12", ""), []),
    "empty": (b"\x01\x00", []),
    "two types": (bytes.fromhex("010211051200ff"), [5, 255]),
    "two types of one size": (bytes.fromhex("010211051600"), [5, 0]),
    "strings": (bytes.fromhex("01020902aabb0901cc"), [b"\xaa\xbb", b"\xcc"]),
    "compact strings": (compact("09", "02aabb01cc"), [b"\xaa\xbb", b"\xcc"]),
    "compact arrays of two": (compact("01000211", "01020304"), [[1, 2], [3, 4]]),
    "structures of two lengths": (bytes.fromhex("01020201110502021105 1106"), [(5,), (5, 6)]),
}


@pytest.mark.parametrize(("data", "values"), NUMBERS.values(), ids=NUMBERS)
def test_array_of_anything_is_one_column(data: bytes, values: list[Any]) -> None:
    table = decode_table(data)
    assert (table.rows, len(table.columns)) == (len(values), 1)
    assert table.columns[0].tolist() == values


def test_numbers_come_as_numbers() -> None:
    assert decode_table(numbers(Tag.LONG, [1, 2])).columns[0].dtype == np.int64
    assert decode_table(numbers(Tag.FLOAT64, [1.0])).columns[0].dtype == np.float64


@pytest.mark.parametrize(
    "data", ["010217 7f800001 17 3f800000", "1317087f8000013f800000", "0102 0201177f800001 0201173f800000"]
)
def test_number_that_is_none_is_taken_without_a_warning(data: str) -> None:
    column = decode_table(bytes.fromhex(data)).columns[0].tolist()
    assert np.isnan(column[0])
    assert column[1] == 1.0


def test_compact_array_of_structures_becomes_columns() -> None:
    table = decode_table(bytes.fromhex("130202121106000105000206"))
    assert [column.tolist() for column in table.columns] == [[1, 2], [5, 6]]


def test_compact_array_of_nested_structures_becomes_columns_of_values() -> None:
    table = decode_table(compact("02021202021111", "0001050600020708"))
    assert [column.tolist() for column in table.columns] == [[1, 2], [(5, 6), (7, 8)]]


def test_later_rows_of_another_kind_make_columns_of_values() -> None:
    moment = CosemDateTime.from_bytes(bytes.fromhex("07ea0b15060c000000ffc400")).to_bytes()
    rows = [encode_structure(encode_octet_string(octets), encode_unsigned(1)) for octets in (moment, b"abc")]
    table = decode_table(encode_array(rows))
    assert [column.tolist() for column in table.columns] == [[moment, b"abc"], [1, 1]]


def test_column_of_twelve_octets_that_are_no_time_stays_octets() -> None:
    rows = [encode_structure(encode_octet_string(b"serial number"[:12])) for _ in range(3)]
    assert decode_table(encode_array(rows)).columns[0].tolist() == [b"serial numbe"] * 3


@pytest.mark.parametrize(
    "data", ["", "1105", "02011105", "01021105", "010111", "1312", "13120300", "13128005", "0101ff00", "01011c05"]
)
def test_what_is_no_array_is_refused(data: str) -> None:
    if data == "01011c05":
        with pytest.raises(DecodeError, match="difference"):
            decode_table(bytes.fromhex(data))
        return
    with pytest.raises(DecodeError):
        decode_table(bytes.fromhex(data))


def test_body_of_a_push_gives_values_and_tables() -> None:
    buffer = numbers(Tag.UNSIGNED, list(range(20)))
    name = encode_octet_string(ObisCode("1.0.1.8.0.255"))
    short = numbers(Tag.UNSIGNED, [1, 2])
    found = decode_push_list(encode_structure(name, buffer, short, compact("12", "0007")))
    assert found[0] == ObisCode("1.0.1.8.0.255")
    assert isinstance(found[1], ProfileTable)
    assert found[1].columns[0].tolist() == list(range(20))
    assert found[2] == [1, 2]
    assert isinstance(found[3], ProfileTable)
    assert decode_push_list(encode_unsigned(7)) == (7,)


@pytest.mark.parametrize("body", ["", "02021105", "0201110500", "027f1105", "02"])
def test_malformed_body_is_refused(body: str) -> None:
    with pytest.raises(DecodeError):
        decode_push_list(bytes.fromhex(body))


def test_bodies_of_real_pushes_are_read(shared_folder: Path) -> None:
    read = 0
    for path in sorted((shared_folder / "vectors" / "dlms" / "push").glob("*.json")):
        for message in json.loads(path.read_text())["messages"]:
            apdu = bytes.fromhex(message.get("plain_apdu") or message["apdu"])
            if "error" in message or apdu[0] != 0x0F:
                continue
            body = apdu[6 + apdu[5] if apdu[5] != 9 else 19 :]
            values = decode_push_list(body)
            plain = decode_all(body)
            assert len(values) == (len(plain) if isinstance(plain, list | tuple) else 1)
            read += 1
    assert read > 15
