"""Statuses of answers in ASN.1, by what was asked.

Source: GBCS, ASN.1 modules of CS02 to CS08, GCS28 and GCS59; fact sheet gb/GBCS.md section 9.
A number in no row stays a number (`status_12`).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

__all__ = ["asn1_status"]

_REPLACED: Final = MappingProxyType({
    0: "success", 5: "bad_certificate", 10: "no_trust_anchor", 17: "insufficient_memory",
    22: "contingency_key_not_decrypted", 25: "trust_anchor_not_found", 30: "resources_busy", 127: "other_failure",
})  # fmt: skip
_STORED: Final = MappingProxyType({0: "success", 1: "invalid_certificate", 2: "wrong_device_identity"})
_ACTIVATED: Final = MappingProxyType({0: "success", 1: "no_image_held", 2: "hash_mismatch", 3: "activation_failure"})
_CLOCK: Final = MappingProxyType({0: "reliable", 1: "invalid", 2: "unreliable"})
_PLAIN: Final = MappingProxyType({0: "success"})

_BY_CODE: Final[Mapping[int, Mapping[int, str]]] = MappingProxyType({
    0x0008: _REPLACED, 0x011B: _REPLACED,
    0x000B: _STORED,
    0x0012: _ACTIVATED, 0x00CA: _ACTIVATED, 0x012B: _ACTIVATED,
    0x007F: _CLOCK,
    **dict.fromkeys((0x00CB, *range(0x0100, 0x010A), *range(0x0124, 0x0128)), _REPLACED),
})  # fmt: skip


def asn1_status(message_code: int, value: Any) -> tuple[str, int]:
    """Name and number of the status in an answer: the first that is no success. Without any it is a success."""
    codes = list(_codes(value))
    code = next((each for each in codes if each), 0)
    names = _BY_CODE.get(message_code, _PLAIN)
    return names.get(code, f"status_{code}" if code else "success"), code


def _codes(value: Any) -> Sequence[int]:
    """Every status in a value: an answer that is a number is one itself."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if isinstance(value, Mapping):
        own = [value["status"]] if isinstance(value.get("status"), int) else []
        return own + [code for part in value.values() if not isinstance(part, int) for code in _codes(part)]
    if isinstance(value, list):
        return [code for part in value if not isinstance(part, int) for code in _codes(part)]
    return []
