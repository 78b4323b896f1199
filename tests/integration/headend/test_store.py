"""The head-end's tables and the questions others ask of them."""

from datetime import UTC, datetime, timedelta

import pytest

from meterworks.errors import UsageError
from meterworks.headend import Event, HeadendQueries, Incident, Run, SessionRecord
from meterworks.headend.capture import ModelCheck
from meterworks.headend.expectation import ExpectationRow
from meterworks.headend.store import Batch, DeviceMemory, HeadendStore
from meterworks.runtime import Database

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = 86_400


@pytest.fixture
async def database(tmp_path):
    made = Database(f"sqlite+aiosqlite:///{tmp_path}/db.sqlite3")
    await made.create_tables()
    yield made
    await made.close()


@pytest.fixture
def store(database):
    return HeadendStore(database)


@pytest.fixture
def queries(database):
    return HeadendQueries(database)


def row(device_id, state, start, end, *, profile="load_import", **sent):
    return ExpectationRow(device_id, profile, state, start, end, **sent)


def session(device_id, minute, **changes):
    started = NOW + timedelta(minutes=minute)
    fields = {"kind": "scheduled", "outcome": "done", "started": started, "ended": started + timedelta(seconds=2)}
    return SessionRecord(device_id=device_id, **{**fields, **changes})


async def test_a_flush_replaces_the_rows_of_its_pairs_and_no_others(store):
    await store.flush(
        Batch(
            expectation={
                (1, "load_import"): [row(1, "expected", 0, DAY), row(1, "missing", 0, DAY)],
                (2, "load_import"): [row(2, "expected", 0, DAY)],
            },
            positions={"COMMITTED": 5},
        )
    )
    sent = row(1, "sent", 0, DAY, set_id="a", sent_at_epoch_s=1.5, sequence=9)
    await store.flush(Batch(expectation={(1, "load_import"): [row(1, "expected", 0, DAY), sent]}))
    found = [each async for rows in store.load_expectation() for each in rows]
    assert sorted(found, key=str) == sorted([row(1, "expected", 0, DAY), sent, row(2, "expected", 0, DAY)], key=str)
    assert await store.position("COMMITTED") == 5
    assert await store.position("another") == 0


async def test_counters_are_written_ahead_and_never_by_a_flush(store):
    await store.reserve_counters({1: 1000, 2: 64})
    await store.accept_push_counters({1: 77})
    await store.flush(Batch(devices=[DeviceMemory(device_id=1, failures=3, last_error="no-answer")]))
    found = await store.load_devices()
    assert (found[1].counter_reserved, found[1].push_counter, found[1].failures) == (1000, 77, 3)
    assert (found[2].counter_reserved, found[2].push_counter) == (64, -1)


async def test_what_a_model_captures_is_kept(store):
    check = ModelCheck(
        capture_objects=b"\x01", capture_period_s=1800, entries_max=9, scalers={"1.0.1.8.0.255": (-1, 30)}
    )
    await store.save_model(("m", "1", "daily"), check, NOW)
    await store.save_model(("m", "1", "daily"), check, NOW)
    assert await store.load_models() == {("m", "1", "daily"): check}


async def test_events_are_kept_once(store, queries):
    event = Event(1, "tamper", NOW, 40)
    await store.flush(Batch(events=[(event, NOW), (event, NOW + timedelta(hours=1))]))
    await store.flush(Batch(events=[(event, NOW + timedelta(hours=2))]))
    found = (await queries.events([1])).events
    assert [(each.event, each.seen_at) for each in found] == [(event, NOW + timedelta(hours=1))]
    assert await store.load_event_times() == {(1, "tamper"): NOW}


async def test_events_come_in_pages_newest_first(store, queries):
    events = [Event(n % 3, "standard", NOW + timedelta(minutes=n // 2), n) for n in range(25)]
    await store.flush(Batch(events=[(event, NOW) for event in events]))
    seen, after = [], None
    while True:
        page = await queries.events(after=after, limit=7)
        seen += [each.event for each in page.events]
        after = page.next
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 25
    assert [each.at for each in seen] == sorted((each.at for each in events), reverse=True)


async def test_events_can_be_narrowed(store, queries):
    events = [Event(n, log, NOW + timedelta(hours=n), 1) for n in range(4) for log in ("tamper", "standard")]
    await store.flush(Batch(events=[(event, NOW) for event in events]))
    page = await queries.events([1, 2], log="tamper", from_=NOW + timedelta(hours=2), to=NOW + timedelta(hours=3))
    assert [each.event for each in page.events] == [Event(2, "tamper", NOW + timedelta(hours=2), 1)]


@pytest.mark.parametrize("cursor", ["", "x", "2026-05-01/1/tamper/1", "2026-05-01T00:00:00+00:00/a/b/c"])
async def test_a_cursor_nobody_gave_is_refused(queries, cursor):
    with pytest.raises(UsageError):
        await queries.events(after=cursor)


@pytest.mark.parametrize("limit", [0, 1001])
async def test_pages_are_bounded(queries, limit):
    for ask in (queries.events, queries.sessions, queries.incidents):
        with pytest.raises(UsageError):
            await ask(limit=limit)


async def test_sessions_newest_first_with_a_cursor(store, queries):
    await store.flush(Batch(sessions=[session(n % 2, n) for n in range(6)]))
    first = await queries.sessions(1, limit=2)
    assert [line.session.started for line in first] == [NOW + timedelta(minutes=5), NOW + timedelta(minutes=3)]
    rest = await queries.sessions(1, before_id=first[-1].id)
    assert [line.session for line in rest] == [session(1, 1)]
    assert len(await queries.sessions()) == 6


async def test_old_sessions_are_dropped(store, queries):
    await store.flush(Batch(sessions=[session(1, n) for n in range(6)]))
    assert await store.trim_sessions(NOW + timedelta(minutes=4)) == 4
    assert len(await queries.sessions(1)) == 2


async def test_runs_and_incidents(store, queries):
    run = Run(id="a", kind="gap", started=NOW, planned=5)
    await store.flush(Batch(runs=[run]))
    run.done, run.ended = 5, NOW + timedelta(minutes=1)
    await store.flush(Batch(runs=[run], incidents=[Incident(at=NOW, kind="quarantine", device_id=7)]))
    assert await queries.runs() == [run]
    assert await queries.incidents() == [Incident(at=NOW, kind="quarantine", device_id=7)]


async def test_open_ranges_by_state_device_and_profile(store, queries):
    await store.flush(
        Batch(
            expectation={
                (1, "load_import"): [
                    row(1, "expected", 0, DAY),
                    row(1, "missing", 0, 1800),
                    row(1, "absent", 3600, 7200),
                ],
                (2, "daily"): [row(2, "missing", 0, DAY, profile="daily")],
            }
        )
    )
    missing = await queries.open_ranges()
    assert [(each.device_id, each.profile, each.state) for each in missing] == [
        (1, "load_import", "missing"),
        (2, "daily", "missing"),
    ]
    assert missing[0].end == datetime.fromtimestamp(1800, UTC)
    gaps = await queries.open_ranges([1], states=("absent",), profile="load_import")
    assert [(each.start, each.end) for each in gaps] == [
        (datetime.fromtimestamp(3600, UTC), datetime.fromtimestamp(7200, UTC))
    ]
    with pytest.raises(UsageError):
        await queries.open_ranges(states=("expected",))


async def test_progress_and_rates_by_hour(store, queries):
    end = int(NOW.timestamp())
    rows = [
        row(1, "expected", end - DAY, end),
        row(1, "missing", end - 3600, end),
        row(1, "absent", end - 7200, end - 3600),
    ]
    await store.flush(
        Batch(expectation={(1, "load_import"): rows, (2, "load_import"): [row(2, "expected", end - DAY, end)]})
    )
    progress = (await queries.progress())[0]
    assert (progress.expected_s, progress.missing_s, progress.absent_s) == (2 * DAY, 3600, 3600)
    assert progress.settled_share == pytest.approx(1 - 3600 / (2 * DAY))
    rates = await queries.hour_rates(NOW)
    assert [rate.rate for rate in rates] == [1.0] * 22 + [0.5, 0.5]


async def test_the_time_since_the_last_register_is_neither_missing_nor_expected(store, queries):
    midnight = int(NOW.timestamp()) // DAY * DAY
    rows = [
        row(1, "expected", midnight - 3 * DAY, midnight + 9 * 3600, profile="daily"),
        row(1, "missing", midnight - 2 * DAY, midnight - DAY, profile="daily"),  # an entry is missing between two
        row(1, "missing", midnight, midnight + 9 * 3600, profile="daily"),  # the next one comes at midnight
    ]
    await store.flush(Batch(expectation={(1, "daily"): rows}))
    progress = (await queries.progress())[0]
    assert (progress.expected_s, progress.missing_s) == (3 * DAY, DAY)
    missing = await queries.open_ranges([1])
    assert [int(each.start.timestamp()) for each in missing] == [midnight - 2 * DAY]


async def test_late_and_silent_devices(store, queries):
    now = NOW.timestamp()
    await store.flush(
        Batch(
            expectation={
                (1, "load_import"): [row(1, "missing", int(now) - DAY, int(now))],
                (2, "load_import"): [row(2, "missing", int(now) - 1800, int(now))],
                (3, "load_import"): [row(3, "missing", int(now) - 2 * DAY, int(now))],
            },
            devices=[
                DeviceMemory(device_id=1, last_contact_epoch_s=now - 10, last_try_epoch_s=now - 10),
                DeviceMemory(device_id=2, last_contact_epoch_s=now - 2 * DAY, last_try_epoch_s=now),
                DeviceMemory(device_id=3, last_try_epoch_s=now),
                DeviceMemory(device_id=4),
            ],
        )
    )
    assert await queries.late_devices(NOW, cycle_s=1800, grace_s=60) == [3, 1]
    assert await queries.silent_devices(NOW) == [3, 2]
    assert set(await queries.devices([1, 4])) == {1, 4}
    assert len(await queries.devices()) == 4
