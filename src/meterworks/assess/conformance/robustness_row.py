"""Robustness: malformed, cut, random and hostile octets. Whatever comes, no data are given away and the server lives.

Each test ends by proving that a lawful client still gets in and is answered.
Source: IEC 62056-5-3, 6.15 (exception response); fact sheet sections 1 and 4.
"""

from collections.abc import Callable
from typing import Final

from meterworks.assess.conformance.request import (
    ASSOCIATION_NAME,
    INVOKE,
    UNKNOWN_NAME,
    attribute_octets,
    counted,
    get_request,
    set_request,
)
from meterworks.assess.conformance.row import Group, Need, Row, expect
from meterworks.assess.conformance.session import Answer, Session
from meterworks.assess.conformance.tester import Tester
from meterworks.protocols.dlms import AttributeAddress

__all__ = ["ROBUSTNESS_ROWS"]

GET: Final = get_request(ASSOCIATION_NAME)
UNDEFINED: Final = AttributeAddress(1, UNKNOWN_NAME, 2)
RANDOM_APDUS: Final = 40
RANDOM_SIZE_MAX: Final = 120
MUTATIONS: Final = 60
HALF_OPEN: Final = 8
DEPTH: Final = 2_000
GIVEN: Final = frozenset({0xC4, 0xC5, 0xC7, 0xDA})


def _try(t: Tester, session: Session, octets: bytes, what: str) -> tuple[Session, Answer]:
    """Send octets; where the server closes (it may), go on over a new association."""
    session.wire.send(octets)
    answer = session.receive(t.quiet_s)
    if session.wire.closed:
        session.close()
        session = t.associated()
    expect(answer.octets != octets or not octets, f"{what}: the server sends it back")
    return session, answer


def _truncated_requests(t: Tester) -> str:
    session, request = t.associated(), get_request(ASSOCIATION_NAME)
    for size in range(1, len(request)):
        session, answer = _try(t, session, session.protect(request[:size]), f"a GET of {size} octets")
        given = answer.plain[:2] == b"\xc4\x01" and answer.plain[3:4] == b"\0"
        expect(not given, f"a GET cut to {size} of {len(request)} octets was answered")
    session.close()
    t.still_serves()
    return f"{len(request) - 1} lengths"


def _truncated_association(t: Tester) -> str:
    whole = t.session().association_octets()
    places = range(1, len(whole), max(1, len(whole) // 24))
    for size in places:
        session = t.session()
        session.wire.send(whole[:size])
        answer = session.receive(t.quiet_s)
        if answer.octets[:1] == b"\x61":
            expect(not session.read_response(answer).is_accepted, f"a request cut to {size} octets was accepted")
        session.close()
    t.still_serves()
    return f"{len(places)} lengths"


def _lengths_that_lie(t: Tester) -> str:
    whole = _association_octets(t)
    cases = [whole[:1] + bytes((whole[1] + 1,)) + whole[2:], whole[:1] + b"\x84\xff\xff\xff\xff" + whole[2:]]
    cases += [whole[:1] + b"\x80" + whole[2:], whole + bytes(4), b"\x60\x00", b"\x60"]
    for octets in cases:
        session = t.session()
        session.wire.send(octets)
        answer = session.receive(t.quiet_s)
        if answer.octets[:1] == b"\x61":
            expect(not session.read_response(answer).is_accepted, f"accepted with a false length: {octets[:8].hex()}")
        session.close()
    t.still_serves()
    return f"{len(cases)} requests"


def _association_octets(t: Tester) -> bytes:
    return t.session().association_octets()


def _repeated_fields(t: Tester) -> str:
    whole = _association_octets(t)
    head = 2 if whole[1] < 0x80 else 2 + (whole[1] & 0x7F)
    body = whole[head:]
    session = t.session()
    doubled = body[:11] + body
    session.wire.send(b"\x60" + counted(doubled))
    answer = session.receive(t.quiet_s)
    if answer.octets[:1] == b"\x61":
        expect(not session.read_response(answer).is_accepted, "a request with its context twice was accepted")
    session.close()
    t.still_serves()
    return answer.describe()


def _random_before(t: Tester) -> str:
    source = t.random()
    session = t.session()
    for _ in range(RANDOM_APDUS):
        octets = source.randbytes(source.randrange(1, RANDOM_SIZE_MAX))
        session.wire.send(octets)
        answer = session.receive(t.quiet_s)
        expect(answer.plain[:1] != b"\xc4" or answer.plain[3:4] != b"\0", f"{octets.hex()} was answered with data")
        if session.wire.closed:
            session.close()
            session = t.session()
    session.close()
    t.still_serves()
    return f"{RANDOM_APDUS} APDUs, seed {t.seed}"


def _random_on_open(t: Tester) -> str:
    source = t.random()
    session = t.associated()
    for _ in range(RANDOM_APDUS):
        octets = source.randbytes(source.randrange(1, RANDOM_SIZE_MAX))
        session, _ = _try(t, session, octets, "random octets")
    session.close()
    t.still_serves()
    return f"{RANDOM_APDUS} APDUs, seed {t.seed}"


def _mutated(t: Tester) -> str:
    """Change octets of lawful requests behind their protection, so that the services themselves meet them."""
    source = t.random()
    session = t.associated()
    originals = [GET, get_request(UNDEFINED, b"\x02\x02\x04\x06\0\0\0\1\x06\0\0\0\1\x12\0\1\x12\0\0")]
    originals.append(set_request(UNDEFINED, b"\x02\x02\x11\x01\x09\x03abc"))
    for _ in range(MUTATIONS):
        octets = bytearray(source.choice(originals))
        head = octets[:1]
        for _ in range(source.randrange(1, 4)):
            octets[source.randrange(1, len(octets))] = source.randrange(256)
        # Never a name that may exist, whatever comes of the rest: nothing is to be read, written or invoked by chance.
        octets[5:11] = bytes(UNKNOWN_NAME)
        session, answer = _try(t, session, session.protect(bytes(head + octets[1:])), "a changed request")
        expect(answer.plain[:2] != b"\xc4\x01" or answer.plain[3:4] != b"\0", f"{octets.hex()} was answered with data")
    session.close()
    t.still_serves()
    return f"{MUTATIONS} requests, seed {t.seed}"


def _values(t: Tester, values: list[bytes], what: str) -> str:
    """Write values that no decoder can take to an object that does not exist."""
    session = t.associated()
    for value in values:
        session, answer = _try(t, session, session.protect(set_request(UNDEFINED, value)), what)
        taken = answer.plain[:2] == b"\xc5\x01" and answer.plain[3] == 0
        expect(not taken, f"{what} was written: {value[:12].hex()}")
    session.close()
    t.still_serves()
    return f"{len(values)} values"


def _deep(t: Tester) -> str:
    arrays, structures = b"\x01\x01" * DEPTH + b"\x00", b"\x02\x01" * DEPTH + b"\x00"
    return _values(t, [arrays, structures, b"\x01\x01" * DEPTH], f"a value nested {DEPTH} deep")


def _large_counts(t: Tester) -> str:
    counts = [b"\x01\x84\xff\xff\xff\xff", b"\x02\x82\xff\xff", b"\x09\x84\x7f\xff\xff\xff"]
    counts.append(b"\x04\x84\xff\xff\xff\xff")
    counts += [b"\x13\x11\x84\xff\xff\xff\xff", b"\x13\x01\xff\xff\x01\xff\xff\x11\x00", b"\x09\x88" + b"\xff" * 8]
    return _values(t, counts, "a value that announces more than it has")


def _undefined_types(t: Tester) -> str:
    return _values(t, [bytes((tag,)) for tag in (7, 8, 11, 14, 34, 99, 254)], "a value of an undefined type")


def _list_of_many(t: Tester) -> str:
    session = t.associated()
    items = (attribute_octets(ASSOCIATION_NAME) + b"\x00") * 255
    session, answer = _try(t, session, session.protect(bytes((0xC0, 3, INVOKE)) + b"\x81\xff" + items), "a long list")
    session, _ = _try(t, session, session.protect(bytes((0xC0, 3, INVOKE)) + b"\x84\xff\xff\xff\xff" + items), "a list")
    session.close()
    t.still_serves()
    return answer.describe()


def _half_open(t: Tester) -> str:
    wires = [t.wire() for _ in range(HALF_OPEN)]
    for wire in wires:
        wire.send_octets(b"\x00\x01\x00")
    t.still_serves()
    return f"{HALF_OPEN} connections left open with three octets each"


def _cut_off(t: Tester) -> str:
    """End the connection in the midst of opening, of a request and of a long answer."""
    session = t.session()
    session.wire.send(session.association_octets())
    session.close()
    session = t.associated()
    session.post(GET)
    session.close()
    t.still_serves()
    return "after the association request and after a request"


def _empty_ciphered(t: Tester) -> str:
    session = t.associated()
    for octets in (b"\xc8\x00", b"\xc8\x01\x30", b"\xc8\x05\x30\xff\xff\xff\xff", b"\xdb\x00\x00", b"\xdb\x08"):
        session, answer = _try(t, session, octets, "a ciphered APDU of hardly anything")
        expect(answer.plain[:1] == b"" or answer.plain[0] not in GIVEN, f"{octets.hex()} got {answer.describe()}")
    session.close()
    t.still_serves()
    return "5 APDUs"


def _strange_fields(t: Tester) -> str:
    """Fields that ACSE defines and nobody needs must not shut a lawful client out, or be refused in good order."""
    session = t.session()
    answer = session.exchange(session.association_octets(before=b"\x80\x02\x07\x80"))
    if answer.counter_wanted is not None:
        t.counters.raise_to(t.credential.title, answer.counter_wanted)
    return answer.describe()


def _row(number: int, title: str, check: Callable[[Tester], str | None], *needs: Need) -> Row:
    return Row(
        id=f"ROB-{number:02}", group=Group.ROBUSTNESS, title=title, clause="IEC 62056-5-3, 6.15 (exception response)",
        check=check, needs=frozenset(needs),
    )  # fmt: skip


ROBUSTNESS_ROWS: Final = (
    _row(1, "A GET cut at any octet is not answered with data", _truncated_requests),
    _row(2, "An association request cut at any place is not accepted", _truncated_association),
    _row(3, "An association request whose length lies is not accepted", _lengths_that_lie),
    _row(4, "An association request with a field twice is not accepted", _repeated_fields),
    _row(5, "Random octets before an association do no harm", _random_before),
    _row(6, "Random octets on an open association do no harm", _random_on_open),
    _row(7, "Changed requests do no harm", _mutated),
    _row(8, "Values nested without end do no harm", _deep),
    _row(9, "Counts and lengths that lie do no harm", _large_counts),
    _row(10, "Values of undefined types are refused", _undefined_types),
    _row(11, "Lists of very many attributes do no harm", _list_of_many),
    _row(12, "Connections left half open shut nobody out", _half_open, Need.WRAPPER),
    _row(13, "Connections that end at any time do no harm", _cut_off),
    _row(14, "Ciphered APDUs of hardly anything are refused", _empty_ciphered, Need.CIPHERED),
    _row(15, "Association fields that nobody needs do no harm", _strange_fields),
)
