"""How much may be published before it is acknowledged."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

__all__ = ["Window"]


class Window:
    """Bounds the bytes that are under way. Places are given in order; one holder always has a place, however large."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def place(self, size: int) -> AsyncIterator[None]:
        """Wait for room, hold it for the block."""
        if self._queue or not self._has_room(size):
            admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append((size, admitted))
            try:
                await admitted
            except asyncio.CancelledError:
                if admitted.done() and not admitted.cancelled():
                    self._leave(size)
                raise
        else:
            self._bytes += size
        try:
            yield
        finally:
            self._leave(size)

    def _has_room(self, size: int) -> bool:
        return self._bytes == 0 or self._bytes + size <= self._bytes_max

    def _leave(self, size: int) -> None:
        self._bytes -= size
        while self._queue and (self._queue[0][1].done() or self._has_room(self._queue[0][0])):
            waiting_size, admitted = self._queue.popleft()
            if not admitted.done():  # else its call was cancelled
                self._bytes += waiting_size
                admitted.set_result(None)
