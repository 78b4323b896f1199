"""Reading of tables: one row a line, cells between bars, checked for sense while it is loaded."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from meterworks.catalogue.errors import CatalogueError

_Key = TypeVar("_Key", bound=Hashable)
_Row = TypeVar("_Row")

_OBIS_CODE = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})")


def unfolded(text: str) -> str:
    """Join rows that go on in lines indented deeper than the first row."""
    lines: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        depth = len(line) - len(line.lstrip())
        if lines and depth > len(lines[0]) - len(lines[0].lstrip()):
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        else:
            lines.append(line)
    return "\n".join(lines)


def rows(text: str, cell_count: int) -> Iterator[tuple[str, ...]]:
    """Split a table into rows of stripped cells; empty lines part groups. Raises CatalogueError on a wrong count."""
    for line in text.splitlines():
        if not line.strip():
            continue
        cells = tuple(cell.strip() for cell in line.split("|"))
        if len(cells) != cell_count:
            raise CatalogueError(f"row {line.strip()!r} has {len(cells)} cells, its table has {cell_count}")
        yield cells


def keyed(what: str, entries: Iterable[_Row], key: Callable[[_Row], _Key]) -> Mapping[_Key, _Row]:
    """Give the entries by key, read-only and in table order. Raises CatalogueError when a key occurs twice."""
    table: dict[_Key, _Row] = {}
    for entry in entries:
        if key(entry) in table:
            raise CatalogueError(f"{what} {key(entry)!r} stands in the table twice")
        table[key(entry)] = entry
    return MappingProxyType(table)


def checked_obis_code(text: str) -> str:
    """Give the code back when it is six numbers of one octet each, as in 1.0.1.8.0.255. Raises CatalogueError."""
    match = _OBIS_CODE.fullmatch(text)
    if match is None or any(int(group) > 255 for group in match.groups()):
        raise CatalogueError(f"{text!r} is not an OBIS code: six numbers 0..255 with dots between")
    return text
