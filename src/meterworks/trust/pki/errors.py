"""Errors of the public key infrastructure."""

from meterworks.errors import PeerError, RefusedError, SecurityError, UsageError
from meterworks.trust.pki.reason import Reason

__all__ = [
    "CertificateRefused",
    "CertificateRequestError",
    "EnrolmentRefused",
    "PkiExistsError",
    "PkiUsageError",
    "ShipmentRefused",
]


class CertificateRefused(SecurityError):  # STYLE B6: an outcome that a caller names by its reason
    """A certificate, chain or revocation list is not accepted. `reason` says which rule it broke; facts: subject."""

    code = "certificate-refused"

    def __init__(self, message: str, *, reason: Reason, **facts: object) -> None:
        super().__init__(message, reason=reason.value, **facts)
        self.reason = reason


class CertificateRequestError(PeerError):
    """A request for a certificate is malformed, or proves no possession of its key. Facts: what."""

    code = "certificate-request"


class EnrolmentRefused(RefusedError):
    """The authority does not certify this key for this identity: a used token, a known key, a wrong name."""

    code = "enrolment-refused"


class ShipmentRefused(SecurityError):
    """A maker's shipment is not what the maker sealed: wrong seal, wrong maker, altered or stale. Facts: what."""

    code = "shipment-refused"


class PkiUsageError(UsageError):
    """The caller asks what an authority or a profile does not have."""

    code = "pki-usage"


class PkiExistsError(UsageError):
    """The folder holds a PKI already: it is never overwritten. Facts: path."""

    code = "pki-exists"
