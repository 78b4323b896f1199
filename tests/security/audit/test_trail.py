"""The audit trail: complete, durable, tamper-evident, never silently full."""

import asyncio
import random

import orjson
import pytest
from tests.audited import START, event, place_in
from tests.security.audit.sealed import trail, verdict

from meterworks.runtime import Database, ManualClock, MemoryBus
from meterworks.trust.audit import (
    ACTS,
    ActNotRecorded,
    AuditEvent,
    AuditQuestion,
    BusAuditSink,
    TrailReader,
    serve_appends,
)

FIELDS = {"act", "actor", "at", "cause", "event", "facts", "machine_at", "object", "outcome", "source", "recorded_at"}


@pytest.mark.requirement("SEC-048")
def test_a_back_dated_a_moved_and_a_removed_record_are_named():
    bodies, _heads = trail()
    fields = orjson.loads(bodies[12])
    fields["recorded_at"] = "2026-11-20T12:00:00.000000Z"
    dated = [*bodies[:12], orjson.dumps(fields, option=orjson.OPT_SORT_KEYS), *bodies[13:]]
    found = verdict(dated, []).finding  # by the chain alone: no head was signed yet
    assert (found.record, found.kind) == (12, "back-dated")
    moved = [*bodies[:20], bodies[21], bodies[20], *bodies[22:]]
    assert verdict(moved, []).finding.record == 20
    removed = [*bodies[:30], *bodies[31:]]
    assert verdict(removed, [], places=[*range(30), *range(31, 40)]).finding.record == 30


@pytest.mark.requirement("SEC-054")
async def test_an_act_is_acknowledged_when_it_is_on_disk_and_not_before(tmp_path, monkeypatch):
    gate = asyncio.Event()
    insert = Database.insert
    kept_for_good = []

    async def slow(database, table, rows, *, settled=True):
        await gate.wait()
        await insert(database, table, rows, settled=settled)
        kept_for_good.append(settled)

    async with place_in(tmp_path) as place, place.appending() as appender:
        monkeypatch.setattr(Database, "insert", slow)
        waiting = asyncio.ensure_future(appender.append([event(1)]))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        gate.set()
        await waiting
        assert kept_for_good == [True]


@pytest.mark.requirement("SEC-054")
async def test_a_privileged_act_is_refused_where_it_cannot_be_recorded_and_others_wait_on_disk(tmp_path):
    bus = MemoryBus()
    sink = BusAuditSink(bus, source="web", clock=ManualClock(START), spool=tmp_path / "spool.jsonl")
    with pytest.raises(ActNotRecorded):
        await sink.append(event(1, act="meter.read"))
    await sink.append(event(2))
    assert b'"event-000002"' in (tmp_path / "spool.jsonl").read_bytes()
    await sink.close()
    await bus.close()


@pytest.mark.requirement("SEC-089")
async def test_each_catalogued_act_appears_once_with_all_its_fields(tmp_path):
    told = [
        AuditEvent(act=act, actor="account:olga", object="device:1", cause="request-1", at=START, machine_at=START)
        for act, row in ACTS.items()
        if row.family != "audit"
    ]
    bus = MemoryBus()
    async with place_in(tmp_path) as place, place.appending() as appender, serve_appends(bus, appender, ["web"]):
        sink = BusAuditSink(bus, source="web", clock=ManualClock(START), spool=tmp_path / "spool.jsonl")
        await asyncio.gather(*(sink.append(each) for each in told))
        await asyncio.gather(*(sink.append(each) for each in told))
        await sink.close()
        bodies = [orjson.loads(row.body) async for row in TrailReader(place.database).rows(1)]
    await bus.close()
    assert sorted(fields["act"] for fields in bodies) == sorted(each.act for each in told)
    assert all(fields.keys() >= FIELDS and fields["source"] == "process:web" for fields in bodies)
    assert {fields["cause"] for fields in bodies} == {"request-1"}


@pytest.mark.requirement("SEC-090")
def test_the_verifier_names_the_first_record_that_was_touched():
    bodies, heads = trail()
    chance = random.Random(1)
    for _ in range(10):
        place = chance.randrange(1, 39)
        fields = orjson.loads(bodies[place])
        fields["actor"] = "account:mallory"
        edited = [*bodies[:place], orjson.dumps(fields, option=orjson.OPT_SORT_KEYS), *bodies[place + 1 :]]
        assert verdict(edited, heads).finding.record == place
        assert verdict([*bodies[:place], *bodies[place - 1 :]], heads).finding.record == place
    assert verdict(bodies, heads).sound


@pytest.mark.requirement("SEC-090")
def test_a_cut_tail_is_known_by_the_heads_kept_elsewhere():
    bodies, heads = trail()
    assert (verdict(bodies[:33], heads).finding.record, verdict(bodies[:33], heads).finding.kind) == (33, "truncated")
    assert verdict([], heads).finding.record == 0


@pytest.mark.requirement("SEC-090")
def test_a_head_that_nobody_signed_is_not_believed():
    bodies, heads = trail()
    other, _others = trail(41)
    forged = [*heads[:-1], type(heads[-1])(head=heads[-1].head, signature=heads[0].signature)]
    assert verdict(bodies, forged).finding.kind == "head"
    assert other[:40] == bodies


@pytest.mark.requirement("SEC-091")
async def test_noise_gives_way_to_what_matters_and_the_loss_is_told(tmp_path):
    noise = [event(number, act="reading.accessed") for number in range(1_100)]
    async with place_in(tmp_path, records_max=1_024, head_records=2_000) as place:
        async with place.appending() as appender:
            await appender.append([event(5_000), *noise])
            await appender.append([event(5_001, act="meter.read")])
        reader = TrailReader(place.database)
        acts = {record.event.act for record in await reader.records(AuditQuestion(limit=9_999))}
        dropped = await reader.records(AuditQuestion(act="audit.dropped"))
        found = await place.verdict()
    assert acts >= {"login.failed", "meter.read", "audit.warning", "audit.dropped"}
    assert sum(record.event.facts["count"] for record in dropped) == found.absent > 0
    assert found.sound
