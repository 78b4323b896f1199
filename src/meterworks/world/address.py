"""Where each meter answers: a loopback address of its own at the common port, or a port of its own."""

from typing import Final

from meterworks.world.errors import NeighbourhoodError

__all__ = ["meter_address"]

NETWORK: Final = "127.16"
HOSTS_PER_NET: Final = 254  # the last octet goes from 1 to 254
ADDRESSES_MAX: Final = 256 * HOSTS_PER_NET
PORT_MAX: Final = 65_535


def meter_address(index: int, *, port: int, single_address: bool) -> str:
    """Give host:port of meter `index`, from 0; NeighbourhoodError where addresses or ports end.

    On Linux every address of 127.0.0.0/8 is there; elsewhere all meters share 127.0.0.1 and differ by port.
    """
    if single_address:
        if port + index > PORT_MAX:
            raise NeighbourhoodError(
                f"no ports are left for {index + 1} meters from {port} on: take a smaller first port"
            )
        return f"127.0.0.1:{port + index}"
    if index >= ADDRESSES_MAX:
        raise NeighbourhoodError(f"{NETWORK}.0.0 has addresses for {ADDRESSES_MAX} meters")
    return f"{NETWORK}.{index // HOSTS_PER_NET}.{index % HOSTS_PER_NET + 1}:{port}"
