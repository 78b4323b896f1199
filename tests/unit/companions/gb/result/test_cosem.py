"""DLMS payloads: results of each kind, echoes, alerts of several shapes, protected parts."""

import pytest

from meterworks.companions.gb.result import PayloadKind
from meterworks.companions.gb.result.cosem import (
    item_size,
    read_access_response,
    read_notification,
    write_access_response,
    write_notification,
)
from meterworks.protocols import DecodeError, EncodeError

UNKNOWN = 0x9999
ENDS = "0908 00db1234567890a0 0908 90b3d51f30010000"
PARAMETERS = f"0101 0202 1602 0205 0909 0400000000000003e8 {ENDS} 0900 0202 1602 0202 090102 0900"
SEALED = "3100000000" + "cd" * 20


def shut(_):
    """No key."""
    return None


def answered(text: str, code: int = UNKNOWN, opened=shut):
    octets = bytes.fromhex(text)
    frame, items = read_access_response(octets, code, opened, None)
    assert frame.kind is PayloadKind.ACCESS_RESPONSE
    assert write_access_response(frame, items, shut) == octets
    return frame, items


def told(text: str, code: int = UNKNOWN, opened=shut):
    octets = bytes.fromhex(text)
    frame, items, head = read_notification(octets, code, opened)
    assert frame.kind is PayloadKind.DATA_NOTIFICATION
    assert write_notification(frame, items, shut) == octets
    return frame, items, head


def test_each_item_has_its_access_and_its_result():
    _, items = answered("da200003e80000 04 0600000001 00 00 0900 04 0100 0201 03fa 0300")
    assert [(item.access, item.status, item.code) for item in items] == [
        ("get", "success", 0), ("set", "hardware_fault", 1), ("action", "other_reason", 250), ("action", "success", 0)
    ]  # fmt: skip
    assert [item.value for item in items] == [1, None, None, ""]


def test_a_result_that_no_table_has_keeps_its_number():
    _, (item,) = answered("da200003e80000 01 00 01 0163")
    assert (item.status, item.code) == ("result_99", 99)


def test_date_time_and_echo_stay():
    frame, (item,) = answered(
        "da200003e80c 07df0101ff000000008000ff 01 01 0100030100020800ff02 01 060000000a 01 0100", 0x0026
    )
    assert len(frame.date_time) == 12
    assert frame.echo == (bytes.fromhex("0100030100020800ff02"),)
    assert item.name == "active_export_register.value"


def test_an_echo_that_is_no_specification_is_refused():
    frame, items = answered("da200003e80000 01 00 01 0100")
    wrong = type(frame)(kind=frame.kind, echo=(b"\x09",))
    with pytest.raises(EncodeError, match="no access specification"):
        write_access_response(wrong, items, shut)


@pytest.mark.parametrize("opened", [shut, lambda _: bytes.fromhex("0201 0600000005")], ids=["shut", "open"])
def test_a_protected_read_has_parameters_and_a_sealed_part(opened):
    _, (item,) = answered(f"da200003e80000 01 0202 {PARAMETERS} 0919 {SEALED} 01 0300", opened=opened)
    assert item.value[0]["protection"] == 2
    assert item.value[0]["options"]["originator"] == "00-DB-12-34-56-78-90-A0"
    assert item.sealed is not None
    assert item.sealed.octets.hex() == SEALED
    assert item.sealed.value == ([5] if item.sealed.is_open else None)


def test_a_structure_of_two_without_a_sealed_part_is_an_ordinary_value():
    _, (item,) = answered("da200003e80000 01 0202 1101 0902abcd 01 0100")
    assert item.sealed is None
    assert item.value == [1, "abcd"]


@pytest.mark.parametrize(
    ("body", "code", "time", "names"),
    [
        ("0202 128f35 090c07df0101ff000000008000ff", 0x8F35, "2015-01-01T00:00:00Z", ["alert_code", "time"]),
        ("0202 128f35 090cffffffffffffffffff8000ff", 0x8F35, "never", ["alert_code", "time"]),
        ("0202 128f35 0902abcd", 0x8F35, "abcd", ["alert_code", "time"]),
        ("0203 128f35 090c07df0101ff000000008000ff 1105", 0x8F35, "2015-01-01T00:00:00Z",
         ["alert_code", "time", "content_1"]),
        ("0201 128f35", 0, "", ["alert_code"]),
        ("0200", 0, "", []),
        ("1105", 0, "", ["content"]),
        ("0102 1101 1102", 0, "", ["content"]),
    ],
)  # fmt: skip
def test_alerts_of_any_shape(body, code, time, names):
    _, items, head = told(f"0f200007d000 {body}")
    assert (head.code, head.time) == (code, time)
    assert [item.name for item in items] == names


def test_a_date_time_with_a_tag_before_it_stays():
    frame, _, _ = told("0f200007d0 090c 07df0101ff000000008000ff 0201 1105")
    assert frame.is_tagged


def test_an_alert_with_a_sealed_part():
    _, items, _ = told(f"0f200007d000 0204 128f0a 090c07df0101ff000000008000ff {PARAMETERS} 0919 {SEALED}")
    assert [item.name for item in items] == ["alert_code", "time", "content"]
    assert sum(item_size(item, is_alert=True) for item in items) == len(
        bytes.fromhex(f"128f0a 090c07df0101ff000000008000ff {PARAMETERS} 0919 {SEALED}")
    )


def test_sizes_of_the_items_of_a_response():
    _, items = answered(f"da200003e80000 02 060000000a 0202 {PARAMETERS} 0919 {SEALED} 02 0100 0300")
    assert [item_size(item, is_alert=False) for item in items] == [
        5,
        len(bytes.fromhex(f"0202 {PARAMETERS} 0919 {SEALED}")),
    ]


@pytest.mark.parametrize("text", ["", "da", "da200003e80000 01 ee 01 0100", "da200003e80000 01 00 01 0400",
                                  "da200003e80000 01 00 01 0100 00", "da200003e80002"])  # fmt: skip
def test_what_is_no_response_is_refused(text):
    with pytest.raises(DecodeError):
        read_access_response(bytes.fromhex(text), UNKNOWN, shut, None)


@pytest.mark.parametrize(
    "text", ["", "0f", "0f200007d000", "0f200007d000 ee", "0f200007d000 0201", "0f200007d005 0100"]
)
def test_what_is_no_notification_is_refused(text):
    with pytest.raises(DecodeError):
        read_notification(bytes.fromhex(text), UNKNOWN, shut)
