"""Paths from a request's body to the elements a command is made of, compiled once.

Steps are joined by "/". A step is a name, several names ("StartTime|EndTime": whatever of them, in the request's
order), "*" for any, or "." for the element itself. Behind it may stand a choice among several: "[2]" for the one whose
index attribute is 2, "{Phase=2}" for the one whose child Phase says 2.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from meterworks.catalogue.errors import CatalogueError
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.transform.value import refusal

__all__ = ["ElementPath", "index_of"]

STEP: Final = re.compile(r"([\w|]+|\*|\.)(?:\[(\d+)\])?(?:\{(\w+)=(\w+)\})?")
INDEX_NAMES: Final = ("index", "identifier", "auxiliaryControllerN")  # attributes by which the schema numbers
INDEX_MAX: Final = 0xFF


@dataclass(frozen=True, slots=True)
class _Step:
    names: frozenset[str] | None  # None: any name
    is_self: bool
    index: int | None
    child: tuple[str, str] | None

    def of(self, elements: Iterable[Element]) -> list[Element]:
        """The elements one step further."""
        if self.is_self:
            found = list(elements)
        else:
            names = self.names
            found = [c for element in elements for c in element.children if names is None or c.name in names]
        if self.index is not None:
            found = [element for element in found if index_of(element) == self.index]
        if self.child is not None:
            name, text = self.child
            found = [element for element in found if any(leaf.text == text for leaf in element.all(name))]
        return found


@dataclass(frozen=True, slots=True)
class ElementPath:
    """A compiled path. text: as it was written, for errors. names: of its steps where each is one name and no more."""

    text: str
    steps: tuple[_Step, ...]
    names: tuple[str, ...]

    @classmethod
    def compile(cls, text: str) -> Self:
        """Compile a path. Raises CatalogueError where it is none."""
        matches = [STEP.fullmatch(step) for step in text.split("/")]
        steps = []
        for match in matches:
            if match is None:
                raise CatalogueError(f"{text!r} is no path of elements")
            names, index, child, child_text = match.groups()
            steps.append(
                _Step(
                    names=None if names == "*" else frozenset(names.split("|")),
                    is_self=names == ".",
                    index=None if index is None else int(index),
                    child=None if child is None else (child, child_text),
                )
            )
        is_plain = all(match is not None and match[0].isidentifier() for match in matches)
        return cls(text, tuple(steps), tuple(text.split("/")) if is_plain else ())

    def all(self, element: Element) -> list[Element]:
        """Every element at the path, in the order of the request."""
        found = [element]
        if self.names:  # most paths: as fast as it gets
            for name in self.names:
                found = [child for parent in found for child in parent.children if child.name == name]
            return found
        for step in self.steps:
            found = step.of(found)
        return found

    def one(self, element: Element) -> Element:
        """The element at the path. Raises TransformError where there is none, or several."""
        return self._only(self.all(element), element)

    def find(self, element: Element) -> Element | None:
        """The element at the path, None where there is none. Raises TransformError where there are several."""
        found = self.all(element)
        return self._only(found, element) if found else None

    def _only(self, found: list[Element], element: Element) -> Element:
        if len(found) != 1:
            where = f"{element.name}/{self.text}"
            raise TransformError(
                f"{where} stands {len(found)} times in the request; once expected",
                path=where, value=str(len(found)), expected="one element",
            )  # fmt: skip
        return found[0]


def index_of(element: Element) -> int:
    """The number by which the schema tells an element from those beside it. Raises TransformError where it has none."""
    for name in INDEX_NAMES:
        text = element.attributes.get(name)
        if text is not None:
            if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= INDEX_MAX):
                raise refusal(f"{element.name}/@{name}", text, f"a number of 0..{INDEX_MAX}")
            return int(text)
    raise TransformError(f"{element.name} has no index", path=f"{element.name}/@index", expected="an index")
