"""Any APDU to its message: what traces, tests and dissectors use. Client and server go to the service's module."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from meterworks.protocols.dlms.access import AccessRequest, AccessResponse
from meterworks.protocols.dlms.acse import AssociationRequest, AssociationResponse, ReleaseRequest, ReleaseResponse
from meterworks.protocols.dlms.action import (
    ActionRequestMessage,
    ActionResponseMessage,
    decode_action_request,
    decode_action_response,
)
from meterworks.protocols.dlms.fault import ConfirmedServiceError, ExceptionResponse
from meterworks.protocols.dlms.general_block import GeneralBlock
from meterworks.protocols.dlms.get import (
    GetRequestMessage,
    GetResponseMessage,
    decode_get_request,
    decode_get_response,
)
from meterworks.protocols.dlms.initiate import InitiateRequest, InitiateResponse
from meterworks.protocols.dlms.length import encode_length, take, unsigned_at
from meterworks.protocols.dlms.notification import DataNotification, DataNotificationConfirm, EventNotification
from meterworks.protocols.dlms.security import GeneralCiphering, GeneralSigning, split_ciphered
from meterworks.protocols.dlms.set import SetRequestMessage, SetResponseMessage, decode_set_request, decode_set_response
from meterworks.protocols.dlms.short_name import (
    InformationReport,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    WriteRequest,
    WriteResponse,
)
from meterworks.protocols.dlms.tag import FORM_OF, ApduTag, CipherForm
from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = ["CipheredApdu", "GatewayApdu", "Message", "UnknownApdu", "decode_apdu"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CipheredApdu:
    """A ciphered APDU as it is on the wire. title: empty unless the form is general and carries it."""

    tag: int
    form: CipherForm
    title: bytes
    control: int
    counter: int
    body: bytes

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        protected = bytes((self.control,)) + self.counter.to_bytes(4, "big") + self.body
        title = b"" if self.form <= CipherForm.DED else bytes((len(self.title),)) + self.title
        return bytes((self.tag,)) + title + encode_length(len(protected)) + protected


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayApdu:
    """An APDU for a meter behind a gateway, or from one. tag: E6 or E7. physical_address: at most 255 octets.

    apdu: what is carried, at least one octet; `decode_apdu` reads it.
    """

    tag: int
    network_id: int
    physical_address: bytes
    apdu: bytes

    def to_bytes(self) -> bytes:
        """Encode the APDU. EncodeError for an address that does not fit."""
        if len(self.physical_address) > 0xFF:
            raise EncodeError(f"physical address of {len(self.physical_address)} octets")
        head = bytes((self.tag, self.network_id, len(self.physical_address)))
        return head + self.physical_address + self.apdu

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        network_id, size = unsigned_at(apdu, 1, 1), unsigned_at(apdu, 2, 1)
        address = take(apdu, 3, size)
        if len(apdu) == 3 + size:
            raise DecodeError("a gateway's prefix without an APDU behind it", offset=len(apdu))
        return cls(tag=apdu[0], network_id=network_id, physical_address=address, apdu=apdu[3 + size :])


@dataclass(frozen=True, slots=True)
class UnknownApdu:
    """An APDU that we have no name for; it keeps its octets."""

    octets: bytes

    def to_bytes(self) -> bytes:
        """Give the octets back."""
        return self.octets


Message: TypeAlias = (
    AssociationRequest
    | AssociationResponse
    | ReleaseRequest
    | ReleaseResponse
    | InitiateRequest
    | InitiateResponse
    | GetRequestMessage
    | GetResponseMessage
    | SetRequestMessage
    | SetResponseMessage
    | ActionRequestMessage
    | ActionResponseMessage
    | AccessRequest
    | AccessResponse
    | ReadRequest
    | ReadResponse
    | WriteRequest
    | WriteResponse
    | UnconfirmedWriteRequest
    | InformationReport
    | DataNotification
    | DataNotificationConfirm
    | EventNotification
    | ExceptionResponse
    | ConfirmedServiceError
    | CipheredApdu
    | GeneralCiphering
    | GeneralSigning
    | GeneralBlock
    | GatewayApdu
    | UnknownApdu
)


def _pull_ciphered(apdu: bytes) -> CipheredApdu:
    form, _, title, control, counter, body = split_ciphered(apdu)
    return CipheredApdu(tag=apdu[0], form=form, title=title, control=control, counter=counter, body=body)


_DECODERS: Final[dict[int, Callable[[bytes], Message]]] = {
    ApduTag.INITIATE_REQUEST: InitiateRequest.from_bytes,
    ApduTag.READ_REQUEST: ReadRequest.from_bytes,
    ApduTag.WRITE_REQUEST: WriteRequest.from_bytes,
    ApduTag.INITIATE_RESPONSE: InitiateResponse.from_bytes,
    ApduTag.READ_RESPONSE: ReadResponse.from_bytes,
    ApduTag.WRITE_RESPONSE: WriteResponse.from_bytes,
    ApduTag.CONFIRMED_SERVICE_ERROR: ConfirmedServiceError.from_bytes,
    ApduTag.DATA_NOTIFICATION: DataNotification.from_bytes,
    ApduTag.DATA_NOTIFICATION_CONFIRM: DataNotificationConfirm.from_bytes,
    ApduTag.UNCONFIRMED_WRITE: UnconfirmedWriteRequest.from_bytes,
    ApduTag.INFORMATION_REPORT: InformationReport.from_bytes,
    ApduTag.AARQ: AssociationRequest.from_bytes,
    ApduTag.AARE: AssociationResponse.from_bytes,
    ApduTag.RLRQ: ReleaseRequest.from_bytes,
    ApduTag.RLRE: ReleaseResponse.from_bytes,
    ApduTag.GET_REQUEST: decode_get_request,
    ApduTag.SET_REQUEST: decode_set_request,
    ApduTag.EVENT_NOTIFICATION: EventNotification.from_bytes,
    ApduTag.ACTION_REQUEST: decode_action_request,
    ApduTag.GET_RESPONSE: decode_get_response,
    ApduTag.SET_RESPONSE: decode_set_response,
    ApduTag.ACTION_RESPONSE: decode_action_response,
    ApduTag.EXCEPTION_RESPONSE: ExceptionResponse.from_bytes,
    ApduTag.ACCESS_REQUEST: AccessRequest.from_bytes,
    ApduTag.ACCESS_RESPONSE: AccessResponse.from_bytes,
    ApduTag.GENERAL_CIPHERING: GeneralCiphering.from_bytes,
    ApduTag.GENERAL_SIGNING: GeneralSigning.from_bytes,
    ApduTag.GENERAL_BLOCK_TRANSFER: GeneralBlock.from_bytes,
    ApduTag.GATEWAY_REQUEST: GatewayApdu.from_bytes,
    ApduTag.GATEWAY_RESPONSE: GatewayApdu.from_bytes,
    **dict.fromkeys(FORM_OF, _pull_ciphered),
}


def decode_apdu(apdu: bytes) -> Message:
    """Decode any APDU; one whose tag we do not know is kept as `UnknownApdu`. Ciphered ones stay closed."""
    decoder = _DECODERS.get(apdu[0] if apdu else -1)
    if decoder is None:
        take(apdu, 0, 1)
        return UnknownApdu(apdu)
    return decoder(apdu)
