"""The readings table: its columns, partitions and properties, and opening it in the catalogue.

A row is one version of one reading. Partitions are the month of `ts` and `shard`, which is `device % shards`: a shard
can be named in a filter, so a piece (a month of a shard) is merged alone; Iceberg's own bucket transform cannot be.
`ts` is UTC without zone, because zoned columns make the query engine go through its calendar library for every row.
"""

import io
import os
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import IdentityTransform, MonthTransform
from pyiceberg.types import IcebergType, IntegerType, LongType, NestedField, TimestampType
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError

from meterworks.runtime.errors import WarehouseUsageError
from meterworks.runtime.warehouse_settings import WarehouseSettings

__all__ = [
    "MICROSECONDS",
    "READINGS_SCHEMA",
    "READING_COLUMNS",
    "DurableFileIO",
    "is_local",
    "month_of",
    "month_start_epoch_s",
    "open_catalogue",
    "open_table",
    "shown_catalogue",
]

MICROSECONDS = 1_000_000
NAMESPACE = "meterworks"
TABLE_NAME = "readings"
SHARDS_PROPERTY = "mw.shards"
_CATALOGUE_DRIVERS = MappingProxyType({"sqlite": "sqlite", "postgresql": "postgresql+psycopg2"})

# name, Arrow type, Iceberg type; the field id is the place in this list, from 1. Iceberg has no integer below 32 bits.
_COLUMNS: tuple[tuple[str, Any, IcebergType], ...] = (
    ("device", pa.int64(), LongType()),
    ("channel", pa.int32(), IntegerType()),
    ("ts", pa.timestamp("us"), TimestampType()),
    ("value", pa.int64(), LongType()),
    ("quality", pa.int32(), IntegerType()),
    ("flags", pa.int32(), IntegerType()),
    ("version", pa.int32(), IntegerType()),
    ("source", pa.int32(), IntegerType()),
    ("received_at", pa.timestamp("us"), TimestampType()),
    ("shard", pa.int32(), IntegerType()),
)
FIELD_IDS = MappingProxyType({name: index for index, (name, _, _) in enumerate(_COLUMNS, start=1)})
READINGS_SCHEMA = pa.schema(
    [
        pa.field(name, arrow_type, nullable=False, metadata={b"PARQUET:field_id": str(FIELD_IDS[name]).encode()})
        for name, arrow_type, _ in _COLUMNS
    ]
)
READING_COLUMNS = tuple(name for name, _, _ in _COLUMNS if name != "shard")  # what an appender gives

_TABLE_PROPERTIES = MappingProxyType(
    {
        "write.parquet.compression-codec": "zstd",
        "write.parquet.row-group-limit": "61440",
        "commit.retry.num-retries": "0",  # a retried commit would land on top of another writer's, and count twice
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "10",
    }
)


def is_local(location: str) -> bool:
    """Whether the location is a folder of this machine rather than an object store."""
    return "://" not in location or location.startswith("file://")


def month_of(epoch_s: float) -> int:
    """The month a UTC instant lies in, counted from January 1970: the value of the month partition."""
    return int(np.datetime64(int(epoch_s // 1), "s").astype("datetime64[M]").astype(np.int64))


def month_start_epoch_s(month: int) -> int:
    """The first second of a month counted from January 1970."""
    return int(np.datetime64(month, "M").astype("datetime64[s]").astype(np.int64))


class _SyncedWriter(io.BufferedWriter):
    """A file that is on the disk, not only in its cache, when closed."""

    def close(self) -> None:
        if not self.closed:
            self.flush()
            os.fsync(self.fileno())
        super().close()


class _DurableFile(PyArrowFile):
    """A local file of the table; the folder entry is synced with it."""

    def create(self, overwrite: bool = False) -> Any:
        path = Path(self._path)
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = _SyncedWriter(io.FileIO(path, "w" if overwrite else "x"), buffer_size=1 << 20)
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return writer


class DurableFileIO(PyArrowFileIO):
    """Table files that survive a power loss once written: the pointer in the catalogue must never name less.

    Object stores are durable when a write returns; local files are synced here, which neither Iceberg nor Arrow does.
    """

    def new_output(self, location: str) -> PyArrowFile:
        """The file to write at the location."""
        output = super().new_output(location)
        if not is_local(location):
            return output
        return _DurableFile(location=location, path=output._path, fs=output._filesystem)


def open_catalogue(settings: WarehouseSettings) -> SqlCatalog:
    """Connect to the catalogue; its tables and, for SQLite, its folder are made if absent."""
    address = _catalogue_address(settings.catalog_url)
    if address.get_backend_name() == "sqlite" and address.database:
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    properties = {
        "uri": address.render_as_string(hide_password=False),
        "warehouse": _absolute(settings.location),
        "py-io-impl": f"{DurableFileIO.__module__}.{DurableFileIO.__qualname__}",
        **settings.properties,
    }
    catalogue = SqlCatalog("meterworks", **properties)
    if catalogue.engine.dialect.name == "sqlite":
        event.listen(catalogue.engine, "connect", _tune_sqlite)
        catalogue.engine.dispose()  # connections made before the listener are not tuned
    return catalogue


def shown_catalogue(settings: WarehouseSettings) -> str:
    """The catalogue's address as it may be shown: without its password."""
    return _catalogue_address(settings.catalog_url).render_as_string(hide_password=True)


def _catalogue_address(url: str) -> URL:
    """The address with the blocking driver that Iceberg needs, whatever driver the database of record has."""
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise WarehouseUsageError(f"the catalogue's address cannot be read ({error})") from error
    driver = _CATALOGUE_DRIVERS.get(address.get_backend_name())
    if driver is None:
        raise WarehouseUsageError(
            f"the catalogue's database {address.drivername!r} is unknown: give sqlite:///PATH or postgresql://..."
        )
    return address.set(drivername=driver)


def _tune_sqlite(connection: Any, _record: object) -> None:
    """Readers must not stop the writer's commit, and a commit must be on the disk."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def open_table(catalogue: SqlCatalog, settings: WarehouseSettings) -> tuple[Table, int]:
    """The readings table, created if absent, and its number of shards (the existing table's, whatever is set)."""
    identifier = (NAMESPACE, TABLE_NAME)
    try:
        table = catalogue.load_table(identifier)
    except NoSuchTableError:
        table = _create_table(catalogue, settings)
    shards = table.properties.get(SHARDS_PROPERTY, "")
    if not shards.isdigit():
        raise WarehouseUsageError(
            f"the table {NAMESPACE}.{TABLE_NAME} in {shown_catalogue(settings)} was not made by this system: "
            f"its property {SHARDS_PROPERTY} is missing; use another catalogue"
        )
    return table, int(shards)


def _create_table(catalogue: SqlCatalog, settings: WarehouseSettings) -> Table:
    try:
        catalogue.create_namespace(NAMESPACE)
    except NamespaceAlreadyExistsError:
        pass
    try:
        return catalogue.create_table(
            (NAMESPACE, TABLE_NAME),
            schema=Schema(
                *(NestedField(FIELD_IDS[name], name, kind, required=True) for name, _, kind in _COLUMNS),
                identifier_field_ids=[FIELD_IDS[name] for name in ("device", "channel", "ts", "version")],
            ),
            location=f"{_absolute(settings.location)}/{TABLE_NAME}",
            partition_spec=PartitionSpec(
                PartitionField(FIELD_IDS["ts"], 1000, MonthTransform(), "month"),
                PartitionField(FIELD_IDS["shard"], 1001, IdentityTransform(), "shard_part"),
            ),
            sort_order=SortOrder(
                *(SortField(FIELD_IDS[name], IdentityTransform()) for name in ("device", "channel", "ts", "version"))
            ),
            properties={**_TABLE_PROPERTIES, SHARDS_PROPERTY: str(settings.shards)},
        )
    except TableAlreadyExistsError:  # another process was first: its table is as good
        return catalogue.load_table((NAMESPACE, TABLE_NAME))


def _absolute(location: str) -> str:
    return str(Path(location.removeprefix("file://")).resolve()) if is_local(location) else location.rstrip("/")
