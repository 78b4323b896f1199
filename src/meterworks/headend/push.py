"""Notifications of devices: authenticated, checked against replay, and handed on.

Only a notification in general-glo-ciphering under the keys of the device whose title it bears is believed. Its
invocation counter must be higher than any accepted before, and is durable before anything acts on the message; the
counters of messages that come together are written together.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from meterworks.catalogue import CHANNELS, INSTANT_REGISTERS, Period
from meterworks.errors import MeterworksError, PeerError, SecurityError
from meterworks.headend.capture import plan_of, rows_of, scaled
from meterworks.headend.clock_check import SUSPECT_DRIFT_S
from meterworks.headend.device import DeviceRecord
from meterworks.headend.errors import ReplayedNotificationError, UnknownSenderError
from meterworks.headend.last_value import LastValueWriter
from meterworks.headend.model_book import ModelBook
from meterworks.headend.notification import Pushed, read_notification
from meterworks.headend.outbox import Outbox
from meterworks.headend.profile_rows import Readings, Window, readings_from_rows
from meterworks.headend.ranges import Range, ceil_to, floor_to
from meterworks.headend.reading_set import ReadingSet, register_readings
from meterworks.headend.session import REGISTERS, LastValues, suspect_past, suspect_since_good
from meterworks.headend.store import Event, HeadendStore, SessionRecord
from meterworks.headend.workbook import Workbook
from meterworks.protocols.dlms import (
    ApduCipher,
    CipherForm,
    DataNotification,
    GrowingCounter,
    Protection,
    SecurityContext,
    SecuritySuite,
    decode_profile,
)
from meterworks.protocols.errors import CounterError, SuiteError, TagError
from meterworks.runtime import Clock, counter, get_logger

__all__ = ["PUSHED", "PushReceiver", "sender_title"]

log = get_logger("headend.push")

PUSHES = counter("headend_pushes_total", "Notifications by fate", ["fate"])
TITLE_AT = slice(2, 10)
GENERAL_GLO = b"\xdb\x08"
PUSHED = "push"
"""Name of the profile of a reading set of pushed registers."""
WRITE_TOGETHER_S = 0.02
AHEAD_MAX = timedelta(hours=1)
"""A device's clock may be ahead of ours by so much."""
UNDERWAY_S_MAX = 30.0
"""A notification may be so long on its way."""
PIECES_MAX = 64
"""Parts of a pushed profile, parted by gaps, that are taken."""


def sender_title(apdu: bytes) -> bytes:
    """The system title a ciphered notification bears. SecurityError for any other APDU: nothing else is believed."""
    if not apdu.startswith(GENERAL_GLO) or len(apdu) < TITLE_AT.stop:
        raise SecurityError("only notifications in general-glo-ciphering with a system title are taken")
    return apdu[TITLE_AT]


class _CounterJournal:
    """Makes accepted counters durable, those of one moment in one transaction."""

    def __init__(self, store: HeadendStore) -> None:
        self._store = store
        self._waiting: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None

    async def write(self, device_id: int, accepted: int) -> None:
        self._waiting[device_id] = max(accepted, self._waiting.get(device_id, -1))
        task = self._task
        if task is None or task.done():
            task = self._task = asyncio.get_running_loop().create_task(self._write_together())
        await asyncio.shield(task)

    async def _write_together(self) -> None:
        await asyncio.sleep(WRITE_TOGETHER_S)
        waiting, self._waiting = self._waiting, {}
        self._task = None  # who comes from now on waits for the next write
        await self._store.accept_push_counters(waiting)


class PushReceiver:
    """Believes, unpacks and hands on notifications."""

    def __init__(
        self,
        store: HeadendStore,
        book: Workbook,
        models: ModelBook,
        outbox: Outbox,
        last_values: LastValueWriter,
        clock: Clock,
    ) -> None:
        self.possible_keys: Callable[[DeviceRecord], Awaitable[DeviceRecord | None]] = _no_other_keys
        """Gives a device with the keys it may have taken without our knowing it yet."""
        self._journal = _CounterJournal(store)
        self._book = book
        self._models = models
        self._outbox = outbox
        self._last_values = last_values
        self._clock = clock

    async def receive(self, apdu: bytes, device: DeviceRecord | None, peer: str) -> Pushed:
        """Take a notification that bears the title of `device` (None: nobody's).

        Raises UnknownSenderError, ReplayedNotificationError, SecurityError or PeerError; each is recorded.
        """
        started = self._clock.now()
        try:
            if device is None:
                raise UnknownSenderError(f"no device has the system title {sender_title(apdu).hex()}")
            notification = await self._opened(apdu, device)
            pushed = read_notification(notification)
            rows = await self._hand_on(device, pushed, hashlib.sha256(apdu).hexdigest())
        except (SecurityError, PeerError) as error:
            self._refuse(error, device, peer)
            raise
        PUSHES.labels("taken").inc()
        self._book.memory(device.device_id).last_contact_epoch_s = self._clock.epoch_s()
        self._book.changed(device.device_id)
        self._book.add_session(
            SessionRecord(
                device_id=device.device_id,
                kind="push",
                started=started,
                ended=self._clock.now(),
                outcome="done",
                bytes_in=len(apdu),
                rows=rows,
            )
        )
        return pushed

    async def _opened(self, apdu: bytes, device: DeviceRecord) -> DataNotification:
        """Verify, decipher, and make the counter durable."""
        if device.guek is None or device.gak is None:
            raise SecurityError(f"device {device.device_id} has no keys", device=device.device_id)
        memory = self._book.memory(device.device_id)
        context = SecurityContext(
            own_title=b"",
            peer_title=device.system_title,
            cipher=ApduCipher(device.guek, device.gak, SecuritySuite(device.suite)),
            next_counter=_never,
            peer_counter=GrowingCounter(memory.push_counter + 1),
        )
        try:
            opened = context.unprotect(apdu, Protection.BOTH)
        except (TagError, SuiteError):
            other = await self.possible_keys(device)
            if other is None or other.guek in (None, device.guek):
                raise
            return await self._opened(apdu, other)
        except CounterError as error:
            raise ReplayedNotificationError(
                f"device {device.device_id}: counter of a notification was used before", device=device.device_id
            ) from error
        if opened.form is not CipherForm.GENERAL_GLO:
            raise SecurityError("only general-glo-ciphering under the global key is taken", device=device.device_id)
        memory.push_counter = opened.counter
        await self._journal.write(device.device_id, opened.counter)
        return DataNotification.from_bytes(opened.apdu)

    async def _hand_on(self, device: DeviceRecord, pushed: Pushed, origin: str) -> int:
        """Give each part to where it belongs. Gives the number of readings. origin: digest of the message."""
        now = self._clock.now()
        at = pushed.at or now
        if at - now > AHEAD_MAX:
            raise PeerError(f"device {device.device_id} pushed values of the future: {at.isoformat()}")
        self._book.add_events(Event(device.device_id, name, at, code) for name, code in pushed.alarms)
        rows = 0
        values = self._register_values(device, pushed, at.timestamp())
        if values:
            self._last_values.add(device.device_id, values)
            rows += await self._publish_registers(device, values, origin)
        suspect = self._suspect(device, pushed.at) if pushed.buffers else None
        for profile, buffer in pushed.buffers:
            rows += await self._publish_profile(device, profile, buffer, suspect, origin)
        return rows

    def _suspect(self, device: DeviceRecord, at: datetime | None) -> Window | None:
        """Give the time whose readings are suspect, by the clock that the push shows, or as it was when last read.

        A notification takes seconds, so that it shows a clock far off as a session does; it corrects none.
        """
        memory = self._book.memory(device.device_id)
        if at is None:
            off = abs(memory.last_drift_s or 0.0) > SUSPECT_DRIFT_S
        else:
            off = abs(at.timestamp() - self._clock.epoch_s()) > SUSPECT_DRIFT_S + UNDERWAY_S_MAX
        return suspect_since_good(device, memory) if off else suspect_past(memory)

    def _register_values(self, device: DeviceRecord, pushed: Pushed, at_epoch_s: float) -> LastValues:
        """Values whose scaler is known; the first session with a model learns them."""
        check = self._models.known(device, REGISTERS)
        values: LastValues = {}
        for obis_code, value in pushed.registers.items():
            register = INSTANT_REGISTERS.get(obis_code)
            if check is not None and register is not None and obis_code in check.scalers:
                scaled_value = scaled(value, check.scalers[obis_code], register.channel)
                values[register.channel_id] = (at_epoch_s, scaled_value)
        return values

    async def _publish_registers(self, device: DeviceRecord, values: LastValues, origin: str) -> int:
        """Cumulative registers are readings; momentary values are only shown."""
        kept = {channel: pair for channel, pair in values.items() if CHANNELS[channel].period is Period.REGISTER}
        if not kept:
            return 0
        readings = register_readings(kept)
        at = int(readings.ts_epoch_s[0])
        await self._publish(device, PUSHED, readings, (at, at + 1), origin)
        return len(readings)

    async def _publish_profile(
        self, device: DeviceRecord, profile: str, buffer: bytes, suspect: Window | None, origin: str
    ) -> int:
        """Entries of a profile cross off what they cover, so that the pull of the same data is not needed."""
        check = self._models.known(device, profile)
        if check is None:
            return 0
        plan = plan_of(profile, check)
        rows = rows_of(decode_profile(buffer, plan.layout), plan)
        if not len(rows.stamps):
            return 0
        now = self._clock.epoch_s()
        oldest, newest = now - self._models.depth_s(device, profile), now + AHEAD_MAX.total_seconds()
        step_s = plan.interval_s if plan.rule.on_grid else 1
        first = floor_to(max(int(rows.stamps.min()) - step_s, int(oldest)), step_s)
        last = ceil_to(min(int(rows.stamps.max()) + 1, int(newest)), step_s)
        found = readings_from_rows(rows, plan.rule, (first, last), suspect=suspect)
        pieces = found.covered[:PIECES_MAX]
        for piece in pieces:
            part = readings_from_rows(rows, plan.rule, piece, suspect=suspect)
            await self._publish(device, profile, part, piece, origin)
        return len(found)

    async def _publish(self, device: DeviceRecord, profile: str, readings: Readings, span: Range, origin: str) -> None:
        reading_set = ReadingSet.of(
            readings,
            device_id=device.device_id,
            profile=profile,
            span=span,
            source="push",
            received_at_epoch_s=self._clock.epoch_s(),
            origin=origin,
            title=device.system_title.hex(),
        )
        await self._outbox.put(reading_set, (span,))

    def _refuse(self, error: MeterworksError, device: DeviceRecord | None, peer: str) -> None:
        PUSHES.labels(error.code).inc()
        if self._book.add_incident(
            f"push-{error.code}",
            device_id=None if device is None else device.device_id,
            peer=peer,
            detail=str(error),
        ):
            log.warning("notification refused", peer=peer, reason=error.code)


async def _no_other_keys(device: DeviceRecord) -> DeviceRecord | None:
    del device
    return None  # nobody changes keys here


def _never() -> int:
    raise SecurityError("a receiver of notifications protects nothing")
