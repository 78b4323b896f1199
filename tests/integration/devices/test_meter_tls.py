"""A fleet whose meters speak TLS with certificates of their own: sessions, pushes, calls, faults, and bounds."""

import asyncio

import pytest
from tests.integration.devices.conftest import INSTALLED, READER, client_settings, specification
from tests.integration.devices.test_fleet import drive
from tests.tls_authority import SmallAuthority
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import FaultSettings, Fleet, FleetSettings, MeterChannels, NotPersonalised
from meterworks.errors import UnreachableError
from meterworks.headend import HeadendChannels
from meterworks.headend.device import DeviceRecord
from meterworks.links import DlmsClient, MeterTarget, NotificationListener
from meterworks.protocols.dlms import AttributeAddress, CountUp, ObisCode
from meterworks.trust.audit import MemoryAuditSink
from meterworks.trust.tls import PeerRefused, TlsFilesError

NAME = AttributeAddress(1, ObisCode("0.0.42.0.0.255"), 2)


class Credentials:
    """Certificates of the meters of a test, by number."""

    def __init__(self, authority, folder, specifications):
        self.trust = authority.files(folder, authority.issue("fleet", "fleet"))
        self.fresh = set()
        self.asked = []
        self.pairs = [authority.issue("device", each.system_title.hex()) for each in specifications]

    def pair(self, index):
        if index >= len(self.pairs):
            raise TlsFilesError(f"meter {index} has no certificate")
        return self.pairs[index].certificate_pem, self.pairs[index].key_pem

    def is_personalised(self, index):
        return index not in self.fresh

    async def personalise(self, index):
        """As far as a fleet sees it: it takes a moment, or fails."""
        self.asked.append(index)
        await asyncio.sleep(0)
        if index >= len(self.pairs):
            raise NotPersonalised(f"meter {index} gets no certificate")
        self.fresh.discard(index)


class Neighbourhood:
    """Meters with certificates, and the channels of a head-end of the same authority."""

    def __init__(self, folder, count=2):
        self.authority = SmallAuthority()
        self.specifications = [specification(number) for number in range(1, count + 1)]
        self.credentials = Credentials(self.authority, folder / "fleet", self.specifications)
        self.audit = MemoryAuditSink()
        headend = self.authority.issue("headend", "headend")
        self.channels = HeadendChannels(self.authority.files(folder / "headend", headend), audit=self.audit)

    def settings(self, **options):
        return FleetSettings(credentials=self.credentials, audit=self.audit, **options)

    def record(self, index):
        meter = self.specifications[index]
        host = meter.address.rpartition(":")[0]
        return DeviceRecord(
            device_id=index, system_title=meter.system_title, model="", firmware="", host=host, port=0, calls_us=False,
            medium="electricity", phases=1, interval_s=1800, profiles=(), installed=(),
        )  # fmt: skip

    async def read(self, fleet, index, *, as_index=None, counter=1):
        """Read a meter's name; as_index: the meter that must be there."""
        meter = self.specifications[index]
        record = self.record(index if as_index is None else as_index)
        target = MeterTarget(host=meter.address.rpartition(":")[0], port=fleet.ports[0])
        settings = client_settings(meter, READER)
        tls = self.channels.demand(record)
        async with await DlmsClient.open(target, settings, counter=CountUp(counter), tls=tls) as client:
            await client.associate()
            await client.get(NAME)
            return client._protocol.transport.get_extra_info("ssl_object").session_reused


@pytest.fixture
def neighbourhood(tmp_path):
    return Neighbourhood(tmp_path)


async def test_each_meter_answers_with_its_own_certificate(start_fleet, neighbourhood):
    fleet = await start_fleet(specifications=neighbourhood.specifications, settings=neighbourhood.settings())
    assert await neighbourhood.read(fleet, 0) is False
    assert await neighbourhood.read(fleet, 1) is False
    assert await neighbourhood.read(fleet, 0, counter=100) is True


async def test_a_meter_at_another_ones_address_is_not_read(start_fleet, neighbourhood):
    fleet = await start_fleet(specifications=neighbourhood.specifications, settings=neighbourhood.settings())
    with pytest.raises(PeerRefused, match="is wanted here"):
        await neighbourhood.read(fleet, 0, as_index=1)
    assert neighbourhood.audit.acts() == ["peer.refused"]


async def test_a_faulty_meter_speaks_tls_too(start_fleet, neighbourhood):
    settings = neighbourhood.settings(faults=FaultSettings(response_delay_s=0.001))
    fleet = await start_fleet(specifications=neighbourhood.specifications, settings=settings)
    assert await neighbourhood.read(fleet, 1) is False


async def test_plain_clients_are_not_answered(start_fleet, neighbourhood):
    fleet = await start_fleet(specifications=neighbourhood.specifications, settings=neighbourhood.settings())
    meter = neighbourhood.specifications[0]
    client = await DlmsClient.connect(
        meter.address.rpartition(":")[0], fleet.ports[0], client_settings(meter, READER), counter=CountUp(), timeout_s=5
    )
    with pytest.raises(UnreachableError):
        await client.associate()


async def test_a_meter_without_certificate_answers_nobody(start_fleet, neighbourhood):
    neighbourhood.credentials.pairs.pop()
    fleet = await start_fleet(specifications=neighbourhood.specifications, settings=neighbourhood.settings())
    with pytest.raises(UnreachableError):
        await neighbourhood.read(fleet, 1)
    assert await neighbourhood.read(fleet, 0) is False


async def test_contexts_are_kept_up_to_a_bound(neighbourhood):
    channels = MeterChannels(neighbourhood.credentials, lambda _host, port: port, contexts_max=1)
    door = channels.door()
    first = door.context_for("", 0)
    assert door.context_for("", 0) is first
    assert door.context_for("", 1) is not first
    assert len(channels) == 1
    assert door.context_for("", 0) is not first
    channels.forget(0)
    assert len(channels) == 0


@pytest.mark.parametrize("as_number", [0, 1], ids=["its own", "another's"])
async def test_a_push_is_taken_only_from_the_meter_that_it_names(neighbourhood, clock, as_number):
    """The meter pushes with its keys, and shows its own certificate or that of its neighbour."""
    neighbourhood.credentials.pairs[0] = neighbourhood.credentials.pairs[as_number]
    came = asyncio.Queue()

    async def take(push):
        titles = {bytes(each.system_title): index for index, each in enumerate(neighbourhood.specifications)}
        device = neighbourhood.record(titles[push.apdu[2:10]])
        try:
            neighbourhood.channels.check_sender(push, device)
            came.put_nowait("taken")
        except PeerRefused as error:
            came.put_nowait(error.facts["reason"])
            raise

    listener = NotificationListener(take)
    await listener.start("127.0.0.1", 0, tls=neighbourhood.channels.door())
    settings = neighbourhood.settings(push_destination=f"127.0.0.1:{listener.port}", push_period_s=900)
    fleet = Fleet([(neighbourhood.specifications[0], PlainLoad(INSTALLED))], settings, clock)
    await fleet.start()
    await drive(clock, lambda: came.qsize() > 0)
    assert came.get_nowait() == ("taken", "identity")[as_number]
    await fleet.stop()
    await listener.close()


async def test_a_meter_pushes_nothing_to_who_is_no_head_end(neighbourhood, clock, tmp_path):
    hub = neighbourhood.authority.files(tmp_path / "hub", neighbourhood.authority.issue("hub", "headend"))
    listener = NotificationListener(lambda push: pytest.fail(f"{push.apdu.hex()} came"))
    await listener.start("127.0.0.1", 0, tls=HeadendChannels(hub).door())
    settings = neighbourhood.settings(push_destination=f"127.0.0.1:{listener.port}", push_period_s=900)
    fleet = Fleet([(neighbourhood.specifications[0], PlainLoad(INSTALLED))], settings, clock)
    await fleet.start()
    await drive(clock, lambda: fleet.status.pushes_failed > 0)
    assert neighbourhood.audit.events[0].facts["reason"] == "role"
    await fleet.stop()
    await listener.close()


async def test_a_meter_calls_the_head_end_over_tls(neighbourhood, clock):
    came = asyncio.Queue()
    listener = NotificationListener(came.put)
    await listener.start("127.0.0.1", 0, tls=neighbourhood.channels.door())
    meter = specification(1, connection="device")
    settings = neighbourhood.settings(push_destination=f"127.0.0.1:{listener.port}")
    fleet = Fleet([(meter, PlainLoad(INSTALLED))], settings, clock)
    await fleet.start()
    async with asyncio.timeout(10):
        push = await came.get()
    assert push.peer.identity == meter.system_title.hex()
    client = push.take_over(client_settings(meter, READER), counter=CountUp(1))
    await client.associate()
    assert await client.get(NAME)
    await client.close()
    await fleet.stop()
    await listener.close()
