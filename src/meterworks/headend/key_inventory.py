"""What is laid down with the keepers of an escrow copy: each device with its keys and how far was counted under them.

Facts are those of the registry, counters the bounds that were reserved: above them nothing was ever used.
Source: PKI fact sheet section 7.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Protocol

from meterworks.headend.store import DeviceMemory
from meterworks.registry import KeyHand, KeyKind, PlacedDevice, Registry
from meterworks.trust import EscrowEntry

__all__ = ["escrow_entries"]

PAGE: Final = 500


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
