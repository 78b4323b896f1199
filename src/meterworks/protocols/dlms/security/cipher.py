"""AES-GCM as the suites use it: with tags of 12 octets, and as GMAC.

A protected message is SC || IC || body, with SC the security control octet and IC the sender's invocation counter; the
nonce is the sender's title || IC. The associated data are SC || GAK, then (general-ciphering only) the header, then the
APDU itself where it is only authenticated.

Tags are cut to 12 octets, which no one-call decryption of the library takes. So a message is deciphered in two passes
over a kept AESGCM object: in GCM, enciphering the ciphertext under the same nonce gives the plaintext; enciphering that
once more with the associated data gives the tag to compare, in constant time, before anything uses the plaintext.
Source: IEC 62056-5-3 section 5; NIST SP 800-38D; fact sheet section 6.
"""

import hmac
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meterworks.protocols.dlms.security.suite import BROADCAST, COMPRESSED, COUNTER_MAX, SUITE_MASK, SUITES, TAG_SIZE
from meterworks.protocols.errors import DecodeError, StateError, SuiteError, TagError, WeakProtection

__all__ = ["ApduCipher"]

_AUTHENTICATED: Final = 0x10
_ENCRYPTED: Final = 0x20
_BOTH: Final = 0x30
_HEADS: Final = tuple((bytes((_BOTH | suite,)), bytes((_AUTHENTICATED | suite,))) for suite in range(len(SUITES)))
_TAG_CUT: Final = TAG_SIZE - 16  # what the library gives beyond our tag, as the end of a slice


class ApduCipher:
    """A pair of encryption and authentication key of a suite, with the AESGCM object kept.

    authentication_key: None deciphers without checking any tag (an explicit, marked choice of the caller), and can
    protect by encryption alone. verified: the bit of a security control octet that says of a message that its tag was
    checked, 0 where none is. broadcast_key: what takes the place of the encryption key where a message says so.
    """

    __slots__ = ("_aad_authenticated", "_aad_both", "_broadcast_key", "_encrypt", "suite", "verified")

    def __init__(
        self,
        encryption_key: bytes,
        authentication_key: bytes | None,
        suite: int = 0,
        *,
        broadcast_key: bytes | None = None,
    ) -> None:
        self._encrypt = AESGCM(encryption_key).encrypt
        self.suite = suite
        self.verified = 0 if authentication_key is None else _AUTHENTICATED
        both, authenticated = _HEADS[suite]
        self._aad_both = both + (authentication_key or b"")
        self._aad_authenticated = authenticated + (authentication_key or b"")
        self._broadcast_key = broadcast_key

    @property
    def checks_tags(self) -> bool:
        """Whether there is an authentication key to check tags with."""
        return self.verified != 0

    def protect(self, control: int, title: bytes, counter: int, apdu: bytes, header: bytes = b"") -> bytes:
        """Give SC || IC || body of an APDU that `title` sends with `counter`.

        control: bits 10 and 20 of it count. header: what general-ciphering puts before.
        """
        if not 0 <= counter < COUNTER_MAX:
            raise StateError(f"invocation counter {counter} is used up; the key must be changed", counter=counter)
        octets = counter.to_bytes(4, "big")
        bits = control & _BOTH
        if bits == _BOTH and self.verified:
            aad = self._aad_both
            return aad[:1] + octets + self._encrypt(title + octets, apdu, aad + header)[:_TAG_CUT]
        if bits == _ENCRYPTED:
            return bytes((_ENCRYPTED | self.suite,)) + octets + self._encrypt(title + octets, apdu, None)[:-16]
        if not self.verified:
            raise StateError("without an authentication key, messages can only be encrypted")
        if bits == _AUTHENTICATED:
            return bytes((_AUTHENTICATED | self.suite,)) + octets + apdu + self.gmac(title, counter, header + apdu)
        raise StateError(f"security control {control:#04x} protects nothing", control=control)

    def protect_broadcast(self, control: int, title: bytes, counter: int, apdu: bytes, header: bytes = b"") -> bytes:
        """Give the same under the broadcast key. StateError where there is none."""
        cipher = self._broadcast_cipher(control & _BOTH)
        if cipher is None:
            raise StateError("there is no broadcast key in this association")
        protected = cipher.protect(control, title, counter, apdu, header)
        return bytes((protected[0] | BROADCAST,)) + protected[1:]

    def unprotect(self, control: int, title: bytes, counter: int, body: bytes, header: bytes = b"") -> bytes:
        """Give the APDU in the body that `title` sent with `counter`; TagError where it was altered."""
        bits = control - self.suite
        nonce = title + counter.to_bytes(4, "big")
        if bits == _BOTH:
            plain = self._encrypt(nonce, body[:-TAG_SIZE], None)[:-16]
            if not self.verified:
                return plain
            tag = self._encrypt(nonce, plain, self._aad_both + header)[-16:_TAG_CUT]
        elif bits == _AUTHENTICATED:
            plain = body[:-TAG_SIZE]
            if not self.verified:
                return plain
            tag = self._encrypt(nonce, b"", self._aad_authenticated + header + plain)[:TAG_SIZE]
        elif bits == _ENCRYPTED:
            return self._encrypt(nonce, body, None)[:-16]
        else:
            return self._unprotect_other(control, title, counter, body, header)
        if not hmac.compare_digest(tag, body[-TAG_SIZE:]):
            if len(body) < TAG_SIZE:
                raise DecodeError(f"protected body of {len(body)} octets is shorter than its tag", offset=0)
            raise TagError("authentication tag does not fit: the message was altered or the keys differ")
        return plain

    def _unprotect_other(self, control: int, title: bytes, counter: int, body: bytes, header: bytes) -> bytes:
        """Take what is under the broadcast key; refuse other suites, compression, and what is not protected at all."""
        if control & SUITE_MASK != self.suite:
            raise SuiteError(f"security control {control:#04x} is not of suite {self.suite}", control=control)
        if control & COMPRESSED:
            raise WeakProtection("compressed APDUs (V.44) are not taken: no public vector tells how", control=control)
        cipher = self._broadcast_cipher(control & _BOTH) if control & BROADCAST and control & _BOTH else None
        if cipher is None:
            raise WeakProtection(f"security control {control:#04x}: no protection, or no such key", control=control)
        return cipher.unprotect(control - BROADCAST, title, counter, body, header)

    def _broadcast_cipher(self, bits: int) -> "ApduCipher | None":
        """Give the cipher of the broadcast key; it is rarely needed, so it is not kept."""
        if self._broadcast_key is None:
            return None
        cipher = ApduCipher(self._broadcast_key, self._aad_both[1:] if self.verified else None, self.suite)
        head = bytes((bits | self.suite | BROADCAST,))
        cipher._aad_both = cipher._aad_authenticated = head + self._aad_both[1:]
        return cipher

    def gmac(self, title: bytes, counter: int, message: bytes, *, control: int | None = None) -> bytes:
        """Give the tag over a message that is authenticated only; mechanism 5 applies it to the peer's challenge.

        control: the security control octet that is authenticated with it, if not ours.
        """
        if not 0 <= counter <= COUNTER_MAX:
            raise StateError(f"invocation counter {counter} is used up; the key must be changed", counter=counter)
        if not self.verified:
            raise StateError("without an authentication key there is no GMAC")
        aad = self._aad_authenticated
        if control is not None:
            aad = bytes((control,)) + aad[1:]
        return self._encrypt(title + counter.to_bytes(4, "big"), b"", aad + message)[:TAG_SIZE]
