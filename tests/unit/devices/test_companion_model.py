"""Models of companion styles: every object answers with a lawful value, and has what public descriptions name."""

import numpy as np
import pytest
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import ElectricityMeter, FleetState, MeterSpecification, MeterView
from meterworks.devices.companion_model import MODELS, STYLES, model_of
from meterworks.devices.model_table import build_model, empty_value, read_rows
from meterworks.errors import UsageError
from meterworks.protocols.dlms import (
    AttributeAddress,
    CosemDateTime,
    DataAccessResult,
    EntrySelection,
    ObisCode,
    decode_all,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import CLASSES, decode_object_list, describe, shape

STARTS = 1_780_000_000 // 1800 * 1800
NOW = STARTS + 40 * 86_400 + 7
SPECIFICATION = MeterSpecification(
    system_title=b"MWR\0\0\0\0\1", serial="1", guek=bytes(16), gak=bytes(16), time_zone="Europe/Amsterdam"
)


def meter_of(model):
    load = PlainLoad(STARTS, phases=model.phases)
    state = FleetState(None, [SPECIFICATION.system_title])
    view = MeterView(
        0, SPECIFICATION, load, state, epoch_s=lambda: NOW, object_lists=model.object_lists, push=lambda *_: None
    )
    return ElectricityMeter(model, view)


def get(meter, code, attribute=2, selection=None):
    name = ObisCode(code)
    class_id = meter.model.objects[name].interface_class.class_id
    return meter.get(1, AttributeAddress(class_id, name, attribute), selection)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_object_answers_each_attribute_with_a_value_of_its_shape(model):
    meter = meter_of(model)
    for bound in model.objects.values():
        for attribute, row in zip(bound.attributes, bound.interface_class.attributes, strict=True):
            if not attribute.hidden:
                encoded = get(meter, str(bound.obis_code), row.number)
                assert isinstance(encoded, bytes), (bound.obis_code, row.name, encoded)
                assert row.shape.takes(encoded), (str(bound.obis_code), row.name, encoded.hex())


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_object_has_a_name_a_known_class_and_is_in_the_list(model):
    listed = {entry.obis_code for entry in decode_object_list(model.object_lists[1])}
    assert listed == set(model.objects)
    for bound in model.objects.values():
        key = (bound.interface_class.class_id, bound.interface_class.version)
        assert key in CLASSES
        assert not describe(bound.obis_code).startswith(("object ", "maker"))


NAMED = {
    "idis": "0.0.1.0.0 0.0.98.1.0 1.0.99.1.0 1.0.99.2.0 1.0.99.14.0 0.0.99.98.0 0.0.99.98.1 0.0.99.98.2 0.0.99.98.3 "
    "0.0.99.98.4 0.0.99.98.5 0.0.99.98.7 1.0.99.97.0 1.0.1.8.0 1.0.2.8.0 1.0.32.7.0 1.0.31.7.0 0.4.25.9.0 0.0.97.98.20 "
    "0.0.44.0.0 0.0.96.3.10 0.1.24.1.0 0.0.17.0.0",
    "dsmr": "1.0.1.8.1 1.0.1.8.2 1.0.2.8.1 1.0.2.8.2 0.0.96.14.0 1.0.1.7.0 1.0.2.7.0 0.0.96.7.21 0.0.96.7.9 "
    "1.0.99.97.0 1.0.32.32.0 1.0.32.36.0 0.0.96.13.0 0.0.96.13.1 1.0.31.7.0 0.1.24.2.1 0.0.96.10.2 1.0.99.2.0 "
    "0.1.94.31.6 0.4.24.1.0",
}


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("style", NAMED)
def test_a_style_has_the_objects_its_public_descriptions_name(style, phases):
    names = [ObisCode(code + ".255") for code in NAMED[style].split()]
    if phases == 3:
        names += [ObisCode(code) for code in ("1.0.52.7.0.255", "1.0.71.7.0.255", "1.0.72.32.0.255")]
    assert [str(name) for name in names if name not in model_of(style, phases).objects] == []


@pytest.mark.parametrize(("style", "registers"), [("idis", ("import_wh", "export_wh")), ("dsmr", ("import_wh", "export_wh"))])  # fmt: skip # noqa: E501
def test_a_load_profile_holds_register_readings_at_the_end_of_each_interval(style, registers):
    meter = meter_of(model_of(style, 1))
    first = get(meter, "1.0.99.1.0.255", selection=EntrySelection(from_entry=1, to_entry=3).to_bytes())
    rows = decode_all(first)
    stamp = CosemDateTime.from_bytes(rows[0][0]) if isinstance(rows[0][0], bytes) else rows[0][0]
    ends = np.array([int(stamp.to_datetime().timestamp()) + 1800 * number for number in range(3)])
    block = meter.view.load.registers_at_many(ends)
    expected = list(zip(*(getattr(block, name).tolist() for name in registers), strict=True))
    assert [row[2:] for row in rows] == expected


def test_daily_and_monthly_profiles_hold_readings_at_local_midnight():
    meter = meter_of(model_of("dsmr", 3))
    for code in ("1.0.99.2.0.255", "0.0.98.1.0.255"):
        rows = decode_all(get(meter, code))
        assert decode_all(get(meter, code, 7)) == len(rows) > 0
        newest = next(row[0] for row in reversed(rows) if row[0] is not None)
        moment = CosemDateTime.from_bytes(newest) if isinstance(newest, bytes) else newest
        assert (moment.hour, moment.minute) == (0, 0)


def test_a_kept_object_remembers_what_is_written():
    meter = meter_of(model_of("idis", 1))
    address = AttributeAddress(72, ObisCode("0.1.24.1.0.255"), 5)
    assert meter.set(1, address, encode_unsigned(7)) is DataAccessResult.SUCCESS
    assert meter.get(1, address, None) == encode_unsigned(7)
    assert meter.set(1, address, b"\x12\x00\x07") is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(2, address, encode_unsigned(8)) is DataAccessResult.READ_WRITE_DENIED


def test_a_style_nobody_has_is_refused():
    assert set(STYLES) == {"meterworks", "prepayment", "idis", "dsmr"}
    assert len(MODELS) == 2 * len(STYLES)
    with pytest.raises(UsageError, match="idis-3"):
        model_of("ansi", 1)
    with pytest.raises(KeyError):
        MODELS["idis-2"]


@pytest.mark.parametrize(
    "line",
    [
        "0-0:1.0.0.255 8.0 everyone", "clock 8.0 everyone meter", "0-0:1.0.0.255 x.0 everyone meter",
        "0-0:1.0.0.255 8.0 nobody meter", "0-0:1.0.0.255 8.0 everyone magic", "0-0:1.0.9.255 8.0 everyone meter",
        "0-0:1.0.0.255 8.9 everyone meter", "1-0:1.8.0.255 3.0 readers register import_wh",
        "1-0:1.8.0.255 3.0 readers register import_wh parsec", "1-0:1.8.0.255 3.0 readers register nothing Wh",
        "0-0:96.1.0.255 1.0 readers data", "1-0:99.1.0.255 7.1 readers profile nothing",
        "1-0:99.9.0.255 7.1 readers profile idis_load_1",
    ],
)  # fmt: skip
def test_a_table_that_does_not_hold_is_refused(line):
    with pytest.raises(UsageError):
        build_model("wrong", line, phases=1)


def test_lines_are_written_as_they_are_read():
    text = "0-0:1.0.0.255 * everyone meter # the clock\n\n1-0:1.8.0.255 3.0 readers register import_wh Wh\n"
    rows = read_rows(text)
    assert read_rows("\n".join(map(str, rows))) == rows
    assert [row.source[0] for row in rows] == ["meter", "register"]
    assert rows[1].interface_class.name == "Register"


@pytest.mark.parametrize("row", CLASSES.values(), ids=lambda row: f"{row.class_id}v{row.version}")
def test_every_attribute_of_every_class_has_an_empty_value(row):
    for attribute in row.attributes:
        assert attribute.shape.takes(empty_value(attribute.shape)), attribute.name
    assert empty_value(shape("f32")) == b"\x17\0\0\0\0"
