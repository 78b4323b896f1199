"""What requests write, as values: instants, dates with parts left open, times of day, days, settings.

Each function takes what the request says, and gives what the reader of the same item makes of the message's octets.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Final

from meterworks.companions.errors import RequestError
from meterworks.companions.gb.correlate.fact import Term
from meterworks.companions.gb.correlate.scope import Scope
from meterworks.companions.gb.element import Element

__all__ = [
    "DAYS",
    "EPOCH",
    "NEVER",
    "NOW",
    "clock_of",
    "date_of",
    "instant_of",
    "made_at",
    "octets_of",
    "truth_of",
    "whole_of",
]

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # GB devices count seconds from here
NOW: Final = "now"
NEVER: Final = "never"
NEVER_ASKED: Final = datetime(3000, 12, 31, tzinfo=UTC)  # how requests say never
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_DATE: Final = re.compile(r"(\d{4,5})-(\d\d)-(\d\d)Z?")
_CLOCK: Final = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d+))?Z?")
_TRUTHS: Final = MappingProxyType({"true": True, "1": True, "false": False, "0": False})
_YEAR_OPEN: Final = 65535


def whole_of(text: str) -> int:
    """A whole number; RequestError or ValueError for none."""
    return int(text)


def decimal_of(text: str) -> Decimal:
    """A decimal number; RequestError or ValueError for none."""
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise RequestError(f"{text!r} is no number") from error


def truth_of(text: str) -> bool:
    """True or false; RequestError for neither."""
    if text not in _TRUTHS:
        raise RequestError(f"{text!r} is neither true nor false")
    return _TRUTHS[text]


def octets_of(text: str) -> bytes:
    """Octets in hexadecimal, with or without dashes (EUI-64)."""
    return bytes.fromhex(text.replace("-", ""))


def instant_of(text: str) -> Term:
    """An instant in whole seconds of UTC, or NOW or NEVER (3000-12-31 in requests); ValueError for none."""
    if text in (NOW, NEVER):
        return text
    instant = datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
    return NEVER if instant == NEVER_ASKED else instant


def clock_of(text: str) -> tuple[int, int, int, int]:
    """A time of day: hours, minutes, seconds, hundredths. RequestError or ValueError for none."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise RequestError(f"{text!r} is no time of day")
    return int(match[1]), int(match[2]), int(match[3]), int(((match[4] or "") + "00")[:2])


def minutes_of(text: str) -> int:
    """A time of day as minutes from midnight; RequestError where it has seconds."""
    hours, minutes, *rest = clock_of(text)
    if any(rest):
        raise RequestError(f"{text!r} has seconds; the device knows minutes")
    return hours * 60 + minutes


def date_of(scope: Scope) -> tuple[Term, ...]:
    """A date as year, month, day and day of the week, each None where the request leaves it open.

    The request writes it as text (year 65535 is open), or as four parts of which each names a number or says that it
    is left open, the last or the second last day of the month.
    """
    if not scope.element.children:
        match = _DATE.fullmatch(scope.text(".") or "")
        if match is None:
            raise RequestError(f"{scope.element.text!r} is no date")
        year = int(match[1])
        return None if year == _YEAR_OPEN else year, int(match[2]), int(match[3]), None
    scope.see_all()
    if len(scope.element.children) != 4 or any(len(part.children) != 1 for part in scope.element.children):
        raise RequestError("a date has year, month, day and day of the week, and says one thing of each")
    return tuple(_part_of_date(part.children[0].name, part.children[0].text) for part in scope.element.children)


def _part_of_date(name: str, text: str) -> Term:
    if name.startswith("Specified"):
        return int(text)
    return {"LastDayOfMonth": "last", "SecondLastDayOfMonth": "second last"}.get(name)


# --- what stands in several parts of a request ----------------------------------------------------------------------


def days_of(scope: Scope) -> frozenset[str]:
    """The days of the week that an entry of a schedule applies to."""
    days = scope.all("DaysOfWeekApplicability/DayOfWeekApplicability/DayOfWeekID")
    scope.seen.update(map(id, days))
    return frozenset(day.text.strip() for day in days)


def prepayment_days(scope: Scope) -> tuple[int, frozenset[int]]:
    """How many special days there are, and the ones that an entry applies to."""
    defined = scope.all(
        "/UpdatePrepayConfigElectricity/ElectricityNonDisablementCalendar/ElectricitySpecialDays/SpecialDay"
    )
    days = scope.all("SpecialDaysApplicability/SpecialDayApplicability/SpecialDayID")
    scope.seen.update(map(id, days))
    return len(defined), frozenset(int(day.text) for day in days)


def switch_days(scope: Scope) -> tuple[int, frozenset[int]]:
    """The same of a schedule of load switches."""
    return _special_days(scope, "/ALCSHCALCSSpecialDays/ALCSHCALCSSpecialDay", "index")


def controller_days(scope: Scope) -> tuple[int, frozenset[int]]:
    """The same of a schedule of auxiliary controllers."""
    path = "/AuxiliaryControllerSpecialDayDefinitions/AuxiliaryControllerSpecialDayDefinition"
    return _special_days(scope, path, "identifier")


def _special_days(scope: Scope, defined: str, attribute: str) -> tuple[int, frozenset[int]]:
    days = scope.all("SpecialDaysApplicability")
    for day in days:
        scope.seen.update((id(day), (id(day), attribute)))
    return len(scope.all(defined)), frozenset(int(day.attributes[attribute]) for day in days)


def window_end(scope: Scope) -> Term:
    """The end of the window that the device's clock must lie in."""
    start, tolerance = scope.text("CurrentDateTime") or "", scope.text("TolerancePeriod") or ""
    return instant_of(start) + timedelta(seconds=int(tolerance))


def meter_points(scope: Scope) -> str:
    """The numbers of one or two meter points, one behind the other."""
    return "".join(scope.text(f"ImportMPANs/{name}") or "" for name in ("ImportMPAN", "SecondaryImportMPAN"))


def alert_settings(scope: Scope) -> frozenset[tuple[int, bool]]:
    """Low octets of alert codes (x81AB), and whether each is enabled."""
    scope.see_all()
    settings = [code for group in scope.element.children for code in group.children]
    return frozenset((int(code.name[3:], 16), _enabled(code.text)) for code in settings)


def gas_alert_settings(scope: Scope) -> frozenset[tuple[int, frozenset[str]]]:
    """Codes of gas events, each with what is enabled for it."""
    scope.see_all()
    return frozenset((int(code.name[1:], 16), _enabled_parts(code)) for code in scope.element.children)


def _enabled_parts(code: Element) -> frozenset[str]:
    enabled = {part.name: _enabled(part.text) for part in code.children}
    if len(enabled) != len(code.children):
        raise RequestError(f"{code.name} says the same thing twice")
    return frozenset(name for name, is_enabled in enabled.items() if is_enabled)


def _enabled(text: str) -> bool:
    if text.strip() not in ("Enable", "Disable"):
        raise RequestError(f"{text!r} is neither Enable nor Disable")
    return text.strip() == "Enable"


def channels(scope: Scope) -> frozenset[int]:
    """Numbers of radio channels (Channel28)."""
    scope.see_all()
    return frozenset(int(child.name.removeprefix("Channel")) for child in scope.element.children)


def switch_device(scope: Scope) -> Term:
    """The load switch of an entry: an EUI-64, or None for one inside the meter."""
    scope.see_all()
    child = scope.element.children[0]
    return None if child.name == "ALCS" else octets_of(child.text)


def billing_dates(scope: Scope) -> frozenset[tuple[Term, ...]]:
    """When billing periods begin: times of day and dates, whatever their order."""
    scope.see_all()
    time, period = scope.element.children
    clock = clock_of(time.text.strip())
    if period.name in ("Daily", "Weekly", "Monthly"):
        number = int(period.text) if period.name != "Daily" else None
        weekday, day = (number, None) if period.name == "Weekly" else (None, number)
        return frozenset({(clock, (None, None, day, weekday))})
    day, first = (int(child.text) for child in period.children)
    step = {"Quarterly": 3, "SixMonthly": 6, "Yearly": 12}[period.name]
    months = ((first - 1 + offset) % 12 + 1 for offset in range(0, 12, step))
    return frozenset((clock, (None, month, day, None)) for month in months)


def debts_suspended(scope: Scope) -> tuple[bool, bool]:
    """Whether time-based debts rest while supply is disabled, and while emergency credit is used."""
    texts = (scope.text(f"Prepayment/{name}") or "" for name in ("SuspendDebtDisabled", "SuspendDebtEmergency"))
    disabled, emergency = map(truth_of, texts)
    return disabled, emergency


def made_at(scope: Scope) -> Term:
    """When the command was made, in whole seconds."""
    if scope.situation.made_at is None:
        raise RequestError("the situation does not say when the command was made (made_at)")
    return scope.situation.made_at.astimezone(UTC).replace(microsecond=0)


def log_start(scope: Scope) -> Term:
    """The beginning of a log's window."""
    return instant_of(scope.text("ReadLogPeriod/StartDateTime") or "")


def samples_of(seconds: int) -> Callable[[Scope], int]:
    """How many samples of so many seconds a window takes: one more than the periods that end in it."""

    def count(scope: Scope) -> int:
        start, end = log_start(scope), instant_of(scope.text("ReadLogPeriod/EndDateTime") or "")
        if NEVER in (start, end):
            raise RequestError("a window of samples has an end")
        return int((end - start).total_seconds()) // seconds + 1

    return count


NAMED: Final[Mapping[str, Callable[[Scope], Term]]] = MappingProxyType(
    {
        "days": days_of,
        "prepayment_days": prepayment_days,
        "switch_days": switch_days,
        "controller_days": controller_days,
        "window_end": window_end,
        "meter_points": meter_points,
        "debts_suspended": debts_suspended,
        "made_at": made_at,
        "half_hours": samples_of(1800),
        "log_days": samples_of(86_400),
    }
)
