"""Scaler and unit of a register.  Source: IEC 62056-6-2, 4.3.2 (Register); fact sheet section 1."""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Self

from meterworks.protocols.dlms.data import decode_all, encode_enum, encode_integer, encode_structure
from meterworks.protocols.errors import DecodeError

__all__ = ["ScalerUnit", "Unit"]


class Unit(IntEnum):
    """Units of the enumeration; numbers it leaves free are reserved."""

    YEAR = 1
    MONTH = 2
    WEEK = 3
    DAY = 4
    HOUR = 5
    MINUTE = 6
    SECOND = 7
    DEGREE = 8
    DEGREE_CELSIUS = 9
    CURRENCY = 10
    METRE = 11
    METRE_PER_SECOND = 12
    CUBIC_METRE = 13
    CORRECTED_CUBIC_METRE = 14
    CUBIC_METRE_PER_HOUR = 15
    CORRECTED_CUBIC_METRE_PER_HOUR = 16
    CUBIC_METRE_PER_DAY = 17
    CORRECTED_CUBIC_METRE_PER_DAY = 18
    LITRE = 19
    KILOGRAM = 20
    NEWTON = 21
    NEWTON_METRE = 22
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
    VOLT_PER_METRE = 36
    FARAD = 37
    OHM = 38
    OHM_METRE = 39
    WEBER = 40
    TESLA = 41
    AMPERE_PER_METRE = 42
    HENRY = 43
    HERTZ = 44
    PER_WATT_HOUR = 45
    PER_VAR_HOUR = 46
    PER_VOLT_AMPERE_HOUR = 47
    SQUARE_VOLT_HOUR = 48
    SQUARE_AMPERE_HOUR = 49
    KILOGRAM_PER_SECOND = 50
    SIEMENS = 51
    KELVIN = 52
    PER_SQUARE_VOLT_HOUR = 53
    PER_SQUARE_AMPERE_HOUR = 54
    PER_CUBIC_METRE = 55
    PERCENT = 56
    AMPERE_HOUR = 57
    WATT_HOUR_PER_CUBIC_METRE = 60
    JOULE_PER_CUBIC_METRE = 61
    MOLE_PERCENT = 62
    GRAM_PER_CUBIC_METRE = 63
    PASCAL_SECOND = 64
    JOULE_PER_KILOGRAM = 65
    GRAM_PER_SQUARE_CENTIMETRE = 66
    ATMOSPHERE = 67
    DECIBEL_MILLIWATT = 70
    DECIBEL_MICROVOLT = 71
    DECIBEL = 72
    INCH = 128
    FOOT = 129
    POUND = 130
    DEGREE_FAHRENHEIT = 131
    DEGREE_RANKINE = 132
    SQUARE_INCH = 133
    SQUARE_FOOT = 134
    ACRE = 135
    CUBIC_INCH = 136
    CUBIC_FOOT = 137
    ACRE_FOOT = 138
    IMPERIAL_GALLON = 139
    US_GALLON = 140
    POUND_FORCE = 141
    POUND_FORCE_PER_SQUARE_INCH = 142
    POUND_PER_CUBIC_FOOT = 143
    POUND_PER_FOOT_SECOND = 144
    SQUARE_FOOT_PER_SECOND = 145
    BRITISH_THERMAL_UNIT = 146
    EU_THERM = 147
    US_THERM = 148
    BRITISH_THERMAL_UNIT_PER_POUND = 149
    BRITISH_THERMAL_UNIT_PER_CUBIC_FOOT = 150
    CUBIC_FOOT_COUNTED = 151
    FOOT_PER_SECOND = 152
    CUBIC_FOOT_PER_SECOND = 153
    CUBIC_FOOT_PER_MINUTE = 154
    CUBIC_FOOT_PER_HOUR = 155
    CUBIC_FOOT_PER_DAY = 156
    ACRE_FOOT_PER_SECOND = 157
    ACRE_FOOT_PER_MINUTE = 158
    ACRE_FOOT_PER_HOUR = 159
    ACRE_FOOT_PER_DAY = 160
    IMPERIAL_GALLON_COUNTED = 161
    IMPERIAL_GALLON_PER_SECOND = 162
    IMPERIAL_GALLON_PER_MINUTE = 163
    IMPERIAL_GALLON_PER_HOUR = 164
    IMPERIAL_GALLON_PER_DAY = 165
    US_GALLON_COUNTED = 166
    US_GALLON_PER_SECOND = 167
    US_GALLON_PER_MINUTE = 168
    US_GALLON_PER_HOUR = 169
    US_GALLON_PER_DAY = 170
    BRITISH_THERMAL_UNIT_PER_SECOND = 171
    BRITISH_THERMAL_UNIT_PER_MINUTE = 172
    BRITISH_THERMAL_UNIT_PER_HOUR = 173
    BRITISH_THERMAL_UNIT_PER_DAY = 174
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
    Unit.CURRENCY: "currency",
    Unit.METRE: "m",
    Unit.METRE_PER_SECOND: "m/s",
    Unit.CUBIC_METRE: "m³",
    Unit.CORRECTED_CUBIC_METRE: "m³",
    Unit.CUBIC_METRE_PER_HOUR: "m³/h",
    Unit.CORRECTED_CUBIC_METRE_PER_HOUR: "m³/h",
    Unit.CUBIC_METRE_PER_DAY: "m³/d",
    Unit.CORRECTED_CUBIC_METRE_PER_DAY: "m³/d",
    Unit.LITRE: "l",
    Unit.KILOGRAM: "kg",
    Unit.NEWTON: "N",
    Unit.NEWTON_METRE: "Nm",
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
    Unit.VOLT_PER_METRE: "V/m",
    Unit.FARAD: "F",
    Unit.OHM: "Ω",
    Unit.OHM_METRE: "Ωm",
    Unit.WEBER: "Wb",
    Unit.TESLA: "T",
    Unit.AMPERE_PER_METRE: "A/m",
    Unit.HENRY: "H",
    Unit.HERTZ: "Hz",
    Unit.PER_WATT_HOUR: "1/Wh",
    Unit.PER_VAR_HOUR: "1/varh",
    Unit.PER_VOLT_AMPERE_HOUR: "1/VAh",
    Unit.SQUARE_VOLT_HOUR: "V²h",
    Unit.SQUARE_AMPERE_HOUR: "A²h",
    Unit.KILOGRAM_PER_SECOND: "kg/s",
    Unit.SIEMENS: "S",
    Unit.KELVIN: "K",
    Unit.PER_SQUARE_VOLT_HOUR: "1/V²h",
    Unit.PER_SQUARE_AMPERE_HOUR: "1/A²h",
    Unit.PER_CUBIC_METRE: "1/m³",
    Unit.PERCENT: "%",
    Unit.AMPERE_HOUR: "Ah",
    Unit.WATT_HOUR_PER_CUBIC_METRE: "Wh/m³",
    Unit.JOULE_PER_CUBIC_METRE: "J/m³",
    Unit.MOLE_PERCENT: "mol%",
    Unit.GRAM_PER_CUBIC_METRE: "g/m³",
    Unit.PASCAL_SECOND: "Pa·s",
    Unit.JOULE_PER_KILOGRAM: "J/kg",
    Unit.GRAM_PER_SQUARE_CENTIMETRE: "g/cm²",
    Unit.ATMOSPHERE: "atm",
    Unit.DECIBEL_MILLIWATT: "dBm",
    Unit.DECIBEL_MICROVOLT: "dBµV",
    Unit.DECIBEL: "dB",
    Unit.INCH: "in",
    Unit.FOOT: "ft",
    Unit.POUND: "lb",
    Unit.DEGREE_FAHRENHEIT: "°F",
    Unit.DEGREE_RANKINE: "°R",
    Unit.SQUARE_INCH: "in²",
    Unit.SQUARE_FOOT: "ft²",
    Unit.ACRE: "acre",
    Unit.CUBIC_INCH: "in³",
    Unit.CUBIC_FOOT: "ft³",
    Unit.ACRE_FOOT: "acre·ft",
    Unit.IMPERIAL_GALLON: "gal(imp)",
    Unit.US_GALLON: "gal(US)",
    Unit.POUND_FORCE: "lbf",
    Unit.POUND_FORCE_PER_SQUARE_INCH: "psi",
    Unit.POUND_PER_CUBIC_FOOT: "lb/ft³",
    Unit.POUND_PER_FOOT_SECOND: "lb/(ft·s)",
    Unit.SQUARE_FOOT_PER_SECOND: "ft²/s",
    Unit.BRITISH_THERMAL_UNIT: "Btu",
    Unit.EU_THERM: "thm(EU)",
    Unit.US_THERM: "thm(US)",
    Unit.BRITISH_THERMAL_UNIT_PER_POUND: "Btu/lb",
    Unit.BRITISH_THERMAL_UNIT_PER_CUBIC_FOOT: "Btu/ft³",
    Unit.CUBIC_FOOT_COUNTED: "ft³",
    Unit.FOOT_PER_SECOND: "ft/s",
    Unit.CUBIC_FOOT_PER_SECOND: "ft³/s",
    Unit.CUBIC_FOOT_PER_MINUTE: "ft³/min",
    Unit.CUBIC_FOOT_PER_HOUR: "ft³/h",
    Unit.CUBIC_FOOT_PER_DAY: "ft³/d",
    Unit.ACRE_FOOT_PER_SECOND: "acre·ft/s",
    Unit.ACRE_FOOT_PER_MINUTE: "acre·ft/min",
    Unit.ACRE_FOOT_PER_HOUR: "acre·ft/h",
    Unit.ACRE_FOOT_PER_DAY: "acre·ft/d",
    Unit.IMPERIAL_GALLON_COUNTED: "gal(imp)",
    Unit.IMPERIAL_GALLON_PER_SECOND: "gal(imp)/s",
    Unit.IMPERIAL_GALLON_PER_MINUTE: "gal(imp)/min",
    Unit.IMPERIAL_GALLON_PER_HOUR: "gal(imp)/h",
    Unit.IMPERIAL_GALLON_PER_DAY: "gal(imp)/d",
    Unit.US_GALLON_COUNTED: "gal(US)",
    Unit.US_GALLON_PER_SECOND: "gal(US)/s",
    Unit.US_GALLON_PER_MINUTE: "gal(US)/min",
    Unit.US_GALLON_PER_HOUR: "gal(US)/h",
    Unit.US_GALLON_PER_DAY: "gal(US)/d",
    Unit.BRITISH_THERMAL_UNIT_PER_SECOND: "Btu/s",
    Unit.BRITISH_THERMAL_UNIT_PER_MINUTE: "Btu/min",
    Unit.BRITISH_THERMAL_UNIT_PER_HOUR: "Btu/h",
    Unit.BRITISH_THERMAL_UNIT_PER_DAY: "Btu/d",
    Unit.OTHER: "",
    Unit.NONE: "",
}
