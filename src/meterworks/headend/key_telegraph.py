"""What happens to keys, told to people as incidents and to the audit trail as acts."""

from collections.abc import Mapping
from typing import Final

from meterworks.headend.key_job import KeyCampaign
from meterworks.headend.key_run import KeyNews
from meterworks.headend.workbook import Workbook
from meterworks.trust.audit import AuditEvent, AuditSink, Outcome

__all__ = ["KeyTelegraph"]


class KeyTelegraph:
    """Tells people and the audit trail what happens to keys."""

    def __init__(self, book: Workbook, audit: AuditSink | None) -> None:
        self._book = book
        self._audit = audit

    def tell(self, news: KeyNews) -> None:
        """Record an incident where somebody should look, and an act in any case."""
        if news.kind not in _GOOD_NEWS:
            self._book.add_incident(news.kind, device_id=news.device_id or None, detail=news.detail)
        if self._audit is not None:
            self._audit.post(
                AuditEvent(
                    act=_ACT_OF[news.kind],
                    actor="process:headend",
                    object=f"device:{news.device_id}" if news.device_id else "process:headend",
                    outcome=Outcome.FAILURE if news.failed else Outcome.SUCCESS,
                    cause=news.detail[:500],
                )
            )

    async def started(self, campaign: KeyCampaign, devices: int) -> None:
        """Record that somebody began to change keys; it is not done unrecorded."""
        level = {"suite": campaign.suite, "policy": campaign.policy}
        if self._audit is not None:
            await self._audit.append(
                AuditEvent(
                    act="campaign.started",
                    actor=f"account:{campaign.started_by}"[:200],
                    object=f"key-campaign:{campaign.id}",
                    cause=campaign.reason[:500],
                    facts={
                        "purpose": str(campaign.purpose),
                        "task": str(campaign.task),
                        "devices": devices,
                        "kinds": ",".join(campaign.kinds),
                        **{name: value for name, value in level.items() if value is not None},
                    },
                )
            )

    async def changed(self, campaign: KeyCampaign, changed_by: str) -> None:
        """Record that somebody holds, resumes or ends a campaign, before it is done."""
        if self._audit is not None:
            await self._audit.append(
                AuditEvent(
                    act="campaign.changed",
                    actor=f"account:{changed_by}"[:200],
                    object=f"key-campaign:{campaign.id}",
                    facts={"state": str(campaign.state)},
                )
            )


_GOOD_NEWS: Final = frozenset({"key-changed", "policy-raised"})
_ACT_OF: Final[Mapping[str, str]] = {
    "key-changed": "key.rotated",
    "policy-raised": "policy.raised",
    "key-recovered": "key.fell_back",
    "key-not-agreed": "key.change_failed",
    "key-job-failed": "key.change_failed",
    "counter-low": "key.exhausting",
    "certificate-ending": "certificate.expiring",
    "known-key": "key.known",
}
