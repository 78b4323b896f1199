"""Bodies of requests as trees of named elements: the form that XML, JSON and the command builders share.

A text stays as it was written ("007", "2030-01-15T09:00:00.00Z"): what it means, its reader decides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from meterworks.companions.errors import RequestError

__all__ = ["Element"]


@dataclass(frozen=True, slots=True)
class Element:
    """An element without its name space: name, text of a leaf, attributes, and children in their order.

    Paths are names joined by "/", from below this element: "SwitchingTable/Seasons/Season".
    """

    name: str
    text: str = ""
    children: tuple["Element", ...] = ()
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def all(self, path: str) -> tuple["Element", ...]:
        """Every element at a path, in the order of the request."""
        return tuple(self._at(path.split("/")))

    def find(self, path: str) -> "Element | None":
        """The element at a path, None where there is none. Raises RequestError where there are several."""
        found = self.all(path)
        if len(found) > 1:
            raise RequestError(f"{self.name}/{path} stands {len(found)} times in the request; once expected", path=path)
        return found[0] if found else None

    def one(self, path: str) -> "Element":
        """The element at a path. Raises RequestError where there is none, or several."""
        found = self.find(path)
        if found is None:
            raise RequestError(f"the request has no {self.name}/{path}", path=path)
        return found

    def _at(self, names: list[str]) -> Iterator["Element"]:
        for child in self.children:
            if child.name == names[0]:
                if len(names) == 1:
                    yield child
                else:
                    yield from child._at(names[1:])
