"""Lawful documents at random, made of the table: every body and every branch, also those that no example shows."""

import random
from decimal import Decimal

from meterworks.companions.gb import Element
from meterworks.companions.gb.duis import Structure, Table, ValueType

EUI = "00-DB-12-34-56-78-90-A0"
TEXTS = {
    "boolean": ("true", "false", "1", "0"),
    "date": ("2030-01-31", "2028-02-29Z", "65535-04-29Z"),
    "time": ("00:00:00Z", "23:59:59.5", "24:00:00"),
    "date-time": ("2030-01-31T10:00:00.00Z", "2030-01-31T10:00:00+01:00"),
    "eui": (EUI, EUI.lower()),
    "eui-list": (EUI, f"{EUI},{EUI}"),
    "request-id": (f"{EUI}:{EUI}:0", f"{EUI}:{EUI}:18446744073709551615"),
    "base64": ("", "QUJD", "QQ=="),
    "hex": ("", "8F66", "8f66", "ab" * 16, "AB" * 32, "00" * 6),
    "text": ("x", "A b-c", "", "1234", "1" * 13, "1" * 20, "plain", "gbcs", "SW1A 1AA"),
    "token": ("x",),
}
LONG = 400
NAME_SPACE = "http://www.w3.org/2000/09/xmldsig#"


def any_text(kind: ValueType, chance: random.Random) -> str:
    """A text that the schema allows for a type of values."""
    if kind.choices:
        return chance.choice(kind.choices)
    if kind.kind in ("integer", "decimal"):
        low = kind.low if kind.low is not None else Decimal(-9)
        high = kind.high if kind.high is not None else low + 20
        return str(chance.choice((low, high, (low + high) // 2)))
    long = "x" * min(kind.longest or 1, LONG)  # a firmware image may have 10 MB
    return chance.choice([text for text in (*TEXTS[kind.kind], long) if kind.fault(text) is None])


def any_element(name: str, structure: Structure | ValueType, chance: random.Random) -> Element:
    """An element of a structure."""
    if isinstance(structure, ValueType):
        return Element(name, any_text(structure, chance))
    if structure.is_opaque:
        return any_signature()
    attributes = {
        key: any_text(kind, chance)
        for key, kind in structure.attributes.items()
        if key in structure.required or chance.random() < 0.5
    }
    if structure.value is not None:
        return Element(name, any_text(structure.value, chance), (), attributes)
    children = [] if structure.content is None else any_part(structure.content, chance)
    return Element(name, "", tuple(children), attributes)


def any_part(part, chance: random.Random) -> list[Element]:
    """Elements for one part of a content, as often as it may stand, but not much more often than it must."""
    most = part.low + 1 if part.high is None else min(part.high, part.low + 1)
    elements: list[Element] = []
    for _ in range(chance.randint(part.low, most)):
        if not hasattr(part, "parts"):
            elements.append(any_element(part.name, part.type, chance))
        else:
            for inner in [chance.choice(part.parts)] if part.is_choice else part.parts:
                elements += any_part(inner, chance)
    return elements


def any_signature() -> Element:
    """A signature that signs nothing; the schema asks no more."""
    algorithm = {"Algorithm": f"{NAME_SPACE}x"}
    reference = Element(
        "ds:Reference",
        children=(Element("ds:DigestMethod", attributes=algorithm), Element("ds:DigestValue", "QUJD")),
    )
    names = ("ds:CanonicalizationMethod", "ds:SignatureMethod")
    methods = tuple(Element(name, attributes=algorithm) for name in names)
    signed = Element("ds:SignedInfo", children=(*methods, reference))
    return Element("ds:Signature", children=(signed, Element("ds:SignatureValue", "QUJD")))


def any_request(table: Table, body: str, chance: random.Random) -> Element:
    """The root of a request with a certain body. What only the catalogue knows is right only by accident."""
    root = any_element("Request", table.request, chance)
    header = root.children[0]
    return Element(
        "Request",
        children=(header, Element("Body", children=(any_element(body, table.bodies[body], chance),))),
        attributes={"schemaVersion": "5.4"},
    )


def any_response(table: Table, body: str, chance: random.Random) -> Element:
    """The root of a response with a certain body."""
    root = any_element("Response", table.response, chance)
    part = next(part for part in table.structures["Response.Body"].elements if part.name == body)
    return Element(
        "Response",
        children=(root.children[0], Element("Body", children=(any_element(body, part.type, chance),))),
        attributes={"schemaVersion": "5.4"},
    )
