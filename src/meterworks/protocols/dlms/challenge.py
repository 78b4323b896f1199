"""Mechanism 5: both sides prove that they hold the keys by a GMAC over the other's challenge.

The proof is SC(10) || IC || GMAC over SC || GAK || challenge, under the sender's title and counter.
Source: IEC 62056-5-3, 5.3.2; fact sheet section 6.
"""

import hmac
from typing import Final

from meterworks.protocols.dlms.descriptor import MethodAddress
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.dlms.security import TAG_SIZE, Suite0Cipher
from meterworks.protocols.errors import DecodeError, TagError

__all__ = ["CHALLENGE_SIZE", "CHALLENGE_SIZE_MAX", "CHALLENGE_SIZE_MIN", "REPLY_TO_HLS", "make_proof", "open_proof"]

CHALLENGE_SIZE: Final = 16  # of those that we make
CHALLENGE_SIZE_MIN: Final = 8
CHALLENGE_SIZE_MAX: Final = 64
PROOF_SIZE: Final = 5 + TAG_SIZE
REPLY_TO_HLS: Final = MethodAddress(15, ObisCode("0.0.40.0.0.255"), 1)


def make_proof(cipher: Suite0Cipher, title: bytes, counter: int, challenge: bytes) -> bytes:
    """Give the proof that `title` sends for the peer's challenge."""
    return b"\x10" + counter.to_bytes(4, "big") + cipher.gmac(title, counter, challenge)


def open_proof(cipher: Suite0Cipher, title: bytes, proof: bytes, challenge: bytes) -> int:
    """Verify the proof that `title` sent for our challenge; give its counter. TagError where it is false."""
    if len(proof) != PROOF_SIZE or proof[0] != 0x10:
        raise DecodeError(f"proof of {len(proof)} octets; {PROOF_SIZE} with security control 10 expected", offset=0)
    counter = int.from_bytes(proof[1:5], "big")
    if not hmac.compare_digest(cipher.gmac(title, counter, challenge), proof[5:]):
        raise TagError("proof for our challenge is false: the peer does not hold the keys")
    return counter
