"""Random lawful bodies of every service request that becomes a command of an electricity meter or a hub.

Each makes an access request that decodes to its last octet and that the independent check reads as what was asked; no
leaf of a body is lost on the way; a damaged body makes a command or one clear error.
"""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from random import Random

import pytest
from tests.property.companions.random_body import RandomBody
from tests.property.companions.test_gas_command import CERTIFICATES, damaged, fulfils, name_of

from meterworks.catalogue.gb import (
    DeviceKind,
    PayloadKind,
    Sender,
    UseCaseChoice,
    load_service_requests,
    load_use_case_choices,
    load_use_cases,
)
from meterworks.companions.errors import RequestMismatchError, TransformError
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.correlate import correlate
from meterworks.companions.gb.situation import HubBackup
from meterworks.companions.gb.transform import Rulebook, transform
from meterworks.companions.gb.transform.dlms import DlmsBuilder
from meterworks.protocols.dlms import AccessRequest

BODIES_EACH = 3
BUILDER = DlmsBuilder.load()
RULES = Rulebook(load_use_case_choices(), load_use_cases(), {PayloadKind.DLMS: BUILDER})
CHOICES = [choice for some in RULES.choices.values() for choice in some if choice.payload is PayloadKind.DLMS]
WITHOUT = ("Gas", "UpdatePrepayConfigGas", "ImportMPRN")
USER, DEVICE = bytes.fromhex("90b3d51f30010000"), bytes.fromhex("00db1234567890a0")


@cache
def requests(choice: UseCaseChoice) -> list[Request]:
    """Random requests that become this use case, as many as fulfil its conditions and mean something among a few."""
    row = load_service_requests()[choice.variant]
    chance = Random(f"{choice.variant} {choice.code}")
    maker = RandomBody(chance, without=WITHOUT, certificates=CERTIFICATES)
    bodies = [whole(maker.body(row.body)) for _ in range((24 if choice.conditions else 4) * BODIES_EACH)]
    fitting = [body for body in bodies if fulfils(choice, body) and not means_nothing(body)]
    return [
        Request(
            request_id=RequestId(USER, DEVICE, chance.getrandbits(63)),
            command_variant=CommandVariant.PREPARE if row.critical else CommandVariant.SEND,
            reference=row.reference, variant=choice.variant, body=body,
        )
        for body in fitting[:BODIES_EACH]
    ]  # fmt: skip


def whole(body: Element) -> Element:
    """A body as it has to be beyond what the schema says: each phase once, no special day that is not defined, dates
    that are dates, meter points in digits, and install codes as long as they are on a home network."""
    phases = iter("123123")

    def walk(element: Element) -> Element:
        match element.name:
            case "Phase":
                return replace(element, text=next(phases))
            case "StartDate" | "EndDate" if not element.children:
                return replace(element, text="65535-02-28Z")
            case "ImportMPAN" | "SecondaryImportMPAN" | "ExportMPAN":
                return replace(element, text="1312345678111")
            case "InstallCode":
                return replace(element, text="30" * 16)
        kept = (child for child in element.children if child.name not in LEFT_OUT)
        return replace(element, children=tuple(map(walk, kept)))

    return walk(body)


LEFT_OUT = ("SpecialDayApplicability", "KAPublicSecurityCredentials")
CHANGES_NOTHING = {"ResetMaximumDemandRegisters": "", "AddAuxiliaryLoadToBoostButton": "true",
                   "RemoveAuxiliaryLoadFromBoostButton": "true"}  # fmt: skip


def means_nothing(body: Element) -> bool:
    """Whether a body is lawful and refused: it changes nothing, names days nobody defined, or removes what it adds."""
    wanted = CHANGES_NOTHING.get(body.name)
    nothing = wanted is not None and all(child.text != wanted for child in body.children)
    undefined = any(child.all("SpecialDaysApplicability") for child in body.children)
    is_added = any(leaf.text == "Add" for leaf in body.all("RequestType"))
    odd = body.name == "UpdateHANDeviceLog" and is_added is not bool(body.all("AddDeviceToCHFWhitelist"))
    return nothing or odd or (undefined and body.name != "UpdatePrepayConfiguration")


def situation(choice: UseCaseChoice, request: Request) -> Situation:
    named = [bytes.fromhex(leaf.text.replace("-", "")) for leaf in request.body.children if leaf.text.count("-") == 7]
    return Situation(
        device=min(choice.devices), device_codes=frozenset({choice.code}), party=choice.party or Situation.party,
        broker=bytes(7) + b"\x02", broker_counter=5, knows_originator=choice.sender is Sender.USER,
        made_at=datetime(2026, 11, 21, tzinfo=UTC), customer_number="0042",
        device_kinds=dict.fromkeys(named, DeviceKind.ESME),
        hub_backups=dict.fromkeys(named, HubBackup(bytes(8), ((DEVICE, bytes(16)),))),
    )  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES, ids=name_of)
def test_a_lawful_body_makes_a_command_that_the_check_takes(choice):
    asked = requests(choice)
    assert asked
    for request in asked:
        known = situation(choice, request)
        message = transform(request, known, rulebook=RULES)
        assert AccessRequest.from_bytes(message.payload).to_bytes() == message.payload
        correlate(request, message.to_bytes(), known)


# What stands in no payload: what the carrier checks itself or looks up, what chooses the use case, and the time until
# which the carrier may hold a command.
UNTOLD = {
    *("ImportMPxN", "SecondaryImportMPAN", "ExportMPAN", "OldCHFID", "LogToRead", "ESMEEventLogType", "RequestType"),
    "ExecutionDateTime",
}
# Where a meter point is what the meter is told.
TOLD = {"ECS39a", "ECS39b"}


@pytest.mark.parametrize("choice", CHOICES, ids=name_of)
def test_no_leaf_of_a_body_is_lost(choice):
    """Each leaf changed in turn changes the payload, but for those that no device is told."""
    request = requests(choice)[0]
    maker = RandomBody(Random(choice.code), without=WITHOUT, certificates=CERTIFICATES)
    known = situation(choice, request)
    payload = BUILDER.payload_of(choice, request, known)
    for path, body in maker.changed(request.body):
        other = replace(request, body=body)
        try:
            made = BUILDER.payload_of(choice, other, situation(choice, other))
        except TransformError:  # a change that means nothing
            made = b""
        is_untold = path.rpartition("/")[2] in UNTOLD and choice.use_case not in TOLD
        assert made != payload or is_untold, path


@pytest.mark.parametrize("choice", CHOICES, ids=name_of)
def test_a_damaged_body_makes_a_command_or_one_clear_error(choice):
    chance = Random(f"damage {choice.code}")
    outcomes = []
    for request in requests(choice)[:2]:
        for _ in range(8):
            other = replace(request, body=damaged(chance, request.body))
            try:
                outcomes.append(len(transform(other, situation(choice, request), rulebook=RULES).payload))
            except TransformError as refused:
                assert len(str(refused)) < 600
                outcomes.append(0)
    assert outcomes


def test_the_check_refuses_a_command_of_another_body():
    """One choice each of a critical and a plain command: a price, and a level."""
    for variant, path in (("1.2.2", "PriceElements/PriceScale"), ("7.12", "RandomisedOffsetLimit")):
        choice = RULES.choices[variant][0]
        request = requests(choice)[0]
        known = situation(choice, request)
        octets = transform(request, known, rulebook=RULES).to_bytes()
        maker = RandomBody(Random(1), without=WITHOUT, certificates=CERTIFICATES)
        body = dict(maker.changed(request.body))[path]
        with pytest.raises(RequestMismatchError):
            correlate(replace(request, body=body), octets, known)
