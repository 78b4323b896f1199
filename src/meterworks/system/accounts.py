"""Accounts as the administrator of this machine keeps them, whether the system runs or not.

Whoever holds the data folder could write into its database as well: this is the way that checks, and that tells the
audit trail. It makes the second of the two people whom role grants, organisations and emergency access wait for. Times
of accounts are the machine's; the trail has both clocks.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from meterworks.catalogue import Role
from meterworks.market import AccountExists, Accounts, Credential, NewUser, NotFound, User
from meterworks.system.configuration import Layout
from meterworks.system.trail import started_database, tell
from meterworks.trust import KeyStore, new_password
from meterworks.trust.audit import Fact

__all__ = ["AccountDesk", "AccountView", "open_accounts"]

PAGE_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account and what kinds of second factor it has (totp, passkey, recovery); never a secret."""

    name: str
    role: Role
    active: bool
    factors: tuple[str, ...]
    organisation_id: int | None
    consumer_id: int | None
    created_at: datetime


class AccountDesk:
    """What the administrator does to accounts. Each change is recorded before it is done."""

    def __init__(self, layout: Layout, accounts: Accounts) -> None:
        self._layout = layout
        self._accounts = accounts

    async def listed(self, role: Role | None = None) -> list[AccountView]:
        """All accounts by name, or those of a role."""
        found: list[User] = []
        page = await self._accounts.users(limit=PAGE_ROWS)
        while page:
            found += [user for user in page if role is None or user.role is role]
            page = await self._accounts.users(after=page[-1].name, limit=PAGE_ROWS)
        return [await self._view(user) for user in found]

    async def _view(self, user: User) -> AccountView:
        return AccountView(
            name=user.name,
            role=user.role,
            active=user.active,
            factors=tuple(sorted(await self._accounts.factors.kinds(user.id))),
            organisation_id=user.organisation_id,
            consumer_id=user.consumer_id,
            created_at=user.created_at,
        )

    async def add(self, name: str, role: Role) -> Credential:
        """Make an account of the carrier's own with a new password, which is known to nobody else and kept nowhere.

        Raises RequestMalformed for a name that does not fit and for a role other than operator or auditor,
        AccountExists.
        """
        new = NewUser(name=name, password=new_password(), role=role)
        with contextlib.suppress(NotFound):
            await self._accounts.user_named(name)
            raise AccountExists(f"a user named {name!r} exists already; choose another name", name=name)
        await self._tell("account.created", name, role=role.value)
        await self._accounts.add_user(new)
        return Credential(name=name, password=new.password, role=role)

    async def close(self, name: str) -> None:
        """Close an account: its sessions and tokens end, at a running system within seconds. Raises NotFound."""
        await self._accounts.user_named(name)
        await self._tell("account.changed", name, active=False)
        await self._accounts.set_active(name, active=False)

    async def reset_factors(self, name: str) -> None:
        """Take all second factors from an account that lost them; its sessions and tokens end. Raises NotFound.

        Its owner logs in by password alone then, and enrols anew.
        """
        user = await self._accounts.user_named(name)
        await self._tell("factor.removed", name, all=True)
        await self._accounts.factors.remove_all(user.id)
        await self._accounts.tokens.revoke_all(user.id)

    async def _tell(self, act: str, name: str, **facts: Fact) -> None:
        await tell(self._layout, act, facts=facts, about=f"account:{name}")


@contextlib.asynccontextmanager
async def open_accounts(layout: Layout) -> AsyncIterator[AccountDesk]:
    """Open the accounts of a system. Raises ConfigurationError where none was started on the data folder yet."""
    database = started_database(layout)
    keystore = KeyStore(secrets.token_bytes(32))  # opens no factor's secret: they are counted and taken away, no more
    try:
        yield AccountDesk(layout, Accounts(database, keystore=keystore))
    finally:
        await database.close()
