"""Protection of APDUs in suites 0, 1 and 2: ciphers, counters, keys, signatures, key agreement.  Facts: sheet 6."""

from meterworks.protocols.dlms.security.cipher import ApduCipher
from meterworks.protocols.dlms.security.context import (
    OVERHEAD,
    SecurityContext,
    Unprotected,
    Unverified,
    split_ciphered,
)
from meterworks.protocols.dlms.security.counter import CountUp, GrowingCounter, PeerCounter
from meterworks.protocols.dlms.security.derivation import AlgorithmArc, KeyUse, algorithm_id, derive_key
from meterworks.protocols.dlms.security.general import (
    AgreedKey,
    GeneralCiphering,
    GeneralHeader,
    GeneralSigning,
    IdentifiedKey,
    KeyInfo,
    WrappedKey,
)
from meterworks.protocols.dlms.security.key import (
    KeyAgreement,
    Signer,
    SoftwareKeyAgreement,
    SoftwareSigner,
    draw_ephemeral_key,
    verify_signature,
)
from meterworks.protocols.dlms.security.key_wrap import unwrap_key, wrap_key
from meterworks.protocols.dlms.security.layers import (
    CipherLayer,
    GeneralLayer,
    KeyChoice,
    Layered,
    LayerKeys,
    Layers,
    SignLayer,
)
from meterworks.protocols.dlms.security.policy import is_weaker_policy, policy_of_protection, protection_of_policy
from meterworks.protocols.dlms.security.suite import (
    BROADCAST,
    COUNTER_MAX,
    SUITES,
    TAG_SIZE,
    TITLE_SIZE,
    SecuritySuite,
    SuiteRow,
)

__all__ = [
    "BROADCAST",
    "COUNTER_MAX",
    "OVERHEAD",
    "SUITES",
    "TAG_SIZE",
    "TITLE_SIZE",
    "AgreedKey",
    "AlgorithmArc",
    "ApduCipher",
    "CipherLayer",
    "CountUp",
    "GeneralCiphering",
    "GeneralHeader",
    "GeneralLayer",
    "GeneralSigning",
    "GrowingCounter",
    "IdentifiedKey",
    "KeyAgreement",
    "KeyChoice",
    "KeyInfo",
    "KeyUse",
    "LayerKeys",
    "Layered",
    "Layers",
    "PeerCounter",
    "SecurityContext",
    "SecuritySuite",
    "SignLayer",
    "Signer",
    "SoftwareKeyAgreement",
    "SoftwareSigner",
    "SuiteRow",
    "Unprotected",
    "Unverified",
    "WrappedKey",
    "algorithm_id",
    "derive_key",
    "draw_ephemeral_key",
    "is_weaker_policy",
    "policy_of_protection",
    "protection_of_policy",
    "split_ciphered",
    "unwrap_key",
    "verify_signature",
    "wrap_key",
]
