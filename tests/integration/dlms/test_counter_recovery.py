"""A client whose counter fell behind the meter's memory, over a socket: refused, or (if it is told to) put right."""

import asyncio
from collections.abc import Callable

import pytest
from tests.integration.dlms.example_device import CLIENT_TITLE, ENERGY, ExampleDevice

from meterworks.links import BlockingDlmsClient, DlmsClient, MeterServer
from meterworks.protocols import AssociationRefused
from meterworks.protocols.dlms import ClientSettings, CountUp, decode_all
from meterworks.protocols.errors import StateError

REMEMBERED = 70_000


@pytest.fixture
def behind(device: ExampleDevice) -> CountUp:
    device.accepted[CLIENT_TITLE] = REMEMBERED
    return CountUp(5)


async def connect(server: MeterServer, settings: ClientSettings, counter: CountUp) -> DlmsClient:
    return await DlmsClient.connect("127.0.0.1", server.port, settings, counter=counter, timeout_s=5.0)


async def test_a_client_left_behind_is_refused_and_told_the_number(
    server: MeterServer, settings: Callable[..., ClientSettings], behind: CountUp
) -> None:
    async with await connect(server, settings(2), behind) as client:
        with pytest.raises(AssociationRefused, match="70001"):
            await client.associate()
    assert behind.peek() == 6  # the one that was used, and nothing more


async def test_a_client_that_may_adopts_the_number_and_reads(
    server: MeterServer, settings: Callable[..., ClientSettings], behind: CountUp, device: ExampleDevice
) -> None:
    async with await connect(server, settings(2), behind) as client:
        await client.associate(adopts_counter=True)
        assert decode_all(await client.get(ENERGY)) == 1_234_567
        await client.release()
    assert behind.peek() > REMEMBERED
    assert device.events == [("replayed-counter", 2)]


async def test_a_blocking_client_adopts_as_well(
    server: MeterServer, settings: Callable[..., ClientSettings], behind: CountUp
) -> None:
    def session() -> object:
        with BlockingDlmsClient.connect("127.0.0.1", server.port, settings(2), counter=behind, timeout_s=5.0) as client:
            client.associate(adopts_counter=True)
            return decode_all(client.get(ENERGY))

    assert await asyncio.to_thread(session) == 1_234_567
    assert behind.peek() > REMEMBERED


async def test_a_number_beyond_the_bound_is_not_adopted(
    server: MeterServer, settings: Callable[..., ClientSettings], behind: CountUp
) -> None:
    async with await connect(server, settings(2, counter_leap_max=1000), behind) as client:
        with pytest.raises(StateError, match="use the key up"):
            await client.associate(adopts_counter=True)
    assert behind.peek() == 6


async def test_other_refusals_are_told_as_they_are(
    server: MeterServer, settings: Callable[..., ClientSettings], device: ExampleDevice
) -> None:
    device.associations.pop(2)
    async with await connect(server, settings(2), CountUp(5)) as client:
        with pytest.raises(AssociationRefused):
            await client.associate(adopts_counter=True)
