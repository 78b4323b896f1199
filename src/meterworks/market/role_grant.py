"""Granting roles: to organisations and to the carrier's own people. One asks, another approves.

An organisation's role counts only while its admission is valid, and is granted only then. An account of the carrier
(operator, auditor) is made closed and opened by the approval, so that nobody makes their own accomplice.
Source: SECURITY.md SEC-069.
"""

from collections.abc import Mapping
from typing import Any

from meterworks.catalogue import UNBOUND_ROLES, Role
from meterworks.market.account import Accounts
from meterworks.market.acts import Acts
from meterworks.market.admission import Admissions
from meterworks.market.approval import Approval, Approvals
from meterworks.market.errors import RequestMalformed
from meterworks.market.timestamp import parse_time
from meterworks.registry import OrganisationId, Registry

__all__ = ["ACCOUNT_ROLE", "ORGANISATION_ROLE", "RoleGrants"]

ORGANISATION_ROLE = "organisation-role"
ACCOUNT_ROLE = "account-role"


class RoleGrants:
    """What happens when a role grant is approved."""

    def __init__(self, registry: Registry, accounts: Accounts, admissions: Admissions, acts: Acts) -> None:
        self._registry = registry
        self._accounts = accounts
        self._admissions = admissions
        self._acts = acts

    def add_to(self, approvals: Approvals) -> None:
        """Make role grants something that can be asked for."""
        approvals.on(ORGANISATION_ROLE, self._grant_organisation_role)
        approvals.on(ACCOUNT_ROLE, self._grant_account_role)

    async def _record(self, approval: Approval, on: str, role: Role) -> None:
        approver = await self._accounts.user(approval.decided_by or 0)
        await self._acts.record(
            "role.granted",
            by=f"account:{approver.name}",
            on=on,
            cause=approval.reason,
            facts={"role": role.value, "asked_by": approval.asker, "approval": approval.id},
        )

    async def _grant_organisation_role(self, content: Mapping[str, Any], approval: Approval) -> None:
        number, role = OrganisationId(content["organisation"]), Role(content["role"])
        await self._admissions.require(number)
        await self._record(approval, f"organisation:{number}", role)
        ends_at = None if content.get("to") is None else parse_time(content["to"], "to")
        await self._registry.grant_role(number, role, parse_time(content["from"], "from"), ends_at)

    async def _grant_account_role(self, content: Mapping[str, Any], approval: Approval) -> None:
        role = Role(content["role"])
        if role not in UNBOUND_ROLES:
            raise RequestMalformed(f"{role.value} is held through an organisation or a consumer", parameter="role")
        await self._record(approval, f"account:{content['name']}", role)
        await self._accounts.set_role(content["name"], role)
