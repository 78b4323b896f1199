"""Object lists of real meters as another client saved them: read, written in our form, read again."""

from typing import Any

from meterworks.assess.vectors.lookup import Lookup
from meterworks.assess.vectors.verdict import Mismatch, expect
from meterworks.errors import PeerError
from meterworks.protocols.dlms.cosem import decode_object_list, encode_object_list, read_association_dump

__all__ = ["check_association", "is_association"]

_MARKS = (b"GXDLMSObject", b"GXDLMSDevice")
_NEWEST_VERSION = 3  # of the class association LN: its access rights can say all that the older ones can


def is_association(content: Any) -> bool:
    """Whether a document is such a dump."""
    return isinstance(content, bytes) and any(mark in content for mark in _MARKS)


def check_association(content: bytes, _lookup: Lookup) -> None:
    """A dump: every object has a class, a version, a logical name and rights, and goes through our object list."""
    try:
        entries = read_association_dump(content.decode())
    except (PeerError, UnicodeDecodeError) as error:
        raise Mismatch(f"not read: {error}") from error
    expect("objects", len(entries), content.count(b"<GXDLMSObject "))
    encoded = encode_object_list(entries, _NEWEST_VERSION)
    for ours, again in zip(entries, decode_object_list(encoded, _NEWEST_VERSION), strict=True):
        for name in ("class_id", "version", "obis_code", "attributes", "methods"):
            expect(f"{name} of {ours.obis_code}", getattr(again, name), getattr(ours, name))
        if not ours.interface_class.name:
            raise Mismatch(f"class {ours.class_id} of {ours.obis_code} has no name")
