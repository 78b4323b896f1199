"""Starting, stopping and what stands in the way of both."""

import asyncio
import json
import time

import pytest
from tests.integration.headend.conftest import SETTINGS
from tests.integration.headend.field import expected_intervals, until
from tests.integration.headend.test_push import Sender

from meterworks.errors import MeterworksError, UnreachableError, UsageError
from meterworks.headend import HeadEnd, HeadendQueries, HeadendSettings
from meterworks.headend import status as status_module
from meterworks.links import ConnectFailed, call_head_end
from meterworks.protocols.dlms import DataAccessResult
from meterworks.runtime import Database

ONE = {"profiles": ("load_import",)}


async def ask(field, subject, **request):
    return json.loads(await field.bus.request(subject, json.dumps(request).encode(), timeout_s=5.0))


async def test_a_taken_push_port_is_said_at_once(meters_field):
    with pytest.raises(ConnectFailed, match="cannot listen"):
        await meters_field.start(push_port=meters_field.server.port, push_host="0.0.0.0")


async def test_a_database_without_tables_stops_the_start(meters_field, tmp_path):
    empty = Database(f"sqlite+aiosqlite:///{tmp_path}/empty.sqlite3")
    head_end = HeadEnd(
        bus=meters_field.bus,
        database=empty,
        directory=meters_field.directory,
        clock=meters_field.clock,
        settings=HeadendSettings(**SETTINGS),
    )
    with pytest.raises(MeterworksError):
        await head_end.run()
    await empty.close()


async def test_a_registry_out_of_reach_is_asked_again(meters_field):
    meters_field.add_meter(1, record=ONE)
    meters_field.directory.broken = UnreachableError("the database is busy")
    head_end = await meters_field.start()
    assert head_end.collector.devices == {}
    meters_field.directory.broken = None
    await until(lambda: len(meters_field.writer.channel(1, 12)) > 100, what="the history")


async def test_a_registry_that_goes_away_leaves_the_devices_known(meters_field):
    meters_field.add_meter(1, record=ONE)
    head_end = await meters_field.start()
    await until(lambda: meters_field.missing("load_import") == 0, what="the history")
    meters_field.directory.broken = UnreachableError("the database is busy")
    await meters_field.bus.send("registry.changed", b"")
    await meters_field.clock.sleep(0.1)
    assert set(head_end.collector.devices) == {1}
    answer = await ask(meters_field, "headend.read", device=1, what="clock")
    assert "drift_s" in answer


async def test_a_new_firmware_is_noticed_and_its_profiles_checked_again(meters_field):
    meter = meters_field.add_meter(1, record=ONE)
    head_end = await meters_field.start()
    await until(lambda: meters_field.missing("load_import") == 0, what="the history")
    await meters_field.settle()
    meters_field.add_meter(2, record=ONE)
    record = meters_field.directory.records[2]
    meters_field.directory.records[2] = type(record)(
        **{name: getattr(record, name) for name in record.__slots__ if name != "firmware"}, firmware="2"
    )
    await meters_field.bus.send("registry.changed", b"")
    await until(lambda: len(meters_field.writer.channel(2, 12)) > 100, what="the second device")
    assert meter.answers["1.0.99.1.0.255", 3] == 1
    assert meters_field.meters[2].answers["1.0.99.1.0.255", 3] == 1
    assert head_end.collector.devices[2].firmware == "2"


async def test_a_back_dated_installation_brings_its_history(meters_field):
    meter = meters_field.add_meter(1, days=2, record=ONE)
    await meters_field.start()
    await until(lambda: meters_field.missing("load_import") == 0, what="two days")
    record = meters_field.directory.records[1]
    earlier = meter.starts - 3 * 86_400
    meter.starts = earlier
    fields = {name: getattr(record, name) for name in record.__slots__}
    fields["installed"] = ((earlier, record.installed[0][1]),)
    meters_field.directory.records[1] = type(record)(**fields)
    await meters_field.bus.send("registry.changed", b"")
    await until(lambda: meters_field.missing("load_import") > 0, what="the new expectation")
    meters_field.head_end.collector.visit_soon(1, 0.0)
    await until(lambda: meters_field.missing("load_import") == 0, what="five days")
    now = meters_field.clock.epoch_s() - 60
    assert meters_field.writer.channel(1, 12) == expected_intervals(1, 12, earlier, now)


async def test_stopping_in_the_middle_of_the_fill_is_quick_and_loses_nothing_published(meters_field):
    for device_id in range(1, 9):
        meters_field.add_meter(device_id, days=40)
    head_end = await meters_field.start(sessions_max=2, set_rows_max=200)
    await until(lambda: len(meters_field.writer.sets) > 3, what="a part of the fill")
    began = time.monotonic()
    await meters_field.stop()
    assert time.monotonic() - began < 5.0
    assert head_end.outbox.bytes_waiting == 0
    progress = {each.profile: each for each in await HeadendQueries(meters_field.database).progress()}
    assert progress["load_import"].committed_s + progress["load_import"].sent_s > 0
    await meters_field.start()
    await until(lambda: meters_field.missing("load_import", "load_export") == 0, what="the rest")
    assert meters_field.writer.conflicts == 0


async def test_an_on_demand_read_under_way_ends_with_the_head_end(meters_field):
    meter = meters_field.add_meter(1, record=ONE)
    await meters_field.start()
    await until(lambda: meters_field.missing("load_import") == 0, what="the history")
    await meters_field.settle()
    plain = meter.get

    def never(sap, address, selection):
        if str(address.obis_code).startswith("1.0."):
            return DataAccessResult.TEMPORARY_FAILURE
        return plain(sap, address, selection)

    meter.get = never
    start = meter.starts
    asked = asyncio.ensure_future(
        ask(
            meters_field,
            "headend.read",
            device=1,
            what="profile",
            profile="load_import",
            start=start,
            end=start + 1800,
        )
    )
    await until(lambda: meters_field.head_end.slots.open_sessions == 1, what="the session")
    await meters_field.stop()
    with pytest.raises(UnreachableError):
        await asked


async def test_missing_ranges_are_told_in_bounds(meters_field, monkeypatch):
    monkeypatch.setattr(status_module, "RANGES_MAX", 3)
    for device_id in range(1, 6):
        meters_field.add_meter(device_id)
    meters_field.meters.clear()
    await meters_field.start()
    told = await ask(meters_field, "headend.missing")
    assert (len(told["ranges"]), told["more"]) == (3, True)
    told = await ask(meters_field, "headend.missing", devices=[2], profile="daily")
    assert [(each["device"], each["profile"], each["state"]) for each in told["ranges"]] == [(2, "daily", "missing")]
    assert not told["more"]


async def test_late_silent_and_quarantined_devices_are_counted(still_field):
    still_field.add_meter(1, record=ONE)
    still_field.add_meter(2, record=ONE)
    still_field.meters.pop(2)
    still_field.add_meter(3, record=ONE, refuses_keys=True)
    await still_field.start(quarantine_failures=1)
    await until(lambda: still_field.memory(3).quarantined and still_field.memory(2).failures, what="the failures")
    await until(lambda: len(still_field.writer.channel(1, 12)) > 100, what="the history")
    told = await ask(still_field, "headend.status")
    assert (told["devices"], told["quarantined"], told["silent"], told["late"]) == (3, 1, 2, 2)
    again = await ask(still_field, "headend.status")
    assert again["at"] == told["at"], "a status is kept for a moment"


async def test_releasing_what_is_not_there_is_refused(meters_field):
    await meters_field.start()
    with pytest.raises(UsageError):
        await ask(meters_field, "headend.release", device=5)


async def test_a_call_of_a_quarantined_device_is_not_used(meters_field):
    meter = meters_field.add_meter(1, record={**ONE, "calls_us": True})
    head_end = await meters_field.start()
    meters_field.memory(1).quarantined = True
    opening = Sender(1).call(meters_field.clock.epoch_s())
    call = await call_head_end(meter, "127.0.0.1", head_end.push_port, opening=opening)
    await until(lambda: meters_field.memory(1).push_counter > 0, what="the call to be taken")
    await meters_field.clock.sleep(0.2)
    assert meter.answers["1.0.99.1.0.255", 2] == 0
    call.close()


async def test_a_held_call_that_breaks_is_forgotten(meters_field):
    meter = meters_field.add_meter(1, record={**ONE, "calls_us": True})
    head_end = await meters_field.start()
    sender = Sender(1)

    async def call():
        opening = sender.call(meters_field.clock.epoch_s())
        return await call_head_end(meter, "127.0.0.1", head_end.push_port, opening=opening)

    first = await call()
    await until(lambda: meters_field.missing("load_import") == 0, what="the history")
    await meters_field.settle()
    second = await call()
    await until(lambda: 1 in head_end._calls._held, what="the held call")
    second.close()
    await meters_field.clock.sleep(0.1)
    asked = asyncio.ensure_future(ask(meters_field, "headend.read", device=1, what="clock"))
    await until(lambda: 1 not in head_end._calls._held, what="the broken call to be dropped")
    third = await call()
    assert "drift_s" in await asked
    first.close()
    third.close()
