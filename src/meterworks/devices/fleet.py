"""A fleet of emulated meters in one process: one listening socket, one state file, one view per meter in use.

All meters share the tables of their models; what a meter has of its own is its specification, its load, a row of the
state file, and, once it was addressed, a view. History is computed, so ten thousand meters fit in one process.
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np

from meterworks.devices.companion_model import model_of
from meterworks.devices.dialler import Dialler
from meterworks.devices.errors import ModelError
from meterworks.devices.fault import FaultSettings
from meterworks.devices.faulty_server import FaultyMeterServer, start_faulty_server
from meterworks.devices.firmware_image import ChecksumVerifier, ImageVerifier
from meterworks.devices.load import MeterLoad
from meterworks.devices.meter import ElectricityMeter
from meterworks.devices.meter_tls import MeterChannels, MeterCredentials
from meterworks.devices.push_object import PERIODS_S
from meterworks.devices.push_sender import PushSender, parse_destination
from meterworks.devices.state import FleetState
from meterworks.devices.view import MeterSpecification, MeterView
from meterworks.links import LOOPBACK_DEVICE, MeterServer, start_meter_server
from meterworks.runtime import Clock, get_logger
from meterworks.trust.audit import AuditSink

__all__ = ["Fleet", "FleetSettings", "FleetStatus", "describe_meter", "serve_one"]

FLUSH_S: Final = 30.0  # real seconds between two flushes of the state file to the disk
TEND_S: Final = 60.0  # system seconds between two looks at the meters that have something to do by themselves
TEND_MAX: Final = 100  # meters brought up to date before others may run
ALL_ADDRESSES: Final = "0.0.0.0"  # noqa: S104  # bound to the loopback device unless told otherwise
LOOPBACK_PREFIX: Final = "127."

log = get_logger("devices.fleet")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """How a fleet is served."""

    state_path: Path | None = None  # the file of counters, clocks and switches; None: forgotten at the end
    loopback_only: bool = True  # never answer anyone outside this machine
    push_destination: str = ""  # host:port of the head-end's push port, empty: no pushes and no device-initiated links
    push_period_s: int = 0  # of the scheduled push of a meter met for the first time; 0 none
    push_concurrency_max: int = 16
    connecting_max: int = 64  # device-initiated connections being opened at once
    faults: FaultSettings = field(default_factory=FaultSettings)
    image_verifier: ImageVerifier = field(default_factory=ChecksumVerifier)  # judges firmware images
    framing: Literal["wrapper", "hdlc"] = "wrapper"  # what the meters speak; faulty ones speak the wrapper only
    credentials: MeterCredentials | None = None  # certificates of the meters; None: plain TCP, both ways
    audit: AuditSink | None = None  # told of peers that meters refuse

    def __post_init__(self) -> None:
        """Refuse a period that no list of times of day can say, and a destination that is none."""
        if self.push_period_s and self.push_period_s not in PERIODS_S:
            raise ModelError(f"push period {self.push_period_s} s: take a divisor of an hour, or whole hours of a day")
        if self.push_destination and parse_destination(self.push_destination) is None:
            raise ModelError(f"push destination {self.push_destination!r}: give host:port, as 127.0.0.1:4060")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetStatus:
    """Counts for people and metrics."""

    meters: int
    meters_addressed: int
    connections: int
    pushes_sent: int
    pushes_failed: int
    calls_connected: int


class Fleet:
    """All meters of one process. `start` serves them, `stop` ends it; nothing outlives `stop`."""

    def __init__(
        self, meters: Sequence[tuple[MeterSpecification, MeterLoad]], settings: FleetSettings, clock: Clock
    ) -> None:
        """meters: with addresses and system titles of their own. Raises ModelError for doubles, FleetStateError."""
        self._meters = meters
        self._settings = settings
        self._clock = clock
        self._index_at: dict[str, int] = {
            specification.address: index for index, (specification, _) in enumerate(meters)
        }
        titles = [specification.system_title for specification, _ in meters]
        if len(self._index_at) != len(meters) or len(set(titles)) != len(meters):
            raise ModelError("two meters of a fleet have the same address or the same system title")
        self.state = FleetState(settings.state_path, titles, image_verifier=settings.image_verifier)
        self._prepare_state()
        self._views: dict[int, ElectricityMeter] = {}
        self._servers: list[MeterServer | FaultyMeterServer] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._sender: PushSender | None = None
        self._dialler: Dialler | None = None
        self._channels: MeterChannels | None = None
        if settings.credentials is not None:
            self._channels = MeterChannels(settings.credentials, self.index_at, audit=settings.audit)

    def _prepare_state(self) -> None:
        """Start the clocks and the push schedule of meters that the state file did not know."""
        rows, new = self.state.rows, self.state.new
        rows["clock_set_epoch_s"][new] = self._clock.epoch_s()
        drifts = np.array([specification.clock_drift_ppm for specification, _ in self._meters], np.float32)
        rows["clock_drift_ppm"][new] = drifts[new]
        rows["push_period_s"][new] = self._settings.push_period_s

    def __len__(self) -> int:
        return len(self._meters)

    def meter(self, index: int) -> ElectricityMeter:
        """Give a meter by its number; the view is made when it is first asked for."""
        known = self._views.get(index)
        if known is None:
            specification, load = self._meters[index]
            model = model_of(specification.style, load.phases)
            push = None if self._sender is None else self._sender.push_now
            view = MeterView(
                index, specification, load, self.state,
                epoch_s=self._clock.epoch_s, object_lists=model.object_lists, push=push,
            )  # fmt: skip
            view.forget_push = None if self._sender is None else self._sender.forget
            known = self._views[index] = ElectricityMeter(model, view)
        return known

    def resolve(self, local_host: str, local_port: int) -> ElectricityMeter | None:
        """Give the meter that lives at an address (one with port 0 lives at any port of its host), or None."""
        index = self.index_at(local_host, local_port)
        return None if index is None else self.meter(index)

    def index_at(self, local_host: str, local_port: int) -> int | None:
        """Give the number of the meter that lives at an address, or None."""
        index = self._index_at.get(f"{local_host}:{local_port}")
        return self._index_at.get(f"{local_host}:0") if index is None else index

    @property
    def ports(self) -> tuple[int, ...]:
        """The TCP ports listened on."""
        return tuple(server.port for server in self._servers)

    @property
    def status(self) -> FleetStatus:
        """Give the counts of this moment."""
        return FleetStatus(
            meters=len(self._meters),
            meters_addressed=len(self._views),
            connections=sum(server.connections for server in self._servers),
            pushes_sent=0 if self._sender is None else self._sender.sent,
            pushes_failed=0 if self._sender is None else self._sender.failed,
            calls_connected=0 if self._dialler is None else self._dialler.connected,
        )

    async def start(self) -> None:
        """Listen, push and call. Raises ConnectFailed where a port is taken; then nothing is left running."""
        try:
            for host, port, device_only in self._sockets():
                self._servers.append(await self._listen(host, port, device_only))
        except BaseException:
            await self.stop()
            raise
        destination = parse_destination(self._settings.push_destination)
        if destination is not None:
            self._start_pushing(destination)
        self._tasks.append(asyncio.create_task(self._keep_flushing()))
        self._tasks.append(asyncio.create_task(self._keep_tending()))
        log.info("fleet serves", meters=len(self._meters), ports=self.ports[:4])

    def _sockets(self) -> list[tuple[str, int, str | None]]:
        """Give (host, port, device) of the listening sockets: one per port, on all addresses where it has several.

        A socket on one loopback address needs no binding to the device: nobody outside can reach it.
        """
        hosts_of: dict[int, set[str]] = {}
        for specification, _ in self._meters:
            if specification.connection == "head-end":
                host, _, port = specification.address.rpartition(":")
                hosts_of.setdefault(int(port), set()).add(host)
        sockets: list[tuple[str, int, str | None]] = []
        for number, hosts in hosts_of.items():
            host = next(iter(hosts)) if len(hosts) == 1 else ALL_ADDRESSES
            bind = self._settings.loopback_only and not host.startswith(LOOPBACK_PREFIX)
            sockets.append((host, number, LOOPBACK_DEVICE if bind else None))
        return sockets

    async def _listen(self, host: str, port: int, device_only: str | None) -> MeterServer | FaultyMeterServer:
        door = None if self._channels is None else self._channels.door()
        if self._settings.faults.at_rest:
            return await start_meter_server(
                self.resolve, host, port, device_only=device_only, framing=self._settings.framing, tls=door
            )
        return await start_faulty_server(
            self.resolve, host, port, device_only=device_only, faults=self._settings.faults, tls=door
        )

    def _start_pushing(self, destination: tuple[str, int]) -> None:
        self._sender = PushSender(
            self.meter, len(self._meters), self._clock,
            destination=self._settings.push_destination, concurrency_max=self._settings.push_concurrency_max,
            channels=self._channels,
        )  # fmt: skip
        for meter in self._views.values():
            meter.view.push, meter.view.forget_push = self._sender.push_now, self._sender.forget
        self._tasks.append(asyncio.create_task(self._sender.run()))
        callers = [
            index for index, (specification, _) in enumerate(self._meters) if specification.connection == "device"
        ]
        if callers:
            self._dialler = Dialler(
                self.meter, callers, self._clock, destination=destination,
                connecting_max=self._settings.connecting_max,
                chance=random.Random(self._settings.faults.seed),  # noqa: S311  # spreads calls, makes no key
                channels=self._channels,
            )  # fmt: skip
            self._tasks.append(asyncio.create_task(self._dialler.run()))

    async def _keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await asyncio.to_thread(self.state.flush)

    async def _keep_tending(self) -> None:
        """Let meters into which something was written do what is due, though nobody addresses them."""
        while True:
            await self._clock.sleep(TEND_S)
            for number, index in enumerate(self.state.overlay.meters(), 1):
                self.meter(index).catch_up()
                if not number % TEND_MAX:
                    await asyncio.sleep(0)

    async def stop(self) -> None:
        """Close every socket, end every task, hand the state to the disk. May be called again."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        servers, self._servers = self._servers, []
        for server in servers:
            await server.close()
        self.state.close()


async def serve_one(
    specification: MeterSpecification, load: MeterLoad, clock: Clock, *, settings: FleetSettings | None = None
) -> Fleet:
    """Serve a single meter for other people's clients at its own address; `stop` the fleet given back to end it."""
    fleet = Fleet([(specification, load)], settings or FleetSettings(), clock)
    await fleet.start()
    return fleet


def describe_meter(specification: MeterSpecification) -> Mapping[str, str]:
    """Give what a client must know to read the meter. It holds the keys: show it to the meter's owner only."""
    return {
        "address": specification.address,
        "serial": specification.serial,
        "system_title": specification.system_title.hex().upper(),
        "encryption_key": specification.guek.hex().upper(),
        "authentication_key": specification.gak.hex().upper(),
        "master_key": "" if specification.kek is None else specification.kek.hex().upper(),
        "clients": "16 public, no authentication; 2 reader and 1 management, HLS with GMAC, suite 0",
    }
