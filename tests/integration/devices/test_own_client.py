"""Our own client against emulated meters over real sockets."""

from datetime import UTC, datetime

import pytest
from tests.integration.devices.conftest import MANAGEMENT, NOW, PUBLIC, READER, Reader
from tests.unit.devices.plain_load import import_wh

from meterworks.protocols.dlms import (
    AttributeAddress,
    CosemDateTime,
    DataAccessResult,
    MethodAddress,
    ObisCode,
    RangeSelection,
    decode_all,
    encode_date_time,
    encode_long,
)
from meterworks.protocols.errors import ServiceRefused

LOAD = "1.0.99.1.0.255"


@pytest.mark.parametrize("client_sap", [PUBLIC, READER, MANAGEMENT])
async def test_each_client_reads_clock_and_name(start_fleet, client_sap):
    fleet = await start_fleet(3)
    reader = Reader(fleet, 1)
    async with await reader.connect(client_sap) as client:
        clock = CosemDateTime.from_bytes(await reader.read(client, "0.0.1.0.0.255"))
        assert clock.to_datetime().timestamp() == pytest.approx(NOW, abs=0.02)
        assert await reader.read(client, "0.0.42.0.0.255") == b"MWR0000000000002"
        assert await client.release()


@pytest.mark.parametrize("client_sap", [READER, MANAGEMENT])
async def test_registers_and_a_range_of_the_profile(start_fleet, client_sap):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    day = [datetime(2026, 11, number, tzinfo=UTC) for number in (20, 21)]
    selection = RangeSelection(from_=CosemDateTime.from_datetime(day[0]), to=CosemDateTime.from_datetime(day[1]))
    async with await reader.connect(client_sap) as client:
        expected = fleet.meter(0).view.load.registers_at(int(NOW))
        assert await reader.read(client, "1.0.1.8.0.255") == expected.import_wh
        rows = await reader.read(client, LOAD, selection=selection)
        first = int(day[0].timestamp()) // 1800 - 1
        assert [row[2] for row in rows] == [import_wh(first + index) for index in range(49)]


async def test_thirteen_months_come_in_blocks(start_fleet):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    blocks = []
    async with await reader.connect(READER) as client:
        encoded = await client.get(reader.values(LOAD), progress=lambda number, size: blocks.append(size))
    assert len(decode_all(encoded)) == 19_104
    assert len(blocks) == 2  # and the last one


async def test_a_small_pdu_brings_the_object_list_in_many_blocks(start_fleet):
    fleet = await start_fleet(phases=3)
    reader = Reader(fleet, 0)
    async with await reader.connect(MANAGEMENT, max_pdu=256) as client:
        listed = await reader.read(client, "0.0.40.0.0.255")
    assert len(listed) == len(fleet.meter(0).model.objects)


async def test_several_registers_in_one_request(start_fleet):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    addresses = [reader.values(f"1.0.{code}.255") for code in ("1.8.0", "32.7.0", "14.7.0")]
    addresses.append(AttributeAddress(3, ObisCode("1.0.52.7.0.255"), 2))
    async with await reader.connect(READER) as client:
        results = await client.get_list(addresses)
    assert [decode_all(result) for result in results[1:3]] == [230_100, 49_987]
    assert results[3] == DataAccessResult.OBJECT_UNDEFINED


async def test_management_sets_the_clock_and_works_the_switch(start_fleet):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    async with await reader.connect(MANAGEMENT) as client:
        wrong = CosemDateTime.from_datetime(datetime.fromtimestamp(NOW + 95, UTC))
        await client.set(reader.values("0.0.1.0.0.255"), encode_date_time(wrong))
        assert fleet.meter(0).view.clock_error_s() == pytest.approx(95, abs=0.02)
        await client.action(MethodAddress(8, ObisCode("0.0.1.0.0.255"), 6), encode_long(-95))
        assert fleet.meter(0).view.clock_error_s() == pytest.approx(0, abs=0.02)
        await client.action(MethodAddress(70, ObisCode("0.0.96.3.10.255"), 1), b"\x0f\x00")
        assert await reader.read(client, "0.0.96.3.10.255") is False


@pytest.mark.parametrize(
    ("client_sap", "obis_code"), [(PUBLIC, "1.0.1.8.0.255"), (PUBLIC, LOAD), (READER, "0.0.25.9.0.255")]
)
async def test_what_a_client_may_not_read_is_refused(start_fleet, client_sap, obis_code):
    fleet = await start_fleet()
    reader = Reader(fleet, 0)
    async with await reader.connect(client_sap) as client:
        with pytest.raises(ServiceRefused) as refusal:
            await reader.read(client, obis_code)
    assert refusal.value.facts["result"] == DataAccessResult.READ_WRITE_DENIED


async def test_each_address_is_a_meter_of_its_own(start_fleet):
    fleet = await start_fleet(5)
    names = set()
    for index in range(5):
        reader = Reader(fleet, index)
        async with await reader.connect(PUBLIC) as client:
            names.add(await reader.read(client, "0.0.42.0.0.255"))
    assert len(names) == 5
    assert fleet.status.meters_addressed == 5
