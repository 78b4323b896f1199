"""The table of what each use case makes a device do, and from where in its request that comes.

A text file a protocol. `== code use-case : variants : devices : conditions` begins a use case, each line below it is
an item of its messages, in their order:

    set 9000 0-0:94.44.128.6 4 : u4 @LoadLimitPeriod         an attribute is written
    act 9 0-0:10.0.106.255 1 : u2 =52                        a method is called
    get 3 1-0:2.8.0.255 2 3                                  attributes are read, one item each
    get 7 0-0:99.98.0.255 2 select 1 {…}                     with a selection
    zcl 0705 06 01 : z4 =0, …                                a ZigBee command: cluster, command, frame control
    zcl 0705 09 01 when zt @ExecutionDateTime?now : …        the same with a time in front of the frame
    whole name                                               the payload as that pair of functions in `whole` reads it

`?condition` in front of a line: it is there where the request has the element, `?path=text` where that is its text
(`?path~default=text` where the element may be missing); `!condition`: where it is not so. `*path`: once for each
element at a path, which begin there. `1..5 …{n}…{10+n}…`: a line for each number. `$name = text` is put in for $name.
`- path` takes a part of the request as read that no message carries: the carrier keeps it for itself.
Conditions of a use case are written the same way: where they do not hold, another use case serves the request.
`#party` and `#other` in a condition are the user's role and the kind of the other device of a join.

These rows were written from the fact sheet's tables and the schemas; the transform has its own.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.gb.correlate.pattern import Pattern, parse_patterns
from meterworks.companions.gb.correlate.scope import Scope
from meterworks.protocols.dlms import AccessKind, ObisCode

__all__ = ["Condition", "Item", "Row", "UseCaseRows", "all_met", "load_rows"]

TIMES_OF_USE: Final = 48
BLOCKS: Final = 4
PERIODS: Final = 8
FILES: Final = ("electricity.txt", "electricity_reads.txt", "gas.txt", "trust_anchors.txt")
_CONDITION: Final = re.compile(r"([?!])((?:[^\s=~(]|\([^)]*\))+)(?:~([^\s=]*))?(?:=(\S+))?")
_RANGE: Final = re.compile(r"(\d+)\.\.(\d+)\s+(.*)")
_NUMBERED: Final = re.compile(r"\{(?:(\d+)\+)?n\}")
_DEFINITION: Final = re.compile(r"\$(\w+) = (.*)")
_NAME: Final = re.compile(r"\$(\w+)")
_KINDS: Final = MappingProxyType({"get": AccessKind.GET, "set": AccessKind.SET, "act": AccessKind.ACTION})


def _kind_of_other(scope: Scope) -> str | None:
    text = (scope.text("OtherDeviceID") or "").replace("-", "")
    try:
        return scope.situation.device_kinds.get(bytes.fromhex(text))
    except ValueError:
        return None


# What the situation says: the role of the user, and the kind of the other device of a join.
_KNOWN: Final[Mapping[str, Callable[[Scope], str | None]]] = MappingProxyType(
    {"#party": lambda scope: scope.situation.party, "#other": _kind_of_other}
)


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a request has an element, or one with a certain text. default: its text where it is missing."""

    path: str
    holds: bool
    text: str | None = None
    default: str | None = None

    def is_met(self, scope: Scope) -> bool:
        """Whether it is so in a request. An element that decides is seen."""
        if self.path in _KNOWN:
            return (_KNOWN[self.path](scope) == self.text) == self.holds
        if self.text is None:
            return scope.has(self.path) == self.holds
        text = scope.text(self.path)
        if text == "1" and self.text == "true":  # both are how the schema writes it
            text = "true"
        return ((self.default if text is None else text) == self.text) == self.holds


def all_met(conditions: tuple[Condition, ...], scope: Scope) -> bool:
    """Whether every condition is met. Each of them is asked, so that what decides is seen."""
    met = [condition.is_met(scope) for condition in conditions]
    return all(met)


@dataclass(frozen=True, slots=True)
class Item:
    """What names an item of a message: octets of a DLMS specification, or cluster, command and frame control.

    label: for people. has_time: a ZigBee component with a time in front of its frame.
    """

    key: bytes
    label: str
    has_time: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """An item, when it is there, and what is in it. selection: of a DLMS read; time: in front of a ZigBee frame."""

    item: Item
    patterns: tuple[Pattern, ...]
    conditions: tuple[Condition, ...] = ()
    repeated: str | None = None
    selection: Pattern | None = None
    selector: int = 0
    time: Pattern | None = None


@dataclass(frozen=True, slots=True)
class UseCaseRows:
    """One use case for some variants and kinds of devices. kept: paths of the request that the carrier keeps.

    payload: what reads the payload where it is read as a whole, and not by rows.
    """

    code: int
    use_case: str
    variants: tuple[str, ...]
    devices: frozenset[DeviceKind]
    conditions: tuple[Condition, ...]
    rows: tuple[Row, ...]
    kept: tuple[str, ...] = ()
    payload: str | None = None

    @property
    def protocol(self) -> str:
        """Which protocol its rows are in: `dlms` or `gbz`."""
        return "gbz" if self.rows[0].item.label.startswith("zcl") else "dlms"


@cache
def load_rows() -> Mapping[int, tuple[UseCaseRows, ...]]:
    """The table by message code."""
    rows: dict[int, list[UseCaseRows]] = {}
    for name in FILES:
        text = (resources.files("meterworks.companions.gb.correlate") / name).read_text(encoding="utf-8")
        for use_case in _use_cases(text):
            rows.setdefault(use_case.code, []).append(use_case)
    return MappingProxyType({code: tuple(found) for code, found in rows.items()})


def _use_cases(text: str) -> Iterator[UseCaseRows]:
    lines = list(_lines(text))
    starts = [number for number, line in enumerate(lines) if line.startswith("==")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield _use_case(lines[start], lines[start + 1 : end])


def _lines(text: str) -> Iterator[str]:
    """Lines without comments, with names put in and ranges written out."""
    names = {"primary_prices": _primary_prices()}
    for line in text.replace("\\\n", "").splitlines():
        line = line.partition("  --")[0].strip()
        if not line or line.startswith("--"):
            continue
        defined = _DEFINITION.fullmatch(line)
        line = _NAME.sub(lambda match: names[match[1]], defined[2] if defined else line)
        if defined:
            names[defined[1]] = line
            continue
        numbered = _RANGE.fullmatch(line)
        numbers = range(int(numbered[1]), int(numbered[2]) + 1) if numbered else (0,)
        for number in numbers:
            yield _written(numbered[3], number) if numbered else line


def _primary_prices() -> str:
    """Prices of the primary element: 48 by time of use, then 4 blocks (A to D) with 8 times of use each."""
    prices = "PriceElements/ElectricityPriceElements"
    paths = [(number, f"*/TOUPrice({number})") for number in range(1, TIMES_OF_USE + 1)]
    for block in range(1, BLOCKS + 1):
        first = 0x90 + 0x10 * block
        paths += [(first + period, f"*/BlockPrices({period})/BlockPrice({block})") for period in range(1, PERIODS + 1)]
    table = ", ".join(f"{{o1 ={number}, i2 @{prices}/{path}?0}}" for number, path in paths)
    return f"{{{{i1 =3, i1 @{prices}/PriceScale}}, {{u2 =3, o =0100010800ff, i1 =2}}, [{table}]}}"


def _written(line: str, number: int) -> str:
    return _NUMBERED.sub(lambda match: str(int(match[1] or 0) + number), line)


def _use_case(head: str, lines: list[str]) -> UseCaseRows:
    cells = [cell.strip() for cell in head.removeprefix("==").split(":")]
    code, use_case = cells[0].split()
    return UseCaseRows(
        code=int(code, 16),
        use_case=use_case,
        variants=tuple(cells[1].split()),
        devices=frozenset(map(DeviceKind, cells[2].split())),
        conditions=tuple(map(_condition, cells[3].split())) if len(cells) > 3 else (),
        rows=tuple(row for line in lines if line.split()[0] not in ("whole", "kept") for row in _rows(line)),
        kept=tuple(line.removeprefix("kept ") for line in lines if line.startswith("kept ")),
        payload=next((line.removeprefix("whole ") for line in lines if line.startswith("whole ")), None),
    )


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    assert match is not None, text
    return Condition(match[2], match[1] == "?", match[4], match[3])


def _rows(line: str) -> Iterator[Row]:
    conditions, repeated = [], None
    while line[0] in "?!*":
        word, _, line = line.partition(" ")
        line = line.strip()
        if word[0] == "*":
            repeated = word[1:]
        else:
            conditions.append(_condition(word))
    read = _zcl_row if line.startswith("zcl") else _dlms_rows
    for row in read(line):
        yield Row(row.item, row.patterns, tuple(conditions), repeated, row.selection, row.selector, row.time)


def _zcl_row(line: str) -> Iterator[Row]:
    head, _, fields = line.partition(" : ")
    words, _, time = head.partition(" when ")
    _, cluster, command, control = words.split()
    item = Item(bytes.fromhex(cluster + command + control), f"zcl {cluster} {command}", bool(time))
    yield Row(item, parse_patterns(fields), time=parse_patterns(time)[0] if time else None)


def _dlms_rows(line: str) -> Iterator[Row]:
    # A colon stands in OBIS codes too: the one in front of the value has blanks around it.
    head, _, value = line.partition(" : ")
    words, _, selected = head.partition(" select ")
    verb, class_id, obis_code, *numbers = words.split()
    selector, _, selection = selected.partition(" ")
    kind = AccessKind.GET_WITH_SELECTION if selected else _KINDS[verb]
    for number in numbers:
        key = b"".join(
            (bytes((kind,)), int(class_id).to_bytes(2, "big"), ObisCode(obis_code), int(number).to_bytes(1, "big"))
        )
        yield Row(
            Item(key, f"{verb} {class_id} {obis_code} {number}"),
            parse_patterns(value or "null"),
            selection=parse_patterns(selection)[0] if selected else None,
            selector=int(selector or 0),
        )
