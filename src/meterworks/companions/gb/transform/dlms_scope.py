"""What the shapes of DLMS values see: the request, the situation, and where in an array they are."""

from collections.abc import Callable
from dataclasses import dataclass

from meterworks.companions.gb.element import Element
from meterworks.companions.gb.request import Request
from meterworks.companions.gb.situation import Situation

__all__ = ["Encoder", "Scope"]


@dataclass(slots=True)
class Scope:
    """Where a value is made. element: the paths of rows start here: the body, or one of several of an array.

    position: of that one among them, from 1. transaction: counter and identities of the message, as
    `protected` needs them: counter, user (or whom the broker speaks for), device.
    """

    element: Element
    request: Request
    situation: Situation
    position: int = 0
    counter: int = 0
    party: bytes = b""

    def inside(self, element: Element, position: int) -> "Scope":
        """The scope of one element of an array."""
        return Scope(element, self.request, self.situation, position, self.counter, self.party)


Encoder = Callable[[Scope], bytes]
