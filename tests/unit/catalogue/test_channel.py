"""Every channel row makes sense, and numbers and codes find each other."""

import re

import pytest

from meterworks.catalogue import (
    CHANNELS,
    INTERVAL_S_BY_PERIOD,
    Direction,
    Medium,
    Period,
    UnknownEntryError,
    channel_by_code,
    channel_by_id,
    channel_for,
    channel_id,
)

GROUP_A_OF_OBIS = {Medium.ELECTRICITY: "1", Medium.GAS: "7", Medium.WATER: "8", Medium.HEAT: "6"}


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda channel: channel.code)
def test_each_channel_agrees_with_its_number(channel):
    assert channel.id == channel.base * 10 + channel.period
    assert channel_by_id(channel.id) is channel
    assert channel_by_code(channel.code) is channel
    assert channel.code.startswith(channel.medium.value + ".")
    assert channel.obis_code.split(".")[0] == GROUP_A_OF_OBIS[channel.medium]
    assert re.fullmatch(r"\d+(\.\d+){5}", channel.obis_code)
    assert channel.interval_s == INTERVAL_S_BY_PERIOD.get(channel.period)
    assert (channel.kind == "interval") == (channel.interval_s is not None)
    assert (channel.kind == "instant") == (channel.period is Period.INSTANT)
    assert -3 <= channel.scaler <= 3
    assert channel.unit in {"Wh", "varh", "V", "A", "W", "1", "Hz", "%", "m3", "l"}


@pytest.mark.parametrize(
    ("number", "code", "unit", "scaler", "obis_code"),
    [
        (12, "electricity.import.active.30min", "Wh", 0, "1.0.1.29.0.255"),
        (11, "electricity.import.active.15min", "Wh", 0, "1.0.1.29.0.255"),
        (13, "electricity.import.active.60min", "Wh", 0, "1.0.1.29.0.255"),
        (14, "electricity.import.active.daily", "Wh", 0, "1.0.1.8.0.255"),
        (15, "electricity.import.active.monthly", "Wh", 0, "1.0.1.8.0.255"),
        (16, "electricity.import.active.register", "Wh", 0, "1.0.1.8.0.255"),
        (22, "electricity.export.active.30min", "Wh", 0, "1.0.2.29.0.255"),
        (32, "electricity.import.reactive.30min", "varh", 0, "1.0.3.29.0.255"),
        (64, "electricity.import.active.rate2.daily", "Wh", 0, "1.0.1.8.2.255"),
        (100, "electricity.voltage.l1", "V", -3, "1.0.32.7.0.255"),
        (160, "electricity.import.power", "W", 0, "1.0.1.7.0.255"),
        (215, "electricity.import.demand.monthly", "W", 0, "1.0.1.6.0.255"),
        (302, "gas.volume.30min", "m3", -3, "7.0.3.0.0.255"),
        (404, "water.volume.daily", "l", 0, "8.0.1.0.0.255"),
        (503, "heat.energy.60min", "Wh", 0, "6.0.1.0.0.255"),
    ],
)
def test_numbers_others_have_stored_keep_their_meaning(number, code, unit, scaler, obis_code):
    channel = channel_by_id(number)
    assert (channel.code, channel.unit, channel.scaler, channel.obis_code) == (code, unit, scaler, obis_code)


def test_all_four_media_have_channels():
    assert {channel.medium for channel in CHANNELS.values()} == set(Medium)


def test_directions_are_told_apart():
    assert channel_by_id(12).direction is Direction.IMPORT
    assert channel_by_id(22).direction is Direction.EXPORT
    assert channel_by_id(100).direction is Direction.NONE


@pytest.mark.parametrize(("interval_s", "number"), [(900, 11), (1800, 12), (3600, 13)])
def test_a_quantity_and_an_interval_length_give_a_channel(interval_s, number):
    assert channel_for(1, interval_s).id == number


def test_a_quantity_and_a_period_give_a_number():
    assert channel_id(21, Period.MONTHLY) == 215


@pytest.mark.parametrize("interval_s", [0, -1800, 600, 1801])
def test_an_interval_length_nobody_has_is_refused(interval_s):
    with pytest.raises(UnknownEntryError, match="known lengths: 900, 1800, 3600 s"):
        channel_for(1, interval_s)


def test_a_voltage_has_no_daily_register():
    with pytest.raises(UnknownEntryError):
        channel_id(10, Period.DAILY)


def test_an_unknown_code_is_answered_with_near_ones():
    with pytest.raises(UnknownEntryError, match=r"electricity\.import\.active\.30min"):
        channel_by_code("electricity.import.activ.30min")


def test_an_unknown_number_is_refused():
    with pytest.raises(UnknownEntryError, match="no channel has the number 99999"):
        channel_by_id(99999)
