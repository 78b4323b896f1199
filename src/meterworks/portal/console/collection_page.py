"""Collection: runs, how far each profile is, missing ranges, silent devices, incidents."""

from html import escape

from meterworks.headend import FillProgress
from meterworks.portal.console.frame import card, frame, html
from meterworks.portal.console.live import every
from meterworks.portal.console.markup import Cell, badge, link, moment, number, progress, table
from meterworks.portal.console.value import duration, percent
from meterworks.portal.console.visit import Visit

__all__ = ["show_collection"]

RUN_COUNT, RANGE_COUNT, SILENT_COUNT, INCIDENT_COUNT = 12, 20, 50, 20
SECONDS_PER_HOUR = 3600


def _progress(found: list[FillProgress]) -> str:
    if not found:
        return '<p class="mw-empty">Nothing is expected of any device yet.</p>'
    parts = []
    for each in found:
        name = each.profile.replace("_", " ")
        hours = (each.missing_s + each.sent_s) // SECONDS_PER_HOUR
        note = f"{percent(each.settled_share, 2)} settled · {hours:,} device hours to come"
        if each.absent_s:
            note += f" · {each.absent_s // SECONDS_PER_HOUR:,} the meters hold no entry for"
        parts.append(
            f'<div><div class="mw-row mw-between"><strong>{escape(name)}</strong>'
            f'<span class="mw-muted">{escape(note)}</span></div>{progress(each.settled_share, name)}</div>'
        )
    return f'<div style="display:grid;gap:14px">{"".join(parts)}</div>'


async def _runs(visit: Visit) -> str:
    rows: list[tuple[Cell | str, ...]] = [
        (
            moment(run.started),
            run.kind,
            duration(run.started, run.ended),
            number(run.planned),
            number(run.done),
            Cell(f'<span class="mw-bad">{run.failed:,}</span>' if run.failed else "0", numeric=True),
        )
        for run in await visit.market.collection.runs(limit=RUN_COUNT)
    ]
    heads = ("Started (UTC)", "Kind", "Took", "Planned", "Done", "Failed")
    return table(heads, rows, caption="Newest first", none="No run yet.")


async def _missing(visit: Visit) -> str:
    rows: list[tuple[Cell | str, ...]] = [
        (
            link(f"/console/devices/{row.device_id}", f"Device {row.device_id}"),
            row.profile.replace("_", " "),
            moment(row.start),
            moment(row.end),
            number((row.end - row.start).total_seconds() / SECONDS_PER_HOUR, "h", 1),
        )
        for row in await visit.market.collection.open_ranges(limit=RANGE_COUNT)
    ]
    heads = ("Device", "Profile", "From (UTC)", "To (UTC)", "Length")
    return table(heads, rows, caption=f"At most {RANGE_COUNT}, by device", none="Nothing is missing.")


async def _silent(visit: Visit) -> str:
    market = visit.market
    silent = await market.collection.silent_devices(market.clock.now(), limit=SILENT_COUNT)
    memories = await market.collection.devices(silent) if silent else {}
    rows: list[tuple[Cell | str, ...]] = []
    for device_id in silent:
        memory = memories[device_id]
        heard = memory.last_contact_epoch_s
        rows.append(
            (
                link(f"/console/devices/{device_id}", f"Device {device_id}"),
                "never" if heard is None else duration_since(heard, market.clock.epoch_s()),
                number(memory.failures),
                badge("quarantined", "bad") if memory.quarantined else (memory.last_error or ""),
            )
        )
    heads = ("Device", "Heard", "Failures in a row", "Last error")
    return table(heads, rows, caption="Not heard for a day, the longest first", none="Every device has been heard.")


def duration_since(epoch_s: float, now_epoch_s: float) -> str:
    """How long ago something was, in hours or days."""
    hours = (now_epoch_s - epoch_s) / SECONDS_PER_HOUR
    return f"{hours:.0f} h ago" if hours < 48 else f"{hours / 24:.0f} days ago"


async def _incidents(visit: Visit) -> str:
    rows: list[tuple[Cell | str, ...]] = [
        (
            moment(incident.at),
            incident.kind.replace("_", " ").replace("-", " "),
            "–"
            if incident.device_id is None
            else link(f"/console/devices/{incident.device_id}", f"Device {incident.device_id}"),
            incident.peer or "–",
            incident.detail[:200],
        )
        for incident in await visit.market.collection.incidents(limit=INCIDENT_COUNT)
    ]
    heads = ("Time (UTC)", "What", "Device", "Peer", "Detail")
    return table(heads, rows, caption="Newest first", none="No incident.")


async def show_collection(visit: Visit) -> None:
    """The page."""
    summary = await visit.market.overview.summary()
    with frame(visit, "Collection", current="/console/collection", lead="What was read, and what is still to come."):
        with card("Progress by profile"):
            fill = html(_progress(list(summary.progress)))
        with card("Runs"):
            runs = html(await _runs(visit))
        with card("Missing ranges"):
            missing = html(await _missing(visit))
        with card("Silent devices"):
            silent = html(await _silent(visit))
        with card("Incidents"):
            incidents = html(await _incidents(visit))

    async def renew() -> None:
        newer = await visit.market.overview.summary()
        fill.set_content(_progress(list(newer.progress)))
        runs.set_content(await _runs(visit))
        missing.set_content(await _missing(visit))
        silent.set_content(await _silent(visit))
        incidents.set_content(await _incidents(visit))

    every(visit, renew)
