"""Headers of commands: in whose name one goes out, with which counter, and what its other information says.

Source: GBCS 7.2 (message structure); fact sheet gb/GBCS.md sections 2 and 3.
"""

from base64 import b64decode

from meterworks.catalogue.gb import Sender, UseCaseChoice
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.request import Request
from meterworks.companions.gb.situation import Situation
from meterworks.companions.gb.transform.value import refusal
from meterworks.protocols.gbcs import OtherInformation

__all__ = ["header_of"]


def header_of(choice: UseCaseChoice, request: Request, situation: Situation) -> tuple[bytes, int, OtherInformation]:
    """Originator, counter and other information of a command. Raises TransformError where the situation lacks one."""
    identity = request.request_id
    bare = OtherInformation(message_code=choice.code)
    match _sender(choice.sender, situation):
        case Sender.USER:
            return identity.originator, identity.counter, bare
        case Sender.BROKER:
            return situation.broker, _counter(situation.broker_counter, "broker_counter"), bare
        case Sender.CHANGE_OF_SUPPLIER:
            if situation.change_of_supplier is None:
                raise _missing("change_of_supplier")
            counter = _counter(situation.change_of_supplier_counter, "change_of_supplier_counter")
            return situation.change_of_supplier, counter, bare
    party = situation.user or identity.originator
    other = OtherInformation(
        message_code=choice.code,
        supplementary_party=party,
        supplementary_counter=identity.counter,
        certificate=_certificate(party, request, situation),
    )
    return situation.broker, _counter(situation.broker_counter, "broker_counter"), other


def _certificate(party: bytes, request: Request, situation: Situation) -> bytes:
    """Where a user the device does not know asks for sensitive data, the request brings a certificate to encrypt with.

    The carrier's own copy goes before it: that one was checked, and is the one in force.
    """
    brought = request.body.find("KAPublicSecurityCredentials")
    if brought is None:
        return b""
    own = situation.certificates.get((party, "agree"))
    try:
        return own if own is not None else b64decode("".join(brought.text.split()), validate=True)
    except ValueError as error:
        raise refusal(brought.name, brought.text, "a certificate in base64") from error


def _sender(sender: Sender, situation: Situation) -> Sender:
    """Who it is in this situation."""
    match sender:
        case Sender.USER if not situation.knows_originator:
            return Sender.BROKER_FOR_USER
        case Sender.USER_OR_BROKER:
            return Sender.USER if situation.knows_originator else Sender.BROKER
    return sender


def _counter(counter: int | None, name: str) -> int:
    if counter is None:
        raise _missing(name)
    return counter


def _missing(name: str) -> TransformError:
    return TransformError(
        f"the situation lacks {name}, and this command goes out in the carrier's name", path=f"Situation.{name}"
    )
