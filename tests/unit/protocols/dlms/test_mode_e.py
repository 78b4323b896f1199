"""The opening of an optical port, both ends under the test's own clock; and the readout for people."""

import pytest
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ENERGY, ExampleDevice

from meterworks.protocols.dlms import (
    Associate,
    AssociationOpened,
    ClientConnection,
    ClientEvent,
    Command,
    CountUp,
    Get,
    LineFormat,
    Release,
    ServerConnection,
    ValueReceived,
)
from meterworks.protocols.dlms.hdlc import HdlcFraming, HdlcSettings
from meterworks.protocols.dlms.mode_e import (
    SIGN_ON_LINE,
    DataSet,
    Identification,
    ModeEFraming,
    ModeEServerFraming,
    decode_readout,
)
from meterworks.protocols.errors import DecodeError, EncodeError, LinkLost

METER = Identification("MWK", "5", "EXAMPLE", has_mode_e=True)


class Port:
    """An optical port: octets arrive only where both ends have the same line."""

    def __init__(self, meter: Identification = METER, **settings: object) -> None:
        self.now = 0.0
        self.log: list[tuple[LineFormat | None, bytes]] = []
        self.client = ClientConnection(
            settings_for(16),
            CountUp(1),
            bytes,
            framing=ModeEFraming(**settings),  # type: ignore[arg-type]
        )
        framing = ModeEServerFraming(identification=meter, address="MWK7", inner=HdlcFraming(HdlcSettings()))
        self.server = ServerConnection(ExampleDevice(), bytes, framing=framing)
        self.is_echoing = False

    def execute(self, command: Command, until_s: float = 60.0) -> list[ClientEvent]:
        events: list[ClientEvent] = []
        output = self.client.send(command, self.now)
        while self.now < until_s:
            output = output or self.client.data_to_send(self.now)
            if output:
                events += self._exchange(output)
                output = b""
                continue
            deadlines = [
                each for each in (self.client.next_deadline(), self.server.next_deadline()) if each is not None
            ]
            if events or not deadlines:
                return events
            self.now = max(self.now, min(deadlines))
            back = self.server.advance(self.now)
            events += self.client.advance(self.now)
            events += self.client.receive(back, self.now)
        return events

    def _exchange(self, output: bytes) -> list[ClientEvent]:
        self.log.append((self.client.line, output))
        heard = output if self.client.line == self.server.line else b"\xf0\x0f" * 3
        if self.is_echoing:
            self.client.receive(output, self.now)
        back = self.server.receive(heard, self.now)
        return self.client.receive(back if heard is output else b"", self.now)


def test_port_opens_changes_its_speed_and_is_read() -> None:
    port = Port()
    assert isinstance(port.execute(Associate())[-1], AssociationOpened)
    assert [text for line, text in port.log if line == SIGN_ON_LINE] == [b"/?!\r\n", b"\x06252\r\n"]
    assert port.client.line == port.server.line == LineFormat(9600)
    assert isinstance(port.execute(Get(ENERGY))[-1], ValueReceived)
    assert port.now < 3


def test_head_that_gives_back_what_is_said_disturbs_nothing() -> None:
    port = Port()
    port.is_echoing = True
    assert isinstance(port.execute(Associate())[-1], AssociationOpened)


@pytest.mark.parametrize(("baud_max", "expected"), [(19200, 9600), (4800, 4800), (1000, 600)])
def test_speed_is_the_smaller(baud_max: int, expected: int) -> None:
    port = Port(baud_max=baud_max)
    port.execute(Associate())
    assert port.client.line == LineFormat(expected)


@pytest.mark.parametrize(("address", "answers"), [("", True), ("MWK7", True), ("MWK8", False)])
def test_meter_answers_to_its_name(address: str, answers: bool) -> None:
    port = Port(address=address)
    if answers:
        assert port.execute(Associate())
    else:
        with pytest.raises(LinkLost, match="3 sign-ons"):
            port.execute(Associate())


def test_meter_without_hdlc_is_told() -> None:
    port = Port(Identification("OLD", "5", "EXAMPLE", has_mode_e=False))
    with pytest.raises(LinkLost, match="does not speak HDLC"):
        port.execute(Associate())


def test_meter_listens_again_when_hdlc_has_ended() -> None:
    port = Port()
    port.execute(Associate())
    port.execute(Release())
    port.server.receive(port.client.close(port.now), port.now)
    deadline = port.server.next_deadline()
    assert deadline is not None
    port.server.advance(deadline)
    assert port.server.line == SIGN_ON_LINE
    assert port.server.receive(b"/?!\r\n", deadline) == b"/MWK5\\2EXAMPLE\r\n"


def test_meter_listens_again_when_hdlc_never_began() -> None:
    port = Port()
    port.server.receive(b"/?!\r\n\x06252\r\n", 0.0)
    for _ in range(2):
        deadline = port.server.next_deadline()
        assert deadline is not None
        port.server.advance(deadline)
    assert port.server.line == SIGN_ON_LINE


def test_altered_answer_is_asked_for_again() -> None:
    client = ClientConnection(settings_for(16), CountUp(1), bytes, framing=ModeEFraming())
    assert client.send(Associate()) == b"/?!\r\n"
    client.receive(b"noise /M?\r\n", 1.0)
    deadline = client.next_deadline()
    assert deadline is not None
    client.advance(deadline)
    assert client.data_to_send() == b"/?!\r\n"
    parity = bytes(octet | 0x80 for octet in b"/MWK5\\2EXAMPLE\r\n")  # a line without parity hardware
    client.receive(parity, deadline)
    assert client.data_to_send() == b"\x06252\r\n"


def test_noise_fills_no_memory() -> None:
    port = Port()
    for _ in range(100):
        assert port.server.receive(b"/?" * 500, 0.0) == b""
    assert port.server.receive(b"\r\n/?!\r\n", 0.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/MWK5\\2EXAMPLE", METER),
        ("/LGZ4\\2ZMD3104407.B32", Identification("LGZ", "4", "ZMD3104407.B32", has_mode_e=True)),
        ("/ISk5MT174-0001", Identification("ISk", "5", "MT174-0001", has_mode_e=False)),
        ("/ABC6\\@\\2X", Identification("ABC", "6", "X", has_mode_e=True)),
    ],
)
def test_identification_is_read(text: str, expected: Identification) -> None:
    assert Identification.from_text(text) == expected


@pytest.mark.parametrize("text", ["", "/", "/MWK", "/MWK9X", "MWK5X"])
def test_what_is_no_identification_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        Identification.from_text(text)


@pytest.mark.parametrize("settings", [{"address": "a!b"}, {"address": "1" * 33}, {"baud_max": 200}])
def test_opening_that_cannot_be_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(EncodeError):
        ModeEFraming(**settings)  # type: ignore[arg-type]


BLOCK = (
    b"\x02F.F(00000000)\r\n0.0.0(12345678)\r\n1.8.0(001234.5*kWh)\r\n0.9.1(12:30:00)\r\nP.01(2611)(15)(kW)\r\n!\r\n\x03"
)


def test_readout_for_people_is_read() -> None:
    check = 0
    for octet in BLOCK[1:]:
        check ^= octet
    rows = decode_readout(BLOCK + bytes((check,)))
    assert rows[0] == DataSet("F.F", (("00000000", None),))
    assert rows[2] == DataSet("1.8.0", (("001234.5", "kWh"),))
    assert rows[4] == DataSet("P.01", (("2611", None), ("15", None), ("kW", None)))
    assert len(rows) == 5
    with pytest.raises(DecodeError, match="check octet"):
        decode_readout(BLOCK + bytes((check ^ 1,)))


@pytest.mark.parametrize("octets", [b"", b"\x02abc", BLOCK, b"\x03\x02"])
def test_readout_cut_short_is_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_readout(octets)
