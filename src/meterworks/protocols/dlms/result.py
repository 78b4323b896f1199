"""Numbers by which a server answers: results, diagnostics, exceptions.  Source: IEC 62056-5-3; fact sheet 3 and 4."""

from enum import IntEnum
from typing import Final, Self

__all__ = [
    "DATA_ACCESS_RESULTS",
    "AcseResult",
    "ActionResult",
    "DataAccessResult",
    "Diagnostic",
    "ExceptionService",
    "ExceptionState",
    "InitiateError",
]


class DataAccessResult(IntEnum):
    """Result of GET and SET; ACTION uses the same numbers."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_TRANSFER_ABORTED = 15
    NO_LONG_TRANSFER_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """Keep a number that the standard does not list (one octet), so that it goes back out unchanged."""
        if not isinstance(value, int) or not 0 <= value <= 0xFF:
            return None
        unlisted = int.__new__(cls, value)
        unlisted._name_ = f"RESULT_{value}"
        unlisted._value_ = value
        return unlisted


ActionResult = DataAccessResult
DATA_ACCESS_RESULTS: Final = tuple(map(DataAccessResult, range(256)))  # by number: a call of the class is slow


class AcseResult(IntEnum):
    """Result of an association request."""

    ACCEPTED = 0
    REJECTED_PERMANENTLY = 1
    REJECTED_TRANSIENTLY = 2


class Diagnostic(IntEnum):
    """Why an association was answered as it was (service user's diagnostics)."""

    NONE = 0
    NO_REASON = 1
    CONTEXT_NOT_SUPPORTED = 2
    CALLING_TITLE_NOT_RECOGNISED = 3
    CALLING_AP_INVOCATION_ID_NOT_RECOGNISED = 4
    CALLING_AE_QUALIFIER_NOT_RECOGNISED = 5
    CALLING_AE_INVOCATION_ID_NOT_RECOGNISED = 6
    CALLED_TITLE_NOT_RECOGNISED = 7
    CALLED_AP_INVOCATION_ID_NOT_RECOGNISED = 8
    CALLED_AE_QUALIFIER_NOT_RECOGNISED = 9
    CALLED_AE_INVOCATION_ID_NOT_RECOGNISED = 10
    MECHANISM_NOT_RECOGNISED = 11
    MECHANISM_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


class ExceptionState(IntEnum):
    """First number of an exception response."""

    NOT_ALLOWED = 1
    UNKNOWN = 2


class ExceptionService(IntEnum):
    """Second number of an exception response."""

    NOT_POSSIBLE = 1
    NOT_SUPPORTED = 2
    OTHER = 3
    PDU_TOO_LONG = 4
    DECIPHERING_ERROR = 5
    INVOCATION_COUNTER_ERROR = 6


class InitiateError(IntEnum):
    """Last number of the confirmed service error that refuses an initiate request."""

    VERSION_TOO_LOW = 1
    INCOMPATIBLE_CONFORMANCE = 2
    PDU_TOO_SHORT = 3
    REFUSED = 4
