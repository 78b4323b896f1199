"""Two people: one asks, another approves. No person does both halves, and nothing happens before the second.

What may be asked for are kinds with an effect each; whoever owns an act adds its kind. A break-glass is one of them:
its effect is that the asker may do the named actions for a limited time.  Source: IEC 62443-3-3 SR 2.1 RE(4).
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import insert, select, update

from meterworks.catalogue import PERMISSIONS, UNBOUND_ROLES
from meterworks.market.acts import Acts
from meterworks.market.errors import ApprovalClosed, NotFound, RequestMalformed, SamePerson
from meterworks.market.model import ApprovalRow, UserRow
from meterworks.market.principal import Principal
from meterworks.runtime import Database, get_logger
from meterworks.trust.audit import Outcome

__all__ = ["BREAK_GLASS", "Approval", "Approvals", "Effect"]

BREAK_GLASS = "break-glass"
REASON_LENGTH_MIN, REASON_LENGTH_MAX = 10, 500
ACTIONS_MAX = 20
LISTED_COUNT_MAX = 1_000
CACHE_TTL_S = 5.0
CACHE_COUNT_MAX = 10_000
log = get_logger("market.approval")

Effect = Callable[[Mapping[str, Any], "Approval"], Awaitable[None]]
"""What an approved request does: given its content and the approval, with both names. Raises what forbids it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Something asked for. state: asked, approved, refused or ended."""

    id: int
    kind: str
    content: Mapping[str, Any]
    reason: str
    asked_by: int
    asker: str
    asked_at: datetime
    expires_at: datetime
    decided_by: int | None
    decided_at: datetime | None
    state: str


_COLUMNS = (
    *(ApprovalRow.id, ApprovalRow.kind, ApprovalRow.content, ApprovalRow.reason, ApprovalRow.asked_by),
    *(UserRow.name.label("asker"), ApprovalRow.asked_at, ApprovalRow.expires_at, ApprovalRow.decided_by),
    *(ApprovalRow.decided_at, ApprovalRow.state),
)


class Approvals:
    """What was asked for, and what became of it. Times are real time: people wait, not the system's clock."""

    def __init__(
        self,
        database: Database,
        acts: Acts,
        *,
        approval_s: int,
        break_glass_s: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._acts = acts
        self._approval = timedelta(seconds=approval_s)
        self._break_glass = timedelta(seconds=break_glass_s)
        self._now = now
        self._monotonic = monotonic
        self._effects: dict[str, Effect] = {BREAK_GLASS: self._open_glass}
        self._elevated: dict[int, tuple[frozenset[str], float]] = {}

    def on(self, kind: str, effect: Effect) -> None:
        """Add a kind of request and what it does once a second person approves."""
        assert kind not in self._effects, f"two effects of {kind!r}"
        self._effects[kind] = effect

    async def ask(self, principal: Principal, kind: str, content: Mapping[str, Any], *, reason: str) -> Approval:
        """Ask for something; nothing happens yet. Raises RequestMalformed."""
        if kind not in self._effects:
            raise RequestMalformed(f"nothing is approved under the name {kind[:40]!r}", parameter="kind")
        if not REASON_LENGTH_MIN <= len(reason) <= REASON_LENGTH_MAX or not reason.isprintable():
            raise RequestMalformed(
                f"say why, in {REASON_LENGTH_MIN} to {REASON_LENGTH_MAX} characters", parameter="reason"
            )
        if kind == BREAK_GLASS:
            _check_actions(principal, content)
        now = self._now()
        async with self._database.transaction() as connection:
            number = await connection.scalar(
                insert(ApprovalRow)
                .values(
                    kind=kind,
                    content=orjson.dumps(content).decode(),
                    reason=reason,
                    asked_by=principal.user_id,
                    asked_at=now,
                    expires_at=now + self._approval,
                    state="asked",
                )
                .returning(ApprovalRow.id)
            )
        return await self.one(int(number or 0))

    async def one(self, number: int) -> Approval:
        """One request. Raises NotFound."""
        found = await self._find(ApprovalRow.id == number)
        if not found:
            raise NotFound(f"nothing was asked for under number {number}", id=number)
        return found[0]

    async def listed(self, *, state: str | None = None) -> list[Approval]:
        """Requests, newest first."""
        return await self._find(*(() if state is None else (ApprovalRow.state == state,)))

    async def _find(self, *conditions: Any) -> list[Approval]:
        statement = (
            select(*_COLUMNS)
            .join(UserRow, UserRow.id == ApprovalRow.asked_by)
            .where(*conditions)
            .order_by(ApprovalRow.id.desc())
            .limit(LISTED_COUNT_MAX)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return [Approval(**{**row._mapping, "content": orjson.loads(row.content)}) for row in rows]

    async def approve(self, principal: Principal, number: int) -> Approval:
        """Approve and do it. Raises SamePerson for who asked, ApprovalClosed when it is no longer open, NotFound.

        The second name is written first, in one statement that only one approver wins; where the effect then fails,
        the request is open again.
        """
        approval = await self.one(number)
        self._refuse_same(principal, approval)
        await self._decide(principal, number, "approved")
        decided = await self.one(number)
        try:
            await self._effects[approval.kind](approval.content, decided)
        except BaseException:
            await self._set(number, state="asked", decided_by=None, decided_at=None)
            raise
        return decided

    async def refuse(self, principal: Principal, number: int) -> Approval:
        """Say no; also what its asker says who takes it back. Raises ApprovalClosed, NotFound."""
        await self.one(number)
        await self._decide(principal, number, "refused")
        return await self.one(number)

    def _refuse_same(self, principal: Principal, approval: Approval) -> None:
        if principal.user_id == approval.asked_by:
            self._acts.tell(
                "access.refused",
                by=f"account:{principal.name}",
                on=f"approval:{approval.id}",
                outcome=Outcome.REFUSED,
                cause="whoever asks cannot approve",
            )
            raise SamePerson("whoever asked cannot approve; somebody else has to")

    async def _decide(self, principal: Principal, number: int, state: str) -> None:
        now = self._now()
        async with self._database.transaction() as connection:
            done = await connection.execute(
                update(ApprovalRow)
                .where(ApprovalRow.id == number, ApprovalRow.state == "asked", ApprovalRow.expires_at > now)
                .values(state=state, decided_by=principal.user_id, decided_at=now)
            )
        if done.rowcount == 0:
            raise ApprovalClosed("this has been decided already or has waited too long; ask again", id=number)

    async def _set(self, number: int, **values: object) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(update(ApprovalRow).where(ApprovalRow.id == number).values(**values))

    # --- break-glass ----------------------------------------------------------------------------------------------

    async def _open_glass(self, content: Mapping[str, Any], approval: Approval) -> None:
        ends_at = self._now() + self._break_glass
        await self._acts.record(
            "breakglass.opened",
            by=f"user:{approval.decided_by}",
            on=f"account:{approval.asker}",
            cause=approval.reason,
            facts={"actions": " ".join(content["actions"]), "until": ends_at.isoformat(), "approval": approval.id},
        )
        log.error("break-glass opened", account=approval.asker, until=ends_at, reason=approval.reason)
        await self._set(approval.id, expires_at=ends_at)
        self._elevated.clear()

    async def open_glasses(self) -> list[Approval]:
        """Emergency accesses that are open now: every console page shows them."""
        return await self._find(
            ApprovalRow.kind == BREAK_GLASS, ApprovalRow.state == "approved", ApprovalRow.expires_at > self._now()
        )

    async def elevated(self, user_id: int) -> frozenset[str]:
        """Actions a user may do by an open break-glass, beyond the role's."""
        held = self._elevated.get(user_id)
        if held is None or held[1] <= self._monotonic():
            found = [each for each in await self.open_glasses() if each.asked_by == user_id]
            if len(self._elevated) >= CACHE_COUNT_MAX:
                self._elevated.clear()
            actions = frozenset(action for each in found for action in each.content["actions"])
            held = (actions, self._monotonic() + CACHE_TTL_S)
            self._elevated[user_id] = held
        return held[0]

    async def end_glass(self, principal: Principal, number: int) -> None:
        """End an emergency access before its time. Raises NotFound."""
        approval = await self.one(number)
        if approval.kind != BREAK_GLASS or approval.state != "approved":
            raise ApprovalClosed("this is no open emergency access", id=number)
        await self._set(number, state="ended")
        self._elevated.clear()
        self._acts.tell("breakglass.closed", by=f"account:{principal.name}", on=f"account:{approval.asker}")


def _check_actions(principal: Principal, content: Mapping[str, Any]) -> None:
    actions = content.get("actions")
    if not isinstance(actions, list) or not 1 <= len(actions) <= ACTIONS_MAX or set(actions) - set(PERMISSIONS):
        raise RequestMalformed(f"name 1 to {ACTIONS_MAX} actions of the catalogue", parameter="actions")
    if principal.role not in UNBOUND_ROLES:
        raise RequestMalformed("an emergency access is for the carrier's own people", parameter="actions")
