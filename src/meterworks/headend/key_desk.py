"""Key campaigns over the bus: started, paused, resumed, stopped, and how far they are. Never a key.

Requests and answers are JSON; the table of each subject stands in docs/keys.md.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.errors import MeterworksError
from meterworks.headend.errors import RequestError
from meterworks.headend.key_job import (
    CampaignState,
    KeyCampaign,
    KeyJob,
    KeyJobState,
    KeyPurpose,
    KeyTask,
    SecurityLevel,
)
from meterworks.headend.key_ledger import KeyLedger
from meterworks.headend.key_service import KINDS_OF_TASK, KeyService
from meterworks.headend.key_statement import PolicyStatement, open_statement
from meterworks.registry import SYMMETRIC_KINDS, DeviceId, KeyKind, KeyOrigin, KeySelection

__all__ = [
    "KEYS_CONTROL_SUBJECT",
    "KEYS_START_SUBJECT",
    "KEYS_STATUS_SUBJECT",
    "KeyDesk",
    "campaign_document",
    "job_document",
]

KEYS_START_SUBJECT: Final = "headend.keys.start"
KEYS_CONTROL_SUBJECT: Final = "headend.keys.control"
KEYS_STATUS_SUBJECT: Final = "headend.keys.status"
CAMPAIGNS_MAX: Final = 50
EXCEPTIONS_MAX: Final = 1000
DEVICES_MAX: Final = 100_000
_ACTS: Final[Mapping[str, CampaignState]] = {
    "pause": CampaignState.PAUSED,
    "resume": CampaignState.RUNNING,
    "stop": CampaignState.STOPPED,
}
_STARTED_BY_HAND: Final = (KeyPurpose.ROTATE, KeyPurpose.EMERGENCY, KeyPurpose.SCHEDULED, KeyPurpose.PERSONALISE)


PolicyKeys = Callable[[], Sequence[ec.EllipticCurvePublicKey]]


class KeyDesk:
    """Answers requests about key campaigns."""

    def __init__(self, service: KeyService, ledger: KeyLedger, policy_keys: PolicyKeys = tuple) -> None:
        """policy_keys: give the public keys of those whose signed policies count."""
        self.service = service
        self._ledger = ledger
        self._policy_keys = policy_keys

    @property
    def responders(self) -> tuple[tuple[str, Callable[[bytes], Awaitable[bytes]]], ...]:
        """Subjects and who answers them."""
        return (
            (KEYS_START_SUBJECT, self.start),
            (KEYS_CONTROL_SUBJECT, self.control),
            (KEYS_STATUS_SUBJECT, self.status),
        )

    async def jobs(self, campaign_id: str) -> list[KeyJob]:
        """All jobs of a campaign."""
        return await self._ledger.jobs(campaign_id, limit=DEVICES_MAX)

    async def progress(self, campaign_id: str) -> Mapping[KeyJobState, int]:
        """Jobs of a campaign by state."""
        return (await self._ledger.progress([campaign_id]))[campaign_id]

    async def close(self) -> None:
        """Wait for what is being written."""
        await self.service.close()
        await self._ledger.close()

    async def start(self, data: bytes) -> bytes:
        """Begin a campaign. Raises RequestError, KeyJobError."""
        body = _object(data)
        wanted = _wanted(body, self.service.now())
        if "statement" in body or wanted["task"] is KeyTask.POLICY:
            wanted = _raised(wanted, open_statement(str(body.get("statement", "")), self._policy_keys()))
        campaign = await self.service.start(**wanted)
        jobs = await self._ledger.progress([campaign.id])
        return orjson.dumps(campaign_document(campaign, jobs[campaign.id]))

    async def control(self, data: bytes) -> bytes:
        """Pause, resume or stop a campaign, or retry its failed jobs. Raises RequestError, KeyJobError."""
        body = _object(data)
        campaign_id, act = str(body.get("campaign", "")), str(body.get("act", ""))
        if act == "retry":
            return orjson.dumps({"campaign": campaign_id, "retried": await self.service.retry(campaign_id)})
        if act not in _ACTS:
            raise RequestError(f"{act[:40]!r} is nothing to do with a campaign: pause, resume, stop or retry it")
        changed_by = str(body.get("started_by", "operator"))
        campaign = await self.service.set_state(campaign_id, _ACTS[act], changed_by=changed_by)
        jobs = await self._ledger.progress([campaign.id])
        return orjson.dumps(campaign_document(campaign, jobs[campaign.id]))

    async def status(self, data: bytes) -> bytes:
        """All campaigns, newest first; of one that is named, the exceptions too."""
        body = _object(data)
        wanted = body.get("campaign")
        if wanted is None:
            campaigns = await self._ledger.campaigns(limit=CAMPAIGNS_MAX)
            jobs = await self._ledger.progress([each.id for each in campaigns])
            return orjson.dumps({"campaigns": [campaign_document(each, jobs[each.id]) for each in campaigns]})
        campaign = await self._ledger.campaign(str(wanted))
        if campaign is None:
            raise RequestError(f"there is no key campaign {str(wanted)[:40]!r}")
        jobs = await self._ledger.progress([campaign.id])
        failed = await self._ledger.jobs(campaign.id, states=[KeyJobState.FAILED], limit=EXCEPTIONS_MAX)
        document = campaign_document(campaign, jobs[campaign.id])
        return orjson.dumps({**document, "exceptions": [job_document(job) for job in failed]})


def campaign_document(campaign: KeyCampaign, jobs: Mapping[KeyJobState, int]) -> dict[str, Any]:
    """A campaign and its progress, as answered on the bus and by the API."""
    total = sum(jobs.values())
    done = jobs.get(KeyJobState.DONE, 0)
    return {
        "id": campaign.id,
        "purpose": str(campaign.purpose),
        "state": str(campaign.state),
        "task": str(campaign.task),
        "kinds": [str(kind) for kind in campaign.kinds],
        "suite": campaign.suite,
        "policy": campaign.policy,
        "reason": campaign.reason,
        "started_by": campaign.started_by,
        "pace_per_minute": campaign.pace_per_minute,
        "created_at": campaign.created_at.isoformat(),
        "due_at": None if campaign.due_at is None else campaign.due_at.isoformat(),
        "ended_at": None if campaign.ended_at is None else campaign.ended_at.isoformat(),
        "total": total,
        "jobs": {str(state): jobs.get(state, 0) for state in KeyJobState},
        "done_share": done / total if total else 1.0,
    }


def job_document(job: KeyJob) -> dict[str, Any]:
    """A job, as answered on the bus and by the API."""
    return {
        "device": job.device_id,
        "state": str(job.state),
        "step": job.step,
        "attempts": job.attempts,
        "reason": job.reason,
        "changed_at": job.changed_at.isoformat(),
    }


def _raised(wanted: Mapping[str, Any], statement: PolicyStatement) -> dict[str, Any]:
    """The request with what a signed policy asks for: nothing else says to which level devices are raised."""
    selection: KeySelection = wanted["selection"]
    raises_policy = wanted["task"] is KeyTask.POLICY
    level = (
        SecurityLevel(policy=statement.level.policy) if raises_policy else SecurityLevel(suite=statement.level.suite)
    )
    if level == SecurityLevel() or wanted["task"] not in (KeyTask.KEYS, KeyTask.POLICY):
        raise RequestError("a signed policy raises the suite with new keys (task keys), or the policy (task policy)")
    if statement.models and selection.model not in statement.models:
        raise RequestError(f"the signed policy is for {', '.join(statement.models)}: select one of these models")
    reason = f"{wanted['reason']} (signed by {statement.key_id[:16]}: {statement.reason})".strip()
    return {**wanted, "kinds": KINDS_OF_TASK[wanted["task"]], "reason": reason, "level": level}


def _object(data: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(data) if data else {}
    except orjson.JSONDecodeError as error:
        raise RequestError("ask as a JSON object") from error
    if not isinstance(body, dict):
        raise RequestError("ask as a JSON object")
    return body


def _wanted(body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What a request to start asks for, as `KeyService.start` takes it."""
    try:
        purpose = KeyPurpose(body.get("purpose", KeyPurpose.ROTATE))
        task = KeyTask(body.get("task", KeyTask.KEYS))
        kinds = tuple(KeyKind(kind) for kind in body.get("kinds") or KINDS_OF_TASK[task])
        devices = tuple(DeviceId(int(each)) for each in body.get("devices") or ())
        days = body.get("older_than_days")
        selection = KeySelection(
            device_ids=devices,
            model=body.get("model"),
            origin=KeyOrigin(body["origin"]) if body.get("origin") else None,
            compromised=bool(body.get("compromised", False)),
            older_than=None if days is None else now - timedelta(days=float(days)),
            kinds=tuple(KeyKind) if task is not KeyTask.KEYS else SYMMETRIC_KINDS,
        )
        pace = int(body.get("pace_per_minute", 0))
    except (TypeError, ValueError, OverflowError, MeterworksError) as error:
        raise RequestError(f"this is no key campaign: {error}") from error
    if purpose not in _STARTED_BY_HAND or any(kind not in KINDS_OF_TASK[task] for kind in kinds):
        allowed = ", ".join(KINDS_OF_TASK[task]) or "no kinds"
        raise RequestError(f"a campaign for {task} is about {allowed}; its purpose is rotate, emergency or scheduled")
    if not 0 <= pace <= 1_000_000 or len(devices) > DEVICES_MAX:
        raise RequestError(f"a campaign has a pace up to 1,000,000 a minute and at most {DEVICES_MAX} devices")
    return {
        "purpose": purpose,
        "selection": selection,
        "kinds": kinds,
        "reason": str(body.get("reason", "")),
        "started_by": str(body.get("started_by", "operator")),
        "pace_per_minute": pace,
        "task": task,
    }
