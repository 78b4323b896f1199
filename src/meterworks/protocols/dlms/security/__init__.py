"""Protection of APDUs in suites 0, 1 and 2: ciphers, counters, keys, signatures, key agreement.  Facts: sheet 6."""

from meterworks.protocols.dlms.security.context import (
    COUNTER_MAX,
    OVERHEAD,
    TAG_SIZE,
    CountUp,
    GrowingCounter,
    PeerCounter,
    SecurityContext,
    Suite0Cipher,
    Unprotected,
    split_ciphered,
)
from meterworks.protocols.dlms.security.key import (
    KeyAgreement,
    Signer,
    SoftwareKeyAgreement,
    SoftwareSigner,
    draw_ephemeral_key,
    verify_signature,
)
from meterworks.protocols.dlms.security.suite import SUITES, TITLE_SIZE, SecuritySuite, SuiteRow

__all__ = [
    "COUNTER_MAX",
    "OVERHEAD",
    "SUITES",
    "TAG_SIZE",
    "TITLE_SIZE",
    "CountUp",
    "GrowingCounter",
    "KeyAgreement",
    "PeerCounter",
    "SecurityContext",
    "SecuritySuite",
    "Signer",
    "SoftwareKeyAgreement",
    "SoftwareSigner",
    "Suite0Cipher",
    "SuiteRow",
    "Unprotected",
    "draw_ephemeral_key",
    "split_ciphered",
    "verify_signature",
]
