"""The independent check agrees with the transform on random lawful bodies, and tells a message of another body.

The two share no code and no table; where the check has no row, it refuses, and says so.
"""

from dataclasses import replace
from random import Random

import pytest
from tests.property.companions.random_body import RandomBody
from tests.property.companions.test_gas_command import (
    CERTIFICATES,
    CHOICES,
    RULES,
    WITHOUT,
    name_of,
    requests,
    situation,
)

from meterworks.catalogue.gb import Sender, UseCaseChoice, load_service_requests
from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb import CommandVariant, Element, Request, Situation
from meterworks.companions.gb.correlate import correlate
from meterworks.companions.gb.transform import transform

LEAVES_EACH = 12
# Why the check refuses what it has no row for: a device kind, a sender, another's credentials without their floor.
NOT_CHECKED = ("cannot be checked", "originator", "other_changes")
# What the message does not carry, so that no check of it can tell.
UNTOLD = {"ImportMPxN", "OldGPFID", "ExecutionDateTime", "ReadLogPeriod/StartDateTime", "ReadLogPeriod/EndDateTime",
          "PriceElements/GasPriceElements/BlockTariff/NumberOfThresholds"}  # fmt: skip
WITHDRAWN_UNTOLD = {"SupplierFloorSeqNumber", "SupplierPrepaymentTopUpFloorSeqNumber"}  # of a withdrawn change


def asked(choice: UseCaseChoice) -> list[tuple[Request, Situation]]:
    """Random requests of a use case as their users send them."""
    critical = load_service_requests()[choice.variant].critical
    speaks_itself = choice.sender is Sender.USER
    found = []
    for request in requests(choice):
        body = (
            replace(request.body, children=tuple(filter(is_own, request.body.children)))
            if speaks_itself
            else request.body
        )
        variant = CommandVariant.PREPARE if critical else CommandVariant.SEND
        reference = ".".join(choice.variant.split(".")[:2])
        other = replace(request, body=body, command_variant=variant, reference=reference)
        found.append((other, replace(situation(choice, other), knows_originator=speaks_itself)))
    return found


def is_own(leaf: Element) -> bool:
    """Whether a leaf may stand in the request of a user whom the device knows; ReadSecurityDetails is for hubs."""
    return leaf.name not in ("KAPublicSecurityCredentials", "ReadSecurityDetails")


@pytest.mark.parametrize("choice", CHOICES, ids=name_of)
def test_the_check_takes_a_command_for_its_own_request_only(choice):
    maker = RandomBody(Random(choice.code), without=WITHOUT, certificates=CERTIFICATES)
    for request, known in asked(choice)[:2]:
        octets = transform(request, known, rulebook=RULES).to_bytes()
        try:
            correlate(request, octets, known)
        except RequestMismatchError as refused:
            assert any(reason in str(refused) for reason in NOT_CHECKED), refused
            continue
        for path, body in maker.changed(request.body)[:LEAVES_EACH]:
            if path not in UNTOLD | WITHDRAWN_UNTOLD:
                with pytest.raises(RequestMismatchError):
                    correlate(replace(request, body=body), octets, known)


def test_the_check_has_a_row_for_most_use_cases():
    refused = [name_of(choice) for choice in CHOICES if not is_taken(*asked(choice)[0])]
    assert len(refused) < 0.2 * len(CHOICES), refused


def is_taken(request: Request, known: Situation) -> bool:
    """Whether the check takes a request's own command."""
    try:
        correlate(request, transform(request, known, rulebook=RULES).to_bytes(), known)
    except RequestMismatchError:
        return False
    return True
