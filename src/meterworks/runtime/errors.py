"""Errors of the runtime folder, each under one of the six of `meterworks.errors`."""

from sqlalchemy.exc import DontWrapMixin

from meterworks.errors import OutcomeUnknown, PeerError, RefusedError, UnreachableError, UsageError

__all__ = [
    "BusForbiddenError",
    "BusUnreachableError",
    "BusUsageError",
    "ChildFailedError",
    "ChildUsageError",
    "CommitConflict",
    "CommitOutcomeUnknown",
    "DatabaseConflictError",
    "DatabaseUnreachableError",
    "DatabaseUsageError",
    "FolderInUseError",
    "NaiveTimeError",
    "PortInUseError",
    "ResponderError",
    "SettingsError",
    "WarehouseUnreachableError",
    "WarehouseUsageError",
]


class SettingsError(UsageError):
    """A setting or a settings file holds a value that cannot be used. Facts: name or path, value."""

    code = "settings"


class FolderInUseError(UsageError):
    """Another process holds the folder. Facts: folder, holder (what the lock file says)."""

    code = "folder-in-use"


class PortInUseError(UsageError):
    """Another process listens at the address. Facts: host, port."""

    code = "port-in-use"


class NaiveTimeError(UsageError, DontWrapMixin):
    """A time without zone was given where UTC is stored. Facts: value."""

    code = "naive-time"


class DatabaseUsageError(UsageError):
    """The database was asked what its schema or address does not allow. Facts: reason."""

    code = "database-usage"


class DatabaseConflictError(UsageError):
    """A row breaks a unique, foreign key or check constraint; nothing was written. Facts: reason."""

    code = "database-conflict"


class DatabaseUnreachableError(UnreachableError):
    """The database does not answer or stayed locked; nothing was written. Facts: reason."""

    code = "database-unreachable"


class CommitOutcomeUnknown(OutcomeUnknown):
    """The link to the database broke during a commit: read back before writing again. Facts: reason."""

    code = "commit-outcome-unknown"


class BusForbiddenError(RefusedError):
    """The bus's server gives this identity no right to the subject. Facts: subject."""

    code = "bus-forbidden"


class BusUnreachableError(UnreachableError):
    """The bus, a stream or a responder did not answer in time. Facts: subject or stream, waited_s."""

    code = "bus-unreachable"


class BusUsageError(UsageError):
    """A subject, header, key or message that no bus can carry, or an impossible stream. Facts: subject or stream."""

    code = "bus-usage"


class ResponderError(PeerError):
    """The responder of a request failed in a way that its own error tree does not name. Facts: subject."""

    code = "responder"


class ChildUsageError(UsageError):
    """A supervised process cannot be run or says that it is misused; restarting is no help. Facts: name, exit_code."""

    code = "child-usage"


class ChildFailedError(UnreachableError):
    """A supervised process does not become ready. Facts: name, exit_code, output (its last lines)."""

    code = "child-failed"


class CommitConflict(UnreachableError):  # another committer was first: a state of affairs, not a fault
    """Another commit reached the warehouse first; nothing of this one is in. Plan again from the new position."""

    code = "commit-conflict"


class WarehouseUnreachableError(UnreachableError):
    """The warehouse's files or catalogue cannot be read or written. Facts: reason."""

    code = "warehouse-unreachable"


class WarehouseUsageError(UsageError):
    """The warehouse was asked what its table, settings or query language does not allow. Facts: reason."""

    code = "warehouse-usage"
