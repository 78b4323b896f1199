"""Escrow: what others need to go on with the meters if we cannot, and cannot use without the recovery quorum.

A package is an envelope to the recovery key, whose private half lies in a vault under k-of-n control. It holds the
inventory of the devices, their symmetric keys and the counters used with them. The keys are wrapped once more, under a
key of the package. Signing keys are never in it: who holds one could speak for us, and their loss is answered by
replacement. Who takes over begins with counters moved forward by 2^20, so that no nonce repeats.
Content of the envelope: lines of JSON; the first has format, system, time (of the system's clock), counter jump and
package key; then one line a device. Times, identities and names are text, keys hexadecimal, counters integers.
Source: PKI fact sheet section 7; SECURITY fact sheet SEC-042, SEC-061, SEC-129.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.trust.entropy import random_bytes
from meterworks.trust.envelope import EnvelopeWriter, open_envelope
from meterworks.trust.errors import EnvelopeError, EscrowError
from meterworks.trust.keystore.vault import PrivateKey
from meterworks.trust.keywrap import KEY_SIZES, unwrap_key, wrap_key

__all__ = ["COUNTER_JUMP", "SYMMETRIC_KEYS", "EscrowEntry", "EscrowPackage", "open_escrow", "write_escrow"]

KIND: Final = "escrow"
FORMAT: Final = "meterworks-escrow-1"
COUNTER_JUMP: Final = 2**20
COUNTER_LAST: Final = 0xFFFF_FFFF
SYMMETRIC_KEYS: Final = frozenset({"guek", "gbek", "gak", "kek", "hls", "mbus_user", "mbus_transport"})
"""Kinds of keys that may leave in a package: each opens messages of one device and signs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowEntry:
    """One device: what is known of it, its symmetric keys in clear, and the last counter used with each."""

    device: str
    facts: Mapping[str, str | int | None] = field(default_factory=dict)
    """Inventory: serial, model, firmware, address, usage point, version and state of keys..."""
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Symmetric key by kind, one of SYMMETRIC_KEYS."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """Last counter used, by the kind of the key or the name of the party."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowPackage:
    """An opened package. `exhausted`: devices that have no counter left after the jump and need new keys at once."""

    system: str
    written_at: datetime
    entries: Sequence[EscrowEntry]
    exhausted: Sequence[str]


def write_escrow(
    target: BinaryIO,
    entries: Iterable[EscrowEntry],
    *,
    recovery_keys: Sequence[ec.EllipticCurvePublicKey],
    system: str,
    now: datetime,
) -> int:
    """Write a package for the holders of recovery keys; gives how many devices are in it.

    now: system time. Raises EscrowError for a key that is not symmetric, before anything of its device is written.
    """
    package_key = random_bytes(32)
    writer = EnvelopeWriter(target, KIND, recovery_keys)
    head = {
        "format": FORMAT,
        "system": system,
        "written_at": now.isoformat(),
        "counter_jump": COUNTER_JUMP,
        "package_key": package_key.hex(),
    }
    writer.write(_line(head))
    count = 0
    for entry in entries:
        writer.write(_line(_row(entry, package_key)))
        count += 1
    writer.close()
    return count


def open_escrow(source: BinaryIO, recovery_key: PrivateKey) -> EscrowPackage:
    """Open a package with the recovery key, out of its quorum's vault; counters are moved forward by COUNTER_JUMP.

    Raises EnvelopeError with another key, or on a package that was changed or cut.
    """
    lines = open_envelope(source, KIND, recovery_key)
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        head = json.loads(lines.readline())
        if head["format"] == FORMAT:
            package_key = bytes.fromhex(head["package_key"])
            entries = [_entry(json.loads(line), package_key, int(head["counter_jump"])) for line in lines]
            return EscrowPackage(
                system=str(head["system"]),
                written_at=datetime.fromisoformat(head["written_at"]),
                entries=entries,
                exhausted=[entry.device for entry in entries if max(entry.counters.values(), default=0) > COUNTER_LAST],
            )
    raise EnvelopeError("the escrow package opens, but its content cannot be read: it is of a later version")


def _row(entry: EscrowEntry, package_key: bytes) -> Mapping[str, Any]:
    for kind, key in entry.keys.items():
        if kind not in SYMMETRIC_KEYS or len(key) not in KEY_SIZES:
            raise EscrowError(
                f"device {entry.device}: {kind} is no symmetric key of 16, 24 or 32 octets: signing and agreement keys "
                f"are never laid down, they are replaced",
                device=entry.device,
            )
    return {
        "device": entry.device,
        "facts": dict(entry.facts),
        "keys": {kind: wrap_key(package_key, key).hex() for kind, key in entry.keys.items()},
        "counters": dict(entry.counters),
    }


def _entry(row: Mapping[str, Any], package_key: bytes, jump: int) -> EscrowEntry:
    return EscrowEntry(
        device=str(row["device"]),
        facts=row["facts"],
        keys={kind: unwrap_key(package_key, bytes.fromhex(text)) for kind, text in row["keys"].items()},
        counters={name: int(value) + jump for name, value in row["counters"].items()},
    )


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, sort_keys=True).encode() + b"\n"
