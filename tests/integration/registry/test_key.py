"""Key versions in a real database: selections, changes in one transaction, inventory, and what a restore does."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from tests.integration.registry.conftest import NOW

from meterworks.registry import (
    COUNTER_JUMP,
    STORE_KEY,
    DeviceKeys,
    KeyKind,
    KeyOrigin,
    KeySelection,
    KeyState,
    Registry,
    UnknownRecordError,
)
from meterworks.registry.tables import DeviceKeyRow
from meterworks.runtime import Database
from meterworks.system.migration import _config, every_table, migrate

KEYS = (KeyKind.GUEK, KeyKind.GAK)


@pytest.fixture
async def numbers(registry, new_device):
    origins = (KeyOrigin.TRANSPORT, KeyOrigin.IMPORTED, KeyOrigin.IMPORTED)
    models = ("MW-E1", "MW-E1", "MW-E3")
    devices = [
        new_device(place, key_origin=origin, model=model)
        for place, (origin, model) in enumerate(zip(origins, models, strict=True), 1)
    ]
    return await registry.add_devices(devices)


def rotate(registry, letter, at=NOW):
    fresh = {kind: registry.wrap_key(f"{letter}{kind}".encode().ljust(16, b".")) for kind in KEYS}

    def change(hand):
        return hand.prepared(fresh, KeyOrigin.GENERATED, STORE_KEY, at).put_in_force(fresh, at)

    return change


async def test_a_rotation_gives_the_new_keys_and_keeps_the_old_ones_openable(registry, numbers):
    before = await registry.keys(numbers[0])
    (hand,) = (await registry.change_keys({numbers[0]: rotate(registry, "n")})).values()
    assert await registry.keys(numbers[0]) == DeviceKeys(guek=b"nguek...........", gak=b"ngak............")
    assert registry.open_key(hand.previous()[KeyKind.GUEK]) == before.guek
    stored = (await registry.key_hands([numbers[0]]))[numbers[0]]
    assert {(each.kind, each.version): each for each in stored.versions} == {
        (each.kind, each.version): each for each in hand.versions
    }
    assert await registry.keys(numbers[1]) == DeviceKeys(guek=(2).to_bytes(16), gak=(2).to_bytes(16, "little"))


async def test_suspended_keys_are_not_given(registry, numbers):
    assert await registry.suspend_keys(numbers[:1]) == 1
    assert await registry.keys(numbers[0]) == DeviceKeys()
    await registry.suspend_keys(numbers[:1], suspended=False)
    assert (await registry.keys(numbers[0])).guek == (1).to_bytes(16)


async def test_a_destroyed_key_cannot_be_opened(registry, numbers):
    for letter in "no":
        await registry.change_keys({numbers[0]: rotate(registry, letter)})
    hand = (await registry.key_hands(numbers[:1]))[numbers[0]]
    gone = next(each for each in hand.versions if each.state is KeyState.DESTROYED)
    with pytest.raises(UnknownRecordError, match="destroyed: we hold no key of it"):
        registry.open_key(gone)


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        ({}, [0, 1, 2]),
        ({"origin": KeyOrigin.TRANSPORT}, [0]),
        ({"model": "MW-E3"}, [2]),
        ({"compromised": True}, [1]),
        ({"compromised": True, "kinds": (KeyKind.GAK,)}, []),
        ({"older_than": NOW + timedelta(days=1)}, [0, 1]),
        ({"older_than": NOW}, []),
        ({"device_ids": (1, 3), "model": "MW-E1"}, [0]),
    ],
    ids=str,
)
async def test_a_selection_finds_its_devices(registry, numbers, selection, found):
    await registry.declare_compromised([numbers[1]], [KeyKind.GUEK])
    await registry.change_keys({numbers[2]: rotate(registry, "n", NOW + timedelta(days=2))})
    assert await registry.devices_of_keys(KeySelection(**selection)) == [numbers[place] for place in found]


async def test_an_unknown_device_changes_nothing(registry, numbers):
    with pytest.raises(UnknownRecordError):
        await registry.change_keys({numbers[0]: rotate(registry, "n"), 99: rotate(registry, "m")})
    assert (await registry.keys(numbers[0])).guek == (1).to_bytes(16)


async def test_a_counter_is_never_lowered_even_by_who_writes_what_he_read_earlier(registry, numbers):
    stale = (await registry.key_hands(numbers[:1]))[numbers[0]]
    key = stale.active()[KeyKind.GUEK]
    await registry.change_keys({numbers[0]: lambda hand: hand.reserved(key, 512)})
    await registry.change_keys({numbers[0]: lambda hand: stale.verified([KeyKind.GUEK], NOW + timedelta(hours=1))})
    assert (await registry.key_hands(numbers[:1]))[numbers[0]].active()[KeyKind.GUEK].counter == 512


async def test_after_a_restore_counters_go_forward(registry, numbers):
    key = (await registry.key_hands(numbers[:1]))[numbers[0]].active()[KeyKind.GUEK]
    await registry.change_keys({numbers[0]: lambda hand: hand.reserved(key, 64)})
    assert await registry.jump_counters() == 1
    hands = await registry.key_hands(numbers)
    assert hands[numbers[0]].active()[KeyKind.GUEK].counter == 64 + COUNTER_JUMP
    assert hands[numbers[1]].active()[KeyKind.GUEK].counter == 0


async def test_the_inventory_gives_every_device_with_keys_once(registry, numbers, new_device, monkeypatch):
    monkeypatch.setattr("meterworks.registry.key.INVENTORY_PAGE", 2)
    await registry.add_devices([new_device(9, keys=DeviceKeys())])
    pages = [page async for page in registry.key_inventory()]
    assert [[hand.device_id for hand in page] for page in pages] == [numbers[:2], numbers[2:]]
    assert all(version.wrapped for page in pages for hand in page for version in hand.versions)


async def test_keys_from_before_they_had_versions_become_the_first_version(tmp_path, keystore):
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/records.sqlite3")
    try:
        every_table()
        async with database.transaction() as connection:
            await connection.run_sync(lambda inner: command.upgrade(_config(inner), "0002"))
        device = {
            "scheme": "dlms", "identity": "4d57530000000001", "serial": "S", "manufacturer": "M", "model": "E",
            "firmware": "1", "medium": "electricity", "phases": 1, "address": "", "connection": "device",
            "interval_s": 1800, "keys_ref": "store", "state": "stock", "created_at": "2026-01-01 00:00:00",
        }  # fmt: skip
        async with database.transaction() as connection:
            await connection.execute(
                sa.text(
                    f"INSERT INTO registry_device (id, {', '.join(device)})"
                    f" VALUES (1, {', '.join(':' + name for name in device)})"
                ),
                device,
            )
            await connection.execute(
                sa.text("INSERT INTO registry_device_key VALUES (1, 'guek', :wrapped)"),
                {"wrapped": keystore.wrap(b"g" * 16)},
            )
        await migrate(database)
        registry = Registry(database, keystore)
        assert await registry.keys(1) == DeviceKeys(guek=b"g" * 16)
        (version,) = (await registry.key_hands([1]))[1].versions
        assert (version.version, version.state, version.origin) == (1, KeyState.ACTIVE, KeyOrigin.IMPORTED)
        assert (await registry.device(1)).suite == 0
        async with database.read() as connection:
            assert await connection.scalar(sa.select(sa.func.count()).select_from(DeviceKeyRow)) == 1
    finally:
        await database.close()
