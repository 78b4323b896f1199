"""Our meaning of a message beside the vector's: what that states must hold, what it leaves out does not matter."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from meterworks.assess.vectors.verdict import Mismatch, expect, shortened

__all__ = ["Either", "check_meaning", "same_text"]

_FLOAT32_TOLERANCE: Final = 1e-6
_FILLING_WORDS: Final = frozenset({"with", "and", "for", "data", "datablock", "pblock", "block", "request", "response"})
_REMARKS: Final = frozenset({"note", "quirk", "source", "what", "comment", "error", "length_mismatch"})


class Either:
    """A value that may be written in several ways: a number or its name, octets as hex or as text."""

    __slots__ = ("forms",)

    def __init__(self, *forms: object) -> None:
        self.forms = forms

    def __repr__(self) -> str:
        """Give the forms."""
        return " or ".join(map(repr, self.forms))


def same_text(one: str, other: str) -> bool:
    """Whether two names are the same but for case, spaces, hyphens and underscores."""
    return _plain(one) == _plain(other)


def _plain(text: str) -> str:
    return "".join(character for character in text.lower() if character not in " -_")


def check_meaning(name: str, ours: Any, theirs: Any) -> None:
    """Raise Mismatch at the first place where the vector states what we do not have."""
    if isinstance(ours, Either):
        if not any(_holds(form, theirs) for form in ours.forms):
            raise Mismatch(f"{name}: the vector says {shortened(theirs)}, we have {shortened(ours)}")
    elif isinstance(theirs, Mapping):
        _check_mapping(name, ours, theirs)
    elif isinstance(theirs, list) and isinstance(ours, Sequence) and not isinstance(ours, str | bytes):
        expect(f"{name}, entries", len(ours), len(theirs))
        for number, (own, their) in enumerate(zip(ours, theirs, strict=True)):
            check_meaning(f"{name}[{number}]", own, their)
    elif not is_same(ours, theirs):
        expect(name, ours, theirs)
        raise Mismatch(f"{name}: the vector says {theirs!r}, we have a value of another type, {ours!r}")


def _holds(ours: Any, theirs: Any) -> bool:
    try:
        check_meaning("", ours, theirs)
    except Mismatch:
        return False
    return True


def _check_mapping(name: str, ours: Any, theirs: Mapping[str, Any]) -> None:
    if not isinstance(ours, Mapping):
        raise Mismatch(f"{name}: the vector says {shortened(theirs)}, we have {shortened(ours)}")
    for key, their in theirs.items():
        if key == "type" and isinstance(their, str) and key in ours:
            _check_kind(f"{name}.type", ours[key], their)
        elif key in ours:
            check_meaning(f"{name}.{key}", ours[key], their)
        elif key not in _REMARKS and not _is_stated(ours, their):
            raise Mismatch(f"{name}.{key}: the vector says {their!r}, we have nothing such in {sorted(ours)}")


def _check_kind(name: str, ours: Any, theirs: str) -> None:
    """Compare kinds of a service by the words that tell them apart: `with-first-datablock` is `first-data-block`."""
    forms = ours.forms if isinstance(ours, Either) else (ours,)
    if not any(_telling_words(str(form)) == _telling_words(theirs) for form in forms):
        raise Mismatch(f"{name}: the vector says {theirs!r}, we have {ours!r}")


def _telling_words(kind: str) -> set[str]:
    return set(kind.lower().replace("_", "-").replace(" ", "-").split("-")) - _FILLING_WORDS


def is_same(ours: Any, theirs: Any) -> bool:
    """Whether a leaf is the same in one of its forms."""
    if isinstance(ours, Either):
        return any(is_same(form, theirs) for form in ours.forms)
    if isinstance(ours, bytes):
        return isinstance(theirs, str) and ours.hex() == theirs.lower().replace(" ", "").removeprefix("0x")
    if isinstance(ours, str) and isinstance(theirs, str):
        return same_text(ours, theirs)
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return bool(ours == theirs) and isinstance(ours, bool | int) and isinstance(theirs, bool | int)
    if isinstance(ours, float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=_FLOAT32_TOLERANCE) or (math.isnan(ours) and math.isnan(theirs))
    if isinstance(ours, int):  # a delta is a number of its own class
        return isinstance(theirs, int) and ours == theirs
    return type(ours) is type(theirs) and bool(ours == theirs)


def _is_stated(ours: Any, theirs: Any) -> bool:
    """Whether a value under a name that we do not use stands somewhere in what we have.

    Absence and prose under an unknown name state nothing that could be judged.
    """
    if theirs is None or theirs == "" or theirs == [] or theirs is False:
        return True
    if isinstance(theirs, Mapping):
        return all(_is_stated(ours, value) for value in theirs.values())
    if isinstance(theirs, list):
        return all(_is_stated(ours, value) for value in theirs)
    if isinstance(theirs, str) and not _is_hex(theirs):
        return True
    return any(is_same(leaf, theirs) for leaf in _leaves(ours))


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(character in "0123456789abcdefABCDEF" for character in text)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value
