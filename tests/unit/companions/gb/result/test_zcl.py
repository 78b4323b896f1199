"""ZigBee frames as values: commands, attributes, statuses; what no table knows is kept."""

import pytest

from meterworks.companions.gb.result.zcl import (
    is_default_response,
    read_payload,
    status_code,
    status_name,
    write_payload,
)
from meterworks.companions.gb.result.zcl_table import ATTRIBUTES, COMMANDS, attribute_name, command_name
from meterworks.protocols import EncodeError
from meterworks.protocols.gbcs import ZclFrame

ATTRIBUTES_ANSWER = ZclFrame(control=0x18, sequence=0, command=1)
ATTRIBUTES_ASKED = ZclFrame(control=0x00, sequence=0, command=0)


def from_server(command):
    return ZclFrame(control=0x19, sequence=0, command=command)


def told(cluster, frame, octets):
    """Read a payload and see that it is written back."""
    payload = bytes.fromhex(octets)
    value = read_payload(cluster, frame, payload)
    assert write_payload(cluster, frame, value) == payload
    return value


def test_attributes_have_names_types_and_statuses():
    assert told(0x0702, ATTRIBUTES_ANSWER, "0003003001 0602c0 00000025393000000000") == [
        {"number": "0300", "name": "unit_of_measure", "status": "success", "type": "enum8", "value": 1},
        {"number": "0206", "name": "current_meter_id", "status": "hardware_failure"},
        {
            "number": "0000",
            "name": "current_summation_delivered",
            "status": "success",
            "type": "uint48",
            "value": 12345,
        },
    ]


def test_attributes_asked_for():
    assert told(0x0705, ATTRIBUTES_ASKED, "01003102") == [
        {"number": "0001", "name": "credit_remaining"}, {"number": "0231", "name": "debt_3_amount"}
    ]  # fmt: skip


def test_a_snapshot_is_read_by_the_type_of_its_payload():
    head = "00000000 006c0e1c 02 00 01 08000000"
    tiers = told(0x0702, from_server(6), head + "06 900000000000 01 6c0000000000 14 4a0000000000")
    assert tiers["payload"] == {"current_summation": 144, "tiers": [108], "tiers_and_blocks": 20, "blocks": [74]}
    debt = told(0x0705, from_server(1), head + "00" + "8200000079000000df000000ca00000032000000c0ffffff")
    assert debt["payload"]["credit_remaining"] == -64
    assert told(0x0702, from_server(6), head + "63 0102")["payload"] == "0102"
    assert told(0x0702, from_server(6), head + "04 900000000000 00 ff")["payload"] == "90000000000000ff"


@pytest.mark.parametrize(
    ("cluster", "command", "octets", "part", "value"),
    [
        (0x0702, 0x07, "0200 804a371c 00 6801 0200 010000 020000", "samples", [1, 2]),
        (0x0705, 0x03, "00d012130000c0aa7f01", "credit_remaining", 25_144_000),
        (0x0705, 0x06, "0001 006c0e1c b87c0200 02 00000000", "entries",
         [{"time": "2014-12-01T00:00:00Z", "amount_collected": 163_000, "debt_type": 2, "outstanding_debt": 0}]),
        (0x0709, 0x01, "0100 00 01 00 03 1f8f 00f9351c 00", "entries",
         [{"log": 3, "event": 0x8F1F, "time": "2014-12-31T00:00:00Z", "data": ""}]),
        (0x0700, 0x09, "00000000 804a371c 0017561a 010000 22 00", "start", "2014-01-01T00:00:00Z"),
        (0x0700, 0x00, "0000000000804a371c804a371c013a03514100000000a00580250000", "price", 9600),
        (0x0700, 0x00, "0000000000804a371c804a371c013a03514100000000a00580250000" + "ff" * 19, "not_used", "ff" * 19),
        (0x0703, 0x00, "804a371c 00 00000000 ffff 05 5265736574", "text", "Reset"),
        (0x0703, 0x00, "804a371c 00 00000000 ffff 05 5265736574 01", "extended_control", 1),
        (0x0700, 0x06, "00000000 804a371c 00000000 01000000 00 01 01 02 40420f000000 80841e000000", "thresholds",
         [1_000_000, 2_000_000]),
    ],
)  # fmt: skip
def test_commands_of_servers(cluster, command, octets, part, value):
    assert told(cluster, from_server(command), octets)[part] == value


@pytest.mark.parametrize(
    ("cluster", "frame", "octets"),
    [
        (0x0702, from_server(0x0D), "020000"),  # longer than its row
        (0x0702, from_server(0x0D), "02"),  # cut
        (0x0702, from_server(0xEE), "0102"),
        (0xFC00, from_server(0x01), "0102"),
        (0x0702, ATTRIBUTES_ANSWER, "000000ee0102"),  # an attribute of an unknown type
        (0x0702, ATTRIBUTES_ANSWER, "0000"),
        (0x0702, ZclFrame(control=0x18, sequence=0, command=0x0A), "0102"),
    ],
)
def test_what_no_row_fits_is_kept_as_it_is(cluster, frame, octets):
    assert told(cluster, frame, octets) == {"octets": octets}


@pytest.mark.parametrize(
    ("cluster", "frame", "value"),
    [
        (0x0702, ATTRIBUTES_ANSWER, {}), (0x0702, ATTRIBUTES_ANSWER, [{}]), (0x0702, ATTRIBUTES_ANSWER, [5]),
        (0x0702, ATTRIBUTES_ANSWER, [{"number": "0000", "status": "odd"}]),
        (0x0702, ATTRIBUTES_ANSWER, [{"number": "0000", "status": "success", "type": "odd", "value": 1}]),
        (0x0702, ATTRIBUTES_ASKED, [{"number": "zz"}]), (0x0702, from_server(0xEE), {}),
        (0x0702, from_server(0x0D), {"sample": 70_000}), (0x0702, from_server(0x0D), [1]), (0, from_server(0), None),
        (0x0702, from_server(0x0D), {"octets": "zz"}),
    ],
)  # fmt: skip
def test_values_that_make_no_payload_are_refused(cluster, frame, value):
    with pytest.raises(EncodeError):
        write_payload(cluster, frame, value)


@pytest.mark.parametrize(("code", "name"), [(0, "success"), (0x8B, "not_found"), (0x42, "status_42")])
def test_statuses(code, name):
    assert status_name(code) == name
    assert status_code(name) == code


def test_a_default_response_is_two_octets_of_a_general_command():
    frame = ZclFrame(control=0x08, sequence=0, command=0x0B)
    assert is_default_response(frame, b"\x06\x8b")
    assert not is_default_response(frame, b"\x06\x8b\x00")
    assert not is_default_response(from_server(0x0B), b"\x06\x8b")


def test_names_of_commands_and_attributes():
    assert command_name(0x0705, False, 7) == "prepayment.get_prepay_snapshot"
    assert command_name(0x0705, True, 0x77) == "prepayment.command_77"
    assert command_name(0xFC00, True, 1) == "cluster_fc00.command_01"
    assert attribute_name(0x0702, 0x0106) == "current_tier_4_summation_delivered"
    assert attribute_name(0x0700, 0x0421) == "tier_2_block_2_price"
    assert attribute_name(0x0702, 0xFFFF) == "attribute_ffff"


def test_no_name_stands_for_two_things_of_a_cluster():
    for pairs in (
        [(key[:2], row.name) for key, row in COMMANDS.items()],
        [(key[:1], name) for key, name in ATTRIBUTES.items()],
    ):
        assert len(set(pairs)) == len(pairs)
