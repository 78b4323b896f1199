"""What can go wrong on a link, each under one of the six of `meterworks.errors`."""

from meterworks.errors import OutcomeUnknown, UnreachableError, UsageError

__all__ = ["BadTarget", "ConnectFailed", "ConnectionLost", "NoAnswer", "WriteOutcomeUnknown"]


class BadTarget(UsageError):
    """The address of a meter that we were given is none."""

    code = "bad-target"


class ConnectFailed(UnreachableError):
    """No connection came about: nobody listens there, or not in time."""

    code = "connect-failed"


class ConnectionLost(UnreachableError):
    """The connection ended before the answer came, and what was asked for changes nothing."""

    code = "connection-lost"


class NoAnswer(UnreachableError):
    """The answer did not come in time, and what was asked for changes nothing."""

    code = "no-answer"


class WriteOutcomeUnknown(OutcomeUnknown):
    """A write or method was sent and not answered: it may have been carried out."""

    code = "write-outcome-unknown"
