"""Profile buffers of any kind: the columnar decoder against a naive one, our own encoder, and garbage.

The naive decoder goes row by row over the scalar A-XDR decoder, so both share no code for rows, nulls and stamps.
"""

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.errors import PeerError
from meterworks.protocols.dlms.data import Delta, decode_all
from meterworks.protocols.dlms.descriptor import CLOCK_OBJECT, CaptureObject
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.dlms.profile import decode_profile
from meterworks.protocols.dlms.profile_encode import TimeColumn, ValueColumn, encode_profile
from meterworks.protocols.dlms.profile_layout import CaptureLayout

PERIOD_S = 900
COLUMNS = (
    CLOCK_OBJECT,
    CaptureObject(1, ObisCode("0-0:96.10.1"), 2),
    CaptureObject(3, ObisCode("1-0:1.29.0"), 2),
    CaptureObject(3, ObisCode("1-0:2.29.0"), 2),
)
LAYOUT = CaptureLayout.compile(COLUMNS, PERIOD_S, rows_max=100_000)

stamps = st.builds(
    lambda moment, deviation, status: struct.pack(
        ">HBBBBBBBhB", moment.year, moment.month, moment.day, moment.isoweekday(), moment.hour, moment.minute,
        moment.second, 255, deviation, status,
    ),
    st.datetimes(datetime(1950, 1, 1), datetime(2190, 1, 1)),  # noqa: DTZ001  local time, as the wire has it
    st.sampled_from([0, -60, -120, 330, -32_768]),
    st.sampled_from([0, 0x80, 0xFF]),
)  # fmt: skip
time_cells = st.one_of(stamps.map(lambda text: b"\x09\x0c" + text), stamps.map(lambda text: b"\x19" + text))
numbers = st.one_of(
    st.integers(0, 255).map(lambda value: struct.pack(">BB", 17, value)),
    st.integers(0, 65_535).map(lambda value: struct.pack(">BH", 18, value)),
    st.integers(0, 2**32 - 1).map(lambda value: struct.pack(">BI", 6, value)),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: struct.pack(">Bq", 20, value)),
)
anything = st.one_of(
    numbers,
    st.floats(width=32, allow_nan=False).map(lambda value: struct.pack(">Bf", 23, value)),
    st.binary(max_size=5).map(lambda value: bytes([9, len(value)]) + value),
    st.just(b"\x02\x02\x11\x01\x0a\x01A"),
    st.just(b"\x04\x0a\xff\xc0"),
)


def cells(kind: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(st.just(b"\x00") | kind, st.integers(1, 40)).map(lambda pair: [pair[0]] * pair[1])


@st.composite
def buffers(draw: st.DrawFn) -> bytes:
    """Rows in runs: each column repeats a cell for a while, at its own rhythm, so that shapes change at any row."""
    count = draw(st.integers(1, 200))
    columns = []
    for kind in (time_cells, numbers, numbers, anything):
        column: list[bytes] = []
        while len(column) < count:
            column += draw(cells(kind))
        columns.append(column[:count])
    if columns[0][0] == b"\x00":
        columns[0][0] = draw(time_cells)
    rows = [b"\x02\x04" + b"".join(cells) for cells in zip(*columns, strict=True)]
    return b"\x01\x82" + struct.pack(">H", count) + b"".join(rows)


def naive_time(cell: Any, default_deviation_min: int) -> datetime:
    text = cell if isinstance(cell, bytes) else cell.to_bytes()
    year, month, day, _, hour, minute, second, _, deviation, _ = struct.unpack(">HBBBBBBBhB", text)
    minutes = default_deviation_min if deviation == -32_768 else deviation
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC) + timedelta(minutes=minutes)


def naive(buffer: bytes, default_deviation_min: int) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for cells in decode_all(buffer):
        row: list[Any] = []
        for index, cell in enumerate(cells):
            before = rows[-1][index] if rows else None
            if index == 0:
                missing = cell is None
                row.append(before + timedelta(seconds=PERIOD_S) if missing else naive_time(cell, default_deviation_min))
            elif cell is None:
                row.append(before)
            elif isinstance(cell, Delta):
                row.append(before + int(cell))
            else:
                row.append(cell)
        rows.append(row)
    return rows


@settings(max_examples=60, deadline=None)
@given(buffer=buffers(), default_deviation_min=st.sampled_from([0, -60, 240]))
def test_the_columns_are_those_of_a_row_by_row_decoder(buffer: bytes, default_deviation_min: int):
    table = decode_profile(buffer, LAYOUT, default_deviation_min=default_deviation_min)
    rows = naive(buffer, default_deviation_min)
    assert table.rows == len(rows)
    assert table.time_epoch_s.tolist() == [int(row[0].timestamp()) for row in rows]
    for index in range(1, len(COLUMNS)):
        present = table.present[index]
        values = table.columns[index].tolist()
        found = values if present is None else [v if p else None for v, p in zip(values, present, strict=True)]
        assert found == [row[index] for row in rows]


@settings(max_examples=50, deadline=None)
@given(
    data=st.data(),
    rows=st.integers(0, 300),
    changes=st.integers(0, 100),
    tag=st.sampled_from([9, 25]),
    compress=st.booleans(),
)
def test_what_is_encoded_comes_back(data: st.DataObject, rows: int, changes: int, tag: int, compress: bool):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))

    def stepping(low: int, high: int):
        at = np.cumsum(rng.integers(0, 100, rows) < changes)
        return rng.integers(low, high, rows + 1)[at]

    start = data.draw(st.integers(-600_000_000, 4_000_000_000))
    times = start + PERIOD_S * np.arange(rows) + np.cumsum(rng.integers(0, 100, rows) < changes // 4) * 7
    deviation, clock_status = stepping(-2, 1) * 60, stepping(0, 2) * 0x80
    status, energy, power = stepping(0, 256), stepping(0, 2**32), stepping(-(2**31), 2**31)
    buffer = encode_profile(
        [
            TimeColumn(epoch_s=times, deviation_min=deviation, clock_status=clock_status, tag=tag, compress=compress),
            ValueColumn(values=status, tag=17, repeat_as_null=compress),
            ValueColumn(values=energy, tag=6),
            ValueColumn(values=power, tag=5, repeat_as_null=not compress),
        ],
        capture_period_s=PERIOD_S,
    )
    table = decode_profile(buffer, LAYOUT)
    for expected, found in (
        (times, table.time_epoch_s),
        (deviation, table.deviation_min),
        (clock_status, table.clock_status),
        (status, table.columns[1]),
        (energy, table.columns[2]),
        (power, table.columns[3]),
    ):
        assert np.array_equal(expected, found)


def check_refused_or_read(buffer: bytes) -> None:
    try:
        table = decode_profile(buffer, LAYOUT)
    except PeerError:
        return
    assert all(len(column) == table.rows for column in table.columns)
    assert table.to_arrow().num_rows == table.rows


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused(buffer: bytes):
    check_refused_or_read(buffer)


@settings(max_examples=150, deadline=None)
@given(buffers(), st.data())
def test_mutations_are_refused_or_read(buffer: bytes, data: st.DataObject):
    octets = bytearray(buffer)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(octets)))
    check_refused_or_read(bytes(octets))
    check_refused_or_read(bytes(octets[:cut]))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([3, 5, 6, 9, 17, 18, 25, 26, 0, 1, 2, 4]), min_size=4, max_size=4), st.binary(max_size=120)
)
def test_compact_arrays_of_any_content_are_refused_or_read(tags: list[int], contents: bytes):
    check_refused_or_read(bytes([0x13, 2, 4, *tags, len(contents)]) + contents)
