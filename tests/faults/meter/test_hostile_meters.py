"""The `meter` commands against meters that are slow, cut off, wrong or hostile: bounded, in plain words."""

import socket
import struct
import threading
import time

import pytest
from tests.faults.meter.scripted import AARE, AARQ, RELEASE, Scripted, denied, get_response, polite
from tests.integration.meter.conftest import command

from meterworks.protocols.dlms import CLOCK_OBJECT, encode_array, encode_octet_string, encode_wrapper
from meterworks.protocols.dlms.cosem import encode_object_list

CLOCK = "8/0.0.1.0.0.255/2"
PATIENCE_S = 5.0
CLOCK_COLUMN = encode_array([CLOCK_OBJECT.to_bytes()])


def read(server, *words, timeout_s=0.5):
    begun = time.monotonic()
    told = command("meter", "read", server.address, *words, "--no-cache", "--timeout-s", timeout_s)
    assert time.monotonic() - begun < PATIENCE_S
    assert "Traceback" not in told.errors
    return told


def silent(apdu, link):
    return None


def closes(apdu, link):
    link.shutdown(socket.SHUT_RDWR)


def garbage(apdu, link):
    link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def huge_header(apdu, link):
    link.sendall(struct.pack(">HHHH", 1, 1, 16, 0))


def other_addresses(apdu, link):
    link.sendall(encode_wrapper(7, 9, AARE))


@pytest.mark.parametrize(
    ("answer", "code"),
    [(silent, 4), (closes, 4), (garbage, 1), (huge_header, 1), (other_addresses, 1)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_meter_that_does_not_open_an_association(answer, code):
    with Scripted(answer) as server:
        assert read(server, CLOCK).exit_code == code


@pytest.mark.parametrize(
    ("aare", "code"),
    [
        ("6129a109060760857405080101a203020101a305a10302010d", 1),  # cut off
        ("6117a109060760857405080101a203020101a305a10302010d", 3),  # refused: authentication failure
        ("d80106", 3),
        ("d8010600000009", 3),
        ("0e010603", 1),
        ("c401c100090c07ea0b1405170a1e27000000", 1),
        ("61", 1),
        (AARE.hex()[:-4] + "00", 1),
    ],
)
def test_answers_to_an_association_request_that_are_wrong(aare, code):
    with Scripted(lambda apdu, link: bytes.fromhex(aare)) as server:
        told = read(server, CLOCK)
        assert told.exit_code == code
        assert told.errors


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (denied(), 3),
        (denied(250), 3),
        (b"\xd8\x01\x02", 3),
        (b"\xc4", 1),
        (b"\xc4\x01\xc1", 1),
        (b"\xc4\x01\xc7\x00\x00", 1),  # another invoke id
        (b"\xc4\x09\xc1\x00", 1),
        (b"\xcc\x00", 1),
        (b"\x99\x99", 1),
        (get_response(b"\x01\x82\xff\xff"), 1),  # an array of 65,535 in no octets
        (get_response(b"\x09\x84\xff\xff\xff\xff"), 1),
        (get_response(b"\x01\x01" * 40 + b"\x00"), 1),  # nested beyond reason
        (get_response(b"\x13\x02\x82\xff\xff" + b"\x00" * 20), 1),
        (get_response(b""), 1),
    ],
)
def test_answers_to_a_read_that_are_wrong(response, code):
    with Scripted(polite(lambda _: response)) as server:
        assert read(server, "--attribute", CLOCK).exit_code == code


@pytest.mark.parametrize("value", [b"\x00", b"\x02\x01\x00", encode_array([b"\x02\x01\x11\x05"]), b"\x09\x02ab"])
def test_an_object_list_that_is_none(value):
    with Scripted(polite(lambda _: get_response(value))) as server:
        told = read(server, "1.8.0")
        assert told.exit_code == 1
        assert told.errors


def test_an_empty_object_list_is_told():
    with Scripted(polite(lambda _: get_response(encode_object_list((), 1)))) as server:
        assert read(server, "1.8.0").exit_code == 2


def test_a_meter_that_sends_blocks_without_end_is_left():
    block = b"\xc4\x02\xc1\x00%b\x00\x82\x10\x00" + bytes(4096)

    def answer(apdu, link):
        if apdu[0] == AARQ:
            return AARE
        number = 1 if apdu[1] == 1 else int.from_bytes(apdu[3:7], "big") + 1
        return block.replace(b"%b", number.to_bytes(4, "big"))

    with Scripted(answer) as server:
        done = threading.Event()
        told = []

        def run():
            told.append(command("meter", "read", server.address, "--attribute", CLOCK, "--timeout-s", 0.5))
            done.set()

        threading.Thread(target=run, daemon=True).start()
        assert done.wait(60)
        assert told[0].exit_code == 1
        assert len(server.asked) > 100


def test_blocks_out_of_order_end_the_read():
    def answer(apdu, link):
        return AARE if apdu[0] == AARQ else b"\xc4\x02\xc1\x00\x00\x00\x00\x07\x00\x01\x00"

    with Scripted(answer) as server:
        assert read(server, "--attribute", CLOCK).exit_code == 1


def test_a_meter_that_trickles_octets_is_not_waited_for_without_end():
    def answer(apdu, link):
        if apdu[0] == AARQ:
            return AARE
        frame = encode_wrapper(1, 16, get_response(encode_octet_string(bytes(200))))
        for octet in frame:
            link.sendall(bytes((octet,)))
            time.sleep(0.05)
        return None

    with Scripted(answer) as server:
        begun = time.monotonic()
        told = read(server, "--attribute", CLOCK, timeout_s=0.4)
        assert told.exit_code == 4
        assert time.monotonic() - begun < 3


def test_a_meter_that_falls_silent_in_the_midst_is_told():
    def answer(apdu, link):
        return AARE if apdu[0] == AARQ else None

    with Scripted(answer) as server:
        told = read(server, "--attribute", CLOCK, timeout_s=0.2)
        assert told.exit_code == 4
        assert "0.2 s" in told.errors


@pytest.mark.parametrize("answer_to_release", [None, b"\x63\x09\x80", b"\xd8\x01\x01", b"\x99"])
def test_a_bad_answer_to_the_release_spoils_nothing(answer_to_release):
    def answer(apdu, link):
        if apdu[0] == RELEASE:
            return answer_to_release
        return AARE if apdu[0] == AARQ else get_response(b"\x11\x05")

    with Scripted(answer) as server:
        told = read(server, "--attribute", CLOCK, timeout_s=0.2)
        assert told.exit_code == 0
        assert told.json == 5


def test_pushes_in_between_are_not_taken_for_answers():
    push = encode_wrapper(1, 16, bytes.fromhex("0f00000001000203110112000511ff"))

    def answer(apdu, link):
        if apdu[0] == AARQ:
            return AARE
        link.sendall(push)
        return get_response(b"\x11\x07")

    with Scripted(answer) as server:
        told = read(server, "--attribute", CLOCK)
        assert (told.exit_code, told.json) == (0, 7)


# --- profiles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "buffer"),
    [
        (b"\x00", b"\x01\x00"),
        (b"\x01\x00", b"\x01\x01\x02\x00"),
        (b"\x01\x01\x02\x01\x00", b"\x01\x00"),
        (b"\x01\x01\x02\x04\x12\x00\x08\x09\x06\x00\x00\x01\x00\x00\xff\x0f\x02\x12\x00\x00", b"\x01\x01\x11\x05"),
        (
            b"\x01\x01\x02\x04\x12\x00\x08\x09\x06\x00\x00\x01\x00\x00\xff\x0f\x02\x12\x00\x00",
            b"\x01\x84\xff\xff\xff\xff",
        ),
    ],
)
def test_a_profile_that_makes_no_sense_is_the_meters_fault(columns, buffer):
    answers = {2: buffer, 3: columns, 4: b"\x06\x00\x00\x07\x08"}

    def values(descriptor):
        value = answers.get(descriptor[8])
        return denied() if value is None else get_response(value)

    with Scripted(polite(values)) as server:
        told = read(server, "--profile", "1.0.99.1.0.255")
        assert told.exit_code in (1, 2)
        assert told.errors


# --- what changes a meter -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "words"), [("write", ["8/0.0.1.0.0.255/2", "uint8:5"]), ("act", ["9/0.0.10.0.1.255/1"])]
)
def test_a_change_without_an_answer_is_of_unknown_outcome_and_not_tried_twice(verb, words):
    changes = []

    def answer(apdu, link):
        if apdu[0] == AARQ:
            return AARE
        if apdu[0] in (0xC1, 0xC3):
            changes.append(apdu)
            return None
        return get_response(b"\x11\x01")

    with Scripted(answer) as server:
        told = command("meter", verb, server.address, *words, "--yes", "--no-cache", "--timeout-s", 0.2)
        assert told.exit_code == 5
        assert "read it back" in told.errors
        assert len(changes) == 1
