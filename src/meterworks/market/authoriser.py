"""The one place that says yes: role, scope, proof, admission, and certificate, in this order.

Everything is denied that no row of the catalogue grants. A refusal is told to the audit trail and explained to whoever
asked as far as it helps them on: which proof is missing, never what somebody else may do.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from meterworks.catalogue import PERMISSIONS, Permission, is_permitted
from meterworks.errors import MeterworksError
from meterworks.market.acts import Acts, actor_of
from meterworks.market.admission import Admissions
from meterworks.market.approval import Approvals
from meterworks.market.errors import NotAuthenticated, NotPermitted, SecondFactorNeeded, StepUpNeeded
from meterworks.market.principal import Principal
from meterworks.trust import constant_time_equal
from meterworks.trust.audit import Outcome

__all__ = ["Authoriser"]


class Authoriser:
    """Lets principals do actions."""

    def __init__(
        self,
        acts: Acts,
        admissions: Admissions,
        approvals: Approvals,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._acts = acts
        self._admissions = admissions
        self._approvals = approvals
        self._now = now

    async def admit(self, principal: Principal, action: str, *, thumbprint: str | None = None) -> Principal:
        """The principal, if it may do the action now. thumbprint: of the certificate the request came with.

        Raises NotAuthenticated where the token is bound to another certificate, NotPermitted, OrganisationSuspended,
        SecondFactorNeeded, StepUpNeeded.
        """
        try:
            return await self._admit(principal, action, thumbprint)
        except MeterworksError as error:
            self._acts.tell(
                "access.refused",
                by=actor_of(principal),
                on=f"action:{action}",
                outcome=Outcome.REFUSED,
                cause=error.code,
                facts={"role": principal.role.value, "organisation": principal.organisation_id},
            )
            raise

    async def _admit(self, principal: Principal, action: str, thumbprint: str | None) -> Principal:
        if principal.thumbprint is not None and not constant_time_equal(
            principal.thumbprint.encode(), (thumbprint or "").encode()
        ):
            raise NotAuthenticated("the token is bound to a certificate; connect with it")
        permission = PERMISSIONS.get(action)
        if permission is None:
            raise NotPermitted(f"the role {principal.role} may not do {action}", action=action)
        if not is_permitted(principal.role, action):
            principal = await self._by_break_glass(principal, action)
        if principal.scopes is not None and action not in principal.scopes:
            raise NotPermitted(f"the token was not made for {action}", action=action)
        if principal.organisation_id is not None:
            await self._admissions.require(principal.organisation_id)
        self._check_proof(principal, permission)
        return principal

    async def _by_break_glass(self, principal: Principal, action: str) -> Principal:
        elevated = await self._approvals.elevated(principal.user_id)
        if action not in elevated:
            raise NotPermitted(f"the role {principal.role} may not do {action}", action=action)
        self._acts.tell(
            "access.elevated", by=actor_of(principal), on=f"action:{action}", facts={"role": principal.role.value}
        )
        return replace(principal, elevated=elevated)

    def _check_proof(self, principal: Principal, permission: Permission) -> None:
        if permission.second_factor and not principal.has_second_factor:
            raise SecondFactorNeeded(
                f"{permission.action} needs a second factor; enrol one in the portal under Account, then log in again",
                action=permission.action,
            )
        fresh = principal.stepped_up_until is not None and self._now() < principal.stepped_up_until
        if permission.step_up and not fresh:
            raise StepUpNeeded(
                f"{permission.action} needs a fresh proof of who you are; give it and ask again",
                action=permission.action,
            )
