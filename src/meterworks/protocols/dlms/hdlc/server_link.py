"""The server's end of a line, the secondary station: one station for each client that talks to it.

A station is CLOSED until SNRM and OPEN until DISC, silence or a frame that cannot be; then the association over it goes
too. It speaks only when a frame with the poll bit gives it the turn. Whatever comes, a station answers with frames: DM
where no link stands, FRMR where a frame cannot be taken; the latter leaves it waiting for SNRM.
Source: IEC 62056-46, 6.4; ISO/IEC 13239, normal response mode; fact sheet section 5.
"""

from collections import deque
from typing import Final

from meterworks.protocols.dlms.framing import LineFormat, ServerFrame
from meterworks.protocols.dlms.hdlc import control
from meterworks.protocols.dlms.hdlc.address import HdlcAddress
from meterworks.protocols.dlms.hdlc.exchange import NumberedExchange
from meterworks.protocols.dlms.hdlc.frame import HdlcFrame, HdlcReader
from meterworks.protocols.dlms.hdlc.llc import LLC_SIZE, RESPONSE, without_llc
from meterworks.protocols.dlms.hdlc.parameter import read_parameters
from meterworks.protocols.dlms.hdlc.settings import HdlcSettings
from meterworks.protocols.errors import UnlawfulMessage

__all__ = ["HdlcServerLink"]

STATIONS_MAX: Final = 4  # clients with a link at one time; others are answered DM

# Reasons in a frame reject: unknown control field, information too long, acknowledgement of what was not sent.
REJECT_CONTROL: Final = 0x01
REJECT_LENGTH: Final = 0x04
REJECT_NUMBER: Final = 0x08


class _Station:
    """What the server knows of one client."""

    __slots__ = ("client", "exchange", "last_heard", "own", "reject", "taken_in_turn", "turn")

    def __init__(self, client: HdlcAddress) -> None:
        self.client = client
        self.own = client
        self.exchange: NumberedExchange | None = None  # None where no link stands
        self.reject: bytes | None = None  # the frame that answers all, until the link is opened anew
        self.turn: bytes | None = None  # what to say if nothing else is; None where it is not our turn
        self.taken_in_turn = 0
        self.last_heard = 0.0


class HdlcServerLink:
    """The server's end of one connection or line."""

    __slots__ = (
        "_frames",
        "_is_muted",
        "_now",
        "_output",
        "_reader",
        "_server_sap",
        "_settings",
        "_size_max",
        "_stations",
        "_torn_at",
    )

    def __init__(self, settings: HdlcSettings, server_sap: int, apdu_size_max: int) -> None:
        self._settings = settings
        self._server_sap = server_sap
        self._size_max = apdu_size_max + LLC_SIZE
        self._reader = HdlcReader()
        self._stations: dict[int, _Station] = {}
        self._frames: deque[tuple[ServerFrame, bool]] = deque()  # and whether it may be answered
        self._is_muted = False
        self._output: list[bytes] = []
        self._now = 0.0
        self._torn_at: float | None = None

    # --- what goes out ----------------------------------------------------------------------------------------------

    def send(self, client_sap: int, server_sap: int, apdu: bytes) -> bytes:
        """Take the answer to a client; it goes out with `data_to_send`, as far as the window reaches."""
        station = self._stations.get(client_sap)
        if station is not None and station.exchange is not None and not self._is_muted:
            station.exchange.enqueue(RESPONSE + apdu)
        return b""

    def data_to_send(self) -> bytes:
        """Give what the stations say that have the turn."""
        for station in self._stations.values():
            if station.turn is not None:
                self._say(station)
        output = b"".join(self._output)
        self._output.clear()
        return output

    def _say(self, station: _Station) -> None:
        """Use the turn of a station: its answer as far as the window reaches, or what it says without one."""
        if station.turn:
            self._output.append(station.turn)
        elif station.exchange is not None:
            self._output.append(station.exchange.turn())
        station.turn = None
        station.taken_in_turn = 0

    # --- time -------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Give the time at which `advance` must be called."""
        silence_s = self._settings.inactivity_s_max
        times = [each.last_heard + silence_s for each in self._stations.values() if each.exchange is not None]
        if self._torn_at is not None:
            times.append(self._torn_at)
        return min(times, default=None)

    def advance(self, now: float) -> None:
        """End the links of clients that fell silent, and await torn frames no longer."""
        self._now = now
        if self._torn_at is not None and now >= self._torn_at:
            self._torn_at = None
            self._reader.give_up()
        for station in self._stations.values():
            if station.exchange is not None and now - station.last_heard >= self._settings.inactivity_s_max:
                self._end(station)

    @property
    def line(self) -> LineFormat | None:
        """None: the line stays as it is."""
        return None

    @property
    def has_link(self) -> bool:
        """Whether the link of any client stands."""
        return any(station.exchange is not None for station in self._stations.values())

    # --- what comes in ----------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take octets as they came."""
        self._now = now
        if data:
            self._reader.feed(data)

    def next_frame(self) -> ServerFrame | None:
        """Give the next whole APDU and its addresses; None in its place where a client's link has ended."""
        while not self._frames and (frame := self._reader.next_frame()) is not None:
            self._take(frame)
        if self._frames:
            frame_given, may_answer = self._frames.popleft()
            self._is_muted = not may_answer
            return frame_given
        self._torn_at = self._now + self._settings.inter_octet_s_max if self._reader.size > 1 else None
        return None

    def _take(self, frame: HdlcFrame) -> None:
        destination, source = frame.destination, frame.source
        if not destination.names(self._server_sap, self._settings.physical) or source.lower is not None:
            return  # for another station on the line, or from one
        kind = frame.control & ~control.POLL
        if kind == control.UI:
            self._take_unnumbered(frame)
            return
        if destination.is_broadcast:
            return  # all stations listen to unnumbered information only: they would answer all at once
        station = self._stations.get(source.upper)
        if station is None:
            if kind != control.SNRM or not self._has_place():
                self._answer_stranger(frame, kind)
                return
            station = self._stations[source.upper] = _Station(source)
        if station.turn is not None:
            self._say(station)  # it was given the turn before, and this frame comes after
        station.own = destination
        station.last_heard = self._now
        self._take_addressed(station, kind, frame)

    def _has_place(self) -> bool:
        """Whether one more client may have a link; those that have none any longer are forgotten."""
        if len(self._stations) >= STATIONS_MAX:
            self._stations = {sap: each for sap, each in self._stations.items() if each.exchange is not None}
        return len(self._stations) < STATIONS_MAX

    def _take_unnumbered(self, frame: HdlcFrame) -> None:
        """Take what is outside the numbers and gets no answer, from clients whose link stands: only they are known."""
        station = self._stations.get(frame.source.upper)
        apdu = without_llc(frame.information)
        if apdu and not frame.segmented and station is not None and station.exchange is not None:
            station.last_heard = self._now
            self._frames.append(((station.client.upper, self._server_sap, apdu), False))

    def _answer_stranger(self, frame: HdlcFrame, kind: int) -> None:
        if frame.control & control.POLL and kind not in (control.UA, control.DM, control.FRMR):
            self._output.append(_unnumbered(frame.destination, frame.source, control.DM))

    def _take_addressed(self, station: _Station, kind: int, frame: HdlcFrame) -> None:
        if kind == control.SNRM:
            self._open(station, frame)
        elif kind == control.DISC:
            answer = control.DM if station.exchange is None and station.reject is None else control.UA
            self._end(station)
            self._reply(station, frame, _unnumbered(station.own, station.client, answer))
        elif station.reject is not None:
            self._reply(station, frame, station.reject)
        elif station.exchange is None:
            self._answer_stranger(frame, kind)
        elif control.is_information(frame.control) or control.is_supervisory(frame.control):
            self._take_numbered(station, station.exchange, frame)
        elif kind not in (control.UA, control.DM, control.FRMR):
            self._reject(station, frame, REJECT_CONTROL)

    def _open(self, station: _Station, frame: HdlcFrame) -> None:
        """Open the link, anew if it stood; the answer tells what holds."""
        self._end(station)
        agreed = self._settings.parameters.agreed_with(read_parameters(frame.information))
        station.exchange = NumberedExchange(station.own, station.client, agreed, self._size_max)
        answer = HdlcFrame(station.client, station.own, control.UA | control.POLL, agreed.to_bytes())
        self._reply(station, frame, answer.to_bytes())

    def _end(self, station: _Station) -> None:
        if station.exchange is not None:
            self._frames.append(((station.client.upper, self._server_sap, None), False))
        station.exchange = None
        station.reject = None
        station.turn = None
        station.taken_in_turn = 0

    def _take_numbered(self, station: _Station, exchange: NumberedExchange, frame: HdlcFrame) -> None:
        octet = frame.control
        is_refusing = not exchange.has_room or station.taken_in_turn >= exchange.window_receive
        try:
            exchange.acknowledge(control.receive_number(octet))
        except UnlawfulMessage:
            self._reject(station, frame, REJECT_NUMBER)
            return
        if control.is_information(octet) and not is_refusing:
            station.taken_in_turn += 1
            if not self._take_information(station, exchange, frame):
                return
        if octet & control.POLL:
            has_no_room = octet & control.SUPERVISORY == control.RNR  # then it gets no information from us
            kind = control.RNR if is_refusing else control.RR
            station.turn = exchange.ready(kind) if has_no_room or is_refusing else b""

    def _take_information(self, station: _Station, exchange: NumberedExchange, frame: HdlcFrame) -> bool:
        """Take an information frame; False where it had to be rejected."""
        if len(frame.information) > exchange.information_receive_max:
            self._reject(station, frame, REJECT_LENGTH)
            return False
        try:
            message = exchange.take(control.send_number(frame.control), frame)
        except UnlawfulMessage:
            self._reject(station, frame, REJECT_LENGTH)
            return False
        apdu = b"" if message is None else without_llc(message)
        if apdu:
            self._frames.append(((station.client.upper, self._server_sap, apdu), True))
        return True

    def _reject(self, station: _Station, frame: HdlcFrame, reason: int) -> None:
        """Refuse a frame; the link has ended with it, and only SNRM opens it again."""
        self._end(station)
        information = bytes((frame.control, 0, reason))
        answer = HdlcFrame(station.client, station.own, control.FRMR | control.POLL, information).to_bytes()
        station.reject = answer
        self._reply(station, frame, answer)

    def _reply(self, station: _Station, frame: HdlcFrame, answer: bytes) -> None:
        """Answer a frame that gave us the turn."""
        if frame.control & control.POLL:
            self._output.append(answer)


def _unnumbered(own: HdlcAddress, client: HdlcAddress, kind: int) -> bytes:
    return HdlcFrame(client, own, kind | control.POLL).to_bytes()
