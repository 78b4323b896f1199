"""HDLC for COSEM (IEC 62056-46), sans-I/O: frames, links with their windows and repetitions, pushes.  Fact sheet 5."""

from meterworks.protocols.dlms.hdlc.address import NO_STATION, HdlcAddress
from meterworks.protocols.dlms.hdlc.frame import FRAME_SIZE_MAX, INFORMATION_SIZE_MAX, HdlcFrame, HdlcReader
from meterworks.protocols.dlms.hdlc.framing import HDLC, HdlcFraming
from meterworks.protocols.dlms.hdlc.parameter import LinkParameters, read_parameters
from meterworks.protocols.dlms.hdlc.push import HdlcPush, HdlcPushReader, encode_push
from meterworks.protocols.dlms.hdlc.server_link import HdlcServerLink
from meterworks.protocols.dlms.hdlc.settings import DEFAULT_SETTINGS, HdlcSettings

__all__ = [
    "DEFAULT_SETTINGS",
    "FRAME_SIZE_MAX",
    "HDLC",
    "INFORMATION_SIZE_MAX",
    "NO_STATION",
    "HdlcAddress",
    "HdlcFrame",
    "HdlcFraming",
    "HdlcPush",
    "HdlcPushReader",
    "HdlcReader",
    "HdlcServerLink",
    "HdlcSettings",
    "LinkParameters",
    "encode_push",
    "read_parameters",
]
