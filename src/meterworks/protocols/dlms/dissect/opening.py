"""Opening protected APDUs with the keys at hand: which key, in whose name, and whether the tag was checked.

A dissector is given keys, not an association: it tries those that may fit. What a tag confirms is certain; what no tag
can confirm is taken only where the plaintext begins as an APDU does, and is marked.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from meterworks.errors import MeterworksError
from meterworks.protocols.dlms.dissect.key_ring import KeyRing, KeySet
from meterworks.protocols.dlms.dissect.name import APDU_NAMES
from meterworks.protocols.dlms.security import (
    SUITES,
    AgreedKey,
    AlgorithmArc,
    ApduCipher,
    GeneralHeader,
    GeneralSigning,
    IdentifiedKey,
    KeyInfo,
    SecuritySuite,
    SoftwareKeyAgreement,
    WrappedKey,
    algorithm_id,
    derive_key,
    unwrap_key,
    verify_signature,
)

__all__ = ["Opened", "Protected", "is_signature_right", "open_protected"]

_SUITE_MASK: Final = 0x0F
_AUTHENTICATED: Final = 0x10
_ONE_PASS: Final = 1
_TEXT_START: Final = 0x2F
_TRANSACTION_LENGTH: Final = b"\x08"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """A protected APDU. first_octet: what the plaintext must begin with, None where any APDU may be inside."""

    control: int
    counter: int
    body: bytes
    is_dedicated: bool = False
    first_octet: int | None = None
    header: GeneralHeader | None = None
    key_info: KeyInfo | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What was inside. title: in whose name it opened. is_verified: None where nothing could be checked."""

    plain: bytes
    title: bytes
    is_verified: bool | None


def open_protected(
    message: Protected, titles: Iterable[bytes], ring: KeyRing, dedicated: bytes | None
) -> Opened | None:
    """Try the titles and keys that there are; None where none fits. dedicated: learnt from the association."""
    names = list(dict.fromkeys(titles))
    unchecked: Opened | None = None
    for keys in ring.candidates(*names):
        for cipher in _ciphers(message, keys, dedicated):
            for title in names:
                opened = _try(message, cipher, title)
                if opened is not None and opened.is_verified:
                    return opened
                unchecked = unchecked or opened
    return unchecked


def _ciphers(message: Protected, keys: KeySet, dedicated: bytes | None) -> Iterator[ApduCipher]:
    suite = message.control & _SUITE_MASK
    if suite not in SUITES:
        return
    for key in _encryption_keys(message, keys, dedicated):
        if key is not None:
            yield ApduCipher(key, keys.gak, suite, broadcast_key=keys.gbek)


def _encryption_keys(message: Protected, keys: KeySet, dedicated: bytes | None) -> tuple[bytes | None, ...]:
    if message.is_dedicated:
        return dedicated, keys.dedicated
    match message.key_info:
        case IdentifiedKey(key_id):
            return (keys.gbek if key_id else keys.guek,)
        case WrappedKey(wrapped=wrapped):
            return (_unwrapped(keys.kek, wrapped),)
        case AgreedKey() as agreed if message.header is not None:
            return _agreed(message, message.header, agreed, keys)
    return (keys.guek or keys.gbek,)


def _unwrapped(kek: bytes | None, wrapped: bytes) -> bytes | None:
    try:
        return None if kek is None else unwrap_key(kek, wrapped)
    except MeterworksError:
        return None


def _agreed(message: Protected, header: GeneralHeader, agreed: AgreedKey, keys: KeySet) -> tuple[bytes | None, ...]:
    """Derive the key of both editions of the AlgorithmID. A private key fits one curve only, so it may fail."""
    if keys.agreement_key is None and keys.key_agreement is None:
        return ()
    try:
        suite = SecuritySuite(message.control & _SUITE_MASK)
        pair = keys.key_agreement or SoftwareKeyAgreement(suite, keys.agreement_key or b"")
        size = len(pair.public_key)
        is_one_pass = agreed.scheme == _ONE_PASS
        secret = pair.agree(agreed.data[:size] if is_one_pass else keys.peer_agreement_key or b"")
        party_u = header.originator
        if not is_one_pass:
            party_u += _TRANSACTION_LENGTH + header.transaction_id
        return tuple(
            derive_key(suite, secret, algorithm_id(suite, arc=arc), party_u, header.recipient) for arc in AlgorithmArc
        )
    except (MeterworksError, ValueError):
        return ()


def _try(message: Protected, cipher: ApduCipher, title: bytes) -> Opened | None:
    header = b"" if message.header is None else message.header.to_bytes()
    try:
        plain = cipher.unprotect(message.control, title, message.counter, message.body, header)
    except (MeterworksError, ValueError):
        return None
    is_checked = cipher.checks_tags and bool(message.control & _AUTHENTICATED)
    if is_checked:
        return Opened(plain, title, True)
    return Opened(plain, title, None) if _is_likely(plain, message.first_octet) else None


def _is_likely(plain: bytes, first_octet: int | None) -> bool:
    """Whether a plaintext that nothing confirms begins as the APDU that it should be, any APDU, or a text (P1)."""
    if not plain:
        return False
    return plain[0] == first_octet if first_octet is not None else plain[0] in APDU_NAMES or plain[0] == _TEXT_START


def is_signature_right(message: GeneralSigning, ring: KeyRing) -> bool | None:
    """Whether a signature was made with a key that the ring has for the sender; None where it has none."""
    suites = {SUITES[suite].signature_size: suite for suite in SecuritySuite if suite}
    suite = suites.get(len(message.signature))
    public = [keys.peer_signing_key for keys in ring.candidates(message.header.originator) if keys.peer_signing_key]
    if not public:
        return None
    if suite is None:
        return False
    for key in public:
        for signed in (message.signed, message.signed_with_length):  # with or without the length of the content
            try:
                verify_signature(suite, key, signed, message.signature)
            except MeterworksError:
                continue
            return True
    return False
