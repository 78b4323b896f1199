"""Keys that protect nothing: published, default or patterned ones, and one key that two devices share.

Nothing here keeps or tells a key: known ones are recognised by digest, and a register remembers keyed digests.
Source: SECURITY fact sheet SEC-018 and SEC-019.
"""

import hashlib
import hmac
import itertools
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.trust.errors import KnownKeyError, SharedKeyError
from meterworks.trust.known_key_digest import KEY_PAIRS, SECRETS

__all__ = [
    "KeyFault",
    "KeyRegister",
    "known_key",
    "known_key_pair",
    "refuse_known_key",
    "refuse_known_key_pair",
    "scan_keys",
]

_DIGEST_KEY_SIZE: Final = 32
_PATTERN_SIZE_MIN: Final = 4  # octets; a shorter secret is a password, which other rules judge


@dataclass(frozen=True, slots=True)
class KeyFault:
    """What is wrong with a key. where: whose and which; never the key itself. other: who shares it."""

    where: str
    fault: Literal["known", "shared"]
    reason: str
    other: str = ""


def known_key(key: bytes) -> str:
    """Tell what kind of known secret this is, empty where it is none."""
    steps = {(after - before) % 256 for before, after in itertools.pairwise(key)}
    if len(key) >= _PATTERN_SIZE_MIN and steps <= {0}:
        return "one octet all over"
    if len(key) >= _PATTERN_SIZE_MIN and len(steps) == 1:
        return "octets that count"
    return SECRETS.get(hashlib.sha256(key).hexdigest(), "")


def known_key_pair(public_key: ec.EllipticCurvePublicKey) -> str:
    """Tell what kind of published key pair this is the public half of, empty where it is none."""
    point = public_key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return KEY_PAIRS.get(hashlib.sha256(point).hexdigest(), "")


def refuse_known_key(key: bytes, where: str) -> None:
    """Raise KnownKeyError for a secret that everyone knows. where: whose and which, for the text."""
    _refuse(known_key(key), where)


def refuse_known_key_pair(public_key: ec.EllipticCurvePublicKey, where: str) -> None:
    """Raise KnownKeyError for a key pair, or a certificate's, whose private half is published."""
    _refuse(known_key_pair(public_key), where)


class KeyRegister:
    """Remembers which keys were seen with whom, by digests under a key of its own that dies with it."""

    def __init__(self) -> None:
        self._digest_key = secrets.token_bytes(_DIGEST_KEY_SIZE)
        self._seen: dict[bytes, str] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def holder(self, key: bytes, where: str) -> str:
        """Tell who else has this key, empty for nobody; from now on it is of `where`, if nobody's before."""
        digest = hmac.digest(self._digest_key, key, "sha256")
        holder = self._seen.setdefault(digest, where)
        return "" if holder == where else holder

    def add(self, key: bytes, where: str) -> None:
        """Note a key. Raises SharedKeyError when somebody else has it, KnownKeyError when everybody has."""
        refuse_known_key(key, where)
        holder = self.holder(key, where)
        if holder:
            raise SharedKeyError(
                f"{where} has the same key as {holder}: opening one would open both; make each key for itself",
                where=where,
                other=holder,
            )


def scan_keys(keys: Iterable[tuple[str, bytes]]) -> list[KeyFault]:
    """Look through keys, each with whose and which it is; gives every fault. For a start and for a whole store."""
    register = KeyRegister()
    faults = []
    for where, key in keys:
        reason = known_key(key)
        if reason:
            faults.append(KeyFault(where, "known", reason))
            continue
        holder = register.holder(key, where)
        if holder:
            faults.append(KeyFault(where, "shared", "the same key", holder))
    return faults


def _refuse(reason: str, where: str) -> None:
    if reason:
        raise KnownKeyError(
            f"{where} is {reason}, which everyone knows: put a key in its place that was made for it alone",
            where=where,
            name=reason,
        )
