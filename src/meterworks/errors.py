"""The error tree: whose fault it is, and whether a retry is safe.

Every error this project raises on purpose is one of the six below `MeterworksError`. Each folder's own `errors.py`
holds its own classes, each under one of the six; the command line turns the six into exit codes.
"""

from typing import ClassVar, Literal

__all__ = [
    "MeterworksError",
    "OutcomeUnknown",
    "PeerError",
    "RefusedError",
    "Retry",
    "SecurityError",
    "UnreachableError",
    "UsageError",
]

Retry = Literal["never", "safe", "unknown"]


class MeterworksError(Exception):
    """Root of all errors raised on purpose. The message says what, where and what to do.

    code: stable, lower case with hyphens, for machines. facts: the values the message is made of.
    retry: whether trying again is safe.
    """

    code: ClassVar[str] = "error"
    retry: ClassVar[Retry] = "never"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts


class PeerError(MeterworksError):
    """They broke it: a malformed or unlawful message. Facts: at which byte, what was expected, which clause."""

    code = "peer"


class UsageError(MeterworksError):
    """We broke it: our caller asked what state, file or catalogue forbids."""

    code = "usage"
    exit_code = 2


class SecurityError(MeterworksError):
    """It may be hostile: a failed MAC, signature or counter. Always recorded, never explained to peers."""

    code = "security"


class RefusedError(MeterworksError):
    """No, lawfully: role, registration, access right or threshold. Carries the response code of the interface."""

    code = "refused"
    exit_code = 3


class UnreachableError(MeterworksError):
    """Nobody there: a timeout or a lost link. Safe to try again."""

    code = "unreachable"
    retry = "safe"
    exit_code = 4


class OutcomeUnknown(MeterworksError):  # STYLE B6 names it: it is a state of affairs, not an error
    """Maybe done: sent, no answer. Never retried blindly; read back first."""

    code = "outcome-unknown"
    retry = "unknown"
    exit_code = 5
