"""Any octets are a document or a RequestError; any document of the table comes back as it was, in XML and in JSON."""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.gbcs.duis_maker import any_request, any_response

from meterworks.companions.errors import DocumentSignatureError, RequestError
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId
from meterworks.companions.gb.duis import (
    Document,
    IssuerSerial,
    load_table,
    read_document,
    read_request,
    read_response,
    request_from_json,
    request_to_json,
    response_from_json,
    response_to_json,
    sign_request,
    verify_document,
    write_document,
    write_request,
    write_response,
)
from meterworks.protocols.dlms.security import SecuritySuite, SoftwareSigner

QUICK = settings(max_examples=60, deadline=None)
BODIES = sorted(load_table().bodies)
RESPONSES = ["DCCAlertMessage", "DeviceAlertMessage", "ResponseMessage", "SMETS1ResponseMessage"]
SIGNER = SoftwareSigner(SecuritySuite.SUITE_1, bytes(range(1, 33)))
KEYS = {IssuerSerial("CN=U1,OU=07", 1): SIGNER.public_key}
IDENTITY = st.builds(
    RequestId,
    originator=st.binary(min_size=8, max_size=8),
    target=st.binary(min_size=8, max_size=8),
    counter=st.integers(0, 2**64 - 1),
)
MESSAGE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=116)
REQUESTS = st.builds(
    Request,
    request_id=IDENTITY,
    command_variant=st.sampled_from([CommandVariant.SEND, CommandVariant.RETURN, CommandVariant.SEND_AND_RETURN]),
    reference=st.just("3.1"),
    variant=st.just("3.1"),
    body=st.builds(lambda text: Element("DisplayMessage", children=(Element("SupplierMessage", text),)), MESSAGE),
    is_first_in_sequence=st.sampled_from([None, True, False]),
    preceding=st.none() | IDENTITY,
)


@QUICK
@given(st.binary(max_size=300))
def test_any_octets_are_refused_with_a_path_and_a_line(octets):
    try:
        read_document(octets)
    except RequestError as error:
        assert {"path", "line"} <= set(error.facts)
    else:
        raise AssertionError("octets at random are no document")


@QUICK
@given(st.sampled_from(BODIES), st.integers(0, 2**32), st.sampled_from(["", "  ", "\t"]))
def test_any_request_of_the_table_comes_back_as_it_was(body, seed, indent):
    root = any_request(load_table(), body, random.Random(seed))
    assert read_document(write_document(Document(root=root, indent=indent))).root == root


@QUICK
@given(st.sampled_from(RESPONSES), st.integers(0, 2**32))
def test_any_response_of_the_table_comes_back_as_it_was_in_xml_and_means_the_same_in_json(body, seed):
    root = any_response(load_table(), body, random.Random(seed))
    response = read_response(write_document(Document(root=root)))
    assert read_response(write_response(response)) == response
    form = response_to_json(response)
    assert response_to_json(response_from_json(json.loads(json.dumps(form)))) == form


@QUICK
@given(REQUESTS)
def test_any_request_comes_back_as_it_was_in_xml_in_json_and_signed(request):
    assert read_request(write_request(request)) == request
    assert request_from_json(json.loads(json.dumps(request_to_json(request)))) == request
    assert verify_document(sign_request(request, SIGNER, "CN=U1, OU=07", 1), KEYS.get).content == request


@QUICK
@given(REQUESTS, st.data())
def test_no_octet_of_a_signed_request_can_be_changed(request, data):
    """Only what canonical XML takes for the same may differ: then the request is the same."""
    signed = bytearray(sign_request(request, SIGNER, "CN=U1, OU=07", 1))
    at = data.draw(st.integers(0, len(signed) - 1))
    signed[at] = data.draw(st.integers(0, 255))
    try:
        verified = verify_document(bytes(signed), KEYS.get)
    except (RequestError, DocumentSignatureError):
        return
    assert verified.content == request


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Header", "Body", "a"]), inner),
    max_leaves=12,
)


@QUICK
@given(JSON)
def test_any_json_is_refused_with_a_path(value):
    for form in (value, {"schemaVersion": "5.4", "Header": value, "Body": value}):
        try:
            request_from_json(form)
        except RequestError as error:
            assert "path" in error.facts
        else:
            raise AssertionError("JSON at random is no request")
