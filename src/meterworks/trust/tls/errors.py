"""Errors of secure channels."""

from meterworks.errors import SecurityError, UsageError

__all__ = ["PeerRefused", "TlsFilesError"]


class TlsFilesError(UsageError):
    """Certificate, key, anchors or revocation lists of a channel cannot be used. Facts: path."""

    code = "tls-files"


class PeerRefused(SecurityError):
    """Who is at the other end may not be there. Facts: role, identity, serial_number, wanted, reason."""

    code = "peer-refused"
