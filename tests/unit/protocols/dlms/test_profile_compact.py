"""Profiles written as compact arrays: the octets, and the same columns when they are read."""

import numpy as np
import pytest

from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    CaptureLayout,
    CaptureObject,
    ObisCode,
    Tag,
    TimeColumn,
    ValueColumn,
    decode_all,
    decode_profile,
    decode_table,
    encode_compact_profile,
    encode_profile,
    end_of,
)
from meterworks.protocols.errors import EncodeError

START = 1_767_225_600  # 2026-01-01, UTC
COLUMNS = [CLOCK_OBJECT, CaptureObject(1, ObisCode("0-0:96.10.1"), 2), CaptureObject(3, ObisCode("1-0:1.8.0"), 2)]


def columns(
    rows: int, *, time_tag: int = Tag.OCTET_STRING, value_tag: int = Tag.DOUBLE_LONG_UNSIGNED
) -> list[TimeColumn | ValueColumn]:
    return [
        TimeColumn(epoch_s=START + 1800 * np.arange(rows), tag=time_tag),
        ValueColumn(values=np.arange(rows) % 4, tag=Tag.UNSIGNED, repeat_as_null=True),
        ValueColumn(values=np.arange(rows) * 17 % 30_000, tag=value_tag),
    ]


def test_types_stand_once_and_contents_back_to_back() -> None:
    written = encode_compact_profile(columns(2, time_tag=Tag.DATE_TIME))
    head, stamp = "13020319110622", "07ea010104{:02x}{:02x}0000000000"
    assert written.hex() == head + stamp.format(0, 0) + "0000000000" + stamp.format(0, 30) + "0100000011"


@pytest.mark.parametrize("rows", [0, 1, 2, 48, 1440])
@pytest.mark.parametrize("time_tag", [Tag.OCTET_STRING, Tag.DATE_TIME])
@pytest.mark.parametrize("value_tag", [Tag.LONG, Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG64, Tag.FLOAT32, Tag.FLOAT64])
def test_compact_profile_reads_as_the_plain_one(rows: int, time_tag: int, value_tag: int) -> None:
    given = columns(rows, time_tag=time_tag, value_tag=value_tag)
    compact = encode_compact_profile(given)
    assert end_of(compact) == len(compact)
    assert len(decode_all(compact)) == rows
    layout = CaptureLayout.compile(COLUMNS, 1800)
    mine, plain = decode_profile(compact, layout), decode_profile(encode_profile(given, capture_period_s=1800), layout)
    assert mine.rows == plain.rows == rows
    assert mine.time_epoch_s.tolist() == plain.time_epoch_s.tolist()
    for one, other in zip(mine.columns, plain.columns, strict=True):
        assert one.tolist() == other.tolist()
    if rows:
        assert decode_table(compact).columns[2].tolist() == plain.columns[2].tolist()


def test_compact_is_smaller_than_full_rows() -> None:
    full = [TimeColumn(epoch_s=START + 1800 * np.arange(100), compress=False), *columns(100)[1:]]
    assert len(encode_compact_profile(full)) < len(encode_profile(full, capture_period_s=1800))


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(EncodeError):
        encode_compact_profile([columns(2)[0], columns(3)[1]])
