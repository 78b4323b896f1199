"""Who a message is from, to whom and under which counter: compared with the request before anything else.

Source: GBCS 7.2 (message structure); fact sheet gb/GBCS.md sections 2 and 3.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from functools import cache

from meterworks.catalogue.gb import DeviceKind, RemoteParty, load_service_requests, load_use_cases
from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb.correlate.fact import term_text
from meterworks.companions.gb.request import Request
from meterworks.companions.gb.situation import Situation
from meterworks.protocols.gbcs import Message, MessageKind

__all__ = ["Sender", "check_envelope", "sender_of"]

BROKER_IN_OWN_NAME = frozenset({"6.21", "6.24.1", "8.5"})
CHANGE_OF_SUPPLIER = frozenset({"6.23"})
BROKER_DEVICES = frozenset({DeviceKind.CHF, DeviceKind.PPMID})  # of users they know none, but for signed commands
READ_VERSION = 0x0129  # CS08: displays and load switches tell it the broker
READER_CERTIFICATE = "KAPublicSecurityCredentials"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who has to originate the message of a request. party: EUI-64 that it speaks for, with that party's counter."""

    originator: bytes
    counter: int | None
    party: bytes | None = None
    party_counter: int | None = None


@cache
def _broker_codes() -> frozenset[int]:
    """Use cases that devices take from the broker alone."""
    rows = load_use_cases().values()
    return frozenset(row.code for row in rows if row.parties == {RemoteParty.BROKER}) | {READ_VERSION}


@cache
def _critical_variants() -> frozenset[str]:
    return frozenset(service.variant for service in load_service_requests().values() if service.critical)


def sender_of(request: Request, situation: Situation, message_code: int) -> Sender:
    """Who originates a message: the user, or one of the carrier's parties in its own name or for the user.

    A critical command is signed, and so originated, by the user. Of the rest some are the broker's whatever the device
    knows: use cases that only the broker may cause, and devices that hold nobody else's certificates.
    """
    own = Sender(request.request_id.originator, request.request_id.counter)
    if request.variant in CHANGE_OF_SUPPLIER:
        return Sender(situation.change_of_supplier or b"", situation.change_of_supplier_counter)
    broker = Sender(situation.broker, situation.broker_counter)
    if own.originator == situation.broker:
        if situation.user is None:
            return own
        return Sender(broker.originator, broker.counter, situation.user, own.counter)
    if request.variant in BROKER_IN_OWN_NAME:
        return broker
    is_brokers = message_code in _broker_codes() or situation.device in BROKER_DEVICES
    if situation.knows_originator and (request.variant in _critical_variants() or not is_brokers):
        return own
    return Sender(broker.originator, broker.counter, own.originator, own.counter)


def check_envelope(request: Request, message: Message, sender: Sender) -> None:
    """Raise RequestMismatchError unless a message is a command to the device of the request, from whom it should be."""
    other = message.other
    compared = (
        ("recipient", request.request_id.target, message.recipient),
        ("originator", sender.originator, message.originator),
        ("counter", sender.counter, message.counter),
        ("kind of message", MessageKind.COMMAND.name, message.kind.name),
        ("supplementary party", sender.party, other.supplementary_party),
        ("supplementary counter", sender.party_counter, other.supplementary_counter),
        ("supplementary originator counter", None, other.supplementary_originator_counter),
        ("certificate of the reader", _certificate(request, sender), other.certificate),
        ("date and time", b"", message.date_time),
    )
    for path, asked, found in compared:
        if asked != found:
            raise RequestMismatchError(
                f"{path}: {term_text(asked)} was asked, {term_text(found)} was found: no message of this request",
                path=path, asked=asked, found=found,
            )  # fmt: skip


def _certificate(request: Request, sender: Sender) -> bytes:
    """The certificate that an answer is encrypted for: it travels where the broker speaks for a party."""
    texts = [element.text for element in request.body.children if element.name == READER_CERTIFICATE]
    if sender.party is None or not texts:
        return b""
    try:
        return b64decode("".join(texts[0].split()), validate=True)
    except (Base64Error, ValueError) as error:
        raise RequestMismatchError(
            f"{READER_CERTIFICATE} is not base64: {error}", path=READER_CERTIFICATE, asked=texts[0], found=None
        ) from error
