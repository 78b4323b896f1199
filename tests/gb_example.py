"""GB messages made by the project: a request of each kind, the keys of everybody in them, and typical answers."""

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.transform import signer_of, transform
from meterworks.protocols.dlms import (
    AccessKind,
    AccessRequest,
    AccessResponse,
    DataAccessResult,
    DataValue,
    Tag,
    encode,
)
from meterworks.protocols.dlms.security import SecuritySuite, SoftwareKeyAgreement, SoftwareSigner
from meterworks.protocols.gbcs import (
    Component,
    GbzMessage,
    Message,
    MessageKind,
    SharedSecrets,
    ZclFrame,
    decode_payload,
)
from meterworks.protocols.gbcs.asn1 import Asn1Payload

SUPPLIER = bytes.fromhex("5a01000000000001")
BROKER = bytes.fromhex("5a01000000000002")
METER = bytes.fromhex("5a02000000000001")
MADE_AT = datetime(2026, 3, 1, tzinfo=UTC)
READ_ATTRIBUTES = 0x00  # frame control of ZCL


class Party:
    """A party or device with its two key pairs."""

    def __init__(self) -> None:
        self.signer = SoftwareSigner.draw(SecuritySuite.SUITE_1, secrets.token_bytes)
        self.agreement = SoftwareKeyAgreement.draw(SecuritySuite.SUITE_1, secrets.token_bytes)
        self.secrets = SharedSecrets(self.agreement)

    def secret_with(self, other: "Party") -> bytes:
        """The secret shared with somebody else, agreed once."""
        return self.secrets.with_peer(other.agreement.public_key)


@dataclass(frozen=True)
class Example:
    """A request, and the kind of the device it is for. name: of the kind of message that comes of it."""

    name: str
    request: Request
    device: DeviceKind

    @property
    def situation(self) -> Situation:
        """What the carrier knows."""
        return Situation(device=self.device, broker=BROKER, broker_counter=7, made_at=MADE_AT, customer_number="4711")

    def command(self) -> Message:
        """The command, not yet protected."""
        return transform(self.request, self.situation)

    def is_signed(self) -> bool:
        """Whether somebody signs it before the broker makes its MAC."""
        return signer_of(self.request, self.situation) is not None


def tree(name: str, *children: "Element | tuple[str, str]", **attributes: str) -> Element:
    """An element; a child may be a pair of name and text."""
    made = tuple(child if isinstance(child, Element) else Element(*child) for child in children)
    return Element(name, "", made, attributes)


def ask(variant: str, body: Element, *, is_critical: bool = False, counter: int = 1000) -> Request:
    """A request of the supplier to the meter."""
    return Request(
        request_id=RequestId(SUPPLIER, METER, counter),
        command_variant=CommandVariant.PREPARE if is_critical else CommandVariant.SEND,
        reference=".".join(variant.split(".")[:2]),
        variant=variant,
        body=body,
    )


WINDOW = tree("ReadLogPeriod", ("StartDateTime", "2026-01-01T00:00:00.00Z"), ("EndDateTime", "2026-01-08T00:00:00.00Z"))
EXAMPLES = (
    Example("read, DLMS", ask("6.2.1", tree("ReadDeviceConfigurationVoltage")), DeviceKind.ESME),
    Example("read sealed values, DLMS", ask("4.1.1", tree("ReadInstantaneousImportRegisters")), DeviceKind.ESME),
    Example("read a log, DLMS", ask("4.8.1", tree("ReadActiveImportProfileData", WINDOW)), DeviceKind.ESME),
    Example("read, ZigBee", ask("4.1.1", tree("ReadInstantaneousImportRegisters")), DeviceKind.GSME),
    Example("supply, DLMS, signed", ask("7.1", tree("EnableSupply"), is_critical=True), DeviceKind.ESME),
    Example("supply, ZigBee, signed", ask("7.2", tree("DisableSupply"), is_critical=True), DeviceKind.GSME),
    Example(
        "firmware, ASN.1, signed",
        ask("11.3", tree("ActivateFirmware", ("FirmwareHash", "ab" * 32)), is_critical=True),
        DeviceKind.ESME,
    ),
)


def answer_to(command: Message) -> Message:
    """What a device would say, not yet protected: a number for everything that was read, success for all else."""
    payload = decode_payload(command)
    if isinstance(payload, AccessRequest):
        number = encode(DataValue(Tag.DOUBLE_LONG_UNSIGNED, 230_000))
        values = tuple(number if each.kind is AccessKind.GET else b"\x00" for each in payload.specifications)
        results = tuple((each.kind, DataAccessResult.SUCCESS) for each in payload.specifications)
        answer = AccessResponse(long_invoke=payload.long_invoke, values=values, results=results).to_bytes()
    elif isinstance(payload, GbzMessage):
        answer = GbzMessage(tuple(map(_answered, payload.components))).to_bytes()
    else:
        answer = Asn1Payload.make(command.message_code, MessageKind.RESPONSE, None).to_bytes()
    return replace(
        command,
        kind=MessageKind.RESPONSE,
        originator=command.recipient,
        recipient=command.originator,
        payload=answer,
        ends_behind_payload=False,
    )


def _answered(component: Component) -> Component:
    """Attributes are given as numbers of 48 bits; of a command it is told that it was carried out."""
    frame = component.frame
    if frame.control == READ_ATTRIBUTES:
        asked = [frame.payload[place : place + 2] for place in range(0, len(frame.payload), 2)]
        told = b"".join(each + b"\x00\x25" + (123_456).to_bytes(6, "little") for each in asked)
        answer = ZclFrame(control=0x18, sequence=frame.sequence, command=0x01, payload=told)
    else:
        answer = ZclFrame(control=0x08, sequence=frame.sequence, command=0x0B, payload=bytes((frame.command, 0)))
    return Component(cluster=component.cluster, frame=answer)
