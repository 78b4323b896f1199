"""What a link is told beforehand."""

from dataclasses import dataclass
from typing import Final

from meterworks.protocols.dlms.hdlc.address import HdlcAddress
from meterworks.protocols.dlms.hdlc.parameter import DEFAULT_PARAMETERS, LinkParameters
from meterworks.protocols.errors import EncodeError

__all__ = ["DEFAULT_SETTINGS", "HdlcSettings"]

ONE_OCTET_MAX: Final = 0x7F


@dataclass(frozen=True, slots=True, kw_only=True)
class HdlcSettings:
    """Addresses, sizes and times of a link; the logical addresses are those of the association.

    physical: physical device of the server (None: the address has none; a server then answers for any). address_size:
    octets of the server's address, 1, 2 or 4 (None: as few as it takes). parameters: what we propose, or offer.
    response_timeout_s: wait for an answer before it is asked for again, at most retries_max times. inactivity_s_max:
    silence after which a server ends a link. inter_octet_s_max: pause within a frame after which its rest is not
    awaited (25 ms by the standard; networks in between need more).
    """

    physical: int | None = None
    address_size: int | None = None
    parameters: LinkParameters = DEFAULT_PARAMETERS
    response_timeout_s: float = 3.0
    retries_max: int = 3
    inactivity_s_max: float = 120.0
    inter_octet_s_max: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no address can be made of."""
        HdlcAddress.of_server(1, self.physical, self.address_size)
        if min(self.response_timeout_s, self.inactivity_s_max, self.inter_octet_s_max) <= 0 or self.retries_max < 0:
            raise EncodeError("times of a link are above zero, and repetitions not below")


DEFAULT_SETTINGS: Final = HdlcSettings()
