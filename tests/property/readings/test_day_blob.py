"""Any day of readings survives its blob; any bytes give a day or DayBlobError."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.readings import DayBlobError, DayReadings, decode_day, encode_day

DAY = 19_999


@st.composite
def days(draw):
    offsets = sorted(draw(st.sets(st.integers(0, 86_399), min_size=1, max_size=60)))
    if draw(st.booleans()):
        step = draw(st.sampled_from((900, 1800, 3600)))
        offsets = [slot * step for slot in range(draw(st.integers(1, 24)))]
    count = len(offsets)

    def column(values):
        if draw(st.booleans()):
            return np.full(count, draw(values), dtype=np.int64)
        return np.array(draw(st.lists(values, min_size=count, max_size=count)), dtype=np.int64)

    return DayReadings(
        np.array(offsets, dtype=np.int64) + DAY * 86_400,
        column(st.integers(-(2**63), 2**63 - 1)),
        column(st.integers(0, 9)),
        column(st.integers(0, 2**31 - 1)),
        column(st.integers(1, 2**31 - 1)),
    )


@settings(max_examples=200, deadline=None)
@given(day=days())
def test_rows_survive_the_blob(day):
    back = decode_day(DAY, encode_day(DAY, day))
    for name in ("ts_s", "value", "quality", "flags", "version"):
        assert np.array_equal(getattr(back, name), getattr(day, name)), name


@settings(max_examples=300, deadline=None)
@given(blob=st.one_of(st.binary(max_size=80), days().map(lambda day: encode_day(DAY, day))), data=st.data())
def test_any_bytes_give_a_day_or_the_error(blob, data):
    if blob and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(blob) - 1))
        blob = blob[:place] + bytes([data.draw(st.integers(0, 255))]) + blob[place + 1 :]
    try:
        day = decode_day(DAY, blob)
    except DayBlobError:
        return
    assert len(day.value) == len(day.ts_s) == len(day.version)
