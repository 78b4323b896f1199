"""The second factors of accounts: enrolling, proving, removing. Secrets are wrapped; codes are taken once."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyotp
from sqlalchemy import and_, delete, insert, select, update

from meterworks.market.errors import NotFound, RequestMalformed
from meterworks.market.model import FactorRow
from meterworks.runtime import Database
from meterworks.trust import KeyStore
from meterworks.trust.factor import (
    FactorRefused,
    NewPasskey,
    RelyingParty,
    checked_authentication,
    checked_registration,
    credential_id_of,
    hash_recovery_code,
    matching_step,
    new_challenge,
    new_recovery_codes,
    new_totp_secret,
    totp_uri,
)

__all__ = ["Challenges", "Factor", "Factors", "OfferedTotp"]

FACTOR_COUNT_MAX = 20  # of an account, recovery codes apart
NAME_LENGTH_MAX = 64
ISSUER = "Meterworks"
CHALLENGE_TTL_S = 180.0
_CHALLENGE_COUNT_MAX = 10_000
_UNUSED_STEP = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A factor as its owner sees it."""

    id: int
    kind: str  # totp | passkey
    name: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTotp:
    """A secret to be put into an authenticator application; shown once, good once it is confirmed by a code."""

    secret: str  # base32, for typing
    uri: str  # for scanning


class Challenges:
    """Numbers that devices are to sign, each good for one ceremony of one browser and a short time."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._open: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def begin(self, holder: str) -> bytes:
        """A new challenge for a browser; one it had before is void."""
        challenge = new_challenge()
        self._open.pop(holder, None)
        self._open[holder] = (challenge, self._monotonic() + CHALLENGE_TTL_S)
        while len(self._open) > _CHALLENGE_COUNT_MAX:
            self._open.popitem(last=False)
        return challenge

    def take(self, holder: str) -> bytes:
        """The open challenge of a browser, which ends with this. Raises FactorRefused where there is none."""
        challenge, ends = self._open.pop(holder, (b"", 0.0))
        if not challenge or ends <= self._monotonic():
            raise FactorRefused("that took too long; try again")
        return challenge


class Factors:
    """Second factors in the database of record."""

    def __init__(
        self,
        database: Database,
        keystore: KeyStore,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._keystore = keystore
        self._now = now

    async def kinds(self, user_id: int) -> frozenset[str]:
        """What kinds of factor the account can prove: totp, passkey, recovery."""
        async with self._database.read() as connection:
            found = await connection.scalars(
                select(FactorRow.kind)
                .where(FactorRow.user_id == user_id, FactorRow.confirmed_at.is_not(None))
                .distinct()
            )
            return frozenset(found)

    async def of_user(self, user_id: int) -> tuple[list[Factor], int]:
        """The account's confirmed factors, oldest first, and how many recovery codes are left."""
        rows = await self._rows(FactorRow.user_id == user_id, FactorRow.confirmed_at.is_not(None))
        shown = [
            Factor(id=row.id, kind=row.kind, name=row.name, created_at=row.created_at, used_at=row.used_at)
            for row in rows
            if row.kind != "recovery"
        ]
        return shown, len(rows) - len(shown)

    async def _rows(self, *conditions: Any) -> Sequence[Any]:
        statement = select(*FactorRow.__table__.columns).where(*conditions).order_by(FactorRow.id)
        async with self._database.read() as connection:
            return (await connection.execute(statement)).all()

    # --- one-time codes -------------------------------------------------------------------------------------------

    async def offer_totp(self, user_id: int, account: str) -> OfferedTotp:
        """Make a secret for the account's authenticator application; an unconfirmed one of before is void."""
        await self._refuse_too_many(user_id)
        secret = new_totp_secret()
        async with self._database.transaction() as connection:
            await connection.execute(
                delete(FactorRow).where(
                    FactorRow.user_id == user_id, FactorRow.kind == "totp", FactorRow.confirmed_at.is_(None)
                )
            )
        await self._add(user_id, "totp", "Authenticator", secrets.token_hex(16), self._keystore.wrap(secret))
        uri = totp_uri(secret, account=account, issuer=ISSUER)
        return OfferedTotp(secret=pyotp.parse_uri(uri).secret, uri=uri)

    async def confirm_totp(self, user_id: int, code: str, *, name: str = "Authenticator") -> tuple[str, ...]:
        """Take the offered secret into use by a first code. Gives recovery codes with an account's first factor.

        Raises FactorRefused where the code does not fit or nothing was offered.
        """
        first = not await self.kinds(user_id)
        rows = await self._rows(
            FactorRow.user_id == user_id, FactorRow.kind == "totp", FactorRow.confirmed_at.is_(None)
        )
        if not rows or not await self._take_step(rows[-1], code):
            raise FactorRefused("the code does not fit; wait for the next one and try again")
        async with self._database.transaction() as connection:
            await connection.execute(
                update(FactorRow)
                .where(FactorRow.id == rows[-1].id)
                .values(confirmed_at=self._now(), name=_checked_name(name))
            )
        return await self.renew_recovery_codes(user_id) if first else ()

    async def _take_step(self, row: Any, code: str) -> bool:
        """Whether the code fits and was not taken before; the database decides between two at the same moment."""
        secret = self._keystore.unwrap(row.material)
        step = matching_step(secret, code, epoch_s=self._now().timestamp(), after=row.counter)
        if step is None:
            return False
        async with self._database.transaction() as connection:
            taken = await connection.execute(
                update(FactorRow)
                .where(FactorRow.id == row.id, FactorRow.counter < step)
                .values(counter=step, used_at=self._now())
            )
        return int(taken.rowcount) == 1

    async def check_code(self, user_id: int, code: str) -> str | None:
        """What kind of factor a code proves, and take it: totp or recovery. None: it proves nothing."""
        rows = await self._rows(
            FactorRow.user_id == user_id, FactorRow.kind == "totp", FactorRow.confirmed_at.is_not(None)
        )
        for row in rows:  # at most FACTOR_COUNT_MAX
            if await self._take_step(row, code):
                return "totp"
        own = and_(FactorRow.user_id == user_id, FactorRow.kind == "recovery")
        async with self._database.transaction() as connection:
            taken = await connection.execute(
                delete(FactorRow).where(own, FactorRow.reference == f"{user_id}:{hash_recovery_code(code)}")
            )
        return "recovery" if taken.rowcount else None

    async def renew_recovery_codes(self, user_id: int) -> tuple[str, ...]:
        """Make a new set of recovery codes, to be shown once; those of before are void."""
        codes, now = new_recovery_codes(), self._now()
        common = {"user_id": user_id, "kind": "recovery", "name": "Recovery code", "material": b"", "counter": 0}
        rows = [
            {**common, "reference": f"{user_id}:{hash_recovery_code(code)}", "created_at": now, "confirmed_at": now}
            for code in codes
        ]
        async with self._database.transaction() as connection:
            await connection.execute(
                delete(FactorRow).where(FactorRow.user_id == user_id, FactorRow.kind == "recovery")
            )
            await connection.execute(insert(FactorRow), rows)
        return codes

    # --- passkeys -------------------------------------------------------------------------------------------------

    async def passkeys(self, user_id: int) -> list[bytes]:
        """The account's credentials."""
        rows = await self._rows(FactorRow.user_id == user_id, FactorRow.kind == "passkey")
        return [bytes.fromhex(row.reference) for row in rows]

    async def add_passkey(
        self, user_id: int, party: RelyingParty, answer: dict[str, Any], *, challenge: bytes, name: str
    ) -> tuple[str, ...]:
        """Take a passkey that was just made. Gives recovery codes with a first factor. Raises FactorRefused."""
        await self._refuse_too_many(user_id)
        made: NewPasskey = checked_registration(party, answer, challenge=challenge)
        if await self._rows(FactorRow.kind == "passkey", FactorRow.reference == made.credential_id.hex()):
            raise FactorRefused("the passkey could not be taken; try again")
        first = not await self.kinds(user_id)
        await self._add(
            user_id,
            "passkey",
            _checked_name(name),
            made.credential_id.hex(),
            made.public_key,
            counter=made.sign_count,
            confirmed=True,
        )
        return await self.renew_recovery_codes(user_id) if first else ()

    async def check_passkey(self, party: RelyingParty, answer: dict[str, Any], *, challenge: bytes) -> int:
        """Whose passkey signed the challenge: the number of the user. Raises FactorRefused."""
        reference = credential_id_of(answer).hex()
        rows = await self._rows(FactorRow.kind == "passkey", FactorRow.reference == reference)
        if not rows:
            raise FactorRefused("the passkey does not fit")
        row = rows[0]
        count = checked_authentication(
            party, answer, challenge=challenge, public_key=row.material, sign_count=row.counter
        )
        async with self._database.transaction() as connection:
            await connection.execute(
                update(FactorRow).where(FactorRow.id == row.id).values(counter=count, used_at=self._now())
            )
        return int(row.user_id)

    # --- rows -----------------------------------------------------------------------------------------------------

    async def remove(self, user_id: int, factor_id: int) -> None:
        """Take a factor from an account; with the last one its recovery codes go too. Raises NotFound."""
        async with self._database.transaction() as connection:
            taken = await connection.execute(
                delete(FactorRow).where(
                    FactorRow.user_id == user_id, FactorRow.id == factor_id, FactorRow.kind != "recovery"
                )
            )
        if taken.rowcount == 0:
            raise NotFound(f"you have no factor {factor_id}", id=factor_id)
        if await self.kinds(user_id) <= {"recovery"}:
            await self.remove_all(user_id)

    async def remove_all(self, user_id: int) -> None:
        """Take all factors from an account: its owner has lost them, and enrols anew at the next login."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(FactorRow).where(FactorRow.user_id == user_id))

    async def _refuse_too_many(self, user_id: int) -> None:
        shown, _ = await self.of_user(user_id)
        if len(shown) >= FACTOR_COUNT_MAX:
            raise RequestMalformed(f"an account has at most {FACTOR_COUNT_MAX} factors; remove one first")

    async def _add(
        self,
        user_id: int,
        kind: str,
        name: str,
        reference: str,
        material: bytes,
        *,
        counter: int = _UNUSED_STEP,
        confirmed: bool = False,
    ) -> None:
        now = self._now()
        async with self._database.transaction() as connection:
            await connection.execute(
                insert(FactorRow).values(
                    user_id=user_id,
                    kind=kind,
                    name=name,
                    reference=reference,
                    material=material,
                    counter=counter,
                    created_at=now,
                    confirmed_at=now if confirmed else None,
                )
            )


def _checked_name(name: str) -> str:
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise RequestMalformed(f"a name has 1 to {NAME_LENGTH_MAX} printable characters", parameter="name")
    return name
