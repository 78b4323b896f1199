"""What meters do, through our own client over real connections: switch, limiter, images, keys, confirmed pushes."""

import asyncio
import random
from datetime import UTC, datetime

import pytest
from tests.integration.devices.conftest import CLIENT_TITLE, MANAGEMENT, NOW, Reader, specification
from tests.integration.devices.test_fleet import drive
from tests.unit.devices.test_push_setup import confirmation

from meterworks.devices import Fleet, FleetSettings, build_image
from meterworks.devices.image_transfer import IMAGE_BLOCK_SIZE, VERIFIED_OCTETS_PER_S
from meterworks.devices.prepayment import make_token
from meterworks.devices.push_setup import OperationMethod, push_entry
from meterworks.errors import MeterworksError
from meterworks.protocols.dlms import (
    ApduCipher,
    CosemDateTime,
    CountUp,
    DataAccessResult,
    DataNotification,
    MethodAddress,
    ObisCode,
    WrapperReader,
    decode_all,
    encode_array,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_wrapper,
    wrap_key,
)
from meterworks.protocols.errors import ServiceRefused
from meterworks.world import NeighbourhoodSettings, open_neighbourhood

IMAGE, SWITCH, LIMITER, SETUP = "0.0.44.0.0.255", "0.0.96.3.10.255", "0.0.17.0.0.255", "0.0.43.0.0.255"
IMPORT, METROLOGY = "1.0.1.8.0.255", "1.0.0.2.0.255"
ZERO = encode_integer(0)
KEK = bytes(range(40, 56))


def method(class_id, obis_code, number):
    return MethodAddress(class_id, ObisCode(obis_code), number)


# --- switch and limiter against the world's truth --------------------------------------------------------------------


@pytest.fixture
async def home(tmp_path, clock):
    """One emulated home of the world behind a real socket, and its load with the truth beside it."""
    settings = NeighbourhoodSettings(meters=1, seed=11, pv_share=0.0, device_initiated_share=0.0)
    neighbourhood = open_neighbourhood(tmp_path / "world", settings, now_epoch_s=NOW)
    load = neighbourhood.emulated_load(0)
    fleet = Fleet([(specification(1), load)], FleetSettings(), clock)
    await fleet.start()
    yield fleet, load
    await fleet.stop()


async def test_what_a_disconnected_home_registers_is_what_flowed(home, clock):
    fleet, load = home
    reader = Reader(fleet, 0)
    began = int(NOW) // 1800 * 1800 + 1800
    clock.advance(began - clock.epoch_s())
    async with await reader.connect(MANAGEMENT) as client:
        before = await reader.read(client, IMPORT)
        for wait_s, number in ((5000, 1), (20_000, 2), (7000, 1), (100, 2)):
            clock.advance(wait_s)
            await client.action(method(70, SWITCH, number), ZERO)
        clock.advance(began + 40 * 1800 - clock.epoch_s())
        after = await reader.read(client, IMPORT)
    gaps = fleet.meter(0).view.gaps
    flowed_wh = load.truth(began, began + 40 * 1800, gaps=gaps).import_mwh.sum() / 1000
    flowing_wh = load.truth(began, began + 40 * 1800).import_mwh.sum() / 1000
    assert len(gaps) == 2
    assert after - before == pytest.approx(flowed_wh, rel=0.011, abs=4)  # class B, and the last watt-hours
    assert after - before < 0.9 * flowing_wh


async def test_the_limiter_acts_though_nobody_asks_the_meter(home, clock):
    fleet, load = home
    reader = Reader(fleet, 0)
    began = int(clock.epoch_s()) // 1800 * 1800
    day = load.intervals(began, began + 86_400)
    limit_w = int(day.import_wh.max()) * 2 - 50
    async with await reader.connect(MANAGEMENT) as client:
        for attribute, value in ((6, 300), (4, limit_w)):
            await client.set(reader.values(LIMITER, attribute), encode_double_long_unsigned(value))
    await drive(clock, lambda: not fleet.meter(0).view.state.rows["output_connected"][0], step_s=300)
    highest = began + int(day.import_wh.argmax()) * 1800
    assert fleet.meter(0).view.gaps.begin_s.tolist() == [highest + 300]
    truth = load.truth(highest, highest + 1, gaps=fleet.meter(0).view.gaps)
    assert truth.import_mwh[0] == load.truth(highest, highest + 1).import_mwh[0] * 300 // 1800


# --- image transfer --------------------------------------------------------------------------------------------------


async def test_an_image_is_sent_in_any_order_resumed_and_activated(start_fleet, clock):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    image = build_image("metrology", "MWM-3.0.0", random.Random(3).randbytes(2 * VERIFIED_OCTETS_PER_S))
    begin = encode_structure(encode_octet_string(b"MWM-3.0.0"), encode_double_long_unsigned(len(image)))
    numbers = list(range(-(-len(image) // IMAGE_BLOCK_SIZE)))
    random.Random(4).shuffle(numbers)

    async def send(client, number):
        block = image[number * IMAGE_BLOCK_SIZE : (number + 1) * IMAGE_BLOCK_SIZE]
        await client.action(
            method(18, IMAGE, 2), encode_structure(encode_double_long_unsigned(number), encode_octet_string(block))
        )

    async with await reader.connect(MANAGEMENT) as client:
        assert await reader.read(client, IMAGE, 2) == IMAGE_BLOCK_SIZE
        await client.action(method(18, IMAGE, 1), begin)
        for number in numbers[:50]:
            await send(client, number)
    async with await reader.connect(MANAGEMENT) as client:  # the connection broke: go on where it stopped
        await client.action(method(18, IMAGE, 1), begin)
        there = await reader.read(client, IMAGE, 3)
        missing = [number for number in numbers if not there.octets[number // 8] & 0x80 >> number % 8]
        assert sorted(missing) == sorted(numbers[50:])
        for number in missing:
            await send(client, number)
        assert await reader.read(client, IMAGE, 4) == len(numbers)
        with pytest.raises(ServiceRefused) as busy:
            await client.action(method(18, IMAGE, 3), ZERO)
        assert busy.value.facts["result"] == DataAccessResult.TEMPORARY_FAILURE
        clock.advance(5)
        assert await reader.read(client, IMAGE, 6) == 3
        assert (await reader.read(client, IMAGE, 7))[0][:2] == (len(image), b"MWM-3.0.0")
        await client.action(method(9, "0.0.10.0.107.255", 1), encode_long_unsigned(1))
        assert await reader.read(client, METROLOGY) == b"MWM-3.0.0"


async def test_a_small_pdu_carries_image_blocks_in_pieces(start_fleet):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    image = build_image("management", "MWC-9", bytes(1500))
    async with await reader.connect(MANAGEMENT, max_pdu=300) as client:
        begin = encode_structure(encode_octet_string(b"MWC-9"), encode_double_long_unsigned(len(image)))
        await client.action(method(18, IMAGE, 1), begin)
        for number in (0, 1):
            block = encode_octet_string(image[number * IMAGE_BLOCK_SIZE : (number + 1) * IMAGE_BLOCK_SIZE])
            await client.action(method(18, IMAGE, 2), encode_structure(encode_double_long_unsigned(number), block))
        await client.action(method(18, IMAGE, 4), ZERO)
        assert await reader.read(client, "1.0.0.2.1.255") == b"MWC-9"


# --- keys ------------------------------------------------------------------------------------------------------------


async def test_after_a_key_transfer_only_the_new_key_opens_the_meter(start_fleet):
    fleet = await start_fleet(specifications=[specification(1, kek=KEK)])
    reader = Reader(fleet, 0)
    new = bytes(range(200, 216))
    rows = encode_array([encode_structure(encode_enum(0), encode_octet_string(wrap_key(KEK, new)))])
    async with await reader.connect(MANAGEMENT) as client:
        await client.action(method(64, SETUP, 2), rows)
        with pytest.raises(MeterworksError):  # the answer was under the old key, the next request is not
            await reader.read(client, METROLOGY)
    with pytest.raises(MeterworksError):
        await reader.connect(MANAGEMENT, counter=CountUp(50_000))
    async with await reader.connect(MANAGEMENT, counter=CountUp(1), guek=new) as client:
        assert await reader.read(client, METROLOGY)


# --- pushes ----------------------------------------------------------------------------------------------------------


class Receiver:
    """A receiver of pushes that confirms them, or not, as it is told."""

    def __init__(self, meter):
        self.meter = meter
        self.confirming = False
        self.invokes = []
        self.counter = 100

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, stream, writer):
        frames = WrapperReader()
        while (frame := frames.next_frame()) is None:
            frames.feed(await stream.read(4096))
        apdu = frame[2]
        counter = int.from_bytes(apdu[12:16], "big")
        cipher = ApduCipher(self.meter.guek, self.meter.gak)
        notification = DataNotification.from_bytes(cipher.unprotect(apdu[11], apdu[2:10], counter, apdu[16:]))
        self.invokes.append(notification.long_invoke)
        if self.confirming:
            self.counter += 1
            answer = confirmation(
                notification.long_invoke, self.counter, self.meter.guek, gak=self.meter.gak, title=CLIENT_TITLE
            )
            writer.write(encode_wrapper(MANAGEMENT, 1, answer))
            await writer.drain()
            await stream.read(1)
        writer.close()

    async def stop(self):
        self.server.close()
        await self.server.wait_closed()


async def test_a_push_is_repeated_until_it_is_confirmed(start_fleet, clock):
    meter = specification(1)
    receiver = Receiver(meter)
    port = await receiver.start()
    fleet = await start_fleet(specifications=[meter], settings=FleetSettings(push_destination=f"127.0.0.1:{port}"))
    view = fleet.meter(0).view
    name = bytes(ObisCode("0.0.25.9.1.255"))
    view.write((name, 11), encode_enum(OperationMethod.CONFIRMED))
    view.write((name, 7), encode_structure(*map(encode_long_unsigned, (10, 100, 10))))
    view.record(1, 50)
    await drive(clock, lambda: len(receiver.invokes) == 2, step_s=1)
    assert fleet.status.pushes_sent == 0
    receiver.confirming = True
    await drive(clock, lambda: fleet.status.pushes_sent == 1, step_s=1)
    confirmed = CosemDateTime.from_bytes(decode_all(view.written((name, 13)))).to_datetime().timestamp()
    assert abs(confirmed - clock.epoch_s()) < 60
    assert len({invoke >> 30 for invoke in receiver.invokes}) == 1
    await receiver.stop()


async def test_a_push_waits_for_its_window_on_the_wire(start_fleet, clock):
    meter = specification(1)
    receiver = Receiver(meter)
    port = await receiver.start()
    fleet = await start_fleet(specifications=[meter], settings=FleetSettings(push_destination=f"127.0.0.1:{port}"))
    opens = int(clock.epoch_s()) + 900
    window = [CosemDateTime.from_datetime(datetime.fromtimestamp(at, UTC)).to_bytes() for at in (opens, opens + 600)]
    reader = Reader(fleet, 0)
    async with await reader.connect(MANAGEMENT) as client:
        await client.set(
            reader.values("0.0.25.9.0.255", 4), encode_array([encode_structure(*map(encode_octet_string, window))])
        )
        await client.action(method(40, "0.0.25.9.0.255", 1), ZERO)
    await drive(clock, lambda: receiver.invokes, step_s=10)
    assert opens <= clock.epoch_s() < opens + 60
    await receiver.stop()


def test_versions_of_the_setup_differ_in_their_rows_only():
    assert [len(push_entry(0, version).bindings) for version in (0, 1, 2)] == [7, 10, 14]


# --- prepayment ------------------------------------------------------------------------------------------------------


async def test_a_prepaid_home_goes_dark_when_its_credit_is_used_and_comes_back_with_a_token(tmp_path, clock):
    """Activated, topped up, used up while nobody asks, topped up again: all over the wire, against the truth."""
    settings = NeighbourhoodSettings(meters=1, seed=11, pv_share=0.0, device_initiated_share=0.0)
    load = open_neighbourhood(tmp_path / "world", settings, now_epoch_s=NOW).emulated_load(0)
    one = specification(1, style="prepayment")
    fleet = Fleet([(one, load)], FleetSettings(), clock)
    await fleet.start()
    try:
        reader = Reader(fleet, 0)
        account, gateway, credit = "0.0.19.0.0.255", "0.0.19.40.0.255", "0.0.19.10.0.255"
        async with await reader.connect(MANAGEMENT) as client:
            await client.set(reader.values(SWITCH, 4), encode_enum(6))
            await client.action(method(111, account, 1), ZERO)
            await client.action(method(115, gateway, 1), encode_octet_string(make_token(one.gak, 700, 1)))
            assert await reader.read(client, credit) == 700
        began = int(clock.epoch_s())
        await drive(clock, lambda: not fleet.meter(0).view.state.rows["output_connected"][0], step_s=900)
        ended = int(fleet.meter(0).view.gaps.begin_s[0])
        used_wh = load.registers_at(ended).import_wh - load.registers_at(began).import_wh
        standing = (ended - began) // 86_400 * 400
        assert used_wh // 4 + standing >= 700
        before_wh = load.registers_at(ended - 1).import_wh - load.registers_at(began).import_wh
        assert before_wh // 4 + (ended - 1 - began) // 86_400 * 400 < 700
        async with await reader.connect(MANAGEMENT) as client:
            assert await reader.read(client, account, 5) <= 0
            await client.action(method(115, gateway, 1), encode_octet_string(make_token(one.gak, 5000, 2)))
            assert await reader.read(client, SWITCH) is True
            assert await reader.read(client, account, 5) > 4500
    finally:
        await fleet.stop()
