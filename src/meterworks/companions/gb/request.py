"""Service requests as data: who asks which device for what, whatever form they came in.

Source: DUIS 5.4, Request (header and body); fact sheet gb/GBCS.md section 14.
"""

from dataclasses import dataclass
from enum import IntEnum

from meterworks.companions.gb.element import Element

__all__ = ["CommandVariant", "Request", "RequestId"]


class CommandVariant(IntEnum):
    """What is to become of a request (DUIS command variants)."""

    SEND = 1  # not critical: the command is sent
    RETURN = 2  # not critical: the command is handed back for delivery at the premises
    SEND_AND_RETURN = 3
    PREPARE = 4  # critical: the pre-command is handed back, to be signed
    SEND_SIGNED = 5  # a signed pre-command is sent
    RETURN_SIGNED = 6
    SEND_AND_RETURN_SIGNED = 7
    ANSWER = 8  # the carrier answers by itself
    INTERNAL = 9


@dataclass(frozen=True, slots=True)
class RequestId:
    """originator, target: EUI-64 of 8 octets each. counter: 0..2**64-1; the command's, where its sender is the user."""

    originator: bytes
    target: bytes
    counter: int

    def __str__(self) -> str:
        """As DUIS writes it: 90-B3-…:00-DB-…:1008."""
        return f"{self.originator.hex('-').upper()}:{self.target.hex('-').upper()}:{self.counter}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A service request. variant: its service reference variant ("1.1.1"). body: the one element below Body.

    preceding: the request that has to be carried out before, of an ordered sequence.
    """

    request_id: RequestId
    command_variant: CommandVariant
    reference: str
    variant: str
    body: Element
    schema_version: str = "5.4"
    is_first_in_sequence: bool | None = None
    preceding: RequestId | None = None
