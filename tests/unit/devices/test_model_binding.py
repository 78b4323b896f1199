"""Bindings that are told where they stand: values kept, values derived, deeds done, and what they refuse."""

from dataclasses import replace

import pytest

from meterworks.devices import DeviceModel, ElectricityMeter
from meterworks.devices.meter_model import MANAGEMENT_PART, METER_BINDINGS
from meterworks.devices.model import Derived, command, deed, derived, entry, kept
from meterworks.errors import UsageError
from meterworks.protocols.dlms import (
    ActionResult,
    AttributeAddress,
    DataAccessResult,
    MethodAddress,
    ObisCode,
    decode_all,
    encode_double_long_unsigned,
    encode_integer,
    encode_octet_string,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import DATA, DISCONNECT_CONTROL, REGISTER

NAME = ObisCode("0.0.96.2.13.255")
OTHER = ObisCode("1.0.128.7.0.255")
UNIT = bytes.fromhex("02020f0016ff")
MANAGEMENT, READER = 1, 2


@pytest.fixture
def make_meter(bench):
    """Give a function that puts further objects into the meter on the bench."""

    def make(*rows, bindings=METER_BINDINGS):
        model = DeviceModel(name="bench", phases=1, entries=(*MANAGEMENT_PART, *rows), bindings=bindings)
        bench.view.object_lists = model.object_lists
        return ElectricityMeter(model, bench.view)

    return make


def read(meter, name=NAME, number=2, class_id=1):
    return decode_all(meter.get(MANAGEMENT, AttributeAddress(class_id, name, number), None))


def test_a_kept_value_is_the_models_until_it_is_written(make_meter):
    meter = make_meter(entry(str(NAME), DATA, value=kept(encode_unsigned(7))))
    address = AttributeAddress(1, NAME, 2)
    assert read(meter) == 7
    assert meter.set(READER, address, encode_unsigned(8)) is DataAccessResult.READ_WRITE_DENIED
    assert meter.set(MANAGEMENT, address, encode_octet_string(b"any")) is DataAccessResult.SUCCESS
    assert read(meter) == b"any"
    assert meter.view.written((NAME, 2)) == encode_octet_string(b"any")


def test_a_judge_sees_the_value_and_its_place_before_it_is_kept(make_meter):
    seen = []

    def judge(view, place, value):
        seen.append((place.obis_code, place.number, place.interface_class.class_id, value))
        return DataAccessResult.SUCCESS if value < 10 else DataAccessResult.SCOPE_OF_ACCESS_VIOLATED

    meter = make_meter(
        entry(str(OTHER), REGISTER, value=kept(encode_double_long_unsigned(1), judge), scaler_unit=kept(UNIT))
    )
    address = AttributeAddress(3, OTHER, 2)
    assert meter.set(MANAGEMENT, address, encode_unsigned(9)) is DataAccessResult.SUCCESS
    assert meter.set(MANAGEMENT, address, encode_unsigned(10)) is DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
    assert seen == [(OTHER, 2, 3, 9), (OTHER, 2, 3, 10)]
    assert read(meter, OTHER, class_id=3) == 9
    wrong_shape = AttributeAddress(3, OTHER, 3)
    assert meter.set(MANAGEMENT, wrong_shape, encode_unsigned(1)) is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(MANAGEMENT, wrong_shape, b"\x02\x01\x0f\x00") is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(MANAGEMENT, wrong_shape, b"") is DataAccessResult.TYPE_UNMATCHED


def test_a_derived_value_and_a_deed_know_where_they_stand_and_for_whom(make_meter):
    done = []

    def act(view, place, parameter):
        done.append((place.number, parameter))
        return ActionResult.SUCCESS if place.number == 1 else (ActionResult.SUCCESS, encode_unsigned(5))

    meter = make_meter(
        entry(
            str(OTHER), DISCONNECT_CONTROL, output_state=b"\x03\x01",
            control_state=derived(lambda view, place, client: bytes((22, client))), control_mode=kept(b"\x16\x04"),
            remote_disconnect=deed(act), remote_reconnect=deed(act),
        )
    )  # fmt: skip
    for client in (MANAGEMENT, READER):
        assert meter.get(client, AttributeAddress(70, OTHER, 3), None) == bytes((22, client))
    assert meter.action(MANAGEMENT, MethodAddress(70, OTHER, 1), encode_integer(0)) == (ActionResult.SUCCESS, None)
    answered = meter.action(MANAGEMENT, MethodAddress(70, OTHER, 2), None)
    assert answered == (ActionResult.SUCCESS, encode_unsigned(5))
    assert done == [(1, 0), (2, None)]
    assert meter.action(READER, MethodAddress(70, OTHER, 1), None)[0] is ActionResult.READ_WRITE_DENIED
    assert meter.model.by_class[70][-1].value(meter.view, 3) == bytes((22, 0))
    assert meter.model.by_class[70][-1].value(meter.view, 9) is None


def test_a_derived_buffer_is_read_with_its_selection(make_meter):
    def read_part(view, place, selection):
        return encode_unsigned(1) if selection is None else DataAccessResult.TYPE_UNMATCHED

    meter = make_meter(entry(str(NAME), DATA, value=Derived(read=read_part)))
    assert read(meter) == 1
    address = AttributeAddress(1, NAME, 2)
    assert meter.get(MANAGEMENT, address, b"\x02\x00") is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(MANAGEMENT, address, encode_unsigned(1)) is DataAccessResult.READ_WRITE_DENIED


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (entry(str(OTHER), REGISTER, value=kept(b"\x11\x01"), scaler_unit=kept(b"\x11\x01")), "scaler_unit takes"),
        (entry(str(NAME), DATA, value=Derived()), "derived from nothing"),
        (entry(str(NAME), DATA, value=deed(lambda *_: ActionResult.SUCCESS)), "command is bound"),
        (entry(str(OTHER), REGISTER, value=kept(b"\x00"), scaler_unit=UNIT, reset=kept(b"\x00")), "not a command"),
        (entry(str(OTHER), REGISTER, value=kept(b"\x00"), scaler_unit=UNIT, reset=command("nobody")), "nobody"),
    ],
)
def test_a_binding_that_does_not_hold_is_refused(make_meter, row, complaint):
    with pytest.raises(UsageError, match=complaint):
        make_meter(row)


def test_what_objects_say_of_another_instant_is_what_they_said_then(bench):
    then = bench.view.now_epoch_s()
    energy = bench.read("1.0.1.8.0.255")
    bench.hand.epoch_s += 5 * 86_400
    assert bench.read("1.0.1.8.0.255") > energy
    with bench.view.as_of(then):
        assert bench.view.now_epoch_s() == then
        assert bench.read("1.0.1.8.0.255") == energy
    assert bench.view.now_epoch_s() == then + 5 * 86_400
    with pytest.raises(ZeroDivisionError), bench.view.as_of(then):
        raise ZeroDivisionError
    assert bench.view.now_epoch_s() == then + 5 * 86_400


def test_a_setting_without_a_state_is_refused(make_meter):
    with pytest.raises(UsageError, match="without a state"):
        make_meter(bindings=replace(METER_BINDINGS, settings={**METER_BINDINGS.settings, "orphan": lambda *_: None}))
