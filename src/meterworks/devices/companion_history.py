"""Profiles of companion models: load profiles of register readings, daily and monthly values, logs of their own.

Like the profiles of our own meters they are computed from the load when they are asked for. Their columns are register
readings at the end of the interval, as IDIS and the Dutch requirements have it, not energies of the interval.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from meterworks.devices.history import REGISTER_LIMIT, HistoryRows, HistoryTable, load_stamps
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import CLOCK_OBJECT, CaptureObject, ObisCode, Tag

__all__ = ["COMPANION_HISTORIES"]

DAY_S: Final = 86_400
DEPTH_DAYS: Final = 397
MONTHS_MAX: Final = 13
DAYS_KEPT: Final = 93
LOG_ENTRIES: Final = 256
_REGISTER_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1.0.1.8.0.255": "import_wh", "1.0.1.8.1.255": "import_rate_1_wh", "1.0.1.8.2.255": "import_rate_2_wh",
        "1.0.2.8.0.255": "export_wh", "1.0.2.8.1.255": "export_rate_1_wh", "1.0.2.8.2.255": "export_rate_2_wh",
        "1.0.3.8.0.255": "import_varh", "1.0.4.8.0.255": "export_varh",
    }
)  # fmt: skip

Stamps = Callable[[MeterView, int, int], HistoryRows]  # rows of a stamp and a status


def _interval_ends(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
    return load_stamps(view, from_s, to_s)


def _days(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
    stamp_s = view.zone.local_midnights(from_s, to_s + 1)
    return HistoryRows(stamp_s, (np.zeros(len(stamp_s), np.uint8),))


def _months(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
    stamp_s = view.zone.month_starts(from_s, to_s + 1)
    return HistoryRows(stamp_s, (np.zeros(len(stamp_s), np.uint8),))


def _readings(stamps: Stamps, names: tuple[str, ...], *, with_status: bool) -> Stamps:
    """Give rows of register readings at the stamps, behind the status where the profile has one."""

    def rows(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
        found = stamps(view, from_s, to_s)
        block = view.load.registers_at_many(found.stamp_epoch_s)
        values = tuple(getattr(block, name) % REGISTER_LIMIT for name in names)
        return HistoryRows(found.stamp_epoch_s, (*(found.values if with_status else ()), *values))

    return rows


def _table(
    name: str, obis_code: str, stamps: Stamps, codes: str, *, status: str = "", period_s: int | None, depth_days: int,
    entries_max: int | None = None,
) -> HistoryTable:  # fmt: skip
    registers = codes.split()
    columns = [CLOCK_OBJECT] + ([CaptureObject(1, ObisCode(status), 2)] if status else [])
    columns += [CaptureObject(3, ObisCode(code), 2) for code in registers]
    tags = ([Tag.UNSIGNED] if status else []) + [Tag.DOUBLE_LONG_UNSIGNED] * len(registers)
    names = tuple(_REGISTER_OF[code] for code in registers)
    return HistoryTable(
        name=name, obis_code=ObisCode(obis_code), columns=tuple(columns), tags=tuple(tags), depth_days=depth_days,
        entries_max=entries_max, capture_period_s=period_s, repeat_as_null=True, follows_load=True,
        rows=_readings(stamps, names, with_status=bool(status)),
    )  # fmt: skip


def _empty_log(name: str, obis_code: str, event_code: str) -> HistoryTable:
    def rows(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
        del view, from_s, to_s
        return HistoryRows(np.zeros(0, np.int64), (np.zeros(0, np.uint16),))

    return HistoryTable(
        name=name, obis_code=ObisCode(obis_code),
        columns=(CLOCK_OBJECT, CaptureObject(1, ObisCode(event_code), 2)), tags=(Tag.LONG_UNSIGNED,),
        depth_days=DEPTH_DAYS, entries_max=LOG_ENTRIES, capture_period_s=0, repeat_as_null=False, follows_load=False,
        rows=rows,
    )  # fmt: skip


_TOTALS: Final = "1.0.1.8.0.255 1.0.2.8.0.255"
_RATES: Final = "1.0.1.8.1.255 1.0.1.8.2.255 1.0.2.8.1.255 1.0.2.8.2.255"

COMPANION_HISTORIES: Final[Mapping[str, HistoryTable]] = MappingProxyType(
    {
        table.name: table
        for table in (
            _table("idis_load_1", "1.0.99.1.0.255", _interval_ends, _TOTALS, status="0.0.96.10.1.255", period_s=None,
                   depth_days=93),
            _table("idis_load_2", "1.0.99.2.0.255", _days, f"{_TOTALS} {_RATES}", status="0.0.96.10.2.255",
                   period_s=DAY_S, depth_days=DAYS_KEPT),
            _table("idis_billing", "0.0.98.1.0.255", _months, f"{_TOTALS} {_RATES} 1.0.3.8.0.255 1.0.4.8.0.255",
                   period_s=0, depth_days=DEPTH_DAYS, entries_max=MONTHS_MAX),
            _table("dsmr_interval", "1.0.99.1.0.255", _interval_ends, _TOTALS, status="0.0.96.10.2.255", period_s=None,
                   depth_days=10),
            _table("dsmr_daily", "1.0.99.2.0.255", _days, _RATES, status="0.0.96.10.2.255", period_s=DAY_S,
                   depth_days=40),
            _table("dsmr_monthly", "0.0.98.1.0.255", _months, _RATES, period_s=0, depth_days=DEPTH_DAYS,
                   entries_max=MONTHS_MAX),
            _empty_log("log_disconnect", "0.0.99.98.2.255", "0.0.96.11.2.255"),
            _empty_log("log_mbus", "0.0.99.98.3.255", "0.0.96.11.3.255"),
            _empty_log("log_communication", "0.0.99.98.5.255", "0.0.96.11.5.255"),
            _empty_log("log_security", "0.0.99.98.7.255", "0.0.96.11.7.255"),
            _empty_log("log_power_failure", "1.0.99.97.0.255", "0.0.96.7.19.255"),
        )
    }
)  # fmt: skip
