"""One device: its readings as charts, registers, power quality, events, sessions, and a read of the meter now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

import numpy as np
from nicegui import ui

from meterworks.errors import MeterworksError
from meterworks.headend import DeviceMemory
from meterworks.market import (
    Columns,
    LatestValue,
    Period,
    Resolution,
    SecondFactorNeeded,
    SeriesQuestion,
    SeriesResult,
    TimeRange,
    event_document,
    instant,
)
from meterworks.portal.console.chart import bar_chart, line_chart
from meterworks.portal.console.frame import button, card, frame, html
from meterworks.portal.console.live import guarded
from meterworks.portal.console.markup import Cell, badge, facts, moment, number, table
from meterworks.portal.console.value import clock_error, duration, latest_table, split_latest
from meterworks.portal.console.visit import PURPOSE, Visit
from meterworks.registry import Device, DeviceState, UsagePoint

__all__ = ["show_device"]

EVENT_DAYS, EVENT_COUNT, SESSION_COUNT = 365, 25, 15
ENERGY_BASES = (1, 2)  # active energy, import and export
WH_PER_KWH = 1000
_NAMES = {1: "Import", 2: "Export"}
_OUTCOME_TONES = {"done": "good", "partial": "warn", "failed": "bad"}


@dataclass(frozen=True, slots=True)
class _View:
    """One of the charts on offer."""

    label: str
    resolution: Resolution
    days: int


_VIEWS: Sequence[_View] = (
    _View("Half-hours", "interval", 7),
    _View("Days", "day", 60),
    _View("Months", "month", 400),
)


def _options(result: SeriesResult, view: _View) -> dict[str, object]:
    """The chart of a view: lines of intervals, bars of days and months; only quantities that flowed at all."""
    filled = [series for series in result.series if np.any(series.rows.value)]
    if view.resolution == "interval":
        lines = [
            (_NAMES[series.channel.base], series.rows.start_epoch_s, series.rows.value / WH_PER_KWH)
            for series in filled
            if isinstance(series.rows, Columns)
        ]
        return line_chart(lines, unit="kWh", zoom=True, stepped=True)
    periods = [(series.channel.base, series.rows) for series in filled if isinstance(series.rows, Period)]
    labels = sorted({day for _, rows in periods for day in rows.local_date})
    shown = [f"{day:%b %Y}" if view.resolution == "month" else f"{day:%d %b}" for day in labels]
    bars = []
    for base, rows in periods:
        by_day = dict(zip(rows.local_date, rows.value.tolist(), strict=True))
        bars.append((_NAMES[base], [round(by_day.get(day, 0) / WH_PER_KWH, 3) for day in labels]))
    return bar_chart(shown, bars, unit="kWh")


class _Readings:
    """The chart and the choice of its view."""

    def __init__(self, visit: Visit, device_id: int) -> None:
        self._visit = visit
        self._device_id = device_id
        self._view = _VIEWS[0]

    async def _ask(self) -> SeriesResult:
        now = self._visit.market.clock.now().replace(microsecond=0)
        question = SeriesQuestion(
            channels=(),
            bases=ENERGY_BASES,
            asked=TimeRange(now - timedelta(days=self._view.days), now),
            as_of=None,
            resolution=self._view.resolution,
            zone_name=None,
            row_limit=None,
            cursor=None,
            purpose=PURPOSE,
            request_id=self._visit.request_id,
        )
        return await self._visit.market.reading_access.of_device(self._visit.principal, self._device_id, question)

    async def options(self) -> dict[str, object]:
        return _options(await self._ask(), self._view)

    async def build(self) -> None:
        self._choices: dict[str, ui.element] = {}
        with ui.element("div").classes("mw-tabs").props('role=group aria-label="Resolution of the chart"'):
            for view in _VIEWS:
                choice = ui.element("button").props("type=button").on("click", lambda chosen=view: self._choose(chosen))
                with choice:
                    html(escape(view.label), tag="span")
                self._choices[view.label] = choice
        self._holder = ui.element("div")
        await self._draw()

    async def _choose(self, view: _View) -> None:
        self._view = view
        await guarded(self._visit, self._draw)

    async def _draw(self) -> None:
        options = await self.options()
        for label, choice in self._choices.items():
            choice.props(f'aria-pressed="{str(label == self._view.label).lower()}"')
        self._holder.clear()
        with self._holder:
            chart = ui.echart(options).classes("mw-chart")
            chart.props(f'role=img aria-label="Energy by {self._view.resolution} in kWh"')


def _facts(device: Device, point: UsagePoint | None, memory: DeviceMemory | None) -> list[tuple[str, Cell | str]]:
    found: list[tuple[str, Cell | str]] = [
        ("State", badge(device.state, "good" if device.state is DeviceState.INSTALLED else "muted")),
        ("Identity", device.identity),
        ("Model", f"{device.manufacturer} {device.model}, {device.phases} phase{'s' if device.phases > 1 else ''}"),
        ("Firmware", device.firmware),
        ("Reached at", device.address or "calls the head-end itself"),
    ]
    if point is not None:
        found += [("Feeder", point.feeder or "–"), ("Transformer", point.transformer or "–")]
    if memory is not None:
        heard = memory.last_contact_epoch_s
        found += [
            ("Last heard (UTC)", moment(None if heard is None else datetime.fromtimestamp(heard, UTC))),
            ("Clock", "–" if memory.last_drift_s is None else clock_error(memory.last_drift_s)),
        ]
        if memory.quarantined:
            found.append(("Quarantine", badge("refused our keys", "bad")))
        elif memory.last_error:
            found.append(("Last error", memory.last_error))
    return found


class _ReadNow:
    """The button that asks the meter itself, and what came of it."""

    def __init__(self, visit: Visit, device_id: int) -> None:
        self._visit = visit
        self._device_id = device_id

    def build(self) -> None:
        self._button = button("Read now", self._read).props("id=read-now")
        self._result = html("").props("role=status aria-live=polite id=read-result")

    async def _read(self) -> None:
        """Show what the meter said, or why it said nothing."""
        self._button.disable()
        self._result.set_content('<p class="mw-muted">Asking the meter …</p>')
        visit = self._visit
        try:
            principal = await visit.allow("meter.read-now")
            read = await visit.market.device_access.read_now(
                principal, self._device_id, purpose=PURPOSE, request_id=visit.request_id
            )
            clock = "" if read.drift_s is None else f"; its clock is {clock_error(read.drift_s)}"
            self._result.set_content(latest_table(list(read.values), caption=f"Read just now{clock}"))
        except MeterworksError as error:
            way = ' <a href="/account">Account</a>' if isinstance(error, SecondFactorNeeded) else ""
            self._result.set_content(f'<p class="mw-alert" role="alert">{escape(str(error))}{way}</p>')
        finally:
            self._button.enable()


async def _events(visit: Visit, device_id: int) -> str:
    now = visit.market.clock.now()
    page = await visit.market.collection.events(
        [device_id], from_=now - timedelta(days=EVENT_DAYS), to=now + timedelta(minutes=5), limit=EVENT_COUNT
    )
    tones = {"alarm": "bad", "warning": "warn"}
    rows: list[tuple[Cell | str, ...]] = []
    for seen in page.events:
        event = event_document(seen)
        severity = str(event["severity"])
        log = str(event["log"]).replace("_", " ")
        rows.append((moment(seen.event.at), log, str(event["name"]), badge(severity, tones.get(severity, "muted"))))
    return table(("Time (UTC)", "Log", "Event", ""), rows, caption="The last year, newest first", none="No events.")


async def _sessions(visit: Visit, device_id: int) -> str:
    rows: list[tuple[Cell | str, ...]] = []
    for line in await visit.market.collection.sessions(device_id, limit=SESSION_COUNT):
        session = line.session
        rows.append(
            (
                moment(session.started),
                session.kind,
                badge(session.outcome, _OUTCOME_TONES.get(session.outcome, "muted")),
                duration(session.started, session.ended),
                number(session.rows),
                number((session.bytes_in + session.bytes_out) / 1000, "kB", 1),
                session.error_code or "",
            )
        )
    heads = ("Started (UTC)", "Kind", "Outcome", "Took", "Rows", "Traffic", "Error")
    return table(heads, rows, caption="Newest first", none="No session yet.")


async def show_device(visit: Visit, device_id: int) -> None:
    """The page. Raises NotFound."""
    market = visit.market
    view = await market.scope.device(visit.principal, device_id, instant(market.clock.now()))
    device, point = view.device, view.usage_point
    memory = (await market.collection.devices([device_id])).get(device_id)
    latest: list[LatestValue] = list(
        await market.device_access.last_values(visit.principal, device_id, purpose=PURPOSE, request_id=visit.request_id)
    )
    registers, quality = split_latest(latest)
    lead = "Not installed" if point is None else f"{point.address} · metering point {point.id}"
    with frame(visit, f"Device {device.serial}", current="/console/devices", lead=lead):
        with ui.element("div").classes("mw-grid"):
            with card("Device"):
                html(facts(_facts(device, point, memory)))
            with card("Read now"):
                html("<p>Asks the meter itself for its registers; this overtakes scheduled collection.</p>")
                _ReadNow(visit, device_id).build()
        with card("Energy"):
            await _Readings(visit, device_id).build()
        with ui.element("div").classes("mw-grid"):
            with card("Registers"):
                html(latest_table(registers, caption="Latest known values"))
            with card("Power quality"):
                html(latest_table(quality, caption="Latest known values"))
        with card("Events"):
            html(await _events(visit, device_id))
        with card("Sessions"):
            html(await _sessions(visit, device_id))
