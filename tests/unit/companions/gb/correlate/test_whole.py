"""Payloads that are read as a whole: behaviour of gas alerts in any order, joins, firmware, certificates."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.companions.gb.correlate.sample import (
    EVENT,
    MADE_AT,
    commands,
    element,
    message,
    refusal,
    request,
    scope,
    situation,
    texts,
)

from meterworks.catalogue.gb import DeviceKind, RemoteParty
from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb import Element
from meterworks.companions.gb.correlate import correlate, effects_of
from meterworks.companions.gb.correlate.whole import asked_whole
from meterworks.protocols import DecodeError
from meterworks.protocols.gbcs import Asn1Payload, Message, MessageKind

GAS = situation(DeviceKind.GSME)
HEAD = EVENT.hex() + "00000000"
EVENTS = element(
    "ConfigureAlertBehaviour",
    element(
        "GasSupplierAlertEventSettings",
        element("x81AA", *texts(WANAlert="Enable", HANAlert="Disable", EventLog="Enable", Alarm="Disable")),
        element("x8161", *texts(WANAlert="Disable", HANAlert="Enable", EventLog="Disable", Alarm="Enable")),
    ),
)
FIRST, SECOND = HEAD + "0b0001aa81", HEAD + "5000016181"


def alerts(*fields: str) -> bytes:
    return message(0x00AD, commands(*((0x0708, 0x04, 0x09, text) for text in fields))).to_bytes()


@pytest.mark.parametrize("fields", [(FIRST, SECOND), (SECOND, FIRST)])
def test_groups_of_gas_alerts_stand_in_any_order(fields):
    assert refusal(request("6.22", EVENTS), alerts(*fields), GAS) == ""


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ((FIRST,), "x81AA"),
        ((FIRST, FIRST), "stands twice"),
        ((HEAD + "0b0002aa816181",), "x8161"),
        ((HEAD + "1b0001aa81", SECOND), "x81AA"),
        ((HEAD + "0c0001aa81", SECOND), "has no meaning"),
        ((HEAD + "8b0001aa81", SECOND), "has no meaning"),
        ((HEAD + "0b0101aa81", SECOND), "has no meaning"),
        ((HEAD + "0b0000", SECOND), "has no meaning"),
        ((FIRST + "00", SECOND), "octets behind"),
        ((EVENT.hex() + "010000000b0001aa81", SECOND), "at once"),
        (("814a371c00000000" + "0b0001aa81", SECOND), "made_at"),
    ],
)
def test_other_behaviour_of_gas_alerts_is_refused(fields, why):
    with pytest.raises(RequestMismatchError, match=why):
        correlate(request("6.22", EVENTS), alerts(*fields), GAS)


def test_gas_alerts_say_when_they_were_made():
    assert effects_of(alerts(FIRST, SECOND)).made_at == MADE_AT


def test_another_command_among_the_gas_alerts_is_refused():
    payload = commands((0x0708, 0x04, 0x09, FIRST), (0x0708, 0x05, 0x09, SECOND))
    with pytest.raises(RequestMismatchError, match="sets no behaviour"):
        correlate(request("6.22", EVENTS), message(0x00AD, payload).to_bytes(), GAS)


# --- ASN.1 ----------------------------------------------------------------------------------------------------------

HASH = bytes(range(32))
FIRMWARE = element("ActivateFirmware", *texts(ExecutionDateTime="2030-01-01T00:00:00.00Z", FirmwareHash=HASH.hex()))


def asn1(code: int, value: object) -> bytes:
    return message(code, Asn1Payload.make(code, MessageKind.COMMAND, value).to_bytes()).to_bytes()


def activation(**other: object) -> bytes:
    value = {"image_hash": HASH, "originator_counter": 1002, "execution_time": datetime(2030, 1, 1, tzinfo=UTC)}
    return asn1(0x0012, value | other)


def test_firmware_is_activated_as_asked():
    assert refusal(request("11.3", FIRMWARE), activation(), situation()) == ""
    assert {fact.name: fact.value for fact in effects_of(activation()).facts}["payload/image_hash"] == HASH


def test_the_counter_in_the_payload_is_that_of_the_message():
    assert "originator_counter: 7 was asked" in refusal(
        request("11.3", FIRMWARE, counter=7), altered(activation(), counter=7), situation()
    )


def altered(octets: bytes, **fields: Any) -> bytes:
    return replace(Message.from_bytes(octets), **fields).to_bytes()


@pytest.mark.parametrize(
    ("other", "path"),
    [
        ({"image_hash": bytes(32)}, "payload/image_hash"),
        ({"originator_counter": 1003}, "payload/originator_counter"),
        ({"execution_time": datetime(2030, 1, 2, tzinfo=UTC)}, "payload/execution_time"),
        ({"execution_time": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)}, "payload/execution_time"),
        ({"execution_time": None}, "payload/execution_time"),
    ],
)
def test_other_firmware_counter_or_time_is_refused(other, path):
    with pytest.raises(RequestMismatchError) as caught:
        correlate(request("11.3", FIRMWARE), activation(**other), situation())
    assert caught.value.facts["path"] == path


OTHER = bytes.fromhex("00db12345678909a")
JOIN = element("JoinServiceCritical", *texts(OtherDeviceID=OTHER.hex("-")))


def test_a_join_needs_the_kind_of_the_other_device():
    join = asn1(0x000D, {"method_and_role": 0, "device": OTHER, "device_type": 4})
    assert refusal(request("8.7.1", JOIN), join, situation(device_kinds={OTHER: DeviceKind.HCALCS})) == ""
    with pytest.raises(RequestMismatchError, match="cannot be checked"):
        correlate(request("8.7.1", JOIN), join, situation())


def test_a_join_of_another_type_is_refused():
    join = asn1(0x000D, {"method_and_role": 0, "device": OTHER, "device_type": 5})
    with pytest.raises(RequestMismatchError, match="payload/device_type: 4 was asked, 5 was found"):
        correlate(request("8.7.1", JOIN), join, situation(device_kinds={OTHER: DeviceKind.HCALCS}))


def names(payload: str, body: Element, **facts: object) -> dict[str, object]:
    return {fact.name.removeprefix("payload"): fact.value for fact in asked_whole(payload, scope(body, **facts))}


def replacement(**leaves: str) -> Element:
    certificate = base64.b64encode(b"der").decode()
    given = element("SupplierOrNetworkOperatorCertificates", *texts(KeyAgreementTopUpCertificate=certificate))
    return element(
        "UpdateSecurityCredentialsKRP",
        *texts(**leaves),
        element("ReplacementCertificates", given),
        element("CertificationPathCertificates", *texts(Certificate=certificate)),
    )


def test_a_supplier_replaces_its_own_certificates():
    body = replacement(RemotePartyFloorSeqNumber="7", ApplyTimeBasedCPVChecks="false")
    wanted = names("supplier_by_itself", body)
    assert wanted["/authorising_control/mode"] == 2
    assert wanted["/authorising_control/new_floor"] == 7
    assert wanted["/authorising_control/apply_time_checks"] == 1
    assert wanted["/replacements[1]/cell/cell_usage"] == 1
    assert wanted["/path_certificates[1]"] == b"der"
    assert "/execution_time" not in wanted


def test_a_supplier_moves_the_floor_of_its_load_controller():
    body = replacement(RemotePartyFloorSeqNumber="7", ApplyTimeBasedCPVChecks="true")
    wanted = names("controller_by_supplier", body, party=RemoteParty.SUPPLIER)
    assert wanted["/authorising_control/authorising_cell/role"] == 2
    assert wanted["/authorising_control/other_changes[1]/role"] == 8
    assert wanted["/authorising_control/other_changes[1]/floor"] == 7
    assert "/authorising_control/new_floor" not in wanted


def test_a_cancellation_by_another_party_moves_no_floor():
    body = replacement(
        ExecutionDateTime="3000-12-31T00:00:00.00Z", RemotePartyFloorSeqNumber="7", ApplyTimeBasedCPVChecks="true"
    )
    wanted = names("controller_by_supplier", body)
    assert wanted["/execution_time"] == "never"
    assert not [name for name in wanted if "other_changes" in name]


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        ("supplier_by_itself", replacement(ApplyTimeBasedCPVChecks="perhaps")),
        ("device_certificate", element("UpdateSecurityCredentialsDevice", *texts(DeviceCertificate="?"))),
        ("credential_of_device", element("IssueSecurityCredentials", *texts(CredentialType="Any"))),
        ("clock_window", element("SynchroniseClock", *texts(CurrentDateTime="never", TolerancePeriod="1"))),
        ("device_log", element("RestoreGPFDeviceLog", *texts(OldGPFID="00-DB-12-34-56-78-90-B3"))),
        ("credentials_of_parties", element("Retrieve", *texts(RemotePartyRole="Nobody"))),
    ],
)
def test_a_request_that_says_nothing_readable_is_a_mismatch(payload, body):
    with pytest.raises(RequestMismatchError, match="what has no meaning"):
        asked_whole(payload, scope(body))


def test_octets_that_are_no_asn1_are_refused():
    with pytest.raises(DecodeError):
        effects_of(message(0x0012, bytes.fromhex("3003020101")).to_bytes())
