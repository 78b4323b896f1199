"""Hostile peers at a meter's port: everything they try is refused, what matters is recorded, the meter serves on."""

import asyncio
import random

import pytest
from tests.integration.devices.conftest import MANAGEMENT, PUBLIC, READER, Reader, client_settings

from meterworks.errors import MeterworksError, RefusedError, SecurityError
from meterworks.protocols.dlms import Associate as AssociateCommand
from meterworks.protocols.dlms import (
    AttributeAddress,
    ClientConnection,
    CountUp,
    DataAccessResult,
    Get,
    ObisCode,
    ServerConnection,
    WrapperReader,
    decode_all,
    encode_wrapper,
)

NAME = AttributeAddress(1, ObisCode("0.0.42.0.0.255"), 2)
ENERGY = AttributeAddress(3, ObisCode("1.0.1.8.0.255"), 2)
GET_ENERGY = b"\xc0\x01\xc1" + ENERGY.to_bytes() + b"\x00"
AUTHENTICATION_FAILED, DECRYPTION_FAILED, REPLAYED = 46, 49, 50


@pytest.fixture
async def fleet(start_fleet):
    return await start_fleet()


@pytest.fixture(autouse=True)
async def no_error_in_the_loop():
    """Fail the test on any exception that reached the event loop."""
    met = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: met.append(context))
    yield
    assert met == []


async def answer_to(fleet, data):
    """Send bytes on a connection of their own; give what comes back until the meter closes or is silent."""
    reader, writer = await asyncio.open_connection(Reader(fleet, 0).host, fleet.ports[0])
    received = b""
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(0.3):
            while chunk := await reader.read(65_536):
                received += chunk
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return received


def recorded(fleet):
    """Codes of the tamper log, as the meter's own log object shows them."""
    encoded = fleet.meter(0).get(MANAGEMENT, AttributeAddress(7, ObisCode("0.0.99.98.1.255"), 2), None)
    return [row[1] for row in decode_all(encoded)]


async def still_serves(fleet):
    async with await Reader(fleet, 0).connect(READER) as client:
        return decode_all(await client.get(NAME)) == b"MWR0000000000001"


@pytest.mark.parametrize("client_sap", [PUBLIC, READER, MANAGEMENT, 99])
async def test_a_read_without_an_association_is_refused_and_recorded(fleet, client_sap):
    answer = await answer_to(fleet, encode_wrapper(client_sap, 1, GET_ENERGY))
    assert answer[8:9] == b"\xd8"
    assert recorded(fleet) == [AUTHENTICATION_FAILED]
    assert await still_serves(fleet)


async def test_an_unknown_client_gets_no_association(fleet):
    with pytest.raises(RefusedError):
        await Reader(fleet, 0).connect(99)
    assert recorded(fleet) == [AUTHENTICATION_FAILED]


@pytest.mark.parametrize(
    "wrong",
    [{"guek": bytes(16)}, {"gak": bytes(16)}, {"guek": b"\xff" * 16, "gak": b"\xff" * 16}],
    ids=["guek", "gak", "both"],
)
async def test_wrong_keys_open_nothing_and_are_recorded(fleet, wrong):
    with pytest.raises((RefusedError, SecurityError)):
        await Reader(fleet, 0).connect(READER, **wrong)
    assert recorded(fleet) == [DECRYPTION_FAILED]
    assert fleet.state.highest_accepted_counter(0) == 0
    assert await still_serves(fleet)


@pytest.mark.parametrize("first", [0, 1, 50])
async def test_a_counter_used_before_is_refused_and_recorded(fleet, first):
    async with await Reader(fleet, 0).connect(READER, counter=CountUp(51)) as client:
        await client.get(NAME)
    accepted = fleet.state.highest_accepted_counter(0)
    with pytest.raises(MeterworksError):
        await Reader(fleet, 0).connect(READER, counter=CountUp(first))
    assert recorded(fleet) == [REPLAYED]
    assert fleet.state.highest_accepted_counter(0) == accepted
    assert await still_serves(fleet)


class Recorder:
    """A true client session without a socket, so that its bytes can be kept and sent again."""

    def __init__(self, fleet, first_counter):
        specification = fleet.meter(0).view.specification
        self.core = ClientConnection(client_settings(specification, READER), CountUp(first_counter), random.randbytes)
        self.host, self.port = Reader(fleet, 0).host, fleet.ports[0]
        self.sent = []

    async def run(self, commands):
        reader, writer = await asyncio.open_connection(self.host, self.port)
        for command in commands:
            data = self.core.send(command)
            while data:
                self.sent.append(data)
                writer.write(data)
                async with asyncio.timeout(5):
                    received = await reader.read(70_000)
                self.core.receive(received)
                data = self.core.data_to_send()
        writer.close()
        return self.sent


async def test_a_whole_session_sent_again_moves_nothing(fleet):
    sent = await Recorder(fleet, 100).run([AssociateCommand(), Get(ENERGY, None)])
    accepted = fleet.state.highest_accepted_counter(0)
    answer = await answer_to(fleet, b"".join(sent))
    reader = WrapperReader()
    reader.feed(answer)
    tags = []
    while (frame := reader.next_frame()) is not None:
        tags.append(frame[2][0])
    assert set(tags) <= {0xD8, 0x61}
    assert 0xCC not in tags
    assert REPLAYED in recorded(fleet)
    assert fleet.state.highest_accepted_counter(0) == accepted


def open_pair(fleet, first_counter):
    """A client and the meter's server core, associated back to back without a socket."""
    settings = client_settings(fleet.meter(0).view.specification, READER)
    client = ClientConnection(settings, CountUp(first_counter), random.randbytes)
    server = ServerConnection(fleet.meter(0), random.randbytes)
    data = client.send(AssociateCommand())
    while data:
        client.receive(server.receive(data))
        data = client.data_to_send()
    return client, server


async def test_every_octet_of_a_protected_request_is_guarded(fleet):
    size = len(open_pair(fleet, 1)[0].send(Get(ENERGY, None)))
    for at in range(8, size):
        client, server = open_pair(fleet, fleet.state.highest_accepted_counter(0) + 1)
        altered = bytearray(client.send(Get(ENERGY, None)))
        altered[at] ^= 1 << at % 8
        answer = server.receive(bytes(altered))
        assert answer[8:9] in (b"\xd8", b""), (at, answer.hex())
    assert await still_serves(fleet)


async def test_a_reader_that_did_not_prove_itself_reads_nothing(fleet):
    specification = fleet.meter(0).view.specification
    core = ClientConnection(client_settings(specification, READER), CountUp(10), random.randbytes)
    opening = core.send(AssociateCommand())
    answer = await answer_to(fleet, opening + encode_wrapper(READER, 1, GET_ENERGY))
    assert answer.endswith(b"\xd8\x01\x01")
    assert AUTHENTICATION_FAILED in recorded(fleet)


@pytest.mark.parametrize("seed", range(4))
async def test_random_bytes_never_disturb_a_meter(fleet, seed):
    chance = random.Random(seed)
    chunks = [chance.randbytes(chance.randrange(1, 400)) for _ in range(60)]
    await asyncio.gather(*(answer_to(fleet, chunk) for chunk in chunks))
    assert await still_serves(fleet)


@pytest.mark.parametrize("seed", range(4))
async def test_mutated_sessions_never_disturb_a_meter(fleet, seed):
    chance = random.Random(seed)
    sent = await Recorder(fleet, 100).run([AssociateCommand(), Get(ENERGY, None), Get(NAME, None)])
    whole = b"".join(sent)

    def mutated():
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(data))
            kind = chance.randrange(3)
            if kind == 0:
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + chance.randrange(1, 20)]
            else:
                data[at:at] = chance.randbytes(chance.randrange(1, 20))
        return bytes(data)

    await asyncio.gather(*(answer_to(fleet, mutated()) for _ in range(60)))
    assert await still_serves(fleet)


@pytest.mark.parametrize("seed", range(3))
async def test_mutated_selections_are_answered_or_refused(fleet, seed):
    """Straight at the meter: whatever stands in a well-tagged selection or value, no exception comes out."""
    chance = random.Random(seed)
    meter = fleet.meter(0)
    for code, bound in meter.model.objects.items():
        for number in range(1, len(bound.attributes) + 1):
            address = AttributeAddress(bound.interface_class.class_id, code, number)
            tag = bytes([chance.choice([0, 1, 2, 3, 6, 9, 15, 16, 17, 18, 22, 25])])
            answer = meter.get(MANAGEMENT, address, chance.choice([b"\x01", b"\x02", b"\x09"]) + chance.randbytes(40))
            assert isinstance(answer, (bytes, DataAccessResult))
            written = meter.set(MANAGEMENT, address, tag + chance.randbytes(chance.randrange(20)))
            assert isinstance(written, DataAccessResult)


async def test_a_flood_of_failures_leaves_other_events_in_the_log(fleet):
    fleet.meter(0).view.record(1, 44)
    for _ in range(5):
        await answer_to(fleet, encode_wrapper(READER, 1, GET_ENERGY) * 20)
    assert recorded(fleet) == [44, AUTHENTICATION_FAILED]


async def test_an_announced_length_that_never_comes_costs_nothing(fleet):
    openings = [await asyncio.open_connection(Reader(fleet, 0).host, fleet.ports[0]) for _ in range(10)]
    for _, writer in openings:
        writer.write(b"\x00\x01\x00\x02\x00\x01\xff\xff\x60")
    assert await still_serves(fleet)
    for _, writer in openings:
        writer.close()
