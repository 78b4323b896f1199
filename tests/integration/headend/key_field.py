"""A field for key tests: emulated meters on real sockets that lose messages, a registry, and head-ends on both."""

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.integration.headend.field import FakeWriter
from tests.unit.devices.plain_load import PlainLoad

from meterworks.catalogue import Medium
from meterworks.devices import FaultSettings, Fleet, FleetSettings, MeterSpecification
from meterworks.devices.meter_key import keys_of
from meterworks.headend import HeadEnd, HeadendSettings, RegistryDirectory
from meterworks.protocols.dlms import SecuritySuite
from meterworks.readings import ensure_reading_streams
from meterworks.registry import (
    DeviceKeys,
    Installation,
    KeyOrigin,
    NewDevice,
    Registry,
    UsagePoint,
    UsagePointId,
)
from meterworks.runtime import ClockSettings, Database, MemoryBus, SystemClock
from meterworks.trust import KeyStore

START = 1_772_323_200.0
SETTINGS = {
    "push_port": 0,
    "flush_s": 5.0,
    "connect_timeout_s": 5.0,
    "answer_timeout_s": 2.0,
    "counter_block": 64,
    "key_retry_s": 0.05,
    "directory_refresh_s": 30.0,
    "registers_every_s": 10**6,
    "events_every_s": 10**6,
    "clock_adjust": False,
}


def key_of(number, name, size=16):
    return hashlib.sha512(f"{number}/{name}".encode()).digest()[:size]


def title_of(number):
    return b"KEY" + number.to_bytes(5, "big")


def specification(number, *, suite=0, kek=True, connection="head-end", logins=()):
    size = 32 if suite == 2 else 16
    return MeterSpecification(
        system_title=title_of(number),
        serial=f"K{number:06d}",
        guek=key_of(number, "guek", size),
        gak=key_of(number, "gak", size),
        kek=key_of(number, "kek", size) if kek else None,
        address=f"127.18.{number // 250}.{number % 250 + 1}:0",
        connection=connection,
        suite=SecuritySuite(suite),
        logins=logins,
    )


@dataclass
class KeyField:
    """Meters, registry and one head-end at a time."""

    database: Database
    registry: Registry
    bus: MemoryBus
    clock: SystemClock
    folder: object
    settings: dict = field(default_factory=dict)
    origin: KeyOrigin = KeyOrigin.IMPORTED
    fleet: Fleet | None = None
    head_end: HeadEnd | None = None
    ids: list = field(default_factory=list)
    audit: object = None
    certifier: object = None
    own_keys: object = None
    tasks: list = field(default_factory=list)
    _running: asyncio.Task | None = None

    async def serve(self, specifications, faults=None):
        """Start the meters; their state outlives them."""
        meters = [(each, PlainLoad(int(START))) for each in specifications]
        settings = FleetSettings(state_path=self.folder / "fleet.state", faults=faults or FaultSettings())
        self.fleet = Fleet(meters, settings, self.clock)
        await self.fleet.start()
        return self.fleet

    async def enrol(self, specifications, **changes):
        """Bring the meters into the registry, installed just now: nothing is to be collected from them."""
        now = datetime.fromtimestamp(self.clock.epoch_s() - 60, UTC)
        port = self.fleet.ports[0]
        points, devices = [], []
        for each in specifications:
            points.append(UsagePoint(id=UsagePointId(f"MP-{each.serial}"), medium=Medium.ELECTRICITY, created_at=now))
            host = each.address.rpartition(":")[0]
            devices.append(
                NewDevice(
                    **{
                        "identity": each.system_title.hex(),
                        "serial": each.serial,
                        "manufacturer": "Key",
                        "model": "One",
                        "firmware": "1",
                        "medium": Medium.ELECTRICITY,
                        "phases": 1,
                        "address": f"{host}:{port}",
                        "key_origin": self.origin,
                        "suite": int(each.suite),
                        "keys": DeviceKeys(guek=each.guek, gak=each.gak, kek=each.kek),
                        **changes,
                    }
                )
            )
        await self.registry.add_usage_points(points)
        self.ids = await self.registry.add_devices(devices)
        await self.registry.add_installations(
            [
                Installation(device_id=number, usage_point_id=point.id, starts_at=now)
                for number, point in zip(self.ids, points, strict=True)
            ]
        )
        return self.ids

    async def start(self, **changes):
        """Start a head-end and wait until it collects."""
        settings = HeadendSettings(**{**SETTINGS, **self.settings, **changes})
        self.head_end = HeadEnd(
            bus=self.bus, database=self.database, directory=RegistryDirectory(self.registry), clock=self.clock,
            settings=settings, registry=self.registry, audit=self.audit,
        )  # fmt: skip
        self.head_end.restore_mark = self.folder / "mark"
        self.head_end.policy_keys = self.folder / "policy"
        self.head_end.certifier = self.certifier
        self.head_end.own_keys = None if self.own_keys is None else self.own_keys()
        self._running = asyncio.create_task(self.head_end.run())
        ready = asyncio.create_task(self.head_end.ready.wait())
        await asyncio.wait((self._running, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._running.done():
            self._running.result()
        return self.head_end

    @property
    def keys(self):
        return self.head_end.keys.service

    async def stop(self):
        """Stop the head-end cleanly."""
        if self._running is not None and not self._running.done():
            self.head_end.stop()
            await self._running

    async def kill(self):
        """End it at once, as a crash would: nothing is written down any more."""

        async def nothing(**_):
            return False

        self.head_end.book.flush = nothing
        for subscription in self.head_end._subscriptions:  # a dead process answers nobody
            await subscription.unsubscribe()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def close(self):
        with contextlib.suppress(Exception):
            await self.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.fleet is not None:
            await self.fleet.stop()
        await self.database.close()

    # What a checker that knows nothing of the inside looks at.

    async def lost(self):
        """Meters whose keys in force at the registry are not those in the meter."""
        held = await self.registry.keys(self.ids)
        lost = []
        for place, number in enumerate(self.ids):
            view = self.fleet.meter(place).view
            self.fleet.meter(place).association(1)  # what waits comes in force, as at the next association
            mine = keys_of(view)
            if (held[number].guek, held[number].gak, held[number].kek) != (mine.guek, mine.gak, mine.kek):
                lost.append(number)
        return lost

    async def two_valid(self):
        """Devices with more than one key of a kind that is in force or pending."""
        hands = await self.registry.key_hands(self.ids)
        return [
            number
            for number, hand in hands.items()
            if hand.pending() or len([each for each in hand.versions if each.is_in_force]) != len(hand.active())
        ]

    async def changed(self, first):
        """Devices whose keys are all other than those at first (by number: DeviceKeys)."""
        held = await self.registry.keys(self.ids)
        return [
            number
            for number in self.ids
            if held[number].guek != first[number].guek and held[number].gak != first[number].gak
            and held[number].kek != first[number].kek
        ]  # fmt: skip


async def make_field(folder, **changes):
    database = Database(f"sqlite+aiosqlite:///{folder}/keys.sqlite3")
    await database.create_tables()
    bus = MemoryBus()
    await ensure_reading_streams(bus)
    clock = SystemClock(ClockSettings(anchor_epoch_s=START, offset_s=0.0, rate=1.0))
    registry = Registry(database, KeyStore.open(folder / "master.key"), clock=clock)
    made = KeyField(database=database, registry=registry, bus=bus, clock=clock, folder=folder, **changes)
    made.tasks.append(asyncio.create_task(FakeWriter(bus).run()))
    return made


async def settled(field, campaign_id, *, within_s=60.0):
    """Wait until every job of a campaign is over; gives its jobs by state."""
    async with asyncio.timeout(within_s):
        while True:
            progress = await field.head_end.keys.progress(campaign_id)
            if not any(str(state) in ("planned", "prepared", "sent", "answered") for state in progress):
                return {str(state): count for state, count in progress.items()}
            await asyncio.sleep(0.3)
