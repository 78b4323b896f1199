"""The SET service.  Source: IEC 62056-5-3, 7.3.4; fact sheet section 4."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from meterworks.protocols.dlms.block import (
    DataBlock,
    GetItem,
    check_end,
    decode_get_item,
    decode_get_items,
    decode_results,
    decode_values,
    encode_get_item,
    encode_get_items,
    encode_values,
)
from meterworks.protocols.dlms.data import end_of
from meterworks.protocols.dlms.descriptor import AttributeAddress
from meterworks.protocols.dlms.length import encode_length, unsigned_at
from meterworks.protocols.dlms.result import DATA_ACCESS_RESULTS, DataAccessResult
from meterworks.protocols.errors import DecodeError

__all__ = [
    "SetBlock",
    "SetFirstBlock",
    "SetRequest",
    "SetRequestMessage",
    "SetResponse",
    "SetResponseBlock",
    "SetResponseLastBlock",
    "SetResponseMessage",
    "SetWithList",
    "SetWithListFirstBlock",
    "SetWithListLastBlock",
    "SetWithListResponse",
    "decode_set_request",
    "decode_set_response",
]


@dataclass(frozen=True, slots=True, init=False)
class SetRequest:
    """Writes one attribute; `value` is encoded."""

    invoke: int
    address: AttributeAddress
    selection: bytes | None
    value: bytes

    def __init__(self, invoke: int, address: AttributeAddress, selection: bytes | None, value: bytes) -> None:
        _set_invoke(self, invoke)
        _set_address(self, address)
        _set_selection(self, selection)
        _set_value(self, value)

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        item = self.address.item if self.selection is None else encode_get_item(self.address, self.selection)
        return _REQUEST_HEADS[self.invoke] + item + self.value


_REQUEST_HEADS: Final = tuple(bytes((0xC1, 1, invoke)) for invoke in range(256))
_set_invoke, _set_address, _set_selection, _set_value = (  # see `get`
    getattr(SetRequest, name).__set__ for name in ("invoke", "address", "selection", "value")
)


@dataclass(frozen=True, slots=True)
class SetFirstBlock:
    """Begins to write one attribute in blocks."""

    invoke: int
    address: AttributeAddress
    selection: bytes | None
    block: DataBlock

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        item = encode_get_item(self.address, self.selection)
        return bytes((0xC1, 2, self.invoke)) + item + self.block.to_bytes()


@dataclass(frozen=True, slots=True)
class SetBlock:
    """Goes on writing in blocks."""

    invoke: int
    block: DataBlock

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC1, 3, self.invoke)) + self.block.to_bytes()


@dataclass(frozen=True, slots=True)
class SetWithList:
    """Writes several attributes; the values are encoded."""

    invoke: int
    items: tuple[GetItem, ...]
    values: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC1, 4, self.invoke)) + encode_get_items(self.items) + encode_values(self.values)


@dataclass(frozen=True, slots=True)
class SetWithListFirstBlock:
    """Begins to write several attributes in blocks; the joined blocks are the list of values."""

    invoke: int
    items: tuple[GetItem, ...]
    block: DataBlock

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC1, 5, self.invoke)) + encode_get_items(self.items) + self.block.to_bytes()


@dataclass(frozen=True, slots=True, init=False)
class SetResponse:
    """Result of writing one attribute."""

    invoke: int
    result: DataAccessResult

    def __init__(self, invoke: int, result: DataAccessResult) -> None:
        _set_answer_invoke(self, invoke)
        _set_result(self, result)

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC5, 1, self.invoke, self.result))


_set_answer_invoke, _set_result = (getattr(SetResponse, name).__set__ for name in ("invoke", "result"))


@dataclass(frozen=True, slots=True)
class SetResponseBlock:
    """A block was taken, the next may come."""

    invoke: int
    number: int

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC5, 2, self.invoke)) + self.number.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class SetResponseLastBlock:
    """Result of writing one attribute in blocks."""

    invoke: int
    result: DataAccessResult
    number: int

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC5, 3, self.invoke, self.result)) + self.number.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class SetWithListLastBlock:
    """Results of writing several attributes in blocks."""

    invoke: int
    results: tuple[DataAccessResult, ...]
    number: int

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC5, 4, self.invoke)) + _encode_results(self.results) + self.number.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class SetWithListResponse:
    """Results of writing several attributes."""

    invoke: int
    results: tuple[DataAccessResult, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC5, 5, self.invoke)) + _encode_results(self.results)


RESPONSE_SIZE: Final = 4  # of the result of one write
VALUE_OFFSET: Final = 13  # of the value of a request without selection
SetRequestMessage: TypeAlias = SetRequest | SetFirstBlock | SetBlock | SetWithList | SetWithListFirstBlock
SetResponseMessage: TypeAlias = (
    SetResponse | SetResponseBlock | SetResponseLastBlock | SetWithListLastBlock | SetWithListResponse
)


def _encode_results(results: tuple[DataAccessResult, ...]) -> bytes:
    return encode_length(len(results)) + bytes(results)


def decode_set_request(apdu: bytes) -> SetRequestMessage:
    """Decode a SET request of any kind; the value is checked to be one well-formed value."""
    if len(apdu) > VALUE_OFFSET and apdu[1] == 1 and not apdu[12]:
        check_end(apdu, end_of(apdu, VALUE_OFFSET))
        return SetRequest(apdu[2], AttributeAddress.from_bytes(apdu, 3), None, apdu[VALUE_OFFSET:])
    decoder = _REQUESTS.get(unsigned_at(apdu, 1, 1))
    if decoder is None:
        raise DecodeError(f"SET request of kind {apdu[1]}", offset=1)
    return decoder(apdu, unsigned_at(apdu, 2, 1))


def _pull_request(apdu: bytes, invoke: int) -> SetRequest:
    address, selection, offset = decode_get_item(apdu, 3)
    check_end(apdu, end_of(apdu, offset))
    return SetRequest(invoke, address, selection, apdu[offset:])


def _pull_first_block(apdu: bytes, invoke: int) -> SetFirstBlock:
    address, selection, offset = decode_get_item(apdu, 3)
    return SetFirstBlock(invoke, address, selection, DataBlock.from_bytes(apdu, offset))


def _pull_block(apdu: bytes, invoke: int) -> SetBlock:
    return SetBlock(invoke, DataBlock.from_bytes(apdu, 3))


def _pull_with_list(apdu: bytes, invoke: int) -> SetWithList:
    items, offset = decode_get_items(apdu, 3)
    values, end = decode_values(apdu, offset)
    check_end(apdu, end)
    if len(items) != len(values):
        raise DecodeError(f"{len(values)} values for {len(items)} attributes", offset=offset)
    return SetWithList(invoke, items, values)


def _pull_list_first_block(apdu: bytes, invoke: int) -> SetWithListFirstBlock:
    items, offset = decode_get_items(apdu, 3)
    return SetWithListFirstBlock(invoke, items, DataBlock.from_bytes(apdu, offset))


_REQUESTS: dict[int, Callable[[bytes, int], SetRequestMessage]] = {
    1: _pull_request,
    2: _pull_first_block,
    3: _pull_block,
    4: _pull_with_list,
    5: _pull_list_first_block,
}


def decode_set_response(apdu: bytes) -> SetResponseMessage:
    """Decode a SET response of any kind."""
    if len(apdu) == RESPONSE_SIZE and apdu[1] == 1:
        return SetResponse(apdu[2], DATA_ACCESS_RESULTS[apdu[3]])
    decoder = _RESPONSES.get(unsigned_at(apdu, 1, 1))
    if decoder is None:
        raise DecodeError(f"SET response of kind {apdu[1]}", offset=1)
    return decoder(apdu, unsigned_at(apdu, 2, 1))


def _pull_response(apdu: bytes, invoke: int) -> SetResponse:
    check_end(apdu, 4)
    return SetResponse(invoke, DATA_ACCESS_RESULTS[apdu[3]])


def _pull_response_block(apdu: bytes, invoke: int) -> SetResponseBlock:
    number = unsigned_at(apdu, 3, 4)
    check_end(apdu, 7)
    return SetResponseBlock(invoke, number)


def _pull_response_last(apdu: bytes, invoke: int) -> SetResponseLastBlock:
    number = unsigned_at(apdu, 4, 4)
    check_end(apdu, 8)
    return SetResponseLastBlock(invoke, DataAccessResult(apdu[3]), number)


def _pull_list_last(apdu: bytes, invoke: int) -> SetWithListLastBlock:
    results, offset = decode_results(apdu, 3)
    number = unsigned_at(apdu, offset, 4)
    check_end(apdu, offset + 4)
    return SetWithListLastBlock(invoke, results, number)


def _pull_list_response(apdu: bytes, invoke: int) -> SetWithListResponse:
    results, end = decode_results(apdu, 3)
    check_end(apdu, end)
    return SetWithListResponse(invoke, results)


_RESPONSES: dict[int, Callable[[bytes, int], SetResponseMessage]] = {
    1: _pull_response,
    2: _pull_response_block,
    3: _pull_response_last,
    4: _pull_list_last,
    5: _pull_list_response,
}
