"""gurux-dlms and dlms-cosem, both from PyPI, read from an emulated meter what our client reads, time stamps included.

Measured: gurux-dlms fills left-out times and values itself; dlms-cosem's parser fills left-out times, but drops the
column of any other null, so values are found by their attribute there.
"""

import asyncio
from datetime import UTC, datetime

import pytest
from dlms_cosem.parsers import ProfileGenericBufferParser
from gurux_dlms import GXReplyData
from gurux_dlms.objects import GXDLMSAssociationLogicalName
from tests.integration.devices.conftest import MANAGEMENT, NOW, PUBLIC, READER, client_settings, specification
from tests.integration.dlms.example_device import GAK, GUEK
from tests.integration.dlms.peers import GuruxPeer, cosem_attribute, make_cosem_client, range_of

from meterworks.links import DlmsClient
from meterworks.protocols.dlms import (
    AttributeAddress,
    CaptureLayout,
    CosemDateTime,
    CountUp,
    ObisCode,
    RangeSelection,
    decode_all,
    decode_capture_objects,
    decode_profile,
)

CLOCK = AttributeAddress(8, ObisCode("0.0.1.0.0.255"), 2)
NAME = AttributeAddress(1, ObisCode("0.0.42.0.0.255"), 2)
ENERGY = AttributeAddress(3, ObisCode("1.0.1.8.0.255"), 2)
VOLTAGE = AttributeAddress(3, ObisCode("1.0.32.7.0.255"), 2)
PROFILE = AttributeAddress(7, ObisCode("1.0.99.1.0.255"), 2)
CAPTURE_OBJECTS = AttributeAddress(7, ObisCode("1.0.99.1.0.255"), 3)
PERIOD = AttributeAddress(7, ObisCode("1.0.99.1.0.255"), 4)

SAPS = [pytest.param(PUBLIC, id="public"), pytest.param(READER, id="reader"), pytest.param(MANAGEMENT, id="management")]
RANGES = [
    pytest.param((datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)), id="winter-day"),
    pytest.param((datetime(2026, 6, 30, 23, tzinfo=UTC), datetime(2026, 7, 1, 23, tzinfo=UTC)), id="summer-day"),
]


@pytest.fixture
async def meter(start_fleet):
    """A fleet of one meter, at the address and with the keys the peers know."""
    one = specification(1, address="127.0.0.1:0", guek=GUEK, gak=GAK)
    return await start_fleet(specifications=[one])


async def own_values(fleet, client_sap, day):
    """What our client reads: clock, registers, and rows as (epoch seconds, Wh)."""
    settings = client_settings(fleet.meter(0).view.specification, client_sap)
    client = await DlmsClient.connect("127.0.0.1", fleet.ports[0], settings, counter=CountUp(50_000), timeout_s=5.0)
    async with client:
        await client.associate()
        values = {"clock": CosemDateTime.from_bytes(decode_all(await client.get(CLOCK))).to_datetime()}
        values["name"] = decode_all(await client.get(NAME))
        if client_sap != PUBLIC:
            values["registers"] = [decode_all(await client.get(address)) for address in (ENERGY, VOLTAGE)]
            objects = decode_capture_objects(await client.get(CAPTURE_OBJECTS))
            layout = CaptureLayout.compile(objects, decode_all(await client.get(PERIOD)))
            selection = RangeSelection(
                from_=CosemDateTime.from_datetime(day[0]), to=CosemDateTime.from_datetime(day[1])
            )
            table = decode_profile(await client.get(PROFILE, selection), layout)
            values["rows"] = list(zip(table.time_epoch_s.tolist(), table.columns[-1].tolist(), strict=True))
        await client.release()
    return values


def gurux_values(port, client_sap, day):
    with GuruxPeer(port, client_sap, first_counter=100) as peer:
        values = {"clock": peer.read(CLOCK).value, "name": bytes(peer.read(NAME))}
        if client_sap != PUBLIC:
            values["registers"] = [peer.read(address) for address in (ENERGY, VOLTAGE)]
            item = peer.profile(CAPTURE_OBJECTS)
            read_into(peer, item, 4)
            rows = peer.profile_rows(item, peer.client.readRowsByRange(item, *day))
            values["rows"] = [(int(row[0].value.timestamp()), row[2]) for row in rows]
        peer.release()
    return values


def read_into(peer, item, attribute):
    """Read an attribute into gurux's own object."""
    reply = GXReplyData()
    peer.exchange(peer.client.read(item, attribute), reply)
    peer.client.updateValue(item, attribute, reply.value)


def cosem_values(port, client_sap, day):
    with make_cosem_client(port, client_sap, first_counter=1000).session() as client:
        clock = CosemDateTime.from_bytes(decode_all(client.get(cosem_attribute(CLOCK)))).to_datetime()
        values = {"clock": clock, "name": decode_all(client.get(cosem_attribute(NAME)))}
        if client_sap != PUBLIC:
            values["registers"] = [decode_all(client.get(cosem_attribute(address))) for address in (ENERGY, VOLTAGE)]
            captured = decode_capture_objects(client.get(cosem_attribute(CAPTURE_OBJECTS)))
            columns = [
                cosem_attribute(AttributeAddress(row.class_id, row.obis_code, row.attribute)) for row in captured
            ]
            parser = ProfileGenericBufferParser(columns, decode_all(client.get(cosem_attribute(PERIOD))) // 60)
            rows = parser.parse_bytes(client.get(cosem_attribute(PROFILE), range_of(CLOCK, *day)))
            values["rows"] = [(int(row[0].value.timestamp()), row[-1].value) for row in rows]
    return values


@pytest.mark.parametrize("day", RANGES)
@pytest.mark.parametrize("client_sap", SAPS)
@pytest.mark.parametrize("peer_values", [gurux_values, cosem_values], ids=["gurux", "dlms-cosem"])
async def test_peers_read_what_our_client_reads(meter, peer_values, client_sap, day):
    theirs = await asyncio.to_thread(peer_values, meter.ports[0], client_sap, day)
    ours = await own_values(meter, client_sap, day)
    assert abs(theirs.pop("clock").timestamp() - NOW) < 0.02
    assert abs(ours.pop("clock").timestamp() - NOW) < 0.02
    assert theirs == ours
    if client_sap != PUBLIC:
        assert len(ours["rows"]) == 49
    assert meter.state.own_events(0) == []


@pytest.mark.parametrize("client_sap", SAPS)
async def test_gurux_reads_the_object_list_and_every_object_in_it(meter, client_sap):
    """Gurux makes its own objects from our list and takes every attribute the rights allow."""

    def session():
        with GuruxPeer(meter.ports[0], client_sap, first_counter=100) as peer:
            association = GXDLMSAssociationLogicalName("0.0.40.0.0.255")
            reply = GXReplyData()
            peer.exchange(peer.client.read(association, 2), reply)
            objects = peer.client.parseObjects(reply.data, False)
            read = 0
            for item in objects:
                for attribute in range(1, item.getAttributeCount() + 1):
                    if item.getAccess(attribute) and (item.objectType, attribute) != (7, 2):
                        read_into(peer, item, attribute)
                        read += 1
            return len(objects), read

    seen, read = await asyncio.to_thread(session)
    listed = decode_all(meter.meter(0).model.object_lists[client_sap])
    assert seen == len(listed)
    assert read > 2 * seen
