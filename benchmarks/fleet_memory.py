"""Memory of emulated meters: resident size per meter in a process of ten thousand, before and after each was read once.

All meters are built with their loads and served; then every one answers a session of its own (association with HLS 5, a
range of 48 rows of the load profile, release) without a socket between, so that only the meters' own memory counts. One
JSON line goes to standard output.

    python -m benchmarks.fleet_memory [--meters 10000] [--sessions 10000]
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psutil

from meterworks.devices import Fleet, FleetSettings
from meterworks.protocols.dlms import (
    Associate,
    AttributeAddress,
    ClientConnection,
    ClientSettings,
    Command,
    CosemDateTime,
    CountUp,
    Get,
    Mechanism,
    ObisCode,
    RangeSelection,
    Release,
    ServerConnection,
)
from meterworks.runtime import SystemClock
from meterworks.world import NeighbourhoodSettings, open_neighbourhood

PROFILE: Final = AttributeAddress(7, ObisCode("1.0.99.1.0.255"), 2)


def read_once(fleet: Fleet, index: int, selection: RangeSelection) -> int:
    """Hold one session with a meter back to back; give the octets it answered with."""
    meter = fleet.meter(index)
    specification = meter.view.specification
    settings = ClientSettings(
        client_sap=2, mechanism=Mechanism.GMAC, system_title=b"MWKbench", guek=specification.guek, gak=specification.gak
    )
    client = ClientConnection(settings, CountUp(1), secrets.token_bytes)
    server = ServerConnection(meter, secrets.token_bytes)
    octets = 0
    commands: tuple[Command, ...] = (Associate(), Get(PROFILE, selection), Release())
    for command in commands:
        data = client.send(command)
        while data:
            answer = server.receive(data)
            octets += len(answer)
            client.receive(answer)
            data = client.data_to_send()
    return octets


async def measure(count: int, sessions: int) -> dict[str, float]:
    """Build, serve, read; give sizes in kB (1000 octets) per meter, and times."""
    process = psutil.Process()
    now = datetime.now(UTC)
    day = now - timedelta(days=1)
    selection = RangeSelection(
        from_=CosemDateTime.from_datetime(day), to=CosemDateTime.from_datetime(day + timedelta(hours=23, minutes=59))
    )
    empty = process.memory_info().rss
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = FleetSettings(
            state_path=Path(folder) / "state.npy", push_destination="127.0.0.1:9", push_period_s=3600
        )
        neighbourhood = open_neighbourhood(
            Path(folder), NeighbourhoodSettings(meters=count, seed=1, port=0), now_epoch_s=now.timestamp()
        )
        fleet = Fleet(neighbourhood.meters(), settings, SystemClock())
        await fleet.start()
        served = process.memory_info().rss
        built_s = time.perf_counter() - began
        began = time.perf_counter()
        octets = 0
        for index in range(sessions):
            octets += read_once(fleet, index, selection)
        read_s = time.perf_counter() - began
        read = process.memory_info().rss
        own = process.memory_full_info().uss
        await fleet.stop()
    return {
        "meters": count,
        "per_meter_served_kb": (served - empty) / count / 1000,
        "per_meter_read_once_kb": (read - empty) / count / 1000,
        "per_meter_with_interpreter_kb": read / count / 1000,
        "process_rss_mb": read / 1e6,
        "process_own_mb": own / 1e6,
        "build_s": built_s,
        "sessions": sessions,
        "octets_per_session": octets / max(1, sessions),
        "first_session_ms_both_sides": read_s / max(1, sessions) * 1000,
    }


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_memory", description=__doc__)
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=None, help="meters to read once, default all")
    arguments = parser.parse_args()
    sessions = arguments.meters if arguments.sessions is None else min(arguments.sessions, arguments.meters)
    result = asyncio.run(measure(arguments.meters, sessions))
    sys.stdout.write(json.dumps({name: round(value, 4) for name, value in result.items()}) + "\n")


if __name__ == "__main__":
    main()
