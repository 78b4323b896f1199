"""One association as the server sees it: APDUs in, APDUs out, nothing said to whom has not proved who it is.

The states and what moves between them:

    IDLE ── accepted ──────────────────────────────▶ ASSOCIATED
      │                                                  ▲   │
      └── challenged ──▶ CHALLENGED ── proved ───────────┘   │
    IDLE ◀── refused, released ──┘  ◀── released ────────────┘

CHALLENGED is the time between AARE and the client's proof (mechanism 5): the only request answered there is the proof
itself. An association request that comes at any later time releases what was before.
On a ciphered association every request must be protected at least as the settings say; a request that is not, a false
tag or a used counter is refused with an exception response and recorded.
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
from meterworks.protocols.dlms.action import ActionOutcome, ActionRequest, ActionResponse, decode_action_request
from meterworks.protocols.dlms.challenge import (
    CHALLENGE_SIZE,
    CHALLENGE_SIZE_MAX,
    CHALLENGE_SIZE_MIN,
    REPLY_TO_HLS,
    make_proof,
    open_proof,
)
from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.data import decode_all, encode_octet_string
from meterworks.protocols.dlms.device import LogicalDevice, SecurityEventKind
from meterworks.protocols.dlms.fault import ConfirmedServiceError, ExceptionResponse
from meterworks.protocols.dlms.initiate import DLMS_VERSION, InitiateRequest, InitiateResponse
from meterworks.protocols.dlms.result import (
    AcseResult,
    ActionResult,
    Diagnostic,
    ExceptionService,
    ExceptionState,
    InitiateError,
)
from meterworks.protocols.dlms.security import (
    COUNTER_MAX,
    OVERHEAD,
    TITLE_SIZE,
    SecurityContext,
    Suite0Cipher,
    Unprotected,
)
from meterworks.protocols.dlms.server_service import ServerServices
from meterworks.protocols.dlms.settings import KEY_SIZE, PDU_SIZE_MAX, AssociationSettings, Mechanism
from meterworks.protocols.dlms.tag import FORM_OF, ApduTag, CipherForm
from meterworks.protocols.errors import (
    CounterError,
    DecodeError,
    ProtectionError,
    StateError,
    TagError,
    TitleError,
    WeakProtection,
)

__all__ = ["ServerAssociation", "ServerState"]

FAILURES_MAX: Final = 8  # breaches of security on one association before its connection is closed
CLIENT_PDU_SIZE_MIN: Final = 64


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
    (WeakProtection, SecurityEventKind.UNPROTECTED_REQUEST),
)


class _Refusal(Exception):
    """Why an association request is refused."""

    def __init__(self, diagnostic: Diagnostic, kind: SecurityEventKind | None = None, error: int | None = None) -> None:
        super().__init__(diagnostic.name)
        self.diagnostic = diagnostic
        self.kind = kind
        self.error = error


class _DeviceCounter:
    """The device's memory of a client's counter, as a security context asks for it."""

    __slots__ = ("_client_title", "_device")

    def __init__(self, device: LogicalDevice, client_title: bytes) -> None:
        self._device = device
        self._client_title = client_title

    def lowest(self) -> int:
        return self._device.lowest_acceptable_counter(self._client_title)

    def accept(self, counter: int) -> bool:
        return self._device.accept_invocation_counter(self._client_title, counter)


class _Keys:
    """Cipher and protection of an association that has keys."""

    __slots__ = ("cipher", "security")

    def __init__(self, cipher: Suite0Cipher, security: SecurityContext) -> None:
        self.cipher = cipher
        self.security = security


class _Opened:
    """What was agreed when an association opened. keys: None where neither protection nor mechanism 5 needs them."""

    __slots__ = (
        "challenge",
        "client_challenge",
        "client_pdu",
        "conformance",
        "is_ciphered",
        "keys",
        "protection",
        "services",
        "settings",
    )

    def __init__(self, settings: AssociationSettings, keys: _Keys | None) -> None:
        self.settings = settings
        self.keys = keys
        self.protection = int(settings.required_protection)
        self.is_ciphered = self.protection != 0
        self.challenge = b""
        self.client_challenge = b""
        self.client_pdu = PDU_SIZE_MAX
        self.conformance = 0
        self.services: ServerServices


class ServerAssociation:
    """One association between a device and one client address."""

    __slots__ = ("_device", "_failures", "_opened", "_random_bytes", "client_sap", "state")

    def __init__(self, device: LogicalDevice, client_sap: int, random_bytes: Callable[[int], bytes]) -> None:
        self._device = device
        self._random_bytes = random_bytes
        self._failures = 0
        self._opened: _Opened | None = None
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
        """Take a request of at least one octet; give the answer, if there is one."""
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
        if tag == ApduTag.AARQ:
            return self._associate(apdu)
        if tag == ApduTag.RLRQ:
            return self._release(apdu)
        opened = self._opened
        if opened is None:
            return self._refuse_unproved()
        if opened.keys is not None and opened.is_ciphered:
            return self._receive_ciphered(apdu, opened, opened.keys.security)
        if tag in FORM_OF:
            raise WeakProtection("ciphered request on a plain association")
        if self.state is ServerState.CHALLENGED:
            return self._take_proof(apdu, opened, None)
        return opened.services.answer(apdu, opened.client_pdu)

    def _receive_ciphered(self, apdu: bytes, opened: _Opened, security: SecurityContext) -> bytes | None:
        if apdu[0] not in FORM_OF:
            raise WeakProtection("plain request on a ciphered association")
        request = security.unprotect(apdu, opened.protection)
        if self.state is ServerState.CHALLENGED:
            answer: bytes | None = self._take_proof(request.apdu, opened, request)
        else:
            answer = opened.services.answer(request.apdu, opened.client_pdu - OVERHEAD[request.form])
        if answer is None or answer[0] == ApduTag.EXCEPTION_RESPONSE:
            return answer
        return security.protect(answer, request.form, request.control)

    def _move(self, move: _Move) -> None:
        self.state = _TRANSITIONS[self.state, move]
        if self.state is ServerState.IDLE:
            self._opened = None

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
        except _Refusal as refusal:
            self._move(_Move.REFUSED)
            if refusal.kind is not None:
                self._breach(refusal.kind)
            return _refuse(request, refusal)
        self._opened = opened
        return self._accept(request, opened, initiate)

    def _check_request(self, request: AssociationRequest) -> _Opened:
        """Compare context, mechanism and titles with the settings of this client address."""
        settings = self._device.association(self.client_sap)
        if settings is None:
            raise _Refusal(Diagnostic.NO_REASON, SecurityEventKind.UNKNOWN_CLIENT)
        ciphered = request.context == ApplicationContext.LOGICAL_NAME_CIPHERED
        if ciphered != settings.is_ciphered or not (ciphered or request.context == ApplicationContext.LOGICAL_NAME):
            raise _Refusal(Diagnostic.CONTEXT_NOT_SUPPORTED, SecurityEventKind.WRONG_CONTEXT)
        mechanism = request.mechanism or Mechanism.NONE
        if mechanism != settings.mechanism:
            absent = mechanism == Mechanism.NONE
            diagnostic = Diagnostic.MECHANISM_REQUIRED if absent else Diagnostic.MECHANISM_NOT_RECOGNISED
            raise _Refusal(diagnostic, SecurityEventKind.WEAKER_MECHANISM)
        needs_keys = ciphered or mechanism == Mechanism.GMAC
        return _Opened(settings, self._open_keys(request, settings) if needs_keys else None)

    def _open_keys(self, request: AssociationRequest, settings: AssociationSettings) -> _Keys:
        title = request.calling_title or b""
        own_title = self._device.system_title
        unexpected = settings.client_title is not None and title != settings.client_title
        if len(title) != TITLE_SIZE or title == own_title or unexpected:
            # A client that calls itself by our title could send our own protected messages back to us.
            raise _Refusal(Diagnostic.CALLING_TITLE_NOT_RECOGNISED, SecurityEventKind.WRONG_TITLE)
        cipher = Suite0Cipher(*settings.keys)
        security = SecurityContext(
            own_title=own_title,
            peer_title=title,
            cipher=cipher,
            next_counter=self._device.next_invocation_counter,
            peer_counter=_DeviceCounter(self._device, title),
        )
        return _Keys(cipher, security)

    def _open_initiate(self, request: AssociationRequest, opened: _Opened) -> InitiateRequest:
        apdu = request.user_information or b""
        if opened.keys is not None and opened.is_ciphered:
            if apdu[:1] != b"\x21":
                raise _Refusal(Diagnostic.NO_REASON, SecurityEventKind.UNPROTECTED_REQUEST)
            try:
                apdu = opened.keys.security.unprotect(apdu, opened.protection).apdu
            except CounterError:
                raise  # answered by an exception response with the counter to use
            except ProtectionError as error:
                raise _Refusal(Diagnostic.AUTHENTICATION_FAILURE, _kind_of(error)) from error
        try:
            return InitiateRequest.from_bytes(apdu)
        except DecodeError as error:
            raise _Refusal(Diagnostic.NO_REASON, SecurityEventKind.MALFORMED_MESSAGE) from error

    def _negotiate(self, initiate: InitiateRequest, opened: _Opened) -> None:
        if initiate.version < DLMS_VERSION:
            raise _Refusal(Diagnostic.NO_REASON, error=InitiateError.VERSION_TOO_LOW)
        opened.conformance = int(initiate.conformance) & int(opened.settings.conformance)
        if not opened.conformance:
            raise _Refusal(Diagnostic.NO_REASON, error=InitiateError.INCOMPATIBLE_CONFORMANCE)
        if 0 < initiate.max_pdu < CLIENT_PDU_SIZE_MIN:
            raise _Refusal(Diagnostic.NO_REASON, error=InitiateError.PDU_TOO_SHORT)
        opened.client_pdu = initiate.max_pdu or PDU_SIZE_MAX
        if initiate.dedicated_key is not None:
            if opened.keys is None or len(initiate.dedicated_key) != KEY_SIZE:
                raise _Refusal(Diagnostic.NO_REASON, error=InitiateError.REFUSED)
            authentication_key = opened.settings.keys[1]
            opened.keys.security.use_dedicated_key(Suite0Cipher(initiate.dedicated_key, authentication_key))

    def _authenticate(self, request: AssociationRequest, opened: _Opened) -> None:
        value = request.authentication or b""
        settings = opened.settings
        if settings.mechanism == Mechanism.LOW and not hmac.compare_digest(value, settings.password or b""):
            raise _Refusal(Diagnostic.AUTHENTICATION_FAILURE, SecurityEventKind.AUTHENTICATION_FAILED)
        if settings.mechanism == Mechanism.GMAC:
            if not CHALLENGE_SIZE_MIN <= len(value) <= CHALLENGE_SIZE_MAX:
                raise _Refusal(Diagnostic.AUTHENTICATION_FAILURE, SecurityEventKind.AUTHENTICATION_FAILED)
            opened.client_challenge = value
            opened.challenge = self._random_bytes(CHALLENGE_SIZE)
        opened.services = ServerServices(self._device, self.client_sap, opened.conformance)

    def _accept(self, request: AssociationRequest, opened: _Opened, initiate: InitiateRequest) -> bytes:
        challenged = opened.settings.mechanism == Mechanism.GMAC
        self._move(_Move.CHALLENGED if challenged else _Move.ACCEPTED)
        return AssociationResponse(
            context=request.context,
            result=AcseResult.ACCEPTED,
            diagnostic=Diagnostic.AUTHENTICATION_REQUIRED if challenged else Diagnostic.NONE,
            responding_title=None if opened.keys is None else opened.keys.security.own_title,
            mechanism=request.mechanism if challenged else None,
            authentication=opened.challenge if challenged else None,
            user_information=_initiate_response(opened, initiate.quality_of_service),
        ).to_bytes()

    # --- releasing --------------------------------------------------------------------------------------------------

    def _release(self, apdu: bytes) -> bytes | None:
        """Answer a release request; a protected body must be genuine, but some clients send none, which is taken."""
        request = ReleaseRequest.from_bytes(apdu)
        body: bytes | None = None
        opened = self._opened
        if request.user_information is not None and opened is not None:
            if opened.keys is not None and opened.is_ciphered:
                opened.keys.security.unprotect(request.user_information, opened.protection)
            body = _initiate_response(opened, None)
        self._move(_Move.RELEASED)
        return ReleaseResponse(reason=0, user_information=body).to_bytes()

    # --- proving ----------------------------------------------------------------------------------------------------

    def _take_proof(self, apdu: bytes, opened: _Opened, outer: Unprotected | None) -> bytes:
        """Verify the client's proof and give ours; anything else is refused, a false proof ends the association."""
        if apdu[0] != ApduTag.ACTION_REQUEST or opened.keys is None:
            return self._refuse_unproved()
        request = decode_action_request(apdu)
        if not isinstance(request, ActionRequest) or request.address != REPLY_TO_HLS:
            return self._refuse_unproved()
        if not self._is_proved(request.parameter, opened.keys, opened.challenge, outer):
            self._move(_Move.REFUSED)
            self._breach(SecurityEventKind.AUTHENTICATION_FAILED)
            return ActionResponse(request.invoke, ActionOutcome(ActionResult.READ_WRITE_DENIED)).to_bytes()
        self._move(_Move.PROVED)
        counter = self._device.next_invocation_counter()
        proof = make_proof(opened.keys.cipher, opened.keys.security.own_title, counter, opened.client_challenge)
        outcome = ActionOutcome(ActionResult.SUCCESS, encode_octet_string(proof))
        return ActionResponse(request.invoke, outcome).to_bytes()

    def _refuse_unproved(self) -> bytes:
        self._breach(SecurityEventKind.UNAUTHENTICATED_REQUEST)
        return _exception(ExceptionState.NOT_ALLOWED, ExceptionService.NOT_POSSIBLE)

    def _is_proved(self, parameter: bytes | None, keys: _Keys, challenge: bytes, outer: Unprotected | None) -> bool:
        """Verify proof and counter.

        The proof's counter is taken before, after, or (two stacks measured) as the very counter of the APDU around it.
        So it must be new by what was stored before that APDU.
        """
        title = keys.security.peer_title
        try:
            proof = decode_all(parameter or b"")
            if not isinstance(proof, bytes):
                return False
            counter = open_proof(keys.cipher, title, proof, challenge)
        except (DecodeError, TagError):
            return False
        if outer is not None and not outer.form & 1 and outer.lowest_before <= counter <= outer.counter:
            return True
        return self._device.accept_invocation_counter(title, counter)


def _exception(state: ExceptionState, service: ExceptionService, counter: int | None = None) -> bytes:
    return ExceptionResponse(state, service, counter).to_bytes()


def _kind_of(error: ProtectionError) -> SecurityEventKind:
    return next(kind for cls, kind in _EVENT_OF if isinstance(error, cls))


def _initiate_response(opened: _Opened, quality_of_service: int | None) -> bytes:
    apdu = InitiateResponse(
        conformance=Conformance(opened.conformance),
        max_pdu=opened.settings.max_pdu,
        quality_of_service=quality_of_service,
    ).to_bytes()
    if opened.keys is None or not opened.is_ciphered:
        return apdu
    return opened.keys.security.protect(apdu, CipherForm.GLO, opened.protection)


def _refuse(request: AssociationRequest, refusal: _Refusal) -> bytes:
    error = InitiateError.REFUSED if refusal.error is None else refusal.error
    return AssociationResponse(
        context=request.context,
        result=AcseResult.REJECTED_PERMANENTLY,
        diagnostic=refusal.diagnostic,
        user_information=ConfirmedServiceError(1, 6, error).to_bytes(),
    ).to_bytes()
