"""Rows of changing shape found together: true rows among false ones, and where a chain must end."""

import struct

import numpy as np
import pytest

from meterworks.errors import PeerError
from meterworks.protocols.dlms.descriptor import CLOCK_OBJECT, CaptureObject
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.dlms.profile import decode_profile
from meterworks.protocols.dlms.profile_chain import CANDIDATES_MAX, chain_rows
from meterworks.protocols.dlms.profile_layout import CaptureLayout

ENERGY = CaptureObject(3, ObisCode("1-0:1.29.0"), 2)
STATUS = CaptureObject(1, ObisCode("0-0:96.10.1"), 2)
HEADER = b"\x02\x02"


def chain(*rows: bytes, rows_max: int = 1000, times: tuple[bool, ...] = (False, False)):
    return chain_rows(np.frombuffer(b"".join(rows), np.uint8), 0, header=HEADER, times=times, rows_max=rows_max)


def test_rows_of_many_shapes_follow_one_another():
    rows = [HEADER + b"\x11\x05\x00", HEADER + b"\x00\x12\x01\x02", HEADER + b"\x09\x02ab\x11\x07"]
    found = chain(*rows)
    assert found.tags.tolist() == [[0x11, 0, 9], [0, 0x12, 0x11]]
    assert found.sizes.tolist() == [[1, 0, 2], [0, 2, 1]]
    assert found.starts.tolist() == [[3, 8, 15], [5, 9, 18]]
    assert found.end == sum(map(len, rows))


def test_headers_inside_values_are_no_rows():
    false = HEADER + b"\x06\x02\x02\x00\x00" + b"\x06\x02\x02\x11\x02"
    found = chain(*[false] * 5)
    assert found.count == 5
    assert found.starts[0].tolist() == [3 + 12 * row for row in range(5)]


@pytest.mark.parametrize(
    "trouble",
    [
        HEADER + b"\x07\x00",
        HEADER + b"\x01\x00\x00",
        HEADER + b"\x04\x08\xff\x00",
        HEADER + b"\x09\x81\x02ab\x00",
        HEADER + b"\x06\x00",
        b"\x02\x03\x00\x00\x00",
    ],
)
def test_a_chain_ends_before_the_row_that_needs_a_closer_look(trouble: bytes):
    sound = HEADER + b"\x11\x05\x00"
    found = chain(sound, sound, trouble)
    assert (found.count, found.end) == (2, 2 * len(sound))
    assert chain(trouble).count == 0


@pytest.mark.parametrize("cell", [b"\x11\x05", b"\x09\x02ab", b"\x18" + bytes(8)])
def test_a_chain_ends_before_a_time_that_is_none(cell: bytes):
    sound = HEADER + b"\x09\x0c" + bytes(12) + b"\x00"
    assert chain(sound, HEADER + cell + b"\x00", times=(True, False)).count == 1


def test_a_chain_takes_no_more_rows_than_asked():
    rows = [HEADER + b"\x00\x00"] * 10
    found = chain(*rows, rows_max=4)
    assert (found.count, found.end) == (4, 16)


def test_an_empty_buffer_holds_no_chain():
    assert chain(b"").count == 0


def test_a_restless_profile_is_read_in_chains():
    rng = np.random.default_rng(7)
    count = 3 * CANDIDATES_MAX
    energy = rng.choice([1, 0x0202, 0x02020011, 0x12020206], count)
    restless = rng.integers(0, 2, count)
    rows = [
        HEADER + (b"\x00" if null else b"\x11\x02") + struct.pack(">BI", 6, value)
        for null, value in zip(restless.tolist(), energy.tolist(), strict=True)
    ]
    buffer = b"\x01\x82" + struct.pack(">H", count) + b"".join(rows)
    layout = CaptureLayout.compile([STATUS, ENERGY], 1800)
    asked = 0
    shape_at = CaptureLayout.shape_at

    class Counted(CaptureLayout):
        def shape_at(self, buffer: bytes, offset: int):
            nonlocal asked
            asked += 1
            return shape_at(self, buffer, offset)

    table = decode_profile(buffer, Counted.compile(layout.objects, 1800))
    assert np.array_equal(table.columns[1], energy)
    assert asked < 100


def test_trouble_in_a_restless_profile_is_named_at_its_octet():
    rows = [HEADER + (b"\x00" if index % 2 else b"\x11\x02") + b"\x12\x00\x05" for index in range(100)]
    buffer = bytes([1, 101]) + b"".join(rows) + HEADER + b"\x07\x00"
    with pytest.raises(PeerError, match="tag 7") as caught:
        decode_profile(buffer, CaptureLayout.compile([STATUS, ENERGY], 1800))
    assert caught.value.facts["offset"] == len(buffer) - 2


def test_times_in_a_restless_profile_are_read():
    stamp = b"\x09\x0c" + bytes.fromhex("07e9 01 02 04 03 00 00 00 0000 00")
    rows = [HEADER + (b"\x00" if index % 3 else stamp) + b"\x12\x00\x05" for index in range(120)]
    table = decode_profile(bytes([1, 120]) + b"".join(rows), CaptureLayout.compile([CLOCK_OBJECT, ENERGY], 60))
    assert table.time_epoch_s.tolist() == [1_735_786_800 + 60 * (index % 3) for index in range(120)]
