"""Errors of the market interfaces. Each has a stable code; `meterworks.market.problem` gives it a status."""

from meterworks.errors import PeerError, RefusedError, SecurityError, UnreachableError, UsageError

__all__ = [
    "AccessNotRecorded",
    "AccountExists",
    "ApprovalClosed",
    "BadCredentials",
    "BodyTimeout",
    "BodyTooLarge",
    "ConsentNotPossible",
    "ErasureNotPossible",
    "ExportLimitReached",
    "NotAcceptable",
    "NotAuthenticated",
    "NotFound",
    "NotPermitted",
    "OrganisationSuspended",
    "PurposeExceeded",
    "PurposeNotPermitted",
    "RangeTooLarge",
    "ReadFailed",
    "ReadTimeout",
    "RequestMalformed",
    "SamePerson",
    "SecondFactorNeeded",
    "StepUpNeeded",
    "TooManyAttempts",
    "TooManyRequests",
]


class RequestMalformed(PeerError):
    """A request's parameter or body is not what the interface describes."""

    code = "request-malformed"


class RangeTooLarge(UsageError):
    """More rows were asked for than one answer may hold."""

    code = "range-too-large"


class BodyTooLarge(PeerError):
    """A request's body exceeds the limit of its path."""

    code = "body-too-large"


class BodyTimeout(PeerError):
    """A request's body did not arrive in time."""

    code = "body-timeout"


class NotAcceptable(UsageError):
    """None of the media types the client accepts is on offer."""

    code = "not-acceptable"


class NotFound(UsageError):
    """No such object, or none that the asker may know of."""

    code = "not-found"


class AccessNotRecorded(UnreachableError):
    """The access log could not be written."""

    code = "access-not-recorded"


class AccountExists(UsageError):
    """A user of that name exists already."""

    code = "account-exists"


class NotAuthenticated(SecurityError):
    """No token, or one that is unknown, expired or revoked."""

    code = "not-authenticated"


class BadCredentials(SecurityError):
    """User name or password is wrong; which of the two is never said."""

    code = "bad-credentials"


class NotPermitted(RefusedError):
    """The role does not include this action."""

    code = "not-permitted"


class PurposeNotPermitted(RefusedError):
    """The role may not read data for this purpose."""

    code = "purpose-not-permitted"


class PurposeExceeded(RefusedError):
    """More was asked for than the purpose, or the consumer's consent to it, includes."""

    code = "purpose-exceeded"


class ConsentNotPossible(UsageError):
    """A consent on these terms cannot be given, proposed or confirmed."""

    code = "consent-not-possible"


class ErasureNotPossible(RefusedError):
    """The consumer's data must stay for now: somebody lives there on a running supply, or a hold says so."""

    code = "erasure-not-possible"


class SecondFactorNeeded(RefusedError):
    """The action administers or commands, and whoever asks has proven a password only."""

    code = "second-factor-needed"


class StepUpNeeded(RefusedError):
    """The action wants a proof of the last minutes: of the person, not of the session or token."""

    code = "step-up-needed"


class OrganisationSuspended(RefusedError):
    """The organisation is not admitted: never assessed, the assessment has lapsed, or it was suspended."""

    code = "organisation-suspended"


class SamePerson(RefusedError):
    """Whoever asked for something wants to approve it."""

    code = "same-person"


class ApprovalClosed(UsageError):
    """What is to be approved has been decided, has ended, or was not asked for."""

    code = "approval-closed"


class TooManyRequests(RefusedError):
    """A client asks more often than its share. Fact `retry_after_s` says when to go on."""

    code = "too-many-requests"


class ExportLimitReached(RefusedError):
    """A client has taken as many rows as it may in the time. Fact `retry_after_s` says when to go on."""

    code = "export-limit-reached"


class TooManyAttempts(RefusedError):
    """Too many failed attempts. Fact `retry_after_s` says when the next may be made."""

    code = "too-many-attempts"


class ReadTimeout(UnreachableError):
    """An on-demand read got no answer in time."""

    code = "read-timeout"


class ReadFailed(UnreachableError):
    """An on-demand read was tried and the meter did not give the values."""

    code = "read-failed"
