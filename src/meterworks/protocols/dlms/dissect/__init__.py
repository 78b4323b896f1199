"""A dissector of DLMS/COSEM: any octets to an annotated tree, and the tree as text, JSON and the DLMS UA's XML."""

from meterworks.protocols.dlms.dissect.dissector import Dissector, dissect
from meterworks.protocols.dlms.dissect.key_ring import KeyRing, KeySet
from meterworks.protocols.dlms.dissect.message import messages_of
from meterworks.protocols.dlms.dissect.name import APDU_NAMES, conformance_names
from meterworks.protocols.dlms.dissect.node import Node

__all__ = [
    "APDU_NAMES",
    "Dissector",
    "KeyRing",
    "KeySet",
    "Node",
    "conformance_names",
    "dissect",
    "messages_of",
]
