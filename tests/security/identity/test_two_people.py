"""Two people are two: nobody approves what they asked for, and an emergency access ends."""

import pytest
from tests.security.identity.conftest import Arena, principal

from meterworks.catalogue import Role
from meterworks.market.errors import SamePerson


@pytest.mark.requirement("SEC-069")
async def test_nobody_approves_what_they_asked_for(arena: Arena):
    done = []

    async def effect(content: object, approval: object) -> None:
        done.append(content)

    arena.approvals.on("test", effect)
    asked = await arena.approvals.ask(principal(1), "test", {}, reason="because it is needed")
    for session in (principal(1), principal(1, token_hash="another session"), principal(1, name="bob")):
        with pytest.raises(SamePerson):
            await arena.approvals.approve(session, asked.id)
    assert done == []
    decided = await arena.approvals.approve(principal(2), asked.id)
    assert (decided.asked_by, decided.decided_by, done) == (1, 2, [{}])


@pytest.mark.requirement("SEC-069")
async def test_an_emergency_access_takes_two_is_told_of_and_ends(arena: Arena):
    auditor = principal(3, role=Role.AUDITOR)
    asked = await arena.approvals.ask(
        auditor, "break-glass", {"actions": ["meter.release"]}, reason="nobody else is here"
    )
    assert await arena.approvals.elevated(3) == frozenset()
    await arena.approvals.approve(principal(2), asked.id)
    assert await arena.approvals.elevated(3) == {"meter.release"}
    assert "breakglass.opened" in arena.audit.acts()
    arena.seconds = 601
    assert await arena.approvals.elevated(3) == frozenset()
