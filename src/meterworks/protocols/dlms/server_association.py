"""One association as the server sees it: APDUs in, APDUs out, nothing said to whom has not proved who it is.

The states and what moves between them:

    IDLE ── accepted ──────────────────────────────▶ ASSOCIATED
      │                                                  ▲   │
      └── challenged ──▶ CHALLENGED ── proved ───────────┘   │
    IDLE ◀── refused, released ──┘  ◀── released ────────────┘

CHALLENGED is the time between AARE and the client's proof (mechanisms 2 to 7): the only request answered there is the
proof itself. An association request that comes at any later time releases what was before. A pre-established
association is ASSOCIATED from its first request on, and is never released.
On a ciphered association every request must be protected at least as the settings say; a request that is not, a false
tag or a used counter is refused with an exception response and recorded.
Source: IEC 62056-5-3; fact sheet sections 3, 4 and 6.
"""

import hmac
from collections.abc import Callable
from enum import Enum
from typing import Final

from meterworks.errors import PeerError
from meterworks.protocols.dlms.access_guard import AccessGuard, tells_rights
from meterworks.protocols.dlms.acse import (
    CONTEXTS,
    AssociationRequest,
    AssociationResponse,
    ReleaseRequest,
    ReleaseResponse,
    response_fields,
)
from meterworks.protocols.dlms.challenge import (
    CHALLENGE_SIZE,
    CHALLENGE_SIZE_ECDSA,
    CHALLENGE_SIZE_MAX,
    CHALLENGE_SIZE_MIN,
    Handshake,
)
from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.device import BaseLogicalDevice, LogicalDevice, SecurityEventKind
from meterworks.protocols.dlms.fault import ExceptionResponse
from meterworks.protocols.dlms.general_block import JOINED_SIZE_MAX, BlockTransfer
from meterworks.protocols.dlms.hls_reply import decode_hls_reply, encode_hls_answer
from meterworks.protocols.dlms.initiate import (
    DLMS_VERSION,
    InitiateRequest,
)
from meterworks.protocols.dlms.layer_settings import layers_of
from meterworks.protocols.dlms.result import (
    AcseResult,
    Diagnostic,
    ExceptionService,
    ExceptionState,
    InitiateError,
)
from meterworks.protocols.dlms.security import (
    BROADCAST,
    COUNTER_MAX,
    OVERHEAD,
    SUITES,
    TITLE_SIZE,
    ApduCipher,
    CipherLayer,
    Layers,
    SecurityContext,
    SignLayer,
    Unprotected,
)
from meterworks.protocols.dlms.server_opened import (
    Opened,
    Refusal,
    answer_layers,
    check_broadcast,
    cipher_of,
    encode_initiate_response,
    encode_refusal,
    security_of,
)
from meterworks.protocols.dlms.server_service import INCOMING_SIZE_MAX, ServerServices
from meterworks.protocols.dlms.server_short_name import ShortNameServices
from meterworks.protocols.dlms.settings import (
    PDU_SIZE_MAX,
    TITLED_MECHANISMS,
    AssociationSettings,
    Mechanism,
)
from meterworks.protocols.dlms.tag import FORM_OF, ApduTag, CipherForm
from meterworks.protocols.errors import (
    CounterError,
    DecodeError,
    ProtectionError,
    SignatureError,
    StateError,
    SuiteError,
    TagError,
    TitleError,
    WeakProtection,
)

__all__ = ["ServerAssociation", "ServerState"]

PDU_SLACK: Final = 64  # octets beyond our PDU size that are taken: a widely used client leaves out the ciphering
FAILURES_MAX: Final = 8  # breaches of security on one association before its connection is closed
CLIENT_PDU_SIZE_MIN: Final = 64
_BOTH: Final = 0x30
_GENERAL_BLOCKS: Final = int(Conformance.GENERAL_BLOCK_TRANSFER)
_SIGNED: Final = 0x100  # see `settings.Protection`
_AARQ: Final = int(ApduTag.AARQ)  # plain integers: looking members of an enumeration up costs more than comparing them
_RLRQ: Final = int(ApduTag.RLRQ)
_EXCEPTION: Final = int(ApduTag.EXCEPTION_RESPONSE)
_LAYERED_LEAST: Final = int(ApduTag.GENERAL_CIPHERING)
_LAYERED: Final = frozenset({int(ApduTag.GENERAL_CIPHERING), int(ApduTag.GENERAL_SIGNING)})
_CHANGES_KEYS: Final = frozenset({int(ApduTag.ACTION_REQUEST), int(ApduTag.ACCESS_REQUEST)})


class ServerState(Enum):
    """Where an association is."""

    __hash__ = object.__hash__  # members are single objects; the inherited hash runs in Python

    IDLE = "idle"
    CHALLENGED = "challenged"
    ASSOCIATED = "associated"


class _Move(Enum):
    __hash__ = object.__hash__

    ACCEPTED = "accepted"
    CHALLENGED = "challenged"
    PROVED = "proved"
    REFUSED = "refused"
    RELEASED = "released"


_TRANSITIONS: Final[dict[tuple[ServerState, _Move], ServerState]] = {
    (ServerState.IDLE, _Move.ACCEPTED): ServerState.ASSOCIATED,
    (ServerState.IDLE, _Move.CHALLENGED): ServerState.CHALLENGED,
    (ServerState.IDLE, _Move.REFUSED): ServerState.IDLE,
    (ServerState.IDLE, _Move.RELEASED): ServerState.IDLE,
    (ServerState.CHALLENGED, _Move.PROVED): ServerState.ASSOCIATED,
    (ServerState.CHALLENGED, _Move.REFUSED): ServerState.IDLE,
    (ServerState.CHALLENGED, _Move.RELEASED): ServerState.IDLE,
    (ServerState.ASSOCIATED, _Move.RELEASED): ServerState.IDLE,
}

_EVENT_OF: Final[tuple[tuple[type[ProtectionError], SecurityEventKind], ...]] = (
    (CounterError, SecurityEventKind.REPLAYED_COUNTER),
    (TagError, SecurityEventKind.BAD_TAG),
    (TitleError, SecurityEventKind.WRONG_TITLE),
    (SignatureError, SecurityEventKind.BAD_SIGNATURE),
    (SuiteError, SecurityEventKind.WRONG_SUITE),
    (WeakProtection, SecurityEventKind.UNPROTECTED_REQUEST),
)


class ServerAssociation:
    """One association between a device and one client address."""

    __slots__ = ("_blocks", "_device", "_failures", "_opened", "_output", "_random_bytes", "client_sap", "state")

    def __init__(self, device: LogicalDevice, client_sap: int, random_bytes: Callable[[int], bytes]) -> None:
        self._device = device
        self._random_bytes = random_bytes
        self._failures = 0
        self._opened: Opened | None = None
        self._blocks: BlockTransfer | None = None  # where general block transfer was agreed
        self._output: tuple[bytes, ...] = ()
        self.client_sap = client_sap
        self.state = ServerState.IDLE

    @property
    def is_given_up(self) -> bool:
        """Whether this client broke the rules of security so often that its connection should be closed."""
        return self._failures >= FAILURES_MAX

    @property
    def is_proved(self) -> bool:
        """Whether the client has shown that it knows a key or a password."""
        opened = self._opened
        return (
            opened is not None and self.state is ServerState.ASSOCIATED and opened.settings.mechanism != Mechanism.NONE
        )

    def receive(self, apdu: bytes) -> bytes | None:
        """Take a request of at least one octet; give the answer, if there is one.

        An answer in several blocks goes on with what `take_output` gives.
        """
        opened = self._opened
        if opened is not None and len(apdu) > opened.settings.max_pdu + PDU_SLACK and apdu[0] != ApduTag.AARQ:
            return _exception(ExceptionState.NOT_ALLOWED, ExceptionService.PDU_TOO_LONG)
        if self._blocks is None or self.state is not ServerState.ASSOCIATED:
            return self._answer(apdu)
        whole: bytes | None = apdu
        output: list[bytes] = []
        if apdu[0] == ApduTag.GENERAL_BLOCK_TRANSFER:
            try:
                whole, output = self._blocks.receive(apdu)
            except PeerError:
                self._device.security_event(SecurityEventKind.MALFORMED_MESSAGE.value, self.client_sap)
                return self._blocks.abort()
        else:
            self._blocks.begin()
        if whole is not None:
            output = self._answer_in_blocks(whole, is_block=whole is not apdu)
        self._output = tuple(output[1:])
        return output[0] if output else None

    def take_output(self) -> tuple[bytes, ...]:
        """Give the blocks that follow the one that `receive` gave last, once."""
        output, self._output = self._output, ()
        return output

    def _answer_in_blocks(self, apdu: bytes, *, is_block: bool) -> list[bytes]:
        """Answer a whole request: in blocks where it came so, or where the answer is too long."""
        blocks = self._blocks
        answer = self._answer(apdu)
        opened = self._opened
        if blocks is None or self._blocks is not blocks or opened is None:  # released, or associated anew
            return [] if answer is None else [answer]
        if answer is None:
            return [blocks.acknowledge()] if is_block else []
        return blocks.send(answer) if is_block or len(answer) > opened.client_pdu else [answer]

    def _answer(self, apdu: bytes) -> bytes | None:
        try:
            return self._receive(apdu, apdu[0])
        except CounterError as error:
            self._breach(SecurityEventKind.REPLAYED_COUNTER)
            lowest = min(error.lowest, COUNTER_MAX)
            return _exception(ExceptionState.NOT_ALLOWED, ExceptionService.INVOCATION_COUNTER_ERROR, lowest)
        except ProtectionError as error:
            self._breach(_kind_of(error))
            if isinstance(error, WeakProtection):
                return _exception(ExceptionState.NOT_ALLOWED, ExceptionService.NOT_POSSIBLE)
            return _exception(ExceptionState.NOT_ALLOWED, ExceptionService.DECIPHERING_ERROR)
        except DecodeError:
            self._device.security_event(SecurityEventKind.MALFORMED_MESSAGE.value, self.client_sap)
            return _exception(ExceptionState.UNKNOWN, ExceptionService.OTHER)
        except StateError:  # our own counter is used up: nothing can be protected any more
            return _exception(ExceptionState.NOT_ALLOWED, ExceptionService.NOT_POSSIBLE)

    def _receive(self, apdu: bytes, tag: int) -> bytes | None:
        if tag == _AARQ:
            return self._associate(apdu)
        if tag == _RLRQ:
            return self._release(apdu)
        opened = self._opened
        if opened is None:
            opened = self._open_pre_established()
            if opened is None:
                return self._refuse_unproved()
        security = opened.security
        if security is not None:
            return self._receive_ciphered(apdu, opened, security)
        if tag in FORM_OF or tag in _LAYERED:
            raise WeakProtection("ciphered request on a plain association")
        if opened.handshake is not None:
            return self._take_proof(apdu, opened, None)
        if opened.guard is not None:
            opened.guard.begin(0, apdu)
        return opened.services.answer(apdu, opened.answer_size_max)

    def _receive_ciphered(self, apdu: bytes, opened: Opened, security: SecurityContext) -> bytes | None:
        if opened.protection > _BOTH or apdu[0] not in FORM_OF:
            if apdu[0] not in FORM_OF and apdu[0] not in _LAYERED:
                raise WeakProtection("plain request on a ciphered association")
            return self._receive_layered(apdu, opened, None)
        request = security.unprotect(apdu, opened.protection)
        plain = request.apdu
        tag = plain[0]
        if request.control & BROADCAST:
            check_broadcast(plain)
        if tag >= _LAYERED_LEAST and tag in _LAYERED:
            return self._receive_layered(plain, opened, request)
        control = request.control | opened.response
        if opened.handshake is not None:
            tag = 0  # a proof changes nothing of the settings
            answer: bytes | None = self._take_proof(plain, opened, request)
        elif opened.guard is None:
            answer = opened.services.answer(plain, opened.answer_size_max - OVERHEAD[request.form])
        else:
            opened.guard.begin(request.control, plain)
            answer = opened.services.answer(plain, opened.answer_size_max - OVERHEAD[request.form])
            control |= opened.guard.response_protection
        if answer is not None and answer[0] != _EXCEPTION:
            if control & _SIGNED:
                answer = self._sign_answer(answer, opened, request.form, control)
            else:
                answer = security.protect(answer, request.form, control)
        if tag in _CHANGES_KEYS:
            self._take_changed_settings(opened)
        return answer

    # --- general-ciphering and general-signing ----------------------------------------------------------------------

    def _receive_layered(self, apdu: bytes, opened: Opened, outer: Unprotected | None) -> bytes | None:
        """Answer a request in general-ciphering or general-signing in the same layers."""
        layers = self._layers_of(opened)
        request = layers.remove(apdu, opened.protection, outer)
        if request.inner is not None and request.inner.control & BROADCAST:
            check_broadcast(request.apdu)
        needed = opened.response
        if opened.handshake is not None:
            answer: bytes | None = self._take_proof(request.apdu, opened, request.inner)
        else:
            if opened.guard is not None:
                opened.guard.begin(request.protection, request.apdu)
            answer = opened.services.answer(request.apdu, opened.answer_size_max - layers.overhead(request.layers))
            if opened.guard is not None:
                needed |= opened.guard.response_protection
        if answer is not None and answer[0] != ApduTag.EXCEPTION_RESPONSE:
            answer = layers.apply(answer, answer_layers(request, needed, can_sign=opened.settings.signer is not None))
        if request.apdu[0] in _CHANGES_KEYS:
            self._take_changed_settings(opened)
        return answer

    def _sign_answer(self, answer: bytes, opened: Opened, form: CipherForm, control: int) -> bytes:
        """Sign the answer to a request that was not signed, around the form of the request."""
        layers = self._layers_of(opened)
        around = SignLayer(layers.new_transaction_id()), CipherLayer(form, control & ~_SIGNED)
        return layers.apply(answer, around)

    def _layers_of(self, opened: Opened) -> Layers:
        if opened.layers is None:
            own_title = self._device.system_title
            opened.layers = layers_of(opened.settings, self._random_bytes, opened.security, own_title, opened.title)
        return opened.layers

    def _take_changed_settings(self, opened: Opened) -> None:
        """Take keys and policy that the request just answered has changed: they hold from the next APDU on."""
        settings = self._device.association(self.client_sap)
        if settings is opened.settings or settings == opened.settings:
            return
        if settings is None or bool(settings.required_protection) != opened.is_ciphered:
            self._move(_Move.RELEASED)
            return
        opened.settings = settings
        opened.protection = int(settings.required_protection)
        opened.response = int(settings.response_protection)
        opened.layers = None
        if opened.security is not None:
            opened.security.change_cipher(cipher_of(settings))

    def _move(self, move: _Move) -> None:
        self.state = _TRANSITIONS[self.state, move]
        if self.state is ServerState.IDLE:
            self._opened = self._blocks = None

    def _breach(self, kind: SecurityEventKind) -> None:
        self._failures += 1
        self._device.security_event(kind.value, self.client_sap)

    # --- opening ----------------------------------------------------------------------------------------------------

    def _associate(self, apdu: bytes) -> bytes:
        if self.state is not ServerState.IDLE:
            self._move(_Move.RELEASED)
        request = AssociationRequest.from_bytes(apdu)
        try:
            opened = self._check_request(request)
            initiate = self._open_initiate(request, opened)
            self._negotiate(initiate, opened)
            self._authenticate(request, opened)
        except Refusal as refusal:
            self._move(_Move.REFUSED)
            if refusal.kind is not None:
                self._breach(refusal.kind)
            return encode_refusal(request, refusal)
        self._opened = opened
        return self._accept(request, opened, initiate)

    def _check_request(self, request: AssociationRequest) -> Opened:
        """Compare context, mechanism, titles and user with the settings of this client address."""
        settings = self._device.association(self.client_sap)
        if settings is None:
            raise Refusal(Diagnostic.NO_REASON, SecurityEventKind.UNKNOWN_CLIENT)
        if request.context != CONTEXTS[settings.short_names, settings.is_ciphered] or settings.pre_established:
            raise Refusal(Diagnostic.CONTEXT_NOT_SUPPORTED, SecurityEventKind.WRONG_CONTEXT)
        mechanism = request.mechanism or Mechanism.NONE
        if mechanism != settings.mechanism:
            absent = mechanism == Mechanism.NONE
            diagnostic = Diagnostic.MECHANISM_REQUIRED if absent else Diagnostic.MECHANISM_NOT_RECOGNISED
            raise Refusal(diagnostic, SecurityEventKind.WEAKER_MECHANISM)
        if request.others:
            self._check_rare_fields(request, settings)
        elif settings.users:
            raise Refusal(Diagnostic.CALLING_AE_INVOCATION_ID_NOT_RECOGNISED, SecurityEventKind.UNKNOWN_CLIENT)
        if settings.is_ciphered or mechanism in TITLED_MECHANISMS:
            self._check_title(request, settings)
        opened = Opened(settings, request.calling_title or b"")
        if settings.is_ciphered:
            opened.security = security_of(self._device, settings, opened.title)
        return opened

    def _check_rare_fields(self, request: AssociationRequest, settings: AssociationSettings) -> None:
        """Refuse what is addressed to another server, and users that the settings do not list."""
        called = request.field("called_title")
        if called and called != self._device.system_title:
            raise Refusal(Diagnostic.CALLED_TITLE_NOT_RECOGNISED, SecurityEventKind.WRONG_TITLE)
        if settings.users and request.user_id not in settings.users:
            raise Refusal(Diagnostic.CALLING_AE_INVOCATION_ID_NOT_RECOGNISED, SecurityEventKind.UNKNOWN_CLIENT)

    def _check_title(self, request: AssociationRequest, settings: AssociationSettings) -> None:
        title = request.calling_title or b""
        unexpected = settings.client_title is not None and title != settings.client_title
        if len(title) != TITLE_SIZE or title == self._device.system_title or unexpected:
            # A client that calls itself by our title could send our own protected messages back to us.
            raise Refusal(Diagnostic.CALLING_TITLE_NOT_RECOGNISED, SecurityEventKind.WRONG_TITLE)

    def _open_pre_established(self) -> Opened | None:
        """Open what the settings say is open from the start; None where they do not."""
        settings = self._device.association(self.client_sap)
        if settings is None or not settings.pre_established:
            return None
        opened = Opened(settings, settings.client_title or b"")
        if settings.is_ciphered:
            opened.security = security_of(self._device, settings, opened.title)
        opened.conformance = int(settings.conformance)
        self._open_services(opened)
        self._opened = opened
        self._move(_Move.ACCEPTED)
        return opened

    def _open_services(self, opened: Opened) -> None:
        device = self._device
        if tells_rights(device):
            signs = _SIGNED if opened.settings.signer is not None and opened.is_ciphered else 0
            opened.guard = AccessGuard(device, (_BOTH if opened.is_ciphered else 0) | signs)
            device = opened.guard
        kind = ShortNameServices if opened.settings.short_names else ServerServices
        opened.services = kind(device, self.client_sap, opened.conformance)
        opened.answer_size_max = opened.client_pdu
        self._blocks = None
        if opened.conformance & _GENERAL_BLOCKS:
            window = opened.settings.block_window
            self._blocks = BlockTransfer(opened.client_pdu, window=window, joined_size_max=INCOMING_SIZE_MAX)
            opened.answer_size_max = JOINED_SIZE_MAX

    def _open_initiate(self, request: AssociationRequest, opened: Opened) -> InitiateRequest:
        apdu = request.user_information or b""
        if opened.security is not None:
            if apdu[:1] != b"\x21":
                raise Refusal(Diagnostic.NO_REASON, SecurityEventKind.UNPROTECTED_REQUEST)
            try:
                apdu = self._unprotect_initiate(apdu, opened, opened.security)
            except CounterError:
                raise  # answered by an exception response with the counter to use
            except ProtectionError as error:
                raise Refusal(Diagnostic.AUTHENTICATION_FAILURE, _kind_of(error)) from error
        try:
            return InitiateRequest.from_bytes(apdu)
        except DecodeError as error:
            raise Refusal(Diagnostic.NO_REASON, SecurityEventKind.MALFORMED_MESSAGE) from error

    def _unprotect_initiate(self, apdu: bytes, opened: Opened, security: SecurityContext) -> bytes:
        """Give the initiate request that rides in an association or release request."""
        request = security.unprotect(apdu, opened.protection & _BOTH)
        if request.control & BROADCAST:
            raise WeakProtection("initiate request under the broadcast key, which all meters hold")
        return request.apdu

    def _negotiate(self, initiate: InitiateRequest, opened: Opened) -> None:
        if initiate.version < DLMS_VERSION:
            raise Refusal(Diagnostic.NO_REASON, error=InitiateError.VERSION_TOO_LOW)
        opened.conformance = int(initiate.conformance) & int(opened.settings.conformance)
        if not opened.conformance:
            raise Refusal(Diagnostic.NO_REASON, error=InitiateError.INCOMPATIBLE_CONFORMANCE)
        if 0 < initiate.max_pdu < CLIENT_PDU_SIZE_MIN:
            raise Refusal(Diagnostic.NO_REASON, error=InitiateError.PDU_TOO_SHORT)
        opened.client_pdu = initiate.max_pdu or PDU_SIZE_MAX
        if initiate.dedicated_key is not None:
            settings = opened.settings
            if opened.security is None or len(initiate.dedicated_key) != SUITES[settings.suite].key_size:
                raise Refusal(Diagnostic.NO_REASON, error=InitiateError.REFUSED)
            opened.security.use_dedicated_key(ApduCipher(initiate.dedicated_key, settings.keys[1], settings.suite))

    def _authenticate(self, request: AssociationRequest, opened: Opened) -> None:
        value = request.authentication or b""
        settings = opened.settings
        mechanism = settings.mechanism
        if mechanism == Mechanism.LOW and not hmac.compare_digest(value, settings.password or b""):
            raise Refusal(Diagnostic.AUTHENTICATION_FAILURE, SecurityEventKind.AUTHENTICATION_FAILED)
        if mechanism > Mechanism.LOW:
            challenge = self._random_bytes(CHALLENGE_SIZE_ECDSA if mechanism == Mechanism.ECDSA else CHALLENGE_SIZE)
            if not CHALLENGE_SIZE_MIN <= len(value) <= CHALLENGE_SIZE_MAX or value == challenge:
                raise Refusal(Diagnostic.AUTHENTICATION_FAILURE, SecurityEventKind.AUTHENTICATION_FAILED)
            opened.handshake = self._begin_handshake(request, opened, challenge, value)
        if request.others:
            opened.user_id = request.user_id
        self._open_services(opened)

    def _begin_handshake(self, request: AssociationRequest, opened: Opened, sent: bytes, received: bytes) -> Handshake:
        settings = opened.settings
        cipher: ApduCipher | None = None
        if settings.mechanism == Mechanism.GMAC:
            cipher = cipher_of(settings) if opened.security is None else opened.security.cipher
        handshake = Handshake(settings, cipher, self._device.system_title, sent)
        handshake.peer_title = opened.title
        handshake.received = received
        if settings.mechanism == Mechanism.ECDSA and isinstance(self._device, BaseLogicalDevice):
            certificate = request.field("calling_qualifier")
            if certificate:
                key = self._device.signing_key_of(self.client_sap, opened.title, certificate)
                handshake.peer_key = key or handshake.peer_key
        return handshake

    def _accept(self, request: AssociationRequest, opened: Opened, initiate: InitiateRequest) -> bytes:
        handshake = opened.handshake
        self._move(_Move.ACCEPTED if handshake is None else _Move.CHALLENGED)
        if handshake is None:
            self._tell_opened(opened)
        titled = opened.is_ciphered or opened.settings.mechanism in TITLED_MECHANISMS
        certificate = opened.settings.certificate
        return AssociationResponse(
            context=request.context,
            result=AcseResult.ACCEPTED,
            diagnostic=Diagnostic.NONE if handshake is None else Diagnostic.AUTHENTICATION_REQUIRED,
            responding_title=self._device.system_title if titled else None,
            mechanism=None if handshake is None else request.mechanism,
            authentication=None if handshake is None else handshake.sent,
            user_information=encode_initiate_response(opened, initiate.quality_of_service),
            others=() if certificate is None else response_fields(responding_qualifier=certificate),
        ).to_bytes()

    def _tell_opened(self, opened: Opened) -> None:
        if isinstance(self._device, BaseLogicalDevice):
            self._device.association_opened(self.client_sap, opened.user_id)

    # --- releasing --------------------------------------------------------------------------------------------------

    def _release(self, apdu: bytes) -> bytes | None:
        """Answer a release request; a protected body must be genuine, but some clients send none, which is taken."""
        request = ReleaseRequest.from_bytes(apdu)
        body: bytes | None = None
        opened = self._opened
        if opened is not None and opened.settings.pre_established:
            return _exception(ExceptionState.NOT_ALLOWED, ExceptionService.NOT_POSSIBLE)
        if request.user_information is not None and opened is not None:
            if opened.security is not None:
                self._unprotect_initiate(request.user_information, opened, opened.security)
            body = encode_initiate_response(opened, None)
        self._move(_Move.RELEASED)
        return ReleaseResponse(reason=0, user_information=body).to_bytes()

    # --- proving ----------------------------------------------------------------------------------------------------

    def _take_proof(self, apdu: bytes, opened: Opened, outer: Unprotected | None) -> bytes:
        """Verify the client's proof and give ours; anything else is refused, a false proof ends the association."""
        handshake = opened.handshake
        if handshake is None:
            return self._refuse_unproved()
        short_names = opened.settings.short_names
        reply = decode_hls_reply(apdu, short_names=short_names)
        if reply is None:
            return self._refuse_unproved()
        invoke, their_proof = reply
        proof: bytes | None = None
        if self._is_proved(their_proof, handshake, outer):
            proof = handshake.prove(self._device.next_invocation_counter)
            self._move(_Move.PROVED)
            opened.handshake = None
            self._tell_opened(opened)
        else:
            self._move(_Move.REFUSED)
            self._breach(SecurityEventKind.AUTHENTICATION_FAILED)
        return encode_hls_answer(invoke, proof, short_names=short_names)

    def _refuse_unproved(self) -> bytes:
        self._breach(SecurityEventKind.UNAUTHENTICATED_REQUEST)
        return _exception(ExceptionState.NOT_ALLOWED, ExceptionService.NOT_POSSIBLE)

    def _is_proved(self, proof: bytes | None, handshake: Handshake, outer: Unprotected | None) -> bool:
        """Verify proof and, with mechanism 5, its counter.

        The proof's counter is taken before, after, or (two stacks measured) as the very counter of the APDU around it.
        So it must be new by what was stored before that APDU.
        """
        if proof is None:
            return False
        try:
            counter = handshake.verify(proof)
        except (DecodeError, TagError, SignatureError):
            return False
        if counter is None:
            return True
        if outer is not None and not outer.form & 1 and outer.lowest_before <= counter <= outer.counter:
            return True
        return self._device.accept_invocation_counter(handshake.peer_title, counter)


def _exception(state: ExceptionState, service: ExceptionService, counter: int | None = None) -> bytes:
    return ExceptionResponse(state, service, counter).to_bytes()


def _kind_of(error: ProtectionError) -> SecurityEventKind:
    return next(kind for cls, kind in _EVENT_OF if isinstance(error, cls))
