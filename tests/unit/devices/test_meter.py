"""The meter as a logical device: associations, rights on each service, attribute zero, security events."""

import pytest

from meterworks.devices import METER_MODELS, ElectricityMeter, MeterSpecification
from meterworks.errors import UsageError
from meterworks.protocols.dlms import (
    ActionResult,
    AttributeAddress,
    DataAccessResult,
    LogicalDevice,
    Mechanism,
    MethodAddress,
    ObisCode,
    Protection,
    SecurityEventKind,
    decode_all,
    encode_double_long_unsigned,
    encode_integer,
)

MANAGEMENT, READER, PUBLIC, STRANGER = 1, 2, 16, 77
IMPORT = "1.0.1.8.0.255"
SWITCH = "0.0.96.3.10.255"


def test_a_meter_is_a_logical_device(bench):
    device: LogicalDevice = bench.meter
    assert device.system_title == bench.view.specification.system_title


@pytest.mark.parametrize(
    ("client", "mechanism", "protection"),
    [
        (PUBLIC, Mechanism.NONE, Protection.NONE),
        (READER, Mechanism.GMAC, Protection.BOTH),
        (MANAGEMENT, Mechanism.GMAC, Protection.BOTH),
    ],
)
def test_each_client_must_bring_what_the_table_says(bench, client, mechanism, protection):
    settings = bench.meter.association(client)
    assert (settings.mechanism, settings.required_protection) == (mechanism, protection)
    assert settings.max_pdu == 65_535
    assert bench.meter.association(client) is settings


def test_an_unknown_client_has_no_association(bench):
    assert bench.meter.association(STRANGER) is None


@pytest.mark.parametrize(
    ("client", "obis_code", "result"),
    [
        (PUBLIC, IMPORT, DataAccessResult.READ_WRITE_DENIED),
        (PUBLIC, "1.0.99.1.0.255", DataAccessResult.READ_WRITE_DENIED),
        (PUBLIC, "0.0.40.0.2.255", DataAccessResult.READ_WRITE_DENIED),
        (READER, "0.0.25.9.0.255", DataAccessResult.READ_WRITE_DENIED),
        (READER, "0.0.40.0.3.255", DataAccessResult.READ_WRITE_DENIED),
        (STRANGER, "0.0.1.0.0.255", DataAccessResult.READ_WRITE_DENIED),
    ],
)
def test_what_the_table_does_not_allow_is_denied(bench, client, obis_code, result):
    assert bench.raw(obis_code, client=client) == result


def test_an_object_that_does_not_exist_is_undefined(bench):
    address = AttributeAddress(3, ObisCode("1.0.77.7.0.255"), 2)
    assert bench.meter.get(MANAGEMENT, address, None) == DataAccessResult.OBJECT_UNDEFINED
    assert bench.meter.set(MANAGEMENT, address, b"\x00") == DataAccessResult.OBJECT_UNDEFINED
    method = MethodAddress(3, ObisCode("1.0.77.7.0.255"), 1)
    assert bench.meter.action(MANAGEMENT, method, None)[0] == ActionResult.OBJECT_UNDEFINED


def test_the_wrong_class_is_inconsistent(bench):
    assert bench.raw(IMPORT, class_id=4) == DataAccessResult.OBJECT_CLASS_INCONSISTENT


@pytest.mark.parametrize("attribute", [-1, 4, 127])
def test_an_attribute_the_class_has_not_is_undefined(bench, attribute):
    assert bench.raw(IMPORT, attribute) == DataAccessResult.OBJECT_UNDEFINED
    assert bench.write(IMPORT, attribute, b"\x00") == DataAccessResult.OBJECT_UNDEFINED


def test_attribute_zero_gives_all_attributes(bench):
    assert bench.read(IMPORT, 0) == tuple(bench.read(IMPORT, number) for number in (1, 2, 3))


def test_attribute_zero_of_an_object_with_a_secret_is_denied(bench):
    assert bench.raw("0.0.40.0.0.255", 0) == DataAccessResult.READ_WRITE_DENIED


def test_registers_cannot_be_written_or_reset(bench):
    assert bench.write(IMPORT, 2, encode_double_long_unsigned(0)) == DataAccessResult.READ_WRITE_DENIED
    assert bench.act(IMPORT, 1) == ActionResult.OBJECT_UNDEFINED


@pytest.mark.parametrize("value", [b"", encode_integer(1), b"\x06\x00", b"\x06" + bytes(9)])
def test_a_value_of_the_wrong_type_is_unmatched(bench, value):
    assert bench.write("0.0.17.0.0.255", 7, value) == DataAccessResult.TYPE_UNMATCHED


def test_a_parameter_cut_off_is_unmatched(bench):
    assert bench.act("0.0.1.0.0.255", 6, b"\x10\x00") == ActionResult.TYPE_UNMATCHED


def test_a_reader_cannot_switch(bench):
    assert bench.act(SWITCH, 1, client=READER) == ActionResult.READ_WRITE_DENIED
    assert bench.act(SWITCH, 1, client=PUBLIC) == ActionResult.READ_WRITE_DENIED


@pytest.mark.parametrize("kind", SecurityEventKind)
def test_security_events_go_to_the_tamper_log(bench, kind):
    bench.meter.security_event(kind.value, READER)
    expected = {SecurityEventKind.BAD_TAG: 49, SecurityEventKind.REPLAYED_COUNTER: 50}.get(kind, 46)
    assert [row[1] for row in bench.read("0.0.99.98.1.255")] == [expected]


def test_counters_come_from_the_fleets_state(bench):
    assert [bench.meter.next_invocation_counter() for _ in range(2)] == [1, 2]
    assert bench.meter.lowest_acceptable_counter(b"MWHES001") == 0
    assert bench.meter.accept_invocation_counter(b"MWHES001", 9)
    assert not bench.meter.accept_invocation_counter(b"MWHES001", 9)
    assert bench.meter.lowest_acceptable_counter(b"MWHES001") == 10
    assert bench.read("0.0.43.1.0.255", client=PUBLIC) == 9


def test_a_load_of_other_phases_than_the_model_is_refused(bench):
    with pytest.raises(UsageError, match="three-phase"):
        ElectricityMeter(METER_MODELS[3], bench.view)


@pytest.mark.parametrize(
    "wrong", [{"system_title": b"short"}, {"system_title": bytes(8)}, {"guek": b""}, {"gak": bytes(32)}]
)
def test_a_specification_with_wrong_sizes_is_refused(wrong):
    right = {"system_title": b"MWR12345", "serial": "1", "guek": bytes(16), "gak": bytes(16)}
    with pytest.raises(UsageError):
        MeterSpecification(**(right | wrong))


def test_a_specification_never_shows_its_keys():
    specification = MeterSpecification(system_title=b"MWR12345", serial="77", guek=b"G" * 16, gak=b"A" * 16)
    assert "77" in repr(specification)
    assert "GGGG" not in repr(specification)
    assert b"GGGG".hex() not in repr(specification)


def test_every_answer_of_the_reader_is_well_formed(bench):
    for code, bound in bench.meter.model.objects.items():
        for number in range(1, len(bound.attributes) + 1):
            answer = bench.meter.get(READER, AttributeAddress(bound.interface_class.class_id, code, number), None)
            if isinstance(answer, bytes):
                decode_all(answer)
            else:
                assert answer == DataAccessResult.READ_WRITE_DENIED
