"""What the parts of a value are called, and how their octets are best told.

The tables of use cases write the members of an attribute as paths: `buffer[1..12].entry.timestamp` is a field
`timestamp` of each structure `entry` in the array `buffer`. A schema is the tree of all paths of one attribute; it
names what a device sent and never refuses it.
Source: GBCS use case tables (mapping of items to COSEM attributes).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from meterworks.catalogue.gb import Presence, UseCaseItem

__all__ = ["NOTHING_KNOWN", "Field", "Schema", "fields_of", "named", "schema_of"]

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_STEP: Final = re.compile(r"\.(?![^\[]*\])")  # a point outside of brackets
_RANGE: Final = re.compile(r"\[([^\[\]]*)\]")
_HINTS_BY_SIZE: Final = {("octet-string", 12): "date-time", ("octet-string", 5): "date"}
_HINTS_BY_NAME: Final = {
    **dict.fromkeys(("start_time", "switch_time"), "time"),
    **dict.fromkeys(("timestamp", "boost_start", "boost_end"), "seconds"),
    **dict.fromkeys(("season_profile_name",), "text"),
    **dict.fromkeys(("logical_name", "script_logical_name"), "logical-name"),
    **dict.fromkeys(("mac_address", "ieee_address", "extended_pan_id"), "eui"),
}


@dataclass(frozen=True, slots=True)
class Schema:
    """A leaf (hint: how its octets are told), a structure (fields) or an array (element)."""

    hint: str = ""
    fields: tuple["Field", ...] = ()
    element: "Schema | None" = None

    def names(self, count: int) -> tuple["Field", ...]:
        """The fields of a structure of so many parts; none where it is another one than the tables say."""
        for fields in (self.fields, tuple(field for field in self.fields if not field.is_optional)):
            if len(fields) == count:
                return fields
        return ()


@dataclass(frozen=True, slots=True)
class Field:
    """A named part of a structure. is_optional: some devices leave it out."""

    name: str
    schema: Schema
    is_optional: bool = False


NOTHING_KNOWN: Final = Schema()


@cache
def named(text: str) -> str:
    """A name of the tables in plain form: `DailyReadLog(excExport)` becomes `daily_read_log_exc_export`."""
    spans = _RANGE.sub(lambda match: f" {match[1]} " if match[1].isdigit() else " ", text)
    return "_".join(_WORD.findall(spans)).lower()


def schema_of(items: Iterable[UseCaseItem]) -> Schema:
    """The schema of an attribute, or of what a method gives: of its items, in their order."""
    return _of_steps([(_STEP.split(item.member), item) for item in items])


def fields_of(items: Iterable[UseCaseItem]) -> tuple["Field", ...]:
    """The fields of a structure whose parts are the roots of the items' paths: the content of an alert."""
    return _fields([(_STEP.split(item.member), item) for item in items])


_Path = tuple[Sequence[str], UseCaseItem]


def _of_steps(paths: Sequence[_Path]) -> Schema:
    """The schema of what the first step of every path names."""
    (first, *rest), item = paths[0]
    below = [(steps[1:], each) for steps, each in paths if len(steps) > 1]
    if "[" in first:
        return Schema(element=_of_element(below) if below else Schema(_hint("", item)))
    return Schema(fields=_fields(below)) if rest else Schema(_hint(first, item))


def _of_element(paths: Sequence[_Path]) -> Schema:
    """The schema of an array's elements: their label comes first, then their fields."""
    below = [(steps[1:], each) for steps, each in paths if len(steps) > 1]
    (label, *_), item = paths[0]
    return Schema(fields=_fields(below)) if below else Schema(_hint(label, item))


def _fields(paths: Sequence[_Path]) -> tuple[Field, ...]:
    groups: dict[str, list[_Path]] = {}
    for path in paths:
        groups.setdefault(path[0][0], []).append(path)
    return tuple(
        Field(named(_RANGE.sub("", step)), _of_steps(group), group[0][1].presence is not Presence.ALWAYS)
        for step, group in groups.items()
    )


def _hint(step: str, item: UseCaseItem) -> str:
    return _HINTS_BY_NAME.get(named(step), "") or _HINTS_BY_SIZE.get((item.type, item.size_max or 0), "")
