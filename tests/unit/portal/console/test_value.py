"""Values as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from meterworks.catalogue import CHANNELS, INSTANT_REGISTERS
from meterworks.market import LatestValue
from meterworks.portal.console.value import (
    channel_name,
    clock_error,
    duration,
    latest_table,
    percent,
    shown_value,
    split_latest,
)

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("channel_id", "value", "shown"),
    [
        (16, 1_234_567, "1,234.567 kWh"),
        (36, 5, "0.005 kvarh"),
        (160, 750, "0.750 kW"),
        (100, 230_400, "230.400 V"),
        (170, 964, "0.964"),
        (190, 270, "2.70 %"),
        (406, 12, "12 l"),
        (306, 1_500, "1.500 m3"),
        (12, -3, "-0.003 kWh"),
    ],
)
def test_a_value_is_shown_in_its_unit_exactly(channel_id: int, value: int, shown: str) -> None:
    assert shown_value(CHANNELS[channel_id], value) == shown


@pytest.mark.parametrize(
    ("channel_id", "name"),
    [
        (16, "Import active"),
        (56, "Import active rate 1"),
        (100, "Voltage L1"),
        (170, "Power factor"),
        (190, "Voltage THD"),
        (160, "Import power"),
    ],
)
def test_a_channel_has_a_name_in_words(channel_id: int, name: str) -> None:
    assert channel_name(CHANNELS[channel_id]) == name


def test_every_register_an_on_demand_read_brings_has_a_name_and_a_place() -> None:
    values = [LatestValue(channel=row.channel, at=AT, value=1) for row in INSTANT_REGISTERS.values()]
    registers, quality = split_latest(values)
    assert len(registers) + len(quality) == len(values)
    assert {value.channel.unit for value in quality} == {"V", "A", "Hz", "1", "%"}
    assert all(channel_name(value.channel) for value in values)
    assert "2026-11-21 12:00:00" in latest_table(registers, caption="Latest")


@pytest.mark.parametrize(
    ("share", "digits", "shown"),
    [
        (None, 1, "–"),
        (0.0, 1, "0.0 %"),
        (1.0, 1, "100.0 %"),
        (0.9999, 1, "99.9 %"),
        (0.99999, 2, "99.99 %"),
        (0.5, 0, "50 %"),
    ],
)
def test_a_share_is_never_rounded_up_to_everything(share: float | None, digits: int, shown: str) -> None:
    assert percent(share, digits) == shown


@pytest.mark.parametrize(
    ("drift_s", "shown"), [(0.0, "right"), (-0.04, "right"), (95.0, "95.0 s ahead"), (-1.26, "1.3 s behind")]
)
def test_a_clock_is_right_ahead_or_behind(drift_s: float, shown: str) -> None:
    assert clock_error(drift_s) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "running"), (0.42, "0.4 s"), (59.9, "59.9 s"), (600, "10 min"), (7199, "120 min"), (36_000, "10.0 h")],
)
def test_durations_are_in_the_unit_that_fits(seconds: float | None, shown: str) -> None:
    assert duration(AT, None if seconds is None else AT + timedelta(seconds=seconds)) == shown
