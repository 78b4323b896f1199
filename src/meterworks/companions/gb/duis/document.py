"""Whole DUIS documents: a request or a response with all that stands around it, read and written again unchanged.

A `Document` keeps what canonical XML tells apart: elements, attributes and texts as they were written, declared name
spaces, comments, how it was indented, and the signature as octets. What it does not keep: comments outside the root,
a hint where a schema lies, name spaces declared below the root, and a layout that is neither none nor even.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, cast

from lxml import etree

from meterworks.companions.errors import RequestError
from meterworks.companions.gb.duis.markup import (
    COMMENT,
    DUIS,
    MMC,
    SIGNATURE_TAG,
    XMLDSIG,
    element_of,
    line_at,
    line_of,
    markup_of,
    parse,
)
from meterworks.companions.gb.duis.structure import check_element
from meterworks.companions.gb.duis.table import load_table
from meterworks.companions.gb.element import Element

__all__ = [
    "DECLARATION",
    "Comment",
    "Document",
    "document_of",
    "read_document",
    "read_root",
    "signature_element",
    "write_document",
]

ROOTS: Final = ("Request", "Response")
REQUEST_ELEMENTS_MAX: Final = 50_000  # the table's largest have some 10,000; responses with logs have more
INDENT_SIZE_MAX: Final = 16  # blanks: they are written again for each element, times its depth
_REQUEST_TAG: Final = f"{{{DUIS}}}Request"
_COUNT: Final = etree.XPath("count(//*)")
DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment inside the root. parent: which child of which child it stands in; before: which child follows it."""

    parent: tuple[int, ...]
    before: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document. root: Request or Response, without its signature. namespaces: as declared at the root, by prefix.

    indent: blanks by which children stand deeper, at most INDENT_SIZE_MAX; empty: all stands on one line.
    signature: the ds:Signature element as it stood, None where there is none.
    """

    root: Element
    namespaces: Mapping[str | None, str] = field(default_factory=lambda: MappingProxyType({"sr": DUIS}))
    indent: str = ""
    comments: tuple[Comment, ...] = ()
    signature: bytes | None = None


def read_document(xml: bytes) -> Document:
    """Read a request or a response with all around it. The signature is kept, not verified.

    Raises RequestError, which names path and line, where it is no XML within bounds, or not what the table says.
    """
    node = parse(xml)
    signature = signature_element(node)
    return Document(
        root=document_of(node, signature),
        namespaces=MappingProxyType(dict(node.nsmap)),
        indent=_indent((node.text or "").partition("\n")[2]),
        comments=tuple(_comments(node, ())),
        signature=None if signature is None else etree.tostring(signature, with_tail=False),
    )


def read_root(xml: bytes) -> Element:
    """The root of a document, Request or Response, without what stands around it. Raises RequestError."""
    node = parse(xml)
    return document_of(node, signature_element(node))


def signature_element(root: etree._Element) -> etree._Element | None:
    """The signature of a document, None where it has none. Raises RequestError where it is not last and alone."""
    found = [child for child in root if child.tag == SIGNATURE_TAG]
    if found and next(root.iterchildren(reversed=True, tag=etree.Element)) is not found[0]:
        line = line_of(found[0])
        raise RequestError(
            f"line {line}: a document has one signature, and it stands last", path=str(root.tag), line=line
        )
    return found[0] if found else None


def document_of(node: etree._Element, signature: etree._Element | None) -> Element:
    """The root of a parsed document as an element, checked by the table. Raises RequestError."""
    if node.tag == _REQUEST_TAG and cast("float", _COUNT(node)) > REQUEST_ELEMENTS_MAX:
        line = line_of(node)
        raise RequestError(
            f"line {line}: a request has at most {REQUEST_ELEMENTS_MAX} elements", path="Request", line=line
        )
    root = element_of(node, without=signature)
    if root.name not in ROOTS:
        line = line_of(node)
        fault = f"line {line}: the root is {root.name}; Request or Response expected"
        raise RequestError(fault, path=root.name, line=line)
    try:
        check_element(root, load_table().structures[root.name])
    except RequestError as error:
        path = str(error.facts["path"])
        line = line_at(node, path)
        raise RequestError(f"line {line}, {error}", path=path, line=line) from error
    return root


def write_document(document: Document) -> bytes:
    """Write a document: canonical XML, with a declaration before it."""
    root, indent = document.root, _indent(document.indent)
    if document.comments:
        by_parent: dict[tuple[int, ...], list[Comment]] = {}
        for comment in document.comments:
            by_parent.setdefault(comment.parent, []).append(comment)
        root = _with_comments(root, (), by_parent)
    octets = markup_of(root, _declarations(document), indent=indent).encode()
    if document.signature is not None:
        end = octets.rindex(b"</")
        head, tail = octets[:end], octets[end:]
        if indent:
            head, tail = head.removesuffix(b"\n") + f"\n{indent}".encode(), b"\n" + tail
        octets = head + document.signature + tail
    return DECLARATION + octets


def _with_comments(
    element: Element, path: tuple[int, ...], comments: Mapping[tuple[int, ...], list[Comment]]
) -> Element:
    """Put comments among the children they stood among, as elements that the writer knows."""
    children = [_with_comments(child, (*path, at), comments) for at, child in enumerate(element.children)]
    merged: list[Element] = []
    waiting = deque(sorted(comments.get(path, ()), key=lambda one: one.before))
    for at, child in enumerate(children):
        while waiting and waiting[0].before <= at:
            merged.append(Element(COMMENT, waiting.popleft().text))
        merged.append(child)
    merged += [Element(COMMENT, one.text) for one in waiting]
    return replace(element, children=tuple(merged))


def _comments(node: etree._Element, path: tuple[int, ...]) -> Iterator[Comment]:
    count = 0
    for child in node:
        if isinstance(child, etree._Comment):
            yield Comment(parent=path, before=count, text=child.text or "")
        elif child.tag != SIGNATURE_TAG:
            yield from _comments(child, (*path, count))
            count += 1


def _indent(blanks: str) -> str:
    return blanks if len(blanks) <= INDENT_SIZE_MAX and not blanks.strip(" \t") else ""


def _declarations(document: Document) -> Mapping[str | None, str]:
    """The declared name spaces, and those that the root needs and nobody declared."""
    declared = dict(document.namespaces)
    for space, prefix in ((DUIS, "sr"), (MMC, "ra"), (XMLDSIG, "ds")):
        if space not in declared.values() and (space == DUIS or _uses(document.root, f"{prefix}:")):
            declared[prefix] = space
    return declared


def _uses(element: Element, prefix: str) -> bool:
    return element.name.startswith(prefix) or any(_uses(child, prefix) for child in element.children)
