"""APDUs as they are, over any framing and without an association: for looking at what a meter answers below it."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from meterworks.errors import MeterworksError
from meterworks.links.blocking_link import BlockingLink, open_link
from meterworks.links.errors import ConnectionLost, NoAnswer
from meterworks.links.tap import Recorder, Tap
from meterworks.links.target import MeterTarget
from meterworks.protocols.dlms import LineFormat

__all__ = ["ApduLink"]

APDU_SIZE_MAX: Final = 0xFFFF
WAIT_S_MIN: Final = 0.0005  # a deadline that is due just now still lets arrived octets be read

_Given = TypeVar("_Given")


class ApduLink:
    """A blocking link between one client address and one server address that carries whole APDUs.

    Use it as `with ApduLink.open(...) as link`, which closes it. Every wait ends after `timeout_s`.
    """

    def __init__(
        self, carrier: BlockingLink, target: MeterTarget, client_sap: int, server_sap: int, timeout_s: float
    ) -> None:
        """Use `open`."""
        self._carrier = carrier
        self._link = target.framing.client_link(client_sap, server_sap, APDU_SIZE_MAX)
        self._timeout_s = timeout_s
        self._line: LineFormat | None = None
        self._recorder: Recorder | None = None

    @classmethod
    def open(
        cls,
        target: MeterTarget,
        client_sap: int,
        server_sap: int,
        *,
        timeout_s: float = 10.0,
        tap: Tap | None = None,
    ) -> "ApduLink":
        """Connect wherever the target is. tap: is shown all octets. Raises ConnectFailed, BadTarget."""
        carrier = open_link(target, timeout_s=timeout_s)
        link = cls(carrier, target, client_sap, server_sap, timeout_s)
        if tap is not None:
            link._recorder = Recorder(tap, target.transport, *carrier.ends)
        return link

    def __enter__(self) -> "ApduLink":
        """Give the link."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; may be called more than once."""
        self._carrier.close()

    def exchange(self, apdu: bytes) -> bytes:
        """Send an APDU and give the next that comes. Raises NoAnswer, ConnectionLost, PeerError."""
        self.send(apdu)
        return self.receive()

    def send(self, apdu: bytes) -> None:
        """Send an APDU, as far as the framing lets it out before an answer. Raises ConnectionLost."""
        self._guard(lambda: self._write(self._link.send(apdu, time.monotonic())))

    def receive(self) -> bytes:
        """Give the next APDU. Raises NoAnswer where none comes in time, ConnectionLost, PeerError."""
        return self._guard(self._receive)

    def _guard(self, work: Callable[[], _Given]) -> _Given:
        try:
            return work()
        except TimeoutError as error:
            self.close()
            raise NoAnswer(f"no answer within {self._timeout_s:g} s") from error
        except OSError as error:
            self.close()
            raise ConnectionLost(f"the connection broke: {error}") from error
        except MeterworksError:
            self.close()
            raise

    def _receive(self) -> bytes:
        ends_s = time.monotonic() + self._timeout_s
        while True:
            apdu = self._link.next_apdu()
            if apdu is not None:
                self._write(self._link.data_to_send())
                return apdu
            self._write(self._link.data_to_send())
            self._wait(ends_s)

    def _wait(self, ends_s: float) -> None:
        """Wait for octets, for a deadline of the framing, or for the end of our patience."""
        now = time.monotonic()
        if now >= ends_s:
            raise TimeoutError
        due = self._link.next_deadline()
        left_s = (ends_s if due is None else min(due, ends_s)) - now
        try:
            data = self._carrier.receive(max(left_s, WAIT_S_MIN))
        except TimeoutError:
            self._link.advance(time.monotonic())
            return
        except BlockingIOError:
            return  # woken for nothing
        if data:
            if self._recorder is not None:
                self._recorder.received(data)
            self._link.receive(data, time.monotonic())

    def _write(self, data: bytes) -> None:
        line = self._link.line
        if line is not None and line != self._line:
            self._line = line
            self._carrier.set_line(line)
        if data:
            self._carrier.send(data, self._timeout_s)
            if self._recorder is not None:
                self._recorder.sent(data)
