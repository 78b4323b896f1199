"""The readings warehouse: an Iceberg table, its files and the engine that asks them.

A door of its own below `meterworks.runtime`: it brings Iceberg and the query engine, which only those processes load
that open a warehouse.
"""

from meterworks.runtime.warehouse.removal import RemovalReport
from meterworks.runtime.warehouse.table import READING_COLUMNS, READINGS_SCHEMA
from meterworks.runtime.warehouse.upkeep import CompactionReport
from meterworks.runtime.warehouse.warehouse import Warehouse, WarehousePlan, WarehouseStatistics

__all__ = [
    "READINGS_SCHEMA",
    "READING_COLUMNS",
    "CompactionReport",
    "RemovalReport",
    "Warehouse",
    "WarehousePlan",
    "WarehouseStatistics",
]
