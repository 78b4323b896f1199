"""Accounts: who may log in, by what proof, and what a login leaves behind.

Passwords are verified slowly and seldom. An account with a second factor is never opened without one: a thief of its
password gets nothing, not even a weaker session. All failures of a login read and cost the same.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update

from meterworks.catalogue import ORGANISATION_ROLES, Role
from meterworks.market.acts import Acts, LoggedActs
from meterworks.market.attempt import Attempts
from meterworks.market.errors import AccountExists, BadCredentials, NotFound, RequestMalformed, TooManyAttempts
from meterworks.market.factor import Challenges, Factors
from meterworks.market.model import ExternalIdentityRow, UserRow
from meterworks.market.principal import Principal
from meterworks.market.token import KINDS, Grant, TokenKind, Tokens
from meterworks.runtime import Database
from meterworks.trust import (
    PASSWORD_LENGTH_MAX,
    PASSWORD_LENGTH_MIN,
    KeyStore,
    hash_password,
    is_common_password,
    new_password,
    password_matches,
    password_needs_rehash,
)
from meterworks.trust.audit import NOBODY, AuditSink, Outcome
from meterworks.trust.factor import FactorRefused, RelyingParty

__all__ = ["Accounts", "IssuedToken", "Login", "NewUser", "User"]

NAME_LENGTH_MAX = 128
PASSWORD_CHECKS_AT_ONCE = 2  # argon2id takes 64 MiB each
_NOBODY_ID = 0  # no account has this number
_WRONG = "user name, password or second factor is wrong"


def check_password(password: str, *, about: Sequence[str], parameter: str = "password") -> None:
    """Raises RequestMalformed for a password that is too short, too long or guessed first."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise RequestMalformed(
            f"a password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters", parameter=parameter
        )
    if is_common_password(password, about=about):
        raise RequestMalformed("guessers try this password early; choose another", parameter=parameter)


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
        check_password(self.password, about=(self.name,))
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
class Login:
    """Somebody who has proven who they are, and by what."""

    user: User
    factors: frozenset[str]


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


class Accounts:
    """Users in the database of record, their logins, and through `tokens` and `factors` what belongs to them."""

    def __init__(
        self,
        database: Database,
        *,
        keystore: KeyStore | None = None,
        audit: AuditSink | None = None,
        step_up_s: int = 300,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._now = now
        self._acts = Acts(audit or LoggedActs())
        self._keystore = keystore
        self._password_slots = asyncio.Semaphore(PASSWORD_CHECKS_AT_ONCE)
        self.attempts = Attempts(monotonic=monotonic)
        self.challenges = Challenges(monotonic=monotonic)
        self.tokens = Tokens(database, now=now, monotonic=monotonic, step_up_s=step_up_s)

    @property
    def factors(self) -> Factors:
        """The second factors; they need a key store."""
        assert self._keystore is not None, "these accounts were opened without a key store"
        return Factors(self._database, self._keystore, now=self._now)

    # --- users ----------------------------------------------------------------------------------------------------

    async def add_user(self, new: NewUser, *, active: bool = True) -> User:
        """Make an account; an inactive one waits for approval. Raises AccountExists."""
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
                    active=active,
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

    async def user(self, user_id: int) -> User:
        """An account by its number. Raises NotFound."""
        return await self._one(UserRow.id == user_id, f"there is no user {user_id}")

    async def user_named(self, name: str) -> User:
        """An account by its name. Raises NotFound."""
        return await self._one(UserRow.name == name, f"there is no user named {name!r}")

    async def _one(self, condition: Any, message: str) -> User:
        async with self._database.read() as connection:
            row = (await connection.execute(select(*_USER_COLUMNS).where(condition))).first()
        if row is None:
            raise NotFound(message)
        return _user(tuple(row))

    async def has_user(self, *, role: Role) -> bool:
        """Is there any account of that role?"""
        async with self._database.read() as connection:
            found = await connection.execute(select(UserRow.id).where(UserRow.role == role.value).limit(1))
            return found.first() is not None

    async def set_active(self, name: str, *, active: bool) -> None:
        """Open or close an account; closing ends all its tokens. Raises NotFound."""
        await self._change(name, active=active)

    async def set_role(self, name: str, role: Role) -> None:
        """Give an account another role of the carrier's; its tokens and sessions end. Raises NotFound."""
        await self._change(name, role=role.value, active=True)

    async def _change(self, name: str, **values: object) -> None:
        user = await self.user_named(name)
        async with self._database.transaction() as connection:
            await connection.execute(update(UserRow).where(UserRow.id == user.id).values(**values))
        await self.tokens.revoke_all(user.id)

    # --- passwords ------------------------------------------------------------------------------------------------

    async def _hash(self, password: str) -> str:
        async with self._password_slots:
            return await asyncio.to_thread(hash_password, password)

    async def log_in(
        self, name: str, password: str, *, address: str, code: str = "", device: str | None = None
    ) -> Login:
        """Prove who somebody is: by password, and where the account has a second factor, by a code too.

        device: the number of a device cookie that belongs to this account (see `Attempts`). Raises BadCredentials, or
        TooManyAttempts after a few wrong ones.
        """
        shown = name[:NAME_LENGTH_MAX]
        try:
            attempt = self.attempts.take(shown, address=address, device=device)
        except TooManyAttempts as error:
            if error.facts.get("first"):
                self._acts.tell("login.locked", by=NOBODY, on=f"account:{shown}", outcome=Outcome.REFUSED)
            raise
        try:
            login = await self._verify(name, password, code)
        except BadCredentials:
            self._acts.tell("login.failed", by=NOBODY, on=f"account:{shown}", outcome=Outcome.FAILURE)
            raise
        attempt.succeeded()
        self._tell_login(login)
        return login

    def _tell_login(self, login: Login) -> None:
        name = f"account:{login.user.name}"
        self._acts.tell("login.succeeded", by=name, on=name, facts={"factors": " ".join(sorted(login.factors))})

    async def verify(self, name: str, password: str, *, address: str) -> User:
        """The user of that name and password; see `log_in`."""
        return (await self.log_in(name, password, address=address)).user

    async def _verify(self, name: str, password: str, code: str) -> Login:
        statement = select(*_USER_COLUMNS, UserRow.password_hash).where(UserRow.name == name[: NAME_LENGTH_MAX + 1])
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).first()
        stored = None if row is None else row[7]
        async with self._password_slots:  # takes as long for a name that does not exist
            right = await asyncio.to_thread(password_matches, stored, password)
        known = row is not None and right and bool(row[5])
        second = await self._second_factor(row[0] if row is not None and known else _NOBODY_ID, code)
        if row is None or not known or second is None:
            raise BadCredentials(_WRONG)
        if password_needs_rehash(row[7]):
            await self._store_password(row[0], password)
        return Login(user=_user(tuple(row)), factors=frozenset({"password"}) | second)

    async def _second_factor(self, user_id: int, code: str) -> frozenset[str] | None:
        """What a code proves; nothing where the account has no factor; None where it has and the code does not fit."""
        if self._keystore is None:
            return frozenset()
        enrolled = await self.factors.kinds(user_id)
        proven = await self.factors.check_code(user_id, code)
        if proven is not None:
            return frozenset({proven})
        return None if enrolled else frozenset()

    async def _store_password(self, user_id: int, password: str) -> None:
        password_hash = await self._hash(password)
        async with self._database.transaction() as connection:
            await connection.execute(update(UserRow).where(UserRow.id == user_id).values(password_hash=password_hash))

    async def change_password(self, principal: Principal, password: str) -> None:
        """Give the account another password; all its other tokens and sessions end."""
        check_password(password, about=(principal.name,))
        name = f"account:{principal.name}"
        await self._acts.record("password.changed", by=name, on=name)
        await self._store_password(principal.user_id, password)
        await self.tokens.revoke_all(principal.user_id, but_hash=principal.token_hash)

    # --- other proofs ---------------------------------------------------------------------------------------------

    async def log_in_by_passkey(
        self, party: RelyingParty, answer: dict[str, Any], *, challenge: bytes, address: str
    ) -> Login:
        """Prove who somebody is by a passkey, which is two factors in one. Raises BadCredentials, TooManyAttempts."""
        attempt = self.attempts.take("", address=address)
        try:
            user = await self.user(await self.factors.check_passkey(party, answer, challenge=challenge))
        except (FactorRefused, NotFound) as error:
            self._acts.tell("login.failed", by=NOBODY, on="account:?", outcome=Outcome.FAILURE, cause="passkey")
            raise BadCredentials(_WRONG) from error
        if not user.active or await self._is_external(user.id):
            raise BadCredentials(_WRONG)
        attempt.succeeded()
        login = Login(user=user, factors=frozenset({"passkey"}))
        self._tell_login(login)
        return login

    async def _is_external(self, user_id: int) -> bool:
        """The account is its identity provider's to open: who left there does not come in here by a passkey."""
        row = ExternalIdentityRow
        async with self._database.read() as connection:
            return await connection.scalar(select(row.subject).where(row.user_id == user_id)) is not None

    async def step_up(self, principal: Principal, *, password: str, code: str, address: str) -> None:
        """Prove again who holds a token: by a code, or by the password where the account has no second factor.

        Raises BadCredentials, TooManyAttempts.
        """
        attempt = self.attempts.take(principal.name, address=address, device=principal.token_hash)
        proven = await self.factors.check_code(principal.user_id, code)
        if proven is None and not await self.factors.kinds(principal.user_id):
            login = await self._prove_password(principal, password)
            proven = "password" if login else None
        if proven is None:
            self._tell_step_up(principal, Outcome.FAILURE)
            raise BadCredentials("the proof does not fit")
        attempt.succeeded()
        await self._stepped_up(principal, proven)

    async def _prove_password(self, principal: Principal, password: str) -> bool:
        async with self._database.read() as connection:
            stored = await connection.scalar(select(UserRow.password_hash).where(UserRow.id == principal.user_id))
        async with self._password_slots:
            return await asyncio.to_thread(password_matches, stored, password)

    async def step_up_by_passkey(
        self, principal: Principal, party: RelyingParty, answer: dict[str, Any], *, challenge: bytes
    ) -> None:
        """Prove again who holds a session, by one of the account's own passkeys. Raises BadCredentials."""
        try:
            owner = await self.factors.check_passkey(party, answer, challenge=challenge)
        except FactorRefused:
            owner = _NOBODY_ID
        if owner != principal.user_id:
            self._tell_step_up(principal, Outcome.FAILURE)
            raise BadCredentials("the proof does not fit")
        await self._stepped_up(principal, "passkey")

    async def _stepped_up(self, principal: Principal, factor: str) -> None:
        await self.tokens.prove(principal.token_hash, frozenset({factor}))
        self._tell_step_up(principal, Outcome.SUCCESS)

    def _tell_step_up(self, principal: Principal, outcome: Outcome) -> None:
        act = "step_up.succeeded" if outcome is Outcome.SUCCESS else "step_up.failed"
        self._acts.tell(act, by=f"account:{principal.name}", on=f"account:{principal.name}", outcome=outcome)

    async def user_of_provider(self, issuer: str, subject: str, *, name: str, role: Role) -> User:
        """The account of somebody an identity provider vouches for; made at the first login, its role kept up to date.

        Its password is known to nobody, so that it is opened by the provider only. Raises AccountExists where the name
        is another account's.
        """
        row = ExternalIdentityRow
        statement = select(row.user_id).where(row.issuer == issuer, row.subject == subject)
        async with self._database.read() as connection:
            known = await connection.scalar(statement)
        by = f"provider:{issuer}"
        if known is None:
            await self._acts.record("account.created", by=by, on=f"account:{name}", facts={"role": role.value})
            user = await self.add_user(NewUser(name=name, password=new_password(), role=role))
            async with self._database.transaction() as connection:
                await connection.execute(insert(row).values(issuer=issuer, subject=subject, user_id=user.id))
            return user
        user = await self.user(known)
        if user.active and user.role is not role:
            await self._acts.record("account.changed", by=by, on=f"account:{user.name}", facts={"role": role.value})
            await self.set_role(user.name, role)
            return await self.user(known)
        return user

    # --- tokens ---------------------------------------------------------------------------------------------------

    async def issue(self, user: User, *, kind: TokenKind, lifetime_s: int) -> IssuedToken:
        """A new token for somebody who has proven a password."""
        login = Login(user=user, factors=frozenset({"password"}))
        return await self.open(login, kind=kind, lifetime_s=lifetime_s)

    async def open(
        self, login: Login, *, kind: TokenKind, lifetime_s: int, idle_s: int | None = None, origin: str = ""
    ) -> IssuedToken:
        """A new token or session for a login, whose proof is fresh."""
        grant = Grant(
            kind=kind,
            lifetime_s=lifetime_s,
            factors=login.factors,
            proven_at=self._now(),
            idle_s=idle_s,
            origin=origin,
        )
        token, expires_at = await self.tokens.issue(login.user.id, grant)
        return IssuedToken(token=token, expires_at=expires_at, user=login.user)

    async def resolve(self, token: str, *, kind: TokenKind | None = None, touch: bool = True) -> Principal:
        """Who holds this token. Raises NotAuthenticated. kind `bearer` takes API tokens too."""
        kinds = KINDS if kind is None else ("bearer", "api") if kind == "bearer" else (kind,)
        return await self.tokens.resolve(token, kinds, touch=touch)

    async def revoke(self, token_hash: str) -> None:
        """End a token; ending it twice changes nothing."""
        await self.tokens.revoke(token_hash)
