"""The client's end of a link, the primary station: it opens, asks, repeats and gives up.

    CLOSED ── first APDU: SNRM ──▶ OPENING ── UA ──▶ OPEN ──▶ ENDED    (DM, FRMR, unanswered, or we sent DISC)

The link opens by itself with the first APDU, which waits until then. We have the turn until a frame with the poll bit
goes out; then the server has it until one with the final bit comes, or until as many frames came as we let it send.
What is not answered in time is sent again; after `retries_max` times the server is given up.
Source: IEC 62056-46, 6.4; fact sheet section 5.
"""

from collections import deque
from enum import Enum
from typing import Final

from meterworks.protocols.dlms.framing import LineFormat
from meterworks.protocols.dlms.hdlc import control
from meterworks.protocols.dlms.hdlc.address import HdlcAddress
from meterworks.protocols.dlms.hdlc.exchange import NumberedExchange
from meterworks.protocols.dlms.hdlc.frame import HdlcFrame, HdlcReader
from meterworks.protocols.dlms.hdlc.llc import COMMAND, LLC_SIZE, RESPONSE, without_llc
from meterworks.protocols.dlms.hdlc.parameter import DEFAULT_PARAMETERS, read_parameters
from meterworks.protocols.dlms.hdlc.settings import HdlcSettings
from meterworks.protocols.errors import LinkLost, StateError, UnlawfulMessage

__all__ = ["HdlcClientLink"]

POLL_PAUSE_S: Final = 0.1  # before a server that has no answer yet, or no room, is asked again
POLLS_MAX: Final = 600  # of a server that answers but has nothing to say
ECHO: Final = frozenset({control.SNRM, control.DISC})


class _State(Enum):
    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    ENDED = "ended"


class HdlcClientLink:
    """A link from a client to one server. progress: grows with each frame that brings a transfer forward."""

    __slots__ = (
        "_apdus",
        "_deadline",
        "_exchange",
        "_has_polled",
        "_is_asking",
        "_now",
        "_output",
        "_own",
        "_pauses",
        "_peer",
        "_polls",
        "_reader",
        "_repetitions",
        "_settings",
        "_size_max",
        "_state",
        "_taken_in_turn",
        "_torn_at",
        "_waiting",
        "progress",
    )

    def __init__(self, settings: HdlcSettings, client_sap: int, server_sap: int, apdu_size_max: int) -> None:
        self._settings = settings
        self._own = HdlcAddress(client_sap)
        self._peer = HdlcAddress.of_server(server_sap, settings.physical, settings.address_size)
        self._size_max = apdu_size_max + LLC_SIZE
        self._state = _State.CLOSED
        self._reader = HdlcReader()
        self._exchange = self._new_exchange(b"")
        self._waiting: list[bytes] = []  # messages that wait for the link to open
        self._apdus: deque[bytes] = deque()
        self._output: list[bytes] = []
        self._now = 0.0
        self._deadline: float | None = None  # for the server's answer, or for our next question
        self._torn_at: float | None = None  # when the rest of a frame that has begun is not awaited any longer
        self._pauses = False
        self._has_polled = False  # whether our last turn only asked how far the server is
        self._is_asking = False  # whether an answer to an APDU is awaited
        self._repetitions = 0
        self._polls = 0
        self._taken_in_turn = 0
        self.progress = 0

    def _new_exchange(self, information: bytes) -> NumberedExchange:
        agreed = self._settings.parameters.agreed_with(read_parameters(information))
        return NumberedExchange(self._own, self._peer, agreed, self._size_max)

    # --- what goes out ----------------------------------------------------------------------------------------------

    def send(self, apdu: bytes, now: float) -> bytes:
        """Take an APDU; its first frames, or the request to open the link, come with `data_to_send`."""
        if self._state is _State.ENDED:
            raise StateError("the link has ended: connect anew")
        self._now = now
        message = COMMAND + apdu
        self._is_asking = True
        self._polls = 0
        if self._state is _State.OPEN:
            self._exchange.enqueue(message)
            self._hand_over(self._exchange.turn())
            return b""
        self._waiting.append(message)
        if self._state is _State.CLOSED:
            self._state = _State.OPENING
            self._hand_over(self._opening())
        return b""

    def _opening(self) -> bytes:
        """Give SNRM; sizes other than the default ones stand in it."""
        parameters = self._settings.parameters
        information = b"" if parameters == DEFAULT_PARAMETERS else parameters.to_bytes()
        return HdlcFrame(self._peer, self._own, control.SNRM | control.POLL, information).to_bytes()

    def _hand_over(self, frames: bytes) -> None:
        """Send the frames of our turn and await the server's."""
        self._output.append(frames)
        self._taken_in_turn = 0
        self._pauses = False
        self._has_polled = False
        self._deadline = self._now + self._settings.response_timeout_s

    def data_to_send(self) -> bytes:
        """Give what is to be sent, once."""
        if not self._output:
            return b""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def close(self, now: float) -> bytes:
        """Give the frame that ends the link; the answer is not awaited."""
        was_open = self._state in (_State.OPEN, _State.OPENING)
        self._end()
        self._output.clear()
        if not was_open:
            return b""
        return HdlcFrame(self._peer, self._own, control.DISC | control.POLL).to_bytes()

    @property
    def line(self) -> LineFormat | None:
        """None: the line stays as it is."""
        return None

    def _end(self) -> None:
        self._state = _State.ENDED
        self._deadline = None
        self._torn_at = None

    # --- time -------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Give the time at which `advance` must be called."""
        if self._torn_at is None or self._deadline is None:
            return self._torn_at if self._deadline is None else self._deadline
        return min(self._deadline, self._torn_at)

    def advance(self, now: float) -> None:
        """Ask again for what did not come. Raises LinkLost after the last repetition."""
        self._now = now
        if self._torn_at is not None and now >= self._torn_at:
            self._torn_at = None
            self._reader.give_up()
        if self._deadline is None or now < self._deadline:
            return
        if self._pauses:
            self._hand_over(self._exchange.ready(control.RR))
            self._has_polled = True
            return
        if self._repetitions >= self._settings.retries_max:
            times = self._repetitions + 1
            self._end()
            raise LinkLost(f"the server did not answer {times} times within {self._settings.response_timeout_s:g} s")
        self._repetitions += 1
        self._hand_over(self._opening() if self._state is _State.OPENING else self._exchange.turn())

    # --- what comes in ----------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take octets as they came."""
        self._now = now
        if data:
            self._reader.feed(data)

    def next_apdu(self) -> bytes | None:
        """Give the next whole APDU. Raises LinkLost where the server ended the link, PeerError for what is unlawful."""
        while not self._apdus and (frame := self._reader.next_frame()) is not None:
            self._take(frame)
        if self._apdus:
            return self._apdus.popleft()
        may_wait = self._reader.size > 1 and self._state is not _State.ENDED
        self._torn_at = self._now + self._settings.inter_octet_s_max if may_wait else None
        return None

    def _take(self, frame: HdlcFrame) -> None:
        """Take a frame, if it is for us: on a line, others talk too, and some lines give back what we said."""
        kind = frame.control & ~control.POLL
        is_ours = frame.destination == self._own and (
            (frame.source.upper, frame.source.lower) == (self._peer.upper, self._peer.lower)
        )
        if kind == control.UI:
            self._take_unnumbered(frame, is_ours=is_ours)
        elif is_ours and self._state is _State.OPENING:
            self._take_opening(kind, frame)
        elif is_ours and self._state is _State.OPEN:
            self._take_open(kind, frame)

    def _take_unnumbered(self, frame: HdlcFrame, *, is_ours: bool) -> None:
        """Take what a server says outside the numbers: pushes have addresses of their own."""
        information = frame.information
        if information[:LLC_SIZE] == RESPONSE or (is_ours and information[:LLC_SIZE] != COMMAND):
            apdu = without_llc(information)
            if apdu:
                self._apdus.append(apdu)

    def _take_opening(self, kind: int, frame: HdlcFrame) -> None:
        if kind == control.UA:
            self._state = _State.OPEN
            self._exchange = self._new_exchange(frame.information)
            for message in self._waiting:
                self._exchange.enqueue(message)
            self._waiting.clear()
            self._moved_on()
            self._hand_over(self._exchange.turn())
        elif kind in (control.DM, control.FRMR):
            self._end()
            raise LinkLost("the server refused to open a link", control=frame.control)

    def _take_open(self, kind: int, frame: HdlcFrame) -> None:
        if control.is_information(frame.control) or control.is_supervisory(frame.control):
            self._take_numbered(frame)
        elif kind == control.DM:
            self._end()
            raise LinkLost("the server ended the link")
        elif kind == control.FRMR:
            self._end()
            raise LinkLost("the server rejected a frame: the link must be opened anew", reason=frame.information.hex())

    def _take_numbered(self, frame: HdlcFrame) -> None:
        octet, exchange = frame.control, self._exchange
        try:
            is_news = exchange.acknowledge(control.receive_number(octet))
            if control.is_information(octet):
                is_news = self._take_information(frame) or is_news
        except UnlawfulMessage:
            self._end()
            raise
        if is_news:
            self._moved_on()
        elif self._is_stale(octet):
            return
        if octet & control.POLL or self._taken_in_turn >= exchange.window_receive:
            self._answer(is_busy=octet & control.SUPERVISORY == control.RNR)

    def _take_information(self, frame: HdlcFrame) -> bool:
        """Give whether the frame is the next in order."""
        exchange = self._exchange
        before = exchange.taken
        message = exchange.take(control.send_number(frame.control), frame)
        if exchange.taken == before:
            return False
        self._taken_in_turn += 1
        if message is not None:
            self._is_asking = False
            apdu = without_llc(message)
            if apdu:
                self._apdus.append(apdu)
        return True

    def _is_stale(self, octet: int) -> bool:
        """Whether a frame without news answers what we said before we last repeated ourselves.

        To answer it would have every question from here on asked twice; the answer to the last one is on its way.
        """
        if control.is_information(octet):
            return self._exchange.is_repeated(control.send_number(octet))
        is_ready = octet & control.SUPERVISORY == control.RR
        return is_ready and self._exchange.unacknowledged == 1 and not self._has_polled

    def _moved_on(self) -> None:
        """Note that something arrived that had not arrived before."""
        self._repetitions = 0
        self._polls = 0
        self.progress += 1

    def _answer(self, *, is_busy: bool) -> None:
        """Use our turn: go on sending, ask for more, ask later, or fall silent because all is said."""
        exchange = self._exchange
        self._deadline = None
        if exchange.has_output and not is_busy:
            self._repeat_or_go_on()
        elif exchange.is_receiving:
            self._hand_over(exchange.turn())
        elif (self._is_asking or is_busy) and self._polls < POLLS_MAX:
            self._polls += 1
            self._pauses = True
            self._deadline = self._now + POLL_PAUSE_S

    def _repeat_or_go_on(self) -> None:
        """Send the next window; one that the server keeps losing is sent no more often than one that it ignores."""
        if self._polls > self._settings.retries_max:
            self._end()
            raise LinkLost("the server answers, and takes none of what it is sent")
        self._polls += 1
        self._hand_over(self._exchange.turn())
