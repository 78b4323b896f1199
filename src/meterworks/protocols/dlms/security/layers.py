"""General-ciphering and general-signing applied and removed: what the requester put around an APDU, and the answer's.

A protected APDU has up to three layers; they are peeled from the outside, and the answer gets layers of the same kinds
in the same order. A layer that names a key (identified, wrapped, agreed) is opened with that key. What is under a
wrapped or agreed key still counts with the invocation counter of the sender: its own key makes a nonce unique, but
only a counter makes an old message old. Where a setting lets counters begin anew under a fresh key, the key itself must
not have been seen in this association.
Source: IEC 62056-5-3, 5.7; fact sheet section 6; for what is authenticated and signed see `general`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from meterworks.protocols.dlms.security.cipher import ApduCipher
from meterworks.protocols.dlms.security.context import OVERHEAD, SecurityContext, Unprotected
from meterworks.protocols.dlms.security.counter import GrowingCounter
from meterworks.protocols.dlms.security.derivation import AlgorithmArc, KeyUse, algorithm_id, derive_key
from meterworks.protocols.dlms.security.general import (
    CIPHERING_TAG,
    ONE_PASS,
    SIGNING_TAG,
    STATIC_UNIFIED,
    AgreedKey,
    GeneralCiphering,
    GeneralHeader,
    GeneralSigning,
    IdentifiedKey,
    KeyInfo,
    WrappedKey,
    encode_general_ciphering,
)
from meterworks.protocols.dlms.security.key import KeyAgreement, Signer, draw_ephemeral_key, verify_signature
from meterworks.protocols.dlms.security.key_wrap import unwrap_key, wrap_key
from meterworks.protocols.dlms.security.suite import BROADCAST, SUITES, SecuritySuite
from meterworks.protocols.dlms.tag import FORM_OF, CipherForm
from meterworks.protocols.errors import (
    CounterError,
    DecodeError,
    SignatureError,
    StateError,
    TagError,
    TitleError,
    WeakProtection,
)

__all__ = ["CipherLayer", "GeneralLayer", "KeyChoice", "LayerKeys", "Layered", "Layers", "SignLayer", "protection_of"]

LAYERS_MAX: Final = 3  # around one APDU
FRESH_KEYS_MAX: Final = 1024  # wrapped and agreed keys of one association whose counters began anew
TRANSACTION_ID_SIZE: Final = 8
SIGNED: Final = 0x100  # beside the bits of the security control octet
GENERAL_OVERHEAD: Final = 400  # most octets that one layer of these kinds adds (suite 2, one-pass)
_BOTH: Final = 0x30


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerKeys:
    """The keys of the layers. authentication_key: goes with wrapped and agreed keys. random_bytes: fresh octets.

    old_algorithm_id: try the AlgorithmID of older editions as well. fresh_counters: counters may begin anew under a
    wrapped or agreed key. signed_length: a signature may cover the length octets of the content. bare_headers: a tag
    may leave the header out, and the signature over an ephemeral key may count its number in.
    """

    suite: SecuritySuite
    random_bytes: Callable[[int], bytes]
    authentication_key: bytes | None = field(default=None, repr=False)
    kek: bytes | None = field(default=None, repr=False)
    signer: Signer | None = field(default=None, repr=False)
    peer_signing_key: bytes | None = None
    key_agreement: KeyAgreement | None = field(default=None, repr=False)
    peer_agreement_key: bytes | None = None
    old_algorithm_id: bool = False
    fresh_counters: bool = False
    signed_length: bool = False
    bare_headers: bool = False


class KeyChoice(IntEnum):
    """Which key a general-ciphering APDU is under.

    IDENTIFIED: the global unicast key. IDENTIFIED_BROADCAST: the global broadcast key. WRAPPED: a fresh key, wrapped
    under the key-encryption key. ONE_PASS: agreed with an ephemeral key of the sender. STATIC: agreed of both sides'
    static keys and the transaction id.
    """

    IDENTIFIED = 0
    IDENTIFIED_BROADCAST = 1
    WRAPPED = 2
    ONE_PASS = 3
    STATIC = 4


@dataclass(frozen=True, slots=True)
class SignLayer:
    """A general-signing layer. transaction_id: repeated in the answer."""

    transaction_id: bytes


@dataclass(frozen=True, slots=True)
class GeneralLayer:
    """A general-ciphering layer, under the key of `choice`. is_bare: its tag leaves the five fields before it out."""

    choice: KeyChoice
    control: int
    transaction_id: bytes
    arc: AlgorithmArc = AlgorithmArc.CURRENT
    is_bare: bool = False


@dataclass(frozen=True, slots=True)
class CipherLayer:
    """A layer of one of the four forms without header."""

    form: CipherForm
    control: int


Layer = SignLayer | GeneralLayer | CipherLayer


class Layered:
    """What came out of the layers: the plain APDU, the layers from the outside in, and the ciphered one among them.

    protection: bits 10 and 20 where a layer authenticated and encrypted, 100 where one was signed. inner: what a
    ciphering layer gave last, None where there was a signature alone.
    """

    __slots__ = ("apdu", "inner", "layers", "protection")

    def __init__(self, apdu: bytes, layers: tuple[Layer, ...], inner: Unprotected | None) -> None:
        self.apdu = apdu
        self.layers = layers
        self.inner = inner
        self.protection = protection_of(layers)


def protection_of(layers: tuple[Layer, ...]) -> int:
    """Give the bits of protection that layers add up to."""
    bits = 0
    for layer in layers:
        bits |= SIGNED if isinstance(layer, SignLayer) else layer.control & _BOTH
    return bits


class Layers:
    """General-ciphering and general-signing of one association, seen from one of its ends."""

    OVERHEAD_MAX: Final = 2 * GENERAL_OVERHEAD

    __slots__ = ("_context", "_fresh", "_keys", "_last_signed", "_session", "_transaction", "own_title", "peer_title")

    def __init__(self, keys: LayerKeys, context: SecurityContext | None, own_title: bytes, peer_title: bytes) -> None:
        self._keys = keys
        self._context = context
        self._fresh: set[bytes] = set()
        self._session: tuple[ApduCipher, GrowingCounter, KeyChoice] | None = None  # the last key that was sent to us
        self._last_signed = -1
        self._transaction = -1
        self.own_title = own_title
        self.peer_title = peer_title

    # --- applying ---------------------------------------------------------------------------------------------------

    def apply(self, apdu: bytes, layers: tuple[Layer, ...]) -> bytes:
        """Put layers around a plain APDU, the last one first. StateError where a key is missing."""
        for layer in reversed(layers):
            if isinstance(layer, SignLayer):
                apdu = self._sign(apdu, layer)
            elif isinstance(layer, GeneralLayer):
                apdu = self._cipher(apdu, layer)
            else:
                apdu = self._needed_context().protect(apdu, layer.form, layer.control)
        return apdu

    def overhead(self, layers: tuple[Layer, ...]) -> int:
        """Give the most octets that layers add."""
        return sum(OVERHEAD[layer.form] if isinstance(layer, CipherLayer) else GENERAL_OVERHEAD for layer in layers)

    def new_transaction_id(self) -> bytes:
        """Give a transaction id higher than the last; the first is drawn."""
        if self._transaction < 0:
            self._transaction = int.from_bytes(self._keys.random_bytes(TRANSACTION_ID_SIZE), "big") >> 1
        self._transaction += 1
        return self._transaction.to_bytes(TRANSACTION_ID_SIZE, "big")

    def _needed_context(self) -> SecurityContext:
        if self._context is None:
            raise StateError("there are no symmetric keys in this association")
        return self._context

    def _header(self, transaction_id: bytes, *, broadcast: bool = False) -> GeneralHeader:
        recipient = b"" if broadcast else self.peer_title
        return GeneralHeader(transaction_id=transaction_id, originator=self.own_title, recipient=recipient)

    def _sign(self, apdu: bytes, layer: SignLayer) -> bytes:
        signer = self._keys.signer
        if signer is None:
            raise StateError("there is no signing key in this association")
        unsigned = GeneralSigning(header=self._header(layer.transaction_id), content=apdu, signature=b"")
        return GeneralSigning(
            header=unsigned.header, content=apdu, signature=signer.sign(unsigned.signed)
        ).to_bytes()  # fmt: skip

    def _cipher(self, apdu: bytes, layer: GeneralLayer) -> bytes:
        context = self._needed_context()
        broadcast = layer.choice == KeyChoice.IDENTIFIED_BROADCAST
        header = self._header(layer.transaction_id, broadcast=broadcast).to_bytes()
        cipher, info = self._key_to_send(layer)
        protect = cipher.protect_broadcast if broadcast else cipher.protect
        authenticated = b"" if layer.is_bare else header
        protected = protect(layer.control, self.own_title, context.take_counter(), apdu, authenticated)
        return encode_general_ciphering(header, info, protected)

    def _key_to_send(self, layer: GeneralLayer) -> tuple[ApduCipher, KeyInfo]:
        """Give the cipher for a message of ours, and what tells the peer which key it is."""
        keys = self._keys
        choice = layer.choice
        if choice in (KeyChoice.IDENTIFIED, KeyChoice.IDENTIFIED_BROADCAST):
            return self._needed_context().cipher, IdentifiedKey(choice)
        if choice == KeyChoice.WRAPPED:
            if keys.kek is None:
                raise StateError("there is no key-encryption key in this association")
            key = keys.random_bytes(SUITES[keys.suite].key_size)
            return self._cipher_of(key), WrappedKey(wrap_key(keys.kek, key))
        if keys.peer_agreement_key is None:
            raise StateError("the agreement key of the peer is not known")
        if choice == KeyChoice.STATIC:
            if keys.key_agreement is None:
                raise StateError("there is no agreement key in this association")
            secret = keys.key_agreement.agree(keys.peer_agreement_key)
            return self._cipher_of(self._derive_static(secret, layer, ours=True)), AgreedKey(STATIC_UNIFIED)
        if keys.signer is None:
            raise StateError("an ephemeral key must be signed, and there is no signing key")
        ephemeral = draw_ephemeral_key(keys.suite, keys.random_bytes)
        secret = ephemeral.agree(keys.peer_agreement_key)
        info = AgreedKey(ONE_PASS, ephemeral.public_key + keys.signer.sign(ephemeral.public_key))
        return self._cipher_of(self._derive(secret, layer.arc, self.own_title, self.peer_title)), info

    def _cipher_of(self, key: bytes) -> ApduCipher:
        return ApduCipher(key, self._keys.authentication_key, self._keys.suite)

    def _derive(self, secret: bytes, arc: AlgorithmArc, party_u: bytes, party_v: bytes) -> bytes:
        suite = self._keys.suite
        return derive_key(suite, secret, algorithm_id(suite, KeyUse.CIPHERING, arc), party_u, party_v)

    def _derive_static(self, secret: bytes, layer: GeneralLayer, *, ours: bool) -> bytes:
        sender, receiver = (self.own_title, self.peer_title) if ours else (self.peer_title, self.own_title)
        transaction_id = bytes((len(layer.transaction_id),)) + layer.transaction_id
        return self._derive(secret, layer.arc, sender + transaction_id, receiver)

    # --- removing ---------------------------------------------------------------------------------------------------

    def remove(self, apdu: bytes, least: int, outer: Unprotected | None = None) -> Layered:
        """Peel all layers; the counters are stored before this returns.

        least: bits of protection that the association asks for. outer: a layer that was peeled already, `apdu` is what
        it gave. Raises TagError, SignatureError, CounterError,
        WeakProtection, TitleError or DecodeError.
        """
        layers: list[Layer] = [] if outer is None else [CipherLayer(outer.form, outer.control)]
        inner = outer
        transaction_ids: list[bytes] = []
        layer: Layer
        while (tag := apdu[0]) == SIGNING_TAG or tag == CIPHERING_TAG or tag in FORM_OF:
            if len(layers) == LAYERS_MAX:
                raise DecodeError(f"more than {LAYERS_MAX} layers of protection", offset=0)
            if tag == SIGNING_TAG:
                apdu, transaction_id = self._verify(apdu)
                transaction_ids.append(transaction_id)
                layer = SignLayer(transaction_id)
            elif tag == CIPHERING_TAG:
                inner, layer = self._decipher(apdu)
                apdu = inner.apdu
            else:
                inner = self._needed_for_removal().unprotect(apdu, 0)
                apdu, layer = inner.apdu, CipherLayer(inner.form, inner.control)
            layers.append(layer)
            if not apdu:
                raise DecodeError("layers of protection around no octets", offset=0)
        removed = Layered(apdu, tuple(layers), inner)
        if removed.protection & least != least:
            raise WeakProtection(f"protection {removed.protection:#04x}, the association asks for {least:#04x}")
        if inner is None:
            self._check_growing(transaction_ids)
        return removed

    def _needed_for_removal(self) -> SecurityContext:
        if self._context is None:
            raise WeakProtection("ciphered message on an association without keys")
        return self._context

    def _check_growing(self, transaction_ids: list[bytes]) -> None:
        """Where a signature is all there is, the transaction id stands in for the counter."""
        for octets in transaction_ids:
            number = int.from_bytes(octets, "big")
            if number <= self._last_signed:
                raise CounterError(f"transaction id {number} was used already", lowest=self._last_signed + 1)
            self._last_signed = number

    def _check_titles(self, header: GeneralHeader, *, broadcast: bool = False) -> None:
        if header.originator != self.peer_title:
            raise TitleError(f"message in the name of {header.originator.hex() or 'nobody'}")
        if header.recipient != self.own_title and not (broadcast and not header.recipient):
            raise TitleError(f"message to {header.recipient.hex() or 'nobody'}")

    def _verify(self, apdu: bytes) -> tuple[bytes, bytes]:
        """Give content and transaction id of a signed message."""
        message = GeneralSigning.from_bytes(apdu)
        self._check_titles(message.header)
        keys = self._keys
        if keys.peer_signing_key is None:
            raise WeakProtection("signed message, and the signing key of the peer is not known")
        try:
            verify_signature(keys.suite, keys.peer_signing_key, message.signed, message.signature)
        except SignatureError:
            if not keys.signed_length:
                raise
            verify_signature(keys.suite, keys.peer_signing_key, message.signed_with_length, message.signature)
        return message.content, message.header.transaction_id

    def _decipher(self, apdu: bytes) -> tuple[Unprotected, GeneralLayer]:
        message = GeneralCiphering.from_bytes(apdu)
        info, header = message.key_info, message.header
        broadcast = info == IdentifiedKey(KeyChoice.IDENTIFIED_BROADCAST)
        self._check_titles(header, broadcast=broadcast)
        context = self._needed_for_removal()
        if isinstance(info, IdentifiedKey):
            if info.key_id > KeyChoice.IDENTIFIED_BROADCAST or bool(message.control & BROADCAST) != broadcast:
                raise WeakProtection(f"key {info.key_id} with security control {message.control:#04x}")
            plain, is_bare = self._open(message, context.cipher)
            choice = KeyChoice(info.key_id)
            layer = GeneralLayer(choice, message.control, header.transaction_id, is_bare=is_bare)
            lowest = context.check_counter(message.counter)
        elif info is None:
            plain, lowest, layer = self._open_session(message)
        else:
            plain, lowest, layer = self._open_fresh(message, info, context)
        if not plain:
            raise DecodeError("protected APDU of no octets", offset=0)
        # A counter that began anew under a fresh key says nothing of those under the global key: as a dedicated one.
        begins_anew = self._keys.fresh_counters and not isinstance(info, IdentifiedKey)
        form = CipherForm.GENERAL_DED if begins_anew else CipherForm.GENERAL_GLO
        return Unprotected(plain, form, message.control, message.counter, lowest), layer

    def _open(self, message: GeneralCiphering, cipher: ApduCipher) -> tuple[bytes, bool]:
        """Give the plain APDU, and whether its tag leaves the header out."""
        control, title, counter, body = message.control, self.peer_title, message.counter, message.body
        try:
            return cipher.unprotect(control, title, counter, body, message.header.to_bytes()), False
        except TagError:
            if not self._keys.bare_headers:
                raise
        return cipher.unprotect(control, title, counter, body), True

    def _open_session(self, message: GeneralCiphering) -> tuple[bytes, int, GeneralLayer]:
        """Open what names no key: it is under the key that was sent or agreed last."""
        if self._session is None:
            raise WeakProtection("general-ciphering without a key, and none was sent before")
        cipher, counter, choice = self._session
        plain, is_bare = self._open(message, cipher)
        lowest = counter.lowest()
        if not counter.accept(message.counter):
            raise CounterError(f"invocation counter {message.counter} was used already", lowest=lowest)
        transaction_id = message.header.transaction_id
        return plain, lowest, GeneralLayer(choice, message.control, transaction_id, is_bare=is_bare)

    def _open_fresh(
        self, message: GeneralCiphering, info: WrappedKey | AgreedKey, context: SecurityContext
    ) -> tuple[bytes, int, GeneralLayer]:
        """Open what is under a wrapped or agreed key, with either AlgorithmID where the settings allow it."""
        last: TagError | None = None
        for layer, key in self._received_keys(message, info):
            cipher = self._cipher_of(key)
            try:
                plain, is_bare = self._open(message, cipher)
            except TagError as error:
                last = error
                continue
            lowest = self._check_fresh(key, message.counter, context)
            if layer.choice != KeyChoice.STATIC:
                self._session = (cipher, GrowingCounter(message.counter + 1), layer.choice)
            return plain, lowest, replace(layer, is_bare=is_bare)
        raise last or TagError("no key opens the message")

    def _received_keys(
        self, message: GeneralCiphering, info: WrappedKey | AgreedKey
    ) -> list[tuple[GeneralLayer, bytes]]:
        """Give the keys that a message may be under, with the layer that an answer takes then."""
        keys = self._keys
        control, transaction_id = message.control, message.header.transaction_id
        if isinstance(info, WrappedKey):
            if keys.kek is None or info.kek_id != 0:
                raise WeakProtection(f"wrapped key, and key-encryption key {info.kek_id} is not known")
            key = unwrap_key(keys.kek, info.wrapped)
            if len(key) != SUITES[keys.suite].key_size:
                raise DecodeError(f"wrapped key of {len(key)} octets", offset=0)
            return [(GeneralLayer(KeyChoice.WRAPPED, control, transaction_id), key)]
        choice, secret = self._received_secret(info)
        arcs = (AlgorithmArc.CURRENT, AlgorithmArc.OLD) if keys.old_algorithm_id else (AlgorithmArc.CURRENT,)
        found: list[tuple[GeneralLayer, bytes]] = []
        for arc in arcs:
            layer = GeneralLayer(choice, control, transaction_id, arc)
            if choice == KeyChoice.STATIC:
                found.append((layer, self._derive_static(secret, layer, ours=False)))
            else:
                found.append((layer, self._derive(secret, arc, self.peer_title, self.own_title)))
        return found

    def _received_secret(self, info: AgreedKey) -> tuple[KeyChoice, bytes]:
        """Give the kind of an agreed key and the secret it comes of."""
        keys = self._keys
        if keys.key_agreement is None:
            raise WeakProtection("agreed key, and there is no agreement key in this association")
        if info.scheme == STATIC_UNIFIED:
            if keys.peer_agreement_key is None or info.data:
                raise WeakProtection("static key agreement, and the agreement key of the peer is not known")
            return KeyChoice.STATIC, keys.key_agreement.agree(keys.peer_agreement_key)
        size = SUITES[keys.suite].public_key_size
        if info.scheme != ONE_PASS or not size or len(info.data) != 2 * size:
            raise DecodeError(f"key agreement scheme {info.scheme} with {len(info.data)} octets", offset=0)
        if keys.peer_signing_key is None:
            raise WeakProtection("ephemeral key, and the signing key of the peer is not known")
        self._verify_ephemeral(keys.peer_signing_key, info.data[:size], info.data[size:])
        return KeyChoice.ONE_PASS, keys.key_agreement.agree(info.data[:size])

    def _verify_ephemeral(self, signing_key: bytes, public_key: bytes, signature: bytes) -> None:
        suite = self._keys.suite
        try:
            verify_signature(suite, signing_key, public_key, signature)
        except SignatureError:
            if not self._keys.bare_headers:
                raise
            verify_signature(suite, signing_key, bytes((ONE_PASS,)) + public_key, signature)

    def _check_fresh(self, key: bytes, counter: int, context: SecurityContext) -> int:
        """Check and store the counter of a message under a wrapped or agreed key; give the lowest that was new."""
        if not self._keys.fresh_counters:
            return context.check_counter(counter)
        if key in self._fresh or len(self._fresh) >= FRESH_KEYS_MAX:
            raise CounterError("the key of this message was used already", lowest=context.lowest_counter())
        self._fresh.add(key)
        return 0
