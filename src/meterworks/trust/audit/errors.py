"""Errors of the audit trail."""

from meterworks.errors import SecurityError, UnreachableError, UsageError

__all__ = ["ActNotRecorded", "AuditFormatError", "AuditStoreError", "AuditUsageError", "TrailBroken"]


class AuditUsageError(UsageError):
    """An act that stands in no table, or a fact that cannot be kept. Facts: act."""

    code = "audit-usage"


class AuditFormatError(SecurityError):
    """Octets that are no record, head, proof or evidence, or not in their one lawful encoding."""

    code = "audit-format"


class AuditStoreError(UsageError):
    """The trail's own files or tables are not where they should be. Facts: path."""

    code = "audit-store"


class ActNotRecorded(UnreachableError):
    """A privileged act that could not be recorded is not done. Safe to try again. Facts: act."""

    code = "act-not-recorded"


class TrailBroken(SecurityError):
    """The trail does not hold together: who appends must not go on. Facts: sequence."""

    code = "trail-broken"
