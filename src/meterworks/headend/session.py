"""One session with a device over an open association: clock, profiles, event logs, registers.

Each answer is handed on as soon as it is decoded, so what was read before a session breaks is kept. The caller opens
and closes the association and decides what a failure means.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from meterworks.catalogue import EVENT_LOGS, PROFILES, InstantRegister, ProfileColumn, instant_registers_of
from meterworks.errors import MeterworksError, PeerError
from meterworks.headend.capture import DAY_S, CapturePlan, ModelCheck, rows_of, rows_per_day, scaled
from meterworks.headend.clock_check import ClockAction, ClockVerdict, drift_s, judge_clock, judge_lost_clock
from meterworks.headend.device import DeviceRecord
from meterworks.headend.errors import ModelMismatchError
from meterworks.headend.model_book import ModelBook
from meterworks.headend.profile_rows import Readings, Window, readings_from_rows
from meterworks.headend.ranges import Range, Ranges, chunks, floor_to
from meterworks.headend.reading_set import Source
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.store import DeviceMemory, Event
from meterworks.protocols.dlms import (
    AttributeAddress,
    CaptureLayout,
    CosemDateTime,
    DataAccessResult,
    MethodAddress,
    ObisCode,
    PlainValue,
    ProfileTable,
    RangeSelection,
    ScalerUnit,
    decode_all,
    decode_capture_objects,
    decode_profile,
    encode_date_time,
    encode_long,
)
from meterworks.protocols.errors import DecodeError, ServiceRefused
from meterworks.runtime import Clock

__all__ = [
    "DeviceClient",
    "DeviceSession",
    "LastValues",
    "SessionReport",
    "SessionSink",
    "correct_clock",
    "suspect_past",
    "suspect_since_good",
]

LastValues = dict[int, tuple[float, int]]
"""Channel to (epoch seconds, value)."""

CLOCK_TIME = AttributeAddress(8, ObisCode("0.0.1.0.0.255"), 2)
CLOCK_SHIFT = MethodAddress(8, ObisCode("0.0.1.0.0.255"), 6)
PROFILE_CLASS = 7
BUFFER, CAPTURE_OBJECTS, CAPTURE_PERIOD, ENTRIES_MAX = 2, 3, 4, 8
SCALED_CLASSES = frozenset({3, 4})
BUSY_TRIES = 3
EVENT_ROWS_MAX = 20_000
EVENT_CODE_MAX = 0xFFFF
LAYOUTS_MAX = 256
REGISTERS = "registers"


class DeviceClient(Protocol):
    """What a session needs of a client: `links.DlmsClient` is one."""

    async def get(self, address: AttributeAddress, selection: RangeSelection | None = None) -> bytes:
        """One attribute as encoded data. ServiceRefused where the device refuses."""

    async def get_list(self, items: Sequence[AttributeAddress]) -> Sequence[bytes | DataAccessResult]:
        """Several attributes in one request."""

    @property
    def message_digest(self) -> str:
        """SHA-256 (hex) of the octets that answered the last request, as they came."""

    async def set(self, address: AttributeAddress, value: bytes) -> None:
        """Write an attribute."""

    async def action(self, address: MethodAddress, parameter: bytes | None = None) -> bytes | None:
        """Invoke a method."""


class SessionSink(Protocol):
    """Where a session's findings go."""

    async def readings(
        self, device: DeviceRecord, plan: CapturePlan, span: Range, readings: Readings, *, source: Source, origin: str
    ) -> None:
        """Readings of a range the device answered for. May wait until the bus takes more.

        origin: SHA-256 (hex) of the message they came in.
        """

    def events(self, events: Sequence[Event]) -> None:
        """Entries of an event log."""

    def last_values(self, device: DeviceRecord, values: LastValues) -> None:
        """Values of registers, just read."""


@dataclass(slots=True)
class SessionReport:
    """What a session brought."""

    rows: int = 0
    drift_s: float | None = None
    clock: ClockVerdict | None = None
    problems: dict[str, MeterworksError] = field(default_factory=dict)
    """What could not be read although the device was there, by profile or log."""
    settled: bool = False
    """Whether any range became sent or absent."""


Interlude = Callable[["DeviceSession"], Awaitable[None]]


async def nothing_between(_: "DeviceSession") -> None:
    """The interlude of a session that nobody interrupts."""


class DeviceSession:
    """Reads a device through an open association of the reader."""

    def __init__(
        self,
        device: DeviceRecord,
        client: DeviceClient,
        *,
        clock: Clock,
        models: ModelBook,
        sink: SessionSink,
        settings: HeadendSettings,
    ) -> None:
        self.device = device
        self.report = SessionReport()
        self.interlude: Interlude = nothing_between
        """Called between two steps: urgent work may go before the next."""
        self._client = client
        self._clock = clock
        self._models = models
        self._sink = sink
        self._settings = settings
        self._suspect: Window | None = None

    async def check_clock(self, memory: DeviceMemory) -> ClockVerdict:
        """Read the clock and judge it. Readings read afterwards are marked when the clock is far off."""
        asked = self._clock.epoch_s()
        answer = await self._client.get(CLOCK_TIME)
        answered = self._clock.epoch_s()
        try:
            drift = drift_s(_moment(answer).timestamp(), asked, answered)
        except PeerError:
            verdict = judge_lost_clock(answered, self.device.interval_s, self._settings)
        else:
            uncertainty_s = (answered - asked) / 2
            verdict = judge_clock(drift, answered, self.device.interval_s, self._settings, uncertainty_s=uncertainty_s)
            self.report.drift_s = drift
        self.report.clock = verdict
        self._suspect = _suspect_window(self.device, memory, verdict)
        return verdict

    async def read_profiles(self, profile: str, ranges: Ranges, *, newest_first: bool) -> None:
        """Read ranges of a profile and hand on what they hold. A refusal or bad answer is noted, not raised."""
        try:
            plan = await self.plan(profile)
            for span in self._spans(plan, ranges, newest_first=newest_first):
                await self.interlude(self)
                try:
                    await self.read_range(plan, span)
                except DecodeError:
                    plan = await self._own_plan(profile)
                    await self.read_range(plan, span)
        except (ServiceRefused, PeerError) as error:
            self.report.problems[profile] = error

    async def plan(self, profile: str) -> CapturePlan:
        """The plan of a profile of this device's model, learnt now if nobody knows it."""
        return await self._models.plan(self.device, profile, lambda: self._read_check(profile))

    async def read_range(self, plan: CapturePlan, span: Range, *, source: Source = "pull") -> Readings:
        """Read one range, hand it on, and give it. source: why it is read, as it will be stored."""
        buffer = await self._get_patiently(_address(plan.profile.obis_code, BUFFER), _selection(plan, span))
        origin = self._client.message_digest
        rows = rows_of(decode_profile(buffer, plan.layout), plan)
        readings = readings_from_rows(rows, plan.rule, span, suspect=self._suspect)
        self.report.rows += len(readings)
        self.report.settled |= bool(readings.covered or readings.absent)
        await self._sink.readings(self.device, plan, span, readings, source=source, origin=origin)
        return readings

    def _spans(self, plan: CapturePlan, ranges: Ranges, *, newest_first: bool) -> list[Range]:
        """Ranges cut to sets of bearable size, as far as the device's own clock has come."""
        drift = self.report.drift_s or 0.0
        device_now = int(self._clock.epoch_s() + min(drift, 0.0))
        step_s = plan.interval_s if plan.rule.on_grid else 1
        cut = tuple(
            (floor_to(start, step_s), min(floor_to(end, step_s), floor_to(device_now, step_s))) for start, end in ranges
        )
        per_day = rows_per_day(plan.profile, plan.interval_s)
        size_max_s = max(1, int(self._settings.set_rows_max / per_day * DAY_S / step_s)) * step_s
        usable = tuple(piece for piece in cut if piece[0] < piece[1])
        return list(chunks(usable, size_max_s, newest_first=newest_first))

    async def _get_patiently(self, address: AttributeAddress, selection: RangeSelection | None = None) -> bytes:
        """Ask again a few times where the device is busy for the moment."""
        for tries_left in reversed(range(BUSY_TRIES)):
            try:
                return await self._client.get(address, selection)
            except ServiceRefused as error:
                busy = error.facts.get("result") == DataAccessResult.TEMPORARY_FAILURE
                if not (busy and tries_left):
                    raise
                await self._clock.sleep(1.0)
        raise PeerError("device stays busy", address=str(address))

    # Learning a model.

    async def _own_plan(self, profile: str) -> CapturePlan:
        """After an answer that did not fit its model: what this very device captures. DecodeError if just that."""
        own = await self._read_check(profile)
        if not self._models.differs(self.device, profile, own):
            raise DecodeError(f"profile {profile} does not hold what its capture objects say", offset=0)
        return await self.plan(profile)

    async def _read_check(self, profile: str) -> ModelCheck:
        row = PROFILES[profile]
        objects = await self._client.get(_address(row.obis_code, CAPTURE_OBJECTS))
        period = await self._client.get(_address(row.obis_code, CAPTURE_PERIOD))
        entries = await self._client.get(_address(row.obis_code, ENTRIES_MAX))
        captured = {(bytes(each.obis_code), each.attribute) for each in decode_capture_objects(objects)}
        columns = [each for each in row.value_columns if (bytes(ObisCode(each.obis_code)), each.attribute) in captured]
        return ModelCheck(
            capture_objects=objects,
            capture_period_s=_whole(period),
            entries_max=_whole(entries),
            scalers=await self._read_scalers(columns),
        )

    async def _read_scalers(self, objects: Sequence[ProfileColumn | InstantRegister]) -> dict[str, tuple[int, int]]:
        asked = [each for each in objects if each.class_id in SCALED_CLASSES]
        if not asked:
            return {}
        answers = await self._client.get_list(
            [AttributeAddress(each.class_id, ObisCode(each.obis_code), 3) for each in asked]
        )
        found = {}
        for each, answer in zip(asked, answers, strict=True):
            if isinstance(answer, bytes):
                scaler_unit = ScalerUnit.from_bytes(answer)
                found[each.obis_code] = (scaler_unit.scaler, int(scaler_unit.unit))
        return found

    # Event logs and registers.

    async def read_events(self, log: str, since_epoch_s: float) -> None:
        """Read an event log from an instant on and hand its entries on. A refusal is noted, not raised."""
        try:
            row = EVENT_LOGS[log]
            check = await self._models.check(self.device, f"events.{log}", lambda: self._read_event_check(log))
            layout = _event_layout(check.capture_objects)
            selection = RangeSelection(from_=_cosem(since_epoch_s), to=_cosem(self._clock.epoch_s() + DAY_S))
            buffer = await self._get_patiently(_address(row.obis_code, BUFFER), selection)
            self._sink.events(_events(self.device.device_id, log, decode_profile(buffer, layout)))
        except (ServiceRefused, PeerError) as error:
            self.report.problems[f"events.{log}"] = error

    async def _read_event_check(self, log: str) -> ModelCheck:
        objects = await self._client.get(_address(EVENT_LOGS[log].obis_code, CAPTURE_OBJECTS))
        layout = _event_layout(objects)
        names = {bytes(each.obis_code) for each in layout.objects}
        if layout.time_index is None or bytes(ObisCode(EVENT_LOGS[log].event_obis_code)) not in names:
            raise ModelMismatchError(f"event log {log} does not capture clock and event code", profile=f"events.{log}")
        return ModelCheck(capture_objects=objects, capture_period_s=0, entries_max=0, scalers={})

    async def read_registers(self) -> LastValues:
        """Read the momentary registers in one request, hand their values on, and give them."""
        registers = instant_registers_of(self.device.medium, self.device.phases)
        check = await self._models.check(self.device, REGISTERS, lambda: self._read_register_check(registers))
        wanted = [each for each in registers if each.obis_code in check.scalers]
        at = self._clock.epoch_s()
        answers = await self._client.get_list(
            [AttributeAddress(each.class_id, ObisCode(each.obis_code), each.attribute) for each in wanted]
        )
        values: LastValues = {}
        for register, answer in zip(wanted, answers, strict=True):
            value = decode_all(answer) if isinstance(answer, bytes) else None
            if isinstance(value, int) and not isinstance(value, bool):
                scaler, unit = check.scalers[register.obis_code]
                values[register.channel_id] = (at, scaled(value, (scaler, unit), register.channel))
        self._sink.last_values(self.device, values)
        return values

    async def _read_register_check(self, registers: Sequence[InstantRegister]) -> ModelCheck:
        scalers = await self._read_scalers(registers)
        return ModelCheck(capture_objects=b"", capture_period_s=0, entries_max=0, scalers=scalers)


async def correct_clock(client: DeviceClient, verdict: ClockVerdict, clock: Clock, *, round_trip_s: float) -> float:
    """Shift or set the clock through an association of the management client. Gives the drift afterwards."""
    if verdict.action is ClockAction.SHIFT:
        await client.action(CLOCK_SHIFT, encode_long(verdict.shift_s))
    elif verdict.action is ClockAction.SET:
        moment = CosemDateTime.from_datetime(datetime.fromtimestamp(clock.epoch_s() + round_trip_s / 2, UTC))
        await client.set(CLOCK_TIME, encode_date_time(moment))
    asked = clock.epoch_s()
    answer = await client.get(CLOCK_TIME)
    return drift_s(_moment(answer).timestamp(), asked, clock.epoch_s())


def _suspect_window(device: DeviceRecord, memory: DeviceMemory, verdict: ClockVerdict) -> Window | None:
    """From the last good contact until now, or the time before an earlier correction."""
    return suspect_since_good(device, memory) if verdict.suspect else suspect_past(memory)


def suspect_since_good(device: DeviceRecord, memory: DeviceMemory) -> Window:
    """The time since the clock was last known to be right: all of it where it never was."""
    known_good = memory.last_good_clock_epoch_s
    return (float(device.installed[0][0]) if known_good is None else known_good, math.inf)


def suspect_past(memory: DeviceMemory) -> Window | None:
    """The time in which the clock was last known to be wrong, before somebody corrected it."""
    if memory.suspect_from_epoch_s is None or memory.suspect_until_epoch_s is None:
        return None
    return memory.suspect_from_epoch_s, memory.suspect_until_epoch_s


def _address(obis_code: str, attribute: int) -> AttributeAddress:
    return AttributeAddress(PROFILE_CLASS, ObisCode(obis_code), attribute)


def _selection(plan: CapturePlan, span: Range) -> RangeSelection:
    """Both ends of a selection are included: (start, end] of END stamps, [start, end) of instants."""
    start, end = span
    if plan.rule.on_grid:
        return RangeSelection(from_=_cosem(start + 1), to=_cosem(end))
    return RangeSelection(from_=_cosem(start), to=_cosem(end - 1))


def _cosem(epoch_s: float) -> CosemDateTime:
    return CosemDateTime.from_datetime(datetime.fromtimestamp(int(epoch_s), UTC))


def _moment(answer: bytes) -> datetime:
    value: PlainValue = decode_all(answer)
    moment = CosemDateTime.from_bytes(value) if isinstance(value, bytes) else value
    if not isinstance(moment, CosemDateTime):
        raise PeerError(f"the clock answered {value!r}, which is no date-time")
    return moment.to_datetime()


def _whole(answer: bytes) -> int:
    value: PlainValue = decode_all(answer)
    if not isinstance(value, int):
        raise PeerError(f"a whole number expected, got {value!r}")
    return value


def _events(device_id: int, log: str, table: ProfileTable) -> list[Event]:
    """Entries with a time and a lawful code; others say nothing."""
    codes = table.column(ObisCode(EVENT_LOGS[log].event_obis_code))
    if codes.dtype != np.int64:
        raise ModelMismatchError(f"event log {log} holds codes that are no numbers", profile=f"events.{log}")
    present = None if table.layout.time_index is None else table.present[table.layout.time_index]
    usable = (codes >= 0) & (codes <= EVENT_CODE_MAX) & (table.time_epoch_s > 0)
    if present is not None:
        usable &= present
    return [
        Event(device_id, log, datetime.fromtimestamp(at, UTC), code)
        for at, code in zip(table.time_epoch_s[usable].tolist(), codes[usable].tolist(), strict=True)
    ]


_layouts: dict[bytes, CaptureLayout] = {}


def _event_layout(capture_objects: bytes) -> CaptureLayout:
    found = _layouts.get(capture_objects)
    if found is None:
        layout = CaptureLayout.compile(decode_capture_objects(capture_objects), 0, rows_max=EVENT_ROWS_MAX)
        if len(_layouts) >= LAYOUTS_MAX:
            _layouts.clear()
        found = _layouts[capture_objects] = layout
    return found
