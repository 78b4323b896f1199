"""The clock of a meter (class 8, 0-0:1.0.0): its states, settings and methods.

The meter keeps local time by its zone; setting acts on the meter's own offset, never on the system's time.
"""

from collections.abc import Callable, Mapping
from typing import Final

from meterworks.devices.errors import MalformedValue
from meterworks.devices.view import MeterView
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    NO_DEVIATION,
    ActionResult,
    CosemDateTime,
    DataAccessResult,
    PlainValue,
    encode_boolean,
    encode_date_time,
    encode_integer,
    encode_long,
    encode_unsigned,
)

__all__ = ["COMMANDS", "SETTINGS", "STATES"]

QUARTER_S: Final = 900
MINUTE_S: Final = 60
SHIFT_MAX_S: Final = 900  # larger corrections must be sets, class 8 method 6
SAVING_MIN: Final = 60
CLOCK_BASE_CRYSTAL: Final = 1


def _time(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    return encode_date_time(view.zone.local_time(view.now_epoch_s()))


def _time_zone(view: MeterView, client_sap: int) -> bytes:
    """Deviation of local normal time *to* UTC: London 0, Paris -60."""
    del client_sap
    return encode_long(-view.zone.standard_offset_s(view.now_epoch_s()) // 60)


def _status(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    return encode_unsigned(view.zone.local_time(view.now_epoch_s()).status)


def _change(*, begins: bool) -> Callable[[MeterView, int], bytes]:
    def rule(view: MeterView, client_sap: int) -> bytes:
        del client_sap
        return encode_date_time(view.zone.change_rule(view.now_epoch_s(), begins=begins))

    return rule


def _saving_enabled(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    return encode_boolean(view.zone.change_rule(view.now_epoch_s(), begins=True) != CosemDateTime())


def moment_of(view: MeterView, value: PlainValue) -> float:
    """Give the instant of a date-time sent as octets or date-time; without deviation it is the meter's local time.

    Raises PeerError for what is no moment.
    """
    moment = CosemDateTime.from_bytes(value) if isinstance(value, bytes) else value
    if not isinstance(moment, CosemDateTime):
        raise MalformedValue(f"date-time expected, got {value!r}")
    if moment.deviation_min != NO_DEVIATION:
        return moment.to_datetime().timestamp()
    wall_s = moment.to_datetime(deviation_min=0).timestamp()
    return view.zone.to_utc(int(wall_s)) + wall_s % 1


def _set_time(view: MeterView, value: PlainValue) -> DataAccessResult:
    try:
        view.set_clock(moment_of(view, value))
    except PeerError:
        return DataAccessResult.OTHER_REASON
    return DataAccessResult.SUCCESS


def _round_to(step_s: Callable[[MeterView], int]) -> Callable[[MeterView, PlainValue], ActionResult]:
    def adjust(view: MeterView, parameter: PlainValue) -> ActionResult:
        del parameter  # integer 0 by the standard, without meaning
        step = step_s(view)
        view.set_clock((view.now_epoch_s() + step / 2) // step * step)
        return ActionResult.SUCCESS

    return adjust


def _preset(view: MeterView, parameter: PlainValue) -> ActionResult:
    """Keep a time to be taken over by adjust_to_preset_time while the validity interval lasts."""
    match parameter:
        case (preset, starts, ends):
            pass
        case _:
            return ActionResult.TYPE_UNMATCHED
    try:
        preset_s, starts_s, ends_s = (moment_of(view, value) for value in (preset, starts, ends))
    except PeerError:
        return ActionResult.TYPE_UNMATCHED
    if not starts_s <= view.now_epoch_s() <= ends_s:
        return ActionResult.OTHER_REASON
    view.state.rows["preset_epoch_s"][view.index] = preset_s
    return ActionResult.SUCCESS


def _take_preset(view: MeterView, parameter: PlainValue) -> ActionResult:
    del parameter
    preset_s = float(view.state.rows["preset_epoch_s"][view.index])
    if not preset_s:
        return ActionResult.OTHER_REASON
    view.state.rows["preset_epoch_s"][view.index] = 0.0
    view.set_clock(preset_s)
    return ActionResult.SUCCESS


def _shift(view: MeterView, parameter: PlainValue) -> ActionResult:
    if not isinstance(parameter, int):
        return ActionResult.TYPE_UNMATCHED
    if abs(parameter) > SHIFT_MAX_S:
        return ActionResult.OTHER_REASON
    view.set_clock(view.now_epoch_s() + parameter)
    return ActionResult.SUCCESS


STATES: Final[Mapping[str, Callable[[MeterView, int], bytes]]] = {
    "clock_time": _time,
    "clock_time_zone": _time_zone,
    "clock_status": _status,
    "clock_saving_begins": _change(begins=True),
    "clock_saving_ends": _change(begins=False),
    "clock_saving_deviation": lambda view, client_sap: encode_integer(SAVING_MIN),
    "clock_saving_enabled": _saving_enabled,
}
SETTINGS: Final[Mapping[str, Callable[[MeterView, PlainValue], DataAccessResult]]] = {"clock_time": _set_time}
COMMANDS: Final[Mapping[str, Callable[[MeterView, PlainValue], ActionResult]]] = {
    "clock_adjust_to_quarter": _round_to(lambda view: QUARTER_S),
    "clock_adjust_to_measuring_period": _round_to(lambda view: view.load.interval_s),
    "clock_adjust_to_minute": _round_to(lambda view: MINUTE_S),
    "clock_adjust_to_preset": _take_preset,
    "clock_preset": _preset,
    "clock_shift": _shift,
}
