"""Datagrams of the wrapper: which frames one is made of."""

import struct
from typing import Final

__all__ = ["datagram_frames"]

_HEADER: Final = struct.Struct(">HHHH")


def datagram_frames(data: bytes) -> list[bytes] | None:
    """Give the wrapper frames that a datagram is made of, each with its header; None where it is not whole."""
    frames = []
    start = 0
    while start < len(data):  # bounded: each frame has a header
        if start + _HEADER.size > len(data):
            return None
        version, _, _, size = _HEADER.unpack_from(data, start)
        end = start + _HEADER.size + size
        if version != 1 or not size or end > len(data):
            return None
        frames.append(data[start:end])
        start = end
    return frames
