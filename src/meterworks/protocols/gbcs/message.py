"""Frames of GB messages: who asks whom, with which counter, under which code, and what protects it.

A message is a grouping header, other information, a payload and a signature (`DF`); one that carries a MAC stands in a
second frame of fixed shape (`DD`). A pre-command is a command before anybody has signed it: its bytes may end behind
the payload, without the length of a signature that is not there. Each form is kept, so that what was decoded comes out
again octet by octet. Nothing here checks a MAC or a signature: `protection` does.
Source: GBCS 7.2 (message structure); fact sheet gb/GBCS.md section 2.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final, Self

from meterworks.protocols.dlms.length import decode_length, encode_length, take
from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = [
    "COUNTER_MAX",
    "IDENTITY_SIZE",
    "MAC_SIZE",
    "MESSAGE_SIZE_MAX",
    "SIGNATURE_SIZE",
    "Message",
    "MessageKind",
    "OtherInformation",
    "identity_text",
]

IDENTITY_SIZE: Final = 8  # an EUI-64
COUNTER_MAX: Final = 2**64 - 1
DATE_TIME_SIZE: Final = 12
MAC_SIZE: Final = 12
SIGNATURE_SIZE: Final = 64  # r || s
MESSAGE_SIZE_MAX: Final = 65_535  # the largest in the reference set has some 4,000 octets

_SIGNING: Final = 0xDF
_CIPHERING: Final = 0xDD
_CIPHERING_HEADER: Final = bytes(6)  # transaction, originator, recipient, date-time and other information: all empty
_SECURITY_HEADER: Final = b"\x11\x00\x00\x00\x00"  # authentication alone, suite 1, no invocation counter
_TRANSACTION_SIZE: Final = 9
_CODE_SIZE: Final = 2


class MessageKind(IntEnum):
    """What a message is: the first octet of its transaction."""

    COMMAND = 1
    RESPONSE = 2
    ALERT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherInformation:
    """Which use case a message belongs to, and for whom it is meant besides the two it names.

    message_code: 0..65535, of the use case. supplementary_party: the unknown remote party that the access control
    broker speaks for (8 octets), and supplementary_counter, that party's own counter. supplementary_originator_counter:
    of a response that holds encrypted data for that party. certificate: its key agreement certificate (DER), in a
    command that asks for encrypted data.
    """

    message_code: int
    supplementary_party: bytes | None = None
    supplementary_counter: int | None = None
    supplementary_originator_counter: int | None = None
    certificate: bytes = b""

    def to_bytes(self) -> bytes:
        """Encode it. Raises EncodeError for a combination that has no form."""
        party, counter, own = (
            self.supplementary_party,
            self.supplementary_counter,
            self.supplementary_originator_counter,
        )
        _need(0 <= self.message_code <= 0xFFFF, f"message code {self.message_code} has more than two octets")
        _need(party is not None or counter is None, "a supplementary counter needs its party")
        _need(counter is not None or (own is None and not self.certificate), "a supplementary counter is missing")
        _need(own is None or not self.certificate, "a certificate and a second counter exclude each other")
        octets = self.message_code.to_bytes(_CODE_SIZE, "big")
        if party is not None:
            octets += _identity(party)
        if counter is not None:
            octets += _counter(counter)
        if own is not None:
            octets += _counter(own)
        return octets + self.certificate

    @classmethod
    def from_bytes(cls, octets: bytes, offset: int = 0) -> Self:
        """Decode it. offset: of its first octet in the message, for the error. Raises DecodeError."""
        size = len(octets)
        if size not in (2, 10, 18) and size < 26:
            raise DecodeError(
                f"other information of {size} octets at octet {offset}; 2, 10, 18, 26 or 18 and a certificate expected",
                offset=offset,
            )
        certificate = octets[18:] if size > 26 else b""
        return cls(
            message_code=int.from_bytes(octets[:2], "big"),
            supplementary_party=octets[2:10] if size >= 10 else None,
            supplementary_counter=int.from_bytes(octets[10:18], "big") if size >= 18 else None,
            supplementary_originator_counter=int.from_bytes(octets[18:], "big") if size == 26 else None,
            certificate=certificate,
        )


@dataclass(frozen=True, kw_only=True)
class Message:
    """One GB message, as it travels.

    originator, recipient: EUI-64 of 8 octets. counter: the originator's, 0..2**64-1; a response repeats its command's.
    date_time: COSEM date-time of 12 octets that some devices put into responses and alerts, mostly empty.
    signature: r || s, empty where nobody signed. mac: 12 octets, None where the message carries none.
    ends_behind_payload: a pre-command without even the length of a signature.
    """

    kind: MessageKind
    counter: int
    originator: bytes
    recipient: bytes
    other: OtherInformation
    payload: bytes
    date_time: bytes = b""
    signature: bytes = b""
    mac: bytes | None = None
    ends_behind_payload: bool = False

    @property
    def message_code(self) -> int:
        """The code of the use case."""
        return self.other.message_code

    @property
    def transaction(self) -> bytes:
        """The transaction identifier: kind and counter, 9 octets."""
        return bytes((self.kind,)) + _counter(self.counter)

    @cached_property
    def signed_octets(self) -> bytes:
        """What a signature covers: the body from behind its tag to the end of the payload (GBCS 4.3.3)."""
        return b"".join(
            (
                b"\x09", self.transaction,
                b"\x08", _identity(self.originator),
                b"\x08", _identity(self.recipient),
                _date_time(self.date_time),
                _with_length(self.other.to_bytes()),
                _with_length(self.payload),
            )
        )  # fmt: skip

    @property
    def body(self) -> bytes:
        """The message without MAC and its frame; what a MAC covers is made of it."""
        if self.ends_behind_payload:
            _need(not self.signature, "a signed message has the length of its signature")
            return b"\xdf" + self.signed_octets
        _need(len(self.signature) in (0, SIGNATURE_SIZE), f"signature of {len(self.signature)} octets; 64 expected")
        return b"\xdf" + self.signed_octets + _with_length(self.signature)

    def to_bytes(self) -> bytes:
        """Encode it. Raises EncodeError for what has no form."""
        body = self.body
        if self.mac is None:
            octets = body
        else:
            _need(len(self.mac) == MAC_SIZE, f"MAC of {len(self.mac)} octets; {MAC_SIZE} expected")
            inner = _SECURITY_HEADER + body + self.mac
            octets = bytes((_CIPHERING,)) + _CIPHERING_HEADER + _with_length(inner)
        _need(len(octets) <= MESSAGE_SIZE_MAX, f"message of {len(octets)} octets; at most {MESSAGE_SIZE_MAX}")
        return octets

    def signed(self, signature: bytes) -> Self:
        """The same message with a signature: what becomes of a pre-command. A MAC it had is gone: it covers both."""
        return self._with(signature=signature, mac=None, ends_behind_payload=False)

    def protected(self, mac: bytes) -> Self:
        """The same message in the frame of a MAC."""
        return self._with(mac=mac)

    def _with(self, **protection: object) -> Self:
        """A copy with another protection, and with what a signature covers, which is not made anew."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__ | protection)
        return made

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Decode a message to its last octet. Raises DecodeError."""
        if len(octets) > MESSAGE_SIZE_MAX:
            raise DecodeError(f"message of {len(octets)} octets; at most {MESSAGE_SIZE_MAX}", offset=0)
        first = octets[0] if octets else None
        if first == _CIPHERING:
            return cls._from_ciphered(octets)
        if first == _SIGNING:
            return cls._from_body(octets, 0, len(octets), mac=None)
        raise DecodeError("a GB message begins with DD or DF", offset=0)

    @classmethod
    def _from_ciphered(cls, octets: bytes) -> Self:
        start = 1 + len(_CIPHERING_HEADER)
        if octets[1:start] != _CIPHERING_HEADER:
            raise DecodeError("the six fields of the MAC's frame are not empty", offset=1)
        size, start = _shortest_length(octets, start, "the content")
        if start + size != len(octets):
            raise DecodeError(
                f"{size} octets announced at octet {start}, {len(octets) - start} are there", offset=start
            )
        if octets[start : start + len(_SECURITY_HEADER)] != _SECURITY_HEADER:
            raise DecodeError("another security header than authentication alone, suite 1, counter 0", offset=start)
        end = len(octets) - MAC_SIZE
        start += len(_SECURITY_HEADER)
        if start >= end or octets[start] != _SIGNING:
            raise DecodeError("no body (DF) inside the MAC's frame", offset=start)
        return cls._from_body(octets, start, end, mac=octets[end:])

    @classmethod
    def _from_body(cls, octets: bytes, start: int, end: int, *, mac: bytes | None) -> Self:
        body = octets[:end]
        transaction, offset = _pull(body, start + 1, "transaction", _TRANSACTION_SIZE)
        originator, offset = _pull(body, offset, "originator", IDENTITY_SIZE)
        recipient, offset = _pull(body, offset, "recipient", IDENTITY_SIZE)
        date_time, offset = _pull(body, offset, "date-time")
        if len(date_time) not in (0, DATE_TIME_SIZE):
            raise DecodeError(f"date-time of {len(date_time)} octets; 0 or {DATE_TIME_SIZE} expected", offset=offset)
        other_at = offset
        other, offset = _pull(body, offset, "other information")
        payload, offset = _pull(body, offset, "payload")
        ends_behind_payload = offset == end and mac is None
        signature = b""
        if not ends_behind_payload:
            signature, offset = _pull(body, offset, "signature")
            if len(signature) not in (0, SIGNATURE_SIZE):
                raise DecodeError(f"signature of {len(signature)} octets; 0 or 64 expected", offset=offset)
        if offset != end:
            raise DecodeError(f"{end - offset} octets behind the message", offset=offset)
        kind = _kind(transaction[0], start + 2)
        if ends_behind_payload and kind is not MessageKind.COMMAND:
            raise DecodeError(f"cut off behind the payload at octet {end}: only a pre-command ends there", offset=end)
        return cls(
            kind=kind,
            counter=int.from_bytes(transaction[1:], "big"),
            originator=originator,
            recipient=recipient,
            other=OtherInformation.from_bytes(other, other_at),
            payload=payload,
            date_time=date_time,
            signature=signature,
            mac=mac,
            ends_behind_payload=ends_behind_payload,
        )


def identity_text(identity: bytes) -> str:
    """An EUI-64 as people write it: 00-DB-12-34-56-78-90-A0."""
    return identity.hex("-").upper()


def _kind(octet: int, offset: int) -> MessageKind:
    try:
        return MessageKind(octet)
    except ValueError as error:
        raise DecodeError(f"transaction of kind {octet}; 1 command, 2 response, 3 alert", offset=offset) from error


def _pull(octets: bytes, offset: int, name: str, size_expected: int | None = None) -> tuple[bytes, int]:
    """A field and the offset behind it."""
    size, start = _shortest_length(octets, offset, name)
    if size_expected is not None and size != size_expected:
        raise DecodeError(f"{name} of {size} octets at octet {offset}; {size_expected} expected", offset=offset)
    return take(octets, start, size), start + size


def _shortest_length(octets: bytes, offset: int, name: str) -> tuple[int, int]:
    """A length and the offset behind it. It stands in the shortest form: there is one encoding of a message."""
    size, start = decode_length(octets, offset)
    if start - offset != len(encode_length(size)):
        raise DecodeError(f"length of {name} at octet {offset} is not in its shortest form", offset=offset)
    return size, start


def _with_length(octets: bytes) -> bytes:
    return encode_length(len(octets)) + octets


def _identity(octets: bytes) -> bytes:
    _need(len(octets) == IDENTITY_SIZE, f"an identity has {IDENTITY_SIZE} octets, this one {len(octets)}")
    return octets


def _date_time(octets: bytes) -> bytes:
    _need(len(octets) in (0, DATE_TIME_SIZE), f"a date-time has {DATE_TIME_SIZE} octets, this one {len(octets)}")
    return _with_length(octets)


def _counter(counter: int) -> bytes:
    _need(0 <= counter <= COUNTER_MAX, f"counter {counter} does not fit into 64 bits")
    return counter.to_bytes(8, "big")


def _need(holds: bool, message: str) -> None:
    if not holds:
        raise EncodeError(message)
