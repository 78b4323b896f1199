"""What one device says for all of its model: plans, and how far back its memory goes."""

from datetime import UTC, datetime

import pytest
from tests.integration.headend.field import device_record

from meterworks.catalogue import PROFILES
from meterworks.headend.capture import ModelCheck, expectation_rule, memory_depth_s
from meterworks.headend.errors import ModelMismatchError
from meterworks.headend.model_book import ModelBook
from meterworks.protocols.dlms import CaptureObject, ObisCode, encode_array
from meterworks.runtime import ManualClock

DAY = 86_400
FIRST, SECOND, OTHER = (device_record(number, "127.0.0.1", 1, starts=0, model=model) for number, model in
                        ((1, "fake"), (2, "fake"), (3, "other")))  # fmt: skip


def check(profile="load_import", *, period_s=1800, entries=100):
    columns = (CaptureObject(c.class_id, ObisCode(c.obis_code), c.attribute) for c in PROFILES[profile].columns)
    objects = encode_array(column.to_bytes() for column in columns)
    return ModelCheck(capture_objects=objects, capture_period_s=period_s, entries_max=entries, scalers={})


@pytest.fixture
def saved():
    return {}


@pytest.fixture
def book(saved):
    async def save(key, learnt, at):
        saved[key] = learnt

    return ModelBook({}, save, ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))


def reads(answer):
    async def read():
        return answer

    return read


async def never():
    pytest.fail("asked again")


@pytest.mark.parametrize(
    ("profile", "period_s", "entries", "days"),
    [
        ("load_import", 1800, 19_056, 397),
        ("load_import", 900, 96 * 800, 800),
        ("load_export", 3600, 24 * 30, 30),
        ("load_import", 1800, 0, 397),
        ("daily", DAY, 60, 60),
        ("monthly", 0, 13, 397),
    ],
)
def test_the_memory_is_as_deep_as_its_entries_reach(profile, period_s, entries, days):
    assert memory_depth_s(PROFILES[profile], check(profile, period_s=period_s, entries=entries)) == days * DAY


def test_a_device_not_asked_yet_is_taken_for_what_the_catalogue_says():
    assert memory_depth_s(PROFILES["load_export"]) == 92 * DAY
    assert expectation_rule(PROFILES["load_export"]).depth_s == 92 * DAY
    assert expectation_rule(PROFILES["load_export"], depth_s=5 * DAY).depth_s == 5 * DAY


async def test_one_device_speaks_for_its_model_and_firmware(book, saved):
    await book.plan(FIRST, "load_import", reads(check(entries=48 * 800)))
    assert await book.plan(SECOND, "load_import", never)
    assert [book.depth_s(device, "load_import") // DAY for device in (FIRST, SECOND, OTHER)] == [800, 800, 397]
    assert list(saved) == [("fake", "1", "load_import")]


async def test_a_device_that_differs_speaks_for_itself(book):
    await book.plan(FIRST, "load_import", reads(check(entries=48 * 800)))
    assert book.differs(SECOND, "load_import", check(entries=48 * 10))
    assert not book.differs(SECOND, "load_import", check(entries=48 * 10))
    assert [book.depth_s(device, "load_import") // DAY for device in (FIRST, SECOND)] == [800, 10]


async def test_what_a_device_has_not_is_not_asked_for_again(book):
    book.mark_unusable(FIRST, "load_export", "no such object")
    assert book.is_unusable(FIRST, "load_export")
    assert not book.is_unusable(SECOND, "load_export")
    with pytest.raises(ModelMismatchError, match="no such object"):
        await book.plan(FIRST, "load_export", never)
