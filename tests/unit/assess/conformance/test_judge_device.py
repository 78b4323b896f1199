"""The meter behind which clients are judged: its objects are those of its list and of their classes' types."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.assess.conformance.bench import CREDENTIALS, judge, server_of

from meterworks.assess.conformance import JudgeDevice, Outcome
from meterworks.assess.conformance.judge_device import NOTE, OBJECTS, PROFILE, ROW_COUNT, SCRIPT
from meterworks.protocols.dlms import (
    ActionResult,
    AttributeAddress,
    CosemDateTime,
    DataAccessResult,
    EntrySelection,
    Mechanism,
    MethodAddress,
    ObisCode,
    Protection,
    RangeSelection,
    decode_all,
    encode_octet_string,
)
from meterworks.protocols.dlms.cosem import decode_object_list, interface_class

NOW = datetime(2026, 11, 21, 12, 10, tzinfo=UTC)
READER = 2
BUFFER = AttributeAddress(7, PROFILE, 2)


@pytest.fixture
def device() -> JudgeDevice:
    return JudgeDevice(CREDENTIALS["reader"], lambda: NOW)


def rows(device: JudgeDevice, selection: bytes | None) -> Any:
    value = device.get(READER, BUFFER, selection)
    assert isinstance(value, bytes)
    return decode_all(value)


@pytest.mark.parametrize(("class_id", "version", "name"), OBJECTS, ids=[str(row[2]) for row in OBJECTS])
def test_each_attribute_is_of_its_classes_type(
    device: JudgeDevice, class_id: int, version: int, name: ObisCode
) -> None:
    known = interface_class(class_id, version)
    read = 0
    for attribute in known.attributes:
        value = device.get(READER, AttributeAddress(class_id, name, attribute.number), None)
        if isinstance(value, bytes):
            read += 1
            assert attribute.shape.takes(value), attribute.name
    assert read >= 2


def test_the_list_names_each_object_once(device: JudgeDevice) -> None:
    value = device.get(READER, AttributeAddress(15, ObisCode("0.0.40.0.0.255"), 2), None)
    assert isinstance(value, bytes)
    entries = decode_object_list(value)
    assert [(entry.class_id, entry.version, entry.obis_code) for entry in entries] == list(OBJECTS)
    assert next(entry for entry in entries if entry.obis_code == NOTE).attribute_rights(2).writable


@pytest.mark.parametrize("who", ["public", "low", "gmac-plain", "reader"])
def test_the_association_says_what_a_client_must_bring(who: str) -> None:
    credential = CREDENTIALS[who]
    settings = JudgeDevice(credential, lambda: NOW, max_pdu=300).association(credential.client_sap)
    assert settings is not None
    assert settings.mechanism == Mechanism(credential.mechanism)
    assert settings.required_protection == Protection(credential.protection)
    assert settings.max_pdu == 300


def test_strangers_have_no_association_and_the_public_client_has(device: JudgeDevice) -> None:
    assert device.association(77) is None
    public = device.association(16)
    assert public is not None
    assert public.mechanism == Mechanism.NONE


def test_the_profile_is_read_whole_by_entry_and_by_range(device: JudgeDevice) -> None:
    everything = rows(device, None)
    assert len(everything) == ROW_COUNT
    assert rows(device, EntrySelection(from_entry=2, to_entry=4).to_bytes()) == everything[1:4]
    last = CosemDateTime.from_datetime(datetime(2026, 11, 21, 12, tzinfo=UTC))
    found = rows(device, RangeSelection(from_=last, to=last).to_bytes())
    assert len(found) == 1
    assert device.get(READER, BUFFER, b"\x63\x00") == DataAccessResult.TYPE_UNMATCHED


@pytest.mark.parametrize(
    ("address", "selection", "result"),
    [
        (AttributeAddress(1, ObisCode("0.0.199.0.0.255"), 2), None, DataAccessResult.OBJECT_UNDEFINED),
        (AttributeAddress(3, NOTE, 2), None, DataAccessResult.OBJECT_CLASS_INCONSISTENT),
        (AttributeAddress(8, ObisCode("0.0.1.0.0.255"), 99), None, DataAccessResult.OBJECT_UNDEFINED),
        (AttributeAddress(1, NOTE, 2), b"\x01\x00", DataAccessResult.TYPE_UNMATCHED),
    ],
)
def test_what_is_not_there_is_refused(
    device: JudgeDevice, address: AttributeAddress, selection: bytes | None, result: DataAccessResult
) -> None:
    assert device.get(READER, address, selection) == result


def test_a_note_is_kept_and_nothing_else_is_written(device: JudgeDevice) -> None:
    note = AttributeAddress(1, NOTE, 2)
    assert device.set(READER, note, encode_octet_string(b"kept")) == DataAccessResult.SUCCESS
    assert device.get(READER, note, None) == encode_octet_string(b"kept")
    assert device.set(READER, note, bytes(20_000)) == DataAccessResult.OTHER_REASON
    assert device.set(16, note, b"\x00") == DataAccessResult.READ_WRITE_DENIED
    assert device.set(READER, BUFFER, b"\x00") == DataAccessResult.READ_WRITE_DENIED


def test_the_script_runs_for_those_who_may(device: JudgeDevice) -> None:
    script = MethodAddress(9, SCRIPT, 1)
    assert device.action(READER, script, None) == (ActionResult.SUCCESS, None)
    assert device.action(16, script, None)[0] == ActionResult.READ_WRITE_DENIED
    assert device.action(READER, MethodAddress(9, SCRIPT, 2), None)[0] == ActionResult.READ_WRITE_DENIED


def test_counters_only_grow(device: JudgeDevice) -> None:
    assert [device.next_invocation_counter() for _ in range(3)] == [1, 2, 3]
    assert device.accept_invocation_counter(b"MWT12345", 7)
    assert not device.accept_invocation_counter(b"MWT12345", 7)
    assert device.lowest_acceptable_counter(b"MWT12345") == 8
    assert device.lowest_acceptable_counter(b"another!") == 0


@pytest.mark.parametrize("who", ["public", "low", "gmac-plain", "reader"])
def test_the_judges_own_meter_passes_the_suite(who: str) -> None:
    """Who judges must stand the same test."""
    device = JudgeDevice(CREDENTIALS[who], lambda: NOW)
    results = judge(server_of(device), CREDENTIALS[who])
    bad = (Outcome.FAILED, Outcome.INCONCLUSIVE)
    assert {row: result.reason for row, result in results.items() if result.outcome in bad} == {}
