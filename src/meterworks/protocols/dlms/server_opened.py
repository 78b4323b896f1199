"""What a server holds of an open association, and the APDUs that it makes of it.  See `server_association`."""

from typing import Final

from meterworks.protocols.dlms.access_guard import AccessGuard
from meterworks.protocols.dlms.acse import AssociationRequest, AssociationResponse
from meterworks.protocols.dlms.challenge import Handshake
from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.device import LogicalDevice, SecurityEventKind
from meterworks.protocols.dlms.fault import ConfirmedServiceError
from meterworks.protocols.dlms.initiate import VAA_LOGICAL_NAME, VAA_SHORT_NAME, InitiateResponse
from meterworks.protocols.dlms.result import AcseResult, Diagnostic, InitiateError
from meterworks.protocols.dlms.security import (
    ApduCipher,
    CipherLayer,
    GeneralLayer,
    KeyChoice,
    Layered,
    Layers,
    SecurityContext,
    SignLayer,
)
from meterworks.protocols.dlms.server_service import ServerServices
from meterworks.protocols.dlms.server_short_name import ShortNameServices
from meterworks.protocols.dlms.settings import PDU_SIZE_MAX, AssociationSettings
from meterworks.protocols.dlms.tag import ApduTag, CipherForm
from meterworks.protocols.errors import WeakProtection

__all__ = [
    "Opened",
    "Refusal",
    "answer_layers",
    "check_broadcast",
    "cipher_of",
    "encode_initiate_response",
    "encode_refusal",
    "security_of",
]

_BOTH: Final = 0x30
_CONFIRMED: Final = 0x40  # of the invoke id and priority
_UNCONFIRMED: Final = frozenset({int(ApduTag.SET_REQUEST), int(ApduTag.ACTION_REQUEST)})  # what may be so
_SIGNED: Final = 0x100  # see `settings.Protection`


class Refusal(Exception):
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


class Opened:
    """What was agreed when an association opened.

    protection: bits that requests must have; response: bits that responses get beyond those of their requests.
    security: None on a plain association. handshake: while the client has to prove itself. layers, guard: made when
    they are needed first, or where the device tells rights.
    """

    __slots__ = (
        "answer_size_max",
        "client_pdu",
        "conformance",
        "guard",
        "handshake",
        "is_ciphered",
        "layers",
        "protection",
        "response",
        "security",
        "services",
        "settings",
        "title",
        "user_id",
    )

    def __init__(self, settings: AssociationSettings, title: bytes) -> None:
        self.settings = settings
        self.title = title
        self.protection = int(settings.required_protection)
        self.response = int(settings.response_protection)
        self.is_ciphered = self.protection != 0
        self.security: SecurityContext | None = None
        self.handshake: Handshake | None = None
        self.layers: Layers | None = None
        self.guard: AccessGuard | None = None
        self.user_id: int | None = None
        self.client_pdu = PDU_SIZE_MAX
        self.answer_size_max = PDU_SIZE_MAX  # larger than client_pdu where answers go in general blocks
        self.conformance = 0
        self.services: ServerServices | ShortNameServices


def cipher_of(settings: AssociationSettings) -> ApduCipher:
    """Give the cipher of the global keys."""
    guek, gak = settings.keys
    return ApduCipher(guek, gak, settings.suite, broadcast_key=settings.gbek)


def security_of(device: LogicalDevice, settings: AssociationSettings, client_title: bytes) -> SecurityContext:
    """Give the protection of an association with a client."""
    return SecurityContext(
        own_title=device.system_title,
        peer_title=client_title,
        cipher=cipher_of(settings),
        next_counter=device.next_invocation_counter,
        peer_counter=_DeviceCounter(device, client_title),
    )


def check_broadcast(apdu: bytes) -> None:
    """Refuse a request under the broadcast key, which all meters hold, unless it is one that nobody answers.

    Raises WeakProtection: whoever took the key out of one meter must not read or prove anything at another.
    """
    if apdu[0] not in _UNCONFIRMED or len(apdu) < 3 or apdu[2] & _CONFIRMED:
        raise WeakProtection(f"request {apdu[0]:#04x} under the broadcast key asks for an answer")


def answer_layers(
    request: Layered, needed: int, *, can_sign: bool
) -> tuple[SignLayer | GeneralLayer | CipherLayer, ...]:
    """Give the layers of an answer: those of its request, and what is needed beyond."""
    found: list[SignLayer | GeneralLayer | CipherLayer] = []
    transaction_id = b""
    for layer in request.layers:
        if isinstance(layer, SignLayer):
            transaction_id = layer.transaction_id
            if can_sign:
                found.append(layer)
        elif isinstance(layer, GeneralLayer):
            # What came under the broadcast key is answered to one client alone.
            choice = KeyChoice.IDENTIFIED if layer.choice == KeyChoice.IDENTIFIED_BROADCAST else layer.choice
            transaction_id = layer.transaction_id
            control = layer.control | needed & _BOTH
            found.append(GeneralLayer(choice, control, layer.transaction_id, layer.arc, layer.is_bare))
        else:
            found.append(CipherLayer(layer.form, layer.control | needed & _BOTH))
    if needed & _SIGNED and not request.protection & _SIGNED:
        found.insert(0, SignLayer(transaction_id))
    return tuple(found)


def encode_initiate_response(opened: Opened, quality_of_service: int | None) -> bytes:
    """Give what was agreed, ciphered where the association is."""
    apdu = InitiateResponse(
        conformance=Conformance(opened.conformance),
        max_pdu=opened.settings.max_pdu,
        quality_of_service=quality_of_service,
        vaa=VAA_SHORT_NAME if opened.settings.short_names else VAA_LOGICAL_NAME,
    ).to_bytes()
    if opened.security is None:
        return apdu
    return opened.security.protect(apdu, CipherForm.GLO, (opened.protection | opened.response) & _BOTH)


def encode_refusal(request: AssociationRequest, refusal: Refusal) -> bytes:
    """Give the AARE that refuses a request."""
    error = InitiateError.REFUSED if refusal.error is None else refusal.error
    return AssociationResponse(
        context=request.context,
        result=AcseResult.REJECTED_PERMANENTLY,
        diagnostic=refusal.diagnostic,
        user_information=ConfirmedServiceError(1, 6, error).to_bytes(),
    ).to_bytes()
