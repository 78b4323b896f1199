"""The simple tariff counts in integers and rounds half up, once."""

import pytest

from meterworks.portal.tariff import SimpleTariff

TARIFF = SimpleTariff(unit_price_per_kwh=2469, standing_charge_per_day=5121)


@pytest.mark.parametrize(
    ("energy_wh", "days", "energy", "standing"),
    [
        (0, 0, 0, 0),
        (1000, 1, 25, 51),  # 24.69 and 51.21 pence
        (10_000, 7, 247, 358),  # 246.9 and 358.47
        (3_500_000, 365, 86_415, 18_692),  # 86,415.00 and 18,691.65
    ],
)
def test_cost_is_rounded_half_up_at_the_end(energy_wh: int, days: int, energy: int, standing: int) -> None:
    cost = TARIFF.cost(energy_wh, days)
    assert (cost.energy, cost.standing, cost.total) == (energy, standing, energy + standing)


def test_exactly_half_a_penny_rounds_up() -> None:
    assert SimpleTariff(unit_price_per_kwh=50, standing_charge_per_day=0).cost(1000, 0).energy == 1
