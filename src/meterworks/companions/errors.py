"""Errors of the companions: a request that means nothing, a message that is not what was asked."""

from meterworks.errors import PeerError, SecurityError, UsageError

__all__ = ["RequestError", "RequestMismatchError", "TransformError"]


class RequestError(PeerError):
    """A request breaks its form. Facts: path (of the element), line where the source has lines."""

    code = "request"


class TransformError(UsageError):
    """A request is well-formed and has no message: a use case, a value or a part of the situation is missing."""

    code = "transform"


class RequestMismatchError(SecurityError):
    """A message would do something else than what was asked. Facts: path, asked, found."""

    code = "request-mismatch"
