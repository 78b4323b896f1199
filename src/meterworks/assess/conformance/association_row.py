"""Association: contexts, mechanisms, versions, conformance, PDU sizes, challenges, release, what must be refused.

Source: IEC 62056-5-3, 6.2 to 6.4 (ACSE), 7.2 (xDLMS initiate), 5.2 (authentication); fact sheet sections 3 and 6.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from meterworks.assess.conformance.protection import make_proof
from meterworks.assess.conformance.request import (
    ASSOCIATION_NAME,
    BASIC_CONFORMANCE,
    CURRENT_ASSOCIATION,
    get_request,
    initiate_request,
    release_request,
)
from meterworks.assess.conformance.row import (
    CheckFailed,
    Group,
    Inconclusive,
    Need,
    NotApplicable,
    Row,
    expect,
    fail,
)
from meterworks.assess.conformance.session import Answer, Session
from meterworks.assess.conformance.tester import Tester, needed
from meterworks.protocols.dlms import AttributeAddress, Diagnostic, InitiateError

__all__ = ["ASSOCIATION_ROWS"]

CHALLENGE_SIZE_MIN: Final = 8
CHALLENGE_SIZE_MAX: Final = 64
PDU_SIZE_MIN: Final = 12
LOGICAL_NAMES: Final = 0x0007
UNKNOWN_CLIENTS: Final = (119, 93, 77)  # addresses that no convention gives to anybody
ATTEMPTS: Final = 12


def _refused_association(
    session: Session, answer: Answer, what: str, *, diagnostics: frozenset[int] = frozenset(), error: int | None = None
) -> str:
    """Prove that an association was refused and stays shut; give how it was refused.

    diagnostics: those that the clause names, where the server gives one. error: number of the confirmed service error.
    """
    if answer.is_silence or answer.is_exception:
        return answer.describe()
    response = session.read_response(answer)
    if response.is_accepted and not session.credential.is_challenged:
        fail(f"{what} was accepted")
    if response.is_accepted:
        fail(f"{what} was taken, and a challenge given")
    if diagnostics and not response.by_provider:
        expect(
            response.diagnostic in diagnostics,
            f"{what} was refused with diagnostic {response.diagnostic}, not one of {sorted(diagnostics)}",
        )
    body = response.user_information
    if error is not None and body is not None and body[:1] == b"\x0e":
        expect(body[-1] == error, f"{what} was refused with initiate error {body[-1]}, not {error}")
    _stays_shut(session, what)
    return f"result {response.result}, diagnostic {response.diagnostic}"


def _stays_shut(session: Session, what: str) -> None:
    if session.wire.closed:
        return
    answer = session.exchange(get_request(ASSOCIATION_NAME))
    expect(answer.plain[:1] != b"\xc4" or answer.plain[3:4] != b"\0", f"after {what} was refused, data were given")


def _accepted(t: Tester) -> str:
    session = t.session()
    agreed = session.associate()
    response = agreed.response
    expect(response.result == 0, f"result {response.result} on an association that opened")
    wanted = Diagnostic.AUTHENTICATION_REQUIRED if t.credential.is_challenged else Diagnostic.NONE
    expect(response.diagnostic == wanted, f"diagnostic {response.diagnostic} where {int(wanted)} was due")
    return f"mechanism {t.credential.mechanism}, max PDU {agreed.max_pdu}, conformance {agreed.conformance:06x}"


def _same_context(t: Tester) -> None:
    agreed = t.session().associate()
    wanted = 3 if t.credential.is_ciphered else 1
    expect(agreed.response.context == wanted, f"context {agreed.response.context} answers context {wanted}")


def _same_mechanism(t: Tester) -> None:
    response = t.session().associate().response
    expect(
        response.mechanism == t.credential.mechanism,
        f"mechanism {response.mechanism} answers mechanism {t.credential.mechanism}",
    )


def _negotiated_conformance(t: Tester) -> str:
    agreed = t.session().associate()
    extra = agreed.conformance & ~BASIC_CONFORMANCE
    expect(not extra, f"the server claims {extra:06x}, which was not proposed")
    expect(bool(agreed.conformance), "the negotiated conformance is empty")
    return f"{agreed.conformance:06x}"


def _narrow_conformance(t: Tester) -> None:
    agreed = t.session().associate(initiate=initiate_request(conformance=0x000010))
    expect(agreed.conformance == 0x10, f"only GET was proposed, {agreed.conformance:06x} was negotiated")


def _max_pdu(t: Tester) -> str:
    agreed = t.session().associate()
    expect(agreed.max_pdu == 0 or agreed.max_pdu >= PDU_SIZE_MIN, f"the server takes PDUs of {agreed.max_pdu} octets")
    return f"{agreed.max_pdu} octets"


def _version_and_names(t: Tester) -> None:
    agreed = t.session().associate()
    expect(agreed.version == 6, f"DLMS version {agreed.version} was negotiated")
    expect(agreed.vaa == LOGICAL_NAMES, f"VAA name {agreed.vaa:04x}, and logical names have 0007")


def _no_quality_unasked(t: Tester) -> None:
    agreed = t.session().associate()
    expect(agreed.quality_of_service is None, "the server answers a quality of service that nobody asked for")


def _unlimited_pdu(t: Tester) -> None:
    session = t.session()
    session.associate(initiate=initiate_request(max_pdu=0))
    t.is_answered(session)


def _bad_initiate(initiate: bytes, what: str, error: int | None, t: Tester) -> str:
    session = t.session()
    answer = session.ask_association(initiate=initiate)
    return _refused_association(session, answer, what, error=error)


def _bad_fields(changes: Mapping[str, Any], what: str, diagnostics: frozenset[int], t: Tester) -> str:
    session = t.session()
    return _refused_association(session, session.ask_association(**changes), what, diagnostics=diagnostics)


def _short_names(t: Tester) -> str:
    session = t.session()
    context = 4 if t.credential.is_ciphered else 2
    answer = session.ask_association(context=context)
    if answer.octets[:1] == b"\x61" and session.read_response(answer).is_accepted:
        raise NotApplicable("the server speaks short names to this client as well")
    return _refused_association(session, answer, "short-name referencing", diagnostics=frozenset({1, 2}))


def _wrong_secret(t: Tester) -> str:
    credential = t.credential
    if credential.mechanism == 1:
        session = t.session()
        wrong = bytes(octet ^ 0x01 for octet in credential.password or b"")
        answer = session.ask_association(authentication=wrong)
        return _refused_association(session, answer, "a wrong password", diagnostics=frozenset({1, 13}))
    return _false_proof(t, bytes(17))


def _false_proof(t: Tester, proof: bytes | None = None) -> str:
    session = t.session()
    session.read_agreed(_asked(session))
    if proof is None:
        counter = t.counters.next(session.credential.title)
        genuine = make_proof(
            session.credential, session.server_title, counter, session.server_challenge, session.challenge
        )
        proof = genuine[:-1] + bytes((genuine[-1] ^ 1,))
    answer = session.send_proof(proof=proof)
    expect(answer.plain[:4] != b"\xc7\x01\xc1\x00", "a false proof was taken")
    _stays_shut_ciphered(session, "a false proof")
    return answer.describe()


def _asked(session: Session) -> Answer:
    """Ask for the association, and once more where the server wants a higher counter first."""
    answer = session.ask_association()
    if answer.counter_wanted is not None:
        session.counters.raise_to(session.credential.title, answer.counter_wanted)
        answer = session.ask_association()
    return answer


def _stays_shut_ciphered(session: Session, what: str) -> None:
    if session.wire.closed:
        return
    answer = session.request(get_request(ASSOCIATION_NAME))
    expect(answer.plain[:1] != b"\xc4" or answer.plain[3:4] != b"\0", f"after {what}, data were given")


def _other_proof(t: Tester) -> str:
    """Replay the proof of an earlier association: its challenge was another."""
    earlier = t.associated()
    counter = t.counters.next(t.credential.title)
    old = make_proof(t.credential, earlier.server_title, counter, earlier.server_challenge, earlier.challenge)
    earlier.close()
    return _false_proof(t, old)


def _reflected_proof(t: Tester) -> str:
    """Give the server's own proof of an earlier association back to it."""
    earlier = t.associated()
    earlier.close()
    return _false_proof(t, earlier.server_proof)


def _service_before_proof(t: Tester) -> str:
    session = t.session()
    session.read_agreed(_asked(session))
    answer = session.request(get_request(ASSOCIATION_NAME))
    expect(answer.plain[:1] != b"\xc4" or answer.plain[3:4] != b"\0", "data were given before the proof")
    return answer.describe()


def _service_before_association(t: Tester) -> str:
    session = t.session()
    answer = session.exchange(get_request(ASSOCIATION_NAME))
    expect(answer.plain[:1] != b"\xc4" or answer.plain[3:4] != b"\0", "data were given to a client that never asked in")
    return answer.describe()


def _fresh_challenge(t: Tester) -> str:
    challenges = []
    for _ in range(2):
        session = t.session()
        session.read_agreed(_asked(session))
        challenges.append(session.server_challenge)
        session.close()
    expect(challenges[0] != challenges[1], f"two associations were given the same challenge {challenges[0].hex()}")
    sizes = {len(challenge) for challenge in challenges}
    lawful = all(CHALLENGE_SIZE_MIN <= size <= CHALLENGE_SIZE_MAX for size in sizes)
    expect(lawful, f"the server's challenge has {sizes} octets; 8 to 64 are lawful")
    return f"{max(sizes)} octets"


def _not_our_challenge(t: Tester) -> None:
    session = t.session()
    session.read_agreed(_asked(session))
    expect(session.server_challenge != session.challenge, "the server gives our own challenge back")


def _bad_challenge(size: int, t: Tester) -> str:
    session = t.session()
    _asked(session)
    session.challenge = bytes(range(size))
    answer = session.ask_association()
    if answer.octets[:1] == b"\x61" and session.read_response(answer).is_accepted:
        fail(f"a challenge of {size} octets was taken; 8 to 64 are lawful")
    return answer.describe()


def _release(t: Tester) -> str:
    session = t.associated()
    answer = session.release()
    expect(answer.octets[:1] == b"\x63", f"a release response was expected, {answer.describe()} came")
    after = session.request(get_request(ASSOCIATION_NAME))
    expect(after.plain[:1] != b"\xc4" or after.plain[3:4] != b"\0", "data were given after the release")
    return answer.describe()


def _release_reason(reason: int, t: Tester) -> str:
    session = t.associated()
    body = session.protect(initiate_request()) if t.credential.is_ciphered else None
    answer = session.exchange(release_request(reason=reason, user_information=body))
    expect(answer.octets[:1] == b"\x63", f"a release with reason {reason} was answered by {answer.describe()}")
    return answer.describe()


def _release_without_association(t: Tester) -> str:
    session = t.session()
    answer = session.exchange(release_request())
    if answer.closed:
        session.close()
        t.still_serves()
    else:
        session.associate()
    return answer.describe()


def _associate_again(t: Tester) -> None:
    session = t.associated()
    session.release()
    if session.wire.closed:
        raise Inconclusive("the server closes the connection with the association")
    again = Session(session.wire, session.credential, t.counters, timeout_s=t.timeout_s)
    again.associate()
    t.is_answered(again)


def _associate_twice(t: Tester) -> str:
    session = t.associated()
    again = Session(session.wire, session.credential, t.counters, timeout_s=t.timeout_s)
    answer = again.ask_association()
    if answer.octets[:1] == b"\x61" and again.read_response(answer).is_accepted:
        again.read_agreed(answer)
        if t.credential.is_challenged:
            shut = again.request(get_request(ASSOCIATION_NAME))
            expect(shut.plain[:1] != b"\xc4", "the second association gives data before its proof")
            return "accepted anew; the first one ended"
        t.is_answered(again)
        return "accepted anew"
    session.close()
    t.still_serves()
    return f"refused: {answer.describe()}"


def _unknown_client(t: Tester) -> str:
    for sap in UNKNOWN_CLIENTS:
        session = t.session(replace(t.credential, client_sap=sap))
        answer = session.ask_association()
        if answer.octets[:1] == b"\x61" and session.read_response(answer).is_accepted:
            fail(f"client address {sap}, which the server cannot know, was let in")
        session.close()
    return f"addresses {', '.join(map(str, UNKNOWN_CLIENTS))}"


def _no_title(t: Tester) -> str:
    session = t.session()
    return _refused_association(session, session.ask_association(title=None), "a request without a title")


def _server_title_as_ours(t: Tester) -> str:
    title = t.survey.server_title
    needed(bool(title), "the server's title is not known")
    session = t.session(replace(t.credential, title=title))
    answer = session.ask_association()
    return _refused_association(session, answer, "a client with the server's own title")


def _no_mechanism(t: Tester) -> str:
    session = t.session()
    answer = session.ask_association(mechanism=None, authentication=None)
    return _refused_association(
        session, answer, "a request without authentication", diagnostics=frozenset({1, 11, 12, 13})
    )


def _weaker_mechanism(t: Tester) -> str:
    needed(t.credential.mechanism > 1, "there is no weaker mechanism with a password")
    session = t.session()
    answer = session.ask_association(mechanism=1, authentication=t.credential.password or b"12345678")
    return _refused_association(session, answer, "mechanism 1 in place of a challenge")


def _plain_context(t: Tester) -> str:
    session = t.session(replace(t.credential, protection=0))
    answer = session.ask_association(title=t.credential.title)
    return _refused_association(session, answer, "the plain context", diagnostics=frozenset({1, 2}))


def _plain_initiate(t: Tester) -> str:
    session = t.session(replace(t.credential, protection=0))
    answer = session.ask_association(context=3, title=t.credential.title)
    return _refused_association(session, answer, "an unprotected initiate request in the ciphered context")


def _replayed_request(t: Tester) -> str:
    """Send the very octets of an association request that was accepted again."""
    session = t.session()
    octets = session.association_octets()
    first = session.exchange(octets)
    if first.octets[:1] != b"\x61":
        octets = session.association_octets()
        session.read_agreed(session.exchange(octets))
    session.close()
    again = t.session()
    answer = again.exchange(octets)
    if answer.octets[:1] == b"\x61" and again.read_response(answer).is_accepted:
        fail("an association request was accepted a second time, octet for octet")
    return answer.describe()


def _dedicated_key_size(t: Tester) -> str:
    return _bad_initiate(initiate_request(dedicated_key=bytes(7)), "a dedicated key of 7 octets", None, t)


def _status_attribute(t: Tester) -> None:
    session = t.associated()
    result, data = t.try_get(session, AttributeAddress(15, CURRENT_ASSOCIATION, 8))
    needed(result == 0, "this client may not read the association's status")
    expect(data == b"\x16\x02", f"the status of an open association is {data.hex()}, not enum 2 (associated)")


def _two_clients(t: Tester) -> None:
    """Open two associations of two client addresses on one connection; each keeps its own rights and keys."""
    public = t.public
    assert public is not None
    needed(public.client_sap != t.credential.client_sap, "both clients are the same")
    first = t.associated()
    wire = first.wire
    second = Session(wire, public, t.counters, timeout_s=t.timeout_s)
    own_sap = first.credential.client_sap
    if not hasattr(wire, "client_sap"):
        raise NotApplicable("the data link has one client address for a connection")
    wire.client_sap = public.client_sap
    try:
        second.associate()
    except CheckFailed as error:
        raise Inconclusive(f"a second client on the connection: {error}") from error
    t.is_answered(second)
    wire.client_sap = own_sap
    t.is_answered(first)


def _many_requests(t: Tester) -> str:
    for _ in range(ATTEMPTS):
        session = t.session()
        session.ask_association(context=9)
        session.close()
    t.still_serves()
    return f"{ATTEMPTS} attempts"


def _tolerated(changes: Mapping[str, Any], t: Tester) -> None:
    session = t.session()
    answer = session.ask_association(**changes)
    if answer.counter_wanted is not None:
        t.counters.raise_to(t.credential.title, answer.counter_wanted)
        answer = session.ask_association(**changes)
    session.read_agreed(answer)


def _row(number: int, title: str, clause: str, check: Callable[[Tester], str | None], *needs: Need) -> Row:
    return Row(
        id=f"ASSOC-{number:02}", group=Group.ASSOCIATION, title=title, clause=clause, check=check,
        needs=frozenset(needs),
    )  # fmt: skip


_INITIATE: Final = "IEC 62056-5-3, 7.2.4 (Initiate)"
_ACSE: Final = "IEC 62056-5-3, 6.2 (COSEM-OPEN)"
_RELEASE: Final = "IEC 62056-5-3, 6.3 (COSEM-RELEASE)"
_HLS: Final = "IEC 62056-5-3, 5.2.2.2 (HLS authentication)"
_UNUSED_PROTOCOL: Final = b"\x80\x02\x07\x80"

ASSOCIATION_ROWS: Final = (
    _row(1, "The association opens with the client's own mechanism", _ACSE, _accepted),
    _row(2, "The answer carries the context that was asked for", _ACSE, _same_context),
    _row(3, "The negotiated conformance is a part of what was proposed", _INITIATE, _negotiated_conformance),
    _row(4, "Of a proposal of GET alone, GET alone is negotiated", _INITIATE, _narrow_conformance),
    _row(5, "The server's max PDU size is none or at least 12 octets", _INITIATE, _max_pdu),
    _row(6, "DLMS version 6 and VAA name 0007 are negotiated", _INITIATE, _version_and_names),
    _row(7, "No quality of service is answered where none was proposed", _INITIATE, _no_quality_unasked),
    _row(8, "A client without a limit (max PDU 0) is served", _INITIATE, _unlimited_pdu),
    _row(9, "DLMS version 5 is refused", _INITIATE, partial(
        _bad_initiate, initiate_request(version=5), "DLMS version 5", InitiateError.VERSION_TOO_LOW)),
    _row(10, "An empty conformance is refused", _INITIATE, partial(
        _bad_initiate, initiate_request(conformance=0), "an empty conformance",
        InitiateError.INCOMPATIBLE_CONFORMANCE)),
    _row(11, "A client PDU size of 11 octets is refused", _INITIATE, partial(
        _bad_initiate, initiate_request(max_pdu=11), "a PDU size of 11", InitiateError.PDU_TOO_SHORT)),
    _row(12, "An unknown application context is refused", _ACSE, partial(
        _bad_fields, {"context": 9}, "context 9", frozenset({1, 2}))),
    _row(13, "Short-name referencing is refused where only logical names exist", _ACSE, _short_names),
    _row(14, "An unknown mechanism is refused", _ACSE, partial(
        _bad_fields, {"mechanism": 200, "authentication": b"12345678"}, "mechanism 200", frozenset({1, 11, 13}))),
    _row(15, "A request without authentication is refused", _ACSE, _no_mechanism, Need.PROOF),
    _row(16, "A wrong password or proof is refused", _HLS, _wrong_secret, Need.PROOF),
    _row(17, "A proof with one bit changed is refused", _HLS, _false_proof, Need.AUTHENTICATED),
    _row(18, "The proof of an earlier association is refused", _HLS, _other_proof, Need.AUTHENTICATED),
    _row(19, "The server's own proof, given back to it, is refused", _HLS, _reflected_proof, Need.AUTHENTICATED),
    _row(20, "No service is answered before an association", _ACSE, _service_before_association),
    _row(21, "No service is answered between challenge and proof", _HLS, _service_before_proof, Need.AUTHENTICATED),
    _row(22, "The server's challenge is fresh and of 8 to 64 octets", _HLS, _fresh_challenge, Need.AUTHENTICATED),
    _row(23, "The server's challenge is not ours", _HLS, _not_our_challenge, Need.AUTHENTICATED),
    _row(24, "A challenge of 7 octets is refused", _HLS, partial(_bad_challenge, 7), Need.AUTHENTICATED),
    _row(25, "A challenge of 65 octets is refused", _HLS, partial(_bad_challenge, 65), Need.AUTHENTICATED),
    _row(26, "The answer names the mechanism of a challenge", _HLS, _same_mechanism, Need.AUTHENTICATED),
    _row(27, "A release is answered, and no service after it", _RELEASE, _release),
    _row(28, "A release for the reason 'urgent' is answered", _RELEASE, partial(_release_reason, 1)),
    _row(29, "A release for the reason 'user defined' is answered", _RELEASE, partial(_release_reason, 30)),
    _row(30, "A release without an association does no harm", _RELEASE, _release_without_association),
    _row(31, "After a release the same connection associates again", _ACSE, _associate_again),
    _row(32, "A second request on an open association is refused or begins anew", _ACSE, _associate_twice),
    _row(33, "An unknown client address is not let in", _ACSE, _unknown_client),
    _row(34, "A client without a system title is refused", _ACSE, _no_title, Need.CIPHERED),
    _row(35, "A client under the server's own title is refused", _HLS, _server_title_as_ours, Need.CIPHERED),
    _row(36, "Mechanism 1 is refused where a challenge is asked for", _HLS, _weaker_mechanism, Need.AUTHENTICATED),
    _row(37, "The plain context is refused where the ciphered one is asked for", _ACSE, _plain_context, Need.CIPHERED),
    _row(38, "An unprotected initiate request is refused in the ciphered context", _ACSE, _plain_initiate,
         Need.CIPHERED),
    _row(39, "An association request is not accepted twice", _HLS, _replayed_request, Need.CIPHERED),
    _row(40, "A dedicated key of a wrong size is refused", _INITIATE, _dedicated_key_size, Need.CIPHERED),
    _row(41, "The association object says that it is associated", "IEC 62056-6-2, 5.4.4 (Association LN)",
         _status_attribute),
    _row(42, "Two clients on one connection do not disturb each other", "IEC 62056-4-7", _two_clients,
         Need.PUBLIC, Need.WRAPPER),
    _row(43, "Repeated refusals leave the server open to lawful clients", _ACSE, _many_requests),
    _row(44, "A protocol version that is stated explicitly is accepted", _ACSE, partial(
        _tolerated, {"before": _UNUSED_PROTOCOL})),
    _row(45, "An empty challenge is refused", _HLS, partial(
        _bad_fields, {"authentication": b""}, "an empty challenge", frozenset({1, 13, 14})), Need.AUTHENTICATED),
)  # fmt: skip
