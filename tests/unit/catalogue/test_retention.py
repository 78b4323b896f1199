"""Limits: every channel has a class, no meter remembers longer than its class lets it, and the register is whole."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from meterworks.catalogue import (
    CHANNELS,
    DATA_CLASSES,
    PROFILES,
    PURPOSES,
    READING_CLASSES,
    channel_by_code,
    data_class_of,
    data_flows,
    months_before,
    unregistered_tables,
)

DAYS_PER_MONTH = 31
NOW = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda channel: channel.code)
def test_every_channel_has_a_class_with_a_limit(channel):
    assert data_class_of(channel).store_months is not None


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_no_meter_remembers_longer_than_its_class(profile):
    for channel in profile.channels(1800):
        limit = data_class_of(channel).device_months
        assert limit is not None
        assert profile.depth_days <= limit * DAYS_PER_MONTH


def test_books_outlive_intervals():
    books, intervals = READING_CLASSES["monthly-register"], READING_CLASSES["usage-interval"]
    assert (books.store_months or 0) > (intervals.store_months or 0)
    assert data_class_of(channel_by_code("electricity.import.demand.monthly")) is books


@pytest.mark.parametrize(
    ("now", "months", "expected"),
    [
        (NOW, 0, datetime(2026, 3, 1, tzinfo=UTC)),
        (NOW, 1, datetime(2026, 2, 1, tzinfo=UTC)),
        (NOW, 3, datetime(2025, 12, 1, tzinfo=UTC)),
        (NOW, 13, datetime(2025, 2, 1, tzinfo=UTC)),
        (NOW, 72, datetime(2020, 3, 1, tzinfo=UTC)),
        (NOW.astimezone(timezone(timedelta(hours=2))), 1, datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
def test_a_limit_counts_whole_months_in_utc(now, months, expected):
    assert months_before(now, months) == expected


def test_data_without_a_limit_has_no_cutoff():
    assert DATA_CLASSES["erasure"].cutoff(NOW) is None
    assert DATA_CLASSES["instant"].cutoff(NOW) == datetime(2025, 12, 1, tzinfo=UTC)


def test_the_register_names_role_purpose_class_and_detail():
    flows = data_flows()
    billing = [flow for flow in flows if (flow.role, flow.purpose) == ("supplier", "billing")]
    assert {(flow.data_class, flow.detail) for flow in billing} == {
        ("usage-interval", "day"),
        ("export-interval", "day"),
        ("daily-register", "day"),
        ("monthly-register", "month"),
    }
    assert {flow.purpose for flow in flows} == set(PURPOSES)
    assert {(flow.role, flow.purpose) for flow in flows} == {
        (role.value, purpose.name) for purpose in PURPOSES.values() for role in purpose.roles
    }


def test_a_table_nobody_registered_shows():
    assert unregistered_tables(["market_consent", "readings_recent_day", "headend_model"]) == []
    assert unregistered_tables(["market_copy_of_readings"]) == ["market_copy_of_readings"]
