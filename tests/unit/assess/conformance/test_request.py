"""Requests of the tester, octet for octet as recordings and published examples have them; how it reads answers."""

import pytest

from meterworks.assess.conformance.request import (
    ASSOCIATION_NAME,
    OBJECT_LIST,
    UNKNOWN_NAME,
    AssociationFields,
    action_request,
    association_request,
    attribute_octets,
    counted,
    data_of,
    describe_result,
    get_request,
    get_with_list,
    initiate_request,
    method_octets,
    octet_string,
    release_request,
    result_of,
    set_request,
    whole_data,
)
from meterworks.assess.conformance.row import CheckFailed
from meterworks.protocols.dlms import (
    AssociationRequest,
    AttributeAddress,
    InitiateRequest,
    MethodAddress,
    ObisCode,
    decode_apdu,
)

CLOCK = AttributeAddress(8, ObisCode("0.0.1.0.0.255"), 2)
REPLY = MethodAddress(15, ObisCode("0.0.40.0.0.255"), 1)


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100"), (70000, "83011170")],
)
def test_lengths_are_as_short_as_they_can_be(size: int, head: str) -> None:
    assert counted(bytes(size))[: len(head) // 2].hex() == head


@pytest.mark.parametrize(
    ("octets", "wanted"),
    [
        (get_request(CLOCK), "c001c100080000010000ff0200"),
        (get_request(CLOCK, invoke=0x81), "c0018100080000010000ff0200"),
        (get_request(CLOCK, b"\x02\x00"), "c001c100080000010000ff02010200"),
        (get_request(ASSOCIATION_NAME), "c001c1000f0000280000ff0100"),
        (get_request(OBJECT_LIST), "c001c1000f0000280000ff0200"),
        (get_with_list([CLOCK]), "c003c10100080000010000ff0200"),
        (get_with_list([]), "c003c100"),
        (set_request(CLOCK, b"\x11\x05"), "c101c100080000010000ff02001105"),
        (action_request(REPLY), "c301c1000f0000280000ff0100"),
        (action_request(REPLY, b"\x0f\x00"), "c301c1000f0000280000ff01010f00"),
        (attribute_octets(AttributeAddress(15, UNKNOWN_NAME, -1)), "000f0000c7c6c5ffff"),
        (method_octets(REPLY), "000f0000280000ff01"),
        (octet_string(b"\x01\x02"), "09020102"),
        (release_request(), "6203800100"),
        (release_request(reason=None), "6200"),
        (release_request(reason=30, user_information=b"\x21"), "620880011ebe0304" + "0121"),
        (initiate_request(conformance=0x401E5D, max_pdu=0xFFFF), "01000000065f1f0400401e5dffff"),
        (initiate_request(conformance=0x10, max_pdu=11, version=5), "01000000055f1f0400000010000b"),
        (initiate_request(conformance=0, max_pdu=0, quality_of_service=3), "0100000103065f1f04000000000000"),
        (initiate_request(conformance=0, max_pdu=0, dedicated_key=b"\xaa"), "010101aa0000065f1f04000000000000"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_requests_are_what_the_standard_says(octets: bytes, wanted: str) -> None:
    assert octets.hex() == wanted


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (  # the first request of the plain recordings
            AssociationFields(user_information=bytes.fromhex("01000000065f1f0400401e5dffff")),
            "601da109060760857405080101be10040e01000000065f1f0400401e5dffff",
        ),
        (  # a published example with a password
            AssociationFields(
                mechanism=1, authentication=b"12345678",
                user_information=bytes.fromhex("01000000065f1f0400007e1f04b0"),
            ),
            "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738"
            "be10040e01000000065f1f0400007e1f04b0",
        ),
        (AssociationFields(context=3, title=b"MWT12345"), "6017a109060760857405080103a60a04084d57543132333435"),
        (AssociationFields(before=b"\x80\x02\x07\x80"), "600f80020780a109060760857405080101"),
    ],
    ids=["plain", "password", "title", "version"],
)  # fmt: skip
def test_association_requests_are_those_of_recordings(fields: AssociationFields, wanted: str) -> None:
    octets = association_request(fields)
    assert octets.hex() == wanted
    assert AssociationRequest.from_bytes(octets).context == fields.context


@pytest.mark.parametrize("size", [0, 5, 40, 90, 130, 300])
def test_long_fields_are_read_back_by_our_own_codec(size: int) -> None:
    """Two encoders written apart: what one writes the other understands, at any length."""
    fields = AssociationFields(context=3, title=b"MWT12345", mechanism=5, authentication=bytes(range(size % 64)),
                               user_information=bytes(size))  # fmt: skip
    read = AssociationRequest.from_bytes(association_request(fields))
    assert read.user_information == bytes(size)
    assert read.authentication == bytes(range(size % 64))
    assert read.calling_title == b"MWT12345"


@pytest.mark.parametrize("key", [None, bytes(16), bytes(32)])
def test_initiate_requests_are_read_back_by_our_own_codec(key: bytes | None) -> None:
    read = InitiateRequest.from_bytes(initiate_request(max_pdu=512, dedicated_key=key))
    assert (read.dedicated_key, read.max_pdu, read.version) == (key, 512, 6)


@pytest.mark.parametrize(
    "octets",
    [get_request(CLOCK), get_with_list([CLOCK, OBJECT_LIST]), set_request(CLOCK, b"\x11\x05"), action_request(REPLY)],
    ids=["get", "list", "set", "action"],
)
def test_requests_are_read_back_by_our_own_codec(octets: bytes) -> None:
    assert decode_apdu(octets).to_bytes() == octets


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("c401c1000005", 0),
        ("c401c10104", 4),
        ("c402c10000000001000100", None),
        ("c402c1010000000101 13".replace(" ", ""), 0x13),
        ("c501c100", 0),
        ("c501c103", 3),
        ("c503c10b00000002", 11),
        ("c701c10300", 3),
        ("c704c100000001", None),
        ("d80101", None),
        ("", None),
    ],
)
def test_results_are_found_where_they_stand(answer: str, result: int | None) -> None:
    assert result_of(bytes.fromhex(answer)) == result


def test_data_are_given_when_there_are_any() -> None:
    assert data_of(bytes.fromhex("c401c100" + "1105")) == b"\x11\x05"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("c401c10104", "object-undefined"),
        ("c401c1001105ff", "1 octets follow"),
        ("c401c1000905", "not well-formed"),
        ("c402c100000000010001aa", "expected"),
        ("", "nothing came"),
        ("d80101", "APDU d80101 came"),
    ],
)
def test_anything_else_than_data_fails_the_server(answer: str, reason: str) -> None:
    with pytest.raises(CheckFailed, match=reason):
        data_of(bytes.fromhex(answer))


@pytest.mark.parametrize(
    ("result", "words"),
    [(0, "success (0)"), (3, "read-write-denied (3)"), (19, "data-block-number-invalid (19)"), (None, "no result")],
)
def test_results_are_named(result: int | None, words: str) -> None:
    assert describe_result(result) == words


def test_a_result_that_is_not_defined_keeps_its_number() -> None:
    assert "77" in describe_result(77)


def test_a_value_must_fill_its_octets() -> None:
    assert whole_data(b"\x11\x05") == 5
    with pytest.raises(CheckFailed, match="not well-formed"):
        whole_data(b"\x11\x05\x00")
