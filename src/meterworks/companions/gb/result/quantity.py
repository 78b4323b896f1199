"""Quantities with their units, where a result tells how its numbers are to be read.

A register of COSEM has a scaler and a unit beside its value, or inside it; a gas register a multiplier, a divisor and a
unit in the same answer. What a result does not say about a number is not guessed.
Source: IEC 62056-6-2, 4.3.2; ZigBee smart energy profile, metering cluster (formatting attributes).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from meterworks.companions.gb.result.form import PlainJson
from meterworks.companions.gb.result.result import Result
from meterworks.protocols.dlms import ScalerUnit

__all__ = ["Quantity", "quantities_of"]

_SCALER_UNIT: Final = ".scaler_unit"
_INSIDE: Final = "_scal_unit_type"
_GAS: Final = "metering."
_SUMMATION: Final = ("_summation_delivered", "_summation_received")
_GAS_UNITS: Final = MappingProxyType({0: "kWh", 1: "m³"})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, "" where the device says that it has none."""

    value: Decimal
    unit: str


def quantities_of(result: Result) -> dict[str, Quantity]:
    """The quantities by the names of their values."""
    values = result.values
    return dict(_of_registers(values)) | dict(_of_gas(values))


def _of_registers(values: Mapping[str, PlainJson]) -> Iterator[tuple[str, Quantity]]:
    for name, told in values.items():
        if name.endswith(_SCALER_UNIT):
            register = name.removesuffix(_SCALER_UNIT)
            yield from _scaled(f"{register}.value", values.get(f"{register}.value"), told)
        if isinstance(told, Mapping):
            yield from _of_collection(name.rpartition(".")[0], told)


def _of_collection(name: str, parts: Mapping[str, PlainJson]) -> Iterator[tuple[str, Quantity]]:
    """Registers in one structure: each scaler and unit stands behind its value and begins with the same word."""
    for key, told in parts.items():
        if key.endswith(_INSIDE):
            word = key.removesuffix(_INSIDE)
            value = next((each for each in parts if each.startswith(f"{word}_") and each.endswith("_value")), "")
            yield from _scaled(f"{name}.{value}", parts.get(value), told)


def _scaled(name: str, value: PlainJson, scaler_unit: PlainJson) -> Iterator[tuple[str, Quantity]]:
    numbers = list(scaler_unit.values()) if isinstance(scaler_unit, Mapping) else []
    if isinstance(value, int) and len(numbers) == 2 and all(isinstance(number, int) for number in numbers):
        scaler_unit = ScalerUnit(*numbers)
        yield name, Quantity(scaler_unit.apply(value), scaler_unit.symbol)


def _of_gas(values: Mapping[str, PlainJson]) -> Iterator[tuple[str, Quantity]]:
    multiplier, divisor = values.get(f"{_GAS}multiplier"), values.get(f"{_GAS}divisor")
    unit = values.get(f"{_GAS}unit_of_measure")
    if not (isinstance(multiplier, int) and isinstance(divisor, int) and divisor and isinstance(unit, int)):
        return
    for name, value in values.items():
        if name.startswith(_GAS) and name.endswith(_SUMMATION) and isinstance(value, int):
            yield name, Quantity(Decimal(value) * multiplier / divisor, _GAS_UNITS.get(unit, ""))
