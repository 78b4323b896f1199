"""Fields of a vector: octets in hex, numbers in decimal or hex, under one of several names."""

from typing import Any

from meterworks.assess.vectors.verdict import Document, Mismatch

__all__ = ["first", "needed", "number", "octets", "octets_of", "title_or_empty"]


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
