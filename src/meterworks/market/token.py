"""Tokens: what a login leaves behind, and what a program is given. Verified quickly and often.

Token times are real time, not system time: a login belongs to a person, and must not end within a minute because an
emulated system runs a day in one. A token ends by its age, by lying idle where it has an idle limit, by logging out,
when its owner's role changes or the account is closed. Another process notices within CACHE_TTL_S.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import insert, select, update

from meterworks.catalogue import Role
from meterworks.market.errors import NotAuthenticated, NotFound
from meterworks.market.model import TokenRow, UserRow
from meterworks.market.principal import Principal
from meterworks.runtime import Database
from meterworks.trust import hash_token, new_token

__all__ = ["CACHE_TTL_S", "Grant", "TokenFacts", "TokenKind", "Tokens"]

TokenKind = Literal["bearer", "session", "api"]
KINDS: tuple[TokenKind, ...] = ("bearer", "session", "api")

CACHE_TTL_S = 5.0  # a token revoked by another process is honoured no longer than this
CACHE_COUNT_MAX = 10_000
TOKEN_LENGTH_MAX = 128
USE_NOTED_S = 60.0  # the last use is noted to the minute, so that it costs a write a minute at most
LISTED_COUNT_MAX = 1_000
_NOT_VALID = "the token is not valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token is given out with. lifetime_s: its absolute life; idle_s: its life without use."""

    kind: TokenKind
    lifetime_s: int
    factors: frozenset[str] = frozenset({"password"})
    proven_at: datetime | None = None
    idle_s: int | None = None
    name: str = ""
    scopes: frozenset[str] | None = None
    thumbprint: str | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """A living token as its owner may see it: never the token itself."""

    id: int
    kind: TokenKind
    name: str
    scopes: frozenset[str] | None
    factors: frozenset[str]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    origin: str
    bound: bool
    token_hash: str


@dataclass(slots=True)
class _Held:
    """A token in the cache."""

    principal: Principal
    kind: str
    reload_at: float
    idle_s: int | None
    used_at: datetime


def _text(names: frozenset[str]) -> str:
    return " ".join(sorted(names))


def _names(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(text.split())


class Tokens:
    """Tokens in the database of record, which keeps their hashes only."""

    def __init__(
        self,
        database: Database,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        step_up_s: int = 300,
    ) -> None:
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._step_up = timedelta(seconds=step_up_s)
        self._cache: OrderedDict[str, _Held] = OrderedDict()

    async def issue(self, user_id: int, grant: Grant) -> tuple[str, datetime]:
        """Make a token; gives it, this once, and when it ends."""
        token, now = new_token(), self._now()
        expires_at = (now + timedelta(seconds=grant.lifetime_s)).replace(microsecond=0)
        async with self._database.transaction() as connection:
            await connection.execute(
                insert(TokenRow).values(
                    user_id=user_id,
                    token_hash=hash_token(token),
                    kind=grant.kind,
                    created_at=now,
                    expires_at=expires_at,
                    name=grant.name,
                    scopes=None if grant.scopes is None else _text(grant.scopes),
                    factors=_text(grant.factors),
                    proven_at=grant.proven_at,
                    idle_s=grant.idle_s,
                    thumbprint=grant.thumbprint,
                    origin=grant.origin[:64],
                )
            )
        return token, expires_at

    async def resolve(self, token: str, kinds: Sequence[str] = KINDS, *, touch: bool = True) -> Principal:
        """Who holds this token. Raises NotAuthenticated. Costs a dictionary look-up most of the time.

        touch: whether somebody uses it, which keeps a session from lying idle; a page that renews itself is nobody.
        """
        if not 1 <= len(token) <= TOKEN_LENGTH_MAX:
            raise NotAuthenticated(_NOT_VALID)
        token_hash = hash_token(token)
        held = self._cache.get(token_hash)
        if held is None or held.reload_at <= self._monotonic():
            held = await self._load(token_hash)
            self._cache[token_hash] = held
            self._cache.move_to_end(token_hash)
            while len(self._cache) > CACHE_COUNT_MAX:
                self._cache.popitem(last=False)
        if held.kind not in kinds:
            raise NotAuthenticated(_NOT_VALID)
        now = self._now()
        if held.principal.expires_at <= now:
            raise NotAuthenticated("the token has expired; log in again")
        if held.idle_s is not None and now - held.used_at >= timedelta(seconds=held.idle_s):
            raise NotAuthenticated("the session lay idle for too long; log in again")
        if touch and (now - held.used_at).total_seconds() >= USE_NOTED_S:
            held.used_at = now
            await self._set(token_hash, used_at=now)
        return held.principal

    async def _load(self, token_hash: str) -> _Held:
        statement = (
            select(*_COLUMNS)
            .join(UserRow, UserRow.id == TokenRow.user_id)
            .where(TokenRow.token_hash == token_hash, TokenRow.revoked_at.is_(None), UserRow.active)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).first()
        if row is None:
            raise NotAuthenticated(_NOT_VALID)
        return self._held(token_hash, row)

    def _held(self, token_hash: str, row: Any) -> _Held:
        proven_at = row.proven_at
        principal = Principal(
            user_id=row.user_id,
            name=row.user_name,
            role=Role(row.role),
            organisation_id=row.organisation_id,
            consumer_id=row.consumer_id,
            token_hash=token_hash,
            expires_at=row.expires_at,
            scopes=_names(row.scopes),
            factors=_names(row.factors) or frozenset(),
            stepped_up_until=None if proven_at is None else proven_at + self._step_up,
            thumbprint=row.thumbprint,
        )
        return _Held(
            principal=principal,
            kind=row.kind,
            reload_at=self._monotonic() + CACHE_TTL_S,
            idle_s=row.idle_s,
            used_at=row.used_at or row.created_at,
        )

    async def prove(self, token_hash: str, factors: frozenset[str]) -> None:
        """Note that the person has proven these factors now, besides those of before."""
        async with self._database.read() as connection:
            known = await connection.scalar(select(TokenRow.factors).where(TokenRow.token_hash == token_hash))
        together = factors | (_names(known) or frozenset())
        await self._set(token_hash, factors=_text(together), proven_at=self._now())
        self._cache.pop(token_hash, None)

    async def _set(self, token_hash: str, **values: object) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(update(TokenRow).where(TokenRow.token_hash == token_hash).values(**values))

    async def revoke(self, token_hash: str) -> None:
        """End a token; ending it twice changes nothing."""
        await self._revoke(TokenRow.token_hash == token_hash)
        self._cache.pop(token_hash, None)

    async def revoke_one(self, user_id: int, token_id: int) -> None:
        """End a token of a user by its number. Raises NotFound where the user has none such."""
        if not await self._revoke(TokenRow.user_id == user_id, TokenRow.id == token_id):
            raise NotFound(f"you have no living token {token_id}", id=token_id)
        self._cache.clear()

    async def revoke_all(self, user_id: int, *, kinds: Sequence[TokenKind] = KINDS, but_hash: str | None = None) -> int:
        """End a user's tokens of these kinds, but one; gives how many there were."""
        ended = await self._revoke(
            TokenRow.user_id == user_id, TokenRow.kind.in_(kinds), TokenRow.token_hash != (but_hash or "")
        )
        self._cache.clear()
        return ended

    async def _revoke(self, *conditions: Any) -> int:
        async with self._database.transaction() as connection:
            ended = await connection.execute(
                update(TokenRow).where(*conditions, TokenRow.revoked_at.is_(None)).values(revoked_at=self._now())
            )
        return int(ended.rowcount)

    async def of_user(self, user_id: int, *, kinds: Sequence[TokenKind] = KINDS) -> list[TokenFacts]:
        """The living tokens of a user, newest first."""
        now = self._now()
        statement = (
            select(*_TOKEN_COLUMNS)
            .where(
                TokenRow.user_id == user_id,
                TokenRow.kind.in_(kinds),
                TokenRow.revoked_at.is_(None),
                TokenRow.expires_at > now,
            )
            .order_by(TokenRow.id.desc())
            .limit(LISTED_COUNT_MAX)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return [
            TokenFacts(
                id=row.id,
                kind=row.kind,
                name=row.name,
                scopes=_names(row.scopes),
                factors=_names(row.factors) or frozenset(),
                created_at=row.created_at,
                expires_at=row.expires_at,
                used_at=row.used_at,
                origin=row.origin,
                bound=row.thumbprint is not None,
                token_hash=row.token_hash,
            )
            for row in rows
            if row.idle_s is None or now - (row.used_at or row.created_at) < timedelta(seconds=row.idle_s)
        ]


_TOKEN_COLUMNS = (
    *(TokenRow.id, TokenRow.kind, TokenRow.name, TokenRow.scopes, TokenRow.factors, TokenRow.created_at),
    *(TokenRow.expires_at, TokenRow.used_at, TokenRow.origin, TokenRow.thumbprint, TokenRow.token_hash),
    TokenRow.idle_s,
)
_COLUMNS = (
    *(TokenRow.user_id, UserRow.name.label("user_name"), UserRow.role, UserRow.organisation_id, UserRow.consumer_id),
    *(TokenRow.expires_at, TokenRow.scopes, TokenRow.factors, TokenRow.proven_at, TokenRow.thumbprint, TokenRow.kind),
    *(TokenRow.idle_s, TokenRow.used_at, TokenRow.created_at),
)
