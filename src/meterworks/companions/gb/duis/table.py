"""What stands in a DUIS document, as a table: structures of elements and value types of their texts.

Two files of rows travel in the wheel. `value_types.csv` has a row per value type. `structures.csv` has a row per
kind of element: its attributes (`index=range_1_3`, with ? behind one that may be missing), the type of its text where
it has one, and its content. A content reads like this:

    ExecutionDateTime=dateTime?, (ElecTariffElements | GasTariffElements), PriceElements=PricePrimary, Day{1..16}

that is, elements in their order, alternatives in brackets, and how often: once, ? (perhaps), * + or {low..high}. The
type stands behind =, and is left out where it has the element's own name. Elements of other name spaces carry a prefix:
ra: (decoded responses, MMC) and ds: (signatures).
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from meterworks.companions.errors import SchemaError
from meterworks.companions.gb.duis.value import KINDS, ValueType

__all__ = [
    "OPAQUE",
    "STRUCTURE_COLUMNS",
    "VALUE_COLUMNS",
    "ElementPart",
    "GroupPart",
    "Part",
    "Structure",
    "Table",
    "load_table",
    "read_table",
]

VALUE_COLUMNS: Final = (
    *("name", "kind", "low", "high", "digits", "fraction", "shortest", "longest", "pattern", "choices"),
)
STRUCTURE_COLUMNS: Final = ("name", "value", "attributes", "content")
_WORD: Final = re.compile(r"\s*([A-Za-z_][\w.:-]*|\{\d+\.\.\d*\}|[=?*+,|()])")


@dataclass(frozen=True, slots=True)
class ElementPart:
    """An element in a content, between low and high times (None: no limit)."""

    name: str
    type: "Structure | ValueType"
    low: int = 1
    high: int | None = 1

    @property
    def may_be_empty(self) -> bool:
        """Whether it may be left out."""
        return self.low == 0


@dataclass(frozen=True, slots=True)
class GroupPart:
    """Parts one after the other, or one of them where `is_choice`; the whole between low and high times."""

    is_choice: bool
    parts: tuple["Part", ...]
    low: int = 1
    high: int | None = 1
    first: Mapping[str, "Part"] = field(init=False)  # the part that begins with a name, by name
    may_be_empty: bool = field(init=False)

    def __post_init__(self) -> None:
        """Work out how it may begin."""
        object.__setattr__(self, "first", MappingProxyType(dict(self._first())))
        empty = [part.may_be_empty for part in self.parts]
        object.__setattr__(self, "may_be_empty", self.low == 0 or (any(empty) if self.is_choice else all(empty)))

    def _first(self) -> Iterator[tuple[str, "Part"]]:
        for part in self.parts:
            for name in [part.name] if isinstance(part, ElementPart) else part.first:
                yield name, part
            if not self.is_choice and not part.may_be_empty:
                return


Part = ElementPart | GroupPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A kind of element. value: type of its text, None where it holds elements or nothing.

    attributes: value type by name, those of `required` never missing. content: None where no element stands in it.
    is_opaque: nothing is known of what it holds (signatures).
    """

    name: str
    value: ValueType | None = None
    attributes: Mapping[str, ValueType] = field(default_factory=lambda: MappingProxyType({}))
    required: frozenset[str] = frozenset()
    content: GroupPart | None = None
    is_opaque: bool = False
    elements: tuple[ElementPart, ...] = field(init=False)

    def __post_init__(self) -> None:
        """List the elements of the content, each once, in their order; one of a group that repeats repeats."""
        object.__setattr__(self, "elements", () if self.content is None else tuple(_elements(self.content)))


OPAQUE: Final = Structure(name="ds:Signature", is_opaque=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The whole table. Lookups by name of a type."""

    values: Mapping[str, ValueType]
    structures: Mapping[str, Structure]

    @property
    def request(self) -> Structure:
        """The root of a request."""
        return self.structures["Request"]

    @property
    def response(self) -> Structure:
        """The root of a response."""
        return self.structures["Response"]

    @property
    def bodies(self) -> Mapping[str, Structure]:
        """What may stand in the body of a request, by the element's name: 129 bodies and the signed pre-command."""
        parts = self.structures["Request.Body"].elements
        return {part.name: part.type for part in parts if isinstance(part.type, Structure)}


@cache
def load_table() -> Table:
    """The table of DUIS 5.4 in the wheel. It is read once."""
    folder = resources.files("meterworks.companions.gb.duis")
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("value_types.csv", "structures.csv")]
    return read_table(*texts)


def read_table(values: str, structures: str) -> Table:
    """Read the two files of a table. Raises SchemaError, which names the row."""
    kept = {row["name"]: _value_type(row) for row in _rows(values, VALUE_COLUMNS)}
    reader = _Reader(kept, {row["name"]: row for row in _rows(structures, STRUCTURE_COLUMNS)})
    found = {name: reader.structure(name) for name in reader.rows}
    if both := set(kept) & set(found):
        raise SchemaError(f"{min(both)} is the name of a value type and of a structure")
    return Table(values=MappingProxyType(kept), structures=MappingProxyType(found))


def _rows(text: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    reader = csv.DictReader(text.splitlines(), restval="", strict=True)
    if tuple(reader.fieldnames or ()) != columns:
        raise SchemaError(f"the columns of the table are {','.join(columns)}")
    return list(reader)


def _value_type(row: Mapping[str, str]) -> ValueType:
    if row["kind"] not in KINDS:
        raise SchemaError(f"value type {row['name']}: kind {row['kind']!r} is none of {', '.join(KINDS)}")
    try:
        return ValueType(
            name=row["name"],
            kind=row["kind"],
            low=Decimal(row["low"]) if row["low"] else None,
            high=Decimal(row["high"]) if row["high"] else None,
            digits=int(row["digits"]) if row["digits"] else None,
            fraction=int(row["fraction"]) if row["fraction"] else None,
            shortest=int(row["shortest"] or 0),
            longest=int(row["longest"]) if row["longest"] else None,
            pattern=re.compile(row["pattern"]) if row["pattern"] else None,
            choices=tuple(row["choices"].split("|")) if row["choices"] else (),
        )
    except (ValueError, ArithmeticError, re.error) as error:
        raise SchemaError(f"value type {row['name']}: {error}") from error


class _Reader:
    """Reads structures, each once, and those it stands on before it."""

    def __init__(self, values: Mapping[str, ValueType], rows: Mapping[str, Mapping[str, str]]) -> None:
        self.rows = rows
        self._values = values
        self._done: dict[str, Structure] = {}
        self._open: set[str] = set()

    def structure(self, name: str) -> Structure:
        """The structure of a name."""
        if name == OPAQUE.name:
            return OPAQUE
        if name not in self._done:
            if name not in self.rows or name in self._open:
                raise SchemaError(f"{name} is no row of the table, or stands in itself")
            self._open.add(name)
            self._done[name] = self._read(name, self.rows[name])
        return self._done[name]

    def _read(self, name: str, row: Mapping[str, str]) -> Structure:
        pairs = [cell.partition("=") for cell in row["attributes"].split()]
        attributes = {key: self._value(name, kind.rstrip("?")) for key, _, kind in pairs}
        found = Structure(
            name=name,
            value=self._value(name, row["value"]) if row["value"] else None,
            attributes=MappingProxyType(attributes),
            required=frozenset(key for key, _, kind in pairs if not kind.endswith("?")),
            content=self._content(name, row["content"]),
        )
        names = [part.name for part in found.elements]
        if len(set(names)) != len(names) or set(names) & set(attributes):
            raise SchemaError(f"{name}: an element stands at two places, or has the name of an attribute")
        return found

    def _value(self, owner: str, name: str) -> ValueType:
        if name not in self._values:
            raise SchemaError(f"{owner}: {name} is no value type of the table")
        return self._values[name]

    def _content(self, owner: str, text: str) -> GroupPart | None:
        words = _WORD.findall(text)
        if "".join(words) != "".join(text.split()):
            raise SchemaError(f"{owner}: the content {text!r} cannot be read")
        if not words:
            return None
        words.append(")")
        words.reverse()
        try:
            group = self._group(owner, words)
        except IndexError as error:
            raise SchemaError(f"{owner}: the content {text!r} ends too early") from error
        if words:
            raise SchemaError(f"{owner}: a bracket is closed that was never opened")
        return group

    def _group(self, owner: str, words: list[str]) -> GroupPart:
        """Read up to the closing bracket; words: those to come, the next one last."""
        parts: list[Part] = []
        joints: set[str] = set()
        while True:
            parts.append(self._part(owner, words))
            joint = words.pop()
            if joint == ")":
                low, high = _occurs(words)
                if len(joints) > 1:
                    raise SchemaError(f"{owner}: , and | stand in one bracket")
                return GroupPart("|" in joints, tuple(parts), low, high)
            if joint not in (",", "|"):
                raise SchemaError(f"{owner}: {joint!r} stands where , or | is expected")
            joints.add(joint)

    def _part(self, owner: str, words: list[str]) -> Part:
        name = words.pop()
        if name == "(":
            return self._group(owner, words)
        kind = name
        if words[-1] == "=":
            words.pop()
            kind = words.pop()
        low, high = _occurs(words)
        return ElementPart(name, self._values[kind] if kind in self._values else self.structure(kind), low, high)


def _occurs(words: list[str]) -> tuple[int, int | None]:
    signs: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}
    if not words:
        return 1, 1
    if words[-1] in signs:
        return signs[words.pop()]
    if words[-1].startswith("{"):
        low, _, high = words.pop().strip("{}").partition("..")
        return int(low), int(high) if high else None
    return 1, 1


def _elements(part: Part) -> Iterator[ElementPart]:
    if isinstance(part, ElementPart):
        yield part
    else:
        for inner in part.parts:
            for element in _elements(inner):
                yield element if part.high == 1 else replace(element, low=0, high=None)
