"""Published values of the security suites, recomputed: AES-GCM, GMAC, key wrap, ECDSA, ECDH with key derivation."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from meterworks.assess.vectors.field import first, needed, number, octets, octets_of
from meterworks.assess.vectors.lookup import Lookup
from meterworks.assess.vectors.verdict import Document, Mismatch, NotRun, expect
from meterworks.errors import MeterworksError, SecurityError
from meterworks.protocols.dlms import make_proof, open_proof
from meterworks.protocols.dlms.dissect import KeyRing, KeySet, dissect
from meterworks.protocols.dlms.security import (
    ApduCipher,
    GeneralHeader,
    SecuritySuite,
    SoftwareKeyAgreement,
    SoftwareSigner,
    algorithm_id,
    derive_key,
    unwrap_key,
    verify_signature,
    wrap_key,
)

__all__ = ["check_of", "check_security_vector"]

_SUITE_MASK: Final = 0x0F
_BROADCAST: Final = 0x40
_SUITE_OF_CURVE: Final = {"P-256": SecuritySuite.SUITE_1, "P-384": SecuritySuite.SUITE_2}
_APDU_FIELDS: Final = ("glo_", "ded_", "general_")


def check_security_vector(document: Document, _lookup: Lookup) -> None:
    """A row of one published value, told apart by its `kind`."""
    check = check_of(str(document["kind"]))
    if check is None:
        raise NotRun(f"values of kind {document['kind']!r} are not known here")
    check(document)


def check_of(kind: str) -> Callable[[Document], Any] | None:
    """Give the check of a kind, by the first of our words that is in its name."""
    return next((check for word, check in KINDS_OF_SECURITY.items() if word in kind.lower()), None)


def _cipher(row: Document) -> ApduCipher:
    suite = number(row["security_control"]) & _SUITE_MASK
    return ApduCipher(
        needed(row, "guek", "key", "dedicated_key"), octets(row, "gak"), suite, broadcast_key=octets(row, "gbek")
    )


def _header(row: Document) -> bytes:
    """Give what general-ciphering puts into the associated data; nothing where the row has no such fields."""
    if row.get("transaction_id") is None and row.get("originator") is None:
        return b""
    return GeneralHeader(
        transaction_id=octets(row, "transaction_id") or b"",
        originator=octets(row, "originator", "system_title") or b"",
        recipient=octets(row, "recipient") or b"",
        date_time=octets(row, "date_time") or b"",
        other_information=octets(row, "other_information") or b"",
    ).to_bytes()


def _check_gcm(row: Document) -> None:
    control, counter = number(row["security_control"]), number(row["invocation_counter"])
    title, plain = needed(row, "system_title", "originator"), needed(row, "plain")
    cipher, header = _cipher(row), _header(row)
    protect = cipher.protect_broadcast if control & _BROADCAST else cipher.protect
    protected = protect(control, title, counter, plain, header)
    secured = _secured(row)
    expect("security control and counter", protected[:5], bytes((control,)) + counter.to_bytes(4, "big"))
    expect("secured octets", protected[5:], secured)
    expect("deciphered", cipher.unprotect(control, title, counter, secured, header), plain)
    if control & 0x10:
        _check_refused(
            "an altered message", lambda: cipher.unprotect(control, title, counter, _altered(secured), header)
        )
    for name in row:
        if name.startswith(_APDU_FIELDS):
            _check_opens(row, octets_of(row[name]), title, plain)


def _secured(row: Document) -> bytes:
    secured = octets(row, "secured", "protected")
    return needed(row, "ciphertext") + (octets(row, "tag", "authentication_tag") or b"") if secured is None else secured


def _altered(octets_: bytes) -> bytes:
    return octets_[:-1] + bytes((octets_[-1] ^ 1,))


def _check_refused(what: str, do: Callable[[], object]) -> None:
    try:
        do()
    except MeterworksError:
        return
    raise Mismatch(f"{what} was taken")


def _check_opens(row: Document, apdu: bytes, title: bytes, plain: bytes) -> None:
    """Open a whole ciphered APDU with the keys of the row."""
    key = octets(row, "guek", "key")
    keys = KeySet(guek=key, gak=octets(row, "gak"), gbek=octets(row, "gbek"), dedicated=octets(row, "dedicated_key"))
    inside = dissect(apdu, keys=KeyRing({title: keys})).find("deciphered")
    if inside is None:
        raise Mismatch("the whole APDU does not open with the keys of the vector")
    expect("plaintext of the whole APDU", inside.octets, plain)


def _check_ciphertext(row: Document) -> None:
    """The ciphertext alone: the tag is said not to be reproducible, or is not given."""
    control, counter = number(row["security_control"]), number(row["invocation_counter"])
    title = needed(row, "system_title", "originator")
    cipher = ApduCipher(needed(row, "key", "guek"), None, control & _SUITE_MASK)
    protected = cipher.protect(0x20, title, counter, needed(row, "plain"))
    expect("ciphertext", protected[5:], needed(row, "ciphertext"))


def _check_gmac(row: Document) -> None:
    result, title, challenge = needed(row, "result"), needed(row, "system_title"), needed(row, "challenge")
    cipher = ApduCipher(needed(row, "guek", "key"), needed(row, "gak"), result[0] & _SUITE_MASK)
    counter = number(row["invocation_counter"])
    expect("proof", make_proof(cipher, title, counter, challenge), result)
    expect("counter in the proof", open_proof(cipher, title, result, challenge), counter)
    _check_refused("an altered proof", lambda: open_proof(cipher, title, _altered(result), challenge))


def _check_wrap(row: Document) -> None:
    kek, key, wrapped = needed(row, "kek"), needed(row, "key"), needed(row, "wrapped")
    expect("wrapped key", wrap_key(kek, key), wrapped)
    expect("unwrapped key", unwrap_key(kek, wrapped), key)
    _check_refused("an altered wrapped key", lambda: unwrap_key(kek, _altered(wrapped)))


def _suite_of(row: Document) -> SecuritySuite:
    curve = row.get("curve", "P-256")
    if curve not in _SUITE_OF_CURVE:
        raise NotRun(f"curve {curve} is of no security suite")
    return _SUITE_OF_CURVE[curve]


def _check_signature(row: Document) -> None:
    suite = _suite_of(row)
    message, signature = needed(row, "message"), needed(row, "signature")
    private = octets(row, "private_key")
    public = octets(row, "public_key") or (SoftwareSigner(suite, private).public_key if private else b"")
    try:
        verify_signature(suite, public, message, signature)
    except SecurityError as error:
        raise Mismatch(f"signature: {error}") from error
    _check_refused("an altered signature", lambda: verify_signature(suite, public, message, _altered(signature)))
    invalid = octets(row, "invalid_signature")
    if invalid is not None:
        _check_refused("the invalid signature", lambda: verify_signature(suite, public, message, invalid))
    if private is not None:
        pair = SoftwareSigner(suite, private)
        expect("public key", pair.public_key, public)
        verify_signature(suite, public, message, pair.sign(message))


def _check_agreement(row: Document) -> None:
    suite = _suite_of(row)
    _check_secret(row, suite)
    secret = needed(row, "z")
    derived = row["derived_key"]
    pairs = derived if isinstance(derived, Mapping) else {first(row, "algorithm_id") or "": derived}
    for identifier, key in pairs.items():
        expect("derived key", _derived(row, suite, secret, octets_of(identifier)), octets_of(key))


def _check_secret(row: Document, suite: SecuritySuite) -> None:
    """Compute the shared secret with every private key that the row has, each against the public key of another."""
    pairs = {
        name: SoftwareKeyAgreement(suite, octets_of(value))
        for name, value in row.items()
        if "private" in name and value
    }
    points = [octets_of(value) for name, value in row.items() if "public" in name and value]
    points += [pair.public_key for pair in pairs.values()]
    for name, pair in pairs.items():
        secrets = [pair.agree(point) for point in dict.fromkeys(points) if point != pair.public_key]
        if secrets and needed(row, "z") not in secrets:
            raise Mismatch(f"shared secret: {name} gives another with every public key of the vector")


def _derived(row: Document, suite: SecuritySuite, secret: bytes, identifier: bytes) -> bytes:
    other = octets(row, "other_info")
    if other is not None:
        expect("other info", _other_info(row, identifier, other), other)
        return derive_key(suite, secret, other, b"", b"")
    identifier = identifier or algorithm_id(suite)
    return derive_key(suite, secret, identifier, needed(row, "party_u"), needed(row, "party_v"))


def _other_info(row: Document, identifier: bytes, stated: bytes) -> bytes:
    """Put the other info together where the row has its parts."""
    party_u, party_v = octets(row, "party_u", "originator"), octets(row, "party_v", "recipient")
    transaction = octets(row, "transaction_id")
    if party_u is None or party_v is None:
        expect("other info begins with", stated[: len(identifier)], identifier)
        return stated
    middle = b"" if transaction is None else bytes((len(transaction),)) + transaction
    return identifier + party_u + middle + party_v


KINDS_OF_SECURITY: Final[Mapping[str, Callable[[Document], Any]]] = {
    "ciphertext-only": _check_ciphertext,
    "gmac": _check_gmac,
    "wrap": _check_wrap,
    "ecdsa": _check_signature,
    "ecdh": _check_agreement,
    "kdf": _check_agreement,
    "gcm": _check_gcm,
}
