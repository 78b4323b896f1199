"""Readings warehouse and writer: rows per second, bytes per stored reading, time of one meter's questions.

The warehouse is filled with half-hourly import of 13 months, in the order in which a head-end brings it (meter by
meter, in any order of meters), merged, and asked about single meters; the same question goes to Iceberg's own scan for
comparison. The writer takes reading sets of 13 months from a bus in memory. Values come from real households where
the shared data is at hand, else from a generator with a daily shape. One JSON line goes to standard output.

    python -m benchmarks.warehouse [--meters 2000] [--writer-meters 200]
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog

from meterworks.readings import (
    ReadingsProgress,
    ReadingStore,
    RecentDay,
    RejectedSet,
    Writer,
    WriterSettings,
    ensure_reading_streams,
)
from meterworks.runtime import Database, MemoryBus, SystemClock, WarehouseSettings
from meterworks.runtime.warehouse import Warehouse

INTERVALS: Final = 19_056  # 397 days of half-hours
METERS_PER_COMMIT: Final = 100
QUESTIONS: Final = 100
CHANNEL: Final = 12
END: Final = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
START_S: Final = int(END.timestamp()) - INTERVALS * 1800
STAMPS: Final = START_S + 1800 * np.arange(INTERVALS, dtype=np.int64)
Int64s = npt.NDArray[np.int64]


def household_values() -> Callable[[int], Int64s]:
    """Values of a meter by its number, in Wh."""
    shared = Path(os.environ.get("METERWORKS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    file = shared / "data" / "lcl_2013_hh.parquet"
    random = np.random.default_rng(1)
    if file.is_file():
        table = pq.read_table(file)
        columns = [table[name] for name in table.column_names if pa.types.is_int32(table[name].type)]
        homes = [column.fill_null(0).to_numpy().astype(np.int64) for column in columns]
    else:
        shape = 150 + 120 * np.sin(np.arange(INTERVALS) * 2 * np.pi / 48)
        homes = [random.gamma(2.0, shape / 2.0).astype(np.int64) for _ in range(50)]
    place = np.arange(INTERVALS)

    def values(meter: int) -> Int64s:
        home = homes[meter % len(homes)]
        return np.maximum(0, home[place % len(home)] + random.integers(-9, 10, INTERVALS))

    return values


def rows_of(meters: list[int], values: Callable[[int], Int64s]) -> pa.Table:
    """Rows as the writer appends them."""
    count = len(meters) * INTERVALS
    received = np.repeat(int(END.timestamp()) + np.arange(len(meters)), INTERVALS) * 1_000_000
    ones = pa.array(np.ones(count, dtype=np.int32))
    zeros = pa.array(np.zeros(count, dtype=np.int32))
    return pa.table(
        {
            "device": np.repeat(np.array(meters, dtype=np.int64), INTERVALS),
            "channel": np.full(count, CHANNEL, dtype=np.int32),
            "ts": pa.array(np.tile(STAMPS, len(meters)) * 1_000_000).view(pa.timestamp("us")),
            "value": np.concatenate([values(meter) for meter in meters]),
            "quality": zeros,
            "flags": zeros,
            "version": ones,
            "source": ones,
            "received_at": pa.array(received).view(pa.timestamp("us")),
        }
    )


def timed(call: Callable[[int], object], meters: npt.NDArray[np.int64]) -> dict[str, float]:
    """Median and 99th percentile in ms of a question about each of the meters, the first three left out."""
    took = []
    for meter in meters.tolist():
        started = time.perf_counter()
        call(meter)
        took.append(1000 * (time.perf_counter() - started))
    return {"p50_ms": float(np.percentile(took[3:], 50)), "p99_ms": float(np.percentile(took[3:], 99))}


def fill(warehouse: Warehouse, order: list[int], values: Callable[[int], Int64s]) -> dict[str, float]:
    """Append all meters; gives the rates, and that of bare Parquet for the same rows."""
    wall_s = cpu_s = bare_s = 0.0
    for place in range(0, len(order), METERS_PER_COMMIT):
        rows = rows_of(order[place : place + METERS_PER_COMMIT], values)
        if place == 0:
            started_cpu = time.process_time()
            pq.write_table(rows, pa.BufferOutputStream(), compression="zstd")
            bare_s = time.process_time() - started_cpu
            bare_rows = rows.num_rows
        started, started_cpu = time.perf_counter(), time.process_time()
        warehouse.append(rows, position=place + 1)
        wall_s += time.perf_counter() - started
        cpu_s += time.process_time() - started_cpu
    total = len(order) * INTERVALS
    return {
        "rows_per_s": total / wall_s,
        "rows_per_cpu_s": total / cpu_s,
        "share_of_bare_parquet": (total / cpu_s) / (bare_rows / bare_s),
    }


def merge(warehouse: Warehouse) -> dict[str, float]:
    """Merge all small files, as if all months were finished."""
    started, rows = time.perf_counter(), 0
    while (report := warehouse.compact(END + timedelta(days=62))).more:
        rows += report.rows
    return {"seconds": time.perf_counter() - started, "rows_per_s": rows / (time.perf_counter() - started)}


def ask(warehouse: Warehouse, meters: npt.NDArray[np.int64]) -> dict[str, object]:
    """Single meters by our plan and DuckDB, and by Iceberg's own scan."""
    sql = (
        "SELECT channel, ts, value, quality, flags, version FROM readings"
        " WHERE device = $device AND channel IN ($channel)"
        " AND ts >= make_timestamp($from_us) AND ts < make_timestamp($to_us) ORDER BY channel, ts, version"
    )
    end_s = int(END.timestamp())

    def question(days: int) -> Callable[[int], object]:
        from_s = end_s - days * 86_400

        def call(meter: int) -> object:
            plan = warehouse.plan({meter}, from_s, end_s)
            bounds = {"device": meter, "channel": CHANNEL, "from_us": from_s * 1_000_000, "to_us": end_s * 1_000_000}
            return warehouse.query(sql, bounds, plan=plan)

        return call

    catalogue = SqlCatalog("meterworks", uri=warehouse.settings.catalog_url)
    table = catalogue.load_table("meterworks.readings")
    since = datetime.fromtimestamp(end_s - 7 * 86_400, UTC).replace(tzinfo=None).isoformat()

    def scan(meter: int) -> object:
        row_filter = f"device == {meter} and shard == {meter % warehouse.shards} and ts >= '{since}'"
        return table.scan(row_filter=row_filter).to_arrow()

    week = timed(question(7), meters)
    own_scan = timed(scan, meters[:10])
    catalogue.engine.dispose()
    started = time.perf_counter()
    warehouse.query("SELECT device, channel, min(ts), max(ts) FROM readings GROUP BY ALL")
    return {
        "one_meter_7_days": week,
        "one_meter_13_months": timed(question(397), meters),
        "one_meter_7_days_times_faster_than_iceberg_scan": own_scan["p50_ms"] / week["p50_ms"],
        "bounds_of_all_series_s": time.perf_counter() - started,
    }


def set_message(meter: int, values: Int64s) -> tuple[bytes, dict[str, str]]:
    """A reading set of 13 months as a head-end publishes it."""
    table = pa.table(
        {
            "channel": pa.array(np.full(INTERVALS, CHANNEL, dtype=np.int32)),
            "ts": pa.array(STAMPS).view(pa.timestamp("s")),
            "value": pa.array(values),
            "flags": pa.array(np.zeros(INTERVALS, dtype=np.int32)),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_table(table)
    headers = {"schema": "reading-set", "version": "1", "profile": "load_import", "source": "pull"}
    headers |= {"device": str(meter), "set_id": uuid.uuid4().hex, "received_at": str(END.timestamp())}
    headers |= {"range_start": str(START_S), "range_end": str(int(END.timestamp()))}
    return sink.getvalue().to_pybytes(), headers


def folder_size(folder: Path, pattern: str) -> int:
    """Bytes of the files."""
    return sum(path.stat().st_size for path in folder.glob(pattern))


async def write(folder: Path, meters: int, values: Callable[[int], Int64s]) -> dict[str, object]:
    """The writer alone: stream to committed rows, recent days and notices; then the same sets once more."""
    warehouse = Warehouse(
        WarehouseSettings(location=str(folder / "files"), catalog_url=f"sqlite:///{folder}/catalog.sqlite3")
    )
    database = Database(f"sqlite:///{folder}/db.sqlite3")
    await database.create_tables(*(model.__table__ for model in (ReadingsProgress, RecentDay, RejectedSet)))
    bus = MemoryBus()
    clock = SystemClock()
    writer = Writer(bus=bus, warehouse=warehouse, database=database, clock=clock, settings=WriterSettings(quiet_s=0.01))
    await writer.recover()
    await ensure_reading_streams(bus)
    sets = [set_message(meter, values(meter)) for meter in range(1, meters + 1)]

    async def run() -> tuple[float, float]:
        for meter, (data, headers) in enumerate(sets):
            await bus.publish(f"readings.set.{meter % 16}", data, headers={**headers, "set_id": uuid.uuid4().hex})
        started, started_cpu = time.perf_counter(), time.process_time()
        while await writer.step():
            pass
        return meters * INTERVALS / (time.perf_counter() - started), meters * INTERVALS / (
            time.process_time() - started_cpu
        )

    per_s, per_cpu_s = await run()
    again_per_s, _ = await run()
    if warehouse.statistics().rows != meters * INTERVALS:
        raise SystemExit("the writer lost or doubled readings")
    store = ReadingStore(warehouse=warehouse, database=database)
    took = []
    for meter in range(1, min(meters, QUESTIONS) + 1):
        started = time.perf_counter()
        await store.by_device(meter, [CHANNEL], END - timedelta(days=7), END)
        took.append(1000 * (time.perf_counter() - started))
    await bus.close()
    await database.close()
    warehouse.close()
    size = folder_size(folder, "db.sqlite3*")
    return {
        "readings_per_s": per_s,
        "readings_per_cpu_s": per_cpu_s,
        "known_readings_per_s": again_per_s,
        "recent_days_bytes_per_reading": size / (meters * 100 * 48),
        "store_7_days": {"p50_ms": float(np.percentile(took[3:], 50)), "p99_ms": float(np.percentile(took[3:], 99))},
    }


def main() -> int:
    """Measure, print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warehouse", description=__doc__)
    parser.add_argument("--meters", type=int, default=2000)
    parser.add_argument("--writer-meters", type=int, default=200)
    arguments = parser.parse_args()
    values = household_values()
    with tempfile.TemporaryDirectory(prefix="meterworks-bench-") as name:
        folder = Path(name)
        settings = WarehouseSettings(location=str(folder / "files"), catalog_url=f"sqlite:///{folder}/catalog.sqlite3")
        warehouse = Warehouse(settings)
        result: dict[str, object] = {"meters": arguments.meters, "readings": arguments.meters * INTERVALS}
        result["append"] = fill(
            warehouse, np.random.default_rng(2).permutation(np.arange(1, arguments.meters + 1)).tolist(), values
        )
        before = warehouse.statistics()
        result["merge"] = merge(warehouse)
        after = warehouse.statistics()
        result["bytes_per_reading"] = {
            "appended": before.size_bytes / before.rows,
            "merged": after.size_bytes / after.rows,
        }
        result["files"] = {"appended": before.files, "merged": after.files}
        meters = np.random.default_rng(3).integers(1, arguments.meters + 1, QUESTIONS)
        result |= ask(warehouse, meters)
        warehouse.close()
        (folder / "writer").mkdir()
        result["writer"] = asyncio.run(write(folder / "writer", arguments.writer_meters, values))
    result["memory_mb"] = psutil.Process().memory_info().rss / 2**20
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
