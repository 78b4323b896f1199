"""One association as the tester has it: opened like a lawful client's, then free to send what no client would.

    associate ──▶ AARQ ──▶ AARE accepted ──▶ (challenge) proof ──▶ open: request(), raw(), release()

Every answer comes back as an `Answer`: what was received, what was inside, and whether the peer fell silent or closed.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from meterworks.assess.conformance.credential import Credential
from meterworks.assess.conformance.protection import (
    BOTH,
    GENERAL_DED,
    GENERAL_GLO,
    Header,
    ciphered_tag,
    is_proof,
    make_proof,
    open_body,
    protect_body,
    split_ciphered,
)
from meterworks.assess.conformance.request import (
    CURRENT_ASSOCIATION,
    AssociationFields,
    action_request,
    association_request,
    counted,
    initiate_request,
    octet_string,
    release_request,
    whole_data,
)
from meterworks.assess.conformance.row import CheckFailed, expect, fail
from meterworks.assess.conformance.wire import Wire
from meterworks.errors import PeerError
from meterworks.protocols.dlms import AssociationResponse, MethodAddress

__all__ = ["CIPHERED", "Agreed", "Answer", "Counters", "Form", "Session", "is_dedicated"]

REPLY_TO_HLS: Final = MethodAddress(15, CURRENT_ASSOCIATION, 1)
CHALLENGE_SIZE: Final = 16
TITLE_SIZE: Final = 8
INITIATE_RESPONSE_SIZE_MIN: Final = 13  # with the shorter header of the conformance block that some meters write
EXCEPTION: Final = 0xD8
COUNTER_ERROR: Final = 6
SERVICE_CIPHERED: Final = frozenset(
    tag for plain in (0x01, 0x08, 0x0E, 0x05, 0x0C, 0x06, 0x0D, 0x16, 0x18, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7)
    for tag in (ciphered_tag(plain), ciphered_tag(plain, dedicated=True))
)  # fmt: skip
CIPHERED: Final = SERVICE_CIPHERED | {GENERAL_GLO, GENERAL_DED}


class Form(Enum):
    """How a ciphered APDU is written."""

    GLO = "service-specific, global key"
    DED = "service-specific, dedicated key"
    GENERAL_GLO = "general, global key"
    GENERAL_DED = "general, dedicated key"

    @property
    def is_dedicated(self) -> bool:
        """Whether it is under the dedicated key."""
        return self in (Form.DED, Form.GENERAL_DED)


class Counters:
    """Our invocation counters by (title, key): one for the whole run, so that no value is used twice."""

    def __init__(self, first: int = 1) -> None:
        self._first = first
        self._next: dict[bytes, int] = {}

    def next(self, title: bytes) -> int:
        """Give the next counter under the global key."""
        number = self._next.get(title, self._first)
        self._next[title] = number + 1
        return number

    def raise_to(self, title: bytes, counter: int) -> None:
        """Go on from a counter if it is above ours."""
        self._next[title] = max(self._next.get(title, self._first), counter)

    def skip(self, title: bytes, count: int) -> None:
        """Leave counters out."""
        self._next[title] = self._next.get(title, self._first) + count


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. octets: as received, empty where nothing came. plain: the APDU inside. header: if ciphered."""

    octets: bytes
    plain: bytes
    closed: bool
    header: Header | None = None

    @property
    def is_silence(self) -> bool:
        """Whether nothing came, the end of the connection apart."""
        return not self.octets

    @property
    def is_exception(self) -> bool:
        """Whether it is an exception response or a confirmed service error: the APDU was refused as a whole."""
        return self.plain[:1] in (b"\xd8", b"\x0e")

    @property
    def counter_wanted(self) -> int | None:
        """The counter that an exception response asks for."""
        if len(self.plain) == 7 and self.plain[0] == EXCEPTION and self.plain[2] == COUNTER_ERROR:
            return int.from_bytes(self.plain[3:], "big")
        return None

    def describe(self) -> str:
        """Say what it is, for a reason."""
        if self.octets:
            return f"APDU {self.plain[:24].hex()}{'..' if len(self.plain) > 24 else ''}"
        return "the end of the connection" if self.closed else "no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What the server answered to an association request, as far as it is open."""

    response: AssociationResponse
    conformance: int
    max_pdu: int
    vaa: int
    version: int
    quality_of_service: int | None


class Session:
    """One association of a credential over one connection."""

    def __init__(
        self,
        wire: Wire,
        credential: Credential,
        counters: Counters,
        *,
        timeout_s: float,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.wire = wire
        self.credential = credential
        self.counters = counters
        self.timeout_s = timeout_s
        self._random_bytes = random_bytes
        self.server_title = b""
        self.challenge = random_bytes(CHALLENGE_SIZE)
        self.server_challenge = b""
        self.server_proof = b""
        self.dedicated_key: bytes | None = None
        self._dedicated_counter = 0
        self.conformance = 0
        self.server_max_pdu = 0
        self.response_counters: list[int] = []
        self.agreed: Agreed | None = None

    # --- opening ----------------------------------------------------------------------------------------------------

    def associate(self, *, initiate: bytes | None = None, dedicated_key: bytes | None = None) -> Agreed:
        """Open the association as a lawful client does; the suite's failure where it does not open."""
        self.dedicated_key = dedicated_key
        answer = self.ask_association(initiate=initiate)
        wanted = answer.counter_wanted
        if wanted is not None:  # the server tells which counter it waits for: as any client, go on from there
            self.counters.raise_to(self.credential.title, wanted)
            answer = self.ask_association(initiate=initiate)
        agreed = self.read_agreed(answer)
        if self.credential.is_challenged:
            self.prove()
        return agreed

    def ask_association(self, *, initiate: bytes | None = None, **changes: object) -> Answer:
        """Send an association request, its fields changed as given, and give whatever comes."""
        return self.exchange(self.association_octets(initiate=initiate, **changes))

    def association_octets(self, *, initiate: bytes | None = None, **changes: object) -> bytes:
        """Give the association request of this credential, its fields changed as given."""
        credential = self.credential
        if initiate is None:
            initiate = initiate_request(dedicated_key=self.dedicated_key)
        if credential.is_ciphered:
            initiate = self.protect(initiate, form=Form.GLO)
        authentication = None
        if credential.mechanism:
            authentication = self.challenge if credential.is_challenged else credential.password
        fields = AssociationFields(
            context=3 if credential.is_ciphered else 1,
            mechanism=credential.mechanism or None,
            authentication=authentication,
            title=credential.title if credential.sends_title else None,
            user_information=initiate,
        )
        return association_request(replace(fields, **changes))  # type: ignore[arg-type]  # fields by name

    def read_response(self, answer: Answer) -> AssociationResponse:
        """Take an association response apart; the suite's failure where it is none."""
        if answer.octets[:1] != b"\x61":
            fail(f"an association response was expected; {answer.describe()} came")
        try:
            return AssociationResponse.from_bytes(answer.octets)
        except PeerError as error:
            raise CheckFailed(f"the association response is malformed: {error}") from error

    def read_agreed(self, answer: Answer) -> Agreed:
        """Take an accepting association response apart; the suite's failure where it refuses."""
        response = self.read_response(answer)
        if not response.is_accepted:
            fail(f"the association was refused: result {response.result}, diagnostic {response.diagnostic}")
        self.server_title = response.responding_title or self.server_title
        self.server_challenge = response.authentication or b""
        if self.credential.sends_title:
            expect(len(self.server_title) == TITLE_SIZE, f"the server's title is {self.server_title.hex() or 'absent'}")
        body = response.user_information or b""
        if self.credential.is_ciphered:
            expect(body[:1] == b"\x28", f"the initiate response of a ciphered association begins {body[:1].hex()}")
            body = self.unprotect(body)[0]
        self.agreed = _initiate_response(response, body)
        self.conformance, self.server_max_pdu = self.agreed.conformance, self.agreed.max_pdu
        return self.agreed

    def prove(self, *, proof: bytes | None = None) -> None:
        """Answer the server's challenge and check its answer to ours."""
        answer = self.send_proof(proof=proof)
        plain = answer.plain
        if plain[:2] != b"\xc7\x01" or len(plain) < 5 or plain[3] != 0:
            fail(f"the server did not take our proof: {answer.describe()}")
        if plain[4:6] != b"\x01\x00":
            fail(f"the server took our proof and gave none of its own: {answer.describe()}")
        value = whole_data(plain[6:])
        if not isinstance(value, bytes):
            fail(f"the server's proof is no octet-string: {plain[6:].hex()}")
        if not is_proof(self.credential, self.server_title, value, self.challenge, self.server_challenge):
            fail(f"the server's proof is false: {value.hex()}")
        self.server_proof = value

    def send_proof(self, *, proof: bytes | None = None) -> Answer:
        """Send our answer to the server's challenge, or another one, and give whatever comes."""
        if proof is None:
            counter = self.counters.next(self.credential.title) if self.credential.mechanism == 5 else 0
            proof = make_proof(self.credential, self.server_title, counter, self.server_challenge, self.challenge)
        return self.request(action_request(REPLY_TO_HLS, octet_string(proof)))

    def release(self) -> Answer:
        """Release the association as a lawful client does."""
        body = None
        if self.credential.is_ciphered:
            body = self.protect(initiate_request(), form=Form.GLO)
        return self.exchange(release_request(user_information=body))

    # --- requests ---------------------------------------------------------------------------------------------------

    def request(self, apdu: bytes, *, form: Form | None = None) -> Answer:
        """Send a request, protected as the association has it, and give the answer, opened."""
        return self.exchange(self.protect(apdu, form=form), plain=apdu)

    def exchange(self, octets: bytes, *, plain: bytes | None = None) -> Answer:
        """Send an APDU as it is and give the answer, opened."""
        self.wire.send(octets, plain=None if plain == octets else plain)
        return self.receive()

    def post(self, apdu: bytes) -> None:
        """Send a request, protected as the association has it, and wait for nothing."""
        self.wire.send(self.protect(apdu), plain=apdu)

    def receive(self, timeout_s: float | None = None) -> Answer:
        """Give the next APDU of the server, opened."""
        octets = self.wire.receive(self.timeout_s if timeout_s is None else timeout_s) or b""
        plain, header = octets, None
        if octets and octets[0] in CIPHERED and self.credential.guek is not None:
            plain, header = self.unprotect(octets)
            self.wire.explain(plain)
        return Answer(octets=octets, plain=plain, closed=self.wire.closed, header=header)

    @property
    def form(self) -> Form:
        """The form that requests take by default."""
        return Form.GLO if self.dedicated_key is None else Form.DED

    def protect(
        self,
        apdu: bytes,
        *,
        form: Form | None = None,
        control: int | None = None,
        counter: int | None = None,
        keys: tuple[bytes, bytes] | None = None,
        title: bytes | None = None,
        tag: int | None = None,
    ) -> bytes:
        """Protect an APDU as the credential says, each part of it changed as given; a plain client's stays plain."""
        credential = self.credential
        if not credential.is_ciphered and control is None:
            return apdu
        form = form or self.form
        if control is None:
            control = credential.protection | credential.suite
        if keys is None:
            keys = self._keys(form)
        if counter is None:
            counter = self._next_counter(form)
        title = credential.title if title is None else title
        body = bytes((control,)) + counter.to_bytes(4, "big") + protect_body(keys, title, counter, control, apdu)
        if form in (Form.GENERAL_GLO, Form.GENERAL_DED):
            general = GENERAL_GLO if form is Form.GENERAL_GLO else GENERAL_DED
            return bytes((tag or general,)) + counted(title) + counted(body)
        return bytes((tag or ciphered_tag(apdu[0], dedicated=form is Form.DED),)) + counted(body)

    def unprotect(self, octets: bytes) -> tuple[bytes, Header]:
        """Open what the server protected; the suite's failure where it is not genuine."""
        header = split_ciphered(octets)
        dedicated = is_dedicated(header.tag)
        keys = self._keys(Form.DED if dedicated else Form.GLO)
        expect(
            header.control & 0x0F == self.credential.suite,
            f"the answer's security control {header.control:#04x} names another suite than {self.credential.suite}",
        )
        plain = open_body(keys, header.title or self.server_title, header)
        if not dedicated:
            self.response_counters.append(header.counter)
        expect(bool(plain) or not header.control & BOTH, "the server protected an APDU of no octets")
        return plain, header

    def _keys(self, form: Form) -> tuple[bytes, bytes]:
        guek, gak = self.credential.keys
        return (self.dedicated_key or guek) if form.is_dedicated else guek, gak

    def _next_counter(self, form: Form) -> int:
        if not form.is_dedicated:
            return self.counters.next(self.credential.title)
        self._dedicated_counter += 1
        return self._dedicated_counter

    def close(self) -> None:
        """End the connection."""
        self.wire.close()


def is_dedicated(tag: int) -> bool:
    """Whether a ciphered tag is under the dedicated key."""
    return 0x41 <= tag <= 0x5F or 0xD0 <= tag <= 0xD7 or tag == GENERAL_DED


def _initiate_response(response: AssociationResponse, body: bytes) -> Agreed:
    """Read an initiate response by its own layout; the suite's failure where it does not fit."""
    if body[:1] != b"\x08" or len(body) < INITIATE_RESPONSE_SIZE_MIN:
        fail(f"an initiate response was expected in the association response, {body.hex() or 'nothing'} is there")
    has_quality = body[1] == 1
    offset = 3 if has_quality else 2
    version, block = body[offset], body[offset + 1 :]
    if not block.startswith((bytes.fromhex("5f1f0400"), bytes.fromhex("5f0400"))):
        fail(f"the initiate response has no conformance block: {body.hex()}")
    block = block[4:] if block[1] == 0x1F else block[3:]
    if len(block) != 7:
        fail(f"the initiate response has {len(block)} octets behind its conformance header; 7 make sense")
    return Agreed(
        response=response,
        conformance=int.from_bytes(block[:3], "big"),
        max_pdu=int.from_bytes(block[3:5], "big"),
        vaa=int.from_bytes(block[5:7], "big"),
        version=version,
        quality_of_service=body[2] if has_quality else None,
    )
