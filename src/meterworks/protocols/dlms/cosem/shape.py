"""Shapes: which A-XDR types a value may have, down into arrays and structures, written as short text in the tables.

    u32                     one type: null bool bits i8 i16 i32 i64 u8 u16 u32 u64 enum f32 f64 os vs utf8 bcd compact
    any  num                any type; any integer or float
    ln   dt  date  time     octet-string of 6; date-time, date or time as octet-string or as its own type
    u16|null                one of several
    [u8]                    array of
    {class_id:u16,name:ln}  structure of named members
    array  struct           array or structure of whatever

Source: COSEM interface classes, data types of attributes (IEC 62056-6-2, 4.1.5).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from meterworks.protocols.dlms.data import DataValue, Tag, decode_typed
from meterworks.protocols.errors import DecodeError, TableError

__all__ = ["Shape", "TypeTags", "shape"]

TypeTags = frozenset[int]  # A-XDR tags a value may have
DEPTH_MAX: Final = 8
_WORD: Final = re.compile(r"[a-z_0-9]+")

_INTEGERS: Final = (5, 6, 13, 15, 16, 17, 18, 20, 21, 22)
_NAMES: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        "null": (0,), "array": (1,), "struct": (2,), "bool": (3,), "bits": (4,), "i32": (5,), "u32": (6,), "os": (9,),
        "vs": (10,), "utf8": (12,), "bcd": (13,), "i8": (15,), "i16": (16,), "u8": (17,), "u16": (18,),
        "compact": (19,), "i64": (20,), "u64": (21,), "enum": (22,), "f32": (23,), "f64": (24,),
        "dt": (9, 25), "date": (9, 26), "time": (9, 27), "ln": (9,), "num": (*_INTEGERS, 23, 24),
        "any": tuple(range(34)),
    }
)  # fmt: skip
_SIZES: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {"dt": (12,), "date": (5,), "time": (4,), "ln": (6,)}  # of an octet-string, where it is one
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value may look like. `text` is how it is written in the tables."""

    text: str
    tags: TypeTags
    sizes: tuple[int, ...] = ()  # an octet-string has one of these sizes; none: any
    element: "Shape | None" = None  # of an array; None: anything
    members: tuple[tuple[str, "Shape"], ...] | None = None  # of a structure; None: anything
    choices: tuple["Shape", ...] = ()  # one of these, instead of all the above

    def fits(self, value: DataValue) -> bool:
        """Tell whether a decoded value is of this shape, all the way down."""
        if self.choices:
            return any(choice.fits(value) for choice in self.choices)
        if value.tag not in self.tags:
            return False
        if value.tag == Tag.OCTET_STRING and self.sizes:
            return isinstance(value.value, bytes) and len(value.value) in self.sizes
        if value.tag == Tag.ARRAY and self.element is not None:
            return all(map(self.element.fits, _items(value)))
        if value.tag == Tag.STRUCTURE and self.members is not None:
            items = _items(value)
            return len(items) == len(self.members) and all(
                member.fits(item) for (_, member), item in zip(self.members, items, strict=True)
            )
        return True

    def takes(self, encoded: bytes) -> bool:
        """Tell whether octets are exactly one A-XDR value of this shape."""
        try:
            value, end = decode_typed(encoded)
        except DecodeError:
            return False
        return end == len(encoded) and self.fits(value)

    def __str__(self) -> str:
        """Give the text of the tables."""
        return self.text


def _items(value: DataValue) -> tuple[DataValue, ...]:
    items = value.value
    return items if isinstance(items, tuple) else ()


@lru_cache(maxsize=1024)
def shape(text: str) -> Shape:
    """Read a shape; TableError where it is not written as above."""
    found, end = _alternatives(text, 0, 0)
    if end != len(text):
        raise TableError(f"shape {text!r}: {text[end:]!r} is left over")
    return found


def _alternatives(text: str, start: int, depth: int) -> tuple[Shape, int]:
    first, end = _single(text, start, depth)
    choices = [first]
    while text[end : end + 1] == "|":  # bounded: each moves the end on
        choice, end = _single(text, end + 1, depth)
        choices.append(choice)
    if len(choices) == 1:
        return first, end
    tags = frozenset().union(*(choice.tags for choice in choices))
    return Shape(text[start:end], tags, choices=tuple(choices)), end


def _single(text: str, start: int, depth: int) -> tuple[Shape, int]:
    if depth > DEPTH_MAX:
        raise TableError(f"shape {text!r} is nested deeper than {DEPTH_MAX}")
    if text.startswith("[", start):
        element, end = _alternatives(text, start + 1, depth + 1)
        end = _expect(text, end, "]")
        return Shape(text[start:end], frozenset({Tag.ARRAY}), element=element), end
    if text.startswith("{", start):
        return _structure(text, start, depth)
    word = _WORD.match(text, start)
    if word is None or word[0] not in _NAMES:
        raise TableError(f"shape {text!r}: no type is called {text[start:]!r}")
    return Shape(word[0], frozenset(_NAMES[word[0]]), _SIZES.get(word[0], ())), word.end()


def _structure(text: str, start: int, depth: int) -> tuple[Shape, int]:
    members: list[tuple[str, Shape]] = []
    end = start
    while text[end : end + 1] in ("{", ","):  # bounded: each member moves the end on
        name = _WORD.match(text, end + 1)
        if name is None:
            raise TableError(f"shape {text!r}: a member without a name at {text[end:]!r}")
        member, end = _alternatives(text, _expect(text, name.end(), ":"), depth + 1)
        members.append((name[0], member))
    end = _expect(text, end, "}")
    return Shape(text[start:end], frozenset({Tag.STRUCTURE}), members=tuple(members)), end


def _expect(text: str, offset: int, mark: str) -> int:
    if not text.startswith(mark, offset):
        raise TableError(f"shape {text!r}: {mark!r} expected at {text[offset:]!r}")
    return offset + 1
