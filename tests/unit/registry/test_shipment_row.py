"""One row of text becomes a device, or tells everything that is wrong with it."""

from datetime import UTC, datetime

import pytest

from meterworks.catalogue import Medium
from meterworks.registry import ConnectionKind, DeviceKeys, IdentityScheme, InvalidValueError, KeyOrigin
from meterworks.registry.shipment_row import shipment_device
from meterworks.trust import wrap_key

TRANSPORT_KEY = b"transport key 16"
KEYS = {"guek": b"g" * 16, "gak": b"a" * 16, "kek": b"k" * 32}
WRAPPED = {name: wrap_key(TRANSPORT_KEY, key).hex() for name, key in KEYS.items()}
ROW = {
    "identity": "4D57530000000001",
    "serial": "MW1",
    "manufacturer": "Meterworks",
    "model": "MW-E3",
    "firmware": "1.0.0",
    "medium": "electricity",
    "phases": "3",
    "address": "127.16.0.1:4059",
    "guek": WRAPPED["guek"],
    "gak": WRAPPED["gak"],
}


def test_every_column_arrives():
    row = ROW | {
        "scheme": "eui64",
        "connection": "device",
        "interval_s": "900",
        "kek": WRAPPED["kek"].upper(),
        "usage_point": "MP1",
        "installed_at": "2026-03-01T01:00:00+01:00",
    }
    shipped = shipment_device(row, TRANSPORT_KEY)
    device = shipped.device
    assert device.identity == "4d57530000000001"
    assert (device.serial, device.manufacturer, device.model, device.firmware) == (
        "MW1",
        "Meterworks",
        "MW-E3",
        "1.0.0",
    )
    assert (device.medium, device.phases, device.interval_s) == (Medium.ELECTRICITY, 3, 900)
    assert (device.address, device.connection) == ("127.16.0.1:4059", ConnectionKind.DEVICE)
    assert device.scheme is IdentityScheme.EUI64
    assert device.keys == DeviceKeys(**KEYS)
    assert (shipped.usage_point_id, shipped.installed_at) == ("MP1", datetime(2026, 3, 1, tzinfo=UTC))


def test_what_is_left_out_is_the_usual():
    shipped = shipment_device(ROW, TRANSPORT_KEY)
    assert shipped.device.scheme is IdentityScheme.DLMS
    assert shipped.device.connection is ConnectionKind.HEAD_END
    assert shipped.device.interval_s == 1800
    assert shipped.device.keys.kek is None
    assert (shipped.usage_point_id, shipped.installed_at) == (None, None)


def test_the_keys_of_a_shipment_are_first_credentials():
    row = ROW | {"suite": "1", "gbek": WRAPPED["guek"], "hls": WRAPPED["kek"]}
    device = shipment_device(row, TRANSPORT_KEY).device
    assert (device.key_origin, device.suite) == (KeyOrigin.TRANSPORT, 1)
    assert (device.keys.gbek, device.keys.hls) == (KEYS["guek"], KEYS["kek"])
    with pytest.raises(InvalidValueError, match="suite is 3: give 0, 1 or 2"):
        shipment_device(ROW | {"suite": "3"}, TRANSPORT_KEY)


def test_a_date_is_midnight_utc():
    row = ROW | {"usage_point": "MP1", "installed_at": "2026-03-01"}
    assert shipment_device(row, TRANSPORT_KEY).installed_at == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_meter_without_dlms_needs_no_keys():
    row = ROW | {"scheme": "mbus", "medium": "water", "phases": "", "guek": "", "gak": ""}
    assert shipment_device(row, TRANSPORT_KEY).device.keys == DeviceKeys()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"identity": ""}, "identity is missing"),
        ({"identity": "12"}, "16 hexadecimal digits"),
        ({"medium": "steam"}, "medium is 'steam': give one of electricity, gas, water, heat"),
        ({"connection": "pull"}, "connection is 'pull': give one of head-end, device"),
        ({"scheme": "x"}, "scheme is 'x': give one of dlms, eui64, mbus"),
        ({"phases": ""}, "phases is 0: give 1, 2 or 3"),
        ({"phases": "three"}, "phases is 'three': give a whole number"),
        ({"phases": "٣"}, "give a whole number"),
        ({"phases": "9" * 50}, "give a whole number"),
        ({"interval_s": "60"}, "interval_s is 60: give 900, 1800 or 3600"),
        ({"address": "somewhere"}, "address is no host:port"),
        ({"guek": ""}, "guek is missing"),
        ({"guek": "00" * 16}, "guek has 32 characters: a wrapped key has 48 or 80 hexadecimal digits"),
        ({"guek": "zz" * 24}, "guek has 48 characters"),
        ({"gak": "00" * 24}, "gak does not open under this transport key"),
        ({"usage_point": "MP1"}, "installed_at is missing"),
        ({"installed_at": "2026-03-01"}, "usage_point is missing"),
        ({"usage_point": "MP1", "installed_at": "yesterday"}, "installed_at is 'yesterday': give a date"),
        ({"usage_point": "MP1", "installed_at": "2026-03-01T00:00"}, "has no time zone"),
        ({"usage_point": "MP1", "installed_at": "0001-01-01T00:00+14:00"}, "lies in the year 1"),
        ({"usage_point": "MP1", "installed_at": "2026-13-01"}, "give a date"),
        ({"usage_point": "a\u202eb", "installed_at": "2026-03-01"}, "cannot be printed"),
        ({"serial": "a\0"}, "serial holds characters"),
    ],
)
def test_a_wrong_value_is_told(changes, reason):
    with pytest.raises(InvalidValueError, match=reason):
        shipment_device(ROW | changes, TRANSPORT_KEY)


def test_everything_wrong_is_told_at_once():
    with pytest.raises(InvalidValueError) as caught:
        shipment_device(ROW | {"serial": "", "medium": "steam", "guek": "00"}, TRANSPORT_KEY)
    assert str(caught.value).count(";") == 2


def test_another_transport_key_opens_nothing_and_no_key_is_told():
    with pytest.raises(InvalidValueError) as caught:
        shipment_device(ROW, b"another key 16 o")
    message = str(caught.value)
    assert message.count("does not open under this transport key") == 2
    assert WRAPPED["guek"] not in message and KEYS["guek"].hex() not in message
