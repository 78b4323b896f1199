"""A simple tariff for the consumer's page: one unit price and a standing charge, in integers throughout.

Prices are in hundredths of the minor unit (hundredths of a penny), energy in Wh; an amount is rounded half up, once,
when it becomes minor units.
"""

from dataclasses import dataclass

__all__ = ["Cost", "SimpleTariff"]

WH_PER_KWH = 1000
HUNDREDTHS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a period costs, in minor units (pence)."""

    energy: int
    standing: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.energy + self.standing


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleTariff:
    """One price at all hours."""

    unit_price_per_kwh: int  # hundredths of a minor unit
    standing_charge_per_day: int  # hundredths of a minor unit

    def cost(self, energy_wh: int, days: int) -> Cost:
        """The cost of an energy over a number of days."""
        assert energy_wh >= 0
        assert days >= 0
        return Cost(
            energy=_half_up(energy_wh * self.unit_price_per_kwh, WH_PER_KWH * HUNDREDTHS),
            standing=_half_up(days * self.standing_charge_per_day, HUNDREDTHS),
        )


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
