"""OBIS codes: the names of COSEM objects.  Source: IEC 62056-6-1."""

import re
from typing import Self

from meterworks.protocols.errors import EncodeError

__all__ = ["ObisCode"]

_TEXT = re.compile(
    r"(?:(?P<a>\d{1,3})[-.])?(?P<b>\d{1,3})[:.](?P<c>\d{1,3})\.(?P<d>\d{1,3})\.(?P<e>\d{1,3})(?:[.*&](?P<f>\d{1,3}))?"
)


class ObisCode(bytes):
    """Six octets A-B:C.D.E.F. They are bytes, so they compare, hash and go on the wire as such; `str()` gives text.

    Made from six octets, or from text as `1.0.1.8.0.255`, `1-0:1.8.0.255` or `1-0:1.8.0*255`; F may be left out (255).
    """

    __slots__ = ()

    def __new__(cls, code: str | bytes) -> Self:
        """Refuse with EncodeError what is not an OBIS code."""
        octets = _from_text(code) if isinstance(code, str) else code
        if len(octets) != 6:
            raise EncodeError(f"an OBIS code has 6 octets, not {len(octets)}: {octets.hex()}")
        return super().__new__(cls, octets)

    def __str__(self) -> str:
        """Give the dotted form, `1.0.1.8.0.255`."""
        return ".".join(map(str, self))

    def __repr__(self) -> str:
        """Give the constructor call."""
        return f"ObisCode('{self}')"

    @property
    def text(self) -> str:
        """The form of the trade, `1-0:1.8.0.255`."""
        a, b, c, d, e, f = self
        return f"{a}-{b}:{c}.{d}.{e}.{f}"


def _from_text(text: str) -> bytes:
    match = _TEXT.fullmatch(text.strip())
    if match is None or (match["a"] is None and match["f"] is not None):
        raise EncodeError(f"not an OBIS code: {text!r}; write it as 1.0.1.8.0.255 or 1-0:1.8.0.255")
    numbers = [int(match[group] or 0) for group in "abcde"] + [int(match["f"] or 255)]
    if max(numbers) > 255:
        raise EncodeError(f"a part of an OBIS code is at most 255: {text!r}")
    return bytes(numbers)
