"""The data block that a meter gives for people (mode C): lines of `address(value*unit)` between STX and ETX, with BCC.

Source: IEC 62056-21, 6.3.6 and 6.3.7.
"""

import re
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Final

from meterworks.protocols.errors import DecodeError

__all__ = ["DataSet", "decode_readout"]

START: Final = 0x02
END: Final = 0x03
BLOCK_SIZE_MAX: Final = 64 * 1024
_DATA_SET: Final = re.compile(r"([^()/!\r\n]*)((?:\([^()/!]*\))+)")
_VALUE: Final = re.compile(r"\(([^()*]*)(?:\*([^()*]*))?\)")


@dataclass(frozen=True, slots=True)
class DataSet:
    """One line. values: each value with its unit, or None where it has none."""

    address: str
    values: tuple[tuple[str, str | None], ...]


def decode_readout(octets: bytes) -> list[DataSet]:
    """Read a data block from STX to its check octet. Raises DecodeError; the check octet is the XOR behind STX.

    Octets may have even parity as their top bit.
    """
    text = bytes(octet & 0x7F for octet in octets[:BLOCK_SIZE_MAX])
    start, end = text.find(START), text.find(END)
    if start < 0 or end < start or len(text) < end + 2:
        raise DecodeError("no data block between STX and ETX, or no check octet", offset=max(start, 0))
    check = reduce(xor, text[start + 1 : end + 1], 0)
    if check != text[end + 1]:
        raise DecodeError(f"check octet {text[end + 1]:02x} where {check:02x} is due", offset=end + 1)
    body = text[start + 1 : end].decode("ascii")
    return [
        DataSet(match[1], tuple((value[1], value[2]) for value in _VALUE.finditer(match[2])))
        for match in _DATA_SET.finditer(body)
    ]
