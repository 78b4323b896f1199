"""Tables of gas commands: which ZigBee commands make up a use case, and what of a request goes into which field.

`zcl_commands.csv` has the fields of each ZigBee command in their order: name, type, `=` a value where the field has one
by itself (0 or nothing elsewhere); `name*(…)` repeats to the end. `gbz_commands.csv` has a row for each component: how
often it stands (an element's path: once for each; `*12`: so many times; nothing: once, of the body), under which
condition (a path of the body), the time before its frame, and its fields. A value is

    0x10 -1             a number
    Path/Of/Leaf        a number, text or date of the request, below the element the component stands for
    /Path/Of/Leaf       the same, below the body; `.` is the element itself
    Path:reader         a value that a reader of `gbz_value` knows how to read
    #Path               how many elements there are
    {A=…|B=…}           the value of the one that is there
    [Path](name=… …)    for a repeated group: once for each element, in the order of their indexes
    <0302 0301>         numbers of sixteen bits
    @now @when …        what no element says: see `_KEYWORDS`

Rows are compiled once. Makers add rows of their own by files of the same names.
Source: ZigBee cluster library and smart energy 1.2b, command payloads; GBCS 7.2.10 and its mapping tables.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import Cells, load_table
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.situation import Situation
from meterworks.companions.gb.transform.gbz_value import (
    NUMBERS,
    SHAPES,
    NumberReader,
    date_of,
    execution_time,
    in_order,
    index_of,
    seconds_of,
)
from meterworks.companions.gb.transform.value import need, refusal
from meterworks.protocols.gbcs import NEVER, Component, ZclFrame

__all__ = ["FIELD_SIZES", "GbzRow", "Scope", "ZclCommand", "ZclField", "load_gbz_rows"]

PACKAGE: Final = "meterworks.companions.gb.transform"
TEXT_SIZE_MAX: Final = 254  # octets of a ZigBee string
REPEATS_MAX: Final = 255
CUSTOMER_NUMBER_SIZE_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a value is looked for: element (the one a component or group stands for), the body around it, the
    situation, and place, the number of the component or group, from 0."""

    element: Element
    body: Element
    situation: Situation
    place: int = 0

    def of(self, element: Element, place: int) -> "Scope":
        """The scope of an element inside."""
        return Scope(element, self.body, self.situation, place)


Encode = Callable[[Scope], bytes]
Part = tuple[bool, Encode]  # whether it differs from one of several like components to the next; the octets of a field
Read = Callable[[Scope, int, int], int]  # scope, and what the field can hold

_RANGES: Final[Mapping[str, tuple[int, bool]]] = MappingProxyType(  # octets, whether with a sign
    {"u8": (1, False), "u16": (2, False), "u24": (3, False), "u32": (4, False), "u48": (6, False), "i32": (4, True)}
)
FIELD_SIZES: Final[Mapping[str, int]] = MappingProxyType({kind: size for kind, (size, _) in _RANGES.items()})
_NUMBER: Final = re.compile(r"-?(0x[0-9A-Fa-f]+|\d+)")
_GROUP: Final = re.compile(r"\[(?P<path>[^\]]+)\]\((?P<fields>.*)\)")
_OPEN, _CLOSED = "([{<", ")]}>"


def _now(scope: Scope, low: int, high: int) -> int:
    """The moment the command is made: it tells this instruction from earlier ones."""
    moment = scope.situation.made_at
    if moment is None:
        raise _lacking("made_at", "the moment the command is made")
    seconds = seconds_of(moment)
    if not 0 < seconds < NEVER:
        raise refusal("Situation.made_at", str(moment), "a moment from 2000 to 2136")
    return seconds


def _customer_number(scope: Scope) -> bytes:
    number = scope.situation.customer_number
    if not number:
        raise _lacking("customer_number", "the number that the carrier gives the customer")
    if len(number) > CUSTOMER_NUMBER_SIZE_MAX or not (number.isascii() and number.isdigit()):
        raise refusal("Situation.customer_number", f"{len(number)} characters", "1 to 4 digits")  # it proves a presence
    return number.encode()


def _lacking(name: str, what: str) -> TransformError:
    return TransformError(f"the situation lacks {name}, {what}", path=f"Situation.{name}", expected=what)


_KEYWORDS: Final[Mapping[str, Read]] = MappingProxyType(
    {
        "@now": _now,
        "@when": lambda scope, low, high: execution_time(scope.body, NEVER),
        "@when_cancel_fe": lambda scope, low, high: execution_time(scope.body, NEVER - 1),
        "@place": lambda scope, low, high: scope.place,
        "@index": lambda scope, low, high: index_of(scope.element),
        "@index_less_1": lambda scope, low, high: index_of(scope.element) - 1,
    }
)
_TEXT_KEYWORDS: Final[Mapping[str, Encode]] = MappingProxyType({"@customer_number": _customer_number})


@dataclass(frozen=True, slots=True)
class ZclField:
    """A field of a ZigBee command. value: what it holds where a row says nothing. group: of a repeated one."""

    name: str
    kind: str
    value: str
    group: tuple["ZclField", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ZclCommand:
    """A ZigBee command: its cluster, frame control, number in the cluster, and fields."""

    name: str
    cluster: int
    control: int
    number: int
    fields: tuple[ZclField, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GbzRow:
    """What makes a component, or several, of a request: one row of the table, compiled."""

    code: int
    order: int
    command: ZclCommand
    scopes: Callable[[Scope], Sequence[Scope]]
    condition: str
    time: Read | None
    payloads: Callable[[Sequence[Scope]], list[bytes]]

    def components(self, scope: Scope, sequence: int) -> Iterator[Component]:
        """The components of a request in a situation. sequence: of the first of them."""
        if self.condition and not scope.body.all(self.condition):
            return
        scopes = self.scopes(scope)
        for number, (inner, payload) in enumerate(zip(scopes, self.payloads(scopes), strict=True), start=sequence):
            frame = ZclFrame(
                control=self.command.control, sequence=number % 256, command=self.command.number, payload=payload
            )
            time_s = None if self.time is None else self.time(inner, 0, NEVER)
            yield Component(cluster=self.command.cluster, frame=frame, time_s=time_s)


def load_gbz_rows(additions: Sequence[Path] = ()) -> Mapping[int, tuple[GbzRow, ...]]:
    """The rows by message code, in the order of their components. additions: folders of makers.

    Raises CatalogueError, which names file and line.
    """
    commands = load_table(
        "zcl_commands.csv",
        ("command", "cluster", "control", "number", "fields"),
        _read_command,
        lambda command: command.name,
        additions,
        package=PACKAGE,
    )
    table = load_table(
        "gbz_commands.csv",
        ("code", "use_case", "order", "command", "each", "where", "time", "fields"),
        lambda cells: _read_row(cells, commands),
        lambda row: f"component {row.order} of {row.code:04X}",
        additions,
        package=PACKAGE,
    )
    rows: dict[int, tuple[GbzRow, ...]] = {}
    for row in sorted(table.values(), key=lambda row: (row.code, row.order)):
        rows[row.code] = (*rows.get(row.code, ()), row)
    return MappingProxyType(rows)


def _read_command(cells: Cells) -> ZclCommand:
    return ZclCommand(
        name=cells["command"],
        cluster=int(cells["cluster"], 16),
        control=int(cells["control"], 16),
        number=int(cells["number"], 16),
        fields=tuple(map(_read_field, _split(cells["fields"], " "))),
    )


def _read_field(text: str) -> ZclField:
    name, star, group = text.partition("*")
    if star:
        return ZclField(name, "group", "", tuple(map(_read_field, _split(group[1:-1], " "))))
    name, _, rest = text.partition(":")
    kind, _, value = rest.partition("=")
    if kind not in (*_RANGES, "text", "date", "words"):
        raise CatalogueError(f"field {text!r} is of no known type")
    return ZclField(name, kind, value)


def _read_row(cells: Cells, commands: Mapping[str, ZclCommand]) -> GbzRow:
    command = commands.get(cells["command"])
    if command is None:
        raise CatalogueError(f"command {cells['command']!r} stands in no row of zcl_commands.csv")
    return GbzRow(
        code=int(cells["code"], 16),
        order=int(cells["order"]),
        command=command,
        scopes=_scopes(cells["each"]),
        condition=cells["where"],
        time=_reader(cells["time"]) if cells["time"] else None,
        payloads=_payloads(_fields(command.fields, cells["fields"]), is_counted=cells["each"].startswith("*")),
    )


def _scopes(each: str) -> Callable[[Scope], Sequence[Scope]]:
    """What a component stands for: its scopes, one or more."""
    if not each:
        return lambda scope: (scope,)
    if each.startswith("*"):
        count = int(each[1:])
        if not 0 < count <= REPEATS_MAX:
            raise CatalogueError(f"a component stands 1 to {REPEATS_MAX} times, not {count}")
        return lambda scope: [scope.of(scope.element, place) for place in range(count)]
    path, _, shape = each.partition(">")
    if shape and shape not in SHAPES:
        raise CatalogueError(f"shape {shape!r} is not known: {', '.join(SHAPES)}")
    make = SHAPES.get(shape, in_order)

    def scopes(scope: Scope) -> Sequence[Scope]:
        found = make(scope.body.all(path))
        if not found:
            need(scope.body, path)  # says what is missing
        return [scope.of(element, place) for place, element in enumerate(found)]

    return scopes


def _payloads(parts: tuple[Part, ...], *, is_counted: bool) -> Callable[[Sequence[Scope]], list[bytes]]:
    """Payloads of like components. Those of a mere count differ in their place: all else is encoded once."""

    def payloads(scopes: Sequence[Scope]) -> list[bytes]:
        if not is_counted:
            return [b"".join([encode(scope) for _, encode in parts]) for scope in scopes]
        fixed = [b"" if differs else encode(scopes[0]) for differs, encode in parts]
        return [
            b"".join(
                [encode(scope) if differs else octets for (differs, encode), octets in zip(parts, fixed, strict=True)]
            )
            for scope in scopes
        ]

    return payloads


def _fields(fields: tuple[ZclField, ...], text: str) -> tuple[Part, ...]:
    """Compile the values of a command's or a group's fields."""
    values: dict[str, str] = {}
    for token in _split(text, " "):
        name, equals, value = token.partition("=")
        if not equals or name in values:
            raise CatalogueError(f"{token!r} is not name=value, or its name stands twice")
        values[name] = value
    unknown = values.keys() - {field.name for field in fields}
    if unknown:
        raise CatalogueError(f"the command has no field {', '.join(sorted(unknown))}")
    chosen = [(field, values.get(field.name, field.value)) for field in fields]
    return tuple(("@place" in value, _field(field, value)) for field, value in chosen)


def _field(field: ZclField, value: str) -> Encode:
    match field.kind:
        case "group":
            return _group(field, value)
        case "words":
            return _constant(_words(value))
        case "text":
            return _text(value)
        case "date":
            return _date(value)
    size, signed = _RANGES[field.kind]
    low, high = (-(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1) if signed else (0, 2 ** (8 * size) - 1)
    if _NUMBER.fullmatch(value or "0"):
        literal = int(value or "0", 0)
        if not low <= literal <= high:
            raise CatalogueError(f"field {field.name} holds {low}..{high}, not {literal}")
        return _constant(literal.to_bytes(size, "little", signed=signed))
    read = _reader(value)
    return lambda scope: _bounded(read(scope, low, high), low, high, field.name).to_bytes(size, "little", signed=signed)


def _bounded(number: int, low: int, high: int, name: str) -> int:
    if not low <= number <= high:
        raise refusal(name, str(number), f"{low}..{high}")
    return number


def _constant(octets: bytes) -> Encode:
    return lambda scope: octets


def _words(value: str) -> bytes:
    if not (value.startswith("<") and value.endswith(">")):
        raise CatalogueError(f"{value!r} is no list of numbers, <0302 0301>")
    return b"".join(int(word, 16).to_bytes(2, "little") for word in value[1:-1].split())


def _text(value: str) -> Encode:
    if not value:
        return _constant(b"\x00")
    keyword = _TEXT_KEYWORDS.get(value)
    octets = keyword or (lambda scope: _octets(_element(value, scope)))
    return lambda scope: bytes((len(found := octets(scope)),)) + found


def _octets(element: Element) -> bytes:
    octets = element.text.encode("ascii", errors="replace")
    if len(octets) > TEXT_SIZE_MAX or not element.text.isascii():
        raise refusal(element.name, element.text, f"a text of at most {TEXT_SIZE_MAX} ASCII characters")
    return octets


def _date(path: str) -> Encode:
    return lambda scope: date_of(_element(path, scope))


def _group(field: ZclField, value: str) -> Encode:
    found = _GROUP.fullmatch(value)
    if found is None:
        raise CatalogueError(f"{value!r} is no group, [Path](name=value)")
    path = found["path"]
    parts = _fields(field.group, found["fields"])

    def group(scope: Scope) -> bytes:
        elements = (scope.element,) if path == "." else in_order(_elements(path, scope))
        inner = [scope.of(element, place) for place, element in enumerate(elements)]
        return b"".join([encode(one) for one in inner for _, encode in parts])

    return group


def _reader(value: str) -> Read:
    """Compile a value that is a number."""
    if _NUMBER.fullmatch(value):
        literal = int(value, 0)
        return lambda scope, low, high: literal
    if value.startswith("@"):
        if value not in _KEYWORDS:
            raise CatalogueError(f"{value} is not known: {', '.join(_KEYWORDS)}")
        return _KEYWORDS[value]
    if value.startswith("#"):
        counted = value[1:]
        return lambda scope, low, high: len(_elements(counted, scope))
    if value.startswith("{"):
        return _choice([alternative.partition("=")[::2] for alternative in _split(value[1:-1], "|")])
    path, _, name = value.partition(":")
    if name not in NUMBERS:
        raise CatalogueError(f"reader {name!r} is not known: {', '.join(NUMBERS)}")
    read: NumberReader = NUMBERS[name]
    return lambda scope, low, high: read(_element(path, scope), low, high)


def _choice(alternatives: Sequence[tuple[str, str]]) -> Read:
    compiled = [(path, _reader(value)) for path, value in alternatives]
    names = " or ".join(path for path, _ in alternatives)

    def choice(scope: Scope, low: int, high: int) -> int:
        for path, read in compiled:
            if _elements(path, scope):
                return read(scope, low, high)
        raise TransformError(f"{scope.element.name} holds no {names}", path=scope.element.name, expected=names)

    return choice


def _elements(path: str, scope: Scope) -> tuple[Element, ...]:
    return scope.body.all(path[1:]) if path.startswith("/") else scope.element.all(path)


def _element(path: str, scope: Scope) -> Element:
    if path == ".":
        return scope.element
    return need(scope.body, path[1:]) if path.startswith("/") else need(scope.element, path)


def _split(text: str, separator: str) -> Iterator[str]:
    """The parts of a text between separators that stand in no brackets."""
    depth = start = 0
    for place, character in enumerate(text):
        depth += (character in _OPEN) - (character in _CLOSED)
        if character == separator and depth == 0:
            if place > start:
                yield text[start:place]
            start = place + 1
    if depth:
        raise CatalogueError(f"brackets in {text!r} do not match")
    if start < len(text):
        yield text[start:]
