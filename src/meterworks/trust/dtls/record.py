"""DTLS 1.2 records as far as a listener must know them: flights cut into datagrams, first hellos, cookies.

A first ClientHello is answered with a cookie before anything is kept or computed for its sender, whose address may be
forged; the answer is never longer than the question (SEC-051, SEC-098).
Source: RFC 6347, 4.1 (records), 4.2.1 (cookies), 4.2.2 (handshake messages).
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["ClientHello", "CookieJar", "client_hello", "datagrams_of", "epoch_of"]

RECORD_HEADER_SIZE: Final = 13  # type 1, version 2, epoch 2, sequence number 6, length 2
HANDSHAKE_HEADER_SIZE: Final = 12  # type 1, length 3, message number 2, fragment offset 3, fragment length 3
RANDOM_SIZE: Final = 32
COOKIE_SIZE: Final = 32
COOKIE_S_MAX: Final = 60.0  # a cookie is good for one to two of these
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_HELLO_VERIFY_REQUEST: Final = 3
_DTLS_1_0: Final = b"\xfe\xff"  # the version that a HelloVerifyRequest always bears


def datagrams_of(flight: bytes, mtu: int) -> list[bytes]:
    """Cut a flight of whole records into datagrams of at most `mtu` octets; a longer record goes alone."""
    found: list[bytes] = []
    start = 0
    while start + RECORD_HEADER_SIZE <= len(flight):  # bounded: each record has a header
        size = RECORD_HEADER_SIZE + int.from_bytes(flight[start + 11 : start + 13], "big")
        record = flight[start : start + size]
        if found and len(found[-1]) + len(record) <= mtu:
            found[-1] += record
        else:
            found.append(record)
        start += size
    return found


def epoch_of(datagram: bytes) -> int | None:
    """Give the epoch of a datagram's first record: 0 before the keys are there. None where it is no record."""
    if len(datagram) < RECORD_HEADER_SIZE or not 20 <= datagram[0] <= 23 or datagram[1] != 0xFE:
        return None
    return int.from_bytes(datagram[3:5], "big")


@dataclass(frozen=True, slots=True)
class ClientHello:
    """The start of a first hello. sequence: 6 octets of its record. cookie: empty in the very first one."""

    sequence: bytes
    cookie: bytes


def client_hello(datagram: bytes) -> ClientHello | None:
    """Read the start of a whole, unfragmented ClientHello of epoch 0; None where a datagram is none."""
    body_at = RECORD_HEADER_SIZE + HANDSHAKE_HEADER_SIZE
    session_at = body_at + 2 + RANDOM_SIZE
    if epoch_of(datagram) != 0 or datagram[0] != _HANDSHAKE or len(datagram) <= session_at:
        return None
    header = datagram[RECORD_HEADER_SIZE:body_at]
    length, offset, fragment = header[1:4], header[6:9], header[9:12]
    if header[0] != _CLIENT_HELLO or offset != b"\0\0\0" or length != fragment:
        return None
    cookie_at = session_at + 1 + datagram[session_at]
    if len(datagram) <= cookie_at:
        return None
    cookie = datagram[cookie_at + 1 : cookie_at + 1 + datagram[cookie_at]]
    return ClientHello(datagram[5:11], cookie)


class CookieJar:
    """Makes and knows cookies without remembering whom it gave them to. Its secret is renewed once a minute."""

    def __init__(self, random_bytes: Callable[[int], bytes], now: float) -> None:
        """random_bytes: of the operating system. now: seconds on the clock that all calls use."""
        self._random_bytes = random_bytes
        self._secrets = [random_bytes(COOKIE_SIZE), random_bytes(COOKIE_SIZE)]
        self._renewed = now

    def cookie(self, address: tuple[str, int], now: float) -> bytes:
        """Give the cookie of an address."""
        self._renew(now)
        return _cookie(self._secrets[0], address)

    def knows(self, cookie: bytes, address: tuple[str, int], now: float) -> bool:
        """Whether this address was given this cookie within the last two minutes."""
        self._renew(now)
        return any(hmac.compare_digest(cookie, _cookie(secret, address)) for secret in self._secrets)

    def request(self, hello: ClientHello, address: tuple[str, int], now: float) -> bytes:
        """Give the HelloVerifyRequest that answers a hello; its record bears the number of the hello's."""
        body = _DTLS_1_0 + bytes([COOKIE_SIZE]) + self.cookie(address, now)
        length = len(body).to_bytes(3, "big")
        message = bytes([_HELLO_VERIFY_REQUEST]) + length + b"\0\0" + b"\0\0\0" + length + body
        size = len(message).to_bytes(2, "big")
        return bytes([_HANDSHAKE]) + _DTLS_1_0 + b"\0\0" + hello.sequence + size + message

    def _renew(self, now: float) -> None:
        if now - self._renewed >= COOKIE_S_MAX:
            self._secrets = [self._random_bytes(COOKIE_SIZE), self._secrets[0]]
            self._renewed = now


def _cookie(secret: bytes, address: tuple[str, int]) -> bytes:
    return hmac.new(secret, f"{address[0]} {address[1]}".encode(), hashlib.sha256).digest()
