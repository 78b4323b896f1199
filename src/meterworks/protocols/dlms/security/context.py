"""The protection of one association, seen from one of its ends: which key, which counter, which form.

Here are the forms that every association has: glo and ded per service, general-glo and general-ded. General-ciphering
and general-signing, which need keys of other kinds, are in `layers`.
Source: IEC 62056-5-3 section 5; fact sheet section 6.
"""

from collections.abc import Callable
from typing import Final

from meterworks.protocols.dlms.length import decode_length, encode_length, take
from meterworks.protocols.dlms.security.cipher import ApduCipher
from meterworks.protocols.dlms.security.counter import CountUp, GrowingCounter, PeerCounter
from meterworks.protocols.dlms.security.suite import TAG_SIZE, TITLE_SIZE
from meterworks.protocols.dlms.tag import DEDICATED_OF, FORM_OF, GLOBAL_OF, CipherForm
from meterworks.protocols.errors import CounterError, DecodeError, StateError, TitleError, WeakProtection

__all__ = ["OVERHEAD", "SecurityContext", "Unprotected", "Unverified", "split_ciphered"]

_HEADER_SIZE: Final = 5

OVERHEAD: Final[dict[CipherForm, int]] = {  # most octets that protection adds to an APDU
    CipherForm.GLO: 1 + 3 + _HEADER_SIZE + TAG_SIZE,
    CipherForm.DED: 1 + 3 + _HEADER_SIZE + TAG_SIZE,
    CipherForm.GENERAL_GLO: 1 + 1 + TITLE_SIZE + 3 + _HEADER_SIZE + TAG_SIZE,
    CipherForm.GENERAL_DED: 1 + 1 + TITLE_SIZE + 3 + _HEADER_SIZE + TAG_SIZE,
}


class Unprotected:
    """What came out of a protected APDU: `apdu`, the `form` and `control` it was protected with, its `counter`.

    lowest_before: the smallest counter that was new before this APDU; mechanism 5 checks the counter inside against it.
    """

    __slots__ = ("apdu", "control", "counter", "form", "lowest_before")
    is_verified = True

    def __init__(self, apdu: bytes, form: CipherForm, control: int, counter: int, lowest_before: int) -> None:
        self.apdu = apdu
        self.form = form
        self.control = control
        self.counter = counter
        self.lowest_before = lowest_before


class Unverified(Unprotected):
    """What came out of an APDU whose tag was not checked: it had none, or we have no authentication key to check it.

    Anyone may have written or altered it. Only a caller that asked for less than authentication gets one of these.
    """

    __slots__ = ()
    is_verified = False


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
        cipher: ApduCipher,
        next_counter: Callable[[], int],
        peer_counter: PeerCounter,
        dedicated: ApduCipher | None = None,
    ) -> None:
        self.own_title = own_title
        self.peer_title = peer_title
        self._keys: tuple[ApduCipher, ApduCipher | None] = (cipher, dedicated)
        self._next: tuple[Callable[[], int], Callable[[], int]] = (next_counter, CountUp().next)
        self._counters: tuple[PeerCounter, PeerCounter] = (peer_counter, GrowingCounter())

    @property
    def cipher(self) -> ApduCipher:
        """The cipher of the global key."""
        return self._keys[0]

    def take_counter(self) -> int:
        """Give our next counter under the global key."""
        return self._next[0]()

    def lowest_counter(self) -> int:
        """Give the smallest counter of the peer under the global key that is still new."""
        return self._counters[0].lowest()

    def check_counter(self, counter: int) -> int:
        """Store a counter of the peer under the global key; give the lowest that was new. CounterError if used."""
        counters = self._counters[0]
        lowest = counters.lowest()
        if counter < lowest or not counters.accept(counter):
            raise CounterError(f"invocation counter {counter} was used already; the lowest is {lowest}", lowest=lowest)
        return lowest

    def change_cipher(
        self,
        cipher: ApduCipher,
        next_counter: Callable[[], int] | None = None,
        peer_counter: PeerCounter | None = None,
    ) -> None:
        """Take a new global key, and the counters that go with it; what comes next is under it, both ways."""
        self._keys = (cipher, self._keys[1])
        self._next = (next_counter or self._next[0], self._next[1])
        self._counters = (peer_counter or self._counters[0], self._counters[1])

    @property
    def has_dedicated_key(self) -> bool:
        """Whether the dedicated forms may be used."""
        return self._keys[1] is not None

    def use_dedicated_key(self, cipher: ApduCipher) -> None:
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
        if control & key.verified:
            return Unprotected(plain, form, control, counter, lowest)
        return Unverified(plain, form, control, counter, lowest)


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
