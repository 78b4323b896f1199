"""ASN.1 commands of bodies that the reference set does not show: each shape, each option, bad bodies."""

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.catalogue.gb import DeviceKind, PayloadKind, Sender, UseCaseChoice, load_use_case_choices
from meterworks.companions.errors import TransformError
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.transform.asn1 import Asn1Builder
from meterworks.protocols.gbcs import MessageKind
from meterworks.protocols.gbcs.asn1 import Asn1Payload

BUILDER = Asn1Builder()
OTHER = bytes.fromhex("00db12345678909a")
OLD = bytes.fromhex("00db1234567890b3")
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
NAMED = {"OtherDeviceID": "00-DB-12-34-56-78-90-9A"}


def made_certificate(number: int) -> bytes:
    key = ec.derive_private_key(number, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"T{number}")])
    day = datetime(2025, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), number, day, day + timedelta(days=1))
    return builder.sign(key, SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


CERTIFICATES = [made_certificate(number) for number in range(1, 5)]
SIGNING, AGREEMENT, TOP_UP, PATH = (b64encode(one).decode() for one in CERTIFICATES)
SITUATION = Situation(
    device=DeviceKind.ESME, broker=bytes(8), broker_counter=4000,
    change_of_supplier=bytes(range(8)), change_of_supplier_counter=5000,
    certificates={(OTHER, "agree"): CERTIFICATES[1]},
    device_kinds={OTHER: DeviceKind.PPMID, OLD: DeviceKind.GPF},
    device_logs={OLD: (OTHER, bytes(8))},
)  # fmt: skip


def element(name, content=""):
    if isinstance(content, str):
        return Element(name, content)
    pairs = [(key, one) for key, value in content.items() for one in (value if isinstance(value, list) else [value])]
    return Element(name, children=tuple(element(key, one) for key, one in pairs))


def payload(code, name, content="", *, sender=Sender.USER, situation=SITUATION):
    """The payload of a body's command, decoded."""
    use_case = UseCaseChoice(
        variant="", devices=frozenset(), conditions=(), party=None, code=code, use_case=f"{code:04X}",
        payload=PayloadKind.ASN1, sender=sender,
    )  # fmt: skip
    request = Request(
        request_id=RequestId(bytes(8), bytes(8), 1007), command_variant=CommandVariant.PREPARE, reference="",
        variant="", body=element(name, content),
    )  # fmt: skip
    octets = BUILDER.payload_of(use_case, request, situation)
    read = Asn1Payload.from_bytes(code, MessageKind.COMMAND, octets)
    assert read.to_bytes() == octets
    return read.value


def replacement(role="Supplier", *, certificates=None, more=None):
    """A body that replaces credentials of a known party."""
    held = {"DigitalSigningCertificate": SIGNING, "KeyAgreementCertificate": AGREEMENT}
    return {
        **(more or {}),
        "RemotePartyRole": role,
        "ReplacementCertificates": {"SupplierOrNetworkOperatorCertificates": certificates or held},
        "CertificationPathCertificates": {"Certificate": [PATH, SIGNING]},
        "ApplyTimeBasedCPVChecks": "true",
    }


def cells_of(value):
    return [
        (one["certificate"]["tbs_certificate"]["serial_number"], one["cell"]["role"],
         next(iter(one["cell"]["key_usage"])), one["cell"]["cell_usage"])
        for one in value["replacements"]
    ]  # fmt: skip


def test_a_supplier_replaces_its_own_credentials():
    all_three = {
        "DigitalSigningCertificate": SIGNING, "KeyAgreementCertificate": AGREEMENT,
        "KeyAgreementTopUpCertificate": TOP_UP,
    }  # fmt: skip
    floors = {"RemotePartyFloorSeqNumber": "7", "RemotePartyPrepaymentTopUpFloorSeqNumber": "9"}
    more = {"ExecutionDateTime": "2030-01-15T00:00:00.00Z", **floors}
    value = payload(0x0102, "UpdateSecurityCredentialsKRP", replacement(certificates=all_three, more=more))
    control = value["authorising_control"]
    assert (control["mode"], control["sequence_number"], control["new_floor"]) == (2, 1007, 7)
    assert control["specialist_floors"] == [{"use": 0, "floor": 9}]
    assert control["other_changes"] is None
    assert control["apply_time_checks"] is None
    assert control["authorising_cell"]["role"] == 2
    assert cells_of(value) == [
        (1, 2, "digital_signature", None), (2, 2, "key_agreement", None), (3, 2, "key_agreement", 1),
    ]  # fmt: skip
    assert [one["tbs_certificate"]["serial_number"] for one in value["path_certificates"]] == [4, 1]
    assert value["execution_time"] == datetime(2030, 1, 15, tzinfo=UTC)


def test_what_a_replacement_leaves_out_is_left_out():
    value = payload(
        0x0103, "UpdateSecurityCredentialsKRP",
        replacement("NetworkOperator", certificates={"KeyAgreementCertificate": AGREEMENT}),
    )  # fmt: skip
    control = value["authorising_control"]
    assert (control["mode"], control["new_floor"], control["specialist_floors"]) == (3, None, None)
    assert cells_of(value) == [(2, 3, "key_agreement", None)]
    assert value["execution_time"] is None


@pytest.mark.parametrize(
    ("more", "changes", "execution_time"),
    [
        ({}, None, None),
        ({"RemotePartyFloorSeqNumber": "7"}, [{"role": 8, "floor": 7, "specialist_floors": None}], None),
        (
            {"ExecutionDateTime": "3000-12-31T00:00:00Z", "RemotePartyFloorSeqNumber": "7"},
            [{"role": 8, "floor": 7, "specialist_floors": None}],
            NEVER,
        ),
    ],
)
def test_a_supplier_replaces_the_credentials_of_a_load_controller(more, changes, execution_time):
    body = replacement("LoadController", more=more)
    value = payload(0x0126, "UpdateSecurityCredentialsKRP", body)
    control = value["authorising_control"]
    assert (control["mode"], control["authorising_cell"]["role"], control["new_floor"]) == (11, 2, None)
    assert control["other_changes"] == changes
    assert value["execution_time"] == execution_time
    assert cells_of(value)[0][1] == 8


@pytest.mark.parametrize(
    ("moment", "changes", "execution_time"),
    [
        ({}, [{"role": 2, "floor": 3, "specialist_floors": None}], None),
        ({"ExecutionDateTime": "3000-12-31T00:00:00Z"}, None, NEVER),  # withdrawn, it says no counters
    ],
)
def test_a_change_of_supplier_is_made_in_the_name_of_its_party(moment, changes, execution_time):
    value = payload(
        0x0107, "UpdateSecurityCredentialsCoS",
        {
            **moment, "SupplierFloorSeqNumber": "3",
            "SupplierReplacementCertificates": {"DigitalSigningCertificate": SIGNING},
            "CertificationPathCertificates": {"Certificate": PATH},
            "ApplyTimeBasedCPVChecks": "false", "ImportMPxN": "1312345678333",
        },
        sender=Sender.CHANGE_OF_SUPPLIER,
    )  # fmt: skip
    control = value["authorising_control"]
    assert (control["mode"], control["sequence_number"], control["apply_time_checks"]) == (7, 5000, 1)
    assert control["authorising_cell"]["role"] == 5
    assert control["other_changes"] == changes
    assert value["execution_time"] == execution_time
    assert cells_of(value) == [(1, 2, "digital_signature", None)]


def test_the_broker_replaces_its_own_credentials_by_its_mac():
    value = payload(
        0x0104, "ServiceOptOut",
        {
            "ExecutionDateTime": "2015-01-15T00:00:00.00Z", "ACBFloorSeqNumber": "0",
            "ReplacementCertificates": {"DigitalSigningCertificate": SIGNING, "KeyAgreementCertificate": AGREEMENT},
            "CertificationPathCertificates": {"Certificate": PATH}, "ApplyTimeBasedCPVChecks": "true",
        },
        sender=Sender.BROKER,
    )  # fmt: skip
    control = value["authorising_control"]
    assert (control["mode"], control["authorising_cell"], control["sequence_number"]) == (4, None, 4000)
    assert [one[1] for one in cells_of(value)] == [4, 4]
    assert value["execution_time"] is None  # the carrier holds it until then


@pytest.mark.parametrize(
    ("code", "name", "content", "value"),
    [
        (0x0008, "RetrieveDeviceSecurityCredentialsKRP",
         {"RemotePartyRole": ["Root", "Recovery", "ACB", "TransCoS", "LoadController"]},
         {"asked_by": {"role": 4, "key_usage": {"key_agreement"}, "cell_usage": None}, "roles": [0, 1, 4, 5, 8]}),
        (0x000A, "IssueSecurityCredentials", {"CredentialType": "Key Agreement"}, {"key_usage": {"key_agreement"}}),
        (0x000C, "RetrieveDeviceSecurityCredentialsDevice", {"CredentialType": "Digital Signature"},
         {"key_usage": {"digital_signature"}}),
        (0x000D, "JoinServiceCritical", NAMED,
         {"method_and_role": 0, "device": OTHER, "device_type": 5, "certificate": None}),
        (0x00AB, "JoinServiceCritical", NAMED,
         {"method_and_role": 1, "device": OTHER, "device_type": 5, "certificate": None}),
        (0x000E, "JoinServiceNonCritical", NAMED,
         {"method_and_role": 2, "device": OTHER, "device_type": 5, "certificate": None}),
        (0x000F, "UnjoinServiceCritical", {"OtherDeviceID": "00-db-12-34-56-78-90-9a"}, OTHER),
        (0x0012, "ActivateFirmware", {"FirmwareHash": "aB" * 32},
         {"image_hash": b"\xab" * 32, "originator_counter": 1007, "execution_time": None}),
        (0x0012, "ActivateFirmware", {"ExecutionDateTime": "2030-01-15T01:02:03.99+01:00", "FirmwareHash": "00" * 32},
         {"image_hash": bytes(32), "originator_counter": 1007,
          "execution_time": datetime(2030, 1, 15, 0, 2, 3, tzinfo=UTC)}),
        (0x007F, "SynchroniseClock", {"CurrentDateTime": "2014-12-31T23:30:00.00Z", "TolerancePeriod": "86400"},
         {"from_": datetime(2014, 12, 31, 23, 30, tzinfo=UTC), "to": datetime(2015, 1, 1, 23, 30, tzinfo=UTC)}),
        (0x008C, "RestoreGPFDeviceLog", {"OldGPFID": "00-DB-12-34-56-78-90-B3"},
         {"devices": [{"device": OTHER, "device_type": 5}, {"device": bytes(8), "device_type": 6}]}),
        (0x0013, "ReadDeviceLog", "", None),
        (0x0129, "ReadFirmwareVersion", "", None),
    ],
)  # fmt: skip
def test_a_body_becomes_its_values(code, name, content, value):
    assert payload(code, name, content) == value


def test_a_join_by_certificates_carries_the_other_devices_one():
    value = payload(0x00AF, "JoinServiceCritical", NAMED)
    assert (value["method_and_role"], value["certificate"]["tbs_certificate"]["serial_number"]) == (3, 2)


def test_a_devices_own_certificate_travels_as_it_is():
    value = payload(
        0x000B, "UpdateSecurityCredentialsDevice", {"DeviceCertificate": f"\n {SIGNING[:60]}\n{SIGNING[60:]}"}
    )
    assert value["tbs_certificate"]["serial_number"] == 1


@pytest.mark.parametrize(
    ("code", "name", "content", "path", "expected"),
    [
        (0x0102, "UpdateSecurityCredentialsKRP", replacement("Landlord"), "RemotePartyRole", "one of"),
        (0x0102, "UpdateSecurityCredentialsKRP", replacement(more={"RemotePartyFloorSeqNumber": "9" * 19}),
         "RemotePartyFloorSeqNumber", "0..9223372036854775807"),
        (0x0102, "UpdateSecurityCredentialsKRP", replacement(certificates={"Certificate": PATH}),
         "ReplacementCertificates", "no certificate"),
        (0x0102, "UpdateSecurityCredentialsKRP", replacement(certificates={"DigitalSigningCertificate": "!!"}),
         "DigitalSigningCertificate", "base64"),
        (0x0102, "UpdateSecurityCredentialsKRP", replacement(certificates={"DigitalSigningCertificate": ""}),
         "DigitalSigningCertificate", "base64"),
        (0x0102, "UpdateSecurityCredentialsKRP", replacement(certificates={"DigitalSigningCertificate": "QUJD" * 4000}),
         "DigitalSigningCertificate", "4096 octets"),
        (0x0126, "UpdateSecurityCredentialsKRP",
         replacement("LoadController", more={"RemotePartyPrepaymentTopUpFloorSeqNumber": "7"}),
         "RemotePartyFloorSeqNumber", "once"),
        (0x0102, "SomethingElse", "", "Body", "UpdateSecurityCredentialsKRP"),
        (0x0008, "RetrieveDeviceSecurityCredentialsKRP", "", "RemotePartyRole", "once"),
        (0x000A, "IssueSecurityCredentials", {"CredentialType": "None"}, "CredentialType", "Digital Signature"),
        (0x0012, "ActivateFirmware", {"FirmwareHash": "00" * 31}, "FirmwareHash", "32 octets"),
        (0x0012, "ActivateFirmware", {"FirmwareHash": "xy" * 32}, "FirmwareHash", "32 octets"),
        (0x000F, "UnjoinServiceCritical", {"OtherDeviceID": "00-DB"}, "OtherDeviceID", "EUI-64"),
        (0x000F, "UnjoinServiceCritical", {"OtherDeviceID": "no device"}, "OtherDeviceID", "EUI-64"),
        (0x007F, "SynchroniseClock", {"CurrentDateTime": "noon", "TolerancePeriod": "1"}, "CurrentDateTime", "a date"),
        (0x007F, "SynchroniseClock", {"CurrentDateTime": "9999-12-31T23:59:59Z", "TolerancePeriod": "86400"},
         "CurrentDateTime", "2000 to 9998"),
        (0x000B, "UpdateSecurityCredentialsDevice", {"DeviceCertificate": "Grüße"}, "DeviceCertificate", "base64"),
        (0x0012, "ActivateFirmware", {"ExecutionDateTime": "1999-12-31T23:59:59Z", "FirmwareHash": "00" * 32},
         "ExecutionDateTime", "2000 to 9998"),
        (0x008C, "RestoreGPFDeviceLog", {"OldGPFID": "00-00-00-00-00-00-00-00"}, "device_logs", "device log"),
        (0x000D, "JoinServiceCritical", {"OtherDeviceID": "00-00-00-00-00-00-00-00"}, "device_kinds", "of what kind"),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_with_path_and_expectation(code, name, content, path, expected):
    with pytest.raises(TransformError, match=expected) as refused:
        payload(code, name, content)
    assert path in str(refused.value.facts["path"])


def test_a_join_by_certificates_needs_one():
    with pytest.raises(TransformError, match="lacks the key agreement certificate of 00-DB-12-34-56-78-90-9A"):
        payload(0x00AF, "JoinServiceCritical", NAMED, situation=replace(SITUATION, certificates={}))


def test_what_is_no_certificate_makes_no_payload():
    body = {"DeviceCertificate": b64encode(b"no certificate").decode()}
    with pytest.raises(TransformError, match="000B"):
        payload(0x000B, "UpdateSecurityCredentialsDevice", body)


def test_every_use_case_that_a_request_chooses_has_a_shape():
    choices = [one for some in load_use_case_choices().values() for one in some if one.payload is PayloadKind.ASN1]
    request = Request(
        request_id=RequestId(bytes(8), bytes(8), 1), command_variant=CommandVariant.PREPARE, reference="", variant="",
        body=Element("Nothing"),
    )  # fmt: skip
    assert choices
    for choice in choices:
        try:
            BUILDER.payload_of(choice, request, SITUATION)
        except TransformError as refused:
            assert "no shape" not in str(refused), choice
    unknown = replace(choices[0], code=0xFFFF)
    with pytest.raises(TransformError, match="no shape"):
        BUILDER.payload_of(unknown, request, SITUATION)
