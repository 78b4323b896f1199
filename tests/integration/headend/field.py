"""A small field for tests: COSEM meters whose every value is known, a writer that confirms, a directory.

Meters are real DLMS servers on real sockets (`links.start_meter_server`); what they measured is a plain function of
device, channel and time, so that a test can say what must have arrived.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from meterworks.catalogue import EVENT_LOGS, INSTANT_REGISTERS, PROFILES, Medium
from meterworks.headend import DeviceRecord
from meterworks.headend.device import OPEN_END_EPOCH_S
from meterworks.protocols.dlms import (
    AssociationSettings,
    CaptureObject,
    CosemDateTime,
    DataAccessResult,
    Mechanism,
    ObisCode,
    Protection,
    RangeSelection,
    Tag,
    TimeColumn,
    ValueColumn,
    decode_all,
    decode_selection,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_profile,
    encode_structure,
)
from meterworks.readings import COMMITTED_SUBJECT, READINGS_STREAM, decode_reading_set

STEP = 1800
DAY = 86_400
CHANNELS_OF = {"load_import": (12,), "load_export": (22, 32, 42)}
GUEK, GAK = bytes(range(16)), bytes(range(16, 32))
DEVIATION_MIN = 0


def interval_value(device_id, channel, start):
    """What a meter measured in an interval."""
    return (start // STEP * 7 + device_id * 13 + channel) % 4000


def register_value(device_id, base, at):
    """What a register showed at an instant."""
    return at // 3600 + device_id * 1000 + base


@dataclass
class FakeMeter:
    """A logical device. Change its fields to make it misbehave."""

    device_id: int
    clock: object
    starts: int
    offset_s: float = 0.0
    refuses_keys: bool = False
    gaps: tuple = ()
    """Ranges of interval starts without an entry."""
    extra_rows: tuple = ()
    """(stamp, value) of rows beside the regular ones."""
    clock_sets: list = field(default_factory=list)
    events: dict = field(default_factory=dict)
    """Log name to list of (epoch s, code)."""
    entries_max: dict = field(default_factory=dict)
    """Profile name to how many entries it holds, where that is not what the catalogue says."""
    absent_objects: frozenset = frozenset()
    answers: Counter = field(default_factory=Counter)
    counters: list = field(default_factory=list)
    """Invocation counters accepted, in order."""
    lowest: int = 0
    own_counter: int = 100
    security_events: list = field(default_factory=list)
    guek: bytes = GUEK
    gak: bytes = GAK

    @property
    def system_title(self):
        return title_of(self.device_id)

    def now(self):
        return self.clock.epoch_s() + self.offset_s

    # LogicalDevice.

    def association(self, client_sap):
        if client_sap == 16:
            return AssociationSettings()
        if client_sap in (1, 2):
            key = bytes(16) if self.refuses_keys else self.guek
            return AssociationSettings(
                mechanism=Mechanism.GMAC, guek=key, gak=self.gak, required_protection=Protection.BOTH
            )
        return None

    def next_invocation_counter(self):
        self.own_counter += 1
        return self.own_counter

    def lowest_acceptable_counter(self, client_title):
        return self.lowest

    def accept_invocation_counter(self, client_title, counter):
        if counter < self.lowest:
            return False
        self.lowest = counter + 1
        self.counters.append(counter)
        return True

    def security_event(self, kind, client_sap):
        self.security_events.append(kind)

    def get(self, client_sap, address, selection):
        name = str(address.obis_code)
        self.answers[(name, address.attribute)] += 1
        if name in self.absent_objects:
            return DataAccessResult.OBJECT_UNDEFINED
        if name == "0.0.1.0.0.255":
            return encode_date_time(cosem(self.now()))
        if name == "0.0.43.1.0.255":
            return encode_double_long_unsigned(max(self.lowest - 1, 0))
        if address.class_id == 7:
            return self._profile(name, address.attribute, selection)
        return self._register(name, address.attribute)

    def set(self, client_sap, address, value):
        if client_sap != 1:
            return DataAccessResult.READ_WRITE_DENIED
        moment = CosemDateTime.from_bytes(decode_all(value)).to_datetime().timestamp()
        self.clock_sets.append(("set", moment))
        self.offset_s += moment - self.now()
        return DataAccessResult.SUCCESS

    def action(self, client_sap, address, parameter):
        if client_sap != 1:
            return DataAccessResult.READ_WRITE_DENIED, None
        shift_s = decode_all(parameter)
        self.clock_sets.append(("shift", shift_s))
        self.offset_s += shift_s
        return DataAccessResult.SUCCESS, None

    # Its objects.

    def _register(self, name, attribute):
        register = INSTANT_REGISTERS.get(name)
        if register is None or register.channel.medium is not Medium.ELECTRICITY or register.phases_min > 1:
            return DataAccessResult.OBJECT_UNDEFINED
        if attribute == 3:
            return encode_structure(encode_integer(register.channel.scaler), encode_enum(UNITS[register.channel.unit]))
        return encode_double_long_unsigned(register_value(self.device_id, register.channel.base, int(self.now())))

    def _profile(self, name, attribute, selection):
        for profile in PROFILES.values():
            if profile.obis_code == name:
                return self._collection_profile(profile, attribute, selection)
        for log, row in EVENT_LOGS.items():
            if row.obis_code == name:
                return self._event_log(log, row, attribute, selection)
        return DataAccessResult.OBJECT_UNDEFINED

    def _collection_profile(self, profile, attribute, selection):
        if attribute == 4:
            return encode_double_long_unsigned({"load": STEP, "daily": DAY, "monthly": 0}[profile.kind])
        if attribute == 8:
            entries = {"load": profile.depth_days * 48, "daily": profile.depth_days, "monthly": profile.entries_max}
            return encode_double_long_unsigned(self.entries_max.get(profile.name, entries[profile.kind]))
        if attribute == 3:
            columns = (CaptureObject(c.class_id, ObisCode(c.obis_code), c.attribute) for c in profile.columns)
            return encode_array(column.to_bytes() for column in columns)
        first, last = span_of(selection)
        if profile.kind == "load":
            return self._load(profile, first, last)
        return self._registers_at(profile, self._midnights(profile.kind, first, last))

    def _load(self, profile, first, last):
        last = min(last, int(self.now()))
        starts = np.arange(max(-(-first // STEP) * STEP - STEP, self.starts // STEP * STEP), last - STEP + 1, STEP)
        for gap_start, gap_end in self.gaps:
            starts = starts[(starts < gap_start) | (starts >= gap_end)]
        extra = [(stamp, value) for stamp, value in self.extra_rows if first <= stamp <= last]
        extra_values = np.array([value for _, value in extra], np.int64)
        columns = [
            np.concatenate((interval_value(self.device_id, channel, starts), extra_values))
            for channel in CHANNELS_OF[profile.name]
        ]
        stamps = np.concatenate((starts + STEP, np.array([stamp for stamp, _ in extra], np.int64)))
        order = np.argsort(stamps, kind="stable")
        return encode_profile(
            [
                TimeColumn(epoch_s=stamps[order], deviation_min=DEVIATION_MIN),
                ValueColumn(values=np.zeros(len(stamps), np.int64), tag=Tag.UNSIGNED),
                *(ValueColumn(values=column[order], tag=Tag.DOUBLE_LONG_UNSIGNED) for column in columns),
            ],
            capture_period_s=STEP,
        )

    def _midnights(self, kind, first, last):
        last = min(last, int(self.now()))
        days = range(-(-max(first, self.starts) // DAY) * DAY, last + 1, DAY)
        if kind == "daily":
            return list(days)
        return [day for day in days if datetime.fromtimestamp(day, UTC).day == 1]

    def _registers_at(self, profile, instants):
        stamps = np.array(instants, np.int64)
        columns = [
            np.array([register_value(self.device_id, column.channel_base, at) for at in instants], np.int64)
            for column in profile.value_columns
        ]
        return encode_profile(
            [
                TimeColumn(epoch_s=stamps, deviation_min=DEVIATION_MIN),
                *(ValueColumn(values=column, tag=Tag.DOUBLE_LONG_UNSIGNED) for column in columns),
            ],
            capture_period_s=0,
        )

    def _event_log(self, log, row, attribute, selection):
        if attribute == 3:
            columns = (
                CaptureObject(8, ObisCode("0.0.1.0.0.255"), 2),
                CaptureObject(1, ObisCode(row.event_obis_code), 2),
            )
            return encode_array(column.to_bytes() for column in columns)
        first, last = span_of(selection)
        found = [(at, code) for at, code in self.events.get(log, ()) if first <= at <= last]
        return encode_profile(
            [
                TimeColumn(epoch_s=np.array([at for at, _ in found], np.int64), deviation_min=DEVIATION_MIN),
                ValueColumn(values=np.array([code for _, code in found], np.int64), tag=Tag.UNSIGNED),
            ],
            capture_period_s=0,
        )


UNITS = {"Wh": 30, "varh": 32, "V": 35, "A": 33, "W": 27, "Hz": 44, "%": 56, "1": 255}


def cosem(epoch_s):
    return CosemDateTime.from_datetime(datetime.fromtimestamp(epoch_s, UTC))


def title_of(device_id):
    return b"FAK" + device_id.to_bytes(5, "big")


def span_of(selection):
    if selection is None:
        return 0, 2**40
    parsed = decode_selection(selection)
    assert isinstance(parsed, RangeSelection)
    return int(parsed.from_.to_datetime().timestamp()), int(parsed.to.to_datetime().timestamp())


def device_record(device_id, host, port, *, starts, ends=OPEN_END_EPOCH_S, model="fake", profiles=None, **changes):
    """The registry's view of a fake meter."""
    fields = {
        "device_id": device_id,
        "system_title": title_of(device_id),
        "model": model,
        "firmware": "1",
        "host": host,
        "port": port,
        "calls_us": False,
        "medium": Medium.ELECTRICITY,
        "phases": 1,
        "interval_s": STEP,
        "profiles": profiles or ("load_import", "load_export", "daily", "monthly"),
        "installed": ((starts, ends),),
        "guek": GUEK,
        "gak": GAK,
    }
    return DeviceRecord(**{**fields, **changes})


class Directory:
    """Devices a test decides on."""

    def __init__(self, records=()):
        self.records = {record.device_id: record for record in records}
        self.broken = None

    async def devices(self):
        if self.broken is not None:
            raise self.broken
        return dict(self.records)


class FakeWriter:
    """Takes reading sets from the stream, keeps the newest value of each key, and confirms; can pause or lose."""

    def __init__(self, bus):
        self.bus = bus
        self.values = {}
        self.flags = {}
        self.sources = Counter()
        self.conflicts = 0
        self.sets = []
        self.position = 0
        self.paused = False
        self.loses = lambda one: False
        self.rejects = lambda one: False
        self.arrived = asyncio.Condition()

    async def run(self):
        while True:
            if self.paused:
                await asyncio.sleep(0.01)
                continue
            messages = await self.bus.fetch(READINGS_STREAM, after_sequence=self.position, timeout_s=0.2)
            if not messages or self.paused:
                continue
            notices, rejected = [], []
            for message in messages:
                one = decode_reading_set(message.sequence, message.headers, message.data)
                self.position = message.sequence
                if self.loses(one):
                    continue
                if self.rejects(one):
                    rejected.append({"set_id": one.set_id, "reason": "a test says so"})
                    continue
                self._keep(one)
                notices.append(one.notice())
            body = {"position": self.position, "sets": notices, "rejected": rejected}
            await self.bus.publish(COMMITTED_SUBJECT, json.dumps(body).encode())
            async with self.arrived:
                self.arrived.notify_all()

    def _keep(self, one):
        self.sets.append((one.device, one.profile, one.range_start, one.range_end, one.rows))
        self.sources[one.source.name] += 1
        rows = zip(one.channel.tolist(), one.ts_s.tolist(), one.value.tolist(), one.flags.tolist(), strict=True)
        for channel, ts, value, flags in rows:
            key = (one.device, channel, ts)
            self.conflicts += self.values.get(key, value) != value
            self.values[key] = value
            self.flags[key] = flags

    def channel(self, device_id, channel):
        """Readings of one channel, by time."""
        return {
            ts: value for (device, kind, ts), value in self.values.items() if (device, kind) == (device_id, channel)
        }


def expected_intervals(device_id, channel, start, end, gaps=()):
    """What must have arrived of [start, end)."""
    return {
        at: interval_value(device_id, channel, at)
        for at in range(int(start) // STEP * STEP, int(end) // STEP * STEP, STEP)
        if not any(first <= at < last for first, last in gaps)
    }


async def until(condition, timeout_s=20.0, what="the condition"):
    """Wait until something holds."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{what} did not come about within {timeout_s} s")
        await asyncio.sleep(0.01)
