"""What requests write, as values."""

from datetime import UTC, datetime

import pytest
from tests.unit.companions.gb.correlate.sample import element, scope, texts

from meterworks.companions.errors import RequestError
from meterworks.companions.gb.correlate import term
from meterworks.companions.gb.correlate.scope import Scope


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2030-01-15T09:00:00.00Z", datetime(2030, 1, 15, 9, tzinfo=UTC)),
        ("2030-01-15T09:00:00.75Z", datetime(2030, 1, 15, 9, tzinfo=UTC)),
        ("2030-01-15T10:00:00+01:00", datetime(2030, 1, 15, 9, tzinfo=UTC)),
        ("3000-12-31T00:00:00.00Z", "never"),
        ("3000-12-31T00:10:00.00Z", datetime(3000, 12, 31, 0, 10, tzinfo=UTC)),
        ("now", "now"),
    ],
)
def test_instants(text, value):
    assert term.instant_of(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (term.instant_of, "tomorrow"),
        (term.clock_of, "9 o'clock"),
        (term.minutes_of, "09:00:30Z"),
        (term.truth_of, "perhaps"),
        (term.decimal_of, "1,5"),
        (term.whole_of, "1.5"),
        (term.octets_of, "0G"),
    ],
)
def test_what_has_no_meaning_is_refused(read, text):
    with pytest.raises((RequestError, ValueError)):
        read(text)


def test_times_of_day():
    assert term.clock_of("23:59:58.25Z") == (23, 59, 58, 25)
    assert term.minutes_of("08:30:00.00Z") == 510


def date(**parts: tuple[str, str]) -> Scope:
    """A date of four parts, each the name of what it says and its text."""
    inner = [element(part, element(says, text=text)) for part, (says, text) in parts.items()]
    return scope(element("Date", *inner))


def test_a_date_with_parts_left_open():
    open_date = date(
        Year=("NonSpecifiedYear", ""),
        Month=("SpecifiedMonth", "03"),
        DayOfMonth=("LastDayOfMonth", ""),
        DayOfWeek=("SpecifiedDayOfWeek", "7"),
    )
    assert term.date_of(open_date) == (None, 3, "last", 7)


@pytest.mark.parametrize(
    ("text", "value"), [("2014-10-27Z", (2014, 10, 27, None)), ("65535-04-29Z", (None, 4, 29, None))]
)
def test_a_date_as_text(text, value):
    assert term.date_of(scope(element("Date", text=text))) == value


def test_a_date_that_says_a_part_twice_is_refused():
    year = element("Year", element("SpecifiedYear", text="2015"), element("SpecifiedYear", text="2016"))
    with pytest.raises(RequestError, match="one thing of each"):
        term.date_of(scope(element("Date", year, element("A"), element("B"), element("C"))))


@pytest.mark.parametrize(
    ("period", "dates"),
    [
        (element("Daily"), {(None, None, None, None)}),
        (element("Weekly", text="5"), {(None, None, None, 5)}),
        (element("Monthly", text="28"), {(None, None, 28, None)}),
        (
            element("Quarterly", *texts(DayOfMonth="1", BillingPeriodStartMonth="11")),
            {(None, month, 1, None) for month in (2, 5, 8, 11)},
        ),
        (
            element("SixMonthly", *texts(DayOfMonth="9", BillingPeriodStartMonth="6")),
            {(None, month, 9, None) for month in (6, 12)},
        ),
        (element("Yearly", *texts(DayOfMonth="2", BillingPeriodStartMonth="4")), {(None, 4, 2, None)}),
    ],
)
def test_when_billing_periods_begin(period, dates):
    calendar = element("ElectricityBillingCalendar", element("BillingTime", text="12:30:00.00Z"), period)
    assert term.billing_dates(scope(calendar)) == {((12, 30, 0, 0), date) for date in dates}


@pytest.mark.parametrize(("end", "count"), [("2015-01-02T00:00:00Z", 49), ("2015-01-01T00:29:59Z", 1)])
def test_samples_of_half_an_hour_in_a_window(end, count):
    window = element("ReadLogPeriod", *texts(StartDateTime="2015-01-01T00:00:00Z", EndDateTime=end))
    assert term.NAMED["half_hours"](scope(element("Body", window))) == count


def test_a_window_of_samples_without_end_is_refused():
    window = element(
        "ReadLogPeriod", *texts(StartDateTime="2015-01-01T00:00:00Z", EndDateTime="3000-12-31T00:00:00.00Z")
    )
    with pytest.raises(RequestError, match="has an end"):
        term.NAMED["log_days"](scope(element("Body", window)))


def test_settings_of_alerts_are_low_octets_and_whether_they_are_enabled():
    settings = element("Alerts", element("Common", *texts(x810D="Enable", x8119="Disable")))
    assert term.alert_settings(scope(settings)) == {(0x0D, True), (0x19, False)}


def test_settings_of_gas_alerts_name_what_is_enabled():
    settings = element("Alerts", element("x81AA", *texts(WANAlert="Enable", HANAlert="Disable")))
    assert term.gas_alert_settings(scope(settings)) == {(0x81AA, frozenset({"WANAlert"}))}


def test_a_setting_that_stands_twice_is_refused():
    twice = element("x81AA", element("WANAlert", text="Enable"), element("WANAlert", text="Disable"))
    with pytest.raises(RequestError, match="the same thing twice"):
        term.gas_alert_settings(scope(element("Alerts", twice)))


@pytest.mark.parametrize("text", ["", "enable", "On"])
def test_a_setting_is_enable_or_disable(text):
    with pytest.raises(RequestError, match="neither Enable nor Disable"):
        term.alert_settings(scope(element("Alerts", element("Common", *texts(x810D=text)))))
