"""Bodies of notifications, lawful and not."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.errors import PeerError
from meterworks.headend.notification import PUSH_LISTS, read_notification
from meterworks.protocols.dlms import (
    CaptureObject,
    CosemDateTime,
    DataNotification,
    ObisCode,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)

AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
CLOCK = encode_date_time(CosemDateTime.from_datetime(AT))
NAME = encode_octet_string(b"name")


def setup(number):
    return encode_octet_string(ObisCode(f"0.0.25.9.{number}.255"))


def read(*elements, date_time=b""):
    return read_notification(DataNotification(long_invoke=1, date_time=date_time, body=encode_structure(*elements)))


def test_scheduled_values_by_the_agreed_list():
    numbers = [encode_double_long_unsigned(value) for value in (1, 2, 3, 4)]
    pushed = read(setup(0), NAME, CLOCK, *numbers)
    assert pushed.at == AT
    assert pushed.registers == {"1.0.1.7.0.255": 1, "1.0.2.7.0.255": 2, "1.0.1.8.0.255": 3, "1.0.2.8.0.255": 4}
    assert not pushed.is_call


def test_a_register_without_a_value_is_left_out():
    numbers = [encode_null(), encode_null(), encode_double_long_unsigned(3), encode_null()]
    assert read(setup(0), NAME, CLOCK, *numbers).registers == {"1.0.1.8.0.255": 3}


def test_an_alarm_names_its_log_and_code():
    pushed = read(setup(1), NAME, CLOCK, encode_unsigned(1), encode_unsigned(40))
    assert pushed.alarms == [("tamper", 40)]


def test_an_alarm_of_a_log_we_do_not_keep_is_no_event():
    assert read(setup(1), NAME, CLOCK, encode_unsigned(77), encode_unsigned(40)).alarms == []


def test_a_call_says_nothing_but_who_calls():
    assert read(setup(2), NAME, CLOCK).is_call


def test_a_list_sent_along_explains_itself():
    objects = encode_array(
        each.to_bytes()
        for each in (
            CaptureObject(40, ObisCode("0.0.25.9.5.255"), 2),
            CaptureObject(8, ObisCode("0.0.1.0.0.255"), 2),
            CaptureObject(3, ObisCode("1.0.1.8.0.255"), 2),
            CaptureObject(7, ObisCode("1.0.99.1.0.255"), 2),
        )
    )
    pushed = read(objects, CLOCK, encode_double_long_unsigned(9), encode_array([]))
    assert (pushed.setup, pushed.at, pushed.registers) == ("0.0.25.9.5.255", AT, {"1.0.1.8.0.255": 9})
    assert pushed.buffers == [("load_import", encode_array([]))]


def test_the_time_of_the_message_stands_in_for_a_clock_that_is_not_pushed():
    stamp = CosemDateTime.from_datetime(AT).to_bytes()
    objects = encode_array([CaptureObject(40, ObisCode("0.0.25.9.5.255"), 2).to_bytes()])
    assert read(objects, date_time=stamp).at == AT


@pytest.mark.parametrize(
    "elements",
    [
        (),
        (NAME,),
        (encode_octet_string(ObisCode("0.0.25.9.9.255")),),
        (setup(0), NAME, CLOCK),
        (setup(2), NAME, CLOCK, NAME),
        (encode_unsigned(1), NAME),
        (encode_array([CaptureObject(3, ObisCode("1.0.1.8.0.255"), 2).to_bytes()]), NAME),
        (encode_array([encode_unsigned(5)]),),
        (setup(2), NAME, encode_octet_string(b"no time")),
    ],
)
def test_what_nobody_agreed_on_is_refused(elements):
    with pytest.raises(PeerError):
        read(*elements)


@given(st.binary(max_size=80))
def test_any_body_is_read_or_refused(body):
    try:
        pushed = read_notification(DataNotification(long_invoke=0, date_time=b"", body=body))
    except PeerError:
        return
    assert pushed.setup


def test_every_agreed_list_begins_with_name_and_clock():
    assert all(columns[0][1] == "0.0.42.0.0.255" for columns in PUSH_LISTS.values())
    assert all(columns[1][1] == "0.0.1.0.0.255" for columns in PUSH_LISTS.values())
