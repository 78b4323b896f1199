"""The JSON form as an OpenAPI 3.1 description, made of the table.

The description is never stricter than the table and mostly as strict: number of digits behind a point, octets of base64
and which attribute values repeat are left to the table.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from meterworks.companions.gb.duis.json_form import VALUE, VERSION
from meterworks.companions.gb.duis.table import ElementPart, GroupPart, Part, Structure, Table, load_table
from meterworks.companions.gb.duis.value import ValueType

__all__ = ["openapi_components"]

JsonSchema = dict[str, Any]
REFERENCE: Final = "#/components/schemas/"
_EUI: Final = "[A-Fa-f0-9]{2}(-[A-Fa-f0-9]{2}){7}"
_DAY: Final = "-?[0-9]{4,9}-[0-9]{2}-[0-9]{2}"
_CLOCK: Final = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
_ZONE: Final = "(Z|[+-][0-9]{2}:[0-9]{2})?"
_PATTERNS: Final = {
    "date": f"^{_DAY}{_ZONE}$",
    "time": f"^{_CLOCK}{_ZONE}$",
    "date-time": f"^{_DAY}T{_CLOCK}{_ZONE}$",
    "hex": "^([0-9A-Fa-f]{2})*$",
    "eui": f"^{_EUI}$",
    "eui-list": f"^{_EUI}(,{_EUI})*$",
    "request-id": f"^{_EUI}:{_EUI}:(0|[1-9][0-9]{{0,19}})$",
}


def openapi_components(table: Table | None = None) -> JsonSchema:
    """The `components` of an OpenAPI 3.1 document: a schema per structure and value type, `Request` and `Response`."""
    table = table or load_table()
    schemas = {_component(name): _value_schema(value) for name, value in table.values.items()}
    schemas |= {_component(name): _structure_schema(one) for name, one in table.structures.items()}
    schemas[_component("ds:Signature")] = {"type": "string", "description": "An XML signature, as XML."}
    for root in (table.request, table.response):
        version = {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3})?$", "examples": ["5.4"]}
        schemas[root.name]["properties"][VERSION] = version
    return {"schemas": dict(sorted(schemas.items()))}


def _component(name: str) -> str:
    return name.replace(":", "-")


def _reference(kind: Structure | ValueType) -> JsonSchema:
    return {"$ref": REFERENCE + _component(kind.name)}


def _value_schema(value: ValueType) -> JsonSchema:
    if value.kind == "boolean":
        return {"type": "boolean"}
    if value.kind in ("integer", "decimal"):
        return _number_schema(value)
    if value.choices:
        return {"type": "string"} if value.kind == "hex" else {"type": "string", "enum": list(value.choices)}
    if value.kind == "base64":
        return {"type": "string", "contentEncoding": "base64"}
    schema: JsonSchema = {"type": "string"}
    if value.pattern is not None:
        schema["pattern"] = f"^(?:{value.pattern.pattern})$"
    elif value.kind in _PATTERNS:
        schema["pattern"] = _PATTERNS[value.kind]
    size = 2 if value.kind == "hex" else 1
    if value.shortest:
        schema["minLength"] = size * value.shortest
    if value.longest is not None:
        schema["maxLength"] = size * value.longest
    return schema


def _number_schema(value: ValueType) -> JsonSchema:
    schema: JsonSchema = {"type": "integer" if value.kind == "integer" else ["number", "string"]}
    for key, bound in (("minimum", value.low), ("maximum", value.high)):
        if bound is not None:
            schema[key] = int(bound) if bound == int(bound) else float(bound)
    return schema | ({"enum": [int(one) for one in value.choices]} if value.choices else {})


def _structure_schema(structure: Structure) -> JsonSchema:
    properties = {name: _reference(kind) for name, kind in structure.attributes.items()}
    required = sorted(structure.required)
    if structure.value is not None:
        properties[VALUE] = _reference(structure.value)
        required.append(VALUE)
    for part in structure.elements:
        properties[part.name] = _property(part)
    schema: JsonSchema = {"type": "object", "properties": properties, "additionalProperties": False}
    content = structure.content
    if content is not None and _is_plain_choice(content) and not structure.attributes:
        schema |= {"minProperties": content.low, "maxProperties": 1}
    elif content is not None:
        needed, rules = _rules(content)
        required += needed
        schema |= {"allOf": rules} if rules else {}
    return schema | ({"required": required} if required else {})


def _property(part: ElementPart) -> JsonSchema:
    if part.high == 1:
        return _reference(part.type)
    bounds = {"minItems": part.low} | ({"maxItems": part.high} if part.high is not None else {})
    return {"type": "array", "items": _reference(part.type), **bounds}


def _is_plain_choice(group: GroupPart) -> bool:
    return group.is_choice and group.high == 1 and all(isinstance(part, ElementPart) for part in group.parts)


def _rules(part: Part) -> tuple[list[str], list[JsonSchema]]:
    """What a part of a content demands: names that stand always, and further rules."""
    if isinstance(part, ElementPart):
        return ([part.name] if part.low else []), []
    if part.high != 1:
        return [], []
    if part.is_choice:
        return [], [{"anyOf": _alternatives(part)}]
    names: list[str] = []
    rules: list[JsonSchema] = []
    for inner in part.parts:
        needed, more = _rules(inner)
        names += needed
        rules += more
    if part.low:
        return names, rules
    return [], [{"anyOf": [_all_of(names, rules, []), _all_of([], [], list(_names(part)))]}]


def _alternatives(choice: GroupPart) -> list[JsonSchema]:
    everything = list(_names(choice))
    found = []
    for part in choice.parts:
        names, rules = _rules(part)
        own = set(_names(part))
        found.append(_all_of(names, rules, [name for name in everything if name not in own]))
    return found if choice.low else [*found, _all_of([], [], everything)]


def _all_of(present: Sequence[str], rules: Sequence[JsonSchema], absent: Sequence[str]) -> JsonSchema:
    schema: JsonSchema = {"required": list(present)} if present else {}
    if absent:
        schema["properties"] = dict.fromkeys(absent, False)
    return schema | ({"allOf": list(rules)} if rules else {})


def _names(part: Part) -> Iterator[str]:
    if isinstance(part, ElementPart):
        yield part.name
    else:
        for inner in part.parts:
            yield from _names(inner)
