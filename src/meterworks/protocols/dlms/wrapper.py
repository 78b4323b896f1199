"""The wrapper of TCP and UDP: version 1, source, destination, length.  Source: IEC 62056-4-7; fact sheet section 5."""

import struct
from typing import Final

from meterworks.protocols.errors import UnlawfulMessage

__all__ = ["HEADER_SIZE", "WrapperFrame", "WrapperReader", "encode_wrapper"]

HEADER_SIZE: Final = 8
_HEADER: Final = struct.Struct(">HHHH")
_VERSION: Final = 1

WrapperFrame = tuple[int, int, bytes]  # (source address, destination address, APDU)


def encode_wrapper(source: int, destination: int, apdu: bytes) -> bytes:
    """Put the header before an APDU of at most 65,535 octets."""
    return _HEADER.pack(_VERSION, source, destination, len(apdu)) + apdu


class WrapperReader:
    """A byte stream in, whole APDUs out, at any fragmentation. At most one unfinished frame is kept.

    apdu_size_max: a longer announced length is refused before anything is kept of it. Once refused, it stays refused.
    """

    __slots__ = ("_buffer", "_size_max", "_start")

    def __init__(self, apdu_size_max: int = 0xFFFF) -> None:
        self._buffer: bytes | bytearray = b""
        self._start = 0
        self._size_max = apdu_size_max

    def feed(self, data: bytes) -> None:
        """Store what arrived."""
        rest = len(self._buffer) - self._start
        if not rest:
            self._buffer = data
            self._start = 0
        elif isinstance(self._buffer, bytearray) and not self._start:
            self._buffer += data
        else:
            self._buffer = bytearray(memoryview(self._buffer)[self._start :]) + data
            self._start = 0

    @property
    def size(self) -> int:
        """Octets stored and not given out yet."""
        return len(self._buffer) - self._start

    def next_frame(self) -> WrapperFrame | None:
        """Give (source, destination, APDU) of the next whole frame, or None until more arrives.

        Raises UnlawfulMessage for a header that no wrapper has.
        """
        buffer = self._buffer
        start = self._start
        available = len(buffer) - start
        if available < HEADER_SIZE:
            return None
        version, source, destination, length = _HEADER.unpack_from(buffer, start)
        if version != _VERSION or not 0 < length <= self._size_max:
            raise UnlawfulMessage(
                f"wrapper header of version {version} and length {length}; lawful are 1 and 1 to {self._size_max}",
                version=version,
                length=length,
            )
        end = start + HEADER_SIZE + length
        if len(buffer) < end:
            return None
        self._start = end
        return source, destination, bytes(buffer[start + HEADER_SIZE : end])
