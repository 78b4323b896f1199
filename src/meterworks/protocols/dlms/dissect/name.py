"""Names of numbers in messages: APDUs, conformance bits, results, units.  Facts: reference sheet DLMS, 2 to 7.

Names are those of the ASN.1, which the DLMS UA's XML form takes over.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.data import Tag
from meterworks.protocols.dlms.tag import DEDICATED_OF, GLOBAL_OF

__all__ = [
    "ACCESS_RESULTS",
    "APDU_NAMES",
    "CONTEXTS",
    "DIAGNOSTICS",
    "EXCEPTION_SERVICES",
    "EXCEPTION_STATES",
    "MECHANISMS",
    "PROVIDER_DIAGNOSTICS",
    "RELEASE_REASONS",
    "RELEASE_RESPONSE_REASONS",
    "TYPE_NAMES",
    "conformance_names",
]

_PLAIN: Final = {
    0x01: "initiate-request", 0x05: "read-request", 0x06: "write-request", 0x08: "initiate-response",
    0x0C: "read-response", 0x0D: "write-response", 0x0E: "confirmed-service-error", 0x0F: "data-notification",
    0x10: "data-notification-confirm", 0x16: "unconfirmed-write-request", 0x18: "information-report-request",
    0x60: "AARQ", 0x61: "AARE", 0x62: "RLRQ", 0x63: "RLRE",
    0xC0: "get-request", 0xC1: "set-request", 0xC2: "event-notification-request", 0xC3: "action-request",
    0xC4: "get-response", 0xC5: "set-response", 0xC7: "action-response",
    0xD8: "exception-response", 0xD9: "access-request", 0xDA: "access-response",
    0xDB: "general-glo-ciphering", 0xDC: "general-ded-ciphering", 0xDD: "general-ciphering",
    0xDF: "general-signing", 0xE0: "general-block-transfer", 0xE6: "gateway-request", 0xE7: "gateway-response",
}  # fmt: skip

APDU_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    _PLAIN
    | {tag: f"glo-{_PLAIN[plain]}" for plain, tag in GLOBAL_OF.items()}
    | {tag: f"ded-{_PLAIN[plain]}" for plain, tag in DEDICATED_OF.items()}
)
TYPE_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {int(tag): tag.name.lower().replace("_", "-") for tag in Tag} | {0: "null-data"}
)

_CONFORMANCE_NAMES: Final = (
    "reserved-zero", "general-protection", "general-block-transfer", "read", "write", "unconfirmed-write",
    "delta-value-encoding", "reserved-seven", "attribute0-supported-with-set", "priority-mgmt-supported",
    "attribute0-supported-with-get", "block-transfer-with-get-or-read", "block-transfer-with-set-or-write",
    "block-transfer-with-action", "multiple-references", "information-report", "data-notification", "access",
    "parameterized-access", "get", "set", "selective-access", "event-notification", "action",
)  # fmt: skip


def conformance_names(conformance: Conformance | int) -> list[str]:
    """Give the names of the bits that are set, in the order sent."""
    number = int(conformance)
    return [name for bit, name in enumerate(_CONFORMANCE_NAMES) if number >> (23 - bit) & 1]


ACCESS_RESULTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "success", 1: "hardware-fault", 2: "temporary-failure", 3: "read-write-denied", 4: "object-undefined",
        9: "object-class-inconsistent", 11: "object-unavailable", 12: "type-unmatched",
        13: "scope-of-access-violated", 14: "data-block-unavailable", 15: "long-get-aborted",
        16: "no-long-get-in-progress", 17: "long-set-aborted", 18: "no-long-set-in-progress",
        19: "data-block-number-invalid", 250: "other-reason",
    }
)  # fmt: skip
CONTEXTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "logical name referencing", 2: "short name referencing",
        3: "logical name referencing, ciphered", 4: "short name referencing, ciphered",
    }
)  # fmt: skip
MECHANISMS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "none", 1: "low (password)", 2: "high, manufacturer's", 3: "high, MD5", 4: "high, SHA-1",
        5: "high, GMAC", 6: "high, SHA-256", 7: "high, ECDSA",
    }
)  # fmt: skip
DIAGNOSTICS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "none", 1: "no reason given", 2: "application context not supported", 3: "calling title not recognised",
        4: "calling invocation id not recognised", 5: "calling qualifier not recognised",
        6: "calling user id not recognised", 7: "called title not recognised",
        8: "called invocation id not recognised", 9: "called qualifier not recognised",
        10: "called user id not recognised", 11: "mechanism not recognised", 12: "mechanism required",
        13: "authentication failure", 14: "authentication required",
    }
)  # fmt: skip
PROVIDER_DIAGNOSTICS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "none", 1: "no reason given", 2: "no common version"}
)
RELEASE_REASONS: Final[Mapping[int, str]] = MappingProxyType({0: "normal", 1: "urgent", 30: "user-defined"})
RELEASE_RESPONSE_REASONS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "normal", 1: "not-finished", 30: "user-defined"}
)
EXCEPTION_STATES: Final[Mapping[int, str]] = MappingProxyType({1: "service-not-allowed", 2: "service-unknown"})
EXCEPTION_SERVICES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "operation-not-possible", 2: "service-not-supported", 3: "other-reason", 4: "pdu-too-long",
        5: "deciphering-error", 6: "invocation-counter-error",
    }
)  # fmt: skip
