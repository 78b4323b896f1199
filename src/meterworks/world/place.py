"""Where a meter of the neighbourhood stands: feeder, transformer, street, house. All names are invented."""

from dataclasses import dataclass
from typing import Final

from meterworks.world.noise import stream_key

__all__ = ["Place", "place_of"]

HOMES_PER_TRANSFORMER: Final = 75
TRANSFORMERS_PER_FEEDER: Final = 4
HOMES_PER_STREET: Final = 25
_FIRST: Final = (
    "Alder", "Amber", "Barley", "Beacon", "Bramble", "Brook", "Cedar", "Chalk", "Clover", "Copper", "Coral", "Crane",
    "Damson", "Dipper", "Elder", "Ember", "Fallow", "Fern", "Finch", "Flint", "Garnet", "Gorse", "Hazel", "Heron",
    "Ivory", "Juniper", "Kestrel", "Lantern", "Lark", "Linden", "Maple", "Marlow", "Meadow", "Mill", "Nettle",
    "Orchard", "Otter", "Pebble", "Plover", "Quarry", "Reed", "Rowan", "Saffron", "Sorrel", "Swallow", "Teal",
    "Thistle", "Willow",
)  # fmt: skip
_SECOND: Final = (
    "Avenue", "Close", "Crescent", "Drive", "Gardens", "Green", "Grove", "Hill", "Lane", "Mews", "Park", "Place",
    "Rise", "Road", "Row", "Street", "Terrace", "View", "Walk", "Way",
)  # fmt: skip
_LETTERS: Final = "ABDEFGHJLNPQRSTUWXYZ"  # those that stand in the inward part of a postcode
_STREET_STEP: Final = 383  # has no divisor in common with the number of names: streets repeat after all of them
_STREETS: Final = len(_FIRST) * len(_SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One home's place in network and town."""

    feeder: str
    transformer: str
    address: str
    postcode: str
    feeder_number: int


def place_of(seed: int, index: int) -> Place:
    """Give the place of home `index` (from 0) of the neighbourhood of this seed."""
    transformer = index // HOMES_PER_TRANSFORMER
    feeder = transformer // TRANSFORMERS_PER_FEEDER
    street = index // HOMES_PER_STREET
    name = (stream_key(seed, 61) + street * _STREET_STEP) % _STREETS
    house = index % HOMES_PER_STREET + 1
    inward = stream_key(seed, 62, street)
    first, second = _LETTERS[inward % 20], _LETTERS[inward // 20 % 20]
    return Place(
        feeder=f"F{feeder + 1:03d}",
        transformer=f"T{transformer + 1:04d}",
        address=f"{house} {_FIRST[name // len(_SECOND)]} {_SECOND[name % len(_SECOND)]}, Meterham",
        postcode=f"MW{feeder % 90 + 1} {street % 9 + 1}{first}{second}",
        feeder_number=feeder,
    )
