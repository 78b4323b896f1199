"""Is an element what the table says? Attributes, texts, and which children stand in which order and how often.

The schema's contents are deterministic (the next name always says which part it belongs to), so one pass without
looking back decides.
Source: XML Schema 1.0 part 1, 3.4 and 3.8 (as far as DUIS uses them); bounds from the DUIS schema.
"""

from typing import NoReturn

from meterworks.companions.errors import RequestError
from meterworks.companions.gb.duis.table import ElementPart, GroupPart, Structure
from meterworks.companions.gb.duis.value import ValueType
from meterworks.companions.gb.element import Element

__all__ = ["check_element"]

_SHOWN_NAMES_MAX = 8


def check_element(element: Element, structure: Structure | ValueType, path: str = "") -> None:
    """Raise RequestError, which names the path, where an element is not of a structure. path: where it stands."""
    _check(element, structure, f"{path}/{element.name}" if path else element.name)


def _check(element: Element, structure: Structure | ValueType, path: str) -> None:
    if isinstance(structure, ValueType):
        if element.attributes:
            _refuse(path, f"attribute {next(iter(element.attributes))} is not known here")
        _check_text(element, structure, path)
        return
    if structure.is_opaque:
        return
    if element.attributes or structure.attributes:
        _check_attributes(element, structure, path)
    if structure.value is not None:
        _check_text(element, structure.value, path)
        return
    if element.text and (not element.text.isspace() or structure.content is None):
        _refuse(path, "a text stands where elements or nothing may")
    if structure.content is None:
        if element.children:
            _refuse(path, f"{element.children[0].name} stands where nothing may")
        return
    _Children(element, path).check(structure.content)


def _check_text(element: Element, value: ValueType, path: str) -> None:
    if element.children:
        _refuse(path, f"{element.children[0].name} stands where a text is expected")
    if (fault := value.fault(element.text)) is not None:
        _refuse(path, fault)


def _check_attributes(element: Element, structure: Structure, path: str) -> None:
    for name, text in element.attributes.items():
        value = structure.attributes.get(name)
        if value is None:
            _refuse(path, f"attribute {name} is not known here")
        if (fault := value.fault(text)) is not None:
            _refuse(path, f"attribute {name}: {fault}")
    if missing := structure.required - set(element.attributes):
        _refuse(path, f"attribute {min(missing)} is missing")


class _Children:
    """The children of one element, consumed one after the other."""

    __slots__ = ("_at", "_children", "_path")

    def __init__(self, element: Element, path: str) -> None:
        self._children = element.children
        self._path = path
        self._at = 0

    def check(self, content: GroupPart) -> None:
        """Check that all children are what the content says."""
        self._take_group(content)
        if self._at < len(self._children):
            child = self._children[self._at]
            fault = "has no place here, or not at this point"
            if child.name in content.first:
                fault = "stands too often, out of order or beside what excludes it"
            _refuse(self._child_path(child.name), f"{child.name} {fault}")

    def _take_group(self, group: GroupPart) -> None:
        count = 0
        while group.high is None or count < group.high:
            name = self._next()
            if name is None or name not in group.first:
                break
            if group.is_choice:
                self._take(group.first[name])
            else:
                for part in group.parts:
                    self._take(part)
            count += 1
        if count < group.low and not group.may_be_empty:
            self._missing(group)

    def _take(self, part: ElementPart | GroupPart) -> None:
        if isinstance(part, GroupPart):
            self._take_group(part)
            return
        count = 0
        while self._at < len(self._children) and (part.high is None or count < part.high):
            child = self._children[self._at]
            if child.name != part.name:
                break
            count += 1
            self._at += 1
            single = part.high == 1
            _check(child, part.type, f"{self._path}/{part.name}" if single else f"{self._path}/{part.name}[{count}]")
        if count < part.low:
            if count:
                _refuse(self._path, f"{part.name} stands {count} times; at least {part.low} are expected")
            self._missing(part)

    def _missing(self, part: ElementPart | GroupPart) -> NoReturn:
        names = [part.name] if isinstance(part, ElementPart) else sorted(part.first)
        shown = " or ".join(names[:_SHOWN_NAMES_MAX]) + (" or others" if len(names) > _SHOWN_NAMES_MAX else "")
        found = self._next()
        if found is None:
            _refuse(self._path, f"{shown} is missing")
        _refuse(self._child_path(found), f"{found} stands where {shown} is expected")

    def _next(self) -> str | None:
        return self._children[self._at].name if self._at < len(self._children) else None

    def _child_path(self, name: str) -> str:
        """Path of the next child, numbered where it is not the first of its name."""
        number = sum(child.name == name for child in self._children[: self._at]) + 1
        return f"{self._path}/{name}" if number == 1 else f"{self._path}/{name}[{number}]"


def _refuse(path: str, fault: str) -> NoReturn:
    raise RequestError(f"{path}: {fault}", path=path)
