"""Tables of the GB system as files: one row a line, checked while they are read, and made longer by makers' own rows.

A maker's additions are files of the same names and columns in a folder of their own. They may add rows and never change
one: what the standard says stays as it is.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from meterworks.catalogue.errors import CatalogueError

__all__ = ["Cells", "load_table", "truth", "words"]

Cells = Mapping[str, str]
Row = TypeVar("Row")

FILE_SIZE_MAX: Final = 4 * 2**20


def load_table(
    name: str,
    columns: Sequence[str],
    read: Callable[[Cells], Row],
    key: Callable[[Row], str],
    folders: Sequence[Path],
    *,
    package: str = "meterworks.catalogue.gb",
) -> Mapping[str, Row]:
    """Read a table of the standard and the additions of some folders. Raises CatalogueError, which names file and line.

    folders: of makers; one that has no file of this name adds nothing. package: where the table of the standard lies.
    """
    texts = [(name, (resources.files(package) / name).read_text(encoding="utf-8"))]
    texts += [(str(path), _addition(path)) for folder in folders if (path := folder / name).is_file()]
    table: dict[str, Row] = {}
    for source, text in texts:
        for line, cells in _cells(source, text, columns):
            try:
                row = read(cells)
            except (ValueError, CatalogueError) as error:
                raise CatalogueError(f"{source}, line {line}: {error}", path=source, line=line) from error
            if key(row) in table:
                raise CatalogueError(
                    f"{source}, line {line}: {key(row)} stands in the table already; additions never change a row",
                    path=source, line=line,
                )  # fmt: skip
            table[key(row)] = row
    return MappingProxyType(table)


def _addition(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_SIZE_MAX:
            raise CatalogueError(f"{path} has more than {FILE_SIZE_MAX} octets: split it", path=str(path))
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path} cannot be read: {error}", path=str(path)) from error


def _cells(source: str, text: str, columns: Sequence[str]) -> Iterator[tuple[int, Cells]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        head = next(reader, [])
        if head != list(columns):
            raise CatalogueError(f"{source}, line 1: the columns are {','.join(columns)}", path=source, line=1)
        for cells in reader:
            if len(cells) != len(columns):
                raise CatalogueError(
                    f"{source}, line {reader.line_num}: {len(cells)} cells, {len(columns)} expected",
                    path=source, line=reader.line_num,
                )  # fmt: skip
            yield reader.line_num, MappingProxyType(dict(zip(columns, map(str.strip, cells), strict=True)))
    except csv.Error as error:
        raise CatalogueError(f"{source}, line {reader.line_num}: {error}", path=source, line=reader.line_num) from error


def words(cell: str) -> tuple[str, ...]:
    """The words of a cell."""
    return tuple(cell.split())


def truth(cell: str) -> bool | None:
    """Yes, no, or None where the cell says nothing."""
    if cell not in ("yes", "no", ""):
        raise CatalogueError(f"{cell!r} is neither yes nor no")
    return {"yes": True, "no": False}.get(cell)
