"""What models capture, learnt once; what one device is, known of it alone."""

import asyncio
from dataclasses import replace

import pytest
from tests.integration.headend.field import device_record

from meterworks.catalogue import PROFILES
from meterworks.headend.capture import ModelCheck
from meterworks.headend.errors import ModelMismatchError
from meterworks.headend.model_book import ModelBook
from meterworks.protocols.dlms import CaptureObject, ObisCode, encode_array
from meterworks.runtime import ManualClock

ONE = device_record(1, "h", 1, starts=0)
TWO = device_record(2, "h", 1, starts=0)
OTHER_FIRMWARE = replace(TWO, firmware="2")
OBJECTS = encode_array(
    CaptureObject(column.class_id, ObisCode(column.obis_code), column.attribute).to_bytes()
    for column in PROFILES["load_import"].columns
)
CHECK = ModelCheck(capture_objects=OBJECTS, capture_period_s=1800, entries_max=9, scalers={})
QUARTER = replace(CHECK, capture_period_s=900)


class Asked:
    """Answers for a device, and counts."""

    def __init__(self, check=CHECK):
        self.check, self.count = check, 0

    async def __call__(self):
        self.count += 1
        await asyncio.sleep(0)
        return self.check


def book(known=None):
    saved = []

    async def save(key, check, at):
        saved.append((key, check))

    made = ModelBook(known or {}, save, ManualClock())
    return made, saved


async def test_one_device_answers_for_all_of_its_model_and_firmware():
    made, saved = book()
    asked = Asked()
    assert await made.check(ONE, "load_import", asked) == CHECK
    assert await made.check(TWO, "load_import", asked) == CHECK
    assert asked.count == 1
    assert saved == [(("fake", "1", "load_import"), CHECK)]


async def test_new_firmware_is_asked_anew():
    made, saved = book({("fake", "1", "load_import"): CHECK})
    asked = Asked(QUARTER)
    assert await made.check(OTHER_FIRMWARE, "load_import", asked) == QUARTER
    assert made.known(ONE, "load_import") == CHECK
    assert len(saved) == 1


async def test_nobody_waits_for_the_session_of_another():
    made, saved = book()
    slow, never = Asked(), asyncio.Event()

    async def hangs():
        await never.wait()

    hanging = asyncio.create_task(made.check(ONE, "load_import", hangs))
    await asyncio.sleep(0)
    assert await made.check(TWO, "load_import", slow) == CHECK
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    assert len(saved) == 1


async def test_what_a_device_lacks_is_remembered_of_it_and_not_of_its_siblings():
    made, _ = book({("fake", "1", "load_import"): CHECK})
    made.mark_unusable(ONE, "load_import", "object undefined")
    assert made.is_unusable(ONE, "load_import")
    assert not made.is_unusable(TWO, "load_import")
    with pytest.raises(ModelMismatchError):
        await made.plan(ONE, "load_import", Asked())
    assert (await made.plan(TWO, "load_import", Asked())).interval_s == 1800


async def test_a_device_that_differs_is_read_by_its_own_answer():
    made, _ = book({("fake", "1", "load_import"): CHECK})
    assert not made.differs(ONE, "load_import", CHECK)
    assert made.differs(ONE, "load_import", QUARTER)
    assert not made.differs(ONE, "load_import", QUARTER)
    assert (await made.plan(ONE, "load_import", Asked())).interval_s == 900
    assert (await made.plan(TWO, "load_import", Asked())).interval_s == 1800


async def test_a_failed_question_teaches_nothing():
    made, saved = book()

    async def fails():
        raise ModelMismatchError("no")

    with pytest.raises(ModelMismatchError):
        await made.check(ONE, "load_import", fails)
    assert made.known(ONE, "load_import") is None
    assert saved == []
