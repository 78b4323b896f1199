"""One meter with a plain load and a clock the test holds in its hand."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import (
    METER_MODELS,
    ElectricityMeter,
    FleetState,
    MeterSpecification,
    MeterView,
)
from meterworks.protocols.dlms import AttributeAddress, MethodAddress, ObisCode, decode_all

INSTALLED = int(datetime(2025, 6, 1, tzinfo=UTC).timestamp())
NOW = datetime(2026, 11, 21, 10, 7, 12, tzinfo=UTC).timestamp()
TITLE = bytes.fromhex("4D575200000001A5")
MANAGEMENT, READER, PUBLIC = 1, 2, 16


@dataclass
class Hand:
    """The system's time, moved by the test."""

    epoch_s: float = NOW

    def __call__(self):
        return self.epoch_s


@dataclass
class Bench:
    """A meter on the test bench: reads, writes and acts with plain values."""

    meter: ElectricityMeter
    view: MeterView
    load: PlainLoad
    hand: Hand
    pushed: list

    def raw(self, obis_code, attribute=2, *, client=MANAGEMENT, class_id=None, selection=None):
        code = ObisCode(obis_code)
        class_id = class_id or self.meter.model.objects[code].interface_class.class_id
        return self.meter.get(client, AttributeAddress(class_id, code, attribute), selection)

    def read(self, obis_code, attribute=2, *, client=MANAGEMENT, selection=None):
        encoded = self.raw(obis_code, attribute, client=client, selection=selection)
        assert isinstance(encoded, bytes), encoded
        return decode_all(encoded)

    def write(self, obis_code, attribute, value, *, client=MANAGEMENT):
        code = ObisCode(obis_code)
        class_id = self.meter.model.objects[code].interface_class.class_id
        return self.meter.set(client, AttributeAddress(class_id, code, attribute), value)

    def act(self, obis_code, method, parameter=b"\x0f\x00", *, client=MANAGEMENT):
        code = ObisCode(obis_code)
        class_id = self.meter.model.objects[code].interface_class.class_id
        return self.meter.action(client, MethodAddress(class_id, code, method), parameter)[0]


@pytest.fixture
def make_bench():
    """Give a function that puts a meter on the bench."""

    def make(*, phases=1, time_zone="Europe/London", drift_ppm=0.0, state=None, **load_options):
        hand, pushed = Hand(), []
        load = PlainLoad(INSTALLED, phases=phases, **load_options)
        specification = MeterSpecification(
            system_title=TITLE,
            serial="MW0000000001",
            guek=bytes(range(16)),
            gak=bytes(range(16, 32)),
            time_zone=time_zone,
            clock_drift_ppm=drift_ppm,
        )
        state = state or FleetState(None, [TITLE])
        model = METER_MODELS[phases]
        view = MeterView(
            0,
            specification,
            load,
            state,
            epoch_s=hand,
            object_lists=model.object_lists,
            push=lambda index, instance: pushed.append((index, instance)),
        )
        view.start_clock()
        return Bench(ElectricityMeter(model, view), view, load, hand, pushed)

    return make


@pytest.fixture
def bench(make_bench):
    return make_bench()
