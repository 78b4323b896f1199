"""The symmetric keys of a meter and its security suite: those it was made with, replaced by what clients bring.

New keys wait until an association asks for its settings again: that is after the answer that confirms them has been
protected with the old ones, so they hold from the next association on. What waits is one record, and what is in force
is one record: a meter that loses power at any moment has all the new keys or none of them. With another encryption key
the invocation counters of clients begin anew; with the same one they go on, or old messages could be sent again.

The suite only rises. A suite with longer keys waits for keys of its length, and takes effect with them.
Source: Security setup (class 64), attribute 3 and method 2; SEC-124, SEC-131.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import SUITES, SecuritySuite

__all__ = [
    "SECURITY_NAME",
    "KeyKind",
    "MeterKeys",
    "has_own_keys",
    "keys_of",
    "put_keys_in_force",
    "raise_suite",
    "store_keys",
    "suite_of",
    "wanted_suite",
]

SECURITY_NAME: Final = bytes((0, 0, 43, 0, 0, 255))
_ACTIVE: Final = (SECURITY_NAME, 0x130)  # numbers beside the object's attributes
_WAITING: Final = (SECURITY_NAME, 0x131)
_SUITE: Final = 0xF0  # beside the key kinds in a record: the suite
SERVER_COUNTER_FAR: Final = 2**31
"""A meter that has counted this far begins anew with a new encryption key."""


class KeyKind(IntEnum):
    """key_id of key transfer and key agreement."""

    GUEK = 0
    GBEK = 1
    GAK = 2
    KEK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterKeys:
    """The keys in force. gbek and kek: None for a meter that was made without."""

    guek: bytes = field(repr=False)
    gak: bytes = field(repr=False)
    gbek: bytes | None = field(default=None, repr=False)
    kek: bytes | None = field(default=None, repr=False)


def has_own_keys(view: MeterView) -> bool:
    """Whether keys or suite are, or will be, other than those the meter was made with."""
    return bool(view.state.keys.values(view.index))


def keys_of(view: MeterView) -> MeterKeys:
    """Give the keys in force."""
    made, own = view.specification, _record(view, _ACTIVE)
    return MeterKeys(
        guek=own.get(KeyKind.GUEK, made.guek), gak=own.get(KeyKind.GAK, made.gak),
        gbek=own.get(KeyKind.GBEK, made.gbek), kek=own.get(KeyKind.KEK, made.kek),
    )  # fmt: skip


def suite_of(view: MeterView) -> SecuritySuite:
    """Give the suite in force."""
    own = _record(view, _ACTIVE).get(_SUITE) if has_own_keys(view) else None
    return view.specification.suite if own is None else SecuritySuite(own[0])


def wanted_suite(view: MeterView) -> SecuritySuite:
    """Give the suite that waits for its keys, else the one in force: the one that new keys must be for."""
    waiting = _record(view, _WAITING).get(_SUITE) if has_own_keys(view) else None
    return suite_of(view) if waiting is None else SecuritySuite(waiting[0])


def raise_suite(view: MeterView, suite: SecuritySuite) -> bool:
    """Take a higher suite, now or with the keys that it needs; False for a lower one, which is never taken."""
    if suite < suite_of(view):
        return False
    waiting = _record(view, _WAITING)
    waiting.pop(_SUITE, None)
    if suite != suite_of(view):
        waiting[_SUITE] = bytes((suite,))
    _write(view, _WAITING, waiting)
    return True


def store_keys(view: MeterView, keys: Mapping[KeyKind, bytes]) -> bool:
    """Keep new keys for the next association; False where one has not the size of the meter's suite: none is kept."""
    size = SUITES[wanted_suite(view)].key_size
    if any(len(key) != size for key in keys.values()):
        return False
    _write(view, _WAITING, {**_record(view, _WAITING), **{int(kind): key for kind, key in keys.items()}})
    return True


def put_keys_in_force(view: MeterView) -> bool:
    """Let keys and suite that wait take the place of the old ones; False where nothing waits, or keys are missing."""
    waiting = _record(view, _WAITING)
    if not waiting or not _is_enough(view, waiting):
        return False
    before = keys_of(view)
    if waiting.get(KeyKind.GUEK, before.guek) != before.guek:
        view.state.forget_client_counters(view.index)
        if view.state.server_counter(view.index) >= SERVER_COUNTER_FAR:
            view.state.restart_server_counter(view.index)
    _write(view, _ACTIVE, {**_record(view, _ACTIVE), **waiting})
    _write(view, _WAITING, {})
    return True


def _is_enough(view: MeterView, waiting: Mapping[int, bytes]) -> bool:
    """Whether no key in force would have a size that the suite has not."""
    size = SUITES[wanted_suite(view)].key_size
    keys = keys_of(view)
    present = {KeyKind.GUEK: keys.guek, KeyKind.GAK: keys.gak, KeyKind.GBEK: keys.gbek, KeyKind.KEK: keys.kek}
    return all(key is None or len(waiting.get(kind, key)) == size for kind, key in present.items())


def _record(view: MeterView, key: tuple[bytes, int]) -> dict[int, bytes]:
    """Read a record: number, size and octets, one after the other."""
    octets = view.state.keys.get(view.index, key) or b""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(octets):  # bounded: each row moves on
        size = octets[at + 1]
        found[octets[at]] = octets[at + 2 : at + 2 + size]
        at += 2 + size
    return found


def _write(view: MeterView, key: tuple[bytes, int], record: Mapping[int, bytes]) -> None:
    if record:
        octets = b"".join(bytes((number, len(value))) + value for number, value in sorted(record.items()))
        view.state.keys.set(view.index, key, octets)
    else:
        view.state.keys.remove(view.index, key)
