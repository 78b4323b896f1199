"""Patterns: how a value of a message is built, and from where in the request each of its parts comes.

A pattern is read in one direction: it turns octets into facts (`read_value`, `read_fields`), and what the request asks
into facts of the same names (`asked`). It builds no message. Written as text, a part is a reader and a source:

    u4 @LoadLimitPeriod          a number that the request names at that path
    time @ExecutionDateTime?now  the same, and what it is where the request names none
    u2 =51                       a number that stands there whatever is asked
    u2 #                         its place in the list, from 1
    z1 #Seasons/Season           how many of them the request has
    e<1=Credit,2=Prepayment> @…  a number that stands for a word; u2/100 @…: one that stands multiplied
    tariff @A|B                  either of two elements: name and value
    week &days                   what a function makes of several elements
    null                         nothing

`{a, b}` is a structure of DLMS, `[a, b]` an array, `[path: a]` a list with one entry for each element at a path, in
whose parts paths begin at that element. In ZigBee frames a list is its fields one behind the other.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from meterworks.companions.errors import RequestError
from meterworks.companions.gb.correlate.compound import COMPOUND_READERS, COMPOUND_TERMS
from meterworks.companions.gb.correlate.fact import Fact, Term
from meterworks.companions.gb.correlate.reader import DLMS_READERS, Reader, scaled, with_words
from meterworks.companions.gb.correlate.scope import Scope
from meterworks.companions.gb.correlate.term import NAMED
from meterworks.companions.gb.correlate.zcl_reader import ZCL_READERS, FieldCursor
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import DataValue, Tag

__all__ = ["Pattern", "asked", "parse_patterns", "read_fields", "read_value"]

_READERS: Final = {**DLMS_READERS, **COMPOUND_READERS, **ZCL_READERS}
_FUNCTIONS: Final[Mapping[str, Callable[[Scope], Any]]] = {**NAMED, **COMPOUND_TERMS}
_LEAF: Final = re.compile(
    r"(?P<reader>\w+)(?:/(?P<divisor>\d+))?(?:<(?P<words>[^>]*)>)?\s*(?P<kind>[=@#&%])(?P<rest>.*)"
)
_LIST: Final = re.compile(r"\[\s*([\w/.*()=]+)\s*:")
PARTS_MAX: Final = 100_000  # of a frame: no more than it has octets


@dataclass(frozen=True, slots=True)
class Leaf:
    """A reader and a source. kind: `=` literal, `@` path, `#` place or count, `&` function. label: name of the fact."""

    reader: Reader
    kind: str
    source: str
    default: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Null:
    """Null-data: nothing is handed over."""


@dataclass(frozen=True, slots=True)
class Group:
    """A structure or array with parts of known number."""

    tag: Tag
    parts: "tuple[Pattern, ...]"


@dataclass(frozen=True, slots=True)
class Listing:
    """One entry for each element at a path."""

    path: str
    parts: "tuple[Pattern, ...]"


Pattern: TypeAlias = Leaf | Null | Group | Listing


# --- from text ------------------------------------------------------------------------------------------------------


def parse_patterns(text: str) -> tuple[Pattern, ...]:
    """The patterns of a row, separated by commas. Tables alone hold such text: what is wrong in it stops the import."""
    parser = _Parser(text)
    patterns = tuple(parser.sequence(""))
    assert parser.is_at_end, text
    return patterns


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    @property
    def is_at_end(self) -> bool:
        return not self._text[self._place :].strip()

    def sequence(self, closing: str) -> Iterator[Pattern]:
        while True:
            self._skip()
            if self._next() == closing:
                break
            yield self._pattern()
            self._skip()
            if self._next() != ",":
                break
            self._place += 1
        assert self._next() == closing, self._text
        self._place += len(closing)

    def _pattern(self) -> Pattern:
        if self._next() == "{":
            self._place += 1
            return Group(Tag.STRUCTURE, tuple(self.sequence("}")))
        if self._next() == "[":
            listed = _LIST.match(self._text, self._place)
            self._place = listed.end() if listed else self._place + 1
            parts = tuple(self.sequence("]"))
            return Listing(listed[1], parts) if listed else Group(Tag.ARRAY, parts)
        return self._leaf()

    def _leaf(self) -> Pattern:
        start, is_open = self._place, False
        while self._place < len(self._text) and (is_open or self._text[self._place] not in ",}]"):
            is_open = (is_open or self._next() == "<") and self._next() != ">"
            self._place += 1
        return _leaf(self._text[start : self._place].strip())

    def _next(self) -> str:
        return self._text[self._place : self._place + 1]

    def _skip(self) -> None:
        while self._next().isspace():
            self._place += 1


def _leaf(text: str) -> Pattern:
    if text == "null":
        return Null()
    match = _LEAF.fullmatch(text)
    assert match is not None, text
    reader = _READERS[match["reader"]]
    if match["divisor"]:
        reader = scaled(reader, int(match["divisor"]))
    if match["words"]:
        reader = with_words(reader, dict(word.split("=") for word in match["words"].split(",")))
    source, has_default, default = match["rest"].partition("?")
    label = source if match["kind"] in "@&" else ""
    return Leaf(reader, match["kind"], source, default if has_default else None, label)


# --- what the request asks ------------------------------------------------------------------------------------------


def asked(pattern: Pattern, scope: Scope, name: str) -> Iterator[Fact]:
    """The facts that the request wants to find. Raises RequestMismatchError where it says nothing of a part."""
    if isinstance(pattern, Leaf):
        yield Fact(_name(name, pattern), _asked_term(pattern, scope, name))
    elif isinstance(pattern, Group):
        for place, part in enumerate(pattern.parts):
            yield from asked(part, scope, f"{name}.{place}")
    elif isinstance(pattern, Listing):
        for entry in scope.below(pattern.path):
            for place, part in enumerate(pattern.parts):
                yield from asked(part, entry, f"{name} {pattern.path}[{entry.position}].{place}")


def _asked_term(leaf: Leaf, scope: Scope, name: str) -> Term:
    try:
        return _SOURCES[leaf.kind](leaf, scope)
    except (RequestError, ValueError, KeyError, IndexError, OverflowError, TypeError) as error:
        raise scope.mismatch(leaf.source or name, f"what has no meaning ({error})", "no value to compare") from error


def _literal(leaf: Leaf, scope: Scope) -> Term:
    return leaf.reader.of_text(leaf.source)


def _place(leaf: Leaf, scope: Scope) -> Term:
    if leaf.source.startswith(("-", "+")) or not leaf.source:
        return scope.position + int(leaf.source or 0)
    return len(scope.all(leaf.source))


def _function(leaf: Leaf, scope: Scope) -> Term:
    return _FUNCTIONS[leaf.source](scope)


def _at(leaf: Leaf, scope: Scope) -> Term:
    for path in leaf.source.split("|"):
        if leaf.reader.of_element is not None:
            below = scope.at(path)
            value = None if below is None else leaf.reader.of_element(below)
            if below is not None:
                return value
        else:
            text = scope.text(path, whole=leaf.reader.is_shown)
            if text is not None:
                value = leaf.reader.of_text(text)
                return (path.rpartition("/")[2], value) if "|" in leaf.source else value
    if leaf.default is None:
        raise RequestError("the request does not say", path=leaf.source)
    return leaf.reader.of_text(leaf.default)


_SOURCES: Final[Mapping[str, Callable[[Leaf, Scope], Term]]] = {"=": _literal, "#": _place, "&": _function, "@": _at}


# --- what the message says ------------------------------------------------------------------------------------------


def read_value(pattern: Pattern, value: DataValue, name: str) -> Iterator[Fact]:
    """The facts of a DLMS value. Raises DecodeError where it is built otherwise, or has no meaning here."""
    if isinstance(pattern, Leaf):
        _need(value.tag == pattern.reader.wire, name, f"a value of type {value.tag.name.lower()}")
        yield Fact(_name(name, pattern), _term(pattern.reader, value.value, name))
    elif isinstance(pattern, Null):
        _need(value.tag == Tag.NULL, name, f"a value of type {value.tag.name.lower()}; none is handed over")
    elif isinstance(pattern, Group):
        _need(value.tag == pattern.tag, name, f"a value of type {value.tag.name.lower()}")
        _need(len(value.value) == len(pattern.parts), name, f"{len(value.value)} parts")
        for place, (part, item) in enumerate(zip(pattern.parts, value.value, strict=True)):
            yield from read_value(part, item, f"{name}.{place}")
    else:
        _need(value.tag == Tag.ARRAY, name, f"a value of type {value.tag.name.lower()}")
        for position, item in enumerate(value.value, 1):
            yield from read_value(pattern.parts[0], item, f"{name} {pattern.path}[{position}].0")


def read_fields(patterns: tuple[Pattern, ...], cursor: FieldCursor, name: str) -> Iterator[Fact]:
    """The facts of a ZigBee frame, to its last octet. Raises DecodeError."""
    for place, pattern in enumerate(patterns):
        if isinstance(pattern, Leaf):
            yield _read_field(pattern, cursor, f"{name}.{place}")
        elif isinstance(pattern, Listing):
            yield from _read_list(pattern, cursor, f"{name}.{place}")
    _need(cursor.is_at_end, name, "octets behind the last field")


def _read_list(pattern: Listing, cursor: FieldCursor, name: str) -> Iterator[Fact]:
    position = 0
    while not cursor.is_at_end and position < PARTS_MAX:
        position += 1
        for place, part in enumerate(pattern.parts):
            where = f"{name} {pattern.path}[{position}].{place}"
            if isinstance(part, Leaf):
                yield _read_field(part, cursor, where)
            elif isinstance(part, Listing):
                yield from _read_list(part, cursor, where)


def _read_field(leaf: Leaf, cursor: FieldCursor, name: str) -> Fact:
    return Fact(_name(name, leaf), _term(leaf.reader, cursor.take(leaf.reader.wire), name))


def _term(reader: Reader, value: Any, name: str) -> Term:
    try:
        return reader.of_wire(value)
    except (DecodeError, ValueError, OverflowError) as error:
        raise DecodeError(f"{name}: {error}", offset=0) from error


def _name(name: str, leaf: Leaf) -> str:
    return f"{name} {leaf.label}" if leaf.label else name


def _need(holds: bool, name: str, found: str) -> None:
    if not holds:
        raise DecodeError(f"{name}: {found} where another is expected", offset=0)
