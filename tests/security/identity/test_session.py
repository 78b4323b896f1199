"""Sessions and tokens end: by age, idleness, logout, role change, closing; and nobody touches another's."""

import pytest
from tests.security.identity.conftest import Arena

from meterworks.catalogue import Role
from meterworks.market import NotAuthenticated, NotFound
from meterworks.market.token import Grant

IDLE_S = 600
LIFE_S = 3600


async def session(arena: Arena, user_id: int = 1, *, idle_s: int | None = IDLE_S) -> str:
    token, _ = await arena.accounts.tokens.issue(user_id, Grant(kind="session", lifetime_s=LIFE_S, idle_s=idle_s))
    return token


async def lives(arena: Arena, token: str, *, touch: bool = True) -> bool:
    try:
        await arena.accounts.resolve(token, kind="session", touch=touch)
    except NotAuthenticated:
        return False
    return True


@pytest.mark.requirement("SEC-030")
async def test_an_idle_session_ends_though_its_page_renews_itself(arena: Arena):
    token = await session(arena)
    arena.seconds = IDLE_S - 1
    assert await lives(arena, token), "somebody did something"
    for _ in range(12):
        arena.seconds += IDLE_S / 10
        alive = await lives(arena, token, touch=False)
    assert not alive


@pytest.mark.requirement("SEC-030")
async def test_a_session_in_use_ends_with_its_life(arena: Arena):
    token = await session(arena, idle_s=None)
    for arena.seconds in range(0, LIFE_S, 600):
        assert await lives(arena, token)
    arena.seconds = LIFE_S
    assert not await lives(arena, token)


@pytest.mark.requirement("SEC-030")
@pytest.mark.parametrize("end", ["role", "closing"])
async def test_a_change_of_the_account_ends_its_sessions(arena: Arena, end: str):
    token = await session(arena)
    assert await lives(arena, token)
    if end == "role":
        await arena.accounts.set_role("ann", Role.AUDITOR)
    else:
        await arena.accounts.set_active("ann", active=False)
        await arena.accounts.set_active("ann", active=True)
    assert not await lives(arena, token)


@pytest.mark.requirement("SEC-030")
async def test_logging_out_ends_the_session_for_good(arena: Arena):
    token = await session(arena)
    principal = await arena.accounts.resolve(token, kind="session")
    await arena.accounts.revoke(principal.token_hash)
    assert not await lives(arena, token)


@pytest.mark.requirement("SEC-079")
async def test_nobody_ends_anothers_token(arena: Arena):
    token = await session(arena, user_id=1)
    (facts,) = await arena.accounts.tokens.of_user(1)
    with pytest.raises(NotFound):
        await arena.accounts.tokens.revoke_one(2, facts.id)
    assert await lives(arena, token)
