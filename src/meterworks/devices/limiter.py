"""The limiter of a meter (class 71): what happens when a home draws more than it may.

The monitored value is the mean power of each capture interval, nothing while the switch is open. Once it was above the
active threshold for the minimum duration without a break, the action for "over" runs; once it was not above it for the
other duration, the action for "under". While an emergency profile is active its threshold is the active one.

Nothing is sampled: the instant follows from the load, so that a meter at which nobody looked for a day is switched off
at the second at which it would have been. A threshold of 0 is no limit: that is how meters leave the factory.
Source: COSEM interface classes, Limiter (class 71).
"""

import itertools
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from meterworks.devices.clock_object import moment_of
from meterworks.devices.disconnect_control import SWITCH_SCRIPTS, Origin, SwitchOrder, operate
from meterworks.devices.script import run_script
from meterworks.devices.view import LOG_STANDARD, MeterView
from meterworks.devices.watch import note_change
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    ActionResult,
    DataAccessResult,
    PlainValue,
    decode_all,
    encode_array,
    encode_boolean,
    encode_double_long_unsigned,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
)

__all__ = ["LIMITER_NAME", "LIMITER_WATCH", "SETTINGS", "STATES"]

LIMITER_NAME: Final = bytes((0, 0, 17, 0, 0, 255))
EVENT_EXCEEDED: Final = 65
EVENT_OK: Final = 66
EVENT_THRESHOLD_CHANGED: Final = 67
EVENT_SWITCH_FAILED: Final = 68
SCRIPT_TABLE_CLASS: Final = 9
LIMIT_MAX_W: Final = 2**32 - 1
GROUPS_MAX: Final = 32
ATTRIBUTES: Final = {"monitored": 2, "emergency_profile": 8, "emergency_groups": 9, "actions": 11}
IMPORT_POWER: Final = (3, bytes((1, 0, 1, 7, 0, 255)), 2)
EXPORT_POWER: Final = (3, bytes((1, 0, 2, 7, 0, 255)), 2)
_ENERGY_OF: Final = {IMPORT_POWER: "import_wh", EXPORT_POWER: "export_wh"}
_STATE_KEY: Final = (LIMITER_NAME, 0x100)
_STATE: Final = struct.Struct("<Bq")  # 1: over; since when (epoch s) it is in this state or its settings hold


def _script(name: bytes, selector: int) -> bytes:
    return encode_structure(encode_octet_string(name), encode_long_unsigned(selector))


_FACTORY: Final[Mapping[int, bytes]] = {
    2: encode_structure(encode_long_unsigned(3), encode_octet_string(IMPORT_POWER[1]), encode_integer(2)),
    8: encode_structure(encode_long_unsigned(0), encode_octet_string(bytes(12)), encode_double_long_unsigned(0)),
    9: encode_array([]),
    11: encode_structure(_script(SWITCH_SCRIPTS, SwitchOrder.DISCONNECT), _script(bytes(6), 0)),
}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of time in which power and threshold are constant."""

    begin_s: int
    end_s: int
    power_w: float
    threshold_w: int


def _kept(view: MeterView, attribute: int) -> PlainValue:
    return decode_all(view.written((LIMITER_NAME, attribute)) or _FACTORY[attribute])


def _emergency(view: MeterView) -> tuple[int, int]:
    """Give from when until when (exclusive) the emergency threshold holds; an empty stretch where it never does."""
    group, starts, duration_s = _kept(view, ATTRIBUTES["emergency_profile"])
    if not duration_s or group not in _kept(view, ATTRIBUTES["emergency_groups"]):
        return 0, 0
    try:
        starts_s = int(moment_of(view, starts))
    except PeerError:  # a time with wildcards names no instant
        return 0, 0
    return starts_s, starts_s + duration_s


def _state(view: MeterView) -> tuple[bool, int]:
    kept = view.written(_STATE_KEY)
    if kept is None:
        return False, int(view.now_epoch_s())
    over, since_s = _STATE.unpack(kept)
    return bool(over), since_s


def _pieces(view: MeterView, from_s: int, to_s: int) -> Iterator[_Piece]:
    row = view.state.rows[view.index]
    normal_w, emergency_w = int(row["limit_normal_w"]), int(row["limit_emergency_w"])
    emergency_s = _emergency(view)
    load, gaps = view.unswitched_load, view.gaps
    class_id, name, attribute = _kept(view, ATTRIBUTES["monitored"])
    first_s = from_s - from_s % load.interval_s
    block = load.intervals(first_s, to_s)
    energy_wh = dict(
        zip(block.start_epoch_s.tolist(), getattr(block, _ENERGY_OF[class_id, name, attribute]).tolist(), strict=True)
    )
    bounds = {from_s, to_s, *range(first_s + load.interval_s, to_s, load.interval_s), *emergency_s}
    bounds.update(gaps.begin_s.tolist(), gaps.end_s.tolist())
    inside = sorted(bound for bound in bounds if from_s <= bound <= to_s)
    for begin_s, end_s in itertools.pairwise(inside):
        flowing_wh = 0 if gaps.contains(begin_s) else energy_wh.get(begin_s - begin_s % load.interval_s, 0)
        threshold_w = emergency_w if emergency_s[0] <= begin_s < emergency_s[1] else normal_w
        yield _Piece(begin_s, end_s, flowing_wh * 3600 / load.interval_s, threshold_w)


class _LimiterWatch:
    """Runs the actions of the limiter as time passes."""

    def is_active(self, view: MeterView) -> bool:
        """Tell whether a client ever set the limiter of this meter."""
        return view.written(_STATE_KEY) is not None

    def due(self, view: MeterView, after_s: int, until_s: int) -> int | None:
        """Give when the value will have been on the other side of the threshold for long enough."""
        over, since_s = _state(view)
        row = view.state.rows[view.index]
        duration_s = int(row["limit_under_s" if over else "limit_over_s"])
        begun_s: int | None = None
        for piece in _pieces(view, max(since_s, after_s - duration_s), until_s):
            exceeded = bool(piece.threshold_w) and piece.power_w > piece.threshold_w
            if exceeded is over:
                begun_s = None
                continue
            begun_s = piece.begin_s if begun_s is None else begun_s
            if begun_s + duration_s <= piece.end_s:
                return max(begun_s + duration_s, after_s + 1)
        return None

    def act(self, view: MeterView, at_s: int) -> None:
        """Pass to the other side: the event, then the action."""
        over = not _state(view)[0]
        _keep_state(view, over, at_s)
        view.record(LOG_STANDARD, EVENT_EXCEEDED if over else EVENT_OK, at_s=at_s)
        script, selector = _kept(view, ATTRIBUTES["actions"])[0 if over else 1]
        if not selector:
            return
        if script != SWITCH_SCRIPTS:
            with view.as_of(at_s):
                run_script(view, script, selector)
        elif operate(view, Origin.LOCAL, SwitchOrder(selector), at_s=at_s) is not ActionResult.SUCCESS:
            view.record(LOG_STANDARD, EVENT_SWITCH_FAILED, at_s=at_s)


LIMITER_WATCH: Final = _LimiterWatch()


def _keep_state(view: MeterView, over: bool, since_s: int) -> None:
    view.write(_STATE_KEY, _STATE.pack(over, since_s))


def _changed(view: MeterView) -> None:
    """Judge by the new settings from now on."""
    _keep_state(view, _state(view)[0], int(view.now_epoch_s()))
    note_change(view)


# --- attributes ------------------------------------------------------------------------------------------------------

_NUMBERS: Final = {
    "limit_normal": "limit_normal_w",
    "limit_emergency": "limit_emergency_w",
    "limit_over": "limit_over_s",
    "limit_under": "limit_under_s",
}


def _number(column: str) -> Callable[[MeterView, int], bytes]:
    return lambda view, client_sap: encode_double_long_unsigned(int(view.state.rows[column][view.index]))


def _set_number(column: str) -> Callable[[MeterView, PlainValue], DataAccessResult]:
    def change(view: MeterView, value: PlainValue) -> DataAccessResult:
        if not isinstance(value, int) or not 0 <= value <= LIMIT_MAX_W:
            return DataAccessResult.TYPE_UNMATCHED
        view.state.rows[column][view.index] = value
        view.record(LOG_STANDARD, EVENT_THRESHOLD_CHANGED)
        _changed(view)
        return DataAccessResult.SUCCESS

    return change


def _active_threshold(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    return encode_double_long_unsigned(
        int(view.state.rows["limit_emergency_w" if _in_emergency(view) else "limit_normal_w"][view.index])
    )


def _in_emergency(view: MeterView) -> bool:
    starts_s, ends_s = _emergency(view)
    return starts_s <= view.now_epoch_s() < ends_s


def _kept_value(attribute: int) -> Callable[[MeterView, int], bytes]:
    return lambda view, client_sap: view.written((LIMITER_NAME, attribute)) or _FACTORY[attribute]


def _keep(view: MeterView, attribute: int, encoded: bytes) -> DataAccessResult:
    view.write((LIMITER_NAME, attribute), encoded)
    _changed(view)
    return DataAccessResult.SUCCESS


def _set_monitored(view: MeterView, value: PlainValue) -> DataAccessResult:
    """Take a power that the meter measures all the time; a limiter on anything else is refused."""
    match value:
        case (int(class_id), bytes(name), int(attribute)):
            pass
        case _:
            return DataAccessResult.TYPE_UNMATCHED
    if (class_id, name, attribute) not in _ENERGY_OF:
        return DataAccessResult.OTHER_REASON
    encoded = encode_structure(encode_long_unsigned(class_id), encode_octet_string(name), encode_integer(attribute))
    return _keep(view, ATTRIBUTES["monitored"], encoded)


def _set_emergency_profile(view: MeterView, value: PlainValue) -> DataAccessResult:
    match value:
        case (int(group), bytes(starts), int(duration_s)) if len(starts) == 12:
            encoded = encode_structure(
                encode_long_unsigned(group), encode_octet_string(starts), encode_double_long_unsigned(duration_s)
            )
            return _keep(view, ATTRIBUTES["emergency_profile"], encoded)
    return DataAccessResult.TYPE_UNMATCHED


def _set_emergency_groups(view: MeterView, value: PlainValue) -> DataAccessResult:
    if not all(isinstance(group, int) for group in value):
        return DataAccessResult.TYPE_UNMATCHED
    if len(value) > GROUPS_MAX:
        return DataAccessResult.OTHER_REASON
    return _keep(view, ATTRIBUTES["emergency_groups"], encode_array(map(encode_long_unsigned, value)))


def _set_actions(view: MeterView, value: PlainValue) -> DataAccessResult:
    """Take the scripts for over and under: those of the switch, others the meter has, or none (selector 0).

    A script of the switch is a local order here, whatever it is for a client.
    """
    match value:
        case ((bytes(over), int(over_selector)), (bytes(under), int(under_selector))):
            scripts = ((over, over_selector), (under, under_selector))
        case _:
            return DataAccessResult.TYPE_UNMATCHED
    if not all(_is_known(view, name, selector) for name, selector in scripts):
        return DataAccessResult.OTHER_REASON
    return _keep(view, ATTRIBUTES["actions"], encode_structure(*(_script(*script) for script in scripts)))


def _is_known(view: MeterView, name: bytes, selector: int) -> bool:
    if not selector or name == SWITCH_SCRIPTS:
        return selector in (0, *SwitchOrder)
    table = view.objects.get(name)
    return table is not None and table.interface_class.class_id == SCRIPT_TABLE_CLASS


STATES: Final[Mapping[str, Callable[[MeterView, int], bytes]]] = {
    **{name: _number(column) for name, column in _NUMBERS.items()},
    **{f"limit_{name}": _kept_value(attribute) for name, attribute in ATTRIBUTES.items()},
    "limit_active": _active_threshold,
    "limit_emergency_active": lambda view, client_sap: encode_boolean(_in_emergency(view)),
}
SETTINGS: Final[Mapping[str, Callable[[MeterView, PlainValue], DataAccessResult]]] = {
    **{name: _set_number(column) for name, column in _NUMBERS.items()},
    "limit_monitored": _set_monitored,
    "limit_emergency_profile": _set_emergency_profile,
    "limit_emergency_groups": _set_emergency_groups,
    "limit_actions": _set_actions,
}
