"""SQLite under SQLAlchemy's asyncio dialect, made quick for short reads.

aiosqlite runs each small step (make a cursor, execute, fetch, close, roll back) as its own errand to the connection's
thread; one errand costs ten times a select of one row. Here:

- A statement and the fetching of its rows are one errand, and a read's BEGIN travels with its first statement.
- A reading connection first tries the statement at once, in the event loop's thread, with a bound on the work SQLite
  may do (about half a millisecond) and without waiting for locks. What does not end within the bound is interrupted and
  done by the errand thread, and the next time the same statement goes there directly.

Locks. Several processes write the same file. Write-ahead logging lets readers and the one writer pass each other; a
second writer waits in BEGIN IMMEDIATE for at most `busy_timeout_s`. A reader can still be told "busy" for a moment,
when another process opens the file first after a crash or closes it last: a read's first statement is tried again.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, Self, TypeVar, cast

import aiosqlite

__all__ = ["LOCK_ERRORS", "SqliteConnection", "open_sqlite", "settle"]

LOCK_ERRORS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
RETRY_WAIT_S = (0.0005, 0.01)  # first and longest wait for a lock; SQLite's own waits grow to 0.1 s and starve writers
PAGE_CACHE_KIB = 16_384  # of each connection
LOG_SIZE_MAX = 64 * 2**20  # bytes the write-ahead log is cut back to after a checkpoint
AT_ONCE_STEPS = 10_000  # steps of SQLite's machine (once to twice as many) done in the event loop's thread: < 0.6 ms
AT_ONCE_ROWS = 8  # inserted in the event loop's thread where nobody waits for the disk
SLOW_STATEMENTS_MAX = 1_000  # statements remembered as slow

Result = TypeVar("Result")
Row = tuple[Any, ...]
Action = Callable[[sqlite3.Connection], Result]


def settle(path: Path) -> None:
    """Have the disk take what was committed without waiting for it. Blocks for as long as the disk needs.

    All of it lies in the write-ahead log, or in the file itself where a checkpoint wrote and synchronised it.
    """
    try:
        log = os.open(f"{path}-wal", os.O_RDONLY)
    except FileNotFoundError:  # the last connection was closed: the log is in the file
        return
    try:
        os.fsync(log)
    finally:
        os.close(log)


async def open_sqlite(
    path: Path, *, busy_timeout_s: float, read_only: bool, threads: set[Thread]
) -> "SqliteConnection":
    """Open a connection with its own thread, in autocommit mode: transactions are begun by statement.

    threads: gets the connection's thread, and loses those that have ended.
    """
    kind = ReadingConnection if read_only else SqliteConnection
    connection = kind(lambda: _open(path, busy_timeout_s, read_only), busy_timeout_s)
    connection._thread.daemon = True  # a forgotten connection must not keep the process alive
    threads.difference_update([thread for thread in threads if not thread.is_alive()])
    opening = connection._connect()
    connection._thread.start()
    threads.add(connection._thread)
    await opening
    return connection


def _open(path: Path, busy_timeout_s: float, read_only: bool) -> sqlite3.Connection:
    """Runs in the connection's thread."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    pragmas = [
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"cache_size=-{PAGE_CACHE_KIB}",
        f"journal_size_limit={LOG_SIZE_MAX}",
        "temp_store=MEMORY",
    ]
    if read_only:
        pragmas.append("query_only=ON")
    patience = _Patience(busy_timeout_s)
    try:
        for pragma in pragmas:  # the change to WAL does not wait for others by itself
            _retry_while_locked(lambda: connection.execute(f"PRAGMA {pragma}").close(), patience)  # noqa: B023
    except BaseException:
        connection.close()
        raise
    return connection


class _Patience:
    """How long an errand may wait for locks: until its deadline, or until the one who waits for it is gone."""

    def __init__(self, limit_s: float) -> None:
        self._deadline = time.monotonic() + limit_s
        self.abandoned = False

    @property
    def ended(self) -> bool:
        """Whether to wait no longer."""
        return self.abandoned or time.monotonic() > self._deadline


def _retry_while_locked(action: Callable[[], Result], patience: _Patience) -> Result:
    """Runs in the connection's thread: SQLite itself is told never to wait."""
    wait_s, wait_s_max = RETRY_WAIT_S
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not _is_lock(error) or patience.ended:
                raise
            time.sleep(wait_s)
            wait_s = min(wait_s * 1.5, wait_s_max)


def _is_lock(error: sqlite3.OperationalError) -> bool:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in LOCK_ERRORS


class SqliteConnection(aiosqlite.Connection):
    """The driver connection that SQLAlchemy's aiosqlite dialect holds for writing."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], busy_timeout_s: float) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._busy_timeout_s = busy_timeout_s
        self._errands_open = 0  # while nobody waits for one, more than none only after a cancelled wait

    def cursor(self) -> "_Cursor":  # type: ignore[override]  # the dialect wants an object to enter, nothing more
        """A cursor that costs nothing until it executes."""
        return _Cursor(self)

    async def begin(self) -> None:
        """Begin and take the write lock."""
        await self._errand(self._begin_now)

    def _begin_now(self, patience: _Patience) -> None:
        if not patience.abandoned:
            _retry_while_locked(lambda: self._conn.execute("BEGIN IMMEDIATE").close(), patience)
        if patience.abandoned:
            self._conn.rollback()

    async def rollback(self) -> None:
        """Roll back what was begun."""
        if self._conn.in_transaction:
            await self._errand(lambda _: self._conn.rollback())

    async def run(self, _statement: str, action: Action[Result]) -> Result:
        """Run the action, which executes the statement, inside the transaction that was begun."""
        return await self._errand(lambda _: action(self._conn))

    async def insert(self, statement: str, rows: Sequence[Row], *, settled: bool) -> None:
        """Insert rows in a transaction of their own: begin, insert and commit are one errand.

        settled: the commit waits for the disk. If not, some rows take some microseconds, less than the way to the
        thread and back: it is tried at once, without waiting for locks; and someone must call `settle` soon.
        """

        def write(patience: _Patience) -> None:
            self._begin_now(patience)
            if not patience.abandoned:
                self._insert_and_commit(statement, rows)

        if settled or len(rows) > AT_ONCE_ROWS or not self._insert_at_once(statement, rows):
            await self._errand(write)

    def _insert_at_once(self, statement: str, rows: Sequence[Row]) -> bool:
        """Insert in the event loop's thread; False where a lock, ours or another's, is in the way."""
        if self._errands_open:
            return False
        self._conn.execute("PRAGMA synchronous=NORMAL").close()
        try:
            self._conn.execute("BEGIN IMMEDIATE").close()
            self._insert_and_commit(statement, rows)
        except sqlite3.OperationalError as error:
            if _is_lock(error):
                return False
            raise
        finally:
            self._conn.execute("PRAGMA synchronous=FULL").close()
        return True

    def _insert_and_commit(self, statement: str, rows: Sequence[Row]) -> None:
        try:
            self._conn.executemany(statement, rows).close()
            self._conn.execute("COMMIT").close()
        except BaseException:
            self._conn.rollback()
            raise

    async def _errand(self, action: Callable[[_Patience], Result]) -> Result:
        """Have the connection's thread run it, after all that it was given before. Cancelling interrupts it."""

        def counted(patience: _Patience) -> Result:
            try:
                return action(patience)
            finally:
                self._errands_open -= 1

        patience = _Patience(self._busy_timeout_s)
        self._errands_open += 1
        try:
            done = await self._execute(counted, patience)  # type: ignore[no-untyped-call]  # aiosqlite leaves it untyped
        except asyncio.CancelledError:
            patience.abandoned = True
            if self._connection is not None:
                self._connection.interrupt()
            raise
        return cast("Result", done)


class ReadingConnection(SqliteConnection):
    """The driver connection for reading: see the module's text."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], busy_timeout_s: float) -> None:
        super().__init__(connector, busy_timeout_s)
        self._begin_pending = False
        self._slow_statements: set[str] = set()

    async def begin(self) -> None:
        """Begin with the first statement: that is when SQLite takes its snapshot anyway."""
        self._begin_pending = True

    async def commit(self) -> None:
        """End the snapshot."""
        await self.rollback()

    async def rollback(self) -> None:
        """End the snapshot."""
        self._begin_pending = False
        if self._errands_open:
            await self._errand(lambda _: self._conn.rollback())
        elif self._conn.in_transaction:
            self._conn.rollback()

    async def run(self, statement: str, action: Action[Result]) -> Result:
        """Run the action at once if it is short, else in the connection's thread."""
        begins, self._begin_pending = self._begin_pending, False
        if not self._errands_open and statement not in self._slow_statements:
            try:
                return self._begin_with(_bounded(action)) if begins else _bounded(action)(self._conn)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    self._remember_slow(statement)
                elif not _is_lock(error):
                    raise
        if not begins:
            return await self._errand(lambda _: action(self._conn))
        return await self._errand(lambda patience: _retry_while_locked(lambda: self._begin_with(action), patience))

    def _begin_with(self, action: Action[Result]) -> Result:
        connection = self._conn
        connection.execute("BEGIN").close()
        try:
            return action(connection)
        except BaseException:
            connection.rollback()
            raise

    def _remember_slow(self, statement: str) -> None:
        if len(self._slow_statements) >= SLOW_STATEMENTS_MAX:
            self._slow_statements.clear()
        self._slow_statements.add(statement)


def _bounded(action: Action[Result]) -> Action[Result]:
    def act(connection: sqlite3.Connection) -> Result:
        connection.set_progress_handler(_StepLimit(), AT_ONCE_STEPS)
        try:
            return action(connection)
        finally:
            connection.set_progress_handler(None, 0)

    return act


class _StepLimit:
    """Interrupts at its second call: SQLite counts on from the statement's earlier runs, so the first says little."""

    __slots__ = ("_called",)

    def __init__(self) -> None:
        self._called = False

    def __call__(self) -> bool:
        interrupt, self._called = self._called, True
        return interrupt


class _Cursor:
    """One statement and all its rows, fetched together."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._rows: list[Row] = []
        self._position = 0
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Iterable[Any] = ()) -> Self:
        """Run the statement and keep its rows."""

        def fetch(connection: sqlite3.Connection) -> tuple[list[Row], Any, int, int | None]:
            cursor = connection.execute(statement, parameters)  # type: ignore[arg-type]  # the dialect gives a tuple
            description = cursor.description
            rows = cursor.fetchall() if description else []
            result = rows, description, cursor.rowcount, cursor.lastrowid
            cursor.close()
            return result

        self._rows, self.description, self.rowcount, self.lastrowid = await self._connection.run(statement, fetch)
        self._position = 0
        return self

    async def executemany(self, statement: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Run the statement once for each set of parameters."""

        def write(connection: sqlite3.Connection) -> int:
            cursor = connection.executemany(statement, parameters)  # type: ignore[arg-type]  # the dialect gives tuples
            count = cursor.rowcount
            cursor.close()
            return count

        self.rowcount = await self._connection.run(statement, write)
        self.description = None
        return self

    async def fetchall(self) -> list[Row]:
        """The rows not fetched yet."""
        return await self.fetchmany(len(self._rows))

    async def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next rows."""
        start, self._position = self._position, self._position + (size or self.arraysize)
        return self._rows[start : self._position]

    async def fetchone(self) -> Row | None:
        """The next row, None after the last."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def close(self) -> None:
        """Forget the rows."""
        self._rows = []
