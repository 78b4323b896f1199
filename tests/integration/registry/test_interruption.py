"""What is cut off in the middle leaves nothing half done, and doing it again heals it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from meterworks.catalogue import Role
from meterworks.registry import (
    OrganisationKind,
    Registration,
    Registry,
    RowOutcome,
    UsagePointId,
    installation,
    registration,
    shipment,
)
from meterworks.runtime import Database
from meterworks.trust import wrap_key

TRANSPORT_KEY = bytes(16)


def key_of(number):
    return b"a key of" + number.to_bytes(8)


class Cut(Exception):
    """The process dies here."""


@pytest.fixture
def cut(monkeypatch):
    """Let a function of a module die at its n-th call."""

    def arrange(module, name, at_call):
        original = getattr(module, name)
        calls = []

        async def dying(*arguments, **keywords):
            calls.append(name)
            if len(calls) == at_call:
                raise Cut
            return await original(*arguments, **keywords)

        monkeypatch.setattr(module, name, dying)

    return arrange


def shipped(count):
    keys = [wrap_key(TRANSPORT_KEY, key_of(number)).hex() for number in range(count)]
    devices = [
        {
            "identity": f"{number:016x}",
            "serial": str(number),
            "manufacturer": "M",
            "model": "E1",
            "firmware": "1",
            "medium": "electricity",
            "phases": 1,
            "address": "127.0.0.1:4059",
            "guek": keys[number],
            "gak": keys[number],
            **({"usage_point": "MP0000000001", "installed_at": "2026-01-01"} if number == 0 else {}),
        }
        for number in range(count)
    ]
    return json.dumps({"devices": devices}).encode()


async def test_an_import_cut_off_leaves_whole_pieces_and_is_healed_by_importing_again(
    registry, new_point, cut, monkeypatch
):
    monkeypatch.setattr(shipment, "ROWS_PER_TRANSACTION", 10)
    await registry.add_usage_points([new_point(1)])
    cut(shipment, "insert_devices", at_call=3)
    with pytest.raises(Cut):
        await registry.import_shipment(shipped(35), "json", transport_key=TRANSPORT_KEY)
    assert (await registry.count_devices()).total == 20
    monkeypatch.undo()
    result = await registry.import_shipment(shipped(35), "json", transport_key=TRANSPORT_KEY)
    assert [row.outcome for row in result.rows] == [RowOutcome.ALREADY_THERE] * 20 + [RowOutcome.ADDED] * 15
    numbers = [entry.device.id for entry in (await registry.devices()).items]
    held = {keys.guek for keys in (await registry.keys(numbers)).values()}
    assert held == {key_of(number) for number in range(35)}


async def test_a_device_cut_off_before_its_installation_is_not_there(registry, new_point, cut):
    await registry.add_usage_points([new_point(1)])
    cut(shipment, "insert_installations", at_call=1)
    with pytest.raises(Cut):
        await registry.import_shipment(shipped(1), "json", transport_key=TRANSPORT_KEY)
    assert (await registry.count_devices()).total == 0
    assert await registry.installations(usage_point_id=UsagePointId("MP0000000001")) == ()


async def test_an_exchange_cut_off_leaves_the_old_device_standing(registry, street, cut, new_point):

    start = datetime(2026, 1, 1, tzinfo=UTC)
    (old, new, _), (point, *_) = street
    await registry.install(old, point, start)
    cut(installation, "insert_installations", at_call=1)
    with pytest.raises(Cut):
        await registry.exchange(point, old, new, start + timedelta(days=1))
    (standing,) = await registry.installations(usage_point_id=point)
    assert (standing.device_id, standing.ends_at) == (old, None)


async def test_a_change_of_supplier_cut_off_leaves_the_first_one(registry, street, cut):

    start = datetime(2026, 1, 1, tzinfo=UTC)
    point = street[1][0]
    entries = []
    for index in range(2):
        number = await registry.add_organisation(f"S{index}", f"{index:016x}", OrganisationKind.MARKET)
        await registry.grant_role(number, Role.SUPPLIER, start)
        begins = start + timedelta(days=index)
        entries.append(Registration(organisation_id=number, usage_point_id=point, role=Role.SUPPLIER, starts_at=begins))
    await registry.register(entries[:1])
    cut(registration, "insert_many", at_call=1)
    with pytest.raises(Cut):
        await registry.register(entries[1:], replacing=True)
    assert await registry.registrations() == (entries[0],)


async def test_what_was_done_is_there_after_a_restart(registry, database, keystore, street, tmp_path):
    devices, points = street
    keys = await registry.keys(devices)
    await database.close()
    reopened = Database(f"sqlite:///{tmp_path}/registry.sqlite3")
    again = Registry(reopened, keystore)
    assert await again.keys(devices) == keys
    assert [point.id for point in (await again.usage_points()).items] == points
    await reopened.close()
