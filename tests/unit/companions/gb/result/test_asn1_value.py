"""ASN.1 payloads as values: named by the table, elements where it has no row; the octets come back."""

import json

import pytest

from meterworks.companions.gb.result.asn1_status import asn1_status
from meterworks.companions.gb.result.asn1_value import (
    is_named,
    read_asn1,
    read_elements,
    write_asn1,
    write_elements,
)
from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.gbcs import MessageKind

ANSWER, ALERT = MessageKind.RESPONSE, MessageKind.ALERT


@pytest.mark.parametrize(
    ("code", "kind", "octets", "value"),
    [
        (0x000D, ANSWER, "020100", 0),
        (0x0012, ANSWER, "0500", None),
        (0x0012, ANSWER, "300902010104040123abcf", {"status": 1, "firmware_version": "0123abcf"}),
        (0x0102, ANSWER, "30020500", {"accepted": None}),
        (0x000A, ANSWER, "020102", 2),
        (0x000C, ANSWER, "020103", 3),
        (0x0013, ANSWER, "3003020101", {"status": 1}),
        (0x00CA, ALERT, "30260203008f66180f32303330303131353039303030305a020203f1300a02010004050123abcd00",
         {"alert_code": 0x8F66, "time": "2030-01-15T09:00:00Z", "originator_counter": 1009,
          "outcome": {"status": 0, "firmware_version": "0123abcd00"}}),
        (0x0128, ALERT, "30290203008f89180f32303135303130313030303030305a040800db1234567890a404040123abcd020103",
         {"alert_code": 0x8F89, "time": "2015-01-01T00:00:00Z", "device": "00-DB-12-34-56-78-90-A4",
          "firmware_version": "0123abcd", "status": 3}),
        (0x00B2, ALERT, "30270203008071180f32303135303130313030303030305a300f300d040800db1234567890a1020100",
         {"alert_code": 0x8071, "time": "2015-01-01T00:00:00Z",
          "devices": [{"device": "00-DB-12-34-56-78-90-A1", "device_type": 0}]}),
        (0x007F, ANSWER, "3014180f32303134313233313233333030305a020100", {"time": "2014-12-31T23:30:00Z", "status": 0}),
        (0x0013, ANSWER, "3014020100300f300d040800db1234567890a1020100",
         {"status": 0, "devices": [{"device": "00-DB-12-34-56-78-90-A1", "device_type": 0}]}),
        (0x0008, ANSWER, "3020301e0201020a01000201003013301103020780040801020304050607080401" + "05",
         [{"role": 2, "status": 0, "counter": 0, "cells": [
             {"key_usage": ["digital_signature"], "party": "01-02-03-04-05-06-07-08", "key_id": "05"}]}]),
    ],
)  # fmt: skip
def test_named_values(code, kind, octets, value):
    payload = bytes.fromhex(octets)
    told = read_asn1(code, kind, payload)
    assert told is not None
    assert told[0] == value
    assert write_asn1(code, kind, json.loads(json.dumps(told[0])), is_wide=told[1]) == payload


def test_a_changed_value_is_other_octets():
    assert (
        write_asn1(0x0012, ANSWER, {"status": 2, "firmware_version": "00"}, is_wide=False).hex() == "3006020102040100"
    )


@pytest.mark.parametrize(
    ("code", "kind", "value"),
    [
        (0x0012, ANSWER, {"status": 1}), (0x0012, ANSWER, {"status": 1, "firmware_version": "zz"}),
        (0x0012, ANSWER, {"status": 1, "firmware_version": "00", "odd": 1}), (0x0012, ANSWER, 5),
        (0x000D, ANSWER, "x"), (0x9999, ANSWER, 0), (0x000D, ALERT, 0), (0x007F, ANSWER, {"time": "x", "status": 0}),
        (0x000C, ANSWER, "00"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_the_table_are_refused(code, kind, value):
    with pytest.raises(EncodeError):
        write_asn1(code, kind, value, is_wide=False)


def test_altered_payloads_are_named_or_not_and_never_raise():
    payload = bytes.fromhex("3020301e0201020a0100020100301330110302078004080102030405060708040105")
    named = 0
    for place in range(len(payload)):
        for value in (0x00, 0x03, 0xFF, payload[place] ^ 0x01):
            altered = payload[:place] + bytes((value,)) + payload[place + 1 :]
            told = read_asn1(0x0008, ANSWER, altered)
            if told is not None:
                named += 1
                assert write_asn1(0x0008, ANSWER, told[0], is_wide=told[1]) == altered
    assert named


def test_payloads_of_no_row_are_not_named():
    assert not is_named(0x9999, ANSWER)
    assert read_asn1(0x9999, ANSWER, b"\x05\x00") is None
    assert read_asn1(0x0012, ANSWER, b"\x0c\x01A") is None


@pytest.mark.parametrize(
    ("octets", "element"),
    [
        ("0500", {"tag": "05", "octets": ""}),
        ("020200ff", {"tag": "02", "number": 255}),
        ("02020001", {"tag": "02", "octets": "0001"}),  # not the shortest form of a number
        ("0a01ff", {"tag": "0a", "number": -1}),
        ("180f32303135303130313030303030305a", {"tag": "18", "time": "2015-01-01T00:00:00Z"}),
        ("180432303135", {"tag": "18", "octets": "32303135"}),
        ("3000", {"tag": "30", "elements": []}),
        ("30060401aa040100", {"tag": "30", "elements": [{"tag": "04", "octets": "aa"}, {"tag": "04", "octets": "00"}]}),
    ],
)
def test_elements_of_unknown_payloads(octets, element):
    told, is_wide = read_elements(bytes.fromhex(octets))
    assert (told, is_wide) == (element, False)
    assert write_elements(json.loads(json.dumps(told))).hex() == octets


def test_wide_lengths_come_back():
    octets = bytes.fromhex("30820084" + "04820080") + bytes(128)
    told, is_wide = read_elements(octets)
    assert is_wide
    assert write_elements(told, is_wide=True) == octets
    assert write_elements(told) == bytes.fromhex("308183" + "048180") + bytes(128)


@pytest.mark.parametrize(
    "octets", ["", "30", "3005", "0282", "1f8101", "050000", "30830000010500", "3082000104", "04840000000100"]
)
def test_what_is_no_asn1_is_refused(octets):
    with pytest.raises(DecodeError):
        read_elements(bytes.fromhex(octets))


def test_elements_nested_too_deep_are_refused():
    octets = b""
    for _ in range(40):
        octets = bytes((0x30, len(octets))) + octets
    with pytest.raises(DecodeError, match="nested deeper"):
        read_elements(octets)
    element: dict = {"tag": "05", "octets": ""}
    for _ in range(40):
        element = {"tag": "30", "elements": [element]}
    with pytest.raises(EncodeError, match="nested deeper"):
        write_elements(element)


@pytest.mark.parametrize("element", [{}, {"tag": "zz", "octets": ""}, {"tag": "04", "octets": 5}, {"tag": "02"}, 5,
                                     {"tag": "18", "time": "x"}, {"tag": "fff", "octets": ""}])  # fmt: skip
def test_what_is_no_element_is_refused(element):
    with pytest.raises(EncodeError):
        write_elements(element)


@pytest.mark.parametrize(
    ("code", "value", "status"),
    [
        (0x000D, 0, ("success", 0)),
        (0x000D, 11, ("invalid_or_missing_certificate", 11)),
        (0x000D, 99, ("status_99", 99)),
        (0x000A, 2, ("key_pair_generation_failed", 2)),
        (0x0010, 1, ("not_in_device_log", 1)),
        (0x0128, {"device": "", "status": 3}, ("file_transfer_failure", 3)),
        (0x0012, {"status": 1, "firmware_version": ""}, ("no_image_held", 1)),
        (0x0126, {"outcome": {"cells": [{"status": 0}, {"status": 10}]}}, ("no_trust_anchor", 10)),
        (0x007F, {"time": "", "status": 0}, ("reliable", 0)),
        (0x0008, [{"role": 2, "status": 25}], ("trust_anchor_not_found", 25)),
        (0x0102, {"accepted": None}, ("success", 0)),
    ],
)
def test_statuses(code, value, status):
    assert asn1_status(code, value) == status
