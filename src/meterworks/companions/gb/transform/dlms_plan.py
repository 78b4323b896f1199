"""Plans: the rows of a use case compiled to what its commands ask of each object, and with which data.

Items say which objects there are, in which order, and how their values are built; bindings say where the members come
from. Both are put together once. What no request can change is encoded then, so that a plain read costs a look-up.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import Presence, UseCase, UseCaseItem
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.transform.dlms_binding import ANY_MEMBER, ARRAYS, WINDOW, Binding
from meterworks.companions.gb.transform.dlms_path import ElementPath, index_of
from meterworks.companions.gb.transform.dlms_scope import Encoder, Scope
from meterworks.companions.gb.transform.dlms_shape import CONDITIONS, SHAPES, protection, restriction, selection
from meterworks.companions.gb.transform.dlms_wire import Wire
from meterworks.protocols.dlms import (
    AccessKind,
    AttributeAddress,
    MethodAddress,
    ObisCode,
    encode_array,
    encode_integer,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
)

__all__ = ["ObjectPlan", "compile_use_case"]

PLACE: Final = re.compile(r"[\w-]+(?:\[[^\]]*\])?")
SEGMENT: Final = re.compile(r"([\w-]+)(?:\[(?:(\d+)\.\.(\d+)|(\d+))\])?")
DATA_PROTECTION: Final = 30  # COSEM class
LOG: Final = 7  # profile generic
PARAMETERS: Final = "data"  # what a method is given, where its rows name both the method and that
Part = bytes | Encoder  # what every command has alike, or what a request makes


@dataclass(frozen=True, slots=True)
class ObjectPlan:
    """One object in a command. head: its specification up to the selection. is_present: None where it always is."""

    head: bytes
    selection: Encoder | None
    data: Part
    is_present: Callable[[Scope], bool] | None

    def specification(self, scope: Scope) -> bytes:
        """What is asked of the object."""
        return self.head if self.selection is None else self.head + self.selection(scope)

    def value(self, scope: Scope) -> bytes:
        """The data that go with it."""
        return self.data if isinstance(self.data, bytes) else self.data(scope)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The bindings of one use case."""

    bindings: Sequence[Binding]

    def find(self, item: UseCaseItem, member: str, shapes: Iterable[str]) -> Binding | None:
        return next((row for row in self.bindings if row.shape in shapes and row.fits(item, member)), None)

    def values(self, item: UseCaseItem, member: str) -> Binding | None:
        return self.find(item, member, (*SHAPES, *ARRAYS))


def compile_use_case(
    case: UseCase, items: Sequence[UseCaseItem], bindings: Sequence[Binding]
) -> tuple[ObjectPlan, ...]:
    """The objects of a use case's commands, in their order. Raises CatalogueError where a member has no source."""
    rules = _Rules(bindings)
    objects = [list(rows) for _, rows in groupby(items, lambda i: (i.class_id, i.obis, i.is_method, i.index))]
    guards = [rows for rows in objects if rows[0].class_id == DATA_PROTECTION]
    if guards:
        guarded = [rows for rows in objects if rows[0].class_id != DATA_PROTECTION]
        return tuple(_guard(rows, guarded, rules) for rows in guards)
    return tuple(_object(case, rows, rules) for rows in objects)


def _object(case: UseCase, rows: list[UseCaseItem], rules: _Rules) -> ObjectPlan:
    first = rows[0]
    members = _members(rows)
    is_written = first.is_method or _is_written(case, members, rules)
    window = None if is_written else rules.find(first, ANY_MEMBER, (WINDOW,))
    kind = AccessKind.GET if window is None else AccessKind.GET_WITH_SELECTION
    data: Part = encode_null()
    if is_written:
        kind = AccessKind.ACTION if first.is_method else AccessKind.SET
        data = _Tree(rules).value(members)
    address = (MethodAddress if first.is_method else AttributeAddress)(
        first.class_id, ObisCode(first.obis), first.index
    )
    return ObjectPlan(
        head=bytes((kind,)) + address.to_bytes(),
        selection=None if window is None else selection(window.path),
        data=data,
        is_present=_presence(first, members, rules),
    )


def _members(rows: list[UseCaseItem]) -> list[tuple[tuple[str, ...], UseCaseItem]]:
    """The members of an object's value with their places. Rows that only name the object say nothing of it."""
    typed = [row for row in rows if row.type and row.member]
    if any(row.member == PARAMETERS for row in typed):
        typed = [row for row in typed if row.member == PARAMETERS]
    if any(row.type == "null" for row in typed):  # a method that is given nothing; its other rows are what it answers
        typed = [row for row in typed if row.type == "null"]
    return [(tuple(PLACE.findall(row.member)), row) for row in typed]


def _is_written(case: UseCase, members: list[tuple[tuple[str, ...], UseCaseItem]], rules: _Rules) -> bool:
    if any(rules.values(item, name) for places, item in members for name in _names(places)):
        return True
    return bool(case.changes) and all(item.constant for _, item in members)


def _names(places: tuple[str, ...]) -> list[str]:
    """The names by which rows may bind the values around a member, and it."""
    return [_name(place) for place in places] + [places[0]]


def _name(place: str) -> str:
    match = SEGMENT.fullmatch(place)
    if match is None:
        raise CatalogueError(f"{place!r} is no place in a value")
    return match[1]


def _presence(
    item: UseCaseItem, members: list[tuple[tuple[str, ...], UseCaseItem]], rules: _Rules
) -> Callable[[Scope], bool] | None:
    condition = rules.find(item, ANY_MEMBER, CONDITIONS)
    if condition is not None:
        return CONDITIONS[condition.shape](condition.path, condition.argument)
    binding = rules.values(item, _name(members[0][0][-1])) if members else None
    if item.presence is Presence.OPTIONAL and binding is not None:
        return CONDITIONS["present"](binding.path, "")
    return None


class _Tree:
    """Builds the encoder of a value from the places of its members."""

    def __init__(self, rules: _Rules) -> None:
        self._rules = rules

    def value(self, members: list[tuple[tuple[str, ...], UseCaseItem]]) -> Part:
        """The encoder of a whole value."""
        places = {places[0] for places, _ in members}
        if len(places) > 1:  # fixed places of an array: thresholds[1], thresholds[2]
            return _joined(encode_array, [self._leaf(item, places[0]) for places, item in members])
        return self._node(members)

    def _node(self, members: list[tuple[tuple[str, ...], UseCaseItem]]) -> Part:
        (place, *_), item = members[0]
        match = SEGMENT.fullmatch(place)
        if match is None:
            raise CatalogueError(f"{item.use_case}, {item.item}: {place!r} is no place in a value")
        binding = self._rules.values(item, match[1])
        if binding is not None and binding.shape in SHAPES:
            return SHAPES[binding.shape](binding.path, binding.argument, Wire.of(item))
        inner = [(places[1:], row) for places, row in members]
        if not inner[0][0]:
            return self._leaf(item, match[1])
        if match[2] is None:
            return self._structure(inner)
        return self._array(inner, binding, (int(match[2]), int(match[3])), item)

    def _leaf(self, item: UseCaseItem, name: str) -> Part:
        binding = self._rules.values(item, name)
        if binding is not None and binding.shape in SHAPES:
            return SHAPES[binding.shape](binding.path, binding.argument, Wire.of(item))
        if item.type == "null":
            return encode_null()
        if not item.constant:
            raise CatalogueError(f"{item.use_case}, {item.item}: no row says where {name} comes from")
        return Wire.of(item).constant(item.constant)

    def _structure(self, members: list[tuple[tuple[str, ...], UseCaseItem]]) -> Part:
        fields = [list(rows) for _, rows in groupby(members, lambda member: member[0][0])]
        return _joined(lambda parts: encode_structure(*parts), [self._node(rows) for rows in fields])

    def _array(
        self,
        inner: list[tuple[tuple[str, ...], UseCaseItem]],
        binding: Binding | None,
        bounds: tuple[int, int],
        item: UseCaseItem,
    ) -> Part:
        # An entry is a value ("threshold") or a structure, whose name stands before those of its fields.
        is_plain = len(inner[0][0]) == 1
        entry = self._node(inner) if is_plain else self._structure([(places[1:], row) for places, row in inner])
        if binding is None:
            if bounds != (1, 1):
                raise CatalogueError(f"{item.use_case}, {item.item}: no row says where the entries come from")
            return _joined(encode_array, [entry])
        return _entries(entry, binding, bounds)


def _entries(entry: Part, binding: Binding, bounds: tuple[int, int]) -> Encoder:
    path, in_order, (least, most) = binding.path, binding.shape == ARRAYS[1], bounds

    def encode(scope: Scope) -> bytes:
        elements = path.all(scope.element)
        if not least <= len(elements) <= most:
            where = f"{scope.element.name}/{path.text}"
            raise TransformError(
                f"{where} stands {len(elements)} times in the request; {least}..{most} times expected",
                path=where, value=str(len(elements)), expected=f"{least}..{most} elements",
            )  # fmt: skip
        if in_order:
            elements = _in_order(elements, path)
        if isinstance(entry, bytes):
            return encode_array([entry] * len(elements))
        return encode_array(entry(scope.inside(element, at)) for at, element in enumerate(elements, start=1))

    return encode


def _in_order(elements: list[Element], path: ElementPath) -> list[Element]:
    """By index, which has to run from 1 without a gap: the place in an array says the rest."""
    ordered = sorted(elements, key=index_of)
    if [index_of(element) for element in ordered] != list(range(1, len(ordered) + 1)):
        raise TransformError(
            f"the indices of {path.text} do not run from 1 without a gap",
            path=path.text, value=" ".join(str(index_of(element)) for element in ordered), expected="1, 2, 3 and so on",
        )  # fmt: skip
    return ordered


def _joined(join: Callable[[list[bytes]], bytes], parts: list[Part]) -> Part:
    """Parts put together: at once where no request can change them."""
    if all(isinstance(part, bytes) for part in parts):
        return join([part for part in parts if isinstance(part, bytes)])
    return lambda scope: join([part if isinstance(part, bytes) else part(scope) for part in parts])


def _guard(rows: list[UseCaseItem], guarded: list[list[UseCaseItem]], rules: _Rules) -> ObjectPlan:
    """A read of sensitive data: by the method of a data protection object, which is told what to read and for whom."""
    guard = rows[0]
    address = MethodAddress(guard.class_id, ObisCode(guard.obis), guard.index)
    targets = [_target(items[0], rules) for items in guarded]

    def encode(scope: Scope) -> bytes:
        objects = encode_array(target(scope) for target in targets)
        return encode_structure(objects, protection(scope))

    return ObjectPlan(bytes((AccessKind.ACTION,)) + address.to_bytes(), None, encode, None)


def _target(item: UseCaseItem, rules: _Rules) -> Encoder:
    window = rules.find(item, ANY_MEMBER, (WINDOW,)) if item.class_id == LOG else None
    restricted = restriction(None if window is None else window.path)
    parts = (
        encode_long_unsigned(item.class_id),
        encode_octet_string(bytes(ObisCode(item.obis))),
        encode_integer(item.index),
        encode_long_unsigned(0),
    )
    return lambda scope: encode_structure(*parts, restricted(scope))
