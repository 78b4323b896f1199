"""The GET service.  Source: IEC 62056-5-3, 7.3.3; fact sheet section 4."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from meterworks.protocols.dlms.block import (
    GetItem,
    GetResult,
    check_end,
    counted_rest,
    decode_get_item,
    decode_get_items,
    decode_get_results,
    encode_get_item,
    encode_get_items,
    encode_get_result,
    encode_get_results,
)
from meterworks.protocols.dlms.descriptor import AttributeAddress
from meterworks.protocols.dlms.length import encode_length, unsigned_at
from meterworks.protocols.dlms.result import DataAccessResult
from meterworks.protocols.errors import DecodeError

__all__ = [
    "GetNext",
    "GetRequest",
    "GetRequestMessage",
    "GetResponse",
    "GetResponseBlock",
    "GetResponseMessage",
    "GetWithList",
    "GetWithListResponse",
    "decode_get_request",
    "decode_get_response",
]


@dataclass(frozen=True, slots=True, init=False)
class GetRequest:
    """Asks for one attribute. selection: selector and parameters, encoded."""

    invoke: int
    address: AttributeAddress
    selection: bytes | None

    def __init__(self, invoke: int, address: AttributeAddress, selection: bytes | None = None) -> None:
        _set_invoke(self, invoke)
        _set_address(self, address)
        _set_selection(self, selection)

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        if self.selection is None:
            return _REQUEST_HEADS[self.invoke] + self.address.item
        return _REQUEST_HEADS[self.invoke] + encode_get_item(self.address, self.selection)


# Requests and answers of one attribute are the most frequent messages by far. Setting the slots by themselves is what a
# frozen dataclass does as well, at twice the price.
_REQUEST_HEADS: Final = tuple(bytes((0xC0, 1, invoke)) for invoke in range(256))
_set_invoke, _set_address, _set_selection = (
    getattr(GetRequest, name).__set__ for name in ("invoke", "address", "selection")
)


@dataclass(frozen=True, slots=True)
class GetNext:
    """Asks for the block after `number`, the last one received."""

    invoke: int
    number: int

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC0, 2, self.invoke)) + self.number.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class GetWithList:
    """Asks for several attributes."""

    invoke: int
    items: tuple[GetItem, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC0, 3, self.invoke)) + encode_get_items(self.items)


@dataclass(frozen=True, slots=True, init=False)
class GetResponse:
    """One value, still encoded and not looked into, or why there is none."""

    invoke: int
    result: GetResult

    def __init__(self, invoke: int, result: GetResult) -> None:
        _set_answer_invoke(self, invoke)
        _set_result(self, result)

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC4, 1, self.invoke)) + encode_get_result(self.result)


_set_answer_invoke, _set_result = (getattr(GetResponse, name).__set__ for name in ("invoke", "result"))


@dataclass(frozen=True, slots=True)
class GetResponseBlock:
    """One block of a long value (or of a long list of results), or why the transfer ends here."""

    invoke: int
    last: bool
    number: int
    result: GetResult

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        head = bytes((0xC4, 2, self.invoke, self.last)) + self.number.to_bytes(4, "big")
        if isinstance(self.result, DataAccessResult):
            return head + bytes((1, self.result))
        return b"".join((head, b"\x00", encode_length(len(self.result)), self.result))


@dataclass(frozen=True, slots=True)
class GetWithListResponse:
    """Several values or reasons, in the order asked for."""

    invoke: int
    results: tuple[GetResult, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0xC4, 3, self.invoke)) + encode_get_results(self.results)


_PLAIN_SIZE: Final = 13  # of a request for one whole attribute
GetRequestMessage: TypeAlias = GetRequest | GetNext | GetWithList
GetResponseMessage: TypeAlias = GetResponse | GetResponseBlock | GetWithListResponse


def decode_get_request(apdu: bytes) -> GetRequestMessage:
    """Decode a GET request of any kind."""
    if len(apdu) == _PLAIN_SIZE and apdu[1] == 1 and not apdu[12]:
        return GetRequest(apdu[2], AttributeAddress.from_bytes(apdu, 3))
    decoder = _REQUESTS.get(unsigned_at(apdu, 1, 1))
    if decoder is None:
        raise DecodeError(f"GET request of kind {apdu[1]}", offset=1)
    return decoder(apdu, unsigned_at(apdu, 2, 1))


def _pull_request(apdu: bytes, invoke: int) -> GetRequest:
    address, selection, end = decode_get_item(apdu, 3)
    check_end(apdu, end)
    return GetRequest(invoke, address, selection)


def _pull_next(apdu: bytes, invoke: int) -> GetNext:
    number = unsigned_at(apdu, 3, 4)
    check_end(apdu, 7)
    return GetNext(invoke, number)


def _pull_with_list(apdu: bytes, invoke: int) -> GetWithList:
    items, end = decode_get_items(apdu, 3)
    check_end(apdu, end)
    return GetWithList(invoke, items)


_REQUESTS: dict[int, Callable[[bytes, int], GetRequestMessage]] = {1: _pull_request, 2: _pull_next, 3: _pull_with_list}


def decode_get_response(apdu: bytes) -> GetResponseMessage:
    """Decode a GET response of any kind."""
    if len(apdu) > 4 and apdu[1] == 1 and not apdu[3]:
        return GetResponse(apdu[2], apdu[4:])
    decoder = _RESPONSES.get(unsigned_at(apdu, 1, 1))
    if decoder is None:
        raise DecodeError(f"GET response of kind {apdu[1]}", offset=1)
    return decoder(apdu, unsigned_at(apdu, 2, 1))


def _result_to_end(apdu: bytes, offset: int) -> DataAccessResult:
    check_end(apdu, offset + 1)
    return DataAccessResult(unsigned_at(apdu, offset, 1))


def _pull_response(apdu: bytes, invoke: int) -> GetResponse:
    choice = unsigned_at(apdu, 3, 1)
    if choice > 1 or len(apdu) < 5:
        raise DecodeError(f"GET response without data or result: {apdu[:5].hex()}", offset=3)
    return GetResponse(invoke, apdu[4:] if choice == 0 else _result_to_end(apdu, 4))


def _pull_block(apdu: bytes, invoke: int) -> GetResponseBlock:
    last = unsigned_at(apdu, 3, 1) != 0
    number = unsigned_at(apdu, 4, 4)
    choice = unsigned_at(apdu, 8, 1)
    if choice > 1:
        raise DecodeError(f"choice {choice:#04x} is neither data nor a result at octet 8", offset=8)
    return GetResponseBlock(invoke, last, number, counted_rest(apdu, 9) if choice == 0 else _result_to_end(apdu, 9))


def _pull_list_response(apdu: bytes, invoke: int) -> GetWithListResponse:
    results, end = decode_get_results(apdu, 3)
    check_end(apdu, end)
    return GetWithListResponse(invoke, results)


_RESPONSES: dict[int, Callable[[bytes, int], GetResponseMessage]] = {
    1: _pull_response,
    2: _pull_block,
    3: _pull_list_response,
}
