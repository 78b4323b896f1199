"""Plans: what a device model captures, held against the catalogue."""

import numpy as np
import pytest

from meterworks.catalogue import PROFILES, channel_by_id
from meterworks.errors import PeerError
from meterworks.headend.capture import ModelCheck, expectation_rule, plan_of, rows_of, rows_per_day, scaled
from meterworks.headend.errors import ModelMismatchError
from meterworks.protocols.dlms import (
    CaptureObject,
    ObisCode,
    Tag,
    TimeColumn,
    ValueColumn,
    decode_profile,
    encode_array,
    encode_profile,
)

WH, VARH, VOLT = 30, 32, 35


def check(profile="load_import", *, columns=None, period_s=1800, scalers=None):
    rows = PROFILES[profile].columns if columns is None else columns
    objects = encode_array(CaptureObject(c.class_id, ObisCode(c.obis_code), c.attribute).to_bytes() for c in rows)
    return ModelCheck(capture_objects=objects, capture_period_s=period_s, entries_max=100, scalers=scalers or {})


def decoded(plan, columns, period_s=1800):
    stamps = np.array([1800, 3600], np.int64)
    buffer = encode_profile(
        [TimeColumn(epoch_s=stamps), *(ValueColumn(values=np.array(v), tag=tag) for v, tag in columns)],
        capture_period_s=period_s,
    )
    return rows_of(decode_profile(buffer, plan.layout), plan)


@pytest.mark.parametrize(
    ("profile", "period_s", "channels"),
    [
        ("load_import", 1800, (12,)),
        ("load_import", 900, (11,)),
        ("load_import", 3600, (13,)),
        ("load_export", 1800, (22, 32, 42)),
        ("daily", 86_400, (14, 24, 34, 44, 54, 64)),
        ("monthly", 0, (15, 25, 35, 45, 55, 65, 215)),
    ],
)
def test_channels_follow_profile_and_capture_period(profile, period_s, channels):
    assert plan_of(profile, check(profile, period_s=period_s)).rule.channels == channels


def test_the_same_answer_gives_the_same_plan():
    assert plan_of("load_import", check()) is plan_of("load_import", check())


def test_columns_are_found_wherever_the_device_has_them():
    clock, status, value = PROFILES["load_import"].columns
    plan = plan_of("load_import", check(columns=(value, clock, status)))
    assert (plan.value_indexes, plan.time_index, plan.status_index) == ((0,), 1, 2)


def test_missing_columns_are_done_without():
    clock, _, value = PROFILES["load_import"].columns
    plan = plan_of("load_import", check(columns=(clock, value)))
    assert plan.status_index is None
    rows = decoded(plan, [([5, 6], Tag.DOUBLE_LONG_UNSIGNED)])
    assert rows.status is None
    assert rows.columns[0][0].tolist() == [5, 6]


def test_status_and_values_come_out_as_columns():
    plan = plan_of("load_import", check())
    rows = decoded(plan, [([0, 128], Tag.UNSIGNED), ([5, 6], Tag.LONG_UNSIGNED)])
    assert rows.status.tolist() == [0, 128]
    assert rows.stamps.tolist() == [1800, 3600]


@pytest.mark.parametrize(("scaler", "values"), [(0, [7, 12]), (2, [700, 1200]), (-1, [0, 1])])
def test_values_come_out_in_the_power_of_ten_of_the_channel(scaler, values):
    plan = plan_of("load_import", check(scalers={"1.0.1.29.0.255": (scaler, WH)}))
    rows = decoded(plan, [([0, 0], Tag.UNSIGNED), ([7, 12], Tag.LONG_UNSIGNED)])
    assert rows.columns[0][0].tolist() == values


def test_a_single_register_is_scaled_alike():
    assert scaled(2301, (-1, VOLT), channel_by_id(100)) == 2301 * 10 ** (-1 - channel_by_id(100).scaler)


CLOCK, STATUS, VALUE = PROFILES["load_import"].columns


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": (STATUS, VALUE)},
        {"columns": (CLOCK, STATUS)},
        {"period_s": 1234},
        {"scalers": {"1.0.1.29.0.255": (0, VARH)}},
        {"scalers": {"1.0.1.29.0.255": (100, WH)}},
    ],
)
def test_what_the_catalogue_does_not_know_is_a_mismatch(wrong):
    with pytest.raises(ModelMismatchError):
        plan_of("load_import", check(**wrong))


def test_capture_objects_that_are_none_are_the_peers_fault():
    broken = ModelCheck(capture_objects=b"\x01\x02\x00", capture_period_s=1800, entries_max=1, scalers={})
    with pytest.raises(PeerError):
        plan_of("load_import", broken)


def test_values_that_are_no_numbers_are_a_mismatch():
    plan = plan_of("load_import", check())
    with pytest.raises(ModelMismatchError):
        decoded(plan, [([0, 0], Tag.UNSIGNED), ([1.5, 2.5], Tag.FLOAT64)])


def test_load_profiles_are_expected_on_the_grid_and_registers_by_the_hour():
    load = expectation_rule(PROFILES["load_import"], 900)
    assert (load.step_s, load.on_grid, load.depth_s) == (900, True, 398 * 86_400)
    daily = expectation_rule(PROFILES["daily"])
    assert (daily.step_s, daily.on_grid) == (3600, False)


def test_rows_per_day_count_all_columns():
    assert rows_per_day(PROFILES["load_import"]) == 48
    assert rows_per_day(PROFILES["load_export"], 900) == 288


def test_registers_that_are_not_periodic_have_rows_per_day_too():
    assert rows_per_day(PROFILES["monthly"], 0) == pytest.approx(len(PROFILES["monthly"].value_columns) / 28)
    assert rows_per_day(PROFILES["daily"], 0) == len(PROFILES["daily"].value_columns)
    assert rows_per_day(PROFILES["daily"]) == 6
