"""HDLC as the layer below an association."""

from dataclasses import dataclass
from typing import Final

from meterworks.protocols.dlms.framing import ClientLink
from meterworks.protocols.dlms.hdlc.client_link import HdlcClientLink
from meterworks.protocols.dlms.hdlc.server_link import HdlcServerLink
from meterworks.protocols.dlms.hdlc.settings import DEFAULT_SETTINGS, HdlcSettings

__all__ = ["HDLC", "HdlcFraming"]


@dataclass(frozen=True, slots=True)
class HdlcFraming:
    """APDUs in HDLC frames, on a serial line or any byte stream."""

    settings: HdlcSettings = DEFAULT_SETTINGS

    def client_link(self, client_sap: int, server_sap: int, apdu_size_max: int) -> ClientLink:
        """Give a fresh link. Raises EncodeError where an address does not fit."""
        return HdlcClientLink(self.settings, client_sap, server_sap, apdu_size_max)

    def server_link(self, server_sap: int, apdu_size_max: int) -> HdlcServerLink:
        """Give the server's end of a line."""
        return HdlcServerLink(self.settings, server_sap, apdu_size_max)


HDLC: Final = HdlcFraming()
