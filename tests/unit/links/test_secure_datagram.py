"""DTLS on links: both clients on a served meter, judged peers, and OpenSSL's own client and server as judges."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.integration.dlms.example_device import CLOCK, ExampleDevice
from tests.tls_authority import SmallAuthority, authority

from meterworks.errors import UnreachableError
from meterworks.links import BadTarget, BlockingDlmsClient, DlmsClient, MeterTarget, TlsDemand
from meterworks.links.secure_datagram import SecuredDatagramServer, start_secured_datagram_server
from meterworks.protocols.dlms import ClientSettings, CountUp
from meterworks.trust.audit import MemoryAuditSink
from meterworks.trust.dtls import DtlsContext
from meterworks.trust.tls import Guard, Interface, PeerRefused, client_context

TITLE = "4d57520000000002"
PUBLIC = ClientSettings(client_sap=16)
OPENSSL = shutil.which("openssl")


@asynccontextmanager
async def served(audit: MemoryAuditSink | None = None) -> AsyncIterator[SecuredDatagramServer]:
    device = ExampleDevice()
    server = await start_secured_datagram_server(
        lambda _host, _port: device,
        "127.0.0.1",
        0,
        context=DtlsContext(authority().memory(authority().issue("device", TITLE)), is_server=True),
        guard=Guard(Interface.DATAGRAM, is_server=True, audit=audit),
    )
    try:
        yield server
    finally:
        await server.close()


def demand(role: str = "headend", *, identity: str = TITLE, own: SmallAuthority | None = None) -> TlsDemand:
    own = own or authority()
    context = client_context(own.memory(own.issue(role, f"{role}-1")), Interface.METER)
    return TlsDemand(context=context, guard=Guard(Interface.METER, is_server=False), identity=identity)


def target_of(server: SecuredDatagramServer) -> MeterTarget:
    return MeterTarget.from_text(f"dtls://127.0.0.1:{server.port}")


async def test_both_clients_read_inside_dtls():
    async with served() as server:
        target, tls = target_of(server), demand()
        async with await DlmsClient.open(target, PUBLIC, counter=CountUp(), tls=tls) as client:
            await client.associate()
            assert await client.get(CLOCK)

        def read() -> bytes:
            with BlockingDlmsClient.open(target, PUBLIC, counter=CountUp(), tls=tls) as blocking:
                blocking.associate()
                return blocking.get(CLOCK)

        assert await asyncio.to_thread(read)
        assert server.listener.refused == 0


async def test_a_device_of_another_identity_is_left_before_a_word():
    async with served() as server:
        tls = demand(identity="4d57520000000009")
        with pytest.raises(PeerRefused, match="4d57520000000009 is wanted"):
            await DlmsClient.open(target_of(server), PUBLIC, counter=CountUp(), tls=tls)
        with pytest.raises(PeerRefused, match="4d57520000000009 is wanted"):
            await asyncio.to_thread(
                lambda: BlockingDlmsClient.open(target_of(server), PUBLIC, counter=CountUp(), tls=tls)
            )


async def test_a_device_of_another_authority_is_refused():
    async with served() as server:
        tls = demand(own=SmallAuthority("another"))
        with pytest.raises(PeerRefused, match="certificate is refused"):
            await DlmsClient.open(target_of(server), PUBLIC, counter=CountUp(), tls=tls)


async def test_a_client_of_another_role_is_not_answered():
    sink = MemoryAuditSink()
    async with served(sink) as server:
        with pytest.raises(UnreachableError):
            async with await DlmsClient.open(
                target_of(server), PUBLIC, counter=CountUp(), tls=demand("hub"), timeout_s=3.0
            ) as client:
                await client.associate()
        assert server.connections == 0
    assert sink.events[0].actor == "hub:hub-1"


async def test_a_revoked_client_leaves_a_live_association(tmp_path):
    sink = MemoryAuditSink()
    async with served(sink) as server:
        client = await DlmsClient.open(target_of(server), PUBLIC, counter=CountUp(), tls=demand(), timeout_s=1.0)
        await client.associate()
        guard = server._protocol._guard
        guard._now = lambda: 10**9
        assert guard.sweep() == 1
        assert server.connections == 0
        with pytest.raises(UnreachableError):
            await client.get(CLOCK)


async def test_nobody_there_and_nothing_to_speak_with_are_told():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        target = MeterTarget.from_text(f"dtls://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UnreachableError):
            await DlmsClient.open(target, PUBLIC, counter=CountUp(), tls=demand(), timeout_s=0.05)
        with pytest.raises(UnreachableError):
            BlockingDlmsClient.open(target, PUBLIC, counter=CountUp(), tls=demand(), timeout_s=0.05)
    with pytest.raises(BadTarget, match="give a certificate"):
        await DlmsClient.open(target, PUBLIC, counter=CountUp())
    with pytest.raises(BadTarget, match="needs a demand"):
        await DlmsClient.open(target, PUBLIC, counter=CountUp(), tls=demand().context)


@pytest.mark.skipif(OPENSSL is None, reason="needs the openssl command")
async def test_openssl_shakes_hands_with_our_server(tmp_path):
    own = authority()
    own.files(tmp_path, own.issue("headend", "headend-1"), has_crl=False)
    async with served() as server:
        judge = await asyncio.create_subprocess_exec(
            str(OPENSSL), "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{server.port}", "-mtu", "500",
            "-cert", str(tmp_path / "certificate.pem"), "-key", str(tmp_path / "key.pem"),
            "-CAfile", str(tmp_path / "anchors.pem"), "-verify_return_error", "-brief",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert judge.stdin is not None and judge.stdout is not None
        seen = b""
        async with asyncio.timeout(30):
            while b"Verification: OK" not in seen:
                line = await judge.stdout.readline()
                assert line, seen
                seen += line
            while not server.connections:  # noqa: ASYNC110  # a server tells nobody who came
                await asyncio.sleep(0.01)
        judge.stdin.close()
        judge.kill()
        await judge.wait()
    assert b"DTLSv1.2" in seen
    assert b"ECDHE-ECDSA-AES" in seen


@pytest.mark.skipif(OPENSSL is None, reason="needs the openssl command")
async def test_our_client_shakes_hands_with_openssl(tmp_path):
    own = authority()
    own.files(tmp_path, own.issue("device", TITLE), has_crl=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    judge = await asyncio.create_subprocess_exec(
        str(OPENSSL), "s_server", "-dtls1_2", "-listen", "-accept", f"127.0.0.1:{port}", "-Verify", "1",
        "-cert", str(tmp_path / "certificate.pem"), "-key", str(tmp_path / "key.pem"),
        "-CAfile", str(tmp_path / "anchors.pem"), "-verify_return_error",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert judge.stdout is not None
    target = MeterTarget.from_text(f"dtls://127.0.0.1:{port}")
    async with asyncio.timeout(30):
        while b"ACCEPT" not in await judge.stdout.readline():
            pass
        client = await DlmsClient.open(target, PUBLIC, counter=CountUp(), tls=demand(), timeout_s=20.0)
        assert client._protocol.transport is not None
        await client.close()
    judge.kill()
    await judge.wait()
