"""What a tap is told: octets as they are, by direction, with both ends and the time."""

import time

import pytest

from meterworks.links import Tapped, Transport
from meterworks.links.tap import Recorder


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("127.0.0.1", 4059), ("127.0.0.1", 4059)),
        (("::1", 4059, 0, 0), ("::1", 4059)),
        ("/dev/ttyUSB0", ("/dev/ttyUSB0", 0)),
        (None, ("", 0)),
        (("host",), ("", 0)),
    ],
)
def test_ends_are_addresses_and_ports(given: object, expected: tuple[str, int]) -> None:
    heard: list[Tapped] = []
    Recorder(heard.append, Transport.TCP, given, given).sent(b"\x01")
    assert heard[0].local == heard[0].remote == expected


def test_octets_keep_their_order_direction_and_time() -> None:
    heard: list[Tapped] = []
    recorder = Recorder(heard.append, Transport.SERIAL, "/dev/ttyS0", None)
    before_s = time.time()
    recorder.sent(b"question")
    recorder.received(b"answer")
    after_s = time.time()
    assert [(each.direction, each.octets) for each in heard] == [("sent", b"question"), ("received", b"answer")]
    assert before_s <= heard[0].time_s <= heard[1].time_s <= after_s
    assert {each.transport for each in heard} == {Transport.SERIAL}
