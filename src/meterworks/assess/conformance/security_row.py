"""Security of an open association: policy, tags, keys, titles, counters, suites, and what an answer must bring.

Every request here is a GET that would be harmless if it were answered; the point is that it is not.
Source: IEC 62056-5-3, 5.3.7 (protection of xDLMS APDUs), 5.3.5 (security policy); fact sheet section 6.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from meterworks.assess.conformance.protection import (
    AUTHENTICATED,
    BOTH,
    ENCRYPTED,
    open_body,
    protect_body,
    split_ciphered,
)
from meterworks.assess.conformance.request import (
    ASSOCIATION_NAME,
    BASIC_CONFORMANCE,
    CURRENT_ASSOCIATION,
    UNKNOWN_NAME,
    counted,
    get_request,
    initiate_request,
    set_request,
)
from meterworks.assess.conformance.row import Group, Need, Row, expect, fail
from meterworks.assess.conformance.session import Answer, Form, Session
from meterworks.assess.conformance.tester import Tester, has, needed
from meterworks.protocols.dlms import AttributeAddress, Conformance

__all__ = ["SECURITY_ROWS"]

GET: Final = get_request(ASSOCIATION_NAME)
GENERAL_CONFORMANCE: Final = BASIC_CONFORMANCE | int(Conformance.GENERAL_PROTECTION)
BROADCAST: Final = 0x40
COMPRESSED: Final = 0x80
TAG_SIZE: Final = 12
GAP: Final = 1000
NESTING: Final = 20
DEDICATED_KEY_SIZES: Final = {0: 16, 1: 16, 2: 32}
STRANGER: Final = b"XYZ\x11\x22\x33\x44\x55"


def _given(answer: Answer) -> bool:
    """Whether the answer gives data, or a result as if the request had been looked at."""
    return answer.plain[:1] in (b"\xc4", b"\xc5", b"\xc7", b"\xda")


def _not_given(answer: Answer, what: str) -> str:
    expect(not _given(answer), f"{what} was answered by {answer.describe()}")
    return answer.describe()


def _lawful_after(t: Tester, session: Session) -> None:
    """A lawful request must still get through, on this connection or, where the server closed it, on a new one."""
    if session.wire.closed:
        session.close()
        t.still_serves()
        return
    t.is_answered(session)


def _plain_request(t: Tester) -> str:
    session = t.associated()
    described = _not_given(session.exchange(GET), "an unprotected request")
    _lawful_after(t, session)
    return described


def _weaker(control: int, what: str, t: Tester) -> str:
    protection = t.credential.protection
    needed(control & protection != protection, f"the client's own protection is {what}")
    session = t.associated()
    octets = session.protect(GET, control=control | t.credential.suite)
    return _not_given(session.exchange(octets), f"a request that is {what}")


def _flipped(place: int, what: str, t: Tester) -> str:
    """Change one bit at a place of a protected request, counted from the front or the back."""
    needed(bool(t.credential.protection & AUTHENTICATED), "the client's APDUs carry no tag")
    session = t.associated()
    octets = bytearray(session.protect(GET))
    octets[place] ^= 0x01
    described = _not_given(session.exchange(bytes(octets)), f"a request with {what} changed")
    _lawful_after(t, session)
    return described


def _every_tag_octet(t: Tester) -> str:
    needed(bool(t.credential.protection & AUTHENTICATED), "the client's APDUs carry no tag")
    for place in range(1, TAG_SIZE + 1):
        session = t.associated()
        octets = bytearray(session.protect(GET))
        octets[-place] ^= 0x80
        _not_given(session.exchange(bytes(octets)), f"a request with octet {TAG_SIZE - place} of its tag changed")
        session.close()
    return f"{TAG_SIZE} octets, each changed once"


def _short_tag(size: int, t: Tester) -> str:
    needed(bool(t.credential.protection & AUTHENTICATED), "the client's APDUs carry no tag")
    session = t.associated()
    octets = session.protect(GET)
    tag, body = octets[0], octets[2 : len(octets) - TAG_SIZE + size]
    described = _not_given(session.exchange(bytes((tag,)) + counted(body)), f"a request with a tag of {size} octets")
    _lawful_after(t, session)
    return described


def _replay(t: Tester) -> str:
    session = t.associated()
    octets = session.protect(GET)
    first = session.exchange(octets, plain=GET)
    expect(_given(first), f"a lawful request got {first.describe()}")
    return _not_given(session.exchange(octets), "the same octets, sent again,")


def _replay_in_new_association(t: Tester) -> str:
    session = t.associated()
    octets = session.protect(GET)
    expect(_given(session.exchange(octets, plain=GET)), "a lawful request was refused")
    session.close()
    again = t.associated()
    return _not_given(again.exchange(octets), "a request of an earlier association")


def _lower_counter(t: Tester) -> str:
    session = t.associated()
    counter = t.counters.next(t.credential.title)
    t.counters.skip(t.credential.title, 5)
    expect(_given(session.request(GET)), "a lawful request was refused")
    octets = session.protect(GET, counter=counter)
    answer = session.exchange(octets)
    described = _not_given(answer, "a counter that was left behind")
    wanted = answer.counter_wanted
    if wanted is not None:
        expect(wanted > counter, f"the server asks for counter {wanted}, and refused {counter}")
        t.counters.raise_to(t.credential.title, wanted)
        if not session.wire.closed:
            expect(_given(session.request(GET)), f"counter {wanted}, which the server asked for, is refused")
    return described


def _counter_gap(t: Tester) -> None:
    session = t.associated()
    t.counters.skip(t.credential.title, GAP)
    answer = session.request(GET)
    expect(_given(answer), f"a counter {GAP} further on was refused: {answer.describe()}")


def _false_tag_moves_no_counter(t: Tester) -> None:
    """A forged request with a high counter must not shut the lawful client out."""
    needed(bool(t.credential.protection & AUTHENTICATED), "the client's APDUs carry no tag")
    session = t.associated()
    octets = bytearray(session.protect(GET, counter=0xFFFF_FF00))
    octets[-1] ^= 0xFF
    _not_given(session.exchange(bytes(octets)), "a forged request")
    _lawful_after(t, session)


def _wrong_keys(encryption: bool, t: Tester) -> str:
    key, authentication_key = t.credential.keys
    wrong = bytes(len(key))
    keys = (wrong, authentication_key) if encryption else (key, wrong)
    needed(encryption or bool(t.credential.protection & AUTHENTICATED), "the client's APDUs carry no tag")
    session = t.associated()
    described = _not_given(session.exchange(session.protect(GET, keys=keys)), "a request under another key")
    _lawful_after(t, session)
    return described


def _associate_with_wrong_key(t: Tester) -> str:
    session = t.session(replace(t.credential, guek=bytes(len(t.credential.keys[0]))))
    answer = session.exchange(session.association_octets())
    if answer.octets[:1] == b"\x61" and session.read_response(answer).is_accepted:
        fail("an association under another key was accepted")
    return answer.describe()


def _other_suite(t: Tester) -> str:
    session = t.associated()
    control = t.credential.protection | (t.credential.suite + 1) % 3
    return _not_given(session.exchange(session.protect(GET, control=control)), "a request that names another suite")


def _undefined_suite(t: Tester) -> str:
    session = t.associated()
    octets = session.protect(GET, control=t.credential.protection | 0x0F)
    return _not_given(session.exchange(octets), "a request that names suite 15")


def _control_bit(bit: int, what: str, t: Tester) -> str:
    session = t.associated()
    octets = session.protect(GET, control=t.credential.protection | t.credential.suite | bit)
    described = _not_given(session.exchange(octets), what)
    _lawful_after(t, session)
    return described


def _service_in_other_tag(t: Tester) -> str:
    """Put a SET inside the ciphered form of a GET."""
    session = t.associated()
    inner = set_request(AttributeAddress(1, UNKNOWN_NAME, 2), b"\x11\x01")
    return _not_given(session.exchange(session.protect(inner, tag=0xC8), plain=inner), "a SET in the form of a GET")


def _general_session(t: Tester) -> Session:
    session = t.associated(conformance=GENERAL_CONFORMANCE)
    agreed = has(session.conformance, Conformance.GENERAL_PROTECTION)
    needed(agreed, "general protection is not negotiated")
    return session


def _general_form(t: Tester) -> None:
    session = _general_session(t)
    answer = session.request(GET, form=Form.GENERAL_GLO)
    expect(_given(answer), f"a general-glo-ciphered GET got {answer.describe()}")
    expect(answer.header is not None, "the answer to a general-glo-ciphered GET is not protected")


def _general_other_title(t: Tester) -> str:
    session = _general_session(t)
    octets = session.protect(GET, form=Form.GENERAL_GLO, title=STRANGER)
    described = _not_given(session.exchange(octets), "a request in the name of another title")
    _lawful_after(t, session)
    return described


def _general_server_title(t: Tester) -> str:
    """Give the server a request in its own name, as a reflected answer would be."""
    session = _general_session(t)
    octets = session.protect(GET, form=Form.GENERAL_GLO, title=session.server_title)
    return _not_given(session.exchange(octets), "a request in the server's own name")


def _reflected_answer(t: Tester) -> str:
    session = t.associated()
    first = session.request(GET)
    expect(_given(first), "a lawful request was refused")
    return _not_given(session.exchange(first.octets), "the server's own answer, given back to it,")


def _nested(t: Tester) -> str:
    session = _general_session(t)
    octets = GET
    for _ in range(NESTING):
        octets = session.protect(octets, form=Form.GENERAL_GLO)
    described = _not_given(session.exchange(octets, plain=GET), f"a request in {NESTING} layers")
    session.close()
    t.still_serves()
    return described


def _protected_answers(t: Tester) -> None:
    session = t.associated()
    answer = session.request(GET)
    header = answer.header
    if header is None:
        fail(f"a protected request got an unprotected answer: {answer.describe()}")
    wanted = t.credential.protection
    expect(header.control & BOTH & wanted == wanted, f"the answer's security control is {header.control:#04x}")


def _refusals_protected(t: Tester) -> str:
    """A refusal by result is an answer like any other, and protected like one."""
    session = t.associated()
    answer = session.request(get_request(AttributeAddress(1, UNKNOWN_NAME, 2)))
    expect(answer.is_exception or answer.header is not None, f"a refusal came unprotected: {answer.describe()}")
    return answer.describe()


def _own_counters(t: Tester) -> str:
    """The server's own counter grows from answer to answer, over associations too."""
    seen: list[int] = []
    for _ in range(3):
        session = t.associated()
        session.request(GET)
        session.request(GET)
        seen += session.response_counters
        session.close()
    expect(len(set(seen)) == len(seen), f"the server used a counter twice: {seen}")
    expect(seen == sorted(seen), f"the server's counters do not grow: {seen}")
    return f"{len(seen)} answers, counters {seen[0]} to {seen[-1]}"


def _dedicated(t: Tester) -> None:
    key = bytes(range(DEDICATED_KEY_SIZES[t.credential.suite]))
    session = t.associated(dedicated_key=key)
    answer = session.request(GET)
    expect(_given(answer), f"a request under the dedicated key got {answer.describe()}")
    header = answer.header
    if header is None or not 0xD0 <= header.tag <= 0xDC:
        fail(f"a request under the dedicated key was answered by {answer.octets[:1].hex()}")


def _dedicated_never_agreed(t: Tester) -> str:
    session = t.associated()
    session.dedicated_key = bytes(DEDICATED_KEY_SIZES[t.credential.suite])
    octets = session.protect(GET, form=Form.DED)
    session.dedicated_key = None
    return _not_given(session.exchange(octets), "a dedicated key that was never agreed")


def _dedicated_of_earlier(t: Tester) -> str:
    key = bytes(range(DEDICATED_KEY_SIZES[t.credential.suite]))
    first = t.associated(dedicated_key=key)
    octets = first.protect(GET)
    first.close()
    second = t.associated()
    return _not_given(second.exchange(octets), "the dedicated key of an earlier association")


def _dedicated_replay(t: Tester) -> str:
    session = t.associated(dedicated_key=bytes(range(DEDICATED_KEY_SIZES[t.credential.suite])))
    octets = session.protect(GET)
    expect(_given(session.exchange(octets, plain=GET)), "a request under the dedicated key was refused")
    return _not_given(session.exchange(octets), "a request under the dedicated key, sent again,")


def _secret_hidden(t: Tester) -> str:
    public = t.public
    assert public is not None
    session = t.associated(public)
    result, data = t.try_get(session, AttributeAddress(15, CURRENT_ASSOCIATION, 7))
    expect(result != 0 or not data[2:], "the public client reads the association's secret")
    return "refused" if result else "an empty string"


def _ciphered_on_plain(t: Tester) -> str:
    """On the public client's plain association a ciphered request has no place."""
    public = t.public
    assert public is not None
    session = t.associated(public)
    secured = Session(session.wire, t.credential, t.counters, timeout_s=t.timeout_s)
    octets = secured.protect(GET)
    answer = session.exchange(octets)
    return _not_given(answer, "a ciphered request on a plain association")


def _false_release(t: Tester) -> str:
    """A release with a forged body: whatever the server does, no data may be had without protection after it."""
    session = t.associated()
    body = bytearray(session.protect(initiate_request(), form=Form.GLO))
    body[-1] ^= 1
    answer = session.exchange(b"\x62" + counted(b"\x80\x01\x00\xbe" + counted(b"\x04" + counted(bytes(body)))))
    if not session.wire.closed:
        _not_given(session.exchange(GET), "an unprotected request after a forged release")
    return answer.describe()


# --- general-ciphering under an identified key ------------------------------------------------------------------------

TRANSACTION: Final = bytes(range(1, 9))
IDENTIFIED_KEY: Final = b"\x01\x00\x00"  # key information present: identified, the global unicast key


def _general_fields(session: Session, originator: bytes | None = None) -> bytes:
    """Give transaction id, originator, recipient, and no date-time and other information, each with its length."""
    title = session.credential.title if originator is None else originator
    return b"".join(counted(field) for field in (TRANSACTION, title, session.server_title, b"", b""))


def _general_cipher(session: Session, fields: bytes, apdu: bytes) -> bytes:
    credential = session.credential
    control, counter = credential.protection | credential.suite, session.counters.next(credential.title)
    body = protect_body(credential.keys, credential.title, counter, control, apdu, fields=fields)
    return b"\xdd" + fields + IDENTIFIED_KEY + counted(bytes((control,)) + counter.to_bytes(4, "big") + body)


def _general_ciphering_session(t: Tester) -> Session:
    """Give a session whose server understands general-ciphering; inapplicable where it refuses it as a whole."""
    session = _general_session(t)
    fields = _general_fields(session)
    answer = session.exchange(_general_cipher(session, fields, GET), plain=GET)
    refused = answer.is_silence or answer.is_exception
    needed(not refused, f"the server does not speak general-ciphering: {answer.describe()}")
    plain = _open_general(session, answer.octets)
    expect(plain[:2] == b"\xc4\x01", f"a GET in general-ciphering got {plain[:12].hex()}")
    return session


def _open_general(session: Session, octets: bytes) -> bytes:
    """Take an answer in general-ciphering apart and open it; the suite's failure where it does not fit."""
    if octets[:1] != b"\xdd":
        fail(f"general-ciphering was answered by APDU {octets[:8].hex()}")
    offset, fields = 1, []
    for _ in range(5):
        end = offset + 1 + octets[offset]
        fields.append(octets[offset + 1 : end])
        offset = end
    whole = octets[1:offset]
    expect(fields[0] == TRANSACTION, f"transaction {TRANSACTION.hex()} comes back as {fields[0].hex()}")
    expect(fields[1] == session.server_title, f"the answer's originator is {fields[1].hex()}")
    expect(fields[2] in (session.credential.title, b""), f"the answer's recipient is {fields[2].hex()}")
    expect(octets[offset : offset + 1] == b"\x01", "the answer names no key")
    expect(octets[offset + 1 : offset + 3] == b"\0\0", f"the answer's key is {octets[offset + 1 : offset + 3].hex()}")
    header = split_ciphered(b"\xc8" + octets[offset + 3 :])
    session.response_counters.append(header.counter)
    return open_body(session.credential.keys, session.server_title, header, fields=whole)


def _general_ciphering(t: Tester) -> None:
    _general_ciphering_session(t)


def _general_ciphering_tampered(place: int, t: Tester) -> str:
    session = _general_ciphering_session(t)
    octets = bytearray(_general_cipher(session, _general_fields(session), GET))
    octets[place] ^= 0x01
    described = _not_given_general(session.exchange(bytes(octets)), "a request in general-ciphering, one bit changed,")
    session.close()
    t.still_serves()
    return described


def _general_ciphering_stranger(t: Tester) -> str:
    session = _general_ciphering_session(t)
    octets = _general_cipher(session, _general_fields(session, STRANGER), GET)
    return _not_given_general(session.exchange(octets), "general-ciphering in the name of another title")


def _general_ciphering_replay(t: Tester) -> str:
    session = _general_ciphering_session(t)
    octets = _general_cipher(session, _general_fields(session), GET)
    expect(session.exchange(octets).octets[:1] == b"\xdd", "a lawful request was refused")
    return _not_given_general(session.exchange(octets), "a request in general-ciphering, sent again,")


def _not_given_general(answer: Answer, what: str) -> str:
    expect(answer.octets[:1] != b"\xdd" and not _given(answer), f"{what} was answered by {answer.describe()}")
    return answer.describe()


def _encryption_alone(t: Tester) -> str:
    return _weaker(ENCRYPTED, "encrypted and not authenticated", t)


def _row(number: int, title: str, clause: str, check: Callable[[Tester], str | None], *needs: Need) -> Row:
    return Row(
        id=f"SEC-{number:02}", group=Group.SECURITY, title=title, clause=clause, check=check,
        needs=frozenset(needs or (Need.CIPHERED,)),
    )  # fmt: skip


_POLICY: Final = "IEC 62056-5-3, 5.3.5 (security policy)"
_PROTECTION: Final = "IEC 62056-5-3, 5.3.7 (protection of APDUs)"
_COUNTER: Final = "IEC 62056-5-3, 5.3.7 (invocation counter)"
_SUITE: Final = "IEC 62056-5-3, 5.3.7 (security control byte)"
_GENERAL: Final = "IEC 62056-5-3, 5.3.7 (general protection)"
_KEYS: Final = "IEC 62056-5-3, 5.4 (keys)"

SECURITY_ROWS: Final = (
    _row(1, "An unprotected request is refused on a ciphered association", _POLICY, _plain_request),
    _row(2, "A request that is authenticated only is refused", _POLICY, partial(
        _weaker, AUTHENTICATED, "authenticated and not encrypted")),
    _row(3, "A request that is encrypted only is refused", _POLICY, _encryption_alone),
    _row(4, "A request that is neither is refused, ciphered form or not", _POLICY, partial(
        _weaker, 0, "neither authenticated nor encrypted")),
    _row(5, "A change of any octet of the tag is noticed", _PROTECTION, _every_tag_octet),
    _row(6, "A change of the ciphertext is noticed", _PROTECTION, partial(_flipped, 8, "an octet of its ciphertext")),
    _row(7, "A change of the counter is noticed", _PROTECTION, partial(_flipped, 4, "its counter")),
    _row(8, "A tag of 11 octets is refused", _PROTECTION, partial(_short_tag, 11)),
    _row(9, "A tag of 4 octets is refused", _PROTECTION, partial(_short_tag, 4)),
    _row(10, "A request without its tag is refused", _PROTECTION, partial(_short_tag, 0)),
    _row(11, "A request under another encryption key is refused", _KEYS, partial(_wrong_keys, True)),
    _row(12, "A request under another authentication key is refused", _KEYS, partial(_wrong_keys, False)),
    _row(13, "An association under another key is refused", _KEYS, _associate_with_wrong_key),
    _row(14, "A request is not answered twice", _COUNTER, _replay),
    _row(15, "A request of an earlier association is not answered", _COUNTER, _replay_in_new_association),
    _row(16, "A counter left behind is refused, and the counter asked for is taken", _COUNTER, _lower_counter),
    _row(17, "A counter further on is accepted", _COUNTER, _counter_gap),
    _row(18, "A forged request moves no counter", _COUNTER, _false_tag_moves_no_counter),
    _row(19, "The server never uses a counter twice", _COUNTER, _own_counters),
    _row(20, "A request that names another suite is refused", _SUITE, _other_suite),
    _row(21, "A request that names an undefined suite is refused", _SUITE, _undefined_suite),
    _row(22, "A unicast request under the broadcast bit is refused", _SUITE, partial(
        _control_bit, BROADCAST, "a unicast request with the broadcast bit")),
    _row(23, "A request with the compression bit is refused or understood, never misread", _SUITE, partial(
        _control_bit, COMPRESSED, "a request that says it is compressed and is not")),
    _row(24, "The tag of a ciphered APDU and the service inside must agree", _PROTECTION, _service_in_other_tag),
    _row(25, "General-glo-ciphering is understood where it is negotiated", _GENERAL, _general_form),
    _row(26, "A request in another's name is refused", _GENERAL, _general_other_title),
    _row(27, "A request in the server's own name is refused", _GENERAL, _general_server_title),
    _row(28, "The server's own answer is refused as a request", _PROTECTION, _reflected_answer),
    _row(29, "Layers upon layers of protection do no harm", _GENERAL, _nested),
    _row(30, "Answers are protected as the client's requests are", _POLICY, _protected_answers),
    _row(31, "Refusals by result are protected", _POLICY, _refusals_protected),
    _row(32, "A dedicated key is used for the answers, too", _KEYS, _dedicated),
    _row(33, "A dedicated key that was never agreed is refused", _KEYS, _dedicated_never_agreed),
    _row(34, "A dedicated key ends with its association", _KEYS, _dedicated_of_earlier),
    _row(35, "A request under the dedicated key is not answered twice", _COUNTER, _dedicated_replay),
    _row(36, "The public client does not read the association's secret", "IEC 62056-6-2, 5.4.4 (Association LN)",
         _secret_hidden, Need.PUBLIC),
    _row(37, "A ciphered request has no place on a plain association", _POLICY, _ciphered_on_plain,
         Need.PUBLIC, Need.CIPHERED),
    _row(38, "A forged release opens nothing", _POLICY, _false_release),
    _row(39, "General-ciphering under an identified key is understood, and answered in kind", _GENERAL,
         _general_ciphering),
    _row(40, "A change of the transaction identifier is noticed", _GENERAL, partial(_general_ciphering_tampered, 3)),
    _row(41, "A change of the recipient's title is noticed", _GENERAL, partial(_general_ciphering_tampered, 21)),
    _row(42, "General-ciphering in another's name is refused", _GENERAL, _general_ciphering_stranger),
    _row(43, "A request in general-ciphering is not answered twice", _COUNTER, _general_ciphering_replay),
)  # fmt: skip
