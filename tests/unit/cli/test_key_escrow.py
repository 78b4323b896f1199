"""An escrow package from the registry of one system into that of another: sealed, opened by a quorum, taken over."""

import asyncio
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.cli.test_keystore import run

from meterworks.catalogue import Medium
from meterworks.errors import MeterworksError
from meterworks.headend.store import HeadendStore
from meterworks.registry import COUNTER_JUMP, DeviceKeys, KeyOrigin, NewDevice, Registry
from meterworks.runtime import Database, ManualClock
from meterworks.trust import KeyStore
from meterworks.trust.audit import Spool

HOLDERS = ("--holder", "Ada", "--holder", "Bob", "--holder", "Cleo", "--threshold", "2")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEYS = {
    number: DeviceKeys(guek=bytes([number]) + b"guek" * 3 + b"123", gak=bytes([number]) + b"gakk" * 3 + b"456")
    for number in (1, 2, 3)
}


def device(number, **changes):
    values = {
        "identity": f"4d5753{number:010x}", "serial": f"E{number}", "manufacturer": "Meterworks", "model": "MW-E1",
        "firmware": "1", "medium": Medium.ELECTRICITY, "phases": 1, "address": f"127.0.0.{number}:4059",
    }  # fmt: skip
    return NewDevice(**{**values, **changes})


async def made(data: Path, devices, counters=None):
    """A system's database and master key with these devices; gives their numbers."""
    (data / "db").mkdir(parents=True)
    database = Database(f"sqlite:///{data}/db/meterworks.sqlite3")
    await database.create_tables()
    registry = Registry(database, KeyStore.open(data / "keys" / "master.key"), clock=ManualClock(NOW))
    ids = await registry.add_devices(devices)
    await HeadendStore(database).reserve_counters(dict(zip(ids, counters or [], strict=False)))
    await database.close()
    return ids


async def held(data: Path, ids):
    """Keys and reserved counters."""
    database = Database(f"sqlite:///{data}/db/meterworks.sqlite3")
    registry = Registry(database, KeyStore.open(data / "keys" / "master.key"), clock=ManualClock(NOW))
    keys = await registry.keys(ids)
    memories = await HeadendStore(database).load_devices()
    origins = {each.origin for hand in (await registry.key_hands(ids)).values() for each in hand.active().values()}
    await database.close()
    return [keys[number] for number in ids], [memories[number].counter_reserved for number in ids], origins


def test_meters_are_taken_over_by_enough_holders_and_nobody_else(tmp_path):
    ceremony, shares = tmp_path / "ceremony", tmp_path / "shares"
    run("keystore", "ceremony", ceremony, *HOLDERS, "--shares", shares, "--recovery", "recovery")
    ours, theirs, package = tmp_path / "ours", tmp_path / "theirs", tmp_path / "fleet.mwe"
    asyncio.run(made(ours, [device(number, keys=KEYS[number]) for number in (1, 2, 3)], [100, 5000, 7]))
    recipient = ("--recipient", ceremony / "recovery.public.pem")
    assert json.loads(run("keys", "escrow", package, *recipient, "--data", ours, "--json")) == {"devices": 3}
    assert stat.S_IMODE(package.stat().st_mode) == 0o600
    content = package.read_bytes()
    assert not any(key in content for keys in KEYS.values() for key in keys.present().values())
    assert b"MW-E1" not in content

    ids = asyncio.run(made(theirs, [device(number) for number in (1, 2)]))
    words = ("keys", "take-over", package, "--quorum", ceremony, "--data", theirs, "--json")
    first, second = sorted(shares.iterdir())[:2]
    with pytest.raises(MeterworksError, match="1 holders are too few"):
        run(*words, "--share", first)
    both = ("--share", first, "--share", second)
    assert json.loads(run(*words, *both, "--dry-run"))["devices"] == 3
    told = json.loads(run(*words, *both))
    assert told == {"devices": 2, "unknown": ["4d57530000000003"], "exhausted": []}
    keys, counters, origins = asyncio.run(held(theirs, ids))
    assert keys == [KEYS[1], KEYS[2]]
    assert counters == [100 + COUNTER_JUMP, 5000 + COUNTER_JUMP]
    assert origins == {KeyOrigin.IMPORTED}

    assert json.loads(run(*words, *both))["devices"] == 2  # again: nothing more
    assert asyncio.run(held(theirs, ids)) == (keys, counters, origins)
    acts = [row["act"] for row in json.loads(run("keystore", "status", ceremony, "--json"))]
    assert acts.count("refused") == 1
    left = {place: Spool(place / "spool" / "command.jsonl", bytes_max=0).read(9)[0] for place in (ours, theirs)}
    assert [event.act for event in left[ours]] == ["key.escrowed"]
    assert {event.act for event in left[theirs]} == {"key.recovered"}


def test_a_package_is_never_written_over(tmp_path):
    ceremony, data, package = tmp_path / "ceremony", tmp_path / "data", tmp_path / "fleet.mwe"
    run("keystore", "ceremony", ceremony, *HOLDERS, "--shares", tmp_path / "shares", "--recovery", "recovery")
    asyncio.run(made(data, [device(1, keys=KEYS[1])]))
    package.write_bytes(b"kept")
    with pytest.raises(MeterworksError, match="there already"):
        run("keys", "escrow", package, "--recipient", ceremony / "recovery.public.pem", "--data", data)
    assert package.read_bytes() == b"kept"
