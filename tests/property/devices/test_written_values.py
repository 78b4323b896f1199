"""Properties of what a fleet keeps: the journal against a dictionary, buffers against a list."""

import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.devices.conftest import TITLE
from tests.unit.devices.plain_load import PlainLoad

from meterworks.devices import METER_MODELS, ElectricityMeter, FleetState, MeterSpecification, MeterView
from meterworks.devices.overlay import Overlay
from meterworks.devices.wall_clock import date_matches, local_date, next_instant, times_of_day
from meterworks.devices.zone import zone_table
from meterworks.protocols.dlms import (
    ANY,
    ANY_YEAR,
    CLOCK_OBJECT,
    AttributeAddress,
    CaptureObject,
    CosemDate,
    CosemTime,
    EntrySelection,
    MethodAddress,
    ObisCode,
    decode_all,
    encode_array,
    encode_double_long_unsigned,
    encode_enum,
)

TITLES = [b"MWR\0\0\0\0" + bytes([number]) for number in range(1, 5)]
KEYS = st.tuples(st.sampled_from([bytes(6), b"\1" * 6]), st.integers(0, 3))
METERS = st.integers(0, len(TITLES) - 1)


class Journal(RuleBasedStateMachine):
    """The overlay, closed, cut and opened again at any time, holds what a dictionary holds."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "state.overlay"
        self.kept: dict[tuple[int, tuple[bytes, int]], bytes] = {}
        self.before: dict[tuple[int, tuple[bytes, int]], bytes] | None = None
        self.overlay = Overlay(self.path, TITLES)

    @rule(index=METERS, key=KEYS, value=st.binary(max_size=40))
    def write(self, index, key, value):
        self.before = dict(self.kept)
        self.overlay.set(index, key, value)
        self.kept[index, key] = value

    @rule(index=METERS, key=KEYS)
    def forget(self, index, key):
        self.before = dict(self.kept) if (index, key) in self.kept else self.before
        self.overlay.remove(index, key)
        self.kept.pop((index, key), None)

    @rule()
    def open_again(self):
        self.overlay.close()
        self.overlay = Overlay(self.path, TITLES)
        self.before = None

    @precondition(lambda self: self.before is not None)
    @rule(cut=st.integers(1, 20))
    def lose_the_end(self, cut):
        """A kill within the last append: that change is lost, every other one is there."""
        self.overlay.close()
        held = self.path.read_bytes()
        self.path.write_bytes(held[:-cut])
        self.overlay = Overlay(self.path, TITLES)
        assert self.before is not None
        self.kept, self.before = self.before, None

    @invariant()
    def holds_the_same(self):
        held = {
            (index, key): value for index in range(len(TITLES)) for key, value in self.overlay.values(index).items()
        }
        assert held == self.kept
        assert set(self.overlay.meters()) == {index for index, _ in self.kept}

    def teardown(self):
        if hasattr(self, "overlay"):
            self.overlay.close()
            self.folder.cleanup()


Journal.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestJournal = Journal.TestCase


# --- profiles --------------------------------------------------------------------------------------------------------

PROFILE = ObisCode("1.0.99.4.0.255")
ENERGY = CaptureObject(3, ObisCode("1.0.1.29.0.255"), 2)
STEP_S = 1800
START = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
ORDERS = {
    3: lambda values: sorted(values, reverse=True),
    4: sorted,
    5: lambda values: sorted(values, key=abs),
    6: lambda values: sorted(values, key=abs, reverse=True),
}


def kept_by(method, entries, values):
    """What a buffer of this order and size must hold after these captures."""
    held: list[int] = []
    for value in values:
        if method == 1:
            held = [*held, value][-entries:]
        elif method == 2:
            held = [value, *held][:entries]
        else:
            held = ORDERS[method]([*held, value])[:entries]
    return held


def meter_at(now):
    specification = MeterSpecification(system_title=TITLE, serial="1", guek=bytes(16), gak=bytes(16))
    view = MeterView(
        0, specification, PlainLoad(START), FleetState(None, [TITLE]), epoch_s=lambda: now[0],
        object_lists=METER_MODELS[1].object_lists,
    )  # fmt: skip
    return ElectricityMeter(METER_MODELS[1], view)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    method=st.integers(1, 6), entries=st.integers(1, 6), steps=st.lists(st.integers(1, 50), max_size=10),
    window=st.tuples(st.integers(1, 8), st.integers(0, 8)),
)  # fmt: skip
def test_a_buffer_holds_what_its_order_and_size_say(method, entries, steps, window):
    now = [float(START + STEP_S + 1)]
    meter = meter_at(now)
    columns = encode_array([ENERGY.to_bytes(), CLOCK_OBJECT.to_bytes()])
    for number, value in (
        (3, columns), (5, encode_enum(method)), (6, ENERGY.to_bytes()), (8, encode_double_long_unsigned(entries)),
    ):  # fmt: skip
        assert meter.set(1, AttributeAddress(7, PROFILE, number), value) == 0
    values = []
    for step in steps:
        now[0] += step * STEP_S
        assert meter.action(1, MethodAddress(7, PROFILE, 2), b"\x0f\x00")[0] == 0
        values.append(decode_all(meter.get(1, AttributeAddress(3, ENERGY.obis_code, 2), None)))
    expected = kept_by(method, entries, values)
    buffer = AttributeAddress(7, PROFILE, 2)
    assert [row[0] for row in decode_all(meter.get(1, buffer, None))] == expected
    first, last = window
    selection = EntrySelection(from_entry=first, to_entry=last, from_column=1, to_column=1).to_bytes()
    chosen = expected[first - 1 : last or None]
    assert [row[0] for row in decode_all(meter.get(1, buffer, selection))] == chosen


# --- patterns --------------------------------------------------------------------------------------------------------

dates = st.builds(
    CosemDate,
    st.sampled_from([ANY_YEAR, 2026, 2027]),
    st.one_of(st.just(ANY), st.integers(1, 12)),
    st.sampled_from([ANY, 0xFE, 0xFD, 1, 15, 28, 31]),
    st.one_of(st.just(ANY), st.integers(1, 7)),
)
times = st.builds(CosemTime, st.one_of(st.just(ANY), st.integers(0, 23)), st.sampled_from([ANY, 0, 30]), st.just(0))
EPOCH = date(1970, 1, 1)


@pytest.mark.parametrize("zone", ["Europe/London", "Europe/Amsterdam", "UTC"])
@settings(max_examples=25, deadline=None)
@given(day=dates, time=times, hours=st.integers(0, 400 * 24), reach=st.integers(1, 40 * 24))
def test_the_next_instant_is_the_first_one_that_looking_at_each_day_finds(zone, day, time, hours, reach):
    table = zone_table(zone)
    after = START + hours * 3600
    until = after + reach * 3600
    found = next_instant(table, day, time, after, until)
    first, last = local_date(table, after) - timedelta(days=1), local_date(table, until) + timedelta(days=1)
    all_of_them = [
        at
        for number in range((last - first).days + 1)
        if date_matches(day, first + timedelta(days=number))
        for second in times_of_day(time)
        if after < (at := table.to_utc((first - EPOCH).days * 86_400 + number * 86_400 + second)) <= until
    ]
    assert found == min(all_of_them, default=None)


@settings(max_examples=100, deadline=None)
@given(pattern=dates, number=st.integers(0, 3000))
def test_a_pattern_with_day_and_weekday_means_at_most_one_day_of_a_month(pattern, number):
    day = date(2024, 1, 1) + timedelta(days=number)
    if pattern.day == ANY or pattern.weekday == ANY:
        return
    month = [day.replace(day=1) + timedelta(days=offset) for offset in range(31)]
    same = [other for other in month if other.month == day.month and date_matches(pattern, other)]
    assert len(same) <= 1
    assert all(other.isoweekday() == pattern.weekday for other in same)
