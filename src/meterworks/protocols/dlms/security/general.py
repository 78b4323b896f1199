"""General-ciphering (DD) and general-signing (DF) as they are on the wire. Nothing is opened or verified here.

Both begin with the same five fields, each an octet-string with its length, empty where absent: transaction id, title of
the originator, title of the recipient, date-time, other information. They go into the associated data of the one and
under the signature of the other, as they stand on the wire.

What the associated data of general-ciphering are was unsettled: the two published examples reproduce in their
ciphertext and not in their tags, with none of 1.5 million layouts tried (order, lengths, key-info, eleven guesses of
the authentication key). EnergyICT's Connexo and older Gurux stacks, written independently, agree on SC || GAK || the
five fields with their lengths, followed by the APDU where it is only authenticated. That is what we write and read.
Newer Gurux stacks leave the five fields out again (their authors could not reproduce the tags either: the assertion is
commented out), and sign an ephemeral key with its number before it; both are read, and answered, where a setting says.
What the signature of general-signing covers was unsettled too: both sign the five fields with their lengths and then
the content *without* its length octets; Great Britain's messages count the length octets in (measured on signed
vectors). We write the former, and read the latter where a setting says. Both sign outside and cipher inside.
Source: IEC 62056-5-3, 5.7; fact sheet section 6.
"""

from dataclasses import dataclass, field
from typing import Final, Self

from meterworks.protocols.dlms.length import decode_length, encode_length, take
from meterworks.protocols.dlms.security.suite import TITLE_SIZE
from meterworks.protocols.errors import DecodeError

__all__ = ["AgreedKey", "GeneralCiphering", "GeneralHeader", "GeneralSigning", "IdentifiedKey", "KeyInfo", "WrappedKey"]

CIPHERING_TAG: Final = 0xDD
SIGNING_TAG: Final = 0xDF
_SECURITY_HEADER_SIZE: Final = 5
_FIELD_SIZE_MAX: Final = 0xFF  # octets of one of the five fields
_KEY_SIZE_MAX: Final = 0x400  # octets of what describes a key
ONE_PASS: Final = 1
STATIC_UNIFIED: Final = 2


@dataclass(frozen=True, slots=True)
class IdentifiedKey:
    """A key that both sides have. key_id: 0 global unicast, 1 global broadcast."""

    key_id: int

    def to_bytes(self) -> bytes:
        """Encode the choice."""
        return bytes((0, self.key_id))


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key wrapped under the key-encryption key. kek_id: 0, the master key."""

    wrapped: bytes = field(repr=False)
    kek_id: int = 0

    def to_bytes(self) -> bytes:
        """Encode the choice."""
        return bytes((1, self.kek_id)) + _counted(self.wrapped)


@dataclass(frozen=True, slots=True)
class AgreedKey:
    """A key agreed by ECDH. scheme: 1 one-pass, 2 static unified. data: ephemeral public key || signature, or none."""

    scheme: int
    data: bytes = b""

    def to_bytes(self) -> bytes:
        """Encode the choice."""
        return b"\x02\x01" + bytes((self.scheme,)) + _counted(self.data)


KeyInfo = IdentifiedKey | WrappedKey | AgreedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralHeader:
    """The five fields. transaction_id: chosen by the requester, repeated in the response."""

    transaction_id: bytes
    originator: bytes
    recipient: bytes
    date_time: bytes = b""
    other_information: bytes = b""

    def to_bytes(self) -> bytes:
        """Encode the fields as they stand on the wire, in the associated data and under a signature."""
        fields = (self.transaction_id, self.originator, self.recipient, self.date_time, self.other_information)
        return b"".join([_counted(octets) for octets in fields])

    @classmethod
    def pull(cls, apdu: bytes, offset: int) -> tuple[Self, int]:
        """Decode the fields at `offset`; give them and the offset after them."""
        fields: list[bytes] = []
        for _ in range(5):
            octets, offset = _pull(apdu, offset, _FIELD_SIZE_MAX)
            fields.append(octets)
        for title in fields[1:3]:
            if len(title) not in (0, TITLE_SIZE):
                raise DecodeError(f"system title of {len(title)} octets", offset=offset)
        if len(fields[3]) not in (0, 12):
            raise DecodeError(f"date-time of {len(fields[3])} octets", offset=offset)
        header = cls(
            transaction_id=fields[0], originator=fields[1], recipient=fields[2], date_time=fields[3],
            other_information=fields[4],
        )  # fmt: skip
        return header, offset


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralCiphering:
    """A general-ciphering APDU. key_info: None where the key was told before. body: still ciphered."""

    header: GeneralHeader
    key_info: KeyInfo | None
    control: int
    counter: int
    body: bytes

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        protected = bytes((self.control,)) + self.counter.to_bytes(4, "big") + self.body
        return encode_general_ciphering(self.header.to_bytes(), self.key_info, protected)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        if take(apdu, 0, 1)[0] != CIPHERING_TAG:
            raise DecodeError(f"general-ciphering expected, got {apdu[:1].hex()}", offset=0)
        header, offset = GeneralHeader.pull(apdu, 1)
        key_info, offset = _pull_key_info(apdu, offset)
        length, offset = decode_length(apdu, offset)
        if length != len(apdu) - offset or length < _SECURITY_HEADER_SIZE:
            raise DecodeError(f"protected part of {length} octets in {len(apdu) - offset}", offset=offset)
        body = offset + _SECURITY_HEADER_SIZE
        counter = int.from_bytes(apdu[offset + 1 : body], "big")
        return cls(header=header, key_info=key_info, control=apdu[offset], counter=counter, body=apdu[body:])


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralSigning:
    """A general-signing APDU. content: an APDU, plain or ciphered. signature: r || s, not verified."""

    header: GeneralHeader
    content: bytes
    signature: bytes

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        signed = self.header.to_bytes() + _counted(self.content)
        return bytes((SIGNING_TAG,)) + signed + _counted(self.signature)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        if take(apdu, 0, 1)[0] != SIGNING_TAG:
            raise DecodeError(f"general-signing expected, got {apdu[:1].hex()}", offset=0)
        header, offset = GeneralHeader.pull(apdu, 1)
        content, offset = _pull(apdu, offset, len(apdu))
        signature, offset = _pull(apdu, offset, _FIELD_SIZE_MAX)
        if offset != len(apdu):
            raise DecodeError(f"{len(apdu) - offset} octets follow the signature", offset=offset)
        return cls(header=header, content=content, signature=signature)

    @property
    def signed(self) -> bytes:
        """What the signature covers: the five fields, and the content without its length."""
        return self.header.to_bytes() + self.content

    @property
    def signed_with_length(self) -> bytes:
        """What it covers where the length octets of the content count in."""
        return self.header.to_bytes() + _counted(self.content)


def encode_general_ciphering(header: bytes, key_info: KeyInfo | None, protected: bytes) -> bytes:
    """Encode the APDU of an encoded header and SC || IC || body."""
    info = b"\x00" if key_info is None else b"\x01" + key_info.to_bytes()
    return bytes((CIPHERING_TAG,)) + header + info + _counted(protected)


def _counted(octets: bytes) -> bytes:
    return encode_length(len(octets)) + octets


def _pull(apdu: bytes, offset: int, size_max: int) -> tuple[bytes, int]:
    length, start = decode_length(apdu, offset)
    if length > size_max:
        raise DecodeError(f"field of {length} octets; {size_max} at most", offset=offset)
    return take(apdu, start, length), start + length


def _pull_key_info(apdu: bytes, offset: int) -> tuple[KeyInfo | None, int]:
    present = take(apdu, offset, 1)[0]
    if present == 0:
        return None, offset + 1
    if present != 1:
        raise DecodeError(f"presence flag {present:#04x} before the key", offset=offset)
    choice, first = take(apdu, offset + 1, 2)
    offset += 3
    if choice == 0:
        return IdentifiedKey(first), offset
    if choice == 1:
        wrapped, offset = _pull(apdu, offset, _KEY_SIZE_MAX)
        return WrappedKey(wrapped, first), offset
    if choice != 2 or first != 1:
        raise DecodeError(f"key of kind {choice} with parameters of {first} octets", offset=offset)
    scheme = take(apdu, offset, 1)[0]
    data, offset = _pull(apdu, offset + 1, _KEY_SIZE_MAX)
    return AgreedKey(scheme, data), offset
