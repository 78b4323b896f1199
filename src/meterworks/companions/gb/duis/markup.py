"""XML from strangers: read within bounds, and turned into elements; and elements written as canonical XML.

What is refused before anything is looked at: documents above a size, document types and entities, other encodings than
UTF-8, too many marks or name spaces. What is refused on the way: processing instructions, elements of foreign name
spaces, attributes with a name space, a comment inside a value (it would cut the value in two for some readers and not
for others), text between elements, depth. Each gives one RequestError with path and line.
Source: Canonical XML 1.0 for the form that is written; STACK.md section 8 for the parser's settings.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NoReturn, cast

from lxml import etree

from meterworks.companions.errors import RequestError
from meterworks.companions.gb.duis.value import UNWRITABLE
from meterworks.companions.gb.element import Element

__all__ = [
    "COMMENT",
    "DEPTH_MAX",
    "DUIS",
    "MMC",
    "SIGNATURE_TAG",
    "SIZE_MAX",
    "XMLDSIG",
    "canonical_form",
    "canonical_of",
    "element_of",
    "line_at",
    "line_of",
    "markup_of",
    "parse",
]

DUIS: Final = "http://www.dccinterface.co.uk/ServiceUserGateway"
MMC: Final = "http://www.dccinterface.co.uk/ResponseAndAlert"
XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
SIGNATURE_TAG: Final = f"{{{XMLDSIG}}}Signature"

COMMENT: Final = "#comment"  # name of an element that is written as a comment

SIZE_MAX: Final = 12 * 2**20  # octets of a document; one text above 10 MB the parser refuses by itself
MARKS_MAX: Final = 400_000  # "<" in a document: 13 months of half-hourly readings have some 150,000
NAME_SPACES_MAX: Final = 256  # declarations in a document: each costs at each element below it
ATTRIBUTES_MAX: Final = 16  # of an element; reading them costs the square of their number
DEPTH_MAX: Final = 40  # the schema's deepest has 16
_CROWDED: Final = etree.XPath(f"//*[count(@*) > {ATTRIBUTES_MAX}]")
_NOT_AN_ELEMENT: Final = (etree._Comment, etree._ProcessingInstruction, etree._Entity)
_ENCODING: Final = re.compile(rb"""^<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ENCODINGS: Final = (b"utf-8", b"utf8", b"us-ascii", b"ascii")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_PREFIXES: Final[Mapping[str, str]] = MappingProxyType({DUIS: "", MMC: "ra:", XMLDSIG: "ds:"})
_NO_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType({})
_TEXT_SIGNS: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_ATTRIBUTE_SIGNS: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)


def parse(xml: bytes) -> etree._Element:
    """Parse a document within bounds and give its root. Raises RequestError."""
    _screen(xml)
    parser = etree.XMLParser(  # told the encoding, it reads the same signs as were screened
        encoding="UTF-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        line = error.lineno or 1
        raise RequestError(f"line {line}: this is no XML: {error.msg}", path="", line=line) from error
    crowded = cast("list[etree._Element]", _CROWDED(root))
    if crowded:
        line = line_of(crowded[0])
        fault = f"line {line}: an element has more than {ATTRIBUTES_MAX} attributes"
        raise RequestError(fault, path=str(crowded[0].tag), line=line)
    return root


def _screen(xml: bytes) -> None:
    """Refuse what is not worth parsing, by looks at the octets alone."""
    if len(xml) > SIZE_MAX:
        raise RequestError(f"the document has {len(xml)} octets; at most {SIZE_MAX} are read", path="", line=1)
    start = xml[:200].removeprefix(_BYTE_ORDER_MARK).lstrip()
    if not start.startswith(b"<") or b"\x00" in start:
        raise RequestError("line 1: this is no XML in UTF-8", path="", line=1)
    declared = _ENCODING.match(start)
    if declared is not None and declared[1].lower() not in _ENCODINGS:
        raise RequestError(f"line 1: encoding {declared[1].decode()}; only UTF-8 is read", path="", line=1)
    for forbidden, name in ((b"<!DOCTYPE", "a document type"), (b"<!ENTITY", "an entity")):
        if (at := xml.find(forbidden)) >= 0:
            line = xml.count(b"\n", 0, at) + 1
            raise RequestError(f"line {line}: {name} is declared; none may be", path="", line=line)
    for mark, limit in ((b"<", MARKS_MAX), (b"xmlns", NAME_SPACES_MAX)):
        if xml.count(mark) > limit:
            raise RequestError(f"the document has more than {limit} {mark.decode()!r}", path="", line=1)


def canonical_form(xml: bytes, *, with_comments: bool = True) -> bytes:
    """The inclusive canonical form of a document: two documents with the same one are the same. Raises RequestError."""
    return canonical_of(parse(xml), with_comments=with_comments)


def canonical_of(root: etree._Element, *, with_comments: bool) -> bytes:
    """The inclusive canonical form of a parsed document. Raises RequestError where it has none."""
    try:
        return etree.tostring(root, method="c14n", with_comments=with_comments)
    except etree.C14NError as error:
        fault = "line 1: the document has no canonical form: a name space it declares is no absolute address"
        raise RequestError(fault, path="", line=1) from error


def element_of(node: etree._Element, *, without: etree._Element | None = None) -> Element:
    """Turn a parsed element into an `Element`. without: a child of it that is left out. Raises RequestError."""
    return _element(node, "", 1, without)


def _element(node: etree._Element, path: str, depth: int, without: etree._Element | None) -> Element:
    name = _name(node, path)
    path = f"{path}/{name}" if path else name
    if depth > DEPTH_MAX:
        _refuse(node, path, f"elements stand more than {DEPTH_MAX} deep")
    children = []
    for child in node:
        if isinstance(child, _NOT_AN_ELEMENT):
            if not isinstance(child, etree._Comment):
                _refuse(child, path, "a processing instruction or an entity stands here; none may")
        elif child is not without:
            children.append(_element(child, path, depth + 1, None))
        if child.tail is not None and not child.tail.isspace():
            _refuse(child, path, "text stands between elements, or a comment inside a value")
    text = node.text or ""
    if len(node):
        if text and not text.isspace():
            _refuse(node, path, "text stands between elements, or a comment inside a value")
        text = ""
    return Element(name, text, tuple(children), _attributes(node, path) if node.attrib else _NO_ATTRIBUTES)


def _name(node: etree._Element, path: str) -> str:
    space, _, local = str(node.tag).rpartition("}")
    prefix = _PREFIXES.get(space[1:])
    if prefix is None:
        _refuse(node, f"{path}/{local}" if path else local, f"name space {space[1:]!r} has no place here")
    return prefix + local


def _attributes(node: etree._Element, path: str) -> Mapping[str, str]:
    attributes = {str(key): str(value) for key, value in node.attrib.items()}
    for key in list(attributes):
        if key == f"{{{XSI}}}schemaLocation" and node.getparent() is None:
            del attributes[key]  # a hint where a schema may be found: nobody follows it
        elif key.startswith("{"):
            _refuse(node, path, f"attribute {key.rpartition('}')[2]} of a name space has no place here")
    return MappingProxyType(attributes)


def _refuse(node: etree._Element, path: str, fault: str) -> NoReturn:
    line = line_of(node)
    raise RequestError(f"line {line}, {path}: {fault}", path=path, line=line)


def line_of(node: etree._Element) -> int:
    """Line at which an element starts, 0 where nobody knows."""
    return cast("int | None", node.sourceline) or 0


def line_at(root: etree._Element, path: str) -> int:
    """Line of the element at a path like Request/Body/Day[2], of the nearest one above it where it is missing."""
    node = root
    for step in path.split("/")[1:]:
        name, _, number = step.partition("[")
        found = [child for child in node if not isinstance(child, _NOT_AN_ELEMENT) and _name(child, "") == name]
        at = int(number.rstrip("]") or 1) - 1
        if at >= len(found):
            break
        node = found[at]
    return line_of(node)


def markup_of(element: Element, declarations: Mapping[str | None, str], *, indent: str = "") -> str:
    """Write an element as a root in canonical form. declarations: name space by prefix, None the one without a prefix.

    indent: blanks by which children stand deeper, on lines of their own; empty: all stands on one line.
    Raises RequestError where a text has a character that XML cannot hold.
    """
    prefixes = {
        _PREFIXES[space]: f"{prefix}:" if prefix else "" for prefix, space in declarations.items() if space in _PREFIXES
    }
    spaces = "".join(
        f' xmlns{f":{prefix}" if prefix else ""}="{space.translate(_ATTRIBUTE_SIGNS)}"'
        for prefix, space in sorted(declarations.items(), key=lambda one: one[0] or "")
    )
    writer = _Writer(prefixes, indent)
    writer.write(element, spaces, "\n" if indent else "")
    written = "".join(writer.texts)
    if (found := UNWRITABLE.search(written)) is not None:
        raise RequestError(f"character {ord(found[0]):#x} cannot stand in XML", path=element.name)
    return written


class _Writer:
    """Collects the texts of a document."""

    __slots__ = ("_indent", "_prefixes", "texts")

    def __init__(self, prefixes: Mapping[str, str], indent: str) -> None:
        self.texts: list[str] = []
        self._prefixes = prefixes
        self._indent = indent

    def write(self, element: Element, spaces: str, line: str) -> None:
        """Write an element with its name spaces. line: what begins the line of its last tag."""
        texts = self.texts
        if element.name == COMMENT:
            if "--" in f"{element.text}-":
                raise RequestError("a comment holds -- or ends with -; XML has no way to write it", path=COMMENT)
            texts.append(f"<!--{element.text}-->")
            return
        prefix, colon, local = element.name.rpartition(":")
        name = self._prefixes[prefix + colon] + local
        texts.append(f"<{name}{spaces}")
        for key, value in sorted(element.attributes.items()):
            texts.append(f' {key}="{value.translate(_ATTRIBUTE_SIGNS)}"')
        texts.append(">")
        if element.children:
            inner = line + self._indent
            for child in element.children:
                texts.append(inner)
                self.write(child, "", inner)
            texts.append(line)
        elif element.text:
            texts.append(element.text.translate(_TEXT_SIGNS))
        texts.append(f"</{name}>")
