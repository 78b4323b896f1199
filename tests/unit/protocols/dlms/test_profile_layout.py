"""Capture layouts: what they refuse, how they name columns, and reading them from attribute 3."""

import pytest

from meterworks.errors import PeerError, UsageError
from meterworks.protocols.dlms.descriptor import CLOCK_OBJECT, CaptureObject
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.dlms.profile_layout import CaptureLayout, RowShape, decode_capture_objects

ENERGY = CaptureObject(3, ObisCode("1-0:1.29.0"), 2)


@pytest.mark.parametrize("columns", [[], [ENERGY] * 257])
def test_a_layout_needs_a_sensible_number_of_columns(columns: list[CaptureObject]):
    with pytest.raises(UsageError, match="1 to 256 capture objects"):
        CaptureLayout.compile(columns, 1800)


def test_a_negative_period_is_refused():
    with pytest.raises(UsageError, match="negative"):
        CaptureLayout.compile([ENERGY], -1)


def test_columns_are_found_by_name():
    layout = CaptureLayout.compile([CLOCK_OBJECT, ENERGY], 1800)
    assert layout.time_index == 0
    assert layout.index_of(ObisCode("1-0:1.29.0")) == 1
    with pytest.raises(UsageError, match="no column"):
        layout.index_of(ObisCode("1-0:2.29.0"))


def test_capture_objects_are_read_from_attribute_3():
    columns = (CLOCK_OBJECT, ENERGY, CaptureObject(1, ObisCode("0-0:96.10.1"), 2, 3))
    data = bytes([1, len(columns)]) + b"".join(column.to_bytes() for column in columns)
    assert decode_capture_objects(data) == columns


@pytest.mark.parametrize("data", ["", "11 05", "01 01 11 05", "01 01 02 04 12 0008 09 05 0000010000 0f 02 12 0000"])
def test_a_malformed_attribute_3_is_refused(data: str):
    with pytest.raises(PeerError):
        decode_capture_objects(bytes.fromhex(data))


def test_a_shape_counts_the_rows_that_match_it():
    layout = CaptureLayout.compile([ENERGY], 1800)
    equal, other = bytes.fromhex("02 01 12 0005"), bytes.fromhex("02 01 10 0005")
    buffer = equal * 5 + other + equal
    shape: RowShape = layout.shape_at(buffer, 0)
    assert shape.matching(buffer, 0, 7) == 5
    assert shape.matching(buffer, 5 * 5, 2) == 0
    assert shape.matching(buffer, 6 * 5, 1) == 1
