"""Services: GET, SET, ACTION and ACCESS in all their forms, and what comes of a wrong class, object, attribute or type.

Nothing here changes a meter: what is written or invoked does not exist, is read-only, or has a type that cannot fit.
Source: IEC 62056-5-3, 6.6 to 6.12 and 7.3; fact sheet section 4.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from meterworks.assess.conformance.request import (
    ASSOCIATION_NAME,
    BASIC_CONFORMANCE,
    CURRENT_ASSOCIATION,
    INVOKE,
    UNKNOWN_NAME,
    action_request,
    attribute_octets,
    describe_result,
    get_request,
    get_with_list,
    method_octets,
    octet_string,
    set_request,
    whole_data,
)
from meterworks.assess.conformance.row import Group, NotApplicable, Row, expect, fail
from meterworks.assess.conformance.session import Answer, Form, Session
from meterworks.assess.conformance.tester import Tester, has, needed
from meterworks.protocols.dlms import AttributeAddress, Conformance, MethodAddress, end_of

__all__ = ["SERVICE_ROWS"]

UNDEFINED: Final = AttributeAddress(1, UNKNOWN_NAME, 2)
UNDEFINED_METHOD: Final = MethodAddress(9, UNKNOWN_NAME, 1)
NO_SUCH_ATTRIBUTE: Final = AttributeAddress(15, CURRENT_ASSOCIATION, 99)
NO_SUCH_METHOD: Final = MethodAddress(15, CURRENT_ASSOCIATION, 99)
WRONG_CLASS: Final = AttributeAddress(3, CURRENT_ASSOCIATION, 2)
UNCONFIRMED: Final = 0x81
UNDEFINED_RESULTS: Final = frozenset({3, 4, 11})  # denied, undefined, unavailable: all say "not for you"
CLASS_RESULTS: Final = frozenset({3, 4, 9, 11})
LONG_INVOKE: Final = bytes.fromhex("40000001")
ACCESS_CONFORMANCE: Final = BASIC_CONFORMANCE | int(Conformance.ACCESS | Conformance.GENERAL_PROTECTION)
PROFILE_CLASS: Final = 7
CLOCK_COLUMN: Final = bytes.fromhex("0204120008090600000100 00ff0f02120000".replace(" ", ""))
ROWS_READ: Final = 2


def _own_name(t: Tester) -> None:
    session = t.associated()
    data = t.get(session, ASSOCIATION_NAME)
    expect(data == octet_string(bytes(CURRENT_ASSOCIATION)), f"the logical name reads {data.hex()}")


def _invoke_identifiers(t: Tester) -> None:
    session = t.associated()
    for invoke in [0x40 | number for number in range(16)] + [0xC0, 0xCF]:
        answer = session.request(get_request(ASSOCIATION_NAME, invoke=invoke))
        expect(answer.plain[:2] == b"\xc4\x01", f"GET with invoke {invoke:#04x}: {answer.describe()}")
        expect(answer.plain[2] & 0x0F == invoke & 0x0F, f"invoke {invoke:#04x} comes back as {answer.plain[2]:#04x}")


def _get_refused(address: AttributeAddress, what: str, results: frozenset[int], t: Tester) -> str:
    return t.refused(t.associated().request(get_request(address)), f"GET of {what}", results=results)


def _set_refused(address: AttributeAddress, value: bytes, what: str, results: frozenset[int] | None, t: Tester) -> str:
    return t.refused(t.associated().request(set_request(address, value)), f"SET of {what}", results=results)


def _action_refused(address: MethodAddress, what: str, results: frozenset[int], t: Tester) -> str:
    answer = t.associated().request(action_request(address, b"\x0f\x00"))
    return t.refused(answer, f"ACTION of {what}", results=results)


def _get_results(answer: Answer, count: int) -> list[bytes | int]:
    """Take a GET response with a list apart: data or result, in order."""
    octets = answer.plain
    if octets[:2] != b"\xc4\x03" or len(octets) < 4:
        fail(f"a GET response with a list was expected, {answer.describe()} came")
    expect(octets[3] == count, f"{count} attributes were asked for, {octets[3]} results came")
    offset, results = 4, list[bytes | int]()
    for _ in range(count):
        if octets[offset]:
            results.append(octets[offset + 1])
            offset += 2
            continue
        end = end_of(octets, offset + 1)
        results.append(octets[offset + 1 : end])
        offset = end
    expect(offset == len(octets), f"{len(octets) - offset} octets follow the list of results")
    return results


def _get_list(t: Tester) -> None:
    session = _listing(t)
    answer = session.request(get_with_list([ASSOCIATION_NAME, ASSOCIATION_NAME]))
    results = _get_results(answer, 2)
    alone = t.try_get(session, ASSOCIATION_NAME)
    wanted: bytes | int = alone[1] or alone[0]
    expect(results == [wanted, wanted], f"listed, the attribute reads {results}; alone {wanted!r}")


def _get_list_of_good_and_bad(t: Tester) -> None:
    session = _listing(t)
    results = _get_results(session.request(get_with_list([UNDEFINED, ASSOCIATION_NAME, UNDEFINED])), 3)
    bad = [results[0], results[2]]
    expect(all(isinstance(result, int) and result for result in bad), f"objects that do not exist read {bad}")
    alone = t.try_get(session, ASSOCIATION_NAME)
    expect(results[1] == (alone[1] or alone[0]), "between refused ones, the good attribute reads otherwise")


def _get_empty_list(t: Tester) -> str:
    session = _listing(t)
    answer = session.request(get_with_list([]))
    expect(answer.is_exception or answer.plain[:4] in (b"\xc4\x03\xc1\x00", b""), f"{answer.describe()} came")
    session.close()
    t.still_serves()
    return answer.describe()


def _listing(t: Tester) -> Session:
    session = t.associated()
    needed(has(session.conformance, Conformance.MULTIPLE_REFERENCES), "multiple references are not negotiated")
    return session


def _set_list(t: Tester) -> str:
    session = _listing(t)
    items = bytes((2,)) + (attribute_octets(UNDEFINED) + b"\x00") * 2
    answer = session.request(bytes((0xC1, 4, INVOKE)) + items + b"\x02\x00\x00")
    if answer.is_exception:
        return answer.describe()
    expect(answer.plain[:2] == b"\xc5\x05", f"a SET of a list was answered by {answer.describe()}")
    expect(answer.plain[3] == 2 and len(answer.plain) == 6, f"two results were due: {answer.describe()}")
    expect(all(answer.plain[4:6]), "attributes that do not exist were written")
    return ", ".join(describe_result(result) for result in answer.plain[4:6])


def _action_list(t: Tester) -> str:
    session = _listing(t)
    items = bytes((2,)) + method_octets(UNDEFINED_METHOD) * 2
    answer = session.request(bytes((0xC3, 3, INVOKE)) + items + b"\x02\x0f\x00\x0f\x00")
    if answer.is_exception:
        return answer.describe()
    expect(answer.plain[:2] == b"\xc7\x03" and answer.plain[3:4] == b"\x02", f"{answer.describe()} answers a list")
    expect(bool(answer.plain[4]), "a method that does not exist was carried out")
    return answer.describe()


def _unknown_type(tag: int, t: Tester) -> str:
    session = t.associated()
    answer = session.request(bytes((tag, 0x3F, INVOKE)) + attribute_octets(ASSOCIATION_NAME) + b"\x00")
    return t.refused(answer, f"request {tag:#04x} of type 63")


def _unknown_service(t: Tester) -> str:
    session = t.associated()
    if t.credential.is_ciphered:
        octets = session.protect(b"\xc6\x01\xc1\x00", tag=0xCE)  # C6 is no service
    else:
        octets = b"\xc6\x01\xc1\x00"
    answer = session.exchange(octets)
    expect(answer.is_exception or answer.is_silence, f"a service that does not exist got {answer.describe()}")
    return answer.describe()


def _short_name_service(t: Tester) -> str:
    session = t.associated()
    answer = session.request(b"\x05\x01\x02\xfa\x00")
    expect(answer.plain[:1] != b"\x0c", "READ was answered on an association by logical names")
    return answer.describe()


def _trailing_octets(t: Tester) -> str:
    session = t.associated()
    answer = session.request(get_request(ASSOCIATION_NAME) + b"\xaa\xbb")
    return t.refused(answer, "a GET with two octets too many")


def _unconfirmed(request: bytes, what: str, t: Tester) -> None:
    """Send an unconfirmed request, then a GET: the first answer must be that of the GET."""
    session = t.associated()
    session.post(request)
    answer = session.request(get_request(ASSOCIATION_NAME, invoke=0xC7))
    expect(answer.plain[:1] == b"\xc4" and answer.plain[2] & 0xF == 7, f"unconfirmed {what} got {answer.describe()}")


def _not_negotiated(conformance: int, request: bytes, what: str, t: Tester) -> str:
    session = t.associated(conformance=conformance)
    expect(session.conformance & ~conformance == 0, "more was negotiated than proposed")
    return t.refused(session.request(request), f"{what}, which was not negotiated,")


def _selection_on_simple_attribute(t: Tester) -> str:
    session = t.associated()
    needed(has(session.conformance, Conformance.SELECTIVE_ACCESS), "selective access is not negotiated")
    selection = b"\x02" + bytes.fromhex("0204060000000106000000011200001200 00".replace(" ", ""))
    return t.refused(session.request(get_request(ASSOCIATION_NAME, selection)), "selective access to a logical name")


# --- selective access to profiles -----------------------------------------------------------------------------------


def _profile(t: Tester) -> tuple[Session, AttributeAddress, int]:
    """Give a session, a profile of the list with more than a row, and its number of rows; inapplicable without."""
    session = t.associated()
    needed(has(session.conformance, Conformance.SELECTIVE_ACCESS), "selective access is not negotiated")
    for row in t.survey.named(PROFILE_CLASS):
        result, data = t.try_get(session, AttributeAddress(PROFILE_CLASS, row.name, 7))
        count = whole_data(data) if result == 0 else 0
        if isinstance(count, int) and count >= ROWS_READ:
            return session, AttributeAddress(PROFILE_CLASS, row.name, 2), count
    raise NotApplicable("no profile with rows is in the object list")


def _entries(first: int, last: int, column: int = 1, last_column: int = 0) -> bytes:
    numbers = b"\x06" + first.to_bytes(4, "big") + b"\x06" + last.to_bytes(4, "big")
    columns = b"\x12" + column.to_bytes(2, "big") + b"\x12" + last_column.to_bytes(2, "big")
    return b"\x02\x02\x04" + numbers + columns


def _rows_of(t: Tester, session: Session, buffer: AttributeAddress, selection: bytes) -> list[object]:
    rows = whole_data(t.get(session, buffer, selection))
    if not isinstance(rows, list):
        fail("the buffer is not an array")
    return rows


def _by_entry(t: Tester) -> str:
    session, buffer, count = _profile(t)
    one = _rows_of(t, session, buffer, _entries(1, 1))
    both = _rows_of(t, session, buffer, _entries(1, ROWS_READ))
    expect(len(one) == 1, f"entries 1 to 1 are {len(one)} rows")
    expect(len(both) == ROWS_READ, f"entries 1 to {ROWS_READ} are {len(both)} rows of {count}")
    expect(both[0] == one[0], "entry 1 reads otherwise beside entry 2")
    return f"{buffer.obis_code}: {count} rows in use"


def _by_entry_columns(t: Tester) -> None:
    session, buffer, _ = _profile(t)
    whole = _rows_of(t, session, buffer, _entries(1, 1))[0]
    needed(isinstance(whole, list | tuple) and len(whole) > 1, "the profile has one column")
    first = _rows_of(t, session, buffer, _entries(1, 1, 1, 1))[0]
    expect(
        isinstance(first, list | tuple) and isinstance(whole, list | tuple) and first == whole[:1],
        f"column 1 of entry 1 reads {first!r}, and the whole row begins {whole!r}",
    )


def _by_entry_beyond(t: Tester) -> str:
    session, buffer, count = _profile(t)
    result, data = t.try_get(session, buffer, _entries(count + 10_000, count + 10_001))
    if result:
        return describe_result(result)
    rows = whole_data(data)
    expect(rows == [], f"entries beyond the last are {rows!r:.80}")
    return "an empty array"


def _range(first: bytes, last: bytes) -> bytes:
    return b"\x01\x02\x04" + CLOCK_COLUMN + first + last + b"\x01\x00"


_LONG_AGO: Final = bytes.fromhex("090c07b20101ff00000000800000")
_LONG_AGO_END: Final = bytes.fromhex("090c07b20102ff00000000800000")


def _by_range_empty(t: Tester) -> None:
    session, buffer, _ = _profile(t)
    result, data = t.try_get(session, buffer, _range(_LONG_AGO, _LONG_AGO_END))
    needed(result != 12, "the profile is not sorted by time")
    expect(result == 0, f"a range of 1970 is refused by {describe_result(result)}; it is an empty array, not an error")
    expect(whole_data(data) == [], "a range of 1970 holds rows")


def _by_range_of_a_row(t: Tester) -> str:
    session, buffer, count = _profile(t)
    row = _rows_of(t, session, buffer, _entries(count, count))[0]
    cells = row if isinstance(row, list | tuple) else ()
    stamp = next((cell for cell in cells if isinstance(cell, bytes) and len(cell) == 12), None)
    needed(stamp is not None, "the newest row begins with no time stamp")
    assert stamp is not None
    found = _rows_of(t, session, buffer, _range(octet_string(stamp), octet_string(stamp)))
    expect(len(found) >= 1, f"the row of {stamp.hex()} is not found in a range that begins and ends with it")
    return f"{len(found)} rows"


def _unknown_selector(t: Tester) -> str:
    session, buffer, _ = _profile(t)
    return t.refused(session.request(get_request(buffer, b"\x63\x00")), "selector 99")


def _malformed_selection(t: Tester) -> str:
    session, buffer, _ = _profile(t)
    return t.refused(session.request(get_request(buffer, b"\x02\x0f\x01")), "selector 2 with an integer in its place")


# --- ACCESS ---------------------------------------------------------------------------------------------------------


def _access_session(t: Tester) -> Session:
    session = t.associated(conformance=ACCESS_CONFORMANCE)
    needed(has(session.conformance, Conformance.ACCESS), "ACCESS is not negotiated")
    if t.credential.is_ciphered:
        needed(has(session.conformance, Conformance.GENERAL_PROTECTION), "ACCESS cannot be ciphered: bit 1 is missing")
    return session


def _access(specifications: list[bytes], data: list[bytes], invoke: bytes = LONG_INVOKE) -> bytes:
    head = b"\xd9" + invoke + b"\x00" + bytes((len(specifications),)) + b"".join(specifications)
    return head + bytes((len(data),)) + b"".join(data)


def _access_results(session: Session, request: bytes, count: int) -> tuple[list[bytes], list[int]]:
    """Send an ACCESS request; give data and results."""
    answer = session.request(request, form=Form.GENERAL_GLO)
    octets = answer.plain
    if octets[:1] != b"\xda":
        fail(f"an ACCESS response was expected, {answer.describe()} came")
    expect(octets[1:5] == request[1:5], f"invoke {request[1:5].hex()} comes back as {octets[1:5].hex()}")
    offset = 6 + octets[5]
    expect(octets[offset] == 0, "the response echoes the specifications, which nobody asked for")
    expect(octets[offset + 1] == count, f"{count} data were due, {octets[offset + 1]} came")
    offset, data = offset + 2, []
    for _ in range(count):
        end = end_of(octets, offset)
        data.append(octets[offset:end])
        offset = end
    expect(octets[offset] == count, f"{count} results were due, {octets[offset]} came")
    pairs = octets[offset + 1 :]
    expect(len(pairs) == 2 * count, f"{len(pairs)} octets follow the count of {count} results")
    return data, list(pairs[1::2])


def _access_get(t: Tester) -> None:
    session = _access_session(t)
    own, unknown = (b"\x01" + attribute_octets(address) for address in (ASSOCIATION_NAME, UNDEFINED))
    data, results = _access_results(session, _access([own, unknown, own], [b"\x00"] * 3), 3)
    expect(results[0] == results[2] == 0, f"the logical name is refused by result {results[0]}")
    expect(data[0] == data[2] == octet_string(bytes(CURRENT_ASSOCIATION)), f"the logical name reads {data[0].hex()}")
    expect(results[1] != 0, "an object that does not exist was read")


def _access_set_and_action(t: Tester) -> None:
    session = _access_session(t)
    specifications = [b"\x02" + attribute_octets(UNDEFINED), b"\x03" + method_octets(UNDEFINED_METHOD)]
    _, results = _access_results(session, _access(specifications, [b"\x11\x01", b"\x0f\x00"]), 2)
    expect(all(results), f"what does not exist was written and invoked: results {results}")


def _access_uneven(t: Tester) -> str:
    session = _access_session(t)
    own = b"\x01" + attribute_octets(ASSOCIATION_NAME)
    answer = session.request(_access([own, own], [b"\x00"]), form=Form.GENERAL_GLO)
    expect(answer.is_exception or answer.is_silence, f"two specifications with one datum got {answer.describe()}")
    return answer.describe()


def _access_not_negotiated(t: Tester) -> str:
    session = t.associated(conformance=BASIC_CONFORMANCE | int(Conformance.GENERAL_PROTECTION))
    own = b"\x01" + attribute_octets(ASSOCIATION_NAME)
    answer = session.request(_access([own], [b"\x00"]), form=Form.GENERAL_GLO)
    expect(answer.plain[:1] != b"\xda", "ACCESS was answered, and is not negotiated")
    return answer.describe()


def _all_attributes(t: Tester) -> str:
    session = t.associated()
    needed(has(session.conformance, Conformance.ATTRIBUTE_0_WITH_GET), "attribute 0 is not negotiated")
    result, data = t.try_get(session, AttributeAddress(15, CURRENT_ASSOCIATION, 0))
    if result:
        return describe_result(result)
    expect(isinstance(whole_data(data), list | tuple), "attribute 0 is no structure")
    return f"{len(data)} octets"


def _row(number: int, title: str, clause: str, check: Callable[[Tester], str | None]) -> Row:
    return Row(id=f"SERV-{number:02}", group=Group.SERVICE, title=title, clause=clause, check=check)


_GET: Final = "IEC 62056-5-3, 6.6 (GET)"
_SET: Final = "IEC 62056-5-3, 6.7 (SET)"
_ACTION: Final = "IEC 62056-5-3, 6.8 (ACTION)"
_ACCESS: Final = "IEC 62056-5-3, 6.9 (ACCESS)"
_PROFILE: Final = "IEC 62056-6-2, 5.3.6 (Profile generic), selective access"
_NEGOTIATION: Final = "IEC 62056-5-3, 7.3.1 (conformance block)"
_REJECTION: Final = "IEC 62056-5-3, 6.15 (exception response)"
_GET_ONLY: Final = int(Conformance.GET)

SERVICE_ROWS: Final = (
    _row(1, "GET reads the current association's logical name", _GET, _own_name),
    _row(2, "Each invoke identifier comes back", _GET, _invoke_identifiers),
    _row(3, "GET of an object that does not exist is refused", _GET, partial(
        _get_refused, UNDEFINED, "an undefined object", UNDEFINED_RESULTS)),
    _row(4, "GET under a wrong class is refused", _GET, partial(
        _get_refused, WRONG_CLASS, "the association as a register", CLASS_RESULTS)),
    _row(5, "GET of an attribute that does not exist is refused", _GET, partial(
        _get_refused, NO_SUCH_ATTRIBUTE, "attribute 99", CLASS_RESULTS | {250})),
    _row(6, "GET of a negative attribute that does not exist is refused", _GET, partial(
        _get_refused, AttributeAddress(15, CURRENT_ASSOCIATION, -128), "attribute -128", CLASS_RESULTS | {250})),
    _row(7, "GET with a list gives what GET gives", _GET, _get_list),
    _row(8, "In a list, one refusal does not touch its neighbours", _GET, _get_list_of_good_and_bad),
    _row(9, "GET with an empty list does no harm", _GET, _get_empty_list),
    _row(10, "GET of an undefined request type is refused", _REJECTION, partial(_unknown_type, 0xC0)),
    _row(11, "SET of an undefined request type is refused", _REJECTION, partial(_unknown_type, 0xC1)),
    _row(12, "ACTION of an undefined request type is refused", _REJECTION, partial(_unknown_type, 0xC3)),
    _row(13, "A service that does not exist is refused as a whole", _REJECTION, _unknown_service),
    _row(14, "READ is refused on an association by logical names", _REJECTION, _short_name_service),
    _row(15, "A GET followed by octets too many is refused", _REJECTION, _trailing_octets),
    _row(16, "SET of an object that does not exist is refused", _SET, partial(
        _set_refused, UNDEFINED, b"\x11\x01", "an undefined object", UNDEFINED_RESULTS)),
    _row(17, "SET of a logical name is refused", _SET, partial(
        _set_refused, ASSOCIATION_NAME, octet_string(bytes(6)), "a logical name", None)),
    _row(18, "SET of a value of a wrong type is refused", _SET, partial(
        _set_refused, ASSOCIATION_NAME, b"\x03\x01", "a logical name, as a boolean,", None)),
    _row(19, "SET of an attribute that does not exist is refused", _SET, partial(
        _set_refused, NO_SUCH_ATTRIBUTE, b"\x11\x01", "attribute 99", CLASS_RESULTS | {250})),
    _row(20, "SET under a wrong class is refused", _SET, partial(
        _set_refused, WRONG_CLASS, b"\x11\x01", "the association as a register", CLASS_RESULTS)),
    _row(21, "SET with a list gives a result for each", _SET, _set_list),
    _row(22, "An unconfirmed SET is not answered", _SET, partial(
        _unconfirmed, set_request(UNDEFINED, b"\x11\x01", invoke=UNCONFIRMED), "SET")),
    _row(23, "ACTION on an object that does not exist is refused", _ACTION, partial(
        _action_refused, UNDEFINED_METHOD, "an undefined object", UNDEFINED_RESULTS)),
    _row(24, "ACTION of a method that does not exist is refused", _ACTION, partial(
        _action_refused, NO_SUCH_METHOD, "method 99", CLASS_RESULTS | {250})),
    _row(25, "ACTION with a list gives a result for each", _ACTION, _action_list),
    _row(26, "An unconfirmed ACTION is not answered", _ACTION, partial(
        _unconfirmed, action_request(UNDEFINED_METHOD, b"\x0f\x00", invoke=UNCONFIRMED), "ACTION")),
    _row(27, "SET that was not negotiated is refused", _NEGOTIATION, partial(
        _not_negotiated, _GET_ONLY, set_request(UNDEFINED, b"\x11\x01"), "SET")),
    _row(28, "ACTION that was not negotiated is refused", _NEGOTIATION, partial(
        _not_negotiated, _GET_ONLY, action_request(UNDEFINED_METHOD, b"\x0f\x00"), "ACTION")),
    _row(29, "A list that was not negotiated is refused", _NEGOTIATION, partial(
        _not_negotiated, _GET_ONLY, get_with_list([ASSOCIATION_NAME, ASSOCIATION_NAME]), "a list")),
    _row(30, "Attribute 0 gives all attributes in one structure", _GET, _all_attributes),
    _row(31, "Selective access to an attribute that has none is refused", _GET, _selection_on_simple_attribute),
    _row(32, "Selective access by entry gives the entries asked for", _PROFILE, _by_entry),
    _row(33, "Selective access by entry gives the columns asked for", _PROFILE, _by_entry_columns),
    _row(34, "Entries beyond the last are none", _PROFILE, _by_entry_beyond),
    _row(35, "Selective access by range finds nothing where nothing is", _PROFILE, _by_range_empty),
    _row(36, "Both ends of a range are included", _PROFILE, _by_range_of_a_row),
    _row(37, "An undefined selector is refused", _PROFILE, _unknown_selector),
    _row(38, "A malformed selection is refused", _PROFILE, _malformed_selection),
    _row(39, "ACCESS reads several attributes", _ACCESS, _access_get),
    _row(40, "ACCESS refuses to write and invoke what does not exist", _ACCESS, _access_set_and_action),
    _row(41, "ACCESS with uneven lists is refused", _ACCESS, _access_uneven),
    _row(42, "ACCESS that was not negotiated is refused", _NEGOTIATION, _access_not_negotiated),
)  # fmt: skip
