"""The clock of a meter (class 8, 0-0:1.0.0): its states, settings and methods.

The meter keeps local time by its zone, until management writes rules of its own into the clock: then by those. Setting
the time acts on the meter's own offset, never on the system's time.
"""

from collections.abc import Callable, Mapping
from typing import Final

from meterworks.devices.errors import MalformedValue
from meterworks.devices.view import MeterView
from meterworks.devices.zone import ZoneRules, rule_table
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    NO_DEVIATION,
    ActionResult,
    CosemDateTime,
    DataAccessResult,
    PlainValue,
    decode_all,
    encode_boolean,
    encode_date_time,
    encode_integer,
    encode_long,
    encode_unsigned,
)

__all__ = ["COMMANDS", "SETTINGS", "STATES", "moment_of", "recall_local_time"]

QUARTER_S: Final = 900
MINUTE_S: Final = 60
SHIFT_MAX_S: Final = 900  # larger corrections must be sets, class 8 method 6
SAVING_MIN: Final = 60
SAVING_MAX_MIN: Final = 120
DAY_MIN: Final = 24 * 60 - 1
TIME_ZONE: Final = 3
SAVING_ENABLED: Final = 8
CLOCK_NAME: Final = bytes((0, 0, 1, 0, 0, 255))
CLOCK_BASE_CRYSTAL: Final = 1


def _time(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    return encode_date_time(view.zone.local_time(view.now_epoch_s()))


def _status(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    return encode_unsigned(view.zone.local_time(view.now_epoch_s()).status)


# --- local time ------------------------------------------------------------------------------------------------------


def _time_zone(view: MeterView) -> bytes:
    """Deviation of local normal time *to* UTC: London 0, Paris -60."""
    return encode_long(-view.zone.standard_offset_s(view.now_epoch_s()) // 60)


def _change(*, begins: bool) -> Callable[[MeterView], bytes]:
    return lambda view: encode_date_time(view.zone.change_rule(view.now_epoch_s(), begins=begins))


def _saving_enabled(view: MeterView) -> bytes:
    return encode_boolean(view.zone.change_rule(view.now_epoch_s(), begins=True) != CosemDateTime())


#: Attributes by which local time follows from UTC: name of the state, number, what the zone says.
_LOCAL: Final[Mapping[str, tuple[int, Callable[[MeterView], bytes]]]] = {
    "clock_time_zone": (3, _time_zone),
    "clock_saving_begins": (5, _change(begins=True)),
    "clock_saving_ends": (6, _change(begins=False)),
    "clock_saving_deviation": (7, lambda view: encode_integer(SAVING_MIN)),
    "clock_saving_enabled": (8, _saving_enabled),
}


def _local(number: int, of_zone: Callable[[MeterView], bytes]) -> Callable[[MeterView, int], bytes]:
    return lambda view, client_sap: view.written((CLOCK_NAME, number)) or of_zone(view)


def _set_local(number: int) -> Callable[[MeterView, PlainValue], DataAccessResult]:
    """Take one rule of local time; what was in force for the others is kept with it, so that they stay together."""

    def change(view: MeterView, value: PlainValue) -> DataAccessResult:
        encoded = _encoded_rule(number, value)
        if encoded is None:
            return DataAccessResult.OTHER_REASON
        if view.written((CLOCK_NAME, number)) is None:
            for other, of_zone in _LOCAL.values():
                view.write((CLOCK_NAME, other), of_zone(view))
        view.write((CLOCK_NAME, number), encoded)
        recall_local_time(view)
        return DataAccessResult.SUCCESS

    return change


def _encoded_rule(number: int, value: PlainValue) -> bytes | None:
    """Encode a rule that can be kept; None for a zone or a saving beyond a day, or for no date-time."""
    if number == SAVING_ENABLED:
        return encode_boolean(bool(value))
    if isinstance(value, int):
        limit = DAY_MIN if number == TIME_ZONE else SAVING_MAX_MIN
        encode = encode_long if number == TIME_ZONE else encode_integer
        return encode(value) if abs(value) <= limit else None
    try:
        moment = CosemDateTime.from_bytes(value) if isinstance(value, bytes) else value
    except PeerError:
        return None
    return encode_date_time(moment) if isinstance(moment, CosemDateTime) else None


def recall_local_time(view: MeterView) -> None:
    """Let a meter whose clock was given rules of its own keep local time by them."""
    written = {number: view.written((CLOCK_NAME, number)) for number, _ in _LOCAL.values()}
    if any(encoded is None for encoded in written.values()):
        return
    values = {number: decode_all(encoded) for number, encoded in written.items() if encoded is not None}
    view.zone = rule_table(
        ZoneRules(
            time_zone_min=values[3], begins=_moment(values[5]), ends=_moment(values[6]), deviation_min=values[7],
            enabled=bool(values[8]),
        )
    )  # fmt: skip


def _moment(value: PlainValue) -> CosemDateTime:
    return value if isinstance(value, CosemDateTime) else CosemDateTime.from_bytes(value)


# --- setting ---------------------------------------------------------------------------------------------------------


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
    "clock_status": _status,
    **{name: _local(number, of_zone) for name, (number, of_zone) in _LOCAL.items()},
}
SETTINGS: Final[Mapping[str, Callable[[MeterView, PlainValue], DataAccessResult]]] = {
    "clock_time": _set_time,
    **{name: _set_local(number) for name, (number, _) in _LOCAL.items()},
}
COMMANDS: Final[Mapping[str, Callable[[MeterView, PlainValue], ActionResult]]] = {
    "clock_adjust_to_quarter": _round_to(lambda view: QUARTER_S),
    "clock_adjust_to_measuring_period": _round_to(lambda view: view.load.interval_s),
    "clock_adjust_to_minute": _round_to(lambda view: MINUTE_S),
    "clock_adjust_to_preset": _take_preset,
    "clock_preset": _preset,
    "clock_shift": _shift,
}
