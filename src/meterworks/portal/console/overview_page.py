"""The overview: how the fleet is, at a glance, kept up to date while it is looked at."""

from datetime import UTC, datetime, timedelta

import numpy as np
from nicegui import ui

from meterworks.market import CollectionSummary, FleetLoad, event_document
from meterworks.portal.console.chart import bar_chart, line_chart
from meterworks.portal.console.frame import card, frame, html
from meterworks.portal.console.live import every
from meterworks.portal.console.markup import Cell, badge, link, progress, table, tile
from meterworks.portal.console.value import percent
from meterworks.portal.console.visit import Visit

__all__ = ["show_overview"]

EVENT_COUNT = 10
DEVICE_COUNT = 12
_TONES = {"alarm": "bad", "warning": "warn", "information": "muted", "unknown": "muted"}
WATTS_PER_KILOWATT = 1000


def _tiles(summary: CollectionSummary) -> str:
    rate = summary.day_rate
    tone = "" if rate is None else "good" if rate >= 0.985 else "warn" if rate >= 0.9 else "bad"
    states = ", ".join(f"{count:,} {state}" for state, count in summary.devices.by_state.items())
    return (
        '<div class="mw-tiles">'
        + tile("Devices", f"{summary.devices.total:,}", states)
        + tile("Read rate, last 24 hours", percent(rate), "stored of what was expected", tone)
        + tile("Late", f"{len(summary.late):,}", "behind by two cycles", "warn" if summary.late else "")
        + tile("Silent", f"{len(summary.silent):,}", "not heard for a day", "bad" if summary.silent else "")
        + "</div>"
    )


def _fill(summary: CollectionSummary) -> str:
    share = summary.first_fill_share
    text = "The import history of all meters is complete." if share >= 1 else "Import history read so far, all meters."
    return f'{progress(share, "First fill")}<p class="mw-muted">{percent(share, 2)} · {text}</p>'


def _rate_chart(summary: CollectionSummary) -> dict[str, object]:
    labels = [f"{datetime.fromtimestamp(hour.start_epoch_s, UTC):%H:%M}" for hour in summary.hours]
    rates = [0.0 if hour.rate is None else round(hour.rate * 100, 2) for hour in summary.hours]
    return bar_chart(labels, [("Read rate", rates)], unit="%", maximum=100)


def _load_chart(load: FleetLoad) -> dict[str, object]:
    series = [("Import", load.start_epoch_s, load.import_w / WATTS_PER_KILOWATT)]
    if np.any(load.export_w):
        series.append(("Export", load.start_epoch_s, load.export_w / WATTS_PER_KILOWATT))
    return line_chart(series, unit="kW")


def _device_links(summary: CollectionSummary) -> str:
    rows = [
        (link(f"/console/devices/{device}", f"Device {device}"), badge("silent", "bad"))
        for device in summary.silent[:DEVICE_COUNT]
    ]
    silent = set(summary.silent)
    rows += [
        (link(f"/console/devices/{device}", f"Device {device}"), badge("late", "warn"))
        for device in summary.late[:DEVICE_COUNT]
        if device not in silent
    ]
    return table(("Device", "State"), rows, caption="The longest silent or late first", none="Every device is on time.")


async def _events(visit: Visit) -> str:
    now = visit.market.clock.now()
    page = await visit.market.collection.events(from_=now - timedelta(days=7), to=now, limit=EVENT_COUNT)
    rows: list[tuple[Cell | str, ...]] = []
    for seen in page.events:
        event = event_document(seen)
        severity = str(event["severity"])
        device = seen.event.device_id
        rows.append(
            (
                f"{seen.event.at:%Y-%m-%d %H:%M}",
                link(f"/console/devices/{device}", f"Device {device}"),
                str(event["name"]),
                badge(severity, _TONES[severity]),
            )
        )
    return table(("Time (UTC)", "Device", "Event", ""), rows, caption="Last 7 days, newest first", none="No events.")


async def show_overview(visit: Visit) -> None:
    """The page."""
    summary, load = await visit.market.overview.summary(), await visit.market.overview.recent_load()
    with frame(visit, "Overview", current="/console/", lead="The fleet at a glance, renewed every few seconds."):
        tiles = html(_tiles(summary))
        with card("First fill"):
            fill = html(_fill(summary)).mark("first-fill")
        with card("Load of the neighbourhood"):
            load_chart = ui.echart(_load_chart(load)).classes("mw-chart").props('role=img aria-label="Load in kW"')
        with ui.element("div").classes("mw-grid"):
            with card("Read rate by hour"):
                rate_chart = ui.echart(_rate_chart(summary)).classes("mw-chart mw-low")
                rate_chart.props('role=img aria-label="Read rate by hour in percent"')
            with card("Late and silent devices"):
                devices = html(_device_links(summary))
        with card("Events"):
            events = html(await _events(visit))

    async def renew() -> None:
        newer = await visit.market.overview.summary()
        tiles.set_content(_tiles(newer))
        fill.set_content(_fill(newer))
        devices.set_content(_device_links(newer))
        rate_chart.options.update(_rate_chart(newer))
        load_chart.options.update(_load_chart(await visit.market.overview.recent_load()))
        events.set_content(await _events(visit))

    every(visit, renew)
