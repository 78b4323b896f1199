"""Protection of APDUs in security suite 0: AES-128-GCM with tags of 12 octets, its counters, and GMAC for mechanism 5.

A protected message is SC || IC || body, with SC the security control octet and IC the sender's invocation counter; the
nonce is the sender's title || IC. The associated data are SC || GAK, and the APDU itself where it is only
authenticated.

Tags are cut to 12 octets, which no one-call decryption of the library takes. So a message is deciphered in two passes
over a kept AESGCM object: in GCM, enciphering the ciphertext under the same nonce gives the plaintext; enciphering that
once more with the associated data gives the tag to compare, in constant time, before anything uses the plaintext.
Source: IEC 62056-5-3 section 5; NIST SP 800-38D; fact sheet section 6.
"""

import hmac
from collections.abc import Callable
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meterworks.protocols.dlms.length import decode_length, encode_length, take
from meterworks.protocols.dlms.security.suite import COUNTER_MAX, TAG_SIZE, TITLE_SIZE
from meterworks.protocols.dlms.tag import DEDICATED_OF, FORM_OF, GLOBAL_OF, CipherForm
from meterworks.protocols.errors import CounterError, DecodeError, StateError, TagError, TitleError, WeakProtection

__all__ = [
    "COUNTER_MAX",
    "OVERHEAD",
    "TAG_SIZE",
    "CountUp",
    "GrowingCounter",
    "PeerCounter",
    "SecurityContext",
    "Suite0Cipher",
    "Unprotected",
    "split_ciphered",
]

_HEADER_SIZE: Final = 5
_AUTHENTICATED: Final = 0x10
_ENCRYPTED: Final = 0x20
_BOTH: Final = 0x30

OVERHEAD: Final[dict[CipherForm, int]] = {  # most octets that protection adds to an APDU
    CipherForm.GLO: 1 + 3 + _HEADER_SIZE + TAG_SIZE,
    CipherForm.DED: 1 + 3 + _HEADER_SIZE + TAG_SIZE,
    CipherForm.GENERAL_GLO: 1 + 1 + TITLE_SIZE + 3 + _HEADER_SIZE + TAG_SIZE,
    CipherForm.GENERAL_DED: 1 + 1 + TITLE_SIZE + 3 + _HEADER_SIZE + TAG_SIZE,
}


class Suite0Cipher:
    """A pair of encryption and authentication key, with the AESGCM object kept."""

    __slots__ = ("_aad_authenticated", "_aad_both", "_encrypt")

    def __init__(self, encryption_key: bytes, authentication_key: bytes) -> None:
        self._encrypt = AESGCM(encryption_key).encrypt
        self._aad_both = b"\x30" + authentication_key
        self._aad_authenticated = b"\x10" + authentication_key

    def protect(self, control: int, title: bytes, counter: int, apdu: bytes) -> bytes:
        """Give SC || IC || body of an APDU that `title` sends with `counter`."""
        if not 0 <= counter < COUNTER_MAX:
            raise StateError(f"invocation counter {counter} is used up; the key must be changed", counter=counter)
        octets = counter.to_bytes(4, "big")
        if control == _BOTH:
            return b"\x30" + octets + self._encrypt(title + octets, apdu, self._aad_both)[:-4]
        if control == _AUTHENTICATED:
            return b"\x10" + octets + apdu + self.gmac(title, counter, apdu)
        if control == _ENCRYPTED:
            return b"\x20" + octets + self._encrypt(title + octets, apdu, None)[:-16]
        raise StateError(f"security control {control:#04x} is none of 10, 20 and 30", control=control)

    def unprotect(self, control: int, title: bytes, counter: int, body: bytes) -> bytes:
        """Give the APDU in the body that `title` sent with `counter`; TagError where it was altered."""
        nonce = title + counter.to_bytes(4, "big")
        if control == _ENCRYPTED:
            return self._encrypt(nonce, body, None)[:-16]
        if control not in (_BOTH, _AUTHENTICATED):
            raise WeakProtection(
                f"security control {control:#04x} is not of suite 0 with a unicast key", control=control
            )
        if len(body) < TAG_SIZE:
            raise DecodeError(f"protected body of {len(body)} octets is shorter than its tag", offset=0)
        if control == _BOTH:
            plain = self._encrypt(nonce, body[:-TAG_SIZE], None)[:-16]
            tag = self._encrypt(nonce, plain, self._aad_both)[-16:-4]
        else:
            plain = body[:-TAG_SIZE]
            tag = self._encrypt(nonce, b"", self._aad_authenticated + plain)[:TAG_SIZE]
        if not hmac.compare_digest(tag, body[-TAG_SIZE:]):
            raise TagError("authentication tag does not fit: the message was altered or the keys differ")
        return plain

    def gmac(self, title: bytes, counter: int, message: bytes) -> bytes:
        """Give the tag over a message that is authenticated only; mechanism 5 applies it to the peer's challenge."""
        if not 0 <= counter <= COUNTER_MAX:
            raise StateError(f"invocation counter {counter} is used up; the key must be changed", counter=counter)
        return self._encrypt(title + counter.to_bytes(4, "big"), b"", self._aad_authenticated + message)[:TAG_SIZE]


class PeerCounter(Protocol):
    """What the peer's invocation counter may still be."""

    def lowest(self) -> int:
        """Give the smallest counter that is still new."""

    def accept(self, counter: int) -> bool:
        """Store a counter whose tag was verified; False where it was used already."""


class GrowingCounter:
    """A peer's counter kept in memory, for one association."""

    __slots__ = ("_lowest",)

    def __init__(self, lowest: int = 0) -> None:
        self._lowest = lowest

    def lowest(self) -> int:
        """Give the smallest counter that is still new."""
        return self._lowest

    def accept(self, counter: int) -> bool:
        """Store a counter; False where it was used already."""
        if counter < self._lowest:
            return False
        self._lowest = counter + 1
        return True


class CountUp:
    """Our own counter under a key that lives as long as this object (a dedicated key, a test)."""

    __slots__ = ("_next",)

    def __init__(self, first: int = 0) -> None:
        self._next = first

    def next(self) -> int:
        """Give the next number."""
        value = self._next
        self._next = value + 1
        return value

    def peek(self) -> int:
        """Give the number that `next` would give, without taking it."""
        return self._next

    def skip_to(self, counter: int) -> None:
        """Go on with `counter`, where it is higher than the number that `next` would give; never go back."""
        self._next = max(self._next, counter)


class Unprotected:
    """What came out of a protected APDU: `apdu`, the `form` and `control` it was protected with, its `counter`.

    lowest_before: the smallest counter that was new before this APDU; mechanism 5 checks the counter inside against it.
    """

    __slots__ = ("apdu", "control", "counter", "form", "lowest_before")

    def __init__(self, apdu: bytes, form: CipherForm, control: int, counter: int, lowest_before: int) -> None:
        self.apdu = apdu
        self.form = form
        self.control = control
        self.counter = counter
        self.lowest_before = lowest_before


class SecurityContext:
    """The protection of one association, seen from one of its ends.

    next_counter, peer_counter: those of the global key. A dedicated key brings counters of its own, from 0.
    """

    __slots__ = ("_counters", "_keys", "_next", "own_title", "peer_title")

    def __init__(
        self,
        *,
        own_title: bytes,
        peer_title: bytes,
        cipher: Suite0Cipher,
        next_counter: Callable[[], int],
        peer_counter: PeerCounter,
        dedicated: Suite0Cipher | None = None,
    ) -> None:
        self.own_title = own_title
        self.peer_title = peer_title
        self._keys: tuple[Suite0Cipher, Suite0Cipher | None] = (cipher, dedicated)
        self._next: tuple[Callable[[], int], Callable[[], int]] = (next_counter, CountUp().next)
        self._counters: tuple[PeerCounter, PeerCounter] = (peer_counter, GrowingCounter())

    @property
    def has_dedicated_key(self) -> bool:
        """Whether the dedicated forms may be used."""
        return self._keys[1] is not None

    def use_dedicated_key(self, cipher: Suite0Cipher) -> None:
        """Take the dedicated key that came with the initiate request."""
        self._keys = (self._keys[0], cipher)

    def protect(self, apdu: bytes, form: CipherForm, control: int) -> bytes:
        """Give the ciphered APDU; a service that has no form of its own takes the general one."""
        dedicated = form & 1
        key = self._keys[dedicated]
        if key is None:
            raise StateError("there is no dedicated key in this association")
        protected = key.protect(control, self.own_title, self._next[dedicated](), apdu)
        if form <= CipherForm.DED:
            tag = (DEDICATED_OF if dedicated else GLOBAL_OF).get(apdu[0])
            if tag is not None:
                return bytes((tag,)) + encode_length(len(protected)) + protected
        general = b"\xdc\x08" if dedicated else b"\xdb\x08"
        return general + self.own_title + encode_length(len(protected)) + protected

    def unprotect(self, apdu: bytes, least: int) -> Unprotected:
        """Verify and decipher; the counter is stored before this returns.

        least: bits of protection that the association asks for. Raises TagError, CounterError, WeakProtection,
        TitleError or DecodeError.
        """
        form, plain_tag, title, control, counter, body = split_ciphered(apdu)
        if title and title != self.peer_title:
            raise TitleError(f"message in the name of {title.hex()}, the association is with {self.peer_title.hex()}")
        if control & least != least:
            raise WeakProtection(f"security control {control:#04x}, the association asks for {least:#04x}")
        dedicated = form & 1
        key = self._keys[dedicated]
        if key is None:
            raise WeakProtection("message under a dedicated key that the association does not have")
        plain = key.unprotect(control, self.peer_title, counter, body)
        counters = self._counters[dedicated]
        lowest = counters.lowest()
        if counter < lowest or not counters.accept(counter):
            raise CounterError(f"invocation counter {counter} was used already; the lowest is {lowest}", lowest=lowest)
        if not plain or (plain_tag is not None and plain[0] != plain_tag):
            raise DecodeError(f"APDU {plain[:1].hex() or 'of no octets'} in the ciphered form of another", offset=0)
        return Unprotected(plain, form, control, counter, lowest)


def split_ciphered(apdu: bytes) -> tuple[CipherForm, int | None, bytes, int, int, bytes]:
    """Give form, tag of the plain APDU (None in the general forms), title (may be empty), SC, IC and body."""
    known = FORM_OF.get(apdu[0]) if apdu else None
    if known is None:
        raise DecodeError(f"APDU {apdu[:1].hex()} is not a ciphered one that we know", offset=0)
    plain_tag, form = known
    title = b""
    offset = 1
    if plain_tag is None:
        length, offset = decode_length(apdu, 1)
        if length not in (0, TITLE_SIZE):
            raise DecodeError(f"system title of {length} octets", offset=1)
        title = take(apdu, offset, length)
        offset += length
    length, offset = decode_length(apdu, offset)
    if length != len(apdu) - offset or length < _HEADER_SIZE:
        raise DecodeError(f"protected part of {length} octets in {len(apdu) - offset}", offset=offset)
    body = offset + _HEADER_SIZE
    return form, plain_tag, title, apdu[offset], int.from_bytes(apdu[offset + 1 : body], "big"), apdu[body:]
