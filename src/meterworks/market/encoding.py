"""Readings as bytes: JSON, CSV, Arrow stream and Parquet, all built column by column.

A text row is the element-wise join of its columns' texts, and the joined Arrow array's data buffer is then the whole
answer: 19,056 rows take about 4 ms, against 26 ms for a list of dictionaries.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from meterworks.catalogue import Channel, Quality
from meterworks.market.errors import NotAcceptable
from meterworks.market.series import ChannelSeries, Period, SeriesResult
from meterworks.market.timestamp import format_times, format_utc

__all__ = ["ARROW", "CSV", "JSON", "MEDIA_TYPES", "PARQUET", "arrow_table", "choose_media_type", "encode"]

JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
MEDIA_TYPES = (JSON, CSV, ARROW, PARQUET)
ACCEPT_PARTS_MAX = 32

_QUALITY_NAMES = pa.array(
    [Quality(code).name.lower() if code in {q.value for q in Quality} else "" for code in range(max(Quality) + 1)]
)


def choose_media_type(accept: str | None) -> str:
    """The media type on offer that an Accept header likes best; JSON when it does not say or likes all the same.

    Raises NotAcceptable. Source: RFC 9110 section 12.5.1 (parameters other than `q` are ignored).
    """
    if accept is None or not accept.strip():
        return JSON
    best: tuple[float, str] | None = None
    for part in accept.split(",")[:ACCEPT_PARTS_MAX]:
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((_weight(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
        offered = next((media for media in MEDIA_TYPES if _matches(name, media)), None)
        if offered is not None and weight > 0 and (best is None or weight > best[0]):
            best = (weight, offered)
    if best is None:
        raise NotAcceptable(f"none of the accepted media types is offered; offered are {', '.join(MEDIA_TYPES)}")
    return best[1]


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _matches(pattern: str, media: str) -> bool:
    return pattern in ("*/*", media) or (pattern.endswith("/*") and media.startswith(pattern[:-1]))


def encode(result: SeriesResult, media_type: str) -> bytes:
    """The whole result in one of MEDIA_TYPES."""
    return _ENCODERS[media_type](result)


# --- text ---------------------------------------------------------------------------------------------------------


def _times(epochs_s: npt.NDArray[np.int64]) -> Any:
    rows = np.ascontiguousarray(format_times(epochs_s))
    fixed = pa.Array.from_buffers(pa.binary(20), len(rows), [None, pa.py_buffer(rows)])
    return fixed.cast(pa.binary()).cast(pa.string())


def _integers(values: npt.NDArray[Any]) -> Any:
    return pa.array(values).cast(pa.string())


def _flat(values: npt.NDArray[Any]) -> Any:
    """Integers that mostly are all the same, as flags and versions: then one text for all rows."""
    return str(values[0]) if len(values) and bool((values == values[0]).all()) else _integers(values)


def _qualities(codes: npt.NDArray[np.int16]) -> Any:
    places = codes.clip(0, len(_QUALITY_NAMES) - 1)
    if len(places) and bool((places == places[0]).all()):
        return _QUALITY_NAMES[int(places[0])].as_py()
    return pc.take(_QUALITY_NAMES, pa.array(places))


def _joined(parts: Sequence[Any]) -> memoryview:
    """The rows' texts behind one another: `parts` are texts repeated on each row, and arrays of texts (one at least).

    A view of Arrow's own buffer: a megabyte is not copied more often than needed.
    """
    rows = pc.binary_join_element_wise(*parts, "")
    _, offsets, data = rows.buffers()
    end = int(np.frombuffer(offsets, np.int32, count=len(rows) + 1)[-1])
    return memoryview(data)[:end]


def _columns(series: ChannelSeries) -> list[tuple[str, bool, Any]]:
    """(name, quoted in JSON, texts) of each column of a row."""
    if isinstance(series.rows, Period):
        rows = series.rows
        return [
            ("start", True, _times(rows.start_epoch_s)),
            ("end", True, _times(rows.end_epoch_s)),
            ("local_date", True, pa.array([day.isoformat() for day in rows.local_date], pa.string())),
            ("value", False, _integers(rows.value)),
            ("count", False, _integers(rows.count)),
            ("expected", False, _integers(rows.expected)),
        ]
    columns = series.rows
    return [
        ("start", True, _times(columns.start_epoch_s)),
        ("value", False, _integers(columns.value)),
        ("quality", True, _qualities(columns.quality)),
        ("flags", False, _flat(columns.flags)),
        ("version", False, _flat(columns.version)),
    ]


def _json_rows(series: ChannelSeries) -> bytes | memoryview:
    """The objects of the rows, joined by commas."""
    if series.row_count == 0:
        return b""
    parts: list[Any] = []
    text = "{"
    for name, quoted, texts in _columns(series):
        parts += [f'{text}"{name}":' + ('"' if quoted else ""), texts]
        text = '",' if quoted else ","
    parts.append(text.rstrip(",") + "},")
    return _joined(parts)[:-1]


def channel_facts(channel: Channel) -> dict[str, object]:
    """What a client must know to read a channel's values."""
    return {
        "channel": channel.code,
        "channel_id": channel.id,
        "unit": channel.unit,
        "scaler": channel.scaler,
        "interval_s": channel.interval_s,
        "kind": channel.kind,
    }


def _json(result: SeriesResult) -> bytes:
    head = orjson.dumps(
        {
            **result.subject,
            "from": format_utc(result.from_),
            "to": format_utc(result.to),
            "as_of": None if result.as_of is None else format_utc(result.as_of),
            "resolution": result.resolution,
            "tz": result.zone_name,
        }
    )
    pieces: list[bytes | memoryview] = [head[:-1], b',"series":[']
    for place, series in enumerate(result.series):
        facts = orjson.dumps(channel_facts(series.channel))
        pieces += [b"," if place else b"", facts[:-1], b',"readings":[', _json_rows(series), b"]}"]
    pieces += [b"],", orjson.dumps({"next": result.next_cursor})[1:]]
    return b"".join(pieces)


def _csv(result: SeriesResult) -> bytes:
    """One header line, then a line per reading; a channel code needs no quoting."""
    lines: list[bytes | memoryview] = []
    for series in result.series:
        columns = _columns(series)
        if not lines:
            lines.append(("channel,unit," + ",".join(name for name, _, _ in columns) + "\r\n").encode())
        if series.row_count == 0:
            continue
        parts: list[Any] = [f"{series.channel.code},{series.channel.unit}"]
        for _, _, texts in columns:
            parts += [",", texts]
        lines.append(_joined([*parts, "\r\n"]))
    return b"".join(lines)


# --- columnar -----------------------------------------------------------------------------------------------------


def _utc(epochs_s: npt.NDArray[np.int64]) -> Any:
    return pa.array(epochs_s, pa.int64()).cast(pa.timestamp("s", "UTC"))


def _series_table(series: ChannelSeries) -> pa.Table:
    count = series.row_count
    zeros = pa.array(np.zeros(count, np.int32))
    fields = {
        "channel": pa.DictionaryArray.from_arrays(zeros, pa.array([series.channel.code])),
        "unit": pa.DictionaryArray.from_arrays(zeros, pa.array([series.channel.unit])),
    }
    if isinstance(series.rows, Period):
        rows = series.rows
        fields |= {
            "start": _utc(rows.start_epoch_s),
            "end": _utc(rows.end_epoch_s),
            "local_date": pa.array(rows.local_date, pa.date32()),
            "value": pa.array(rows.value),
            "count": pa.array(rows.count),
            "expected": pa.array(rows.expected),
        }
        return pa.table(fields)
    columns = series.rows
    fields |= {
        "start": _utc(columns.start_epoch_s),
        "value": pa.array(columns.value),
        "quality": pa.DictionaryArray.from_arrays(
            pa.array(columns.quality.clip(0, len(_QUALITY_NAMES) - 1).astype(np.int32)), _QUALITY_NAMES
        ),
        "flags": pa.array(columns.flags),
        "version": pa.array(columns.version),
    }
    return pa.table(fields)


def arrow_table(result: SeriesResult) -> pa.Table:
    """The result as one table: channel, unit, start (UTC), value, and what the resolution adds."""
    return pa.concat_tables([_series_table(series) for series in result.series]).unify_dictionaries()


def _arrow(result: SeriesResult) -> bytes:
    table = arrow_table(result)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _parquet(result: SeriesResult) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(arrow_table(result), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


_ENCODERS = {JSON: _json, CSV: _csv, ARROW: _arrow, PARQUET: _parquet}
