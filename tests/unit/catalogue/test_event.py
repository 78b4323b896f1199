"""Every event row stands in a known log."""

import pytest

from meterworks.catalogue import EVENT_CODES, EVENT_LOGS, Severity, event_code


@pytest.mark.parametrize("event", EVENT_CODES.values(), ids=lambda event: f"{event.log}-{event.code}")
def test_each_event_has_a_log_a_name_and_a_severity(event):
    assert event.log in EVENT_LOGS
    assert 1 <= event.code <= 255
    assert event.name == event.name.strip() != ""
    assert event.severity is not Severity.UNKNOWN
    assert event_code(event.log, event.code) is event


@pytest.mark.parametrize("log", EVENT_LOGS)
def test_each_log_has_events(log):
    assert any(event.log == log for event in EVENT_CODES.values())


def test_the_logs_stand_where_meters_have_them():
    assert {log.name: log.obis_code for log in EVENT_LOGS.values()} == {
        "standard": "0.0.99.98.0.255",
        "tamper": "0.0.99.98.1.255",
        "power_quality": "0.0.99.98.4.255",
    }


def test_an_unknown_number_keeps_its_number():
    event = event_code("standard", 233)
    assert (event.code, event.name, event.severity) == (233, "event 233", Severity.UNKNOWN)
