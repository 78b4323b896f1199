"""Quantities where a result tells scaler and unit, and none where it does not."""

from decimal import Decimal

from tests.unit.companions.gb.result.messages import EXPORT, EXPORT_FAILED, READ_EXPORT, message
from tests.unit.companions.gb.result.test_message import sealed_response, shared

from meterworks.companions.gb.result import Quantity, quantities_of, read_result


def quantities(made, **more):
    return quantities_of(read_result(made.to_bytes(), **more))


def test_registers_have_their_scaler_and_unit_beside_them():
    scaled = EXPORT.replace("02020f00161e", "02020ffd161e")
    assert quantities(message(READ_EXPORT, scaled)) == {
        "active_export_register.value": Quantity(Decimal("0.010"), "Wh"),
        "reactive_export_register.value": Quantity(Decimal(20), "varh"),
    }


def test_a_register_that_was_not_read_has_no_quantity():
    assert list(quantities(message(READ_EXPORT, EXPORT_FAILED))) == ["active_export_register.value"]


def test_registers_of_a_collection_have_theirs_inside():
    assert quantities(sealed_response()) == {}
    assert quantities(sealed_response(), secret=shared) == {
        "import_register_collection.active_import_value": Quantity(Decimal(10), "Wh"),
        "import_register_collection.reactive_import_value": Quantity(Decimal(20), "varh"),
    }


GAS = "0109 01 01 0702 {size:04x} 18 00 01 {attributes}"


def gas(attributes: str):
    octets = bytes.fromhex(attributes)
    return message(0x0074, GAS.format(size=3 + len(octets), attributes=octets.hex()))


def test_gas_registers_have_multiplier_divisor_and_unit():
    found = quantities(gas("02030022e80300 01030022010000 0003003001 00000025393000000000"))
    assert found == {"metering.current_summation_delivered": Quantity(Decimal("12.345"), "m³")}


def test_gas_registers_without_them_have_no_quantity():
    assert quantities(gas("00000025393000000000")) == {}
    assert quantities(gas("02030022000000 01030022010000 0003003001 00000025393000000000")) == {}
