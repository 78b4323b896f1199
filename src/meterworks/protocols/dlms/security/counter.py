"""Invocation counters: ours under a key, and what the peer's may still be. No window is ever lowered."""

from typing import Protocol

__all__ = ["CountUp", "GrowingCounter", "PeerCounter"]


class PeerCounter(Protocol):
    """What the peer's invocation counter may still be."""

    def lowest(self) -> int:
        """Give the smallest counter that is still new."""

    def accept(self, counter: int) -> bool:
        """Store a counter whose tag was verified; False where it was used already."""


class GrowingCounter:
    """A peer's counter kept in memory, for one association."""

    __slots__ = ("_lowest",)

    def __init__(self, lowest: int = 0) -> None:
        self._lowest = lowest

    def lowest(self) -> int:
        """Give the smallest counter that is still new."""
        return self._lowest

    def accept(self, counter: int) -> bool:
        """Store a counter; False where it was used already."""
        if counter < self._lowest:
            return False
        self._lowest = counter + 1
        return True


class CountUp:
    """Our own counter under a key that lives as long as this object (a dedicated key, a test)."""

    __slots__ = ("_next",)

    def __init__(self, first: int = 0) -> None:
        self._next = first

    def next(self) -> int:
        """Give the next number."""
        value = self._next
        self._next = value + 1
        return value

    def peek(self) -> int:
        """Give the number that `next` would give, without taking it."""
        return self._next

    def skip_to(self, counter: int) -> None:
        """Go on with `counter`, where it is higher than the number that `next` would give; never go back."""
        self._next = max(self._next, counter)
