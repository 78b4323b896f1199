"""ASN.1 payloads: made of plain values, read by their use case, refused in any other form."""

from datetime import UTC, datetime

import pytest

from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.gbcs import MessageKind
from meterworks.protocols.gbcs.asn1 import PAYLOADS, Asn1Payload, payload_type

COMMAND, RESPONSE, ALERT = MessageKind
DEVICE = bytes.fromhex("00db1234567890a0")
CELL = {"role": 2, "key_usage": {"digital_signature"}}


def octets(text):
    return bytes.fromhex(text.replace(" ", ""))


@pytest.mark.parametrize(
    ("code", "kind", "value", "encoded"),
    [
        (
            0x0008, COMMAND, {"asked_by": {"role": 4, "key_usage": {"key_agreement"}}, "roles": [2, 3]},
            "3011 3007 020104 03020308 3006 020102 020103",
        ),
        (0x000A, COMMAND, {"key_usage": {"digital_signature"}}, "3004 03020780"),
        (0x000B, RESPONSE, 3, "020103"),
        (
            0x000D, COMMAND, {"method_and_role": 0, "device": DEVICE, "device_type": 4},
            "3010 020100 0408 00db1234567890a0 020104",
        ),
        (0x000F, COMMAND, DEVICE, "0408 00db1234567890a0"),
        (
            0x0012, COMMAND,
            {"image_hash": b"\xaa\xbb", "originator_counter": 1002, "execution_time": datetime(2030, 1, 2, tzinfo=UTC)},
            "3019 0402 aabb 020203ea 180f 32303330303130323030303030305a",
        ),
        (0x0012, RESPONSE, None, "0500"),
        (0x0012, RESPONSE, {"status": 1, "firmware_version": b"\x01\x23"}, "3007 020101 0402 0123"),
        (0x0013, COMMAND, None, "0500"),
        (0x0107, RESPONSE, {"accepted": None}, "3002 0500"),
        (
            0x00CB, ALERT,
            {
                "alert_code": 0x8F66, "time": datetime(2030, 1, 2, tzinfo=UTC),
                "outcome": {"sequence_number": 5, "mode": 7, "counter_changes": [], "cells": [
                    {"cell": CELL, "status": 5, "old_party": DEVICE, "old_key_id": b"", "new_party": DEVICE,
                     "new_key_id": b""},
                ]},
            },
            "3048 0203008f66 180f32303330303130323030303030305a 3030 020105 020107 3000 3026 3024 3007 020102 03020780"
            "0a0105 0408 00db1234567890a0 0400 0408 00db1234567890a0 0400",
        ),
    ],
)  # fmt: skip
def test_a_payload_is_made_and_read(code, kind, value, encoded):
    made = Asn1Payload.make(code, kind, value)
    assert made.to_bytes() == octets(encoded)
    read = Asn1Payload.from_bytes(code, kind, octets(encoded))
    assert read.value == made.value
    assert read.is_known
    assert not read.has_wide_lengths


def test_lengths_in_two_octets_come_out_as_they_came():
    narrow = Asn1Payload.make(0x0013, RESPONSE, {"status": 0, "devices": [{"device": DEVICE, "device_type": 1}] * 9})
    octets_ = narrow.to_bytes()
    assert octets_[:2] == b"\x30\x81"
    wide = Asn1Payload.from_bytes(0x0013, RESPONSE, Asn1Payload(narrow.content, has_wide_lengths=True).to_bytes())
    assert wide.has_wide_lengths
    assert wide.to_bytes()[:3] == b"\x30\x82\x00"
    assert wide.value == narrow.value
    mixed = b"\x30\x82\x00" + bytes((octets_[2],)) + octets_[3:]
    with pytest.raises(DecodeError, match="only form"):
        Asn1Payload.from_bytes(0x0013, RESPONSE, mixed)


def test_a_use_case_in_no_row_is_read_as_elements():
    payload = Asn1Payload.from_bytes(0x7777, ALERT, octets("3006 020101 0401aa"))
    assert not payload.is_known
    assert payload.to_bytes() == octets("3006 020101 0401aa")
    assert payload_type(0x7777, ALERT) is None


@pytest.mark.parametrize(
    ("code", "kind", "encoded"),
    [
        (0x0013, COMMAND, ""),
        (0x0013, COMMAND, "0501 00"),
        (0x0013, COMMAND, "0500 00"),
        (0x000F, COMMAND, "0409 00db1234567890a0"),
        (0x000F, COMMAND, "020100"),
        (0x000A, COMMAND, "3005 03030780 00"),
        (0x000A, COMMAND, "3004 03020781"),
        (0x000B, RESPONSE, "02020003"),
        (0x000B, RESPONSE, "0281 01 03"),
        (0x0008, COMMAND, "3080 3007 020104 03020308 3006 020102 020103 0000"),
        (0x0012, RESPONSE, "0401aa"),
        (0x7777, ALERT, "30" * 60),
    ],
)
def test_any_other_form_is_refused(code, kind, encoded):
    with pytest.raises(DecodeError):
        Asn1Payload.from_bytes(code, kind, octets(encoded))


@pytest.mark.parametrize(
    ("code", "kind", "value"),
    [
        (0x7777, COMMAND, None),
        (0x0013, ALERT, None),
        (0x000F, COMMAND, {"no": 1}),
        (0x0008, COMMAND, {"roles": [1], "unknown": 2}),
        (0x000D, COMMAND, {"method_and_role": "x", "device": DEVICE, "device_type": 4}),
        (0x000B, COMMAND, b"no certificate"),
    ],
)
def test_values_that_do_not_fit_are_refused(code, kind, value):
    with pytest.raises(EncodeError):
        Asn1Payload.make(code, kind, value)


def test_an_element_without_a_value_of_its_type_is_refused():
    empty_key_usage = bytes.fromhex("301e301c0201020a01000201003011300f030004080102030405060708040105")
    with pytest.raises(DecodeError):
        assert Asn1Payload.from_bytes(0x0008, MessageKind.RESPONSE, empty_key_usage).value


def test_every_row_carries_something():
    assert all(any((row.command, row.response, row.alert)) for row in PAYLOADS.values())
