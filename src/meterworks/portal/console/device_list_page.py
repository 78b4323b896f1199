"""The list of devices: searched, filtered and paged where the data is, never in the browser."""

from nicegui import ui

from meterworks.portal.console.frame import button, card, frame, html
from meterworks.portal.console.live import guarded
from meterworks.portal.console.markup import Cell, badge, link, table
from meterworks.portal.console.visit import Visit
from meterworks.registry import DeviceFilter, DeviceState, PlacedDevice

__all__ = ["show_device_list"]

PAGE_SIZE = 25
ANY = "any"
_TONES = {"installed": "good", "stock": "muted", "removed": "muted", "quarantined": "bad", "retired": "muted"}
_HEADS = ("Device", "Serial", "Model", "Firmware", "Metering point", "Address", "Feeder", "State")


def _row(placed: PlacedDevice) -> tuple[Cell | str, ...]:
    device, point = placed.device, placed.usage_point
    return (
        link(f"/console/devices/{device.id}", str(device.id)),
        link(f"/console/devices/{device.id}", device.serial),
        device.model,
        device.firmware,
        "–" if point is None else point.id,
        "–" if point is None else point.address,
        "–" if point is None else point.feeder,
        badge(device.state, _TONES.get(device.state, "muted")),
    )


class _DeviceList:
    """What is asked for, and which page of it is shown."""

    def __init__(self, visit: Visit, search: str) -> None:
        self._visit = visit
        self.search = search
        self.state = ANY
        self.model = ANY
        self.feeder = ANY
        self._starts: list[str | None] = [None]  # cursors of this page and those before
        self._next: str | None = None

    def _filter(self) -> DeviceFilter:
        return DeviceFilter(
            search=self.search or "",
            state=None if self.state == ANY else DeviceState(self.state),
            model=None if self.model == ANY else self.model,
            feeder=None if self.feeder == ANY else self.feeder,
        )

    async def begin(self) -> None:
        """Back to the first page: what is asked for has changed."""
        self._starts = [None]
        await self.render()

    async def forward(self) -> None:
        if self._next is not None:
            self._starts.append(self._next)
            await self.render()

    async def back(self) -> None:
        if len(self._starts) > 1:
            self._starts.pop()
            await self.render()

    def build(self) -> None:
        self._table = html("").mark("device-table")
        with ui.element("div").classes("mw-row mw-between"):
            self._note = html("", tag="p").classes("mw-muted").props("role=status")
            with ui.element("div").classes("mw-row"):
                self._back = button("Previous", lambda: guarded(self._visit, self.back), quiet=True)
                self._forward = button("Next", lambda: guarded(self._visit, self.forward), quiet=True)

    async def render(self) -> None:
        """Show the page asked for."""
        filter_ = self._filter()
        page = await self._visit.market.registry.devices(filter_, after=self._starts[-1], limit=PAGE_SIZE)
        counts = await self._visit.market.registry.count_devices(filter_)
        self._next = page.next_cursor
        rows = [_row(placed) for placed in page.items]
        self._table.set_content(table(_HEADS, rows, caption="Devices by number", none="No device is like that."))
        first = (len(self._starts) - 1) * PAGE_SIZE
        span = f"{first + 1:,} to {first + len(rows):,} of " if rows else ""
        self._note.set_content(f"{span}{counts.total:,} devices")
        self._back.set_enabled(len(self._starts) > 1)
        self._forward.set_enabled(self._next is not None)


async def show_device_list(visit: Visit, search: str) -> None:
    """The page."""
    everything = await visit.market.registry.count_devices()
    devices = _DeviceList(visit, search)

    def begin() -> object:
        return guarded(visit, devices.begin)

    with frame(visit, "Devices", current="/console/devices"), card("Find"):
        with ui.element("div").classes("mw-row"):
            ui.input("Serial, identity, metering point, name or address", on_change=begin).props(
                'debounce=250 outlined dense clearable type=search aria-label="Search devices"'
            ).bind_value(devices, "search").style("min-width: 340px")
            for label, name, offered in (
                ("State", "state", everything.by_state),
                ("Model", "model", everything.by_model),
                ("Feeder", "feeder", everything.by_feeder),
            ):
                ui.select([ANY, *offered], label=label, on_change=begin).props("outlined dense").bind_value(
                    devices, name
                ).style("min-width: 130px")
        devices.build()
        await devices.render()
