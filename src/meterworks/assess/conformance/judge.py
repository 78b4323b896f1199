"""A strict server that judges the client which connects: every octet is kept, and some answers are wrong on purpose.

The first connection is served honestly. Each further one meets the next scenario: a tampered answer, a replayed one,
our challenge given back, and so on; what the client does then is the judgement. A client that connects once is judged
by what it sends. The checks themselves are the rows of `client_row`.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from meterworks.assess.conformance.judge_device import JudgeDevice
from meterworks.assess.conformance.protection import BOTH, open_body, protect_body, split_ciphered
from meterworks.assess.conformance.request import counted
from meterworks.assess.conformance.row import Exchanged
from meterworks.assess.conformance.session import CIPHERED, is_dedicated
from meterworks.errors import PeerError
from meterworks.protocols.dlms import AssociationRequest, AssociationResponse, ServerConnection

__all__ = ["AARQ", "ClientJudge", "Conversation", "JudgedConnection", "Record", "Scenario", "Seen"]

CONVERSATIONS_MAX: Final = 256
PLAYS_MAX: Final = 3  # of a scenario that does not come to pass
SEEN_MAX: Final = 4096  # APDUs kept of one conversation
HEADER_SIZE: Final = 8
AARQ: Final = 0x60
AARE: Final = 0x61
NOTIFICATION: Final = bytes.fromhex("0f000000010002021100 0900".replace(" ", ""))


class Scenario(Enum):
    """What a conversation does to the client."""

    HONEST = "served honestly"
    TAMPERED_ANSWER = "the first protected answer has one bit changed"
    REPLAYED_ANSWER = "the second protected answer is the first one again"
    PLAIN_ANSWER = "the first protected answer comes unprotected"
    REFLECTED_CHALLENGE = "the server's challenge is the client's own"
    FALSE_PROOF = "the server's proof has one bit changed"
    OTHER_CONTEXT = "the association response names another context"
    REJECTED = "the association is refused"
    OTHER_INVOKE = "the first answer has another invoke identifier"
    WRONG_BLOCK = "the second block has a number too high"
    NOTIFIED = "a notification comes before the first answer"
    EXCEPTION = "the first request is refused by an exception response"


@dataclass(frozen=True, slots=True)
class Seen:
    """An APDU that went by. plain: inside, where it was ciphered and could be opened. at: the frame's addresses."""

    by_client: bool
    octets: bytes
    plain: bytes
    at: tuple[int, int]
    fault: str = ""


@dataclass(slots=True)
class Conversation:
    """One connection of a client.

    fooled_at: place in `seen` of the answer that was wrong on purpose. hasty: requests came before the answer to the
    one before them had gone out.
    """

    scenario: Scenario
    seen: list[Seen] = field(default_factory=list)
    fooled_at: int | None = None
    frame_fault: str = ""
    hasty: bool = False
    ended: bool = False

    def requests(self) -> Iterator[Seen]:
        """Give what the client sent."""
        return (seen for seen in self.seen if seen.by_client)

    def evidence(self) -> tuple[Exchanged, ...]:
        """Give what went by, as the client's side of a report."""
        return tuple(
            Exchanged(seen.by_client, seen.octets, seen.plain if seen.plain != seen.octets else None, seen.fault)
            for seen in self.seen
        )


@dataclass(slots=True)
class Record:
    """All that a client did."""

    conversations: list[Conversation] = field(default_factory=list)

    def of(self, scenario: Scenario) -> list[Conversation]:
        """Give the conversations of a scenario in which it came to pass."""
        return [
            one
            for one in self.conversations
            if one.scenario is scenario and (scenario is Scenario.HONEST or one.fooled_at is not None)
        ]


class ClientJudge:
    """Makes the connections of a judged client and keeps the record. random_bytes: fresh octets for challenges."""

    def __init__(self, device: JudgeDevice, *, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self.device = device
        self.record = Record()
        self._random_bytes = random_bytes

    @property
    def next_scenario(self) -> Scenario:
        """What the next connection will meet: each scenario in turn; one that did not come to pass, a few times."""
        plays = dict.fromkeys(Scenario, 0)
        for one in self.record.conversations:
            plays[one.scenario] += 1
        came = {one.scenario for one in self.record.conversations if one.fooled_at is not None}
        open_ = [one for one in Scenario if one not in came and plays[one] < (PLAYS_MAX if plays[one] else 1)]
        fresh = [one for one in open_ if not plays[one]]
        return (fresh or [one for one in open_ if one is not Scenario.HONEST] or [Scenario.HONEST])[0]

    @property
    def is_complete(self) -> bool:
        """Whether every scenario was played once."""
        return {one.scenario for one in self.record.conversations} >= set(Scenario)

    def connection(self) -> "JudgedConnection | None":
        """Serve a new connection; None where there were too many."""
        if len(self.record.conversations) >= CONVERSATIONS_MAX:
            return None
        conversation = Conversation(self.next_scenario)
        self.record.conversations.append(conversation)
        return JudgedConnection(conversation, self.device, self._random_bytes)


class JudgedConnection:
    """One connection: octets in, octets out, everything recorded."""

    def __init__(self, conversation: Conversation, device: JudgeDevice, random_bytes: Callable[[int], bytes]) -> None:
        self.conversation = conversation
        self._device = device
        self._server = ServerConnection(device, random_bytes)
        self._buffer = bytearray()
        self._title = b""
        self._dedicated_key: bytes | None = None
        self._first_answer = b""
        self._last_request = b""

    @property
    def closed(self) -> bool:
        """Whether the connection is to be closed."""
        return self._server.closed or bool(self.conversation.frame_fault)

    def receive(self, data: bytes) -> bytes:
        """Take octets; give the answers."""
        self._buffer += data
        answers = b""
        while not self.closed and (frame := self._next_frame()) is not None:
            self.conversation.hasty |= bool(answers)
            source, destination, apdu = frame
            self._see(apdu, (source, destination), by_client=True)
            octets = self._server.receive(_frame(source, destination, apdu))
            if len(octets) > HEADER_SIZE:
                for answer in self._answers(octets[HEADER_SIZE:]):
                    self._see(answer, (destination, source), by_client=False)
                    answers += _frame(destination, source, answer)
        return answers

    def lost(self) -> None:
        """Say that the connection ended."""
        self.conversation.ended = True

    def _next_frame(self) -> tuple[int, int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < HEADER_SIZE:
            return None
        version, length = int.from_bytes(buffer[:2], "big"), int.from_bytes(buffer[6:8], "big")
        if version != 1 or not length:
            self.conversation.frame_fault = f"a wrapper header of version {version} and length {length}"
            return None
        if len(buffer) < HEADER_SIZE + length:
            return None
        apdu = bytes(buffer[HEADER_SIZE : HEADER_SIZE + length])
        places = int.from_bytes(buffer[2:4], "big"), int.from_bytes(buffer[4:6], "big")
        del buffer[: HEADER_SIZE + length]
        return (*places, apdu)

    # --- what was seen ----------------------------------------------------------------------------------------------

    def _see(self, apdu: bytes, at: tuple[int, int], *, by_client: bool) -> None:
        plain, fault = apdu, ""
        try:
            if by_client and apdu[0] == AARQ:
                plain = self._take_association(apdu)
            elif apdu[0] in CIPHERED and self._device.credential.guek is not None:
                plain = self._open(apdu, self._title if by_client else self._device.system_title)
        except PeerError as error:
            fault = str(error)
        if by_client:
            self._last_request = plain
        if len(self.conversation.seen) < SEEN_MAX:
            self.conversation.seen.append(Seen(by_client, apdu, plain, at, fault))

    def _take_association(self, apdu: bytes) -> bytes:
        """Remember the client's title and dedicated key; give the initiate request."""
        request = AssociationRequest.from_bytes(apdu)
        self._title = request.calling_title or b""
        body = request.user_information or b""
        if body[:1] == b"\x21":
            body = self._open(body, self._title)
        if body[:2] == b"\x01\x01":
            self._dedicated_key = body[3 : 3 + body[2]]
        return body

    def _keys(self, tag: int) -> tuple[bytes, bytes]:
        guek, gak = self._device.credential.keys
        return (self._dedicated_key or guek) if is_dedicated(tag) else guek, gak

    def _open(self, apdu: bytes, title: bytes) -> bytes:
        header = split_ciphered(apdu)
        return open_body(self._keys(header.tag), header.title or title, header)

    def _again(self, apdu: bytes, plain: bytes) -> bytes:
        """Protect other content under the header of an answer, which is not sent itself."""
        if apdu[0] not in CIPHERED:
            return plain
        header = split_ciphered(apdu)
        body = protect_body(self._keys(apdu[0]), self._device.system_title, header.counter, header.control, plain)
        content = bytes((header.control,)) + header.counter.to_bytes(4, "big") + body
        title = counted(header.title) if apdu[0] in (0xDB, 0xDC) else b""
        return apdu[:1] + title + counted(content)

    # --- answers that are wrong on purpose --------------------------------------------------------------------------

    def _answers(self, apdu: bytes) -> list[bytes]:
        """Give what goes out in place of an answer."""
        conversation = self.conversation
        if conversation.fooled_at is not None or conversation.scenario is Scenario.HONEST:
            return [apdu]
        found = _CHANGES[conversation.scenario](self, apdu)
        if found is None:
            return [apdu]
        conversation.fooled_at = len(conversation.seen)
        return found

    def _is_service(self) -> bool:
        """Whether it answers a service, the proof apart."""
        return self._last_request[:1] in (b"\xc0", b"\xc1", b"\xc3") and not _is_proof(self._last_request)

    def _is_protected(self, apdu: bytes) -> bool:
        if not self._is_service() or apdu[0] not in CIPHERED:
            return False
        return bool(split_ciphered(apdu).control & BOTH)

    def _tampered(self, apdu: bytes) -> list[bytes] | None:
        return [apdu[:-1] + bytes((apdu[-1] ^ 0x01,))] if self._is_protected(apdu) else None

    def _replayed(self, apdu: bytes) -> list[bytes] | None:
        if not self._is_protected(apdu):
            return None
        first, self._first_answer = self._first_answer, self._first_answer or apdu
        return [first] if first else None

    def _unprotected(self, apdu: bytes) -> list[bytes] | None:
        return [self._open(apdu, self._device.system_title)] if self._is_protected(apdu) else None

    def _reflected(self, apdu: bytes) -> list[bytes] | None:
        if apdu[0] != AARE or not self._device.credential.is_challenged:
            return None
        sent = next((seen.octets for seen in self.conversation.requests() if seen.octets[0] == AARQ), b"")
        ours, theirs = AssociationResponse.from_bytes(apdu), AssociationRequest.from_bytes(sent)
        if not ours.authentication or not theirs.authentication:
            return None
        return [_with_challenge(ours, theirs.authentication)]

    def _false_proof(self, apdu: bytes) -> list[bytes] | None:
        if not _is_proof(self._last_request):
            return None
        plain = self._open(apdu, self._device.system_title) if apdu[0] in CIPHERED else apdu
        return [self._again(apdu, plain[:-1] + bytes((plain[-1] ^ 1,)))] if plain[:4] == b"\xc7\x01\xc1\0" else None

    def _other_context(self, apdu: bytes) -> list[bytes] | None:
        if apdu[0] != AARE or apdu[2:4] != b"\xa1\x09":
            return None
        return [apdu[:12] + bytes((1 if apdu[12] == 3 else 3,)) + apdu[13:]]

    def _rejected(self, apdu: bytes) -> list[bytes] | None:
        if apdu[0] != AARE:
            return None
        context = AssociationResponse.from_bytes(apdu).context
        return [AssociationResponse(context=context, result=1, diagnostic=1).to_bytes()]

    def _other_invoke(self, apdu: bytes) -> list[bytes] | None:
        if not self._is_service():
            return None
        plain = self._open(apdu, self._device.system_title) if apdu[0] in CIPHERED else apdu
        if plain[:1] not in (b"\xc4", b"\xc5", b"\xc7"):
            return None
        return [self._again(apdu, plain[:2] + bytes((plain[2] ^ 0x05,)) + plain[3:])]

    def _wrong_block(self, apdu: bytes) -> list[bytes] | None:
        plain = self._open(apdu, self._device.system_title) if apdu[0] in CIPHERED else apdu
        if plain[:2] != b"\xc4\x02" or plain[4:8] != b"\0\0\0\2":
            return None
        return [self._again(apdu, plain[:4] + b"\0\0\0\x09" + plain[8:])]

    def _notified(self, apdu: bytes) -> list[bytes] | None:
        return [NOTIFICATION, apdu] if self._is_service() else None

    def _exception(self, apdu: bytes) -> list[bytes] | None:
        return [b"\xd8\x01\x01"] if self._is_service() else None


_CHANGES: Final[dict[Scenario, Callable[[JudgedConnection, bytes], list[bytes] | None]]] = {
    Scenario.TAMPERED_ANSWER: JudgedConnection._tampered,
    Scenario.REPLAYED_ANSWER: JudgedConnection._replayed,
    Scenario.PLAIN_ANSWER: JudgedConnection._unprotected,
    Scenario.REFLECTED_CHALLENGE: JudgedConnection._reflected,
    Scenario.FALSE_PROOF: JudgedConnection._false_proof,
    Scenario.OTHER_CONTEXT: JudgedConnection._other_context,
    Scenario.REJECTED: JudgedConnection._rejected,
    Scenario.OTHER_INVOKE: JudgedConnection._other_invoke,
    Scenario.WRONG_BLOCK: JudgedConnection._wrong_block,
    Scenario.NOTIFIED: JudgedConnection._notified,
    Scenario.EXCEPTION: JudgedConnection._exception,
}


def _is_proof(request: bytes) -> bool:
    """Whether a request is the reply to the server's challenge."""
    return request[:2] == b"\xc3\x01" and request[3:5] == b"\x00\x0f" and request[11:12] == b"\x01"


def _with_challenge(response: AssociationResponse, challenge: bytes) -> bytes:
    return AssociationResponse(
        context=response.context, result=response.result, diagnostic=response.diagnostic,
        responding_title=response.responding_title, mechanism=response.mechanism, authentication=challenge,
        user_information=response.user_information,
    ).to_bytes()  # fmt: skip


def _frame(source: int, destination: int, apdu: bytes) -> bytes:
    header = (1, source, destination, len(apdu))
    return b"".join(number.to_bytes(2, "big") for number in header) + apdu
