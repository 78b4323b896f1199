"""Writing profile buffers: exact octets for small ones, and what is refused."""

import numpy as np
import pytest

from meterworks.errors import UsageError
from meterworks.protocols.dlms.profile_encode import TimeColumn, ValueColumn, encode_profile

EPOCH = 1_735_786_800  # Thursday 2 January 2025, 03:00 UTC


def test_times_and_repeated_values_are_left_out():
    octets = encode_profile(
        [
            TimeColumn(epoch_s=np.array([EPOCH, EPOCH + 1800, EPOCH + 5400])),
            ValueColumn(values=np.array([0, 0, 8]), tag=17, repeat_as_null=True),
            ValueColumn(values=np.array([1, 1, 2]), tag=18),
        ],
        capture_period_s=1800,
    )
    assert octets == bytes.fromhex(
        "0103 0203 090c 07e9 01 02 04 03 00 00 00 0000 00 1100 120001"
        "     0203 00 00 120001"
        "     0203 090c 07e9 01 02 04 04 1e 00 00 0000 00 1108 120002"
    )


def test_a_change_of_deviation_or_daylight_saving_gives_a_full_stamp():
    octets = encode_profile(
        [
            TimeColumn(
                epoch_s=EPOCH + 1800 * np.arange(4),
                deviation_min=np.array([0, -60, -60, -60]),
                clock_status=np.array([0, 0x80, 0x80, 0]),
                tag=25,
            )
        ],
        capture_period_s=1800,
    )
    assert octets == bytes.fromhex(
        "0104 0201 19 07e9 01 02 04 03 00 00 00 0000 00"
        "     0201 19 07e9 01 02 04 04 1e 00 00 ffc4 80"
        "     0201 00"
        "     0201 19 07e9 01 02 04 05 1e 00 00 ffc4 00"
    )


@pytest.mark.parametrize("options", [{"capture_period_s": 0}, {"compress": False}])
def test_stamps_are_written_in_full_when_asked(options: dict):
    period_s = options.pop("capture_period_s", 1800)
    octets = encode_profile([TimeColumn(epoch_s=EPOCH + 1800 * np.arange(3), **options)], capture_period_s=period_s)
    assert octets.count(b"\x09\x0c\x07\xe9") == 3


@pytest.mark.parametrize("epoch_s", [-1, 0, 951_782_400, 4_102_444_799, 2**32])
def test_calendar_fields_agree_with_the_standard_library(epoch_s: int):
    from datetime import UTC, datetime, timedelta

    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=epoch_s)
    octets = encode_profile([TimeColumn(epoch_s=np.array([epoch_s]))])
    fields = (moment.month, moment.day, moment.isoweekday(), moment.hour, moment.minute, moment.second)
    assert octets[6:8] == moment.year.to_bytes(2, "big")
    assert tuple(octets[8:14]) == fields


def test_no_rows_give_an_empty_array():
    assert encode_profile([ValueColumn(values=np.array([], np.int64), tag=6)]) == b"\x01\x00"


@pytest.mark.parametrize(("tag", "value"), [(17, 256), (17, -1), (15, 128), (18, 65_536), (6, 2**32), (16, -32_769)])
def test_a_value_beyond_its_type_is_refused(tag: int, value: int):
    with pytest.raises(UsageError, match="does not fit"):
        ValueColumn(values=np.array([value]), tag=tag)


@pytest.mark.parametrize("tag", [9, 0, 1, 28, 255])
def test_a_column_of_no_number_type_is_refused(tag: int):
    with pytest.raises(UsageError, match="numbers of fixed size"):
        ValueColumn(values=np.array([1]), tag=tag)


def test_a_time_of_another_tag_is_refused():
    with pytest.raises(UsageError, match="tag 9 or 25"):
        TimeColumn(epoch_s=np.array([0]), tag=6)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(UsageError, match="one length"):
        encode_profile([ValueColumn(values=np.arange(2), tag=6), ValueColumn(values=np.arange(3), tag=6)])


def test_too_many_columns_are_refused():
    with pytest.raises(UsageError, match="at most 62"):
        encode_profile([ValueColumn(values=np.arange(2), tag=6)] * 63)
