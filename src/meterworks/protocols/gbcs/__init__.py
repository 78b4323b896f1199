"""GB messages (GBCS): frames, their protection, gas payloads, prepayment tokens. Sans-I/O; keys come in as objects."""

from meterworks.protocols.gbcs.asn1 import PAYLOADS, Asn1Payload, payload_type
from meterworks.protocols.gbcs.block import in_blocks, joined_message
from meterworks.protocols.gbcs.firmware import FIRMWARE_SIZE_MAX, FirmwareFile
from meterworks.protocols.gbcs.gbz import NEVER, Component, GbzAlert, GbzMessage, GbzOutcome, ZclFrame
from meterworks.protocols.gbcs.message import (
    COUNTER_MAX,
    IDENTITY_SIZE,
    MAC_SIZE,
    MESSAGE_SIZE_MAX,
    SIGNATURE_SIZE,
    Message,
    MessageKind,
    OtherInformation,
    identity_text,
)
from meterworks.protocols.gbcs.payload import Payload, decode_payload
from meterworks.protocols.gbcs.protection import (
    KeyPurpose,
    SharedSecrets,
    check_mac,
    check_signature,
    compute_mac,
    decrypt_attribute,
    encrypt_attribute,
    message_key,
    with_mac,
    with_signature,
)
from meterworks.protocols.gbcs.token import (
    COUNTER_STEP,
    TOKEN_LENGTH,
    VALUE_MAX,
    Token,
    ValueClass,
    check_digit,
    has_check_digit,
)

__all__ = [
    "COUNTER_MAX",
    "COUNTER_STEP",
    "FIRMWARE_SIZE_MAX",
    "IDENTITY_SIZE",
    "MAC_SIZE",
    "MESSAGE_SIZE_MAX",
    "NEVER",
    "PAYLOADS",
    "SIGNATURE_SIZE",
    "TOKEN_LENGTH",
    "VALUE_MAX",
    "Asn1Payload",
    "Component",
    "FirmwareFile",
    "GbzAlert",
    "GbzMessage",
    "GbzOutcome",
    "KeyPurpose",
    "Message",
    "MessageKind",
    "OtherInformation",
    "Payload",
    "SharedSecrets",
    "Token",
    "ValueClass",
    "ZclFrame",
    "check_digit",
    "check_mac",
    "check_signature",
    "compute_mac",
    "decode_payload",
    "decrypt_attribute",
    "encrypt_attribute",
    "has_check_digit",
    "identity_text",
    "in_blocks",
    "joined_message",
    "message_key",
    "payload_type",
    "with_mac",
    "with_signature",
]
