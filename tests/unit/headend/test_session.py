"""One session over an association that answers as it likes: what is asked, what is handed on, what lies do."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.headend.field import DAY, STEP, FakeMeter, device_record, interval_value, register_value

from meterworks.catalogue import EVENT_LOGS
from meterworks.errors import MeterworksError, PeerError
from meterworks.headend.clock_check import ClockAction, ClockVerdict
from meterworks.headend.model_book import ModelBook
from meterworks.headend.session import DeviceSession, correct_clock
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.store import DeviceMemory
from meterworks.protocols.dlms import (
    DataAccessResult,
    Tag,
    TimeColumn,
    ValueColumn,
    encode_double_long_unsigned,
    encode_octet_string,
    encode_profile,
    encode_structure,
)
from meterworks.protocols.errors import ServiceRefused
from meterworks.runtime import ManualClock

NOW = 1_772_323_200.0 + 900.0
STARTS = int(NOW) // DAY * DAY - 2 * DAY
LOAD = "1.0.99.1.0.255"


class Client:
    """Answers from a fake meter; single answers can be replaced, and refused any number of times."""

    def __init__(self, meter):
        self.meter, self.replaced, self.refusals, self.asked, self.done = meter, {}, {}, [], []

    async def get(self, address, selection=None):
        key = (str(address.obis_code), address.attribute)
        self.asked.append(key)
        if self.refusals.get(key):
            raise ServiceRefused("refused", result=int(self.refusals[key].pop()))
        if key in self.replaced:
            return self.replaced[key]
        answer = self.meter.get(2, address, None if selection is None else selection.to_bytes())
        if isinstance(answer, DataAccessResult):
            raise ServiceRefused("refused", result=int(answer))
        return answer

    message_digest = "5f" * 32

    async def get_list(self, items):
        self.asked.append("list")
        return [self.replaced.get((str(a.obis_code), a.attribute), self.meter.get(2, a, None)) for a in items]

    async def set(self, address, value):
        self.done.append(("set", self.meter.set(1, address, value)))

    async def action(self, address, parameter=None):
        self.done.append(("action", self.meter.action(1, address, parameter)[0]))


@dataclass
class Sink:
    """Keeps what a session hands on."""

    sets: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    values: dict = field(default_factory=dict)

    async def readings(self, device, plan, span, readings, **_):
        self.sets.append((plan.profile.name, span, readings))

    def events(self, events):
        self.entries += events

    def last_values(self, device, values):
        self.values.update(values)


async def saved(key, check, at):
    return None


def session_with(**changes):
    clock = ManualClock(NOW)
    meter = FakeMeter(1, clock, STARTS, **changes)
    client, sink = Client(meter), Sink()
    made = DeviceSession(
        device_record(1, "h", 1, starts=STARTS),
        client,
        clock=clock,
        models=ModelBook({}, saved, clock),
        sink=sink,
        settings=HeadendSettings(set_rows_max=40),
    )
    return made, client, sink, clock


async def test_ranges_are_read_in_pieces_newest_or_oldest_first():
    made, _, sink, _ = session_with()
    span = (STARTS, STARTS + 96 * STEP)
    await made.read_profiles("load_import", (span,), newest_first=False)
    await made.read_profiles("load_import", (span,), newest_first=True)
    spans = [each[1] for each in sink.sets]
    assert spans[:3] == spans[:2:-1]
    assert spans[0][0] == STARTS
    assert spans[2][1] == STARTS + 96 * STEP
    first = sink.sets[0][2]
    assert first.value.tolist() == [interval_value(1, 12, at) for at in range(*spans[0], STEP)]
    assert made.report.rows == 192
    assert made.report.settled


async def test_what_the_devices_own_clock_has_not_reached_is_not_asked_for():
    made, _, sink, _ = session_with(offset_s=-1000.0)
    await made.check_clock(DeviceMemory(device_id=1))
    now = int(NOW)
    await made.read_profiles("load_import", ((now // STEP * STEP - 2 * STEP, now // STEP * STEP),), newest_first=True)
    assert [each[1] for each in sink.sets] == [(now // STEP * STEP - 2 * STEP, now // STEP * STEP - STEP)]


async def test_a_busy_device_is_asked_again_a_few_times():
    made, client, sink, clock = session_with()
    client.refusals[LOAD, 2] = [DataAccessResult.TEMPORARY_FAILURE] * 2
    reading = asyncio.create_task(made.read_profiles("load_import", ((STARTS, STARTS + STEP),), newest_first=True))
    await clock.run_for(5.0)
    await reading
    assert len(sink.sets) == 1
    assert made.report.problems == {}


async def test_a_refusal_is_noted_and_the_session_goes_on():
    made, _, sink, _ = session_with(absent_objects=frozenset({LOAD}))
    await made.read_profiles("load_import", ((STARTS, STARTS + STEP),), newest_first=True)
    await made.read_profiles("load_export", ((STARTS, STARTS + STEP),), newest_first=True)
    assert made.report.problems["load_import"].facts["result"] == DataAccessResult.OBJECT_UNDEFINED
    assert [each[0] for each in sink.sets] == ["load_export"]


async def test_the_interlude_runs_before_each_piece():
    made, _, _, _ = session_with()
    seen = []

    async def interlude(session):
        seen.append(session.report.rows)

    made.interlude = interlude
    await made.read_profiles("load_import", ((STARTS, STARTS + 96 * STEP),), newest_first=False)
    assert seen == [0, 40, 80]


async def test_registers_come_scaled_with_the_time_of_reading():
    made, _, sink, _ = session_with()
    values = await made.read_registers()
    assert values[16] == (NOW, register_value(1, 1, int(NOW)))
    assert sink.values == values


async def test_a_register_that_answers_nonsense_is_left_out():
    made, client, _, _ = session_with()
    client.replaced["1.0.1.8.0.255", 2] = encode_octet_string(b"many")
    client.replaced["1.0.2.8.0.255", 2] = DataAccessResult.OTHER_REASON
    values = await made.read_registers()
    assert 16 not in values
    assert 26 not in values
    assert 36 in values


@pytest.mark.parametrize("log", EVENT_LOGS)
async def test_events_from_an_instant_on(log):
    at = int(NOW) - 500
    made, _, sink, _ = session_with(events={log: [(at - 100, 1), (at, 2), (at + 1, 3)]})
    await made.read_events(log, float(at))
    assert [(event.log, int(event.at.timestamp()), event.code) for event in sink.entries] == [
        (log, at, 2),
        (log, at + 1, 3),
    ]


async def test_codes_no_event_has_are_left_out():
    made, client, sink, _ = session_with()
    stamps = np.array([int(NOW) - 9, int(NOW) - 8, int(NOW) - 7], np.int64)
    client.replaced["0.0.99.98.1.255", 2] = encode_profile(
        [TimeColumn(epoch_s=stamps), ValueColumn(values=np.array([-1, 40, 70_000]), tag=Tag.LONG64)], capture_period_s=0
    )
    await made.read_events("tamper", 0.0)
    assert [event.code for event in sink.entries] == [40]


async def test_a_clock_far_off_makes_the_whole_unknown_past_suspect():
    made, _, sink, _ = session_with(offset_s=200.0)
    verdict = await made.check_clock(DeviceMemory(device_id=1))
    assert verdict.suspect
    await made.read_profiles("load_import", ((STARTS, STARTS + 2 * STEP),), newest_first=True)
    assert sink.sets[0][2].flags.tolist() == [256, 256]


async def test_a_corrected_clock_leaves_its_window_suspect():
    made, _, sink, _ = session_with()
    window = {"suspect_from_epoch_s": STARTS + STEP + 1.0, "suspect_until_epoch_s": STARTS + 2 * STEP + 1.0}
    await made.check_clock(DeviceMemory(device_id=1, **window))
    await made.read_profiles("load_import", ((STARTS, STARTS + 4 * STEP),), newest_first=True)
    assert sink.sets[0][2].flags.tolist() == [0, 256, 256, 0]


async def test_a_clock_with_wildcards_is_to_be_set_and_the_device_is_read_all_the_same():
    made, client, sink, _ = session_with()
    client.replaced["0.0.1.0.0.255", 2] = encode_octet_string(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x00\xff")
    verdict = await made.check_clock(DeviceMemory(device_id=1))
    assert (verdict.drift_s, verdict.suspect) == (None, True)
    await made.read_profiles("load_import", ((STARTS, STARTS + STEP),), newest_first=True)
    assert len(sink.sets) == 1


@pytest.mark.parametrize(
    ("verdict", "done"),
    [
        (ClockVerdict(drift_s=20.0, action=ClockAction.SHIFT, shift_s=-20), ("action", 20.0)),
        (ClockVerdict(drift_s=95.0, action=ClockAction.SET), ("set", 95.0)),
    ],
)
async def test_a_clock_is_corrected_and_read_again(verdict, done):
    kind, offset_s = done
    _, client, _, clock = session_with(offset_s=offset_s)
    after = await correct_clock(client, verdict, clock, round_trip_s=0.0)
    assert abs(after) < 1
    assert client.done == [(kind, DataAccessResult.SUCCESS)]


async def test_a_clock_that_answers_a_number_is_the_peers_fault():
    _, client, _, clock = session_with()
    client.replaced["0.0.1.0.0.255", 2] = encode_double_long_unsigned(5)
    with pytest.raises(PeerError):
        await correct_clock(client, ClockVerdict(drift_s=0.0, action=ClockAction.NONE), clock, round_trip_s=0.0)


ANSWERS = st.one_of(
    st.binary(max_size=60),
    st.integers(0, 2**32 - 1).map(encode_double_long_unsigned),
    st.binary(max_size=20).map(encode_octet_string),
    st.lists(st.integers(0, 255).map(encode_double_long_unsigned), max_size=4).map(
        lambda parts: encode_structure(*parts)
    ),
)
NAMES = [
    (LOAD, 2),
    (LOAD, 3),
    (LOAD, 4),
    (LOAD, 8),
    ("0.0.1.0.0.255", 2),
    ("0.0.99.98.1.255", 2),
    ("0.0.99.98.1.255", 3),
]


@given(st.dictionaries(st.sampled_from(NAMES), ANSWERS, min_size=1), ANSWERS, ANSWERS)
def test_no_answer_whatever_raises_anything_but_our_own_errors(replaced, register, scaler):
    async def attempt():
        made, client, sink, _ = session_with()
        client.replaced = {**replaced, ("1.0.1.8.0.255", 2): register, ("1.0.1.8.0.255", 3): scaler}
        for step in (
            lambda: made.check_clock(DeviceMemory(device_id=1)),
            lambda: made.read_profiles("load_import", ((STARTS, STARTS + 4 * STEP),), newest_first=True),
            lambda: made.read_events("tamper", 0.0),
            made.read_registers,
        ):
            try:
                await step()
            except MeterworksError:
                continue
        for _, span, readings in sink.sets:
            assert all(span[0] <= at < span[1] for at in readings.ts_epoch_s.tolist())

    asyncio.run(attempt())
