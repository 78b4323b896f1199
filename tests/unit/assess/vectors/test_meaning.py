"""The meaning of every message, as a vector would state it."""

from typing import Any, get_args

import pytest

from meterworks.assess.vectors.compare import check_meaning
from meterworks.assess.vectors.data_meaning import date_time_fields, value_meaning
from meterworks.assess.vectors.meaning import MEANINGS, meaning_of
from meterworks.assess.vectors.verdict import Mismatch
from meterworks.protocols.dlms import Message, decode_apdu
from meterworks.protocols.errors import DecodeError

CLOCK = "00080000010000ff02"
CLOCK_NAMED = {"class_id": 8, "instance": "0.0.1.0.0.255", "attribute": 2}
REPLY = "000f0000280000ff01"
REPLY_NAMED = {"class_id": 15, "instance": "0.0.40.0.0.255", "method": 1}
BLOCK = {"last_block": False, "block_number": 1, "raw_data": "0901"}
BLOCK_OCTETS = "0000000001020901"
INVOKE = {
    "invoke_id": 1, "self_descriptive": False, "processing_option": "continue", "service_class": "confirmed",
    "priority": "high",
}  # fmt: skip


def service(apdu: str, kind: str, **parts: Any) -> dict[str, Any]:
    return {"apdu": apdu, "type": kind, **INVOKE, **parts}


HEADER = "080102030405060708" + "084d4d4d0000bc614e" + "084d4d4d0000000001" + "0000"
HEADER_NAMED = {
    "transaction_id": "0102030405060708", "originator_system_title": "4d4d4d0000bc614e",
    "recipient_system_title": "4d4d4d0000000001", "date_time": None, "other_information": "",
}  # fmt: skip

APDUS: list[tuple[str, dict[str, Any]]] = [
    (f"c001c1{CLOCK}00", service("get-request", "normal", **CLOCK_NAMED, access_selection=None)),
    (f"c001c1{CLOCK}01021105",
     service("get-request", "normal", access_selection={"selector": 2, "parameters": {"unsigned": 5}})),
    ("c002c100000007", service("get-request", "next", block_number=7)),
    (f"c003c102{CLOCK}00{CLOCK}00", service("get-request", "with-list", list=[CLOCK_NAMED, CLOCK_NAMED])),
    ("c401c1001105", service("get-response", "normal", result={"data": {"unsigned": 5}})),
    ("c401c10103", service("get-response", "normal", result={"data_access_result": 3})),
    ("c402c1000000000100020901", service("get-response", "with-datablock", **BLOCK)),
    ("c402c101000000020104",
     service("get-response", "with-datablock", last_block=True, block_number=2, data_access_result=4)),
    ("c403c1020011050104",
     service("get-response", "with-list", list=[{"data": {"unsigned": 5}}, {"data_access_result": 4}])),
    (f"c101c1{CLOCK}001105", service("set-request", "normal", **CLOCK_NAMED, value={"unsigned": 5})),
    (f"c102c1{CLOCK}00{BLOCK_OCTETS}", service("set-request", "with-first-datablock", **CLOCK_NAMED, **BLOCK)),
    (f"c103c1{BLOCK_OCTETS}", service("set-request", "with-datablock", **BLOCK)),
    (f"c104c101{CLOCK}00011105",
     service("set-request", "with-list", list=[CLOCK_NAMED | {"value": {"unsigned": 5}}], values=[{"unsigned": 5}])),
    (f"c105c101{CLOCK}00{BLOCK_OCTETS}",
     service("set-request", "with-list-and-first-datablock", list=[CLOCK_NAMED], **BLOCK)),
    ("c501c103", service("set-response", "normal", data_access_result=3)),
    ("c502c100000001", service("set-response", "datablock", block_number=1)),
    ("c503c10000000002", service("set-response", "last-datablock", data_access_result=0, block_number=2)),
    ("c504c102000300000002", service("set-response", "last-datablock-with-list", results=[0, 3], block_number=2)),
    ("c505c1020003", service("set-response", "with-list", list=[{"data_access_result": 0}, 3])),
    (f"c301c1{REPLY}00", service("action-request", "normal", **REPLY_NAMED, parameters=None)),
    (f"c301c1{REPLY}010901aa", service("action-request", "normal", parameters={"octet-string": "aa"})),
    ("c302c100000001", service("action-request", "next-pblock", block_number=1)),
    (f"c303c101{REPLY}010f00",
     service("action-request", "with-list", list=[REPLY_NAMED | {"parameters": {"integer": 0}}])),
    (f"c304c1{REPLY}{BLOCK_OCTETS}", service("action-request", "with-first-pblock", **REPLY_NAMED, **BLOCK)),
    (f"c305c101{REPLY}{BLOCK_OCTETS}",
     service("action-request", "with-list-and-first-pblock", list=[REPLY_NAMED], **BLOCK)),
    (f"c306c1{BLOCK_OCTETS}", service("action-request", "with-pblock", **BLOCK)),
    ("c701c10000", service("action-response", "normal", action_result=0)),
    ("c701c10001001105",
     service("action-response", "normal", **{"action_result": 0, "return": {"data": {"unsigned": 5}}})),
    (f"c702c1{BLOCK_OCTETS}", service("action-response", "with-pblock", **BLOCK)),
    ("c703c10200000300", service("action-response", "with-list", list=[{"action_result": 0}, {"action_result": 3}])),
    ("c704c100000001", service("action-response", "next-pblock", block_number=1)),
    ("0f40000001001105",
     {"apdu": "data-notification", "long_invoke_id_and_priority": "40000001", "date_time": None,
      "body": {"unsigned": 5}}),
    ("0f400000010c07e50603040e091700ffc4001105",
     {"date_time": "07e50603040e091700ffc400", "date_time_fields": {"year": 2021, "weekday": 4, "deviation_min": -60}}),
    ("100000000100", {"apdu": "data-notification-confirm", "long_invoke_id_and_priority": "00000001", "date_time": ""}),
    (f"c200{CLOCK}1105", {"apdu": "event-notification-request", **CLOCK_NAMED, "value": {"unsigned": 5}}),
    ("d80102", {"apdu": "exception-response", "state_error": 1, "service_error": "service-not-supported"}),
    ("d8010600000005", {"service_error": 6, "invocation_counter": 5}),
    ("0e010603", {"apdu": "confirmed-service-error", "service": 1, "error_type": 6, "error": 3}),
    ("01000000065f1f0400000014ffff",
     {"apdu": "initiate-request", "proposed_conformance": ["get", "selective-access"], "conformance_hex": "000014"}),
    ("0800065f1f0400001e1d04c8fa00", {"apdu": "initiate-response", "vaa_name": "fa00"}),
    ("6203800101", {"apdu": "RLRQ", "reason": 1}),
    ("6303800100", {"apdu": "RLRE", "reason": 0}),
    ("6022a109060760857405080101a903020105be10040e01000000065f1f0400007e1f04b0",
     {"apdu": "AARQ", "application_context_name": "2.16.756.5.8.1.1", "calling_ae_invocation_id": 5,
      "user_information_decoded": {"apdu": "initiate-request", "client_max_receive_pdu_size": 1200}}),
    ("6117a109060760857405080101a203020101a305a203020102",
     {"apdu": "AARE", "result": 1, "result_source_diagnostic": {"acse-service-provider": 2}}),
    ("c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b",
     {"apdu": "glo-get-request", "security_control": "30", "invocation_counter": 19088743}),
    (f"d940000001000201{CLOCK}04{CLOCK}021105020000",
     {"apdu": "access-request", "specification": [{"service": "get", **CLOCK_NAMED}, {"service": "get-with-selection"}],
      "data": [{"null-data": None}, {"null-data": None}]}),
    ("da4000000100000111050101 00".replace(" ", ""),
     {"apdu": "access-response", "data": [{"unsigned": 5}], "results": [{"service": "get", "result": 0}]}),
    ("050302007804007802110505 0003".replace(" ", ""),
     {"apdu": "read-request",
      "list": ["0078", {"variable_name": 120, "selector": 2, "parameter": {"unsigned": 5}}, {"block_number": 3}]}),
    ("0c0300110501040200000101aa",
     {"apdu": "read-response", "list": [{"data": {"unsigned": 5}}, {"data_access_error": 4}, {"raw_data": "aa"}]}),
    ("060102007801 1105".replace(" ", ""), {"apdu": "write-request", "variables": [120], "data": [{"unsigned": 5}]}),
    ("0d02000104", {"apdu": "write-response", "results": [0, 4]}),
    ("1601020078011105", {"apdu": "unconfirmed-write-request", "variables": [120], "values": [{"unsigned": 5}]}),
    ("180001020078011105", {"apdu": "information-report-request", "variables": [120], "current_time": None}),
    ("e0c10001000203010203",
     {"apdu": "general-block-transfer", "last": True, "streaming": True, "window": 1, "block": 1, "ack": 2, "len": 3}),
    (f"dd{HEADER}01000012300000000 1aabbccddeeff00112233445566".replace(" ", ""),
     {"apdu": "general-ciphering", **HEADER_NAMED, "key_info": {"key_id": 0}, "invocation_counter": 1}),
    (f"df{HEADER}0dc001c1{CLOCK}0004aabbccdd", {"apdu": "general-signing", **HEADER_NAMED, "signature": "aabbccdd"}),
    (f"e600021122c001c1{CLOCK}00",
     {"apdu": "gateway-request", "network_id": 0, "physical_device_address": "1122", "content": f"c001c1{CLOCK}00"}),
    ("99aa", {"apdu": "99", "octets": "99aa"}),
]  # fmt: skip


@pytest.mark.parametrize(("apdu", "stated"), APDUS, ids=[row[0][:20] for row in APDUS])
def test_meaning(apdu: str, stated: dict[str, Any]) -> None:
    ours = meaning_of(decode_apdu(bytes.fromhex(apdu)))
    check_meaning("decoded", ours, stated)
    with pytest.raises(Mismatch):
        check_meaning("decoded", ours, stated | {"apdu": "another"})


def test_every_message_has_a_meaning() -> None:
    assert {kind.__name__ for kind in get_args(Message)} == set(MEANINGS)


def test_every_meaning_is_tested() -> None:
    told = {type(decode_apdu(bytes.fromhex(apdu))).__name__ for apdu, _ in APDUS}
    assert told == set(MEANINGS)


VALUES: list[tuple[str, dict[str, Any]]] = [
    ("00", {"null-data": None}),
    ("0301", {"boolean": True}),
    ("0405a8", {"bit-string": "10101"}),
    ("0902ff00", {"octet-string": "ff00"}),
    ("0a024142", {"visible-string": "AB"}),
    ("0a024142", {"visible-string": "4142"}),
    ("0c03e282ac", {"utf8-string": "€"}),
    ("0dff", {"bcd": -1}),
    ("173fc00000", {"float32": 1.5}),
    ("1907e50603040e091700ffc400", {"date-time": "07e50603040e091700ffc400"}),
    ("1907e50603040e091700ffc400", {"date-time": {"year": 2021, "hour": 14}}),
    ("1a07e5060304", {"date": "07e5060304"}),
    ("1cff", {"delta-integer": -1}),
    ("ff", {"dont-care": None}),
    ("13020212110600010500 0206".replace(" ", ""), {"compact-array": [[1, 5], [2, 6]]}),
    ("1311020102", {"compact-array": {"type_description": "11", "contents": "0102"}}),
    ("0201010111 05".replace(" ", ""), {"structure": [{"array": [{"unsigned": 5}]}]}),
]


@pytest.mark.parametrize(("encoded", "stated"), VALUES, ids=[row[0] for row in VALUES])
def test_meaning_of_data(encoded: str, stated: dict[str, Any]) -> None:
    ours = value_meaning(bytes.fromhex(encoded))
    check_meaning("value", ours, stated)
    with pytest.raises(Mismatch):
        check_meaning("value", ours, {"unsigned": 77})


def test_octets_behind_a_value_are_refused() -> None:
    with pytest.raises(DecodeError):
        value_meaning(b"\x00\x00")


def test_parts_of_a_date_that_are_not_given_are_none() -> None:
    fields = date_time_fields(bytes.fromhex("ffffffffffffffffff8000ff"))
    assert (fields["year"], fields["hour"], fields["deviation_min"]) == (None, None, None)
    assert date_time_fields(bytes(12)) == {}
