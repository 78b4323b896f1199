"""The public key infrastructure: profiles, authorities, validation, enrolment and factory provisioning."""

from meterworks.trust.pki.authority import CRL_LIFETIME, REASONS, Authority, Enrolment, read_request
from meterworks.trust.pki.errors import (
    CertificateRefused,
    CertificateRequestError,
    EnrolmentRefused,
    PkiExistsError,
    PkiUsageError,
    ShipmentRefused,
)
from meterworks.trust.pki.hierarchy import AUTHORITIES, HIERARCHIES, AuthoritySpec, Hierarchy
from meterworks.trust.pki.name import (
    CertificateSubject,
    certificate_identity,
    certificate_role,
    certificate_unit,
    peer_uri,
)
from meterworks.trust.pki.profile import PROFILES, CertificateProfile, KeyPurpose, profile_of
from meterworks.trust.pki.reason import Reason
from meterworks.trust.pki.revocation import (
    REVOCATION_POLICIES,
    CrlStore,
    MissingList,
    RevocationPolicy,
    revocation_policy_of,
)
from meterworks.trust.pki.role import PeerRole
from meterworks.trust.pki.system import Credentials, SystemPki
from meterworks.trust.pki.validate import TrustAnchor, ValidatedPeer, validate

__all__ = [
    "AUTHORITIES",
    "CRL_LIFETIME",
    "HIERARCHIES",
    "PROFILES",
    "REASONS",
    "REVOCATION_POLICIES",
    "Authority",
    "AuthoritySpec",
    "CertificateProfile",
    "CertificateRefused",
    "CertificateRequestError",
    "CertificateSubject",
    "Credentials",
    "CrlStore",
    "Enrolment",
    "EnrolmentRefused",
    "Hierarchy",
    "KeyPurpose",
    "MissingList",
    "PeerRole",
    "PkiExistsError",
    "PkiUsageError",
    "Reason",
    "RevocationPolicy",
    "ShipmentRefused",
    "SystemPki",
    "TrustAnchor",
    "ValidatedPeer",
    "certificate_identity",
    "certificate_role",
    "certificate_unit",
    "peer_uri",
    "profile_of",
    "read_request",
    "revocation_policy_of",
    "validate",
]
