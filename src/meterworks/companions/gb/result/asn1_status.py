"""Statuses of answers in ASN.1, by what was asked.

Source: GBCS, ASN.1 modules of CS02 to CS08, GCS28 and GCS59; fact sheet gb/GBCS.md section 9.
A number in no row stays a number (`status_12`).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

__all__ = ["asn1_status"]

_NAMES: Final = {
    "replaced": "0 success, 5 bad_certificate, 10 no_trust_anchor, 17 insufficient_memory, "
    "25 trust_anchor_not_found, 30 resources_busy, 127 other_failure",
    "requested": "1 invalid_key_usage, 2 key_pair_generation_failed, 3 request_production_failed",
    "stored": "0 success, 1 invalid_certificate, 2 wrong_device_identity, 3 invalid_key_usage, 4 no_corresponding_key, "
    "5 wrong_public_key, 6 certificate_storage_failed, 7 private_key_change_failed",
    "given": "1 invalid_key_usage, 2 no_certificate_held, 3 certificate_retrieval_failure",
    "joined": "0 success, 1 invalid_message_code_for_join_method, 2 invalid_join_method_and_role, "
    "3 incompatible_with_existing_entry, 4 device_log_full, 5 write_failure, 6 key_agreement_no_resources, "
    "7 key_agreement_unknown_issuer, 8 key_agreement_unsupported_suite, 9 key_agreement_bad_message, "
    "10 key_agreement_bad_key_confirm, 11 invalid_or_missing_certificate, 12 no_partner_link_key_received, "
    "13 no_key_establishment_response",
    "unjoined": "0 success, 1 not_in_device_log, 2 other_failure",
    "activated": "0 success, 1 no_image_held, 2 hash_mismatch, 3 activation_failure",
    "transferred": "0 success, 1 image_discarded, 2 hardware_version_mismatch, 3 file_transfer_failure",
    "read": "0 success, 1 read_failure",
    "clock": "0 reliable, 1 invalid, 2 unreliable",
    "reported": "0 success, 1 failure",
}
_USES: Final = {
    "replaced": (0x0008, 0x011B, 0x00CB, *range(0x0100, 0x010A), *range(0x0124, 0x0128)),
    "requested": (0x000A,),
    "stored": (0x000B,),
    "given": (0x000C,),
    "joined": (0x000D, 0x000E, 0x00AB, 0x00AF, 0x008C),
    "unjoined": (0x000F, 0x0010),
    "activated": (0x0012, 0x00CA),
    "transferred": (0x0128,),
    "read": (0x0013, 0x0129),
    "clock": (0x007F,),
    "reported": (0x012B,),
}


def _by_code() -> Mapping[int, Mapping[int, str]]:
    table = {
        use: {int(number): name for number, name in (pair.split() for pair in names.split(", "))}
        for use, names in _NAMES.items()
    }
    return MappingProxyType({code: MappingProxyType(table[use]) for use, codes in _USES.items() for code in codes})


_BY_CODE: Final = _by_code()
_PLAIN: Final[Mapping[int, str]] = MappingProxyType({0: "success"})


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
