"""Acts over the bus: one appender, spools while it is away, refusals of privileged acts."""

import asyncio
import itertools
import time
from pathlib import Path

import pytest
from tests.audited import START, event, place_in, until

from meterworks.errors import UsageError
from meterworks.runtime import ManualClock, MemoryBus
from meterworks.trust.audit import (
    ActNotRecorded,
    AuditEvent,
    AuditQuestion,
    AuditSettings,
    BusAuditSink,
    TrailReader,
    TrailSink,
    serve_appends,
)
from meterworks.trust.audit.bus_sink import _Entry
from meterworks.trust.audit.spool import Spool
from meterworks.trust.audit.wire import APPEND_SUBJECT, encode_events

PRIVILEGED = {"act": "meter.read", "actor": "account:olga"}


@pytest.fixture
async def place(tmp_path):
    async with place_in(tmp_path) as made:
        yield made


@pytest.fixture
async def bus():
    made = MemoryBus()
    yield made
    await made.close()


@pytest.fixture
async def sink(bus, tmp_path):
    made = BusAuditSink(bus, source="web", clock=ManualClock(START), spool=tmp_path / "web.jsonl")
    yield made
    await made.close()


async def recorded(place):
    records = await TrailReader(place.database).records(AuditQuestion(act="login.failed"))
    return [record.event.facts["number"] for record in reversed(records)]


async def test_an_act_is_durable_when_the_sink_returns(place, bus, sink):
    async with place.appending() as trail, serve_appends(bus, trail, ["web"]):
        await sink.append(event(1))
        assert await recorded(place) == [1]


async def test_a_record_tells_the_process_whose_subject_it_came_by(place, bus, sink):
    async with place.appending() as trail, serve_appends(bus, trail, ["web", "headend"]):
        await sink.append(event(1))
    record = (await TrailReader(place.database).records(AuditQuestion()))[0]
    assert record.source == "process:web"


async def test_times_are_the_senders(place, bus, sink):
    async with place.appending() as trail, serve_appends(bus, trail, ["web"]):
        await sink.append(AuditEvent(act="login.failed", actor="nobody", object="account:anna"))
    record = (await TrailReader(place.database).records(AuditQuestion()))[0]
    assert record.event.at == START
    assert record.event.machine_at.year >= 2026


async def test_acts_handed_in_together_share_requests(place, bus, sink, monkeypatch):
    asked = []
    request = MemoryBus.request

    async def counted(self, subject, data, **options):
        asked.append(subject)
        return await request(self, subject, data, **options)

    monkeypatch.setattr(MemoryBus, "request", counted)
    async with place.appending() as trail, serve_appends(bus, trail, ["web"]):
        await asyncio.gather(*(sink.append(event(number)) for number in range(100)))
    assert asked.count(f"{APPEND_SUBJECT}.web") <= 2
    assert len(await recorded(place)) == 100


async def test_posted_acts_arrive_without_waiting(place, bus, sink):
    async with place.appending() as trail, serve_appends(bus, trail, ["web"]):
        for number in range(10):
            sink.post(event(number))
        await sink.flush()
        assert await recorded(place) == list(range(10))


async def test_while_the_appender_is_away_acts_go_to_the_spool_and_are_handed_over_once(place, bus, sink, tmp_path):
    await sink.append(event(1))
    await sink.append(event(2))
    assert sink.away
    assert len((tmp_path / "web.jsonl").read_bytes().splitlines()) == 2
    async with place.appending() as trail, serve_appends(bus, trail, ["web"]):
        await until(lambda: trail.size == 3 and not sink.away and not (tmp_path / "web.jsonl").exists())
        await sink.append(event(3))
        assert not (tmp_path / "web.jsonl").exists()
    assert await recorded(place) == [1, 2, 3]


async def test_an_act_that_is_kept_while_others_are_handed_over_is_not_lost(place, bus, sink, tmp_path, monkeypatch):
    def slow(path, read=Path.read_bytes):
        found = read(path)
        time.sleep(0.05)
        return found

    monkeypatch.setattr(Path, "read_bytes", slow)  # a part of the spool is being forgotten
    acts = itertools.count(1)
    await sink.append(event(next(acts)))
    async with place.appending() as trail, serve_appends(bus, trail, ["web"]):
        overlaps = 0
        while overlaps < 10:
            await sink._keep([_Entry(event(next(acts)), None)])
            await asyncio.sleep(0.01)
            overlaps += trail.size > 1
        await until(lambda: not (tmp_path / "web.jsonl").exists())
        assert await recorded(place) == list(range(1, next(acts)))


async def test_a_privileged_act_is_refused_while_the_appender_is_away(sink, tmp_path):
    with pytest.raises(ActNotRecorded, match="not done"):
        await sink.append(event(1, **PRIVILEGED))
    assert not (tmp_path / "web.jsonl").exists()


async def test_a_privileged_act_is_refused_when_the_trail_does_not_take_it(place, bus, sink):
    async with place.appending() as trail, serve_appends(bus, trail, ["web"]):
        await place.database.close()
        place.book.append = None
        trail._database = None
        with pytest.raises(ActNotRecorded):
            await sink.append(event(1, **PRIVILEGED))
        trail._database = place.database


async def test_what_an_earlier_run_left_in_the_spool_is_handed_over(place, bus, sink, tmp_path):
    Spool(tmp_path / "web.jsonl", bytes_max=10_000).keep([event(1), event(2)])
    with (tmp_path / "web.jsonl").open("ab") as file:
        file.write(b'{"act":"login')
    async with place.appending() as trail, serve_appends(bus, trail, ["web"]):
        sink.start()
        await until(lambda: trail.size == 3)
    assert await recorded(place) == [1, 2]


async def test_what_a_full_spool_could_not_take_is_counted_in_the_trail(place, bus, tmp_path):
    settings = AuditSettings(spool_bytes_max=1_000)
    sink = BusAuditSink(bus, source="web", clock=ManualClock(START), spool=tmp_path / "web.jsonl", settings=settings)
    for number in range(10):
        await sink.append(event(number))
    async with place.appending() as trail, serve_appends(bus, trail, ["web"]):
        await until(lambda: not (tmp_path / "web.jsonl").exists() and trail.size > 1)
        await sink.close()
    told = (await TrailReader(place.database).records(AuditQuestion(act="audit.spool_dropped")))[0]
    kept = await recorded(place)
    assert kept == list(range(len(kept)))
    assert told.event.facts["count"] == 10 - len(kept) > 0


async def test_a_process_cannot_tell_of_the_trails_own_acts(place, bus, sink):
    pruned = AuditEvent(act="audit.pruned", actor="process:audit", object="trail:x", at=START, machine_at=START)
    async with place.appending() as trail, serve_appends(bus, trail, ["web"]):
        with pytest.raises(UsageError, match="for the appender"):
            await bus.request(f"{APPEND_SUBJECT}.web", encode_events([pruned]))
        with pytest.raises(ActNotRecorded):
            await sink.append(pruned)
        with pytest.raises(UsageError, match="not acts"):
            await bus.request(f"{APPEND_SUBJECT}.web", b"{}")
        await asyncio.gather(sink.append(event(1)), sink.append(event(2)))
    assert await recorded(place) == [1, 2]


async def test_the_appender_records_its_own_acts(place):
    async with place.appending() as trail:
        own = TrailSink(trail)
        await own.append(event(1))
        own.post(event(2))
        await until(lambda: trail.size == 3)
    assert await recorded(place) == [1, 2]


async def test_closing_keeps_what_could_not_be_sent(bus, sink, tmp_path):
    sink.post(event(1))
    await sink.close()
    assert len((tmp_path / "web.jsonl").read_bytes().splitlines()) == 1


def test_a_spool_leaves_room_for_acts_that_keep(tmp_path):
    spool = Spool(tmp_path / "s.jsonl", bytes_max=2_000)
    spool.keep([event(number, act="reading.accessed") for number in range(10)])
    half = spool.size
    spool.keep([event(11)])
    assert half <= 1_000 < half + 300
    assert spool.size > half
    assert spool.take_dropped() > 0
    assert spool.take_dropped() == 0


def test_a_spool_forgets_the_oldest_only(tmp_path):
    spool = Spool(tmp_path / "s.jsonl", bytes_max=10_000)
    spool.keep([event(number) for number in range(5)])
    events, size = spool.read(2)
    spool.forget(size)
    assert [entry.facts["number"] for entry in events] == [0, 1]
    assert [entry.facts["number"] for entry in spool.read(9)[0]] == [2, 3, 4]


async def test_acts_that_no_disk_takes_do_not_stop_readings(sink, tmp_path):
    (tmp_path / "web.jsonl").mkdir()
    await sink.append(event(1))
    assert sink.away
    assert sink._spool.dropped == 1
    (tmp_path / "web.jsonl").rmdir()
