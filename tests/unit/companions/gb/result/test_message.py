"""Responses and alerts as results: values, outcomes and names, and the very octets again."""

from dataclasses import replace

import pytest
from tests.unit.companions.gb.result.messages import (
    DEVICE,
    EXPORT,
    EXPORT_FAILED,
    PARTY,
    READ_EXPORT,
    READ_IMPORT,
    UNKNOWN_PARTY,
    command,
    message,
    outcome,
)

from meterworks.companions.gb.result import PayloadKind, Result, read_result, write_result
from meterworks.protocols import DecodeError, EncodeError, TagError
from meterworks.protocols.gbcs import MessageKind, OtherInformation, encrypt_attribute, in_blocks

SECRET = bytes(range(32))
KEY_INFO = "0900 0202 1602 0202 090102 0900"  # no other information; agreed key, scheme 2


def shared(device: bytes, reader: bytes) -> bytes | None:
    """The secret of the device and the readers that have one."""
    return SECRET if device == DEVICE and reader in (PARTY, UNKNOWN_PARTY) else None


def told(made, **more) -> Result:
    """Read a message and see that it is written again."""
    octets = made.to_bytes()
    result = read_result(octets, **more)
    assert write_result(result) == octets
    return result


def test_a_response_says_who_answers_what():
    result = told(message(READ_EXPORT, EXPORT))
    assert (result.use_case, result.device, result.party) == ("ECS17a", DEVICE, PARTY)
    assert result.frame.kind is PayloadKind.ACCESS_RESPONSE
    assert result.is_done
    assert result.alert is None
    assert result.values["active_export_register.value"] == 10
    assert result.values["reactive_export_register.scaler_unit"] == {"scaler": 0, "unit": 32}


def test_every_item_has_its_own_outcome():
    result = told(message(READ_EXPORT, EXPORT_FAILED))
    assert [item.status for item in result.items] == ["success", "success", "hardware_fault", "other_reason"]
    assert not result.is_done
    assert "reactive_export_register.value" not in result.values


def test_a_changed_value_is_another_message():
    result = told(message(READ_EXPORT, EXPORT))
    items = (replace(result.items[0], value=11), *result.items[1:])
    assert write_result(replace(result, items=items)) == message(READ_EXPORT, EXPORT.replace("0a", "0b")).to_bytes()


def test_a_use_case_of_no_table_has_positional_items():
    result = told(message(0x9999, EXPORT))
    assert [item.name for item in result.items] == ["item_1", "item_2", "item_3", "item_4"]
    assert (result.use_case, result.items[1].value) == ("", [0, 30])


def test_the_command_names_what_the_use_case_leaves_open():
    one = message(READ_EXPORT, "da200003e80000 01 060000000a 01 0100")
    assert told(one).items[0].name == "item_1"
    asked = command(READ_EXPORT, "d9200003e800 01 0100030100020800ff02 01 00")
    assert told(one, command=asked).items[0].name == "active_export_register.value"
    echoed = message(READ_EXPORT, "da200003e800 01 01 0100030100020800ff02 01 060000000a 01 0100")
    assert told(echoed).items[0].name == "active_export_register.value"


def test_another_command_is_refused():
    with pytest.raises(EncodeError, match="is not the one answered"):
        read_result(message(READ_EXPORT, EXPORT).to_bytes(), command=command(READ_EXPORT, "d9200003e8000000", 7))


def test_an_alert_answers_no_command():
    asked = command(READ_EXPORT, "d9200003e800 00 00", 7)
    assert told(outcome("8f66", "2328 00005e2c0200 06"), command=asked).alert is not None


def test_a_command_of_another_form_names_nothing():
    one = message(READ_EXPORT, "da200003e80000 01 060000000a 01 0100")
    assert told(one, command=command(READ_EXPORT, "0500")).items[0].name == "item_1"


# --- what is encrypted ----------------------------------------------------------------------------------------------


def sealed_response(reader: bytes = PARTY, counter: int = 1000, **changes):
    plain = bytes.fromhex("0201 0204 060000000a 02020f00161e 0600000014 02020f001620")
    sealed = encrypt_attribute(plain, SECRET, originator=DEVICE, counter=counter, recipient=reader)
    parameters = f"0101 0202 1602 0205 0909 04{counter:016x} 0908{DEVICE.hex()} 0908{reader.hex()} {KEY_INFO}"
    payload = (
        bytes.fromhex(f"da200003e80000 01 0202 {parameters} 09{len(sealed):02x}") + sealed + bytes.fromhex("010300")
    )
    return message(READ_IMPORT, payload, **changes)


def test_what_is_encrypted_stays_sealed_without_a_key():
    result = told(sealed_response())
    (item,) = result.items
    assert item.sealed is not None
    assert not item.sealed.is_open
    assert item.value[0]["options"]["recipient"] == "90-B3-D5-1F-30-01-00-00"
    assert result.values == {}


def test_the_key_opens_it():
    result = told(sealed_response(), secret=shared)
    assert result.values["import_register_collection.value"]["active_import_value"] == 10
    assert write_result(result, secret=shared) == sealed_response().to_bytes()


def test_an_unknown_party_opens_with_its_own_counter():
    other = OtherInformation(
        message_code=READ_IMPORT, supplementary_party=UNKNOWN_PARTY, supplementary_counter=5,
        supplementary_originator_counter=2000,
    )  # fmt: skip
    result = told(sealed_response(UNKNOWN_PARTY, 2000, other=other), secret=shared)
    assert result.party == UNKNOWN_PARTY
    assert result.items[0].sealed is not None
    assert result.items[0].sealed.is_open


def test_an_altered_part_does_not_open():
    good = sealed_response()
    altered = replace(good, payload=good.payload[:-4] + bytes((good.payload[-4] ^ 1,)) + good.payload[-3:])
    with pytest.raises(TagError):
        read_result(altered.to_bytes(), secret=shared)


def test_an_opened_value_that_was_changed_is_encrypted_anew():
    result = told(sealed_response(), secret=shared)
    (item,) = result.items
    assert item.sealed is not None
    value = {"import_register_collection.value": item.sealed.value["import_register_collection.value"]
             | {"active_import_value": 99}}  # fmt: skip
    changed = replace(result, items=(replace(item, sealed=replace(item.sealed, value=value)),))
    again = read_result(write_result(changed, secret=shared), secret=shared)
    assert again.values["import_register_collection.value"]["active_import_value"] == 99


# --- alerts ---------------------------------------------------------------------------------------------------------


def alert(code: int, body: str):
    return message(code, f"0f200007d000 {body}", MessageKind.ALERT)


HEAD = "128f85 090c07df0101ff000000008000ff"


def test_an_alert_has_a_code_and_a_time():
    result = told(alert(0x1000, f"0202 {HEAD}"))
    assert result.alert is not None
    assert (result.alert.code, result.alert.time) == (0x8F85, "2015-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("code", "body", "name", "value"),
    [
        (0x0120, f"0203 {HEAD} 090a001200000000000186a0", "command", {"message_code": "0012", "counter": 100_000}),
        (0x00CE, f"0203 {HEAD} 0920{'01' * 32}", "firmware_hash", "01" * 32),
        (0x0123, f"0203 {HEAD} 090e7b226c6576656c223a2031307d20", "content_1", '{"level": 10} '),
        (0x0123, f"0203 {HEAD} 0c027b7d", "content_1", "{}"),
        (0x00F0, f"0203 {HEAD} 09020005", "content_1", "0005"),
        (0x00F0, f"0203 {HEAD} 09020005".replace("8f85", "81a0"), "warning", "error_unexpected_hardware_reset"),
        (0x00F0, f"0203 {HEAD} 09020063".replace("8f85", "81a0"), "content_1", "0063"),
        (
            0x0121,
            f"0206 {HEAD} 1115 090c07df0101ff000000008000ff 090c07df0201ff000000008000ff 110a",
            "resulting_level",
            10,
        ),
        (0x9999, f"0204 {HEAD} 1105 161e", "content_2", 30),
    ],
)
def test_contents_of_alerts(code, body, name, value):
    assert told(alert(code, body)).values[name] == value


def test_an_outcome_names_the_item_that_took_effect():
    result = told(outcome("8f66", "2328 00005e2c0200 06"))
    assert result.values["outcome"] == {
        "message_code": "0019", "counter": 1000, "class_id": 9000, "obis": "0-0:94.44.2.0", "attribute": 6,
        "name": "currency_unit.activation_time",
    }  # fmt: skip


@pytest.mark.parametrize("body", ["06 00000001", "0100", f"02 8103 {HEAD} 1101", "0201 1105", "0202 1105 1106"])
def test_alerts_of_another_shape_are_kept(body):
    result = told(alert(0x1000, body))
    assert result.alert is not None
    assert (result.alert.code, result.alert.time) == (0, "")


def test_billing_data_of_an_alert_is_opened():
    plain = bytes.fromhex("0201 1302020606 08 1c374a80 00000005")
    sealed = encrypt_attribute(plain, SECRET, originator=DEVICE, counter=1000, recipient=PARTY)
    body = f"0204 {HEAD} 0101 0202 1602 0205 090904000000000000 03e8 0908{DEVICE.hex()} 0908{PARTY.hex()} {KEY_INFO}"
    made = alert(0x0061, f"{body} 09{len(sealed):02x} {sealed.hex()}")
    assert told(made).values == {"alert_code": 0x8F85, "time": "2015-01-01T00:00:00Z"}
    opened = told(made, secret=shared).values
    (name,) = (name for name in opened if name.endswith("buffer"))
    assert name.startswith("billing_data_log")
    assert opened[name] == [[473_385_600, 5]]  # two of nine columns: positions, not names


# --- gas and ASN.1 --------------------------------------------------------------------------------------------------


def test_gas_components_are_items():
    result = told(message(0x006E, "0109 02 00 0705 0005 08 00 0b 02 00 01 0705 0005 08 01 0b 02 8b"))
    assert [(item.name, item.status) for item in result.items] == [
        ("prepayment.change_debt", "success"), ("prepayment.change_debt", "not_found")
    ]  # fmt: skip
    assert result.items[1].code == 0x8B


def test_attributes_of_gas_are_values_by_name():
    result = told(message(0x0084, "0109 01 01 0702 0010 18 00 01 0003003001 0602c0 1400003002"))
    assert result.values == {"metering.unit_of_measure": 1, "metering.supply_status": 2}
    assert result.items[0].status == "hardware_failure"


def test_encrypted_gas_is_opened_for_its_reader():
    plain = bytes.fromhex("0003003001 00000025393000000000")
    sealed = encrypt_attribute(plain, SECRET, originator=DEVICE, counter=1000, recipient=PARTY)
    size = len(sealed)
    payload = bytes.fromhex(f"0109 01 03 0702 {size + 7:04x} 0000 18 00 01 {size:04x}") + sealed
    made = message(0x0074, payload)
    assert told(made).values == {}
    result = told(made, secret=shared)
    assert result.values["metering.current_summation_delivered"] == 12345
    assert write_result(result, secret=shared) == made.to_bytes()


def test_a_gas_alert_names_the_command_that_took_effect():
    made = message(0x00CD, "0109 01 8f66 38810a00 0e 006d 00000000000003ed 0705 01 06", MessageKind.ALERT)
    result = told(made)
    assert result.alert is not None
    assert (result.alert.code, result.alert.time) == (0x8F66, "2030-01-15T00:00:00Z")
    assert result.values["outcome"]["name"] == "prepayment.change_payment_mode"


def test_a_gas_alert_without_content():
    result = told(message(0x1001, "0109 00 810e ffffffff", MessageKind.ALERT))
    assert result.alert is not None
    assert (result.alert.code, result.alert.time, result.items) == (0x810E, "never", ())


def test_asn1_answers_are_named():
    result = told(message(0x0012, "300902010104040123abcf"))
    assert (result.items[0].status, result.values["firmware_version"]) == ("no_image_held", "0123abcf")


def test_unknown_asn1_is_told_as_elements_with_the_head_of_an_alert():
    made = message(0x9999, "301a 0203008f89 180f32303135303130313030303030305a 040201ff", MessageKind.ALERT)
    result = told(made)
    assert result.frame.kind is PayloadKind.ELEMENTS
    assert result.alert is not None
    assert (result.alert.code, result.alert.time) == (0x8F89, "2015-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("content", "name", "value"),
    [("0920" + "ab" * 32, "firmware_hash", "ab" * 32), ("0005", "content", "0005"), ("aabb", "content", "aabb")],
)
@pytest.mark.parametrize("count", ["00", "01"])
def test_contents_of_gas_alerts_that_are_no_components(count, content, name, value):
    result = told(message(0x00CF, f"0109 {count} 8f72 1c374a80 {content}", MessageKind.ALERT))
    assert result.values == {name: value}


def test_warnings_of_gas_meters_are_named():
    result = told(message(0x00F0, "0109 00 81a0 1c374a80 0008", MessageKind.ALERT))
    assert result.values == {"warning": "error_measurement_fault"}
    with pytest.raises(EncodeError, match="is no warning"):
        write_result(replace(result, items=(replace(result.items[0], value="bored"),)))


# --- frames and refusals --------------------------------------------------------------------------------------------


def test_a_message_in_blocks_is_read():
    octets = message(READ_EXPORT, EXPORT).to_bytes()
    assert read_result(in_blocks(octets, block_size=20)) == read_result(octets)


def test_a_signed_message_comes_back_with_its_signature():
    made = message(READ_EXPORT, EXPORT, mac=None, signature=bytes(range(64)), date_time=bytes(12))
    assert told(made).header.signature == bytes(range(64))


@pytest.mark.parametrize(
    "payload",
    ["", "da", "da200003e80000 01 06000000 01 0100", "0f2000", "0109", "0109 02 00 0705 0005 08 00 0b 02 00 ff", "05",
     "ff", "da200003e80000 01 00 00", "0f200007d000 02"],
)  # fmt: skip
def test_malformed_payloads_are_refused(payload):
    for kind in (MessageKind.RESPONSE, MessageKind.ALERT):
        with pytest.raises(DecodeError):
            read_result(message(READ_EXPORT, payload, kind).to_bytes())


def test_a_command_is_no_result():
    with pytest.raises(DecodeError, match="a command is no result"):
        read_result(command(READ_EXPORT, "d9200003e800 00 00").to_bytes())


@pytest.mark.parametrize(
    "change",
    [
        {"access": "odd"}, {"code": 300}, {"form": "unsigned", "value": -1}, {"form": None},
        {"form": "outcome", "value": {}}, {"form": "command", "value": {"message_code": "0012", "counter": -1}},
    ],
)  # fmt: skip
def test_items_that_have_no_form_are_refused(change):
    result = told(message(READ_EXPORT, EXPORT))
    changed = replace(result, items=(replace(result.items[0], **change), *result.items[1:]))
    with pytest.raises(EncodeError):
        write_result(changed)


def test_payloads_of_one_item_take_no_second():
    for code, payload in ((0x0012, "0500"), (0x9999, "0500")):
        result = told(message(code, payload))
        with pytest.raises(EncodeError, match="one item"):
            write_result(replace(result, items=result.items * 2))
    bare = told(alert(0x1000, "06 00000001"))
    with pytest.raises(EncodeError, match="one item"):
        write_result(replace(bare, items=bare.items * 2))
