"""The registers an on-demand read asks for, and the channels their values become."""

from collections.abc import Mapping
from dataclasses import dataclass

from meterworks.catalogue._table import keyed, rows
from meterworks.catalogue.channel import CHANNELS, Channel, Medium, Period, channel_by_id

__all__ = ["INSTANT_REGISTERS", "InstantRegister", "instant_registers_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstantRegister:
    """One object of a meter whose value is read at an instant.  Source: COSEM Register (3), Extended register (4)."""

    obis_code: str
    class_id: int
    attribute: int
    channel_id: int
    phases_min: int  # fewest phases of a meter that has it; 0 for gas, water and heat

    @property
    def channel(self) -> Channel:
        """The channel its value becomes."""
        return channel_by_id(self.channel_id)


#   base | class | phases
_REGISTERS = """
    1    | 3     | 1
    2    | 3     | 1
    3    | 3     | 1
    4    | 3     | 1
    5    | 3     | 1
    6    | 3     | 1
    7    | 3     | 1
    8    | 3     | 1
    10   | 3     | 1
    11   | 3     | 3
    12   | 3     | 3
    13   | 3     | 1
    14   | 3     | 3
    15   | 3     | 3
    16   | 3     | 1
    17   | 3     | 1
    18   | 3     | 1
    19   | 3     | 1
    20   | 3     | 1
    21   | 4     | 1
    22   | 3     | 1
    30   | 3     | 0
    40   | 3     | 0
    50   | 3     | 0
    51   | 3     | 0
"""


def _instant_register(cells: tuple[str, ...]) -> InstantRegister:
    base, class_id, phases_min = (int(cell) for cell in cells)
    momentary = CHANNELS.get(base * 10 + Period.INSTANT)
    channel = momentary or channel_by_id(base * 10 + Period.REGISTER)
    return InstantRegister(
        obis_code=channel.obis_code, class_id=class_id, attribute=2, channel_id=channel.id, phases_min=phases_min
    )


INSTANT_REGISTERS: Mapping[str, InstantRegister] = keyed(
    "instant register", (_instant_register(cells) for cells in rows(_REGISTERS, 3)), key=lambda row: row.obis_code
)


def instant_registers_of(medium: Medium, phases: int) -> tuple[InstantRegister, ...]:
    """Give the registers a meter of this medium and number of phases has, in table order."""
    return tuple(row for row in INSTANT_REGISTERS.values() if row.channel.medium is medium and row.phases_min <= phases)
