"""The database of record: one set of models on SQLite (by default) or PostgreSQL.

Each folder owns the tables of its own prefix and defines them on `Base`; the migrations of all are one tree in
`system/`. Writing goes through `transaction()`, reading through `read()`: on SQLite they are two pools, one connection
that writes (so tasks of one process queue fairly and only processes contend for the file's lock) and several that can
only read.
"""

import asyncio
import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Dialect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator
from sqlalchemy.util import await_only

from meterworks.runtime.errors import (
    CommitOutcomeUnknown,
    DatabaseConflictError,
    DatabaseUnreachableError,
    DatabaseUsageError,
    NaiveTimeError,
    SettingsError,
)
from meterworks.runtime.sqlite_connection import LOCK_ERRORS, SqliteConnection, open_sqlite, settle

__all__ = ["Base", "Database", "DatabaseSettings", "UtcDateTime", "insert_many", "metadata", "upsert"]

CHUNK_ROWS = 5_000  # rows handed to the driver at a time: bounds memory and how long one errand lasts
SETTLED_S_MAX = 0.5  # after which the disk has rows that were not settled at once
THREAD_END_S_MAX = 2.0  # how long closing waits for a connection's thread; it cannot hold up the process's end
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
# Errors of SQLite that pass by themselves or with the disk's state; all others are ours.
_PASSING_ERRORS = LOCK_ERRORS | {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN}

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Base(DeclarativeBase):
    """Root of all models. A folder's tables carry the folder's name as prefix."""

    metadata = metadata


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in any zone goes in, aware UTC comes out, on every database. Naive times are refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database: UTC, without zone where the database cannot keep one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise NaiveTimeError(f"the time {value.isoformat()} has no zone: give an aware one", value=value)
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database: always aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Which database, and its limits."""

    url: str = "sqlite+aiosqlite:///var/db/meterworks.sqlite3"  # or postgresql://user:password@host/name
    busy_timeout_s: float = 30.0  # how long a transaction waits for its turn
    readers_max: int = 4  # SQLite: reading connections of one process, a thread each
    connections_max: int = 10  # PostgreSQL: connections of one process
    tls: ssl.SSLContext | None = None  # PostgreSQL: a server without TLS, or with another name, is then refused


class Database:
    """Opens connections on demand; `close()` when done.

    db = Database("sqlite+aiosqlite:///var/db/meterworks.sqlite3")
    async with db.transaction() as connection: await connection.execute(...)   # commits at the end, else rolls back
    async with db.read() as connection: row = (await connection.execute(...)).one_or_none()
    """

    def __init__(self, settings: DatabaseSettings | str | None = None) -> None:
        if isinstance(settings, str):
            settings = DatabaseSettings(url=settings)
        self.settings = settings or DatabaseSettings()
        self._url = _checked_url(self.settings.url)
        self._threads: set[Thread] = set()
        self._settling: asyncio.Future[None] | None = None
        self._returning: set[asyncio.Future[None]] = set()  # connections on their way back to the pool
        if self._url.get_backend_name() == "sqlite":
            self._writer = self._sqlite_engine(read_only=False)
            self._reader = self._sqlite_engine(read_only=True)
        else:
            self._writer = create_async_engine(
                self._url,
                pool_size=self.settings.connections_max,
                max_overflow=0,
                pool_timeout=self.settings.busy_timeout_s,
                pool_pre_ping=True,
                connect_args={"ssl": self.settings.tls} if self.settings.tls is not None else {},
            )
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @property
    def engine(self) -> AsyncEngine:
        """The engine that writes: what migrations use."""
        return self._writer

    @property
    def url(self) -> URL:
        """The address in use, driver included; its text hides the password."""
        return self._url

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a write transaction: committed when the block ends, rolled back when it raises.

        On SQLite the write lock is taken at the start, so a transaction never fails half way for want of it; keep it
        short and never open a second one inside. Raises DatabaseUnreachableError (nothing written),
        DatabaseConflictError (a constraint), DatabaseUsageError, CommitOutcomeUnknown (the link broke in the commit).
        """
        with _translated_errors():
            async with self._connected(self._writer) as connection:
                transaction = await connection.begin()
                yield connection
                if transaction.is_active:
                    await _commit(connection)

    async def insert(
        self, table: sa.Table | type[Base], rows: Sequence[Mapping[str, Any]], *, settled: bool = True
    ) -> None:
        """Insert some rows, all naming the same columns, in a transaction of their own; raises as `transaction()` does.

        On SQLite it takes a third of a transaction's time, because begin, insert and commit are one errand.
        settled: whether the disk has the rows when this returns. If not, they outlive the end of any process at once,
        and a cut of the power after SETTLED_S_MAX; waiting for the disk is most of a small commit's time.
        """
        if not rows:
            return
        if self._url.get_backend_name() != "sqlite":
            async with self.transaction() as connection:
                if not settled:
                    await connection.execute(sa.text("SET LOCAL synchronous_commit = off"))
                await insert_many(connection, table, rows)
            return
        insertion = _sqlite_insertion(_table(table), tuple(rows[0]), self._writer.dialect)
        values = [insertion.values(row) for row in rows]
        with _translated_errors():
            async with self._connected(self._writer) as connection:
                driver = cast("SqliteConnection", (await connection.get_raw_connection()).driver_connection)
                try:
                    await driver.insert(insertion.statement, values, settled=settled)
                except sqlite3.Error as error:
                    raise DBAPIError.instance(insertion.statement, None, error, sqlite3.Error) from error
        if not settled and self._settling is None:
            self._settling = asyncio.ensure_future(self._settle())

    async def _settle(self) -> None:
        await asyncio.sleep(SETTLED_S_MAX / 2)
        self._settling = None  # what comes while the disk is at work is for the next time
        await self._settle_now()

    async def _settle_now(self) -> None:
        with suppress(OSError):  # a disk that fails tells whoever commits next
            await asyncio.to_thread(settle, Path(cast("str", self._url.database)))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one state of the database throughout the block, and cannot write."""
        with _translated_errors():
            async with self._connected(self._reader) as connection:
                yield connection

    async def create_tables(self, *tables: sa.Table) -> None:
        """Create tables that are absent: those named, or all of `Base`. For tests; a system migrates."""
        async with self.transaction() as connection:
            await connection.run_sync(lambda sync: metadata.create_all(sync, tables=list(tables) or None))

    async def close(self) -> None:
        """Close all connections, those too whose user was cancelled while giving them back."""
        if self._settling is not None:
            self._settling.cancel()
            await self._settle_now()
        if self._returning:
            await asyncio.wait(self._returning, timeout=THREAD_END_S_MAX)
        await self._writer.dispose()
        if self._url.get_backend_name() == "sqlite":
            await self._reader.dispose()
        await asyncio.to_thread(_join_all, list(self._threads))  # of cancelled calls, which nobody waited for

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            connection = await engine.connect()
        except OSError as error:  # asyncpg lets the socket's own errors through
            raise DatabaseUnreachableError(f"the database does not answer: {error}", reason=str(error)) from error
        try:
            yield connection
        finally:
            returning = asyncio.ensure_future(connection.close())
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)
            await asyncio.shield(returning)

    def _sqlite_engine(self, *, read_only: bool) -> AsyncEngine:
        path = Path(cast("str", self._url.database))
        busy_timeout_s = self.settings.busy_timeout_s

        async def open_connection(*_: object, **__: object) -> SqliteConnection:
            path.parent.mkdir(parents=True, exist_ok=True)
            return await open_sqlite(path, busy_timeout_s=busy_timeout_s, read_only=read_only, threads=self._threads)

        engine = create_async_engine(
            self._url,
            async_creator=open_connection,
            pool_size=self.settings.readers_max if read_only else 1,
            max_overflow=0,
            pool_timeout=busy_timeout_s,
        )
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine


@dataclass(frozen=True, slots=True)
class _SqliteInsertion:
    """An insert as text, and what turns each value into one that SQLite takes (None: nothing needs to)."""

    statement: str
    converters: Sequence[tuple[str, Callable[[Any], Any] | None]]

    def values(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """A row's values in the statement's order."""
        return tuple(row[name] if convert is None else convert(row[name]) for name, convert in self.converters)


@cache
def _sqlite_insertion(table: sa.Table, names: tuple[str, ...], dialect: Dialect) -> _SqliteInsertion:
    columns = ", ".join(f'"{name}"' for name in names)
    marks = ", ".join("?" * len(names))
    # The type as this dialect has it: another one writes times in another form, which compares differently.
    converters = tuple((name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names)
    return _SqliteInsertion(f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})', converters)  # noqa: S608  # names of our own models


def _join_all(threads: Sequence[Thread]) -> None:
    for thread in threads:
        thread.join(THREAD_END_S_MAX)


def _begin_sqlite(connection: Connection) -> None:
    driver_connection = cast("SqliteConnection", connection.connection.driver_connection)
    await_only(driver_connection.begin())


def _checked_url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise SettingsError(f"the database address cannot be read ({error})") from error
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise SettingsError(f"database {url.drivername!r} is unknown: give sqlite:///PATH or postgresql://...")
    if driver.startswith("sqlite") and url.database in (None, "", ":memory:"):
        raise SettingsError("SQLite needs a file that all processes can open: give sqlite:///PATH")
    return url.set(drivername=driver)


async def _commit(connection: AsyncConnection) -> None:
    try:
        await connection.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise CommitOutcomeUnknown(
                f"the database's link broke during a commit ({error.orig}): read back before writing again",
                reason=str(error.orig),
            ) from error
        raise


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise DatabaseConflictError(f"a row breaks a constraint: {error.orig}", reason=str(error.orig)) from error
    except PoolTimeoutError as error:
        raise DatabaseUnreachableError(f"no connection became free: {error}", reason=str(error)) from error
    except (DBAPIError, sqlite3.Error) as error:  # SQLite's own: from BEGIN, which SQLAlchemy does not see
        cause = error.orig if isinstance(error, DBAPIError) else error
        if _passes(cause) or (isinstance(error, DBAPIError) and error.connection_invalidated):
            raise DatabaseUnreachableError(f"the database does not serve: {cause}", reason=str(cause)) from error
        raise DatabaseUsageError(f"the database refused: {cause}", reason=str(cause)) from error
    except SQLAlchemyError as error:
        raise DatabaseUsageError(f"the database was misused: {error}", reason=str(error)) from error


def _passes(cause: BaseException | None) -> bool:
    """Whether the same transaction may succeed later."""
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _PASSING_ERRORS
    state = getattr(cause, "sqlstate", None)  # PostgreSQL: connection, resources, operator, serialisation or deadlock
    return state is None or state[:2] in {"08", "53", "57", "58"} or state in {"40001", "40P01", "55P03"}


async def insert_many(
    connection: AsyncConnection, table: sa.Table | type[Base], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows in bulk; all rows name the same columns. Any number: they are handed over in chunks."""
    await _execute_in_chunks(connection, sa.insert(_table(table)), rows)


async def upsert(
    connection: AsyncConnection,
    table: sa.Table | type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    keys: Sequence[str],
    update: Sequence[str] | None = None,
) -> None:
    """Insert rows, or where a row of the same keys is there, update it; the last of several rows with one key wins.

    keys: columns of the primary key or of a unique constraint. update: the columns that are overwritten, by default all
    that the rows name beside the keys; an empty list leaves rows that are there as they are.
    """
    if not rows:
        return
    target = _table(table)
    names = [name for name in rows[0] if name not in keys] if update is None else list(update)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(target)
    if names:
        statement = statement.on_conflict_do_update(
            index_elements=list(keys), set_={name: statement.excluded[name] for name in names}
        )
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(keys))
    await _execute_in_chunks(connection, statement, rows)


async def _execute_in_chunks(
    connection: AsyncConnection, statement: sa.Insert, rows: Sequence[Mapping[str, Any]]
) -> None:
    for start in range(0, len(rows), CHUNK_ROWS):
        await connection.execute(statement, rows[start : start + CHUNK_ROWS])


def _table(table: sa.Table | type[Base]) -> sa.Table:
    return table if isinstance(table, sa.Table) else cast("sa.Table", table.__table__)
