"""Where a meter is and what it speaks there, as one text or one value."""

from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from meterworks.links.errors import BadTarget
from meterworks.protocols.dlms import WRAPPER, ClientFraming

__all__ = ["DLMS_PORT", "MeterTarget", "Transport"]

DLMS_PORT: Final = 4059
PORT_MAX: Final = 0xFFFF


class Transport(Enum):
    """What carries the octets."""

    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTarget:
    """Where a meter is and what it speaks there. host and port: of TCP and UDP."""

    transport: Transport = Transport.TCP
    host: str = ""
    port: int = DLMS_PORT
    framing: ClientFraming = WRAPPER

    @classmethod
    def from_text(cls, text: str) -> "MeterTarget":
        """Read `tcp://host:4059`, `host:4059` or `udp://host:4059`; the port may be left out. Raises BadTarget."""
        try:
            parts = urlsplit(text if "://" in text else f"tcp://{text}")
            port = parts.port
        except ValueError as error:
            raise BadTarget(f"{text!r} is no address of a meter: {error}", text=text) from error
        if parts.scheme not in ("tcp", "udp"):
            raise BadTarget(f"{text!r}: {parts.scheme} is not one of tcp, udp", text=text)
        if not parts.hostname:
            raise BadTarget(f"{text!r} names no host", text=text)
        for name, _value in parse_qsl(parts.query):
            raise BadTarget(f"{text!r}: {name} is not a setting of {parts.scheme}", text=text)
        return cls(transport=Transport(parts.scheme), host=parts.hostname, port=DLMS_PORT if port is None else port)

    def __str__(self) -> str:
        """Give the address, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport.value}://{host}:{self.port}"
