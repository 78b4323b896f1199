"""Readings and durations as people read them."""

from datetime import UTC, datetime
from decimal import Decimal

from meterworks.catalogue import Channel
from meterworks.market import LatestValue
from meterworks.portal.console.markup import Cell, moment, table

__all__ = [
    "POWER_QUALITY",
    "channel_name",
    "clock_error",
    "duration",
    "latest_table",
    "percent",
    "shown_value",
    "split_latest",
]

# Quantities that tell of the quality of supply; all others of a device are its registers.
POWER_QUALITY = ("voltage", "current", "power-factor", "frequency")
_SPELT = {"l1": "L1", "l2": "L2", "l3": "L3", "thd": "THD", "rate1": "rate 1", "rate2": "rate 2"}
CLOCK_SHOWN_S_MIN = 0.05
_THOUSANDS = {"Wh": "kWh", "varh": "kvarh", "W": "kW"}


def shown_value(channel: Channel, value: int) -> str:
    """A value in its unit, energy and power in thousands of it."""
    scaled = Decimal(value).scaleb(channel.scaler)
    unit = channel.unit
    if unit in _THOUSANDS:
        scaled, unit = scaled.scaleb(-3), _THOUSANDS[unit]
    return f"{scaled:,f}{'' if unit == '1' else ' ' + unit}"


def channel_name(channel: Channel) -> str:
    """The channel's quantity and direction in words."""
    words = channel.code.removeprefix(f"{channel.medium}.").removesuffix(".register").replace("-", " ").split(".")
    shown = " ".join(_SPELT.get(word, word) for word in words)
    return shown[:1].upper() + shown[1:]


def split_latest(values: list[LatestValue]) -> tuple[list[LatestValue], list[LatestValue]]:
    """Registers, and values that tell of the quality of supply."""
    quality = [value for value in values if value.channel.quantity.startswith(POWER_QUALITY)]
    return [value for value in values if value not in quality], quality


def latest_table(values: list[LatestValue], *, caption: str) -> str:
    """Values with their time."""
    rows = [
        (channel_name(latest.channel), Cell(shown_value(latest.channel, latest.value), numeric=True), moment(latest.at))
        for latest in values
    ]
    return table(("Quantity", "Value", "Read at (UTC)"), rows, caption=caption, none="Nothing has been read yet.")


def percent(share: float | None, digits: int = 1) -> str:
    """A share as percent; a dash for none. Less than everything is never rounded up to everything."""
    if share is None:
        return "–"
    shown = f"{share * 100:.{digits}f}"
    if share < 1 and float(shown) >= 100:
        shown = f"{100 - 10**-digits:.{digits}f}"
    return f"{shown} %"


def clock_error(drift_s: float) -> str:
    """How far a meter's clock is ahead or behind, to a tenth of a second."""
    if abs(drift_s) < CLOCK_SHOWN_S_MIN:
        return "right"
    return f"{abs(drift_s):.1f} s {'ahead' if drift_s > 0 else 'behind'}"


def duration(start: datetime, end: datetime | None) -> str:
    """How long something took, or that it goes on."""
    if end is None:
        return "running"
    seconds = (end.astimezone(UTC) - start.astimezone(UTC)).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{minutes:.0f} min" if minutes < 120 else f"{hours:,.1f} h"
