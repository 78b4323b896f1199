"""Day blobs: the documented bytes, and refusal of anything else."""

import numpy as np
import pytest

from meterworks.readings import DayBlobError, DayReadings, decode_day, encode_day
from meterworks.readings.day_blob import encode_days

DAY = 20_000
MIDNIGHT = DAY * 86_400


def day_of(offsets, values, *, quality=0, flags=0, version=1):
    count = len(offsets)

    def column(given):
        return np.array(given if isinstance(given, list) else [given] * count, dtype=np.int64)

    return DayReadings(
        MIDNIGHT + np.array(offsets, dtype=np.int64), column(values), column(quality), column(flags), column(version)
    )


def test_a_regular_day_takes_its_header_and_its_values():
    blob = encode_day(DAY, day_of(list(range(0, 86_400, 1800)), [300] * 48))
    assert len(blob) == 23 + 48 * 2
    assert blob[:3] == bytes([1, 2, 0])
    assert int.from_bytes(blob[3:5], "little") == 48
    assert int.from_bytes(blob[9:13], "little") == 1800
    assert blob[23:25] == (300).to_bytes(2, "little")


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ([0, 127], 1),
        ([-128, 5], 1),
        ([128, 0], 2),
        ([-129, 0], 2),
        ([32768, 0], 4),
        ([2**31, 0], 8),
        ([-(2**63), 0], 8),
    ],
)
def test_values_take_the_least_size_that_holds_them(values, size):
    blob = encode_day(DAY, day_of([0, 1800], values))
    assert blob[1] == size
    assert decode_day(DAY, blob).value.tolist() == values


@pytest.mark.parametrize(
    "day",
    [
        pytest.param(day_of([0], [5]), id="one reading"),
        pytest.param(day_of([86_399], [5], version=3), id="last second"),
        pytest.param(day_of([0, 1800, 5400], [1, 2, 3]), id="a gap"),
        pytest.param(day_of([0, 1705, 3600], [1, 2, 3]), id="off the grid"),
        pytest.param(day_of([0, 1800, 3600], [1, 2, 3], quality=[0, 8, 0]), id="one derived"),
        pytest.param(day_of([0, 1800, 3600], [1, 2, 3], flags=[0, 256 | 128, 0], version=[1, 2, 1]), id="flagged"),
        pytest.param(day_of([0, 1800], [1, 2], quality=7, flags=1024, version=9), id="all the same"),
    ],
)
def test_what_goes_in_comes_out(day):
    back = decode_day(DAY, encode_day(DAY, day))
    for name in ("ts_s", "value", "quality", "flags", "version"):
        assert getattr(back, name).tolist() == getattr(day, name).tolist(), name


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda blob: b"", id="empty"),
        pytest.param(lambda blob: blob[:10], id="header cut"),
        pytest.param(lambda blob: blob[:-1], id="value cut"),
        pytest.param(lambda blob: blob + b"\0", id="a byte too many"),
        pytest.param(lambda blob: b"\2" + blob[1:], id="unknown format"),
        pytest.param(lambda blob: blob[:1] + b"\3" + blob[2:], id="value size 3"),
        pytest.param(lambda blob: blob[:2] + b"\x10" + blob[3:], id="unknown array"),
    ],
)
def test_damage_is_told(spoil):
    blob = encode_day(DAY, day_of([0, 1800], [1, 2]))
    with pytest.raises(DayBlobError, match="damaged"):
        decode_day(DAY, spoil(blob))


@pytest.mark.parametrize("offsets", [[], [-1], [86_400], [0, 86_400]])
def test_readings_outside_their_day_are_refused(offsets):
    with pytest.raises((DayBlobError, IndexError)):
        encode_day(DAY, day_of(offsets, [1] * len(offsets)))


def test_many_days_are_packed_as_each_by_itself():
    half_hours = list(range(0, 86_400, 1800))
    days = [
        day_of(half_hours, list(range(48))),
        day_of([1800], [-129]),
        day_of([0, 3600], [2**40, 5], flags=512),
        day_of([0, 1800, 5400], [1, 2, 3]),  # a gap
        day_of(half_hours, [70_000] * 48, quality=[0] * 47 + [6]),
        day_of(half_hours[:5], [1, 2, 3, 4, 5], flags=[0, 0, 128, 0, 0]),
        day_of(half_hours[:3], [7, 8, 9], version=[1, 2, 1]),
        day_of(half_hours[1:], [200] * 47, version=2),
    ]
    starts = np.cumsum([0, *(len(day) for day in days[:-1])])
    names = ("ts_s", "value", "quality", "flags", "version")
    joined = DayReadings(*(np.concatenate([getattr(day, name) for day in days]) for name in names))
    assert encode_days(starts, joined) == [encode_day(DAY, day) for day in days]
