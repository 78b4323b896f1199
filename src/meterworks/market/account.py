"""Users and tokens: passwords are verified slowly and seldom, tokens quickly and often.

Token times are real time, not system time: a login belongs to a person, and must not end within a minute because an
emulated system runs a day in one.
"""

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import insert, select, update

from meterworks.catalogue import ORGANISATION_ROLES, Role
from meterworks.market.errors import (
    AccountExists,
    BadCredentials,
    NotAuthenticated,
    NotFound,
    RequestMalformed,
    TooManyAttempts,
)
from meterworks.market.limiter import AttemptLimiter
from meterworks.market.model import TokenRow, UserRow
from meterworks.market.principal import Principal
from meterworks.runtime import Database
from meterworks.trust import (
    PASSWORD_LENGTH_MAX,
    PASSWORD_LENGTH_MIN,
    hash_password,
    hash_token,
    new_token,
    password_matches,
)

__all__ = ["Accounts", "IssuedToken", "NewUser", "TokenKind", "User"]

TokenKind = Literal["bearer", "session"]

CACHE_TTL_S = 5.0  # a token revoked by another process is honoured no longer than this
CACHE_COUNT_MAX = 10_000
NAME_LENGTH_MAX = 128
TOKEN_LENGTH_MAX = 128
PASSWORD_CHECKS_AT_ONCE = 2  # argon2id takes 64 MiB each


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """An account to be made. A market party's user needs an organisation, a consumer a consumer number."""

    name: str
    password: str
    role: Role
    organisation_id: int | None = None
    consumer_id: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= NAME_LENGTH_MAX or not self.name.isprintable():
            raise RequestMalformed(f"a user name has 1 to {NAME_LENGTH_MAX} printable characters", parameter="name")
        if not PASSWORD_LENGTH_MIN <= len(self.password) <= PASSWORD_LENGTH_MAX:
            raise RequestMalformed(
                f"a password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters", parameter="password"
            )
        needs_organisation = self.role in ORGANISATION_ROLES
        if needs_organisation != (self.organisation_id is not None):
            raise RequestMalformed(
                "organisation_id belongs to users of market parties, and to nobody else",
                parameter="organisation_id",
            )
        if (self.role is Role.CONSUMER) != (self.consumer_id is not None):
            raise RequestMalformed("consumer_id belongs to consumers, and to nobody else", parameter="consumer_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account, without its secrets."""

    id: int
    name: str
    role: Role
    organisation_id: int | None
    consumer_id: int | None
    active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token, shown this once."""

    token: str
    expires_at: datetime
    user: User


_USER_COLUMNS = (
    UserRow.id,
    UserRow.name,
    UserRow.role,
    UserRow.organisation_id,
    UserRow.consumer_id,
    UserRow.active,
    UserRow.created_at,
)


def _user(row: Sequence[Any]) -> User:
    number, name, role, organisation_id, consumer_id, active, created_at, *_ = row
    return User(
        id=number,
        name=name,
        role=Role(role),
        organisation_id=organisation_id,
        consumer_id=consumer_id,
        active=active,
        created_at=created_at,
    )


def _origin(address: str) -> str:
    """Addresses that one guesser has many of count as one: this machine's own, and a network of IPv6."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        known = known.ipv4_mapped or known
    if known.is_loopback:
        return "loopback"
    if isinstance(known, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known)


class Accounts:
    """Users and tokens in the database of record."""

    def __init__(
        self,
        database: Database,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._cache: OrderedDict[str, tuple[Principal, float]] = OrderedDict()
        self._password_slots = asyncio.Semaphore(PASSWORD_CHECKS_AT_ONCE)
        self._by_account = AttemptLimiter(burst=5, regain_s=20.0, monotonic=monotonic)
        self._by_address = AttemptLimiter(burst=30, regain_s=2.0, monotonic=monotonic)

    # --- users ----------------------------------------------------------------------------------------------------

    async def add_user(self, new: NewUser) -> User:
        """Make an account. Raises AccountExists."""
        password_hash = await self._hash(new.password)
        async with self._database.transaction() as connection:
            taken = await connection.execute(select(UserRow.id).where(UserRow.name == new.name))
            if taken.first() is not None:
                raise AccountExists(f"a user named {new.name!r} exists already; choose another name", name=new.name)
            await connection.execute(
                insert(UserRow).values(
                    name=new.name,
                    password_hash=password_hash,
                    role=new.role.value,
                    organisation_id=new.organisation_id,
                    consumer_id=new.consumer_id,
                    active=True,
                    created_at=self._now(),
                )
            )
            row = (await connection.execute(select(*_USER_COLUMNS).where(UserRow.name == new.name))).one()
        return _user(tuple(row))

    async def users(self, *, after: str = "", limit: int = 100) -> list[User]:
        """Accounts by name, beginning after a name."""
        statement = select(*_USER_COLUMNS).where(UserRow.name > after).order_by(UserRow.name).limit(limit)
        async with self._database.read() as connection:
            return [_user(tuple(row)) for row in await connection.execute(statement)]

    async def has_user(self, *, role: Role) -> bool:
        """Is there any account of that role?"""
        async with self._database.read() as connection:
            found = await connection.execute(select(UserRow.id).where(UserRow.role == role.value).limit(1))
            return found.first() is not None

    async def set_active(self, name: str, *, active: bool) -> None:
        """Open or close an account; closing ends all its tokens. Raises NotFound."""
        async with self._database.transaction() as connection:
            result = await connection.execute(update(UserRow).where(UserRow.name == name).values(active=active))
            if result.rowcount == 0:
                raise NotFound(f"there is no user named {name!r}", name=name)
            if not active:
                owned = select(UserRow.id).where(UserRow.name == name).scalar_subquery()
                await connection.execute(
                    update(TokenRow)
                    .where(TokenRow.user_id == owned, TokenRow.revoked_at.is_(None))
                    .values(revoked_at=self._now())
                )
        self._cache.clear()

    # --- passwords ------------------------------------------------------------------------------------------------

    async def _hash(self, password: str) -> str:
        async with self._password_slots:
            return await asyncio.to_thread(hash_password, password)

    async def verify(self, name: str, password: str, *, address: str) -> User:
        """The user of that name and password.

        Raises BadCredentials, or TooManyAttempts after a few wrong ones by account and address, or many by address.
        """
        origin = _origin(address)
        keys = ((self._by_account, f"{origin} {name[:NAME_LENGTH_MAX]}"), (self._by_address, origin))
        for limiter, key in keys:
            if wait_s := limiter.take(key):
                raise TooManyAttempts(
                    f"too many attempts to log in; try again in {wait_s:.0f} s", retry_after_s=int(wait_s) + 1
                )
        user = await self._verify(name, password)
        for limiter, key in keys:
            limiter.give_back(key)
        return user

    async def _verify(self, name: str, password: str) -> User:
        statement = select(*_USER_COLUMNS, UserRow.password_hash).where(UserRow.name == name[: NAME_LENGTH_MAX + 1])
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).first()
        async with self._password_slots:  # takes as long for a name that does not exist
            right = await asyncio.to_thread(password_matches, None if row is None else row[7], password)
        if row is None or not right or not row[5]:
            raise BadCredentials("user name or password is wrong")
        return _user(tuple(row))

    # --- tokens ---------------------------------------------------------------------------------------------------

    async def issue(self, user: User, *, kind: TokenKind, lifetime_s: int) -> IssuedToken:
        """A new token of a user; the database keeps only its hash."""
        token = new_token()
        now = self._now()
        expires_at = (now + timedelta(seconds=lifetime_s)).replace(microsecond=0)
        async with self._database.transaction() as connection:
            await connection.execute(
                insert(TokenRow).values(
                    user_id=user.id, token_hash=hash_token(token), kind=kind, created_at=now, expires_at=expires_at
                )
            )
        return IssuedToken(token=token, expires_at=expires_at, user=user)

    async def resolve(self, token: str, *, kind: TokenKind | None = None) -> Principal:
        """Who holds this token. Raises NotAuthenticated. Costs a dictionary look-up most of the time."""
        if not 1 <= len(token) <= TOKEN_LENGTH_MAX:
            raise NotAuthenticated("the token is not valid")
        token_hash = hash_token(token)
        key = f"{kind or ''} {token_hash}"
        cached = self._cache.get(key)
        if cached is not None and cached[1] > self._monotonic():
            principal = cached[0]
        else:
            principal = await self._load(token_hash, kind)
            self._cache[key] = (principal, self._monotonic() + CACHE_TTL_S)
            self._cache.move_to_end(key)
            while len(self._cache) > CACHE_COUNT_MAX:
                self._cache.popitem(last=False)
        if principal.expires_at <= self._now():
            raise NotAuthenticated("the token has expired; log in again")
        return principal

    async def _load(self, token_hash: str, kind: TokenKind | None) -> Principal:
        statement = (
            select(
                UserRow.id,
                UserRow.name,
                UserRow.role,
                UserRow.organisation_id,
                UserRow.consumer_id,
                TokenRow.expires_at,
                TokenRow.kind,
            )
            .join(UserRow, UserRow.id == TokenRow.user_id)
            .where(TokenRow.token_hash == token_hash, TokenRow.revoked_at.is_(None), UserRow.active)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).first()
        if row is None or (kind is not None and row[6] != kind):
            raise NotAuthenticated("the token is not valid")
        return Principal(
            user_id=row[0],
            name=row[1],
            role=Role(row[2]),
            organisation_id=row[3],
            consumer_id=row[4],
            token_hash=token_hash,
            expires_at=row[5],
        )

    async def revoke(self, token_hash: str) -> None:
        """End a token; ending it twice changes nothing."""
        async with self._database.transaction() as connection:
            await connection.execute(
                update(TokenRow)
                .where(TokenRow.token_hash == token_hash, TokenRow.revoked_at.is_(None))
                .values(revoked_at=self._now())
            )
        for kind in ("", "bearer", "session"):
            self._cache.pop(f"{kind} {token_hash}", None)
