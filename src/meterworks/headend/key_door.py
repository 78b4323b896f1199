"""How key jobs open associations: by connecting to a device, or on the connection that it opened itself."""

from meterworks.headend.device import DeviceRecord
from meterworks.headend.visitor import Dialer, OpenClient, Reopen
from meterworks.protocols.dlms import InvocationCounter

__all__ = ["CallDoor", "DialDoor"]


class DialDoor:
    """A connection for each association."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    async def open(self, device: DeviceRecord, client_sap: int, counter: InvocationCounter) -> OpenClient:
        """Connect. UnreachableError where nobody answers."""
        return await self._dialer.dial(device, client_sap, counter)

    async def close(self, link: OpenClient) -> None:
        """Close the connection."""
        await link.close()


class CallDoor:
    """The one connection that the device opened: one association after the other."""

    def __init__(self, reopen: Reopen) -> None:
        self._reopen = reopen

    async def open(self, device: DeviceRecord, client_sap: int, counter: InvocationCounter) -> OpenClient:
        """Begin anew on the connection. ConnectionLost where it is gone."""
        return self._reopen(client_sap, counter, device)

    async def close(self, link: OpenClient) -> None:
        """Leave the connection open: nobody knows when the device calls next."""
