"""Addresses of meters: what they say, and what is refused."""

import pytest

from meterworks.links import DLMS_PORT, BadTarget, MeterTarget, Transport


@pytest.mark.parametrize(
    ("text", "transport", "host", "port"),
    [
        ("tcp://meter.example:4060", Transport.TCP, "meter.example", 4060),
        ("127.0.0.1:4061", Transport.TCP, "127.0.0.1", 4061),
        ("meter.example", Transport.TCP, "meter.example", DLMS_PORT),
        ("udp://[::1]", Transport.UDP, "::1", DLMS_PORT),
    ],
)
def test_address_is_read(text: str, transport: Transport, host: str, port: int) -> None:
    target = MeterTarget.from_text(text)
    assert (target.transport, target.host, target.port) == (transport, host, port)
    assert MeterTarget.from_text(str(target)) == target


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://meter", "http is not one of"),
        ("tcp://:4059", "names no host"),
        ("tcp://meter:70000", "no address"),
        ("tcp://meter?speed=9", "speed is not a setting"),
    ],
)
def test_what_is_no_address_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BadTarget, match=reason):
        MeterTarget.from_text(text)
