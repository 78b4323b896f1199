"""Times and other octet strings of GB payloads as text, and the text back to the very octets.

Each presentation takes octets and gives a text and a residue: what the text does not say (weekday, hundredths, clock
status), empty where it is as GBCS prescribes. Octets that a presentation cannot tell exactly it leaves to others.
Times are UTC. `now` and `never` are the two date-times that GBCS gives a meaning of its own.
Source: GBCS 7.2 and 7.3 (date-times without deviation, status FF); IEC 62056-6-2, 4.1.6.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from meterworks.protocols.dlms import ObisCode

__all__ = ["EPOCH", "PRESENTATIONS", "Presentation", "eui_octets", "eui_text", "seconds_of", "seconds_text"]

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
SECONDS_MAX: Final = 2**32
_TAIL: Final = bytes.fromhex("8000ff")
_SPECIAL: Final = MappingProxyType({"now": bytes(9) + _TAIL, "never": b"\xff" * 9 + _TAIL})
_DATE_TIME: Final = re.compile(r"(\d{4}|\*)-(\d\d|\*)-(\d\d|\*)T(\d\d|\*):(\d\d|\*):(\d\d|\*)Z")
_DATE: Final = re.compile(r"(\d{4}|\*)-(\d\d|\*)-(\d\d|\*)")
_TIME: Final = re.compile(r"(\d\d|\*):(\d\d|\*):(\d\d|\*)")
_IDENTITY: Final = re.compile(r"[0-9A-F]{2}(-[0-9A-F]{2}){7}")
_NUMBER_MAX: Final = 99  # of two digits
_YEAR_MAX: Final = 9999
_DEVIATIONS: Final = (b"\x80\x00", b"\x00\x00")  # not specified, or none: both are UTC


class Presentation(NamedTuple):
    """tell: octets to text and residue, None where it cannot. octets: the way back. Raises ValueError for no text."""

    tell: Callable[[bytes], tuple[str, str] | None]
    octets: Callable[[str, str], bytes]


def seconds_text(seconds: int) -> str:
    """Seconds since 2000-01-01 as ISO UTC. seconds: 0..2**32-1."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def seconds_of(text: str) -> int:
    """The seconds that `seconds_text` told. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} is not UTC: write it as 2015-01-01T00:00:00Z")
    seconds, rest = divmod(moment - EPOCH, timedelta(seconds=1))
    if rest or not 0 <= seconds < SECONDS_MAX:
        raise ValueError(f"{text!r} is no whole second between 2000 and 2136")
    return seconds


def eui_text(octets: bytes) -> str:
    """An EUI-64 as people write it: 00-DB-12-34-56-78-90-A0."""
    return octets.hex("-").upper()


def eui_octets(text: str) -> bytes:
    """The octets of an EUI-64. Raises ValueError."""
    if not _IDENTITY.fullmatch(text):
        raise ValueError(f"{text!r} is no EUI-64: write it as 00-DB-12-34-56-78-90-A0")
    return bytes.fromhex(text.replace("-", ""))


def _told(numbers: bytes) -> list[str]:
    """Two digits for each number, `*` where it is left open. Raises ValueError where it has another meaning."""
    if any(_NUMBER_MAX < number < 0xFF for number in numbers):
        raise ValueError("a number with a meaning of its own")
    return ["*" if number == 0xFF else f"{number:02}" for number in numbers]


def _date_parts(octets: bytes) -> list[str]:
    """Year, month and day of the first four octets. Raises ValueError."""
    year = int.from_bytes(octets[:2], "big")
    if _YEAR_MAX < year < 0xFFFF:
        raise ValueError("a year with a meaning of its own")
    return ["*" if year == 0xFFFF else f"{year:04}", *_told(octets[2:4])]


def _number(part: str, absent: int) -> int:
    return absent if part == "*" else int(part)


def _date_octets(parts: tuple[str, ...], weekday: bytes) -> bytes:
    year = _number(parts[0], 0xFFFF).to_bytes(2, "big")
    return year + bytes((_number(parts[1], 0xFF), _number(parts[2], 0xFF))) + weekday


def _matched(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no date or time in the form of {pattern.pattern}")
    return match.groups()


def _rest(residue: str, usual: str) -> bytes:
    octets = bytes.fromhex(residue or usual)
    if len(octets) * 2 != len(usual):
        raise ValueError(f"{residue!r} is not the rest of a date or time")
    return octets


def _sized(size: int, tell: Callable[[bytes], tuple[str, str]]) -> Callable[[bytes], tuple[str, str] | None]:
    """Let a presentation see octets of its size only; those it cannot tell are none of its own."""

    def attempt(octets: bytes) -> tuple[str, str] | None:
        try:
            return tell(octets) if len(octets) == size else None
        except ValueError:
            return None

    return attempt


def _tell_date_time(octets: bytes) -> tuple[str, str]:
    for text, special in _SPECIAL.items():
        if octets == special:
            return text, ""
    if octets[9:11] not in _DEVIATIONS:
        raise ValueError("a local time")
    residue = (octets[4:5] + octets[8:]).hex()
    text = f"{'-'.join(_date_parts(octets))}T{':'.join(_told(octets[5:8]))}Z"
    return text, "" if residue == "ff008000ff" else residue


def _date_time_octets(text: str, residue: str) -> bytes:
    if text in _SPECIAL:
        return _SPECIAL[text]
    parts = _matched(_DATE_TIME, text)
    rest = _rest(residue, "ff008000ff")
    return _date_octets(parts[:3], rest[:1]) + bytes(_number(part, 0xFF) for part in parts[3:]) + rest[1:]


def _tell_date(octets: bytes) -> tuple[str, str]:
    return "-".join(_date_parts(octets)), "" if octets[4] == 0xFF else octets[4:].hex()


def _of_date(text: str, residue: str) -> bytes:
    return _date_octets(_matched(_DATE, text), _rest(residue, "ff"))


def _tell_time(octets: bytes) -> tuple[str, str]:
    return ":".join(_told(octets[:3])), octets[3:].hex() if octets[3] else ""


def _of_time(text: str, residue: str) -> bytes:
    return bytes(_number(part, 0xFF) for part in _matched(_TIME, text)) + _rest(residue, "00")


def _tell_text(octets: bytes) -> tuple[str, str] | None:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return (text, "") if text.isprintable() else None


PRESENTATIONS: Final[Mapping[str, Presentation]] = MappingProxyType({
    "date-time": Presentation(_sized(12, _tell_date_time), _date_time_octets),
    "date": Presentation(_sized(5, _tell_date), _of_date),
    "time": Presentation(_sized(4, _tell_time), _of_time),
    "text": Presentation(_tell_text, lambda text, _: text.encode()),
    "logical-name": Presentation(
        _sized(6, lambda octets: (ObisCode(octets).text, "")), lambda text, _: bytes(ObisCode(text))
    ),
    "eui": Presentation(_sized(8, lambda octets: (eui_text(octets), "")), lambda text, _: eui_octets(text)),
})  # fmt: skip
