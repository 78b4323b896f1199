"""The DTLS side of a socket that many devices talk to, without the socket.

An address that nobody has answered for gets a cookie and nothing else. An address that has shown its cookie has a half
open association, of which there are few: the oldest gives way. An address with an association may start anew, as after
a reboot or behind another's port: the old association stands until the new one has proved itself, then it is replaced.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from meterworks.errors import SecurityError
from meterworks.trust.dtls.connection import MTU, DtlsConnection, DtlsState
from meterworks.trust.dtls.context import DtlsContext
from meterworks.trust.dtls.record import CookieJar, client_hello, epoch_of
from meterworks.trust.tls import POLICIES, Interface, Peer

__all__ = ["DtlsEvent", "DtlsLimits", "DtlsListener", "PeerJoined", "PeerLeft", "RecordReceived"]

Address: TypeAlias = tuple[str, int]
Judge: TypeAlias = Callable[[Peer, Address], object]
"""Raises SecurityError for a peer that may not be here."""

DATAGRAM_SIZE_MAX: Final = 65_507


@dataclass(frozen=True, slots=True, kw_only=True)
class DtlsLimits:
    """What a listener allows. Times in seconds of the caller's clock."""

    half_open_max: int = POLICIES[Interface.DATAGRAM].handshakes_max
    open_max: int = 10_000
    handshake_s_max: float = POLICIES[Interface.DATAGRAM].handshake_s_max
    idle_s_max: float = 600.0
    mtu: int = MTU


@dataclass(frozen=True, slots=True)
class PeerJoined:
    """An association is open, its peer judged."""

    address: Address
    peer: Peer


@dataclass(frozen=True, slots=True)
class RecordReceived:
    """Application data of one record."""

    address: Address
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeerLeft:
    """An open association has ended."""

    address: Address
    reason: str


DtlsEvent: TypeAlias = PeerJoined | RecordReceived | PeerLeft


@dataclass(slots=True)
class _Association:
    connection: DtlsConnection
    since: float
    last: float


class DtlsListener:
    """The associations of one socket. Send `datagrams()` after every call.

    cookies_sent, refused, gave_way, timed_out: counts so far.
    """

    def __init__(
        self,
        context: DtlsContext,
        judge: Judge,
        random_bytes: Callable[[int], bytes],
        *,
        now: float,
        limits: DtlsLimits | None = None,
    ) -> None:
        """judge: decides who may be here. random_bytes: of the operating system."""
        self.limits = limits or DtlsLimits()
        self.cookies_sent = 0
        self.refused = 0
        self.gave_way = 0
        self.timed_out = 0
        self._context = context
        self._judge = judge
        self._jar = CookieJar(random_bytes, now)
        self._half: dict[Address, _Association] = {}  # in the order they came
        self._open: dict[Address, _Association] = {}
        self._output: list[tuple[bytes, Address]] = []

    @property
    def half_open(self) -> int:
        """Associations that are not proved yet."""
        return len(self._half)

    @property
    def associations(self) -> int:
        """Associations that are open."""
        return len(self._open)

    def peer(self, address: Address) -> Peer | None:
        """Give who is at an address, if an association is open."""
        known = self._open.get(address)
        return None if known is None else known.connection.peer

    def receive(self, datagram: bytes, address: Address, now: float) -> list[DtlsEvent]:
        """Take a datagram; give what came of it."""
        epoch = epoch_of(datagram)
        if epoch is None:
            return []
        if epoch == 0 and client_hello(datagram) is not None and not self._is_repeat(datagram, address):
            return self._greet(datagram, address, now)
        events: list[DtlsEvent] = []
        known = self._open.get(address)
        if known is not None and (epoch or address not in self._half):
            events += self._hear(known, datagram, address, now)
        half = self._half.get(address)
        if half is not None:
            events += self._go_on(half, datagram, address, now)
        return events

    def send(self, octets: bytes, address: Address) -> bool:
        """Protect and send application data; False where there is no open association, or it is too long."""
        known = self._open.get(address)
        if known is None or not known.connection.send(octets):
            return False
        self._collect(known.connection, address)
        return True

    def drop(self, address: Address, reason: str = "dropped") -> list[DtlsEvent]:
        """End the association of an address."""
        known = self._open.pop(address, None)
        if known is None:
            return []
        known.connection.close()
        self._collect(known.connection, address)
        return [PeerLeft(address, reason)]

    def datagrams(self) -> list[tuple[bytes, Address]]:
        """Give what is to be sent now, and to whom."""
        output, self._output = self._output, []
        return output

    def next_deadline(self, now: float) -> float | None:
        """Give when `advance` is due: a flight to repeat, or a time that ends."""
        due = [each.since + self.limits.handshake_s_max for each in self._half.values()]
        due += [each.last + self.limits.idle_s_max for each in self._open.values()]
        due += [at for each in self._half.values() if (at := each.connection.next_deadline(now)) is not None]
        return min(due, default=None)

    def advance(self, now: float) -> list[DtlsEvent]:
        """Repeat flights, and end what takes too long."""
        events: list[DtlsEvent] = []
        for address, half in tuple(self._half.items()):
            if now - half.since >= self.limits.handshake_s_max:
                self.timed_out += 1
                del self._half[address]
                continue
            half.connection.advance()
            self._collect(half.connection, address)
        for address, known in tuple(self._open.items()):
            if now - known.last >= self.limits.idle_s_max:
                events += self.drop(address, "idle")
        return events

    def _is_repeat(self, datagram: bytes, address: Address) -> bool:
        """Whether a hello belongs to the handshake under way: a doubled datagram must not start it anew."""
        hello, half = client_hello(datagram), self._half.get(address)
        return half is not None and hello is not None and bool(hello.cookie)

    def _greet(self, datagram: bytes, address: Address, now: float) -> list[DtlsEvent]:
        """Answer a first hello with a cookie; begin with one that brings its cookie."""
        hello = client_hello(datagram)
        if hello is None:
            return []
        if not self._jar.knows(hello.cookie, address, now):
            answer = self._jar.request(hello, address, now)
            if len(answer) <= len(datagram):
                self.cookies_sent += 1
                self._output.append((answer, address))
            return []
        if len(self._half) >= self.limits.half_open_max:
            self.gave_way += 1
            del self._half[next(iter(self._half))]
        self._context.cookies.accepted = hello.cookie
        connection = DtlsConnection(self._context.current(), is_server=True, mtu=self.limits.mtu)
        if connection.listen(datagram):
            self._half[address] = _Association(connection, now, now)
        else:
            self.refused += 1
        self._context.cookies.accepted = b""
        self._collect(connection, address)
        return []

    def _go_on(self, half: _Association, datagram: bytes, address: Address, now: float) -> list[DtlsEvent]:
        """Carry a handshake on; when it is done, its peer is judged and replaces who was there."""
        connection = half.connection
        records = connection.receive(datagram)
        if connection.state is DtlsState.CLOSED:
            self.refused += 1
            del self._half[address]
            self._collect(connection, address)
            return []
        self._collect(connection, address)
        if connection.state is not DtlsState.OPEN or connection.peer is None:
            return []
        del self._half[address]
        if not self._is_admitted(connection, address):
            return []
        events = self.drop(address, "replaced")
        self._open[address] = _Association(connection, now, now)
        events.append(PeerJoined(address, connection.peer))
        return events + [RecordReceived(address, each) for each in records]

    def _is_admitted(self, connection: DtlsConnection, address: Address) -> bool:
        is_full = len(self._open) >= self.limits.open_max and address not in self._open
        try:
            if not is_full and connection.peer is not None:
                self._judge(connection.peer, address)
                return True
        except SecurityError:
            pass  # the judge has told it; the peer learns nothing but the end
        self.refused += 1
        connection.close()
        self._collect(connection, address)
        return False

    def _hear(self, known: _Association, datagram: bytes, address: Address, now: float) -> list[DtlsEvent]:
        records = known.connection.receive(datagram)
        self._collect(known.connection, address)
        if records:
            known.last = now
        events: list[DtlsEvent] = [RecordReceived(address, each) for each in records]
        if known.connection.state is DtlsState.CLOSED:
            del self._open[address]
            events.append(PeerLeft(address, known.connection.reason))
        return events

    def _collect(self, connection: DtlsConnection, address: Address) -> None:
        self._output += [(each, address) for each in connection.datagrams()]
