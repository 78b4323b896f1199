"""Addresses of meters: what they say, and what is refused."""

import pytest

from meterworks.links import DLMS_PORT, BadTarget, MeterTarget, Transport
from meterworks.protocols.dlms import WRAPPER, ClientSettings, GatewayFraming, LineFormat
from meterworks.protocols.dlms.hdlc import HdlcFraming, HdlcSettings, LinkParameters
from meterworks.protocols.dlms.mode_e import SIGN_ON_LINE, ModeEFraming

WIDE = LinkParameters(information_transmit_max=512, information_receive_max=512, window_transmit=3, window_receive=3)


@pytest.mark.parametrize(
    ("text", "transport", "host", "port"),
    [
        ("tcp://meter.example:4060", Transport.TCP, "meter.example", 4060),
        ("127.0.0.1:4061", Transport.TCP, "127.0.0.1", 4061),
        ("meter.example", Transport.TCP, "meter.example", DLMS_PORT),
        ("udp://[::1]", Transport.UDP, "::1", DLMS_PORT),
        ("hdlc+tcp://meter.example:4061", Transport.TCP, "meter.example", 4061),
    ],
)
def test_address_is_read(text: str, transport: Transport, host: str, port: int) -> None:
    target = MeterTarget.from_text(text)
    assert (target.transport, target.host, target.port) == (transport, host, port)
    assert MeterTarget.from_text(str(target)) == target


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (MeterTarget(host="meter"), "tcp://meter:4059"),
        (MeterTarget(host="::1", port=1, transport=Transport.UDP), "udp://[::1]:1"),
        (MeterTarget(device="/dev/ttyS0", transport=Transport.SERIAL), "serial:///dev/ttyS0"),
    ],
)
def test_address_is_written(target: MeterTarget, text: str) -> None:
    assert str(target) == text


@pytest.mark.parametrize(
    ("text", "framing"),
    [
        ("tcp://meter", WRAPPER),
        ("hdlc+tcp://meter", HdlcFraming()),
        ("hdlc+tcp://meter?physical=17&address_size=4", HdlcFraming(HdlcSettings(physical=17, address_size=4))),
        ("hdlc+tcp://meter?information=512&window=3", HdlcFraming(HdlcSettings(parameters=WIDE))),
        ("hdlc+tcp://meter?timeout_s=0.5&retries=7", HdlcFraming(HdlcSettings(response_timeout_s=0.5, retries_max=7))),
        ("serial:///dev/ttyUSB0", HdlcFraming()),
        ("serial:///dev/ttyUSB0?mode_e=1&address=12", ModeEFraming(inner=HdlcFraming(), address="12")),
        ("tcp://meter?network_id=2&meter=4d574b", GatewayFraming(WRAPPER, 2, b"MWK")),
        ("hdlc+tcp://meter?meter=01", GatewayFraming(HdlcFraming(), 0, b"\x01")),
    ],
)
def test_settings_make_the_framing(text: str, framing: object) -> None:
    assert MeterTarget.from_text(text).framing == framing


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("serial:///dev/ttyUSB0", LineFormat(9600)),
        ("serial:///dev/ttyUSB0?baud=300&data_bits=7&parity=E", LineFormat(300, 7, "E")),
        ("serial:///dev/ttyUSB0?mode_e=1&baud=19200", SIGN_ON_LINE),
    ],
)
def test_serial_line_is_set_as_asked(text: str, line: LineFormat) -> None:
    target = MeterTarget.from_text(text)
    assert (target.device, target.line) == ("/dev/ttyUSB0", line)


def test_logical_addresses_take_the_place_of_those_of_the_settings() -> None:
    settings = MeterTarget.from_text("tcp://meter?client=1&server=5").settings_for(ClientSettings(client_sap=16))
    assert (settings.client_sap, settings.server_sap) == (1, 5)
    same = ClientSettings(client_sap=16)
    assert MeterTarget.from_text("tcp://meter").settings_for(same) is same
    assert MeterTarget.from_text("tcp://meter?client=1").settings_for(same).server_sap == same.server_sap


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://meter", "http is not one of"),
        ("tcp://:4059", "names no host"),
        ("serial://", "names no device"),
        ("tcp://meter:70000", "no address"),
        ("tcp://meter?speed=9", "speed is not a setting"),
        ("tcp://meter?physical=17", "physical is not a setting of tcp"),
        ("hdlc+tcp://meter?physical=many", "invalid literal"),
        ("hdlc+tcp://meter?physical=20000", "does not fit"),
        ("hdlc+tcp://meter?address_size=3", "3 octets"),
        ("hdlc+tcp://meter?information=9", "9 octets"),
        ("hdlc+tcp://meter?mode_e=yes", "neither 0 nor 1"),
        ("serial:///dev/ttyUSB0?parity=O", "parity 'O'"),
        ("tcp://meter?meter=xyz", "non-hexadecimal"),
        ("tcp://meter?network_id=256", "network 256"),
    ],
)
def test_what_is_no_address_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BadTarget, match=reason):
        MeterTarget.from_text(text)
