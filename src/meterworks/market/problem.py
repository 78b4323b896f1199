"""Errors as problem documents: one table from error class to status, one form for all answers that are not data.

Source: RFC 9457.
"""

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from meterworks.errors import (
    MeterworksError,
    OutcomeUnknown,
    PeerError,
    RefusedError,
    SecurityError,
    UnreachableError,
    UsageError,
)
from meterworks.market import errors
from meterworks.registry import AlreadyThereError, InstallationError, OverlapError, UnknownRecordError
from meterworks.runtime import DatabaseConflictError

__all__ = ["PROBLEM", "STATUS_BY_ERROR", "ProblemResponse", "problem_of", "status_of"]

PROBLEM = "application/problem+json"

# The nearest class along an error's ancestry decides. Floor errors without a row of their own fall to one of the six.
STATUS_BY_ERROR: Mapping[type[MeterworksError], int] = {
    errors.RequestMalformed: 422,
    errors.RangeTooLarge: 422,
    errors.BodyTimeout: 408,
    errors.BodyTooLarge: 413,
    errors.NotAcceptable: 406,
    errors.NotFound: 404,
    errors.AccountExists: 409,
    errors.AccessNotRecorded: 503,
    errors.NotAuthenticated: 401,
    errors.BadCredentials: 401,
    errors.NotPermitted: 403,
    errors.PurposeExceeded: 403,
    errors.PurposeNotPermitted: 403,
    errors.ConsentNotPossible: 422,
    errors.ErasureNotPossible: 409,
    errors.SecondFactorNeeded: 403,
    errors.StepUpNeeded: 403,
    errors.OrganisationSuspended: 403,
    errors.SamePerson: 403,
    errors.ApprovalClosed: 409,
    errors.TooManyAttempts: 429,
    errors.TooManyRequests: 429,
    errors.ExportLimitReached: 429,
    errors.ReadTimeout: 504,
    errors.ReadFailed: 502,
    AlreadyThereError: 409,
    DatabaseConflictError: 409,
    InstallationError: 409,
    OverlapError: 409,
    UnknownRecordError: 404,
    PeerError: 502,
    UsageError: 422,
    SecurityError: 403,
    RefusedError: 403,
    UnreachableError: 503,
    OutcomeUnknown: 503,
    MeterworksError: 500,
}

_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Request not in time",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Request not valid",
    429: "Too much at once",
    500: "Internal error",
    502: "Meter failed",
    503: "Not available",
    504: "No answer in time",
}


def status_of(error: MeterworksError) -> int:
    """The HTTP status of an error."""
    return next(STATUS_BY_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_BY_ERROR)


class ProblemResponse(Response):
    """A problem document with its stable code and the request's number."""

    media_type = PROBLEM

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        request_id: str,
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> None:
        document = {
            "type": "about:blank",
            "title": _TITLES.get(status, "Error"),
            "status": status,
            "detail": detail,
            "code": code,
            "request_id": request_id,
            **(extensions or {}),
        }
        super().__init__(orjson.dumps(document, default=str), status_code=status, headers=dict(headers or {}))


def problem_of(error: MeterworksError, request_id: str) -> ProblemResponse:
    """The answer that tells an error. What failed inside a security check is not explained to the asker."""
    status = status_of(error)
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="meterworks"'
    if "retry_after_s" in error.facts:
        headers["Retry-After"] = str(error.facts["retry_after_s"])
    return ProblemResponse(
        status=status,
        code=error.code,
        detail=str(error),
        request_id=request_id,
        headers=headers,
        extensions={"retry": error.retry} if error.retry != "never" else None,
    )
