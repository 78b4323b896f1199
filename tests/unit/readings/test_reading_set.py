"""Messages of the readings stream: what is taken, and what is refused with which reason."""

import pyarrow as pa
import pytest

from meterworks.readings import ReadingSetError, Source, decode_reading_set

T = 1_700_006_400
HEADERS = {
    "schema": "reading-set",
    "version": "1",
    "device": "17",
    "profile": "load_import",
    "set_id": "abc",
    "range_start": str(T),
    "range_end": str(T + 3600),
    "received_at": "1700010000.250",
    "source": "push",
}
COLUMNS = {
    "channel": pa.array([12, 12], pa.int32()),
    "ts": pa.array([T, T + 1800], pa.int64()).cast(pa.timestamp("s")),
    "value": pa.array([5, 6], pa.int64()),
    "flags": pa.array([0, 128], pa.int32()),
}


def body(**replaced):
    table = pa.table({name: column for name, column in {**COLUMNS, **replaced}.items() if column is not None})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def test_a_set_is_decoded_with_its_headers():
    got = decode_reading_set(7, HEADERS, body())
    assert (got.sequence, got.device, got.set_id, got.source) == (7, 17, "abc", Source.PUSH)
    assert got.received_us == 1_700_010_000_250_000
    assert got.ts_s.tolist() == [T, T + 1800]
    assert got.value.tolist() == [5, 6]
    assert got.flags.tolist() == [0, 128]
    assert got.notice() == {
        "set_id": "abc", "device": 17, "profile": "load_import", "start": T, "end": T + 3600, "rows": 2,
    }  # fmt: skip


def test_a_null_value_is_no_reading():
    got = decode_reading_set(1, HEADERS, body(value=pa.array([None, 6], pa.int64())))
    assert (got.ts_s.tolist(), got.value.tolist(), got.flags.tolist()) == ([T + 1800], [6], [128])


def test_null_flags_are_none():
    assert decode_reading_set(1, HEADERS, body(flags=pa.array([None, 4], pa.int32()))).flags.tolist() == [0, 4]


def test_later_columns_and_headers_are_ignored():
    got = decode_reading_set(1, {**HEADERS, "trace": "x"}, body(phase=pa.array([1, 1])))
    assert got.rows == 2


def test_narrower_columns_are_taken():
    got = decode_reading_set(
        1, HEADERS, body(value=pa.array([5, 6], pa.uint16()), channel=pa.array([12, 12], pa.uint8()))
    )
    assert got.value.tolist() == [5, 6]


def test_an_empty_set_is_a_set():
    empty = {name: column.slice(0, 0) for name, column in COLUMNS.items()}
    assert decode_reading_set(1, HEADERS, body(**empty)).rows == 0


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"schema": "other"}, "not a reading-set"),
        ({"version": "2"}, "version"),
        ({"set_id": ""}, "set_id"),
        ({"set_id": "x" * 201}, "set_id"),
        ({"source": "guess"}, "source"),
        ({"device": "seventeen"}, "device"),
        ({"device": "0"}, "device"),
        ({"device": str(2**63)}, "device"),
        ({"range_start": ""}, "range_start"),
        ({"range_end": "-1"}, "range_end"),
        ({"received_at": "now"}, "received_at"),
        ({"received_at": "nan"}, "received_at"),
        ({"received_at": "1e30"}, "received_at"),
    ],
)
def test_wrong_headers_are_refused(headers, reason):
    with pytest.raises(ReadingSetError, match=reason):
        decode_reading_set(1, {**HEADERS, **headers}, body())


def test_missing_headers_are_refused():
    with pytest.raises(ReadingSetError):
        decode_reading_set(1, {}, body())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "no Arrow stream", id="empty"),
        pytest.param(b"\xff" * 200, "no Arrow stream", id="garbage"),
        pytest.param(body()[:-40], "no Arrow stream", id="cut"),
        pytest.param(body(value=None), "no Arrow stream", id="column missing"),
        pytest.param(body(value=pa.array(["5", "x"])), "no Arrow stream", id="text for a number"),
        pytest.param(body(ts=pa.array([None, T], pa.int64()).cast(pa.timestamp("s"))), "nulls", id="null instant"),
        pytest.param(body(channel=pa.array([12, None], pa.int32())), "nulls", id="null channel"),
        pytest.param(body(channel=pa.array([12, 999], pa.int32())), "999", id="unknown channel"),
        pytest.param(body(channel=pa.array([12, -1], pa.int32())), "-1", id="negative channel"),
        pytest.param(body(ts=pa.array([0, T], pa.int64()).cast(pa.timestamp("s"))), "before 2000", id="year 1970"),
        pytest.param(body(ts=pa.array([T, 2**40], pa.int64()).cast(pa.timestamp("s"))), "after 2099", id="far future"),
    ],
)
def test_wrong_bodies_are_refused(data, reason):
    with pytest.raises(ReadingSetError, match=reason):
        decode_reading_set(1, HEADERS, data)


def test_more_rows_than_the_limit_are_refused_before_they_fill_memory():
    count = 400_000
    schema = pa.schema([(name, column.type) for name, column in COLUMNS.items()])
    batch = pa.record_batch(
        [pa.array([12] * count, pa.int32()), pa.array([T] * count).cast(pa.timestamp("s")),
         pa.array([0] * count), pa.array([0] * count, pa.int32())], schema=schema,
    )  # fmt: skip
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        for _ in range(3):
            writer.write_batch(batch)
    with pytest.raises(ReadingSetError, match="more than 1000000 rows"):
        decode_reading_set(1, HEADERS, sink.getvalue().to_pybytes())
