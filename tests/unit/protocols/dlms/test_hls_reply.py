"""Proofs on the wire, with logical and short names: what is written, what is recognised, what is not."""

import pytest

from meterworks.protocols.dlms.action import ActionOutcome, ActionRequest, ActionResponse, decode_action_request
from meterworks.protocols.dlms.challenge import REPLY_TO_HLS
from meterworks.protocols.dlms.data import encode_octet_string
from meterworks.protocols.dlms.hls_reply import decode_hls_answer, decode_hls_reply, encode_hls_answer, encode_hls_reply
from meterworks.protocols.dlms.result import ActionResult
from meterworks.protocols.errors import DecodeError, UnlawfulMessage

PROOFS = [b"", b"p" * 16, b"p" * 127, b"p" * 128, b"p" * 300]


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("short_names", [False, True])
def test_what_one_side_writes_the_other_reads(proof: bytes, short_names: bool) -> None:
    request = encode_hls_reply(0xC1, proof, short_names=short_names)
    assert decode_hls_reply(request, short_names=short_names) == (0 if short_names else 0xC1, proof)
    answer = encode_hls_answer(0xC1, proof, short_names=short_names)
    assert decode_hls_answer(answer, short_names=short_names) == proof
    refusal = encode_hls_answer(0xC1, None, short_names=short_names)
    assert decode_hls_answer(refusal, short_names=short_names) is None


@pytest.mark.parametrize("proof", PROOFS)
def test_what_is_written_as_a_whole_is_what_the_service_writes(proof: bytes) -> None:
    value = encode_octet_string(proof)
    assert encode_hls_reply(0x81, proof, short_names=False) == ActionRequest(0x81, REPLY_TO_HLS, value).to_bytes()
    outcome = ActionOutcome(ActionResult.SUCCESS, value)
    assert encode_hls_answer(0x81, proof, short_names=False) == ActionResponse(0x81, outcome).to_bytes()


@pytest.mark.parametrize(
    ("apdu", "short_names"),
    [
        ("c001c100030100010800ff0200", False),  # a GET
        ("c301c1000f0000280000ff0200", False),  # another method
        ("c301c1000f0000280001ff01010902aabb", False),  # of another association
        ("05010200a0", True),  # another variable
        ("050104fa5001" + "0900", True),  # another method
        ("050202fa5802fa58", True),  # two
        ("c301c1000f0000280000ff01010900", True),  # the form of logical names
        ("050104fa58010900", False),  # the form of short names
    ],
)
def test_other_requests_are_no_proofs(apdu: str, short_names: bool) -> None:
    assert decode_hls_reply(bytes.fromhex(apdu), short_names=short_names) is None


@pytest.mark.parametrize("value", ["00", "06000000aa", "0903aabb", "0a02aabb", "0902aabbcc", ""])
def test_a_parameter_that_is_no_octet_string_is_no_proof(value: str) -> None:
    request = bytes.fromhex("c301c1000f0000280000ff0101" + value)
    assert decode_hls_reply(request, short_names=False) == (0xC1, None)


def test_a_request_without_parameter_carries_no_proof() -> None:
    request = ActionRequest(0xC1, REPLY_TO_HLS, None).to_bytes()
    assert isinstance(decode_action_request(request), ActionRequest)
    assert decode_hls_reply(request, short_names=False) == (0xC1, None)


@pytest.mark.parametrize("answer", ["c701c1000100" + "0600000001", "c702c1010000000001" + "00", "c704c100000001"])
def test_answers_that_are_none_break_the_rules(answer: str) -> None:
    with pytest.raises((UnlawfulMessage, DecodeError)):
        decode_hls_answer(bytes.fromhex(answer), short_names=False)


def test_an_answer_with_an_error_in_place_of_the_value_refuses() -> None:
    assert decode_hls_answer(bytes.fromhex("c701c1000101" + "03"), short_names=False) is None
    assert decode_hls_answer(bytes.fromhex("c701c10300"), short_names=False) is None
    assert decode_hls_answer(bytes.fromhex("0c020103" + "0103"), short_names=True) is None
