"""A profile that captures: its settings, its order, and reading by range of any column and by entries."""

import pytest

from meterworks.devices.captured_profile import ENTRIES_MAX
from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    ActionResult,
    CaptureObject,
    CosemDateTime,
    DataAccessResult,
    EntrySelection,
    ObisCode,
    RangeSelection,
    encode_array,
    encode_double_long_unsigned,
    encode_enum,
    encode_structure,
)

PROFILE = "1.0.99.4.0.255"  # voltage, clock, import power: the clock is not the first
SNAPSHOT = "0.0.98.10.0.255"
LAST = CaptureObject(3, ObisCode("1.0.1.29.0.255"), 2)
VOLTAGE = CaptureObject(3, ObisCode("1.0.32.7.0.255"), 2)
SUCCESS = DataAccessResult.SUCCESS
STEP_S = 1800


def columns(*objects):
    return encode_array(column.to_bytes() for column in objects)


@pytest.fixture
def prepared(bench):
    """A profile of (energy of the last interval, clock), captured at the end of ten intervals."""

    def prepare(method=1, entries=100, count=10, sort_object=LAST):
        assert bench.write(PROFILE, 3, columns(LAST, CLOCK_OBJECT)) is SUCCESS
        assert bench.write(PROFILE, 5, encode_enum(method)) is SUCCESS
        assert bench.write(PROFILE, 6, sort_object.to_bytes()) is SUCCESS
        assert bench.write(PROFILE, 8, encode_double_long_unsigned(entries)) is SUCCESS
        bench.hand.epoch_s = int(bench.hand.epoch_s) // STEP_S * STEP_S + 5
        values = []
        for _ in range(count):
            assert bench.act(PROFILE, 2) is SUCCESS
            values.append(bench.read(str(LAST.obis_code)))
            bench.hand.epoch_s += STEP_S
        assert len(set(values)) == count
        return values

    return prepare


def held(bench):
    return [row[0] for row in bench.read(PROFILE)]


@pytest.mark.parametrize(
    ("method", "order"),
    [
        (1, lambda values: values[-4:]),
        (2, lambda values: values[::-1][:4]),
        (3, lambda values: sorted(values, reverse=True)[:4]),
        (4, lambda values: sorted(values)[:4]),
        (5, lambda values: sorted(values, key=abs)[:4]),
        (6, lambda values: sorted(values, key=abs, reverse=True)[:4]),
    ],
    ids=["first in", "last in", "largest", "smallest", "nearest to zero", "farthest from zero"],
)
def test_rows_stand_and_fall_by_the_sort_method(bench, prepared, method, order):
    values = prepared(method=method, entries=4)
    assert held(bench) == order(values)
    assert bench.read(PROFILE, 7) == 4
    assert bench.read(PROFILE, 5) == method


def test_a_range_may_be_of_a_column_that_is_no_clock(bench, prepared):
    values = prepared()
    low, high = sorted(values)[2], sorted(values)[6]
    selection = b"\x01" + encode_structure(
        LAST.to_bytes(), encode_double_long_unsigned(low), encode_double_long_unsigned(high), encode_array([])
    )
    assert [row[0] for row in bench.read(PROFILE, selection=selection)] == [
        value for value in values if low <= value <= high
    ]


def test_a_range_of_the_clock_finds_it_where_it_stands(bench, prepared):
    values = prepared()
    stamps = [CosemDateTime.from_bytes(row[1]) for row in bench.read(PROFILE)]
    selection = RangeSelection(from_=stamps[2], to=stamps[4], columns=(LAST,)).to_bytes()
    assert bench.read(PROFILE, selection=selection) == [(value,) for value in values[2:5]]
    open_ended = RangeSelection(from_=CosemDateTime(), to=stamps[0]).to_bytes()
    assert len(bench.read(PROFILE, selection=open_ended)) == 1


def test_entries_and_columns_count_from_one(bench, prepared):
    values = prepared()
    chosen = EntrySelection(from_entry=2, to_entry=3, from_column=1, to_column=1).to_bytes()
    assert bench.read(PROFILE, selection=chosen) == [(value,) for value in values[1:3]]
    rest = EntrySelection(from_entry=9, to_entry=0).to_bytes()
    assert [row[0] for row in bench.read(PROFILE, selection=rest)] == values[8:]
    beyond = EntrySelection(from_entry=50, to_entry=60).to_bytes()
    assert bench.read(PROFILE, selection=beyond) == []


@pytest.mark.parametrize(
    "selection",
    [
        b"", b"\x03\x00", b"\x01\x00", b"\x02\x00\x00",
        EntrySelection(from_entry=0).to_bytes(), EntrySelection(from_column=3).to_bytes(),
        EntrySelection(from_column=2, to_column=1).to_bytes(),
        b"\x01" + encode_structure(VOLTAGE.to_bytes(), encode_enum(1), encode_enum(1), encode_array([])),
        b"\x01" + encode_structure(LAST.to_bytes(), b"\x09\x00", b"\x09\x00", encode_array([])),
        b"\x01" + encode_structure(CLOCK_OBJECT.to_bytes(), b"\x11\x00", b"\x11\x00", encode_array([])),
        b"\x01" + encode_structure(LAST.to_bytes(), b"\x11\x00", b"\x11\x00", columns(VOLTAGE)),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_selection_the_profile_does_not_have_is_refused(bench, prepared, selection):
    prepared(count=2)
    assert bench.raw(PROFILE, 2, selection=selection) is DataAccessResult.TYPE_UNMATCHED


def test_a_capture_period_captures_by_itself_as_of_its_instants(bench):
    assert bench.write(PROFILE, 3, columns(LAST, CLOCK_OBJECT)) is SUCCESS
    assert bench.write(PROFILE, 4, encode_double_long_unsigned(3600)) is SUCCESS
    bench.hand.epoch_s += 5 * 3600
    bench.meter.catch_up()
    rows = bench.read(PROFILE)
    stamps = [CosemDateTime.from_bytes(row[1]) for row in rows]
    assert [stamp.hour for stamp in stamps] == [11, 12, 13, 14, 15]
    assert {(stamp.minute, stamp.second) for stamp in stamps} == {(0, 0)}
    for stamp, (value, _) in zip(stamps, rows, strict=True):
        end_s = int(stamp.to_datetime().timestamp())
        assert value == int(bench.load.intervals(end_s - STEP_S, end_s).import_wh[-1])


def test_new_columns_begin_with_an_empty_buffer_and_reset_empties_it(bench, prepared):
    prepared(count=3)
    assert bench.act(PROFILE, 1) is SUCCESS
    assert bench.read(PROFILE) == []
    assert bench.act(PROFILE, 2) is SUCCESS
    assert bench.write(PROFILE, 3, columns(CLOCK_OBJECT)) is SUCCESS
    assert bench.read(PROFILE, 7) == 0


def test_rows_survive_a_restart(make_bench):
    first = make_bench()
    first.act(SNAPSHOT, 2)
    again = make_bench(state=first.view.state)
    assert again.read(SNAPSHOT) == first.read(SNAPSHOT)
    assert len(again.read(SNAPSHOT)) == 1


def test_a_whole_object_and_one_element_may_be_columns(bench):
    whole = CaptureObject(8, ObisCode("0.0.1.0.0.255"), 0)
    unit = CaptureObject(3, ObisCode("1.0.1.8.0.255"), 3, 2)
    assert bench.write(SNAPSHOT, 3, columns(whole, unit)) is SUCCESS
    assert bench.act(SNAPSHOT, 2) is SUCCESS
    ((clock, code),) = bench.read(SNAPSHOT)
    assert len(clock) == 9
    assert code == 30


@pytest.mark.parametrize(
    ("number", "value", "result"),
    [
        (3, columns(), DataAccessResult.OTHER_REASON),
        (3, columns(CaptureObject(3, ObisCode("1.0.99.99.0.255"), 2)), DataAccessResult.OBJECT_UNDEFINED),
        (3, columns(CaptureObject(1, ObisCode("0.0.1.0.0.255"), 2)), DataAccessResult.OBJECT_UNDEFINED),
        (3, columns(CaptureObject(8, ObisCode("0.0.1.0.0.255"), 10)), DataAccessResult.SCOPE_OF_ACCESS_VIOLATED),
        (3, columns(CaptureObject(7, ObisCode(PROFILE), 2)), DataAccessResult.SCOPE_OF_ACCESS_VIOLATED),
        (4, encode_double_long_unsigned(7), DataAccessResult.OTHER_REASON),
        (4, encode_double_long_unsigned(100_000), DataAccessResult.OTHER_REASON),
        (5, encode_enum(7), DataAccessResult.OTHER_REASON),
        (6, LAST.to_bytes(), DataAccessResult.OTHER_REASON),
        (8, encode_double_long_unsigned(0), DataAccessResult.OTHER_REASON),
        (8, encode_double_long_unsigned(ENTRIES_MAX + 1), DataAccessResult.OTHER_REASON),
        (7, encode_double_long_unsigned(1), DataAccessResult.READ_WRITE_DENIED),
    ],
)  # fmt: skip
def test_settings_that_make_no_profile_are_refused(bench, number, value, result):
    assert bench.write(PROFILE, number, value) is result


def test_capture_and_reset_are_for_management(bench):
    for method in (1, 2):
        assert bench.act(PROFILE, method, client=2) is ActionResult.READ_WRITE_DENIED
