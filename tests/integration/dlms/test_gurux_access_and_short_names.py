"""gurux-dlms by ACCESS and by short names against our server.

Measured: it writes ACCESS without a date-time, takes the result of each item, and reads what came; by short names it
reads the object list at FA00, then values by base name and offset, lists of names in one READ among them.
"""

from typing import Any

import pytest
from gurux_dlms import GXDLMSAccessItem, GXReplyData
from gurux_dlms.enums import AccessServiceCommandType, Authentication, InterfaceType, ObjectType
from gurux_dlms.enums import Conformance as GuruxConformance
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient
from tests.integration.dlms.example_device import CLOCK, ENERGY, NAME, NOW
from tests.integration.dlms.matrix import MatrixDevice, MatrixPeer, served
from tests.unit.assess.conformance.bench import emulated_meter

from meterworks.protocols.dlms import WRAPPER
from meterworks.protocols.dlms.hdlc import HDLC

LINKS = [pytest.param(False, id="wrapper"), pytest.param(True, id="hdlc")]


@pytest.mark.parametrize("hdlc", LINKS)
@pytest.mark.parametrize("suite", [None, 0, 1, 2])
def test_access_reads_several_attributes(suite: int | None, hdlc: bool) -> None:
    device = MatrixDevice()
    peer = MatrixPeer(served(device, HDLC if hdlc else WRAPPER), 5, suite, hdlc=hdlc)
    peer.client.proposedConformance |= GuruxConformance.ACCESS | GuruxConformance.GENERAL_PROTECTION
    energy, clock = GXDLMSRegister(str(ENERGY.obis_code)), GXDLMSClock(str(CLOCK.obis_code))
    name, absent = GXDLMSData(str(NAME.obis_code)), GXDLMSData("0.0.199.198.197.255")
    items = [GXDLMSAccessItem(AccessServiceCommandType.GET, target, 2) for target in (energy, clock, absent, name)]
    with peer:
        reply = GXReplyData()
        peer.exchange(peer.client.accessRequest(None, items), reply)
        peer.client.parseAccessResponse(items, reply.data)
    assert energy.value == 1_234_567
    assert clock.time.value.timestamp() == NOW.timestamp()
    assert [int(item.error) for item in items] == [0, 0, 4, 0]
    assert device.events == []


class ShortNamePeer(MatrixPeer):
    """A gurux client that addresses by short names."""

    def __init__(self, link: Any, *, hdlc: bool = False) -> None:
        interface = InterfaceType.HDLC if hdlc else InterfaceType.WRAPPER
        self.client = GXDLMSSecureClient(False, 16, 1, Authentication.NONE, None, interface)
        self.hdlc = hdlc
        self.link = link

    def objects(self) -> Any:
        reply = GXReplyData()
        self.exchange(self.client.getObjectsRequest(), reply)
        return self.client.parseObjects(reply.data, True)


@pytest.mark.parametrize("hdlc", LINKS)
def test_short_names_are_found_and_read(hdlc: bool) -> None:
    meter = emulated_meter(short_names=True)
    with ShortNamePeer(served(meter, HDLC if hdlc else WRAPPER), hdlc=hdlc) as peer:  # type: ignore[arg-type]
        objects = peer.objects()
        clocks = objects.getObjects(ObjectType.CLOCK)
        assert [clock.logicalName for clock in clocks] == ["0.0.1.0.0.255"]
        clock = clocks[0]
        assert clock.shortName % 8 == 0
        reply = GXReplyData()
        peer.exchange(peer.client.read(clock, 2), reply)
        peer.client.updateValue(clock, 2, reply.value)
        assert clock.time.value.year == 2026
        device_name = objects.findByLN(ObjectType.DATA, "0.0.42.0.0.255")
        reply = GXReplyData()
        peer.exchange(peer.client.read(device_name, 2), reply)
        assert peer.client.updateValue(device_name, 2, reply.value)
    assert len(objects) > 5
