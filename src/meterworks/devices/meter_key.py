"""The symmetric keys of a meter: those it was made with, replaced by what clients transfer or agree.

New keys wait until an association asks for its settings again: that is after the answer that confirms them has been
protected with the old ones, so they hold from the next APDU on. With a new encryption key the invocation counters of
clients begin anew.  Source: Security setup (class 64), method 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import SUITES

__all__ = ["SECURITY_NAME", "KeyKind", "MeterKeys", "keys_of", "put_keys_in_force", "store_keys"]

SECURITY_NAME: Final = bytes((0, 0, 43, 0, 0, 255))
_ACTIVE: Final = 0x110  # numbers beside the object's attributes
_WAITING: Final = 0x120


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


def keys_of(view: MeterView) -> MeterKeys:
    """Give the keys in force."""
    made = view.specification
    if not view.state.overlay.values(view.index):
        return MeterKeys(guek=made.guek, gak=made.gak, gbek=made.gbek, kek=made.kek)

    def key(kind: KeyKind) -> bytes | None:
        return view.written((SECURITY_NAME, _ACTIVE + kind))

    return MeterKeys(
        guek=key(KeyKind.GUEK) or made.guek, gak=key(KeyKind.GAK) or made.gak,
        gbek=key(KeyKind.GBEK) or made.gbek, kek=key(KeyKind.KEK) or made.kek,
    )  # fmt: skip


def store_keys(view: MeterView, keys: Mapping[KeyKind, bytes]) -> bool:
    """Keep new keys for the next APDU; False where one has not the size of the meter's suite: none is kept."""
    size = SUITES[view.specification.suite].key_size
    if any(len(key) != size for key in keys.values()):
        return False
    for kind, key in keys.items():
        view.write((SECURITY_NAME, _WAITING + kind), key)
    return True


def put_keys_in_force(view: MeterView) -> bool:
    """Let keys that wait take the place of the old ones; False where none waits."""
    waiting = {kind: key for kind in KeyKind if (key := view.written((SECURITY_NAME, _WAITING + kind))) is not None}
    for kind, key in waiting.items():
        if kind is KeyKind.GUEK:
            view.state.forget_client_counters(view.index)
        view.write((SECURITY_NAME, _ACTIVE + kind), key)
        view.state.overlay.remove(view.index, (SECURITY_NAME, _WAITING + kind))
    return bool(waiting)
