"""Scaler and unit."""

from decimal import Decimal

import pytest

from meterworks.protocols.dlms import ScalerUnit, Unit
from meterworks.protocols.errors import DecodeError


def test_scaler_and_unit_both_ways() -> None:
    value = ScalerUnit(-3, Unit.CUBIC_METRE)
    assert value.to_bytes().hex() == "02020ffd160d"
    assert ScalerUnit.from_bytes(value.to_bytes()) == value
    assert value.apply(12_345) == Decimal("12.345")
    assert value.symbol == "m³"


def test_unknown_unit_keeps_its_number() -> None:
    assert ScalerUnit.from_bytes(bytes.fromhex("02020f00164d")).symbol == "unit 77"


@pytest.mark.parametrize("octets", ["00", "020116ff", "02020900161e"])
def test_other_shapes_are_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        ScalerUnit.from_bytes(bytes.fromhex(octets))
