"""Names of what devices answer about: the objects of each use case in the order in which a command asks them.

A response repeats none of its command's specifications. Where the command is not at hand, the use case says what was
asked; some of its items are optional, so names are given only where one way of giving them is possible.
Source: GBCS use case tables (mapping of items to COSEM attributes and methods).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from types import MappingProxyType
from typing import Final

from meterworks.catalogue.gb import UseCaseItem, load_use_case_items, load_use_cases
from meterworks.companions.gb.result.schema import NOTHING_KNOWN, Field, Schema, fields_of, named, schema_of
from meterworks.protocols import EncodeError
from meterworks.protocols.dlms import AccessKind, AccessSpecification, AttributeAddress, MethodAddress, ObisCode, Tag
from meterworks.protocols.dlms.cosem import CLASSES

__all__ = ["Asked", "alert_fields", "asked_by", "asked_of", "asked_one", "protected_schema", "unique"]

EXTENDED_DATA: Final = 9000  # class of GBCS's own
_EXTENDED_DATA: Final = MappingProxyType(
    {2: "value_active", 3: "scaler_active", 4: "value_passive", 5: "scaler_passive", 6: "activation_time"}
)
_COMMAND_ONLY: Final = "range_descriptor"  # a log's window
_CONTENT_BY_OBJECT: Final = frozenset({"CS14"})  # alerts whose content the tables name as what a method gives
_OBJECT_HINTS: Final = MappingProxyType({  # how a string is told that is all an object holds
    **dict.fromkeys(
        ("ch_manufacturer_identifier", "contact_details", "manufacturer_identifier", "meter_variant",
         "meter_point_administration_number_combined_mpans", "meter_point_administration_number_export_mpan",
         "model_type_comms_hub", "model_type_smart_meter", "prepayment_credit", "supplier_message"), "text"),
    **dict.fromkeys(("device_identifier", "device_identifier_chf"), "eui"),
    **{f"{name}_{number}": "eui" for name in ("switch_identity", "auxiliary_controller") for number in range(1, 6)},
})  # fmt: skip
DATA_PROTECTION: Final = 30  # class whose method gives attributes encrypted for one reader
_TYPES: Final = {tag.name.lower().replace("_", "-"): tag for tag in Tag}
_ARRAYS: Final = (Tag.ARRAY, Tag.COMPACT_ARRAY)


@dataclass(frozen=True, slots=True)
class Asked:
    """An attribute or a method that a command asks for: its name, its address in words, and what its values are."""

    name: str
    place: str
    is_method: bool
    schema: Schema
    tags: tuple[Tag, ...] = ()  # of its values, where the tables say

    def fits(self, kind: int, tag: Tag) -> bool:
        """Whether a result of a kind (1 get, 2 set, 3 action) with data of a tag may be its answer."""
        if self.is_method != (kind == AccessKind.ACTION):
            return False
        return tag is Tag.NULL or kind != AccessKind.GET or not self.tags or tag in self.tags


_Key = tuple[int, ObisCode, bool, int]


@cache
def _use_cases() -> Mapping[int, str]:
    return {code: row.use_case for code, row in load_use_cases().items()}


@cache
def _items() -> Mapping[str, Sequence[UseCaseItem]]:
    return load_use_case_items()


@cache
def _asked_in(message_code: int) -> tuple[tuple[_Key, Asked], ...]:
    """What a use case asks for, one entry for each run of items of one attribute or method."""
    items = _items().get(_use_cases().get(message_code, ""), ())
    rows = [(key, item) for item in items if (key := _key(item)) is not None]
    runs = [(key, [item for _, item in run]) for key, run in groupby(rows, key=lambda row: row[0])]
    asked = [(key, _asked(key, run)) for key, run in runs]
    keys: dict[str, set[_Key]] = {}
    for key, each in asked:
        keys.setdefault(each.name, set()).add(key)
    return tuple(
        (key, _told_apart(each, run) if len(keys[each.name]) > 1 else each)
        for (key, each), (_, run) in zip(asked, runs, strict=True)
    )


def _told_apart(asked: Asked, items: Sequence[UseCaseItem]) -> Asked:
    """Objects of one name in a use case are told apart by what the tables call their one part."""
    part = named(items[0].item.partition(":")[2])
    return replace(asked, name=f"{asked.name.partition('.')[0]}.{part}") if len(items) == 1 and part else asked


def _key(item: UseCaseItem) -> _Key | None:
    """The address of an item; None for one of gas, or of an alert's content."""
    try:
        return (item.class_id, ObisCode(item.obis), item.is_method, item.index) if item.class_id else None
    except EncodeError:
        return None


def _asked(key: _Key, items: Sequence[UseCaseItem]) -> Asked:
    told = [item for item in items if item.member and not item.member.startswith(_COMMAND_ONLY)]
    schema = schema_of(told) if told else NOTHING_KNOWN
    objects = [named(item.item.partition(":")[0].partition(" - ")[0]) for item in items]
    if schema == NOTHING_KNOWN:
        schema = Schema(_OBJECT_HINTS.get(objects[0], ""))
    root = told[0].member.partition(".")[0].partition("[")[0] if told else ""
    part = _part(key) or named(root) or f"{'method' if key[2] else 'attribute'}_{key[3]}"
    return Asked(f"{_shared(objects)}.{part}", _place(key), key[2], schema, _tags(schema, told))


def _part(key: _Key) -> str:
    """The name of an attribute or method by its class; empty where the class is not known."""
    class_id, _, is_method, number = key
    if class_id == EXTENDED_DATA and not is_method:
        return _EXTENDED_DATA.get(number, "")
    versions = [version for known, version in CLASSES if known == class_id]
    if not versions:
        return ""
    row = CLASSES[class_id, max(versions)]
    parts = row.methods if is_method else row.attributes
    return next((part.name for part in parts if part.number == number), "")


def _shared(names: Sequence[str]) -> str:
    """The one name, or the words with which all of several end."""
    words = [name.split("_") for name in names]
    size = 0
    while size < min(map(len, words)) and len({tuple(each[-size - 1 :]) for each in words}) == 1:
        size += 1
    return "_".join(words[0][-size:]) if size else names[0]


def _tags(schema: Schema, items: Sequence[UseCaseItem]) -> tuple[Tag, ...]:
    if schema.element is not None:
        return _ARRAYS
    if schema.fields:
        return (Tag.STRUCTURE,)
    tag = _TYPES.get(items[0].type) if items else None
    return () if tag is None else (tag,)


def _place(key: _Key) -> str:
    class_id, obis_code, is_method, number = key
    return f"{class_id}/{obis_code.text}/{'m' if is_method else 'a'}{number}"


def _of_address(address: AttributeAddress | MethodAddress) -> _Key:
    is_method = isinstance(address, MethodAddress)
    number = address.method if isinstance(address, MethodAddress) else address.attribute
    return address.class_id, address.obis_code, is_method, number


@cache
def _asked_at(message_code: int) -> Mapping[_Key, Asked]:
    """The items of a use case by their address; of one that stands twice, the first."""
    return dict(reversed(_asked_in(message_code)))


def asked_one(message_code: int, address: AttributeAddress | MethodAddress) -> Asked:
    """The name of an attribute or method of a use case; its address where the use case does not know it."""
    key = _of_address(address)
    asked = _asked_at(message_code).get(key)
    if asked is not None:
        return asked
    class_id, obis_code, is_method, number = key
    name = f"class_{class_id}_{'_'.join(map(str, obis_code))}.{'method' if is_method else 'attribute'}_{number}"
    return Asked(name, _place(key), is_method, NOTHING_KNOWN)


def asked_by(message_code: int, specifications: Sequence[AccessSpecification]) -> tuple[Asked, ...]:
    """What a command asks for, by its own specifications."""
    return tuple(asked_one(message_code, specification.address) for specification in specifications)


def asked_of(message_code: int, results: Sequence[tuple[int, Tag]]) -> tuple[Asked | None, ...]:
    """What a response answers, from its use case alone. results: kind and tag of each. None: it cannot be told."""
    table = _asked_in(message_code)
    if any(key[0] == DATA_PROTECTION for key, _ in table):
        table = tuple((key, asked) for key, asked in table if key[0] == DATA_PROTECTION)
    candidates = [asked for _, asked in table]
    if len(results) > len(candidates):
        return (None,) * len(results)
    return tuple(_aligned(candidates, results))


def _aligned(candidates: Sequence[Asked], results: Sequence[tuple[int, Tag]]) -> Iterator[Asked | None]:
    """Each result's candidate, where every lawful alignment (in order, some candidates left out) has the same one."""
    first, last = _reach(candidates, results), _reach(candidates[::-1], results[::-1])
    if first is None or last is None:
        yield from (None for _ in results)
        return
    for place, early in enumerate(first):
        late = len(candidates) - 1 - last[len(results) - 1 - place]
        yield candidates[early] if early == late else None


def _reach(candidates: Sequence[Asked], results: Sequence[tuple[int, Tag]]) -> list[int] | None:
    """The earliest candidate of each result, None where there is no alignment."""
    found = []
    start = 0
    for kind, tag in results:
        while start < len(candidates) and not candidates[start].fits(kind, tag):
            start += 1
        if start == len(candidates):
            return None
        found.append(start)
        start += 1
    return found


@cache
def protected_schema(message_code: int) -> Schema:
    """What the decrypted part of a sensitive read consists of: the values of the objects that the use case protects."""
    fields = [Field(asked.name, asked.schema) for key, asked in _asked_in(message_code) if key[0] != DATA_PROTECTION]
    return Schema(fields=tuple(fields))


@cache
def alert_fields(message_code: int) -> tuple[Field, ...]:
    """What stands in an alert behind its code and its time, where the tables say."""
    items = _items().get(_use_cases().get(message_code, ""), ())
    is_content = _use_cases().get(message_code) in _CONTENT_BY_OBJECT
    told = [item for item in items if item.member and (is_content or not item.class_id)]
    return fields_of(told)


def unique(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that stand there a second time."""
    seen: dict[str, int] = {}
    told = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        told.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return told
