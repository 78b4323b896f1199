"""gurux-dlms updates a meter's firmware, works its switch and changes its keys; dlms-cosem works the switch.

Measured: gurux-dlms treats temporary-failure of image_verify as an error, so the image here is small enough to be
verified at once; its image identifier is text, and its blocks are numbered from 0 as ours are.
"""

import asyncio
import random

import pytest
from dlms_cosem import cosem, enumerations
from gurux_dlms import GXReplyData
from gurux_dlms.objects import GXDLMSDisconnectControl, GXDLMSImageTransfer, GXDLMSSecuritySetup
from tests.integration.devices.conftest import MANAGEMENT, specification
from tests.integration.devices.test_foreign_clients import read_into
from tests.integration.dlms.example_device import GAK, GUEK
from tests.integration.dlms.peers import GuruxPeer, make_cosem_client

from meterworks.devices import build_image
from meterworks.devices.meter_key import keys_of
from meterworks.protocols.dlms import AttributeAddress, ObisCode

KEK = bytes(range(60, 76))
METROLOGY = AttributeAddress(1, ObisCode("1.0.0.2.0.255"), 2)


@pytest.fixture
async def meter(start_fleet):
    """A fleet of one meter, at the address and with the keys the peers know."""
    return await start_fleet(specifications=[specification(1, address="127.0.0.1:0", guek=GUEK, gak=GAK, kek=KEK)])


def exchange(peer, frames):
    reply = GXReplyData()
    peer.exchange(frames, reply)
    return reply


@pytest.mark.parametrize("image", [build_image("metrology", "MWM-8", random.Random(8).randbytes(5000)), b"\x5a" * 3000])
async def test_gurux_transfers_an_image(meter, image):
    """Once an image of our own form, once plain octets as its examples send them."""

    def session():
        with GuruxPeer(meter.ports[0], MANAGEMENT, first_counter=100) as peer:
            item = GXDLMSImageTransfer("0.0.44.0.0.255")
            for attribute in (5, 2):
                read_into(peer, item, attribute)
            assert item.imageTransferEnabled
            exchange(peer, item.imageTransferInitiate(peer.client, "MWM-8", len(image)))
            count = [0]
            for frames in item.imageBlockTransfer(peer.client, image, count):
                exchange(peer, frames)
            for attribute in (3, 4):
                read_into(peer, item, attribute)
            assert item.imageFirstNotTransferredBlockNumber == count[0]
            assert str(item.imageTransferredBlocksStatus) == "1" * count[0]
            exchange(peer, item.imageVerify(peer.client))
            for attribute in (6, 7):
                read_into(peer, item, attribute)
            assert int(item.imageTransferStatus) == 3
            assert item.imageActivateInfo[0].size == len(image)
            exchange(peer, item.imageActivate(peer.client))
            read_into(peer, item, 6)
            assert int(item.imageTransferStatus) == 6
            version = bytes(peer.read(METROLOGY))
            peer.release()
            return version

    assert await asyncio.to_thread(session) == b"MWM-8"


async def test_gurux_works_the_switch(meter):
    def session():
        shown = []
        with GuruxPeer(meter.ports[0], MANAGEMENT, first_counter=100) as peer:
            item = GXDLMSDisconnectControl("0.0.96.3.10.255")
            for act in (None, item.remoteDisconnect, item.remoteReconnect):
                if act is not None:
                    exchange(peer, act(peer.client))
                for attribute in (2, 3, 4):
                    read_into(peer, item, attribute)
                shown.append((item.outputState, int(item.controlState), int(item.controlMode)))
            peer.release()
        return shown

    assert await asyncio.to_thread(session) == [(True, 1, 4), (False, 0, 4), (True, 1, 4)]
    assert [event.code for event in meter.state.own_events(0)] == [62, 63]


async def test_dlms_cosem_works_the_switch(meter):
    def session():
        with make_cosem_client(meter.ports[0], MANAGEMENT, first_counter=1000).session() as client:
            method = cosem.CosemMethod(
                interface=enumerations.CosemInterface.DISCONNECT_CONTROL,
                instance=cosem.Obis.from_bytes(bytes(ObisCode("0.0.96.3.10.255"))),
                method=1,
            )
            client.action(method, b"\x0f\x00")

    await asyncio.to_thread(session)
    assert not meter.state.rows["output_connected"][0]
    assert meter.meter(0).view.gaps.is_open


async def test_gurux_transfers_a_key(meter):
    def session():
        with GuruxPeer(meter.ports[0], MANAGEMENT, first_counter=100) as peer:
            item = GXDLMSSecuritySetup("0.0.43.0.0.255")
            exchange(peer, item.globalKeyTransfer(peer.client, KEK, [(0, b"new key, 16 long")]))

    await asyncio.to_thread(session)
    assert keys_of(meter.meter(0).view).guek == b"new key, 16 long"
