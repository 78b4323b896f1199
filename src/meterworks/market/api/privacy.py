"""A consumer's own data: take it away, correct it, ask to be erased. And for the operator: holds, and what went."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from meterworks.catalogue import data_flows
from meterworks.market.acts import actor_of
from meterworks.market.api.body import Body
from meterworks.market.api.gate import market_of, permit, request_id_of
from meterworks.market.api.parameter import Limit
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.erasure import Erasure
from meterworks.market.principal import Principal
from meterworks.market.subject_export import DataPackage
from meterworks.market.timestamp import format_utc
from meterworks.registry import Consumer, ConsumerId

__all__ = ["data_package_response", "router"]

router = APIRouter()
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Form = Annotated[Literal["json", "zip"], Query(description="One JSON document, or it and CSV tables in a ZIP archive")]


class CorrectionDocument(Body):
    """What is to be right from now on; what is left out stays."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    email: str | None = Field(default=None, max_length=200)


class HoldDocument(Body):
    """An order to keep data. Without a metering point: all data."""

    metering_point: str | None = Field(default=None, min_length=1, max_length=128)
    reason: str = Field(min_length=1, max_length=200)


def data_package_response(package: DataPackage, form: str) -> Response:
    """The package as a file to keep."""
    kinds = {"json": ("application/json", package.json), "zip": ("application/zip", package.archive)}
    media_type, pack = kinds[form]
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="my-data.{form}"'}
    return Response(pack(), media_type=media_type, headers=headers)


def _consumer(consumer: Consumer) -> dict[str, object]:
    return {"id": consumer.id, "name": consumer.name, "email": consumer.email}


def _wish(wish: Erasure) -> dict[str, object]:
    return {
        "consumer": wish.consumer_id,
        "asked_at": format_utc(wish.asked_at),
        "approved": wish.approved_by is not None,
        "done_at": None if wish.done_at is None else format_utc(wish.done_at),
    }


@router.get("/own-data", tags=["privacy"], summary="Download my data")
async def own_data(
    request: Request, principal: Annotated[Principal, permit("own-data.export")], form: Form = "json"
) -> Response:
    """Everything the system holds of you: homes, consents, who read what, and your readings."""
    assert principal.consumer_id is not None
    market = market_of(request)
    on = f"consumer:{principal.consumer_id}"
    await market.acts.record("data.exported", by=actor_of(principal), on=on, cause="the consumer's own")
    export = market.subject_export
    package = await export.package(principal.consumer_id, by=principal, request_id=request_id_of(request))
    return data_package_response(package, form)


@router.patch("/own-data", tags=["privacy"], summary="Correct my name or address")
async def correct_own_data(
    request: Request, principal: Annotated[Principal, permit("own-data.correct")], document: CorrectionDocument
) -> Response:
    """Correct your own name or e-mail address."""
    assert principal.consumer_id is not None
    number = ConsumerId(principal.consumer_id)
    market = market_of(request)
    on = f"consumer:{number}"
    await market.acts.record("consumer.changed", by=actor_of(principal), on=on, cause="corrected by the consumer")
    registry = market.registry
    return OrjsonResponse(_consumer(await registry.change_consumer(number, name=document.name, email=document.email)))


@router.post("/own-data/erasure", status_code=202, tags=["privacy"], summary="Ask to be erased")
async def ask_for_erasure(request: Request, principal: Annotated[Principal, permit("own-data.erase")]) -> Response:
    """Ask that what is not needed for the books be erased; the operator approves it once you have moved out."""
    assert principal.consumer_id is not None
    return OrjsonResponse(
        _wish(await market_of(request).wishes.ask(principal.consumer_id, by="consumer")), status_code=202
    )


@router.get("/consumers/{consumer}/data", tags=["privacy"], summary="Data of a consumer")
async def consumer_data(
    request: Request, principal: Annotated[Principal, permit("consumer.export")], consumer: Number, form: Form = "json"
) -> Response:
    """A consumer's data, for one who asks in writing and has proven who they are."""
    market = market_of(request)
    await market.acts.record("data.exported", by=actor_of(principal), on=f"consumer:{consumer}")
    package = await market.subject_export.package(consumer, by=principal, request_id=request_id_of(request))
    return data_package_response(package, form)


@router.post("/consumers/{consumer}/erasure", status_code=202, tags=["privacy"], summary="Approve an erasure")
async def approve_erasure(
    request: Request, principal: Annotated[Principal, permit("consumer.erase")], consumer: Number
) -> Response:
    """Have a consumer erased at the next run of retention. 404 for one nobody knows."""
    market = market_of(request)
    await market.registry.consumer(ConsumerId(consumer))
    await market.acts.record("erasure.approved", by=actor_of(principal), on=f"consumer:{consumer}")
    return OrjsonResponse(_wish(await market.wishes.approve(consumer, by=principal.name)), status_code=202)


@router.get("/privacy/erasures", tags=["privacy"], summary="Wishes to be erased")
async def list_erasures(request: Request, principal: Annotated[Principal, permit("retention.read")]) -> Response:
    """All wishes, newest first, and whether they are approved and done."""
    return OrjsonResponse({"erasures": [_wish(wish) for wish in await market_of(request).wishes.of()]})


@router.get("/privacy/register", tags=["privacy"], summary="Register of data flows")
async def register(principal: Annotated[Principal, permit("retention.read")]) -> Response:
    """Who gets what, why, how fine, how long and where it lies."""
    return OrjsonResponse({"flows": [asdict(flow) for flow in data_flows()]})


@router.get("/privacy/deletions", tags=["privacy"], summary="What was deleted")
async def list_deletions(
    request: Request, principal: Annotated[Principal, permit("retention.read")], limit: Limit = 100
) -> Response:
    """Records of deletions, newest first."""
    found = await market_of(request).deletions(limit)
    return OrjsonResponse(
        {
            "deletions": [
                {**entry, "at": format_utc(at), "before": None if before is None else format_utc(before)}
                for entry, at, before in ((asdict(each), each.at, each.before) for each in found)
            ]
        }
    )


@router.get("/privacy/holds", tags=["privacy"], summary="Holds")
async def list_holds(request: Request, principal: Annotated[Principal, permit("retention.read")]) -> Response:
    """Orders to keep data that stand."""
    return OrjsonResponse(
        {
            "holds": [
                {
                    "id": hold.id,
                    "metering_point": hold.usage_point_id,
                    "reason": hold.reason,
                    "set_by": hold.set_by,
                    "set_at": format_utc(hold.set_at),
                }
                for hold in await market_of(request).holds.standing()
            ]
        }
    )


@router.post("/privacy/holds", status_code=201, tags=["privacy"], summary="Set a hold")
async def set_hold(
    request: Request, principal: Annotated[Principal, permit("retention.manage")], document: HoldDocument
) -> Response:
    """Keep the data of a metering point, or all data, until the hold is released."""
    market = market_of(request)
    on = "system" if document.metering_point is None else f"usage-point:{document.metering_point}"
    await market.acts.record("hold.set", by=actor_of(principal), on=on, cause=document.reason)
    await market.holds.set(document.metering_point, document.reason, by=principal.name)
    return OrjsonResponse({"metering_point": document.metering_point, "reason": document.reason}, status_code=201)


@router.delete("/privacy/holds/{hold}", tags=["privacy"], summary="Release a hold")
async def release_hold(
    request: Request, principal: Annotated[Principal, permit("retention.manage")], hold: Number
) -> Response:
    """End a hold: limits count again."""
    market = market_of(request)
    await market.acts.record("hold.released", by=actor_of(principal), on=f"hold:{hold}")
    await market.holds.release(hold, by=principal.name)
    return OrjsonResponse({"id": hold, "released": True})
