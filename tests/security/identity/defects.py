"""Seeded defects of accounts, logins and sessions."""

from dataclasses import replace
from typing import Any

import pytest
from tests.security.seeded import Defect, replaced, wrapped

from meterworks.market import account, attempt, factor
from meterworks.market.account import Accounts
from meterworks.market.approval import Approvals
from meterworks.market.attempt import Attempts
from meterworks.market.errors import BadCredentials
from meterworks.market.token import Tokens
from meterworks.trust import KeyStore
from meterworks.trust.factor import matching_step

__all__ = ["DEFECTS"]


def _without_device(sound: Any, self: Any, name: str, *, address: str, device: str | None = None) -> Any:
    return sound(self, name, address=address)


def _never_first(sound: Any, self: Any, key: str) -> None:
    """Forgets that somebody waits already."""


async def _explaining(sound: Any, self: Any, user_id: int, code: str) -> Any:
    proven = await sound(self, user_id, code)
    if proven is None:
        raise BadCredentials("the code is wrong")
    return proven


async def _optional(sound: Any, self: Any, user_id: int, code: str) -> Any:
    return frozenset() if user_id and not code else await sound(self, user_id, code)


def _any_step(secret: bytes, code: str, *, epoch_s: float, after: int) -> int | None:
    step = _matching(secret, code, epoch_s=epoch_s, after=-1)
    return None if step is None else max(step, after + 1)


_matching = matching_step


async def _to_whoever(sound: Any, self: Tokens, user_id: int, token_id: int) -> None:
    await sound(self, 1, token_id)


def _touching(sound: Any, self: Tokens, token: str, kinds: Any = (), *, touch: bool = True) -> Any:
    return sound(self, token, kinds, touch=True)


async def _long(sound: Any, self: Tokens, user_id: int, grant: Any) -> Any:
    return await sound(self, user_id, replace(grant, lifetime_s=grant.lifetime_s * 1000))


async def _none_ended(sound: Any, self: Tokens, user_id: int, **named: Any) -> int:
    return 0


async def _kept(sound: Any, self: Tokens, token_hash: str) -> None:
    """Leaves the token as it is."""


def _no_refusal(sound: Any, self: Approvals, who: Any, approval: Any) -> None:
    """Lets the asker approve."""


async def _for_ever(sound: Any, self: Approvals) -> Any:
    return [each for each in await self.listed(state="approved") if each.kind == "break-glass"]


def _unwrapped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KeyStore, "wrap", lambda self, key: key)
    patch.setattr(KeyStore, "unwrap", lambda self, key: key)


DEFECTS: tuple[Defect, ...] = (
    Defect(
        "an account has a hundred guesses",
        "test_guesses_at_an_account_are_slowed_down",
        replaced(attempt, "ACCOUNT_BURST", 100),
    ),
    Defect(
        "device cookies are not looked at",
        "test_the_owner_gets_in_while_a_guesser_behind_the_same_address_hammers",
        wrapped(Attempts, "take", _without_device),
    ),
    Defect(
        "each refusal is the first",
        "test_the_first_lock_is_told_at_once",
        wrapped(Attempts, "_remember", _never_first),
    ),
    Defect(
        "a wrong code is told apart",
        "test_every_failure_reads_and_costs_the_same",
        wrapped(Accounts, "_second_factor", _explaining),
    ),
    Defect(
        "a second factor may be left out",
        "test_an_enrolled_account_is_not_opened_by_its_password_alone",
        wrapped(Accounts, "_second_factor", _optional),
    ),
    Defect("a code is taken again", "test_a_code_is_taken_once", replaced(factor, "matching_step", _any_step)),
    Defect(
        "secrets are not wrapped",
        "test_no_secret_of_a_person_is_stored_plain",
        _unwrapped,
    ),
    Defect(
        "any password will do",
        "test_a_password_that_is_guessed_early_cannot_be_set",
        replaced(account, "is_common_password", lambda password, about=(): False),
    ),
    Defect(
        "a page that renews itself is a use",
        "test_an_idle_session_ends_though_its_page_renews_itself",
        wrapped(Tokens, "resolve", _touching),
    ),
    Defect("sessions live for weeks", "test_a_session_in_use_ends_with_its_life", wrapped(Tokens, "issue", _long)),
    Defect(
        "a change of the account leaves its sessions",
        "test_a_change_of_the_account_ends_its_sessions",
        wrapped(Tokens, "revoke_all", _none_ended),
    ),
    Defect(
        "logging out forgets the cookie only",
        "test_logging_out_ends_the_session_for_good",
        wrapped(Tokens, "revoke", _kept),
    ),
    Defect("tokens are ended by number", "test_nobody_ends_anothers_token", wrapped(Tokens, "revoke_one", _to_whoever)),
    Defect(
        "one person is enough",
        "test_nobody_approves_what_they_asked_for",
        wrapped(Approvals, "_refuse_same", _no_refusal),
    ),
    Defect(
        "an emergency never ends",
        "test_an_emergency_access_takes_two_is_told_of_and_ends",
        wrapped(Approvals, "open_glasses", _for_ever),
    ),
)
