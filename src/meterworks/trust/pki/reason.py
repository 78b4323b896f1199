"""Why a certificate is refused: one reason for each rule, so that an alarm names the rule and not the suspicion."""

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """The rule a certificate, path or revocation list broke.  Source: RFC 5280 clauses 4, 5 and 6, and the profiles."""

    # What its octets are.
    EMPTY_CHAIN = "empty-chain"
    CHAIN_TOO_LONG = "chain-too-long"
    SIZE = "size"
    MALFORMED = "malformed"
    NOT_CANONICAL = "not-canonical"
    VERSION = "version"
    SERIAL_NUMBER = "serial-number"
    DUPLICATE_EXTENSION = "duplicate-extension"
    UNKNOWN_CRITICAL_EXTENSION = "unknown-critical-extension"
    CRITICALITY = "criticality"
    # Its key and signature.
    KEY_ALGORITHM = "key-algorithm"
    EXPLICIT_CURVE = "explicit-curve"
    WRONG_CURVE = "wrong-curve"
    POINT_FORM = "point-form"
    ALGORITHM_MISMATCH = "algorithm-mismatch"
    SIGNATURE_ALGORITHM = "signature-algorithm"
    WEAK_HASH = "weak-hash"
    NULL_PARAMETERS = "null-parameters"
    BAD_SIGNATURE = "bad-signature"
    # Its place in the path.
    UNKNOWN_ISSUER = "unknown-issuer"
    NAME_CHAINING = "name-chaining"
    KEY_IDENTIFIER = "key-identifier"
    NOT_AN_AUTHORITY = "not-an-authority"
    AUTHORITY_KEY_USAGE = "authority-key-usage"
    PATH_LENGTH = "path-length"
    NAME_CONSTRAINTS = "name-constraints"
    POLICY = "policy"
    POLICY_MAPPING = "policy-mapping"
    # Its time.
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    LIFETIME = "lifetime"
    KEY_USAGE_PERIOD = "key-usage-period"
    # What it may be used for, and by whom.
    AUTHORITY_AS_END_ENTITY = "authority-as-end-entity"
    KEY_USAGE = "key-usage"
    EXTENDED_KEY_USAGE = "extended-key-usage"
    SUBJECT = "subject"
    ALTERNATIVE_NAME = "alternative-name"
    IDENTITY = "identity"
    ROLE = "role"
    # Revocation.
    REVOKED = "revoked"
    CRL_MISSING = "crl-missing"
    CRL_EXPIRED = "crl-expired"
    CRL_NOT_YET_VALID = "crl-not-yet-valid"
    CRL_FORGED = "crl-forged"
    CRL_ROLLED_BACK = "crl-rolled-back"
    CRL_MALFORMED = "crl-malformed"
