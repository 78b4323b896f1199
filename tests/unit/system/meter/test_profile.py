"""Profiles of any meter: chosen by the meter or by us, in units or raw."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from tests.unit.system.meter.fake_meter import ENERGY, PROFILE, ProfileMeter

from meterworks.protocols.dlms import CaptureObject, ObisCode, encode_array
from meterworks.system import ConfigurationError
from meterworks.system.meter.profile import ProfileRange, expected_size, profile_rows, read_profile, save_table

CODE = ObisCode(PROFILE)
COLUMN = "1-0:1.8.0.255"


def at(hour, minute=0):
    return datetime(2026, 1, 1, hour, minute, tzinfo=UTC)


def times(table):
    return [moment.strftime("%H:%M") for moment in table.column("time").to_pylist()]


def test_all_rows_come_as_the_meter_holds_them():
    meter = ProfileMeter()
    table = read_profile(meter, CODE)
    assert table.column(COLUMN).to_pylist() == [100, 101, 102, 103, 104, 105]
    assert table.schema.metadata[COLUMN.encode()] == b"Wh x 10^-1"
    assert meter.selections == [None]


def test_values_in_their_unit_are_exact():
    table = read_profile(ProfileMeter(), CODE, scaled=True)
    assert table.column(COLUMN).to_pylist()[:2] == [Decimal("10.0"), Decimal("10.1")]
    assert table.schema.metadata[COLUMN.encode()] == b"Wh"


@pytest.mark.parametrize(("scaler", "first"), [(0, 100), (2, 10_000), (-6, Decimal("0.000100")), (40, 100)])
def test_any_power_of_ten_is_applied_within_reason(scaler, first):
    table = read_profile(ProfileMeter(scaler=scaler), CODE, scaled=True)
    assert table.column(COLUMN).to_pylist()[0] == first
    assert table.schema.metadata[COLUMN.encode()] == (b"Wh" if scaler != 40 else b"Wh x 10^40")


@pytest.mark.parametrize("selective", [True, False], ids=["the meter chooses", "we choose"])
@pytest.mark.parametrize(
    ("range_", "expected"),
    [
        (ProfileRange(from_=at(1), to=at(2)), ["01:00", "01:30", "02:00"]),
        (ProfileRange(from_=at(2)), ["02:00", "02:30"]),
        (ProfileRange(to=at(0)), ["00:00"]),
        (ProfileRange(from_=at(5)), []),
        (ProfileRange(last=2), ["02:00", "02:30"]),
        (ProfileRange(last=99), ["00:00", "00:30", "01:00", "01:30", "02:00", "02:30"]),
    ],
)
def test_rows_are_chosen_by_the_clock_wherever_it_stands(selective, range_, expected):
    meter = ProfileMeter(selective=selective)
    assert times(read_profile(meter, CODE, range_)) == expected
    assert len(meter.selections) == (1 if selective else 2)


def test_the_last_rows_of_a_profile_with_the_newest_first():
    meter = ProfileMeter(order=2, rows=[5, 4, 3, 2])
    assert times(read_profile(meter, CODE, ProfileRange(last=2))) == ["02:30", "02:00"]


def test_a_profile_without_a_clock_has_no_range():
    meter = ProfileMeter()
    meter.values[(7, PROFILE, 3)] = encode_array([CaptureObject(3, ObisCode(ENERGY), 2).to_bytes()])
    with pytest.raises(ConfigurationError, match="--last"):
        read_profile(meter, CODE, ProfileRange(from_=at(1)))


def test_a_hidden_scaler_leaves_values_raw():
    meter = ProfileMeter()
    del meter.values[(3, ENERGY, 3)]
    table = read_profile(meter, CODE, scaled=True)
    assert table.column(COLUMN).to_pylist()[0] == 100
    assert not table.schema.metadata


def test_the_size_to_come_is_estimated_by_the_first_row():
    whole = expected_size(ProfileMeter(), CODE, ProfileRange())
    part = expected_size(ProfileMeter(), CODE, ProfileRange(from_=at(0), to=at(1)))
    last = expected_size(ProfileMeter(), CODE, ProfileRange(last=1))
    assert whole is not None
    assert whole == part * 3 == last * 6
    assert expected_size(ProfileMeter(selective=False), CODE, ProfileRange()) is None
    assert expected_size(ProfileMeter(rows=[]), CODE, ProfileRange()) is None


@pytest.mark.parametrize(
    "fields", [{"last": 0}, {"last": 1, "to": at(1)}, {"last": 1, "from_": at(1)}, {"from_": at(2), "to": at(1)}]
)
def test_a_range_that_contradicts_itself_is_refused(fields):
    with pytest.raises(ConfigurationError, match="--"):
        ProfileRange(**fields)


def test_rows_are_shown_as_people_read_them():
    table = pa.table(
        {"time": [at(0).replace(tzinfo=None)], "octets": [b"\x01"], "value": [Decimal("1.5")], "none": [None]}
    )
    assert profile_rows(table) == [{"time": "2026-01-01 00:00:00", "octets": "01", "value": "1.5", "none": None}]


def test_a_table_goes_where_its_name_says(tmp_path):
    table = pa.table({"a": [1]})
    save_table(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == '"a"\n1\n'
    for path in (tmp_path / "a.txt", tmp_path / "absent" / "a.csv"):
        with pytest.raises(ConfigurationError, match=r"a\."):
            save_table(table, path)
