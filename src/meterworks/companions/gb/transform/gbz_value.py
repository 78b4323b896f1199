"""Values of a request as ZigBee writes them: numbers of a range, texts, dates with wildcards, moments in seconds.

A reader takes the element and the range of its field, and gives a number or refuses with path, value and expectation.
Source: ZigBee smart energy 1.2b (Price, Metering, Prepayment, Calendar, Device Management clusters); DUIS 5.4 (request
bodies for gas); GBCS mapping tables, as collected in the fact tables; what they leave open, as the reference messages
have it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Final

from meterworks.companions.errors import TransformError
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.transform.value import need, number, one_of, refusal, truth, utc
from meterworks.protocols.gbcs import NEVER

__all__ = [
    "EPOCH",
    "NUMBERS",
    "SHAPES",
    "NumberReader",
    "date_of",
    "execution_time",
    "in_order",
    "index_of",
    "seconds_of",
]

NumberReader = Callable[[Element, int, int], int]  # element, and what its field can hold

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
CANCELLED: Final = datetime(3000, 12, 31, tzinfo=UTC)  # what a request calls a moment that never comes
LATEST: Final = NEVER - 1  # the last second that the field of a moment can name
HALF_HOURS_MAX: Final = 19_056  # entries of a gas meter's profile data log
DAYS_MAX: Final = 731  # entries of the mirror's daily consumption log
DECIMAL_SIZE_MAX: Final = 24  # characters of a decimal number
ANY: Final = 0xFF  # wildcard of each part of a date
FIRST_YEAR: Final = 1900

# What becomes of an event (ZigBee event configuration): the log is the general one.
_TO_CARRIER, _TO_HOME, _GENERAL_LOG, _ALARM = 0x08, 0x10, 0x03, 0x40

# Payment control configuration; the two suspensions move the bits from here.
_PREPAYMENT, _DEBT_IF_DISABLED_SUSPENDED, _DEBT_IN_EMERGENCY = 0x0097, 0x0400, 0x0800

_MONTHS, _WEEKS, _DAYS = 0x23, 0x22, 0x21  # units of a period, begun at no fixed place of theirs
_PERIODS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "Daily": (1, _DAYS),
        "Weekly": (1, _WEEKS),
        "Monthly": (1, _MONTHS),
        "Quarterly": (3, _MONTHS),
        "SixMonthly": (6, _MONTHS),
        "Yearly": (12, _MONTHS),
    }
)


def seconds_of(moment: datetime) -> int:
    """Whole seconds since 2000 in UTC; negative before."""
    return (moment - EPOCH) // timedelta(seconds=1)


def _seconds(element: Element, low: int, high: int) -> int:
    seconds = seconds_of(utc(element))
    if not low <= seconds <= min(high, LATEST):
        raise refusal(element.name, element.text, "a moment from 2000 to 2136")
    return seconds


def _seconds_or_latest(element: Element, low: int, high: int) -> int:
    """The end of a window: one that lies too far away is the last moment that can be named."""
    return LATEST if seconds_of(utc(element)) > LATEST else _seconds(element, low, high)


def execution_time(body: Element, cancelled: int) -> int:
    """When a body takes effect, in seconds since 2000: 0 at once, `cancelled` where an earlier one is withdrawn."""
    if not body.all("ExecutionDateTime"):
        return 0
    element = need(body, "ExecutionDateTime")
    return cancelled if utc(element) == CANCELLED else _seconds(element, 1, LATEST)


def _minutes(element: Element, low: int, high: int) -> int:
    """Minutes since midnight."""
    try:
        moment = time.fromisoformat(element.text.strip())
    except ValueError as error:
        raise refusal(element.name, element.text, "a time of day, 08:30:00Z,") from error
    if moment.second or moment.microsecond or moment.utcoffset():
        raise refusal(element.name, element.text, "a time of day in UTC of whole minutes")
    return moment.hour * 60 + moment.minute


def _decimal(digits: int) -> NumberReader:
    """Reader of a decimal number as a whole one, `digits` behind its point."""

    def read(element: Element, low: int, high: int) -> int:
        expected = f"a decimal number of {Decimal(low).scaleb(-digits)}..{Decimal(high).scaleb(-digits)}"
        text = element.text.strip()
        try:
            scaled = Decimal(text).scaleb(digits) if len(text) <= DECIMAL_SIZE_MAX else Decimal("NaN")
        except InvalidOperation as error:
            raise refusal(element.name, element.text, expected) from error
        if "e" in text.lower() or not scaled.is_finite() or scaled % 1 or not low <= scaled <= high:
            raise refusal(element.name, element.text, f"{expected} with at most {digits} digits behind the point")
        return int(scaled)

    return read


def _meaning(meanings: Mapping[str, int]) -> NumberReader:
    """Reader of a text that stands for a number."""

    def read(element: Element, low: int, high: int) -> int:
        return one_of(element, meanings)

    return read


def _samples(interval: timedelta, count_max: int) -> NumberReader:
    """Reader of a window as a count of samples, both its ends among them."""

    def read(element: Element, low: int, high: int) -> int:
        start, end = (need(element, name) for name in ("StartDateTime", "EndDateTime"))
        if utc(end) < utc(start):
            raise refusal(f"{element.name}/EndDateTime", end.text, f"a moment not before {start.text}")
        return min((utc(end) - utc(start)) // interval + 1, count_max)

    return read


def _payment(element: Element, low: int, high: int) -> int:
    """Payment control configuration of prepayment: from which credit debt is recovered."""
    suspended = truth(need(element, "SuspendDebtDisabled")) * _DEBT_IF_DISABLED_SUSPENDED
    in_emergency = (not truth(need(element, "SuspendDebtEmergency"))) * _DEBT_IN_EMERGENCY
    return _PREPAYMENT | suspended | in_emergency


NUMBERS: Final[Mapping[str, NumberReader]] = MappingProxyType(
    {
        "": number,
        "utc": _seconds,
        "utc_or_never": _seconds_or_latest,
        "minutes": _minutes,
        "decimal_1": _decimal(1),
        "decimal_4": _decimal(4),
        "decimal_5": _decimal(5),
        "half_hours": _samples(timedelta(minutes=30), HALF_HOURS_MAX),
        "days": _samples(timedelta(days=1), DAYS_MAX),
        "payment": _payment,
        "currency": _meaning({"GBP": 826, "ECB": 978}),
        "start_stop": _meaning({"START": 1, "STOP": 0}),
        "frequency": _meaning({"HOURLY": 0, "DAILY": 1}),
        "lock": _meaning({"Unchanged": 3, "Locked": 0}),
        "period_count": _meaning({name: count for name, (count, _) in _PERIODS.items()}),
        "period_kind": _meaning({name: unit for name, (_, unit) in _PERIODS.items()}),
    }
)


def date_of(element: Element) -> bytes:
    """A date with wildcards: year since 1900, month, day of the month, day of the week (1 is Monday)."""
    last_year = FIRST_YEAR + ANY - 1
    year = _part(element, "GasYearWithWildcards", ("SpecifiedYear", "NonSpecifiedYear"), FIRST_YEAR, last_year)
    month = _part(element, "GasMonthWithWildcards", ("SpecifiedMonth", "NonSpecifiedMonth"), 1, 12)
    day = _part(
        element, "GasDayOfMonthWithWildcards", ("SpecifiedDayOfMonth", "GasNonSpecifiedDayOfMonth"), 1, 31
    )  # fmt: skip
    weekday = _part(element, "GasDayOfWeekWithWildcards", ("SpecifiedDayOfWeek", "NonSpecifiedDayOfWeek"), 1, 7)
    return bytes(
        (ANY if year is None else year - FIRST_YEAR, *(ANY if part is None else part for part in (month, day, weekday)))
    )


def _part(date: Element, name: str, choices: tuple[str, str], low: int, high: int) -> int | None:
    """A part of a date, None for any."""
    part = need(date, name)
    if len(part.children) == 1:
        chosen = part.children[0]
        if chosen.name == choices[0]:
            return number(chosen, low, high)
        if chosen.name == choices[1]:
            return None
    raise TransformError(
        f"{date.name}/{name} holds neither {choices[0]} nor {choices[1]}",
        path=f"{date.name}/{name}", expected=" or ".join(choices),
    )  # fmt: skip


def index_of(element: Element) -> int:
    """The place that an element gives itself, from 1."""
    return number(Element(f"{element.name}/@index", element.attributes.get("index", "")), 1, 255)


def in_order(elements: tuple[Element, ...]) -> tuple[Element, ...]:
    """Elements by the places they give themselves; such as give none stay in the order of the request.

    Raises TransformError where two give the same place.
    """
    if not any("index" in element.attributes for element in elements):
        return elements
    by_place = {index_of(element): element for element in elements}
    if len(by_place) < len(elements):
        raise refusal(f"{elements[0].name}/@index", "the same place twice", "each place once")
    return tuple(by_place[place] for place in sorted(by_place))


def _by_actions(settings: tuple[Element, ...]) -> tuple[Element, ...]:
    """Events that are to be treated alike, together: elements of their Actions and each Event.

    Those that are told to the carrier come first, among them those told at home, then those that are not logged: the
    order of the one reference message.
    """
    groups: dict[tuple[bool, ...], list[Element]] = {}
    for settings_of_user in settings:
        for event in settings_of_user.children:
            wanted = tuple(_wanted(event, name) for name in ("WANAlert", "HANAlert", "EventLog", "Alarm"))
            groups.setdefault(wanted, []).append(Element("Event", str(_event_code(event))))
    ordered = sorted(groups, key=lambda wanted: (not wanted[0], not wanted[1], wanted[2], wanted[3]))
    return tuple(
        Element("Group", children=(Element("Actions", str(_actions(wanted))), *groups[wanted])) for wanted in ordered
    )


def _wanted(event: Element, name: str) -> bool:
    return one_of(need(event, name), {"Enable": True, "Disable": False})


def _actions(wanted: tuple[bool, ...]) -> int:
    flags = (_TO_CARRIER, _TO_HOME, _GENERAL_LOG, _ALARM)
    return sum(flag for flag, is_wanted in zip(flags, wanted, strict=True) if is_wanted)


def _event_code(event: Element) -> int:
    try:
        if len(event.name) == 5 and event.name[0] == "x":
            return int(event.name[1:], 16)
    except ValueError:
        pass
    raise refusal(event.name, event.name, "x and the four hexadecimal digits of an event")


# Elements that a body does not hold as such, made of those it holds.
SHAPES: Final[Mapping[str, Callable[[tuple[Element, ...]], tuple[Element, ...]]]] = MappingProxyType(
    {"by_actions": _by_actions}
)
