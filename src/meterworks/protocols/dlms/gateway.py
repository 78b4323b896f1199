"""The prefix before an APDU for a meter behind a gateway: E6 asks, E7 answers, then network and physical address.

    E6 | E7, network id (1), length of the address (1), address, APDU

A gateway passes what stands behind the prefix to the meter, and its answer back with E7. What a meter pushes comes with
E6, for then the meter is who asks.  Source: Green Book, gateway protocol; fact sheet section 2.
"""

from dataclasses import dataclass
from typing import Final

from meterworks.protocols.dlms.framing import ClientFraming, ClientLink, LineFormat
from meterworks.protocols.dlms.tag import ApduTag
from meterworks.protocols.errors import DecodeError, EncodeError, UnlawfulMessage

__all__ = ["GatewayFraming", "GatewayPrefix"]

ADDRESS_SIZE_MAX: Final = 64
PREFIX_SIZE_MAX: Final = 3 + ADDRESS_SIZE_MAX
NETWORK_MAX: Final = 0xFF


@dataclass(frozen=True, slots=True)
class GatewayPrefix:
    """Which meter behind a gateway. physical_address: octets as the gateway knows the meter, at most 64."""

    network_id: int
    physical_address: bytes

    def __post_init__(self) -> None:
        """Refuse what has no octets."""
        if not 0 <= self.network_id <= NETWORK_MAX or len(self.physical_address) > ADDRESS_SIZE_MAX:
            raise EncodeError(f"network {self.network_id} and an address of {len(self.physical_address)} octets")

    def to_bytes(self, tag: int) -> bytes:
        """Give the prefix of a request or a response."""
        return bytes((tag, self.network_id, len(self.physical_address))) + self.physical_address

    @classmethod
    def split(cls, octets: bytes) -> tuple["GatewayPrefix | None", bytes]:
        """Give prefix and APDU; None where there is no prefix. Raises DecodeError where one is cut short."""
        if not octets or octets[0] not in (ApduTag.GATEWAY_REQUEST, ApduTag.GATEWAY_RESPONSE):
            return None, octets
        size = octets[2] if len(octets) > 2 else ADDRESS_SIZE_MAX + 1
        if size > ADDRESS_SIZE_MAX or len(octets) <= 3 + size:
            raise DecodeError("the prefix of a gateway is cut short or too long", offset=0, expected="address and APDU")
        return cls(octets[1], octets[3 : 3 + size]), octets[3 + size :]


@dataclass(frozen=True, slots=True)
class GatewayFraming:
    """APDUs to one meter behind a gateway, over the framing that the gateway itself speaks."""

    inner: ClientFraming
    network_id: int
    physical_address: bytes

    def client_link(self, client_sap: int, server_sap: int, apdu_size_max: int) -> ClientLink:
        """Give a fresh link. Raises EncodeError where the address does not fit."""
        link = self.inner.client_link(client_sap, server_sap, apdu_size_max + PREFIX_SIZE_MAX)
        return _GatewayLink(link, GatewayPrefix(self.network_id, self.physical_address))


class _GatewayLink:
    """The link to the gateway, with the meter's prefix put before what goes out and taken from what comes in."""

    __slots__ = ("_link", "_meter", "_prefix")

    def __init__(self, link: ClientLink, meter: GatewayPrefix) -> None:
        self._link = link
        self._meter = meter
        self._prefix = meter.to_bytes(ApduTag.GATEWAY_REQUEST)

    def send(self, apdu: bytes, now: float) -> bytes:
        """Take an APDU for the meter."""
        return self._link.send(self._prefix + apdu, now)

    def receive(self, data: bytes, now: float) -> None:
        """Take octets as they came."""
        self._link.receive(data, now)

    def next_apdu(self) -> bytes | None:
        """Give the next APDU of the meter; those of others behind the gateway are passed over."""
        while (octets := self._link.next_apdu()) is not None:
            prefix, apdu = GatewayPrefix.split(octets)
            if prefix == self._meter:
                return apdu
            if prefix is None:
                if apdu[0] == ApduTag.EXCEPTION_RESPONSE:
                    return apdu  # of the gateway itself: it does not reach the meter
                raise UnlawfulMessage(f"APDU {apdu[0]:#04x} of the gateway where one of a meter is due", tag=apdu[0])
        return None

    def data_to_send(self) -> bytes:
        """Give what the link itself has to say."""
        return self._link.data_to_send()

    def next_deadline(self) -> float | None:
        """Give the time at which `advance` must be called."""
        return self._link.next_deadline()

    def advance(self, now: float) -> None:
        """Let time pass."""
        self._link.advance(now)

    def close(self, now: float) -> bytes:
        """Give what ends the link."""
        return self._link.close(now)

    @property
    def progress(self) -> int:
        """Frames so far that brought a transfer forward."""
        return self._link.progress

    @property
    def line(self) -> LineFormat | None:
        """The format of the serial line that the link wants."""
        return self._link.line
