"""DTLS without sockets: cookies before work, handshakes over bad lines, bounds, and OpenSSL's own client as judge."""

import itertools
import random
import secrets
import time

import pytest
from tests.tls_authority import SmallAuthority, authority, issued, write

from meterworks.errors import SecurityError
from meterworks.trust.dtls import (
    CookieJar,
    DtlsConnection,
    DtlsContext,
    DtlsLimits,
    DtlsListener,
    DtlsState,
    PeerJoined,
    PeerLeft,
    RecordReceived,
    client_hello,
    datagrams_of,
)
from meterworks.trust.pki import PeerRole
from meterworks.trust.tls import TlsFilesError, TlsMemory, check_peer

TITLE = "4d57520000000002"
ADDRESS = ("192.0.2.7", 40000)
REPEATED_S_MAX = 5.0


def server_context(own=None, certificate=None):
    own = own or authority()
    return DtlsContext(own.memory(certificate or own.issue("device", TITLE)), is_server=True)


def client_context(role="headend", own=None):
    own = own or authority()
    return DtlsContext(own.memory(own.issue(role, f"{role}-1")), is_server=False)


def listener_of(context=None, *, roles=frozenset({PeerRole.HEADEND}), **limits):
    return DtlsListener(
        context or server_context(), lambda peer, _address: check_peer(peer, roles), secrets.token_bytes,
        now=0.0, limits=DtlsLimits(**limits),
    )  # fmt: skip


class Line:
    """Carries datagrams between a client and a listener as `bad` says: (number, datagram) to what arrives."""

    def __init__(self, listener, context=None, *, address=ADDRESS, bad=lambda _number, datagram: [datagram]):
        self.listener = listener
        self.address = address
        self.client = DtlsConnection((context or client_context()).current(), is_server=False, mtu=400)
        self.bad = bad
        self.numbers = itertools.count()
        self.events = []
        self.received = []
        self.sizes = []

    def turn(self, now=0.0):
        """One exchange; give whether anything moved."""
        out = self.client.datagrams()
        for datagram in out:
            for arriving in self.bad(next(self.numbers), datagram):
                self.events += self.listener.receive(arriving, self.address, now)
        back = [datagram for datagram, address in self.listener.datagrams() if address == self.address]
        for datagram in back:
            self.sizes.append(len(datagram))
            for arriving in self.bad(next(self.numbers), datagram):
                self.received += self.client.receive(arriving)
        return bool(out or back)

    def shake(self, now=0.0):
        while self.turn(now):
            pass
        return self.client.state is DtlsState.OPEN and self.listener.peer(self.address) is not None


def test_both_ends_know_each_other_and_talk():
    line = Line(listener_of())
    assert line.shake()
    assert line.client.peer.identity == TITLE
    assert [type(event) for event in line.events] == [PeerJoined]
    assert line.events[0].peer.role is PeerRole.HEADEND
    line.client.send(b"ask")
    line.turn()
    assert line.events[-1] == RecordReceived(ADDRESS, b"ask")
    line.listener.send(b"answer", ADDRESS)
    line.turn()
    assert line.received == [b"answer"]


def test_datagrams_keep_to_the_size_of_the_line():
    line = Line(listener_of(mtu=400))
    assert line.shake()
    assert max(line.sizes) <= 400


def test_an_address_without_cookie_gets_one_and_leaves_nothing(monkeypatch):
    listener = listener_of()
    hello = Line(listener).client.datagrams()[0]
    monkeypatch.setattr(DtlsConnection, "__init__", lambda *_, **__: pytest.fail("work was done"))
    for port in range(100):
        listener.receive(hello, ("192.0.2.9", port), 0.0)
    answers = listener.datagrams()
    assert len(answers) == 100
    assert all(len(answer) == 60 <= len(hello) for answer, _ in answers)
    assert (listener.half_open, listener.associations) == (0, 0)


def test_a_cookie_is_good_for_its_own_address_and_time_only():
    jar = CookieJar(secrets.token_bytes, 0.0)
    cookie = jar.cookie(ADDRESS, 0.0)
    assert jar.knows(cookie, ADDRESS, 0.0)
    assert jar.knows(cookie, ADDRESS, 61.0)
    assert not jar.knows(cookie, ("192.0.2.8", 40000), 61.0)
    assert not jar.knows(cookie, ADDRESS, 122.0)
    assert not jar.knows(b"", ADDRESS, 0.0)


@pytest.mark.parametrize("datagram", [
    b"", b"\x16", bytes(100), b"\x16\xfe\xff" + bytes(60), b"\x17\xfe\xfd" + bytes(60), b"\x80" * 200,
    bytes.fromhex("16feff0000000000000000003001000024000000000000002000") + bytes(40),
], ids=range(7))  # fmt: skip
def test_what_is_no_hello_is_not_answered(datagram):
    listener = listener_of()
    assert listener.receive(datagram, ADDRESS, 0.0) == []
    assert listener.datagrams() == []


def test_no_answer_is_longer_than_its_question_before_the_cookie():
    listener, chance = listener_of(), random.Random(7)
    hello = Line(listener).client.datagrams()[0]
    for _ in range(300):
        changed = bytearray(hello[: chance.randrange(len(hello) + 1)])
        for _ in range(chance.randrange(4)):
            if changed:
                changed[chance.randrange(len(changed))] = chance.randrange(256)
        listener.receive(bytes(changed), ADDRESS, 0.0)
        assert sum(len(answer) for answer, _ in listener.datagrams()) <= len(changed)


def test_doubled_and_reordered_datagrams_do_no_harm():
    assert Line(listener_of(), bad=lambda _number, datagram: [datagram, datagram]).shake()
    held = []

    def swap(number, datagram):
        if number % 5 == 2:
            held.append(datagram)
            return []
        return [datagram, *[held.pop() for _ in list(held)]]

    line = Line(listener_of(mtu=400), bad=swap)
    line.shake()
    for each in held:
        line.events += line.listener.receive(each, ADDRESS, 0.0)
    assert line.shake()


def test_a_lost_flight_is_repeated():
    """OpenSSL waits one second of the machine's time before it repeats."""
    lost = {2}
    line = Line(listener_of(), bad=lambda number, datagram: [] if number in lost else [datagram])
    line.shake()
    assert line.client.state is DtlsState.SHAKING
    due = line.client.next_deadline(100.0)
    assert 100.0 < due <= 101.5
    ends = time.monotonic() + REPEATED_S_MAX
    while not line.shake() and time.monotonic() < ends:
        time.sleep(max(0.0, line.client.next_deadline(0.0) or 0.05))
        line.client.advance()
        line.listener.advance(1.0)
    assert line.client.state is DtlsState.OPEN


def test_changed_and_replayed_records_are_dropped():
    line = Line(listener_of())
    assert line.shake()
    line.client.send(b"once")
    (record,) = line.client.datagrams()
    changed = bytearray(record)
    changed[-1] ^= 1
    listener = line.listener
    assert listener.receive(bytes(changed), ADDRESS, 0.0) == []
    assert listener.receive(record, ADDRESS, 0.0) == [RecordReceived(ADDRESS, b"once")]
    assert listener.receive(record, ADDRESS, 0.0) == []
    assert listener.receive(record, ("192.0.2.99", 1), 0.0) == []
    assert listener.associations == 1


@pytest.mark.parametrize("role", ["hub", "device"])
def test_a_client_of_another_role_is_sent_away(role):
    line = Line(listener_of(), client_context(role))
    line.shake()
    assert line.listener.associations == 0
    assert line.listener.refused == 1
    assert line.client.state is DtlsState.CLOSED


def test_a_client_of_another_authority_is_refused():
    other = SmallAuthority("another")
    stranger = other.issue("headend", "headend-1")
    memory = TlsMemory(stranger.certificate_pem, stranger.key_pem, authority().anchors_pem)
    line = Line(listener_of(), DtlsContext(memory, is_server=False))
    line.shake()
    assert (line.listener.associations, line.listener.refused) == (0, 1)


def test_a_revoked_client_is_refused_from_the_next_handshake_on(tmp_path):
    own = SmallAuthority()
    files = own.files(tmp_path, own.issue("device", TITLE))
    headend = own.issue("headend", "headend-1")
    context = DtlsContext(own.memory(headend), is_server=False)
    listener = listener_of(DtlsContext(files, is_server=True))
    assert Line(listener, context).shake()
    own.revoke(headend)
    write(tmp_path / "crl.pem", own.crl_pem())
    again = Line(listener, context, address=("192.0.2.8", 1))
    again.shake()
    assert listener.peer(("192.0.2.8", 1)) is None


def test_half_open_associations_are_few_and_end():
    listener = listener_of(half_open_max=4, handshake_s_max=10.0)
    lines = [Line(listener, address=("192.0.2.1", port)) for port in range(10)]
    for line in lines:
        line.turn()  # gets its cookie
        line.turn()  # shows it
    assert (listener.half_open, listener.gave_way) == (4, 6)
    assert 0 < listener.next_deadline(0.0) <= 10.0
    listener.advance(10.0)
    assert (listener.half_open, listener.timed_out) == (0, 4)
    assert Line(listener).shake(11.0)


def test_a_device_that_starts_anew_replaces_itself_when_it_has_proved_who_it_is():
    listener = listener_of()
    assert Line(listener).shake()
    stranger = Line(listener, client_context("hub"))
    stranger.shake()
    assert listener.peer(ADDRESS) is not None
    again = Line(listener)
    assert again.shake()
    assert [type(event) for event in again.events] == [PeerLeft, PeerJoined]
    assert listener.associations == 1


def test_an_idle_association_ends():
    listener = listener_of(idle_s_max=60.0)
    line = Line(listener)
    assert line.shake()
    assert listener.advance(60.0) == [PeerLeft(ADDRESS, "idle")]
    line.turn()
    assert line.client.state is DtlsState.CLOSED


def test_an_end_is_told():
    line = Line(listener_of())
    assert line.shake()
    line.client.close()
    line.turn()
    assert line.events[-1] == PeerLeft(ADDRESS, "closed")
    assert not line.client.send(b"more")
    assert not line.listener.send(b"more", ADDRESS)


def test_a_judge_is_asked_before_anybody_joins():
    def refuse(_peer, _address):
        raise SecurityError("not here")

    listener = DtlsListener(server_context(), refuse, secrets.token_bytes, now=0.0)
    line = Line(listener)
    line.shake()
    assert line.events == []


def test_records_are_packed_into_datagrams():
    records = [b"\x16\xfe\xfd" + bytes(8) + size.to_bytes(2, "big") + bytes(size) for size in (10, 20, 300, 5)]
    assert [len(each) for each in datagrams_of(b"".join(records), 100)] == [56, 313, 18]
    assert client_hello(records[0]) is None


def test_a_credential_that_cannot_be_used_is_told():
    with pytest.raises(TlsFilesError, match="cannot be used for DTLS"):
        DtlsContext(TlsMemory(b"", b"", b""), is_server=True)
    rightful = issued("device", TITLE)
    with pytest.raises(TlsFilesError, match="cannot be used for DTLS"):
        DtlsContext(TlsMemory(rightful.certificate_pem, authority().issue("hub", "x").key_pem, b""), is_server=True)
