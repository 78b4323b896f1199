"""On-demand reads: answers, refusals, and their right of way."""

import asyncio
import json

import pytest
from tests.integration.headend.field import STEP, interval_value, register_value, until

from meterworks.errors import RefusedError, UnreachableError, UsageError
from meterworks.headend import HeadendQueries


async def ask(field, **request):
    return json.loads(await field.bus.request("headend.read", json.dumps(request).encode(), timeout_s=10.0))


async def test_registers_are_read_now(meters_field):
    meters_field.add_meter(1)
    await meters_field.start()
    answer = await ask(meters_field, device=1, what="registers")
    at, value = answer["values"]["16"]
    assert value == register_value(1, 1, int(at))
    assert abs(at - meters_field.clock.epoch_s()) < 5
    assert abs(answer["drift_s"]) < 1


async def test_a_range_of_a_profile_is_read_and_kept(meters_field):
    meter = meters_field.add_meter(1)
    await meters_field.start()
    start = meter.starts + 10 * STEP
    answer = await ask(meters_field, device=1, what="profile", profile="load_import", start=start, end=start + 3 * STEP)
    assert answer["readings"] == [[12, at, interval_value(1, 12, at), 0] for at in range(start, start + 3 * STEP, STEP)]
    await until(lambda: meters_field.writer.channel(1, 12).get(start) == interval_value(1, 12, start))


async def test_the_clock_can_be_asked_alone(meters_field):
    meters_field.add_meter(1, offset_s=0.5)
    await meters_field.start()
    assert (await ask(meters_field, device=1, what="clock"))["drift_s"] == pytest.approx(0.5, abs=0.3)


@pytest.mark.parametrize(
    "request_",
    [
        {"device": 1, "what": "secrets"},
        {"device": "one", "what": "registers"},
        {"device": 1, "what": "profile", "profile": "none", "start": 0, "end": 1},
        {"device": 1, "what": "profile", "profile": "load_import", "start": 5, "end": 5},
        {"device": 1, "what": "profile", "profile": "load_import", "start": 0, "end": 2_000_000_000},
        {"device": 99, "what": "registers"},
    ],
)
async def test_what_makes_no_sense_is_refused_as_ours(meters_field, request_):
    meters_field.add_meter(1)
    await meters_field.start()
    with pytest.raises(UsageError):
        await ask(meters_field, **request_)


async def test_what_is_not_even_json_is_refused(meters_field):
    await meters_field.start()
    for subject in ("headend.read", "headend.missing", "headend.release"):
        with pytest.raises(UsageError):
            await meters_field.bus.request(subject, b"\xff{", timeout_s=5.0)


async def test_an_unreachable_device_is_told_as_such(meters_field):
    meters_field.add_meter(1)
    meters_field.meters.clear()
    await meters_field.start()
    with pytest.raises(UnreachableError):
        await ask(meters_field, device=1, what="registers")


async def test_a_person_overtakes_the_night_run(meters_field):
    for device_id in range(1, 41):
        meters_field.add_meter(device_id, days=40)
    await meters_field.start(sessions_max=2, connects_per_s_max=20.0, connects_burst_max=1)
    await until(lambda: meters_field.writer.sets, what="the night run")
    await asyncio.wait_for(ask(meters_field, device=40, what="registers"), 2.0)
    assert meters_field.missing("load_import") > 0
    assert meters_field.head_end.slots.waiting(1) > 10


async def test_a_full_queue_refuses_instead_of_growing(meters_field):
    meters_field.add_meter(1)
    await meters_field.start(sessions_max=1, on_demand_queue_max=3)
    asked = [asyncio.ensure_future(ask(meters_field, device=1, what="registers")) for _ in range(30)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in answers if isinstance(each, RefusedError)]
    served = [each for each in answers if isinstance(each, dict)]
    assert len(refused) + len(served) == 30
    assert refused
    assert len(served) >= 3
    await until(lambda: meters_field.head_end.slots.waiting(0) == 0, what="an empty queue")


async def test_a_person_is_served_within_the_session_that_is_open(meters_field):
    meter = meters_field.add_meter(1, days=60, record={"profiles": ("load_import",)})
    head_end = await meters_field.start(set_rows_max=48)
    await until(lambda: meters_field.writer.sets, what="the first set of the night run")
    assert head_end.slots.is_busy(1)
    answer = await ask(meters_field, device=1, what="registers")
    assert answer["values"]["16"]
    assert meters_field.missing("load_import") > 0, "the night run was over before the person was served"
    await until(lambda: meters_field.missing("load_import") == 0, what="the rest of the night run")
    assert len(meter.counters) == len(set(meter.counters))
    await meters_field.settle()
    await meters_field.flushed()
    sessions = await HeadendQueries(meters_field.database).sessions(1)
    assert [line.session.kind for line in sessions] == ["gap"]


async def test_a_read_lost_on_the_way_is_tried_once_more(meters_field):
    meter = meters_field.add_meter(1, record={"profiles": ("load_import",)})
    await meters_field.start()
    await until(lambda: meters_field.missing("load_import") == 0, what="the history")
    await meters_field.settle()
    plain, cuts = meter.get, []

    def cutting(sap, address, selection):
        if not cuts:
            cuts.append(address)
            for member in tuple(meters_field.server._connections.members):
                member.abort()
        return plain(sap, address, selection)

    meter.get = cutting
    answer = await ask(meters_field, device=1, what="clock")
    assert "drift_s" in answer
    assert len(cuts) == 1
