"""Well-formed nonsense: values of the right shape and no sense, written into every attribute and given to every method.

A meter may refuse them or live with them. It may not fail on them: not when they are written, not when time passes and
it acts on them, not when anything is read afterwards, not after a restart.
"""

import random

import pytest
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import MODELS, ElectricityMeter, FleetState, MeterSpecification, MeterView
from meterworks.protocols.dlms import (
    AttributeAddress,
    BitString,
    CosemDate,
    CosemDateTime,
    CosemTime,
    DataAccessResult,
    DataValue,
    MethodAddress,
    Tag,
    encode,
)

MANAGEMENT = 1
STARTS = 1_780_000_200
SPECIFICATION = MeterSpecification(system_title=b"MWR\0\0\0\0\1", serial="1", guek=bytes(16), gak=bytes(16))
INTEGERS = {
    Tag.DOUBLE_LONG: (-(2**31), 2**31 - 1), Tag.DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1), Tag.BCD: (0, 99),
    Tag.INTEGER: (-128, 127), Tag.LONG: (-(2**15), 2**15 - 1), Tag.UNSIGNED: (0, 255),
    Tag.LONG_UNSIGNED: (0, 2**16 - 1),
    Tag.LONG64: (-(2**63), 2**63 - 1), Tag.LONG64_UNSIGNED: (0, 2**64 - 1), Tag.ENUM: (0, 255),
}  # fmt: skip


class Nonsense:
    """Makes values of a shape; names and numbers are often those of the meter, so that they hit something."""

    def __init__(self, seed, model):
        self.chance = random.Random(seed)
        self.names = [bytes(name) for name in model.objects]

    def of(self, shape, depth=0):
        chance = self.chance
        if shape.choices:
            return self.of(chance.choice(shape.choices), depth)
        if shape.members is not None:
            return DataValue(Tag.STRUCTURE, tuple(self.of(member, depth + 1) for _, member in shape.members))
        if shape.element is not None:
            count = chance.choice((0, 1, 2, 5))
            return DataValue(Tag.ARRAY, tuple(self.of(shape.element, depth + 1) for _ in range(count)))
        return self.simple(shape.text, Tag(chance.choice(self.lawful(shape, depth))))

    def lawful(self, shape, depth):
        nested = () if depth > 2 else (Tag.ARRAY, Tag.STRUCTURE)
        known = (Tag.NULL, Tag.BOOLEAN, Tag.BIT_STRING, Tag.OCTET_STRING, Tag.VISIBLE_STRING, *INTEGERS, *nested)
        return [tag for tag in known if tag in shape.tags] or [Tag.NULL]

    def simple(self, text, tag):
        if tag in INTEGERS:
            low, high = INTEGERS[tag]
            chosen = self.chance.choice((low, high, 0, 1, 2, 3, self.chance.randint(low, high)))
            return DataValue(tag, chosen)
        makers = {
            Tag.NULL: lambda: None, Tag.BOOLEAN: lambda: self.chance.random() < 0.5, Tag.ARRAY: tuple,
            Tag.STRUCTURE: tuple, Tag.VISIBLE_STRING: lambda: "x" * self.chance.randrange(5), Tag.UTF8_STRING: str,
            Tag.BIT_STRING: self.bits,
        }  # fmt: skip
        if tag == Tag.OCTET_STRING:
            return DataValue(tag, self.octets(text))
        return DataValue(tag, makers[tag]())

    def bits(self):
        return BitString.from_text("".join(self.chance.choices("01", k=self.chance.randrange(12))))

    def octets(self, text):
        chance = self.chance
        if text == "ln":
            return chance.choice((*self.names, bytes(6), chance.randbytes(6)))
        if text in ("dt", "date", "time"):
            return self.moment(text)
        return chance.choice((b"", b"T1", b"T2", b"S1", b"W1", chance.randbytes(chance.randrange(20))))

    def moment(self, text):
        chance = self.chance
        year, month, day = (
            chance.choice((0xFFFF, 2026, 2027)),
            chance.choice((0xFF, 1, 6, 12)),
            chance.choice((0xFF, 1, 31)),
        )
        hour, minute = chance.choice((0xFF, 0, 7, 23)), chance.choice((0xFF, 0, 30))
        made = {
            "dt": lambda: CosemDateTime(year, month, day, 0xFF, hour, minute, 0, 0),
            "date": lambda: CosemDate(year, month, day, chance.choice((0xFF, 1, 7))),
            "time": lambda: CosemTime(hour, minute, chance.choice((0xFF, 0)), 0),
        }[text]()
        size = {"dt": 12, "date": 5, "time": 4}[text]
        return chance.choice((made.to_bytes(), made.to_bytes(), chance.randbytes(size)))


def meter_of(model, state, now):
    view = MeterView(
        0, SPECIFICATION, PlainLoad(STARTS, phases=model.phases), state, epoch_s=lambda: now[0],
        object_lists=model.object_lists, push=lambda *_: None,
    )  # fmt: skip
    return ElectricityMeter(model, view)


def read_everything(meter):
    for name, bound in meter.model.objects.items():
        for row, attribute in zip(bound.interface_class.attributes, bound.attributes, strict=True):
            address = AttributeAddress(bound.interface_class.class_id, name, row.number)
            answer = meter.get(MANAGEMENT, address, None)
            assert isinstance(answer, bytes | DataAccessResult), (name.hex(), row.name)
            if isinstance(answer, bytes) and not attribute.hidden:
                assert row.shape.takes(answer), (str(bound.obis_code), row.name, answer.hex())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", [name for name in MODELS if name.endswith("-1")])
def test_no_lawful_value_makes_a_meter_fail(name, seed):
    model, now = MODELS[name], [float(STARTS + 20 * 86_400)]
    state = FleetState(None, [SPECIFICATION.system_title])
    meter = meter_of(model, state, now)
    nonsense = Nonsense(seed, model)
    objects = list(model.objects.values())
    for _ in range(2):
        nonsense.chance.shuffle(objects)
        for bound in objects:
            row = bound.interface_class
            for attribute in row.attributes[1:]:
                value = encode(nonsense.of(attribute.shape))
                address = AttributeAddress(row.class_id, bound.obis_code, attribute.number)
                assert isinstance(meter.set(MANAGEMENT, address, value), DataAccessResult)
            for method in row.methods:
                parameter = encode(nonsense.of(method.parameter))
                result, _ = meter.action(
                    MANAGEMENT, MethodAddress(row.class_id, bound.obis_code, method.number), parameter
                )
                assert isinstance(result, DataAccessResult)
        now[0] += nonsense.chance.choice((60, 3600, 86_400, 3 * 86_400))
        meter.catch_up()
    read_everything(meter)
    read_everything(meter_of(model, state, now))
