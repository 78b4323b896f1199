"""The registry as a whole: its tables, its parts, and its limits with thousands of records."""

import sqlalchemy as sa

from meterworks.registry import Registry
from meterworks.registry.part import RegistryPart
from meterworks.runtime import Base


def test_no_part_hides_a_method_of_another():
    seen: dict[str, type] = {}
    for part in Registry.__bases__:
        assert issubclass(part, RegistryPart)
        for name in vars(part):
            if not name.startswith("__"):
                assert seen.setdefault(name, part) is part


def test_every_public_method_is_documented():
    for name in dir(Registry):
        if not name.startswith("_"):
            assert getattr(Registry, name).__doc__, name


async def test_the_tables_are_what_the_models_say(database):
    async with database.read() as connection:
        names = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    assert sorted(names) == sorted(name for name in Base.metadata.tables if name.startswith("registry_"))
    assert len(names) == 11


async def test_ten_thousand_devices_go_in_and_their_keys_come_out(registry, new_device):
    devices = [new_device(number) for number in range(10_000)]
    numbers = await registry.add_devices(devices)
    assert len(set(numbers)) == 10_000
    keys = await registry.keys(numbers)
    assert [keys[number] for number in numbers] == [device.keys for device in devices]
    page = await registry.devices(limit=10_000)
    assert [entry.device.identity for entry in page.items] == [device.identity for device in devices]
