"""A street of three homes with a supplier and an energy service, on a database of its own for each check."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from meterworks.catalogue import Detail, Medium, Role
from meterworks.market import (
    AccessLog,
    Consents,
    ConsentTerms,
    Principal,
    Resolution,
    SeriesQuestion,
    SubjectExport,
    TimeRange,
)
from meterworks.market.access_view import AccessView
from meterworks.market.device_access import DeviceAccess
from meterworks.market.question import parse_channels
from meterworks.market.reading_access import ReadingAccess
from meterworks.market.scope import Scope
from meterworks.readings import READING_RESULT
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
from meterworks.runtime import Database, ManualClock
from meterworks.trust import KeyStore
from meterworks.trust.audit import MemoryAuditSink

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
MOVED = datetime(2026, 4, 1, tzinfo=UTC)  # ann leaves MP1, bea comes
GONE = datetime(2026, 5, 1, tzinfo=UTC)  # the supplier loses MP1
HALF_HOUR_S = 1800
HALF_HOURLY_IMPORT = 12


class Store:
    """Readings of one watt-hour in each half-hour, whatever is asked."""

    async def by_usage_point(
        self, _installed: object, channels: Any, from_: datetime, to: datetime, **_: object
    ) -> Any:
        first, last = -(-int(from_.timestamp()) // HALF_HOUR_S), -(-int(to.timestamp()) // HALF_HOUR_S)
        starts = np.arange(first, last, dtype=np.int64) * HALF_HOUR_S
        tables = [
            pa.table(
                {
                    "channel": pa.array([channel] * len(starts), pa.int32()),
                    "ts": pa.array(starts * 1_000_000).view(pa.timestamp("us")),
                    "value": pa.array([1] * len(starts), pa.int64()),
                    "quality": pa.array([0] * len(starts), pa.int16()),
                    "flags": pa.array([0] * len(starts), pa.int32()),
                    "version": pa.array([1] * len(starts), pa.int32()),
                },
                schema=READING_RESULT,
            )
            for channel in channels
            if channel == HALF_HOURLY_IMPORT
        ]
        return pa.concat_tables(tables) if tables else READING_RESULT.empty_table()


class Bus:
    """A meter that answers at once; `meanwhile` happens before it does."""

    def __init__(self) -> None:
        self.meanwhile: Any = None

    async def request(self, *_: object, **__: object) -> bytes:
        if self.meanwhile is not None:
            await self.meanwhile()
        return orjson.dumps({"values": {"16": [NOW.timestamp(), 4711], "160": [NOW.timestamp(), 230]}})


async def lay_street(path: Path) -> dict[str, int]:
    """Make the street; gives the numbers of its parties and persons."""
    database = Database(f"sqlite:///{path}")
    await database.create_tables()
    registry = Registry(database, KeyStore(bytes(range(32))), clock=ManualClock(NOW))
    await registry.seed_channels()
    points = [UsagePointId(f"MP{number}") for number in (1, 2, 3)]
    await registry.add_usage_points([UsagePoint(id=point, medium=Medium.ELECTRICITY) for point in points])
    devices = [
        NewDevice(
            identity=f"4d5745000000000{number}",
            serial=f"S{number}",
            manufacturer="MWE",
            model="M",
            firmware="1",
            medium=Medium.ELECTRICITY,
            phases=1,
            address=f"127.16.0.{number}:4059",
        )
        for number in (1, 2, 3)
    ]
    numbers = await registry.add_devices(devices)
    await registry.add_installations(
        [
            Installation(device_id=DeviceId(number), usage_point_id=point, starts_at=START)
            for number, point in zip(numbers, points, strict=True)
        ]
    )
    supplier = await registry.add_organisation("Supplier", "90b3d51f30000042", OrganisationKind.MARKET)
    service = await registry.add_organisation("Adviser", "90b3d51f30000043", OrganisationKind.MARKET)
    await registry.grant_role(supplier, Role.SUPPLIER, START)
    await registry.grant_role(service, Role.OTHER_USER, START)
    await registry.register(
        [
            Registration(
                organisation_id=supplier, usage_point_id=points[0], role=Role.SUPPLIER, starts_at=START, ends_at=GONE
            )
        ]
    )
    ann = await registry.add_consumer("Ann Canary", "ann@canary.example")
    bea = await registry.add_consumer("Bea", "")
    await registry.occupy(
        [
            Occupancy(consumer_id=ann, usage_point_id=points[0], starts_at=START, ends_at=MOVED),
            Occupancy(consumer_id=bea, usage_point_id=points[0], starts_at=MOVED),
            Occupancy(consumer_id=ann, usage_point_id=points[1], starts_at=MOVED),
        ]
    )
    await database.close()
    return {"supplier": supplier, "service": service, "ann": ann, "bea": bea}


@pytest.fixture(scope="session")
def laid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The street on disk, made once."""
    path = tmp_path_factory.mktemp("privacy") / "street.sqlite3"
    return path, asyncio.run(lay_street(path))


class Street:
    """The market's services over the street, and who asks."""

    def __init__(self, database: Database, numbers: dict[str, int]) -> None:
        self.database, self.numbers = database, numbers
        self.clock, self.audit, self.bus = ManualClock(NOW), MemoryAuditSink(), Bus()
        self.registry = Registry(database, KeyStore(bytes(range(32))), clock=self.clock)
        services: Any = SimpleNamespace(
            audit=self.audit,
            database=database,
            clock=self.clock,
            registry=self.registry,
            readings=Store(),
            bus=self.bus,
        )
        self.access_log = AccessLog(database)
        self.consents = Consents(database, self.registry, self.clock, self.audit)
        scope = Scope(self.registry, self.consents)
        self.readings = ReadingAccess(services, scope, self.access_log, rows_max=1_000_000)
        self.devices = DeviceAccess(services, scope, self.access_log, read_timeout_s=1.0)
        self.view = AccessView(services, self.access_log)
        self.export = SubjectExport(services, self.consents, self.view, self.readings)
        expires_at = NOW + timedelta(days=1)
        self.supplier = Principal(
            user_id=1,
            name="sam.person",
            role=Role.SUPPLIER,
            organisation_id=numbers["supplier"],
            consumer_id=None,
            token_hash="",
            expires_at=expires_at,
        )
        self.service = replace(
            self.supplier, name="eva.person", role=Role.OTHER_USER, organisation_id=numbers["service"]
        )
        self.ann = replace(
            self.supplier, name="ann", role=Role.CONSUMER, organisation_id=None, consumer_id=numbers["ann"]
        )
        self.bea = replace(self.ann, name="bea", consumer_id=numbers["bea"])

    def terms(self, **changes: Any) -> ConsentTerms:
        """Advice to the service at MP1, of everything, until far ahead."""
        usual: dict[str, Any] = {
            "organisation_id": self.numbers["service"],
            "usage_point_id": "MP1",
            "purpose": "advice",
            "detail": Detail.INTERVAL,
            "data_from": START,
        }
        return ConsentTerms(**{**usual, **changes})

    async def consent(self, **changes: Any) -> str:
        """Bea's consent; gives its reference."""
        given = await self.consents.give(self.numbers["bea"], self.terms(**changes), via="api", actor="account:bea")
        return given.reference

    async def read(
        self,
        who: Principal,
        point: str,
        from_: datetime,
        to: datetime,
        *,
        purpose: str = "",
        resolution: Resolution = "interval",
    ) -> Any:
        """The rows of the half-hourly import."""
        question = SeriesQuestion(
            channels=parse_channels(["12"]),
            asked=TimeRange(from_, to),
            as_of=None,
            resolution=resolution,
            zone_name=None,
            row_limit=None,
            cursor=None,
            purpose=purpose,
            request_id="r",
        )
        result = await self.readings.of_usage_point(who, point, question)
        return result.series[0].rows


@pytest.fixture
async def street(laid: tuple[Path, dict[str, int]], tmp_path: Path) -> AsyncIterator[Street]:
    """A street of this check's own."""
    path = tmp_path / "street.sqlite3"
    for file in laid[0].parent.glob(f"{laid[0].name}*"):
        shutil.copy(file, tmp_path / file.name)
    database = Database(f"sqlite:///{path}")
    yield Street(database, laid[1])
    await database.close()
