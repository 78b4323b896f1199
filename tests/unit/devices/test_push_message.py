"""What a push looks like on the wire: frame, protection, identity, and a body that names its own list."""

import pytest
from tests.unit.devices.conftest import TITLE

from meterworks.devices.push_message import push_frame
from meterworks.devices.push_object import PUSH_SETUPS
from meterworks.protocols.dlms import (
    ApduCipher,
    CosemDateTime,
    DataNotification,
    WrapperReader,
    decode_all,
)


def opened(bench, instance):
    """Give counter and notification of a push, verified with the meter's keys."""
    reader = WrapperReader()
    reader.feed(push_frame(bench.meter, instance))
    source, _, apdu = reader.next_frame()
    assert source == 1
    assert apdu[:10] == b"\xdb\x08" + TITLE
    control, counter = apdu[11], int.from_bytes(apdu[12:16], "big")
    assert control == 0x30
    specification = bench.view.specification
    plain = ApduCipher(specification.guek, specification.gak).unprotect(control, TITLE, counter, apdu[16:])
    return counter, DataNotification.from_bytes(plain)


@pytest.mark.parametrize("instance", PUSH_SETUPS)
def test_the_body_begins_with_the_name_of_its_setup(bench, instance):
    _, notification = opened(bench, instance)
    body = decode_all(notification.body)
    assert body[0] == PUSH_SETUPS[instance].obis_code
    assert body[1] == bench.read("0.0.42.0.0.255")
    assert CosemDateTime.from_bytes(body[2]) == notification.moment
    assert len(body) == len(PUSH_SETUPS[instance].objects)


def test_the_scheduled_push_brings_powers_and_registers(bench):
    _, notification = opened(bench, 0)
    registers = bench.load.registers_at(int(bench.hand.epoch_s))
    assert decode_all(notification.body)[3:] == (987, 0, registers.import_wh, registers.export_wh)


def test_the_alarm_brings_log_and_code_of_the_newest_event(bench):
    bench.view.record(1, 50)
    _, notification = opened(bench, 1)
    assert decode_all(notification.body)[3:] == (1, 50)
    assert bench.pushed == [(0, 1)]


def test_an_event_recorded_again_at_once_is_not_pushed_again(bench):
    bench.view.record(1, 50)
    bench.view.record(1, 50)
    bench.view.record(0, 62)
    assert bench.pushed == [(0, 1)]


def test_every_push_spends_a_counter_of_its_own(bench):
    counters = [opened(bench, 0)[0] for _ in range(3)]
    assert counters == [1, 2, 3]
    assert bench.meter.next_invocation_counter() == 4
