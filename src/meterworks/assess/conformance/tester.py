"""What a test has in hand: connections and sessions to the server under test, and what was found out about it."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from meterworks.assess.conformance.credential import Credential
from meterworks.assess.conformance.request import (
    ASSOCIATION_NAME,
    INVOKE,
    OBJECT_LIST,
    data_of,
    describe_result,
    get_request,
    initiate_request,
    result_of,
    whole_data,
)
from meterworks.assess.conformance.row import CheckFailed, Inconclusive, Need, NotApplicable, expect, fail
from meterworks.assess.conformance.session import Agreed, Answer, Counters, Session
from meterworks.assess.conformance.wire import Trace, Wire
from meterworks.errors import PeerError, UnreachableError
from meterworks.protocols.dlms import AttributeAddress, Conformance, ObisCode

__all__ = ["ListedObject", "Opener", "Survey", "Tester", "has", "needed", "next_block", "read_block"]

BLOCKS_MAX: Final = 20_000
VALUE_SIZE_MAX: Final = 16 * 1024 * 1024
COUNTER_NAMES: Final = tuple(ObisCode(f"0.0.43.1.{number}.255") for number in range(4))
READ_BITS: Final = frozenset({1, 3, 4, 6})  # access modes of association versions 0 to 2 that allow reading

Opener = Callable[[Trace, int, int], Wire]
"""Makes a connection for a client and a server address."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """A row of an object list. attributes, methods: access mode by number, None where the list does not say."""

    class_id: int
    version: int
    name: ObisCode
    attributes: dict[int, int] = field(default_factory=dict)
    methods: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Survey:
    """What was found out once and serves all tests: objects that the client sees, what was agreed with it."""

    objects: list[ListedObject] = field(default_factory=list)
    octets: bytes = b""
    agreed: Agreed | None = None
    fault: str = ""
    server_title: bytes = b""
    public: bool = False

    def named(self, class_id: int) -> list[ListedObject]:
        """Give the listed objects of a class."""
        return [row for row in self.objects if row.class_id == class_id]


def has(conformance: int, *bits: Conformance) -> bool:
    """Whether all these bits are in a conformance block."""
    return all(conformance & int(bit) for bit in bits)


def needed(condition: bool, reason: str) -> None:
    """Say that the test does not apply unless the condition holds."""
    if not condition:
        raise NotApplicable(reason)


class Tester:
    """One run's access to the server under test. trace: of the test that runs."""

    def __init__(
        self,
        opener: Opener,
        credential: Credential,
        public: Credential | None,
        *,
        counters: Counters,
        timeout_s: float = 5.0,
        quiet_s: float = 0.3,
        writes: bool = False,
        over_hdlc: bool = False,
    ) -> None:
        self._opener = opener
        self.credential = credential
        self.public = public
        self.counters = counters
        self.timeout_s = timeout_s
        self.quiet_s = quiet_s
        self.writes = writes
        self.over_hdlc = over_hdlc
        self.seed = 1  # of the octets made by chance: the same in each run, so that a finding can be had again
        self.survey = Survey()
        self.trace = Trace()
        self._open: list[Wire] = []

    # --- connections ------------------------------------------------------------------------------------------------

    def random(self) -> random.Random:
        """Give a source of chance that is the same in each run of a seed."""
        return random.Random(self.seed)  # noqa: S311  octets to try, not secrets

    def wire(self, client_sap: int | None = None, server_sap: int | None = None) -> Wire:
        """Connect, without bringing up the link; closed at the end of the test. Raises UnreachableError."""
        client = self.credential.client_sap if client_sap is None else client_sap
        server = self.credential.server_sap if server_sap is None else server_sap
        wire = self._opener(self.trace, client, server)
        self._open.append(wire)
        return wire

    def session(self, credential: Credential | None = None, wire: Wire | None = None) -> Session:
        """Connect and bring up the link; nothing is associated yet."""
        credential = credential or self.credential
        if wire is None:
            wire = self.wire(credential.client_sap, credential.server_sap)
            wire.open()
        return Session(wire, credential, self.counters, timeout_s=self.timeout_s)

    def associated(
        self,
        credential: Credential | None = None,
        *,
        conformance: int | None = None,
        max_pdu: int = 0xFFFF,
        dedicated_key: bytes | None = None,
    ) -> Session:
        """Give an open association; the suite's failure where it does not open."""
        session = self.session(credential)
        options = {} if conformance is None else {"conformance": conformance}
        session.associate(
            initiate=initiate_request(max_pdu=max_pdu, dedicated_key=dedicated_key, **options),
            dedicated_key=dedicated_key,
        )
        return session

    @contextmanager
    def test(self) -> Iterator[Trace]:
        """A test's time: its connections are closed at the end."""
        self.trace = Trace()
        try:
            yield self.trace
        finally:
            while self._open:
                self._open.pop().close()

    def meets(self, need: Need) -> bool:
        """Whether a need of a test is met."""
        credential = self.credential
        return {
            Need.CIPHERED: credential.is_ciphered,
            Need.AUTHENTICATED: credential.is_challenged,
            Need.PROOF: credential.mechanism != 0,
            Need.PUBLIC: self.public is not None and self.survey.public,
            Need.WRITES: self.writes,
            Need.WRAPPER: not self.over_hdlc,
            Need.HDLC: self.over_hdlc,
        }[need]

    # --- what tests do again and again --------------------------------------------------------------------------------

    def still_serves(self, credential: Credential | None = None) -> None:
        """Prove that the server still lets a lawful client in and answers it."""
        try:
            session = self.associated(credential)
        except UnreachableError as error:
            raise CheckFailed(f"a lawful client does not get through any more: {error}") from error
        self.is_answered(session)
        session.close()

    def is_answered(self, session: Session) -> None:
        """Prove that a plain GET is answered, be it by a result."""
        answer = session.request(get_request(ASSOCIATION_NAME))
        expect(answer.plain[:2] == b"\xc4\x01", f"a GET is answered by {answer.describe()}")

    def get(self, session: Session, address: AttributeAddress, selection: bytes | None = None) -> bytes:
        """Read an attribute, whole, in as many blocks as it takes."""
        answer = session.request(get_request(address, selection))
        if answer.plain[:2] == b"\xc4\x02":
            return self.join_blocks(session, answer)
        return data_of(answer.plain)

    def try_get(self, session: Session, address: AttributeAddress, selection: bytes | None = None) -> tuple[int, bytes]:
        """Read an attribute; give (0, data) or (result, nothing)."""
        answer = session.request(get_request(address, selection))
        result = result_of(answer.plain)
        if result:
            return result, b""
        if answer.plain[:2] == b"\xc4\x02":
            return 0, self.join_blocks(session, answer)
        if answer.plain[:2] != b"\xc4\x01":
            fail(f"GET of {address.class_id}/{address.obis_code}/{address.attribute}: {answer.describe()}")
        return 0, data_of(answer.plain)

    def join_blocks(self, session: Session, first: Answer) -> bytes:
        """Fetch the blocks of a long answer, checking their numbers; give the data."""
        octets, answer = b"", first
        for number in range(1, BLOCKS_MAX):
            last, found, block = read_block(answer.plain)
            expect(found == number, f"block {found} came where block {number} was due")
            octets += block
            if len(octets) > VALUE_SIZE_MAX:
                raise Inconclusive(f"the value goes beyond {VALUE_SIZE_MAX} octets")
            if last:
                return octets
            answer = session.request(next_block(number))
        raise Inconclusive(f"the value goes beyond {BLOCKS_MAX} blocks")

    def refused(self, answer: Answer, what: str, *, results: frozenset[int] | None = None) -> str:
        """Prove that a request was refused, as a whole or by its result; give how.

        results: the results that the clause names; None takes any but success. Silence is taken as refusal.
        """
        if answer.is_silence or answer.is_exception:
            return answer.describe()
        result = result_of(answer.plain)
        if result is None:
            fail(f"{what} was answered by {answer.describe()}")
        expect(result != 0, f"{what} succeeded")
        if results is not None:
            expect(result in results, f"{what} was refused by {describe_result(result)}")
        return describe_result(result)

    def look_around(self) -> None:
        """Find out what the server has: whether it knows the public client, which objects ours sees."""
        survey = self.survey
        if self.public is not None:
            try:
                with self.test():
                    session = self.associated(self.public)
                    survey.public = True
                    self._find_counter(session)
            except CheckFailed:
                survey.public = False
        try:
            with self.test():
                session = self.associated()
                survey.agreed, survey.server_title = session.agreed, session.server_title
                result, survey.octets = self.try_get(session, OBJECT_LIST)
                expect(result == 0, f"the object list is refused: {describe_result(result)}")
                survey.objects = read_object_list(survey.octets)
        except PeerError as error:
            survey.fault = str(error)

    def _find_counter(self, session: Session) -> None:
        """Go on above the counter that the server last accepted of us, where it says so."""
        if not self.credential.sends_title or self.credential.guek is None:
            return
        for name in COUNTER_NAMES:
            answer = session.request(get_request(AttributeAddress(1, name, 2)))
            if answer.plain[:2] == b"\xc4\x01" and result_of(answer.plain) == 0:
                value = whole_data(data_of(answer.plain))
                if isinstance(value, int) and 0 <= value < 0xFFFF_0000:
                    self.counters.raise_to(self.credential.title, value + 1)

    def objects(self) -> list[ListedObject]:
        """Give what the client sees; inconclusive where the list could not be read."""
        if not self.survey.objects:
            raise Inconclusive(f"there is no object list to go by: {self.survey.fault or 'it is empty'}")
        return self.survey.objects

    def agreed(self) -> Agreed:
        """Give what was agreed at the first association; inconclusive where none opened."""
        if self.survey.agreed is None:
            raise Inconclusive(f"no association opened: {self.survey.fault}")
        return self.survey.agreed


def next_block(number: int, *, invoke: int = INVOKE) -> bytes:
    """Give the request for the block after `number`."""
    return bytes((0xC0, 2, invoke)) + number.to_bytes(4, "big")


def read_block(answer: bytes) -> tuple[bool, int, bytes]:
    """Take a GET response block apart: last, number, octets; the suite's failure where it is none or refuses."""
    if answer[:2] != b"\xc4\x02" or len(answer) < 10:
        fail(f"a block was expected, APDU {answer[:12].hex() or 'nothing'} came")
    if answer[8] != 0:
        fail(f"the block was refused: {describe_result(answer[9])}")
    size, start = answer[9], 10
    if size & 0x80:
        start = 10 + (size & 0x7F)
        size = int.from_bytes(answer[10:start], "big")
    expect(len(answer) - start == size, f"a block says {size} octets and has {len(answer) - start}")
    return bool(answer[3]), int.from_bytes(answer[4:8], "big"), answer[start:]


def read_object_list(octets: bytes) -> list[ListedObject]:
    """Take an object list apart; the suite's failure where a row is no object."""
    rows = whole_data(octets)
    if not isinstance(rows, list):
        fail("the object list is not an array")
    return [_listed(row) for row in rows]


def _listed(row: object) -> ListedObject:
    match row:
        case (int(class_id), int(version), bytes(name), (list(attributes), list(methods))) if len(name) == 6:
            return ListedObject(class_id, version, ObisCode(name), _modes(attributes), _modes(methods))
    fail(f"a row of the object list is no {{class, version, name, access rights}}: {row!r}")


def _modes(rows: list[object]) -> dict[int, int]:
    modes: dict[int, int] = {}
    for row in rows:
        match row:
            case (int(number), (int() | bool()) as mode, *_):
                modes[number & 0xFF] = int(mode)
            case _:
                fail(f"an access right is no {{number, mode, ..}}: {row!r}")
    return modes
