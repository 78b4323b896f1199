"""Any APDU to its message: what traces, tests and dissectors use. Client and server go to the service's module."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from meterworks.protocols.dlms.acse import AssociationRequest, AssociationResponse, ReleaseRequest, ReleaseResponse
from meterworks.protocols.dlms.action import (
    ActionRequestMessage,
    ActionResponseMessage,
    decode_action_request,
    decode_action_response,
)
from meterworks.protocols.dlms.fault import ConfirmedServiceError, ExceptionResponse
from meterworks.protocols.dlms.get import (
    GetRequestMessage,
    GetResponseMessage,
    decode_get_request,
    decode_get_response,
)
from meterworks.protocols.dlms.initiate import InitiateRequest, InitiateResponse
from meterworks.protocols.dlms.length import encode_length, take
from meterworks.protocols.dlms.notification import DataNotification, EventNotification
from meterworks.protocols.dlms.security import split_ciphered
from meterworks.protocols.dlms.set import SetRequestMessage, SetResponseMessage, decode_set_request, decode_set_response
from meterworks.protocols.dlms.tag import FORM_OF, ApduTag, CipherForm

__all__ = ["CipheredApdu", "Message", "UnknownApdu", "decode_apdu"]


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
    | DataNotification
    | EventNotification
    | ExceptionResponse
    | ConfirmedServiceError
    | CipheredApdu
    | UnknownApdu
)


def _pull_ciphered(apdu: bytes) -> CipheredApdu:
    form, _, title, control, counter, body = split_ciphered(apdu)
    return CipheredApdu(tag=apdu[0], form=form, title=title, control=control, counter=counter, body=body)


_DECODERS: Final[dict[int, Callable[[bytes], Message]]] = {
    ApduTag.INITIATE_REQUEST: InitiateRequest.from_bytes,
    ApduTag.INITIATE_RESPONSE: InitiateResponse.from_bytes,
    ApduTag.CONFIRMED_SERVICE_ERROR: ConfirmedServiceError.from_bytes,
    ApduTag.DATA_NOTIFICATION: DataNotification.from_bytes,
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
    **dict.fromkeys(FORM_OF, _pull_ciphered),
}


def decode_apdu(apdu: bytes) -> Message:
    """Decode any APDU; one whose tag we do not know is kept as `UnknownApdu`. Ciphered ones stay closed."""
    decoder = _DECODERS.get(take(apdu, 0, 1)[0])
    return UnknownApdu(apdu) if decoder is None else decoder(apdu)
