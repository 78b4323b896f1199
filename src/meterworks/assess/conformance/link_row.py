"""Data link, wrapper: header, ports, lengths, octets in any pieces.

Source: IEC 62056-4-7 (COSEM transport layer over TCP and UDP); fact sheet section 5.
"""

from collections.abc import Callable
from typing import Final

from meterworks.assess.conformance.request import ASSOCIATION_NAME, get_request
from meterworks.assess.conformance.row import Group, Need, Row, expect, fail
from meterworks.assess.conformance.session import Session
from meterworks.assess.conformance.tester import Tester
from meterworks.assess.conformance.wire import WrapperWire, wrapped

__all__ = ["LINK_ROWS"]

GET: Final = get_request(ASSOCIATION_NAME)
OTHER_SERVERS: Final = (0x7A11, 0x0999)  # addresses at which no logical device lives


def _wrapper(session: Session) -> WrapperWire:
    """Give the session's wire, which the table of needs promises to be a wrapper's."""
    wire = session.wire
    assert isinstance(wire, WrapperWire)
    return wire


def _framed(t: Tester, session: Session, apdu: bytes, *, version: int = 1) -> bytes:
    return wrapped(t.credential.client_sap, t.credential.server_sap, apdu, version=version)


def _ports(t: Tester) -> None:
    session = t.associated()
    session.request(GET)
    wire = _wrapper(session)
    found, wanted = (wire.source, wire.destination), (t.credential.server_sap, t.credential.client_sap)
    expect(
        found == wanted, f"the answer came from {found[0]} to {found[1]}; it was due from {wanted[0]} to {wanted[1]}"
    )
    expect(wire.version == 1, f"the answer's wrapper has version {wire.version}")


def _octet_by_octet(t: Tester) -> None:
    session = t.associated()
    frame = _framed(t, session, session.protect(GET))
    for octet in frame[:-1]:
        session.wire.send_octets(bytes((octet,)))
    session.wire.send_octets(frame[-1:])
    answer = session.receive()
    expect(answer.plain[:2] == b"\xc4\x01", f"sent octet by octet, a GET got {answer.describe()}")


def _two_at_once(t: Tester) -> None:
    session = t.associated()
    requests = [session.protect(get_request(ASSOCIATION_NAME, invoke=invoke)) for invoke in (0xC2, 0xC3)]
    session.wire.send_octets(b"".join(_framed(t, session, apdu) for apdu in requests))
    for invoke in (2, 3):
        answer = session.receive()
        expect(answer.plain[:2] == b"\xc4\x01", f"of two requests at once, number {invoke} got {answer.describe()}")
        expect(answer.plain[2] & 0xF == invoke, f"the answer to {invoke} has invoke {answer.plain[2]:#04x}")


def _frame_and_a_half(t: Tester) -> None:
    session = t.associated()
    first, second = (_framed(t, session, session.protect(GET)) for _ in range(2))
    session.wire.send_octets(first + second[:11])
    answer = session.receive()
    expect(answer.plain[:2] == b"\xc4\x01", f"a GET followed by half another got {answer.describe()}")
    session.wire.send_octets(second[11:])
    answer = session.receive()
    expect(answer.plain[:2] == b"\xc4\x01", f"the other half brought {answer.describe()}")


def _unanswered(t: Tester, session: Session, octets: bytes, what: str) -> str:
    """Prove that octets bring no data; the server may close."""
    session.wire.send_octets(octets)
    answer = session.receive(t.quiet_s)
    given = answer.plain[:1] in (b"\xc4", b"\x61")
    expect(not given, f"{what} brought {answer.describe()}")
    session.close()
    t.still_serves()
    return answer.describe()


def _other_version(t: Tester) -> str:
    session = t.associated()
    return _unanswered(t, session, _framed(t, session, session.protect(GET), version=2), "a wrapper of version 2")


def _no_length(t: Tester) -> str:
    session = t.associated()
    return _unanswered(t, session, _framed(t, session, b""), "a frame of no octets")


def _other_server(t: Tester) -> str:
    described = ""
    for server in OTHER_SERVERS:
        session = t.session()
        octets = wrapped(t.credential.client_sap, server, session.association_octets())
        session.wire.send_octets(octets)
        answer = session.receive(t.quiet_s)
        if answer.octets[:1] == b"\x61" and session.read_response(answer).is_accepted:
            fail(f"server address {server:#06x}, at which nobody lives, accepts an association")
        described = answer.describe()
        session.close()
    t.still_serves()
    return described


def _other_client(t: Tester) -> str:
    """A client address that holds no association gets nothing of the one that does."""
    session = t.associated()
    wire = _wrapper(session)
    octets = wrapped(t.credential.client_sap ^ 0x40, t.credential.server_sap, session.protect(GET))
    wire.send_octets(octets)
    answer = session.receive(t.quiet_s)
    expect(answer.plain[:2] != b"\xc4\x01" or answer.plain[3:4] != b"\0", "another client address was given data")
    session.close()
    t.still_serves()
    return answer.describe()


def _length_too_long(t: Tester) -> None:
    """A frame that announces more than comes waits for the rest; other connections go on."""
    session = t.associated()
    frame = _framed(t, session, session.protect(GET))
    session.wire.send_octets(frame[:6] + (len(frame) + 100).to_bytes(2, "big") + frame[8:])
    answer = session.receive(t.quiet_s)
    expect(answer.plain[:1] != b"\xc4", f"a frame that is not whole brought {answer.describe()}")
    t.still_serves()


def _row(number: int, title: str, check: Callable[[Tester], str | None]) -> Row:
    return Row(
        id=f"LINK-{number:02}", group=Group.LINK, title=title, clause="IEC 62056-4-7, 5 (wrapper)", check=check,
        needs=frozenset({Need.WRAPPER}),
    )  # fmt: skip


LINK_ROWS: Final = (
    _row(1, "Answers come from the address asked, to the address that asked", _ports),
    _row(2, "A request may come octet by octet", _octet_by_octet),
    _row(3, "Two requests at once are answered in order", _two_at_once),
    _row(4, "A request and a half is one answer, then another", _frame_and_a_half),
    _row(5, "A wrapper of another version is not answered", _other_version),
    _row(6, "A frame of no octets is not answered", _no_length),
    _row(7, "A server address at which nobody lives lets nobody in", _other_server),
    _row(8, "Another client address gets nothing of an association", _other_client),
    _row(9, "A frame that is not whole is waited for", _length_too_long),
)
