"""Errors of second factors."""

from meterworks.errors import SecurityError

__all__ = ["FactorRefused"]


class FactorRefused(SecurityError):
    """A code, assertion or attestation does not prove what it should. Which part was wrong is not told."""

    code = "factor-refused"
