"""A small system of real parts on a clock that only the test moves: what a scenario is played on.

Meters are a `Fleet` on loopback sockets, the head-end, writer, warehouse, registry and API are the real ones, and the
bus is the in-process one. A scenario adds meters, installs them, starts, and lets time pass until a moment; then the
API, asked over ASGI, and the warehouse's own rows say what became of it.
"""

import asyncio
from collections import Counter
from datetime import UTC, datetime

import httpx
import orjson
from tests.integration.scenario.controlled_load import IMPORT_PROFILE, STEP, ControlledLoad, OwnClockMeter

from meterworks.catalogue import Medium, Role
from meterworks.devices import Fleet, FleetSettings, MeterSpecification
from meterworks.headend import HeadEnd, HeadendQueries, HeadendSettings, RegistryDirectory
from meterworks.market import Accounts, MarketServices, MarketSettings, NewUser
from meterworks.market.api import create_api
from meterworks.protocols.dlms import (
    ApduCipher,
    AttributeAddress,
    CaptureObject,
    CipherForm,
    CosemDateTime,
    DataNotification,
    GrowingCounter,
    ObisCode,
    Protection,
    RangeSelection,
    SecurityContext,
    encode_array,
    encode_structure,
    encode_wrapper,
)
from meterworks.readings import ReadingStore, Writer, WriterSettings
from meterworks.registry import DeviceKeys, NewDevice, Registry, UsagePoint, UsagePointId
from meterworks.runtime import Database, ManualClock, MemoryBus, WarehouseSettings
from meterworks.runtime.warehouse import Warehouse
from meterworks.trust import KeyStore

PASSWORD = "correct horse battery"  # of every account here
IMPORT = 12
SETTLED_POLLS = 4
SETTLE_POLLS_MAX = 1000
POLL_S = 0.01
HEADEND = {
    "push_port": 0,
    "flush_s": 0.05,
    "connect_timeout_s": 3.0,
    "answer_timeout_s": 3.0,
    "cycle_s": 600,
    "window_s": 60,
    "events_every_s": 86_400,
    "registers_every_s": 86_400,
    "counter_block": 64,
}


def utc(*parts):
    """An instant."""
    return datetime(*parts, tzinfo=UTC)


def epoch(*parts):
    """An instant in epoch seconds."""
    return int(utc(*parts).timestamp())


def text(epoch_s):
    """An instant as the API writes it."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Scene:
    """The system of one scenario."""

    def __init__(self, folder, now):
        self.clock = ManualClock(now)
        self.bus = MemoryBus(self.clock)
        self.database = Database(f"sqlite+aiosqlite:///{folder}/db.sqlite3")
        self.keystore = KeyStore.open(folder / "keys" / "master")
        self.registry = Registry(self.database, self.keystore, clock=self.clock)
        self.warehouse = Warehouse(
            WarehouseSettings(location=f"{folder}/files", catalog_url=f"sqlite:///{folder}/catalog.sqlite3", shards=2)
        )
        self.fleet = None
        self.head_end = None
        self.http = None
        self._meters = []
        self._device_of = {}
        self._placings = []
        self._own_clocks = set()
        self._running = []

    # Before the start.

    def add_meter(self, load, *, own_clock=False, **options):
        """Add a meter with this load; gives its number, by which everything here knows it.

        own_clock: its intervals end when its own clock says so.
        """
        number = len(self._meters)
        if own_clock:
            self._own_clocks.add(number)
        specification = MeterSpecification(
            **{
                "system_title": b"MWS" + number.to_bytes(5, "big"),
                "serial": f"MS{number:08}",
                "guek": bytes([number]) * 16,
                "gak": bytes([number, 1]) * 8,
                "address": f"127.17.{number // 250}.{number % 250 + 1}:0",
                **options,
            }
        )
        self._meters.append((specification, load))
        return number

    def install(self, number, place, at):
        """Install a meter at a usage point, from the start of the scenario on."""
        self._placings.append((number, place, at))

    async def start(self, **changes):
        """Serve the meters, and collect from them until nothing is left to do."""
        await self.database.create_tables()
        await self.registry.seed_channels()
        self.fleet = Fleet(self._meters, FleetSettings(), self.clock)
        for number in self._own_clocks:
            meter = self.fleet.meter(number)
            self.fleet._views[number] = OwnClockMeter(meter.model, meter.view)
        await self.fleet.start()
        await self._fill_registry()
        self.head_end = HeadEnd(
            bus=self.bus,
            database=self.database,
            directory=RegistryDirectory(self.registry),
            clock=self.clock,
            settings=HeadendSettings(**{**HEADEND, **changes}),
        )
        self.writer = Writer(
            bus=self.bus,
            warehouse=self.warehouse,
            database=self.database,
            clock=self.clock,
            settings=WriterSettings(quiet_s=0.02, batch_age_max_s=0.5, retry_min_s=0.01),
        )
        self._running = [asyncio.create_task(part.run()) for part in (self.head_end, self.writer)]
        await asyncio.wait_for(self.head_end.ready.wait(), 10)
        await self.settle()

    async def _fill_registry(self):
        places = dict.fromkeys(place for _, place, _ in self._placings)
        await self.registry.add_usage_points(
            [
                UsagePoint(
                    id=UsagePointId(place), medium=Medium.ELECTRICITY, name=place, address="1 Meadow Lane",
                    postcode="ME7 3RW", feeder="F1", transformer="T1", time_zone="Europe/London",
                )
                for place in places
            ]
        )  # fmt: skip
        ids = await self.registry.add_devices(
            [
                NewDevice(
                    identity=specification.system_title.hex(), serial=specification.serial, manufacturer="MWS",
                    model="MW-1P", firmware="1.0.0", medium=Medium.ELECTRICITY, phases=1,
                    address=f"{specification.address.removesuffix(':0')}:{self.fleet.ports[0]}",
                    keys=DeviceKeys(guek=specification.guek, gak=specification.gak),
                )
                for specification, _ in self._meters
            ]
        )  # fmt: skip
        self._device_of = dict(enumerate(ids))
        for number, place, at in self._placings:
            await self.registry.install(self.device(number), UsagePointId(place), at)

    async def close(self):
        """End everything."""
        for part in (self.head_end, getattr(self, "writer", None)):
            if part is not None:
                part.stop()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=5)
            for task in late:
                task.cancel()
        if self.http is not None:
            await self.http.aclose()
        if self.fleet is not None:
            await self.fleet.stop()
        await self.bus.close()
        await self.database.close()
        self.warehouse.close()

    # While it runs.

    def device(self, number):
        """The registry's number of a meter."""
        return self._device_of[number]

    def load(self, number):
        """The load of a meter."""
        return self._meters[number][1]

    def silence(self, number):
        """Let a meter be deaf and dumb; gives a function that ends it."""
        address = self._meters[number][0].address
        place = self.fleet._index_at.pop(address)
        return lambda: self.fleet._index_at.__setitem__(address, place)

    async def exchange(self, place, old, new, at):
        """Exchange a meter and tell the head-end."""
        await self.registry.exchange(UsagePointId(place), self.device(old), self.device(new), at)
        await self.look_again()

    async def move(self, number, place, at):
        """Move a meter and tell the head-end."""
        await self.registry.move(self.device(number), UsagePointId(place), at)
        await self.look_again()

    async def look_again(self):
        """Tell the head-end that the registry changed, and wait for what comes of it."""
        await self.bus.send("registry.changed", b"")
        await self.settle()

    async def pass_until(self, moment, *, step_s=STEP):
        """Let time pass in steps, each long enough for what is due in it."""
        until = moment if isinstance(moment, int) else moment.timestamp()
        while (left_s := until - self.clock.epoch_s()) > 0:
            self.clock.advance(min(step_s, left_s))
            await self.settle()

    def _unrest(self):
        """What is still going on, by name; empty when nothing is."""
        schedule = self.head_end.collector._schedule
        due, now = schedule.next_epoch_s, self.clock.epoch_s()
        going_on = {
            "sessions": self.head_end.slots.open_sessions,
            "queued": len(schedule.queued),
            "unconfirmed": self.head_end.table.unconfirmed_sets,
            "overdue s": 0 if due is None or due > now else now - due + 1,
        }
        return {name: count for name, count in going_on.items() if count}

    async def settle(self):
        """Until nobody is visited or due, and all that was read is confirmed by the writer."""
        rested = 0
        for _ in range(SETTLE_POLLS_MAX):
            await asyncio.sleep(POLL_S)
            for task in self._running:
                if task.done():
                    task.result()
            unrest = self._unrest()
            if "overdue s" in unrest:  # the clock moved between its looking at it and its going to sleep
                self.head_end.collector._schedule.sooner.set()
            rested = 0 if unrest else rested + 1
            if rested == SETTLED_POLLS:
                return
        raise AssertionError(f"never at rest: {self._unrest()}")

    async def read_profile(self, number, first, last):
        """Read a meter's import profile on demand."""
        question = {"device": self.device(number), "what": "profile", "profile": "load_import"}
        answer = await self.bus.request(
            "headend.read", orjson.dumps(question | {"start": first, "end": last}), timeout_s=5.0
        )
        await self.settle()
        return orjson.loads(answer)

    def profile_buffer(self, number, first, last):
        """A meter's own entries stamped in [first, last], as it would send them."""
        ends = (CosemDateTime.from_datetime(datetime.fromtimestamp(at, UTC)) for at in (first, last))
        selection = RangeSelection(**dict(zip(("from_", "to"), ends, strict=True))).to_bytes()
        return self.fleet.meter(number).get(1, AttributeAddress(7, IMPORT_PROFILE, 2), selection)

    async def push_profile(self, number, buffer):
        """Let a meter push entries of its import profile, under its own keys and with its next counter."""
        meter = self.fleet.meter(number)
        specification = meter.view.specification
        context = SecurityContext(
            own_title=specification.system_title,
            peer_title=b"",
            cipher=ApduCipher(specification.guek, specification.gak),
            next_counter=meter.next_invocation_counter,
            peer_counter=GrowingCounter(),
        )
        pushed = [CaptureObject(40, ObisCode("0.0.25.9.7.255"), 2), CaptureObject(7, IMPORT_PROFILE, 2)]
        body = encode_structure(encode_array([each.to_bytes() for each in pushed]), buffer)
        apdu = DataNotification(long_invoke=1, date_time=b"", body=body).to_bytes()
        frame = encode_wrapper(1, 1, context.protect(apdu, CipherForm.GENERAL_GLO, Protection.BOTH))
        before = await self._pushes()
        _, stream = await asyncio.open_connection("127.0.0.1", self.head_end.push_port)
        stream.write(frame)
        await stream.drain()
        async with asyncio.timeout(5):
            while await self._pushes() == before:  # noqa: ASYNC110  # what is waited for is in the database
                await asyncio.sleep(0.01)
        stream.close()
        await self.settle()

    async def _pushes(self):
        await self.head_end._flush()
        return sum(line.session.kind == "push" for line in await HeadendQueries(self.database).sessions(limit=1000))

    # What became of it.

    @property
    def services(self):
        """What API and portal stand on."""
        return MarketServices(
            database=self.database,
            bus=self.bus,
            clock=self.clock,
            registry=self.registry,
            readings=ReadingStore(warehouse=self.warehouse, database=self.database),
            collection=HeadendQueries(self.database),
            headend_settings=self.head_end.settings,
            keystore=self.keystore,
        )

    async def api(self):
        """A client of the API, logged in as operator."""
        if self.http is None:
            await Accounts(self.database).add_user(NewUser(name="olivia", password=PASSWORD, role=Role.OPERATOR))
            app = create_api(self.services, MarketSettings())
            transport = httpx.ASGITransport(app=app)
            self.http = httpx.AsyncClient(transport=transport, base_url="http://meterworks.example/api/v1")
            answer = await self.http.post("/tokens", json={"user": "olivia", "password": PASSWORD})
            self.http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return self.http

    async def ask(self, path, **query):
        """The rows of the one series that a path answers with."""
        answer = await (await self.api()).get(path, params={"channel": str(IMPORT), **query})
        assert answer.status_code == 200, answer.text
        (series,) = answer.json()["series"]
        return series["readings"]

    async def series(self, place, first, last, **query):
        """A usage point's import in [first, last): list of (epoch s, value, quality)."""
        rows = await self.ask(f"/metering-points/{place}/readings", **{"from": text(first), "to": text(last)}, **query)
        return [(_epoch_of(row), row["value"], row["quality"]) for row in rows]

    async def device_series(self, number, first, last, **query):
        """A meter's import in [first, last): epoch s to value."""
        path = f"/devices/{self.device(number)}/readings"
        rows = await self.ask(path, **{"from": text(first), "to": text(last)}, **query)
        return {_epoch_of(row): row["value"] for row in rows}

    def rows(self, number):
        """The warehouse's import rows of a meter: (epoch s, value, flags, version, source), by time and version."""
        found = self.warehouse.query(
            "SELECT epoch(ts)::BIGINT AS start, value, flags, version, source FROM readings "
            "WHERE device = $device AND channel = $channel ORDER BY start, version",
            {"device": int(self.device(number)), "channel": IMPORT},
        )
        return [tuple(row.values()) for row in found.to_pylist()]

    def doubles(self):
        """Keys (device, channel, ts, version) that the warehouse holds more than once."""
        found = self.warehouse.query("SELECT device, channel, ts, version FROM readings").to_pylist()
        return [key for key, count in Counter(tuple(row.values()) for row in found).items() if count > 1]

    async def gaps(self, number, state):
        """Ranges (epoch s) of a meter's import that are missing or absent, by the API."""
        await self.head_end._flush()
        query = {"device": str(self.device(number)), "profile": "load_import", "state": state}
        answer = await (await self.api()).get("/collection/missing", params=query)
        return [(_epoch(row["from"]), _epoch(row["to"])) for row in answer.json()["ranges"]]


def _epoch(moment):
    return int(datetime.fromisoformat(moment).timestamp())


def _epoch_of(row):
    return _epoch(row["start"])


def raw(load, first, last):
    """What a load used in each half-hour of [first, last), as a usage point shows it: raw readings."""
    return [(at, load.between(at, at + STEP), "raw") for at in range(first, last, STEP)]


def load_from(epoch_s, key=0, **options):
    """A controlled load."""
    return ControlledLoad(epoch_s, key=key, **options)
