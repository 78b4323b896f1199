"""Quality of a reading, and the flags its device gave with it."""

from enum import IntEnum, IntFlag

__all__ = ["Quality", "ReadingFlag"]


class Quality(IntEnum):
    """How far a stored value can be trusted, and where it comes from."""

    RAW = 0  # actual, not validated
    VALID = 1  # actual, passed validation
    ACCEPTED = 2  # actual, failed a rule, accepted by a rule or a person
    FAILED = 3  # actual, failed validation
    MISSING = 4  # known to be missing
    INTERPOLATED = 5  # estimated between its neighbours
    ESTIMATED = 6  # estimated by another method
    EDITED = 7  # set by a person
    DERIVED = 8  # calculated: stitched over a meter exchange, virtual usage point
    FORECAST = 9


class ReadingFlag(IntFlag):
    """Facts about a reading. The low eight bits are the AMR profile status octet as the meter sent it."""

    CRITICAL_ERROR = 1
    CLOCK_INVALID = 2
    DATA_NOT_VALID = 4
    DAYLIGHT_SAVING = 8
    CLOCK_ADJUSTED = 32
    RECOVERED = 64
    POWER_DOWN = 128
    CLOCK_SUSPECT = 256  # the clock check found the meter off across a boundary of this interval
    SHORT_INTERVAL = 512  # the meter measured less than the whole interval
    MERGED_DUPLICATE = 1024  # the meter gave two rows for one interval (clock set back)
