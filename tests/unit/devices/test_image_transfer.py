"""Image transfer at the meter: every step of the standard's procedure, interruptions, and what is refused."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.devices.conftest import READER, TITLE

from meterworks.devices import FleetState, ImageRefused, build_image
from meterworks.devices.image_store import IMAGE_SIZE_MAX
from meterworks.devices.image_transfer import IMAGE_BLOCK_SIZE, VERIFIED_OCTETS_PER_S, ImageStatus
from meterworks.protocols.dlms import (
    ANY,
    ActionResult,
    BitString,
    CosemDate,
    CosemDateTime,
    CosemTime,
    DataAccessResult,
    encode_array,
    encode_boolean,
    encode_double_long_unsigned,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
)

IMAGE, SCRIPT, LOG = "0.0.44.0.0.255", "0.0.10.0.107.255", "0.0.99.98.0.255"
METROLOGY, MANAGEMENT, METROLOGY_CHECKSUM = "1.0.0.2.0.255", "1.0.0.2.1.255", "1.0.0.2.8.255"
INITIATE, BLOCK, VERIFY, ACTIVATE = 1, 2, 3, 4
OK, BUSY, OTHER, DENIED = (
    ActionResult.SUCCESS,
    ActionResult.TEMPORARY_FAILURE,
    ActionResult.OTHER_REASON,
    ActionResult.READ_WRITE_DENIED,
)
NAME = b"MWM-2.0.0.bin"
SMALL = build_image("metrology", "MWM-2.0.0", random.Random(1).randbytes(4000))
LARGE = build_image("management", "MWC-7", random.Random(2).randbytes(3 * VERIFIED_OCTETS_PER_S))


def initiate(bench, image=SMALL, name=NAME):
    return bench.act(
        IMAGE, INITIATE, encode_structure(encode_octet_string(name), encode_double_long_unsigned(len(image)))
    )


def block(image, number):
    return image[number * IMAGE_BLOCK_SIZE : (number + 1) * IMAGE_BLOCK_SIZE]


def send(bench, number, octets):
    return bench.act(IMAGE, BLOCK, encode_structure(encode_double_long_unsigned(number), encode_octet_string(octets)))


def count(image):
    return -(-len(image) // IMAGE_BLOCK_SIZE)


def transfer(bench, image=SMALL, name=NAME):
    assert initiate(bench, image, name) == OK
    for number in range(count(image)):
        assert send(bench, number, block(image, number)) == OK


def status(bench):
    return ImageStatus(bench.read(IMAGE, 6))


def events(bench):
    return [row[1] for row in bench.read(LOG)]


def test_the_whole_procedure(bench):
    assert bench.read(IMAGE, 5) is True
    assert bench.read(IMAGE, 2) == IMAGE_BLOCK_SIZE
    before = bench.read(METROLOGY_CHECKSUM)
    transfer(bench)
    assert bench.read(IMAGE, 4) == count(SMALL)
    assert bench.act(IMAGE, VERIFY) == OK
    assert bench.read(IMAGE, 7) == [(len(SMALL), NAME, SMALL[-32:])]
    assert bench.act(IMAGE, ACTIVATE) == OK
    assert status(bench) is ImageStatus.ACTIVATED
    assert bench.read(METROLOGY) == b"MWM-2.0.0"
    assert bench.read(MANAGEMENT) == b"MWC-1.0.0"
    assert bench.read(METROLOGY_CHECKSUM) != before
    assert events(bench) == [17, 18]


def test_blocks_may_come_in_any_order_and_twice(bench):
    initiate(bench)
    shown = []
    for number in (3, 0, 0, 2, 1):
        assert send(bench, number, block(SMALL, number)) == OK
        shown.append((bench.read(IMAGE, 3), bench.read(IMAGE, 4)))
    assert shown == [
        (BitString(4, b"\x10"), 0), (BitString(4, b"\x90"), 1), (BitString(4, b"\x90"), 1), (BitString(4, b"\xb0"), 1),
        (BitString(4, b"\xf0"), 4),
    ]  # fmt: skip
    assert bench.act(IMAGE, VERIFY) == OK


def test_verifying_a_large_image_takes_time(bench):
    transfer(bench, LARGE)
    assert bench.act(IMAGE, VERIFY) == BUSY
    assert status(bench) is ImageStatus.VERIFICATION_INITIATED
    assert [bench.act(IMAGE, VERIFY), bench.act(IMAGE, ACTIVATE), initiate(bench), send(bench, 0, b"")] == [BUSY] * 4
    bench.hand.epoch_s += 2
    assert status(bench) is ImageStatus.VERIFICATION_INITIATED
    bench.hand.epoch_s += 1
    assert status(bench) is ImageStatus.VERIFIED
    assert bench.act(IMAGE, VERIFY) == OK
    assert bench.act(IMAGE, ACTIVATE) == OK
    assert bench.read(MANAGEMENT) == b"MWC-7"


def test_activating_what_was_not_verified_verifies_first(bench):
    transfer(bench, LARGE)
    assert bench.act(IMAGE, ACTIVATE) == BUSY
    bench.hand.epoch_s += 10
    assert bench.act(IMAGE, ACTIVATE) == OK
    transfer(bench, SMALL)
    assert bench.act(IMAGE, ACTIVATE) == OK
    assert [bench.read(METROLOGY), bench.read(MANAGEMENT)] == [b"MWM-2.0.0", b"MWC-7"]


def test_the_script_activates(bench):
    transfer(bench)
    assert bench.act(SCRIPT, 1, encode_long_unsigned(2)) == OTHER
    assert bench.act(SCRIPT, 1, encode_long_unsigned(1)) == OK
    assert bench.read(METROLOGY) == b"MWM-2.0.0"


def test_an_image_with_a_hole_is_not_verified(bench):
    initiate(bench)
    for number in (0, 1, 3):
        send(bench, number, block(SMALL, number))
    assert bench.act(IMAGE, VERIFY) == OTHER
    assert bench.act(IMAGE, ACTIVATE) == OTHER
    assert status(bench) is ImageStatus.INITIATED
    assert bench.read(IMAGE, 4) == 2


def test_a_damaged_image_fails_and_can_be_put_right(bench):
    initiate(bench)
    for number in range(4):
        octets = block(SMALL, number)
        send(bench, number, bytes([octets[0] ^ 1]) + octets[1:] if number == 2 else octets)
    assert bench.act(IMAGE, VERIFY) == OTHER
    assert status(bench) is ImageStatus.VERIFICATION_FAILED
    assert bench.read(IMAGE, 7) == []
    assert send(bench, 2, block(SMALL, 2)) == OK
    assert status(bench) is ImageStatus.INITIATED
    assert bench.act(IMAGE, VERIFY) == OK
    assert events(bench) == [51, 17]


def test_initiating_the_same_image_goes_on_and_another_begins_anew(bench):
    initiate(bench)
    send(bench, 0, block(SMALL, 0))
    assert initiate(bench) == OK
    assert bench.read(IMAGE, 4) == 1
    assert initiate(bench, name=b"another") == OK
    assert bench.read(IMAGE, 4) == 0


def test_a_restart_in_the_middle_loses_nothing(make_bench, tmp_path):
    path = tmp_path / "fleet.state"
    bench = make_bench(state=FleetState(path, [TITLE]))
    initiate(bench)
    send(bench, 2, block(SMALL, 2))
    send(bench, 0, block(SMALL, 0))
    bench.view.state.close()
    bench = make_bench(state=FleetState(path, [TITLE]))
    assert bench.read(IMAGE, 3) == BitString(4, b"\xa0")
    assert initiate(bench) == OK
    for number in (1, 3):
        send(bench, number, block(SMALL, number))
    assert bench.act(IMAGE, VERIFY) == OK
    bench.view.state.close()
    bench = make_bench(state=FleetState(path, [TITLE]))
    assert status(bench) is ImageStatus.VERIFIED
    assert bench.act(IMAGE, ACTIVATE) == OK
    bench.view.state.close()
    bench = make_bench(state=FleetState(path, [TITLE]))
    assert (status(bench), bench.read(METROLOGY)) == (ImageStatus.ACTIVATED, b"MWM-2.0.0")
    assert list((tmp_path / "fleet.images").iterdir()) == []
    bench.view.state.close()


def test_what_was_changed_on_the_disk_after_verification_is_not_activated(make_bench, tmp_path):
    bench = make_bench(state=FleetState(tmp_path / "fleet.state", [TITLE]))
    transfer(bench)
    bench.act(IMAGE, VERIFY)
    (file,) = (tmp_path / "fleet.images").iterdir()
    octets = bytearray(file.read_bytes())
    octets[100] ^= 1
    file.write_bytes(octets)
    assert bench.act(IMAGE, ACTIVATE) == OTHER
    assert status(bench) is ImageStatus.ACTIVATION_FAILED
    assert bench.read(METROLOGY) == b"MWM-1.0.0"
    bench.view.state.close()


def test_a_disk_that_refuses_is_a_fault_of_the_meter(make_bench, tmp_path):
    (tmp_path / "fleet.images").write_bytes(b"in the way")
    bench = make_bench(state=FleetState(tmp_path / "fleet.state", [TITLE]))
    assert initiate(bench) == ActionResult.HARDWARE_FAULT
    bench.view.state.close()


def test_a_verifier_that_was_handed_in_decides(make_bench):
    asked = []

    class Never:
        def verify(self, identifier, image):
            asked.append((identifier, len(image)))
            raise ImageRefused("unsigned")

    bench = make_bench(state=FleetState(None, [TITLE], image_verifier=Never()))
    transfer(bench)
    assert bench.act(IMAGE, VERIFY) == OTHER
    assert asked == [(NAME, len(SMALL))]
    assert status(bench) is ImageStatus.VERIFICATION_FAILED


def test_switched_off_nothing_goes(bench):
    transfer(bench)
    assert bench.write(IMAGE, 5, encode_boolean(False)) == DataAccessResult.SUCCESS
    assert bench.read(IMAGE, 5) is False
    refused = [initiate(bench), send(bench, 0, block(SMALL, 0)), bench.act(IMAGE, VERIFY), bench.act(IMAGE, ACTIVATE)]
    assert refused == [DENIED] * 4
    assert bench.act(SCRIPT, 1, encode_long_unsigned(1)) == DENIED


@pytest.mark.parametrize(
    ("number", "octets", "result"),
    [
        (4, b"x", OTHER), (2**32 - 1, b"x" * IMAGE_BLOCK_SIZE, OTHER), (0, b"short", OTHER),
        (0, b"x" * (IMAGE_BLOCK_SIZE + 1), OTHER), (3, b"x" * IMAGE_BLOCK_SIZE, OTHER),
    ],
)  # fmt: skip
def test_blocks_of_the_wrong_size_or_number_are_refused(bench, number, octets, result):
    initiate(bench)
    assert send(bench, number, octets) == result
    assert bench.read(IMAGE, 3) == BitString(4, b"\0")


@pytest.mark.parametrize("name", [b"", b"x" * 65])
def test_a_name_nobody_would_give_is_refused(bench, name):
    assert initiate(bench, name=name) == OTHER


@pytest.mark.parametrize("size", [0, IMAGE_SIZE_MAX + 1, 2**32 - 1])
def test_a_size_no_meter_has_room_for_is_refused(bench, size):
    parameter = encode_structure(encode_octet_string(NAME), encode_double_long_unsigned(size))
    assert bench.act(IMAGE, INITIATE, parameter) == OTHER


@pytest.mark.parametrize("method", [INITIATE, BLOCK])
def test_parameters_of_another_shape_are_unmatched(bench, method):
    assert bench.act(IMAGE, method, encode_structure()) == ActionResult.TYPE_UNMATCHED


@pytest.mark.parametrize("method", [BLOCK, VERIFY, ACTIVATE])
def test_before_the_transfer_begins_nothing_can_be_done(bench, method):
    parameter = encode_structure(encode_double_long_unsigned(0), encode_octet_string(b"x"))
    assert bench.act(IMAGE, method, parameter) == OTHER
    assert status(bench) is ImageStatus.NOT_INITIATED
    assert bench.read(IMAGE, 3) == BitString(0, b"")
    assert bench.read(IMAGE, 4) == 0


def test_activating_twice_is_refused(bench):
    transfer(bench)
    assert [bench.act(IMAGE, ACTIVATE), bench.act(IMAGE, ACTIVATE)] == [OK, OTHER]
    assert bench.read(IMAGE, 4) == count(SMALL)


def test_only_management_may_touch_it(bench):
    assert bench.act(IMAGE, VERIFY, client=READER) == DENIED
    assert bench.raw(IMAGE, 6, client=READER) == DataAccessResult.READ_WRITE_DENIED


def test_a_meter_that_is_not_updated_keeps_nothing(bench):
    assert bench.read(IMAGE, 6) == 0
    assert not list(bench.view.state.overlay.meters())


def test_a_set_time_activates_the_image_though_nobody_asks(bench):
    transfer(bench)
    assert bench.act(IMAGE, VERIFY) == OK
    at = datetime.fromtimestamp(bench.hand.epoch_s, UTC) + timedelta(hours=2)
    time = CosemTime(at.hour, at.minute, 0, 0).to_bytes()
    date = CosemDate(at.year, at.month, at.day, ANY).to_bytes()
    row = encode_structure(encode_octet_string(time), encode_octet_string(date))
    assert bench.write("0.0.15.0.2.255", 4, encode_array([row])) == DataAccessResult.SUCCESS
    bench.hand.epoch_s += 7200 - 60
    assert bench.read(METROLOGY) == b"MWM-1.0.0"
    bench.hand.epoch_s += 86_400
    assert bench.read(METROLOGY) == b"MWM-2.0.0"
    activated = CosemDateTime.from_bytes(bench.read(LOG)[-1][0]).to_datetime()
    assert activated == at.replace(second=0, microsecond=0)


def test_an_activated_image_can_be_transferred_once_more(bench):
    for _ in range(2):
        transfer(bench)
        assert bench.act(IMAGE, ACTIVATE) == OK
    assert events(bench) == [17, 18, 17, 18]
