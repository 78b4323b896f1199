"""What is laid down with the keepers of an escrow copy, each device with its keys and counters, and how it is taken.

Facts are those of the registry, counters the bounds that were reserved: above them nothing was ever used.
Source: PKI fact sheet section 7.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from meterworks.headend.counters import COUNTER_LAST
from meterworks.headend.store import DeviceMemory, HeadendStore
from meterworks.registry import SYMMETRIC_KINDS, DeviceKeys, KeyHand, KeyKind, PlacedDevice, Registry
from meterworks.runtime import Database
from meterworks.trust import EscrowEntry, EscrowPackage

__all__ = ["TakenOver", "escrow_entries", "take_over_keys"]

PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """What came of a package. taken: devices that have its keys now. unknown: identities the registry does not know."""

    taken: int
    unknown: tuple[str, ...]


class CounterBook(Protocol):
    """Knows how far was counted: `HeadendQueries` is one."""

    async def devices(self, device_ids: Sequence[int] | None = None) -> Mapping[int, DeviceMemory]:
        """State of devices by number."""


async def escrow_entries(registry: Registry, counters: CounterBook) -> AsyncIterator[EscrowEntry]:
    """Give each device that has keys, by number, its keys in force opened: hand them on and keep none.

    Raises KeyUnwrapError where keys were wrapped by another key store.
    """
    after: str | None = None
    while True:
        page = await registry.devices(after=after, limit=PAGE)
        numbers = [placed.device.id for placed in page.items]
        hands = await registry.key_hands(numbers)
        memories = await counters.devices([int(number) for number in numbers]) if numbers else {}
        for placed in page.items:
            hand = hands[placed.device.id]
            if hand.active():
                memory = memories.get(int(placed.device.id))
                yield _entry(registry, placed, hand, 0 if memory is None else memory.counter_reserved)
        after = page.next_cursor
        if after is None:
            return


def _entry(registry: Registry, placed: PlacedDevice, hand: KeyHand, reserved: int) -> EscrowEntry:
    device = placed.device
    held = {kind: each for kind, each in hand.active().items() if each.wrapped is not None}
    facts: dict[str, str | int | None] = {
        "serial": device.serial,
        "manufacturer": device.manufacturer,
        "model": device.model,
        "firmware": device.firmware,
        "address": device.address,
        "suite": device.suite,
        "usage_point": None if placed.usage_point is None else placed.usage_point.id,
    }
    for kind, each in hand.active().items():
        facts[f"{kind}_version"] = each.version
        facts[f"{kind}_state"] = str(each.state)
    bound = max(held[KeyKind.GUEK].counter, reserved) if KeyKind.GUEK in held else reserved
    return EscrowEntry(
        device=device.identity,
        facts=facts,
        keys={str(kind): registry.open_key(each) for kind, each in held.items()},
        counters={str(KeyKind.GUEK): max(0, bound - 1)},
    )


async def take_over_keys(registry: Registry, database: Database, package: EscrowPackage) -> TakenOver:
    """Put the keys of a package in force for the devices that the registry knows, counters where it left them, moved.

    No head-end runs meanwhile. Keys that are in force already stay, and a counter under one of them is never lowered.
    """
    store, unknown, taken = HeadendStore(database), [], 0
    memories = await store.load_devices()
    for entry in package.entries:
        device = await registry.device_by_identity(entry.device)
        if device is None:
            unknown.append(entry.device)
            continue
        held = (await registry.keys(device.id)).present()
        given = {kind: entry.keys[kind] for kind in map(str, SYMMETRIC_KINDS) if kind in entry.keys}
        changed = {kind: key for kind, key in given.items() if held.get(kind) != key}
        if changed:
            await registry.set_keys(device.id, DeviceKeys(**changed))
        bound = min(entry.counters.get(KeyKind.GUEK, 0) + 1, COUNTER_LAST + 1)
        memory = memories.get(int(device.id))
        if memory is not None and KeyKind.GUEK not in changed:
            bound = max(bound, memory.counter_reserved)
        await store.reserve_counters({int(device.id): bound})
        taken += 1
    return TakenOver(taken=taken, unknown=tuple(unknown))
