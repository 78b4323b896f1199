"""A device to add cannot be built wrong."""

from typing import Any

import pytest

from meterworks.catalogue import Medium
from meterworks.registry import ConnectionKind, DeviceKeys, IdentityScheme, InvalidValueError, NewDevice

VALUES: dict[str, Any] = {
    "identity": "4D57530000000001",
    "serial": " MW1 ",
    "manufacturer": "Meterworks",
    "model": "MW-E1",
    "firmware": "1.0.0",
    "medium": Medium.ELECTRICITY,
    "phases": 1,
    "address": "127.16.0.1:4059",
}


def test_a_device_comes_out_tidy():
    device = NewDevice(**VALUES)
    assert device.identity == "4d57530000000001"
    assert device.serial == "MW1"
    assert (device.scheme, device.connection) == (IdentityScheme.DLMS, ConnectionKind.HEAD_END)
    assert device.interval_s == 1800


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"identity": "1"}, "16 hexadecimal digits"),
        ({"serial": ""}, "serial is empty"),
        ({"model": "x" * 65}, "model has 65 characters"),
        ({"firmware": "a\nb"}, "firmware holds characters"),
        ({"phases": 0}, "give 1, 2 or 3 for electricity"),
        ({"phases": 4}, "give 1, 2 or 3 for electricity"),
        ({"medium": Medium.GAS}, "give 0 or nothing for gas"),
        ({"interval_s": 600}, "give 900, 1800 or 3600"),
        ({"address": ""}, "address is no host:port"),
        ({"address": "127.0.0.1"}, "address is no host:port"),
        ({"address": "127.0.0.1:0"}, "address is no host:port"),
        ({"address": "127.0.0.1:65536"}, "address is no host:port"),
        ({"address": "two words:4059"}, "address is no host:port"),
        ({"address": "::1:4059"}, "address is no host:port"),
        ({"address": "127.0.0.1:4059; rm"}, "address is no host:port"),
        ({"connection": ConnectionKind.DEVICE, "address": "nowhere"}, "address is no host:port"),
    ],
)
def test_a_device_with_a_wrong_value_is_refused(changes, reason):
    with pytest.raises(InvalidValueError, match=reason):
        NewDevice(**{**VALUES, **changes})


@pytest.mark.parametrize("address", ["meter.example:4059", "192.0.2.7:1", "[2001:db8::7]:65535", "m-1_a:4059"])
def test_addresses_of_every_kind_are_taken(address):
    assert NewDevice(**{**VALUES, "address": address}).address == address


def test_a_device_that_connects_itself_needs_no_address():
    assert NewDevice(**{**VALUES, "address": "", "connection": ConnectionKind.DEVICE}).address == ""


def test_a_gas_meter_has_no_phases():
    assert NewDevice(**{**VALUES, "medium": Medium.GAS, "phases": 0}).phases == 0


def test_keys_never_show_when_printed():
    keys = DeviceKeys(guek=b"\x5a" * 16, gak=b"\x5b" * 16, kek=b"\x5c" * 32)
    device = NewDevice(**VALUES, keys=keys)
    for text in (repr(keys), repr(device), str(keys)):
        assert "Z" * 4 not in text and "5a5a" not in text and "x5b" not in text


def test_keys_there_are_are_told_by_name():
    assert DeviceKeys().present() == {}
    assert DeviceKeys(gak=b"g" * 16).present() == {"gak": b"g" * 16}


@pytest.mark.parametrize("size", [0, 8, 15, 17, 33])
def test_a_key_of_a_wrong_size_is_refused(size):
    with pytest.raises(InvalidValueError, match=f"guek has {size} octets"):
        DeviceKeys(guek=bytes(size))
