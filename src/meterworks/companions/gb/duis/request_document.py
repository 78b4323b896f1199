"""Service requests in and out: header and body of a DUIS request.

Source: DUIS 5.4, Request; fact sheet gb/GBCS.md section 14 (order of the header, form of identities).
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from meterworks.catalogue.gb import load_service_requests
from meterworks.companions.errors import RequestError
from meterworks.companions.gb.duis.document import Document, read_root, write_document
from meterworks.companions.gb.duis.structure import check_element
from meterworks.companions.gb.duis.table import load_table
from meterworks.companions.gb.duis.value import collapse
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.request import CommandVariant, Request, RequestId

__all__ = ["check_request", "element_of_request", "read_request", "request_id_of", "request_of", "write_request"]

SIGNED_PRE_COMMAND: Final = "SignedPreCommand"
_SIGNED: Final = frozenset(
    {CommandVariant.SEND_SIGNED, CommandVariant.RETURN_SIGNED, CommandVariant.SEND_AND_RETURN_SIGNED}
)
_VERSION: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?", re.ASCII)


def read_request(xml: bytes) -> Request:
    """Read a service request. Its signature is not verified: `verify_document` does that.

    Raises RequestError, which names path and line.
    """
    return request_of(read_root(xml))


def write_request(request: Request) -> bytes:
    """Write a service request as canonical XML with a declaration, without a signature.

    Raises RequestError where the request is not what the table says.
    """
    root = element_of_request(request)
    check_element(root, load_table().request)
    return write_document(Document(root=root))


def check_request(request: Request) -> None:
    """Raise RequestError where header and body do not belong together, or the body is not what the table says."""
    check_element(element_of_request(request), load_table().request)


def request_of(root: Element) -> Request:
    """The request in a root that the table has taken. Raises RequestError where header and body are at odds."""
    if root.name != "Request":
        raise RequestError(f"the document is a {root.name}; Request expected", path=root.name)
    header, body = root.children[0], root.children[1].children[0]
    texts = {child.name: collapse(child.text) for child in header.children}
    first, preceding = texts.get("FirstInSequence"), texts.get("PrecedingServiceRequestID")
    request = Request(
        request_id=request_id_of(texts["RequestID"]),
        command_variant=CommandVariant(int(texts["CommandVariant"])),
        reference=texts["ServiceReference"],
        variant=texts["ServiceReferenceVariant"],
        body=body,
        schema_version=collapse(root.attributes["schemaVersion"]),
        is_first_in_sequence=None if first is None else first in ("true", "1"),
        preceding=None if preceding is None else request_id_of(preceding),
    )
    _check_agreement(request)
    return request


def element_of_request(request: Request) -> Element:
    """The root element of a request. Raises RequestError where header and body are at odds."""
    _check_agreement(request)
    header = [Element("RequestID", str(request.request_id))]
    if request.is_first_in_sequence is not None:
        header.append(Element("FirstInSequence", "true" if request.is_first_in_sequence else "false"))
    if request.preceding is not None:
        header.append(Element("PrecedingServiceRequestID", str(request.preceding)))
    header.append(Element("CommandVariant", str(int(request.command_variant))))
    header.append(Element("ServiceReference", request.reference))
    header.append(Element("ServiceReferenceVariant", request.variant))
    return Element(
        "Request",
        children=(Element("Header", children=tuple(header)), Element("Body", children=(request.body,))),
        attributes={"schemaVersion": request.schema_version},
    )


def request_id_of(text: str) -> RequestId:
    """Read the identity of a request, which the table has taken."""
    originator, target, counter = collapse(text).split(":")
    return RequestId(bytes.fromhex(originator.replace("-", "")), bytes.fromhex(target.replace("-", "")), int(counter))


@cache
def _rows() -> Mapping[str, tuple[str, str]]:
    """Service reference and body by service reference variant."""
    return {row.variant: (row.reference, row.body) for row in load_service_requests().values()}


def _check_agreement(request: Request) -> None:
    """What the schema cannot say: which body, reference and command variant belong to a service reference variant."""
    if _VERSION.fullmatch(request.schema_version) is None:
        raise RequestError(f"schema version {request.schema_version!r} is no number like 5.4", path="Request")
    reference, body = _rows().get(request.variant, ("", ""))
    if reference != request.reference:
        raise RequestError(
            f"service reference variant {request.variant} does not belong to service reference {request.reference}",
            path="Request/Header/ServiceReferenceVariant",
        )
    is_signed = request.body.name == SIGNED_PRE_COMMAND
    if not is_signed and request.body.name != body:
        raise RequestError(
            f"{request.body.name} stands in the body; the one of {request.variant} is {body}", path="Request/Body"
        )
    if is_signed != (request.command_variant in _SIGNED):
        raise RequestError(
            f"command variant {int(request.command_variant)} does not go with {request.body.name}",
            path="Request/Header/CommandVariant",
        )
