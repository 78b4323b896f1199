"""The public key infrastructure: profiles, authorities, validation, enrolment and factory provisioning."""

from meterworks.trust.pki.authority import CRL_LIFETIME, REASONS, Authority, Enrolment, read_request
from meterworks.trust.pki.build import key_digest
from meterworks.trust.pki.errors import (
    CertificateRefused,
    CertificateRequestError,
    EnrolmentRefused,
    PkiExistsError,
    PkiUsageError,
    ShipmentRefused,
)
from meterworks.trust.pki.est import (
    EST_PATH,
    EnrolmentPlan,
    EstRequest,
    EstResponse,
    EstService,
    certificates_of,
    encode_certificates,
)
from meterworks.trust.pki.est_client import EnrolmentFiles, EstClient, certification_request
from meterworks.trust.pki.hierarchy import AUTHORITIES, HIERARCHIES, AuthoritySpec, Hierarchy
from meterworks.trust.pki.ledger import Ledger
from meterworks.trust.pki.lenient import ImportedCertificate, import_leniently
from meterworks.trust.pki.name import (
    CertificateSubject,
    certificate_identity,
    certificate_role,
    certificate_unit,
    peer_uri,
)
from meterworks.trust.pki.profile import PROFILES, CertificateProfile, KeyPurpose, profile_of
from meterworks.trust.pki.provisioning import (
    ADMIT_SUBJECT,
    COMMISSION_SUBJECT,
    RETIRE_SUBJECT,
    CommissionReport,
    DeviceCredentials,
    DeviceRecord,
    DeviceState,
    Provisioning,
    make_device_credentials,
)
from meterworks.trust.pki.reason import Reason
from meterworks.trust.pki.renewal import ALARM_DAYS, ExpiryAlarm, Renewer, expiry_alarms, renewal_time, signing_end
from meterworks.trust.pki.revocation import (
    REVOCATION_POLICIES,
    CrlStore,
    MissingList,
    RevocationPolicy,
    revocation_policy_of,
)
from meterworks.trust.pki.role import PeerRole
from meterworks.trust.pki.shipment import ManufacturedDevice, Shipment, open_shipment, seal_shipment
from meterworks.trust.pki.system import LEDGER_FILE, Credentials, SystemPki
from meterworks.trust.pki.validate import TrustAnchor, ValidatedPeer, validate

__all__ = [
    "ADMIT_SUBJECT",
    "ALARM_DAYS",
    "AUTHORITIES",
    "COMMISSION_SUBJECT",
    "CRL_LIFETIME",
    "EST_PATH",
    "HIERARCHIES",
    "LEDGER_FILE",
    "PROFILES",
    "REASONS",
    "RETIRE_SUBJECT",
    "REVOCATION_POLICIES",
    "Authority",
    "AuthoritySpec",
    "CertificateProfile",
    "CertificateRefused",
    "CertificateRequestError",
    "CertificateSubject",
    "CommissionReport",
    "Credentials",
    "CrlStore",
    "DeviceCredentials",
    "DeviceRecord",
    "DeviceState",
    "Enrolment",
    "EnrolmentFiles",
    "EnrolmentPlan",
    "EnrolmentRefused",
    "EstClient",
    "EstRequest",
    "EstResponse",
    "EstService",
    "ExpiryAlarm",
    "Hierarchy",
    "ImportedCertificate",
    "KeyPurpose",
    "Ledger",
    "ManufacturedDevice",
    "MissingList",
    "PeerRole",
    "PkiExistsError",
    "PkiUsageError",
    "Provisioning",
    "Reason",
    "Renewer",
    "RevocationPolicy",
    "Shipment",
    "ShipmentRefused",
    "SystemPki",
    "TrustAnchor",
    "ValidatedPeer",
    "certificate_identity",
    "certificate_role",
    "certificate_unit",
    "certificates_of",
    "certification_request",
    "encode_certificates",
    "expiry_alarms",
    "import_leniently",
    "key_digest",
    "make_device_credentials",
    "open_shipment",
    "peer_uri",
    "profile_of",
    "read_request",
    "renewal_time",
    "revocation_policy_of",
    "seal_shipment",
    "signing_end",
    "validate",
]
