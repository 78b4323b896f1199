"""Who gets through a channel, with what, and for how long."""

import ssl
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.security.channels.matrix import Offer, negotiates
from tests.tls_authority import DAY, SmallAuthority, authority, issued, write
from tests.unit.trust.tls.handshake import connect

from meterworks.headend import HeadendChannels
from meterworks.links import TlsDoor
from meterworks.trust.audit import MemoryAuditSink
from meterworks.trust.tls import (
    POLICIES,
    Guard,
    Interface,
    PeerRefused,
    TlsMemory,
    client_context,
    peer_of_certificate,
    server_context,
)

TITLE, OTHER_TITLE = "4d57520000000002", "4d57520000000003"


def meter():
    return server_context(authority().memory(issued("device", TITLE), has_crl=True), Interface.METER)


def client_with(_issuer, certificate):
    memory = TlsMemory(certificate.certificate_pem, certificate.key_pem, authority().anchors_pem)
    return client_context(memory, Interface.METER)


def peer(role, identity):
    return peer_of_certificate(issued(role, identity).certificate.public_bytes(Encoding.DER))


@pytest.mark.requirement("SEC-017")
def test_without_a_certificate_there_is_no_channel():
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.load_verify_locations(cadata=authority().anchors_pem.decode())
    with pytest.raises(ssl.SSLError):
        connect(bare, meter())


@pytest.mark.requirement("SEC-017")
def test_a_certificate_that_does_not_hold_opens_nothing():
    other = SmallAuthority("another")
    shown = (
        (other, other.issue("headend", "headend-1")),
        (authority(), authority().issue("headend", "headend-1", ends=-DAY / 24)),
    )
    for issuer, certificate in shown:
        with pytest.raises(ssl.SSLError):
            connect(client_with(issuer, certificate), meter())


@pytest.mark.requirement("SEC-017")
def test_a_revoked_certificate_opens_nothing():
    own = SmallAuthority()
    headend = own.issue("headend", "headend-1")
    own.revoke(headend)
    server = server_context(own.memory(own.issue("device", TITLE), has_crl=True), Interface.METER)
    with pytest.raises(ssl.SSLError):
        connect(client_context(own.memory(headend), Interface.METER), server)


@pytest.mark.requirement("SEC-017")
def test_a_certificate_speaks_in_its_own_role_only():
    sink = MemoryAuditSink()
    guard = Guard(Interface.METER, is_server=True, audit=sink)
    for role in ("hub", "gateway", "device", "organisation", "web", "maker"):
        with pytest.raises(PeerRefused):
            guard.judge_peer(peer(role, "anybody"))
    assert guard.judge_peer(peer("headend", "headend-1")).identity == "headend-1"
    assert sink.acts() == ["peer.refused"] * 6


@pytest.mark.requirement("SEC-026")
def test_a_device_answers_for_its_own_address_only():
    sink = MemoryAuditSink()
    channels = HeadendChannels(authority().memory(issued("headend", "headend-1")), audit=sink)
    demand = channels.demand(SimpleNamespace(system_title=bytes.fromhex(TITLE)))  # type: ignore[arg-type]  # all of it
    assert channels.meters.judge_peer(peer("device", TITLE), demand.identity)
    with pytest.raises(PeerRefused):
        channels.meters.judge_peer(peer("device", OTHER_TITLE), demand.identity)
    assert TITLE in sink.events[0].cause
    assert OTHER_TITLE in sink.events[0].cause


@pytest.mark.requirement("SEC-026")
def test_a_device_pushes_in_its_own_name_only():
    channels = HeadendChannels(authority().memory(issued("headend", "headend-1")))
    device = SimpleNamespace(system_title=bytes.fromhex(TITLE))
    facts = {"peer_host": "192.0.2.1", "peer_port": 1, "gateway": None}
    channels.check_sender(SimpleNamespace(peer=peer("device", TITLE), **facts), device)  # type: ignore[arg-type]  # what is looked at
    for brought in (peer("device", OTHER_TITLE), peer("hub", TITLE), peer("headend", TITLE)):
        with pytest.raises(PeerRefused):
            channels.check_sender(SimpleNamespace(peer=brought, **facts), device)  # type: ignore[arg-type]  # same


class Watched:
    """A connection as a guard sees it."""

    def __init__(self) -> None:
        self.stands = True

    def end(self) -> None:
        self.stands = False

    def is_open(self) -> bool:
        return self.stands


@pytest.mark.requirement("SEC-030")
def test_a_revoked_peer_loses_its_live_connection(tmp_path):
    own = SmallAuthority()
    files = own.files(tmp_path, own.issue("device", TITLE))
    headend, command = own.issue("headend", "headend-1"), own.issue("command", "somebody")
    guard = Guard(Interface.METER, is_server=True, credential=files)
    lines = []
    for each in (headend, command):
        lines.append(Watched())
        guard.watch(peer_of_certificate(each.certificate.public_bytes(Encoding.DER)), lines[-1].end, lines[-1].is_open)
    own.revoke(headend)
    write(tmp_path / "crl.pem", own.crl_pem())
    guard.sweep()
    assert [each.stands for each in lines] == [False, True]


@pytest.mark.requirement("SEC-030")
def test_a_connection_does_not_outlive_its_time():
    moment = [0.0]
    guard = Guard(Interface.METER, is_server=True, now=lambda: moment[0])
    line = Watched()
    guard.watch(peer("headend", "headend-1"), line.end, line.is_open)
    moment[0] = POLICIES[Interface.METER].session_s_max
    guard.sweep()
    assert line.stands
    moment[0] = 48 * 3600.0
    guard.sweep()
    assert not line.stands


@pytest.mark.requirement("SEC-030")
def test_no_session_is_resumed_past_a_new_list(tmp_path):
    own = SmallAuthority()
    files = own.files(tmp_path, own.issue("device", TITLE))
    client = client_context(own.memory(own.issue("headend", "headend-1")), Interface.METER)
    server = server_context(files, Interface.METER)
    connect(client, server)
    own.revoke(own.issue("headend", "headend-2"))
    write(tmp_path / "crl.pem", own.crl_pem())
    assert not connect(client, server)[0].wrapped.session_reused


@pytest.mark.requirement("SEC-035")
def test_nothing_beside_the_policy_negotiates():
    server = meter()
    refused = (
        Offer(version="TLSv1.1", suite="ECDHE-ECDSA-AES128-SHA"),
        Offer(suite="ECDHE-ECDSA-AES128-SHA256"),
        Offer(suite="ECDHE-ECDSA-NULL-SHA"),
        Offer(group="P-521"),
        Offer(suite="ECDHE-ECDSA-CHACHA20-POLY1305"),
        Offer(suite="ECDHE-ECDSA-AES128-CCM8"),
        Offer(suite="AES128-GCM-SHA256"),
        Offer(suite="DHE-RSA-AES128-GCM-SHA256"),
        Offer(signature="ECDSA+SHA1"),
        Offer(version="TLSv1.3", suite="TLS_CHACHA20_POLY1305_SHA256"),
        Offer(version="TLSv1.3", suite="TLS_AES_128_GCM_SHA256", group="X25519"),
        Offer(version="TLSv1.3", suite="TLS_AES_128_GCM_SHA256", group="P-521"),
    )
    policy = POLICIES[Interface.METER]
    assert [str(each) for each in refused if negotiates(server, each, "headend", policy)] == []
    assert negotiates(server, Offer(), "headend", policy)


@pytest.mark.requirement("SEC-036")
def test_every_suite_makes_its_keys_afresh():
    for interface, row in POLICIES.items():
        assert all(name.startswith("ECDHE-") for name in row.suites_12), interface
        assert all(name.startswith("TLS_AES_") for name in row.suites_13), interface
    assert {each["kea"] for each in meter().current.get_ciphers()} == {"kx-ecdhe", "kx-any"}


@pytest.mark.requirement("SEC-036")
def test_keys_of_tickets_do_not_get_old():
    moment = [0.0]
    memory = authority().memory(issued("device", TITLE))
    server = server_context(memory, Interface.METER, now=lambda: moment[0])
    client = client_context(authority().memory(issued("headend", "headend-1")), Interface.METER)
    connect(client, server)
    moment[0] = 48 * 3600.0
    assert not connect(client, server)[0].wrapped.session_reused


@pytest.mark.requirement("SEC-050")
def test_callers_who_stall_make_room_for_others():
    guard = Guard(Interface.METER, is_server=True)
    door = TlsDoor(meter(), guard)
    given_up = []

    class Caller:
        def give_up(self) -> None:
            given_up.append(self)
            del door.pending[self]  # type: ignore[arg-type]  # stands for a caller at the door

    callers = [Caller() for _ in range(guard.policy.handshakes_max + 3)]
    for each in callers:
        door.enter(each)  # type: ignore[arg-type]  # the same
    assert len(door.pending) == guard.policy.handshakes_max
    assert given_up == callers[:3]
