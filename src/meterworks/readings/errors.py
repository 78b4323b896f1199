"""Errors of the readings folder, each under one of the six of `meterworks.errors`."""

from meterworks.errors import PeerError, UsageError

__all__ = ["DayBlobError", "OriginError", "ReadingSetError", "ReadingsUsageError"]


class ReadingSetError(PeerError):
    """A message of the readings stream is not a reading set this version can take. Facts: reason, set_id."""

    code = "reading-set"


class DayBlobError(PeerError):
    """A stored day of readings does not follow the blob format. Facts: size, reason."""

    code = "day-blob"


class OriginError(PeerError):
    """The book of origins is not as it was written. Facts: path."""

    code = "reading-origin"


class ReadingsUsageError(UsageError):
    """Readings were asked for with a range, channel or zone that makes no sense. Facts: the value."""

    code = "readings-usage"
