"""A request and its message by hand: accepted when they agree, refused with path, asked and found when they do not."""

from dataclasses import replace

import pytest
from tests.unit.companions.gb.correlate.sample import (
    BROKER,
    COUNTER,
    EVENT,
    LIMITS,
    LIMITS_CODE,
    USER,
    access,
    commands,
    element,
    limits,
    message,
    refusal,
    request,
    situation,
    texts,
)

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb import Element
from meterworks.companions.gb.correlate import correlate, effects_of
from meterworks.errors import SecurityError
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import DataValue, Tag
from meterworks.protocols.gbcs import MessageKind, OtherInformation

ASKED = request("6.4.1", LIMITS)


def test_a_message_that_does_what_was_asked_is_accepted():
    assert refusal(ASKED, message(LIMITS_CODE, limits()).to_bytes(), situation()) == ""


def test_a_signed_message_under_a_mac_is_read_like_a_precommand():
    signed = message(LIMITS_CODE, limits()).signed(bytes(64)).protected(bytes(12))
    assert refusal(ASKED, signed.to_bytes(), situation()) == ""


def test_an_altered_threshold_is_refused_with_what_was_asked_and_found():
    with pytest.raises(
        RequestMismatchError, match=r"LoadLimitPowerThreshold: 6900 was asked, 9600 was found"
    ) as caught:
        correlate(ASKED, message(LIMITS_CODE, limits(power_w=9600)).to_bytes(), situation())
    assert isinstance(caught.value, SecurityError)
    assert caught.value.facts == {
        "path": "set 9000 0-0:94.44.128.7 4 LoadLimitPowerThreshold", "asked": "6900", "found": "9600",
    }  # fmt: skip


def test_another_activation_time_is_refused():
    never = DataValue(Tag.OCTET_STRING, b"\xff" * 9 + bytes.fromhex("8000ff"))
    with pytest.raises(RequestMismatchError, match="2030-01-15T09:00:00Z was asked, never was found"):
        correlate(ASKED, message(LIMITS_CODE, limits(when=never)).to_bytes(), situation())


def test_an_item_more_is_refused():
    more = access([("act 9 0-0:10.0.106.255 1", DataValue(Tag.LONG_UNSIGNED, 52))] * 2)
    with pytest.raises(RequestMismatchError, match="nothing more was asked"):
        correlate(request("7.2", Element("DisableSupply")), message(0x0050, more).to_bytes(), situation())


def test_an_item_less_is_refused():
    one = access([("act 112 0-0:19.10.0.255 2", DataValue(Tag.DOUBLE_LONG, 0))])
    asked = request("1.5", element("UpdateMeterBalance", element("CreditMode", element("ResetMeterBalance"))))
    with pytest.raises(RequestMismatchError, match="its end was found"):
        correlate(asked, message(0x00B3, one).to_bytes(), situation())


def test_a_part_of_the_request_that_no_item_carries_is_refused():
    wider = replace(LIMITS, children=(*LIMITS.children, Element("LoadLimitSecret", "7")))
    with pytest.raises(RequestMismatchError, match="LoadLimitSecret: 7 was asked, nothing of it was found"):
        correlate(request("6.4.1", wider), message(LIMITS_CODE, limits()).to_bytes(), situation())


def test_an_attribute_that_no_item_carries_is_refused():
    named = replace(LIMITS, attributes={"phase": "2"})
    with pytest.raises(RequestMismatchError, match="@phase: 2 was asked"):
        correlate(request("6.4.1", named), message(LIMITS_CODE, limits()).to_bytes(), situation())


def test_a_request_without_a_value_that_the_message_carries_is_refused():
    shorter = replace(LIMITS, children=LIMITS.children[:-1])
    with pytest.raises(RequestMismatchError, match="the request does not say"):
        correlate(request("6.4.1", shorter), message(LIMITS_CODE, limits()).to_bytes(), situation())


@pytest.mark.parametrize(
    ("altered", "path"),
    [
        ({"recipient": bytes(8)}, "recipient"),
        ({"originator": BROKER}, "originator"),
        ({"counter": 1003}, "counter"),
        ({"kind": MessageKind.ALERT, "ends_behind_payload": False}, "kind of message"),
        ({"other": OtherInformation(message_code=LIMITS_CODE, supplementary_party=bytes(8))}, "supplementary party"),
        ({"date_time": bytes(12)}, "date and time"),
    ],
)
def test_another_envelope_is_refused(altered, path):
    with pytest.raises(RequestMismatchError) as caught:
        correlate(ASKED, message(LIMITS_CODE, limits(), **altered).to_bytes(), situation())
    assert caught.value.facts["path"] == path


def test_a_variant_with_the_body_of_another_is_refused():
    """Neither body says anything more than its name, and one switches off what the other switches on."""
    disable = message(0x0050, access([("act 9 0-0:10.0.106.255 1", DataValue(Tag.LONG_UNSIGNED, 52))])).to_bytes()
    assert refusal(request("7.2", Element("DisableSupply")), disable, situation()) == ""
    assert "DisableSupply (7.2) was asked" in refusal(request("7.2", Element("EnableSupply")), disable, situation())


def test_the_code_of_another_use_case_is_refused_and_the_right_one_named():
    with pytest.raises(RequestMismatchError, match="0043 ECS28a was asked, 0044 was found"):
        correlate(ASKED, message(0x0044, limits()).to_bytes(), situation())


def test_a_use_case_that_the_model_does_not_know_is_refused():
    with pytest.raises(RequestMismatchError, match="cannot be checked"):
        correlate(ASKED, message(LIMITS_CODE, limits()).to_bytes(), situation(device_codes=frozenset({0x0044})))


def test_a_device_for_which_no_row_stands_cannot_be_checked():
    with pytest.raises(RequestMismatchError, match=r"to a GSME cannot be checked: no row describes its message"):
        correlate(ASKED, message(LIMITS_CODE, limits()).to_bytes(), situation(DeviceKind.GSME))


def test_a_variant_for_which_no_row_stands_cannot_be_checked():
    with pytest.raises(RequestMismatchError, match="cannot be checked"):
        correlate(request("99.9", LIMITS), message(LIMITS_CODE, limits()).to_bytes(), situation())


@pytest.mark.parametrize("octets", [b"", b"\xdf", b"\xdd" + bytes(40), bytes(70_000), b"\xd9\x20\x00"])
def test_bytes_that_are_no_message_are_refused_with_the_same_error(octets):
    with pytest.raises(RequestMismatchError, match="the message cannot be what was asked"):
        correlate(ASKED, octets, situation())


def test_a_cut_payload_is_refused_with_the_same_error():
    with pytest.raises(RequestMismatchError, match="the message cannot be what was asked"):
        correlate(ASKED, message(LIMITS_CODE, limits()[:-4]).to_bytes(), situation())


def test_the_invoke_id_belongs_to_the_counter():
    with pytest.raises(RequestMismatchError, match="another invoke id"):
        supply = access([("act 9 0-0:10.0.106.255 1", DataValue(Tag.LONG_UNSIGNED, 52))], counter=7)
        correlate(request("7.2", Element("DisableSupply")), message(0x0050, supply).to_bytes(), situation())


def test_true_is_01_or_ff_and_nothing_else():
    """The one octet that may be altered and means the same: devices take any of the two for true."""
    tampered = element("SetElectricitySupplyTamperState", *texts(SupplyTamperState="Locked"))
    payload = access([("set 1 0-0:94.44.0.4 2", DataValue(Tag.BOOLEAN, True))])
    asked = request("6.25", tampered)
    assert refusal(asked, message(0x0068, payload[:-1] + b"\xff").to_bytes(), situation()) == ""
    with pytest.raises(RequestMismatchError, match="in another form than its only one"):
        correlate(asked, message(0x0068, payload[:-1] + b"\x02").to_bytes(), situation())


def test_blanks_count_in_what_a_meter_shows():
    shown = access([("set 1 0-2:96.13.1.255 2", DataValue(Tag.OCTET_STRING, b" Call us "))])
    asked = request("3.1", element("DisplayMessage", *texts(SupplierMessage=" Call us ")))
    other = request("3.1", element("DisplayMessage", *texts(SupplierMessage="Call us")))
    assert refusal(asked, message(0x0021, shown).to_bytes(), situation()) == ""
    assert "was asked" in refusal(other, message(0x0021, shown).to_bytes(), situation())


def test_the_time_until_which_a_carrier_waits_is_not_the_messages():
    leaves = texts(ExecutionDateTime="2030-01-01T00:00:00Z", SupplierName="A", SupplierTelephoneNumber="1")
    named = element("UpdateSupplierName", *leaves)
    payload = access(
        [
            ("set 9000 0-0:96.13.0.255 2", DataValue(Tag.OCTET_STRING, b"1")),
            ("set 9000 0-0:96.13.1.255 2", DataValue(Tag.OCTET_STRING, b"A")),
        ]
    )
    assert refusal(request("3.4", named), message(0x0025, payload).to_bytes(), situation()) == ""


def test_an_issuer_event_needs_the_time_of_making():
    disable = commands((0x0702, 0x0B, 0x01, "00000000" + EVENT.hex() + "0000000000000000" + "0001"))
    asked = request("7.2", Element("DisableSupply"))
    gas = situation(DeviceKind.GSME)
    assert refusal(asked, message(0x0081, disable).to_bytes(), gas) == ""
    assert effects_of(message(0x0081, disable).to_bytes()).made_at == gas.made_at
    with pytest.raises(RequestMismatchError, match="made_at"):
        correlate(asked, message(0x0081, disable).to_bytes(), replace(gas, made_at=None))


def customer_number(digits: bytes) -> bytes:
    """The command that shows a number, which the broker sends for the user."""
    payload = access([("set 1 0-3:96.13.1.255 2", DataValue(Tag.OCTET_STRING, digits))], counter=1300)
    other = OtherInformation(message_code=0x0058, supplementary_party=USER, supplementary_counter=COUNTER)
    return message(0x0058, payload, originator=BROKER, counter=1300, other=other).to_bytes()


def test_a_customer_number_is_the_carriers_where_nobody_knows_it():
    show = request("9.1", Element("RequestCustomerIdentificationNumber"))
    sent = customer_number(b"1234")
    assert refusal(show, sent, situation()) == ""
    assert refusal(show, sent, situation(customer_number="1234")) == ""
    with pytest.raises(RequestMismatchError, match="4321 was asked, 1234 was found"):
        correlate(show, sent, situation(customer_number="4321"))


def test_a_customer_number_of_five_digits_is_refused():
    sent = customer_number(b"12345")
    with pytest.raises(RequestMismatchError, match="one to four digits"):
        correlate(request("9.1", Element("RequestCustomerIdentificationNumber")), sent, situation())


# --- effects --------------------------------------------------------------------------------------------------------


def test_effects_are_named_in_the_words_of_the_request():
    found = effects_of(message(LIMITS_CODE, limits()).to_bytes())
    assert (found.use_case, found.counter, len(found.facts), found.made_at) == ("ECS28a", 1002, 8, None)
    assert str(found).splitlines()[:3] == [
        "ECS28a (0043) Set Load Limit Configurations - General Settings, to 00-DB-12-34-56-78-90-A0",
        "  set 9000 0-0:94.44.0.3 4 LoadLimitSupplyState = Disable",
        "  set 9000 0-0:94.44.128.7 4 LoadLimitPowerThreshold = 6900",
    ]


def test_effects_of_the_use_case_that_fits_among_several_of_one_code():
    payload = access(
        [
            ("set 1 0-0:94.44.117.2 2", DataValue(Tag.LONG_UNSIGNED, 30)),
            ("act 9 0-0:10.0.103.255 1", DataValue(Tag.LONG_UNSIGNED, 0x0112)),
        ]
    )
    found = effects_of(message(0x0055, payload).to_bytes())
    assert found.facts[-1].value == ("DeactivateALCSHCALCS", 1)


@pytest.mark.parametrize("code", [0xFFFF, 0x00CC])
def test_effects_of_no_command_in_the_table_are_refused(code):
    with pytest.raises(DecodeError, match=f"{code:04X} is no command"):
        effects_of(message(code, limits()).to_bytes())


def test_effects_of_a_payload_that_no_row_describes_are_refused():
    with pytest.raises(DecodeError, match="no row of the use case describes it"):
        effects_of(message(0x0050, limits()).to_bytes())
