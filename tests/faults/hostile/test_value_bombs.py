"""Few octets that stand for millions of values: a compact array's parts of null-data have no content of their own.

Found by the fuzz target: 66 octets kept a decoder busy for 3 s, 1.3 kB for a minute and a half.
"""

import pytest

from meterworks.protocols.dlms import decode, decode_typed
from meterworks.protocols.errors import DecodeError

NULLS = b"\x01\xff\xff\x00"  # description of an array of 65,535 null-data


def compact(description: bytes, contents: bytes) -> bytes:
    return b"\x13" + description + bytes((len(contents),)) + contents


WIDE = compact(b"\x02\x10" + NULLS * 15 + b"\x11", b"\x05")
DEEP = compact(b"\x01\xff\xff" * 8 + b"\x00", b"\x05")
FOUND = bytes.fromhex("13014a240101ff000100fd01ffffc9ffff")


@pytest.mark.parametrize("bomb", [WIDE, DEEP, FOUND, b"\x01\x14" + WIDE * 20], ids=["wide", "deep", "found", "many"])
def test_values_without_octets_are_bounded_by_the_octets_there_are(bomb: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(bomb)


@pytest.mark.parametrize("nulls", [1, 4, 7])
def test_rows_with_a_few_empty_columns_are_taken(nulls: int) -> None:
    rows = compact(b"\x02" + bytes((nulls + 1,)) + b"\x00" * nulls + b"\x11", b"\x01\x02\x03")
    assert decode(rows) == ([(None,) * nulls + (number,) for number in (1, 2, 3)], len(rows))
    assert decode_typed(rows)[1] == len(rows)
