"""The ACTION service.  Source: IEC 62056-5-3, 7.3.5; fact sheet section 4."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from meterworks.protocols.dlms.block import (
    DataBlock,
    GetResult,
    check_end,
    decode_count,
    decode_get_result,
    decode_values,
    encode_get_result,
    encode_values,
)
from meterworks.protocols.dlms.data import end_of
from meterworks.protocols.dlms.descriptor import DESCRIPTOR_SIZE, MethodAddress
from meterworks.protocols.dlms.length import encode_length, unsigned_at
from meterworks.protocols.dlms.result import DATA_ACCESS_RESULTS, ActionResult
from meterworks.protocols.errors import DecodeError

__all__ = [
    "ActionBlock",
    "ActionFirstBlock",
    "ActionNext",
    "ActionOutcome",
    "ActionRequest",
    "ActionRequestMessage",
    "ActionResponse",
    "ActionResponseBlock",
    "ActionResponseMessage",
    "ActionResponseNext",
    "ActionWithList",
    "ActionWithListFirstBlock",
    "ActionWithListResponse",
    "decode_action_outcome",
    "decode_action_outcomes",
    "decode_action_request",
    "decode_action_response",
    "encode_action_outcomes",
]


@dataclass(frozen=True, slots=True, init=False)
class ActionOutcome:
    """Result of a method and what it returned: encoded data, why there is none, or nothing.

    is_flagged: the octet that says whether a value follows is there; a widely used server leaves it out for nothing.
    """

    result: ActionResult
    value: GetResult | None
    is_flagged: bool = field(compare=False)

    def __init__(self, result: ActionResult, value: GetResult | None = None, is_flagged: bool = True) -> None:
        _set_result(self, result)
        _set_value(self, value)
        _set_is_flagged(self, is_flagged)

    def to_bytes(self) -> bytes:
        """Encode result and optional return value."""
        if self.value is None:
            return bytes((self.result, 0)) if self.is_flagged else bytes((self.result,))
        return bytes((self.result, 1)) + encode_get_result(self.value)


_set_result, _set_value, _set_is_flagged = (  # see `get`
    getattr(ActionOutcome, name).__set__ for name in ("result", "value", "is_flagged")
)


@dataclass(frozen=True, slots=True, init=False)
class ActionRequest:
    """Invokes one method; `parameter` is encoded."""

    invoke: int
    address: MethodAddress
    parameter: bytes | None

    def __init__(self, invoke: int, address: MethodAddress, parameter: bytes | None) -> None:
        _set_invoke(self, invoke)
        _set_address(self, address)
        _set_parameter(self, parameter)

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        parameter = b"\x00" if self.parameter is None else b"\x01" + self.parameter
        return _REQUEST_HEADS[self.invoke] + self.address.item + parameter


_REQUEST_HEADS: Final = tuple(bytes((0xC3, 1, invoke)) for invoke in range(256))
_set_invoke, _set_address, _set_parameter = (
    getattr(ActionRequest, name).__set__ for name in ("invoke", "address", "parameter")
)


@dataclass(frozen=True, slots=True)
class ActionNext:
    """Asks for the block of the response after `number`, the last one received."""

    invoke: int
    number: int

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC3, 2, self.invoke)) + self.number.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class ActionWithList:
    """Invokes several methods; the parameters are encoded."""

    invoke: int
    addresses: tuple[MethodAddress, ...]
    parameters: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC3, 3, self.invoke)) + _encode_addresses(self.addresses) + encode_values(self.parameters)


@dataclass(frozen=True, slots=True)
class ActionFirstBlock:
    """Begins to invoke a method whose parameter comes in blocks."""

    invoke: int
    address: MethodAddress
    block: DataBlock

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC3, 4, self.invoke)) + self.address.to_bytes() + self.block.to_bytes()


@dataclass(frozen=True, slots=True)
class ActionWithListFirstBlock:
    """Begins to invoke several methods; the joined blocks are the list of parameters."""

    invoke: int
    addresses: tuple[MethodAddress, ...]
    block: DataBlock

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC3, 5, self.invoke)) + _encode_addresses(self.addresses) + self.block.to_bytes()


@dataclass(frozen=True, slots=True)
class ActionBlock:
    """Goes on sending a parameter in blocks."""

    invoke: int
    block: DataBlock

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC3, 6, self.invoke)) + self.block.to_bytes()


@dataclass(frozen=True, slots=True, init=False)
class ActionResponse:
    """Outcome of one method."""

    invoke: int
    outcome: ActionOutcome

    def __init__(self, invoke: int, outcome: ActionOutcome) -> None:
        _set_answer_invoke(self, invoke)
        _set_outcome(self, outcome)

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC7, 1, self.invoke)) + self.outcome.to_bytes()


_set_answer_invoke, _set_outcome = (getattr(ActionResponse, name).__set__ for name in ("invoke", "outcome"))


@dataclass(frozen=True, slots=True)
class ActionResponseBlock:
    """One block of a long response."""

    invoke: int
    block: DataBlock

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC7, 2, self.invoke)) + self.block.to_bytes()


@dataclass(frozen=True, slots=True)
class ActionWithListResponse:
    """Outcomes of several methods."""

    invoke: int
    outcomes: tuple[ActionOutcome, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC7, 3, self.invoke)) + encode_action_outcomes(self.outcomes)


@dataclass(frozen=True, slots=True)
class ActionResponseNext:
    """A block of the request was taken, the next may come."""

    invoke: int
    number: int

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC7, 4, self.invoke)) + self.number.to_bytes(4, "big")


PARAMETER_OFFSET: Final = 13  # of the parameter of a request for one method
EMPTY_SIZE: Final = 5  # of a response without a value
ActionRequestMessage: TypeAlias = (
    ActionRequest | ActionNext | ActionWithList | ActionFirstBlock | ActionWithListFirstBlock | ActionBlock
)
ActionResponseMessage: TypeAlias = ActionResponse | ActionResponseBlock | ActionWithListResponse | ActionResponseNext


def _encode_addresses(addresses: tuple[MethodAddress, ...]) -> bytes:
    return encode_length(len(addresses)) + b"".join([address.to_bytes() for address in addresses])


def _decode_addresses(apdu: bytes, offset: int) -> tuple[tuple[MethodAddress, ...], int]:
    count, offset = decode_count(apdu, offset)
    end = offset + count * DESCRIPTOR_SIZE
    return tuple(MethodAddress.from_bytes(apdu, start) for start in range(offset, end, DESCRIPTOR_SIZE)), end


def encode_action_outcomes(outcomes: tuple[ActionOutcome, ...]) -> bytes:
    """Encode a list of outcomes."""
    return encode_length(len(outcomes)) + b"".join([outcome.to_bytes() for outcome in outcomes])


def decode_action_outcome(apdu: bytes, offset: int) -> tuple[ActionOutcome, int]:
    """Give an outcome and the offset after it; the octet that says whether a value follows may be missing."""
    result = DATA_ACCESS_RESULTS[unsigned_at(apdu, offset, 1)]
    offset += 1
    if offset == len(apdu):
        return ActionOutcome(result, is_flagged=False), offset
    flag = apdu[offset]
    if flag == 0:
        return ActionOutcome(result), offset + 1
    if flag != 1:
        raise DecodeError(f"presence of a return value is {flag:#04x} at octet {offset}", offset=offset)
    value, end = decode_get_result(apdu, offset + 1)
    return ActionOutcome(result, value), end


def decode_action_outcomes(apdu: bytes, offset: int = 0) -> tuple[tuple[ActionOutcome, ...], int]:
    """Give the outcomes of a list and the offset after them."""
    count, offset = decode_count(apdu, offset)
    outcomes = []
    for _ in range(count):
        outcome, offset = decode_action_outcome(apdu, offset)
        outcomes.append(outcome)
    return tuple(outcomes), offset


def decode_action_request(apdu: bytes) -> ActionRequestMessage:
    """Decode an ACTION request of any kind; a parameter is checked to be one well-formed value."""
    if len(apdu) > PARAMETER_OFFSET and apdu[1] == 1 and apdu[12] == 1:
        check_end(apdu, end_of(apdu, PARAMETER_OFFSET))
        return ActionRequest(apdu[2], MethodAddress.from_bytes(apdu, 3), apdu[PARAMETER_OFFSET:])
    decoder = _REQUESTS.get(unsigned_at(apdu, 1, 1))
    if decoder is None:
        raise DecodeError(f"ACTION request of kind {apdu[1]}", offset=1)
    return decoder(apdu, unsigned_at(apdu, 2, 1))


def _pull_request(apdu: bytes, invoke: int) -> ActionRequest:
    address = MethodAddress.from_bytes(apdu, 3)
    offset = 3 + DESCRIPTOR_SIZE
    flag = unsigned_at(apdu, offset, 1)
    if flag > 1:
        raise DecodeError(f"presence of a parameter is {flag:#04x} at octet {offset}", offset=offset)
    end = end_of(apdu, offset + 1) if flag else offset + 1
    check_end(apdu, end)
    return ActionRequest(invoke, address, apdu[offset + 1 :] if flag else None)


def _pull_next(apdu: bytes, invoke: int) -> ActionNext:
    number = unsigned_at(apdu, 3, 4)
    check_end(apdu, 7)
    return ActionNext(invoke, number)


def _pull_with_list(apdu: bytes, invoke: int) -> ActionWithList:
    addresses, offset = _decode_addresses(apdu, 3)
    parameters, end = decode_values(apdu, offset)
    check_end(apdu, end)
    if len(addresses) != len(parameters):
        raise DecodeError(f"{len(parameters)} parameters for {len(addresses)} methods", offset=offset)
    return ActionWithList(invoke, addresses, parameters)


def _pull_first_block(apdu: bytes, invoke: int) -> ActionFirstBlock:
    address = MethodAddress.from_bytes(apdu, 3)
    return ActionFirstBlock(invoke, address, DataBlock.from_bytes(apdu, 3 + DESCRIPTOR_SIZE))


def _pull_list_first_block(apdu: bytes, invoke: int) -> ActionWithListFirstBlock:
    addresses, offset = _decode_addresses(apdu, 3)
    return ActionWithListFirstBlock(invoke, addresses, DataBlock.from_bytes(apdu, offset))


def _pull_block(apdu: bytes, invoke: int) -> ActionBlock:
    return ActionBlock(invoke, DataBlock.from_bytes(apdu, 3))


_REQUESTS: dict[int, Callable[[bytes, int], ActionRequestMessage]] = {
    1: _pull_request,
    2: _pull_next,
    3: _pull_with_list,
    4: _pull_first_block,
    5: _pull_list_first_block,
    6: _pull_block,
}


def decode_action_response(apdu: bytes) -> ActionResponseMessage:
    """Decode an ACTION response of any kind."""
    if len(apdu) == EMPTY_SIZE and apdu[1] == 1 and not apdu[4]:
        return ActionResponse(apdu[2], ActionOutcome(DATA_ACCESS_RESULTS[apdu[3]]))
    decoder = _RESPONSES.get(unsigned_at(apdu, 1, 1))
    if decoder is None:
        raise DecodeError(f"ACTION response of kind {apdu[1]}", offset=1)
    return decoder(apdu, unsigned_at(apdu, 2, 1))


def _pull_response(apdu: bytes, invoke: int) -> ActionResponse:
    outcome, end = decode_action_outcome(apdu, 3)
    check_end(apdu, end)
    return ActionResponse(invoke, outcome)


def _pull_response_block(apdu: bytes, invoke: int) -> ActionResponseBlock:
    return ActionResponseBlock(invoke, DataBlock.from_bytes(apdu, 3))


def _pull_list_response(apdu: bytes, invoke: int) -> ActionWithListResponse:
    outcomes, end = decode_action_outcomes(apdu, 3)
    check_end(apdu, end)
    return ActionWithListResponse(invoke, outcomes)


def _pull_response_next(apdu: bytes, invoke: int) -> ActionResponseNext:
    number = unsigned_at(apdu, 3, 4)
    check_end(apdu, 7)
    return ActionResponseNext(invoke, number)


_RESPONSES: dict[int, Callable[[bytes, int], ActionResponseMessage]] = {
    1: _pull_response,
    2: _pull_response_block,
    3: _pull_list_response,
    4: _pull_response_next,
}
