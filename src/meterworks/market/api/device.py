"""Devices: find, look at, add, read now."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from pydantic import Field

from meterworks.catalogue import Medium
from meterworks.market.acts import actor_of
from meterworks.market.api.body import Body
from meterworks.market.api.gate import market_of, permit, request_id_of
from meterworks.market.api.parameter import After, DeviceNumber, FromText, Limit, PurposeText, ToText
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.document import (
    device_document,
    installation_document,
    placed_device_document,
    usage_point_document,
)
from meterworks.market.errors import RequestMalformed
from meterworks.market.market import Market
from meterworks.market.principal import Principal
from meterworks.market.purpose import parse_purpose
from meterworks.market.question import parse_range
from meterworks.market.scope import instant, viewer_of
from meterworks.market.shipment import import_shipment
from meterworks.market.timestamp import format_utc, parse_time
from meterworks.registry import (
    ConnectionKind,
    DeviceFilter,
    DeviceId,
    DeviceKeys,
    DeviceState,
    IdentityScheme,
    NewDevice,
    RowOutcome,
    ShipmentFormat,
    UsagePointId,
)

__all__ = ["router"]

router = APIRouter()
_SHIPMENT_FORMS: Mapping[str, ShipmentFormat] = {
    "text/csv": "csv",
    "application/json": "json",
    "application/xml": "xml",
    "text/xml": "xml",
}
FilterText = Annotated[str | None, Query(max_length=200)]
KeyText = Annotated[str | None, Field(default=None, pattern="^[0-9A-Fa-f]{32,64}$", repr=False)]


class KeyDocument(Body):
    """Keys in hexadecimal. They are wrapped before they are stored and never given out."""

    guek: KeyText = None
    gak: KeyText = None
    kek: KeyText = None


class DeviceDocument(Body):
    """A device to be added."""

    identity: str = Field(max_length=64, description="8 octets in hexadecimal")
    serial: str = Field(max_length=64)
    manufacturer: str = Field(max_length=64)
    model: str = Field(max_length=64)
    firmware: str = Field(max_length=64)
    medium: Medium = Medium.ELECTRICITY
    phases: int = Field(default=1, ge=0, le=3)
    address: str = Field(default="", max_length=255, description="host:port")
    connection: ConnectionKind = ConnectionKind.HEAD_END
    scheme: IdentityScheme = IdentityScheme.DLMS
    interval_s: int = 1800
    keys: KeyDocument = Field(default_factory=KeyDocument)


class InstallationDocument(Body):
    """A device to be installed."""

    device: int = Field(ge=1, le=2**63 - 1)
    metering_point: str = Field(min_length=1, max_length=128)
    at: str | None = Field(default=None, max_length=40, description="RFC 3339 with offset; default: now")
    replaces: int | None = Field(default=None, ge=1, le=2**63 - 1, description="The device that hangs there")


class ReadDocument(Body):
    """What to read from the meter."""

    what: str = Field(default="registers", pattern="^registers$")


@router.get("/devices", tags=["devices"], summary="Find devices")
async def list_devices(
    request: Request,
    principal: Annotated[Principal, permit("device.read")],
    search: Annotated[
        str, Query(max_length=200, description="Part of serial, identity, metering point, name or address")
    ] = "",
    manufacturer: FilterText = None,
    model: FilterText = None,
    firmware: FilterText = None,
    state: DeviceState | None = None,
    medium: Medium | None = None,
    feeder: FilterText = None,
    transformer: FilterText = None,
    metering_point: FilterText = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Devices in order of number, each with where it stands now; only those in the asker's view."""
    page = await market_of(request).registry.devices(
        DeviceFilter(
            search=search,
            manufacturer=manufacturer,
            model=model,
            firmware=firmware,
            state=state,
            medium=medium,
            feeder=feeder,
            transformer=transformer,
            usage_point_id=None if metering_point is None else UsagePointId(metering_point),
            visible_to=viewer_of(principal),
        ),
        after=after,
        limit=limit,
    )
    return OrjsonResponse(
        {"devices": [placed_device_document(placed) for placed in page.items], "next": page.next_cursor}
    )


@router.get("/devices/{device_id}", tags=["devices"], summary="Look at a device")
async def show_device(
    request: Request, principal: Annotated[Principal, permit("device.read")], device_id: DeviceNumber
) -> Response:
    """A device, where it stands, and what it measures."""
    market = market_of(request)
    view = await market.scope.device(principal, device_id, instant(market.clock.now()))
    channels = await market.registry.channels(view.device.id)
    return OrjsonResponse(
        {
            **device_document(view.device),
            "installations": [installation_document(entry) for entry in view.installations],
            "metering_point": None if view.usage_point is None else usage_point_document(view.usage_point),
            "channels": [
                {"channel_id": channel.channel_id, "profile": channel.profile, "depth_days": channel.depth_days}
                for channel in channels
            ],
        }
    )


@router.post("/devices", status_code=201, tags=["devices"], summary="Add a device")
async def add_device(
    request: Request, principal: Annotated[Principal, permit("device.add")], document: DeviceDocument
) -> Response:
    """Add a device to the stock; `POST /installations` puts it in its place."""
    market = market_of(request)
    keys = {name: bytes.fromhex(text) for name, text in document.keys.model_dump(exclude_none=True).items()}
    new = NewDevice(**document.model_dump(exclude={"keys"}), keys=DeviceKeys(**keys))
    await market.acts.record("device.added", by=actor_of(principal), on=f"device:{new.identity}")
    (device_id,) = await market.registry.add_devices([new])
    await market.announce_registry_change()
    device = await market.registry.device(device_id)
    return OrjsonResponse(
        device_document(device), status_code=201, headers={"Location": f"/api/v1/devices/{device_id}"}
    )


@router.post("/installations", status_code=201, tags=["devices"], summary="Install or exchange a device")
async def add_installation(
    request: Request,
    principal: Annotated[Principal, permit("installation.change")],
    document: InstallationDocument,
) -> Response:
    """Put a device at a metering point, in the place of the one it `replaces` if that is named."""
    market = market_of(request)
    at = market.clock.now() if document.at is None else parse_time(document.at, "at")
    device_id, point_id = DeviceId(document.device), UsagePointId(document.metering_point)
    await _record_installation(market, principal, document, at)
    if document.replaces is None:
        made = await market.registry.install(device_id, point_id, at)
    else:
        made = await market.registry.exchange(point_id, DeviceId(document.replaces), device_id, at)
    await market.announce_registry_change()
    return OrjsonResponse(installation_document(made), status_code=201)


async def _record_installation(
    market: Market, principal: Principal, document: InstallationDocument, at: datetime
) -> None:
    """An exchange is two acts: one device goes, another comes. Both are on record before the registry changes."""
    by, facts = actor_of(principal), {"usage_point": document.metering_point, "from": format_utc(at)}
    if document.replaces is not None:
        await market.acts.record("device.removed", by=by, on=f"device:{document.replaces}", facts=facts)
    await market.acts.record("device.installed", by=by, on=f"device:{document.device}", facts=facts)


@router.get("/devices/{device_id}/last", tags=["devices"], summary="Latest values of a device")
async def last_values(
    request: Request,
    principal: Annotated[Principal, permit("reading.read")],
    device_id: DeviceNumber,
    purpose: PurposeText = None,
) -> Response:
    """The latest value of each channel, as collection or a read now brought it."""
    found = await market_of(request).device_access.last_values(
        principal, device_id, purpose=parse_purpose(purpose), request_id=request_id_of(request)
    )
    return OrjsonResponse({"device": device_id, "values": [value.document() for value in found]})


@router.get("/devices/{device_id}/events", tags=["devices"], summary="Events of a device")
async def device_events(
    request: Request,
    principal: Annotated[Principal, permit("event.read")],
    device_id: DeviceNumber,
    from_text: FromText = None,
    to_text: ToText = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Entries of the event logs in a range of time, newest first."""
    market = market_of(request)
    asked = parse_range(from_text, to_text, market.clock.now())
    found, following = await market.device_access.events(principal, device_id, asked, after=after, limit=limit)
    return OrjsonResponse({"device": device_id, "events": found, "next": following})


@router.post("/devices/{device_id}/reads", tags=["devices"], summary="Read a device now")
async def read_now(
    request: Request,
    principal: Annotated[Principal, permit("meter.read-now")],
    device_id: DeviceNumber,
    document: ReadDocument | None = None,
    purpose: PurposeText = None,
) -> Response:
    """Ask the meter itself. Overtakes scheduled collection; 504 when no answer came in time."""
    read = await market_of(request).device_access.read_now(
        principal, device_id, purpose=parse_purpose(purpose), request_id=request_id_of(request)
    )
    return OrjsonResponse(read.document(), headers={"Cache-Control": "no-store"})


@router.post("/devices/{device_id}/release", tags=["devices"], summary="Try a refused device again")
async def release(
    request: Request,
    principal: Annotated[Principal, permit("meter.release")],
    device_id: DeviceNumber,
    purpose: PurposeText = None,
) -> Response:
    """End the quarantine of a device that refused our keys: the head-end calls it again from its next run on."""
    await market_of(request).device_access.release(
        principal, device_id, purpose=parse_purpose(purpose), request_id=request_id_of(request)
    )
    return OrjsonResponse({"device": device_id, "released": True}, headers={"Cache-Control": "no-store"})


@router.post("/shipments", tags=["devices"], summary="Import a shipment file")
async def add_shipment(
    request: Request,
    principal: Annotated[Principal, permit("device.import")],
    transport_key: Annotated[
        str,
        Header(alias="X-Transport-Key", pattern="^[0-9A-Fa-f]{32}([0-9A-Fa-f]{32})?$", description="In hexadecimal"),
    ],
) -> Response:
    """Take devices from a file of their maker: CSV, JSON or XML by Content-Type, keys wrapped under the transport key.

    A sealed shipment has its maker's seal as a line in front of the file; one that does not hold is refused: 403.
    A bad row stops no other: each has a result. Sending the file again changes nothing.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = _SHIPMENT_FORMS.get(media_type)
    if form is None:
        raise RequestMalformed(f"send a shipment as one of {', '.join(_SHIPMENT_FORMS)}", parameter="body")
    market = market_of(request)
    result = await import_shipment(
        market.services, principal, await request.body(), form, transport_key=bytes.fromhex(transport_key)
    )
    await market.announce_registry_change()
    return OrjsonResponse(
        {
            "sealed_by": result.sealed_by or None,
            "counts": {outcome.value: result.count(outcome) for outcome in RowOutcome},
            "rows": [
                {
                    "line": row.line,
                    "identity": row.identity,
                    "outcome": row.outcome,
                    "device": row.device_id,
                    "message": row.message,
                }
                for row in result.rows
            ],
        }
    )
