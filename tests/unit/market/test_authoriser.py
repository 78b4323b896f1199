"""The one place that says yes: bindings, emergencies, and what the trail hears of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meterworks.catalogue import Role
from meterworks.market import Acts, NotAuthenticated, NotPermitted, Principal, SecondFactorNeeded, StepUpNeeded
from meterworks.market.authoriser import Authoriser
from meterworks.trust.audit import MemoryAuditSink

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Admitted:
    async def require(self, organisation_id: int) -> None:
        """Everybody is admitted."""


class Glass:
    """An open emergency access of user 3."""

    async def elevated(self, user_id: int) -> frozenset[str]:
        return frozenset({"meter.release"}) if user_id == 3 else frozenset()


@pytest.fixture
def audit():
    return MemoryAuditSink()


@pytest.fixture
def authoriser(audit):
    fakes: Any = (Acts(audit), Admitted(), Glass())
    return Authoriser(*fakes, now=lambda: NOW)


def holder(**changes: Any) -> Principal:
    facts: dict[str, Any] = {
        "user_id": 3,
        "name": "cid",
        "role": Role.AUDITOR,
        "organisation_id": None,
        "consumer_id": None,
        "token_hash": "0" * 64,
        "expires_at": NOW + timedelta(hours=1),
        "factors": frozenset({"passkey"}),
        "stepped_up_until": NOW + timedelta(seconds=1),
    }
    return Principal(**(facts | changes))


async def test_an_emergency_access_adds_the_named_action_and_no_other(authoriser, audit):
    admitted = await authoriser.admit(holder(), "meter.release")
    assert admitted.elevated == {"meter.release"}
    assert audit.acts() == ["access.elevated"]
    with pytest.raises(NotPermitted):
        await authoriser.admit(holder(), "meter.set-clock")
    with pytest.raises(NotPermitted):
        await authoriser.admit(holder(user_id=4), "meter.release")


async def test_an_emergency_is_no_reason_to_go_without_a_second_factor(authoriser):
    with pytest.raises(SecondFactorNeeded):
        await authoriser.admit(holder(factors=frozenset({"password"})), "meter.release")


async def test_a_bound_token_wants_its_certificate(authoriser):
    bound = holder(thumbprint="abc")
    assert await authoriser.admit(bound, "user.read", thumbprint="abc") == bound
    for other in (None, "", "abcd"):
        with pytest.raises(NotAuthenticated):
            await authoriser.admit(bound, "user.read", thumbprint=other)


async def test_a_proof_is_fresh_until_its_end_and_not_at_it(authoriser):
    await authoriser.admit(holder(), "factor.change")
    with pytest.raises(StepUpNeeded):
        await authoriser.admit(holder(stepped_up_until=NOW), "factor.change")


async def test_somebody_without_a_factor_may_enrol_one(authoriser):
    newcomer = holder(factors=frozenset({"password"}))
    assert await authoriser.admit(newcomer, "factor.change") == newcomer


async def test_each_refusal_is_told_with_its_cause(authoriser, audit):
    with pytest.raises(NotPermitted):
        await authoriser.admit(holder(), "device.add")
    (event,) = audit.events
    assert (event.act, event.actor, event.object, event.cause) == (
        "access.refused",
        "account:cid",
        "action:device.add",
        "not-permitted",
    )
