"""Firmware by image transfer, driven by other people's clients; pushes of our meters, parsed by other people's code.

Measured: gurux-dlms hands on a data-notification's time and body as it should; dlms-cosem decrypts and parses it. It
cannot update firmware: the length of a general-glo APDU is one octet with it, so that a block of an image ends in
"byte must be in range(0, 256)". Neither has general block transfer for pushes.
"""

from typing import Any

import pytest
from dlms_cosem import security as cosem_security
from dlms_cosem.protocol import xdlms
from dlms_cosem.utils import parse_as_dlms_data
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.objects import GXDLMSImageTransfer
from tests.integration.dlms.example_device import GAK, GUEK
from tests.integration.dlms.matrix import MatrixPeer, served
from tests.unit.assess.conformance.bench import emulated_meter

from meterworks.assess.conformance.protection import open_body, split_ciphered
from meterworks.devices import SCHEDULED_PUSH, ElectricityMeter, build_image
from meterworks.devices.push_message import push_frame
from meterworks.protocols.dlms import (
    WRAPPER,
    AttributeAddress,
    ObisCode,
    decode_all,
)
from meterworks.protocols.dlms.hdlc import HDLC

MANAGEMENT = 1
IMAGE = ObisCode("0.0.44.0.0.255")
FIRMWARE = AttributeAddress(1, ObisCode("1.0.0.2.0.255"), 2)
VERSION = "MWM-9.8.7"
NAME = "new firmware"
PROGRAM = bytes(range(256)) * 17
VERIFIED, ACTIVATED = 3, 6


def firmware_of(meter: ElectricityMeter) -> Any:
    value = meter.get(MANAGEMENT, FIRMWARE, None)
    assert isinstance(value, bytes)
    return decode_all(value)


class GuruxImage:
    """gurux's image transfer object on one association."""

    def __init__(self, peer: MatrixPeer) -> None:
        self.peer = peer
        self.item = GXDLMSImageTransfer(str(IMAGE))

    def read(self, attribute: int) -> Any:
        reply = GXReplyData()
        self.peer.exchange(self.peer.client.read(self.item, attribute), reply)
        return self.peer.client.updateValue(self.item, attribute, reply.value)

    def do(self, frames: Any) -> None:
        self.peer.exchange(frames, GXReplyData())


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "hdlc"])
def test_gurux_updates_our_firmware(hdlc: bool) -> None:
    meter = emulated_meter()
    before, image = firmware_of(meter), build_image("metrology", VERSION, PROGRAM)
    link = served(meter, HDLC if hdlc else WRAPPER)  # type: ignore[arg-type]  # any logical device will do
    with MatrixPeer(link, 5, 0, hdlc=hdlc, sap=MANAGEMENT) as peer:
        transfer = GuruxImage(peer)
        assert transfer.read(5) is True
        transfer.read(2)
        transfer.do(transfer.item.imageTransferInitiate(peer.client, NAME, len(image)))
        count = [0]
        transfer.do(transfer.item.imageBlockTransfer(peer.client, image, count))
        assert count[0] == transfer.read(4) > 1
        transfer.do(transfer.item.imageVerify(peer.client))  # so small an image is verified at once
        assert transfer.read(6) == VERIFIED
        (made,) = transfer.read(7)
        assert (made.size, bytes(made.identification)) == (len(image), NAME.encode())
        transfer.do(transfer.item.imageActivate(peer.client))
        assert transfer.read(6) == ACTIVATED
        peer.release()
    assert firmware_of(meter) != before
    assert VERSION in str(firmware_of(meter))


def test_gurux_is_refused_a_tampered_image() -> None:
    meter = emulated_meter()
    before, image = firmware_of(meter), bytearray(build_image("metrology", VERSION, PROGRAM))
    image[300] ^= 1
    with MatrixPeer(served(meter), 5, 0, sap=MANAGEMENT) as peer:  # type: ignore[arg-type]
        transfer = GuruxImage(peer)
        transfer.read(2)
        transfer.do(transfer.item.imageTransferInitiate(peer.client, NAME, len(image)))
        transfer.do(transfer.item.imageBlockTransfer(peer.client, bytes(image), [0]))
        with pytest.raises(RuntimeError, match="gurux: error"):
            transfer.do(transfer.item.imageVerify(peer.client))
        with pytest.raises(RuntimeError, match="gurux: error"):
            transfer.do(transfer.item.imageActivate(peer.client))
    assert firmware_of(meter) == before


def push_of(meter: ElectricityMeter) -> bytes:
    return push_frame(meter, SCHEDULED_PUSH)


def own_body(meter: ElectricityMeter) -> list[Any]:
    """What our own code reads in a push: the plain values of its body."""
    apdu = push_of(meter)[8:]
    plain = open_body((GUEK, GAK), meter.system_title, split_ciphered(apdu))
    assert plain[:1] == b"\x0f"
    start = 5 + 1 + plain[5]
    body = decode_all(plain[start:])
    assert isinstance(body, list | tuple)
    return list(body)


def test_gurux_parses_our_push() -> None:
    meter = emulated_meter()
    with MatrixPeer(served(meter), 5, 0, sap=MANAGEMENT) as peer:  # type: ignore[arg-type]
        notification = GXReplyData()
        received = GXByteBuffer(push_of(meter))
        peer.client.getData(received, GXReplyData(), notification)
    assert notification.time is not None
    body = notification.value
    expected = own_body(meter)
    assert len(body) == len(expected)
    assert bytes(body[0]) == expected[0]


def test_dlms_cosem_parses_our_push() -> None:
    meter = emulated_meter()
    ciphered = xdlms.GeneralGlobalCipher.from_bytes(push_of(meter)[8:])
    plain = cosem_security.decrypt(
        security_control=ciphered.security_control, system_title=ciphered.system_title,
        invocation_counter=ciphered.invocation_counter, key=GUEK, auth_key=GAK, cipher_text=ciphered.ciphered_text,
    )  # fmt: skip
    notification = xdlms.DataNotification.from_bytes(plain)
    assert notification.date_time is not None
    body = parse_as_dlms_data(notification.body)
    expected = own_body(meter)
    assert len(body) == len(expected)
    assert bytes(body[0]) == expected[0]
