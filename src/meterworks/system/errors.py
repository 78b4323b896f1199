"""Errors of the system floor."""

from meterworks.errors import UsageError

__all__ = ["BackupError", "ConfigurationError", "InUseError", "PrivilegeError", "UnsafeSettingsError"]


class BackupError(UsageError):
    """A backup cannot be written, or is not what its manifest says. Facts: path or files."""

    code = "backup"


class ConfigurationError(UsageError):
    """A setting is unknown, unreadable or does not fit its type."""

    code = "configuration"


class InUseError(UsageError):
    """A port, a folder or an address that this system needs is in use by another process."""

    code = "in-use"


class PrivilegeError(UsageError):
    """A process asks for a store or a vault that its row of the table gives it no right to. Facts: store."""

    code = "privilege"


class UnsafeSettingsError(UsageError):
    """A setting is not safe in production, which was asked for. Facts: settings, or vaults."""

    code = "unsafe-settings"
