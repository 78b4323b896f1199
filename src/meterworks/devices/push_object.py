"""Push set-ups of a meter (class 40), their schedule (class 22) and script (class 9).

A push is a data-notification whose body is one structure: the values of the set-up's object list, in its order. The
first is always the set-up's own logical name, so that a receiver knows by it which list follows:

    0-0:25.9.0  scheduled   logical device name, clock, import power W, export power W, import Wh, export Wh
    0-0:25.9.1  alarm       logical device name, clock, event log (E of 0-0:99.98.E), event code
    0-0:25.9.2  connection  logical device name, clock: what a meter says first when it opens the connection
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from meterworks.devices.errors import MalformedValue
from meterworks.devices.view import ALARM_INSTANCE, MeterView
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    ANY,
    ANY_YEAR,
    ActionResult,
    CaptureObject,
    CosemDate,
    CosemTime,
    DataAccessResult,
    ObisCode,
    PlainValue,
    encode_array,
    encode_enum,
    encode_octet_string,
    encode_structure,
)

__all__ = [
    "ALARM_PUSH", "COMMANDS", "CONNECTION_PUSH", "PERIODS_S", "PUSH_SETUPS", "SCHEDULED_PUSH", "SETTINGS", "STATES",
    "PushSetup",
]  # fmt: skip

SCHEDULED_PUSH: Final = 0  # E of 0-0:25.9.E
ALARM_PUSH: Final = ALARM_INSTANCE
CONNECTION_PUSH: Final = 2
TRANSPORT_TCP: Final = 0
MESSAGE_A_XDR: Final = 0
DESTINATION_SIZE_MAX: Final = 64
DAY_S: Final = 86_400
HOUR_S: Final = 3600
#: Periods that a list of times of day can say.
PERIODS_S: Final = tuple(
    period for period in range(60, DAY_S + 1, 60) if (HOUR_S % period == 0 or (period % HOUR_S == 0 == DAY_S % period))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSetup:
    """One push set-up: its instance, what it sends, and how hard it tries."""

    instance: int  # E of 0-0:25.9.E
    objects: tuple[CaptureObject, ...]
    randomisation_s: int
    retries_max: int
    repetition_delay_s: int

    @property
    def obis_code(self) -> ObisCode:
        """Logical name of the set-up."""
        return ObisCode(f"0.0.25.9.{self.instance}.255")


def _setup(instance: int, *columns: tuple[int, str], randomisation_s: int = 0) -> PushSetup:
    own = CaptureObject(40, ObisCode(f"0.0.25.9.{instance}.255"), 1)
    named = ((1, "0.0.42.0.0.255"), (8, "0.0.1.0.0.255"), *columns)
    objects = (own, *(CaptureObject(class_id, ObisCode(code), 2) for class_id, code in named))
    return PushSetup(
        instance=instance, objects=objects, randomisation_s=randomisation_s, retries_max=3, repetition_delay_s=10
    )


PUSH_SETUPS: Final[Mapping[int, PushSetup]] = MappingProxyType(
    {
        setup.instance: setup
        for setup in (
            _setup(
                SCHEDULED_PUSH, (3, "1.0.1.7.0.255"), (3, "1.0.2.7.0.255"), (3, "1.0.1.8.0.255"), (3, "1.0.2.8.0.255"),
                randomisation_s=900,
            ),
            _setup(ALARM_PUSH, (1, "0.0.96.11.20.255"), (1, "0.0.96.11.21.255")),
            _setup(CONNECTION_PUSH),
        )
    }
)  # fmt: skip


def _destination(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    destination = bytes(view.state.rows["push_destination"][view.index])
    return encode_structure(encode_enum(TRANSPORT_TCP), encode_octet_string(destination), encode_enum(MESSAGE_A_XDR))


def _set_destination(view: MeterView, value: PlainValue) -> DataAccessResult:
    match value:
        case (int(transport), bytes(destination), int(message)):
            pass
        case _:
            return DataAccessResult.TYPE_UNMATCHED
    host, _, port = destination.decode("ascii", "replace").rpartition(":")
    valid = host and port.isdecimal() and len(destination) <= DESTINATION_SIZE_MAX and host.isprintable()
    if (destination and not valid) or (transport, message) != (TRANSPORT_TCP, MESSAGE_A_XDR):
        return DataAccessResult.OTHER_REASON
    view.state.rows["push_destination"][view.index] = destination
    return DataAccessResult.SUCCESS


def _execution_time(view: MeterView, client_sap: int) -> bytes:
    """The times of day of the scheduled push; the meter starts within its randomisation interval after them."""
    del client_sap
    period_s = int(view.state.rows["push_period_s"][view.index])
    if period_s not in PERIODS_S:
        return encode_array([])
    if period_s < HOUR_S:
        times = [CosemTime(ANY, second // 60, 0, 0) for second in range(0, HOUR_S, period_s)]
    else:
        times = [CosemTime(second // HOUR_S, 0, 0, 0) for second in range(0, DAY_S, period_s)]
    date = encode_octet_string(CosemDate(ANY_YEAR, ANY, ANY, ANY).to_bytes())
    return encode_array(encode_structure(encode_octet_string(time.to_bytes()), date) for time in times)


def _set_execution_time(view: MeterView, value: PlainValue) -> DataAccessResult:
    """Take a list of times that follow one another at equal distance; an empty one stops the push."""
    try:
        seconds = sorted(_seconds_of_day(value))
    except PeerError:
        return DataAccessResult.TYPE_UNMATCHED
    gaps = {after - before for before, after in itertools.pairwise(seconds)}
    if len(gaps) > 1 or (seconds and DAY_S // len(seconds) not in PERIODS_S):
        return DataAccessResult.OTHER_REASON
    view.state.rows["push_period_s"][view.index] = DAY_S // len(seconds) if seconds else 0
    return DataAccessResult.SUCCESS


def _seconds_of_day(value: Sequence[PlainValue]) -> set[int]:
    seconds: set[int] = set()
    for row in value:
        match row:
            case (bytes(time_octets), bytes(_)):
                time = CosemTime.from_bytes(time_octets)
            case _:
                raise MalformedValue("an execution time is a structure of time and date")
        if time.minute == ANY or time.second == ANY:
            raise MalformedValue("an execution time without minute and second is no time of a schedule")
        hours = range(24) if time.hour == ANY else (time.hour,)
        seconds.update(hour * HOUR_S + time.minute * 60 + time.second for hour in hours)
    return seconds


def _push(instance: int) -> Callable[[MeterView, PlainValue], ActionResult]:
    def push(view: MeterView, parameter: PlainValue) -> ActionResult:
        del parameter
        if view.push is None:
            return ActionResult.TEMPORARY_FAILURE
        view.push(view.index, instance)
        return ActionResult.SUCCESS

    return push


def _execute_push_script(view: MeterView, parameter: PlainValue) -> ActionResult:
    """Script n + 1 pushes set-up n."""
    if not isinstance(parameter, int) or parameter - 1 not in PUSH_SETUPS:
        return ActionResult.OTHER_REASON
    return _push(parameter - 1)(view, None)


def _reset(instance: int) -> Callable[[MeterView, PlainValue], ActionResult]:
    def reset(view: MeterView, parameter: PlainValue) -> ActionResult:
        """Drop what waits to be sent or repeated."""
        del parameter
        if view.forget_push is not None:
            view.forget_push(view.index, instance)
        return ActionResult.SUCCESS

    return reset


STATES: Final[Mapping[str, Callable[[MeterView, int], bytes]]] = {
    "push_destination": _destination,
    "push_execution_time": _execution_time,
}
SETTINGS: Final[Mapping[str, Callable[[MeterView, PlainValue], DataAccessResult]]] = {
    "push_destination": _set_destination,
    "push_execution_time": _set_execution_time,
}
COMMANDS: Final[Mapping[str, Callable[[MeterView, PlainValue], ActionResult]]] = {
    **{f"push_{instance}": _push(instance) for instance in PUSH_SETUPS},
    **{f"push_reset_{instance}": _reset(instance) for instance in PUSH_SETUPS},
    "execute_push_script": _execute_push_script,
}
