"""Short names of a model's objects: each attribute and method has one, no two the same, and all lead back."""

from dataclasses import replace

import pytest
from tests.unit.devices.plain_load import PlainLoad
from tests.unit.devices.test_companion_model import SPECIFICATION, STARTS

from meterworks.devices import MODELS, ElectricityMeter, FleetState, MeterView
from meterworks.devices.short_name_table import ASSOCIATION_NAME, short_names_of
from meterworks.protocols.dlms import (
    AttributeAddress,
    DataAccessResult,
    MethodAddress,
    ObisCode,
    decode_all,
    encode_array,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
)
from meterworks.protocols.dlms.cosem import decode_short_name_list, decode_short_name_rights

MANAGEMENT, PUBLIC = 1, 16


@pytest.mark.parametrize("name", MODELS)
def test_every_attribute_and_method_has_a_name_of_its_own(name):
    model = MODELS[name]
    table = short_names_of(model)
    assert short_names_of(model) is table
    used = {}
    for bound in model.objects.values():
        base = table.base_of(bound.obis_code)
        row = bound.interface_class
        if row.class_id == 15:
            continue
        assert base is not None
        for attribute in row.attributes:
            short_name = row.attribute_short_name(base, attribute.number)
            assert used.setdefault(short_name, bound.obis_code) == bound.obis_code
            assert table.attribute_of(short_name) == AttributeAddress(row.class_id, bound.obis_code, attribute.number)
            assert table.method_of(short_name) is None
        for method in row.methods if row.method_offset is not None else ():
            short_name = row.method_short_name(base, method.number)
            assert used.setdefault(short_name, bound.obis_code) == bound.obis_code
            assert table.method_of(short_name) == MethodAddress(row.class_id, bound.obis_code, method.number)
            assert table.attribute_of(short_name) is None
    assert max(used) < 0xFA00
    assert table.attribute_of(0x10) is None is table.method_of(0x10)


@pytest.fixture
def meter():
    specification = replace(SPECIFICATION, short_names=True)
    model = MODELS["meterworks-1"]
    view = MeterView(
        0, specification, PlainLoad(STARTS), FleetState(None, [specification.system_title]),
        epoch_s=lambda: STARTS + 90_000, object_lists=model.object_lists,
    )  # fmt: skip
    return ElectricityMeter(model, view)


def test_the_association_is_at_fa00_and_shows_names_and_rights(meter):
    address = meter.attribute_of(MANAGEMENT, 0xFA08)
    assert address == AttributeAddress(12, ASSOCIATION_NAME, 2)
    entries = decode_short_name_list(meter.get(MANAGEMENT, address, None))
    rights = meter.get(MANAGEMENT, meter.attribute_of(MANAGEMENT, 0xFA10), None)
    named = {entry.obis_code: entry for entry in decode_short_name_rights(rights, entries, 2)}
    assert named[ASSOCIATION_NAME].short_name == 0xFA00
    clock = named[ObisCode("0.0.1.0.0.255")]
    assert clock.attribute_rights(2) == 3
    assert clock.method_rights(6).executable
    public = decode_short_name_list(meter.get(PUBLIC, address, None))
    assert 0 < len(public) < len(entries)


def test_values_are_read_by_short_names_and_by_logical_names_asked_for(meter):
    code = ObisCode("1.0.1.8.0.255")
    parameter = encode_array(
        encode_structure(encode_long_unsigned(3), encode_octet_string(name), encode_integer(2))
        for name in (code, b"nobody")
    )
    result, answer = meter.action(MANAGEMENT, meter.method_of(MANAGEMENT, 0xFA00 + 0x20 + 16), parameter)
    assert result is DataAccessResult.SUCCESS
    found, unknown = decode_all(answer)
    assert unknown == 0
    assert meter.attribute_of(MANAGEMENT, found & 0xFFFF) == AttributeAddress(3, code, 2)


def test_a_meter_by_logical_names_has_no_short_ones(bench):
    assert bench.meter.attribute_of(MANAGEMENT, 0xFA08) is None
    assert bench.meter.method_of(MANAGEMENT, 0xFA30) is None
    assert not bench.meter.association(MANAGEMENT).short_names
