"""Thousands of sessions at once with meters that answer slowly and lose messages.

    python -m tests.soak.slow_meters [--meters 10000] [--session-s 8] [--loss 0.02] [--rounds 2]

The fleet is real DLMS servers on real sockets in a second process: each answer waits its share of the session time, and
a share of all messages is lost for good. The head-end of this process visits every meter once a round, while persons
ask for registers of meters at random. At the end of each round at least 99.5 % of the meters must be read, on-demand
reads must stay under 30 s at the 95th percentile, and memory must not grow from round to round.
"""

import argparse
import asyncio
import contextlib
import json
import math
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop
from tests.integration.headend.field import DAY, STEP, Directory, FakeMeter, FakeWriter, device_record

from meterworks.devices.fault import FaultSettings
from meterworks.devices.faulty_server import start_faulty_server
from meterworks.errors import MeterworksError
from meterworks.headend import HeadEnd, HeadendSettings
from meterworks.readings import ensure_reading_streams
from meterworks.runtime import ClockSettings, Database, MemoryBus, SystemClock

EXCHANGES = 5  # of one visit: association 2, clock, profile, release
DAYS = 2  # of history: more than a day and a half counts as a gap, which is read at once
NEVER_S = 2**40
ANCHOR_EPOCH_S = 1_767_225_600.0  # when system time and machine time were the same
READ_SHARE_MIN = 0.995
ON_DEMAND_P95_S_MAX = 30.0
GROWTH_MAX = 1.25
ASK_EVERY_S = 0.5
NAMES = ("load_import",)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run."""

    meters: int = 10_000
    session_s: float = 8.0
    loss: float = 0.02
    rounds: int = 2
    round_s_max: float = 400.0
    port: int = 0
    rate: float = 1.0  # of the system's clock: back-off takes its time, which a small run may shorten

    def clock(self) -> SystemClock:
        """The clock of head-end and meters."""
        return SystemClock(ClockSettings(rate=self.rate, anchor_epoch_s=ANCHOR_EPOCH_S))


@dataclass
class Report:
    """What came of it."""

    read_share: list[float] = field(default_factory=list)
    peak_sessions: int = 0
    round_s: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    on_demand_s: list[float] = field(default_factory=list)
    on_demand_failed: int = 0

    @property
    def on_demand_p95_s(self) -> float:
        """Whoever got no answer waited for ever."""
        ordered = sorted(self.on_demand_s) + [math.inf] * self.on_demand_failed
        return ordered[int(0.95 * (len(ordered) - 1))] if ordered else 0.0

    def faults(self) -> list[str]:
        """What is not as it must be."""
        found = []
        if min(self.read_share) < READ_SHARE_MIN:
            found.append(f"read share {min(self.read_share):.4f} is under {READ_SHARE_MIN}")
        if self.on_demand_p95_s > ON_DEMAND_P95_S_MAX:
            found.append(f"on-demand p95 {self.on_demand_p95_s:.1f} s is over {ON_DEMAND_P95_S_MAX} s")
        if self.rss_mb[-1] > GROWTH_MAX * self.rss_mb[0]:
            found.append(f"memory grew from {self.rss_mb[0]:.0f} to {self.rss_mb[-1]:.0f} MB")
        return found


def host_of(device_id: int) -> str:
    """A loopback address of its own for each meter."""
    return f"127.17.{device_id // 250}.{device_id % 250 + 1}"


def device_at(host: str) -> int:
    """The meter of an address."""
    _, _, high, low = host.split(".")
    return int(high) * 250 + int(low) - 1


@contextlib.asynccontextmanager
async def slow_fleet(plan: Plan, starts: int) -> AsyncIterator[int]:
    """Serve the meters in this process; gives their port."""
    clock = plan.clock()
    meters = {device_id: FakeMeter(device_id, clock, starts) for device_id in range(1, plan.meters + 1)}
    faults = FaultSettings(response_delay_s=plan.session_s / EXCHANGES, loss_probability=plan.loss, seed=plan.meters)
    server = await start_faulty_server(
        lambda host, _: meters.get(device_at(host)), "0.0.0.0", plan.port, device_only="lo", faults=faults
    )
    try:
        yield server.port
    finally:
        await server.close()


def fleet_process(plan: Plan, starts: int, told: Connection) -> None:
    """The second process."""
    allow_sockets()

    async def serve() -> None:
        async with slow_fleet(plan, starts) as port:
            told.send(port)
            await asyncio.Event().wait()

    uvloop.run(serve())


def allow_sockets() -> None:
    """Raise the limit of open files to what the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def rss_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def soak(plan: Plan, port: int, starts: int, folder: str) -> Report:
    """Run the rounds against a fleet that listens on the port."""
    database = Database(f"sqlite+aiosqlite:///{folder}/soak.sqlite3")
    await database.create_tables()
    bus = MemoryBus()
    await ensure_reading_streams(bus)
    records = [
        device_record(device_id, host_of(device_id), port, starts=starts, profiles=NAMES)
        for device_id in range(1, plan.meters + 1)
    ]
    settings = HeadendSettings(
        sessions_max=int(plan.meters / 0.7) + 1,
        connects_per_s_max=max(100.0, plan.meters / 2),
        connects_burst_max=max(50, plan.meters // 10),
        connect_timeout_s=20.0,
        answer_timeout_s=max(2.0, 1.5 * plan.session_s),
        on_demand_answer_timeout_s=max(2.0, 0.75 * plan.session_s),
        cycle_s=STEP,
        events_every_s=NEVER_S,
        registers_every_s=NEVER_S,
        push_port=0,
        on_demand_s_max=60.0,
    )
    report = Report()
    head_end = HeadEnd(bus=bus, database=database, directory=Directory(records), clock=plan.clock(), settings=settings)
    writer = FakeWriter(bus)
    tasks = [asyncio.create_task(writer.run()), asyncio.create_task(head_end.run())]
    await head_end.ready.wait()
    tasks.append(asyncio.create_task(ask_around(plan, bus, report)))
    try:
        for round_number in range(plan.rounds):
            await one_round(plan, head_end, report, first=round_number == 0)
    finally:
        head_end.stop()
        tasks[0].cancel()
        tasks[-1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.close()
        await database.close()
    return report


async def one_round(plan: Plan, head_end: HeadEnd, report: Report, *, first: bool) -> None:
    """Visit every meter once, and wait until enough of them are read."""
    began, since = time.monotonic(), plan.clock().epoch_s()
    if not first:
        for device_id in head_end.collector.devices:
            head_end.collector.visit_soon(device_id, 0.0)

    def read() -> float:
        memories = (head_end.book.memory(device_id) for device_id in head_end.collector.devices)
        return sum((memory.last_contact_epoch_s or 0.0) > since for memory in memories) / plan.meters

    peak_mb = 0.0
    while time.monotonic() - began < plan.round_s_max:
        report.peak_sessions = max(report.peak_sessions, head_end.slots.open_sessions)
        peak_mb = max(peak_mb, rss_mb())
        if read() >= READ_SHARE_MIN:
            break
        await asyncio.sleep(0.25)
    report.read_share.append(read())
    report.round_s.append(time.monotonic() - began)
    report.rss_mb.append(peak_mb)


async def ask_around(plan: Plan, bus: MemoryBus, report: Report) -> None:
    """Persons ask for registers of meters at random."""
    chance = random.Random(plan.meters)

    async def ask(device_id: int) -> None:
        began = time.monotonic()
        request = json.dumps({"device": device_id, "what": "registers"}).encode()
        try:
            await bus.request("headend.read", request, timeout_s=90.0)
        except MeterworksError:
            report.on_demand_failed += 1
        else:
            report.on_demand_s.append(time.monotonic() - began)

    async with asyncio.TaskGroup() as asking:
        while True:
            asking.create_task(ask(chance.randint(1, plan.meters)))
            await asyncio.sleep(ASK_EVERY_S)


def main() -> int:
    """Run it at full size and judge it."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.slow_meters", description=__doc__)
    parser.add_argument("--meters", type=int, default=Plan.meters)
    parser.add_argument("--session-s", type=float, default=Plan.session_s)
    parser.add_argument("--loss", type=float, default=Plan.loss)
    parser.add_argument("--rounds", type=int, default=Plan.rounds)
    given = parser.parse_args()
    plan = Plan(meters=given.meters, session_s=given.session_s, loss=given.loss, rounds=given.rounds)
    allow_sockets()
    starts = int(plan.clock().epoch_s()) // DAY * DAY - DAYS * DAY
    hear, tell = multiprocessing.Pipe()
    fleet = multiprocessing.get_context("spawn").Process(target=fleet_process, args=(plan, starts, tell), daemon=True)
    fleet.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = uvloop.run(soak(plan, hear.recv(), starts, folder))
    finally:
        fleet.terminate()
        fleet.join()
    asked = len(report.on_demand_s) + report.on_demand_failed
    rounds = zip(report.read_share, report.round_s, strict=True)
    sys.stdout.write(
        f"meters {plan.meters}, sessions open at once up to {report.peak_sessions}\n"
        f"read: {', '.join(f'{share:.2%} in {took:.0f} s' for share, took in rounds)}\n"
        f"on demand: {asked} asked, {report.on_demand_failed} failed, p95 {report.on_demand_p95_s:.1f} s\n"
        f"memory: {', '.join(f'{each:.0f} MB' for each in report.rss_mb)}\n"
    )
    for fault in report.faults():
        sys.stdout.write(f"FAULT: {fault}\n")
    return 1 if report.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
