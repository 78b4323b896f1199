"""Several clients on one HDLC line: meters on a bus, or behind a serial server, asked one after the other.

Every client hears all that is said and takes what is for it; only one has a command under way at a time.
"""

import asyncio
from typing import Final, cast

from meterworks.links.carrier import Carrier, open_carrier
from meterworks.links.dlms_client import DlmsClient
from meterworks.links.errors import BadTarget, ConnectionLost
from meterworks.links.target import MeterTarget
from meterworks.protocols.dlms import ClientSettings, InvocationCounter
from meterworks.protocols.dlms.hdlc import HdlcFraming, HdlcSettings

__all__ = ["SharedLine"]

CLIENTS_MAX: Final = 256


class _Place:
    """One client's place on the line, which it takes for a connection of its own."""

    def __init__(self, line: "SharedLine", carrier: Carrier) -> None:
        self._line = line
        self.protocol: asyncio.Protocol | None = None
        self.write = carrier.write
        self.get_extra_info = carrier.get_extra_info
        self.get_write_buffer_size = carrier.get_write_buffer_size

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        """Say who hears from here on."""
        self.protocol = protocol

    def is_closing(self) -> bool:
        """Whether the client has left."""
        return not self._line.has(self)

    def close(self) -> None:
        """Leave the line to the others."""
        if self._line.leave(self) and self.protocol is not None:
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close


class SharedLine(asyncio.Protocol):
    """An open line. Use it as `async with await SharedLine.open(target) as line`, which closes it for all clients."""

    def __init__(self, target: MeterTarget) -> None:
        """Use `open`."""
        self._target = target
        self._turn = asyncio.Lock()
        self._carrier: Carrier | None = None
        self._places: dict[_Place, None] = {}

    @classmethod
    async def open(cls, target: MeterTarget, *, timeout_s: float = 10.0) -> "SharedLine":
        """Open the line. Raises ConnectFailed, or BadTarget where it does not carry HDLC alone."""
        if not isinstance(target.framing, HdlcFraming):
            raise BadTarget(f"{target}: only a line with HDLC, and no sign-on before it, can be shared")
        line = cls(target)
        await open_carrier(line, target, timeout_s=timeout_s)
        return line

    def client(
        self,
        settings: ClientSettings,
        *,
        counter: InvocationCounter,
        hdlc: HdlcSettings | None = None,
        timeout_s: float = 10.0,
    ) -> DlmsClient:
        """Give a client of one meter on the line. Raises ConnectionLost where the line is gone.

        hdlc: address and sizes of this meter, in place of those of the line's target. Two clients of one meter need
        client addresses of their own.
        """
        if self._carrier is None or self._carrier.is_closing() or len(self._places) >= CLIENTS_MAX:
            raise ConnectionLost(f"{self._target} is closed, or has {CLIENTS_MAX} clients")
        place = _Place(self, self._carrier)
        self._places[place] = None
        framing = self._target.framing if hdlc is None else HdlcFraming(hdlc)
        return DlmsClient.over(
            cast(asyncio.Transport, place),
            self._target.settings_for(settings),
            counter=counter,
            timeout_s=timeout_s,
            framing=framing,
            turn=self._turn,
        )

    def has(self, place: _Place) -> bool:
        """Whether a client is on the line."""
        return place in self._places

    def leave(self, place: _Place) -> bool:
        """Take a client off the line; give whether it was there."""
        was_there = place in self._places
        self._places.pop(place, None)
        return was_there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the line."""
        self._carrier = cast(Carrier, transport)

    def data_received(self, data: bytes) -> None:
        """Let all clients hear what is said."""
        for place in tuple(self._places):
            if place.protocol is not None:
                place.protocol.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End all clients with the line."""
        for place in tuple(self._places):
            place.close()

    async def close(self) -> None:
        """Close the line for all clients."""
        if self._carrier is not None:
            self._carrier.close()

    async def __aenter__(self) -> "SharedLine":
        """Give the line."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close the line."""
        await self.close()
