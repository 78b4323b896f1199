"""Discovery against scripted servers: each way to receive a client address is told as what it is."""

import socket

import pytest
from tests.faults.meter.scripted import AARQ, RELEASE, RELEASED, Scripted, denied, get_response

from meterworks.errors import UnreachableError
from meterworks.links import MeterTarget
from meterworks.protocols.dlms import (
    ApplicationContext,
    AssociationRequest,
    AssociationResponse,
    Conformance,
    Diagnostic,
    InitiateResponse,
    Mechanism,
    ObisCode,
    encode_array,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import READ, ObjectListEntry, encode_object_list
from meterworks.system.meter.discovery import Standing, discover, discovery_document, discovery_rows

PLAIN, CIPHERED = int(ApplicationContext.LOGICAL_NAME), int(ApplicationContext.LOGICAL_NAME_CIPHERED)
TITLE = b"ABC\0\0\0\0\1"
AGREED = Conformance.GET | Conformance.ACTION


def accepted(request, **fields):
    initiate = InitiateResponse(conformance=AGREED, max_pdu=500).to_bytes()
    facts = {"context": request.context, "result": 0, "diagnostic": 0, "user_information": initiate}
    return AssociationResponse(**(facts | fields)).to_bytes()


def refused(request, diagnostic):
    return AssociationResponse(context=request.context, result=1, diagnostic=int(diagnostic)).to_bytes()


def challenged(request):
    return accepted(
        request, diagnostic=14, mechanism=request.mechanism, authentication=bytes(16), responding_title=TITLE
    )


def wants(mechanism, context=PLAIN):
    """A server that asks for one mechanism in one context, and for keys in the ciphered one."""

    def answer(apdu, _link):
        if apdu[0] == RELEASE:
            return RELEASED
        if apdu[0] != AARQ:
            return denied()
        request = AssociationRequest.from_bytes(apdu)
        if request.context != context:
            return refused(request, Diagnostic.CONTEXT_NOT_SUPPORTED)
        if (request.mechanism or 0) != mechanism:
            absent = request.mechanism is None
            return refused(request, Diagnostic.MECHANISM_REQUIRED if absent else Diagnostic.MECHANISM_NOT_RECOGNISED)
        if context == CIPHERED:
            return refused(request, Diagnostic.NO_REASON)
        if mechanism == Mechanism.LOW:
            return refused(request, Diagnostic.AUTHENTICATION_FAILURE)
        return accepted(request) if mechanism == Mechanism.NONE else challenged(request)

    return answer


def found_by(answer, **options):
    with Scripted(answer) as server:
        target = MeterTarget.from_text(server.address)
        found = discover(target, **({"clients": [16], "timeout_s": 0.3} | options))
        return found, server.asked


@pytest.mark.parametrize("context", [PLAIN, CIPHERED])
@pytest.mark.parametrize("mechanism", [m for m in Mechanism if m != Mechanism.NONE])
def test_each_mechanism_is_found_without_a_key(mechanism, context):
    found, asked = found_by(wants(mechanism, context))
    (seen,) = found.associations
    assert (seen.standing, seen.mechanism, seen.ciphered) == (Standing.LOCKED, mechanism, context == CIPHERED)
    requests = [AssociationRequest.from_bytes(apdu) for apdu in asked if apdu[0] == AARQ]
    passwords = [each.authentication for each in requests if each.mechanism == Mechanism.LOW]
    assert set(passwords) <= {None}, "a password was sent"
    assert not any(apdu[0] in (0xC3, 0xCB) for apdu in asked), "a proof was sent"
    challenges = [each.authentication for each in requests if each.authentication]
    assert len(set(challenges)) == len(challenges)


def test_an_open_association_tells_what_was_agreed():
    found, asked = found_by(wants(Mechanism.NONE))
    (seen,) = found.associations
    assert (seen.standing, seen.mechanism, seen.ciphered) == (Standing.OPEN, Mechanism.NONE, False)
    assert (seen.conformance, seen.max_pdu) == (AGREED, 500)
    assert any(apdu[0] == RELEASE for apdu in asked)
    (row,) = discovery_rows(found)
    assert row["conformance"] == "get action"
    assert discovery_document(found)["associations"][0]["conformance"] == ["get", "action"]


def test_a_locked_association_names_the_server_and_what_it_agreed():
    found, _ = found_by(wants(Mechanism.GMAC))
    (seen,) = found.associations
    assert (seen.server_title, seen.max_pdu) == (TITLE, 500)
    assert discovery_document(found)["associations"][0]["server_title"] == TITLE.hex()


@pytest.mark.parametrize(
    ("answer", "standing", "why"),
    [
        (lambda apdu, link: None, Standing.SILENT, "0.3 s"),
        (lambda apdu, link: link.shutdown(socket.SHUT_RDWR), Standing.SILENT, "closed"),
        (lambda apdu, link: b"\xd8\x01\x01", Standing.REFUSED, "exception 0101"),
        (lambda apdu, link: b"\x61\x03\x01", Standing.REFUSED, "no association response"),
        (lambda apdu, link: b"\x99", Standing.REFUSED, "no association response"),
        (lambda apdu, link: refused(AssociationRequest.from_bytes(apdu), 1), Standing.REFUSED, "no reason"),
        (lambda apdu, link: refused(AssociationRequest.from_bytes(apdu), 99), Standing.REFUSED, "diagnostic 99"),
        (lambda apdu, link: refused(AssociationRequest.from_bytes(apdu), 2), Standing.REFUSED, "context not supported"),
    ],
)
def test_what_is_no_association_is_told(answer, standing, why):
    found, asked = found_by(answer)
    (seen,) = found.associations
    assert seen.standing is standing
    assert why in seen.why
    assert len(asked) <= 20


def test_a_meter_that_falls_silent_at_a_probe_is_left_alone():
    def answer(apdu, link):
        request = AssociationRequest.from_bytes(apdu)
        return None if request.mechanism else refused(request, Diagnostic.MECHANISM_REQUIRED)

    found, asked = found_by(answer)
    assert found.associations[0].why.endswith("then silent")
    assert len(asked) == 2


def test_nobody_at_all_is_an_error():
    with Scripted(lambda apdu, link: None) as server:
        address = server.address
    with pytest.raises(UnreachableError):
        discover(MeterTarget.from_text(address), clients=[16], timeout_s=0.3)


def test_all_addresses_are_tried_and_told():
    told = []
    found, _ = found_by(wants(Mechanism.NONE), clients=[16, 1], servers=[1, 2], tell=told.append)
    assert [(each.client, each.server) for each in found.associations] == [(16, 1), (1, 1), (16, 2), (1, 2)]
    assert told == ["client 16 on server 1", "client 1 on server 1", "client 16 on server 2", "client 1 on server 2"]


# --- what an open association tells ---------------------------------------------------------------------------------

OBJECTS = tuple(
    ObjectListEntry(class_id=class_id, version=1, obis_code=ObisCode(code), attributes={1: READ, 2: READ})
    for class_id, code in [
        (15, "0.0.40.0.0.255"),
        (15, "0.0.40.0.2.255"),
        (17, "0.0.41.0.0.255"),
        (64, "0.0.43.0.0.255"),
    ]
)
MECHANISM_NAME = bytes.fromhex("60857405080205")
PARTNERS = encode_structure(encode_integer(2), encode_long_unsigned(1))
TELLING = {
    (1, "0.0.42.0.0.255", 2): encode_octet_string(b"ABC12345"),
    (15, "0.0.40.0.0.255", 2): encode_object_list(OBJECTS, 1),
    (17, "0.0.41.0.0.255", 2): encode_array(
        [encode_structure(encode_long_unsigned(1), encode_octet_string(b"ABC12345")), encode_unsigned(3)]
    ),
    (15, "0.0.40.0.2.255", 3): PARTNERS,
    (15, "0.0.40.0.2.255", 4): encode_structure(*[encode_unsigned(number) for number in (2, 16, 117, 5, 8, 1, 3)]),
    (15, "0.0.40.0.2.255", 6): encode_octet_string(MECHANISM_NAME),
    (64, "0.0.43.0.0.255", 2): encode_enum(3),
    (64, "0.0.43.0.0.255", 3): encode_enum(1),
}


def telling(apdu, link):
    if apdu[0] != 0xC0:
        return wants(Mechanism.NONE)(apdu, link)
    key = (int.from_bytes(apdu[3:5], "big"), str(ObisCode(apdu[5:11])), apdu[11])
    value = TELLING.get(key)
    return denied() if value is None else get_response(value)


def test_an_open_association_tells_of_the_others():
    found, _ = found_by(telling)
    assert found.device_name == "ABC12345"
    assert found.objects == 4
    assert found.saps == ((1, "ABC12345"),)
    assert found.declared[1] == {
        "object": "0-0:40.0.2.255", "client": 2, "server": 1, "context": 3, "mechanism": 5,
    }  # fmt: skip
    assert found.security == ({"object": "0-0:43.0.0.255", "policy": 3, "suite": 1},)
    (row,) = discovery_rows(found)
    assert (row["device"], row["logical_devices"]) == ("ABC12345", "1 ABC12345")
    assert "suite 1" in str(row["security"])


def test_what_it_does_not_tell_is_noted():
    found, _ = found_by(telling)
    assert any("0.0.40.0.0.255/3" in note for note in found.notes)


def test_an_open_association_that_tells_nonsense_does_no_harm():
    def answer(apdu, link):
        return get_response(b"\x01\x82\xff\xff") if apdu[0] == 0xC0 else wants(Mechanism.NONE)(apdu, link)

    found, _ = found_by(answer)
    assert found.associations[0].standing is Standing.OPEN
    assert found.device_name is None
    assert found.notes
