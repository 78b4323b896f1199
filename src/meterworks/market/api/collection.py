"""How collection is going, and the load of the whole neighbourhood."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import numpy as np
import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from meterworks.catalogue import Severity
from meterworks.market.api.gate import market_of, permit
from meterworks.market.api.parameter import After, DeviceNumber, FromText, Limit, ToText
from meterworks.market.api.response import OrjsonResponse, data_response
from meterworks.market.device_access import event_document
from meterworks.market.encoding import JSON
from meterworks.market.errors import RangeTooLarge
from meterworks.market.principal import Principal
from meterworks.market.question import parse_range
from meterworks.market.scope import instant
from meterworks.market.timestamp import format_times, format_utc

__all__ = ["router"]

router = APIRouter()
LOAD_DAYS_MAX = 400
RangeState = Literal["missing", "sent", "absent"]


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_utc(moment)


@router.get("/collection/summary", tags=["collection"], summary="Rates, late and silent devices, fill")
async def summary(request: Request, principal: Annotated[Principal, permit("collection.read")]) -> Response:
    """Share of the last day's and of each hour's readings that is stored, who is late, how far the fill is."""
    found = await market_of(request).overview.summary()
    return OrjsonResponse(
        {
            "devices": {"total": found.devices.total, "by_state": dict(found.devices.by_state)},
            "read_rate_day": found.day_rate,
            "read_rate_hours": [
                {"start": format_utc(datetime.fromtimestamp(hour.start_epoch_s, UTC)), "rate": hour.rate}
                for hour in found.hours
            ],
            "late_devices": list(found.late),
            "silent_devices": list(found.silent),
            "first_fill": found.first_fill_share,
            "progress": [
                {
                    "profile": each.profile,
                    "expected_s": each.expected_s,
                    "stored_s": each.committed_s,
                    "missing_s": each.missing_s,
                    "sent_s": each.sent_s,
                    "absent_s": each.absent_s,
                }
                for each in found.progress
            ],
        }
    )


@router.get("/collection/runs", tags=["collection"], summary="Collection runs")
async def runs(
    request: Request, principal: Annotated[Principal, permit("collection.read")], limit: Limit = 50
) -> Response:
    """Runs, newest first."""
    found = await market_of(request).collection.runs(limit=limit)
    return OrjsonResponse(
        {
            "runs": [
                {
                    "id": run.id,
                    "kind": run.kind,
                    "started": _time(run.started),
                    "ended": _time(run.ended),
                    "planned": run.planned,
                    "done": run.done,
                    "failed": run.failed,
                }
                for run in found
            ]
        }
    )


@router.get("/collection/missing", tags=["collection"], summary="Ranges that are not stored")
async def missing(
    request: Request,
    principal: Annotated[Principal, permit("collection.read")],
    device: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    profile: Annotated[str | None, Query(max_length=40)] = None,
    state: Annotated[
        list[RangeState] | None, Query(description="missing (default), sent (on its way), absent (a gap of the meter)")
    ] = None,
    limit: Limit = 1000,
) -> Response:
    """Ranges of devices' profiles that are not in the warehouse, by device and time."""
    found = await market_of(request).collection.open_ranges(
        None if device is None else [device], states=state or ["missing"], profile=profile, limit=limit
    )
    return OrjsonResponse(
        {
            "ranges": [
                {
                    "device": row.device_id,
                    "profile": row.profile,
                    "state": row.state,
                    "from": format_utc(row.start),
                    "to": format_utc(row.end),
                }
                for row in found
            ]
        }
    )


@router.get("/collection/sessions", tags=["collection"], summary="Sessions with meters")
async def sessions(
    request: Request,
    principal: Annotated[Principal, permit("session.read")],
    device: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before")] = None,
    limit: Limit = 100,
) -> Response:
    """The session log, newest first."""
    found = await market_of(request).collection.sessions(device, before_id=before, limit=limit)
    return OrjsonResponse(
        {
            "sessions": [
                {
                    "id": line.id,
                    "device": line.session.device_id,
                    "kind": line.session.kind,
                    "started": _time(line.session.started),
                    "ended": _time(line.session.ended),
                    "outcome": line.session.outcome,
                    "error": line.session.error_code,
                    "bytes_in": line.session.bytes_in,
                    "bytes_out": line.session.bytes_out,
                    "rows": line.session.rows,
                    "clock_drift_s": line.session.clock_drift_s,
                }
                for line in found
            ],
            "next": found[-1].id if len(found) == limit else None,
        }
    )


@router.get("/devices/{device_id}/sessions", tags=["devices"], summary="Sessions with a device")
async def device_sessions(
    request: Request,
    principal: Annotated[Principal, permit("session.read")],
    device_id: DeviceNumber,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Limit = 100,
) -> Response:
    """The session log of one device, newest first."""
    market = market_of(request)
    await market.scope.device(principal, device_id, instant(market.clock.now()))
    return await sessions(request, principal, device=device_id, before=before, limit=limit)


@router.get("/events", tags=["collection"], summary="Events of all devices in view")
async def events(
    request: Request,
    principal: Annotated[Principal, permit("event.read")],
    from_text: FromText = None,
    to_text: ToText = None,
    severity: Severity | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Entries of the event logs of the devices in the asker's view now, newest first."""
    market = market_of(request)
    asked = parse_range(from_text, to_text, market.clock.now())
    view = await market.scope.devices_in_view(principal, asked)
    page = await market.collection.events(
        None if view is None else list(view), from_=asked.from_, to=asked.to, after=after, limit=limit
    )
    seen = [
        entry
        for entry in page.events
        if view is None or any(part.contains(entry.event.at) for part in view[entry.event.device_id])
    ]
    documents = [event_document(entry) for entry in seen]
    wanted = [document for document in documents if severity is None or document["severity"] == severity]
    return OrjsonResponse({"events": wanted, "next": page.next})


@router.get("/load", tags=["readings"], summary="Load of all meters together")
async def load(
    request: Request,
    principal: Annotated[Principal, permit("load.read")],
    from_text: FromText = None,
    to_text: ToText = None,
    interval: Annotated[
        Literal[900, 1800, 3600], Query(description="Meters with intervals of this many seconds")
    ] = 1800,
) -> Response:
    """Mean power per interval in W, summed over the meters in view all the time asked, and how many that is."""
    market = market_of(request)
    asked = parse_range(from_text, to_text, market.clock.now())
    if (asked.to - asked.from_).days > LOAD_DAYS_MAX:
        raise RangeTooLarge(f"at most {LOAD_DAYS_MAX} days are summed at once", days_max=LOAD_DAYS_MAX)
    view = await market.scope.devices_in_view(principal, asked)
    device_ids = None if view is None else [device_id for device_id, parts in view.items() if list(parts) == [asked]]
    found = await market.overview.load(asked, interval_s=interval, device_ids=device_ids)
    starts = format_times(found.start_epoch_s).tobytes().decode()
    document = {
        "from": format_utc(asked.from_),
        "to": format_utc(asked.to),
        "interval_s": found.interval_s,
        "unit": "W",
        "starts": [starts[place : place + 20] for place in range(0, len(starts), 20)],
        "import": np.rint(found.import_w).astype(np.int64).tolist(),
        "export": np.rint(found.export_w).astype(np.int64).tolist(),
        "meters": found.count.tolist(),
    }
    return await data_response(request, orjson.dumps(document), JSON)
