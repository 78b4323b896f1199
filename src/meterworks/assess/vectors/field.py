"""Fields of a vector: octets in hex, numbers in decimal or hex, under one of several names."""

from typing import Any, Final

from meterworks.assess.vectors.verdict import Document, Mismatch
from meterworks.protocols.dlms.dissect import KeyRing, KeySet

__all__ = ["first", "key_ring", "needed", "number", "octets", "octets_of", "title_or_empty"]


_KEY_NAMES: Final = {
    "guek": ("guek", "key"), "gbek": ("gbek",), "gak": ("gak", "aad"), "kek": ("kek",),
    "dedicated": ("dedicated_key", "dedicated"),
}  # fmt: skip


def octets_of(text: object) -> bytes:
    """Give octets written in hex, with or without spaces. Raises Mismatch for anything else."""
    if not isinstance(text, str):
        raise Mismatch(f"hex digits expected, not {text!r}")
    try:
        return bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError as error:
        raise Mismatch(f"hex digits expected, not {text[:40]!r}") from error


def first(document: Document, *names: str) -> Any:
    """Give the first of several fields that is there and not null; None where none is."""
    return next((document[name] for name in names if document.get(name) is not None), None)


def octets(document: Document, *names: str) -> bytes | None:
    """Give the octets in the first of several fields that is there; None where none is."""
    text = first(document, *names)
    return None if text is None else octets_of(text)


def needed(document: Document, *names: str) -> bytes:
    """Give the octets in the first of several fields. Raises Mismatch where there is none."""
    found = octets(document, *names)
    if found is None:
        raise Mismatch(f"the vector has no {' or '.join(names)}")
    return found


def number(value: object) -> int:
    """Give a number: an integer, or hex digits as the vectors write single octets."""
    if isinstance(value, bool) or value is None:
        raise Mismatch(f"number expected, not {value!r}")
    return value if isinstance(value, int) else int.from_bytes(octets_of(value), "big")


def title_or_empty(document: Document, *names: str) -> bytes:
    """Give a system title, no octets where it is null."""
    return octets(document, *names) or b""


def key_ring(document: Document) -> KeyRing:
    """Give the keys of a document for both titles that it names, and for any other."""
    found: dict[str, Any] = {name: octets(document, *fields) for name, fields in _KEY_NAMES.items()}
    if not any(found.values()):
        return KeyRing()
    keys = KeySet(**found)
    titles = (octets(document, "client_system_title"), octets(document, "server_system_title", "system_title"))
    return KeyRing({None: keys, **{title: keys for title in titles if title}})
