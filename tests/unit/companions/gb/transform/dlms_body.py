"""Bodies and scopes for the tests of DLMS shapes, made by hand."""

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.transform.dlms_scope import Scope

USER = bytes.fromhex("90b3d51f30010000")
DEVICE = bytes.fromhex("00db1234567890a0")
SITUATION = Situation(device=DeviceKind.ESME, broker=bytes.fromhex("90b3d51f30000002"))


def el(name, *inside, **attributes):
    """An element: with a text, or with children."""
    if len(inside) == 1 and isinstance(inside[0], str):
        return Element(name, inside[0], attributes=attributes)
    return Element(name, children=inside, attributes=attributes)


def scope(*children, situation=SITUATION, variant="1.1.1", position=0, **attributes):
    """The scope of a body with these children."""
    body = Element("Body", children=children, attributes=attributes)
    request = Request(
        request_id=RequestId(USER, DEVICE, 1000),
        command_variant=CommandVariant.PREPARE,
        reference="1.1",
        variant=variant,
        body=body,
    )
    return Scope(body, request, situation, position, 1000, USER)
