"""Readings: from sets on the bus into the warehouse, exactly once, and out again by device, usage point and time."""

from meterworks.readings.day_blob import DayReadings, decode_day, encode_day
from meterworks.readings.errors import DayBlobError, OriginError, ReadingSetError, ReadingsUsageError
from meterworks.readings.installation import InstalledDevice
from meterworks.readings.local_period import LocalPeriod, local_bounds
from meterworks.readings.model import ReadingsProgress, RecentDay, RejectedSet
from meterworks.readings.origin import Anchor, OriginBook, OriginLine, rows_digest
from meterworks.readings.reading_set import (
    COMMITTED_STREAM,
    COMMITTED_SUBJECT,
    READINGS_STREAM,
    READINGS_SUBJECTS,
    DecodedSet,
    Source,
    decode_reading_set,
)
from meterworks.readings.recent import compare_recent_days, rebuild_recent_days
from meterworks.readings.settings import WriterSettings
from meterworks.readings.store import READING_RESULT, ReadingStore
from meterworks.readings.trim import Observations
from meterworks.readings.writer import Writer, ensure_reading_streams

__all__ = [
    "COMMITTED_STREAM",
    "COMMITTED_SUBJECT",
    "READINGS_STREAM",
    "READINGS_SUBJECTS",
    "READING_RESULT",
    "Anchor",
    "DayBlobError",
    "DayReadings",
    "DecodedSet",
    "InstalledDevice",
    "LocalPeriod",
    "Observations",
    "OriginBook",
    "OriginError",
    "OriginLine",
    "ReadingSetError",
    "ReadingStore",
    "ReadingsProgress",
    "ReadingsUsageError",
    "RecentDay",
    "RejectedSet",
    "Source",
    "Writer",
    "WriterSettings",
    "compare_recent_days",
    "decode_day",
    "decode_reading_set",
    "encode_day",
    "ensure_reading_streams",
    "local_bounds",
    "rebuild_recent_days",
    "rows_digest",
]
