"""The working copy and its way into the database: a failed flush loses nothing, and nothing grows without bound."""

from datetime import timedelta

from meterworks.errors import UnreachableError
from meterworks.headend import workbook
from meterworks.headend.expectation import ExpectationTable, ProfileRule
from meterworks.headend.store import Batch, Event, SessionRecord
from meterworks.headend.workbook import Workbook
from meterworks.runtime import ManualClock

DAY = 86_400
RULE = ProfileRule(profile="load_import", step_s=1800, depth_s=10 * DAY, on_grid=True)
NOW = 1_772_323_200.0


class Store:
    """Takes batches, or fails."""

    def __init__(self):
        self.batches, self.broken, self.meanwhile = [], False, lambda: None

    async def flush(self, batch):
        self.meanwhile()
        if self.broken:
            raise UnreachableError("disk full")
        self.batches.append(batch)


def made():
    store, clock = Store(), ManualClock(NOW)
    return Workbook(store, ExpectationTable(), {}, clock), store, clock


def expect(book, *device_ids):
    for device_id in device_ids:
        book.table.lay_down(device_id, RULE, ((0, 2**40),), until_epoch_s=DAY)


def session(book, clock, device_id=1):
    started = clock.now()
    book.add_session(
        SessionRecord(
            device_id=device_id, kind="gap", started=started, ended=started + timedelta(seconds=1), outcome="done"
        )
    )


async def test_a_flush_writes_what_changed_and_only_once():
    book, store, clock = made()
    expect(book, 1)
    session(book, clock)
    book.memory(1).failures = 2
    book.changed(1)
    book.add_events([Event(1, "tamper", clock.now(), 40)])
    book.add_incident("quarantine", device_id=1)
    book.open_run("gap")
    assert await book.flush(positions={"COMMITTED": 3})
    batch = store.batches[0]
    assert list(batch.expectation) == [(1, "load_import")]
    assert [len(each) for each in (batch.devices, batch.sessions, batch.events, batch.incidents, batch.runs)] == [1] * 5
    assert batch.positions == {"COMMITTED": 3}
    assert await book.flush(positions={})
    assert len(store.batches) == 1


async def test_a_failed_flush_loses_nothing_and_keeps_the_order():
    book, store, clock = made()
    expect(book, 1)
    session(book, clock, 1)
    book.changed(1)
    book.memory(1)
    store.broken = True
    store.meanwhile = lambda: session(book, clock, 2)
    assert not await book.flush(positions={"COMMITTED": 3})
    store.broken, store.meanwhile = False, lambda: None
    assert await book.flush(positions={"COMMITTED": 3})
    batch = store.batches[0]
    assert [each.device_id for each in batch.sessions] == [1, 2]
    assert list(batch.expectation) == [(1, "load_import")]
    assert [each.device_id for each in batch.devices] == [1]


async def test_many_changes_are_written_in_parts_and_the_position_with_the_last(monkeypatch):
    monkeypatch.setattr(workbook, "PAIRS_PER_FLUSH_MAX", 10)
    book, store, _ = made()
    expect(book, *range(25))
    assert await book.flush(positions={"COMMITTED": 3})
    assert [len(batch.expectation) for batch in store.batches] == [10, 10, 5]
    assert [batch.positions for batch in store.batches] == [{}, {}, {"COMMITTED": 3}]
    assert len({pair for batch in store.batches for pair in batch.expectation}) == 25


async def test_a_flush_that_fails_half_way_writes_only_the_rest_again(monkeypatch):
    monkeypatch.setattr(workbook, "PAIRS_PER_FLUSH_MAX", 10)
    book, store, _ = made()
    expect(book, *range(25))

    def breaks_after_the_first():
        store.broken = len(store.batches) == 1

    store.meanwhile = breaks_after_the_first
    assert not await book.flush(positions={"COMMITTED": 3})
    store.meanwhile, store.broken = lambda: None, False
    assert await book.flush(positions={"COMMITTED": 3})
    written = [pair for batch in store.batches for pair in batch.expectation]
    assert len(written) == len(set(written)) == 25


async def test_logs_are_bounded_while_the_database_stays_away(monkeypatch):
    monkeypatch.setattr(workbook, "LOG_LINES_MAX", 5)
    book, store, clock = made()
    store.broken = True
    for device_id in range(20):
        session(book, clock, device_id)
        await book.flush(positions={})
    store.broken = False
    await book.flush(positions={})
    assert [each.device_id for each in store.batches[-1].sessions] == [15, 16, 17, 18, 19]


async def test_incidents_are_kept_up_to_a_rate():
    book, store, clock = made()
    kept = [book.add_incident("push-unknown-sender") for _ in range(workbook.INCIDENTS_PER_MINUTE_MAX + 5)]
    assert kept.count(True) == workbook.INCIDENTS_PER_MINUTE_MAX
    clock.advance(61.0)
    assert book.add_incident("push-unknown-sender", detail="x" * 2000)
    await book.flush(positions={})
    assert len(store.batches[0].incidents[-1].detail) == 500


def test_nothing_to_write_is_no_batch():
    assert not Batch()
    assert Batch(positions={"a": 1})
