"""A whole system's first fill, from meter to committed warehouse row: `meterworks up` as a user starts it.

The system runs in processes of its own, with a port offset and a temporary data folder. Beside it we follow the
writer's notices on the bus, which name every set that has become durable. Rates count from the head-end's first sign
of life, when it begins to open sessions, to the commit of the last half-hour; the API's first healthy answer comes a
little later. CPU seconds are those of the processes from their start on, interpreter and imports included. Afterwards
the system is stopped with an interrupt and the warehouse is merged as if all months were finished, to weigh a stored
reading. A second system does the same with meters that speak in clear: what TLS costs a first fill, in which each meter
enrols and shakes hands in full. The steady rate, from the first commit to the last, leaves that out. One JSON line goes
to standard output.

    python -m benchmarks.end_to_end [--meters 400] [--folder DIR] [--load-profiles]
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

import orjson
import psutil

from meterworks.errors import UnreachableError
from meterworks.readings import COMMITTED_STREAM
from meterworks.runtime import Bus, connect_bus
from meterworks.runtime.warehouse import Warehouse
from meterworks.system.configuration import Layout, load_configuration
from meterworks.trust.tls import TlsFilesError

FIRST_PROFILE: Final = "load_import"
LOAD_PROFILES: Final = (FIRST_PROFILE, "load_export")
PORTS: Final = (8080, 4059, 4060, 4222, 8443, 8444)
OFFSETS: Final = range(20_100, 24_000, 100)
PORTAL: Final = re.compile(r"Portal\s+(http://\S+?)/?\s*$", re.MULTILINE)
START_S_MAX: Final = 120.0
FILL_S_MAX: Final = 900.0
STOP_S_MAX: Final = 60.0
STATUS_EVERY_S: Final = 0.5


@dataclass(slots=True)
class Fill:
    """What the writer's notices told, by profile: (seconds on our clock, rows) of each."""

    commits: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    position: int = 0

    def add(self, at_s: float, profile: str, rows: int) -> None:
        """Count one durable set."""
        self.commits.setdefault(profile, []).append((at_s, rows))

    def rows(self, profile: str | None = None) -> int:
        """Rows that are durable, of one profile or of all."""
        chosen = self.commits.values() if profile is None else [self.commits.get(profile, [])]
        return sum(rows for commits in chosen for _, rows in commits)

    def figures(self, profile: str, started_s: float) -> dict[str, float]:
        """Rates of one profile's fill. steady: from its first to its last commit, the first one's rows left out."""
        commits = self.commits[profile]
        first_s, last_s = commits[0][0], commits[-1][0]
        total, first = self.rows(profile), sum(rows for at_s, rows in commits if at_s == first_s)
        return {
            "readings": total,
            "first_commit_s": first_s - started_s,
            "last_commit_s": last_s - started_s,
            "readings_per_s": total / (last_s - started_s),
            "readings_per_s_steady": (total - first) / (last_s - first_s) if last_s > first_s else 0.0,
        }


def free_offset() -> int:
    """An offset at which all ports of a system are free just now."""
    for offset in OFFSETS:
        with contextlib.ExitStack() as held:
            try:
                for port in PORTS:
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            except OSError:
                continue
            return offset
    raise SystemExit("no port offset is free")


@contextlib.contextmanager
def running_system(
    data: Path, meters: int, offset: int, *, is_secured: bool = True
) -> Iterator[tuple["subprocess.Popen[bytes]", IO[str]]]:
    """`meterworks up`, interrupted at the end; and what it says. is_secured: whether its meters speak over TLS."""
    said = data.parent / "up.out"
    arguments = ["up", "--meters", str(meters), "--data", str(data), "--port-offset", str(offset)]
    if not is_secured:
        arguments += ["--set", "fleet.tls=false"]
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "meterworks.cli.main", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("METERWORKS_")},
            start_new_session=True,
        )
    try:
        with said.open() as output_text:
            yield process, output_text
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


async def first_healthy(process: "subprocess.Popen[bytes]", said: IO[str]) -> float:
    """Wait for the API's first healthy answer; its time on our clock."""
    deadline_s = time.perf_counter() + START_S_MAX
    text = ""
    while time.perf_counter() < deadline_s and process.poll() is None:
        text += said.read()
        found = PORTAL.search(text)
        if found is not None and await asyncio.to_thread(_healthy, f"{found.group(1)}/api/v1/health"):
            return time.perf_counter()
        await asyncio.sleep(0.05)
    raise UnreachableError(f"the system did not come up:\n{text}")


async def first_sign(bus: Bus) -> float:
    """Wait until the head-end answers, which it does when it begins to collect; its time on our clock."""
    while True:
        with contextlib.suppress(UnreachableError):
            await bus.request("headend.status", b"{}", timeout_s=1.0)
            return time.perf_counter()
        await asyncio.sleep(0.02)


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def layout_of(data: Path, offset: int = 0) -> Layout:
    """Where the system that we start keeps things, as its own processes are told."""
    return Layout(load_configuration(command_line={"system.data": data, "system.port_offset": offset}).configuration)


async def _connected(process: "subprocess.Popen[bytes]", layout: Layout) -> Bus:
    """Connect as soon as the system's bus is there, with the certificate that the system makes at its start."""
    deadline_s = time.perf_counter() + START_S_MAX
    while True:
        try:
            return await connect_bus(replace(layout.bus("command"), client_name="benchmark", connect_timeout_s=1.0))
        except (UnreachableError, TlsFilesError):
            if time.perf_counter() > deadline_s or process.poll() is not None:
                raise
            await asyncio.sleep(0.05)


async def follow(bus: Bus, fill: Fill) -> None:
    """Take up notices until cancelled."""
    while True:
        try:
            messages = await bus.fetch(COMMITTED_STREAM, after_sequence=fill.position, timeout_s=1.0)
        except UnreachableError:
            await asyncio.sleep(0.1)
            continue
        now_s = time.perf_counter()
        for message in messages:
            fill.position = message.sequence
            for one in orjson.loads(message.data)["sets"]:
                fill.add(now_s, one["profile"], one["rows"])


async def wait_for(bus: Bus, profiles: tuple[str, ...]) -> None:
    """Wait until nothing of these load profiles is missing, and nothing of them on its way."""
    deadline_s = time.perf_counter() + FILL_S_MAX
    while time.perf_counter() < deadline_s:
        await asyncio.sleep(STATUS_EVERY_S)
        with contextlib.suppress(UnreachableError):
            status = orjson.loads(await bus.request("headend.status", b"{}", timeout_s=5.0))
            rows = [row for row in status["profiles"] if row["profile"] in profiles]
            if rows and all(row["expected"] and not row["missing"] and not row["sent"] for row in rows):
                return
    raise SystemExit(f"the fill was not done after {FILL_S_MAX} s")


def children(process: "subprocess.Popen[bytes]", data: Path) -> dict[str, psutil.Process]:
    """The system's processes by name."""
    numbers: dict[str, int | None] = json.loads((data / "run" / "processes.json").read_text())
    named = {name: number for name, number in numbers.items() if number is not None}
    return {name: psutil.Process(number) for name, number in {"supervisor": process.pid, **named}.items()}


def cpu_seconds(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """CPU seconds each process has used so far."""
    return {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}


def weigh(data: Path) -> dict[str, float]:
    """Merge the stopped system's warehouse; bytes per stored reading before and after."""
    warehouse = Warehouse(layout_of(data).warehouse)
    try:
        before = warehouse.statistics()
        all_finished = datetime.now(UTC) + timedelta(days=62)
        while warehouse.compact(all_finished).more:
            continue
        after = warehouse.statistics()
    finally:
        warehouse.close()
    return {
        "stored_readings": after.rows,
        "bytes_per_reading_as_left": before.size_bytes / before.rows,
        "bytes_per_reading_compacted": after.size_bytes / after.rows,
        "files_as_left": before.files,
        "files_compacted": after.files,
    }


async def measure(folder: Path, meters: int, *, load_profiles: bool, is_secured: bool = True) -> dict[str, Any]:
    """Start, follow, stop, weigh."""
    data, offset, fill = folder / "var", free_offset(), Fill()
    started_s = time.perf_counter()
    with running_system(data, meters, offset, is_secured=is_secured) as (process, said):
        healthy = asyncio.create_task(first_healthy(process, said))
        bus = await _connected(process, layout_of(data, offset))
        following = asyncio.create_task(follow(bus, fill))
        try:
            collecting = asyncio.create_task(first_sign(bus))
            healthy_s = await healthy
            collecting_s = await collecting
            processes = children(process, data)
            await wait_for(bus, (FIRST_PROFILE,))
            used = cpu_seconds(processes)
            figures = fill.figures(FIRST_PROFILE, collecting_s)
            result: dict[str, Any] = {
                "meters": meters,
                "start_s": healthy_s - started_s,
                "healthy_to_all_committed_s": max(0.0, figures["last_commit_s"] - (healthy_s - collecting_s)),
                FIRST_PROFILE: figures,
                "other_readings_by_then": fill.rows() - fill.rows(FIRST_PROFILE),
                "cpu_s": used,
                "cpu_us_per_reading": sum(used.values()) / fill.rows() * 1e6,
            }
            if load_profiles:
                await wait_for(bus, LOAD_PROFILES)
                result["load_profiles"] = {"readings": fill.rows(), "seconds": time.perf_counter() - collecting_s}
                result["load_profiles"]["cpu_s"] = cpu_seconds(processes)
            result["memory_mb"] = {name: each.memory_info().rss / 2**20 for name, each in processes.items()}
        finally:
            following.cancel()
            await bus.close()
    return result | weigh(data)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.end_to_end", description=__doc__)
    parser.add_argument("--meters", type=int, default=400)
    parser.add_argument("--folder", type=Path, default=None, help="keep the system's data here (an empty folder)")
    parser.add_argument("--load-profiles", action="store_true", help="wait for export and reactive as well")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the system started here is stopped as well
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meterworks-bench-")))
        for each in (folder, folder / "clear"):
            each.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(measure(folder, options.meters, load_profiles=options.load_profiles))
        clear = asyncio.run(measure(folder / "clear", options.meters, load_profiles=False, is_secured=False))
    result["in_clear"] = {name: clear[name] for name in ("cpu_s", "cpu_us_per_reading", FIRST_PROFILE)}
    result["first_fill_tls_cost_percent"] = (result["cpu_us_per_reading"] / clear["cpu_us_per_reading"] - 1) * 100
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
