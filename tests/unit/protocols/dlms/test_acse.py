"""Association control in BER."""

import pytest

from meterworks.protocols.dlms import (
    ApplicationContext,
    AssociationRequest,
    AssociationResponse,
    ReleaseRequest,
    ReleaseResponse,
)
from meterworks.protocols.dlms.acse import request_fields, response_fields
from meterworks.protocols.errors import DecodeError, StateError

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


# --- the fields that are rarely sent ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "octets"),
    [
        ({"protocol_version": b"\x07\x80"}, "80020780"),
        ({"called_title": b"MWK00001"}, "a20a04084d574b3030303031"),
        ({"called_qualifier": b"\x01"}, "a303040101"),
        ({"called_ap_invocation_id": 1}, "a403020101"),
        ({"called_ae_invocation_id": 200}, "a5030201c8"),
        ({"calling_qualifier": b"certificate"}, "a70d040b6365727469666963617465"),
        ({"calling_ap_invocation_id": 300}, "a8040202012c"),
        ({"calling_ae_invocation_id": 7}, "a903020107"),
        ({"implementation_information": b"abc"}, "9d03616263"),
    ],
)
def test_rare_fields_of_a_request(values: dict[str, bytes | int], octets: str) -> None:
    apdu = AssociationRequest(context=1, user_information=b"", others=request_fields(**values)).to_bytes()
    assert bytes.fromhex(octets) in apdu
    again = AssociationRequest.from_bytes(apdu)
    assert again.to_bytes() == apdu
    ((name, value),) = values.items()
    content = again.field(name)
    assert content is not None
    assert (int.from_bytes(content, "big") if isinstance(value, int) else content) == value


@pytest.mark.parametrize(
    ("values", "octets"),
    [
        ({"protocol_version": b"\x07\x80"}, "80020780"),
        ({"responding_qualifier": b"certificate"}, "a50d040b6365727469666963617465"),
        ({"responding_ap_invocation_id": 1}, "a603020101"),
        ({"responding_ae_invocation_id": 9}, "a703020109"),
        ({"implementation_information": b"abc"}, "9d03616263"),
    ],
)
def test_rare_fields_of_a_response(values: dict[str, bytes | int], octets: str) -> None:
    fields = response_fields(**values)
    apdu = AssociationResponse(context=1, result=0, diagnostic=0, others=fields).to_bytes()
    assert bytes.fromhex(octets) in apdu
    again = AssociationResponse.from_bytes(apdu)
    assert again.to_bytes() == apdu
    assert again.field(next(iter(values))) is not None


def test_rare_fields_stand_in_the_order_of_the_standard() -> None:
    fields = request_fields(implementation_information=b"i", calling_ae_invocation_id=1, called_title=b"12345678")
    apdu = AssociationRequest(
        context=1, user_information=b"u", calling_title=b"87654321", mechanism=5, authentication=b"a", others=fields
    ).to_bytes()
    tags = [apdu.index(octets) for octets in (b"\xa1\x09", b"\xa2\x0a", b"\xa6\x0a", b"\xa9\x03", b"\x8a\x02", b"\xac")]
    assert tags == sorted(tags)
    assert apdu.index(b"\x9d\x01i") < apdu.index(b"\xbe")


def test_absent_and_unknown_fields() -> None:
    request = AssociationRequest(context=1, user_information=None)
    assert request.user_id is None
    assert request.field("called_title") is None
    assert AssociationResponse(context=1, result=0, diagnostic=0).field("responding_qualifier") is None
    with pytest.raises(StateError, match="no such field"):
        request_fields(nonsense=1)
    with pytest.raises(StateError):
        response_fields(called_title=b"")


def test_a_malformed_rare_field_is_kept_and_refused_when_it_is_asked_for() -> None:
    apdu = bytes.fromhex("6010a109060760857405080101a903ff0101")
    request = AssociationRequest.from_bytes(apdu)
    assert request.to_bytes() == apdu
    with pytest.raises(DecodeError):
        _ = request.user_id
