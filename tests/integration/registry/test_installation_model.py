"""Any sequence of installing, exchanging, moving and removing keeps both rules, and agrees with a plain model.

The model holds spans in a list and looks at every pair; the registry answers from the database. After each step the two
have to tell the same story, and a step the registry refuses must change nothing.
"""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.catalogue import Medium
from meterworks.errors import UsageError
from meterworks.registry import DeviceId, DeviceState, Installation, NewDevice, Registry, UsagePoint, UsagePointId
from meterworks.runtime import Base, Database
from meterworks.trust import KeyStore

START = datetime(2026, 1, 1, tzinfo=UTC)
DEVICE_COUNT = 4  # the last one measures gas
POINTS = [UsagePointId(f"MP{number}") for number in range(3)]

devices = st.integers(0, DEVICE_COUNT - 1)
points = st.sampled_from(POINTS)
days = st.integers(0, 12)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("install"), devices, points, days),
        st.tuples(st.just("exchange"), points, devices, devices, days),
        st.tuples(st.just("move"), devices, points, days),
        st.tuples(st.just("remove"), devices, days),
        st.tuples(st.just("history"), devices, points, days, st.integers(1, 4)),
    ),
    min_size=1,
    max_size=12,
)


@dataclass(frozen=True)
class Stand:
    """One installation of the model, in days from START."""

    device: int
    point: UsagePointId
    first: int
    last: int | None

    def meets(self, other):
        return (other.last is None or self.first < other.last) and (self.last is None or other.first < self.last)

    def excludes(self, other):
        same_place = self.point == other.point and self.is_gas == other.is_gas
        return (self.device == other.device or same_place) and self.meets(other)

    @property
    def is_gas(self):
        return self.device == DEVICE_COUNT - 1


class Model:
    """The rules, told again in the plainest way."""

    def __init__(self):
        self.stands = []

    def open_of(self, device):
        return next((stand for stand in self.stands if stand.device == device and stand.last is None), None)

    def without(self, stand, day):
        """Give the story with an open stand ended on a day; None when it cannot end then."""
        if stand is None or day <= stand.first:
            return None
        ended = Stand(stand.device, stand.point, stand.first, day)
        return [ended if entry == stand else entry for entry in self.stands]

    def step(self, step):
        """Give the story after a step; None when the rules forbid it."""
        match step:
            case ("install", device, point, day):
                after = [*self.stands, Stand(device, point, day, None)]
            case ("history", device, point, day, length):
                after = [*self.stands, Stand(device, point, day, day + length)]
            case ("remove", device, day):
                after = self.without(self.open_of(device), day)
            case ("move", device, point, day):
                ended = self.without(self.open_of(device), day)
                after = None if ended is None else [*ended, Stand(device, point, day, None)]
            case ("exchange", point, old, new, day):
                stand = self.open_of(old)
                at_point = stand is not None and stand.point == point
                ended = self.without(stand, day) if at_point else None
                same_medium = (old == DEVICE_COUNT - 1) == (new == DEVICE_COUNT - 1)
                after = [*ended, Stand(new, point, day, None)] if ended is not None and same_medium else None
        if after is None or any(left.excludes(right) for left, right in combinations(after, 2)):
            return None
        return after


async def apply(registry, numbers, step):
    """Do a step in the registry; tells whether it was done."""

    def day(number):
        return START + timedelta(days=number)

    try:
        match step:
            case ("install", device, point, at):
                await registry.install(numbers[device], point, day(at))
            case ("history", device, point, at, length):
                past = Installation(
                    device_id=numbers[device], usage_point_id=point, starts_at=day(at), ends_at=day(at + length)
                )
                await registry.add_installations([past])
            case ("remove", device, at):
                await registry.remove(numbers[device], day(at))
            case ("move", device, point, at):
                await registry.move(numbers[device], point, day(at))
            case ("exchange", point, old, new, at):
                await registry.exchange(point, numbers[old], numbers[new], day(at))
    except UsageError:
        return False
    return True


async def story(registry, numbers):
    """Give the registry's installations as the model tells them."""

    def days_of(instant):
        return None if instant is None else (instant - START) // timedelta(days=1)

    return {
        Stand(numbers.index(entry.device_id), entry.usage_point_id, days_of(entry.starts_at), days_of(entry.ends_at))
        for entry in await registry.installations(usage_point_id=POINTS)
    }


async def fresh_registry(folder):
    """Give a registry with the devices and usage points of the model, and the devices' numbers."""
    database = Database(f"sqlite:///{folder}/registry.sqlite3")
    tables = [table for name, table in Base.metadata.tables.items() if name.startswith("registry_")]
    await database.create_tables(*tables)
    registry = Registry(database, KeyStore(bytes(32)))
    await registry.add_usage_points([UsagePoint(id=point, medium=Medium.ELECTRICITY) for point in POINTS])
    numbers = await registry.add_devices(
        [
            NewDevice(
                identity=f"{index:016x}",
                serial=str(index),
                manufacturer="M",
                model="E1",
                firmware="1",
                medium=Medium.GAS if index == DEVICE_COUNT - 1 else Medium.ELECTRICITY,
                phases=0 if index == DEVICE_COUNT - 1 else 1,
                address="127.0.0.1:4059",
            )
            for index in range(DEVICE_COUNT)
        ]
    )
    return database, registry, numbers


@settings(max_examples=30, deadline=None)
@given(steps)
async def test_any_sequence_of_steps_tells_the_same_story_as_the_model(sequence):
    with tempfile.TemporaryDirectory() as folder:
        database, registry, numbers = await fresh_registry(Path(folder))
        try:
            model = Model()
            for step in sequence:
                after = model.step(step)
                assert await apply(registry, numbers, step) == (after is not None), step
                model.stands = model.stands if after is None else after
                assert await story(registry, numbers) == set(model.stands)
            await check_states(registry, numbers, model)
        finally:
            await database.close()


async def check_states(registry, numbers, model):
    """A device is installed when it stands somewhere until further notice, removed when it only did once."""
    for index, number in enumerate(numbers):
        stood = [stand for stand in model.stands if stand.device == index]
        if model.open_of(index) is not None:
            expected = DeviceState.INSTALLED
        else:
            expected = DeviceState.REMOVED if stood else DeviceState.STOCK
        assert (await registry.device(DeviceId(number))).state is expected
