"""Tariffs and schedules of a meter: who runs which script when (classes 6, 10, 11, 20 and 22).

The activity calendar finds the season of a date, its week, the day of that week (a special day has its own), and runs
the scripts of that day's schedule; at a given instant the passive calendar takes its place. A schedule runs scripts at
a time of day, on some weekdays, between two dates. A single action schedule runs one script at listed times. Each is a
`Watch`: what was due while nobody looked happens in its order, at its instant.

What the scripts do is theirs: those of the tariff table write the active mask of a register activation.
Source: COSEM interface classes 6, 10, 11, 20 and 22.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from meterworks.devices.model import Place
from meterworks.devices.script import run_script
from meterworks.devices.view import LOG_STANDARD, MeterView, ServedObject
from meterworks.devices.wall_clock import (
    CHANGE_MAX_S,
    DAY_S,
    EPOCH,
    date_matches,
    earliest_wall_s,
    local_date,
    next_instant,
    pattern_date,
    pattern_date_time,
    pattern_time,
    times_of_day,
)
from meterworks.protocols.dlms import (
    ANY,
    ANY_YEAR,
    ActionResult,
    BitString,
    CosemDate,
    CosemDateTime,
    CosemTime,
    DataAccessResult,
    PlainValue,
    decode_all,
)

__all__ = [
    "ACTION_SCHEDULE_WATCH", "CALENDAR_WATCH", "SCHEDULE_WATCH", "activate_passive", "day_profile", "judge_days",
    "judge_entries", "objects_of",
    "passive_instant", "plain_value", "was_written",
]  # fmt: skip

CALENDAR_CLASS: Final = 20
SCHEDULE_CLASS: Final = 10
SPECIAL_DAYS_CLASS: Final = 11
ACTION_SCHEDULE_CLASS: Final = 22
PASSIVE_TIME: Final = 10
CALENDAR_PARTS: Final = ((6, 2), (7, 3), (8, 4), (9, 5))  # passive attribute, active attribute
EVENT_CALENDAR_ACTIVATED: Final = 8  # a passive calendar became the active one
DAYS_LOOKED_AT_MAX: Final = 60
DAYS_MAX: Final = 256  # day profiles of a calendar
ACTIONS_MAX: Final = 64  # of a day profile
ENTRIES_MAX: Final = 256  # of a schedule
TIMES_MAX: Final = 64  # of a single action schedule
YEAR_NONE: Final = 0xFFFF


def objects_of(view: MeterView, class_id: int) -> Iterator[tuple[bytes, ServedObject]]:
    """Give the meter's objects of a class, by name."""
    for name, found in view.objects.items():
        if found.interface_class.class_id == class_id:
            yield name, found


def plain_value(view: MeterView, found: ServedObject, number: int) -> PlainValue:
    """Give an attribute of an object of the meter as plain values, or None."""
    encoded = found.attributes[number - 1].value(view)
    return None if encoded is None else decode_all(encoded)


def was_written(view: MeterView, class_id: int) -> bool:
    """Tell whether a client wrote into an object of the class: only then it differs from what everybody has."""
    return any(
        name in view.objects and view.objects[name].interface_class.class_id == class_id
        for name, _ in view.state.overlay.values(view.index)
    )


# --- activity calendar -----------------------------------------------------------------------------------------------


def day_profile(view: MeterView, calendar: ServedObject, day: date) -> int | None:
    """Give the day profile (its id) that the active calendar has for a date; None where it has none."""
    for _, table in objects_of(view, SPECIAL_DAYS_CLASS):
        for row in plain_value(view, table, 2) or ():
            match row:
                case (int(), pattern, int(day_id)) if (wanted := pattern_date(pattern)) and date_matches(wanted, day):
                    return day_id
                case _:
                    continue
    week_name = _week_of(plain_value(view, calendar, 3) or (), day)
    for week in plain_value(view, calendar, 4) or ():
        if week[0] == week_name and isinstance(week[day.isoweekday()], int):
            return int(week[day.isoweekday()])
    return None


def _week_of(seasons: Sequence[PlainValue], day: date) -> PlainValue:
    """Give the name of the week of the season that a day lies in: the one that began last, perhaps a year ago."""
    best: tuple[date, PlainValue] | None = None
    for season in seasons:
        match season:
            case (_, start, week_name):
                began = _season_start(pattern_date_time(start), day)
            case _:
                continue
        if began is not None and (best is None or began > best[0]):
            best = (began, week_name)
    return None if best is None else best[1]


def _season_start(start: CosemDateTime | None, day: date) -> date | None:
    """Give the last day on or before `day` on which a season starts; None where it never did."""
    if start is None:
        return None
    if not 1 <= start.month <= 12:  # a season without a month is always on
        return date.min
    years = (day.year, day.year - 1) if start.year == ANY_YEAR else (start.year,)
    for year in years:
        for number in range(31, 0, -1):
            try:
                candidate = date(year, start.month, number)
            except ValueError:
                continue
            if candidate <= day and date_matches(start, candidate):
                return candidate
    return None


def _day_actions(view: MeterView, calendar: ServedObject, day: date) -> list[tuple[int, bytes, int]]:
    """Give what the calendar does on a day: (wall time in seconds since 1970 local, script table, selector), rising."""
    day_id = day_profile(view, calendar, day)
    midnight_s = (day - EPOCH).days * DAY_S
    found: list[tuple[int, bytes, int]] = []
    for row in plain_value(view, calendar, 5) or ():
        if row[0] != day_id:
            continue
        for action in row[1]:
            match action:
                case (start, bytes(table), int(selector)) if time := pattern_time(start):
                    found += [(midnight_s + at, table, selector) for at in times_of_day(time)]
                case _:
                    continue
    return sorted(found)


def judge_days(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    """Take day profiles whose times of day are exact: the standard allows no wildcards there."""
    del view, place
    few = len(value) <= DAYS_MAX and all(len(day[1]) <= ACTIONS_MAX for day in value)
    good = few and all(_is_exact(pattern_time(action[0])) for day in value for action in day[1])
    return DataAccessResult.SUCCESS if good else DataAccessResult.OTHER_REASON


def _is_exact(time: CosemTime | None) -> bool:
    return time is not None and ANY not in (time.hour, time.minute)


def judge_entries(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    """Take entries of a schedule whose switching times are exact."""
    del view, place
    good = len(value) <= ENTRIES_MAX and all(_is_exact(pattern_time(entry[4])) for entry in value)
    return DataAccessResult.SUCCESS if good else DataAccessResult.OTHER_REASON


def passive_instant(view: MeterView, calendar: ServedObject) -> int | None:
    """Give when the passive calendar is to become the active one; None where no moment is set."""
    moment = pattern_date_time(plain_value(view, calendar, PASSIVE_TIME))
    if moment is None or moment.year in (ANY_YEAR, 0) or not moment.is_exact:
        return None
    if moment.deviation_min != CosemDateTime().deviation_min:
        return int(moment.to_datetime().timestamp())
    return view.zone.to_utc(int(moment.to_datetime(deviation_min=0).timestamp()))


def activate_passive(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Make the passive calendar the active one (class 20, method 1)."""
    del parameter  # integer 0, without meaning
    _exchange(view, place.obis_code)
    return ActionResult.SUCCESS


def _exchange(view: MeterView, name: bytes) -> None:
    calendar = view.objects[name]
    for passive, active in CALENDAR_PARTS:
        value = calendar.attributes[passive - 1].value(view)
        if value is not None:
            view.write((name, active), value)
    view.write((name, PASSIVE_TIME), b"\x09\x0c" + CosemDateTime().to_bytes())
    view.record(LOG_STANDARD, EVENT_CALENDAR_ACTIVATED)


class CalendarWatch:
    """Runs the day schedules of activity calendars, and brings in passive calendars."""

    def is_active(self, view: MeterView) -> bool:
        """Tell whether a calendar, or the table of special days, was written."""
        return was_written(view, CALENDAR_CLASS) or was_written(view, SPECIAL_DAYS_CLASS)

    def due(self, view: MeterView, after_s: int, until_s: int) -> int | None:
        """Give the next switching."""
        found = [
            at_s
            for _, calendar in objects_of(view, CALENDAR_CLASS)
            for at_s in (self._next_switching(view, calendar, after_s, until_s), passive_instant(view, calendar))
            if at_s is not None and after_s < at_s <= until_s
        ]
        return min(found, default=None)

    def _next_switching(self, view: MeterView, calendar: ServedObject, after_s: int, until_s: int) -> int | None:
        day = local_date(view.zone, after_s) - timedelta(days=1)
        last = local_date(view.zone, until_s) + timedelta(days=1)
        from_s = earliest_wall_s(view.zone, after_s)
        for _ in range(DAYS_LOOKED_AT_MAX):
            if day > last:
                return None
            for wall_s, _, _ in _day_actions(view, calendar, day):
                if wall_s >= from_s and after_s < (at_s := view.zone.to_utc(wall_s)) <= until_s:
                    return at_s
            day += timedelta(days=1)
        return None

    def act(self, view: MeterView, at_s: int) -> None:
        """Exchange the calendars, or run what the day has at this instant."""
        with view.as_of(at_s):
            for name, calendar in tuple(objects_of(view, CALENDAR_CLASS)):
                if passive_instant(view, calendar) == at_s:
                    _exchange(view, name)
                from_s = earliest_wall_s(view.zone, at_s)
                for day in (local_date(view.zone, at_s) - timedelta(days=1), local_date(view.zone, at_s)):
                    for wall_s, table, selector in _day_actions(view, calendar, day):
                        if from_s <= wall_s <= from_s + 2 * CHANGE_MAX_S and view.zone.to_utc(wall_s) == at_s:
                            run_script(view, table, selector)


# --- schedule --------------------------------------------------------------------------------------------------------


def _runs_on(entry: Sequence[PlainValue], day: date) -> bool:
    """Tell whether an enabled entry of a schedule runs on a day."""
    weekdays, begins, ends = entry[6], pattern_date(entry[8]), pattern_date(entry[9])
    if not entry[1] or not isinstance(weekdays, BitString):
        return False
    weekday = day.weekday()
    if weekday >= weekdays.size_bits or not weekdays.octets[weekday // 8] >> (7 - weekday % 8) & 1:
        return False
    return (begins is None or _ordinal(begins, day) <= day) and (ends is None or day <= _ordinal(ends, day))


def _ordinal(bound: CosemDate, day: date) -> date:
    """Give the day of a bound, taking what it leaves open from the day it is compared with."""
    year = day.year if bound.year == YEAR_NONE else bound.year
    month = bound.month if 1 <= bound.month <= 12 else day.month
    number = bound.day if 1 <= bound.day <= 31 else day.day
    try:
        return date(year, month, number)
    except ValueError:
        return day


class ScheduleWatch:
    """Runs the entries of schedules (class 10). A missed entry is made up for within its validity window."""

    def is_active(self, view: MeterView) -> bool:
        """Tell whether a schedule was written."""
        return was_written(view, SCHEDULE_CLASS)

    def due(self, view: MeterView, after_s: int, until_s: int) -> int | None:
        """Give when the next entry runs."""
        return min((at_s for at_s, _, _ in self._between(view, after_s, until_s)), default=None)

    def _between(self, view: MeterView, after_s: int, until_s: int) -> Iterator[tuple[int, bytes, int]]:
        for _, schedule in objects_of(view, SCHEDULE_CLASS):
            for entry in plain_value(view, schedule, 2) or ():
                time = pattern_time(entry[4])
                if time is not None:
                    for at_s in _entry_instants(view, entry, time, after_s, until_s):
                        yield at_s, entry[2], entry[3]

    def act(self, view: MeterView, at_s: int) -> None:
        """Run the entries of this instant."""
        with view.as_of(at_s):
            for _, table, selector in tuple(self._between(view, at_s - 1, at_s)):
                run_script(view, table, selector)


def _entry_instants(
    view: MeterView, entry: Sequence[PlainValue], time: CosemTime, after_s: int, until_s: int
) -> Iterator[int]:
    """Give the first instant of an entry in (after, until], if there is one."""
    day, last = local_date(view.zone, after_s), local_date(view.zone, until_s)
    for _ in range(DAYS_LOOKED_AT_MAX):
        if day > last:
            return
        if _runs_on(entry, day):
            midnight_s = (day - EPOCH).days * DAY_S
            for second in times_of_day(time):
                at_s = view.zone.to_utc(midnight_s + second)
                if after_s < at_s <= until_s:
                    yield at_s
                    return
        day += timedelta(days=1)


# --- single action schedules -----------------------------------------------------------------------------------------


class ActionScheduleWatch:
    """Runs the scripts of single action schedules (class 22) into which times were written."""

    def is_active(self, view: MeterView) -> bool:
        """Tell whether a single action schedule was written."""
        return was_written(view, ACTION_SCHEDULE_CLASS)

    def _written_ones(self, view: MeterView) -> Iterator[tuple[bytes, ServedObject]]:
        for name, found in objects_of(view, ACTION_SCHEDULE_CLASS):
            if view.written((name, 4)) is not None:
                yield name, found

    def due(self, view: MeterView, after_s: int, until_s: int) -> int | None:
        """Give the next listed time."""
        found = [
            at_s
            for _, schedule in self._written_ones(view)
            if (at_s := _next_listed(view, schedule, after_s, until_s)) is not None
        ]
        return min(found, default=None)

    def act(self, view: MeterView, at_s: int) -> None:
        """Run the scripts whose time this is."""
        with view.as_of(at_s):
            for _, schedule in tuple(self._written_ones(view)):
                if _next_listed(view, schedule, at_s - 1, at_s) is not None:
                    match plain_value(view, schedule, 2):
                        case (bytes(table), int(selector)):
                            run_script(view, table, selector)


def _next_listed(view: MeterView, schedule: ServedObject, after_s: int, until_s: int) -> int | None:
    best: int | None = None
    for row in (plain_value(view, schedule, 4) or ())[:TIMES_MAX]:
        time, day = pattern_time(row[0]), pattern_date(row[1])
        if time is None or day is None or not _is_exact(time):
            continue  # wildcards are for dates
        at_s = next_instant(view.zone, day, time, after_s, until_s)
        if at_s is not None and (best is None or at_s < best):
            best = at_s
    return best


CALENDAR_WATCH: Final = CalendarWatch()
SCHEDULE_WATCH: Final = ScheduleWatch()
ACTION_SCHEDULE_WATCH: Final = ActionScheduleWatch()
