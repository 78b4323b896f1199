"""Gas payloads: components to items and back, with their frames, times, statuses and encrypted parts."""

from dataclasses import replace

import pytest

from meterworks.companions.gb.result import PayloadKind
from meterworks.companions.gb.result.gas import component_size, read_gas, read_gas_alert, write_gas
from meterworks.protocols import DecodeError, EncodeError

SNAPSHOT = "00000000 006c0e1c 01 00 01 08000000 00 82000000 79000000 df000000 ca000000 32000000 42000000"


def shut(_):
    """No key."""
    return None


def payload(*components: str) -> bytes:
    """A payload of components given without the bit that marks the last one: control, cluster, frame."""
    encoded = []
    for place, text in enumerate(components, start=1):
        octets = bytes.fromhex(text)
        control = octets[0] | (place == len(components))
        encoded.append(bytes((control,)) + octets[1:3] + len(octets[3:]).to_bytes(2, "big") + octets[3:])
    return bytes.fromhex("0109") + bytes((len(components),)) + b"".join(encoded)


def read(*components: str):
    octets = payload(*components)
    frame, items = read_gas(octets, shut)
    assert frame.kind is PayloadKind.GBZ
    assert write_gas(frame, items, shut) == octets
    return items


@pytest.mark.parametrize(
    ("component", "name", "place", "status"),
    [
        ("00 0705 08 00 0b 05 00", "prepayment.credit_adjustment", "0705/s0b", "success"),
        ("00 0705 08 00 0b 05 c0", "prepayment.credit_adjustment", "0705/s0b", "hardware_failure"),
        ("00 0707 00 00 0b 04 00", "calendar.publish_special_days", "0707/c0b", "success"),
        ("00 0707 00 00 0b ee 42", "calendar.command_ee", "0707/c0b", "status_42"),
        ("00 fc00 18 00 0b 05 00", "cluster_fc00.command_05", "fc00/s0b", "success"),
        ("00 0702 09 00 0d 0200", "metering.start_sampling_response", "0702/s0d", "success"),
        ("00 0708 01 00 04 00 01 0d81 18", "device_management.report_event_configuration", "0708/c04", "success"),
        ("00 0702 18 00 01 0a0a 86", "metering.attributes", "0702/s01", "unsupported_attribute"),
        ("00 0705 08 00 0b 05", "prepayment.attributes", "0705/s0b", "success"),  # cut: kept as octets
    ],
)
def test_a_component_is_an_item(component, name, place, status):
    (item,) = read(component)
    assert (item.name, item.place, item.status) == (name, place, status)
    assert item.is_done == (status == "success")


def test_the_order_and_the_sequence_of_components_stay():
    items = read("00 0705 08 07 0b 02 00", "00 0705 08 01 0b 02 8b", "00 0705 08 ff 0b 02 00")
    assert [item.gas.sequence for item in items] == [7, 1, 255]
    assert [item.code for item in items] == [0, 0x8B, 0]


def test_a_time_before_the_frame_is_kept():
    (item,) = read("10 0709 804a371c 08 00 0b 00 00".replace("804a371c", "1c374a80"))
    assert item.gas.time_s == 473_385_600


def test_values_of_commands_are_told():
    (item,) = read("00 0705 19 00 01" + SNAPSHOT)
    assert item.value["payload"]["credit_remaining"] == 66
    changed = replace(item, value=item.value | {"payload": item.value["payload"] | {"credit_remaining": -1}})
    frame, _ = read_gas(payload("00 0705 08 00 0b 05 00"), shut)
    _, (again,) = read_gas(write_gas(frame, [changed], shut), shut)
    assert again.value["payload"]["credit_remaining"] == -1


SEALED = "3100000000" + "ab" * 20


def test_an_encrypted_component_stays_shut_without_a_key():
    (item,) = read("02 0705 0000 19 00 01 0019" + SEALED)
    assert item.sealed is not None
    assert (item.sealed.octets.hex(), item.sealed.is_open, item.value) == (SEALED, False, None)
    assert item.gas.encryption == b"\x00\x00"


def test_an_encrypted_component_is_told_and_sealed_anew_with_a_key():
    octets = payload("02 0705 0000 19 00 01 0019" + SEALED)
    plain = bytes.fromhex(SNAPSHOT)
    frame, items = read_gas(octets, lambda sealed: plain if sealed.hex() == SEALED else None)
    assert items[0].sealed is not None
    assert items[0].sealed.value["payload"]["accumulated_debt"] == 130
    taken = []
    assert write_gas(frame, items, lambda told: taken.append(told) or bytes.fromhex(SEALED)) == octets
    assert taken == [plain]


def test_an_opened_attribute_that_failed_is_the_status_of_its_item():
    octets = payload("02 0705 0000 18 00 01 0019" + SEALED)
    _, (item,) = read_gas(octets, lambda _: bytes.fromhex("0500 00 2b 01000000 0100 c0"))
    assert (item.status, item.is_done) == ("hardware_failure", False)


def test_an_alert_may_carry_components():
    octets = bytes.fromhex("0109 01 8f0a 1c374a80 01 0705 0005 08 00 0b 05 00")
    frame, items, head = read_gas_alert(octets, shut)
    assert (head.code, head.time) == (0x8F0A, "2015-01-01T00:00:00Z")
    assert [item.name for item in items] == ["prepayment.credit_adjustment"]
    assert write_gas(frame, items, shut) == octets


@pytest.mark.parametrize("octets", ["", "0109", "0109 00", "0109 02 01 0705 0005 08 00 0b 05 00", "0108 01"])
def test_what_is_no_payload_is_refused(octets):
    with pytest.raises(DecodeError):
        read_gas(bytes.fromhex(octets), shut)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("outcome", {}), ("outcome", {"message_code": "zz", "counter": 1, "cluster": "0705"}), ("outcome", None),
        ("octets", "zz"), ("warning", "bored"), (None, None),
    ],
)  # fmt: skip
def test_contents_that_have_no_form_are_refused(form, value):
    frame, (item,), _ = read_gas_alert(bytes.fromhex("0109 01 8f66 3880fa00 0e 006d 00000000000003ed 0705 01 06"), shut)
    with pytest.raises(EncodeError):
        write_gas(frame, [replace(item, form=form, value=value)], shut)


def test_items_without_their_frame_are_refused():
    frame, items = read_gas(payload("00 0705 08 00 0b 05 00"), shut)
    with pytest.raises(EncodeError, match="has no ZigBee frame"):
        write_gas(frame, [replace(items[0], gas=None)], shut)
    with pytest.raises(EncodeError, match="a status of two octets"):
        write_gas(frame, [replace(items[0], code=300)], shut)


def test_sizes_of_components():
    octets = payload("00 0705 08 00 0b 05 00", "02 0705 0000 19 00 01 0019" + SEALED)
    _, items = read_gas(octets, shut)
    assert sum(map(component_size, items)) == len(octets) - 3
