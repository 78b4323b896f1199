"""The registers of a meter: energies, what the terminals show now, demand. Integers, with scalers in the model.

Total and rate energies are double-long-unsigned and start again at 2**32, as a meter's counter of this size does.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Final

from meterworks.devices.history import HISTORIES, REGISTER_LIMIT, maximum_demand
from meterworks.devices.load import Instant, Registers
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    encode_date_time,
    encode_double_long_unsigned,
    encode_long_unsigned,
    encode_unsigned,
)

__all__ = ["STATES"]

Getter = Callable[[MeterView, int], bytes]

SHORT_LIMIT: Final = 2**16 - 1
THD_STEP: Final = 10  # the load gives 0.1 %, the object shows 0.01 %
DAY_S: Final = 86_400


def _energy(name: str) -> Getter:
    value_of: Callable[[Registers], int] = attrgetter(name)
    return lambda view, client_sap: encode_double_long_unsigned(value_of(view.registers()) % REGISTER_LIMIT)


def _scalar(name: str) -> Getter:
    value_of: Callable[[Instant], int] = attrgetter(name)
    return lambda view, client_sap: encode_double_long_unsigned(max(0, value_of(view.instant())))


def _short(name: str) -> Getter:
    value_of: Callable[[Instant], int] = attrgetter(name)
    return lambda view, client_sap: encode_long_unsigned(min(SHORT_LIMIT, max(0, value_of(view.instant()))))


def _phase(name: str, index: int) -> Getter:
    values_of: Callable[[Instant], tuple[int, ...]] = attrgetter(name)
    return lambda view, client_sap: encode_double_long_unsigned(max(0, values_of(view.instant())[index]))


def _distortion(name: str, index: int | None) -> Getter:
    """THD of one phase, or the worst of all phases."""
    values_of: Callable[[Instant], tuple[int, ...]] = attrgetter(name)

    def value(view: MeterView, client_sap: int) -> bytes:
        del client_sap
        values = values_of(view.instant())
        chosen = max(values) if index is None else values[index]
        return encode_long_unsigned(min(SHORT_LIMIT, chosen * THD_STEP))

    return value


def _last_interval(name: str) -> Getter:
    """Energy of the last interval that is complete; 0 where it was not captured."""

    def value(view: MeterView, client_sap: int) -> bytes:
        del client_sap
        interval_s = view.load.interval_s
        end_s = view.history_end(int(view.now_epoch_s())) // interval_s * interval_s
        block = view.load.intervals(end_s - interval_s, end_s)
        captured = bool(block.present.any())
        return encode_double_long_unsigned(int(getattr(block, name)[-1]) if captured else 0)

    return value


def _billing_start(view: MeterView, now_s: int) -> int:
    return int(view.zone.month_starts(now_s - 40 * DAY_S, now_s + 1)[-1])


def _maximum_demand(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    now_s = view.history_end(int(view.now_epoch_s()))
    return encode_double_long_unsigned(maximum_demand(view, _billing_start(view, now_s), now_s)[0])


def _maximum_demand_at(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    now_s = view.history_end(int(view.now_epoch_s()))
    return encode_date_time(view.zone.local_time(maximum_demand(view, _billing_start(view, now_s), now_s)[1]))


def _interval_start(view: MeterView) -> int:
    return int(view.now_epoch_s()) // view.load.interval_s * view.load.interval_s


def _running_average(view: MeterView, client_sap: int) -> bytes:
    """Mean import power since the interval began, as if it ended now."""
    del client_sap
    start_s = _interval_start(view)
    energy_wh = view.registers().import_wh - view.load.registers_at(view.history_end(start_s)).import_wh
    return encode_double_long_unsigned(energy_wh * 3600 // view.load.interval_s)


def _last_average(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    end_s = _interval_start(view)
    return encode_double_long_unsigned(maximum_demand(view, end_s - 1, end_s)[0])


def _profile_status(view: MeterView, client_sap: int) -> bytes:
    """The status the next row would have: that of the last one captured."""
    del client_sap
    interval_s = view.load.interval_s
    end_s = view.history_end(int(view.now_epoch_s())) // interval_s * interval_s
    rows = HISTORIES["load_import"].rows(view, end_s, end_s)
    return encode_unsigned(int(rows.values[0][-1]) if len(rows.stamp_epoch_s) else 0)


STATES: Final[Mapping[str, Getter]] = {
    **{name: _energy(name) for name in Registers.__dataclass_fields__},
    **{f"{name}_interval": _last_interval(name) for name in ("import_wh", "export_wh", "import_varh", "export_varh")},
    **{f"voltage_l{phase}": _phase("voltage_mv", phase - 1) for phase in (1, 2, 3)},
    **{f"current_l{phase}": _phase("current_ma", phase - 1) for phase in (1, 2, 3)},
    **{f"voltage_thd_l{phase}": _distortion("voltage_thd_permille", phase - 1) for phase in (1, 2, 3)},
    **{f"current_thd_l{phase}": _distortion("current_thd_permille", phase - 1) for phase in (1, 2, 3)},
    "voltage_thd": _distortion("voltage_thd_permille", None),
    "current_thd": _distortion("current_thd_permille", None),
    "import_power": _scalar("import_power_w"),
    "export_power": _scalar("export_power_w"),
    "power_factor": _short("power_factor_permille"),
    "frequency": _short("frequency_mhz"),
    "maximum_demand": _maximum_demand,
    "maximum_demand_at": _maximum_demand_at,
    "demand_running": _running_average,
    "demand_last": _last_average,
    "demand_last_at": lambda view, client_sap: encode_date_time(view.zone.local_time(_interval_start(view))),
    "demand_period": lambda view, client_sap: encode_double_long_unsigned(view.load.interval_s),
    "profile_status": _profile_status,
}
