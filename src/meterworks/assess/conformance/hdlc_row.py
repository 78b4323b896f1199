"""Data link, HDLC: opening and closing, parameters, addresses, checks, numbers, segments.

Source: IEC 62056-46 (data link layer using HDLC), 6.4; fact sheet section 5.
"""

from collections.abc import Callable
from typing import Final

from meterworks.assess.conformance.hdlc_wire import (
    CONTROL_DISC,
    CONTROL_DM,
    CONTROL_RR,
    CONTROL_SNRM,
    CONTROL_UA,
    Frame,
    HdlcWire,
    read_parameters,
)
from meterworks.assess.conformance.request import ASSOCIATION_NAME, OBJECT_LIST, get_request
from meterworks.assess.conformance.row import Group, Need, Row, expect, fail
from meterworks.assess.conformance.session import Session
from meterworks.assess.conformance.tester import Tester, needed

__all__ = ["HDLC_ROWS"]

GET: Final = get_request(ASSOCIATION_NAME)
CONTROL_UNDEFINED: Final = 0xEF
COMMAND: Final = b"\xe6\xe6\x00"
SMALL: Final = bytes.fromhex("8180120501200601200704000000010804000000 01".replace(" ", ""))
SMALL_SIZE: Final = 0x20
NOBODY: Final = b"\x02\xfd\x02\xfd"


def _closed_wire(t: Tester) -> HdlcWire:
    """Connect; the link is down."""
    wire = t.wire()
    assert isinstance(wire, HdlcWire)
    return wire


def _wire(session: Session) -> HdlcWire:
    wire = session.wire
    assert isinstance(wire, HdlcWire)
    return wire


def _expect_control(frame: Frame | None, controls: tuple[int, ...], what: str) -> Frame:
    if frame is None:
        fail(f"{what} was not answered")
    wanted = " or ".join(f"{control:#04x}" for control in controls)
    expect(frame.control in controls, f"{what} was answered by {frame.control:#04x}; {wanted} was due")
    expect(frame.whole, f"{what} was answered by a frame whose check sequence is false")
    return frame


def _opening(t: Tester) -> None:
    wire = _closed_wire(t)
    frame = _expect_control(wire.ask(CONTROL_SNRM), (CONTROL_UA,), "SNRM")
    swapped = (frame.destination, frame.source) == (wire.client_address, wire.server_address)
    expect(swapped, f"UA goes from {frame.source.hex()} to {frame.destination.hex()}; the addresses were to be swapped")


def _parameters(t: Tester) -> str:
    wire = _closed_wire(t)
    frame = _expect_control(wire.ask(CONTROL_SNRM, SMALL), (CONTROL_UA,), "SNRM with parameters")
    found = read_parameters(frame.information)
    for number, limit in ((5, SMALL_SIZE), (6, SMALL_SIZE)):
        size = found.get(number, 128)
        expect(size <= limit or number == 6, f"parameter {number} is {size}, and we take {limit}")
    for number in (7, 8):
        expect(1 <= found.get(number, 1) <= 7, f"window {number} is {found.get(number)}")
    return ", ".join(f"{number}: {value}" for number, value in sorted(found.items())) or "none: the defaults"


def _closing(t: Tester) -> None:
    wire = _closed_wire(t)
    wire.open()
    _expect_control(wire.ask(CONTROL_DISC), (CONTROL_UA,), "DISC on an open link")
    _expect_control(wire.ask(CONTROL_DISC), (CONTROL_DM,), "DISC on a closed link")


def _no_link(t: Tester) -> str:
    wire = _closed_wire(t)
    frame = wire.ask(wire.information_control(), COMMAND + GET, t.quiet_s)
    if frame is not None:
        _expect_control(frame, (CONTROL_DM,), "an I frame on a closed link")
    return "DM" if frame else "no answer"


def _damaged(place: int, what: str, t: Tester) -> None:
    """Damage a frame: it must be ignored, and the same frame, whole, answered."""
    session = t.associated()
    wire = _wire(session)
    frame = wire.frame(wire.information_control(), COMMAND + session.protect(GET))
    damaged = bytearray(frame)
    damaged[place] ^= 0x55
    wire.send_octets(bytes(damaged))
    answer = wire.next_frame(t.quiet_s)
    expect(answer is None, f"a frame with {what} damaged was answered")
    wire.send_octets(frame)
    wire.sent_sequence += 1
    expect(session.receive().plain[:2] == b"\xc4\x01", "after a damaged frame, the whole one is not answered")


def _damaged_information(t: Tester) -> None:
    _damaged(-4, "its information", t)


def _damaged_header(t: Tester) -> None:
    _damaged(-6, "its end", t)


def _other_address(t: Tester) -> None:
    wire = _closed_wire(t)
    wire.send_octets(wire.frame(CONTROL_SNRM, to=NOBODY))
    expect(wire.next_frame(t.quiet_s) is None, "SNRM to another address was answered")
    wire.open()


def _segments(t: Tester) -> str:
    """Read the object list over a link that takes very little at once."""
    session = t.session()
    wire = _wire(session)
    frame = _expect_control(wire.ask(CONTROL_SNRM, SMALL), (CONTROL_UA,), "SNRM with small sizes")
    wire.sent_sequence = wire.received_sequence = 0
    wire.transmit_size = min(read_parameters(frame.information).get(6, 128), SMALL_SIZE)
    session.associate()
    t.try_get(session, OBJECT_LIST)
    largest = wire.largest_received
    expect(largest <= SMALL_SIZE, f"a frame of {largest} octets of information came; {SMALL_SIZE} were agreed")
    return f"largest {largest} octets"


def _repeated(t: Tester) -> str:
    """Send a frame again, as after an answer that was lost: it is not a second request."""
    session = t.associated()
    wire = _wire(session)
    apdu = session.protect(GET)
    control = wire.information_control()
    frame = wire.frame(control, COMMAND + apdu)
    wire.send_octets(frame)
    wire.sent_sequence = wire.sent_sequence + 1 & 7
    first = session.receive()
    expect(first.plain[:2] == b"\xc4\x01", f"a GET got {first.describe()}")
    wire.send_octets(frame)
    again = wire.next_frame(t.quiet_s)
    if again is not None and again.is_information:
        expect(again.sequence == wire.received_sequence - 1 & 7, "a repeated frame was taken as a new request")
    return "not answered" if again is None else f"control {again.control:#04x}"


def _wrong_number(t: Tester) -> str:
    session = t.associated()
    wire = _wire(session)
    control = wire.information_control(sequence=wire.sent_sequence + 3 & 7)
    frame = wire.ask(control, COMMAND + session.protect(GET), t.quiet_s)
    expect(frame is None or not frame.is_information, "a frame three numbers ahead was answered")
    return "not answered" if frame is None else f"control {frame.control:#04x}"


def _receive_ready(t: Tester) -> None:
    session = t.associated()
    wire = _wire(session)
    frame = wire.ask(wire.received_sequence << 5 | CONTROL_RR)
    if frame is None:
        fail("RR with the poll bit was not answered")
    expect(frame.control & 0x0F == 1, f"RR was answered by {frame.control:#04x}")
    expect(frame.expected == wire.sent_sequence, f"RR waits for {frame.expected}, and {wire.sent_sequence} is next")


def _undefined_control(t: Tester) -> str:
    wire = _closed_wire(t)
    wire.open()
    frame = wire.ask(CONTROL_UNDEFINED, timeout_s=t.quiet_s)
    expect(frame is None or not frame.is_information, "an undefined command was answered by an I frame")
    wire.open()
    return "not answered" if frame is None else f"control {frame.control:#04x}"


def _reopening(t: Tester) -> None:
    """A new SNRM ends the association with the link."""
    session = t.associated()
    _wire(session).open()
    answer = session.request(GET)
    given = answer.plain[:2] == b"\xc4\x01" and answer.plain[3:4] == b"\0"
    expect(not given, "after a new SNRM the old association is still open")


def _segmented_request(t: Tester) -> None:
    session = t.associated()
    wire = _wire(session)
    wire.transmit_size = 9
    answer = session.request(GET)
    needed(not answer.is_silence, "the server takes no segmented requests")
    expect(answer.plain[:2] == b"\xc4\x01", f"a GET in segments got {answer.describe()}")


def _many_flags(t: Tester) -> None:
    session = t.associated()
    wire = _wire(session)
    frame = wire.frame(wire.information_control(), COMMAND + session.protect(GET))
    wire.send_octets(b"\x7e" * 9 + frame + b"\x7e" * 3)
    wire.sent_sequence = wire.sent_sequence + 1 & 7
    expect(session.receive().plain[:2] == b"\xc4\x01", "a frame between many flags is not answered")


def _row(number: int, title: str, check: Callable[[Tester], str | None]) -> Row:
    return Row(
        id=f"LINK-{number:02}", group=Group.LINK, title=title, clause="IEC 62056-46, 6.4 (HDLC)", check=check,
        needs=frozenset({Need.HDLC}),
    )  # fmt: skip


HDLC_ROWS: Final = (
    _row(21, "SNRM is answered by UA, addresses swapped and of the same size", _opening),
    _row(22, "The parameters of UA keep to what was proposed", _parameters),
    _row(23, "DISC is answered by UA, and by DM where the link is closed", _closing),
    _row(24, "An I frame on a closed link is not carried out", _no_link),
    _row(25, "A frame with damaged information is ignored", _damaged_information),
    _row(26, "A frame with a damaged end is ignored", _damaged_header),
    _row(27, "A frame to another address is not answered", _other_address),
    _row(28, "Long answers come in segments of the agreed size", _segments),
    _row(29, "A repeated frame is not a second request", _repeated),
    _row(30, "A frame out of order is not carried out", _wrong_number),
    _row(31, "RR is answered by RR", _receive_ready),
    _row(32, "An undefined command does no harm", _undefined_control),
    _row(33, "A new SNRM ends the association", _reopening),
    _row(34, "A request may come in segments", _segmented_request),
    _row(35, "Many flags between frames do no harm", _many_flags),
)
