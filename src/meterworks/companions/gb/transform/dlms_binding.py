"""Bindings: what of a request's body becomes which member of which object, one row each.

A row holds for some use cases ("*": all), an object as class/OBIS/index with "*" for any part (an index with "m" is a
method's), and a member of its value by the last name of its place. The first row that fits is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import Cells, UseCaseItem, load_table, words
from meterworks.companions.gb.transform.dlms_path import ElementPath
from meterworks.companions.gb.transform.dlms_shape import CONDITIONS, SHAPES

__all__ = ["ANY_MEMBER", "ARRAYS", "WINDOW", "Binding", "load_bindings"]

COLUMNS = ("use_cases", "object", "member", "shape", "path", "argument")
ANY_MEMBER: Final = "*"  # the object as a whole
WINDOW: Final = "window"  # entries of a log
ARRAYS: Final = ("each", "each_in_order")  # one entry for each element; in the order of the request or of its indices


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One row. shape: of `SHAPES`, `CONDITIONS`, `ARRAYS` or `WINDOW`."""

    use_cases: frozenset[str]
    object: str
    member: str
    shape: str
    path: ElementPath
    argument: str

    def fits(self, item: UseCaseItem, member: str) -> bool:
        """Whether it says what becomes of a member of an item's object."""
        if member != self.member or not ("*" in self.use_cases or item.use_case in self.use_cases):
            return False
        return fnmatchcase(f"{item.class_id}/{item.obis}/{'m' if item.is_method else ''}{item.index}", self.object)


def load_bindings(additions: Sequence[Path] = ()) -> tuple[Binding, ...]:
    """The bindings in their order. additions: folders of makers. Raises CatalogueError."""
    table = load_table("dlms_bindings.csv", COLUMNS, _read, _key, additions, package=__package__)
    return tuple(table.values())


def _key(row: Binding) -> str:
    return f"{row.member} of {row.object} by {row.shape} in {' '.join(sorted(row.use_cases))}"


def _read(cells: Cells) -> Binding:
    known = {*SHAPES, *CONDITIONS, *ARRAYS, WINDOW}
    if cells["shape"] not in known:
        raise CatalogueError(f"shape {cells['shape']!r} is none of {', '.join(sorted(known))}")
    if cells["object"].count("/") not in (0, 2) or not cells["member"]:
        raise CatalogueError("an object is class/OBIS/index or *, and a member is never empty")
    return Binding(
        use_cases=frozenset(words(cells["use_cases"])),
        object=cells["object"],
        member=cells["member"],
        shape=cells["shape"],
        path=ElementPath.compile(cells["path"]),
        argument=cells["argument"],
    )
