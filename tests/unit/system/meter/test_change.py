"""What a change would do is told before, and done once."""

import pytest
from tests.unit.system.meter.fake_meter import CLOCK, ENERGY, ENTRIES, SWITCH, FakeMeter, entry

from meterworks.protocols import ServiceRefused
from meterworks.protocols.dlms import encode_double_long_unsigned, encode_unsigned
from meterworks.system import ConfigurationError
from meterworks.system.meter.change import act, change_document, plan_action, plan_write, write
from meterworks.system.meter.objects import ObjectBook


@pytest.fixture
def book():
    return ObjectBook(identity="x", entries=ENTRIES)


def test_a_plan_tells_before_and_after_and_sends_nothing(book):
    meter = FakeMeter()
    plan = plan_write(meter, book, "clock", "datetime:2026-02-01T00:00+00:00")
    assert plan.text == (
        "0-0:1.0.0.255 clock, attribute 2 time: octets 2026-01-31T12:00:00Z → octets 2026-02-01T00:00:00Z"
    )
    assert plan.doubts == ()
    assert meter.asked == [(8, CLOCK, 2)]


@pytest.mark.parametrize(
    ("subject", "value", "doubt"),
    [
        ("1.8.0", "uint32:5", "may not write"),
        ("clock", "uint8:5", "another type than the present"),
        ("clock/time_zone", "text:x", "class describes another type"),
        ("clock", "octets:07ea011f060c000000000000", "holds this value already"),
        ("1.8.0", "bool:true", "another type"),
    ],
)
def test_doubts_are_told(book, subject, value, doubt):
    plan = plan_write(FakeMeter(), book, subject, value)
    assert any(doubt in each for each in plan.doubts)


def test_an_attribute_that_cannot_be_read_can_be_written_with_its_type(book):
    plan = plan_write(FakeMeter(), book, "clock/daylight_savings_enabled", "bool:true")
    assert plan.present is None
    assert "? → bool true" in plan.text
    with pytest.raises(ConfigurationError, match="uint16:5"):
        plan_write(FakeMeter(), book, "clock/daylight_savings_enabled", "5")


def test_a_write_is_read_back(book):
    meter = FakeMeter()
    plan = plan_write(meter, book, "3/1.0.1.8.0.255/2", "77")
    after = write(meter, plan)
    assert after == encode_double_long_unsigned(77)
    document = change_document(plan, done=True, result=after)
    assert (document["before"], document["written"], document["after"]) == (
        {"uint32": 123456}, {"uint32": 77}, {"uint32": 77},
    )  # fmt: skip
    assert document["as_written"] is True
    assert change_document(plan, done=True, result=encode_unsigned(1))["as_written"] is False
    assert change_document(plan, done=False)["as_written"] is None


def test_a_write_that_cannot_be_read_back_is_done_all_the_same(book):
    meter = FakeMeter()
    plan = plan_write(meter, book, "1.8.0", "77")

    def refuses(*_rest, **_more):
        raise ServiceRefused("no", result=3)

    meter.get = refuses
    assert write(meter, plan) is None
    assert meter.values[(3, ENERGY, 2)] == encode_double_long_unsigned(77)


def test_a_refused_write_is_raised(book):
    plan = plan_write(FakeMeter(), book, "clock/status", "uint8:1")
    with pytest.raises(ServiceRefused):
        write(FakeMeter(), plan)


@pytest.mark.parametrize("subject", [f"{SWITCH}/1", f"{SWITCH}/remote_disconnect", f"70/{SWITCH}/1", "disconnect/1"])
def test_a_method_is_named_in_many_ways(book, subject):
    plan = plan_action(book, subject, None)
    assert (plan.address.class_id, str(plan.address.obis_code), plan.address.method) == (70, SWITCH, 1)
    assert plan.name == "remote_disconnect"
    assert plan.text.endswith("method 1 remote_disconnect with int8 0")
    assert plan.doubts == ()


def test_methods_are_invoked_with_what_was_planned(book):
    meter = FakeMeter()
    plan = plan_action(book, f"{SWITCH}/2", "uint16:5")
    assert any("describes the parameter" in doubt for doubt in plan.doubts)
    assert act(meter, plan) == b"\x11\x07"
    assert meter.asked == [(plan.address, b"\x12\x00\x05")]
    document = change_document(plan, done=True, result=b"\x11\x07")
    assert (document["parameter"], document["returned"]) == ({"uint16": 5}, {"uint8": 7})
    assert change_document(plan, done=True, result=b"\x99")["returned"] == {"raw": "99"}


def test_methods_that_the_list_does_not_give_are_doubted():
    book = ObjectBook(identity="x", entries=(entry(70, SWITCH, methods=(2,)), entry(9000, "0.0.128.0.0.255")))
    assert "may not invoke" in plan_action(book, f"{SWITCH}/1", None).doubts[0]
    assert plan_action(book, "0.0.128.0.0.255/3", "null").address.method == 3
    with pytest.raises(ConfigurationError, match="no method"):
        plan_action(book, "0.0.128.0.0.255/explode", None)


@pytest.mark.parametrize("subject", [SWITCH, "1.8.0", "nothing/1", f"{SWITCH}/"])
def test_what_names_no_method_is_told(book, subject):
    with pytest.raises(ConfigurationError):
        plan_action(book, subject, None)
