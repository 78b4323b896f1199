"""From the maker to the operator over TLS: shipped, admitted, personalised at first contact, seen, commissioned."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from tests.integration.devices.conftest import NOW, READER, client_settings, specification
from tests.integration.system.authorities import files_of, quick_pki
from tests.unit.devices.plain_load import PlainLoad
from tests.unit.trust.pki.forge import new_key

from meterworks.devices import Fleet, FleetSettings, MeterSpecification, NotPersonalised
from meterworks.errors import MeterworksError, UnreachableError
from meterworks.headend import HeadendChannels, first_contact
from meterworks.headend.device import DeviceRecord
from meterworks.headend.first_contact import FirstContacts
from meterworks.links import DlmsClient, MeterTarget
from meterworks.protocols.dlms import AttributeAddress, CountUp, ObisCode
from meterworks.registry import Registry, RowOutcome, SealRule, ShipmentSealError
from meterworks.runtime import Database, ManualClock, MemoryBus
from meterworks.system import records
from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.device_credential import DeviceBook, first_key_digests, supply_devices
from meterworks.system.migration import migrate
from meterworks.system.neighbourhood import certify_neighbourhood, find_neighbourhood
from meterworks.system.seal import admit_sealed, seal_file
from meterworks.system.serving.listener import HttpServer
from meterworks.system.serving.pki import EnrolmentApplication, EnrolmentProtocol
from meterworks.system.serving.provisioning import ProvisioningDesk
from meterworks.trust import KeyStore
from meterworks.trust.audit import AuditEvent, MemoryAuditSink
from meterworks.trust.pki import (
    DeviceState,
    EstClient,
    EstService,
    PeerRole,
    Provisioning,
    SystemPki,
    certification_request,
    make_device_credentials,
    open_shipment,
)
from meterworks.trust.pki.errors import PkiUsageError
from meterworks.trust.tls import (
    Interface,
    PeerRefused,
    TlsFiles,
    TlsFilesError,
    TlsMemory,
    client_context,
    server_context,
)

NAME = AttributeAddress(1, ObisCode("0.0.42.0.0.255"), 2)


@dataclass
class Field:
    """Two meters as their maker sent them, the enrolment server, and a head-end's channels."""

    folder: Path
    pki: SystemPki
    provisioning: Provisioning
    audit: MemoryAuditSink
    bus: MemoryBus
    meters: list[MeterSpecification]
    book: DeviceBook
    channels: HeadendChannels
    desk: ProvisioningDesk
    url: str

    def record(self, index: int) -> DeviceRecord:
        meter = self.meters[index]
        host = meter.address.rpartition(":")[0]
        return DeviceRecord(
            device_id=index, system_title=meter.system_title, model="", firmware="", host=host, port=0, calls_us=False,
            medium="electricity", phases=1, interval_s=1800, profiles=(), installed=(),
        )  # fmt: skip

    async def read(self, fleet: Fleet, index: int, *, counter: int = 1) -> bytes:
        meter = self.meters[index]
        target = MeterTarget(host=meter.address.rpartition(":")[0], port=fleet.ports[0])
        demand = self.channels.demand(self.record(index))
        settings = client_settings(meter, READER)
        async with await DlmsClient.open(target, settings, counter=CountUp(counter), tls=demand) as client:
            await client.associate()
            return await client.get(NAME)

    def identity(self, index: int) -> str:
        return self.meters[index].system_title.hex()


def sealed(pki: SystemPki, meters: list[MeterSpecification], path: Path) -> bytes:
    """The seal of a shipment of these meters, without the file behind it."""
    names = ("serial", "model", "firmware")
    rows = [{"identity": each.system_title.hex(), **dict.fromkeys(names, each.serial)} for each in meters]
    content = b'{"devices": [' + b",".join(str(row).replace("'", '"').encode() for row in rows) + b"]}"
    return seal_file(content, pki, owner="meterworks", keys=first_key_digests(path)).partition(b"\n")[0]


@contextlib.asynccontextmanager
async def enrolment_server(
    pki: SystemPki, folder: Path, audit: MemoryAuditSink
) -> AsyncIterator[tuple[str, asyncio.Lock]]:
    own = files_of(pki.issue_service(PeerRole.PKI), folder, "pki")
    public = folder / "public"
    service = EstService(pki, Provisioning(pki.ledger), maker_anchors=pki.maker_anchors)
    application = EnrolmentApplication(pki, service, audit, publish=lambda: pki.write_public(public))
    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, http=EnrolmentProtocol, lifespan="off", log_config=None, access_log=False
    )
    config.load()
    files = TlsFiles(own.certificate, own.key, public / "enrolment.pem", public / "enrolment-crl.pem")
    config.ssl = server_context(files, Interface.EST)
    running = HttpServer(config)
    serving = asyncio.ensure_future(running.serve())
    await running.wait_started(serving)
    try:
        yield f"https://localhost:{running.servers[0].sockets[0].getsockname()[1]}", application.turn
    finally:
        running.should_exit = True
        await serving


@pytest.fixture
async def field(tmp_path: Path) -> AsyncIterator[Field]:
    pki = quick_pki(tmp_path)
    audit, bus = MemoryAuditSink(), MemoryBus()
    meters = [specification(number) for number in (1, 2)]
    path = tmp_path / "certificates.sqlite3"
    supply_devices(path, pki, [each.system_title for each in meters])
    provisioning = Provisioning(pki.ledger)
    trust = files_of(pki.issue_service(PeerRole.FLEET), tmp_path, "fleet")
    async with enrolment_server(pki, tmp_path, audit) as (url, turn):
        rule = SealRule(maker_anchors=pki.maker_anchors, owner="meterworks", at=datetime.now(UTC))
        desk = ProvisioningDesk(pki, provisioning, audit, seals=lambda: rule, turn=turn)
        headend = files_of(pki.issue_service(PeerRole.HEADEND), tmp_path, "headend")
        channels = HeadendChannels(headend, audit=audit)
        book = DeviceBook(path, trust, est_url=url)
        yield Field(tmp_path, pki, provisioning, audit, bus, meters, book, channels, desk, url)
    pki.close()


@pytest.fixture
async def start(field: Field) -> AsyncIterator[Callable[[], Awaitable[Fleet]]]:
    started: list[Fleet] = []

    async def begin() -> Fleet:
        meters = [(each, PlainLoad(int(NOW) - 864_000, phases=1)) for each in field.meters]
        fleet = Fleet(meters, FleetSettings(credentials=field.book, audit=field.audit), ManualClock(NOW))
        await fleet.start()
        started.append(fleet)
        return fleet

    yield begin
    for fleet in started:
        await fleet.stop()


def noting(field: Field, done: asyncio.Event) -> Callable[[bytes], Awaitable[bytes]]:
    """The desk's answer, and word of it once nobody waits any more."""
    commission = field.desk.commission

    async def answer(question: bytes) -> bytes:
        answered = await commission(question)
        if not field.provisioning.waiting([field.identity(0), field.identity(1)]):
            done.set()
        return answered

    return answer


def enrolling(field: Field, index: int) -> tuple[EstClient, bytes]:
    """What a meter asks for with its maker's certificate, and whom."""
    trust = field.book.trust
    shown = TlsMemory(*field.book.first_pair(index), trust.anchors_pem(), trust.crl_pem())
    client = EstClient(field.url, client_context(shown, Interface.EST))
    return client, certification_request(new_key(), name=field.identity(index))


async def test_a_meter_is_personalised_at_first_contact_and_its_makers_certificate_ends(field, start, monkeypatch):
    """SEC-122, SEC-123: each step opens the next one, and the maker's certificate opens nothing but the first."""
    fleet = await start()
    with pytest.raises(UnreachableError):  # no shipment named it, so nobody certifies it
        await field.read(fleet, 0)
    assert (
        await field.desk.admit(sealed(field.pki, field.meters, field.folder / "certificates.sqlite3")) == b'{"new":2}'
    )
    kept = field.provisioning.seal(field.identity(0))
    assert open_shipment(kept, maker_anchors=field.pki.maker_anchors, owner="meterworks", at=datetime.now(UTC)).devices
    field.book._not_before_s.clear()
    contacts = FirstContacts(field.bus)
    field.channels.tell(contacts.met)
    answers = await asyncio.gather(*(field.read(fleet, index) for index in (0, 1)))
    assert [answer[-10:].decode() for answer in answers] == [each.serial[-10:] for each in field.meters]
    assert field.audit.acts().count("certificate.issued") == 2
    assert {field.provisioning.device(field.identity(index)).state for index in (0, 1)} == {DeviceState.PERSONALISED}

    all_commissioned = asyncio.Event()
    monkeypatch.setattr(field.desk, "commission", noting(field, all_commissioned))
    async with field.desk.answering(field.bus):
        telling = asyncio.create_task(contacts.run())
        await all_commissioned.wait()
        telling.cancel()
    assert {record.identity for record in field.provisioning.devices(DeviceState.COMMISSIONED)} == {
        field.identity(0), field.identity(1),
    }  # fmt: skip
    assert field.audit.acts()[-3:] == ["certificate.revoked", "device.commissioned", "device.commissioned"]
    assert len(field.pki.authority("maker").current_crl()) == 2
    client, request = enrolling(field, 0)
    with pytest.raises(MeterworksError, match=r"403|does not answer"):
        await client.enrol(request, profile="dlms-1-tls")
    assert await field.read(fleet, 0, counter=100)


async def test_the_head_end_refuses_a_meter_that_shows_its_makers_certificate(field, start, monkeypatch):
    monkeypatch.setattr(field.book, "pair", field.book.first_pair)
    monkeypatch.setattr(field.book, "is_personalised", lambda _index: True)
    fleet = await start()
    with pytest.raises(PeerRefused, match="certificate is refused"):
        await field.read(fleet, 0)
    assert field.audit.acts() == ["peer.refused"]


async def test_a_lost_answer_is_asked_for_again_with_the_same_key(field, monkeypatch):
    admit_sealed(
        sealed(field.pki, field.meters, field.folder / "certificates.sqlite3"), rule_of(field), field.provisioning
    )
    with monkeypatch.context() as patch:
        patch.setattr(field.book, "_keep", lost)
        with pytest.raises(NotPersonalised):
            await field.book.personalise(0)
    with pytest.raises(NotPersonalised, match="a moment ago"):
        await field.book.personalise(0)
    field.book._not_before_s.clear()
    await asyncio.gather(*(field.book.personalise(0) for _ in range(3)))
    made = field.pki.ledger.certificates(authority="devices", identity=field.identity(0))
    assert len(made) == 1
    assert DeviceBook(field.folder / "certificates.sqlite3", field.book.trust).is_personalised(0)


def rule_of(field: Field) -> SealRule:
    return SealRule(maker_anchors=field.pki.maker_anchors, owner="meterworks", at=datetime.now(UTC))


def lost(*_arguments: object) -> None:
    raise UnreachableError("the answer was lost on its way")


async def test_the_desk_passes_over_whoever_waits_for_nothing(field):
    admit_sealed(
        sealed(field.pki, field.meters, field.folder / "certificates.sqlite3"), rule_of(field), field.provisioning
    )
    told = b'{"devices": ["' + field.identity(0).encode() + b'", "4d57530000000099"]}'
    assert await field.desk.commission(told) == b'{"commissioned":0}'
    assert field.audit.acts() == []
    for bad in (b"", b"[]", b'{"devices": [1]}', b'{"devices": "all"}'):
        with pytest.raises(PkiUsageError):
            await field.desk.commission(bad)


async def test_contacts_that_were_not_heard_are_told_again(monkeypatch):
    monkeypatch.setattr(first_contact, "TELL_S", 0.0)
    bus, heard = MemoryBus(), asyncio.Queue()
    contacts = FirstContacts(bus)
    telling = asyncio.create_task(contacts.run())
    for identity in ("a", "b", "a"):
        contacts.met(identity)
    await asyncio.sleep(0)

    async def hear(question: bytes) -> bytes:
        heard.put_nowait(question)
        return b"{}"

    subscription = await bus.respond("pki.commission", hear)
    assert await heard.get() == b'{"devices":["a","b"]}'
    contacts.met("b")
    contacts.met("c")
    assert await heard.get() == b'{"devices":["c"]}'
    telling.cancel()
    await subscription.unsubscribe()


def test_a_file_of_meters_that_came_with_the_operators_certificates_is_taken_over(tmp_path):
    pki = quick_pki(tmp_path)
    titles = [each.system_title for each in (specification(1), specification(2))]
    made = make_device_credentials(pki.authority("devices"), [title.hex() for title in titles])
    path = tmp_path / "certificates.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as book, book:
        book.execute("CREATE TABLE chain (pem TEXT NOT NULL)")
        book.execute("CREATE TABLE device (number INTEGER PRIMARY KEY, certificate BLOB NOT NULL, key BLOB NOT NULL)")
        book.execute("INSERT INTO chain VALUES ('of the authority')")
        rows = ((place, each.certificates["dlms-1-tls"], each.keys["dlms-1-tls"]) for place, each in enumerate(made))
        book.executemany("INSERT INTO device VALUES (?, ?, ?)", rows)
    assert not supply_devices(path, pki, titles)
    assert not supply_devices(path, pki, titles)
    taken = DeviceBook(path, files_of(pki.issue_service(PeerRole.FLEET), tmp_path, "fleet"))
    assert len(taken) == 2
    assert taken.pair(1)[0].endswith(b"of the authority")
    assert first_key_digests(path) == {}
    with pytest.raises(TlsFilesError, match="without a maker"):
        taken.first_pair(0)
    pki.close()


async def test_a_person_at_the_machine_imports_a_shipment_whose_devices_may_enrol(tmp_path, monkeypatch):
    """`meterworks device add`: what is refused leaves no device, and both are told to the trail."""
    layout = Layout(load_configuration(command_line={"system.data": tmp_path, "neighbourhood.meters": 2}).configuration)
    pki = quick_pki(tmp_path)
    pki.write_public(layout.pki_public)
    neighbourhood = find_neighbourhood(layout)
    certify_neighbourhood(neighbourhood, layout, pki)
    shipment = seal_file(
        neighbourhood.shipment(bytes(32)), pki, owner="meterworks", keys=first_key_digests(layout.device_certificates)
    )
    database = Database(layout.database("command"))
    KeyStore.open(layout.master_key, may_create=True)
    await migrate(database)
    registry = Registry(database, KeyStore.open(layout.master_key, may_create=False))
    await registry.add_usage_points(neighbourhood.usage_points())
    told: list[AuditEvent] = []
    monkeypatch.setattr(records, "tell_event", lambda _layout, event: keep(told, event))
    taken = await records.import_shipment(layout, shipment, "json", transport_key=bytes(32))
    assert [row.outcome for row in taken.rows] == [RowOutcome.ADDED] * 2
    identity = neighbourhood.specification(0).system_title.hex()
    assert Provisioning(pki.ledger).device(identity).state is DeviceState.MANUFACTURED
    with pytest.raises(ShipmentSealError):
        await records.import_shipment(layout, shipment + b" ", "json", transport_key=bytes(32))
    assert [event.act for event in told] == ["shipment.accepted", "shipment.refused"]
    assert told[1].cause == "shipment-seal"
    await database.close()
    pki.close()


async def keep(told: list[AuditEvent], event: AuditEvent) -> None:
    told.append(event)
