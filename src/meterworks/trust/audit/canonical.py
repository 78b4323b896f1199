"""The one lawful encoding of records, heads, proofs and evidence: JSON as RFC 8785 writes it, without fractions.

JSON, not CBOR or DER: whoever has to check a trail in ten years reads it with the eye and hashes it with `sha256sum`.
Names are sorted, nothing stands between the signs, text is UTF-8 with the shortest escapes, numbers are integers of at
most 53 bits. A reader encodes again what it has read and compares, so of all spellings of a value one only is valid.
"""

from datetime import UTC, datetime
from typing import Any

import orjson

from meterworks.trust.audit.errors import AuditFormatError

__all__ = ["canonical", "from_canonical", "from_instant", "instant"]

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


def canonical(value: dict[str, Any]) -> bytes:
    """Encode names with texts, integers, truths, nothing, lists and further names. Raises AuditFormatError."""
    _refuse_fractions(value)
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except (TypeError, orjson.JSONEncodeError) as error:
        raise AuditFormatError(f"not encodable: {error}") from error


def from_canonical(data: bytes) -> dict[str, Any]:
    """Decode, if the octets are the one encoding of what they say. Raises AuditFormatError."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise AuditFormatError(f"not JSON: {error}") from error
    if not isinstance(value, dict) or canonical(value) != data:
        raise AuditFormatError("not in canonical form: there is one spelling of each value only (RFC 8785)")
    return value


def _refuse_fractions(value: object) -> None:
    if isinstance(value, float):
        raise AuditFormatError("a fraction has several spellings: integers only")
    if isinstance(value, dict):
        for entry in value.values():
            _refuse_fractions(entry)
    elif isinstance(value, list):
        for entry in value:
            _refuse_fractions(entry)


def instant(at: datetime) -> str:
    """An instant as text of one length, UTC, microseconds: texts sort as the instants do."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def from_instant(text: object) -> datetime:
    """The instant of a text. Raises AuditFormatError for any other spelling."""
    try:
        at = datetime.fromisoformat(str(text)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise AuditFormatError(f"{text!r} is no instant") from error
    if instant(at) != text:
        raise AuditFormatError(f"{text!r} is not the one spelling of an instant: UTC, microseconds, Z")
    return at
