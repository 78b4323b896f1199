"""Reading sets as the writer reads them: the two sides of the bus held against each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.headend.profile_rows import Readings
from meterworks.headend.reading_set import (
    COMPRESSED_ROWS_MIN,
    ReadingSet,
    encode_readings,
    register_readings,
    subject_of,
)
from meterworks.readings import READINGS_SUBJECTS, decode_reading_set

START = 1_772_323_200


def readings(count, value=lambda at: at):
    return Readings(
        channel=np.full(count, 12, np.int32),
        ts_epoch_s=START + 1800 * np.arange(count, dtype=np.int64),
        value=np.array([value(at) for at in range(count)], np.int64),
        flags=np.arange(count, dtype=np.int32) % 256,
        covered=(),
        absent=(),
    )


@pytest.mark.parametrize("count", [0, 1, 48, COMPRESSED_ROWS_MIN - 1, COMPRESSED_ROWS_MIN, 5000])
@pytest.mark.parametrize("source", ["pull", "push", "on-demand"])
def test_the_writer_reads_what_was_written(count, source):
    given_ = readings(count)
    one = ReadingSet.of(
        given_, device_id=70, profile="daily", span=(START, START + 9), source=source, received_at_epoch_s=START + 0.5
    )
    read = decode_reading_set(5, one.headers, one.data)
    assert (read.set_id, read.device, read.profile, read.rows) == (one.set_id, 70, "daily", count)
    assert (read.range_start, read.range_end, read.received_us) == (START, START + 9, (START * 10 + 5) * 100_000)
    assert read.ts_s.tolist() == given_.ts_epoch_s.tolist()
    assert read.value.tolist() == given_.value.tolist()
    assert read.flags.tolist() == given_.flags.tolist()
    assert read.channel.tolist() == [12] * count


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30))
def test_any_value_survives(values):
    one = ReadingSet.of(
        readings(len(values), values.__getitem__),
        device_id=1,
        profile="x",
        span=(0, 1),
        source="pull",
        received_at_epoch_s=float(START),
    )
    assert decode_reading_set(1, one.headers, one.data).value.tolist() == values


def test_each_set_has_a_number_of_its_own():
    made = {
        ReadingSet.of(readings(1), device_id=1, profile="x", span=(0, 1), source="pull", received_at_epoch_s=1.0).set_id
        for _ in range(100)
    }
    assert len(made) == 100


def test_long_sets_are_compressed():
    assert len(encode_readings(readings(20_000))) < 24 * 20_000 / 3


def test_registers_come_by_channel_at_their_instants():
    made = register_readings({26: (START + 1.7, 5), 16: (START + 1.2, 9)})
    assert made.channel.tolist() == [16, 26]
    assert made.ts_epoch_s.tolist() == [START + 1, START + 1]
    assert made.value.tolist() == [9, 5]


def test_the_sets_of_a_device_keep_to_one_subject_of_the_stream():
    assert subject_of(35) == subject_of(35) == "readings.set.3"
    prefix = READINGS_SUBJECTS.removesuffix(">")
    assert all(subject_of(device).startswith(prefix) for device in range(40))
