"""A fleet's own initiative and its life: pushes, calls, restarts, ports, faults."""

import asyncio
import time
from dataclasses import replace

import pytest
import uvloop
from tests.integration.devices.conftest import (
    INSTALLED,
    MANAGEMENT,
    NOW,
    PUBLIC,
    READER,
    Reader,
    client_settings,
    specification,
)
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import PUSH_SETUPS, FaultSettings, FleetSettings, serve_one
from meterworks.devices.fleet import describe_meter
from meterworks.errors import UnreachableError, UsageError
from meterworks.links import DlmsClient, NotificationListener
from meterworks.protocols.dlms import (
    ApduCipher,
    AttributeAddress,
    ClientSettings,
    CountUp,
    DataNotification,
    MethodAddress,
    ObisCode,
    decode_all,
)
from meterworks.runtime import SystemClock
from meterworks.world import NeighbourhoodSettings, open_neighbourhood

NAME = AttributeAddress(1, ObisCode("0.0.42.0.0.255"), 2)


class HeadEnd:
    """A push port that opens what it is sent with the keys of known meters."""

    def __init__(self, specifications):
        self.keys = {one.system_title: ApduCipher(one.guek, one.gak) for one in specifications}
        self.specifications = {one.system_title: one for one in specifications}
        self.pushes = asyncio.Queue()
        self.read_over_call = []
        self.listener = NotificationListener(self.take)

    async def take(self, push):
        title, counter = push.apdu[2:10], int.from_bytes(push.apdu[12:16], "big")
        plain = self.keys[title].unprotect(push.apdu[11], title, counter, push.apdu[16:])
        body = decode_all(DataNotification.from_bytes(plain).body)
        self.pushes.put_nowait((title, counter, body, push.peer_host))
        if body[0] == PUSH_SETUPS[2].obis_code:
            await self.serve(push, title)

    async def serve(self, push, title):
        settings = client_settings(self.specifications[title], READER)
        client = push.take_over(settings, counter=CountUp(10_000), timeout_s=5)
        await client.associate()
        self.read_over_call.append(decode_all(await client.get(NAME)))
        await client.release()
        await client.close()

    async def next_push(self):
        async with asyncio.timeout(10):
            return await self.pushes.get()


@pytest.fixture
async def start_head_end():
    started = []

    async def start(specifications, port=0):
        head_end = HeadEnd(specifications)
        await head_end.listener.start("127.0.0.1", port)
        started.append(head_end)
        return head_end

    yield start
    for head_end in started:
        await head_end.listener.close()


def settings_for(head_end, **options):
    return FleetSettings(push_destination=f"127.0.0.1:{head_end.listener.port}", **options)


async def drive(clock, until, *, step_s=5.0, steps_max=2000):
    """Let system time pass until something has happened."""
    for _ in range(steps_max):
        if until():
            return
        clock.advance(step_s)
        for _ in range(5):
            await asyncio.sleep(0.0005)
    raise AssertionError("it did not happen in the time given")


async def test_meters_push_once_a_period_with_growing_counters(start_fleet, start_head_end, clock):
    specifications = [specification(number) for number in range(1, 5)]
    head_end = await start_head_end(specifications)
    await start_fleet(specifications=specifications, settings=settings_for(head_end, push_period_s=900))
    await drive(clock, lambda: head_end.pushes.qsize() >= 12)
    pushes = [head_end.pushes.get_nowait() for _ in range(12)]
    per_meter = {}
    for title, counter, body, _ in pushes:
        assert body[0] == PUSH_SETUPS[0].obis_code
        assert body[3] == 987
        per_meter.setdefault(title, []).append(counter)
    assert len(per_meter) == 4
    assert all(counters == sorted(set(counters)) for counters in per_meter.values())


async def test_a_power_failure_is_told_at_its_moment(start_fleet, start_head_end, clock):
    specifications = [specification(1)]
    head_end = await start_head_end(specifications)
    happens = int(NOW) + 300
    await start_fleet(specifications=specifications, settings=settings_for(head_end), event_rows=((happens, 0, 1),))
    await drive(clock, lambda: head_end.pushes.qsize() > 0)
    _, _, body, _ = head_end.pushes.get_nowait()
    assert body[0] == PUSH_SETUPS[1].obis_code
    assert body[3:] == (0, 1)
    assert happens <= clock.epoch_s() <= happens + 30


async def test_pushes_are_repeated_until_the_head_end_is_there(start_fleet, start_head_end, clock):
    specifications = [specification(1)]
    head_end = await start_head_end(specifications)
    port = head_end.listener.port
    await head_end.listener.close()
    fleet = await start_fleet(specifications=specifications, settings=settings_for(head_end))
    fleet.meter(0).view.record(1, 50)
    await drive(clock, lambda: fleet.status.pushes_failed >= 1, step_s=1)
    later = await start_head_end(specifications, port)
    await drive(clock, lambda: later.pushes.qsize() > 0)
    assert later.pushes.get_nowait()[2][3:] == (1, 50)


async def test_management_asks_for_a_push(start_fleet, start_head_end, clock):
    specifications = [specification(1)]
    head_end = await start_head_end(specifications)
    fleet = await start_fleet(specifications=specifications, settings=settings_for(head_end))
    async with await Reader(fleet, 0).connect(MANAGEMENT) as client:
        await client.action(MethodAddress(40, ObisCode("0.0.25.9.0.255"), 1), b"\x0f\x00")
    title, _, body, _ = await head_end.next_push()
    assert (title, body[0]) == (specifications[0].system_title, PUSH_SETUPS[0].obis_code)


async def test_a_meter_that_calls_says_who_it_is_and_is_read_on_the_same_connection(start_fleet, start_head_end, clock):
    specifications = [specification(1, connection="device"), specification(2)]
    head_end = await start_head_end(specifications)
    fleet = await start_fleet(specifications=specifications, settings=settings_for(head_end))
    title, _, body, peer = await head_end.next_push()
    assert title == specifications[0].system_title
    assert body[0] == PUSH_SETUPS[2].obis_code
    assert peer == specifications[0].address.rpartition(":")[0]
    await drive(clock, lambda: len(head_end.read_over_call) == 1, step_s=0)
    assert head_end.read_over_call == [b"MWR0000000000001"]
    assert fleet.status.calls_connected == 1


async def test_a_meter_calls_again_after_it_was_served(start_fleet, start_head_end, clock):
    specifications = [specification(1, connection="device")]
    head_end = await start_head_end(specifications)
    fleet = await start_fleet(specifications=specifications, settings=settings_for(head_end))
    await head_end.next_push()
    async with asyncio.timeout(30):
        while fleet.status.calls_connected < 2:
            clock.advance(60)
            await asyncio.sleep(0.02)
    assert fleet.status.calls_connected >= 2


async def test_a_restart_goes_on_above_every_counter_used(start_fleet, tmp_path):
    settings = FleetSettings(state_path=tmp_path / "state.npy")
    fleet = await start_fleet(settings=settings)
    async with await Reader(fleet, 0).connect(READER, counter=CountUp(5)) as client:
        await client.get(NAME)
    used = fleet.state.next_server_counter(0)
    await fleet.stop()
    again = await start_fleet(settings=settings)
    assert again.state.next_server_counter(0) > used
    lowest = again.state.lowest_acceptable_counter(0, b"MWHES001")
    assert lowest > 5
    async with await Reader(again, 0).connect(READER, counter=CountUp(lowest)) as client:
        assert decode_all(await client.get(NAME)) == b"MWR0000000000001"


async def test_slow_meters_answer_late(start_fleet):
    fleet = await start_fleet(settings=FleetSettings(faults=FaultSettings(response_delay_s=0.1)))
    begun = time.monotonic()
    async with await Reader(fleet, 0).connect(PUBLIC) as client:
        assert decode_all(await client.get(NAME)) == b"MWR0000000000001"
    assert time.monotonic() - begun >= 0.2


def test_slow_meters_answer_on_the_loop_that_processes_run(tmp_path):
    """uvloop's transports are of other classes than asyncio's."""

    async def read():
        neighbourhood = open_neighbourhood(tmp_path, NeighbourhoodSettings(meters=1, seed=3), now_epoch_s=time.time())
        specification = replace(neighbourhood.specification(0), address="127.0.0.1:0")
        settings = FleetSettings(faults=FaultSettings(response_delay_s=0.01))
        fleet = await serve_one(specification, neighbourhood.load(0), SystemClock(), settings=settings)
        try:
            client = await DlmsClient.connect("127.0.0.1", fleet.ports[0], ClientSettings(), counter=CountUp())
            await client.associate()
            name = decode_all(await client.get(NAME))
            await client.close()
        finally:
            await fleet.stop()
        return name

    assert uvloop.run(read()).startswith(b"MW")


async def test_refusing_meters_close_every_connection(start_fleet):
    fleet = await start_fleet(settings=FleetSettings(faults=FaultSettings(refuse_connections=True)))
    with pytest.raises(UnreachableError):
        await Reader(fleet, 0).connect(PUBLIC)


async def test_lossy_meters_leave_the_client_waiting(start_fleet):
    fleet = await start_fleet(settings=FleetSettings(faults=FaultSettings(loss_probability=1.0)))
    reader = Reader(fleet, 0)
    client = await DlmsClient.connect(
        reader.host, fleet.ports[0], client_settings(reader.meter, PUBLIC), counter=CountUp(1), timeout_s=0.2
    )
    async with client:
        with pytest.raises(UnreachableError):
            await client.associate()


async def test_a_slow_line_still_brings_a_whole_profile(start_fleet):
    fleet = await start_fleet(settings=FleetSettings(faults=FaultSettings(byte_rate_max=400_000)))
    reader = Reader(fleet, 0)
    async with await reader.connect(READER) as client:
        assert len(decode_all(await client.get(reader.values("1.0.98.2.0.255")))) == 397


async def test_an_address_without_a_meter_is_not_answered(start_fleet):
    fleet = await start_fleet(2)
    with pytest.raises(UnreachableError):
        client = await DlmsClient.connect(
            "127.99.0.1", fleet.ports[0], client_settings(None, PUBLIC), counter=CountUp(1), timeout_s=2
        )
        async with client:
            await client.associate()


async def test_meters_on_ports_of_one_address_are_told_apart(start_fleet, unused_tcp_port_factory):
    specifications = [specification(number, address=f"127.0.0.1:{unused_tcp_port_factory()}") for number in (1, 2, 3)]
    fleet = await start_fleet(specifications=specifications)
    assert len(fleet.ports) == 3
    for one in specifications:
        port = int(one.address.rpartition(":")[2])
        settings = client_settings(one, READER)
        client = await DlmsClient.connect("127.0.0.1", port, settings, counter=CountUp(1), timeout_s=5)
        async with client:
            await client.associate()
            assert decode_all(await client.get(NAME))[-1] == one.system_title[-1] + 48


async def test_a_port_that_is_taken_leaves_nothing_running(start_fleet, unused_tcp_port_factory, tmp_path):
    port = unused_tcp_port_factory()
    await start_fleet(specifications=[specification(1, address=f"127.0.0.1:{port}")])
    settings = FleetSettings(state_path=tmp_path / "state.npy")
    taken = [specification(2, address=f"127.0.0.1:{port}")]
    for _ in range(2):  # the second time shows that the first let go of the state file
        with pytest.raises(UnreachableError, match="cannot listen"):
            await start_fleet(specifications=taken, settings=settings)


@pytest.mark.parametrize(
    "doubled", [{"address": "127.16.0.2:0"}, {"system_title": b"MWR\0\0\0\0\x01"}], ids=["address", "title"]
)
async def test_meters_must_differ_in_address_and_title(start_fleet, doubled):
    with pytest.raises(UsageError, match="same address"):
        await start_fleet(
            specifications=[
                specification(1),
                specification(2, **({"address": "127.16.0.9:0"} | doubled)),
                specification(1, address="127.16.0.2:0", system_title=b"MWR\0\0\0\0\x09"),
            ]
        )


@pytest.mark.parametrize("wrong", [{"push_period_s": 7}, {"push_destination": "nowhere"}])
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        FleetSettings(**wrong)


async def test_one_meter_is_served_for_other_peoples_clients(clock):
    one = specification(7, address="127.0.0.1:0")
    fleet = await serve_one(one, PlainLoad(INSTALLED), clock)
    try:
        client = await DlmsClient.connect(
            "127.0.0.1", fleet.ports[0], client_settings(one, MANAGEMENT), counter=CountUp(1), timeout_s=5
        )
        async with client:
            await client.associate()
            assert decode_all(await client.get(NAME)) == b"MWR0000000000007"
        told = describe_meter(one)
        assert bytes.fromhex(told["system_title"]) == one.system_title
        assert bytes.fromhex(told["encryption_key"]) == one.guek
        assert bytes.fromhex(told["authentication_key"]) == one.gak
    finally:
        await fleet.stop()
