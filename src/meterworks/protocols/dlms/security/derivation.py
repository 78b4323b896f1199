"""Keys derived from an agreed secret: the single-step KDF of NIST SP 800-56A with the AlgorithmIDs of DLMS.

K is the left part of SHA(00000001 || Z || AlgorithmID || party U || party V). Older editions printed the AlgorithmID
with arc 06 where the current one has 05, and fielded head-ends derive with it; so the arc is a parameter.
Both arcs reproduce published keys; those of the wrapping algorithms (02, 03) no public vector shows.
Source: IEC 62056-5-3, 5.3.4.6; fact sheet section 6; vectors gb-onepass-dh-*, gb-static-unified, gb-ephemeral-unified.
"""

import hashlib
from enum import IntEnum
from typing import Final

from meterworks.protocols.dlms.security.suite import SUITES, SecuritySuite
from meterworks.protocols.errors import StateError

__all__ = ["AlgorithmArc", "KeyUse", "algorithm_id", "derive_key"]

_COUNTER: Final = b"\x00\x00\x00\x01"  # one round gives more octets than any suite needs
_HASHES: Final = {"SHA-256": hashlib.sha256, "SHA-384": hashlib.sha384}


class AlgorithmArc(IntEnum):
    """The octet of the AlgorithmID that editions of the standard print differently."""

    CURRENT = 5
    OLD = 6


class KeyUse(IntEnum):
    """What a derived key is for: it says which AlgorithmID goes into the derivation."""

    CIPHERING = 0
    WRAPPING = 2


def algorithm_id(
    suite: SecuritySuite, use: KeyUse = KeyUse.CIPHERING, arc: AlgorithmArc = AlgorithmArc.CURRENT
) -> bytes:
    """Give the AlgorithmID (seven octets) of a suite's cipher or key wrap."""
    number = int(use) + (suite == SecuritySuite.SUITE_2)
    return bytes((0x60, 0x85, 0x74, arc, 0x08, 0x03, number))


def derive_key(suite: SecuritySuite, secret: bytes, identifier: bytes, party_u: bytes, party_v: bytes) -> bytes:
    """Give the key of a suite that follows from an agreed secret. identifier: the AlgorithmID."""
    row = SUITES[suite]
    make = _HASHES.get(row.hash_name)
    if make is None:
        raise StateError("suite 0 has no key agreement")
    return make(_COUNTER + secret + identifier + party_u + party_v).digest()[: row.key_size]
