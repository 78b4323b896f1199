"""Messages too long for one frame: the blocks of a general block transfer, joined and cut.

A GB device sends its blocks without a back channel: numbered from 1, the last one says so, and each may be confirmed by
whoever carries them. Here stand all of them one behind the other, as a carrier hands them over.
Source: GBCS 7.2.6 (general block transfer); IEC 62056-5-3, general-block-transfer.
"""

from typing import Final

from meterworks.protocols.dlms.general_block import GeneralBlock
from meterworks.protocols.dlms.length import decode_length
from meterworks.protocols.errors import DecodeError, EncodeError
from meterworks.protocols.gbcs.message import MESSAGE_SIZE_MAX

__all__ = ["in_blocks", "joined_message"]

_BLOCK: Final = 0xE0
_HEAD_SIZE: Final = 6  # tag, control, two numbers
_NUMBER_MAX: Final = 0xFFFF


def joined_message(octets: bytes) -> bytes:
    """The message that blocks make together; octets that are no blocks are a message already.

    Raises DecodeError where a block is missing, out of order or cut off, and for more than 65535 octets.
    """
    if octets[:1] != bytes((_BLOCK,)):
        return octets
    parts: list[bytes] = []
    size = offset = 0
    is_last = False
    while offset < len(octets):
        if is_last:
            raise DecodeError(f"{len(octets) - offset} octets behind the last block", offset=offset)
        block, offset = _pull(octets, offset)
        if block.number != len(parts) + 1:
            raise DecodeError(f"block {block.number} where block {len(parts) + 1} is expected", offset=offset)
        parts.append(block.octets)
        is_last = block.last
        size += len(block.octets)
        if size > MESSAGE_SIZE_MAX:
            raise DecodeError(f"blocks of more than {MESSAGE_SIZE_MAX} octets together", offset=offset)
    if not is_last:
        raise DecodeError(f"the last block is missing behind block {len(parts)}", offset=offset)
    return b"".join(parts)


def in_blocks(message: bytes, *, block_size: int) -> bytes:
    """A message cut into blocks, one behind the other. block_size: of each one's content. Raises EncodeError."""
    if block_size < 1 or len(message) > block_size * _NUMBER_MAX or not message:
        raise EncodeError(f"{len(message)} octets do not go into blocks of {block_size}")
    starts = range(0, len(message), block_size)
    blocks = [
        GeneralBlock(
            last=start == starts[-1],
            streaming=False,
            window=1,
            number=number,
            acknowledged=0,
            octets=message[start : start + block_size],
        )
        for number, start in enumerate(starts, start=1)
    ]
    return b"".join(block.to_bytes() for block in blocks)


def _pull(octets: bytes, offset: int) -> tuple[GeneralBlock, int]:
    size, start = decode_length(octets, offset + _HEAD_SIZE)
    end = start + size
    if end > len(octets):
        raise DecodeError(f"a block of {size} octets at octet {start}, {len(octets) - start} are there", offset=start)
    return GeneralBlock.from_bytes(octets[offset:end]), end
