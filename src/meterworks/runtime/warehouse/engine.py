"""The query engine: DuckDB in process over a planned list of Parquet files.

Connections are kept open (cursors of one in-memory database share the cache of Parquet footers) and lent to one thread
at a time. `hive_partitioning=false` always: the folders are named month=.../shard=... and DuckDB would add columns.
"""

import contextlib
import os
import queue
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
from pyiceberg.io.pyarrow import PyArrowFileIO

from meterworks.runtime.errors import WarehouseUnreachableError, WarehouseUsageError
from meterworks.runtime.warehouse.table import READINGS_SCHEMA

__all__ = ["QueryEngine"]

_IDLE_MAX = 8  # connections kept between queries
_FROM_FILES = "SELECT * FROM read_parquet($files, hive_partitioning=false)"
_FROM_STORE = "SELECT * FROM stored_readings"


class QueryEngine:
    """Runs SQL over readings files; safe for use by many threads."""

    def __init__(self, *, threads: int, memory_mb: int, file_io: PyArrowFileIO, local: bool) -> None:
        self._file_io = file_io
        self._local = local
        self._root = duckdb.connect(
            ":memory:",
            config={
                "threads": str(threads),
                "memory_limit": f"{memory_mb}MB",
                "temp_directory": str(Path(tempfile.gettempdir(), f"meterworks-query-{os.getpid()}")),
                "autoinstall_known_extensions": "false",  # nothing is ever fetched from the network
                "autoload_known_extensions": "false",
            },
        )
        self._root.execute("SET parquet_metadata_cache = true")
        self._root.execute("SET enable_progress_bar = false")
        self._root.execute("SET TimeZone = 'UTC'")
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue(_IDLE_MAX)

    def query(
        self, sql: str, parameters: Mapping[str, object], files: Sequence[str], relations: Mapping[str, pa.Table]
    ) -> pa.Table:
        """Run one SELECT that reads `readings` (the files) and the relations by their names; `$name` is a parameter.

        Raises WarehouseUsageError for wrong SQL, WarehouseUnreachableError for files that cannot be read.
        """
        with self._connection() as connection:
            given = dict(relations)
            bound = dict(parameters)
            source = self._source(files, given, bound)
            for name, relation in given.items():
                connection.register(name, relation)
            try:
                # NOT MATERIALIZED: filters of the SELECT must reach the files.
                text = f"WITH readings AS NOT MATERIALIZED ({source}) {sql}"
                return connection.sql(text, params=bound).to_arrow_table()
            except (duckdb.IOException, duckdb.HTTPException, OSError) as error:
                raise WarehouseUnreachableError(f"readings files cannot be read: {error}") from error
            except duckdb.Error as error:
                raise WarehouseUsageError(f"the query is refused: {error}") from error
            finally:
                for name in given:
                    connection.unregister(name)

    def _source(self, files: Sequence[str], given: dict[str, pa.Table], bound: dict[str, object]) -> str:
        if not files:
            given["stored_readings"] = READINGS_SCHEMA.empty_table()
            return _FROM_STORE
        if self._local:
            bound["files"] = list(files)
            return _FROM_FILES
        given["stored_readings"] = self._dataset(files)
        return _FROM_STORE

    def _dataset(self, files: Sequence[str]) -> Any:
        """Files of an object store through Arrow's own file system: DuckDB's needs an extension from the network."""
        scheme, authority, _ = PyArrowFileIO.parse_location(files[0])
        file_system = self._file_io.fs_by_scheme(scheme, authority)
        paths = [PyArrowFileIO.parse_location(file)[2] for file in files]
        return pads.dataset(paths, schema=READINGS_SCHEMA, format="parquet", filesystem=file_system)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._root.cursor()
        try:
            yield connection
        finally:
            try:
                self._idle.put_nowait(connection)
            except queue.Full:
                connection.close()

    def close(self) -> None:
        """Close all connections; a query after this is refused."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
        self._root.close()
