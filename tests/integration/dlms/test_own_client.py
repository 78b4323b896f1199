"""Our clients against our server, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tests.integration.dlms.example_device import (
    CLIENT_TITLE,
    CLOCK,
    ECHO,
    ENERGY,
    ENERGY_UNIT,
    FIRST_ROW,
    LONG_VALUE,
    METER_TITLE,
    NAME,
    NOTE,
    PROFILE,
    ExampleDevice,
    row,
)

from meterworks.errors import UnreachableError
from meterworks.links import BlockingDlmsClient, ConnectFailed, DlmsClient, MeterServer, start_meter_server
from meterworks.protocols.dlms import (
    Ciphering,
    ClientSettings,
    CosemDateTime,
    CountUp,
    DataAccessResult,
    EntrySelection,
    Protection,
    RangeSelection,
    decode_all,
    encode_array,
    encode_octet_string,
    encode_visible_string,
)
from meterworks.protocols.errors import AssociationRefused, ServiceRefused

SettingsMaker = Callable[..., ClientSettings]
VARIANTS = [
    pytest.param(16, {}, id="public"),
    pytest.param(3, {}, id="low"),
    pytest.param(4, {}, id="gmac-plain"),
    pytest.param(2, {}, id="reader-glo"),
    pytest.param(1, {"dedicated_key": bytes(range(16))}, id="management-ded"),
    pytest.param(1, {"ciphering": Ciphering.GENERAL}, id="management-general-glo"),
    pytest.param(1, {"ciphering": Ciphering.GENERAL, "dedicated_key": bytes(16)}, id="management-general-ded"),
    pytest.param(2, {"release_ciphered": False}, id="reader-plain-release"),
    pytest.param(2, {"max_pdu": 128}, id="reader-small-pdu"),
    pytest.param(2, {"max_pdu": 0}, id="reader-unlimited-pdu"),
]


async def opened(server: MeterServer, settings: ClientSettings, counter: CountUp | None = None) -> DlmsClient:
    return await DlmsClient.connect("127.0.0.1", server.port, settings, counter=counter or CountUp(), timeout_s=5.0)


@asynccontextmanager
async def served(device: ExampleDevice) -> AsyncIterator[MeterServer]:
    server = await start_meter_server(lambda _host, _port: device, "127.0.0.1", 0, device_only=None)
    yield server
    await server.close()


@pytest.mark.parametrize(("client_sap", "changes"), VARIANTS)
async def test_each_kind_of_association_reads_the_same(
    server: MeterServer, settings: SettingsMaker, client_sap: int, changes: dict[str, object]
) -> None:
    async with await opened(server, settings(client_sap, **changes)) as client:
        agreed = await client.associate()
        assert agreed.server_title == (METER_TITLE if client_sap in (1, 2, 4) else None)
        assert decode_all(await client.get(ENERGY)) == 1_234_567
        assert decode_all(await client.get(CLOCK))[:4].hex() == "07ea0b15"
        progress: list[tuple[int, int]] = []
        long_value = await client.get(LONG_VALUE, progress=lambda number, size: progress.append((number, size)))
        assert long_value == encode_octet_string(bytes(range(256)) * 1024)
        assert [number for number, _ in progress] == list(range(1, len(progress) + 1))
        assert len(progress) >= 4
        assert await client.release()


async def test_profile_by_range_entry_and_whole(server: MeterServer, settings: SettingsMaker) -> None:
    async with await opened(server, settings(2)) as client:
        await client.associate()
        whole = await client.get(PROFILE)
        assert whole == encode_array(map(row, range(48)))
        by_entry = await client.get(PROFILE, EntrySelection(from_entry=3, to_entry=7))
        assert by_entry == encode_array(map(row, range(2, 7)))
        selection = RangeSelection(
            from_=CosemDateTime.from_datetime(FIRST_ROW + timedelta(hours=1)),
            to=CosemDateTime.from_datetime(FIRST_ROW + timedelta(hours=2)),
        )
        assert await client.get(PROFILE, selection) == encode_array(map(row, range(2, 5)))


async def test_lists_mix_values_and_refusals(server: MeterServer, settings: SettingsMaker) -> None:
    async with await opened(server, settings(2, max_pdu=256)) as client:
        await client.associate()
        results = await client.get_list([ENERGY, (PROFILE, EntrySelection(to_entry=1)), NOTE, ENERGY_UNIT, LONG_VALUE])
        assert results[1] == encode_array([row(0)])
        assert isinstance(results[4], bytes)
        assert len(results[4]) > 256 * 1024
        written = await client.set_list([(NOTE, encode_visible_string("hello")), (PROFILE, b"\x00")])
        assert written == [DataAccessResult.SUCCESS, DataAccessResult.OBJECT_UNDEFINED]
        outcomes = await client.action_list([(ECHO, b"\x11\x05"), (ECHO, b"\x11\x06")])
        assert [outcome.value for outcome in outcomes] == [b"\x11\x05", b"\x11\x06"]


@pytest.mark.parametrize("size", [10, 1_000, 100_000])
async def test_long_writes_and_methods_go_in_blocks_both_ways(settings: SettingsMaker, size: int) -> None:
    device = ExampleDevice(pdu_size=200)
    async with served(device) as server:
        value = encode_octet_string(bytes(size))
        async with await opened(server, settings(1, max_pdu=150)) as client:
            await client.associate()
            await client.set(NOTE, value)
            assert device.written[NOTE] == value
            assert await client.action(ECHO, value) == value
            assert await client.set_list([(NOTE, value), (NOTE, value)]) == [DataAccessResult.SUCCESS] * 2
            assert [o.value for o in await client.action_list([(ECHO, value), (ECHO, b"\x00")])] == [value, b"\x00"]


async def test_refusals_carry_their_result(server: MeterServer, settings: SettingsMaker) -> None:
    async with await opened(server, settings(16)) as client:
        await client.associate()
        with pytest.raises(ServiceRefused, match="read write denied") as refused:
            await client.get(PROFILE)
        assert refused.value.facts["result"] == 3
        with pytest.raises(ServiceRefused):
            await client.set(NOTE, b"\x00")
        with pytest.raises(ServiceRefused):
            await client.action(ECHO)
        assert decode_all(await client.get(NAME)) == b"MWKexample"


async def test_counters_go_on_between_associations(
    server: MeterServer, device: ExampleDevice, settings: SettingsMaker
) -> None:
    counter = CountUp(50)
    for _ in range(3):
        async with await opened(server, settings(2), counter) as client:
            await client.associate()
            await client.get(ENERGY)
            await client.release()
    # AARQ, proof, action, get, release: five counters of the client for each of three associations.
    assert counter.next() == 50 + 3 * 5
    assert device.accepted[CLIENT_TITLE] == 50 + 3 * 5 - 1
    assert device.events == []


async def test_used_counter_is_refused_with_the_one_to_use(
    server: MeterServer, device: ExampleDevice, settings: SettingsMaker
) -> None:
    device.accepted[CLIENT_TITLE] = 99
    async with await opened(server, settings(2), CountUp(7)) as client:
        with pytest.raises(AssociationRefused) as refused:
            await client.associate()
    assert refused.value.facts["counter"] == 100
    assert device.events == [("replayed-counter", 2)]


async def test_weaker_protection_than_the_association_asks_for_is_refused(
    server: MeterServer, device: ExampleDevice, settings: SettingsMaker
) -> None:
    async with await opened(server, settings(2, protection=Protection.AUTHENTICATED)) as client:
        with pytest.raises(AssociationRefused):
            await client.associate()
    assert device.events == [("unprotected-request", 2)]


async def test_wrong_keys_are_refused_and_recorded(
    server: MeterServer, device: ExampleDevice, settings: SettingsMaker
) -> None:
    async with await opened(server, settings(1, guek=bytes(16))) as client:
        with pytest.raises(AssociationRefused) as refused:
            await client.associate()
    assert refused.value.facts["diagnostic"] == 13
    assert device.events == [("bad-tag", 1)]


async def test_nobody_there_is_a_connect_error() -> None:
    with pytest.raises(ConnectFailed):
        await DlmsClient.connect("127.0.0.1", 1, ClientSettings(), counter=CountUp(), timeout_s=2.0)


async def test_blocking_twin_reads_the_same(server: MeterServer, settings: SettingsMaker) -> None:
    def session() -> list[object]:
        with BlockingDlmsClient.connect(
            "127.0.0.1", server.port, settings(1), counter=CountUp(), timeout_s=5
        ) as client:
            client.associate()
            progress: list[int] = []
            long_value = client.get(LONG_VALUE, progress=lambda number, _size: progress.append(number))
            listed = client.get_list([ENERGY, NOTE])
            client.set(NOTE, encode_visible_string("x"))
            echoed = client.action(ECHO, b"\x11\x01")
            clean = client.release()
            return [len(long_value), len(listed), echoed, clean, bool(progress), client.traffic.received > 262_144]

    assert await asyncio.to_thread(session) == [262_149, 2, b"\x11\x01", True, True, True]


async def test_closed_connection_is_told_at_once(server: MeterServer, settings: SettingsMaker) -> None:
    async with await opened(server, settings(2)) as client:
        await client.associate()
        await server.close()
        with pytest.raises(UnreachableError):
            await client.get(ENERGY)
