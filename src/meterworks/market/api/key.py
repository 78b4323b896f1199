"""Keys of meters: versions and states, and the campaigns that change them. Never a key itself."""

from typing import Annotated, Literal

import orjson
from cryptography import x509
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import Field

from meterworks.headend import (
    KEYS_CONTROL_SUBJECT,
    KEYS_START_SUBJECT,
    KeyJobState,
    KeyLedger,
    campaign_document,
    job_document,
)
from meterworks.market.api.body import Body
from meterworks.market.api.gate import market_of, permit
from meterworks.market.api.parameter import DeviceNumber, Limit
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.errors import NotFound
from meterworks.market.market import Market
from meterworks.market.principal import Principal
from meterworks.market.scope import instant
from meterworks.market.timestamp import format_utc
from meterworks.registry import DeviceId, KeyVersion

__all__ = ["router"]

router = APIRouter()
_NO_STORE = {"Cache-Control": "no-store"}
CampaignNumber = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


class CampaignBody(Body):
    """A campaign to begin. What is given of the selection must all hold; nothing given: every device with keys.

    statement: a signed policy, which alone raises devices to a higher suite (task keys) or policy (task policy).
    """

    purpose: Literal["rotate", "emergency"] = "rotate"
    task: Literal["keys", "certificate", "client", "secret", "policy"] = "keys"
    kinds: list[Literal["guek", "gak", "kek", "gbek", "signing", "agree", "tls", "hls"]] = Field(
        default_factory=list, max_length=4
    )
    statement: str | None = Field(default=None, max_length=8192)
    devices: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(default_factory=list, max_length=100_000)
    model: str | None = Field(default=None, max_length=64)
    origin: Literal["transport", "generated", "agreed", "imported"] | None = None
    compromised: bool = False
    older_than_days: float | None = Field(default=None, ge=0, le=36_500)
    reason: str = Field(default="", max_length=300)
    pace_per_minute: int = Field(default=0, ge=0, le=1_000_000)


class ControlBody(Body):
    """What to do with a campaign."""

    act: Literal["pause", "resume", "stop", "retry"]


def _ledger(market: Market) -> KeyLedger:
    return KeyLedger(market.services.database, market.registry)


@router.get("/devices/{device_id}/keys", tags=["keys"], summary="Key versions of a device")
async def device_keys(
    request: Request, principal: Annotated[Principal, permit("key.read")], device_id: DeviceNumber
) -> Response:
    """Kind, version, state, origin, times and counters of each key the device has or had. Never a key."""
    market = market_of(request)
    await market.scope.device(principal, device_id, instant(market.clock.now()))
    hand = (await market.registry.key_hands([DeviceId(device_id)]))[DeviceId(device_id)]
    return OrjsonResponse(
        {"device": device_id, "keys": [_version_document(each) for each in hand.versions]}, headers=_NO_STORE
    )


def _version_document(version: KeyVersion) -> dict[str, object]:
    def text(name: str) -> str | None:
        moment = getattr(version, name)
        return None if moment is None else format_utc(moment)

    return {
        "kind": str(version.kind),
        "version": version.version,
        "state": str(version.state),
        "origin": str(version.origin),
        "wrap_key": version.wrap_key,
        "in_force": version.is_in_force,
        "counter": version.counter,
        "created_at": text("created_at"),
        "activated_at": text("activated_at"),
        "ended_at": text("ended_at"),
        "verified_at": text("verified_at"),
        "certificate": None if version.certificate is None else _certificate_document(version.certificate),
    }


def _certificate_document(der: bytes) -> dict[str, str]:
    certificate = x509.load_der_x509_certificate(der)
    return {
        "serial_number": f"{certificate.serial_number:x}",
        "issuer": certificate.issuer.rfc4514_string(),
        "starts_at": format_utc(certificate.not_valid_before_utc),
        "ends_at": format_utc(certificate.not_valid_after_utc),
    }


@router.get("/key-campaigns", tags=["keys"], summary="Key campaigns")
async def campaigns(
    request: Request, principal: Annotated[Principal, permit("key.read")], limit: Limit = 50
) -> Response:
    """Campaigns, newest first, each with its jobs by state."""
    ledger = _ledger(market_of(request))
    found = await ledger.campaigns(limit=limit)
    jobs = await ledger.progress([each.id for each in found])
    documents = [campaign_document(each, jobs[each.id]) for each in found]
    return OrjsonResponse({"campaigns": documents}, headers=_NO_STORE)


@router.get("/key-campaigns/{campaign_id}", tags=["keys"], summary="A key campaign and its exceptions")
async def campaign(
    request: Request, principal: Annotated[Principal, permit("key.read")], campaign_id: CampaignNumber
) -> Response:
    """How far it is, and the devices whose job failed, each with the reason."""
    ledger = _ledger(market_of(request))
    found = await ledger.campaign(campaign_id)
    if found is None:
        raise NotFound(f"there is no key campaign {campaign_id}")
    jobs = await ledger.progress([campaign_id])
    failed = await ledger.jobs(campaign_id, states=[KeyJobState.FAILED])
    document = {**campaign_document(found, jobs[campaign_id]), "exceptions": [job_document(job) for job in failed]}
    return OrjsonResponse(document, headers=_NO_STORE)


@router.post("/key-campaigns", tags=["keys"], summary="Begin a key campaign", status_code=201)
async def start(
    request: Request, principal: Annotated[Principal, permit("key.rotate")], body: CampaignBody
) -> Response:
    """Rotate the keys of the devices selected, or do another task. An emergency marks keys as compromised."""
    market = market_of(request)
    question = orjson.dumps({**body.model_dump(exclude_none=True), "started_by": principal.name})
    timeout_s = market.settings.read_timeout_s
    answer = await market.services.bus.request(KEYS_START_SUBJECT, question, timeout_s=timeout_s)
    return OrjsonResponse(orjson.loads(answer), status_code=201, headers=_NO_STORE)


@router.post("/key-campaigns/{campaign_id}", tags=["keys"], summary="Pause, resume, stop or retry a key campaign")
async def control(
    request: Request,
    principal: Annotated[Principal, permit("key.rotate")],
    campaign_id: CampaignNumber,
    body: ControlBody,
) -> Response:
    """Hold a campaign, let it go on, or end it; what is half done is finished all the same. retry: failed jobs anew."""
    market = market_of(request)
    if await _ledger(market).campaign(campaign_id) is None:
        raise NotFound(f"there is no key campaign {campaign_id}")
    question = orjson.dumps({"campaign": campaign_id, "act": body.act, "started_by": principal.name})
    timeout_s = market.settings.read_timeout_s
    answer = await market.services.bus.request(KEYS_CONTROL_SUBJECT, question, timeout_s=timeout_s)
    return OrjsonResponse(orjson.loads(answer), headers=_NO_STORE)
