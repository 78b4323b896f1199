"""A question for readings, as a client puts it into a query string."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from meterworks.catalogue import CHANNELS, Channel, UnknownEntryError, channel_by_code
from meterworks.market.errors import RangeTooLarge, RequestMalformed
from meterworks.market.series import Resolution, TimeRange
from meterworks.market.timestamp import parse_time

__all__ = [
    "Cursor",
    "SeriesQuestion",
    "parse_channels",
    "parse_limit",
    "parse_range",
    "parse_resolution",
]

CHANNEL_COUNT_MAX = 32
CHANNEL_NAME_LENGTH_MAX = 80
RANGE_DEFAULT = timedelta(days=7)
LIMIT_DIGITS_MAX = 9
CURSOR_LENGTH_MAX = 64
SHORTEST_STEP_S = 60  # assumed between values of a channel without interval


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins: a channel and a start within it."""

    channel_id: int
    start_epoch_s: int

    def encode(self) -> str:
        """As opaque text."""
        return base64.urlsafe_b64encode(f"{self.channel_id}.{self.start_epoch_s}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises RequestMalformed for anything that `encode` did not give."""
        try:
            if len(text) > CURSOR_LENGTH_MAX:
                raise ValueError("too long")  # noqa: TRY301  # joins the other ways of not being one of ours
            channel, _, start = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(".")
            cursor = cls(int(channel), int(start))
        except (ValueError, binascii.Error) as error:
            raise RequestMalformed(
                "the cursor is not one of ours; take `next` of the page before", parameter="cursor"
            ) from error
        if cursor.encode() != text:
            raise RequestMalformed("the cursor is not one of ours; take `next` of the page before", parameter="cursor")
        return cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuestion:
    """What is asked of a device or usage point.

    channels: none means the interval channels its devices have; `bases` narrows those. row_limit: None
    asks for everything at once. purpose: a name of the catalogue; empty: the asker's own (see `purpose.purpose_of`).
    """

    channels: Sequence[Channel]
    asked: TimeRange
    as_of: datetime | None
    resolution: Resolution
    zone_name: str | None
    row_limit: int | None
    cursor: Cursor | None
    purpose: str
    request_id: str
    bases: Sequence[int] = ()

    def check(self, rows_max: int, *, lived: Sequence[TimeRange] | None = None) -> None:
        """Raises RequestMalformed for a sum of what is no amount, and RangeTooLarge when more than `rows_max` rows may
        have to be read, before any is. lived: when there can be readings at all; None: whenever it is asked for.
        """
        wrong = next((channel for channel in self.channels if channel.interval_s is None), None)
        if self.resolution != "interval" and wrong is not None:
            raise RequestMalformed(
                f"{wrong.code} is not an amount per interval and cannot be summed; ask for it with resolution=interval",
                parameter="resolution",
            )
        parts = [self.asked] if lived is None else [self.asked.overlap(each.from_, each.to) for each in lived]
        seconds = sum((part.to - part.from_).total_seconds() for part in parts if part is not None)
        rows = sum(seconds / (channel.interval_s or SHORTEST_STEP_S) for channel in self.channels)
        if rows > rows_max:
            raise RangeTooLarge(
                f"this may touch {rows:.0f} rows, at most {rows_max} are read at once; "
                "ask for fewer channels or a shorter range",
                rows_max=rows_max,
            )


def parse_channels(texts: Sequence[str]) -> list[Channel]:
    """Channels by code or number, several by repetition or commas, each once. Raises RequestMalformed."""
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    if len(names) > CHANNEL_COUNT_MAX:
        raise RequestMalformed(f"at most {CHANNEL_COUNT_MAX} channels may be asked for at once", parameter="channel")
    found = {channel.id: channel for channel in map(_channel, names)}
    return [found[number] for number in sorted(found)]


def _channel(name: str) -> Channel:
    if name.isascii() and name.isdigit() and len(name) <= 6:
        channel = CHANNELS.get(int(name))
        if channel is not None:
            return channel
        raise RequestMalformed(f"there is no channel {name}; see /api/v1/channels", parameter="channel")
    if len(name) > CHANNEL_NAME_LENGTH_MAX:
        raise RequestMalformed("no channel has so long a name; see /api/v1/channels", parameter="channel")
    try:
        return channel_by_code(name)
    except UnknownEntryError as error:
        raise RequestMalformed(f"{error}; see /api/v1/channels", parameter="channel") from error


def parse_range(from_text: str | None, to_text: str | None, now: datetime) -> TimeRange:
    """The half-open range asked for: by default the seven days until now. Raises RequestMalformed."""
    to = parse_time(to_text, "to") if to_text is not None else now.replace(microsecond=0)
    from_ = parse_time(from_text, "from") if from_text is not None else to - RANGE_DEFAULT
    if from_ >= to:
        raise RequestMalformed("`from` must be before `to`; the range is half-open", parameter="from")
    return TimeRange(from_, to)


def parse_resolution(text: str) -> Resolution:
    """`interval`, `day` or `month`. Raises RequestMalformed."""
    for name in get_args(Resolution):
        if text == name:
            resolution: Resolution = name
            return resolution
    raise RequestMalformed(f"resolution={text[:20]!r} is none of interval, day, month", parameter="resolution")


def parse_limit(text: str | None, *, default: int) -> int:
    """Rows of one page, at least one. Raises RequestMalformed."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= LIMIT_DIGITS_MAX and int(text) > 0):
        raise RequestMalformed("`limit` is a number of rows, at least 1", parameter="limit")
    return int(text)
