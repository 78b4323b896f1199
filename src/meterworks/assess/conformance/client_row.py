"""Checks of a client, over the record of what it sent and how it took answers that were wrong on purpose.

Source: IEC 62056-5-3, 5.2 (authentication), 5.3 (protection), 6.2 to 6.8 (services), 7.3 (conformance).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from meterworks.assess.conformance.judge import AARQ, ClientJudge, Conversation, Record, Scenario, Seen
from meterworks.assess.conformance.protection import BOTH, split_ciphered
from meterworks.assess.conformance.row import (
    CheckFailed,
    Exchanged,
    Group,
    NotApplicable,
    Outcome,
    Result,
    Row,
    expect,
    fail,
    masked,
)
from meterworks.assess.conformance.session import CIPHERED, is_dedicated
from meterworks.assess.conformance.suite import Report
from meterworks.assess.conformance.tester import needed
from meterworks.errors import PeerError
from meterworks.protocols.dlms import AssociationRequest, AssociationResponse, Conformance, decode_apdu

__all__ = ["CLIENT_ROWS", "client_rows", "judge_record"]

RLRQ: Final = 0x62
SERVICES: Final = frozenset({0xC0, 0xC1, 0xC3, 0xD9})
FIELD_ORDER: Final = bytes.fromhex("80a1a2a3a4a5a6a7a8a98a8bacbdbe")
SAME_REQUEST_MAX: Final = 10
_NEEDED: Final = {0xC0: Conformance.GET, 0xC1: Conformance.SET, 0xC3: Conformance.ACTION, 0xD9: Conformance.ACCESS}


def _associations(record: Record) -> list[tuple[Conversation, Seen, AssociationRequest]]:
    """Give every association request that can be read."""
    found = []
    for conversation in record.conversations:
        for seen in conversation.requests():
            if seen.octets[0] == AARQ:
                try:
                    found.append((conversation, seen, AssociationRequest.from_bytes(seen.octets)))
                except PeerError:
                    continue  # what is malformed is the first check's
    needed(bool(found), "the client never asked for an association")
    return found


def _services(conversation: Conversation) -> list[Seen]:
    return [seen for seen in conversation.requests() if seen.plain and seen.plain[0] in SERVICES]


def _all_services(record: Record) -> list[Seen]:
    found = [seen for conversation in record.conversations for seen in _services(conversation)]
    needed(bool(found), "the client never asked for a service")
    return found


def _well_formed_associations(record: Record) -> str:
    count = 0
    for conversation in record.conversations:
        for seen in conversation.requests():
            if seen.octets[0] != AARQ:
                continue
            count += 1
            try:
                AssociationRequest.from_bytes(seen.octets)
            except PeerError as error:
                fail(f"an association request is malformed: {error}")
            order = [FIELD_ORDER.find(tag) for tag in _field_tags(seen.octets)]
            expect(order == sorted(order) and -1 not in order, f"fields out of order: {_field_tags(seen.octets).hex()}")
    needed(count > 0, "the client never asked for an association")
    return f"{count} requests"


def _field_tags(apdu: bytes) -> bytes:
    """Give the tags of an association request, in its order."""
    offset = 2 if apdu[1] < 0x80 else 2 + (apdu[1] & 0x7F)
    tags = bytearray()
    while offset + 1 < len(apdu):
        tags.append(apdu[offset])
        size, start = apdu[offset + 1], offset + 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(apdu[offset + 2 : start], "big")
        offset = start + size
    return bytes(tags)


def _context(record: Record) -> str:
    for _, seen, request in _associations(record):
        body = request.user_information or b""
        wanted = b"\x21" if request.context in (3, 4) else b"\x01"
        expect(
            body[:1] == wanted, f"context {request.context} carries an initiate request that begins {body[:1].hex()}"
        )
        expect(not seen.fault, f"the initiate request cannot be opened: {seen.fault}")
    return "context and initiate request agree"


def _authentication_fields(record: Record) -> str:
    for _, seen, request in _associations(record):
        if request.mechanism is None:
            expect(request.authentication is None, "an authentication value came without a mechanism")
            continue
        expect(0x8A in _field_tags(seen.octets), f"mechanism {request.mechanism} without the ACSE requirements")
        expect(bool(request.authentication), f"mechanism {request.mechanism} without an authentication value")
    return "complete"


def _titles(record: Record) -> str:
    titles = set()
    for _, _, request in _associations(record):
        if request.context in (3, 4) or request.mechanism in (5, 6, 7):
            expect(len(request.calling_title or b"") == 8, f"title {(request.calling_title or b'').hex() or 'absent'}")
            titles.add(request.calling_title or b"")
    needed(bool(titles), "the client needs no title")
    expect(all(title[:3].isalpha() for title in titles), f"a title begins with no manufacturer: {titles}")
    return ", ".join(title.hex() for title in sorted(titles))


def _challenges(record: Record) -> str:
    challenges = [r.authentication or b"" for _, _, r in _associations(record) if (r.mechanism or 0) >= 2]
    needed(bool(challenges), "the client sends no challenge")
    for challenge in challenges:
        expect(8 <= len(challenge) <= 64, f"a challenge of {len(challenge)} octets; 8 to 64 are lawful")
    expect(len(set(challenges)) == len(challenges), "a challenge was sent twice")
    return f"{len(challenges)} challenges"


def _proposal(record: Record) -> str:
    said = set()
    for _, seen, _ in _associations(record):
        body = seen.plain
        place = body.find(b"\x5f\x1f\x04\x00")
        expect(place > 0, f"no conformance block: {body.hex()}")
        expect(body[place - 1] == 6, f"DLMS version {body[place - 1]} is proposed")
        block = int.from_bytes(body[place + 4 : place + 7], "big")
        expect(block != 0, "an empty conformance is proposed")
        size = int.from_bytes(body[place + 7 : place + 9], "big")
        expect(size == 0 or size >= 64, f"a PDU size of {size} octets is proposed")
        said.add(f"{block:06x}, PDU size {size}")
    return "; ".join(sorted(said))


def _accepted(conversation: Conversation) -> bool:
    """Whether the association was accepted, as far as the client was told."""
    for seen in conversation.seen:
        if not seen.by_client and seen.octets[0] == 0x61:
            return AssociationResponse.from_bytes(seen.octets).is_accepted
    return False


def _nothing_before_association(record: Record) -> str:
    for conversation in record.conversations:
        opened = False
        for seen in conversation.seen:
            if not seen.by_client and seen.octets[0] == 0x61:
                opened = AssociationResponse.from_bytes(seen.octets).is_accepted
            if seen.by_client and seen.plain and seen.plain[0] in SERVICES:
                expect(opened, f"a service was asked for without an association: {seen.plain[:12].hex()}")
    _all_services(record)
    return "no service without an association"


def _proofs(record: Record) -> str:
    """An honest server took each proof."""
    count = 0
    for conversation in record.of(Scenario.HONEST):
        for asked, answered in zip(conversation.seen, conversation.seen[1:], strict=False):
            if asked.by_client and asked.plain[:2] == b"\xc3\x01" and asked.plain[3:5] == b"\x00\x0f":
                count += 1
                taken = answered.plain[:2] == b"\xc7\x01" and answered.plain[3:4] == b"\0"
                expect(taken, f"a proof was refused: {answered.plain.hex()}")
    needed(count > 0, "the client proves nothing")
    return f"{count} proofs"


def _counters(record: Record) -> str:
    """Counters under the global key grow from APDU to APDU, over connections too."""
    seen_counters: dict[bytes, int] = {}
    count, title = 0, b""
    for conversation in record.conversations:
        for seen in conversation.requests():
            bodies = [seen.octets]
            if seen.octets[0] == AARQ:
                request = AssociationRequest.from_bytes(seen.octets)
                title, bodies = request.calling_title or b"", [request.user_information or b""]
            for octets in bodies:
                if octets[:1] and octets[0] in CIPHERED and not is_dedicated(octets[0]):
                    header = split_ciphered(octets)
                    key = header.title or title
                    last = seen_counters.get(key, -1)
                    expect(header.counter > last, f"counter {header.counter} after {last}")
                    seen_counters[key] = header.counter
                    count += 1
    needed(count > 0, "the client ciphers nothing under the global key")
    return f"{count} counters"


def _protection(record: Record) -> str:
    count = 0
    for conversation in record.conversations:
        ciphered = False
        for seen in conversation.requests():
            if seen.octets[0] == AARQ:
                ciphered = AssociationRequest.from_bytes(seen.octets).context in (3, 4)
            elif ciphered and seen.plain and seen.plain[0] in SERVICES:
                count += 1
                expect(seen.octets[0] in CIPHERED, f"a request went out unprotected: {seen.octets[:12].hex()}")
                control = split_ciphered(seen.octets).control
                expect(bool(control & BOTH), f"security control {control:#04x} protects nothing")
                expect(not seen.fault, f"a request cannot be opened: {seen.fault}")
    needed(count > 0, "the client asks for no service on a ciphered association")
    return f"{count} requests"


def _negotiated(record: Record) -> str:
    count = 0
    for conversation in record.conversations:
        agreed = 0
        for seen in conversation.seen:
            if not seen.by_client and seen.octets[0] == 0x61:
                body = AssociationResponse.from_bytes(seen.octets).user_information or b""
                place = body.find(b"\x5f\x1f\x04\x00")
                agreed = int.from_bytes(body[place + 4 : place + 7], "big") if place > 0 else 0xFFFFFF
            if seen.by_client and seen.plain and seen.plain[0] in _NEEDED:
                bit = _NEEDED[seen.plain[0]]
                count += 1
                is_proof = seen.plain[0] == 0xC3 and seen.plain[3:5] == b"\x00\x0f"
                expect(bool(agreed & bit) or is_proof, f"{bit.name} was asked for, and is not negotiated")
    needed(count > 0, "the client never asked for a service")
    return f"{count} requests"


def _sizes(limit: int, record: Record) -> str:
    largest = max((len(seen.octets) for seen in _all_services(record)), default=0)
    expect(largest <= limit, f"a request of {largest} octets; the server takes {limit}")
    return f"largest {largest} octets"


def _next_blocks(record: Record) -> str:
    count = 0
    for conversation in record.conversations:
        last: Seen | None = None
        invoke = None
        for seen in conversation.seen:
            if seen.by_client and seen.plain[:2] == b"\xc0\x01":
                invoke = seen.plain[2]
            if not seen.by_client:
                last = seen
            elif seen.plain[:2] == b"\xc0\x02" and last is not None and last.plain[:2] == b"\xc4\x02":
                count += 1
                if conversation.scenario is Scenario.WRONG_BLOCK:
                    continue
                expect(
                    seen.plain[3:7] == last.plain[4:8],
                    f"block {last.plain[4:8].hex()} is followed by {seen.plain.hex()}",
                )
                expect(seen.plain[2] == invoke, f"invoke {invoke} became {seen.plain[2]} within a transfer")
    needed(count > 0, "the client never met an answer in blocks")
    return f"{count} requests for a next block"


def _own_blocks(record: Record) -> str:
    count = 0
    for conversation in record.of(Scenario.HONEST):
        number = 0
        for seen in _services(conversation):
            kind = seen.plain[:2]
            if kind in (b"\xc1\x02", b"\xc3\x04"):
                number = 1
            elif kind in (b"\xc1\x03", b"\xc3\x06"):
                number += 1
                found = int.from_bytes(seen.plain[4:8], "big")
                expect(found == number, f"block {found} of a request came where {number} was due")
            else:
                continue
            count += 1
    needed(count > 0, "the client sends nothing in blocks")
    return f"{count} blocks"


def _releases(record: Record) -> str:
    released, count = 0, 0
    for conversation in record.of(Scenario.HONEST):
        if _accepted(conversation):
            count += 1
            released += any(seen.octets[0] == RLRQ for seen in conversation.requests())
    needed(count > 0, "no association opened")
    expect(released == count, f"{count - released} of {count} associations were left without a release")
    return f"{released} releases"


def _frames(record: Record) -> str:
    for conversation in record.conversations:
        expect(not conversation.frame_fault, f"a frame is malformed: {conversation.frame_fault}")
        places = {seen.at for seen in conversation.requests()}
        expect(len(places) <= 1 or len({place[1] for place in places}) == 1, f"addresses wander: {sorted(places)}")
    return f"{len(record.conversations)} connections"


def _dedicated_keys(record: Record) -> str:
    keys = []
    for _, seen, _ in _associations(record):
        if seen.plain[:2] == b"\x01\x01":
            keys.append(seen.plain[3 : 3 + seen.plain[2]])
    needed(bool(keys), "the client proposes no dedicated key")
    expect(len(set(keys)) == len(keys), "a dedicated key was proposed twice")
    return f"{len(keys)} keys"


def _well_formed_requests(record: Record) -> str:
    services = _all_services(record)
    for seen in services:
        try:
            decode_apdu(seen.plain)
        except PeerError as error:
            fail(f"a request is malformed: {error}: {seen.plain[:24].hex()}")
    return f"{len(services)} requests"


def _in_turn(record: Record) -> str:
    hasty = sum(conversation.hasty for conversation in record.conversations)
    expect(not hasty, f"on {hasty} connections a request was sent before the one before it was answered")
    return "one request at a time"


def _not_believed(scenario: Scenario, record: Record) -> str:
    """After an answer that is wrong on purpose the client goes no further as if it had been answered."""
    conversations = record.of(scenario)
    needed(bool(conversations), f"it never came to it that {scenario.value}")
    for conversation in conversations:
        place = conversation.fooled_at or 0
        before = [seen for seen in conversation.seen[:place] if seen.by_client]
        asked = before[-1].plain if before else b""
        for seen in conversation.seen[place:]:
            if not seen.by_client:
                continue
            if seen.octets[0] in (AARQ, RLRQ) or seen.plain == asked:
                break  # begins anew, takes its leave, or asks again
            fail(f"{scenario.value}, and the client goes on with {seen.plain[:16].hex()}")
    return f"{len(conversations)} times"


def _goes_on(scenario: Scenario, record: Record) -> str:
    """What is lawful, if rare, must not make the client fall."""
    conversations = record.of(scenario)
    needed(bool(conversations), f"it never came to it that {scenario.value}")
    for conversation in conversations:
        after = [seen for seen in conversation.seen[conversation.fooled_at or 0 :] if seen.by_client]
        # A request that was refused may be the last one; one that was answered, after a notification, hardly is.
        expect(bool(after) or scenario is Scenario.EXCEPTION, f"{scenario.value}, and the client falls silent")
        repeated = max((sum(seen.plain == other.plain for other in after) for seen in after), default=0)
        expect(repeated <= SAME_REQUEST_MAX, f"{scenario.value}, and the client asks the same {repeated} times")
    return f"{len(conversations)} times"


def _row(number: int, title: str, clause: str, check: Callable[[Record], str | None]) -> Row:
    return Row(id=f"CLI-{number:02}", group=Group.CLIENT, title=title, clause=clause, check=check)


_ACSE: Final = "IEC 62056-5-3, 6.2 (COSEM-OPEN)"
_INITIATE: Final = "IEC 62056-5-3, 7.2.4 (Initiate)"
_HLS: Final = "IEC 62056-5-3, 5.2.2.2 (HLS authentication)"
_PROTECTION: Final = "IEC 62056-5-3, 5.3.7 (protection of APDUs)"
_SERVICE: Final = "IEC 62056-5-3, 6.6 to 6.9 (GET, SET, ACTION, ACCESS)"
_BLOCK: Final = "IEC 62056-5-3, 6.6.3 (block transfer)"


def client_rows(max_pdu: int) -> tuple[Row, ...]:
    """Give the checks, for a server that takes APDUs of so many octets."""
    return (
        _row(1, "Association requests are well-formed, fields in order", _ACSE, _well_formed_associations),
        _row(2, "Application context and initiate request agree", _ACSE, _context),
        _row(3, "Authentication comes with all its fields", _ACSE, _authentication_fields),
        _row(4, "The client's title has eight octets and begins with a manufacturer", _HLS, _titles),
        _row(5, "Challenges are fresh and of 8 to 64 octets", _HLS, _challenges),
        _row(6, "Version, conformance and PDU size are proposed lawfully", _INITIATE, _proposal),
        _row(7, "No service is asked for without an association", _ACSE, _nothing_before_association),
        _row(8, "Proofs are true", _HLS, _proofs),
        _row(9, "Invocation counters grow, over connections too", _PROTECTION, _counters),
        _row(10, "Every request on a ciphered association is protected", _PROTECTION, _protection),
        _row(11, "What is asked for was negotiated", "IEC 62056-5-3, 7.3.1 (conformance block)", _negotiated),
        _row(12, "Requests keep to the server's PDU size", _INITIATE, partial(_sizes, max_pdu)),
        _row(13, "Next blocks are asked for by number and invoke identifier", _BLOCK, _next_blocks),
        _row(14, "The client's own blocks are numbered from 1", _BLOCK, _own_blocks),
        _row(15, "An association is released before the client leaves", "IEC 62056-5-3, 6.3 (COSEM-RELEASE)",
             _releases),
        _row(16, "Frames are well-formed, and go to one address", "IEC 62056-4-7, 5 (wrapper)", _frames),
        _row(17, "A dedicated key is used for one association", "IEC 62056-5-3, 5.4 (keys)", _dedicated_keys),
        _row(18, "Requests are well-formed", _SERVICE, _well_formed_requests),
        _row(19, "A request waits for the answer to the one before", _SERVICE, _in_turn),
        *(
            _row(31 + number, title, clause, partial(_not_believed, scenario))
            for number, (scenario, title, clause) in enumerate(_WRONG)
        ),
        _row(40, "A notification between request and answer does no harm", _SERVICE, partial(
            _goes_on, Scenario.NOTIFIED)),
        _row(41, "An exception response is taken, and not asked for without end", _SERVICE, partial(
            _goes_on, Scenario.EXCEPTION)),
    )  # fmt: skip


_WRONG: Final = (
    (Scenario.TAMPERED_ANSWER, "A tampered answer is not believed", _PROTECTION),
    (Scenario.REPLAYED_ANSWER, "A replayed answer is not believed", _PROTECTION),
    (Scenario.PLAIN_ANSWER, "An unprotected answer is not believed", _PROTECTION),
    (Scenario.REFLECTED_CHALLENGE, "The client's own challenge, given back, is not answered", _HLS),
    (Scenario.FALSE_PROOF, "A server whose proof is false is left", _HLS),
    (Scenario.OTHER_CONTEXT, "An answer in another context is not taken for an association", _ACSE),
    (Scenario.REJECTED, "A refused association is not used", _ACSE),
    (Scenario.OTHER_INVOKE, "An answer to another request is not believed", _SERVICE),
    (Scenario.WRONG_BLOCK, "A block out of order ends the transfer", _BLOCK),
)
CLIENT_ROWS: Final = client_rows(0xFFFF)


def judge_record(judge: ClientJudge, *, began: datetime, max_pdu: int = 0xFFFF) -> Report:
    """Judge what a client did; give the report, with the conversation that a failure is about as its evidence."""
    record = judge.record
    credential = judge.device.credential
    results = tuple(_judged(row, record, credential.password) for row in client_rows(max_pdu))
    played = sum(one.fooled_at is not None for one in record.conversations)
    facts = (
        ("client address", str(credential.client_sap)),
        ("mechanism", str(credential.mechanism)),
        ("connections", str(len(record.conversations))),
        ("scenarios that came to pass", f"{played} of {len(Scenario) - 1}"),
        ("security events", str(len(judge.device.events))),
    )
    duration_s = (datetime.now(UTC) - began).total_seconds()
    return Report(
        target="the client that connected", began=began, duration_s=duration_s, results=results, facts=facts,
        title="DLMS/COSEM conformance of a client",
    )  # fmt: skip


def _judged(row: Row, record: Record, password: bytes | None) -> Result:
    try:
        outcome, reason = Outcome.PASSED, row.check(record) or ""
    except CheckFailed as error:
        outcome, reason = Outcome.FAILED, str(error)
    except NotApplicable as error:
        outcome, reason = Outcome.NOT_APPLICABLE, str(error)
    except (PeerError, LookupError, ValueError) as error:
        outcome, reason = Outcome.INCONCLUSIVE, f"the check stumbled over a message: {error}"
    evidence = masked(_evidence(row, record), password)
    return Result(row=row, outcome=outcome, reason=reason, duration_s=0.0, evidence=evidence)


def _evidence(row: Row, record: Record) -> tuple[Exchanged, ...]:
    """Give the conversation that the check is about: that of its scenario, or the first."""
    check = row.check
    scenario = check.args[0] if isinstance(check, partial) and check.func in (_not_believed, _goes_on) else None
    chosen = record.of(scenario) if scenario is not None else record.conversations
    return chosen[0].evidence() if chosen else ()
