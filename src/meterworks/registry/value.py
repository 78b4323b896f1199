"""What the registry holds: identities and the checks every value passes before it is a value."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Generic, NewType, TypeVar
from zoneinfo import available_timezones

from meterworks.registry.errors import InvalidValueError

__all__ = [
    "PAGE_SIZE_MAX",
    "ConsumerId",
    "DeviceId",
    "OrganisationId",
    "Page",
    "UsagePointId",
    "checked_identity",
    "checked_limit",
    "checked_number",
    "checked_text",
    "checked_time",
    "checked_time_zone",
    "checked_usage_point_id",
    "number_cursor",
    "page_of",
    "storable",
]

DeviceId = NewType("DeviceId", int)
UsagePointId = NewType("UsagePointId", str)
OrganisationId = NewType("OrganisationId", int)
ConsumerId = NewType("ConsumerId", int)

PAGE_SIZE_MAX = 10_000
TEXT_LENGTH_MAX = 200
USAGE_POINT_ID_LENGTH_MAX = 128
_NUMBER_MAX = 2**63 - 1
_YEAR_MIN, _YEAR_MAX = 1900, 9000  # far enough from the ends of the calendar that no zone leads out of it
_IDENTITY = re.compile(r"[0-9a-f]{16}")

Item = TypeVar("Item")
_Text = TypeVar("_Text", bound=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """One page of a list in the order of its key, and where the next one starts."""

    items: tuple[Item, ...]
    next_cursor: str | None  # give it as `after` to get the next page; None: this was the last


def checked_text(what: str, text: str, *, length_max: int = TEXT_LENGTH_MAX, empty: bool = False) -> str:
    """Give a text without the blanks around it. Raises InvalidValueError when it is too long, empty or unprintable."""
    text = text.strip()
    if not text and not empty:
        raise InvalidValueError(f"{what} is empty: give 1 to {length_max} characters", what=what)
    if len(text) > length_max:
        raise InvalidValueError(f"{what} has {len(text)} characters, at most {length_max} are kept", what=what)
    if not text.isprintable():  # lone surrogates and NUL too, which no database stores
        raise InvalidValueError(f"{what} holds characters that cannot be printed: leave them out", what=what)
    return text


def checked_identity(identity: str | bytes) -> str:
    """Give an identity as 16 lower-case hexadecimal digits. Octets and digits parted by - or : are taken as well."""
    text = identity.hex() if isinstance(identity, bytes) else identity.strip().lower().replace("-", "").replace(":", "")
    if _IDENTITY.fullmatch(text) is None:
        raise InvalidValueError("an identity is 8 octets, written as 16 hexadecimal digits", what="identity")
    return text


def checked_usage_point_id(text: str) -> UsagePointId:
    """Give a usage point's identifier back. Raises InvalidValueError when it is empty, too long or unprintable."""
    return UsagePointId(checked_text("a usage point's id", text, length_max=USAGE_POINT_ID_LENGTH_MAX))


def checked_time(what: str, instant: datetime) -> datetime:
    """Give an instant in UTC. Raises InvalidValueError when it has no zone or lies outside the years 1900 to 9000."""
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise InvalidValueError(f"{what} {instant.isoformat()} has no time zone: give one with offset", what=what)
    if not _YEAR_MIN <= instant.year <= _YEAR_MAX:
        raise InvalidValueError(f"{what} lies in the year {instant.year}, which no meter has seen", what=what)
    return instant.astimezone(UTC)


def checked_time_zone(name: str) -> str:
    """Give an IANA zone's name back. Raises InvalidValueError for a name the zone database does not have."""
    if name not in _zone_names():
        raise InvalidValueError(f"{name!r} is no IANA time zone, such as Europe/London or UTC", what="time_zone")
    return name


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def checked_number(number: int) -> int:
    """Give a surrogate number back, or 0, which no record has, where the database could not even hold it."""
    return number if 0 < number <= _NUMBER_MAX else 0


def storable(texts: Iterable[_Text]) -> list[_Text]:
    """Leave out texts no database could hold (lone surrogates, NUL), which therefore name no record."""
    return [text for text in texts if "\0" not in text and text.encode(errors="ignore").decode() == text]


def checked_limit(limit: int) -> int:
    """Give a page's size back. Raises InvalidValueError outside 1 to 10,000."""
    if not 1 <= limit <= PAGE_SIZE_MAX:
        raise InvalidValueError(f"a page holds 1 to {PAGE_SIZE_MAX} entries, not {limit}", what="limit")
    return limit


def number_cursor(after: str | None) -> int:
    """Read the cursor of a list ordered by number; None is its beginning. Raises InvalidValueError for other texts."""
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise InvalidValueError("the cursor is none this list gave: start again without one", what="after")
    return int(after)


def page_of(items: Iterable[Item], limit: int, cursors: Iterable[object]) -> Page[Item]:
    """Make a page of what was found when one more than `limit` was asked for."""
    found = tuple(items)
    keys = tuple(cursors)
    more = len(found) > limit
    return Page(items=found[:limit], next_cursor=str(keys[limit - 1]) if more else None)
