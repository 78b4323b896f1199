"""What a push means stands twice, because devices and head-end meet on the wire only: the two are the same."""

import pytest

from meterworks.devices import PUSH_SETUPS
from meterworks.devices.push_setup import push_entry
from meterworks.headend.notification import CALLING, PUSH_LISTS
from meterworks.protocols.dlms import CaptureObject, ObisCode, decode_all


def columns_of(objects):
    return tuple((column.class_id, str(ObisCode(column.obis_code)), column.attribute) for column in objects)


def test_meters_and_head_end_agree_on_what_follows_the_name_of_a_setup():
    told = {str(setup.obis_code): columns_of(setup.objects[1:]) for setup in PUSH_SETUPS.values()}
    assert told == dict(PUSH_LISTS)


def test_every_push_begins_with_the_name_of_its_setup():
    assert [columns_of(setup.objects[:1]) for setup in PUSH_SETUPS.values()] == [
        ((40, str(setup.obis_code), 1),) for setup in PUSH_SETUPS.values()
    ]


def test_they_agree_on_what_a_call_is():
    assert str(PUSH_SETUPS[2].obis_code) == CALLING


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("instance", PUSH_SETUPS)
def test_the_list_that_a_client_reads_is_the_same_again(instance, version):
    listed = decode_all(push_entry(instance, version).bindings["push_object_list"].default)
    assert columns_of(CaptureObject(*row[:4]) for row in listed) == columns_of(PUSH_SETUPS[instance].objects)
