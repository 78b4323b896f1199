"""Image transfer, step by step: all of it, resumed, with gaps, refused, and with meters that make no sense."""

import pytest
from tests.unit.system.meter.image_meter import INSTANCE, ImageMeter

from meterworks.errors import OutcomeUnknown, PeerError, RefusedError
from meterworks.protocols import ServiceRefused
from meterworks.protocols.dlms import DataAccessResult, encode_double_long_unsigned, encode_enum, encode_unsigned
from meterworks.system import ConfigurationError
from meterworks.system.meter.image import (
    POLLS_MAX,
    ImagePlan,
    ImageStatus,
    Invoke,
    Pause,
    Read,
    Said,
    image_steps,
    image_transfer_object,
    run_steps,
)

IMAGE = bytes(range(18))


def plan(**changes):
    return ImagePlan(**({"image": IMAGE, "identifier": b"FW2", "instance": INSTANCE} | changes))


def update(meter, **changes):
    waits, told = [], []
    report = run_steps(meter, image_steps(plan(**changes)), tell=told.append, sleep=waits.append)
    return report, waits, told


def test_an_image_arrives_whole_is_verified_and_activated():
    meter = ImageMeter()
    report, waits, told = update(meter)
    assert meter.image == IMAGE
    assert meter.identity == (b"FW2", len(IMAGE))
    assert report.status is ImageStatus.ACTIVATED
    assert (report.blocks, report.block_size, report.kept, report.sent) == (5, 4, 0, 5)
    assert report.to_activate == [(18, b"id", b"")]
    assert waits == []
    assert [step.done for step in told if step.phase == "sending"] == [4, 8, 12, 16, 18]


def test_an_image_goes_on_where_it_broke_off():
    meter = ImageMeter()
    update(meter, verify=False)
    del meter.blocks[1], meter.blocks[3]
    meter.received.clear()
    report, _, _ = update(meter)
    assert meter.received == [1, 3]
    assert (report.kept, report.sent) == (3, 2)
    assert meter.image == IMAGE


def test_a_transfer_under_way_is_gone_on_with_without_initiating():
    meter = ImageMeter()
    update(meter, verify=False)
    del meter.blocks[2]
    meter.identity = "untouched"
    report, _, _ = update(meter, initiate=False, activate=False)
    assert meter.identity == "untouched"
    assert report.status is ImageStatus.VERIFIED
    assert meter.image == IMAGE


@pytest.mark.parametrize("size", [17, 30])
def test_nothing_is_added_to_another_image(size):
    meter = ImageMeter()
    if size == 30:
        update(meter, image=bytes(size), verify=False)
    with pytest.raises(RefusedError, match="under way"):
        update(meter, initiate=False)


def test_lost_blocks_are_sent_again():
    meter = ImageMeter()
    meter.lost.update({0: 1, 4: 2})
    report, _, _ = update(meter)
    assert meter.image == IMAGE
    assert meter.received == [0, 1, 2, 3, 4, 0, 4, 4]
    assert report.sent == 8


def test_a_block_that_never_arrives_ends_it():
    meter = ImageMeter()
    meter.lost.update({2: 99})
    with pytest.raises(RefusedError, match="1 of 5 image blocks"):
        update(meter)
    assert len(meter.received) == 9


def test_without_a_bitmap_the_first_missing_block_tells():
    meter = ImageMeter(has_bitmap=False)
    meter.lost.update({3: 1})
    report, _, _ = update(meter)
    assert meter.image == IMAGE
    assert report.sent == 7


def test_a_slow_verification_is_waited_for():
    meter = ImageMeter(polls=3)
    report, waits, _ = update(meter)
    assert report.status is ImageStatus.ACTIVATED
    assert len(waits) == 2


def test_a_verification_without_end_is_given_up():
    meter = ImageMeter(polls=10**9)
    waits = []
    with pytest.raises(OutcomeUnknown, match="verify"):
        run_steps(meter, image_steps(plan()), sleep=waits.append)
    assert len(waits) == POLLS_MAX


def test_a_failed_verification_is_told_and_nothing_activated():
    meter = ImageMeter(verifies=False)
    with pytest.raises(RefusedError, match="verify"):
        update(meter)
    assert meter.status is ImageStatus.VERIFICATION_FAILED


def test_it_stops_before_the_activation_where_told_so():
    meter = ImageMeter()
    report, _, _ = update(meter, activate=False)
    assert report.status is meter.status is ImageStatus.VERIFIED


def test_an_image_of_another_size_is_not_activated():
    meter = ImageMeter()
    meter._next = lambda: b"\x01\x01\x02\x03\x06\x00\x00\x00\x63\x09\x00\x09\x00"
    with pytest.raises(RefusedError, match="99 octets"):
        update(meter)
    assert meter.status is ImageStatus.VERIFIED


def test_a_meter_with_image_transfer_switched_off_is_left_alone():
    with pytest.raises(RefusedError, match="not enabled"):
        update(ImageMeter(enabled=False))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [(2, encode_double_long_unsigned(0)), (2, encode_double_long_unsigned(2**31)), (2, b"\x00"), (6, encode_enum(99))],
)
def test_answers_that_make_no_sense_are_the_peers_fault(attribute, value):
    meter = ImageMeter()
    honest = meter.get
    meter.get = lambda address, *rest: value if address.attribute == attribute else honest(address, *rest)
    with pytest.raises(PeerError):
        update(meter, initiate=attribute != 6)


def test_tiny_blocks_do_not_make_us_send_forever():
    with pytest.raises(PeerError, match="1000001"):
        update(ImageMeter(block_size=1), image=bytes(1_000_001))


def test_a_first_missing_block_beyond_the_image_is_refused():
    meter = ImageMeter(has_bitmap=False)
    meter._first = lambda: encode_unsigned(77)
    with pytest.raises(PeerError, match="77"):
        update(meter)


def test_a_lost_connection_says_what_to_do():
    meter = ImageMeter()

    def breaks(address, parameter=None):
        raise OutcomeUnknown("the connection broke")

    meter.action = breaks
    with pytest.raises(OutcomeUnknown, match="run it again"):
        update(meter)
    steps = image_steps(plan())
    assert isinstance(next(steps), Said)


def test_a_refusal_names_what_was_refused():
    meter = ImageMeter()
    meter._block = lambda parameter: DataAccessResult.HARDWARE_FAULT
    with pytest.raises(RefusedError, match="block 0 of 5: hardware fault"):
        update(meter)


def test_an_exception_response_passes_through():
    meter = ImageMeter()

    def refuses(address, *rest):
        raise ServiceRefused("exception state 1, service 2", state=1)

    meter.get = refuses
    with pytest.raises(ServiceRefused, match="exception"):
        update(meter)


def test_the_steps_can_be_driven_by_hand():
    steps = image_steps(plan())
    assert next(steps) == Said("asking the meter")
    step = next(steps)
    assert isinstance(step, Read)
    assert step.address.attribute == 5
    step = steps.send(b"\x03\x01")
    assert step.address.attribute == 2
    step = steps.send(encode_double_long_unsigned(16))
    assert isinstance(step, Invoke)
    assert step.address.method == 1
    assert Pause(2).seconds == 2


@pytest.mark.parametrize("changes", [{"image": b""}, {"identifier": b""}, {"identifier": bytes(200)}])
def test_a_plan_that_no_meter_takes_is_refused(changes):
    with pytest.raises(ConfigurationError):
        plan(**changes)


def test_m_bus_devices_have_an_object_of_their_channel():
    assert image_transfer_object(0).text == "0-0:44.0.0.255"
    assert image_transfer_object(2).text == "0-2:44.0.0.255"
    with pytest.raises(ConfigurationError, match="channel"):
        image_transfer_object(99)
