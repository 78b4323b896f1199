"""Lists that methods change: what comes as a parameter is taken as a write would take it, and nothing else."""

import pytest

from meterworks.devices.tariff_method import ROWS_MAX, keep_rows, kept_rows
from meterworks.protocols.dlms import (
    ActionResult,
    BitString,
    CosemDate,
    CosemTime,
    DataValue,
    ObisCode,
    Tag,
    encode_array,
    encode_bit_string,
    encode_boolean,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)

SCHEDULE, SPECIAL, ACTIVATION = "0.0.12.0.0.255", "0.0.11.0.0.255", "0.0.14.0.0.255"
SUCCESS = ActionResult.SUCCESS
ALWAYS = CosemDate().to_bytes()


def entry(index, *, hour=6, enabled=True):
    return encode_structure(
        encode_long_unsigned(index), encode_boolean(enabled), encode_octet_string(ObisCode("0.0.10.0.100.255")),
        encode_long_unsigned(1), encode_octet_string(CosemTime(hour, 0, 0, 0).to_bytes()), encode_long_unsigned(0),
        encode_bit_string(BitString.from_text("1111100")), encode_bit_string(BitString.from_text("1")),
        encode_octet_string(ALWAYS), encode_octet_string(ALWAYS),
    )  # fmt: skip


def indices(bench):
    return [(row[0], row[1], row[4][0]) for row in bench.read(SCHEDULE)]


def test_entries_stand_by_index_and_one_of_the_same_index_is_replaced(bench):
    for index, hour in ((5, 1), (2, 2), (9, 3), (5, 4)):
        assert bench.act(SCHEDULE, 2, entry(index, hour=hour)) is SUCCESS
    assert indices(bench) == [(2, True, 2), (5, True, 4), (9, True, 3)]
    assert str(bench.read(SCHEDULE)[0][6]) == "1111100"


@pytest.mark.parametrize(
    ("ranges", "enabled"),
    [
        ((2, 5, 0, 0), [False, False, True]),
        ((1, 9, 5, 5), [False, True, False]),
        ((0, 0, 1, 9), [True, True, True]),
        ((9, 2, 0, 0), [True, True, True]),
        ((5, 5, 5, 5), [True, True, True]),
    ],
)
def test_ranges_of_entries_are_disabled_and_then_enabled(bench, ranges, enabled):
    for index in (2, 5, 9):
        bench.act(SCHEDULE, 2, entry(index))
    assert bench.act(SCHEDULE, 1, encode_structure(*map(encode_long_unsigned, ranges))) is SUCCESS
    assert [row[1] for row in indices(bench)] == enabled


def test_a_range_of_entries_is_deleted(bench):
    for index in (2, 5, 9):
        bench.act(SCHEDULE, 2, entry(index))
    assert bench.act(SCHEDULE, 3, encode_structure(encode_long_unsigned(3), encode_long_unsigned(9))) is SUCCESS
    assert [row[0] for row in indices(bench)] == [2]
    nothing = encode_structure(encode_long_unsigned(3), encode_long_unsigned(9))
    assert bench.act(SCHEDULE, 3, nothing) is ActionResult.OTHER_REASON


@pytest.mark.parametrize(
    ("code", "method", "parameter"),
    [
        (SCHEDULE, 2, encode_structure(encode_long_unsigned(1))),
        (SCHEDULE, 2, encode_array([])),
        (SCHEDULE, 2, entry(1).replace(ALWAYS, b"\0" * 5)[:-3]),
        (SCHEDULE, 2, encode_structure(*[encode_long_unsigned(1)] * 10)),
        (SPECIAL, 1, encode_structure(*[encode_long_unsigned(1)] * 3)),
        (SPECIAL, 1, encode_structure(encode_unsigned(1), encode_octet_string(ALWAYS), encode_octet_string(b""))),
        (ACTIVATION, 2, encode_structure(encode_octet_string(b"x"), encode_array([encode_octet_string(b"1")]))),
        (ACTIVATION, 3, encode_unsigned(1)),
    ],
    ids=range(8),
)
def test_a_parameter_of_another_shape_changes_nothing(bench, code, method, parameter):
    before = bench.raw(code)
    masks = bench.raw(ACTIVATION, 3)
    assert bench.act(code, method, parameter) is not SUCCESS
    assert bench.raw(code) == before
    assert bench.raw(ACTIVATION, 3) == masks


def test_a_list_has_its_bound(bench):
    name = ObisCode(SPECIAL)

    def row(index):
        return (
            DataValue(Tag.LONG_UNSIGNED, index), DataValue(Tag.OCTET_STRING, ALWAYS), DataValue(Tag.UNSIGNED, 1),
        )  # fmt: skip

    assert keep_rows(bench.view, name, 2, [row(index) for index in range(ROWS_MAX)]) is SUCCESS
    assert len(kept_rows(bench.view, name, 2)) == ROWS_MAX
    assert keep_rows(bench.view, name, 2, [row(index) for index in range(ROWS_MAX + 1)]) is ActionResult.OTHER_REASON
    more = encode_structure(encode_long_unsigned(999), encode_octet_string(ALWAYS), encode_unsigned(1))
    assert bench.act(SPECIAL, 1, more) is ActionResult.OTHER_REASON
    assert len(bench.read(SPECIAL)) == ROWS_MAX


def test_what_was_changed_survives_a_restart(make_bench):
    first = make_bench()
    first.act(SCHEDULE, 2, entry(3))
    first.act(ACTIVATION, 3, encode_octet_string(b"T2"))
    again = make_bench(state=first.view.state)
    assert [row[0] for row in indices(again)] == [3]
    assert [row[0] for row in again.read(ACTIVATION, 3)] == [b"T1"]
