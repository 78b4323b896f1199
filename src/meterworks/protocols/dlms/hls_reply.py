"""The second half of high-level security on the wire: method reply_to_HLS of the current association, and its answer.

With logical names it is an ACTION of class 15, with short names a parameterised READ of the association's eighth
method; both carry an octet-string. What every association writes is written and recognised as a whole, since
handshakes are counted in thousands a second; anything else goes through the readers of the services.
Source: IEC 62056-5-3, 5.3.2; fact sheet sections 4 and 6.
"""

from typing import Final

from meterworks.protocols.dlms.action import (
    ActionOutcome,
    ActionRequest,
    ActionResponse,
    decode_action_request,
    decode_action_response,
)
from meterworks.protocols.dlms.challenge import REPLY_TO_HLS, REPLY_TO_HLS_NAME
from meterworks.protocols.dlms.data import decode_all, encode_octet_string
from meterworks.protocols.dlms.result import ActionResult
from meterworks.protocols.dlms.short_name import Parameterised, ReadRequest, ReadResponse
from meterworks.protocols.dlms.tag import ApduTag
from meterworks.protocols.errors import DecodeError, UnlawfulMessage

__all__ = ["decode_hls_answer", "decode_hls_reply", "encode_hls_answer", "encode_hls_reply"]

_SELECTOR: Final = 1
_REQUEST: Final = b"\xc3\x01"
_METHOD: Final = REPLY_TO_HLS.to_bytes() + b"\x01"  # and a parameter follows
_METHOD_END: Final = 3 + len(_METHOD)
_RESPONSE: Final = b"\xc7\x01"
_SUCCESS: Final = b"\x00\x01\x00"  # success, and a value follows


def encode_hls_reply(invoke: int, proof: bytes, *, short_names: bool) -> bytes:
    """Encode the request that carries the client's proof."""
    value = encode_octet_string(proof)
    if short_names:
        return ReadRequest((Parameterised(REPLY_TO_HLS_NAME, _SELECTOR, value),)).to_bytes()
    return _REQUEST + bytes((invoke,)) + _METHOD + value


def decode_hls_reply(apdu: bytes, *, short_names: bool) -> tuple[int, bytes | None] | None:
    """Give invoke id and the client's proof (None for what is no octet-string); None for any other request."""
    if short_names:
        return _decode_short_reply(apdu)
    if apdu[:2] == _REQUEST and apdu[3:_METHOD_END] == _METHOD:
        return apdu[2], _octets(apdu[_METHOD_END:])
    if apdu[0] != ApduTag.ACTION_REQUEST:
        return None
    request = decode_action_request(apdu)
    if not isinstance(request, ActionRequest) or request.address != REPLY_TO_HLS:
        return None
    return request.invoke, _octets(request.parameter or b"")


def _decode_short_reply(apdu: bytes) -> tuple[int, bytes | None] | None:
    if apdu[0] != ApduTag.READ_REQUEST:
        return None
    match ReadRequest.from_bytes(apdu).variables:
        case (Parameterised(name=name, parameter=parameter),) if name == REPLY_TO_HLS_NAME:
            return 0, _octets(parameter)
    return None


def encode_hls_answer(invoke: int, proof: bytes | None, *, short_names: bool) -> bytes:
    """Encode the answer that carries the server's proof, or (None) refuses the client's."""
    if short_names:
        return ReadResponse(
            (ActionResult.READ_WRITE_DENIED if proof is None else encode_octet_string(proof),)
        ).to_bytes()
    if proof is None:
        return ActionResponse(invoke, ActionOutcome(ActionResult.READ_WRITE_DENIED)).to_bytes()
    return _RESPONSE + bytes((invoke,)) + _SUCCESS + encode_octet_string(proof)


def decode_hls_answer(apdu: bytes, *, short_names: bool) -> bytes | None:
    """Give the server's proof, None where ours was refused. UnlawfulMessage for any other answer."""
    value: object
    if short_names:
        results = ReadResponse.from_bytes(apdu).results
        value = results[0] if len(results) == 1 else None
    elif apdu[:2] == _RESPONSE and apdu[3:6] == _SUCCESS:
        value = apdu[6:]
    else:
        response = decode_action_response(apdu)
        if not isinstance(response, ActionResponse):
            raise UnlawfulMessage("answer to our proof is not a plain action response")
        value = response.outcome.value if response.outcome.result == ActionResult.SUCCESS else None
    if not isinstance(value, bytes):
        return None
    proof = _octets(value)
    if proof is None:
        raise UnlawfulMessage("proof of the server is not an octet-string")
    return proof


def _octets(value: bytes) -> bytes | None:
    """Give the content of an encoded octet-string; None for anything else."""
    size = len(value) - 2
    if 0 <= size < 0x80 and value[0] == 9 and value[1] == size:
        return value[2:]
    try:
        decoded = decode_all(value)
    except DecodeError:
        return None
    return decoded if isinstance(decoded, bytes) else None
