"""The appender's trail: order, durability, ids, heads, and taking up after an end."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import delete, update
from tests.audited import START, TestSigner, event, place_in, until

from meterworks.runtime import Database
from meterworks.trust.audit import (
    AuditQuestion,
    AuditStoreError,
    TrailBroken,
    TrailReader,
    decode_record,
    longest_heads,
)
from meterworks.trust.audit.model import AuditRecordRow, AuditTileRow


@pytest.fixture
async def place(tmp_path):
    async with place_in(tmp_path) as made:
        yield made


async def test_events_get_the_next_places_in_order(place):
    async with place.appending() as trail:
        receipts = await trail.append([event(number) for number in range(5)], source="process:web")
    assert [receipt.sequence for receipt in receipts] == [1, 2, 3, 4, 5]
    assert (await place.verdict()).sound


async def test_a_record_tells_who_what_when_and_from_where(place):
    async with place.appending() as trail:
        await trail.append([event(7, cause="request-9")], source="process:web")
    record = decode_record(await TrailReader(place.database).body(1))
    assert record.event == event(7, cause="request-9")
    assert (record.source, record.sequence) == ("process:web", 1)
    assert START < record.recorded_at < START + timedelta(seconds=1)


async def test_an_event_appended_twice_is_one_record(place):
    async with place.appending() as trail:
        first = await trail.append([event(1), event(1)])
        again = await trail.append([event(1), event(2)])
    assert [receipt.sequence for receipt in (*first, *again)] == [1, 1, 1, 2]


async def test_an_event_known_from_an_earlier_run_is_one_record(place):
    async with place.appending() as trail:
        await trail.append([event(1)])
    async with place.appending() as trail:
        receipts = await trail.append([event(3), event(1), event(2)])
    assert [receipt.sequence for receipt in receipts] == [3, 1, 4]
    assert (await place.verdict()).sound


async def test_those_who_wait_together_share_a_commit(place, monkeypatch):
    commits = []
    insert = Database.insert

    async def counted(database, table, rows, **options):
        commits.append(len(rows))
        await insert(database, table, rows, **options)

    async with place.appending() as trail:
        monkeypatch.setattr(Database, "insert", counted)
        await asyncio.gather(*(trail.append([event(number)]) for number in range(50)))
    assert sum(commits) == 50
    assert len(commits) <= 2


async def test_heads_come_after_so_many_records_and_at_the_end(place):
    async with place.appending() as trail:
        await trail.append([event(number) for number in range(20)])
        await trail.append([event(99)])
        assert trail.head.head.size == 21
    assert [signed.head.size for signed in place.heads()] == [1, 21, 22]


async def test_a_head_comes_after_a_time(tmp_path):
    async with place_in(tmp_path, head_interval_s=0.01) as place, place.appending() as trail:
        await trail.append([event(1)])
        await until(lambda: trail.head.head.size == 2)
        assert place.heads()[-1].head.size == 2


async def test_a_privileged_act_is_sealed_before_the_answer(place):
    async with place.appending() as trail:
        await trail.append([event(1)])
        assert place.heads()[-1].head.size == 1
        await trail.append([event(2, act="meter.read", actor="account:olga")])
        assert place.heads()[-1].head.size == 3


async def test_a_privileged_act_is_not_answered_without_its_head(place, monkeypatch):
    async with place.appending() as trail:
        monkeypatch.setattr(place.book, "append", lambda head: (_ for _ in ()).throw(AuditStoreError("no room")))
        with pytest.raises(AuditStoreError, match="no room"):
            await trail.append([event(2, act="meter.read")])
        monkeypatch.undo()
        assert [receipt.sequence for receipt in await trail.append([event(2, act="meter.read")])] == [1]
        assert place.heads()[-1].head.size == 2


async def test_the_trail_goes_on_where_it_ended(place):
    async with place.appending() as trail:
        await trail.append([event(number) for number in range(600)])
    async with place.appending() as trail:
        await trail.append([event(number) for number in range(600, 1_200)])
    verdict = await place.verdict()
    assert (verdict.sound, verdict.records, verdict.sealed) == (True, 1_202, 1_202)


async def test_tiles_that_a_crash_kept_back_are_made_again(place):
    async with place.appending() as trail:
        await trail.append([event(number) for number in range(1_100)])
    async with place.database.transaction() as connection:
        await connection.execute(delete(AuditTileRow).where(AuditTileRow.number >= 2))
        await connection.execute(delete(AuditTileRow).where(AuditTileRow.level == 1))
    async with place.appending() as trail:
        await trail.append([event(number) for number in range(1_100, 1_500)])
        reader = TrailReader(place.database)
        assert await reader.root(trail.size) == trail._state.frontier.root()
        async with place.database.read() as connection:
            rows = await connection.execute(AuditTileRow.__table__.select().order_by("level", "number"))
        assert [(row.level, row.number, len(row.hashes) // 32) for row in rows] == [
            *((0, number, 256) for number in range(5)),
            (1, 0, 5),
        ]
    assert (await place.verdict()).sound


async def test_records_behind_the_last_head_are_sealed_after_a_crash(place):
    async with place.appending() as trail:
        await trail.append([event(1), event(2)])
        place.book.append = lambda head: (_ for _ in ()).throw(AuditStoreError("no disk"))
    del place.book.append
    assert place.heads()[-1].head.size == 1
    async with place.appending():
        pass
    verdict = await place.verdict()
    assert (verdict.sound, verdict.sealed) == (True, 4)


async def test_a_trail_that_was_cut_is_taken_up_and_says_so(place):
    async with place.appending() as trail:
        await trail.append([event(number) for number in range(10)])
    async with place.database.transaction() as connection:
        await connection.execute(delete(AuditRecordRow).where(AuditRecordRow.sequence >= 5))
    async with place.appending():
        pass
    resumed = (await TrailReader(place.database).records(AuditQuestion(act="audit.resumed")))[0]
    assert (resumed.event.outcome.value, dict(resumed.event.facts)) == ("failure", {"size": 5, "sealed": 11})
    assert (await place.verdict()).finding.record == 5


async def test_a_second_appender_is_noticed(place):
    async with place.appending() as trail, place.appending() as other:
        await other.append([event(1)])
        with pytest.raises(TrailBroken, match="another process"):
            await trail.append([event(2)])


async def test_a_clock_that_goes_back_is_told_and_records_do_not(place):
    async with place.appending() as trail:
        await trail.append([event(1)])
        place.now.at -= timedelta(hours=1)
        await trail.append([event(2)])
        await trail.append([event(3)])
    records = (await TrailReader(place.database).records(AuditQuestion()))[::-1]
    assert [record.event.act for record in records][1:] == [
        "login.failed",
        "clock.stepped",
        "login.failed",
        "login.failed",
    ]
    assert records[2].event.facts["behind_s"] == 3599
    assert sorted(record.recorded_at for record in records) == [record.recorded_at for record in records]


async def test_heads_in_several_folders_agree_or_are_told(tmp_path):
    async with place_in(tmp_path) as place:
        place.book._paths.append(tmp_path / "elsewhere" / "heads.jsonl")
        async with place.appending() as trail:
            await trail.append([event(number) for number in range(20)])
        folders = [tmp_path / "heads", tmp_path / "elsewhere"]
        place.book.path.write_bytes(b"".join(place.book.path.read_bytes().splitlines(keepends=True)[:1]))
        assert [signed.head.size for signed in longest_heads(folders)] == [1, 21]
        other = TestSigner(99)
        async with place_in(tmp_path / "forged") as forged, forged.appending(other):
            pass
        with pytest.raises(AuditStoreError, match=r"head 1 in .*forged"):
            longest_heads([*folders, tmp_path / "forged" / "heads"])


async def test_a_line_of_heads_that_a_crash_cut_is_mended(place):
    async with place.appending():
        pass
    with place.book.path.open("ab") as file:
        file.write(b'{"head":{"key":')
    async with place.appending():
        pass
    assert (await place.verdict()).sound


async def test_verification_can_begin_behind_a_head(place):
    async with place.appending() as trail:
        for start in range(0, 900, 100):
            await trail.append([event(number) for number in range(start, start + 100)])
    verdict = await place.verdict(since=850)
    assert (verdict.sound, verdict.records) == (True, 100)
    async with place.database.transaction() as connection:
        await connection.execute(
            update(AuditRecordRow).where(AuditRecordRow.sequence == 870).values(body=await _body(place, 869))
        )
    assert (await place.verdict(since=850)).finding.record == 870


async def _body(place, sequence):
    return await TrailReader(place.database).body(sequence)
