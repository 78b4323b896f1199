"""No message, however mangled, raises anything but ReadingSetError."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.readings import ReadingSetError, decode_reading_set

T = 1_700_006_400
HEADERS = {
    "schema": "reading-set", "version": "1", "device": "17", "profile": "p", "set_id": "a",
    "range_start": "0", "range_end": "0", "received_at": "1700010000", "source": "pull",
}  # fmt: skip


def good_body():
    table = pa.table(
        {
            "channel": pa.array([12] * 40, pa.int32()),
            "ts": pa.array(range(T, T + 40 * 1800, 1800)).cast(pa.timestamp("s")),
            "value": pa.array(range(40)),
            "flags": pa.array([0] * 40, pa.int32()),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


GOOD = good_body()


def check_refused_or_whole(headers, data):
    try:
        found = decode_reading_set(1, headers, data)
    except ReadingSetError:
        return
    assert len(found.channel) == len(found.ts_s) == len(found.value) == len(found.flags)


@settings(max_examples=400, deadline=None)
@given(place=st.integers(0, len(GOOD) - 1), patch=st.binary(min_size=1, max_size=8), cut=st.integers(0, 3))
def test_mutated_bodies_decode_or_are_refused(place, patch, cut):
    data = GOOD[:place] + patch + GOOD[place + len(patch) :]
    check_refused_or_whole(HEADERS, data[: len(data) - cut])


@settings(max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=300),
    headers=st.dictionaries(st.sampled_from(sorted(HEADERS)), st.text(max_size=20), max_size=9),
)
def test_random_messages_are_refused(data, headers):
    check_refused_or_whole({**HEADERS, **headers}, data)
