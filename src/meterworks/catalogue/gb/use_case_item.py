"""Items of use cases: the objects each use case reads, writes or invokes, in the order of its commands.

One row a member of an object's value. COSEM rows name class, object and attribute or method, the place of the member in
the value ("season_profile_passive[1..4].season.week_name": the field of a structure in an array), its type with the
largest size of a string, and its value where every command carries the same. ZigBee rows name cluster and commands.
Source: GBCS mapping tables, as collected in the fact tables; rows that are not verified belong to use cases of older
issues, and were read off reference messages.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb.table_file import Cells, load_table, truth
from meterworks.catalogue.gb.use_case_choice import PayloadKind

__all__ = ["Presence", "UseCaseItem", "load_use_case_items"]

COLUMNS = (
    *("use_case", "order", "item", "protocol", "class_id", "obis", "access", "index", "member", "type", "presence"),
    *("constant", "cluster", "command", "response", "verified"),
)
TYPES: Final = frozenset(
    "array bit-string boolean double-long double-long-unsigned enum exceptional integer long long-unsigned null "
    "octet-string structure unsigned utf8-string visible-string".split()
)
TYPE: Final = re.compile(r"([a-z0-9-]+)(?:\((\d+)\))?")
CONSTANT: Final = re.compile(r"-?\d+|0x(?:[0-9A-F]{2})*|0b[01]*|true|false")


class Presence(StrEnum):
    """Whether a command carries an item at all."""

    ALWAYS = ""
    OPTIONAL = "optional"  # where the request says so
    TWIN = "twin"  # on meters with two elements


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCaseItem:
    """One member of one object in a use case.

    class_id to index: of COSEM; 0 and empty for ZigBee. type: empty where the whole object is meant, or exceptional
    where the standard describes it in prose. size_max: octets, characters or bits of a string, None elsewhere.
    constant: a number, 0x octets, 0b bits, true or false; empty where commands differ.
    """

    use_case: str
    order: int
    item: str
    protocol: PayloadKind
    class_id: int
    obis: str
    is_method: bool
    index: int
    member: str
    type: str
    size_max: int | None
    presence: Presence
    constant: str
    cluster: str
    command: str
    response: str
    verified: bool


def load_use_case_items(additions: Sequence[Path] = ()) -> Mapping[str, tuple[UseCaseItem, ...]]:
    """The items by name of the use case, in their order. additions: folders of makers. Raises CatalogueError."""
    table = load_table(
        "use_case_items.csv", COLUMNS, _read, lambda row: f"item {row.order} of {row.use_case}", additions
    )
    items: dict[str, list[UseCaseItem]] = {}
    for row in table.values():
        items.setdefault(row.use_case, []).append(row)
    return {name: tuple(sorted(rows, key=lambda row: row.order)) for name, rows in items.items()}


def _read(cells: Cells) -> UseCaseItem:
    protocol, verified = PayloadKind(cells["protocol"]), truth(cells["verified"])
    is_cosem = protocol is PayloadKind.DLMS
    kind, size_max = _type(cells["type"]) if is_cosem else (cells["type"], None)
    if verified is None or not cells["use_case"] or not cells["item"]:
        raise CatalogueError("an item has a use case and a name, and verified is yes or no")
    if is_cosem and cells["access"] not in ("attribute", "method"):
        raise CatalogueError("an item of COSEM is of an attribute or a method")
    if cells["constant"] and CONSTANT.fullmatch(cells["constant"]) is None:
        raise CatalogueError(f"constant {cells['constant']!r} is neither number, 0x octets, 0b bits, true nor false")
    return UseCaseItem(
        use_case=cells["use_case"],
        order=int(cells["order"]),
        item=cells["item"],
        protocol=protocol,
        class_id=int(cells["class_id"] or 0),
        obis=cells["obis"],
        is_method=cells["access"] == "method",
        index=int(cells["index"] or 0),
        member=cells["member"],
        type=kind,
        size_max=size_max,
        presence=Presence(cells["presence"]),
        constant=cells["constant"],
        cluster=cells["cluster"],
        command=cells["command"],
        response=cells["response"],
        verified=verified,
    )


def _type(cell: str) -> tuple[str, int | None]:
    if not cell:
        return "", None
    match = TYPE.fullmatch(cell)
    if match is None or match[1] not in TYPES:
        raise CatalogueError(f"type {cell!r} is none of {', '.join(sorted(TYPES))}, with or without a size")
    return match[1], None if match[2] is None else int(match[2])
