"""The independent check on the GB reference set: each command against its request, the others', and altered ones.

Every way to alter them, and every octet of each, takes two minutes: python -m tests.conformance.gbcs.altered FOLDER
"""

import base64
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.gbcs.altered import altered_envelopes, altered_items, altered_values
from tests.conformance.gbcs.correlated import Asked, altered_requests, asked
from tests.conformance.gbcs.reference_pair import pairs
from tests.conformance.gbcs.reference_set import messages

from meterworks.catalogue.gb import DeviceKind, RemoteParty
from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.correlate import correlate, effects_of
from meterworks.protocols.dlms import AccessRequest
from meterworks.protocols.gbcs import Asn1Payload, Message

ALTERED_MAX = 100  # of one message and one way to alter it; the module of the note above knows no limit

# What a request may say otherwise while its message stays the same, and why.
SAYS_NOTHING = {
    "ImportMPxN": "the carrier checks it against its register; no device hears of it",
    "SecondaryImportMPAN": "the same",
    "SupplierFloorSeqNumber": "a cancellation by the carrier moves no counter",
    "SupplierPrepaymentTopUpFloorSeqNumber": "the same",
    "NumberOfThresholds": "a tariff's blocks and thresholds settle it",
    "ExecutionDateTime": "of 8.5: the carrier waits, the device is told nothing",
    "StartDateTime": "of 4.10: the gas network log is read as a whole",
    "EndDateTime": "the same; and samples are counted in whole half hours or days",
    "ElectricityPriceElement left out": "a price of zero",
    "ESMEEventLogType left out": "the meter's own log",
    "SpecialDays left out": "there was none",
    "SpecialDaysApplicability left out": "there was none",
    "DaysOfWeekApplicability left out": "there was none",
    **dict.fromkeys(("WANAlert left out", "HANAlert left out", "EventLog left out", "Alarm left out"), "disabled"),
}


@pytest.fixture(scope="module")
def reference(shared_folder: Path) -> list[Asked]:
    folder = shared_folder / "vectors" / "gb"
    if not folder.is_dir():
        pytest.skip(f"no GB reference set at {folder}")
    return asked(folder)


@pytest.fixture(scope="module")
def once(reference: list[Asked]) -> list[Asked]:
    """One message for each request: the pre-command, where there is one."""
    prepared = {one.name.replace("_PRECOMMAND_", "_COMMAND_") for one in reference if "_PRECOMMAND_" in one.name}
    return [one for one in reference if one.name not in prepared]


@pytest.fixture(scope="module")
def prepared(reference: list[Asked]) -> list[Asked]:
    return [one for one in reference if "_PRECOMMAND_" in one.name]


def refusal(request: Request, octets: bytes, situation: Situation) -> str:
    """Why a message is refused; empty where it is accepted."""
    try:
        correlate(request, octets, situation)
    except RequestMismatchError as error:
        assert {"path", "asked", "found"} <= set(error.facts)
        return str(error)
    return ""


def test_each_command_and_precommand_is_accepted_against_its_own_request(reference):
    refused = [f"{one}: {why}" for one in reference if (why := refusal(one.request, one.octets, one.situation))]
    assert refused == []
    assert len(reference) >= 294


def test_a_request_that_is_younger_than_its_message_is_refused(reference, shared_folder):
    now = {pair.name: pair.request for pair in pairs(shared_folder / "vectors" / "gb")}
    younger = [one for one in reference if one.is_younger]
    assert [str(one) for one in younger if not refusal(now[one.name], one.octets, one.situation)] == []
    assert len(younger) == 19


def test_each_command_is_refused_against_every_other_request(once):
    """Four pairs are the same octets: a clock is set by 6.11 and by 8.1.1 with one and the same message."""
    accepted = [
        (one, other)
        for one in once
        for other in once
        if one is not other and not refusal(other.request, one.octets, other.situation)
    ]
    assert [f"{one} against the request of {other}" for one, other in accepted if one.octets != other.octets] == []
    assert len(accepted) == 4


def test_where_no_model_settles_it_only_equal_requests_admit_the_same_command(once):
    """Two issues of a use case may serve one request: then either does what was asked."""
    requests = [(one, replace(one.situation, device_codes=None)) for one in once]
    accepted = [
        (one, other)
        for one, _ in requests
        for other, unsettled in requests
        if one.octets != other.octets and not refusal(other.request, one.octets, unsettled)
    ]
    assert [f"{one} / {other}" for one, other in accepted if one.request.body != other.request.body] == []
    assert {one.name[:6] for one, _ in accepted if "_PRECOMMAND_" in one.name} == {"ECS08_", "ECS08a"}


def with_envelope_of(one: Asked, other: Asked) -> bytes:
    """A message as the other one's user would get it: identities, counters and code made equal."""
    message, expected = Message.from_bytes(one.octets), Message.from_bytes(other.octets)
    payload = message.payload
    if payload[:1] == b"\xd9" == expected.payload[:1]:
        invoked = AccessRequest.from_bytes(expected.payload).long_invoke
        payload = replace(AccessRequest.from_bytes(payload), long_invoke=invoked).to_bytes()
    return replace(expected, payload=payload).to_bytes()


def test_with_an_equal_envelope_the_content_alone_refuses(prepared):
    accepted = [
        f"{one} against the request of {other}"
        for one in prepared
        for other in prepared
        if with_envelope_of(one, other) != other.octets
        and not refusal(other.request, with_envelope_of(one, other), other.situation)
    ]
    assert accepted == []


def test_requests_of_one_variant_with_other_values_refuse_each_other_by_content(once):
    by_variant = groupby(sorted(once, key=lambda one: one.request.variant), key=lambda one: one.request.variant)
    families = [list(family) for _, family in by_variant]
    tried = [
        (one, other)
        for family in families
        for one in family
        for other in family
        if one.request.body != other.request.body and one.request.request_id.target == other.request.request_id.target
    ]
    accepted = [
        f"{one} against {other}"
        for one, other in tried
        if not refusal(other.request, with_envelope_of(one, other), other.situation)
    ]
    assert accepted == []
    assert len(tried) > 60


def sampled(altered: list[Any]) -> list[Any]:
    """At most so many of the altered messages, from all over the message."""
    return altered[:: len(altered) // ALTERED_MAX + 1]


def survivors(
    messages: list[Asked], alter: Callable[[Message], Iterable[tuple[str, Message]]]
) -> tuple[list[str], int]:
    """What was altered and accepted all the same, and how many messages were tried."""
    tried = [
        (one, what, message)
        for one in messages
        for what, message in sampled(list(alter(Message.from_bytes(one.octets))))
    ]
    accepted = [
        f"{one}: {what}" for one, what, message in tried if not refusal(one.request, message.to_bytes(), one.situation)
    ]
    return accepted, len(tried)


def test_no_altered_value_of_a_precommand_is_accepted(prepared):
    accepted, tried = survivors(prepared, lambda message: altered_values(message, ways=1))
    assert accepted == []
    assert tried > 1500


def test_no_item_of_a_precommand_can_be_missing_doubled_swapped_or_named_otherwise(prepared):
    accepted, tried = survivors(prepared, altered_items)
    assert accepted == []
    assert tried > 900


def test_no_altered_value_or_item_of_a_command_is_accepted(once, prepared):
    commands = [one for one in once if one not in prepared][::3]
    accepted, tried = survivors(commands, lambda message: [*altered_values(message, ways=1), *altered_items(message)])
    assert accepted == []
    assert tried > 1000


def test_no_altered_envelope_is_accepted(once):
    accepted, tried = survivors(once, altered_envelopes)
    assert accepted == []
    assert tried > 1500


def test_no_altered_request_admits_the_message_but_where_it_says_nothing(once):
    altered = [
        (one, name, request) for one in once[::2] for name, request in sampled(list(altered_requests(one.request)))
    ]
    accepted = {name: str(one) for one, name, request in altered if not refusal(request, one.octets, one.situation)}
    assert {name: one for name, one in accepted.items() if not said_elsewhere(name)} == {}
    assert len(altered) > 700


def said_elsewhere(name: str) -> bool:
    return name in SAYS_NOTHING or name.removesuffix(" left out") in SAYS_NOTHING


def test_the_effects_of_each_command_are_named_facts(once):
    effects = {one.name: effects_of(one.octets) for one in once}
    assert [name for name, found in effects.items() if "\n" not in str(found) and found.facts] == []
    limits = effects["ECS28a_6.4.1_IMMEDIATE_SUCCESS_PRECOMMAND_GBCS.HEX"]
    values = {fact.name.rpartition(" ")[2]: fact.value for fact in limits.facts}
    assert (values["LoadLimitPowerThreshold"], values["LoadLimitSupplyState"]) == (6900, "Disable")
    assert "now" in values.values()


def as_sibling(message: Message, other: Asked) -> tuple[Request, Situation]:
    """The request of another message of the same use case, under this message's counters and to its device."""
    identity = other.request.request_id
    counter = message.other.supplementary_counter or message.counter
    own = replace(identity, target=message.recipient, counter=counter)
    known = replace(other.situation, broker_counter=message.counter, change_of_supplier_counter=message.counter)
    return replace(other.request, request_id=own), known


def is_served(message: Message, other: Asked) -> bool:
    request, situation = as_sibling(message, other)
    return not refusal(request, message.to_bytes(), situation)


def test_messages_without_a_request_do_what_their_siblings_asked(reference, shared_folder):
    """Commands that devices answered with errors: most ask what another one of their use case asked."""
    paired = {one.name for one in reference}
    by_code: dict[int, list[Asked]] = {}
    for one in reference:
        by_code.setdefault(Message.from_bytes(one.octets).message_code, []).append(one)
    alone = [
        (recorded.name, Message.from_bytes(recorded.octets))
        for recorded in messages(shared_folder / "vectors" / "gb")
        if "COMMAND" in recorded.name and recorded.name not in paired
    ]
    served = {
        name for name, message in alone for other in by_code.get(message.message_code, []) if is_served(message, other)
    }
    assert len(served) >= 56
    assert {name.split("_")[0] for name, _ in alone} - {name.split("_")[0] for name in served} <= OTHER_VALUES


OTHER_VALUES = {  # these ask other values than any request of the set, or belong to no request
    "CS01a", "CS02aSignature", "CS02fSignature", "CS02bAnyExceptAbnormalRootByRecovery", "CS02bSupplierBySupplier",
    "CS02bTransCoSByTransCoS", "CS02bWPByWP", "CS02d", "CS02gLoadControllerByLoadController",
    "CS02gLoadControllerBySupplier", "CS03CNonCritical", "CS06", "ECS01a", "ECS08", "ECS25a", "ECS25b", "GCS15c",
    "GCS15e", "GCS16a", "GCS28Commission", "GCS61", "PCS01", "PCS02", "CS08",
}  # fmt: skip


def test_a_load_controller_replaces_its_own_certificates(shared_folder):
    """No request of the set asks for it; its pre-command is there."""
    name = "CS02gLoadControllerByLoadController_NA_IMMEDIATE_SUCCESS_PRECOMMAND_GBCS.HEX"
    octets = next(one.octets for one in messages(shared_folder / "vectors" / "gb") if one.name == name)
    message = Message.from_bytes(octets)
    content = Asn1Payload.from_bytes(message.message_code, message.kind, message.payload).content
    given = [
        Element(leaf, base64.b64encode(content["replacements"][place]["certificate"].dump()).decode())
        for place, leaf in enumerate(("DigitalSigningCertificate", "KeyAgreementCertificate"))
    ]
    path = Element("Certificate", base64.b64encode(content["path_certificates"][0].dump()).decode())
    body = Element(
        "UpdateSecurityCredentialsKRP",
        children=(
            Element("RemotePartyRole", "LoadController"),
            Element("RemotePartyFloorSeqNumber", "0"),
            Element(
                "ReplacementCertificates",
                children=(Element("SupplierOrNetworkOperatorCertificates", children=tuple(given)),),
            ),
            Element("CertificationPathCertificates", children=(path,)),
            Element("ApplyTimeBasedCPVChecks", "false"),
        ),
    )
    request = Request(
        request_id=RequestId(message.originator, message.recipient, message.counter),
        command_variant=CommandVariant.PREPARE, reference="6.15", variant="6.15.1", body=body,
    )  # fmt: skip
    known = Situation(device=DeviceKind.SAPC, broker=bytes(8), party=RemoteParty.LOAD_CONTROLLER)
    assert refusal(request, octets, known) == ""
    assert "cannot be checked" in refusal(request, octets, replace(known, party=RemoteParty.NETWORK_OPERATOR))
