"""Association control in BER."""

import pytest

from meterworks.protocols.dlms import (
    ApplicationContext,
    AssociationRequest,
    AssociationResponse,
    ReleaseRequest,
    ReleaseResponse,
)
from meterworks.protocols.errors import DecodeError

INITIATE = bytes.fromhex("01000000065f1f0400007e1f04b0")
REQUEST = AssociationRequest(
    context=ApplicationContext.LOGICAL_NAME_CIPHERED,
    calling_title=b"MWK00001",
    mechanism=5,
    authentication=bytes(16),
    user_information=INITIATE,
)


def test_request_both_ways() -> None:
    assert AssociationRequest.from_bytes(REQUEST.to_bytes()) == REQUEST


def test_fields_that_no_one_reads_go_back_out_in_their_place() -> None:
    plain = AssociationRequest(context=1, user_information=INITIATE)
    octets = plain.to_bytes()
    # protocol-version before all, calling-AE-invocation-id between context and user information
    extended = b"\x60" + bytes((len(octets) - 2 + 9,)) + bytes.fromhex("80020284") + octets[2:13]
    extended += bytes.fromhex("a903020105") + octets[13:]
    request = AssociationRequest.from_bytes(extended)
    assert dict(request.others) == {0x80: b"\x02\x84", 0xA9: b"\x02\x01\x05"}
    assert request.to_bytes() == extended


@pytest.mark.parametrize("by_provider", [False, True])
def test_response_both_ways(by_provider: bool) -> None:
    response = AssociationResponse(
        context=3,
        result=1,
        diagnostic=2,
        by_provider=by_provider,
        responding_title=b"MET00001",
        user_information=b"\x0e",
    )
    assert AssociationResponse.from_bytes(response.to_bytes()) == response
    assert not response.is_accepted


@pytest.mark.parametrize("kind", [ReleaseRequest, ReleaseResponse])
@pytest.mark.parametrize(("reason", "body"), [(0, None), (None, None), (1, b"\x21\x00"), (30, bytes(200))])
def test_release_both_ways(
    kind: type[ReleaseRequest] | type[ReleaseResponse], reason: int | None, body: bytes | None
) -> None:
    message = kind(reason=reason, user_information=body)
    assert kind.from_bytes(message.to_bytes()) == message


OCTETS = REQUEST.to_bytes()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x61" + OCTETS[1:],
        OCTETS[:-1],
        OCTETS + b"\x00",
        OCTETS.replace(b"\x60\x85\x74\x05\x08\x01", b"\x60\x85\x74\x05\x08\x07"),
        OCTETS.replace(b"\x60\x85\x74\x05\x08\x02", b"\x60\x85\x74\x05\x08\x07"),
        OCTETS.replace(b"\xbe\x10\x04\x0e", b"\xbe\x10\x05\x0e"),
        b"\x60\x00",
        b"\x60\x06\x80\x01\x00\x80\x01\x00",
    ],
)
def test_malformed_requests_are_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        AssociationRequest.from_bytes(octets)


def test_malformed_release_of_a_known_server_is_not_read_as_one() -> None:
    with pytest.raises(DecodeError):
        ReleaseResponse.from_bytes(bytes.fromhex("6311800100be0f040e0800065f1f0400401e5d012c0007"))
