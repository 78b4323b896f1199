"""Errors of the system floor."""

from meterworks.errors import UsageError

__all__ = ["ConfigurationError", "InUseError"]


class ConfigurationError(UsageError):
    """A setting is unknown, unreadable or does not fit its type."""

    code = "configuration"


class InUseError(UsageError):
    """A port, a folder or an address that this system needs is in use by another process."""

    code = "in-use"
