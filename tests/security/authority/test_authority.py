"""Who may do what: the table equals the one written by hand, and privileged acts want their proof."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.security.authority.verdict import DANGEROUS, PRIVILEGED, VERDICTS

from meterworks.catalogue import Role, reach_of
from meterworks.catalogue import permission as catalogue
from meterworks.market import Acts, NotPermitted, Principal, SecondFactorNeeded, StepUpNeeded
from meterworks.market.authoriser import Authoriser
from meterworks.market.errors import OrganisationSuspended
from meterworks.trust.audit import MemoryAuditSink

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def principal(user_id: int = 1, **changes: object) -> Principal:
    """An operator who has proven everything just now, but for what is changed."""
    facts: dict[str, object] = {
        "user_id": user_id,
        "name": {1: "ann", 2: "bob"}.get(user_id, "eve"),
        "role": Role.OPERATOR,
        "organisation_id": None,
        "consumer_id": None,
        "token_hash": f"{user_id:064}",
        "expires_at": START + timedelta(hours=1),
        "factors": frozenset({"password", "totp"}),
        "stepped_up_until": START + timedelta(minutes=5),
    }
    return Principal(**(facts | changes))  # type: ignore[arg-type]  # facts by name


class Admitted:
    """Admissions that know one organisation."""

    async def require(self, organisation_id: int) -> None:
        if organisation_id != 1:
            raise OrganisationSuspended("not admitted")


class NoGlass:
    """Approvals without an open emergency access."""

    async def elevated(self, user_id: int) -> frozenset[str]:
        return frozenset()


def authoriser() -> Authoriser:
    fakes: Any = (Acts(MemoryAuditSink()), Admitted(), NoGlass())
    return Authoriser(*fakes, now=lambda: START)


@pytest.mark.requirement("SEC-064")
def test_every_verdict_equals_the_table_written_by_hand():
    assert set(VERDICTS) == set(Role)
    found = {
        role: {action: reach.value for action in catalogue.PERMISSIONS if (reach := catalogue.reach_of(role, action))}
        for role in Role
    }
    for role, actions in found.items():
        assert actions == VERDICTS[role], role


@pytest.mark.requirement("SEC-064")
async def test_what_no_row_grants_is_refused():
    for role in Role:
        for action in ("", "device", "device.destroy", "DEVICE.READ"):
            assert reach_of(role, action) is None
            with pytest.raises(NotPermitted):
                await authoriser().admit(principal(role=role), action)


@pytest.mark.requirement("SEC-064")
async def test_an_organisation_that_is_not_admitted_may_do_nothing():
    member = principal(role=Role.SUPPLIER, organisation_id=1)
    assert await authoriser().admit(member, "reading.read") == member
    with pytest.raises(OrganisationSuspended):
        await authoriser().admit(principal(role=Role.SUPPLIER, organisation_id=2), "reading.read")


@pytest.mark.requirement("SEC-028")
async def test_a_password_alone_administers_and_commands_nothing():
    for action in ("device.add", "meter.read-now", "consumer.manage"):
        with pytest.raises(SecondFactorNeeded):
            await authoriser().admit(principal(factors=frozenset({"password"})), action)
        await authoriser().admit(principal(), action)


@pytest.mark.requirement("SEC-028")
def test_the_list_of_privileged_actions_is_whole():
    assert {action for action, row in catalogue.PERMISSIONS.items() if row.second_factor} >= PRIVILEGED


@pytest.mark.requirement("SEC-029")
async def test_a_stolen_session_does_nothing_dangerous():
    for stolen in (principal(stepped_up_until=START), principal(stepped_up_until=None)):
        with pytest.raises(StepUpNeeded):
            await authoriser().admit(stolen, "device.import")
        await authoriser().admit(stolen, "device.add")


@pytest.mark.requirement("SEC-029")
def test_the_register_of_dangerous_actions_is_whole():
    assert {action for action, row in catalogue.PERMISSIONS.items() if row.step_up} >= DANGEROUS


@pytest.mark.requirement("SEC-079")
async def test_a_token_does_what_it_was_made_for_only():
    token = principal(scopes=frozenset({"device.read"}))
    await authoriser().admit(token, "device.read")
    with pytest.raises(NotPermitted):
        await authoriser().admit(token, "reading.read")
