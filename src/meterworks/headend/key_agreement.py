"""Keys agreed with a device: both sides draw an ephemeral key pair, sign its public half, and derive the same key.

Nothing of an agreement has to be kept: a device whose answer is lost has a master key that nobody else knows, and is
asked again, for an agreement needs no master key. It is proved by what is sent wrapped under it next.
Source: Security setup (class 64), method 3 key_agreement; Green Book 9.2.3.4.6.2, C(2e, 0s); PKI fact sheet section 6.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from meterworks.headend.errors import KeyAgreementFailed
from meterworks.protocols.dlms import (
    SUITES,
    KeyUse,
    MethodAddress,
    ObisCode,
    SecuritySuite,
    Signer,
    SoftwareKeyAgreement,
    algorithm_id,
    decode_all,
    derive_key,
    draw_ephemeral_key,
    encode_array,
    encode_enum,
    encode_octet_string,
    encode_structure,
    verify_signature,
)
from meterworks.protocols.errors import DecodeError, SignatureError

__all__ = ["KEY_AGREEMENT", "MASTER_KEY_ID", "AgreementSides", "KeyOffer"]

KEY_AGREEMENT: Final = MethodAddress(64, ObisCode("0.0.43.0.0.255"), 3)
MASTER_KEY_ID: Final = 3
_NO_ANSWER: Final = "something else than one public key and its signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementSides:
    """Who agrees. titles: system titles. device_keys: certified signing keys that the device may have, x || y each."""

    suite: SecuritySuite
    client_title: bytes
    device_title: bytes
    device_keys: Sequence[bytes]


class KeyOffer:
    """Our half of an agreement on one key: made, sent, and of use for one answer."""

    def __init__(self, sides: AgreementSides, signer: Signer, random: Callable[[int], bytes], *, key_id: int) -> None:
        """signer: our signing key pair, whose certificate the device holds. key_id: of Security setup, 3 the master."""
        self._sides = sides
        self._key_id = key_id
        self._ephemeral: SoftwareKeyAgreement = draw_ephemeral_key(sides.suite, random)
        ours = self._ephemeral.public_key
        self._signed = ours + signer.sign(bytes((key_id,)) + ours)

    def request(self) -> bytes:
        """Give the parameter of the method, encoded."""
        row = encode_structure(encode_enum(self._key_id), encode_octet_string(self._signed))
        return encode_array([row])

    def key_of(self, answer: bytes | None) -> bytes:
        """Give the key that follows from what the device answered.

        Raises KeyAgreementFailed for an answer that is none, or that the device's certified key did not sign: what key
        the device has now is not known.
        """
        sides = self._sides
        size = SUITES[sides.suite].public_key_size
        theirs, signature = self._half(answer, size)
        if not any(self._is_signed(key, theirs, signature) for key in sides.device_keys):
            raise self._failed("what its certificate does not verify")
        try:
            secret = self._ephemeral.agree(theirs)
        except SignatureError as error:
            raise self._failed("a point that is none of its curve") from error
        use = KeyUse.WRAPPING if self._key_id == MASTER_KEY_ID else KeyUse.CIPHERING
        identifier = algorithm_id(sides.suite, use)
        return derive_key(sides.suite, secret, identifier, sides.client_title, sides.device_title)

    def _half(self, answer: bytes | None, size: int) -> tuple[bytes, bytes]:
        """Their public key and the signature over it."""
        try:
            value = decode_all(answer or b"")
        except DecodeError as error:
            raise self._failed(_NO_ANSWER) from error
        match value:
            case [(int(key_id), bytes(octets))] if key_id == self._key_id and len(octets) == 2 * size:
                return octets[:size], octets[size:]
        raise self._failed(_NO_ANSWER)

    def _is_signed(self, key: bytes, theirs: bytes, signature: bytes) -> bool:
        try:
            verify_signature(self._sides.suite, key, bytes((self._key_id,)) + theirs, signature)
        except SignatureError:
            return False
        return True

    def _failed(self, what: str) -> KeyAgreementFailed:
        title = self._sides.device_title.hex()
        return KeyAgreementFailed(
            f"the device {title} answered a key agreement with {what}: certify its signing pair anew", device=title
        )
