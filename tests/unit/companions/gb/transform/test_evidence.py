"""What a command shows of the situation it was made in."""

from datetime import UTC, datetime

import pytest

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.situation import HubBackup
from meterworks.companions.gb.transform import with_evidence
from meterworks.protocols.dlms import (
    AccessKind,
    AccessRequest,
    AccessSpecification,
    AttributeAddress,
    MethodAddress,
    ObisCode,
    encode_array,
    encode_enum,
    encode_integer,
    encode_octet_string,
    encode_structure,
)
from meterworks.protocols.gbcs import Component, GbzMessage, Message, MessageKind, OtherInformation, ZclFrame
from meterworks.protocols.gbcs.asn1 import Asn1Payload

BLANK = Situation(device=DeviceKind.GSME, broker=bytes(8))
OTHER = bytes.fromhex("00db12345678909a")
OLD = bytes.fromhex("00db1234567890b3")
USER = bytes.fromhex("90b3d51f30010000")


def request(*leaves):
    return Request(
        request_id=RequestId(USER, bytes(8), 1), command_variant=CommandVariant.SEND, reference="", variant="",
        body=Element("Body", children=tuple(Element(name, text) for name, text in leaves)),
    )  # fmt: skip


def command(code, payload, **other):
    return Message(
        kind=MessageKind.COMMAND, counter=1, originator=bytes(8), recipient=bytes(8),
        other=OtherInformation(message_code=code, **other), payload=payload,
    )  # fmt: skip


def gas(code, cluster, control, number, payload):
    frame = ZclFrame(control=control, sequence=0, command=number, payload=bytes.fromhex(payload))
    return command(code, GbzMessage((Component(cluster=cluster, frame=frame),)).to_bytes())


def asn1(code, value):
    return command(code, Asn1Payload.make(code, MessageKind.COMMAND, value).to_bytes())


@pytest.mark.parametrize(
    ("code", "cluster", "control", "number", "payload"),
    [
        (0x86, 0x0705, 1, 5, "804a371c00000000005a5a0000"),  # the moment is the first field
        (0x81, 0x0702, 1, 11, "00000000804a371c00000000000000000001"),  # a provider stands before it
        (0x71, 0x0703, 9, 0, "804a371c0000000000ffff055265736574"),  # it is the number of a message
    ],
)
def test_a_gas_command_shows_when_it_was_made(code, cluster, control, number, payload):
    shown = with_evidence(BLANK, request(), gas(code, cluster, control, number, payload))
    assert shown.made_at == datetime(2015, 1, 1, tzinfo=UTC)


def test_a_gas_command_shows_the_number_that_the_carrier_drew():
    shown = with_evidence(BLANK, request(), gas(0x83, 0x0708, 9, 6, "804a371c00000000000000000431323334"))
    assert (shown.customer_number, shown.made_at) == ("1234", datetime(2015, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "message",
    [
        gas(0x74, 0x0702, 0, 0, "02030103"),  # a read says no moment
        gas(0x86, 0x0705, 1, 5, "80"),  # it ends too early
        gas(0x83, 0x0708, 9, 6, "804a371c0000000000000000ff31"),
        gas(0x86, 0x0702, 1, 5, "804a371c00"),  # of another cluster
        command(0x86, b"no payload of gas"),
        command(0x0D, b"no payload at all"),
        command(0x58, b"\xd9 no access request"),
        command(0x7777, b"\x05\x00"),
    ],
)
def test_what_says_nothing_shows_nothing(message):
    shown = with_evidence(BLANK, request(), message)
    assert shown.customer_number == ""
    assert shown.device_kinds == BLANK.device_kinds == {}


def test_a_join_shows_what_the_other_device_is():
    joined = {"method_and_role": 0, "device": OTHER, "device_type": 4}
    shown = with_evidence(BLANK, request(("OtherDeviceID", "")), asn1(0x0D, joined))
    assert shown.device_kinds == {OTHER: DeviceKind.HCALCS}
    assert with_evidence(BLANK, request(), asn1(0x0F, OTHER)).device_kinds == {}


def test_a_restored_log_shows_its_devices():
    devices = [{"device": OTHER, "device_type": 5}, {"device": OLD, "device_type": 6}]
    asked = request(("OldGPFID", "00-DB-12-34-56-78-90-B3"))
    shown = with_evidence(BLANK, asked, asn1(0x8C, {"devices": devices}))
    assert shown.device_logs == {OLD: (OTHER, OLD)}
    assert shown.device_kinds == {OTHER: DeviceKind.PPMID}
    assert with_evidence(BLANK, request(), asn1(0x8C, {"devices": devices})).device_logs == {}


def test_the_certificate_of_a_reader_is_the_requests_own_where_it_sends_one():
    message = command(0x74, b"", supplementary_party=USER, supplementary_counter=1, certificate=b"a certificate")
    assert with_evidence(BLANK, request(), message).certificates == {(USER, "agree"): b"a certificate"}
    sent = request(("KAPublicSecurityCredentials", "AAAA"))
    assert with_evidence(BLANK, sent, message).certificates == {}


def access(address, kind, value):
    """A command that does one thing, with an encoded value."""
    specifications = (AccessSpecification(kind, address),)
    asked = AccessRequest(long_invoke=0x2000_0001, specifications=specifications, values=(value,))
    return command(0x1A, asked.to_bytes())


def charges(*codes):
    pairs = [
        [encode_octet_string(ObisCode("0.0.19.10.0.255")), encode_octet_string(code), encode_integer(0)]
        for code in codes
    ]
    return encode_array([encode_structure(*pair) for pair in pairs])


def test_a_payment_mode_shows_whether_there_is_a_second_element():
    where = AttributeAddress(111, ObisCode("0.1.19.0.0.255"), 11)
    first, second = ObisCode("0.0.19.20.0.255"), ObisCode("0.0.19.20.5.255")
    assert with_evidence(BLANK, request(), access(where, AccessKind.SET, charges(first, second))).has_second_element
    assert not with_evidence(BLANK, request(), access(where, AccessKind.SET, charges(first))).has_second_element


def test_an_electricity_meter_is_shown_a_number_too():
    where = AttributeAddress(1, ObisCode("0.3.96.13.1.255"), 2)
    assert (
        with_evidence(BLANK, request(), access(where, AccessKind.SET, encode_octet_string(b"42"))).customer_number
        == "42"
    )
    assert with_evidence(BLANK, request(), access(where, AccessKind.SET, encode_integer(4))).customer_number == ""


def test_a_restored_hub_shows_its_backup():
    where = MethodAddress(104, ObisCode("0.0.30.3.0.255"), 5)
    device = encode_structure(encode_octet_string(OTHER), encode_octet_string(bytes(16)))
    value = encode_structure(encode_octet_string(bytes(8)), encode_array([device]))
    asked = request(("OldCHFID", "00-DB-12-34-56-78-90-B3"))
    shown = with_evidence(BLANK, asked, access(where, AccessKind.ACTION, value))
    assert shown.hub_backups == {OLD: HubBackup(bytes(8), ((OTHER, bytes(16)),))}
    assert with_evidence(BLANK, request(), access(where, AccessKind.ACTION, value)).hub_backups == {}


@pytest.mark.parametrize(("number", "kinds"), [(132, {OTHER: DeviceKind.PPMID}), (130, {})])
def test_a_device_added_to_a_hubs_log_shows_its_kind_where_that_has_a_name(number, kinds):
    where = MethodAddress(104, ObisCode("0.0.30.3.0.255"), 1)
    key = encode_octet_string(bytes(16))
    value = encode_structure(encode_octet_string(OTHER), encode_enum(1), key, encode_enum(number))
    assert with_evidence(BLANK, request(), access(where, AccessKind.ACTION, value)).device_kinds == kinds


def test_another_command_of_electricity_shows_nothing():
    where = AttributeAddress(1, ObisCode("0.0.1.0.0.255"), 2)
    assert with_evidence(BLANK, request(), access(where, AccessKind.SET, encode_integer(4))) == BLANK
