"""The API's p50 and p99: "7 days" and "13 months" of one meter among 2,000 meters times 13 months, and small endpoints.

    python -m benchmarks.api [--meters 2000] [--folder DIR]

Builds a warehouse with synthetic half-hours through the real warehouse class (or reuses DIR), serves the real
application with uvicorn in a process of its own, and asks over loopback with one connection, like one client would.
Prints JSON.
"""

import argparse
import asyncio
import http.client
import json
import multiprocessing
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import uvicorn

from meterworks.catalogue import Medium, Role
from meterworks.headend import HeadendQueries, HeadendSettings
from meterworks.market import Accounts, MarketServices, MarketSettings, NewUser
from meterworks.market.api import create_api
from meterworks.readings import ReadingsProgress, ReadingStore, rebuild_recent_days
from meterworks.registry import DeviceId, Installation, NewDevice, Registry, UsagePoint, UsagePointId
from meterworks.runtime import Database, ManualClock, MemoryBus, WarehouseSettings, insert_many
from meterworks.runtime.warehouse import Warehouse
from meterworks.trust import KeyStore

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAYS = 397  # 13 months: 19,056 half-hours
START = NOW - timedelta(days=DAYS)
RECENT_DAYS = 100
METERS_PER_COMMIT = 250
PASSWORD = "a password for benchmarks"
WARM_UP = 20


def _open_warehouse(folder: Path) -> Warehouse:
    return Warehouse(
        WarehouseSettings(location=str(folder / "warehouse"), catalog_url=f"sqlite:///{folder / 'catalog.sqlite3'}")
    )


def _readings(devices: range, random: np.random.Generator) -> pa.Table:
    starts = np.arange(int(START.timestamp()), int(NOW.timestamp()), 1800, dtype=np.int64)
    count = len(starts) * len(devices)
    ts = np.tile(starts, len(devices))
    return pa.table(
        {
            "device": np.repeat(np.array(devices, np.int64), len(starts)),
            "channel": np.full(count, 12, np.int32),
            "ts": pa.array(ts * 1_000_000).view(pa.timestamp("us")),
            "value": random.gamma(1.2, 180.0, count).astype(np.int64),
            "quality": np.zeros(count, np.int32),
            "flags": np.zeros(count, np.int32),
            "version": np.ones(count, np.int32),
            "source": np.zeros(count, np.int32),
            "received_at": pa.array((ts + 3600) * 1_000_000).view(pa.timestamp("us")),
        }
    )


async def _build(folder: Path, meters: int) -> None:
    """Registry, warehouse and recent days of so many meters."""
    database = Database(f"sqlite:///{folder / 'meterworks.sqlite3'}")
    await database.create_tables()
    registry = Registry(database, KeyStore.open(folder / "keys" / "master"), clock=ManualClock(NOW))
    await registry.seed_channels()
    await registry.add_usage_points(
        [
            UsagePoint(id=UsagePointId(f"MP{n:08}"), medium=Medium.ELECTRICITY, time_zone="Europe/London")
            for n in range(1, meters + 1)
        ]
    )
    ids = await registry.add_devices(
        [
            NewDevice(
                identity=f"4d5745{n:010x}",
                serial=f"S{n:08}",
                manufacturer="MWE",
                model="MW-1P",
                firmware="1.0.0",
                medium=Medium.ELECTRICITY,
                phases=1,
                address="127.0.0.1:4059",
            )
            for n in range(1, meters + 1)
        ]
    )
    await registry.add_installations(
        [Installation(device_id=DeviceId(n), usage_point_id=UsagePointId(f"MP{n:08}"), starts_at=START) for n in ids]
    )
    await Accounts(database).add_user(NewUser(name="bench", password=PASSWORD, role=Role.OPERATOR))
    warehouse = _open_warehouse(folder)
    random = np.random.default_rng(1)
    for place, first in enumerate(range(1, meters + 1, METERS_PER_COMMIT), 1):
        devices = range(first, min(first + METERS_PER_COMMIT, meters + 1))
        warehouse.append(_readings(devices, random), position=place)
    while warehouse.compact(NOW).more:
        pass
    recent_from = int((NOW - timedelta(days=RECENT_DAYS)).timestamp()) // 86_400
    await rebuild_recent_days(warehouse, database, from_day=recent_from)
    async with database.transaction() as connection:
        row = {"name": "writer", "epoch": "", "sequence": place, "recent_from_day": recent_from}
        await insert_many(connection, ReadingsProgress, [row])
    warehouse.close()
    await database.close()


def _serve(folder: Path, port: int) -> None:
    """The application as the web process serves it."""

    async def run() -> None:
        database = Database(f"sqlite:///{folder / 'meterworks.sqlite3'}")
        clock, bus = ManualClock(NOW), MemoryBus()

        async def status(_: bytes) -> bytes:
            return b"{}"

        for subject in ("headend.status", "readings.status"):
            await bus.respond(subject, status)
        keystore = KeyStore.open(folder / "keys" / "master")
        services = MarketServices(
            database=database,
            bus=bus,
            clock=clock,
            registry=Registry(database, keystore, clock=clock),
            keystore=keystore,
            readings=ReadingStore(warehouse=_open_warehouse(folder), database=database),
            collection=HeadendQueries(database),
            headend_settings=HeadendSettings(),
        )
        app = create_api(services, replace(MarketSettings(), token_lifetime_s=86_400))
        config = uvicorn.Config(
            app, host="127.0.0.1", port=port, http="httptools", loop="uvloop", log_config=None, access_log=False
        )
        await uvicorn.Server(config).serve()

    asyncio.run(run())


class _Client:
    """One keep-alive connection that reads whole answers."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers: dict[str, str] = {}

    def log_in(self) -> None:
        body = json.dumps({"user": "bench", "password": PASSWORD})
        self._connection.request("POST", "/api/v1/tokens", body, {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        self._headers = {"Authorization": f"Bearer {answer['token']}"}

    def get(self, path: str, accept: str = "application/json") -> bytes:
        self._connection.request("GET", path, headers={**self._headers, "Accept": accept})
        response = self._connection.getresponse()
        body = response.read()
        assert response.status == 200, body[:300]
        return body


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def _measure(ask: Callable[[int], bytes], count: int) -> dict[str, Any]:
    size = 0
    for number in range(WARM_UP):
        size = len(ask(number))
    times = np.empty(count)
    for number in range(count):
        began = time.perf_counter()
        ask(WARM_UP + number)
        times[number] = time.perf_counter() - began
    p50, p90, p99 = (round(float(value) * 1000, 2) for value in np.percentile(times, [50, 90, 99]))
    return {"p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "max_ms": round(float(times.max()) * 1000, 2), "bytes": size}


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _questions(client: _Client, meters: int) -> dict[str, tuple[Callable[[int], bytes], int]]:
    def meter(number: int) -> int:
        return 1 + number * 7919 % meters  # another meter each time

    def series(kind: str, days: int, form: str = "application/json", extra: str = "") -> Callable[[int], bytes]:
        query = f"channel=12&from={_text(NOW - timedelta(days=days))}&to={_text(NOW)}{extra}"

        def ask(number: int) -> bytes:
            name = f"devices/{meter(number)}" if kind == "device" else f"metering-points/MP{meter(number):08}"
            return client.get(f"/api/v1/{name}/readings?{query}", form)

        return ask

    arrow = "application/vnd.apache.arrow.stream"
    return {
        "7 days, device, JSON": (series("device", 7), 1000),
        "7 days, metering point, JSON": (series("point", 7), 1000),
        "13 months, device, JSON": (series("device", DAYS), 300),
        "13 months, metering point, JSON": (series("point", DAYS), 300),
        "13 months, device, Arrow": (series("device", DAYS, arrow), 300),
        "13 months by day, device, JSON": (series("device", DAYS, extra="&resolution=day"), 300),
        "one device": (lambda n: client.get(f"/api/v1/devices/{meter(n)}"), 500),
        "100 devices": (lambda _: client.get("/api/v1/devices"), 300),
        "health": (lambda _: client.get("/api/v1/health"), 1000),
        "whose token": (lambda _: client.get("/api/v1/tokens/current"), 1000),
    }


def run(meters: int, folder: Path) -> dict[str, Any]:
    """Build if need be, serve, ask; gives the figures."""
    if not (folder / "complete").exists():
        asyncio.run(_build(folder, meters))
        (folder / "complete").touch()
    with closing(socket.socket()) as chooser:
        chooser.bind(("127.0.0.1", 0))
        port = int(chooser.getsockname()[1])
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, port), daemon=True)
    server.start()
    try:
        _wait_for(port)
        client = _Client(port)
        client.log_in()
        return {name: _measure(ask, count) for name, (ask, count) in _questions(client, meters).items()}
    finally:
        server.terminate()
        server.join(10)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--meters", type=int, default=2000)
    parser.add_argument("--folder", type=Path, default=None, help="keep the warehouse here and use it again")
    options = parser.parse_args()
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        figures = run(options.meters, options.folder)
    else:
        with tempfile.TemporaryDirectory() as name:
            figures = run(options.meters, Path(name))
    json.dump({"meters": options.meters, "days": DAYS, **figures}, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
