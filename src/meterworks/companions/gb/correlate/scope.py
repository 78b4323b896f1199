"""A request while it is read: where the reader stands, and which of its parts nobody has looked at yet.

Paths are names joined by "/", from the element where the reader stands, or from the body where they begin with "/".
A step may be "*" (any name), and may pick one of several: `Thresholds(2)` has that index or identifier, and
`PolyPhaseVoltageSettings(Phase=2)` holds that part. `@index` behind a path is an attribute.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.request import Request
from meterworks.companions.gb.situation import Situation

__all__ = ["Scope"]

_STEP: Final = re.compile(r"(\*|\w+)(?:\((?:(\w+)=)?(\w+)\))?")
_PICKED_BY: Final = ("index", "identifier", "auxiliaryControllerN")
ELEMENTS_MAX: Final = 20_000  # of a request; the largest in the reference set has some 1,500


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    part: str | None
    picked: str | None


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a reader stands in a request. element: paths begin there. position: of it in its list, from 1.

    counter: that the message has to carry. seen: elements and attributes that were read, by identity; it is shared by
    all scopes of one check.
    """

    request: Request
    situation: Situation
    element: Element
    counter: int
    position: int = 0
    seen: set[object] = field(default_factory=set)

    @classmethod
    def of(cls, request: Request, situation: Situation, counter: int) -> "Scope":
        """At the body of a request."""
        return cls(request, situation, request.body, counter)

    def all(self, path: str) -> list[Element]:
        """The elements at a path, by their index where they have one. What was passed on the way is seen."""
        start, steps = _parsed(path)
        found = [self.request.body if start else self.element]
        for step in steps:
            self.seen.update(map(id, found))
            found = [child for element in found for child in element.children if self._fits(child, step)]
        return sorted(found, key=_index) if len(found) > 1 else found

    def find(self, path: str) -> Element | None:
        """The element at a path, which is seen then; None where there is none. Raises where there are several."""
        found = self.all(path)
        if len(found) > 1:
            raise self.mismatch(path, "one", f"{len(found)} times in the request")
        for element in found:
            self.seen.add(id(element))
        return found[0] if found else None

    def has(self, path: str) -> bool:
        """Whether there is an element at a path. One without text is seen: that it is there is all it says."""
        found = self.all(path)
        if len(found) == 1 and not found[0].text.strip():
            self.seen.add(id(found[0]))
        return bool(found)

    def text(self, path: str, *, whole: bool = False) -> str | None:
        """The text of an element or attribute at a path; None where there is none. whole: with blanks around it."""
        path, _, attribute = path.partition("@")
        element = self.element if path in ("", ".") else self.find(path)
        if element is None:
            return None
        if attribute:
            self.seen.add((id(element), attribute))
            return element.attributes.get(attribute)
        self.seen.add(id(element))
        return element.text if whole else element.text.strip()

    def below(self, path: str) -> Iterator["Scope"]:
        """A scope at each element of a list. An index that says the element's place in the list is seen."""
        for position, element in enumerate(self.all(path), 1):
            for name in _PICKED_BY:
                if element.attributes.get(name) == str(position):
                    self.seen.add((id(element), name))
            if not element.text:
                self.seen.add(id(element))
            yield replace(self, element=element, position=position)

    def apart(self) -> "Scope":
        """The same place, for a look that counts for nothing."""
        return replace(self, seen=set())

    def at(self, path: str) -> "Scope | None":
        """A scope at an element; None where there is none."""
        element = self.element if path in ("", ".") else self.find(path)
        return None if element is None else replace(self, element=element)

    def see_all(self) -> None:
        """Take this element and everything below it as read."""
        for element in _walk(self.element):
            self.seen.add(id(element))
            self.seen.update((id(element), name) for name in element.attributes)

    def unread(self) -> Iterator[tuple[str, str]]:
        """Paths and texts of what nobody has read: leaves, and attributes."""
        pending = [(self.request.body, self.request.body.name)]
        visited = 0
        while pending:
            element, path = pending.pop()
            visited += 1
            if visited > ELEMENTS_MAX:
                raise self.mismatch(path, f"at most {ELEMENTS_MAX} elements", "more of them")
            for name, text in element.attributes.items():
                if (id(element), name) not in self.seen:
                    yield f"{path}@{name}", text
            if not element.children and id(element) not in self.seen and element is not self.request.body:
                yield path, element.text
            pending += [(child, f"{path}/{child.name}") for child in element.children]

    def mismatch(self, path: str, asked: object, found: object) -> RequestMismatchError:
        """The error that names a path of this request."""
        return RequestMismatchError(
            f"{self.request.body.name}: {path}: {asked} was asked, {found} was found; do not sign it, ask the carrier",
            path=path, asked=asked, found=found,
        )  # fmt: skip

    def _fits(self, element: Element, step: _Step) -> bool:
        if step.name not in ("*", element.name):
            return False
        if step.picked is None:
            return True
        if step.part is not None:
            for child in element.children:
                if child.name == step.part and child.text.strip() == step.picked:
                    self.seen.add(id(child))
                    return True
            return False
        for name in _PICKED_BY:
            if element.attributes.get(name) == step.picked:
                self.seen.add((id(element), name))
                return True
        return False


def _walk(element: Element) -> Iterator[Element]:
    pending = [element]
    while pending:
        current = pending.pop()
        yield current
        pending += current.children


def _index(element: Element) -> int:
    for name in _PICKED_BY:
        text = element.attributes.get(name, "")
        if text.isdecimal():
            return int(text)
    return 0


@cache
def _parsed(path: str) -> tuple[bool, tuple[_Step, ...]]:
    """Whether it begins at the body, and its steps. Tables alone hold paths, so there are few."""
    steps = []
    for text in path.strip("/").split("/"):
        match = _STEP.fullmatch(text)
        assert match is not None, path
        steps.append(_Step(match[1], match[2], match[3]))
    return path.startswith("/"), tuple(steps)
