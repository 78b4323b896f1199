"""Errors of the registry."""

from meterworks.errors import SecurityError, UsageError

__all__ = [
    "AlreadyThereError",
    "InstallationError",
    "InvalidValueError",
    "KeyStateError",
    "OverlapError",
    "ShipmentError",
    "ShipmentSealError",
    "UnknownRecordError",
]


class UnknownRecordError(UsageError):
    """The registry has no such device, usage point, organisation or consumer. Facts: kind, id."""

    code = "unknown-record"


class AlreadyThereError(UsageError):
    """A record of this identity exists already; nothing was changed. Facts: kind, id."""

    code = "already-there"


class OverlapError(UsageError):
    """A dated fact would hold at the same time as one it excludes; nothing was changed. Facts: the one that stands."""

    code = "overlap"


class InstallationError(UsageError):
    """The device is not installed where the caller thinks it is; nothing was changed."""

    code = "installation"


class InvalidValueError(UsageError):
    """A value given to the registry is none it can hold. Facts: what."""

    code = "invalid-value"


class ShipmentError(UsageError):
    """A shipment file cannot be read as a whole: format, size, columns. Single bad rows are results, not errors."""

    code = "shipment"


class ShipmentSealError(SecurityError):
    """A shipment's seal does not hold, or is missing where one is needed; nothing was imported. Facts: maker, cause."""

    code = "shipment-seal"


class KeyStateError(UsageError):
    """A key of a device is in a state that forbids what was asked. Facts: device, kind, state."""

    code = "key-state"
