"""Stored readings and the messages they came in: a chain of digests that the trail anchors."""

import gzip
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from tests.integration.readings.conftest import NOW, System

from meterworks.readings import (
    OriginBook,
    OriginError,
    ReadingsProgress,
    RecentDay,
    RejectedSet,
    Writer,
    WriterSettings,
)
from meterworks.system.origin import Asked, ReadingProof, anchored, forget_gone, prove

MESSAGES = [b"as the meter sent it %d" % number for number in range(3)]
TITLE = "4d57530000000007"
START = int(NOW.timestamp()) - 86_400
A = 12  # active import


class Chain:
    """A writer with its book of origins, and what the trail was told."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.book = OriginBook(system.folder / "origins", now=system.clock.now)
        self.told = []

    async def bring(self, number: int, value: int, **more: object) -> None:
        """One message of device 7 with two half-hours."""
        rows = [(A, START + (2 * number + place) * 1800, value + place, 0) for place in (0, 1)]
        digest = hashlib.sha256(MESSAGES[number]).hexdigest()
        received = NOW + timedelta(seconds=number)
        about = {"origin": digest, "title": TITLE} | more
        await self.system.send(7, rows, received=received, about=about)

    async def commit(self) -> None:
        writer = Writer(
            bus=self.system.bus, warehouse=self.system.warehouse, database=self.system.database,
            clock=self.system.clock, settings=WriterSettings(quiet_s=0.01), origins=self.book, anchor=self.told.append,
        )  # fmt: skip
        await self.system.drain(writer)
        writer._tell_anchor()

    def shown(
        self, place: int, *, message: bytes | None = None, anchors: Sequence[object] | None = None
    ) -> ReadingProof:
        """The first version of a half-hour."""
        records = [SimpleNamespace(sequence=number, event=anchored(state)) for number, state in enumerate(self.told)]
        book = OriginBook(self.book._folder, reads_only=True)
        asked = Asked(device=7, channel=A, at=datetime.fromtimestamp(START + place * 1800, UTC), message=message)
        return prove(book, self.system.warehouse, records if anchors is None else anchors, asked)[0]


@pytest.fixture
async def chain(tmp_path):
    system = System(tmp_path)
    await system.database.create_tables(*(model.__table__ for model in (ReadingsProgress, RecentDay, RejectedSet)))
    made = Chain(system)
    for number in range(3):
        await made.bring(number, 100 * number)
        await made.commit()
    yield made
    await system.close()


@pytest.mark.requirement("SEC-009")
async def test_a_stored_reading_is_shown_against_the_message_it_came_in(chain):
    for number, message in enumerate(MESSAGES):
        proof = chain.shown(2 * number, message=message)
        assert (proof.is_proved, proof.line.message, proof.line.title) == (
            True,
            hashlib.sha256(message).hexdigest(),
            TITLE,
        )
        assert (proof.value, proof.line.count, proof.message) == (100 * number, 2, True)
        assert not chain.shown(2 * number, message=message + b".").is_proved
    assert [proof.batches for proof in chain.told] == [1, 2, 3]


@pytest.mark.requirement("SEC-009")
async def test_a_stored_row_that_was_changed_is_not_what_its_message_brought(chain, monkeypatch):
    query = chain.system.warehouse.query

    def changed(sql, parameters=None, **more):
        table = query(sql, parameters, **more)
        values = [value + (value == 201) for value in table["value"].to_pylist()]
        return table.set_column(table.column_names.index("value"), "value", [values])

    monkeypatch.setattr(chain.system.warehouse, "query", changed)
    assert not chain.shown(4).is_proved, "its neighbour of the same message was changed"
    assert chain.shown(0).is_proved


@pytest.mark.requirement("SEC-009")
async def test_a_row_without_a_proved_origin_is_marked_as_such(chain):
    await chain.system.send(7, [(A, START + 20 * 1800, 5, 0)], received=NOW + timedelta(seconds=9))
    await chain.commit()
    proof = chain.shown(20)
    assert (proof.line.message, proof.rows, proof.is_proved) == ("", True, False)
    assert not chain.shown(0, anchors=[]).is_proved, "nothing anchors it"


@pytest.mark.requirement("SEC-009")
async def test_the_book_cannot_be_changed_behind_an_anchor(chain):
    (path,) = chain.book._files()
    sound = path.read_bytes()
    text = gzip.decompress(sound)
    other = hashlib.sha256(b"another message").hexdigest().encode()
    forged = text.replace(hashlib.sha256(MESSAGES[1]).hexdigest().encode(), other)
    path.write_bytes(gzip.compress(forged))
    with pytest.raises(OriginError, match="batch 2"):
        chain.shown(0)
    path.write_bytes(gzip.compress(rewritten(forged)))
    assert chain.shown(0).is_proved, "what came before it stands"
    assert not chain.shown(2).is_proved, "the trail tells of other lines"
    path.write_bytes(sound)
    assert chain.shown(2).is_proved


def rewritten(text: bytes) -> bytes:
    """The same lines with a chain that fits them, as a forger with the folder in hand makes it."""
    lines, pending, digest = [], [], "0" * 64
    for line in text.splitlines():
        if line.startswith(b'{"batch"'):
            digest = hashlib.sha256("".join((digest, *pending)).encode()).hexdigest()
            line, pending = json.dumps(json.loads(line) | {"digest": digest}, separators=(",", ":")).encode(), []
        else:
            pending.append(hashlib.sha256(line).hexdigest())
        lines.append(line)
    return b"\n".join(lines) + b"\n"


async def test_what_is_no_more_stored_is_forgotten_and_the_chain_still_holds(chain, monkeypatch):
    assert forget_gone(chain.book, chain.system.warehouse) == 0
    query = chain.system.warehouse.query
    monkeypatch.setattr(
        chain.system.warehouse, "query", lambda sql, given=None, **more: without(query(sql, given, **more))
    )
    assert forget_gone(chain.book, chain.system.warehouse) == 1
    monkeypatch.undo()
    text = gzip.decompress(chain.book._files()[0].read_bytes()).decode()
    assert hashlib.sha256(MESSAGES[1]).hexdigest() not in text
    assert chain.book.verify() == chain.told[-1]
    assert chain.shown(4).is_proved
    assert chain.shown(2).line is None
    await chain.bring(2, 700)
    await chain.commit()
    assert chain.book.verify().batches == 4


def without(table):
    """As if the rows that came second were gone."""
    received = int((NOW + timedelta(seconds=1)).timestamp() * 1_000_000)
    if "count" not in table.column_names:
        return table
    return table.filter([value != received for value in table["received_us"].to_pylist()])


async def test_a_batch_that_a_crash_cut_off_is_mended_and_the_chain_goes_on(chain):
    (path,) = chain.book._files()
    whole = path.read_bytes()
    path.write_bytes(whole + gzip.compress(b"a batch that was cut", 1, mtime=0)[:-6])
    again = OriginBook(chain.book._folder, now=chain.system.clock.now)
    assert (again.anchor, path.read_bytes()) == (chain.told[-1], whole)
    chain.book = again
    await chain.bring(0, 900)
    await chain.commit()
    assert [state.batches for state in again.states()] == [1, 2, 3, 4]


def test_an_empty_book_has_a_beginning(tmp_path):
    book = OriginBook(tmp_path)
    assert (book.anchor.batches, book.days(), book.find(1, 1)) == (0, [], [])
    book.write([])
    assert book.days() == []


async def test_the_state_of_the_book_is_told_to_the_trail(chain):
    event = anchored(chain.told[-1])
    assert (event.act, event.actor) == ("readings.anchored", "process:writer")
    assert event.facts == {"batches": 3, "lines": 3, "sha256": chain.book.verify().digest}
