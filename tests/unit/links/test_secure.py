"""TLS on links, with both event loops and blocking clients: judged peers, resumption, revocation, stalled callers."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from tests.integration.dlms.example_device import CLOCK, ExampleDevice
from tests.tls_authority import SmallAuthority, authority, issued, write

from meterworks.errors import UnreachableError
from meterworks.links import (
    BadTarget,
    BlockingDlmsClient,
    DlmsClient,
    MeterServer,
    MeterTarget,
    NotificationListener,
    OctetLink,
    PushReceived,
    TlsDemand,
    TlsDoor,
    call_head_end,
    start_meter_server,
)
from meterworks.protocols.dlms import ClientSettings, CountUp, encode_wrapper
from meterworks.trust.audit import MemoryAuditSink
from meterworks.trust.tls import (
    Guard,
    Interface,
    PeerRefused,
    TlsContext,
    client_context,
    peer_of_certificate,
    server_context,
)

TITLE = "4d57520000000002"
PUBLIC = ClientSettings(client_sap=16)


def meter_door(own: SmallAuthority, *, audit: MemoryAuditSink | None = None) -> TlsDoor:
    certificate = own.issue("device", TITLE)
    context = server_context(own.memory(certificate), Interface.METER)
    return TlsDoor(context, Guard(Interface.METER, is_server=True, audit=audit, actor="device:test"))


def demand(
    own: SmallAuthority, role: str = "headend", *, identity: str | None = TITLE, audit: MemoryAuditSink | None = None
) -> TlsDemand:
    context = client_context(own.memory(own.issue(role, f"{role}-1")), Interface.METER)
    return TlsDemand(context=context, guard=Guard(Interface.METER, is_server=False, audit=audit), identity=identity)


@asynccontextmanager
async def served(door: TlsDoor) -> AsyncIterator[MeterServer]:
    device = ExampleDevice()
    server = await start_meter_server(lambda _host, _port: device, "127.0.0.1", 0, device_only=None, tls=door)
    try:
        yield server
    finally:
        await server.close()


def target_of(server: MeterServer) -> MeterTarget:
    return MeterTarget.from_text(f"tls://127.0.0.1:{server.port}")


async def read_once(server: MeterServer, tls: TlsDemand) -> bool:
    """Read a register over a connection of its own; give whether its session was resumed."""
    async with await DlmsClient.open(target_of(server), PUBLIC, counter=CountUp(1), tls=tls) as client:
        await client.associate()
        assert await client.get(CLOCK)
        secured = client._protocol.transport.get_extra_info("ssl_object")  # type: ignore[union-attr]
        return bool(secured.session_reused)


async def test_a_client_reads_and_resumes():
    door, tls = meter_door(authority()), demand(authority())
    async with served(door) as server:
        assert [await read_once(server, tls) for _ in range(3)] == [False, True, True]
        assert server.accepted == 3
    assert (door.failed, door.turned_away, door.guard.refused) == (0, 0, 0)


async def test_a_blocking_client_reads_and_resumes():
    tls = demand(authority())

    def read(server: MeterServer) -> bool:
        settings = PUBLIC
        with BlockingDlmsClient.open(target_of(server), settings, counter=CountUp(1), tls=tls) as client:
            client.associate()
            assert client.get(CLOCK)
            return bool(client._link._link.session_reused)  # type: ignore[attr-defined]

    async with served(meter_door(authority())) as server:
        assert [await asyncio.to_thread(read, server) for _ in range(2)] == [False, True]


async def test_a_server_of_another_identity_is_left_before_a_word():
    sink = MemoryAuditSink()
    tls = demand(authority(), identity="4d57520000000009", audit=sink)
    async with served(meter_door(authority())) as server:
        with pytest.raises(PeerRefused, match="4d57520000000009 is wanted"):
            await DlmsClient.open(target_of(server), PUBLIC, counter=CountUp(), tls=tls)
        with pytest.raises(PeerRefused, match="4d57520000000009 is wanted"):
            await asyncio.to_thread(
                lambda: BlockingDlmsClient.open(target_of(server), PUBLIC, counter=CountUp(), tls=tls)
            )
    assert sink.acts() == ["peer.refused", "peer.refused"]
    assert {event.actor for event in sink.events} == {f"device:{TITLE}"}


async def test_a_server_of_another_authority_is_refused():
    async with served(meter_door(SmallAuthority("another"))) as server:
        with pytest.raises(PeerRefused, match="certificate is refused"):
            await DlmsClient.open(target_of(server), PUBLIC, counter=CountUp(), tls=demand(authority()))


@pytest.mark.parametrize("role", ["hub", "device", "organisation", "web"])
async def test_a_client_of_another_role_is_refused(role):
    sink = MemoryAuditSink()
    door = meter_door(authority(), audit=sink)
    async with served(door) as server:
        with pytest.raises((UnreachableError, PeerRefused)):
            await read_once(server, demand(authority(), role))
        assert server.accepted == 0
    assert sink.events[0].actor == f"{role}:{role}-1"
    assert sink.events[0].facts["reason"] == "role"


async def test_a_target_with_tls_needs_a_certificate():
    target = MeterTarget.from_text("tls://127.0.0.1:1")
    with pytest.raises(BadTarget, match="give a certificate"):
        await DlmsClient.open(target, PUBLIC, counter=CountUp())
    with pytest.raises(BadTarget, match="give a certificate"):
        BlockingDlmsClient.open(target, PUBLIC, counter=CountUp())
    with pytest.raises(BadTarget, match="without TLS"):
        OctetLink.open(target)


async def test_callers_who_stall_give_way_to_those_who_shake_hands(monkeypatch):
    door = meter_door(authority())
    policy = door.guard.policy
    monkeypatch.setattr(door.guard, "policy", type(policy)(
        server_roles=policy.server_roles, client_roles=policy.client_roles, handshakes_max=8, handshake_s_max=30.0,
    ))  # fmt: skip
    async with served(door) as server:
        stalled = []
        for _ in range(40):
            plain = socket.create_connection(("127.0.0.1", server.port))
            plain.send(b"\x16\x03\x01")  # the beginning of a record
            stalled.append(plain)
        assert await read_once(server, demand(authority())) is False
        assert len(door.pending) <= 8
        assert door.turned_away >= 32
        for plain in stalled:
            plain.close()


async def test_a_handshake_ends_with_its_time(monkeypatch):
    door = meter_door(authority())
    policy = door.guard.policy
    monkeypatch.setattr(door.guard, "policy", type(policy)(
        server_roles=policy.server_roles, client_roles=policy.client_roles, handshake_s_max=0.05,
    ))  # fmt: skip
    async with served(door) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert await reader.read(1) == b""
        assert (door.failed, len(door.pending)) == (1, 0)
        writer.close()


async def test_plain_octets_are_no_handshake():
    door = meter_door(authority())
    async with served(door) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(encode_wrapper(16, 1, b"\x60\x00"))
        with contextlib.suppress(ConnectionError):
            await reader.read()
        assert (door.failed, server.accepted) == (1, 0)
        writer.close()


async def test_a_new_list_ends_the_live_connection_of_the_revoked(tmp_path):
    own = SmallAuthority()
    meter, headend = own.issue("device", TITLE), own.issue("headend", "headend-1")
    files = own.files(tmp_path, meter)
    sink = MemoryAuditSink()
    guard = Guard(Interface.METER, is_server=True, credential=files, audit=sink)
    door = TlsDoor(server_context(files, Interface.METER), guard)
    tls = TlsDemand(
        context=client_context(own.memory(headend), Interface.METER), guard=Guard(Interface.METER, is_server=False)
    )
    async with served(door) as server:
        client = await DlmsClient.open(target_of(server), PUBLIC, counter=CountUp(), tls=tls)
        await client.associate()
        assert (guard.sweep(), guard.connections) == (0, 1)
        own.revoke(headend)
        write(tmp_path / "crl.pem", own.crl_pem())
        assert guard.sweep() == 1
        with pytest.raises(UnreachableError):
            await client.get(CLOCK)
        with pytest.raises((UnreachableError, PeerRefused)):
            await read_once(server, tls)
    assert sink.events[0].facts["reason"] == "revoked"


async def test_a_connection_ends_with_its_age():
    moment = [0.0]
    door = meter_door(authority())
    door.guard._now = lambda: moment[0]
    async with served(door) as server:
        client = await DlmsClient.open(target_of(server), PUBLIC, counter=CountUp(), tls=demand(authority()))
        await client.associate()
        moment[0] = door.guard.policy.session_s_max + 1
        assert door.guard.sweep() == 1
        with pytest.raises(UnreachableError):
            await client.get(CLOCK)


def push_context(role: str, identity: str, *, server_side: bool) -> TlsContext:
    credential = authority().memory(issued(role, identity))
    make = server_context if server_side else client_context
    return make(credential, Interface.PUSH)


async def test_a_push_comes_with_the_certificate_of_its_meter():
    came: asyncio.Queue[PushReceived] = asyncio.Queue()
    listener = NotificationListener(came.put)
    door = TlsDoor(push_context("headend", "headend-1", server_side=True), Guard(Interface.PUSH, is_server=True))
    await listener.start("127.0.0.1", 0, tls=door)
    tls = TlsDemand(
        context=push_context("device", TITLE, server_side=False), guard=Guard(Interface.PUSH, is_server=False)
    )
    opening = encode_wrapper(1, 16, b"\x0f\x00\x00\x00\x01\x00\x00")
    call = await call_head_end(ExampleDevice(), "127.0.0.1", listener.port, opening=opening, tls=tls)
    async with asyncio.timeout(5):
        push = await came.get()
    assert push.peer is not None
    assert push.peer.identity == TITLE
    call.close()
    await listener.close()


async def test_a_meter_does_not_push_to_who_is_no_head_end():
    listener = NotificationListener(lambda _push: asyncio.sleep(0))
    door = TlsDoor(push_context("hub", TITLE, server_side=True), Guard(Interface.PUSH, is_server=True))
    await listener.start("127.0.0.1", 0, tls=door)
    tls = TlsDemand(
        context=push_context("device", TITLE, server_side=False), guard=Guard(Interface.PUSH, is_server=False)
    )
    with pytest.raises(PeerRefused, match="role hub, and headend is wanted"):
        await call_head_end(ExampleDevice(), "127.0.0.1", listener.port, opening=b"\0", tls=tls)
    await listener.close()


async def test_octets_right_behind_the_handshake_are_not_lost():
    """TLS 1.3 lets a client speak together with the end of its handshake."""
    door = meter_door(authority())
    async with served(door) as server:

        def speak() -> bytes:
            context = client_context(authority().memory(issued("headend", "headend-1")), Interface.METER)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            wrapped = context.wrap_bio(incoming, outgoing, server_hostname="meter")
            with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
                while True:
                    try:
                        wrapped.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        plain.sendall(outgoing.read())
                        incoming.write(plain.recv(65536))
                wrapped.write(
                    encode_wrapper(
                        16, 1, bytes.fromhex("601da109060760857405080101be10040e01000000065f1f0400001e1dffff")
                    )
                )
                plain.sendall(outgoing.read())  # the end of the handshake and the request in one
                while True:
                    try:
                        return wrapped.read(1000)
                    except ssl.SSLWantReadError:
                        incoming.write(plain.recv(65536))

        assert b"\x61" in await asyncio.to_thread(speak)


@pytest.mark.parametrize("work", [
    test_a_client_reads_and_resumes,
    test_a_server_of_another_identity_is_left_before_a_word,
    test_a_push_comes_with_the_certificate_of_its_meter,
    test_octets_right_behind_the_handshake_are_not_lost,
    test_a_connection_ends_with_its_age,
    test_plain_octets_are_no_handshake,
], ids=lambda work: work.__name__.removeprefix("test_"))  # fmt: skip
def test_under_the_event_loop_of_the_system_too(work):
    assert uvloop.run(work()) is None


async def test_a_half_sent_handshake_is_ended_with_the_server():
    door = meter_door(authority())
    async with served(door) as server:
        plain = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", server.port))
        async with asyncio.timeout(5):
            while not door.pending:  # noqa: ASYNC110  # a door tells nobody of strangers
                await asyncio.sleep(0)
    assert not door.pending
    plain.close()


async def test_who_leaves_before_the_handshake_keeps_no_place():
    door = meter_door(authority())
    caller = door.before(asyncio.Protocol)()

    class Gone(asyncio.Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return ("127.0.0.1", 4059)

        def pause_reading(self) -> None:
            pass

        def is_closing(self) -> bool:
            return True

        def abort(self) -> None:
            pass

    caller.connection_made(Gone())
    assert len(door.pending) == 1
    caller.connection_lost(None)
    assert not door.pending
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert door.failed == 1


async def test_a_guard_looks_again_in_a_new_loop():
    guard = Guard(Interface.METER, is_server=True)
    peer = peer_of_certificate(ssl.PEM_cert_to_DER_cert(issued("headend", "headend-1").certificate_pem.decode()))
    ended = asyncio.new_event_loop()

    async def watch() -> None:
        guard.watch(peer, lambda: None, lambda: True)

    await asyncio.to_thread(ended.run_until_complete, watch())
    ended.close()
    first = guard._timer
    await watch()
    assert guard._timer is not first
    assert guard.connections == 2
    assert guard._timer is not None
    guard._timer.cancel()
