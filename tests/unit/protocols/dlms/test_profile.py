"""Profile buffers as columns: tables of octets and what they mean, and of octets that mean nothing."""

import struct

import numpy as np
import pyarrow as pa
import pytest

from meterworks.errors import PeerError
from meterworks.protocols.dlms.descriptor import CLOCK_OBJECT, CaptureObject
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.dlms.profile import decode_profile
from meterworks.protocols.dlms.profile_layout import CaptureLayout, SortMethod

ENERGY = CaptureObject(3, ObisCode("1-0:1.29.0"), 2)
STATUS = CaptureObject(1, ObisCode("0-0:96.10.1"), 2)
HALF_HOUR = 1800
# Thursday 2 January 2025, 03:00:00, deviation 0, status 0: UTC 1735786800.
STAMP = bytes.fromhex("07e9 01 02 04 03 00 00 00 0000 00")
EPOCH = 1_735_786_800


def profile(*rows: bytes) -> bytes:
    assert len(rows) < 128
    return bytes([1, len(rows)]) + b"".join(rows)


def row(*cells: bytes) -> bytes:
    return bytes([2, len(cells)]) + b"".join(cells)


def layout(*columns: CaptureObject, **options) -> CaptureLayout:
    return CaptureLayout.compile(columns, options.pop("period_s", HALF_HOUR), **options)


def stamp(text: bytes = STAMP) -> bytes:
    return b"\x09\x0c" + text


def u32(value: int) -> bytes:
    return b"\x06" + struct.pack(">I", value)


NULL = b"\x00"


def values_of(*cells: bytes) -> list:
    return decode_profile(profile(*(row(cell) for cell in cells)), layout(ENERGY)).columns[0].tolist()


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("03 00", 0),
        ("03 ff", 1),
        ("05 ffffffff", -1),
        ("06 ffffffff", 4_294_967_295),
        ("0d 45", 0x45),
        ("0f 80", -128),
        ("10 8000", -32_768),
        ("11 ff", 255),
        ("12 ffff", 65_535),
        ("14 8000000000000000", -(2**63)),
        ("15 7fffffffffffffff", 2**63 - 1),
        ("15 ffffffffffffffff", 2**64 - 1),
        ("16 07", 7),
        ("17 3fc00000", 1.5),
        ("18 3ff8000000000000", 1.5),
        ("09 03 616263", b"abc"),
        ("09 81 03 616263", b"abc"),
        ("09 00", b""),
        ("0a 03 616263", "abc"),
        ("0c 02 c3a9", "é"),
        ("02 02 11 01 11 02", (1, 2)),
        ("01 02 11 01 11 02", [1, 2]),
    ],
)
@pytest.mark.parametrize("rows", [1, 7, 40])
def test_each_type_gives_its_value_alone_and_in_stretches(cell: str, value: object, rows: int):
    assert values_of(*[bytes.fromhex(cell)] * rows) == [value] * rows


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (("1105", "00", "00", "1106"), [5, 5, 5, 6]),
        (("1105", "120100", "0600010000"), [5, 256, 65_536]),
        (("1105", "1c ff", "1c ff", "00", "1d 0100"), [5, 4, 3, 3, 259]),
        (("0600000064", "1f 05", "1103", "20 0001"), [100, 105, 3, 4]),
        (("1105", "09 01 41"), [5, b"A"]),
        (("1105", "17 3fc00000"), [5, 1.5]),
        (("0a 01 41", "00"), ["A", "A"]),
    ],
)
def test_columns_mix_types_nulls_and_deltas(cells: tuple[str, ...], values: list):
    assert values_of(*(bytes.fromhex(cell) for cell in cells)) == values


def test_null_time_adds_the_capture_period():
    table = decode_profile(
        profile(row(stamp(), u32(1)), row(NULL, u32(2)), row(NULL, u32(3))), layout(CLOCK_OBJECT, ENERGY)
    )
    assert table.time_epoch_s.tolist() == [EPOCH, EPOCH + 1800, EPOCH + 3600]
    assert table.column(ENERGY.obis_code).tolist() == [1, 2, 3]


def test_null_time_runs_backwards_in_a_last_in_first_out_profile():
    newest_first = layout(CLOCK_OBJECT, ENERGY, sort_method=SortMethod.LAST_IN_FIRST_OUT)
    table = decode_profile(profile(row(stamp(), u32(1)), row(NULL, u32(2))), newest_first)
    assert table.time_epoch_s.tolist() == [EPOCH, EPOCH - 1800]


def test_a_full_stamp_restarts_the_series_of_null_times():
    later = bytes.fromhex("07e9 01 03 05 00 00 00 00 0000 00")
    rows = [row(stamp(), u32(0)), *[row(NULL, u32(1))] * 20, row(stamp(later), u32(2)), *[row(NULL, u32(3))] * 20]
    times = decode_profile(profile(*rows), layout(CLOCK_OBJECT, ENERGY)).time_epoch_s
    assert times[20] == EPOCH + 20 * 1800
    assert times[21] == EPOCH + 21 * 3600
    assert times[41] == times[21] + 20 * 1800


@pytest.mark.parametrize(
    ("text", "epoch_s"),
    [
        ("07e9 01 02 04 03 00 00 00 ffc4 00", EPOCH - 3600),
        ("07e9 07 02 03 03 00 00 00 ff88 80", 1_751_425_200 - 7200),
        ("07e9 01 02 04 03 00 00 00 8000 00", EPOCH + 60 * 60),
        ("07e9 01 02 ff 03 00 ff ff 0000 ff", EPOCH),
        ("07e9 01 02 04 ff ff ff ff 0000 ff", EPOCH - 3 * 3600),
        ("07d0 02 1d 02 00 00 00 00 0000 00", 951_782_400),
        ("076c 01 01 01 00 00 00 00 0000 00", -2_208_988_800),
    ],
)
@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize("tag", ["090c", "19"])
def test_stamps_become_utc(text: str, epoch_s: int, rows: int, tag: str):
    cell = bytes.fromhex(tag + text)
    table = decode_profile(profile(*[row(cell)] * rows), layout(CLOCK_OBJECT), default_deviation_min=60)
    assert table.time_epoch_s.tolist() == [epoch_s] * rows
    assert table.clock_status.tolist() == [cell[-1]] * rows


def test_a_deviation_that_was_not_given_stays_marked():
    table = decode_profile(profile(row(stamp(STAMP[:9] + b"\x80\x00\x00"))), layout(CLOCK_OBJECT))
    assert table.deviation_min.tolist() == [-32_768]


def test_seconds_since_1970_are_a_time_too():
    table = decode_profile(profile(row(u32(EPOCH)), row(NULL)), layout(CLOCK_OBJECT))
    assert table.time_epoch_s.tolist() == [EPOCH, EPOCH + HALF_HOUR]


@pytest.mark.parametrize("rows", [1, 40])
def test_an_open_date_is_a_missing_time(rows: int):
    unset = bytes.fromhex("ffff ff ff ff ff ff ff ff 8000 ff")
    table = decode_profile(profile(row(stamp(unset)), *[row(stamp())] * rows), layout(CLOCK_OBJECT))
    assert table.present[0] is not None
    assert table.present[0].tolist() == [False] + [True] * rows
    assert table.time_epoch_s.tolist() == [0] + [EPOCH] * rows


@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize(
    "text",
    [
        "07e9 02 1d 06 00 00 00 00 0000 00",
        "07e9 0d 01 06 00 00 00 00 0000 00",
        "07e9 00 01 06 00 00 00 00 0000 00",
        "07e9 01 00 06 00 00 00 00 0000 00",
        "07e9 01 01 06 18 00 00 00 0000 00",
        "07e9 01 01 06 00 3c 00 00 0000 00",
        "07e9 01 01 06 00 00 3c 00 0000 00",
        "07e9 01 01 06 00 00 00 00 0fff 00",
        "0001 01 01 06 00 00 00 00 0000 00",
    ],
)
def test_impossible_stamps_are_refused(text: str, rows: int):
    with pytest.raises(PeerError, match="is no time") as caught:
        decode_profile(profile(*[row(stamp(bytes.fromhex(text)))] * rows), layout(CLOCK_OBJECT))
    assert caught.value.facts["offset"] >= 4


@pytest.mark.parametrize(
    ("buffer", "says"),
    [
        ("", "ends early"),
        ("01", "length missing"),
        ("03 01", "tag 3"),
        ("01 01", "1 rows announced"),
        ("01 84 ffffffff 02 01 11 05", "4294967295 rows announced"),
        ("01 89 00", "length of 9 octets"),
        ("01 01 02 02 11 05", "no structure of 1 elements"),
        ("01 01 01 01 11 05", "no structure of 1 elements"),
        ("01 01 02 01 11", "ends inside a row"),
        ("01 01 02 01 09 05 41", "ends inside a row"),
        ("01 01 02 01 07", "tag 7"),
        ("01 01 02 01 ff", "tag 255"),
        ("01 01 02 01 11 05 00", "1 octets after the last row"),
        ("01 01 02 01 1c 05", "delta value without a value before"),
        ("01 01 02 01 01 84 ffffffff", "4294967295 elements"),
        ("13 02 02 11 11 00", "elements of 2 values"),
        ("13 11 00", "elements of tag 17"),
        ("13 02 01 01 00", "no simple type"),
        ("13 02 01 12 03 000102", "1 octets after the last row"),
        ("13 02 01 09 02 05 41", "ends inside an element"),
        ("13 02 01 12 84 ffffffff", "4294967295 octets announced"),
        ("13 02 01 11 01 05 07", "1 octets after the last row"),
        ("13 02 05 11", "elements of 5 values"),
        ("13 02 01", "ends inside the type"),
    ],
)
def test_malformed_buffers_are_refused(buffer: str, says: str):
    with pytest.raises(PeerError, match=says):
        decode_profile(bytes.fromhex(buffer), layout(ENERGY))


def test_a_delta_of_what_is_no_integer_is_refused():
    with pytest.raises(PeerError, match="not of integers"):
        values_of(b"\x09\x01A", b"\x1c\x01")


def test_a_first_row_without_time_is_refused():
    with pytest.raises(PeerError, match="first row has no time"):
        decode_profile(profile(row(NULL)), layout(CLOCK_OBJECT))


@pytest.mark.parametrize("cell", ["09 05 0102030405", "11 05", "05 00000000"])
def test_a_time_column_of_another_type_is_refused(cell: str):
    with pytest.raises(PeerError, match="expected a date-time"):
        decode_profile(profile(row(bytes.fromhex(cell))), layout(CLOCK_OBJECT))


def test_nesting_is_limited():
    with pytest.raises(PeerError, match="nested deeper"):
        values_of(b"\x01\x01" * 40 + b"\x00")


@pytest.mark.parametrize("buffer", ["01 03 02 01 11 05 02 01 11 06 02 01 11 07", "13 02 01 11 03 050607"])
def test_more_rows_than_allowed_are_refused(buffer: str):
    octets = bytes.fromhex(buffer)
    assert decode_profile(octets, layout(ENERGY, rows_max=3)).rows == 3
    with pytest.raises(PeerError, match="2 "):
        decode_profile(octets, layout(ENERGY, rows_max=2))


@pytest.mark.parametrize("buffer", ["01 00", "13 02 02 19 06 00"])
def test_an_empty_buffer_gives_an_empty_table(buffer: str):
    table = decode_profile(bytes.fromhex(buffer), layout(CLOCK_OBJECT, ENERGY))
    assert (table.rows, table.time_epoch_s.size, table.columns[1].size) == (0, 0, 0)
    assert table.to_arrow().num_rows == 0


def test_nulls_before_the_first_value_are_missing():
    table = decode_profile(profile(row(NULL), row(b"\x11\x05"), row(NULL)), layout(ENERGY))
    assert table.columns[0].tolist() == [0, 5, 5]
    assert table.present[0] is not None
    assert table.present[0].tolist() == [False, True, True]


def test_a_column_of_nulls_only_is_missing_altogether():
    table = decode_profile(profile(*[row(NULL)] * 40), layout(ENERGY))
    assert table.present[0] is not None
    assert not table.present[0].any()


@pytest.mark.parametrize("rows", [2, 60])
def test_compact_arrays_hold_rows_without_tags(rows: int):
    # The fact sheet's example, {long-unsigned, unsigned}; here with a time in front.
    element = b"\x0c" + STAMP + b"\x00\x01\x05"
    buffer = bytes.fromhex("13 02 03 09 12 11 82") + struct.pack(">H", rows * len(element)) + element * rows
    table = decode_profile(buffer, layout(CLOCK_OBJECT, ENERGY, STATUS))
    assert table.time_epoch_s.tolist() == [EPOCH] * rows
    assert table.columns[1].tolist() == [1] * rows
    assert table.columns[2].tolist() == [5] * rows


def test_compact_arrays_of_strings_of_any_length():
    table = decode_profile(bytes.fromhex("13 02 02 09 11 06 00 01 02 4142 01"), layout(ENERGY, STATUS))
    assert table.columns[0].tolist() == [b"", b"AB"]
    assert table.columns[1].tolist() == [1, 1]


def test_rows_that_all_differ_are_still_read():
    cells = [b"\x09" + bytes([size]) + b"x" * size for size in range(100)]
    assert values_of(*cells) == [b"x" * size for size in range(100)]


def test_more_shapes_than_are_kept_are_still_read():
    count = 1500
    cells = [b"\x09\x82" + struct.pack(">H", size) + b"x" * size for size in range(count)]
    buffer = b"\x01\x82" + struct.pack(">H", count) + b"".join(row(cell) for cell in cells)
    one = layout(ENERGY)
    for _ in range(2):
        assert [len(value) for value in decode_profile(buffer, one).columns[0]] == list(range(count))


def test_a_layout_serves_buffers_of_other_shapes():
    one = layout(CLOCK_OBJECT, ENERGY)
    first = decode_profile(profile(*[row(stamp(), b"\x12\x00\x07")] * 12), one)
    second = decode_profile(profile(*[row(b"\x19" + STAMP, u32(8))] * 12), one)
    assert (first.columns[1].sum(), second.columns[1].sum()) == (84, 96)


def test_the_table_becomes_a_record_batch():
    other_clock = CaptureObject(8, ObisCode("0-0:1.0.0"), 2)
    index = CaptureObject(3, ObisCode("1-0:1.8.0"), 5, 1)
    rows = [row(stamp(), u32(1), NULL, stamp(), b"\x0a\x01A"), row(NULL, u32(2), b"\x17\x3f\xc0\x00\x00", NULL, NULL)]
    columns = (CLOCK_OBJECT, ENERGY, STATUS, other_clock, index)
    batch = decode_profile(profile(*rows), layout(*columns)).to_arrow()
    assert batch.schema.names == ["time", "1-0:1.29.0.255", "0-0:96.10.1.255", "time#2", "1-0:1.8.0.255/5[1]"]
    assert batch.schema.field("time").type == pa.timestamp("s")
    assert batch.column(0).cast(pa.int64()).to_pylist() == [EPOCH, EPOCH + 1800]
    assert batch.column(2).to_pylist() == [None, 1.5]
    assert batch.column(4).to_pylist() == ["A", "A"]


def test_mixed_values_become_text_in_a_record_batch():
    batch = decode_profile(
        profile(row(b"\x09\x01\xff"), row(b"\x11\x05"), row(b"\x0a\x01A")), layout(ENERGY)
    ).to_arrow()
    assert batch.column(0).to_pylist() == ["ff", "5", "A"]


def test_a_long_profile_is_cut_into_few_stretches():
    # The judge is the number of shapes asked for: a row-by-row decoder would ask once per row.
    class Counted(CaptureLayout):
        asked = 0

        def shape_at(self, buffer: bytes, offset: int):
            self.asked += 1
            return super().shape_at(buffer, offset)

    one = Counted.compile((CLOCK_OBJECT, ENERGY), HALF_HOUR)
    count = 19_056
    buffer = b"\x01\x82" + struct.pack(">H", count) + row(stamp(), u32(0)) + row(NULL, u32(1)) * (count - 1)
    table = decode_profile(buffer, one)
    assert int(table.columns[1].sum()) == count - 1
    assert np.array_equal(np.diff(table.time_epoch_s), np.full(count - 1, HALF_HOUR))
    assert one.asked < 10
