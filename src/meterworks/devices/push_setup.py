"""The push set-up (class 40, versions 0 to 2) as clients read and write it, and what the sender makes of it.

What a meter pushes is a list of columns, each with an optional restriction: a range of time or of entries of a
profile, of which some columns may be chosen (version 2). When it pushes is limited by communication windows and spread
by a randomisation interval; how hard it tries is a number of retries, a delay (version 2: growing by a factor up to a
maximum), and whether it waits for a confirmation. A meter whose set-up nobody wrote holds nothing of all that.
Source: COSEM interface classes, Push setup (class 40).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Any, Final

from meterworks.devices.access import Audience
from meterworks.devices.clock_object import moment_of
from meterworks.devices.model import Entry, Place, Source, command, entry, kept, setting
from meterworks.devices.push_object import PUSH_SETUPS
from meterworks.devices.view import MeterView
from meterworks.devices.wall_clock import date_matches, local_date, pattern_date_time
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    ANY,
    AttributeAddress,
    CaptureObject,
    CosemDateTime,
    DataAccessResult,
    EntrySelection,
    ObisCode,
    PlainValue,
    RangeSelection,
    decode_all,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import CLASSES

__all__ = [
    "PUSH_COLUMNS_MAX", "OperationMethod", "PushColumn", "RetryPlan", "note_confirmation", "operation_method",
    "push_columns", "push_entry", "retry_plan", "spread_s", "wait_for_window",
]  # fmt: skip

PUSH_COLUMNS_MAX: Final = 64
WINDOWS_MAX: Final = 16
PROFILE_CLASS: Final = 7
BUFFER: Final = 2
LAST_ENTRIES_MAX: Final = 0x0FFF  # data_index of a buffer up to here: so many newest entries
PERCENT: Final = 100
FACTOR_PERCENT: Final = 200  # the factory's set-ups wait twice as long each time
HORIZON_DAYS: Final = 370
DAY_S: Final = 86_400
OBJECT_LIST, WINDOW, RANDOMISATION, RETRIES, DELAY = 2, 4, 5, 6, 7
METHOD, LAST_CONFIRMATION = 11, 13


class Restriction(IntEnum):
    """Which rows of a profile a column means."""

    NONE = 0
    BY_TIME = 1
    BY_ENTRY = 2


class OperationMethod(IntEnum):
    """Attribute 11 of version 2: what counts as sent."""

    UNCONFIRMED = 0  # written to the carrier; nothing is repeated
    CARRIED = 1  # the carrier took it; repeated where it did not
    CONFIRMED = 2  # the receiver confirmed it; repeated where it did not


@dataclass(frozen=True, slots=True)
class PushColumn:
    """One pushed value: an attribute, and which rows and columns of it.

    selection: as in a request. newest: of a buffer so many newest entries, 0 all.
    """

    address: AttributeAddress
    selection: bytes | None = None
    newest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlan:
    """How hard a meter tries."""

    retries_max: int
    delay_s: int
    factor_percent: int = FACTOR_PERCENT
    delay_s_max: int = DAY_S

    def delay_before(self, attempt: int) -> float:
        """Give the seconds to wait before try number `attempt` + 1, from 1."""
        factor = (self.factor_percent / PERCENT) ** min(attempt, 32)
        return float(min(self.delay_s * factor, max(self.delay_s, self.delay_s_max)))


def _key(instance: int, attribute: int) -> tuple[bytes, int]:
    return PUSH_SETUPS[instance].obis_code, attribute


def _written(view: MeterView, instance: int, attribute: int) -> Any:
    """Give what a client wrote, or None. Its shape was checked when it was written."""
    encoded = view.written(_key(instance, attribute))
    return None if encoded is None else decode_all(encoded)


# --- what is pushed --------------------------------------------------------------------------------------------------


def push_columns(view: MeterView, instance: int) -> Sequence[PushColumn]:
    """Give what this set-up pushes, in order."""
    rows = _written(view, instance, OBJECT_LIST)
    if rows is None:
        return [PushColumn(_address(column)) for column in PUSH_SETUPS[instance].objects]
    return [_column(row) for row in rows]


def _address(column: CaptureObject) -> AttributeAddress:
    return AttributeAddress(column.class_id, column.obis_code, column.attribute)


def _column(row: PlainValue) -> PushColumn:
    class_id, name, attribute, data_index, *more = row
    address = AttributeAddress(class_id, ObisCode(name), attribute)
    if (class_id, attribute) != (PROFILE_CLASS, BUFFER):
        return PushColumn(address)
    chosen = tuple(CaptureObject.from_plain(column) for column in (more[1] if len(more) > 1 else ()))
    selection = _selection(more[0] if more else (Restriction.NONE, None), chosen)
    return PushColumn(address, selection, newest=0 if selection or data_index > LAST_ENTRIES_MAX else data_index)


def _selection(restriction: PlainValue, columns: tuple[CaptureObject, ...]) -> bytes | None:
    """Give the selection of a profile's rows and columns."""
    match restriction:
        case (Restriction.BY_TIME, (starts, ends)):
            from_, to = _moment(starts), _moment(ends)
            return RangeSelection(from_=from_, to=to, columns=columns).to_bytes()
        case (Restriction.BY_ENTRY, (int(first), int(last))):
            return EntrySelection(from_entry=first, to_entry=last).to_bytes()
    if columns:
        return RangeSelection(from_=CosemDateTime(), to=CosemDateTime(), columns=columns).to_bytes()
    return None


def _moment(value: PlainValue) -> CosemDateTime:
    moment = pattern_date_time(value)
    return CosemDateTime() if moment is None else moment


def _judge_objects(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    """Take objects that the meter has, in a number that it can push."""
    del place
    if not 0 < len(value) <= PUSH_COLUMNS_MAX:
        return DataAccessResult.OTHER_REASON
    for row in value:
        try:
            column = _column(row)
        except (PeerError, ValueError, TypeError):
            return DataAccessResult.TYPE_UNMATCHED
        served = view.objects.get(column.address.obis_code)
        if served is None or served.interface_class.class_id != column.address.class_id:
            return DataAccessResult.OBJECT_UNDEFINED
        if not 1 <= column.address.attribute <= len(served.attributes):
            return DataAccessResult.OBJECT_UNDEFINED
    return DataAccessResult.SUCCESS


# --- when ------------------------------------------------------------------------------------------------------------


def wait_for_window(view: MeterView, instance: int) -> float:
    """Give the seconds until a communication window opens: 0 inside of one, or where there are none."""
    windows = _written(view, instance, WINDOW)
    if not windows:
        return 0.0
    now_s = view.now_epoch_s()
    spans = [span for window in windows for span in _spans(view, window, int(now_s))]
    if any(begin <= now_s < end for begin, end in spans):
        return 0.0
    following = [begin - now_s for begin, _ in spans if begin > now_s]
    return min(following, default=float(HORIZON_DAYS * DAY_S))


def _spans(view: MeterView, window: PlainValue, now_s: int) -> Iterator[tuple[int, int]]:
    """Give begin and end of a window near now: each day that its begin means, until the end's time of day."""
    starts, ends = (_moment(value) for value in window)
    if starts.is_exact and ends.is_exact:
        yield int(moment_of(view, starts)), int(moment_of(view, ends))
        return
    first = local_date(view.zone, now_s) - timedelta(days=1)
    for offset in range(HORIZON_DAYS):
        day = first + timedelta(days=offset)
        if not date_matches(starts, day):
            continue
        midnight_s = (day - local_date(view.zone, 0)).days * DAY_S
        begin_s, end_s = (midnight_s + _second_of_day(moment) for moment in (starts, ends))
        span = view.zone.to_utc(begin_s), view.zone.to_utc(end_s if end_s > begin_s else end_s + DAY_S)
        yield span
        if span[0] > now_s:
            return


def _second_of_day(moment: CosemDateTime) -> int:
    hour, minute, second = (0 if part == ANY else part for part in (moment.hour, moment.minute, moment.second))
    return hour * 3600 + minute * 60 + second


def spread_s(view: MeterView, instance: int) -> int:
    """Give the interval over which a push that was asked for is spread.

    The factory's interval spreads the schedule of a fleet; one that a client wrote holds for every push.
    """
    return int(_written(view, instance, RANDOMISATION) or 0)


# --- how hard --------------------------------------------------------------------------------------------------------


def retry_plan(view: MeterView, instance: int) -> RetryPlan:
    """Give how often and after which delays a push is repeated."""
    setup = PUSH_SETUPS[instance]
    retries, delay = _written(view, instance, RETRIES), _written(view, instance, DELAY)
    retries_max = setup.retries_max if retries is None else int(retries)
    match delay:
        case (int(minimum), int(factor), int(maximum)):
            return RetryPlan(
                retries_max=retries_max, delay_s=minimum, factor_percent=max(factor, PERCENT), delay_s_max=maximum
            )
        case int(seconds):
            return RetryPlan(retries_max=retries_max, delay_s=seconds, factor_percent=PERCENT)
    return RetryPlan(retries_max=retries_max, delay_s=setup.repetition_delay_s)


def operation_method(view: MeterView, instance: int) -> OperationMethod:
    """Give what counts as sent; of versions 0 and 1 that the carrier took it."""
    written = _written(view, instance, METHOD)
    return OperationMethod.CARRIED if written is None else OperationMethod(written)


def note_confirmation(view: MeterView, instance: int) -> None:
    """Keep when the receiver confirmed last: attribute 13 of version 2."""
    view.write(_key(instance, LAST_CONFIRMATION), encode_date_time(view.zone.local_time(view.now_epoch_s())))


def _judge_windows(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    del view, place
    return DataAccessResult.SUCCESS if len(value) <= WINDOWS_MAX else DataAccessResult.OTHER_REASON


def _judge_method(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    del view, place
    return DataAccessResult.SUCCESS if value in tuple(OperationMethod) else DataAccessResult.OTHER_REASON


def _judge_protection(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    """Every push is authenticated and encrypted under the global keys: nothing else can be asked for."""
    del view, place
    return DataAccessResult.OTHER_REASON if value else DataAccessResult.SUCCESS


# --- rows of a model -------------------------------------------------------------------------------------------------


def push_entry(instance: int, version: int = 0) -> Entry:
    """Give the row of a model for a push set-up in a version of the class."""
    setup = PUSH_SETUPS[instance]
    objects = encode_array(_definition(column, version) for column in setup.objects)
    bindings: dict[str, Source] = {
        "push_object_list": kept(objects, _judge_objects),
        "send_destination_and_method": setting("push_destination"),
        "communication_window": kept(encode_array([]), _judge_windows),
        "randomisation_start_interval": kept(encode_long_unsigned(setup.randomisation_s)),
        "number_of_retries": kept(encode_unsigned(setup.retries_max)),
        "repetition_delay": kept(_delay(setup.repetition_delay_s, version)),
        "push": command(f"push_{instance}"),
    }
    if version >= 1:
        bindings |= {
            "port_reference": kept(encode_octet_string(bytes(6))),
            "push_client_sap": kept(encode_integer(1)),
            "push_protection_parameters": kept(encode_array([]), _judge_protection),
        }
    if version >= 2:
        never = encode_octet_string(CosemDateTime().to_bytes())
        bindings |= {
            "push_operation_method": kept(encode_enum(OperationMethod.CARRIED), _judge_method),
            "confirmation_parameters": kept(encode_structure(never, encode_double_long_unsigned(0))),
            "last_confirmation_date_time": kept(never),
            "reset": command(f"push_reset_{instance}"),
        }
    return entry(str(setup.obis_code), CLASSES[40, version], Audience.MANAGERS, **bindings)


def _definition(column: CaptureObject, version: int) -> bytes:
    parts = [
        encode_long_unsigned(column.class_id), encode_octet_string(column.obis_code), encode_integer(column.attribute),
        encode_long_unsigned(column.data_index),
    ]  # fmt: skip
    if version >= 1:
        parts.append(encode_structure(encode_enum(Restriction.NONE), encode_null()))
    if version >= 2:
        parts.append(encode_array([]))
    return encode_structure(*parts)


def _delay(seconds: int, version: int) -> bytes:
    if version < 2:
        return encode_long_unsigned(seconds)
    return encode_structure(
        encode_long_unsigned(seconds), encode_long_unsigned(FACTOR_PERCENT), encode_long_unsigned(0xFFFF)
    )
