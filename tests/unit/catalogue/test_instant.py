"""Every register an on-demand read asks for becomes a channel."""

import pytest

from meterworks.catalogue import INSTANT_REGISTERS, Medium, instant_registers_of


@pytest.mark.parametrize("register", INSTANT_REGISTERS.values(), ids=lambda register: register.obis_code)
def test_each_register_becomes_a_channel_of_the_same_object(register):
    assert register.channel.obis_code == register.obis_code
    assert register.channel.kind in ("instant", "register")
    assert (register.class_id, register.attribute) in {(3, 2), (4, 2)}
    assert (register.phases_min == 0) == (register.channel.medium is not Medium.ELECTRICITY)


def test_a_single_phase_meter_is_not_asked_for_the_other_phases():
    codes = {register.obis_code for register in instant_registers_of(Medium.ELECTRICITY, 1)}
    assert "1.0.32.7.0.255" in codes
    assert "1.0.52.7.0.255" not in codes


def test_a_three_phase_meter_is_asked_for_all():
    electricity = [row for row in INSTANT_REGISTERS.values() if row.channel.medium is Medium.ELECTRICITY]
    assert list(instant_registers_of(Medium.ELECTRICITY, 3)) == electricity


def test_a_gas_meter_is_asked_for_its_counter():
    assert [row.channel_id for row in instant_registers_of(Medium.GAS, 0)] == [306]
