"""A dissector of DLMS/COSEM: any octets to an annotated tree, and the tree as text, JSON and the DLMS UA's XML."""

from meterworks.protocols.dlms.dissect.dissector import Dissector, dissect
from meterworks.protocols.dlms.dissect.json_form import data_from_json, data_to_json, tree_to_json
from meterworks.protocols.dlms.dissect.key_ring import KeyRing, KeySet
from meterworks.protocols.dlms.dissect.message import messages_of
from meterworks.protocols.dlms.dissect.name import (
    ACCESS_RESULTS,
    APDU_NAMES,
    EXCEPTION_SERVICES,
    EXCEPTION_STATES,
    conformance_names,
)
from meterworks.protocols.dlms.dissect.node import Node
from meterworks.protocols.dlms.dissect.text import render_text
from meterworks.protocols.dlms.dissect.trace import DLMS_PORT, TracedMessage, trace_capture
from meterworks.protocols.dlms.dissect.xml_data import data_from_xml, data_to_xml
from meterworks.protocols.dlms.dissect.xml_form import render_xml

__all__ = [
    "ACCESS_RESULTS",
    "APDU_NAMES",
    "DLMS_PORT",
    "EXCEPTION_SERVICES",
    "EXCEPTION_STATES",
    "Dissector",
    "KeyRing",
    "KeySet",
    "Node",
    "TracedMessage",
    "conformance_names",
    "data_from_json",
    "data_from_xml",
    "data_to_json",
    "data_to_xml",
    "dissect",
    "messages_of",
    "render_text",
    "render_xml",
    "trace_capture",
    "tree_to_json",
]
