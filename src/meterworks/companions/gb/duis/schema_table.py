"""Make our table of DUIS out of a folder with its schema: what the bodies hold, in rows of our own.

The rows are `value_types.csv` (what a text may be) and `structures.csv` (which elements stand in which), as
`table` reads them. When a new version of the schema appears, `compile_table` makes its rows; a test compares
those in the wheel with the schema where that is at hand.
Source: DUIS 5.4 and MMC 5.4 schemas; XML Schema 1.0 parts 1 and 2 (only what these schemas use of it).
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Final

from lxml import etree

from meterworks.companions.errors import SchemaError
from meterworks.companions.gb.duis.table import STRUCTURE_COLUMNS, VALUE_COLUMNS

__all__ = ["compile_table"]

XS: Final = "{http://www.w3.org/2001/XMLSchema}"
FILES: Final = (("DUIS.xsd", ""), ("MMC.xsd", "ra:"))
PREFIXES: Final = MappingProxyType({"sr": "", "ra": "ra:", "ds": "ds:", "xs": "xs:"})
ROOTS: Final = ("Request", "Response")
SIGNATURE: Final = "ds:Signature"
EUI: Final = "-".join(["[A-Fa-f0-9]{2}"] * 8)
COUNTER_END: Final = "1844674407370955161[0-5])"  # of the pattern that spells out the numbers of 64 bits

BUILT_IN: Final[Mapping[str, tuple[str, dict[str, str]]]] = MappingProxyType(
    {
        "string": ("text", {}),
        "token": ("token", {}),
        "boolean": ("boolean", {}),
        "date": ("date", {}),
        "dateTime": ("date-time", {}),
        "time": ("time", {}),
        "hexBinary": ("hex", {}),
        "base64Binary": ("base64", {}),
        "decimal": ("decimal", {}),
        "integer": ("integer", {}),
        "nonNegativeInteger": ("integer", {"low": "0"}),
        "positiveInteger": ("integer", {"low": "1"}),
        "nonPositiveInteger": ("integer", {"high": "0"}),
        "int": ("integer", {"low": str(-(2**31)), "high": str(2**31 - 1)}),
        "short": ("integer", {"low": str(-(2**15)), "high": str(2**15 - 1)}),
        "unsignedInt": ("integer", {"low": "0", "high": str(2**32 - 1)}),
        "unsignedShort": ("integer", {"low": "0", "high": str(2**16 - 1)}),
        "unsignedLong": ("integer", {"low": "0", "high": str(2**64 - 1)}),
    }
)
FACETS: Final = MappingProxyType(
    {
        "minInclusive": "low",
        "maxInclusive": "high",
        "minExclusive": "low",
        "maxExclusive": "high",
        "fractionDigits": "fraction",
        "totalDigits": "digits",
        "minLength": "shortest",
        "maxLength": "longest",
        "pattern": "pattern",
    }
)

Row = dict[str, str]


def compile_table(folder: Path) -> tuple[str, str]:
    """Give the texts of `value_types.csv` and `structures.csv` for the schema in a folder (DUIS.xsd and MMC.xsd).

    Raises SchemaError where a file is missing, or uses of XML Schema what our table has no word for.
    """
    compiler = _Compiler(folder)
    for root in ROOTS:
        compiler.structure(root)
    values = sorted(compiler.values.values(), key=lambda row: row["name"])
    structures = sorted(compiler.structures.values(), key=lambda row: row["name"])
    return _csv(VALUE_COLUMNS, values), _csv(STRUCTURE_COLUMNS, structures)


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


class _Compiler:
    """Collects the rows that are reached from the roots."""

    def __init__(self, folder: Path) -> None:
        self.values: dict[str, Row] = {}
        self.structures: dict[str, Row] = {}
        self._types: dict[str, etree._Element] = {}
        self._elements: dict[str, etree._Element] = {}
        self._names: dict[tuple[tuple[str, str], ...], str] = {}
        for file, prefix in FILES:
            for node in _parts(_root(folder / file)):
                kept = self._elements if node.tag == XS + "element" else self._types
                kept[prefix + node.get("name", "")] = node

    def structure(self, name: str) -> str:
        """Make the row of a named complex type, once, and give its name."""
        if name not in self.structures and name != SIGNATURE:
            self._complex(name, self._types[name], _prefix(name))
        return name

    def _complex(self, name: str, node: etree._Element, prefix: str) -> None:
        row = self.structures[name] = {"name": name}
        simple = next(node.iterfind(XS + "simpleContent/" + XS + "extension"), None)
        attributes = self._attributes(name, node, prefix)
        row["attributes"] = " ".join(attributes)
        if simple is not None:
            row["value"] = self._value(_qualified(simple.get("base", "")), name)
        else:
            row["content"] = self._content(name, node, prefix)

    def _content(self, owner: str, node: etree._Element, prefix: str) -> str:
        """Content of a complex type; what it extends comes first."""
        texts: list[str] = []
        extension = next(node.iterfind(XS + "complexContent/" + XS + "extension"), None)
        holder = node
        if extension is not None:
            base = _qualified(extension.get("base", ""))
            texts.append(self._content(base, self._types[base], _prefix(base)))
            holder = extension
        texts += [self._group(owner, part, prefix, bare=True) for part in _parts(holder) if _is_group(part)]
        texts = [text for text in texts if text]
        return texts[0] if len(texts) == 1 else ", ".join(f"({text})" if "|" in text else text for text in texts)

    def _attributes(self, owner: str, node: etree._Element, prefix: str) -> Iterator[str]:
        for base in node.iterfind(XS + "complexContent/" + XS + "extension"):
            name = _qualified(base.get("base", ""))
            yield from self._attributes(name, self._types[name], _prefix(name))
        paths = ("", "complexContent/" + XS + "extension/" + XS, "simpleContent/" + XS + "extension/" + XS)
        for path in paths:
            for attribute in node.iterfind(XS + path + "attribute" if path else XS + "attribute"):
                name = attribute.get("name", "")
                optional = "" if attribute.get("use") == "required" else "?"
                yield f"{name}={self._type_of(attribute, f'{owner}.{name}', prefix)}{optional}"

    def _group(self, owner: str, node: etree._Element, prefix: str, *, bare: bool = False) -> str:
        if node.tag == XS + "element":
            return self._element(owner, node, prefix)
        if not _is_group(node):
            raise SchemaError(f"{owner}: {node.tag} of XML Schema has no word in our table")
        texts = [text for part in _parts(node) if (text := self._group(owner, part, prefix))]
        joint = " | " if node.tag == XS + "choice" else ", "
        occurs = _occurs(node)
        if len(texts) == 1 and not (occurs and texts[0][-1] in ")}?*+"):
            return texts[0] + occurs
        if bare and not occurs:
            return joint.join(texts)
        return f"({joint.join(texts)}){occurs}" if texts else ""

    def _element(self, owner: str, node: etree._Element, prefix: str) -> str:
        occurs = _occurs(node)
        if reference := node.get("ref"):
            name = _qualified(reference)
            kind = SIGNATURE if name == SIGNATURE else self._type_of(self._elements[name], name, _prefix(name))
        else:
            name = prefix + node.get("name", "")
            kind = self._type_of(node, f"{owner}.{node.get('name')}", prefix)
        return (name if kind == name else f"{name}={kind}") + occurs

    def _type_of(self, node: etree._Element, owner: str, prefix: str) -> str:
        """Name of the type of an element or an attribute; one without a name is called after its first owner."""
        if (simple := node.find(XS + "simpleType")) is not None:
            kind, facets = self._facets(simple)
            facts = tuple(sorted({"kind": kind, **facets}.items()))
            return self._keep(self._names.setdefault(facts, owner), kind, facets)
        if (inner := node.find(XS + "complexType")) is not None:
            self._complex(owner, inner, prefix)
            return owner
        name = _qualified(node.get("type", ""))
        if name.startswith("xs:") or self._types[name].tag == XS + "simpleType":
            return self._value(name, owner)
        return self.structure(name)

    def _value(self, name: str, owner: str) -> str:
        if not name.startswith("xs:"):
            return self._keep(name, *self._facets(self._types[name]))
        if name[3:] not in BUILT_IN:
            raise SchemaError(f"{owner}: {name} of XML Schema has no word in our table")
        return self._keep(name[3:], *BUILT_IN[name[3:]])

    def _keep(self, name: str, kind: str, facets: Mapping[str, str]) -> str:
        self.values[name] = {"name": name, "kind": kind, **facets}
        return name

    def _facets(self, node: etree._Element) -> tuple[str, dict[str, str]]:
        restriction = node.find(XS + "restriction")
        if restriction is None:
            raise SchemaError(f"simple type {node.get('name')}: only restrictions have a word in our table")
        base = _qualified(restriction.get("base", ""))
        kind, inherited = BUILT_IN[base[3:]] if base.startswith("xs:") else self._facets(self._types[base])
        facets = dict(inherited)
        for facet in _parts(restriction):
            _narrow(facets, kind, str(facet.tag).removeprefix(XS), facet.get("value", ""))
        return _known_form(kind, _inclusive(facets, restriction))


def _narrow(facets: dict[str, str], kind: str, name: str, value: str) -> None:
    """Add a facet to what is known of a type."""
    if name == "enumeration":
        facets["choices"] = f"{facets['choices']}|{value}" if "choices" in facets else value
    elif name == "length":
        facets["shortest"] = facets["longest"] = value
    elif kind == "integer" and name == "minExclusive":
        facets["low"] = str(int(value) + 1)
    elif kind == "integer" and name == "maxExclusive":
        facets["high"] = str(int(value) - 1)
    elif name in FACETS:
        facets[FACETS[name]] = value
    else:
        raise SchemaError(f"facet {name} of XML Schema has no word in our table")


def _inclusive(facets: dict[str, str], restriction: etree._Element) -> dict[str, str]:
    """Bounds of decimals that are excluded become the next number of so many digits."""
    for name, key, sign in (("minExclusive", "low", 1), ("maxExclusive", "high", -1)):
        excluded = restriction.find(XS + name)
        if excluded is not None and "decimal" in restriction.get("base", ""):
            step = Decimal(sign).scaleb(-int(facets["fraction"]))
            facets[key] = str(Decimal(excluded.get("value", "")) + step)
    return facets


def _known_form(kind: str, facets: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Identities have kinds of their own: their patterns say at length what is simple."""
    pattern = facets.get("pattern", "")
    forms = {EUI: "eui", f"({EUI},)*({EUI})": "eui-list"}
    if pattern.startswith(f"{EUI}:{EUI}:(") and pattern.endswith(COUNTER_END):
        forms[pattern] = "request-id"
    if pattern not in forms:
        return kind, facets
    return forms[pattern], {key: value for key, value in facets.items() if key != "pattern"}


def _occurs(node: etree._Element) -> str:
    low, high = node.get("minOccurs", "1"), node.get("maxOccurs", "1")
    words = {("1", "1"): "", ("0", "1"): "?", ("0", "unbounded"): "*", ("1", "unbounded"): "+"}
    return words.get((low, high), f"{{{low}..{'' if high == 'unbounded' else high}}}")


def _is_group(node: etree._Element) -> bool:
    return node.tag in (XS + "sequence", XS + "choice")


def _parts(node: etree._Element) -> Iterator[etree._Element]:
    return (part for part in node if isinstance(part.tag, str) and part.tag != XS + "annotation")


def _qualified(name: str) -> str:
    prefix, _, local = name.partition(":")
    return PREFIXES[prefix] + local


def _prefix(name: str) -> str:
    return "ra:" if name.startswith("ra:") else ""


def _root(path: Path) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.parse(str(path), parser).getroot()
    except (OSError, etree.XMLSyntaxError) as error:
        raise SchemaError(f"{path} cannot be read as a schema: {error}", path=str(path)) from error
