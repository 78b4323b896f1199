"""A process's certificate is renewed over EST while the process serves: connections that stand go on, new ones see it.

Short lives instead of long sleeps: certificates begin five minutes ago, so one that was made to live little longer is
due at once.
"""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
from cryptography import x509
from tests.integration.system.authorities import quick_pki

from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.identity import certificate_of, is_due
from meterworks.system.serving.listener import HttpServer
from meterworks.system.serving.pki import EnrolmentApplication, EnrolmentProtocol
from meterworks.system.serving.renewal import renew_certificates, renewing
from meterworks.trust.audit import MemoryAuditSink
from meterworks.trust.pki import CertificateSubject, EstService, PeerRole, Provisioning
from meterworks.trust.tls import Guard, Interface, TlsFiles, client_context, server_context

WEEK = timedelta(days=7)
NEARLY_OVER = timedelta(minutes=6)  # two thirds of it went by before it was made


def layout_of(folder, port=0):
    line = {"system.data": folder, "pki.port": port or 1}
    return Layout(load_configuration(command_line=line).configuration)


@pytest.fixture
def pki(tmp_path):
    made = quick_pki(tmp_path)
    made.write_public(layout_of(tmp_path).pki_public)
    yield made
    made.close()


def certified(pki, folder, role, **options):
    """A process's certificate and key where the process has them."""
    pki.issue_service(role, **options).write(folder / "tls" / role.value, role.value)


@contextlib.asynccontextmanager
async def enrolment(pki, folder):
    """The enrolment server; gives the layout of a system that asks it, and its trail."""
    audit, layout = MemoryAuditSink(), layout_of(folder)
    certified(pki, folder, PeerRole.PKI)
    service = EstService(pki, Provisioning(pki.ledger), service_lifetime=WEEK)
    application = EnrolmentApplication(pki, service, audit, publish=lambda: pki.write_public(layout.pki_public))
    own = layout.tls("pki")
    public = layout.pki_public
    files = TlsFiles(own.certificate, own.key, public / "enrolment.pem", public / "enrolment-crl.pem")
    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, http=EnrolmentProtocol, lifespan="off", log_config=None, access_log=False
    )
    config.load()
    config.ssl = server_context(files, Interface.EST)
    server = HttpServer(config)
    serving = asyncio.ensure_future(server.serve())
    await server.wait_started(serving)
    try:
        yield layout_of(folder, server.servers[0].sockets[0].getsockname()[1]), audit
    finally:
        server.should_exit = True
        await serving


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)


class Line:
    """One connection of a meter to the head-end's push port."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    async def says_back(self, text):
        self._writer.write(text)
        return await self._reader.readline()

    @property
    def serial_number(self):
        shown = self._writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown).serial_number

    def close(self):
        self._writer.transport.abort()


async def test_a_running_process_renews_its_certificate_and_no_connection_is_lost(tmp_path, pki):
    certified(pki, tmp_path, PeerRole.HEADEND, lifetime=NEARLY_OVER)
    async with enrolment(pki, tmp_path) as (layout, audit):
        files = layout.tls("headend")
        before = certificate_of(files)
        assert is_due(before, datetime.now(UTC))
        context = server_context(files, Interface.PUSH)
        guard = Guard(Interface.PUSH, is_server=True, credential=files)
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        subject = CertificateSubject(identity="4d57530000000001", role=PeerRole.DEVICE)
        given = pki.issue_credentials("devices", "dlms-1-tls", subject)
        certificate, key = given.write(tmp_path, "meter")
        meter = client_context(TlsFiles(certificate, key, files.anchors, files.crl), Interface.PUSH)

        async def call():
            return Line(*await asyncio.open_connection("127.0.0.1", port, ssl=meter, server_hostname="headend"))

        old = await call()
        assert await old.says_back(b"before\n") == b"before\n"
        assert old.serial_number == before.serial_number
        async with renewing(layout, "headend", audit):
            async with asyncio.timeout(30):
                while certificate_of(files).serial_number == before.serial_number:  # noqa: ASYNC110  # a file, no event
                    await asyncio.sleep(0.02)
        after = certificate_of(files)
        assert WEEK - timedelta(minutes=6) < after.not_valid_after_utc - datetime.now(UTC) < WEEK
        assert after.public_key() != before.public_key()
        assert guard.sweep() == 0
        assert await old.says_back(b"still there\n") == b"still there\n"
        meter.forget_sessions()
        new = await call()
        assert await new.says_back(b"after\n") == b"after\n"
        assert (old.serial_number, new.serial_number) == (before.serial_number, after.serial_number)
        assert [event.act for event in audit.events] == ["certificate.issued"]
        for line in (old, new):
            line.close()
        server.close()
        await server.wait_closed()


async def test_an_alarm_of_a_certificate_without_successor_is_an_act(tmp_path, pki):
    """The enrolment server is away, and ten of twelve days are over."""
    now = datetime.now(UTC)
    certified(pki, tmp_path, PeerRole.WRITER, lifetime=timedelta(days=12), now=now - timedelta(days=10))
    audit, told = MemoryAuditSink(), asyncio.Event()
    append = audit.append

    async def heard(event):
        await append(event)
        told.set()

    audit.append = heard
    work = asyncio.create_task(renew_certificates(layout_of(tmp_path), ["writer"], audit))
    async with asyncio.timeout(30):
        await told.wait()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    (event,) = audit.events
    assert (event.act, event.object, event.facts["days"]) == ("certificate.expiring", "process:writer", 7)
