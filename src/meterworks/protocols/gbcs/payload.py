"""Payloads of GB messages by what they are written in: DLMS, ZigBee (GBZ) or ASN.1.

Source: GBCS 7.2 and 7.3 (payloads by use case); fact sheet gb/GBCS.md sections 7 to 9.
"""

from typing import Final, TypeAlias

from meterworks.protocols.dlms import AccessRequest, AccessResponse, DataNotification, decode_apdu
from meterworks.protocols.errors import DecodeError
from meterworks.protocols.gbcs.asn1 import Asn1Payload
from meterworks.protocols.gbcs.gbz import PROFILE, GbzAlert, GbzMessage
from meterworks.protocols.gbcs.message import Message, MessageKind

__all__ = ["Payload", "decode_payload"]

_APDUS: Final = (AccessRequest, AccessResponse, DataNotification)
_APDU_TAGS: Final = frozenset((0xD9, 0xDA, 0x0F))

Payload: TypeAlias = AccessRequest | AccessResponse | DataNotification | GbzMessage | GbzAlert | Asn1Payload


def decode_payload(message: Message) -> Payload:
    """The payload of a message, decoded to its last octet; `to_bytes` gives the octets again. Raises DecodeError."""
    payload = message.payload
    if not payload:
        raise DecodeError("the message has no payload", offset=0)
    if payload[: len(PROFILE)] == PROFILE:
        is_alert = message.kind is MessageKind.ALERT
        return GbzAlert.from_bytes(payload) if is_alert else GbzMessage.from_bytes(payload)
    if payload[0] in _APDU_TAGS:
        apdu = decode_apdu(payload)
        if not isinstance(apdu, _APDUS):
            raise DecodeError(f"a {type(apdu).__name__} is no payload of a GB message", offset=0)
        return apdu
    return Asn1Payload.from_bytes(message.message_code, message.kind, payload)
