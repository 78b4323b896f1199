"""Results as JSON: exact both ways, and whatever else is refused with one error."""

import json

import pytest
from tests.unit.companions.gb.result.messages import EXPORT, READ_EXPORT, UNKNOWN_PARTY, message, outcome
from tests.unit.companions.gb.result.test_message import sealed_response, shared

from meterworks.companions.gb.result import alert_name, read_result, result_from_json, result_to_json, write_result
from meterworks.protocols import EncodeError
from meterworks.protocols.gbcs import MessageKind, OtherInformation

UNKNOWN = OtherInformation(
    message_code=READ_EXPORT, supplementary_party=UNKNOWN_PARTY, supplementary_counter=5,
    supplementary_originator_counter=6,
)  # fmt: skip
MESSAGES = [
    message(READ_EXPORT, EXPORT),
    message(READ_EXPORT, EXPORT, other=UNKNOWN, date_time=bytes(12), mac=None, signature=bytes(64)),
    message(READ_EXPORT, "da200003e80c" + "ff" * 12 + "01 01 0100030100020800ff02 01 060000000a 01 0100"),
    sealed_response(),
    outcome("8f67", "2328 00005e2c0200 06"),
    message(0x1000, "0f200007d0090c07df0101ff000000008000ff 06 00000001", MessageKind.ALERT),
    message(0x0077, "0109 02 10 0702 0009 1c35f900 08 00 0b 06 8b 01 0702 0005 19 01 0d 02 00"),
    message(0x1001, "0109 00 810e ffffffff", MessageKind.ALERT),
    message(0x00CD, "0109 01 8f66 3880fa00 0e 006d 00000000000003ed 0705 01 06", MessageKind.ALERT),
    message(0x0013, "3014020100300f300d040800db1234567890a1020100"),
    message(0x9999, "30820084" + "04820080" + "00" * 128),
]


@pytest.mark.parametrize("made", MESSAGES, ids=lambda made: f"{made.message_code:04X}-{len(made.payload)}")
@pytest.mark.parametrize("secret", [None, shared], ids=["sealed", "open"])
def test_json_gives_the_result_and_the_message_back(made, secret):
    result = read_result(made.to_bytes(), secret=secret)
    told = json.loads(json.dumps(result_to_json(result)))
    again = result_from_json(told)
    assert again == result
    assert write_result(again) == made.to_bytes()
    assert result_to_json(again) == told


def test_json_is_plain():
    told = result_to_json(read_result(message(READ_EXPORT, EXPORT).to_bytes()))
    assert (told["kind"], told["message_code"], told["use_case"]) == ("response", "0026", "ECS17a")
    assert told["originator"] == "00-DB-12-34-56-78-90-A0"
    assert told["items"][0] == {
        "name": "active_export_register.value", "place": "3/1-0:2.8.0.255/a2", "access": "get", "status": "success",
        "code": 0, "value": 10, "form": "double-long-unsigned",
    }  # fmt: skip
    assert told["quantities"]["reactive_export_register.value"] == {"value": "20", "unit": "varh"}


def test_an_alert_is_named():
    told = result_to_json(read_result(outcome("8f66", "2328 00005e2c0200 06").to_bytes()))
    assert told["alert"] == {"code": "8F66", "time": "2030-01-15T09:00:00Z", "name": alert_name(0x8F66)}
    assert "Successfully" in alert_name(0x8F66)
    assert alert_name(0xFFFF) == ""


def test_values_changed_in_json_change_the_message():
    told = result_to_json(read_result(message(READ_EXPORT, EXPORT).to_bytes()))
    told["items"][0]["value"] = 11
    assert write_result(result_from_json(told)) == message(READ_EXPORT, EXPORT.replace("0a", "0b")).to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "answer"}, {"counter": "1"}, {"counter": True}, {"originator": "00DB"}, {"items": 5},
        {"items": [{"name": "a"}]}, {"items": [{"name": 5, "status": "", "code": 0}]}, {"payload": {}}, {"mac": "zz"},
        {"payload": {"kind": "odd"}}, {"alert": {"code": "xx", "time": ""}}, {"message_code": "zzzz"}, {"title": None},
    ],
)  # fmt: skip
def test_what_is_no_result_is_refused(change):
    told = result_to_json(read_result(message(READ_EXPORT, EXPORT).to_bytes()))
    with pytest.raises(EncodeError, match="no result in JSON"):
        result_from_json(told | change)
