"""Interface class and device model tables: every row holds, and what does not hold is refused when it is loaded."""

import pytest

from meterworks.catalogue import EVENT_LOGS, INSTANT_REGISTERS, PROFILES, Medium, instant_registers_of, profiles_of
from meterworks.devices import CLIENTS, METER_MODELS, DeviceModel, Rights, rights_of
from meterworks.devices.access import Audience
from meterworks.devices.history import HISTORIES
from meterworks.devices.meter_model import METER_BINDINGS
from meterworks.devices.model import command, entry, history, setting, state
from meterworks.errors import UsageError
from meterworks.protocols.dlms import (
    DataAccessResult,
    ObisCode,
    ScalerUnit,
    Unit,
    decode_all,
    encode_double_long_unsigned,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import CLASSES, DATA, REGISTER, Attribute, InterfaceClass, Method

MODELS = list(METER_MODELS.values())
OBJECTS = [(model, bound) for model in MODELS for bound in model.objects.values()]
OBJECT_IDS = [f"{model.phases}-phase-{bound.obis_code}" for model, bound in OBJECTS]
ATTRIBUTE_IDS = [f"{row.class_id}v{row.version}" for row in CLASSES.values()]


@pytest.mark.parametrize("interface_class", CLASSES.values(), ids=ATTRIBUTE_IDS)
def test_every_class_begins_with_its_logical_name(interface_class):
    assert CLASSES[interface_class.class_id, interface_class.version] is interface_class
    assert interface_class.attributes[0].name == "logical_name"
    assert all(attribute.tags for attribute in interface_class.attributes)
    assert interface_class.attribute_named("logical_name").number == 1


LOGICAL_NAME = Attribute(1, "logical_name", frozenset({9}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"attributes": (LOGICAL_NAME, Attribute(3, "value", frozenset({6})))},
        {"attributes": (LOGICAL_NAME, Attribute(2, "logical_name", frozenset({6})))},
        {"attributes": (Attribute(1, "value", frozenset({6})),)},
        {"attributes": (LOGICAL_NAME,), "methods": (Method(2, "reset"),)},
    ],
    ids=["gap", "twice", "no-name", "method-gap"],
)
def test_a_class_that_does_not_hold_together_is_refused(wrong):
    with pytest.raises(UsageError):
        InterfaceClass(99, 0, "Wrong", **wrong)


def test_a_name_no_attribute_or_method_has_is_refused():
    with pytest.raises(UsageError, match="scalar_unit"):
        REGISTER.attribute_named("scalar_unit")
    with pytest.raises(UsageError, match="rest"):
        REGISTER.method_named("rest")
    assert REGISTER.method_named("reset").number == 1


@pytest.mark.parametrize(("model", "bound"), OBJECTS, ids=OBJECT_IDS)
def test_every_object_answers_each_attribute_with_a_lawful_type(make_bench, model, bound):
    bench = make_bench(phases=model.phases)
    for number, attribute in enumerate(bound.attributes, 1):
        encoded = bench.raw(str(bound.obis_code), number)
        if attribute.hidden:
            assert encoded == DataAccessResult.READ_WRITE_DENIED
        else:
            assert isinstance(encoded, bytes), (number, encoded)
            assert encoded[0] in attribute.tags
            decode_all(encoded)
    assert bench.read(str(bound.obis_code), 1) == bound.obis_code


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_has_every_register_and_profile_the_catalogue_collects(model):
    for register in instant_registers_of(Medium.ELECTRICITY, model.phases):
        bound = model.objects[ObisCode(register.obis_code)]
        assert bound.interface_class.class_id == register.class_id
        unit = ScalerUnit.from_bytes(bound.attributes[2].constant)
        assert unit.scaler == register.channel.scaler
        assert unit.symbol == register.channel.unit.replace("1", "")
    for profile in profiles_of(Medium.ELECTRICITY):
        assert HISTORIES[profile.name].obis_code == ObisCode(profile.obis_code)
        captured = [(row.class_id, str(row.obis_code), row.attribute) for row in HISTORIES[profile.name].columns]
        assert captured == [(row.class_id, row.obis_code, row.attribute) for row in profile.columns]
        assert ObisCode(profile.obis_code) in model.objects
    for log in EVENT_LOGS.values():
        assert ObisCode(log.obis_code) in model.objects


@pytest.mark.parametrize("name", HISTORIES)
def test_every_captured_attribute_is_an_object_of_the_model(name):
    for column in HISTORIES[name].columns:
        bound = METER_MODELS[1].objects[column.obis_code]
        assert bound.interface_class.class_id == column.class_id
        assert 1 <= column.attribute <= len(bound.attributes)


def test_only_a_three_phase_meter_has_further_phases():
    single, three = METER_MODELS[1], METER_MODELS[3]
    further = set(three.objects) - set(single.objects)
    assert {code[2] for code in further} == {51, 52, 71, 72}
    assert not set(single.objects) - set(three.objects)
    assert len(PROFILES) + len(EVENT_LOGS) == len(HISTORIES)
    assert len(INSTANT_REGISTERS) > len(further)


WATT_HOUR = ScalerUnit(0, Unit.WATT_HOUR).to_bytes()
WRONG_TYPE = encode_unsigned(1)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([entry("0.0.96.1.0.255", DATA, value=state("no_such_state"))], "no_such_state"),
        ([entry("1.0.1.8.0.255", REGISTER, value=state("import_wh"))], "scaler_unit"),
        ([entry("1.0.1.8.0.255", REGISTER, value=state("import_wh"), unit=WATT_HOUR)], "unit"),
        ([entry("1.0.1.8.0.255", REGISTER, value=state("import_wh"), scaler_unit=WRONG_TYPE)], "scaler_unit takes"),
        ([entry("0.0.96.1.0.255", DATA, value=setting("serial"))], "serial"),
        ([entry("0.0.96.1.0.255", DATA, value=command("disconnect"))], "command"),
        ([entry("0.0.96.1.0.255", DATA, value=history("weekly"))], "weekly"),
        ([entry("0.0.96.1.0.255", DATA, value=state("serial"))] * 2, "twice"),
        ([entry("1.0.1.8.0.255", REGISTER, value=state("import_wh"), scaler_unit=WATT_HOUR, reset=state("serial"))],
         "not a command"),
    ],
    ids=["state", "unbound", "name", "constant", "setting", "command", "history", "twice", "method"],
)  # fmt: skip
def test_a_model_row_that_resolves_to_nothing_is_refused(rows, complaint):
    with pytest.raises(UsageError, match=complaint):
        DeviceModel(name="wrong", phases=1, entries=tuple(rows), bindings=METER_BINDINGS)


def test_rights_are_denied_to_whom_no_row_allows():
    assert rights_of(99, Audience.EVERYONE) == Rights.NONE
    assert rights_of(16, Audience.READERS) == Rights.NONE
    assert rights_of(2, Audience.MANAGERS) == Rights.NONE
    assert Rights.WRITE not in rights_of(2, Audience.READERS)
    assert Rights.EXECUTE in rights_of(1, Audience.MANAGERS)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_object_list_shows_what_the_client_may_see(bench, client):
    listed = {row[2]: row for row in bench.read("0.0.40.0.0.255", 2, client=client)}
    for code, bound in bench.meter.model.objects.items():
        allowed = rights_of(client, bound.audience)
        assert (code in listed) == bool(allowed)
        if not allowed:
            continue
        class_id, version, _, (attributes, methods) = listed[code]
        assert (class_id, version) == (bound.interface_class.class_id, bound.interface_class.version)
        assert [row[0] for row in attributes] == list(range(1, len(bound.attributes) + 1))
        for (_, mode, selectors), attribute in zip(attributes, bound.attributes, strict=True):
            writable = attribute.writable and Rights.WRITE in allowed
            assert mode == (0 if attribute.hidden else 3 if writable else 1)
            assert (selectors is not None) == (attribute.read is not None)
        assert [row[1] for row in methods] == [
            int(
                (method.number in bound.methods and Rights.EXECUTE in allowed)
                or (method.by_association and client != 16)
            )
            for method in bound.interface_class.methods
        ]


def test_the_public_client_sees_identity_and_clock_only(bench):
    listed = {str(ObisCode(row[2])) for row in bench.read("0.0.40.0.0.255", 2, client=16)}
    assert listed == {
        "0.0.42.0.0.255", "0.0.41.0.0.255", "0.0.40.0.0.255", "0.0.40.0.1.255", "0.0.43.1.0.255", "0.0.1.0.0.255",
        "1.0.0.2.0.255", "1.0.0.2.8.255", "1.0.0.2.1.255", "1.0.0.2.9.255",
    }  # fmt: skip


def test_constants_are_encoded_once_and_shared():
    single, three = METER_MODELS[1], METER_MODELS[3]
    code = ObisCode("0.0.97.97.0.255")
    assert single.objects[code].attributes[1].constant == encode_double_long_unsigned(0)
    assert single.objects[code].attributes[1].constant is three.objects[code].attributes[1].constant
