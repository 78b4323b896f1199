"""Local time of a meter: deviation and daylight saving of its IANA zone, for one moment and for whole columns.

COSEM writes local time with the deviation *to* UTC in minutes (UTC = local + deviation), so London in summer is -60.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from meterworks.devices.errors import ModelError
from meterworks.protocols.dlms import ANY, ANY_YEAR, CosemDateTime

__all__ = ["DST_STATUS", "ZoneRules", "ZoneTable", "rule_table", "zone_table"]

FIRST_YEAR: Final = 1990  # the tables cover what meters of this century can have stored
LAST_YEAR: Final = 2060
DST_STATUS: Final = 0x80  # clock status: daylight saving active
DAY_S: Final = 86_400
SECOND_LAST: Final = 0xFD
LAST: Final = 0xFE  # day of month: the last one of the weekday or month

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRules:
    """Local time as attributes 3 and 5 to 8 of a clock say it.

    time_zone_min: minutes from local normal time to UTC (Paris -60). begins and ends: local time before the change,
    each with wildcards for every year. deviation_min: what daylight saving adds.
    """

    time_zone_min: int
    begins: CosemDateTime
    ends: CosemDateTime
    deviation_min: int
    enabled: bool


class ZoneTable:
    """Deviation and daylight saving of one zone as arrays over its changes, from 1990 to 2060."""

    def __init__(self, name: str) -> None:
        """Build the table; ModelError for a zone nobody knows."""
        try:
            self.zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ModelError(f"no time zone {name!r}: give an IANA name such as Europe/London") from error
        self.name = name
        changes = [int(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp()), *_changes(self.zone)]
        moments = [datetime.fromtimestamp(change, self.zone) for change in changes]
        self.change_epoch_s: IntArray = np.array(changes, np.int64)
        self.offset_s: IntArray = np.array([_seconds(moment.utcoffset()) for moment in moments], np.int64)
        saving_s = np.array([_seconds(moment.dst()) for moment in moments], np.int64)
        # Ireland's law makes summer its standard and winter the exception: there the saving is negative in winter.
        self.saving: npt.NDArray[np.bool_] = saving_s == 0 if (saving_s < 0).any() else saving_s > 0

    @classmethod
    def of_rules(cls, rules: ZoneRules) -> Self:
        """Build the table of rules that were written into a clock."""
        made = cls.__new__(cls)
        normal_s = -rules.time_zone_min * 60
        saving_s = normal_s + rules.deviation_min * 60
        changes = [(int(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp()), normal_s, False)]
        for year in range(FIRST_YEAR, LAST_YEAR + 1) if rules.enabled else ():
            begins, ends = local_rule(rules.begins, year), local_rule(rules.ends, year)
            if begins is not None and ends is not None:
                changes += [(begins - normal_s, saving_s, True), (ends - saving_s, normal_s, False)]
        changes.sort()
        made.name = "written"
        made.zone = ZoneInfo("UTC")
        made.change_epoch_s = np.array([change[0] for change in changes], np.int64)
        made.offset_s = np.array([change[1] for change in changes], np.int64)
        made.saving = np.array([change[2] for change in changes], bool)
        return made

    def offset_at(self, epoch_s: float) -> int:
        """Give local minus UTC in seconds at one moment."""
        return int(self.offset_s[self._index(epoch_s)])

    def saving_at(self, epoch_s: float) -> bool:
        """Tell whether daylight saving is active at one moment."""
        return bool(self.saving[self._index(epoch_s)])

    def _index(self, epoch_s: float) -> int:
        return max(0, int(self.change_epoch_s.searchsorted(epoch_s, side="right")) - 1)

    def changes_between(self, first_epoch_s: int, last_epoch_s: int) -> bool:
        """Tell whether the zone's offset or saving changes after the first and not after the last moment."""
        return self._index(first_epoch_s) != self._index(last_epoch_s)

    def offsets(self, epochs_s: IntArray) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        """Give local minus UTC in seconds, and whether daylight saving is active, for each moment."""
        index = np.maximum(self.change_epoch_s.searchsorted(epochs_s, side="right") - 1, 0)
        return self.offset_s[index], self.saving[index]

    def local_midnights(self, from_epoch_s: int, to_epoch_s: int) -> IntArray:
        """Give the UTC instants of the local midnights in [from, to), rising."""
        first = (from_epoch_s + self.offset_at(from_epoch_s)) // DAY_S - 1
        last = (to_epoch_s + self.offset_at(to_epoch_s)) // DAY_S + 1
        instants = self._to_utc(np.arange(first, last + 1, dtype=np.int64) * DAY_S)
        return instants[(instants >= from_epoch_s) & (instants < to_epoch_s)]

    def month_starts(self, from_epoch_s: int, to_epoch_s: int) -> IntArray:
        """Give the UTC instants of the local midnights that begin a month in [from, to), rising."""
        months = np.arange(
            np.datetime64(from_epoch_s + self.offset_at(from_epoch_s), "s").astype("datetime64[M]"),
            np.datetime64(to_epoch_s + self.offset_at(to_epoch_s), "s").astype("datetime64[M]") + 1,
        )
        instants = self._to_utc(months.astype("datetime64[s]").astype(np.int64))
        return instants[(instants >= from_epoch_s) & (instants < to_epoch_s)]

    def _to_utc(self, local_s: IntArray) -> IntArray:
        """Give the instants of local wall times; where the clock goes back, the first of the two."""
        before, _ = self.offsets(local_s - DAY_S - DAY_S // 4)
        after, _ = self.offsets(local_s + DAY_S + DAY_S // 4)
        still_before = self.offsets(local_s - before)[0] == before
        in_gap = self.offsets(local_s - after)[0] != after
        result: IntArray = np.where(still_before | in_gap, local_s - before, local_s - after)
        return result

    def to_utc(self, local_s: int) -> int:
        """Give the instant of a wall time given as seconds since 1970 local; of two, the first."""
        return int(self._to_utc(np.array([local_s], np.int64))[0])

    def local_time(self, epoch_s: float, *, status: int = 0, hundredths: bool = True) -> CosemDateTime:
        """Give one moment as the meter's clock writes it: local, with deviation and daylight saving status."""
        index = self._index(epoch_s)
        offset_s = int(self.offset_s[index])
        local = datetime.fromtimestamp(epoch_s, UTC) + timedelta(seconds=offset_s)
        return CosemDateTime(
            local.year, local.month, local.day, local.isoweekday(), local.hour, local.minute, local.second,
            local.microsecond // 10_000 if hundredths else 0,
            -offset_s // 60, status | (DST_STATUS if self.saving[index] else 0),
        )  # fmt: skip

    def standard_offset_s(self, epoch_s: float) -> int:
        """Give local *normal* time minus UTC in seconds in the year around a moment."""
        near = slice(max(0, self._index(epoch_s) - 1), self._index(epoch_s) + 2)
        normal = self.offset_s[near][~self.saving[near]]
        return int(normal[-1]) if len(normal) else self.offset_at(epoch_s) - 3600

    def change_rule(self, epoch_s: float, *, begins: bool) -> CosemDateTime:
        """Give the rule of the change to (or from) daylight saving that is in force, in local time before the change.

        A change on the last such weekday of its month becomes a rule for every year; any other is given for this year.
        A zone without daylight saving gives a date-time of wildcards only.  Source: COSEM class 8, attributes 5 and 6.
        """
        index = self.change_epoch_s.searchsorted(int(epoch_s), side="right")
        for change in range(max(1, int(index)), len(self.change_epoch_s)):
            if bool(self.saving[change]) == begins and bool(self.saving[change - 1]) != begins:
                return _rule(int(self.change_epoch_s[change]) + int(self.offset_s[change - 1]))
        return CosemDateTime()


@lru_cache(maxsize=64)
def zone_table(name: str) -> ZoneTable:
    """Give the table of a zone, made once per process."""
    return ZoneTable(name)


@lru_cache(maxsize=64)
def rule_table(rules: ZoneRules) -> ZoneTable:
    """Give the table of written rules, made once per process."""
    return ZoneTable.of_rules(rules)


def local_rule(rule: CosemDateTime, year: int) -> int | None:
    """Give the local moment (seconds since 1970, wall time) that a rule names in a year; None where it names none."""
    if rule.year not in (ANY_YEAR, year) or not 1 <= rule.month <= 12 or rule.hour == ANY:
        return None
    last = monthrange(year, rule.month)[1]
    first = last if rule.day == LAST else last - 1 if rule.day == SECOND_LAST else rule.day
    days = range(first, first + 1)
    if rule.weekday != ANY:
        days = {LAST: range(last - 6, last + 1), SECOND_LAST: range(last - 13, last - 6)}.get(
            rule.day, range(1 if rule.day == ANY else rule.day, (1 if rule.day == ANY else rule.day) + 7)
        )
    for number in days:
        if 1 <= number <= last and rule.weekday in (ANY, date(year, rule.month, number).isoweekday()):
            minute, second = (0 if part == ANY else part for part in (rule.minute, rule.second))
            return int(datetime(year, rule.month, number, rule.hour, minute, second, tzinfo=UTC).timestamp())
    return None


def _rule(local_s: int) -> CosemDateTime:
    local = datetime.fromtimestamp(local_s, UTC)
    last_of_month = (local + timedelta(days=7)).month != local.month
    year, day = (0xFFFF, LAST) if last_of_month else (local.year, local.day)
    return CosemDateTime(year, local.month, day, local.isoweekday(), local.hour, local.minute, local.second, 0)


def _seconds(difference: timedelta | None) -> int:
    return 0 if difference is None else int(difference.total_seconds())


def _changes(zone: ZoneInfo) -> list[int]:
    """Find the instants at which the zone's offset or saving changes, by halving the days they lie in."""
    changes: list[int] = []
    step = timedelta(days=7)
    moment = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    end = datetime(LAST_YEAR, 12, 31, tzinfo=UTC)
    known = _offsets_at(zone, moment)
    while moment < end:
        following = _offsets_at(zone, moment + step)
        if following != known:
            changes.append(_halve(zone, int(moment.timestamp()), int((moment + step).timestamp())))
        known = following
        moment += step
    return changes


def _halve(zone: ZoneInfo, low: int, high: int) -> int:
    before = _offsets_at(zone, datetime.fromtimestamp(low, UTC))
    while high - low > 1:  # bounded: a week of seconds is halved 20 times
        middle = (low + high) // 2
        if _offsets_at(zone, datetime.fromtimestamp(middle, UTC)) == before:
            low = middle
        else:
            high = middle
    return high


def _offsets_at(zone: ZoneInfo, moment: datetime) -> tuple[int, int]:
    local = moment.astimezone(zone)
    return _seconds(local.utcoffset()), _seconds(local.dst())
