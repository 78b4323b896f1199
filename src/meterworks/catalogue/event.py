"""Event logs of a meter, and what the numbers in them mean.  Numbers: IDIS and DSMR companions to COSEM."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from meterworks.catalogue._table import checked_obis_code, keyed, rows
from meterworks.catalogue.errors import CatalogueError

__all__ = ["EVENT_CODES", "EVENT_LOGS", "EventCode", "EventLog", "Severity", "event_code"]


class Severity(StrEnum):
    """Who should look at it: nobody, somebody when it gathers, somebody now."""

    INFORMATION = "information"
    WARNING = "warning"
    ALARM = "alarm"
    UNKNOWN = "unknown"  # a number that stands in no table


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """One event log: a profile of time stamp and event number."""

    name: str
    obis_code: str  # of the profile
    event_obis_code: str  # of the data object the profile captures


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCode:
    """One event number of one log."""

    log: str
    code: int
    name: str
    severity: Severity


#   log           | profile          | event object
_LOGS = """
    standard      | 0.0.99.98.0.255  | 0.0.96.11.0.255
    tamper        | 0.0.99.98.1.255  | 0.0.96.11.1.255
    power_quality | 0.0.99.98.4.255  | 0.0.96.11.4.255
"""

#   log           | code | severity    | name
_CODES = """
    standard      | 1    | information | power down
    standard      | 2    | information | power up
    standard      | 3    | information | daylight saving switched
    standard      | 4    | information | clock adjusted, old time
    standard      | 5    | information | clock adjusted, new time
    standard      | 6    | warning     | clock invalid
    standard      | 7    | warning     | battery must be replaced
    standard      | 8    | warning     | battery voltage low
    standard      | 9    | information | time-of-use tariff activated
    standard      | 10   | information | error register cleared
    standard      | 11   | information | alarm register cleared
    standard      | 12   | alarm       | program memory error
    standard      | 13   | alarm       | working memory error
    standard      | 14   | alarm       | non-volatile memory error
    standard      | 15   | warning     | watchdog restarted the meter
    standard      | 16   | alarm       | measurement system error
    standard      | 17   | information | firmware ready for activation
    standard      | 18   | information | firmware activated
    standard      | 19   | information | passive tariff programmed
    standard      | 47   | information | parameters changed
    standard      | 48   | information | keys changed
    standard      | 51   | alarm       | firmware verification failed
    standard      | 59   | information | ready for reconnection
    standard      | 60   | information | disconnected by hand
    standard      | 61   | information | connected by hand
    standard      | 62   | information | disconnected remotely
    standard      | 63   | information | connected remotely
    standard      | 64   | information | disconnected by the meter
    standard      | 65   | warning     | limiter threshold exceeded
    standard      | 66   | information | limiter threshold ok
    standard      | 67   | information | limiter threshold changed
    standard      | 68   | alarm       | disconnect or reconnect failed
    standard      | 69   | information | connected by the meter
    standard      | 254  | warning     | load profile cleared
    standard      | 255  | warning     | event log cleared

    tamper        | 40   | alarm       | terminal cover removed
    tamper        | 41   | information | terminal cover closed
    tamper        | 42   | alarm       | strong magnetic field
    tamper        | 43   | information | strong magnetic field gone
    tamper        | 44   | alarm       | meter cover removed
    tamper        | 45   | information | meter cover closed
    tamper        | 46   | warning     | association refused after failed authentication
    tamper        | 49   | warning     | decryption or authentication failed
    tamper        | 50   | alarm       | replayed message
    tamper        | 91   | alarm       | energy flow reversed
    tamper        | 255  | warning     | event log cleared

    power_quality | 76   | warning     | undervoltage L1
    power_quality | 77   | warning     | undervoltage L2
    power_quality | 78   | warning     | undervoltage L3
    power_quality | 79   | warning     | overvoltage L1
    power_quality | 80   | warning     | overvoltage L2
    power_quality | 81   | warning     | overvoltage L3
    power_quality | 82   | warning     | voltage missing L1
    power_quality | 83   | warning     | voltage missing L2
    power_quality | 84   | warning     | voltage missing L3
    power_quality | 85   | information | voltage normal L1
    power_quality | 86   | information | voltage normal L2
    power_quality | 87   | information | voltage normal L3
    power_quality | 88   | warning     | phase sequence reversed
    power_quality | 89   | alarm       | neutral missing
    power_quality | 90   | warning     | phases unbalanced
    power_quality | 92   | warning     | bad voltage quality L1
    power_quality | 93   | warning     | bad voltage quality L2
    power_quality | 94   | warning     | bad voltage quality L3
    power_quality | 255  | warning     | event log cleared
"""

EVENT_LOGS: Mapping[str, EventLog] = keyed(
    "event log",
    (
        EventLog(name=name, obis_code=checked_obis_code(code), event_obis_code=checked_obis_code(event))
        for name, code, event in rows(_LOGS, 3)
    ),
    key=lambda log: log.name,
)


def _event_code(cells: tuple[str, ...]) -> EventCode:
    log, code, severity, name = cells
    if log not in EVENT_LOGS:
        raise CatalogueError(f"event {code} stands in the log {log!r}, which is not in the table of logs")
    return EventCode(log=log, code=int(code), name=name, severity=Severity(severity))


EVENT_CODES: Mapping[tuple[str, int], EventCode] = keyed(
    "event code", (_event_code(cells) for cells in rows(_CODES, 4)), key=lambda event: (event.log, event.code)
)


def event_code(log: str, code: int) -> EventCode:
    """Give the meaning of an event number; a number in no table becomes a row of its own that keeps the number."""
    known = EVENT_CODES.get((log, code))
    return known or EventCode(log=log, code=code, name=f"event {code}", severity=Severity.UNKNOWN)
