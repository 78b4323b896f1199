"""New keys on the wire: which sets of keys there are, how they are sent, and how a device is raised to another suite.

Source: Security setup (class 64), attribute 3 security_suite and method 2 key_transfer.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from meterworks.errors import MeterworksError
from meterworks.headend.device import DeviceRecord
from meterworks.headend.errors import KeyJobError, KeyTransferRefused
from meterworks.headend.schedule import Failure, classify
from meterworks.headend.session import DeviceClient
from meterworks.protocols.dlms import (
    SUITES,
    AttributeAddress,
    MethodAddress,
    ObisCode,
    SecuritySuite,
    encode_array,
    encode_enum,
    encode_octet_string,
    encode_structure,
)
from meterworks.protocols.errors import ServiceRefused
from meterworks.registry import KeyHand, KeyKind, KeyVersion
from meterworks.trust import wrap_key

__all__ = [
    "TRANSFERRED_KINDS",
    "HeldKeys",
    "KeyEra",
    "draw_keys",
    "held_keys",
    "is_refused",
    "raise_suite",
    "record_with",
    "transfer_keys",
]

KEY_TRANSFER = MethodAddress(64, ObisCode("0.0.43.0.0.255"), 2)
SECURITY_SUITE = AttributeAddress(64, ObisCode("0.0.43.0.0.255"), 3)
_KEY_IDS: Mapping[KeyKind, int] = {KeyKind.GUEK: 0, KeyKind.GBEK: 1, KeyKind.GAK: 2, KeyKind.KEK: 3}
TRANSFERRED_KINDS = tuple(_KEY_IDS)


class KeyEra(Enum):
    """Of which time a set of keys is."""

    NEW = "new"  # made, and sent or about to be
    PRESENT = "present"  # in force, as far as we know
    PREVIOUS = "previous"  # in force before those


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKeys:
    """A set of keys that a device may have, opened."""

    era: KeyEra
    versions: Mapping[KeyKind, KeyVersion]
    keys: Mapping[KeyKind, bytes] = field(repr=False)
    suite: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether an association can be opened with it: both keys are there, of the suite's size."""
        size = SUITES[SecuritySuite(self.suite)].key_size
        return all(len(self.keys.get(kind, b"")) == size for kind in (KeyKind.GUEK, KeyKind.GAK))


def held_keys(hand: KeyHand, era: KeyEra, open_key: Callable[[KeyVersion], bytes], *, suite: int = 0) -> HeldKeys:
    """Give a set: what is in force, with what is pending, or with what was before, in its place. suite: it is for."""
    versions = {kind: each for kind, each in hand.usable().items() if each.wrapped is not None}
    if era is KeyEra.NEW:
        versions |= {kind: each for kind, each in hand.pending().items() if each.wrapped is not None}
    elif era is KeyEra.PREVIOUS:
        versions |= hand.previous()
    keys = {kind: open_key(each) for kind, each in versions.items()}
    return HeldKeys(era=era, versions=versions, keys=keys, suite=suite)


def record_with(device: DeviceRecord, keys: HeldKeys) -> DeviceRecord:
    """Give the device as one that has these keys. Raises KeyJobError where they open no association."""
    if not keys.is_complete:
        raise KeyJobError(
            f"device {device.device_id} has no {keys.era.value} encryption and authentication key of suite"
            f" {keys.suite}: enter them",
            device=device.device_id,
        )
    return replace(device, guek=keys.keys[KeyKind.GUEK], gak=keys.keys[KeyKind.GAK], suite=keys.suite)


def draw_keys(
    kinds: Iterable[KeyKind], present: Mapping[KeyKind, bytes], suite: SecuritySuite, random: Callable[[int], bytes]
) -> dict[KeyKind, bytes]:
    """Draw new keys of those kinds that the device has, of the suite's size, all different."""
    size = SUITES[suite].key_size
    drawn: dict[KeyKind, bytes] = {}
    for kind in kinds:
        if kind in present:
            drawn[kind] = random(size)
    return drawn


async def transfer_keys(link: DeviceClient, device: DeviceRecord, master: bytes, new: Mapping[KeyKind, bytes]) -> None:
    """Send new keys in one transfer, wrapped under a master key.

    Raises KeyTransferRefused, and what the link raises: then nobody knows.
    """
    rows = [
        encode_structure(encode_enum(_KEY_IDS[kind]), encode_octet_string(wrap_key(master, key)))
        for kind, key in new.items()
        if kind in _KEY_IDS
    ]
    try:
        await link.action(KEY_TRANSFER, encode_array(rows))
    except ServiceRefused as error:
        raise KeyTransferRefused(
            f"device {device.device_id} refused the new keys: {error}; check that its master key is the one we hold",
            device=device.device_id,
            result=error.facts.get("result"),
        ) from error


async def raise_suite(link: DeviceClient, device: DeviceRecord, suite: int) -> None:
    """Write the suite that counts from the next association on, or with keys of its size if those are missing.

    The present one takes a higher one back that waits. Raises KeyTransferRefused, and what the link raises.
    """
    try:
        await link.set(SECURITY_SUITE, encode_enum(suite))
    except ServiceRefused as error:
        raise KeyTransferRefused(
            f"device {device.device_id} refused security suite {suite}: {error}", device=device.device_id
        ) from error


def is_refused(error: MeterworksError) -> bool:
    """Whether a device answered that it does not know our keys: others may open it."""
    return classify(error) is Failure.AUTHENTICATION
