"""Whatever a management client writes and calls: a meter answers with a result, and stays readable.

Values are any A-XDR data, and data of the right shape with any content; they go to every attribute and method of the
model that has most objects, one after the other into the same meter, with time passing in between.
"""

import random

import pytest
from tests.unit.devices.conftest import INSTALLED, NOW, TITLE
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import MODELS, ElectricityMeter, FleetState, MeterSpecification, MeterView
from meterworks.protocols.dlms import (
    ActionResult,
    AttributeAddress,
    BitString,
    DataAccessResult,
    DataValue,
    MethodAddress,
    SecuritySuite,
    Tag,
    decode_typed,
    encode,
)

EDGES = (0, 1, 2, 3, 5, 7, 100, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, -1, -128)
RANGES = {
    Tag.INTEGER: (-128, 127), Tag.LONG: (-32768, 32767), Tag.DOUBLE_LONG: (-(2**31), 2**31 - 1),
    Tag.UNSIGNED: (0, 255), Tag.LONG_UNSIGNED: (0, 65535), Tag.DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
    Tag.ENUM: (0, 255), Tag.BCD: (-128, 127), Tag.LONG64: (-(2**63), 2**63 - 1), Tag.LONG64_UNSIGNED: (0, 2**64 - 1),
}  # fmt: skip


def any_integer(chance, tag):
    low, high = RANGES[tag]
    return max(low, min(high, chance.choice((*EDGES, chance.randint(low, high)))))


def any_value(chance, depth=0):
    """Any data, three deep."""
    tag = chance.choice((*RANGES, Tag.NULL, Tag.BOOLEAN, Tag.OCTET_STRING, Tag.BIT_STRING, Tag.ARRAY, Tag.STRUCTURE))
    if tag in RANGES:
        return DataValue(tag, any_integer(chance, tag))
    if tag == Tag.BOOLEAN:
        return DataValue(tag, chance.random() < 0.5)
    if tag == Tag.OCTET_STRING:
        return DataValue(tag, chance.randbytes(chance.choice((0, 1, 4, 5, 6, 12, 16, 24, 40))))
    if tag == Tag.BIT_STRING:
        return DataValue(tag, BitString(8, chance.randbytes(1)))
    if tag in (Tag.ARRAY, Tag.STRUCTURE) and depth < 3:
        return DataValue(tag, tuple(any_value(chance, depth + 1) for _ in range(chance.randrange(4))))
    return DataValue(Tag.NULL)


def changed(chance, value):
    """The same shape with other content, as far as that goes."""
    if value.tag in RANGES:
        return DataValue(value.tag, any_integer(chance, value.tag))
    if value.tag == Tag.OCTET_STRING:
        return DataValue(value.tag, chance.choice((value.value, chance.randbytes(len(value.value)), b"\xff" * 12, b"")))
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE):
        items = [changed(chance, item) for item in value.value]
        if value.tag == Tag.ARRAY and items and chance.random() < 0.3:
            items = chance.choice((items[:-1], items + items))
        return DataValue(value.tag, tuple(items))
    return value


def make_meter(suite):
    size = 32 if suite == SecuritySuite.SUITE_2 else 16
    specification = MeterSpecification(
        system_title=TITLE, serial="MW1", guek=bytes(size), gak=bytes(size), kek=bytes(size), suite=suite
    )
    model = MODELS["prepayment-1"]
    now = [NOW]
    view = MeterView(
        0, specification, PlainLoad(INSTALLED), FleetState(None, [TITLE]), epoch_s=lambda: now[0],
        object_lists=model.object_lists, push=lambda index, instance: None,
    )  # fmt: skip
    view.start_clock()
    return ElectricityMeter(model, view), now


def sample(chance, meter, bound, number):
    """Any data, or what the attribute holds now with other content."""
    held = bound.attributes[number - 1].value(meter.view, 1) if number <= len(bound.attributes) else None
    if held is None or len(held) > 500 or chance.random() < 0.3:
        return encode(any_value(chance))
    return encode(changed(chance, decode_typed(held)[0]))


@pytest.mark.parametrize("seed", range(6))
def test_a_meter_answers_whatever_it_is_told(seed):
    chance = random.Random(seed)
    meter, now = make_meter(SecuritySuite(seed % 3))
    bounds = list(meter.model.objects.values())
    for _ in range(400):
        bound = chance.choice(bounds)
        class_id = bound.interface_class.class_id
        if bound.methods and chance.random() < 0.5:
            number = chance.choice(list(bound.methods))
            parameter = None if chance.random() < 0.1 else sample(chance, meter, bound, chance.randrange(1, 12))
            result, value = meter.action(1, MethodAddress(class_id, bound.obis_code, number), parameter)
            assert isinstance(result, ActionResult)
            assert value is None or decode_typed(value)[1] == len(value)
        else:
            number = chance.randrange(2, len(bound.attributes) + 1)
            value = sample(chance, meter, bound, number)
            result = meter.set(1, AttributeAddress(class_id, bound.obis_code, number), value)
            assert isinstance(result, DataAccessResult)
        now[0] += chance.choice((0, 1, 60, 4000))
        meter.association(1)
    for bound in bounds:
        for number, attribute in enumerate(bound.attributes, 1):
            address = AttributeAddress(bound.interface_class.class_id, bound.obis_code, number)
            answer = meter.get(1, address, None)
            unreadable = isinstance(answer, DataAccessResult) and answer is not DataAccessResult.READ_WRITE_DENIED
            assert attribute.hidden or not unreadable, (bound.obis_code, number, answer)
