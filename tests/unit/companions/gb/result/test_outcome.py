"""Commands dated ahead: what took effect, what did not, and what is still to come."""

import pytest
from tests.unit.companions.gb.result.messages import DEVICE, PARTY, command, message, outcome

from meterworks.companions.gb.result import InstructionState, follow_instructions, read_result
from meterworks.protocols import DecodeError, UnlawfulMessage
from meterworks.protocols.gbcs import MessageKind

PENDING, DONE, NOT_DONE = InstructionState.PENDING, InstructionState.DONE, InstructionState.NOT_DONE
CALENDAR, CURRENCY, PRICES = "0014 00000d0000ff 0a", "2328 00005e2c0200 06", "0071 0000131400ff 07"
# A tariff: a calendar with its time, a currency with its time, a price matrix with its time.
TARIFF = command(
    0x0019,
    "d9200003e800 05 02 0014 00000d0000ff 07 02 2328 00005e2c0200 04 02 0014 00000d0000ff 0a 02 2328 00005e2c0200 06 "
    "02 0071 0000131400ff 07 05 00 00 00 00 00",
)
GAS = command(0x006D, "0109 03 00 0705 0003 01 00 06 00 0705 0003 01 01 06 01 0702 0003 01 02 0b", counter=1005)


def follow(asked, *alerts):
    found = follow_instructions(asked, [read_result(alert.to_bytes()) for alert in alerts])
    return [(each.name, each.state) for each in found]


def states(asked, *alerts):
    return [state for _, state in follow(asked, *alerts)]


def gas_alert(code: str, cluster_and_command: str, counter: str = "00000000000003ed"):
    payload = f"0109 01 {code} 3880fa00 0e 006d {counter} {cluster_and_command}"
    return message(0x00CD, payload, MessageKind.ALERT, mac=None, signature=bytes(64))


def test_without_alerts_everything_is_still_to_come():
    assert follow(TARIFF) == [
        ("tariff_switching_table.activate_passive_calendar_time", PENDING),
        ("currency_unit.activation_time", PENDING),
        ("tariff_block_price_matrix_tou.unit_charge_activation_time", PENDING),
    ]


def test_each_alert_settles_its_instruction():
    assert states(TARIFF, outcome("8f66", CURRENCY), outcome("8f67", PRICES)) == [PENDING, DONE, NOT_DONE]


def test_the_time_of_the_alert_is_kept():
    (_, currency, _) = follow_instructions(TARIFF, [read_result(outcome("8f66", CURRENCY).to_bytes())])
    assert (currency.place, currency.time) == ("9000/0-0:94.44.2.0/a6", "2030-01-15T09:00:00Z")


def test_alerts_about_other_commands_and_of_other_devices_are_left_alone():
    others = [outcome("8f66", CURRENCY, counter="00000000000003e9"), outcome("8f66", CURRENCY, code="0020"),
              outcome("8f35", CURRENCY)]  # fmt: skip
    assert states(TARIFF, *others) == [PENDING] * 3
    stranger = command(0x0019, TARIFF.payload.hex())
    assert (
        states(type(stranger)(**{**fields(stranger), "recipient": PARTY}), outcome("8f66", CURRENCY)) == [PENDING] * 3
    )


def fields(made):
    return {name: getattr(made, name) for name in ("kind", "counter", "originator", "other", "payload")}


def test_an_instruction_that_the_command_does_not_have_is_refused():
    with pytest.raises(UnlawfulMessage, match="which the command does not have"):
        follow(TARIFF, outcome("8f66", "0071 0000131404ff 07"))


def test_gas_commands_are_settled_one_after_the_other():
    assert follow(GAS, gas_alert("8f66", "0705 01 06")) == [
        ("prepayment.change_payment_mode", DONE), ("prepayment.change_payment_mode", PENDING),
        ("metering.change_supply", PENDING),
    ]  # fmt: skip
    both = [gas_alert("8f66", "0705 01 06"), gas_alert("8f67", "0705 01 06")]
    assert states(GAS, *both) == [DONE, NOT_DONE, PENDING]
    assert states(GAS, gas_alert("8f66", "0702 01 0b", "0000000000000001")) == [PENDING] * 3


def test_firmware_is_one_instruction():
    activation = command(0x0012, "3006 0401aa 020101")
    alert = message(
        0x00CA, "3022 0203008f66 180f32303330303131353039303030305a 020101 3007 020100 0402 0102", MessageKind.ALERT
    )
    assert alert.originator == DEVICE
    assert states(activation, alert) == [DONE]
    assert states(command(0x0013, "0500"), alert) == [PENDING]


def test_credentials_are_known_by_their_sequence_number():
    control = "300f 020102 a207 020102 03020780 830103"
    replacement = command(0x0102, f"3015 {control} 3000 3000")
    head = "0203008f66 180f32303330303131353039303030305a"

    def report(number):
        body = f"{head} 300a 0201{number} 020102 3000 3000"
        return message(0x00CB, f"30{len(bytes.fromhex(body)):02x} {body}", MessageKind.ALERT)

    assert states(replacement, report("03")) == [DONE]
    assert states(replacement, report("04")) == [PENDING]


def test_only_commands_are_followed():
    with pytest.raises(DecodeError):
        follow_instructions(message(0x0019, "0500"), [])
    with pytest.raises(DecodeError):
        follow_instructions(command(0x0019, "d92000"), [])


def test_a_command_of_another_form_than_its_use_case_is_refused():
    alert = message(0x00CA, "3022 0203008f66 180f32303330303131353039303030305a 020101 3007 020100 0402 0102",
                    MessageKind.ALERT)  # fmt: skip
    with pytest.raises(DecodeError, match="another payload than its use case"):
        follow(command(0x0012, "0c0141"), alert)
