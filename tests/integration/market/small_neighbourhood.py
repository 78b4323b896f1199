"""A system of a few meters without processes: real database, warehouse and registry, in-process bus, known readings.

Meter n (1 to 4) hangs at MP000n since 2025-11-01. Its half-hourly import is `value_of(n, start)` up to NOW. Meter 4
took the place of meter 5 at MP0004 at 10:10 of 2026-11-10. Supplier "Northern Power" is registered at MP0001 and
MP0002, at MP0003 only during June; the consumer `rea` lives at MP0001 since 2026-03-01 and lived at MP0002 before that,
`ben` the other way round.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from meterworks.catalogue import Medium, Role
from meterworks.errors import UnreachableError
from meterworks.headend import HeadendQueries, HeadendSettings
from meterworks.market import Accounts, Acts, Admissions, MarketServices, MarketSettings, NewUser
from meterworks.readings import ReadingsProgress, ReadingStore, rebuild_recent_days
from meterworks.registry import (
    DeviceId,
    Installation,
    NewDevice,
    Occupancy,
    OrganisationKind,
    Registration,
    Registry,
    UsagePoint,
    UsagePointId,
)
from meterworks.runtime import Database, ManualClock, MemoryBus, Subscription, WarehouseSettings, insert_many
from meterworks.runtime.warehouse import Warehouse
from meterworks.trust import KeyStore, hash_token
from meterworks.trust.audit import MemoryAuditSink

__all__ = [
    "CORRECTED",
    "CORRECTED_VALUE",
    "EXCHANGED_AT",
    "MOVED_AT",
    "NOW",
    "PASSWORD",
    "START",
    "Foundation",
    "SmallNeighbourhood",
    "lay_foundation",
    "open_neighbourhood",
    "prove_second_factor",
    "value_of",
]

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
START = datetime(2025, 11, 1, tzinfo=UTC)
EXCHANGED_AT = datetime(2026, 11, 10, 10, 10, tzinfo=UTC)
MOVED_AT = datetime(2026, 3, 1, tzinfo=UTC)
RECENT_DAYS = 30
PASSWORD = "correct horse battery"  # of every account here
CHANNEL = 12
REMOVED_DEVICE = 5
DATABASE_NAME = "meterworks.sqlite3"


def value_of(device: int, start_epoch_s: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The known import in Wh of a meter in the half-hours with these starts."""
    return (start_epoch_s // 1800 * 7 + device * 13) % 997


@dataclass(frozen=True)
class Foundation:
    """What is on disk: made once, then copied for each test (the warehouse is only read)."""

    folder: Path
    warehouse: Warehouse
    supplier_id: int
    consumer_id: int
    other_consumer_id: int


@dataclass(frozen=True)
class SmallNeighbourhood:
    """What a test stands on."""

    services: MarketServices
    settings: MarketSettings
    bus: MemoryBus
    clock: ManualClock
    database: Database
    foundation: Foundation
    reading: Subscription  # the stand-in for the head-end's on-demand reads

    async def close(self) -> None:
        """Close what is open."""
        await self.bus.close()
        await self.database.close()


def _readings(device: int, from_: datetime, to: datetime) -> pa.Table:
    starts = np.arange(int(from_.timestamp()), int(to.timestamp()), 1800, dtype=np.int64)
    count = len(starts)
    return pa.table(
        {
            "device": np.full(count, device, np.int64),
            "channel": np.full(count, CHANNEL, np.int32),
            "ts": pa.array(starts * 1_000_000).view(pa.timestamp("us")),
            "value": value_of(device, starts),
            "quality": np.zeros(count, np.int32),
            "flags": np.zeros(count, np.int32),
            "version": np.ones(count, np.int32),
            "source": np.zeros(count, np.int32),
            "received_at": pa.array((starts + 3600) * 1_000_000).view(pa.timestamp("us")),
        }
    )


def _correction(device: int, start: datetime, value: int) -> pa.Table:
    """A second version of one reading, received two days after the first."""
    first = _readings(device, start, start + timedelta(minutes=30))
    received = first["received_at"].cast(pa.int64()).to_numpy() + 2 * 86_400_000_000
    return pa.table(
        {
            **{name: first[name] for name in first.column_names},
            "value": pa.array([value], pa.int64()),
            "version": pa.array([2], pa.int32()),
            "received_at": pa.array(received).view(pa.timestamp("us")),
        }
    )


CORRECTED = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
CORRECTED_VALUE = 5000


async def _fill_registry(registry: Registry) -> None:
    await registry.add_usage_points(
        [
            UsagePoint(
                id=UsagePointId(f"MP000{number}"),
                medium=Medium.ELECTRICITY,
                name=f"House {number}",
                address=f"{number} Meadow Lane",
                postcode="ME7 3RW",
                feeder=f"F{1 + number % 2}",
                transformer="T1",
                time_zone="Europe/London",
            )
            for number in range(1, 5)
        ]
    )
    numbers = [1, 2, 3, 4, 9]
    ids = await registry.add_devices(
        [
            NewDevice(
                identity=f"4d5745000000000{number}",
                serial=f"S000{number}",
                manufacturer="MWE",
                model="MW-1P",
                firmware="1.0.0",
                medium=Medium.ELECTRICITY,
                phases=1,
                address=f"127.16.0.{number}:4059",
            )
            for number in numbers
        ]
    )
    assert list(ids) == [1, 2, 3, 4, 5]
    spans = {1: (START, None), 2: (START, None), 3: (START, None), 4: (EXCHANGED_AT, None), 5: (START, EXCHANGED_AT)}
    await registry.add_installations(
        [
            Installation(
                device_id=DeviceId(device),
                usage_point_id=UsagePointId(f"MP000{min(device, 4)}"),
                starts_at=from_,
                ends_at=to,
            )
            for device, (from_, to) in spans.items()
        ]
    )


async def _fill_rights(registry: Registry, database: Database) -> tuple[int, int, int]:
    supplier = await registry.add_organisation("Northern Power", "90b3d51f30000042", OrganisationKind.MARKET)
    await Admissions(database, Acts(MemoryAuditSink()), now=lambda: NOW).admit(
        supplier, assessor="olivia", document_digest="5f" * 32, valid_until=NOW + timedelta(days=365)
    )
    await registry.grant_role(supplier, Role.SUPPLIER, START)
    june, july = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    spans: Sequence[tuple[int, datetime, datetime | None]] = ((1, START, None), (2, START, None), (3, june, july))
    await registry.register(
        [
            Registration(
                organisation_id=supplier,
                usage_point_id=UsagePointId(f"MP000{number}"),
                role=Role.SUPPLIER,
                starts_at=from_,
                ends_at=to,
            )
            for number, from_, to in spans
        ]
    )
    consumer, other = await registry.add_consumer("A. Reader"), await registry.add_consumer("B. Neighbour")
    first, second = UsagePointId("MP0001"), UsagePointId("MP0002")
    await registry.occupy(
        [
            Occupancy(consumer_id=consumer, usage_point_id=first, starts_at=MOVED_AT),
            Occupancy(consumer_id=consumer, usage_point_id=second, starts_at=START, ends_at=MOVED_AT),
            Occupancy(consumer_id=other, usage_point_id=first, starts_at=START, ends_at=MOVED_AT),
            Occupancy(consumer_id=other, usage_point_id=second, starts_at=MOVED_AT),
        ]
    )
    return int(supplier), int(consumer), int(other)


async def _add_accounts(accounts: Accounts, supplier: int, consumer: int, other: int) -> None:
    for name, role, organisation_id, consumer_id in (
        ("olivia", Role.OPERATOR, None, None),
        ("sam", Role.SUPPLIER, supplier, None),
        ("rea", Role.CONSUMER, None, consumer),
        ("ben", Role.CONSUMER, None, other),
    ):
        await accounts.add_user(
            NewUser(name=name, password=PASSWORD, role=role, organisation_id=organisation_id, consumer_id=consumer_id)
        )


async def _answer_for_parts(bus: MemoryBus, clock: ManualClock) -> Subscription:
    async def status(_: bytes) -> bytes:
        return b'{"state":"running"}'

    async def read(question: bytes) -> bytes:
        device = orjson.loads(question)["device"]
        if device == REMOVED_DEVICE:
            raise UnreachableError(f"no route to device {device}")
        at = clock.epoch_s()
        return orjson.dumps({"device": device, "values": {"16": [at, 1_000_000 + device], "100": [at, 230_400]}})

    await bus.respond("headend.status", status)
    await bus.respond("readings.status", status)
    await bus.put(
        "last", "1", orjson.dumps({"16": [clock.epoch_s() - 60, 999], "100": [clock.epoch_s() - 60, 231_000]})
    )
    return await bus.respond("headend.read", read)


def _open_warehouse(folder: Path) -> Warehouse:
    return Warehouse(
        WarehouseSettings(location=str(folder / "warehouse"), catalog_url=f"sqlite:///{folder / 'catalog.sqlite3'}")
    )


async def prove_second_factor(accounts: Accounts, token: str) -> None:
    """Stands in for enrolling and showing a one-time code: the token's holder has proven one just now."""
    await accounts.tokens.prove(hash_token(token), frozenset({"totp"}))


async def lay_foundation(folder: Path) -> Foundation:
    """Make everything that lies on disk."""
    database = Database(f"sqlite:///{folder / DATABASE_NAME}")
    await database.create_tables()
    registry = Registry(database, KeyStore.open(folder / "keys" / "master"), clock=ManualClock(NOW))
    await registry.seed_channels()
    await _fill_registry(registry)
    supplier, consumer, other = await _fill_rights(registry, database)
    warehouse = _open_warehouse(folder)
    parts = [_readings(device, START, NOW) for device in (1, 2, 3)]
    parts += [_readings(4, EXCHANGED_AT - timedelta(minutes=10), NOW), _readings(5, START, EXCHANGED_AT)]
    parts += [_correction(1, CORRECTED, CORRECTED_VALUE)]
    warehouse.append(pa.concat_tables(parts), position=1)
    recent_from = int((NOW - timedelta(days=RECENT_DAYS)).timestamp()) // 86_400
    await rebuild_recent_days(warehouse, database, from_day=recent_from)
    async with database.transaction() as connection:
        row = {"name": "writer", "epoch": "", "sequence": 1, "recent_from_day": recent_from}
        await insert_many(connection, ReadingsProgress, [row])
    await _add_accounts(Accounts(database), supplier, consumer, other)
    await database.close()
    return Foundation(
        folder=folder, warehouse=warehouse, supplier_id=supplier, consumer_id=consumer, other_consumer_id=other
    )


async def open_neighbourhood(foundation: Foundation, folder: Path) -> SmallNeighbourhood:
    """A neighbourhood of its own for one test."""
    for file in foundation.folder.glob(f"{DATABASE_NAME}*"):
        shutil.copy(file, folder / file.name)
    database = Database(f"sqlite:///{folder / DATABASE_NAME}")
    clock, bus = ManualClock(NOW), MemoryBus()
    reading = await _answer_for_parts(bus, clock)
    keystore = KeyStore.open(foundation.folder / "keys" / "master")
    services = MarketServices(
        database=database,
        bus=bus,
        clock=clock,
        registry=Registry(database, keystore, clock=clock),
        keystore=keystore,
        audit=MemoryAuditSink(),
        readings=ReadingStore(warehouse=foundation.warehouse, database=database),
        collection=HeadendQueries(database),
        headend_settings=HeadendSettings(),
    )
    return SmallNeighbourhood(
        services=services,
        settings=replace(MarketSettings(), health_timeout_s=0.5, read_timeout_s=1.0),
        bus=bus,
        clock=clock,
        database=database,
        foundation=foundation,
        reading=reading,
    )
