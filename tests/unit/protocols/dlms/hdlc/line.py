"""A line between a client and a server under the test's own clock, on which frames can be lost, repeated or altered."""

from collections.abc import Callable

from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ExampleDevice

from meterworks.protocols.dlms import ClientConnection, ClientEvent, Command, CountUp, ServerConnection
from meterworks.protocols.dlms.hdlc import HdlcFrame, HdlcFraming, HdlcReader, HdlcSettings

Fault = Callable[[bytes], list[bytes]]
"""What becomes of a frame on the line: nothing, itself, several, or something else."""

STEPS_MAX = 20_000


def intact(frame: bytes) -> list[bytes]:
    return [frame]


def frames_of(octets: bytes) -> list[HdlcFrame]:
    """Give the frames of octets that hold nothing else."""
    reader = HdlcReader()
    reader.feed(octets)
    frames = []
    while (frame := reader.next_frame()) is not None:
        frames.append(frame)
    assert not reader.dropped, "something was sent that is no frame"
    return frames


class Line:
    """A client and a server, each with a link, and what passes between them."""

    def __init__(
        self,
        settings: HdlcSettings,
        *,
        server_settings: HdlcSettings | None = None,
        client_sap: int = 16,
        device: ExampleDevice | None = None,
    ) -> None:
        self.now = 0.0
        self.device = device or ExampleDevice()
        self.client = ClientConnection(
            settings_for(client_sap), CountUp(100), lambda size: b"C" * size, framing=HdlcFraming(settings)
        )
        self.server = ServerConnection(
            self.device, lambda size: b"S" * size, framing=HdlcFraming(server_settings or settings)
        )
        self.to_server: Fault = intact
        self.to_client: Fault = intact
        self.passed: list[HdlcFrame] = []  # what the two said, before any fault

    def execute(self, command: Command) -> list[ClientEvent]:
        """Let a command run to its end: until nothing is on its way and nothing waits for time."""
        events: list[ClientEvent] = []
        output = self.client.send(command, self.now) + self.client.data_to_send(self.now)
        for _ in range(STEPS_MAX):
            if output:
                events += self._exchange(output)
            elif (deadline := self.client.next_deadline()) is not None:
                self.now = max(self.now, deadline)
                events += self.client.advance(self.now)
            else:
                return events
            output = self.client.data_to_send(self.now)
        raise AssertionError("the line never falls silent")

    def _exchange(self, output: bytes) -> list[ClientEvent]:
        arrived = self._through(output, self.to_server)
        answer = self.server.receive(arrived, self.now)
        while self.server.has_more:
            answer += self.server.receive(b"", self.now)
        back = self._through(answer, self.to_client)
        return self.client.receive(back, self.now) if back else []

    def _through(self, octets: bytes, fault: Fault) -> bytes:
        arrived = []
        for frame in frames_of(octets):
            self.passed.append(frame)
            arrived += fault(frame.to_bytes())
        return b"".join(arrived)
