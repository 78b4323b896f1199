"""Block transfer: numbers, sizes, order, abort, repetition, in each direction; general block transfer.

The long value that any client may read is the object list of its own association, over a small PDU size.
Source: IEC 62056-5-3, 6.6.3, 6.7.3, 6.8.3 (long transfers), 6.5 (general block transfer); fact sheet section 4.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from meterworks.assess.conformance.request import (
    ASSOCIATION_NAME,
    BASIC_CONFORMANCE,
    INVOKE,
    OBJECT_LIST,
    UNKNOWN_NAME,
    action_request,
    attribute_octets,
    counted,
    get_request,
    get_with_list,
    method_octets,
    octet_string,
    result_of,
    set_request,
)
from meterworks.assess.conformance.row import Group, Row, expect, fail
from meterworks.assess.conformance.session import Answer, Session
from meterworks.assess.conformance.tester import Tester, has, needed, next_block, read_block
from meterworks.protocols.dlms import AttributeAddress, Conformance, MethodAddress

__all__ = ["BLOCK_ROWS"]

SMALL_PDU: Final = 160
UNDEFINED: Final = AttributeAddress(1, UNKNOWN_NAME, 2)
UNDEFINED_METHOD: Final = MethodAddress(9, UNKNOWN_NAME, 1)
GET_BLOCKS: Final = Conformance.BLOCK_TRANSFER_WITH_GET
SET_BLOCKS: Final = Conformance.BLOCK_TRANSFER_WITH_SET
ACTION_BLOCKS: Final = Conformance.BLOCK_TRANSFER_WITH_ACTION
LONG_VALUE: Final = octet_string(bytes(range(200)))
GENERAL_BLOCK: Final = 0xE0
LAST: Final = 0x80
BLOCKS_MAX: Final = 4096


def _long(t: Tester) -> tuple[Session, Answer]:
    """Ask for the object list with a small PDU size; give the session and the first block."""
    session = t.associated(max_pdu=SMALL_PDU)
    needed(has(session.conformance, GET_BLOCKS), "block transfer with GET is not negotiated")
    answer = session.request(get_request(OBJECT_LIST))
    needed(answer.plain[:2] != b"\xc4\x01", "the object list fits into one small APDU, or may not be read")
    return session, answer


def _joined(t: Tester) -> str:
    session, first = _long(t)
    joined = t.join_blocks(session, first)
    expect(joined == t.survey.octets or not t.survey.octets, "in blocks, the object list reads otherwise than whole")
    return f"{len(joined)} octets"


def _sizes(t: Tester) -> str:
    session, answer = _long(t)
    largest, number = 0, 1
    while True:
        largest = max(largest, len(answer.octets))
        expect(len(answer.octets) <= SMALL_PDU, f"an APDU of {len(answer.octets)} octets came; {SMALL_PDU} were agreed")
        if read_block(answer.plain)[0] or number > BLOCKS_MAX:
            return f"largest APDU {largest} octets"
        answer = session.request(next_block(number))
        number += 1


def _first_number(t: Tester) -> None:
    _, first = _long(t)
    last, number, octets = read_block(first.plain)
    expect(number == 1, f"the first block has number {number}")
    expect(not last and bool(octets), "the first block is empty, or the last")


def _same_invoke(t: Tester) -> None:
    session = t.associated(max_pdu=SMALL_PDU)
    needed(has(session.conformance, GET_BLOCKS), "block transfer with GET is not negotiated")
    answer = session.request(get_request(OBJECT_LIST, invoke=0xC9))
    needed(answer.plain[:2] == b"\xc4\x02", "the object list fits into one small APDU, or may not be read")
    answer = session.request(next_block(1, invoke=0xC9))
    expect(answer.plain[2] & 0x0F == 9, f"invoke 9 comes back as {answer.plain[2]:#04x}")


def _no_block(answer: Answer, what: str) -> str:
    """Prove that no block was given."""
    given = answer.plain[:2] == b"\xc4\x02" and answer.plain[8:9] == b"\x00"
    expect(not given, f"{what}: a block was given")
    return answer.describe()


def _wrong_number(number: int, t: Tester) -> str:
    session, _ = _long(t)
    described = _no_block(session.request(next_block(number)), f"block {number} asked for after block 1")
    _no_block(session.request(next_block(1)), "after a wrong number, the transfer")
    return described


def _next_without_transfer(t: Tester) -> str:
    session = t.associated()
    return _no_block(session.request(next_block(1)), "no transfer was under way")


def _next_after_last(t: Tester) -> str:
    session, first = _long(t)
    t.join_blocks(session, first)
    return _no_block(session.request(next_block(1)), "after the last block")


def _other_request_ends_it(t: Tester) -> None:
    session, _ = _long(t)
    answer = session.request(get_request(ASSOCIATION_NAME))
    expect(answer.plain[:2] == b"\xc4\x01", f"a GET in the midst of a transfer got {answer.describe()}")
    _no_block(session.request(next_block(1)), "after another request, the transfer")


def _other_invoke(t: Tester) -> str:
    session, _ = _long(t)
    return _no_block(session.request(next_block(1, invoke=0xCE)), "another invoke identifier")


def _new_association_forgets(t: Tester) -> None:
    session, _ = _long(t)
    session.wire.close()
    again = t.associated()
    _no_block(again.request(next_block(1)), "on a new connection")
    t.is_answered(again)


def _not_negotiated(t: Tester) -> str:
    session = t.associated(conformance=BASIC_CONFORMANCE & ~int(GET_BLOCKS), max_pdu=SMALL_PDU)
    answer = session.request(get_request(OBJECT_LIST))
    expect(answer.plain[:2] != b"\xc4\x02", "a block came, and blocks were not negotiated")
    expect(len(answer.octets) <= SMALL_PDU, f"an APDU of {len(answer.octets)} octets came; {SMALL_PDU} were agreed")
    return answer.describe()


def _list_in_blocks(t: Tester) -> str:
    session = t.associated(max_pdu=SMALL_PDU)
    both = has(session.conformance, GET_BLOCKS, Conformance.MULTIPLE_REFERENCES)
    needed(both, "blocks or lists are not negotiated")
    answer = session.request(get_with_list([ASSOCIATION_NAME, OBJECT_LIST, UNDEFINED]))
    needed(answer.plain[:2] == b"\xc4\x02", "the list fits into one small APDU")
    joined = t.join_blocks(session, answer)
    if t.survey.octets:
        expect(t.survey.octets in joined, "in a list in blocks, the object list reads otherwise than alone")
    expect(joined[:1] == b"\x03" and joined[-2:-1] == b"\x01", f"no list of three results: {joined[:4].hex()}..")
    return f"{len(joined)} octets"


# --- SET and ACTION --------------------------------------------------------------------------------------------------


def _set_block(number: int, octets: bytes, *, last: bool, invoke: int = INVOKE) -> bytes:
    return bytes((0xC1, 3, invoke, last)) + number.to_bytes(4, "big") + counted(octets)


def _set_first(octets: bytes, *, last: bool = False) -> bytes:
    block = bytes((last,)) + (1).to_bytes(4, "big") + counted(octets)
    return bytes((0xC1, 2, INVOKE)) + attribute_octets(UNDEFINED) + b"\x00" + block


def _setting(t: Tester) -> Session:
    session = t.associated()
    needed(has(session.conformance, SET_BLOCKS), "block transfer with SET is not negotiated")
    return session


def _set_in_blocks(t: Tester) -> str:
    session = _setting(t)
    answer = session.request(_set_first(LONG_VALUE[:100]))
    if answer.plain[:2] == b"\xc5\x03" and answer.plain[3]:
        return "refused with the first block"
    expect(answer.plain == b"\xc5\x02" + bytes((INVOKE,)) + b"\0\0\0\1", f"block 1 was answered by {answer.describe()}")
    answer = session.request(_set_block(2, LONG_VALUE[100:], last=True))
    expect(answer.plain[:2] == b"\xc5\x03", f"the last block was answered by {answer.describe()}")
    expect(answer.plain[3] != 0, "an attribute that does not exist was written")
    expect(answer.plain[4:] == b"\0\0\0\2", f"the last block is acknowledged as {answer.plain[4:].hex()}")
    return t.refused(answer, "SET of an undefined object in blocks")


def _set_out_of_order(number: int, t: Tester) -> str:
    session = _setting(t)
    answer = session.request(_set_first(LONG_VALUE[:100]))
    needed(answer.plain[:2] == b"\xc5\x02", "the server refuses the first block at once")
    answer = session.request(_set_block(number, LONG_VALUE[100:], last=False))
    expect(answer.plain[:2] != b"\xc5\x02", f"block {number} was taken after block 1")
    described = t.refused(answer, f"block {number} after block 1")
    after = session.request(_set_block(2, LONG_VALUE[100:], last=False))
    expect(after.plain[:2] != b"\xc5\x02", "after a block out of order, the transfer goes on")
    return described


def _set_block_alone(t: Tester) -> str:
    session = _setting(t)
    answer = session.request(_set_block(1, b"\x11\x01", last=True))
    return t.refused(answer, "a block of a SET that never began")


def _set_abandoned(t: Tester) -> None:
    session = _setting(t)
    answer = session.request(_set_first(LONG_VALUE[:100]))
    needed(answer.plain[:2] == b"\xc5\x02", "the server refuses the first block at once")
    session.request(set_request(UNDEFINED, b"\x11\x01"))
    after = session.request(_set_block(2, LONG_VALUE[100:], last=True))
    expect(result_of(after.plain) != 0 and after.plain[:2] != b"\xc5\x02", "the abandoned transfer goes on")
    t.is_answered(session)


def _acting(t: Tester) -> Session:
    session = t.associated()
    needed(has(session.conformance, ACTION_BLOCKS), "block transfer with ACTION is not negotiated")
    return session


def _action_block(number: int, octets: bytes, *, last: bool) -> bytes:
    return bytes((0xC3, 6, INVOKE, last)) + number.to_bytes(4, "big") + counted(octets)


def _action_first(octets: bytes) -> bytes:
    block = b"\x00" + (1).to_bytes(4, "big") + counted(octets)
    return bytes((0xC3, 4, INVOKE)) + method_octets(UNDEFINED_METHOD) + block


def _action_in_blocks(t: Tester) -> str:
    session = _acting(t)
    answer = session.request(_action_first(LONG_VALUE[:100]))
    if answer.plain[:2] == b"\xc7\x01" and answer.plain[3]:
        return "refused with the first block"
    expect(answer.plain == b"\xc7\x04" + bytes((INVOKE,)) + b"\0\0\0\1", f"block 1 was answered by {answer.describe()}")
    answer = session.request(_action_block(2, LONG_VALUE[100:], last=True))
    expect(answer.plain[:2] == b"\xc7\x01", f"the last block was answered by {answer.describe()}")
    return t.refused(answer, "ACTION on an undefined object in blocks")


def _action_out_of_order(t: Tester) -> str:
    session = _acting(t)
    answer = session.request(_action_first(LONG_VALUE[:100]))
    needed(answer.plain[:2] == b"\xc7\x04", "the server refuses the first block at once")
    answer = session.request(_action_block(7, LONG_VALUE[100:], last=False))
    expect(answer.plain[:2] != b"\xc7\x04", "block 7 was taken after block 1")
    return t.refused(answer, "block 7 after block 1")


def _action_next_alone(t: Tester) -> str:
    session = _acting(t)
    answer = session.request(bytes((0xC3, 2, INVOKE)) + b"\0\0\0\1")
    expect(answer.plain[:2] != b"\xc7\x02", "a block was given, and no transfer was under way")
    return t.refused(answer, "a request for the next block of nothing")


# --- general block transfer ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A general block. window: in blocks. acknowledged: number of the peer's last block in order."""

    number: int
    acknowledged: int
    octets: bytes
    last: bool
    streaming: bool = False
    window: int = 1

    def to_bytes(self) -> bytes:
        control = (LAST if self.last else 0) | (0x40 if self.streaming else 0) | self.window
        head = bytes((GENERAL_BLOCK, control)) + self.number.to_bytes(2, "big") + self.acknowledged.to_bytes(2, "big")
        return head + counted(self.octets)


def _read_general(octets: bytes) -> _Block:
    if octets[:1] != bytes((GENERAL_BLOCK,)) or len(octets) < 7:
        fail(f"a general block was expected, APDU {octets[:8].hex() or 'nothing'} came")
    size, start = octets[6], 7
    if size & 0x80:
        start = 7 + (size & 0x7F)
        size = int.from_bytes(octets[7:start], "big")
    expect(len(octets) - start == size, f"a general block says {size} octets and has {len(octets) - start}")
    return _Block(
        number=int.from_bytes(octets[2:4], "big"),
        acknowledged=int.from_bytes(octets[4:6], "big"),
        octets=octets[start:],
        last=bool(octets[1] & LAST),
        streaming=bool(octets[1] & 0x40),
        window=octets[1] & 0x3F,
    )


def _general(t: Tester) -> Session:
    conformance = BASIC_CONFORMANCE & ~int(GET_BLOCKS) | int(Conformance.GENERAL_BLOCK_TRANSFER)
    session = t.associated(conformance=conformance, max_pdu=SMALL_PDU)
    agreed = has(session.conformance, Conformance.GENERAL_BLOCK_TRANSFER)
    needed(agreed, "general block transfer is not negotiated")
    return session


def _blocks(session: Session, first: Answer) -> Iterator[_Block]:
    """Fetch a long answer in general blocks, window 1, each acknowledged by an empty one."""
    answer = first
    for own in range(2, BLOCKS_MAX):
        expect(len(answer.octets) <= SMALL_PDU, f"a general block of {len(answer.octets)} octets; {SMALL_PDU} agreed")
        block = _read_general(answer.octets)
        yield block
        if block.last:
            return
        answer = session.exchange(_Block(number=own, acknowledged=block.number, octets=b"", last=True).to_bytes())
    fail(f"the transfer goes beyond {BLOCKS_MAX} blocks")


def _general_get(t: Tester) -> str:
    session = _general(t)
    request = session.protect(get_request(OBJECT_LIST))
    first = session.exchange(_Block(number=1, acknowledged=0, octets=request, last=True).to_bytes())
    blocks = list(_blocks(session, first))
    numbers = [block.number for block in blocks]
    expect(numbers == list(range(1, len(blocks) + 1)), f"the blocks are numbered {numbers[:12]}")
    joined = b"".join(block.octets for block in blocks)
    plain = session.unprotect(joined)[0] if t.credential.is_ciphered else joined
    expect(plain[:4] == bytes((0xC4, 1, INVOKE, 0)), f"the joined blocks are no GET response: {plain[:8].hex()}")
    expect(not t.survey.octets or plain[4:] == t.survey.octets, "in general blocks, the object list reads otherwise")
    return f"{len(blocks)} blocks"


def _general_lost(t: Tester) -> str:
    """Acknowledge nothing of the first block: the server must send it again."""
    session = _general(t)
    request = session.protect(get_request(OBJECT_LIST))
    answer = session.exchange(_Block(number=1, acknowledged=0, octets=request, last=True).to_bytes())
    first = _read_general(answer.octets)
    needed(not first.last, "the object list fits into one small block")
    again = session.exchange(_Block(number=2, acknowledged=0, octets=b"", last=True).to_bytes())
    if again.is_exception or again.is_silence:
        return f"the transfer was ended: {again.describe()}"
    found = _read_general(again.octets)
    expect(found.number == 1, f"block {found.number} came, and block 1 was never acknowledged")
    expect(found.octets == first.octets, "sent again, block 1 holds other octets")
    return "block 1 was sent again"


def _general_request_in_pieces(t: Tester) -> None:
    session = _general(t)
    request = session.protect(get_request(ASSOCIATION_NAME))
    head = _Block(number=1, acknowledged=0, octets=request[:6], last=False).to_bytes()
    answer = session.exchange(head)
    acknowledgement = _read_general(answer.octets)
    expect(acknowledgement.acknowledged == 1, f"block 1 is acknowledged as {acknowledgement.acknowledged}")
    tail = _Block(number=2, acknowledged=acknowledgement.number, octets=request[6:], last=True).to_bytes()
    answer = session.exchange(tail)
    octets = answer.octets
    if octets[:1] == bytes((GENERAL_BLOCK,)):
        octets = _read_general(octets).octets
    plain = session.unprotect(octets)[0] if t.credential.is_ciphered and octets[:1] != b"\xd8" else octets
    expect(plain[:2] == b"\xc4\x01", f"a GET in two general blocks got {plain[:12].hex() or 'nothing'}")


def _general_out_of_order(t: Tester) -> str:
    session = _general(t)
    request = session.protect(get_request(ASSOCIATION_NAME))
    answer = session.exchange(_Block(number=5, acknowledged=0, octets=request, last=True).to_bytes())
    octets = answer.octets
    if octets[:1] == bytes((GENERAL_BLOCK,)):
        block = _read_general(octets)
        expect(block.acknowledged != 5 and not block.octets, "a transfer that begins with block 5 was carried out")
    else:
        expect(octets[:1] != b"\xc4" and octets[:1] != b"\xcc", "a transfer that begins with block 5 was answered")
    return answer.describe()


def _general_not_negotiated(t: Tester) -> str:
    session = t.associated(conformance=BASIC_CONFORMANCE, max_pdu=SMALL_PDU)
    request = session.protect(get_request(ASSOCIATION_NAME))
    answer = session.exchange(_Block(number=1, acknowledged=0, octets=request, last=True).to_bytes())
    refused = answer.is_exception or answer.is_silence
    expect(refused, f"a general block, which was not negotiated, got {answer.describe()}")
    return answer.describe()


def _long_without_blocks(t: Tester) -> str:
    session = t.associated(max_pdu=SMALL_PDU)
    answer = session.request(action_request(UNDEFINED_METHOD, LONG_VALUE))
    return t.refused(answer, "ACTION on an undefined object with a long parameter")


def _row(number: int, title: str, clause: str, check: Callable[[Tester], str | None]) -> Row:
    return Row(id=f"BLOCK-{number:02}", group=Group.BLOCK, title=title, clause=clause, check=check)


_GET: Final = "IEC 62056-5-3, 6.6.3 (GET, block transfer)"
_SET: Final = "IEC 62056-5-3, 6.7.3 (SET, block transfer)"
_ACTION: Final = "IEC 62056-5-3, 6.8.3 (ACTION, block transfer)"
_GENERAL: Final = "IEC 62056-5-3, 6.5 (general block transfer)"

BLOCK_ROWS: Final = (
    _row(1, "A long value comes in numbered blocks that join to it", _GET, _joined),
    _row(2, "No APDU is larger than the client's PDU size", _GET, _sizes),
    _row(3, "The first block has number 1", _GET, _first_number),
    _row(4, "The invoke identifier stays the same through a transfer", _GET, _same_invoke),
    _row(5, "A block number too high ends the transfer", _GET, partial(_wrong_number, 5)),
    _row(6, "Block number 0 ends the transfer", _GET, partial(_wrong_number, 0)),
    _row(7, "There is no next block where there is no transfer", _GET, _next_without_transfer),
    _row(8, "There is no next block after the last", _GET, _next_after_last),
    _row(9, "Another request ends the transfer", _GET, _other_request_ends_it),
    _row(10, "Another invoke identifier does not continue the transfer", _GET, _other_invoke),
    _row(11, "A new association knows of no old transfer", _GET, _new_association_forgets),
    _row(12, "Without negotiated blocks, a long value comes in none", _GET, _not_negotiated),
    _row(13, "A long list of values comes in blocks", _GET, _list_in_blocks),
    _row(14, "SET in blocks is acknowledged block by block", _SET, _set_in_blocks),
    _row(15, "A SET block too high ends the transfer", _SET, partial(_set_out_of_order, 3)),
    _row(16, "A SET block that is repeated ends the transfer", _SET, partial(_set_out_of_order, 1)),
    _row(17, "A SET block without its first is refused", _SET, _set_block_alone),
    _row(18, "Another SET abandons the one in blocks", _SET, _set_abandoned),
    _row(19, "ACTION in blocks is acknowledged block by block", _ACTION, _action_in_blocks),
    _row(20, "An ACTION block out of order ends the transfer", _ACTION, _action_out_of_order),
    _row(21, "There is no next ACTION block where there is no transfer", _ACTION, _action_next_alone),
    _row(22, "A long parameter for an undefined method is refused", _ACTION, _long_without_blocks),
    _row(23, "A long value comes in general blocks that join to it", _GENERAL, _general_get),
    _row(24, "A general block that was lost is sent again", _GENERAL, _general_lost),
    _row(25, "A request may come in general blocks", _GENERAL, _general_request_in_pieces),
    _row(26, "General blocks begin with number 1", _GENERAL, _general_out_of_order),
    _row(27, "General block transfer that was not negotiated is refused", _GENERAL, _general_not_negotiated),
)
