"""What may be set at the portal."""

from dataclasses import dataclass

from meterworks.portal.tariff import SimpleTariff

__all__ = ["PortalSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalSettings:
    """Everything an operator may set at the portal. Prices are in hundredths of a penny (of the minor unit)."""

    unit_price_hundredths_per_kwh: int = 2469
    """Price of a kWh: 24.69 pence."""
    standing_charge_hundredths_per_day: int = 5121
    """Standing charge of a day: 51.21 pence."""
    currency_symbol: str = "£"
    """Stands before an amount in major units."""
    refresh_s: float = 5.0
    """How often the console's live figures are renewed, in real seconds."""

    @property
    def tariff(self) -> SimpleTariff:
        """The tariff of the consumer's page."""
        return SimpleTariff(
            unit_price_per_kwh=self.unit_price_hundredths_per_kwh,
            standing_charge_per_day=self.standing_charge_hundredths_per_day,
        )
