"""Every profile row resolves to channels."""

import pytest

from meterworks.catalogue import PROFILES, ColumnRole, Medium, UnknownEntryError, profile_by_name, profiles_of


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_each_profile_begins_with_the_clock_and_holds_readings_of_its_medium(profile):
    assert profile.columns[0].role is ColumnRole.CLOCK
    assert profile.columns[0].class_id == 8
    assert profile.depth_days > 0
    assert profile.value_columns
    assert (profile.timestamps_name == "interval-end") == (profile.kind == "load")
    for interval_s in (900, 1800, 3600):
        channels = profile.channels(interval_s)
        assert len({channel.id for channel in channels}) == len(profile.value_columns)
        assert all(channel.medium is profile.medium for channel in channels)
        assert all((channel.interval_s == interval_s) == (profile.kind == "load") for channel in channels)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_column_shows_the_object_of_its_channel(profile):
    for column in profile.value_columns:
        assert profile.channel_of(column, 1800).obis_code == column.obis_code


@pytest.mark.parametrize(
    ("name", "obis_code", "numbers"),
    [
        ("load_import", "1.0.99.1.0.255", [12]),
        ("load_export", "1.0.99.1.1.255", [22, 32, 42]),
        ("daily", "1.0.98.2.0.255", [14, 24, 34, 44, 54, 64]),
        ("monthly", "1.0.98.1.0.255", [15, 25, 35, 45, 55, 65, 215]),
    ],
)
def test_the_columns_of_a_profile_become_these_channels(name, obis_code, numbers):
    profile = profile_by_name(name)
    assert profile.obis_code == obis_code
    assert [channel.id for channel in profile.channels(1800)] == numbers


def test_a_clock_column_is_no_channel():
    profile = profile_by_name("load_import")
    with pytest.raises(UnknownEntryError, match="holds clock"):
        profile.channel_of(profile.columns[0], 1800)


def test_an_unknown_profile_is_answered_with_near_ones():
    with pytest.raises(UnknownEntryError, match="load_import"):
        profile_by_name("load_imports")
    with pytest.raises(UnknownEntryError, match="monthly"):
        profile_by_name("?")


def test_profiles_are_found_by_medium():
    assert [profile.name for profile in profiles_of(Medium.ELECTRICITY)] == list(PROFILES)
    assert profiles_of(Medium.WATER) == ()
