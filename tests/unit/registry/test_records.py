"""Installations, registrations, viewers, channels and usage points cannot be built wrong."""

from datetime import UTC, datetime

import pytest

from meterworks.catalogue import CHANNELS, Medium, Role, UnknownEntryError
from meterworks.registry import (
    ConsumerId,
    DeviceChannel,
    DeviceId,
    Installation,
    InvalidValueError,
    OrganisationId,
    Registration,
    Span,
    UsagePoint,
    UsagePointId,
    Viewer,
    channel_rows,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
POINT = UsagePointId("MP0000000001")


def test_an_installation_tells_its_span():
    installation = Installation(device_id=DeviceId(1), usage_point_id=POINT, starts_at=START)
    assert installation.span == Span(starts_at=START)
    assert (installation.multiplier_numerator, installation.multiplier_denominator) == (1, 1)


def test_an_installation_cannot_end_before_it_starts():
    with pytest.raises(InvalidValueError, match="not after the start"):
        Installation(device_id=DeviceId(1), usage_point_id=POINT, starts_at=START, ends_at=START)


@pytest.mark.parametrize("multiplier", [0, -1, 1_000_001])
@pytest.mark.parametrize("side", ["multiplier_numerator", "multiplier_denominator"])
def test_a_multiplier_is_a_fraction_of_whole_numbers(side, multiplier):
    with pytest.raises(InvalidValueError, match=side):
        Installation(device_id=DeviceId(1), usage_point_id=POINT, starts_at=START, **{side: multiplier})


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.CONSUMER])
def test_only_market_roles_are_registered(role):
    with pytest.raises(InvalidValueError, match="give one of data_collector, "):
        Registration(organisation_id=OrganisationId(1), usage_point_id=POINT, role=role, starts_at=START)


@pytest.mark.parametrize("role", [Role.SUPPLIER, Role.NETWORK_OPERATOR])
def test_an_organisation_looks_by_name(role):
    with pytest.raises(InvalidValueError, match="for an organisation"):
        Viewer(role=role, consumer_id=ConsumerId(1))


def test_a_consumer_looks_by_name():
    with pytest.raises(InvalidValueError, match="for themselves"):
        Viewer(role=Role.CONSUMER, organisation_id=OrganisationId(1))


def test_an_operator_needs_no_name():
    assert Viewer(role=Role.OPERATOR).organisation_id is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": UsagePointId("")}, "a usage point's id is empty"),
        ({"id": UsagePointId("x" * 129)}, "at most 128"),
        ({"postcode": "x" * 17}, "postcode has 17 characters"),
        ({"feeder": "a\0"}, "feeder holds characters"),
        ({"time_zone": "Nowhere"}, "IANA"),
        ({"created_at": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001  # a naive time is the point
    ],
)
def test_a_usage_point_with_a_wrong_value_is_refused(changes, reason):
    with pytest.raises(InvalidValueError, match=reason):
        UsagePoint(**{"id": POINT, "medium": Medium.ELECTRICITY, **changes})


@pytest.mark.parametrize("name", ["MAC000002", "Haus 7 (links)", "house/1", "ß"])
def test_a_usage_point_is_called_what_the_file_calls_it(name):
    assert UsagePoint(id=UsagePointId(name), medium=Medium.WATER).id == name


def test_a_device_channel_stands_in_the_catalogue():
    with pytest.raises(UnknownEntryError):
        DeviceChannel(channel_id=9, profile="load_import", depth_days=1)
    with pytest.raises(UnknownEntryError):
        DeviceChannel(channel_id=12, profile="load", depth_days=1)
    with pytest.raises(InvalidValueError, match="depth_days"):
        DeviceChannel(channel_id=12, profile="load_import", depth_days=0)


def test_the_rows_a_migration_seeds_are_the_catalogue():
    rows = channel_rows()
    assert [row["id"] for row in rows] == list(CHANNELS)
    assert {row["medium"] for row in rows} == {"electricity", "gas", "water", "heat"}
