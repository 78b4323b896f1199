"""Responses in and out: what comes back from the carrier, for a request or unasked.

Source: DUIS 5.4, Response (ResponseMessage, DeviceAlertMessage, DCCAlertMessage, SMETS1ResponseMessage); fact sheet
gb/GBCS.md section 14.
"""

import base64
from dataclasses import dataclass
from typing import Final

from meterworks.companions.errors import RequestError
from meterworks.companions.gb.duis.document import Document, read_root, write_document
from meterworks.companions.gb.duis.request_document import request_id_of
from meterworks.companions.gb.duis.structure import check_element
from meterworks.companions.gb.duis.table import load_table
from meterworks.companions.gb.duis.value import collapse
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.request import RequestId

__all__ = ["Response", "element_of_response", "read_response", "response_of", "write_response"]

_PAYLOADS: Final = (
    *("GBCSPayload", "PreCommand/GBCSPayload", "LocalCommand/GBCSPayload", "CINMessage/GBCSPayload"),
    *("FutureDatedDeviceAlertMessage/GBCSPayload", "DSPScheduledMessage/GBCSPayload"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the carrier says.

    request_id: the request it answers, None where nobody asked. response_id: the identities swapped, the same counter.
    code: as in the table of response codes. time: xs:dateTime as it was written. body: the one element below Body.
    """

    request_id: RequestId | None = None
    response_id: RequestId | None = None
    code: str
    time: str
    body: Element
    schema_version: str = "5.4"

    @property
    def payload(self) -> bytes | None:
        """The GBCS message that it carries: of a device, or a pre-command; None where it carries none."""
        for path in _PAYLOADS:
            if (found := self.body.find(path)) is not None:
                return base64.b64decode("".join(found.text.split()))
        return None


def read_response(xml: bytes) -> Response:
    """Read a response. Its signature is not verified: `verify_document` does that.

    Raises RequestError, which names path and line.
    """
    return response_of(read_root(xml))


def write_response(response: Response) -> bytes:
    """Write a response as canonical XML with a declaration, without a signature.

    Raises RequestError where it is not what the table says.
    """
    root = element_of_response(response)
    check_element(root, load_table().response)
    return write_document(Document(root=root))


def response_of(root: Element) -> Response:
    """The response in a root that the table has taken. Raises RequestError where the root is another one."""
    if root.name != "Response":
        raise RequestError(f"the document is a {root.name}; Response expected", path=root.name)
    texts = {child.name: child.text for child in root.children[0].children}
    request_id, response_id = texts.get("RequestID"), texts.get("ResponseID")
    return Response(
        request_id=None if request_id is None else request_id_of(request_id),
        response_id=None if response_id is None else request_id_of(response_id),
        code=texts["ResponseCode"],
        time=collapse(texts["ResponseDateTime"]),
        body=root.children[1].children[0],
        schema_version=collapse(root.attributes["schemaVersion"]),
    )


def element_of_response(response: Response) -> Element:
    """The root element of a response."""
    header = []
    if response.request_id is not None:
        header.append(Element("RequestID", str(response.request_id)))
    if response.response_id is not None:
        header.append(Element("ResponseID", str(response.response_id)))
    header += [Element("ResponseCode", response.code), Element("ResponseDateTime", response.time)]
    return Element(
        "Response",
        children=(Element("Header", children=tuple(header)), Element("Body", children=(response.body,))),
        attributes={"schemaVersion": response.schema_version},
    )
