"""Acts: the table, the values an act may carry, the sink for tests."""

from datetime import datetime

import pytest

from meterworks.trust.audit import ACTS, ActNotRecorded, AuditEvent, AuditUsageError, MemoryAuditSink, act_of


def event(**changes):
    return AuditEvent(**{"act": "login.failed", "actor": "nobody", "object": "account:anna"} | changes)


def test_every_act_has_a_family_and_a_meaning():
    assert all(row.family and row.meaning and name == row.name for name, row in ACTS.items())


def test_a_privileged_act_is_never_one_that_goes_first():
    assert [name for name, row in ACTS.items() if row.must_record and not row.keeps] == []


def test_an_unknown_act_is_refused():
    with pytest.raises(AuditUsageError, match=r"no act 'login\.maybe'"):
        act_of("login.maybe")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"act": "no.such"}, id="act"),
        pytest.param({"actor": ""}, id="no actor"),
        pytest.param({"object": ""}, id="no object"),
        pytest.param({"actor": "a" * 201}, id="long actor"),
        pytest.param({"cause": "c" * 501}, id="long cause"),
        pytest.param({"cause": "\ud800"}, id="surrogate"),
        pytest.param({"facts": {"Upper": 1}}, id="name of a fact"),
        pytest.param({"facts": {"share": 0.5}}, id="fraction"),
        pytest.param({"facts": {"octets": b"x"}}, id="octets"),
        pytest.param({"facts": {"big": 2**53}}, id="large integer"),
        pytest.param({"facts": {"text": "t" * 1001}}, id="long fact"),
        pytest.param({"facts": {f"f{number}": number for number in range(25)}}, id="many facts"),
        pytest.param({"event_id": "short"}, id="event id"),
        pytest.param({"at": datetime(2026, 1, 1)}, id="naive time"),  # noqa: DTZ001 -- what is refused
    ],
)
def test_what_cannot_be_recorded_is_refused(changes):
    with pytest.raises(AuditUsageError):
        event(**changes)


async def test_the_sink_for_tests_keeps_each_event_once():
    sink = MemoryAuditSink()
    told = event()
    await sink.append(told)
    sink.post(told)
    assert sink.acts() == ["login.failed"]


async def test_a_sink_that_is_away_refuses_privileged_acts_only():
    sink = MemoryAuditSink()
    sink.away = True
    await sink.append(event())
    with pytest.raises(ActNotRecorded, match="not done"):
        await sink.append(event(act="meter.read"))
    assert sink.acts() == ["login.failed"]
