"""What the meter commands ask of an open association; `BlockingDlmsClient` is one, a test's double another."""

from collections.abc import Callable, Sequence
from typing import Protocol

from meterworks.protocols.dlms import AttributeAddress, GetResult, MethodAddress, Selection

__all__ = ["AskedMeter", "Progress"]

Progress = Callable[[int, int], None]
"""Called with (block number, octets so far) while a long transfer goes on."""


class AskedMeter(Protocol):
    """An open association with a meter."""

    @property
    def server_title(self) -> bytes | None:
        """System title of the meter, once it is known."""

    def get(
        self, address: AttributeAddress, selection: Selection | None = None, *, progress: Progress | None = None
    ) -> bytes:
        """Read an attribute, encoded. Raises ServiceRefused."""

    def get_list(self, items: Sequence[AttributeAddress]) -> list[GetResult]:
        """Read several attributes in one request; each encoded or why not."""

    def set(self, address: AttributeAddress, value: bytes) -> None:
        """Write an attribute. Raises ServiceRefused."""

    def action(self, address: MethodAddress, parameter: bytes | None = None) -> bytes | None:
        """Invoke a method; give what it returns, encoded. Raises ServiceRefused."""
