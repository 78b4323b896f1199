"""One association as the client sees it: commands in, APDUs out; APDUs in, events out.

    IDLE ── Associate ──▶ ASSOCIATING ── accepted ─────────────────▶ READY ◀──┐
                              │                                      │  ▲    │ finished
                              └── challenged ──▶ PROVING ── proved ──┼──┘    │
    IDLE ◀── rejected ────────┴──────────────────┘                   ├─ request ─▶ WAITING
    IDLE ◀── released ── RELEASING ◀── Release ──────────────────────┘

A false tag, a used counter, a reflected challenge or an unlawful answer leaves BROKEN, which nothing leaves: the shell
closes the connection. Reading is tolerant in one place: whatever comes in answer to a release request means released.
Source: IEC 62056-5-3; fact sheet sections 3, 4 and 6.
"""

import hmac
from collections.abc import Callable
from enum import Enum
from typing import Final

from meterworks.protocols.dlms.acse import (
    ApplicationContext,
    AssociationRequest,
    AssociationResponse,
    ReleaseRequest,
    ReleaseResponse,
)
from meterworks.protocols.dlms.action import ActionRequest, ActionResponse, decode_action_response
from meterworks.protocols.dlms.challenge import (
    CHALLENGE_SIZE,
    CHALLENGE_SIZE_MAX,
    CHALLENGE_SIZE_MIN,
    REPLY_TO_HLS,
    make_proof,
    open_proof,
)
from meterworks.protocols.dlms.client_service import ClientServices
from meterworks.protocols.dlms.command import (
    Associate,
    AssociationOpened,
    AssociationRejected,
    AssociationReleased,
    ClientEvent,
    Command,
    ExceptionReceived,
    NotificationReceived,
    Release,
)
from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.data import decode_all, encode_octet_string
from meterworks.protocols.dlms.device import InvocationCounter
from meterworks.protocols.dlms.fault import ConfirmedServiceError, ExceptionResponse
from meterworks.protocols.dlms.initiate import InitiateRequest, InitiateResponse
from meterworks.protocols.dlms.notification import DataNotification, EventNotification
from meterworks.protocols.dlms.result import ActionResult, Diagnostic
from meterworks.protocols.dlms.security import (
    OVERHEAD,
    TITLE_SIZE,
    GrowingCounter,
    SecurityContext,
    Suite0Cipher,
    Unprotected,
)
from meterworks.protocols.dlms.settings import (
    PDU_SIZE_MAX,
    Ciphering,
    ClientSettings,
    Mechanism,
    Protection,
)
from meterworks.protocols.dlms.tag import FORM_OF, ApduTag, CipherForm
from meterworks.protocols.errors import (
    DecodeError,
    ProtectionError,
    StateError,
    TagError,
    UnlawfulMessage,
    WeakProtection,
)

__all__ = ["ClientAssociation", "ClientState"]

NOTIFICATIONS: Final = frozenset({int(ApduTag.DATA_NOTIFICATION), int(ApduTag.EVENT_NOTIFICATION)})
INVOKE: Final = 0xC1  # id 1, confirmed, high priority: one request at a time needs no other


class ClientState(Enum):
    """Where an association is."""

    __hash__ = object.__hash__  # members are single objects; the inherited hash runs in Python

    IDLE = "idle"
    ASSOCIATING = "associating"
    PROVING = "proving"
    READY = "ready"
    WAITING = "waiting"
    RELEASING = "releasing"
    BROKEN = "broken"


class _Move(Enum):
    __hash__ = object.__hash__

    ASSOCIATE = "associate"
    ACCEPTED = "accepted"
    CHALLENGED = "challenged"
    PROVED = "proved"
    REJECTED = "rejected"
    REQUEST = "request"
    FINISHED = "finished"
    RELEASE = "release"
    RELEASED = "released"


_TRANSITIONS: Final[dict[tuple[ClientState, _Move], ClientState]] = {
    (ClientState.IDLE, _Move.ASSOCIATE): ClientState.ASSOCIATING,
    (ClientState.ASSOCIATING, _Move.ACCEPTED): ClientState.READY,
    (ClientState.ASSOCIATING, _Move.CHALLENGED): ClientState.PROVING,
    (ClientState.ASSOCIATING, _Move.REJECTED): ClientState.IDLE,
    (ClientState.PROVING, _Move.PROVED): ClientState.READY,
    (ClientState.PROVING, _Move.REJECTED): ClientState.IDLE,
    (ClientState.READY, _Move.REQUEST): ClientState.WAITING,
    (ClientState.WAITING, _Move.FINISHED): ClientState.READY,
    (ClientState.READY, _Move.RELEASE): ClientState.RELEASING,
    (ClientState.RELEASING, _Move.RELEASED): ClientState.IDLE,
}


class ClientAssociation:
    """One association with a server.

    counter: ours under the global key. random_bytes: gives fresh octets for challenges. server_title and server_counter
    tell, after opening, who answered and the lowest counter of it that would still be new.
    """

    __slots__ = (
        "_challenge",
        "_cipher",
        "_counter",
        "_form",
        "_opened",
        "_output",
        "_protection",
        "_random_bytes",
        "_security",
        "_server_counter",
        "_services",
        "server_title",
        "settings",
        "state",
    )

    def __init__(
        self, settings: ClientSettings, counter: InvocationCounter, random_bytes: Callable[[int], bytes]
    ) -> None:
        self.settings = settings
        self.state = ClientState.IDLE
        self.server_title: bytes | None = settings.server_title
        self._counter = counter
        self._random_bytes = random_bytes
        self._protection = int(settings.protection or Protection.NONE)
        self._cipher = Suite0Cipher(*settings.keys) if settings.guek is not None and settings.gak is not None else None
        self._security: SecurityContext | None = None
        self._server_counter = GrowingCounter(settings.server_counter_lowest)
        self._form = CipherForm.GLO if settings.dedicated_key is None else CipherForm.DED
        self._services = ClientServices(INVOKE)
        self._challenge = b""
        self._opened: AssociationOpened | None = None
        self._output: list[bytes] = []

    @property
    def server_counter_lowest(self) -> int:
        """The smallest counter of the server under the global key that would still be new."""
        return self._server_counter.lowest()

    # --- commands ---------------------------------------------------------------------------------------------------

    def send(self, command: Command) -> bytes:
        """Give the APDU that carries a command. StateError where the state does not allow it; nothing changes then."""
        if isinstance(command, Associate):
            self._check_move(_Move.ASSOCIATE)
            apdu = self._association_request()
            self._move(_Move.ASSOCIATE)
            return apdu
        if isinstance(command, Release):
            self._check_move(_Move.RELEASE)
            apdu = self._release_request()
            self._move(_Move.RELEASE)
            return apdu
        self._check_move(_Move.REQUEST)
        apdu = self._protect(self._services.begin(command))
        self._move(_Move.REQUEST)
        return apdu

    def take_output(self) -> list[bytes]:
        """Give the APDUs that answer what was received last (the proof, the request for the next block), once."""
        output = self._output
        if output:
            self._output = []
        return output

    def _check_move(self, move: _Move) -> None:
        if (self.state, move) not in _TRANSITIONS:
            raise StateError(f"the association is {self.state.value}: it cannot {move.value}", state=self.state.value)

    def _move(self, move: _Move) -> None:
        self.state = _TRANSITIONS[self.state, move]

    def _association_request(self) -> bytes:
        settings = self.settings
        has_challenge = settings.mechanism == Mechanism.GMAC
        if has_challenge:
            self._challenge = self._random_bytes(CHALLENGE_SIZE)
        mechanism = None if settings.mechanism == Mechanism.NONE else int(settings.mechanism)
        return AssociationRequest(
            context=ApplicationContext.LOGICAL_NAME_CIPHERED if self._protection else ApplicationContext.LOGICAL_NAME,
            user_information=self._initiate_request(settings.dedicated_key),
            calling_title=settings.system_title if self._cipher is not None else None,
            mechanism=mechanism,
            authentication=self._challenge if has_challenge else settings.password if mechanism else None,
        ).to_bytes()

    def _initiate_request(self, dedicated_key: bytes | None) -> bytes:
        apdu = InitiateRequest(
            conformance=self.settings.conformance, max_pdu=self.settings.max_pdu, dedicated_key=dedicated_key
        ).to_bytes()
        if not self._protection or self._cipher is None:
            return apdu
        title = self.settings.system_title or b""
        protected = self._cipher.protect(self._protection, title, self._counter.next(), apdu)
        return b"\x21" + bytes((len(protected),)) + protected

    def _release_request(self) -> bytes:
        body = None
        if self._protection and self.settings.release_ciphered:
            body = self._initiate_request(None)
        return ReleaseRequest(reason=0, user_information=body).to_bytes()

    def _protect(self, apdu: bytes, form: CipherForm | None = None) -> bytes:
        if self._security is None or not self._protection:
            return apdu
        return self._security.protect(apdu, self._form if form is None else form, self._protection)

    # --- what arrives -----------------------------------------------------------------------------------------------

    def receive(self, apdu: bytes) -> list[ClientEvent]:
        """Take an APDU of at least one octet. Raises PeerError or SecurityError, and stays broken then."""
        if self.state is ClientState.BROKEN:
            raise StateError("the association is broken: close the connection and begin anew", state="broken")
        try:
            return self._receive(apdu)
        except (DecodeError, UnlawfulMessage, ProtectionError):
            self.state = ClientState.BROKEN
            raise

    def _receive(self, apdu: bytes) -> list[ClientEvent]:
        state = self.state
        if state is ClientState.RELEASING and apdu[0] not in NOTIFICATIONS:
            return self._receive_release(apdu)
        if apdu[0] == ApduTag.EXCEPTION_RESPONSE:
            return self._receive_exception(ExceptionResponse.from_bytes(apdu))
        if state is ClientState.ASSOCIATING and apdu[0] not in NOTIFICATIONS:
            return self._receive_association(AssociationResponse.from_bytes(apdu))
        request = self._unprotect(apdu)
        if request is not None:
            apdu = request.apdu
        if apdu[0] in NOTIFICATIONS:
            return [_notification(apdu, request is not None)]
        if state is ClientState.PROVING:
            return self._receive_proof(apdu, request)
        if state is not ClientState.WAITING:
            raise UnlawfulMessage(f"APDU {apdu[0]:#04x} came unasked", tag=apdu[0])
        events, output = self._services.receive(apdu)
        if output is None:
            self._move(_Move.FINISHED)
        else:
            self._output.append(self._protect(output))
        return events

    def _unprotect(self, apdu: bytes) -> Unprotected | None:
        """Open what is ciphered; None where a plain APDU may stand (plain association, or a notification)."""
        ciphered = apdu[0] in FORM_OF
        if self._security is not None and ciphered:
            return self._security.unprotect(apdu, self._protection)
        if ciphered:
            raise WeakProtection("ciphered answer on a plain association")
        if self._protection and apdu[0] not in NOTIFICATIONS:
            raise WeakProtection(f"plain answer {apdu[0]:#04x} on a ciphered association")
        return None

    def _receive_exception(self, exception: ExceptionResponse) -> list[ClientEvent]:
        move = {
            ClientState.ASSOCIATING: _Move.REJECTED,
            ClientState.PROVING: _Move.REJECTED,
            ClientState.WAITING: _Move.FINISHED,
        }.get(self.state)
        if move is None:
            raise UnlawfulMessage("exception response came unasked", state=self.state.value)
        self._services.abandon()
        self._move(move)
        return [ExceptionReceived(exception.state, exception.service, exception.counter)]

    # --- opening ----------------------------------------------------------------------------------------------------

    def _receive_association(self, response: AssociationResponse) -> list[ClientEvent]:
        if not response.is_accepted:
            self._move(_Move.REJECTED)
            return [AssociationRejected(response.result, response.diagnostic, _initiate_error(response))]
        self._check_context(response)
        self._open_security(response)
        initiate = self._open_initiate(response)
        agreed = int(initiate.conformance) & int(self.settings.conformance)
        self._services.open(agreed, self._request_size_max(initiate.max_pdu))
        self._opened = AssociationOpened(self.server_title, initiate.conformance, initiate.max_pdu or PDU_SIZE_MAX)
        if self.settings.ciphering is Ciphering.GENERAL and agreed & int(Conformance.GENERAL_PROTECTION):
            self._form = CipherForm.GENERAL_GLO if self.settings.dedicated_key is None else CipherForm.GENERAL_DED
        if self.settings.mechanism != Mechanism.GMAC:
            self._move(_Move.ACCEPTED)
            return [self._opened]
        self._prove(response)
        return []

    def _check_context(self, response: AssociationResponse) -> None:
        """Refuse an answer that would make the association weaker than what was asked for."""
        wanted = ApplicationContext.LOGICAL_NAME_CIPHERED if self._protection else ApplicationContext.LOGICAL_NAME
        if response.context != wanted:
            raise WeakProtection(f"application context {response.context} answers {wanted.value}")
        if self.settings.mechanism == Mechanism.GMAC and (
            response.diagnostic != Diagnostic.AUTHENTICATION_REQUIRED or response.mechanism != Mechanism.GMAC
        ):
            raise WeakProtection(f"mechanism {response.mechanism} answers mechanism 5")

    def _open_security(self, response: AssociationResponse) -> None:
        if self._cipher is None:
            return
        title = response.responding_title or b""
        own_title = self.settings.system_title or b""
        if len(title) != TITLE_SIZE or title == own_title or (self.server_title not in (None, title)):
            raise ProtectionError(f"server calls itself {title.hex() or 'nothing'}; another title was expected")
        self.server_title = title
        dedicated = self.settings.dedicated_key
        self._security = SecurityContext(
            own_title=own_title,
            peer_title=title,
            cipher=self._cipher,
            next_counter=self._counter.next,
            peer_counter=self._server_counter,
            dedicated=None if dedicated is None else Suite0Cipher(dedicated, self.settings.keys[1]),
        )

    def _open_initiate(self, response: AssociationResponse) -> InitiateResponse:
        apdu = response.user_information or b""
        if self._protection:
            if apdu[:1] != b"\x28" or self._security is None:
                raise WeakProtection("initiate response is not ciphered")
            apdu = self._security.unprotect(apdu, self._protection).apdu
        initiate = InitiateResponse.from_bytes(apdu)
        if not int(initiate.conformance) & int(self.settings.conformance):
            raise UnlawfulMessage("the server agrees to no service that was proposed")
        return initiate

    def _request_size_max(self, server_pdu: int) -> int:
        overhead = OVERHEAD[CipherForm.GENERAL_DED] if self._protection else 0
        return (server_pdu or PDU_SIZE_MAX) - overhead

    def _prove(self, response: AssociationResponse) -> None:
        challenge = response.authentication or b""
        if not CHALLENGE_SIZE_MIN <= len(challenge) <= CHALLENGE_SIZE_MAX:
            raise UnlawfulMessage(f"challenge of {len(challenge)} octets; 8 to 64 are lawful")
        if hmac.compare_digest(challenge, self._challenge):
            # Whoever sends our own challenge back would have us make the very proof that we wait for.
            raise TagError("the server sent our own challenge back")
        if self._cipher is None:
            raise StateError("mechanism 5 without keys")
        proof = make_proof(self._cipher, self.settings.system_title or b"", self._counter.next(), challenge)
        request = ActionRequest(INVOKE, REPLY_TO_HLS, encode_octet_string(proof)).to_bytes()
        form = CipherForm.GLO if self.settings.dedicated_key is None else CipherForm.DED
        self._output.append(self._protect(request, form))
        self._move(_Move.CHALLENGED)

    def _receive_proof(self, apdu: bytes, outer: Unprotected | None) -> list[ClientEvent]:
        response = decode_action_response(apdu)
        if not isinstance(response, ActionResponse):
            raise UnlawfulMessage("answer to our proof is not a plain action response")
        outcome = response.outcome
        if outcome.result != ActionResult.SUCCESS or not isinstance(outcome.value, bytes):
            self._move(_Move.REJECTED)
            return [AssociationRejected(1, Diagnostic.AUTHENTICATION_FAILURE)]
        proof = decode_all(outcome.value)
        if not isinstance(proof, bytes) or self._security is None or self._cipher is None or self._opened is None:
            raise UnlawfulMessage("proof of the server is not an octet-string")
        counter = open_proof(self._cipher, self._security.peer_title, proof, self._challenge)
        within = outer is not None and not outer.form & 1 and outer.lowest_before <= counter <= outer.counter
        if not within and not self._server_counter.accept(counter):
            raise TagError("proof of the server was made with a used counter")
        self._move(_Move.PROVED)
        return [self._opened]

    # --- releasing --------------------------------------------------------------------------------------------------

    def _receive_release(self, apdu: bytes) -> list[ClientEvent]:
        """Take whatever comes as released; widely used servers answer with malformed bodies."""
        clean = True
        try:
            response = ReleaseResponse.from_bytes(apdu)
            if response.user_information is not None and self._security is not None and self._protection:
                body = self._security.unprotect(response.user_information, self._protection).apdu
                InitiateResponse.from_bytes(body)
        except (DecodeError, ProtectionError):
            clean = False
        self._move(_Move.RELEASED)
        self._security = None
        return [AssociationReleased(clean)]


def _notification(apdu: bytes, protected: bool) -> NotificationReceived:
    if apdu[0] == ApduTag.DATA_NOTIFICATION:
        return NotificationReceived(DataNotification.from_bytes(apdu), protected)
    return NotificationReceived(EventNotification.from_bytes(apdu), protected)


def _initiate_error(response: AssociationResponse) -> int | None:
    try:
        return ConfirmedServiceError.from_bytes(response.user_information or b"").error
    except DecodeError:
        return None
