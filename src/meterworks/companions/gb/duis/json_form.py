"""Requests and responses as JSON, by the same table: for those who do not want XML.

An element is an object with its children and attributes by name; a leaf is a number, a truth or a string; what may
stand several times is always a list; a leaf with attributes is an object whose text is `value`; an empty element is {}.
Names are those of DUIS. What becomes of the form is decided by the table again: a text that is unlawful as XML is
unlawful here, with the same words. Numbers lose signs and noughts that mean nothing (007 is 7), base64 its blanks.
"""

from collections.abc import Mapping
from typing import Final

from meterworks.companions.errors import RequestError
from meterworks.companions.gb.duis.markup import DUIS, MMC, XMLDSIG, element_of, markup_of, parse
from meterworks.companions.gb.duis.request_document import element_of_request, request_of
from meterworks.companions.gb.duis.response import Response, element_of_response, response_of
from meterworks.companions.gb.duis.structure import check_element
from meterworks.companions.gb.duis.table import ElementPart, Structure, load_table
from meterworks.companions.gb.duis.value import JsonValue, ValueType
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.request import Request

__all__ = ["VALUE", "VERSION", "request_from_json", "request_to_json", "response_from_json", "response_to_json"]

VALUE: Final = "value"
VERSION: Final = "schemaVersion"  # a name like 5.10, which as a number would be 5.1
_SPACES: Final[Mapping[str | None, str]] = {"sr": DUIS, "ra": MMC, "ds": XMLDSIG}


def request_to_json(request: Request) -> dict[str, JsonValue]:
    """The JSON form of a request, for any JSON library. Raises RequestError where it is not what the table says."""
    return _root_to_json(element_of_request(request))


def request_from_json(value: JsonValue) -> Request:
    """The request of a JSON form. Raises RequestError, which names the path."""
    return request_of(_root_from_json("Request", value))


def response_to_json(response: Response) -> dict[str, JsonValue]:
    """The JSON form of a response, for any JSON library. Raises RequestError where it is not what the table says."""
    return _root_to_json(element_of_response(response))


def response_from_json(value: JsonValue) -> Response:
    """The response of a JSON form. Raises RequestError, which names the path."""
    return response_of(_root_from_json("Response", value))


def _root_to_json(root: Element) -> dict[str, JsonValue]:
    structure = load_table().structures[root.name]
    check_element(root, structure)
    form = _to_json(root, structure)
    if not isinstance(form, dict):
        raise RequestError(f"{root.name} has no JSON form", path=root.name)
    return {**form, VERSION: root.attributes[VERSION]}


def _root_from_json(name: str, value: JsonValue) -> Element:
    structure = load_table().structures[name]
    version = value.get(VERSION) if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(version, str):
        raise RequestError(f'{name} is an object with a {VERSION} in quotes ("5.4")', path=name)
    rest = {key: one for key, one in value.items() if key != VERSION}
    root = Element(name, children=_children(rest, structure, name), attributes={VERSION: version})
    check_element(root, structure)
    return root


def _to_json(element: Element, structure: Structure | ValueType) -> JsonValue:
    if isinstance(structure, ValueType):
        return structure.to_json(element.text)
    if structure.is_opaque:
        return markup_of(element, _SPACES)
    form: dict[str, JsonValue] = {
        name: structure.attributes[name].to_json(text) for name, text in element.attributes.items()
    }
    if structure.value is not None:
        form[VALUE] = structure.value.to_json(element.text)
    parts = {part.name: part for part in structure.elements}
    for child in element.children:
        part = parts[child.name]
        inner = _to_json(child, part.type)
        if part.high == 1:
            form[child.name] = inner
        elif isinstance(several := form.setdefault(child.name, []), list):
            several.append(inner)
    return form


def _from_json(name: str, value: JsonValue, structure: Structure | ValueType, path: str) -> Element:
    if isinstance(structure, ValueType):
        return Element(name, _text(value, structure, path))
    if structure.is_opaque:
        return _opaque(value, path)
    if not isinstance(value, dict):
        raise RequestError(f"{path}: an object is expected", path=path)
    attributes = {
        key: _text(value[key], kind, f"{path}/{key}") for key, kind in structure.attributes.items() if key in value
    }
    rest = {key: one for key, one in value.items() if key not in attributes}
    text = ""
    if structure.value is not None:
        text = _text(rest.pop(VALUE, None), structure.value, f"{path}/{VALUE}")
    return Element(name, text, _children(rest, structure, path), attributes)


def _children(values: Mapping[str, JsonValue], structure: Structure, path: str) -> tuple[Element, ...]:
    """Children in the table's order; what they may be together, the table's check says afterwards."""
    children: list[Element] = []
    known = 0
    for part in structure.elements:
        if part.name in values:
            known += 1
            children += _several(part, values[part.name], f"{path}/{part.name}")
    if known < len(values):
        unknown = min(set(values) - {part.name for part in structure.elements})
        raise RequestError(f"{path}/{unknown}: {unknown} is not known here", path=f"{path}/{unknown}")
    return tuple(children)


def _several(part: ElementPart, value: JsonValue, path: str) -> list[Element]:
    if part.high == 1:
        return [_from_json(part.name, value, part.type, path)]
    if not isinstance(value, list):
        raise RequestError(f"{path}: a list is expected, of one or more", path=path)
    return [_from_json(part.name, one, part.type, f"{path}[{at}]") for at, one in enumerate(value, 1)]


def _text(value: JsonValue, kind: ValueType, path: str) -> str:
    text = kind.from_json(value)
    if text is None:
        raise RequestError(f"{path}: {kind.json_words} is expected", path=path)
    return text


def _opaque(value: JsonValue, path: str) -> Element:
    if not isinstance(value, str):
        raise RequestError(f"{path}: XML in a string is expected", path=path)
    return element_of(parse(value.encode()))
