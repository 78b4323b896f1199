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
from dataclasses import replace
from enum import Enum
from typing import Final

from meterworks.protocols.dlms.acse import (
    CONTEXTS,
    AssociationRequest,
    AssociationResponse,
    ReleaseRequest,
    ReleaseResponse,
    request_fields,
)
from meterworks.protocols.dlms.challenge import (
    CHALLENGE_SIZE,
    CHALLENGE_SIZE_ECDSA,
    CHALLENGE_SIZE_MAX,
    CHALLENGE_SIZE_MIN,
    Handshake,
)
from meterworks.protocols.dlms.client_blocks import ClientBlocks
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
from meterworks.protocols.dlms.device import AdoptableCounter, InvocationCounter
from meterworks.protocols.dlms.fault import ConfirmedServiceError, ExceptionResponse
from meterworks.protocols.dlms.hls_reply import decode_hls_answer, encode_hls_reply
from meterworks.protocols.dlms.initiate import InitiateRequest, InitiateResponse
from meterworks.protocols.dlms.layer_settings import layers_of
from meterworks.protocols.dlms.notification import DataNotification, EventNotification
from meterworks.protocols.dlms.result import Diagnostic, ExceptionService
from meterworks.protocols.dlms.security import (
    BROADCAST,
    COUNTER_MAX,
    OVERHEAD,
    TITLE_SIZE,
    ApduCipher,
    CipherLayer,
    GeneralLayer,
    GrowingCounter,
    KeyChoice,
    Layers,
    SecurityContext,
    SignLayer,
    Unprotected,
)
from meterworks.protocols.dlms.settings import (
    PDU_SIZE_MAX,
    TITLED_MECHANISMS,
    Ciphering,
    ClientSettings,
    Mechanism,
    Protection,
    Tolerance,
)
from meterworks.protocols.dlms.short_name import InformationReport
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

NOTIFICATIONS: Final = frozenset(
    {int(ApduTag.DATA_NOTIFICATION), int(ApduTag.EVENT_NOTIFICATION), int(ApduTag.INFORMATION_REPORT)}
)
_LAYERED: Final = frozenset({int(ApduTag.GENERAL_CIPHERING), int(ApduTag.GENERAL_SIGNING)})
_AUTHENTICATED: Final = 0x10
_BOTH: Final = 0x30
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


_WAITING: Final = ClientState.WAITING
_EXCEPTION: Final = int(ApduTag.EXCEPTION_RESPONSE)


class ClientAssociation:
    """One association with a server.

    counter: ours under the global key. random_bytes: gives fresh octets for challenges and keys. server_title and
    server_counter tell, after opening, who answered and the lowest counter of it that would still be new.
    A pre-established association is READY from the start and is never released.
    """

    __slots__ = (
        "_blocks",
        "_cipher",
        "_counter",
        "_counter_expected",
        "_form",
        "_handshake",
        "_is_layered",
        "_layers",
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
        self._counter_expected: int | None = None
        self._random_bytes = random_bytes
        self._protection = int(settings.protection or Protection.NONE)
        self._cipher = _cipher_of(settings)
        self._security: SecurityContext | None = None
        self._layers: Layers | None = None
        self._server_counter = GrowingCounter(settings.server_counter_lowest)
        self._is_layered = settings.ciphering > Ciphering.GENERAL
        self._form = CipherForm.GLO if settings.dedicated_key is None else CipherForm.DED
        self._services = ClientServices(INVOKE)
        self._handshake: Handshake | None = None
        self._opened: AssociationOpened | None = None
        self._output: list[bytes] = []
        self._blocks = ClientBlocks(settings.block_window)
        if settings.pre_established:
            self._open_security(settings.server_title or b"")
            self._open_services(int(settings.conformance), PDU_SIZE_MAX)
            self.state = ClientState.READY

    @property
    def server_counter_lowest(self) -> int:
        """The smallest counter of the server under the global key that would still be new."""
        return self._server_counter.lowest()

    @property
    def counter_expected(self) -> int | None:
        """The lowest counter that the server said it would accept, in its last exception response; None if it did not.

        Nothing proves that it was the server who said so.
        """
        return self._counter_expected

    @property
    def is_verified(self) -> bool:
        """Whether what comes in is checked for having been altered: not without protection or authentication key."""
        return self._cipher is not None and self._cipher.checks_tags and bool(self._protection & _AUTHENTICATED)

    def adopt_counter(self, lowest: int | None = None, *, is_authenticated: bool = False) -> int:
        """Go on with the counter that the server expects; then associate again. Gives that counter.

        lowest: as read from the server's counter object; None takes `counter_expected`. is_authenticated: whether it
        came over an association that proved the server. What did not may move our counter ahead by at most
        `ClientSettings.counter_leap_max`, so that a liar cannot use the key up. Never moves it back.
        Raises StateError for more than that, for a counter that cannot be moved, or where nothing was expected.
        """
        wanted = self._counter_expected if lowest is None else lowest
        counter = self._counter
        if wanted is None or not isinstance(counter, AdoptableCounter):
            raise StateError("no counter was expected by the server, or ours cannot be moved")
        leap = wanted - counter.peek()
        if wanted >= COUNTER_MAX or (leap > self.settings.counter_leap_max and not is_authenticated):
            raise StateError(f"a counter moved ahead by {leap} would use the key up", leap=leap)
        counter.skip_to(wanted)
        self._counter_expected = None
        return wanted

    def change_keys(self, *, counter: InvocationCounter, guek: bytes | None = None, gak: bytes | None = None) -> None:
        """Take new global keys, after the server took them with a key transfer or agreed on them.

        counter: ours under the new encryption key, from 0; the server's counts from 0 as well then. StateError for keys
        of a wrong size, and while a request is under way.
        """
        if self.state not in (ClientState.IDLE, ClientState.READY):
            raise StateError(f"keys cannot change while the association is {self.state.value}", state=self.state.value)
        settings = self.settings
        self.settings = replace(settings, guek=guek or settings.guek, gak=gak or settings.gak)
        self._cipher = _cipher_of(self.settings)
        self._counter = counter
        if guek is not None:
            self._server_counter = GrowingCounter()
        if self._security is not None and self._cipher is not None:
            self._security.change_cipher(self._cipher, counter.next, self._server_counter)
            self._layers = None

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
            if self.settings.pre_established:
                raise StateError("a pre-established association is not released", state=self.state.value)
            apdu = self._release_request()
            self._move(_Move.RELEASE)
            return apdu
        self._check_move(_Move.REQUEST)
        apdus = self._blocks.send(self._protect(self._services.begin(command)))
        if len(apdus) > 1:
            self._output += apdus[1:]
        if self._services.expects_answer:
            self._move(_Move.REQUEST)
        return apdus[0]

    def take_output(self) -> list[bytes]:
        """Give the APDUs that answer what was received last (the proof, the request for the next block), once."""
        output = self._output
        if output:
            self._output = []
        return output

    def blocks_timed_out(self) -> list[bytes]:
        """Give the general blocks to send again when nothing came for too long. StateError where none are under way;
        UnlawfulMessage, and the association is broken, when it was tried often enough.
        """
        try:
            return self._blocks.timed_out()
        except UnlawfulMessage:
            self.state = ClientState.BROKEN
            raise

    def _check_move(self, move: _Move) -> None:
        if (self.state, move) not in _TRANSITIONS:
            raise StateError(f"the association is {self.state.value}: it cannot {move.value}", state=self.state.value)

    def _move(self, move: _Move) -> None:
        self.state = _TRANSITIONS[self.state, move]

    def _association_request(self) -> bytes:
        settings = self.settings
        mechanism = settings.mechanism
        value = settings.password if mechanism == Mechanism.LOW else None
        own_title = settings.system_title
        if mechanism > Mechanism.LOW:
            value = self._random_bytes(CHALLENGE_SIZE_ECDSA if mechanism == Mechanism.ECDSA else CHALLENGE_SIZE)
            self._handshake = Handshake(settings, self._cipher, own_title or b"", value)
        titled = self._protection or mechanism in TITLED_MECHANISMS or self._cipher is not None
        return AssociationRequest(
            context=self._context,
            user_information=self._initiate_request(settings.dedicated_key),
            calling_title=own_title if titled else None,
            mechanism=int(mechanism) or None,
            authentication=value,
            others=_rare_fields(settings),
        ).to_bytes()

    @property
    def _context(self) -> int:
        return CONTEXTS[self.settings.short_names, self._protection != 0]

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
        security = self._security
        if self._is_layered and form is None:
            return self._put_layers(apdu)
        if security is None or not self._protection:
            return apdu
        return security.protect(apdu, self._form if form is None else form, self._protection)

    def _put_layers(self, apdu: bytes) -> bytes:
        """Cipher and sign as the settings say: the signature outside."""
        layers = self._layers_of()
        settings = self.settings
        transaction_id = layers.new_transaction_id()
        around: list[SignLayer | GeneralLayer | CipherLayer] = []
        if settings.ciphering in (Ciphering.SIGNED, Ciphering.SIGNED_GENERAL_CIPHERING):
            around.append(SignLayer(transaction_id))
        if settings.ciphering == Ciphering.SIGNED:
            if self._protection & _BOTH:
                around.append(CipherLayer(self._form, self._protection))
        else:
            choice = settings.key_choice
            if choice is None:
                choice = KeyChoice.IDENTIFIED if settings.peer_agreement_key is None else KeyChoice.ONE_PASS
            arc, bare = settings.algorithm_arc, settings.bare_header
            around.append(GeneralLayer(choice, self._protection, transaction_id, arc, bare))
        return layers.apply(apdu, tuple(around))

    def _layers_of(self) -> Layers:
        if self._layers is None:
            own_title, peer_title = self.settings.system_title or b"", self.server_title or b""
            self._layers = layers_of(self.settings, self._random_bytes, self._security, own_title, peer_title)
        return self._layers

    # --- what arrives -----------------------------------------------------------------------------------------------

    def receive(self, apdu: bytes) -> list[ClientEvent]:
        """Take an APDU of at least one octet. Raises PeerError or SecurityError, and stays broken then."""
        if self.state is ClientState.BROKEN:
            raise StateError("the association is broken: close the connection and begin anew", state="broken")
        try:
            if apdu[0] == ApduTag.GENERAL_BLOCK_TRANSFER:
                whole, blocks = self._blocks.receive(apdu)
                self._output += blocks
                return [] if whole is None else self._receive(whole)
            return self._receive(apdu)
        except (DecodeError, UnlawfulMessage, ProtectionError):
            self.state = ClientState.BROKEN
            raise

    def _receive(self, apdu: bytes) -> list[ClientEvent]:
        state, tag = self.state, apdu[0]
        if state is not _WAITING or tag == _EXCEPTION:
            events = self._receive_otherwise(apdu, state, tag)
            if events is not None:
                return events
        request: Unprotected | None = None
        is_genuine = False
        if tag in FORM_OF or tag in _LAYERED:
            request, apdu = self._unprotect(apdu, tag)
            is_genuine = request is None or request.is_verified
            tag = apdu[0]
        elif self._protection and tag not in NOTIFICATIONS:
            raise WeakProtection(f"plain answer {tag:#04x} on a ciphered association")
        if tag in NOTIFICATIONS:
            return [self._notification(apdu, is_genuine)]
        if state is not _WAITING:
            if state is ClientState.PROVING:
                return self._receive_proof(apdu, request)
            raise UnlawfulMessage(f"APDU {tag:#04x} came unasked", tag=tag)
        events, output = self._services.receive(apdu)
        if output is None:
            self._move(_Move.FINISHED)
        else:
            self._output += self._blocks.send(self._protect(output))
        return events

    def _receive_otherwise(self, apdu: bytes, state: ClientState, tag: int) -> list[ClientEvent] | None:
        """Take what opens or releases the association, or refuses a request; None where it is none of these."""
        if state is ClientState.RELEASING and tag not in NOTIFICATIONS:
            return self._receive_release(apdu)
        if tag == _EXCEPTION:
            return self._receive_exception(ExceptionResponse.from_bytes(apdu))
        if state is ClientState.ASSOCIATING and tag not in NOTIFICATIONS:
            return self._receive_association(AssociationResponse.from_bytes(apdu))
        return None

    def _unprotect(self, apdu: bytes, tag: int) -> tuple[Unprotected | None, bytes]:
        """Open what is ciphered or signed; give what came out of the ciphering, None where there was a signature alone.

        Answers carry at least the protection of the settings.
        """
        security = self._security
        if security is None and not self._protection:
            raise WeakProtection("ciphered answer on a plain association")
        if security is not None and self._protection <= _BOTH and tag not in _LAYERED:
            opened = security.unprotect(apdu, self._protection)
            if opened.apdu[0] not in _LAYERED and not opened.control & BROADCAST:
                return opened, opened.apdu
            removed = self._layers_of().remove(opened.apdu, self._protection, opened)
        else:
            removed = self._layers_of().remove(apdu, self._protection)
        if removed.inner is not None and removed.inner.control & BROADCAST:
            raise WeakProtection("message under the broadcast key, which all meters hold")
        return removed.inner, removed.apdu

    def _notification(self, apdu: bytes, is_genuine: bool) -> NotificationReceived:
        if apdu[0] == ApduTag.INFORMATION_REPORT:
            return NotificationReceived(InformationReport.from_bytes(apdu), is_genuine)
        if apdu[0] != ApduTag.DATA_NOTIFICATION:
            return NotificationReceived(EventNotification.from_bytes(apdu), is_genuine)
        notification = DataNotification.from_bytes(apdu)
        if notification.is_tagged and not self.settings.tolerance & Tolerance.TAGGED_DATE_TIME:
            raise DecodeError("date-time of a notification with a tag before it", offset=5)
        return NotificationReceived(notification, is_genuine)

    def _receive_exception(self, exception: ExceptionResponse) -> list[ClientEvent]:
        move = {
            ClientState.ASSOCIATING: _Move.REJECTED,
            ClientState.PROVING: _Move.REJECTED,
            ClientState.WAITING: _Move.FINISHED,
        }.get(self.state)
        if move is None:
            raise UnlawfulMessage("exception response came unasked", state=self.state.value)
        if exception.service == ExceptionService.INVOCATION_COUNTER_ERROR:
            self._counter_expected = exception.counter
        self._services.abandon()
        self._move(move)
        return [ExceptionReceived(exception.state, exception.service, exception.counter)]

    # --- opening ----------------------------------------------------------------------------------------------------

    def _receive_association(self, response: AssociationResponse) -> list[ClientEvent]:
        if not response.is_accepted:
            self._move(_Move.REJECTED)
            return [AssociationRejected(response.result, response.diagnostic, _initiate_error(response))]
        self._check_context(response)
        self._check_title(response)
        if response.others:
            self._take_certificate(response)
        self._open_security(response.responding_title or b"")
        initiate = self._open_initiate(response)
        agreed = int(initiate.conformance) & int(self.settings.conformance)
        server_pdu = initiate.max_pdu or PDU_SIZE_MAX
        self._opened = AssociationOpened(self.server_title, initiate.conformance, server_pdu, self.is_verified)
        self._open_services(agreed, server_pdu)
        if self._handshake is None:
            self._move(_Move.ACCEPTED)
            return [self._opened]
        self._prove(response, self._handshake)
        return []

    def _open_services(self, agreed: int, server_pdu: int) -> None:
        self._services.open(agreed, self._blocks.open(agreed, server_pdu, self._request_size_max(server_pdu)))
        if self.settings.ciphering is not Ciphering.SERVICE and agreed & int(Conformance.GENERAL_PROTECTION):
            self._form = CipherForm.GENERAL_GLO if self.settings.dedicated_key is None else CipherForm.GENERAL_DED

    def _check_context(self, response: AssociationResponse) -> None:
        """Refuse an answer that would make the association weaker than what was asked for."""
        if response.context != self._context:
            raise WeakProtection(f"application context {response.context} answers {self._context}")
        mechanism = self.settings.mechanism
        if mechanism > Mechanism.LOW and (
            response.diagnostic != Diagnostic.AUTHENTICATION_REQUIRED or response.mechanism != mechanism
        ):
            raise WeakProtection(f"mechanism {response.mechanism} answers mechanism {int(mechanism)}")

    def _check_title(self, response: AssociationResponse) -> None:
        """Take the title of the server where anything depends on it."""
        if self._cipher is None and self.settings.mechanism not in TITLED_MECHANISMS:
            return
        title = response.responding_title or b""
        if len(title) != TITLE_SIZE or title == self.settings.system_title or (self.server_title not in (None, title)):
            raise ProtectionError(f"server calls itself {title.hex() or 'nothing'}; another title was expected")
        self.server_title = title

    def _take_certificate(self, response: AssociationResponse) -> None:
        """Take the signing key of the server from a certificate that the caller trusts."""
        certificate = response.field("responding_qualifier")
        if not certificate or self.settings.key_of_certificate is None:
            return
        key = self.settings.key_of_certificate(self.server_title or b"", certificate)
        if key is not None:
            self.settings = replace(self.settings, peer_signing_key=key)
            if self._handshake is not None:
                self._handshake.peer_key = key

    def _open_security(self, title: bytes) -> None:
        if self._cipher is None:
            return
        dedicated = self.settings.dedicated_key
        suite = self.settings.suite
        self._security = SecurityContext(
            own_title=self.settings.system_title or b"",
            peer_title=title,
            cipher=self._cipher,
            next_counter=self._counter.next,
            peer_counter=self._server_counter,
            dedicated=None if dedicated is None else ApduCipher(dedicated, self.settings.gak, suite),
        )

    def _open_initiate(self, response: AssociationResponse) -> InitiateResponse:
        apdu = response.user_information or b""
        if self._protection:
            if apdu[:1] != b"\x28" or self._security is None:
                raise WeakProtection("initiate response is not ciphered")
            opened = self._security.unprotect(apdu, self._protection & _BOTH)
            if opened.control & BROADCAST:
                raise WeakProtection("initiate response under the broadcast key, which all meters hold")
            apdu = opened.apdu
        initiate = InitiateResponse.from_bytes(apdu)
        if not int(initiate.conformance) & int(self.settings.conformance):
            raise UnlawfulMessage("the server agrees to no service that was proposed")
        return initiate

    def _request_size_max(self, server_pdu: int) -> int:
        overhead = OVERHEAD[CipherForm.GENERAL_DED] if self._protection else 0
        if self._is_layered:
            overhead = Layers.OVERHEAD_MAX
        return server_pdu - overhead

    def _prove(self, response: AssociationResponse, handshake: Handshake) -> None:
        challenge = response.authentication or b""
        if not CHALLENGE_SIZE_MIN <= len(challenge) <= CHALLENGE_SIZE_MAX:
            raise UnlawfulMessage(f"challenge of {len(challenge)} octets; 8 to 64 are lawful")
        if hmac.compare_digest(challenge, handshake.sent):
            # Whoever sends our own challenge back would have us make the very proof that we wait for.
            raise TagError("the server sent our own challenge back")
        handshake.received = challenge
        handshake.peer_title = self.server_title or b""
        proof = handshake.prove(self._counter.next)
        request = encode_hls_reply(INVOKE, proof, short_names=self.settings.short_names)
        if self._is_layered:
            self._output.append(self._protect(request))
        else:
            form = CipherForm.GLO if self.settings.dedicated_key is None else CipherForm.DED
            self._output.append(self._protect(request, form))
        self._move(_Move.CHALLENGED)

    def _receive_proof(self, apdu: bytes, outer: Unprotected | None) -> list[ClientEvent]:
        proof = decode_hls_answer(apdu, short_names=self.settings.short_names)
        handshake, self._handshake = self._handshake, None
        if proof is None:
            self._move(_Move.REJECTED)
            return [AssociationRejected(1, Diagnostic.AUTHENTICATION_FAILURE)]
        if handshake is None or self._opened is None:
            raise UnlawfulMessage("proof of the server came unasked")
        counter = handshake.verify(proof)
        if counter is not None:
            within = outer is not None and not outer.form & 1 and outer.lowest_before <= counter <= outer.counter
            if not within and not self._server_counter.accept(counter):
                raise TagError("proof of the server was made with a used counter")
        self._move(_Move.PROVED)
        return [self._opened]

    # --- releasing --------------------------------------------------------------------------------------------------

    def _receive_release(self, apdu: bytes) -> list[ClientEvent]:
        """Take whatever comes as released, where the settings allow it; some servers answer with malformed bodies."""
        clean = True
        try:
            response = ReleaseResponse.from_bytes(apdu)
            if response.user_information is not None and self._security is not None and self._protection:
                body = self._security.unprotect(response.user_information, self._protection & _BOTH).apdu
                InitiateResponse.from_bytes(body)
        except (DecodeError, ProtectionError):
            if not self.settings.tolerance & Tolerance.RELEASE:
                raise
            clean = False
        self._move(_Move.RELEASED)
        self._security = None
        self._layers = None
        return [AssociationReleased(clean)]


def _cipher_of(settings: ClientSettings) -> ApduCipher | None:
    """Give the cipher of the settings: without authentication key only where they take what cannot be checked."""
    if settings.guek is None or (settings.gak is None and not settings.tolerance & Tolerance.UNVERIFIED):
        return None
    return ApduCipher(settings.guek, settings.gak, settings.suite, broadcast_key=settings.gbek)


def _rare_fields(settings: ClientSettings) -> tuple[tuple[int, bytes], ...]:
    fields: dict[str, bytes | int] = {}
    if settings.certificate is not None:
        fields["calling_qualifier"] = settings.certificate
    if settings.user_id is not None:
        fields["calling_ae_invocation_id"] = settings.user_id
    return request_fields(**fields) if fields else ()


def _initiate_error(response: AssociationResponse) -> int | None:
    try:
        return ConfirmedServiceError.from_bytes(response.user_information or b"").error
    except DecodeError:
        return None
