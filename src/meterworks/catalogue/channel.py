"""Channels: one quantity of one medium and direction, at one period. What a reading is a reading of.

A channel's number is base * 10 + period, so that it stays small in a column and can be read by eye: base 1 is
electricity import, period 2 is half an hour, so channel 12 is the half-hourly import in Wh.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Literal

from meterworks.catalogue._table import checked_obis_code, keyed, rows
from meterworks.catalogue.errors import UnknownEntryError

__all__ = [
    "CHANNELS",
    "INTERVAL_S_BY_PERIOD",
    "Channel",
    "ChannelKind",
    "Direction",
    "Medium",
    "Period",
    "channel_by_code",
    "channel_by_id",
    "channel_for",
    "channel_id",
]

ChannelKind = Literal["interval", "register", "instant"]


class Medium(StrEnum):
    """What flows through the meter."""

    ELECTRICITY = "electricity"
    GAS = "gas"
    WATER = "water"
    HEAT = "heat"


class Direction(StrEnum):
    """Which way it flows, seen from the consumer; NONE where a quantity has no direction (a voltage)."""

    IMPORT = "import"
    EXPORT = "export"
    NONE = "none"


class Period(IntEnum):
    """The last digit of a channel's number: over which time, or at which instants, a value is taken."""

    INSTANT = 0  # the value now: power, voltage
    QUARTER_HOUR = 1  # amount in an interval of 900 s
    HALF_HOUR = 2  # amount in an interval of 1800 s
    HOUR = 3  # amount in an interval of 3600 s
    DAILY = 4  # register at local midnight
    MONTHLY = 5  # register at local midnight of the first of a month
    REGISTER = 6  # register at the instant it was read


INTERVAL_S_BY_PERIOD: Mapping[Period, int] = {Period.QUARTER_HOUR: 900, Period.HALF_HOUR: 1800, Period.HOUR: 3600}

_SUFFIX = {
    Period.INSTANT: "",
    Period.QUARTER_HOUR: ".15min",
    Period.HALF_HOUR: ".30min",
    Period.HOUR: ".60min",
    Period.DAILY: ".daily",
    Period.MONTHLY: ".monthly",
    Period.REGISTER: ".register",
}
_SERIES = (*INTERVAL_S_BY_PERIOD, Period.DAILY, Period.MONTHLY, Period.REGISTER)
_PERIODS_BY_SHAPE: Mapping[str, tuple[Period, ...]] = {
    "series": _SERIES,  # a counter: amounts per interval, and its register
    "peak": (Period.DAILY, Period.MONTHLY, Period.REGISTER),  # a maximum, reset at the end of billing
    "instant": (Period.INSTANT,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One quantity at one period. A stored value is an integer; value * 10**scaler is in `unit`."""

    id: int  # base * 10 + period
    code: str  # stable text, "electricity.import.active.30min"
    medium: Medium
    quantity: str  # "active-energy", "voltage-l1"
    direction: Direction
    unit: str  # of value * 10**scaler: Wh, varh, V, A, W, Hz, m3, l, % or 1
    scaler: int
    interval_s: int | None  # length of the interval; None unless `kind` is "interval"
    kind: ChannelKind
    obis_code: str  # the object a meter shows it in, "1.0.1.29.0.255"

    @property
    def base(self) -> int:
        """The number of the quantity, whatever the period."""
        return self.id // 10

    @property
    def period(self) -> Period:
        """Over which time, or at which instants, values are taken."""
        return Period(self.id % 10)


# Gas, water and heat meters show their counter in one object; its intervals are differences of it.
# sc: scaler. value, interval: OBIS codes, all ending in .255.
# base | code, its medium first           | quantity            | flow   | unit | sc | shape   | value        | interval
_QUANTITIES = """
 1    | electricity.import.active       | active-energy       | import | Wh   | 0  | series  | 1.0.1.8.0    | 1.0.1.29.0
 2    | electricity.export.active       | active-energy       | export | Wh   | 0  | series  | 1.0.2.8.0    | 1.0.2.29.0
 3    | electricity.import.reactive     | reactive-energy     | import | varh | 0  | series  | 1.0.3.8.0    | 1.0.3.29.0
 4    | electricity.export.reactive     | reactive-energy     | export | varh | 0  | series  | 1.0.4.8.0    | 1.0.4.29.0
 5    | electricity.import.active.rate1 | active-energy-rate1 | import | Wh   | 0  | series  | 1.0.1.8.1    | 1.0.1.29.1
 6    | electricity.import.active.rate2 | active-energy-rate2 | import | Wh   | 0  | series  | 1.0.1.8.2    | 1.0.1.29.2
 7    | electricity.export.active.rate1 | active-energy-rate1 | export | Wh   | 0  | series  | 1.0.2.8.1    | 1.0.2.29.1
 8    | electricity.export.active.rate2 | active-energy-rate2 | export | Wh   | 0  | series  | 1.0.2.8.2    | 1.0.2.29.2
 10   | electricity.voltage.l1          | voltage-l1          | none   | V    | -3 | instant | 1.0.32.7.0   | -
 11   | electricity.voltage.l2          | voltage-l2          | none   | V    | -3 | instant | 1.0.52.7.0   | -
 12   | electricity.voltage.l3          | voltage-l3          | none   | V    | -3 | instant | 1.0.72.7.0   | -
 13   | electricity.current.l1          | current-l1          | none   | A    | -3 | instant | 1.0.31.7.0   | -
 14   | electricity.current.l2          | current-l2          | none   | A    | -3 | instant | 1.0.51.7.0   | -
 15   | electricity.current.l3          | current-l3          | none   | A    | -3 | instant | 1.0.71.7.0   | -
 16   | electricity.import.power        | active-power        | import | W    | 0  | instant | 1.0.1.7.0    | -
 17   | electricity.power-factor        | power-factor        | none   | 1    | -3 | instant | 1.0.13.7.0   | -
 18   | electricity.frequency           | frequency           | none   | Hz   | -3 | instant | 1.0.14.7.0   | -
 19   | electricity.voltage.thd         | voltage-thd         | none   | %    | -2 | instant | 1.0.12.7.124 | -
 20   | electricity.current.thd         | current-thd         | none   | %    | -2 | instant | 1.0.11.7.124 | -
 21   | electricity.import.demand       | maximum-demand      | import | W    | 0  | peak    | 1.0.1.6.0    | -
 22   | electricity.export.power        | active-power        | export | W    | 0  | instant | 1.0.2.7.0    | -
 30   | gas.volume                      | volume              | import | m3   | -3 | series  | 7.0.3.0.0    | 7.0.3.0.0
 40   | water.volume                    | volume              | import | l    | 0  | series  | 8.0.1.0.0    | 8.0.1.0.0
 50   | heat.energy                     | heat-energy         | import | Wh   | 0  | series  | 6.0.1.0.0    | 6.0.1.0.0
 51   | heat.volume                     | volume              | import | l    | 0  | series  | 6.0.2.0.0    | 6.0.2.0.0
"""


def _kind(period: Period) -> ChannelKind:
    if period in INTERVAL_S_BY_PERIOD:
        return "interval"
    return "instant" if period is Period.INSTANT else "register"


def _channels_of(cells: tuple[str, ...]) -> list[Channel]:
    base, code, quantity, direction, unit, scaler, shape, value_code, interval_code = cells
    return [
        Channel(
            id=int(base) * 10 + period,
            code=code + _SUFFIX[period],
            medium=Medium(code.split(".")[0]),
            quantity=quantity,
            direction=Direction(direction),
            unit=unit,
            scaler=int(scaler),
            interval_s=INTERVAL_S_BY_PERIOD.get(period),
            kind=_kind(period),
            obis_code=checked_obis_code((interval_code if period in INTERVAL_S_BY_PERIOD else value_code) + ".255"),
        )
        for period in _PERIODS_BY_SHAPE[shape]
    ]


CHANNELS: Mapping[int, Channel] = keyed(
    "channel",
    (channel for cells in rows(_QUANTITIES, 9) for channel in _channels_of(cells)),
    key=lambda channel: channel.id,
)
_BY_CODE = keyed("channel code", CHANNELS.values(), key=lambda channel: channel.code)
_PERIOD_BY_INTERVAL_S = {interval_s: period for period, interval_s in INTERVAL_S_BY_PERIOD.items()}


def channel_by_id(number: int) -> Channel:
    """Give the channel of a number. Raises UnknownEntryError."""
    try:
        return CHANNELS[number]
    except KeyError as error:
        raise UnknownEntryError(f"no channel has the number {number}: see the channel list", channel=number) from error


def channel_by_code(code: str) -> Channel:
    """Give the channel of a code such as electricity.import.active.30min. Raises UnknownEntryError with near names."""
    try:
        return _BY_CODE[code]
    except KeyError as error:
        near = ", ".join(difflib.get_close_matches(code, _BY_CODE, n=3)) or "see the channel list"
        raise UnknownEntryError(f"no channel is called {code!r}; did you mean: {near}?", channel=code) from error


def channel_id(base: int, period: Period) -> int:
    """Give the number of a quantity at a period. Raises UnknownEntryError when the quantity has no such period."""
    return channel_by_id(base * 10 + period).id


def channel_for(base: int, interval_s: int) -> Channel:
    """Give the interval channel of a quantity. Raises UnknownEntryError for lengths other than 900, 1800, 3600 s."""
    try:
        period = _PERIOD_BY_INTERVAL_S[interval_s]
    except KeyError as error:
        known = ", ".join(str(length) for length in _PERIOD_BY_INTERVAL_S)
        raise UnknownEntryError(
            f"no channel has intervals of {interval_s} s; known lengths: {known} s", interval_s=interval_s
        ) from error
    return channel_by_id(base * 10 + period)
