"""A profile whose buffer a meter really keeps: columns, period and order are what management wrote.

`capture` takes the attributes named by the capture objects as they are at that instant and puts the row where the sort
method wants it; the row that falls off the end is lost. With a capture period the meter does so by itself. Writing the
columns, the order or the number of entries empties the buffer. The buffer is read whole, by range of any column, or by
entries; each with columns chosen.

The rows lie encoded beside the attributes: a meter that captures costs what it captured, any other meter nothing.
Source: COSEM interface classes, Profile generic (class 7).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from meterworks.devices.errors import MalformedValue
from meterworks.devices.model import Derived, Entry, Place, deed, derived, entry, kept
from meterworks.devices.overlay import VALUE_SIZE_MAX
from meterworks.devices.selection import Entries, Range, parse_selection, span_of
from meterworks.devices.tariff import objects_of, plain_value
from meterworks.devices.view import MeterView, ServedObject
from meterworks.devices.wall_clock import pattern_date_time
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    ActionResult,
    CaptureObject,
    DataAccessResult,
    DataValue,
    ObisCode,
    PlainValue,
    Tag,
    decode_all,
    decode_typed,
    encode,
    encode_array,
    encode_double_long_unsigned,
    encode_enum,
    encode_structure,
)
from meterworks.protocols.dlms.cosem import PROFILE_GENERIC

__all__ = ["CAPTURE_WATCH", "captured_profile"]

CAPTURE_OBJECTS: Final = 3
CAPTURE_PERIOD: Final = 4
CAPTURE: Final = 2  # method
SORT_METHOD: Final = 5
SORT_OBJECT: Final = 6
PROFILE_ENTRIES: Final = 8
ROWS_KEY: Final = 0x200  # beside the attributes: the rows, one encoded structure after another
CLOCK_CLASS: Final = 8
PROFILE_CLASS: Final = 7
COLUMNS_MAX: Final = 32
ENTRIES_MAX: Final = 1000
PERIOD_MIN_S: Final = 60
DAY_S: Final = 86_400
EMPTY: Final = b"\x01\x00"

FIFO: Final = 1
LIFO: Final = 2


def _largest(value: float) -> float:
    return -value


def _nearest(value: float) -> float:
    return abs(value)


def _farthest(value: float) -> float:
    return -abs(value)


#: Sort method to the key by which rows rise; of first-in and last-in the order of capture is the order.
_ORDERS: Final[Mapping[int, Callable[[float], float]]] = {3: _largest, 4: float, 5: _nearest, 6: _farthest}


def captured_profile(
    obis_code: str, columns: Sequence[CaptureObject], *, entries: int = 100, sort_method: int = FIFO
) -> Entry:
    """Write the row of a profile that captures: its columns, period, order and size are settings of management."""
    return entry(
        obis_code, PROFILE_GENERIC,
        buffer=Derived(read=_read), entries_in_use=derived(_entries_in_use),
        capture_objects=kept(encode_array(column.to_bytes() for column in columns), _judge_columns),
        capture_period=kept(encode_double_long_unsigned(0), _judge_period),
        sort_method=kept(encode_enum(sort_method), _judge_method),
        sort_object=kept(CLOCK_OBJECT.to_bytes(), _judge_sort_object),
        profile_entries=kept(encode_double_long_unsigned(entries), _judge_entries),
        reset=deed(_reset), capture=deed(_capture),
    )  # fmt: skip


# --- settings --------------------------------------------------------------------------------------------------------


def _forget(view: MeterView, name: bytes) -> DataAccessResult:
    view.state.overlay.remove(view.index, (name, ROWS_KEY))
    return DataAccessResult.SUCCESS


def _judge_columns(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    """Take columns that the meter has and can read; then begin with an empty buffer."""
    if not 1 <= len(value) <= COLUMNS_MAX:
        return DataAccessResult.OTHER_REASON
    for row in value:
        column = CaptureObject.from_plain(row)
        found = view.objects.get(column.obis_code)
        if found is None or found.interface_class.class_id != column.class_id:
            return DataAccessResult.OBJECT_UNDEFINED
        if not 0 <= column.attribute <= len(found.attributes) or column.obis_code == place.obis_code:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
    return _forget(view, place.obis_code)


def _judge_period(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    del view, place
    good = value == 0 or (PERIOD_MIN_S <= value <= DAY_S and DAY_S % value == 0)
    return DataAccessResult.SUCCESS if good else DataAccessResult.OTHER_REASON


def _judge_method(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    if value not in (FIFO, LIFO, *_ORDERS):
        return DataAccessResult.OTHER_REASON
    return _forget(view, place.obis_code)


def _judge_sort_object(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    if CaptureObject.from_plain(value) not in _columns(view, place.obis_code):
        return DataAccessResult.OTHER_REASON
    return _forget(view, place.obis_code)


def _judge_entries(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    if not 1 <= value <= ENTRIES_MAX:
        return DataAccessResult.OTHER_REASON
    return _forget(view, place.obis_code)


def _setting(view: MeterView, name: bytes, number: int) -> PlainValue:
    return plain_value(view, view.objects[name], number)


def _columns(view: MeterView, name: bytes) -> list[CaptureObject]:
    return [CaptureObject.from_plain(row) for row in _setting(view, name, CAPTURE_OBJECTS)]


# --- rows ------------------------------------------------------------------------------------------------------------


def _rows(view: MeterView, name: bytes) -> list[tuple[DataValue, ...]]:
    """Give the rows kept, in the order of the buffer."""
    kept_octets = view.written((name, ROWS_KEY)) or b""
    rows, offset = [], 0
    while offset < len(kept_octets):  # bounded: each row moves the offset on
        row, offset = decode_typed(kept_octets, offset)
        if isinstance(row.value, tuple):
            rows.append(row.value)
    return rows


def _keep(view: MeterView, name: bytes, rows: list[tuple[DataValue, ...]]) -> None:
    encoded = [encode(DataValue(Tag.STRUCTURE, row)) for row in rows]
    while sum(map(len, encoded)) > VALUE_SIZE_MAX:  # bounded: each round drops a row
        encoded.pop(0 if _setting(view, name, SORT_METHOD) == FIFO else -1)
    view.write((name, ROWS_KEY), b"".join(encoded))


def _cell(view: MeterView, column: CaptureObject) -> DataValue:
    """Give what a capture object holds now; null where there is nothing to read."""
    found = view.objects.get(column.obis_code)
    if found is None:
        return DataValue(Tag.NULL, None)
    if column.attribute == 0:
        return DataValue(Tag.STRUCTURE, tuple(map(_typed, (attribute.value(view) for attribute in found.attributes))))
    value = _typed(found.attributes[column.attribute - 1].value(view))
    if column.data_index and isinstance(value.value, tuple) and column.data_index <= len(value.value):
        element = value.value[column.data_index - 1]
        return element if isinstance(element, DataValue) else value
    return value


def _typed(encoded: bytes | None) -> DataValue:
    return DataValue(Tag.NULL, None) if encoded is None else decode_typed(encoded)[0]


def _capture(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Put a row into the buffer (method 2)."""
    del parameter  # integer 0, without meaning
    name = place.obis_code
    columns = _columns(view, name)
    rows, row = _rows(view, name), tuple(_cell(view, column) for column in columns)
    method, entries = _setting(view, name, SORT_METHOD), _setting(view, name, PROFILE_ENTRIES)
    order = _ORDERS.get(method)
    if method == LIFO:
        rows.insert(0, row)
    else:
        rows.append(row)
    if order is not None:
        sort_object = CaptureObject.from_plain(_setting(view, name, SORT_OBJECT))
        index = columns.index(sort_object) if sort_object in columns else 0
        rows.sort(key=lambda known: order(_number(view, known[index])))
    _keep(view, name, rows[-entries:] if method == FIFO else rows[:entries])
    return ActionResult.SUCCESS


def _number(view: MeterView, cell: DataValue) -> float:
    """Give a number by which cells compare: of a moment its instant, of anything else 0."""
    value = cell.value
    if isinstance(value, int | float):
        return value
    moment = pattern_date_time(value)
    if moment is not None and moment.is_exact:
        return moment.to_datetime(deviation_min=view.zone.offset_at(view.now_epoch_s()) // -60).timestamp()
    return 0.0


def _reset(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Empty the buffer (method 1)."""
    del parameter
    return _forget(view, place.obis_code)


def _entries_in_use(view: MeterView, place: Place, client_sap: int) -> bytes:
    del client_sap
    return encode_double_long_unsigned(len(_rows(view, place.obis_code)))


# --- reading ---------------------------------------------------------------------------------------------------------


def _read(view: MeterView, place: Place, selection: bytes | None) -> bytes | DataAccessResult:
    rows = _rows(view, place.obis_code)
    if selection is None:
        return encode_array(encode(DataValue(Tag.STRUCTURE, row)) for row in rows)
    columns = _columns(view, place.obis_code)
    try:
        wanted = parse_selection(selection)
        if isinstance(wanted, Entries):
            chosen_columns: Sequence[int] = range(len(columns))[wanted.columns(len(columns))]
            chosen = rows[wanted.rows(len(rows))]
        else:
            chosen_columns, chosen = _in_range(view, columns, rows, wanted)
    except PeerError:
        return DataAccessResult.TYPE_UNMATCHED
    return encode_array(encode_structure(*(encode(row[index]) for index in chosen_columns)) for row in chosen)


def _in_range(
    view: MeterView, columns: list[CaptureObject], rows: list[tuple[DataValue, ...]], wanted: Range
) -> tuple[Sequence[int], list[tuple[DataValue, ...]]]:
    if wanted.column not in columns or not set(wanted.columns) <= set(columns):
        raise MalformedValue("a range of columns that the profile does not have")
    index = columns.index(wanted.column)
    low, high = span_of(view.zone, wanted, is_time=wanted.column.class_id == CLOCK_CLASS)
    chosen = [columns.index(column) for column in wanted.columns or columns]
    return chosen, [row for row in rows if low <= _number(view, row[index]) <= high]


# --- by itself -------------------------------------------------------------------------------------------------------


class CaptureWatch:
    """Captures at the end of each capture period that was written into a profile."""

    def is_active(self, view: MeterView) -> bool:
        """Tell whether a profile has a capture period."""
        return any(True for _ in self._periodic(view))

    def _periodic(self, view: MeterView) -> list[tuple[bytes, ServedObject, int]]:
        found = []
        for name, profile in objects_of(view, PROFILE_CLASS):
            period = view.written((name, CAPTURE_PERIOD)) if CAPTURE in profile.methods else None
            if period is not None and decode_all(period):
                found.append((name, profile, int(decode_all(period))))
        return found

    def due(self, view: MeterView, after_s: int, until_s: int) -> int | None:
        """Give the next end of a period, by the local time of day."""
        found = []
        for _, _, period_s in self._periodic(view):
            offset_s = view.zone.offset_at(after_s)
            at_s = (after_s + offset_s) // period_s * period_s + period_s - offset_s
            if at_s <= until_s:
                found.append(at_s)
        return min(found, default=None)

    def act(self, view: MeterView, at_s: int) -> None:
        """Capture in the profiles whose period ends."""
        with view.as_of(at_s):
            for name, profile, period_s in self._periodic(view):
                if (at_s + view.zone.offset_at(at_s)) % period_s == 0:
                    _capture(view, Place(ObisCode(name), profile.interface_class, 2), None)


CAPTURE_WATCH: Final = CaptureWatch()
