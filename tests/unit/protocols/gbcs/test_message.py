"""Frames of GB messages: the forms by hand, and what is refused."""

import pytest

from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.gbcs import (
    COUNTER_MAX,
    MESSAGE_SIZE_MAX,
    Message,
    MessageKind,
    OtherInformation,
    identity_text,
)

SUPPLIER = bytes.fromhex("90b3d51f30010000")
METER = bytes.fromhex("00db1234567890a0")
PARTY = bytes.fromhex("90b3d51f30030000")

HEADER = "09 01 00000000000003e8 08 90b3d51f30010000 08 00db1234567890a0 00"
PRE_COMMAND = f"df {HEADER} 02 0019 03 aabbcc"
UNSIGNED = f"{PRE_COMMAND} 00"


def octets(text):
    return bytes.fromhex(text.replace(" ", ""))


def command(**changes):
    facts = {
        "kind": MessageKind.COMMAND, "counter": 1000, "originator": SUPPLIER, "recipient": METER,
        "other": OtherInformation(message_code=0x19), "payload": b"\xaa\xbb\xcc",
    }  # fmt: skip
    return Message(**{**facts, **changes})


def with_mac_frame(body):
    inner = octets("11 00000000") + octets(body) + bytes(range(12))
    return octets("dd 000000000000") + bytes((len(inner),)) + inner


@pytest.mark.parametrize(
    ("message", "encoded"),
    [
        (command(ends_behind_payload=True), octets(PRE_COMMAND)),
        (command(), octets(UNSIGNED)),
        (command(signature=bytes(64)), octets(f"{PRE_COMMAND} 40") + bytes(64)),
        (command(mac=bytes(range(12))), with_mac_frame(UNSIGNED)),
        (
            command(kind=MessageKind.RESPONSE, date_time=bytes(12)),
            octets(UNSIGNED.replace("09 01", "09 02").replace("a0 00 02", f"a0 0c {'00' * 12} 02")),
        ),
        (
            command(other=OtherInformation(message_code=1, supplementary_party=PARTY)),
            octets(UNSIGNED.replace("02 0019", f"0a 0001 {PARTY.hex()}")),
        ),
        (
            command(other=OtherInformation(message_code=1, supplementary_party=PARTY, supplementary_counter=7)),
            octets(UNSIGNED.replace("02 0019", f"12 0001 {PARTY.hex()} 0000000000000007")),
        ),
        (
            command(
                other=OtherInformation(
                    message_code=1,
                    supplementary_party=PARTY,
                    supplementary_counter=7,
                    supplementary_originator_counter=9,
                )
            ),
            octets(UNSIGNED.replace("02 0019", f"1a 0001 {PARTY.hex()} 0000000000000007 0000000000000009")),
        ),
        (
            command(
                other=OtherInformation(
                    message_code=1, supplementary_party=PARTY, supplementary_counter=7, certificate=bytes(100)
                )
            ),
            octets(UNSIGNED.replace("02 0019", f"76 0001 {PARTY.hex()} 0000000000000007 {'00' * 100}")),
        ),
    ],
    ids=["pre-command", "unsigned", "signed", "mac", "date-time", "party", "counter", "both-counters", "certificate"],
)
def test_a_form_is_encoded_and_decoded(message, encoded):
    assert message.to_bytes() == encoded
    assert Message.from_bytes(encoded) == message


GOOD_MAC = with_mac_frame(UNSIGNED)


@pytest.mark.parametrize(
    ("encoded", "told"),
    [
        (b"", "begins with DD or DF"),
        (b"\x00", "begins with DD or DF"),
        (bytes(MESSAGE_SIZE_MAX + 1), "at most"),
        (octets(PRE_COMMAND)[:-1], "expected"),
        (octets(UNSIGNED) + b"\x00", "behind the message"),
        (octets(UNSIGNED.replace("09 01", "09 04")), "of kind 4"),
        (octets(UNSIGNED.replace("09 01", "08 01")), "transaction of 8 octets"),
        (octets(UNSIGNED.replace("08 90", "07 90")), "originator of 7 octets"),
        (octets(UNSIGNED.replace("a0 00 02", "a0 01 00 02")), "date-time of 1 octets"),
        (octets(UNSIGNED.replace("02 0019", "03 001900")), "other information of 3 octets"),
        (octets(UNSIGNED.replace("03 aa", "81 03 aa")), "shortest form"),
        (
            octets(f"dd 000000000000 81{17 + len(octets(UNSIGNED)):02x} 1100000000 {UNSIGNED} {'00' * 12}"),
            "shortest form",
        ),
        (octets(PRE_COMMAND.replace("09 01", "09 02")), "only a pre-command ends there"),
        (octets(f"{PRE_COMMAND} 01 00"), "signature of 1 octets"),
        (octets("dd 000000000001") + GOOD_MAC[7:], "not empty"),
        (GOOD_MAC[:-1], "announced"),
        (GOOD_MAC[:8] + b"\x31" + GOOD_MAC[9:], "security header"),
        (octets("dd 000000000000 05 11 00000000"), "no body"),
        (GOOD_MAC.replace(b"\xdf", b"\xde", 1), "no body"),
        (with_mac_frame(PRE_COMMAND), "length"),
    ],
)
def test_what_is_no_message_is_refused(encoded, told):
    with pytest.raises(DecodeError, match=told):
        Message.from_bytes(encoded)


@pytest.mark.parametrize(
    "message",
    [
        command(originator=bytes(7)),
        command(recipient=bytes(9)),
        command(counter=COUNTER_MAX + 1),
        command(counter=-1),
        command(date_time=bytes(3)),
        command(signature=bytes(63)),
        command(signature=bytes(64), ends_behind_payload=True),
        command(mac=bytes(11)),
        command(payload=bytes(MESSAGE_SIZE_MAX)),
        command(other=OtherInformation(message_code=0x10000)),
        command(other=OtherInformation(message_code=1, supplementary_counter=1)),
        command(other=OtherInformation(message_code=1, supplementary_party=PARTY, certificate=bytes(100))),
        command(other=OtherInformation(message_code=1, supplementary_party=PARTY, supplementary_originator_counter=1)),
        command(
            other=OtherInformation(
                message_code=1,
                supplementary_party=PARTY,
                supplementary_counter=1,
                supplementary_originator_counter=1,
                certificate=bytes(100),
            )
        ),
    ],
)
def test_what_has_no_form_is_not_encoded(message):
    with pytest.raises(EncodeError):
        message.to_bytes()


def test_a_signature_takes_a_mac_away():
    signed = command(mac=bytes(12), ends_behind_payload=False).signed(bytes(64))
    assert signed.mac is None
    assert signed.signature == bytes(64)


def test_an_identity_is_written_in_pairs():
    assert identity_text(METER) == "00-DB-12-34-56-78-90-A0"
