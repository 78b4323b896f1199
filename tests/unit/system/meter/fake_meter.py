"""A meter made of a dictionary, as `AskedMeter` sees it."""

from meterworks.protocols import ServiceRefused
from meterworks.protocols.dlms import (
    AttributeAddress,
    CaptureObject,
    CosemDateTime,
    DataAccessResult,
    EntrySelection,
    ObisCode,
    RangeSelection,
    ScalerUnit,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import READ, READ_WRITE, ObjectListEntry, encode_object_list

ENERGY, POWER, DEMAND = "1.0.1.8.0.255", "1.0.1.7.0.255", "1.0.1.4.0.255"
CLOCK, PROFILE, SWITCH, GAS = "0.0.1.0.0.255", "1.0.99.1.0.255", "0.0.96.3.10.255", "0.1.24.2.1.255"
OBJECT_LIST = (15, "0.0.40.0.0.255", 2)


def entry(class_id, code, version=0, *, attributes=(1, 2), writable=(), methods=()):
    return ObjectListEntry(
        class_id=class_id,
        version=version,
        obis_code=ObisCode(code),
        attributes={number: READ_WRITE if number in writable else READ for number in attributes},
        methods=dict.fromkeys(methods, READ),
    )


ENTRIES = (
    entry(1, "0.0.42.0.0.255"),
    entry(3, ENERGY, attributes=(1, 2, 3)),
    entry(3, POWER, attributes=(1, 2, 3)),
    entry(4, GAS, attributes=(1, 2, 3, 4, 5)),
    entry(5, DEMAND, attributes=tuple(range(1, 10))),
    entry(7, PROFILE, 1, attributes=tuple(range(1, 9))),
    entry(8, CLOCK, attributes=tuple(range(1, 10)), writable=(2,)),
    entry(15, "0.0.40.0.0.255", 1, attributes=(1, 2)),
    entry(70, SWITCH, attributes=(1, 2, 3, 4), methods=(1, 2)),
)


class FakeMeter:
    """Gives what `values` holds by (class, code, attribute); asked: what it was asked for, in order."""

    def __init__(self, values=None, *, title=b"MWR\0\0\0\0\1", entries=ENTRIES):
        self.server_title = title
        self.values = {
            (1, "0.0.42.0.0.255", 2): encode_octet_string(b"MWR0001"),
            OBJECT_LIST: encode_object_list(entries, 1),
            (3, ENERGY, 2): encode_double_long_unsigned(123_456),
            (3, ENERGY, 3): ScalerUnit(-2, 30).to_bytes(),
            (3, POWER, 2): encode_double_long_unsigned(5),
            (3, POWER, 3): ScalerUnit(2, 27).to_bytes(),
            (8, CLOCK, 2): encode_date_time(CosemDateTime(2026, 1, 31, 6, 12, 0, 0, 0, 0, 0)),
        } | (values or {})
        self.asked = []
        self.lists_refused = False

    def get(self, address, selection=None, *, progress=None):
        key = (address.class_id, str(address.obis_code), address.attribute)
        self.asked.append(key)
        value = self.values.get(key)
        if callable(value):
            value = value(selection)
        if value is None:
            raise ServiceRefused("no", result=int(DataAccessResult.OBJECT_UNDEFINED))
        return value

    def get_list(self, items):
        if self.lists_refused:
            raise ServiceRefused("no lists", result=3)
        results = []
        for item in items:
            value = self.values.get((item.class_id, str(item.obis_code), item.attribute))
            results.append(DataAccessResult.OBJECT_UNDEFINED if value is None else value)
        self.asked.append(tuple(items))
        return results

    def set(self, address, value):
        key = (address.class_id, str(address.obis_code), address.attribute)
        if key not in self.values:
            raise ServiceRefused("no", result=3)
        self.values[key] = value

    def action(self, address, parameter=None):
        self.asked.append((address, parameter))
        return b"\x11\x07"


class ProfileMeter(FakeMeter):
    """A profile of energies by half-hours, whose clock is not the first column.

    selective: whether it chooses rows. scaler: of the energy. order: sort method.
    """

    FIRST_S = 1_767_225_600  # 2026-01-01T00:00Z
    ROWS = 6

    def __init__(self, *, selective=True, scaler=-1, order=1, rows=None):
        super().__init__()
        self.selective = selective
        self.numbers = list(range(self.ROWS)) if rows is None else rows
        columns = [CaptureObject(3, ObisCode(ENERGY), 2), CaptureObject(8, ObisCode(CLOCK), 2)]
        self.values |= {
            (7, PROFILE, 2): self.buffer,
            (7, PROFILE, 3): encode_array(column.to_bytes() for column in columns),
            (7, PROFILE, 4): encode_double_long_unsigned(1800),
            (7, PROFILE, 5): b"\x16" + bytes((order,)),
            (7, PROFILE, 7): encode_double_long_unsigned(len(self.numbers)),
            (3, ENERGY, 3): ScalerUnit(scaler, 30).to_bytes(),
        }
        self.selections = []

    @staticmethod
    def moment(number):
        hour, half = divmod(number, 2)
        return CosemDateTime(2026, 1, 1, 4, hour, 30 * half, 0, 0, 0, 0)

    def row(self, number):
        return encode_structure(encode_double_long_unsigned(100 + number), encode_date_time(self.moment(number)))

    def buffer(self, selection):
        self.selections.append(selection)
        numbers = self.numbers
        if selection is not None and not self.selective:
            return None
        if isinstance(selection, RangeSelection):
            assert selection.sort_object.class_id == 8
            first, last = selection.from_.to_datetime(), selection.to.to_datetime()
            numbers = [n for n in numbers if first <= self.moment(n).to_datetime() <= last]
        elif isinstance(selection, EntrySelection):
            numbers = numbers[selection.from_entry - 1 : selection.to_entry or None]
        return encode_array(map(self.row, numbers))


def address(class_id, code, attribute):
    return AttributeAddress(class_id, ObisCode(code), attribute)


def tiny(value):
    return encode_unsigned(value)
