"""Errors of the companions: a request that means nothing, a message that is not what was asked."""

from meterworks.errors import PeerError, SecurityError, UsageError

__all__ = ["DocumentSignatureError", "RequestError", "RequestMismatchError", "SchemaError", "TransformError"]


class RequestError(PeerError):
    """A request breaks its form. Facts: path (of the element), line where the source has lines."""

    code = "request"


class TransformError(UsageError):
    """A request is well-formed and has no message: a use case, a value or a part of the situation is missing."""

    code = "transform"


class RequestMismatchError(SecurityError):
    """A message would do something else than what was asked. Facts: path, asked, found."""

    code = "request-mismatch"


class SchemaError(UsageError):
    """A schema or a table of what documents hold is missing, or cannot be used. Facts: path (of the file)."""

    code = "schema"


class DocumentSignatureError(SecurityError):
    """The signature of an XML document is false, missing, of another form, or of a key that is not known."""

    code = "document-signature"
