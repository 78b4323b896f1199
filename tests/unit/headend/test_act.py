"""What the head-end meets, as acts of the audit trail."""

from datetime import UTC, datetime

import pytest

from meterworks.headend.act import act_of_event, act_of_incident, act_of_session
from meterworks.headend.expectation import ExpectationTable
from meterworks.headend.store import Event, Incident, SessionRecord
from meterworks.headend.workbook import INCIDENTS_PER_MINUTE_MAX, Workbook
from meterworks.runtime import ManualClock
from meterworks.trust.audit import MemoryAuditSink, Outcome

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def incident(kind, **fields):
    return Incident(**{"at": AT, "kind": kind, "device_id": 7, "peer": None, "detail": "why"} | fields)


def session(error_code):
    return SessionRecord(device_id=7, kind="scheduled", started=AT, ended=AT, outcome="failed", error_code=error_code)


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        ("clock-set", "clock.set"),
        ("clock-off", "clock.drifted"),
        ("quarantine", "device.quarantined"),
        ("push-replayed-notification", "device.replay"),
        ("push-unknown-sender", "device.identity_mismatch"),
        ("push-bad-tag", "device.wrong_key"),
        ("push-malformed", "peer.refused"),
    ],
)
def test_an_incident_of_security_is_an_act(kind, act):
    told = act_of_incident(incident(kind))
    assert (told.act, told.actor, told.object, told.cause, told.at) == (act, "process:headend", "device:7", "why", AT)
    assert told.facts == {"kind": kind}


def test_an_incident_tells_the_peer_and_an_unknown_device():
    told = act_of_incident(incident("push-unknown-sender", device_id=None, peer="127.0.1.9"))
    assert (told.object, told.facts["peer"], told.outcome) == ("device:unknown", "127.0.1.9", Outcome.FAILURE)


@pytest.mark.parametrize("kind", ["model-mismatch", "set-rejected"])
def test_other_incidents_are_no_acts(kind):
    assert act_of_incident(incident(kind)) is None


@pytest.mark.parametrize(
    ("code", "act"),
    [
        ("association-refused", "device.refused"),
        ("bad-tag", "device.wrong_key"),
        ("bad-signature", "device.wrong_key"),
        ("counter", "device.replay"),
        ("wrong-title", "device.identity_mismatch"),
    ],
)
def test_a_session_that_ends_for_security_is_an_act(code, act):
    told = act_of_session(session(code))
    assert (told.act, told.object, told.cause, told.outcome) == (act, "device:7", code, Outcome.REFUSED)


@pytest.mark.parametrize("code", [None, "link-lost", "malformed"])
def test_other_sessions_are_no_acts(code):
    assert act_of_session(session(code)) is None


def test_an_entry_of_the_tamper_log_is_one_act_however_often_it_is_read():
    entry = Event(device_id=7, log="tamper", at=AT, code=40)
    told, again = act_of_event(entry), act_of_event(entry)
    assert (told.act, told.actor, told.facts["code"]) == ("device.tampered", "device:7", 40)
    assert told.event_id == again.event_id
    assert act_of_event(Event(device_id=7, log="standard", at=AT, code=1)) is None


@pytest.mark.parametrize(
    ("log", "code", "act"),
    [
        ("standard", 18, "firmware.activated"),
        ("standard", 51, "firmware.refused"),
        ("standard", 48, "device.event"),
        ("standard", 62, "supply.changed"),
        ("tamper", 42, "device.tampered"),
    ],
)
def test_what_a_device_tells_of_security_is_an_act(log, code, act):
    told = act_of_event(Event(device_id=7, log=log, at=AT, code=code))
    assert (told.act, told.actor, told.cause) == (act, "device:7", f"event {code} of the {log} log")


def test_the_workbook_hands_acts_over_within_its_rate():
    sink = MemoryAuditSink()
    book = Workbook(None, ExpectationTable(), {}, ManualClock(AT), sink)
    book.add_session(session("bad-tag"))
    book.add_session(session(None))
    book.add_events([Event(device_id=7, log="tamper", at=AT, code=40)] * 2)
    assert book.add_incident("quarantine", device_id=7)
    assert not book.add_incident("model-mismatch") or sink.acts()[-1] == "device.quarantined"
    assert sink.acts() == ["device.wrong_key", "device.tampered", "device.quarantined"]
    for _ in range(INCIDENTS_PER_MINUTE_MAX):
        book.add_session(session("bad-tag"))
    assert len(sink.events) < INCIDENTS_PER_MINUTE_MAX + 3


def test_the_workbook_of_a_head_end_without_a_trail_keeps_its_own_logs():
    book = Workbook(None, ExpectationTable(), {}, ManualClock(AT))
    assert book.add_incident("quarantine", device_id=7)
