"""Scaler and unit of a register.  Source: IEC 62056-6-2, 4.3.2 (Register); fact sheet section 1."""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Self

from meterworks.protocols.dlms.data import decode_all, encode_enum, encode_integer, encode_structure
from meterworks.protocols.errors import DecodeError

__all__ = ["ScalerUnit", "Unit"]


class Unit(IntEnum):
    """Units of the enumeration that meters use most."""

    YEAR = 1
    MONTH = 2
    WEEK = 3
    DAY = 4
    HOUR = 5
    MINUTE = 6
    SECOND = 7
    DEGREE = 8
    DEGREE_CELSIUS = 9
    CUBIC_METRE = 13
    CORRECTED_CUBIC_METRE = 14
    CUBIC_METRE_PER_HOUR = 15
    CORRECTED_CUBIC_METRE_PER_HOUR = 16
    LITRE = 19
    KILOGRAM = 20
    PASCAL = 23
    BAR = 24
    JOULE = 25
    JOULE_PER_HOUR = 26
    WATT = 27
    VOLT_AMPERE = 28
    VAR = 29
    WATT_HOUR = 30
    VOLT_AMPERE_HOUR = 31
    VAR_HOUR = 32
    AMPERE = 33
    COULOMB = 34
    VOLT = 35
    HERTZ = 44
    KELVIN = 52
    PERCENT = 56
    DECIBEL_MILLIWATT = 70
    DECIBEL = 72
    OTHER = 254
    NONE = 255


@dataclass(frozen=True, slots=True)
class ScalerUnit:
    """What a register counts: value x 10^scaler in `unit` (a number of `Unit`, or one that it does not list)."""

    scaler: int
    unit: int

    def to_bytes(self) -> bytes:
        """Encode as structure {integer, enum}."""
        return encode_structure(encode_integer(self.scaler), encode_enum(self.unit))

    @classmethod
    def from_bytes(cls, encoded: bytes) -> Self:
        """Decode the A-XDR structure."""
        match decode_all(encoded):
            case (int(scaler), int(unit)):
                return cls(scaler, unit)
            case other:
                raise DecodeError(f"scaler and unit expected, got {other!r}")

    @property
    def symbol(self) -> str:
        """The unit in writing, `Wh`; `unit 77` where we have none."""
        return _SYMBOLS.get(self.unit, f"unit {self.unit}")

    def apply(self, raw: int | float) -> Decimal:
        """Give the value in the unit, exactly."""
        return Decimal(raw).scaleb(self.scaler)


_SYMBOLS: dict[int, str] = {
    Unit.YEAR: "a",
    Unit.MONTH: "mo",
    Unit.WEEK: "wk",
    Unit.DAY: "d",
    Unit.HOUR: "h",
    Unit.MINUTE: "min",
    Unit.SECOND: "s",
    Unit.DEGREE: "°",
    Unit.DEGREE_CELSIUS: "°C",
    Unit.CUBIC_METRE: "m³",
    Unit.CORRECTED_CUBIC_METRE: "m³",
    Unit.CUBIC_METRE_PER_HOUR: "m³/h",
    Unit.CORRECTED_CUBIC_METRE_PER_HOUR: "m³/h",
    Unit.LITRE: "l",
    Unit.KILOGRAM: "kg",
    Unit.PASCAL: "Pa",
    Unit.BAR: "bar",
    Unit.JOULE: "J",
    Unit.JOULE_PER_HOUR: "J/h",
    Unit.WATT: "W",
    Unit.VOLT_AMPERE: "VA",
    Unit.VAR: "var",
    Unit.WATT_HOUR: "Wh",
    Unit.VOLT_AMPERE_HOUR: "VAh",
    Unit.VAR_HOUR: "varh",
    Unit.AMPERE: "A",
    Unit.COULOMB: "C",
    Unit.VOLT: "V",
    Unit.HERTZ: "Hz",
    Unit.KELVIN: "K",
    Unit.PERCENT: "%",
    Unit.DECIBEL_MILLIWATT: "dBm",
    Unit.DECIBEL: "dB",
    Unit.OTHER: "",
    Unit.NONE: "",
}
