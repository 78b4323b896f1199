"""Names of items: from a command's own specifications, or from the use case where only one way is possible."""

import pytest

from meterworks.companions.gb.result.item_name import (
    alert_fields,
    asked_by,
    asked_of,
    asked_one,
    protected_schema,
    unique,
)
from meterworks.protocols.dlms import AccessSpecification, AttributeAddress, MethodAddress, ObisCode, Tag

GET, SET, ACTION = 1, 2, 3


def names(asked):
    return [None if each is None else each.name for each in asked]


def test_an_attribute_has_the_name_of_its_object_and_its_own():
    asked = asked_one(0x0026, AttributeAddress(3, ObisCode("1-0:2.8.0.255"), 2))
    assert (asked.name, asked.place) == ("active_export_register.value", "3/1-0:2.8.0.255/a2")


def test_gbcs_names_the_parts_of_its_own_class():
    asked = asked_one(0x0019, AttributeAddress(9000, ObisCode("0-0:94.44.2.0"), 6))
    assert asked.name == "currency_unit.activation_time"


def test_objects_of_one_name_are_told_apart_by_their_parts():
    read = asked_one(0x002C, AttributeAddress(4, ObisCode("1-0:1.6.0.255"), 2))
    assert read.name == "maximum_demand_active_energy_import_value.value"
    reset = asked_one(0x002C, AttributeAddress(1, ObisCode("0-0:94.44.5.1"), 2))
    assert reset.name == "maximum_demand_active_energy_import_value.date_time_of_last_reset"


def test_a_class_that_no_table_has_is_named_by_the_members():
    asked = asked_one(0x0001, AttributeAddress(104, ObisCode("0-0:30.3.0.255"), 3))
    assert asked.name == "device_log_chf.join_timeout"


def test_strings_are_told_as_their_object_says():
    assert asked_one(0x004E, AttributeAddress(1, ObisCode("1-0:0.0.2.255"), 2)).schema.hint == "text"
    assert asked_one(0x003F, AttributeAddress(1, ObisCode("0-0:96.1.1.255"), 2)).schema.hint == "eui"


def test_what_no_use_case_knows_is_named_by_its_address():
    attribute = asked_one(0x9999, AttributeAddress(1, ObisCode("0-0:1.2.3.255"), 2))
    assert (attribute.name, attribute.place) == ("class_1_0_0_1_2_3_255.attribute_2", "1/0-0:1.2.3.255/a2")
    method = asked_one(0x0026, MethodAddress(9, ObisCode("0-0:10.0.0.255"), 1))
    assert method.name == "class_9_0_0_10_0_0_255.method_1"


def test_a_command_names_all_that_it_asks():
    specifications = [
        AccessSpecification(1, AttributeAddress(3, ObisCode("1-0:4.8.0.255"), number)) for number in (3, 2)
    ]
    assert names(asked_by(0x0026, specifications)) == [
        "reactive_export_register.scaler_unit", "reactive_export_register.value"
    ]  # fmt: skip


def test_a_response_with_every_item_is_named_by_its_use_case():
    results = [(GET, Tag.DOUBLE_LONG_UNSIGNED), (GET, Tag.STRUCTURE), (GET, Tag.NULL), (GET, Tag.NULL)]
    assert names(asked_of(0x0026, results)) == [
        "active_export_register.value", "active_export_register.scaler_unit",
        "reactive_export_register.value", "reactive_export_register.scaler_unit",
    ]  # fmt: skip


def test_items_left_out_are_told_by_the_kinds_of_those_that_are_there():
    activated = asked_of(0x0055, [(SET, Tag.NULL), (ACTION, Tag.NULL)])  # one of ten periods, and the switch
    assert names(activated)[0] is None
    assert names(activated)[1] is not None


@pytest.mark.parametrize(
    ("code", "results"),
    [
        (0x0026, [(GET, Tag.NULL)] * 5),  # more than the use case has
        (0x0026, [(ACTION, Tag.NULL)]),  # of another kind
        (0x0026, [(GET, Tag.NULL)]),  # one of four, and any of them
        (0x9999, [(GET, Tag.NULL)]),
    ],
)
def test_nothing_is_named_that_could_be_something_else(code, results):
    assert names(asked_of(code, results)) == [None] * len(results)


def test_a_sensitive_read_is_one_method_and_protects_the_other_items():
    assert names(asked_of(0x0027, [(ACTION, Tag.STRUCTURE)])) == ["import_register_collection.get_protected_attributes"]
    (field,) = protected_schema(0x0027).fields
    assert field.name == "import_register_collection.value"
    assert field.schema.fields[0].name == "active_import_value"


def test_contents_of_alerts():
    assert [field.name for field in alert_fields(0x0121)][:2] == ["apc_direction_and_number", "apc_limit_period_start"]
    assert [field.name for field in alert_fields(0x0018)] == ["backup_pan"]
    assert alert_fields(0x0061) == ()  # its content is encrypted
    assert alert_fields(0x9999) == ()


def test_names_that_come_again_are_numbered():
    assert unique(["a", "b", "a", "a"]) == ["a", "b", "a_2", "a_3"]
