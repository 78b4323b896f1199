"""Rows of changing shape found by one regular expression: the same columns as row by row, and left alone when odd."""

from random import Random

import numpy as np
import pytest

from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    CaptureLayout,
    CaptureObject,
    CosemDateTime,
    DataValue,
    ObisCode,
    Tag,
    decode_profile,
    encode,
    encode_array,
    encode_octet_string,
    encode_structure,
)
from meterworks.protocols.dlms import profile_rows as rows_module
from meterworks.protocols.dlms.profile_scan import ScannedRows, scan_rows
from meterworks.protocols.errors import DecodeError

VALUE = CaptureObject(3, ObisCode("1.0.1.8.0.255"), 2)
HEADER = b"\x02\x03"
TIMES = (True, False, False)
STAMP = bytes.fromhex("07ea0b15060c000000ffc400")
CELLS = (
    DataValue(Tag.NULL),
    DataValue(Tag.UNSIGNED, 7),
    DataValue(Tag.LONG_UNSIGNED, 0x0203),  # looks like a header
    DataValue(Tag.DOUBLE_LONG, -5),
    DataValue(Tag.LONG64_UNSIGNED, 2**40),
    DataValue(Tag.ENUM, 2),
    DataValue(Tag.BOOLEAN, True),
)


def row(time: bytes, first: DataValue, second: DataValue) -> bytes:
    return encode_structure(time, encode(first), encode(second))


def random_rows(seed: int, count: int) -> list[bytes]:
    random = Random(seed)
    stamp = encode_octet_string(STAMP)
    rows = [row(stamp, DataValue(Tag.UNSIGNED, 1), DataValue(Tag.UNSIGNED, 1))]
    for _ in range(count - 1):
        time = stamp if random.random() < 0.2 else b"\x00"
        rows.append(row(time, random.choice(CELLS), random.choice(CELLS)))
    return rows


def layout() -> CaptureLayout:
    return CaptureLayout.compile([CLOCK_OBJECT, VALUE, VALUE], 900)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("count", [12, 48, 150])
def test_columns_are_those_of_the_walk_row_by_row(seed: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = encode_array(random_rows(seed, count))
    scanned = decode_profile(buffer, layout())
    monkeypatch.setattr(rows_module, "scan_rows", lambda *_, **__: None)
    walked = decode_profile(buffer, layout())
    assert scanned.rows == walked.rows == count
    for mine, other in zip(scanned.columns, walked.columns, strict=True):
        assert mine.dtype == other.dtype
        assert mine.tolist() == other.tolist()
    assert scanned.time_epoch_s.tolist() == walked.time_epoch_s.tolist()
    assert scanned.clock_status.tolist() == walked.clock_status.tolist()


def test_scan_is_what_a_small_buffer_of_changing_shape_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def noted(*arguments: object, **names: object) -> ScannedRows | None:
        found = scan_rows(*arguments, **names)  # type: ignore[arg-type]  # passed on
        taken.append(0 if found is None else found.count)
        return found

    monkeypatch.setattr(rows_module, "scan_rows", noted)
    decode_profile(encode_array(random_rows(1, 48)), layout())
    assert taken == [45]


def test_cells_are_given_by_tag() -> None:
    rows = b"".join(row(b"\x00", cell, CELLS[1]) for cell in CELLS)
    scanned = scan_rows(b"ab" + rows, 2, header=HEADER, times=TIMES, rows=len(CELLS))
    assert scanned is not None
    assert scanned.count == len(CELLS)
    assert scanned.column(0) == []
    ((tag, where, data),) = scanned.column(2)
    assert (tag, where) == (Tag.UNSIGNED, slice(0, 7))
    assert isinstance(data, np.ndarray)
    assert data.tolist() == [7] * 7
    assert [(tag, where) for tag, where, _ in scanned.column(1)] == [
        (17, [1]),
        (18, [2]),
        (5, [3]),
        (21, [4]),
        (22, [5]),
        (3, [6]),
    ]


ODD = {
    "a string": row(b"\x00", DataValue(Tag.VISIBLE_STRING, "ab"), CELLS[1]),
    "an array": row(b"\x00", DataValue(Tag.ARRAY, (CELLS[1],)), CELLS[1]),
    "a time that is a number of two octets": row(b"\x12\x00\x01", CELLS[1], CELLS[1]),
    "a short string for a time": row(b"\x09\x01\x00", CELLS[1], CELLS[1]),
    "another header": encode_structure(b"\x00", b"\x00"),
    "no data type": b"\x02\x03\x00\x07\x00",
    "cut off": row(b"\x00", CELLS[1], CELLS[3])[:-1],
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_rows_are_left_alone(odd: bytes) -> None:
    good = row(b"\x00", CELLS[1], CELLS[3])
    for rows in ([good, odd, good], [good, good, odd], [odd, good, good]):
        assert scan_rows(b"".join(rows), 0, header=HEADER, times=TIMES, rows=3) is None


def test_more_or_fewer_rows_than_announced_are_left_alone() -> None:
    rows = row(b"\x00", CELLS[1], CELLS[3]) * 10
    for count in (9, 11):
        assert scan_rows(rows, 0, header=HEADER, times=TIMES, rows=count) is None
    assert scan_rows(rows + b"\x00", 0, header=HEADER, times=TIMES, rows=10) is None
    assert scan_rows(bytes(100_000), 0, header=HEADER, times=TIMES, rows=10) is None


def test_faults_in_a_small_buffer_are_still_found() -> None:
    rows = random_rows(3, 40)
    for broken in (
        encode_array(rows)[:-1],
        encode_array(rows) + b"\x00",
        encode_array([*rows[:30], b"\x02\x03\x00\x07\x00"]),
    ):
        with pytest.raises(DecodeError):
            decode_profile(broken, layout())
    wrong = STAMP[:2] + b"\x0d" + STAMP[3:]
    with pytest.raises(DecodeError):
        decode_profile(encode_array([*rows, row(encode_octet_string(wrong), CELLS[1], CELLS[1])]), layout())


def test_stamps_and_deltas_are_resolved() -> None:
    later = CosemDateTime.from_bytes(STAMP).to_bytes()[:5] + bytes.fromhex("0d000000ffc400")
    rows = random_rows(5, 3)
    for index in range(20):
        time = encode_octet_string(STAMP[:4] + later[4:]) if index == 10 else b"\x00"
        rows.append(row(time, DataValue(Tag.DELTA_UNSIGNED, index), CELLS[index % 2 + 1]))
    table = decode_profile(encode_array(rows), layout())
    steps = np.diff(table.columns[1][2:]).tolist()
    assert steps == list(range(20))
    assert int(table.time_epoch_s[13] - table.time_epoch_s[0]) == 3600
