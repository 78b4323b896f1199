"""A registry on a real SQLite file, empty, and helpers that fill it."""

from datetime import UTC, datetime

import pytest

from meterworks.catalogue import Medium
from meterworks.registry import DeviceKeys, NewDevice, Registry, UsagePoint, UsagePointId
from meterworks.runtime import Base, Database, ManualClock
from meterworks.trust import KeyStore

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def keystore():
    return KeyStore(bytes(range(32)))


@pytest.fixture
async def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/registry.sqlite3")
    tables = [table for name, table in Base.metadata.tables.items() if name.startswith("registry_")]
    await database.create_tables(*tables)
    yield database
    await database.close()


@pytest.fixture
def registry(database, keystore):
    return Registry(database, keystore, clock=ManualClock(NOW))


@pytest.fixture
def new_device():
    """Make devices to add: number 1 has identity 4d57530000000001."""

    def make(number, **changes):
        values = {
            "identity": f"4d5753{number:010x}",
            "serial": f"MW{number:08d}",
            "manufacturer": "Meterworks",
            "model": "MW-E1",
            "firmware": "1.0.0",
            "medium": Medium.ELECTRICITY,
            "phases": 1,
            "address": f"127.16.{number // 256}.{number % 256}:4059",
            "keys": DeviceKeys(guek=number.to_bytes(16), gak=number.to_bytes(16, "little")),
        }
        return NewDevice(**{**values, **changes})

    return make


@pytest.fixture
def new_point():
    """Make usage points to add: number 1 is MP0000000001."""

    def make(number, **changes):
        values = {
            "id": UsagePointId(f"MP{number:010d}"),
            "medium": Medium.ELECTRICITY,
            "address": f"{number} Mill Lane",
            "feeder": f"F{number % 3}",
            "transformer": f"T{number % 5}",
            "time_zone": "Europe/London",
        }
        return UsagePoint(**{**values, **changes})

    return make


@pytest.fixture
async def street(registry, new_device, new_point):
    """Three devices in stock (numbers given) and three usage points."""
    points = [new_point(number) for number in (1, 2, 3)]
    await registry.add_usage_points(points)
    devices = await registry.add_devices([new_device(number) for number in (1, 2, 3)])
    return devices, [point.id for point in points]
