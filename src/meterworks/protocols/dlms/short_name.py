"""READ, WRITE, unconfirmed WRITE and information report: the services of short-name referencing.

A short name is a number of 16 bits; attribute n of an object whose base name is b has the name b + 8 x (n - 1).
Long requests and answers are cut into blocks, whose joined octets are the list that the APDU would have held.
Source: IEC 62056-5-3, 7.3.8 to 7.3.11; fact sheet section 4.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from meterworks.protocols.dlms.block import check_end, decode_count, decode_values, encode_values
from meterworks.protocols.dlms.data import end_of
from meterworks.protocols.dlms.descriptor import selection_end
from meterworks.protocols.dlms.length import decode_length, encode_length, take, unsigned_at
from meterworks.protocols.dlms.result import DataAccessResult
from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = [
    "BlockAsked",
    "BlockTaken",
    "InformationReport",
    "Parameterised",
    "ReadBlock",
    "ReadBlockResult",
    "ReadRequest",
    "ReadResponse",
    "ReadResult",
    "UnconfirmedWriteRequest",
    "Variable",
    "VariableAccess",
    "WriteBlock",
    "WriteRequest",
    "WriteResponse",
    "WriteResult",
    "decode_read_results",
    "decode_variables",
    "encode_read_results",
    "encode_variables",
]

NAME_MAX: Final = 0xFFFF
SHORT_BLOCKS_MAX: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Variable:
    """Names a variable (an attribute, or a method to be invoked by writing to it)."""

    name: int

    def to_bytes(self) -> bytes:
        """Encode the access specification."""
        return b"\x02" + _two_octets(self.name)


@dataclass(frozen=True, slots=True)
class Parameterised:
    """Names a variable with a selector and its parameters: selective access, or a method with an answer.

    selector: 0 to 255. parameter: encoded data.
    """

    name: int
    selector: int
    parameter: bytes

    def to_bytes(self) -> bytes:
        """Encode the access specification."""
        return b"\x04" + _two_octets(self.name) + bytes((self.selector,)) + self.parameter


@dataclass(frozen=True, slots=True)
class BlockAsked:
    """Asks for the block of a long answer after `number`, the last one received."""

    number: int

    def to_bytes(self) -> bytes:
        """Encode the access specification."""
        return b"\x05" + _two_octets(self.number)


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block of a long READ request. The joined octets are its list of access specifications."""

    last: bool
    number: int
    octets: bytes

    def to_bytes(self) -> bytes:
        """Encode the access specification."""
        return b"\x06" + _encode_block(self.last, self.number, self.octets)


@dataclass(frozen=True, slots=True)
class WriteBlock:
    """Announces a block of a long WRITE request; the octets are in the request's only data, an octet-string.

    The joined octets are its list of access specifications and its list of data.
    """

    last: bool
    number: int

    def to_bytes(self) -> bytes:
        """Encode the access specification."""
        return bytes((7, self.last)) + _two_octets(self.number)


VariableAccess: TypeAlias = Variable | Parameterised | BlockAsked | ReadBlock | WriteBlock


@dataclass(frozen=True, slots=True)
class ReadBlockResult:
    """A block of a long answer to READ. The joined octets are its list of results."""

    last: bool
    number: int
    octets: bytes

    def to_bytes(self) -> bytes:
        """Encode the result."""
        return b"\x02" + _encode_block(self.last, self.number, self.octets)


@dataclass(frozen=True, slots=True)
class BlockTaken:
    """A block of a long request was taken, the next may come."""

    number: int


ReadResult: TypeAlias = bytes | DataAccessResult | ReadBlockResult | BlockTaken
WriteResult: TypeAlias = DataAccessResult | BlockTaken


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Reads variables."""

    variables: tuple[VariableAccess, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return b"\x05" + encode_variables(self.variables)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        _check_tag(apdu, 0x05)
        variables, end = decode_variables(apdu, 1)
        check_end(apdu, end)
        return cls(variables)


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """Answers READ: data (encoded), access results, a block, or that a block was taken."""

    results: tuple[ReadResult, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return b"\x0c" + encode_read_results(self.results)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        _check_tag(apdu, 0x0C)
        results, end = decode_read_results(apdu, 1)
        check_end(apdu, end)
        return cls(results)


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Writes variables; the values are encoded, one for each."""

    variables: tuple[VariableAccess, ...]
    values: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return b"\x06" + encode_variables(self.variables) + encode_values(self.values)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU; both lists must be of one length."""
        return cls(*_decode_written(apdu, 0x06))


@dataclass(frozen=True, slots=True)
class WriteResponse:
    """Answers WRITE: success or an access result per variable, or that a block was taken."""

    results: tuple[WriteResult, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return b"\x0d" + encode_length(len(self.results)) + b"".join(map(_encode_write_result, self.results))

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        _check_tag(apdu, 0x0D)
        count, offset = decode_count(apdu, 1)
        results = []
        for _ in range(count):
            result, offset = _decode_write_result(apdu, offset)
            results.append(result)
        check_end(apdu, offset)
        return cls(tuple(results))


@dataclass(frozen=True, slots=True)
class UnconfirmedWriteRequest:
    """Writes variables; nobody answers."""

    variables: tuple[VariableAccess, ...]
    values: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return b"\x16" + encode_variables(self.variables) + encode_values(self.values)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU; both lists must be of one length."""
        return cls(*_decode_written(apdu, 0x16))


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationReport:
    """Variables that the server sends by itself. values: encoded, one for each.

    current_time: octets as sent, none where the time is absent; the standard's type is a generalised time in ASCII,
    fielded software sends a date-time of 12 octets. is_flagged: the flag of an optional member stands before the time;
    a widely used stack leaves it out.
    """

    variables: tuple[VariableAccess, ...]
    values: tuple[bytes, ...]
    current_time: bytes = b""
    is_flagged: bool = True

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        moment = b"\x00"
        if self.current_time:
            flag = b"\x01" if self.is_flagged else b""
            moment = flag + encode_length(len(self.current_time)) + self.current_time
        return b"".join((b"\x18", moment, encode_variables(self.variables), encode_values(self.values)))

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU; both lists must be of one length."""
        _check_tag(apdu, 0x18)
        flag = unsigned_at(apdu, 1, 1)
        moment, offset = b"", 2
        if flag:
            length, offset = decode_length(apdu, 2 if flag == 1 else 1)
            moment = take(apdu, offset, length)
            offset += length
        variables, values = _decode_named_values(apdu, offset)
        return cls(variables=variables, values=values, current_time=moment, is_flagged=flag <= 1 or not moment)


def _two_octets(number: int) -> bytes:
    if not 0 <= number <= NAME_MAX:
        raise EncodeError(f"{number} does not fit into two octets")
    return number.to_bytes(2, "big")


def _check_tag(apdu: bytes, tag: int) -> None:
    if take(apdu, 0, 1)[0] != tag:
        raise DecodeError(f"APDU {tag:#04x} expected, got {apdu[0]:#04x}", offset=0)


def _encode_block(last: bool, number: int, octets: bytes) -> bytes:
    return b"".join((b"\x01" if last else b"\x00", _two_octets(number), encode_length(len(octets)), octets))


def _decode_block(apdu: bytes, offset: int) -> tuple[bool, int, bytes, int]:
    last = unsigned_at(apdu, offset, 1) != 0
    number = unsigned_at(apdu, offset + 1, 2)
    length, offset = decode_length(apdu, offset + 3)
    return last, number, take(apdu, offset, length), offset + length


# --- access specifications -------------------------------------------------------------------------------------------


def encode_variables(variables: Iterable[VariableAccess]) -> bytes:
    """Encode a list of access specifications."""
    encoded = [variable.to_bytes() for variable in variables]
    return encode_length(len(encoded)) + b"".join(encoded)


def decode_variables(apdu: bytes, offset: int = 0) -> tuple[tuple[VariableAccess, ...], int]:
    """Give the access specifications of a list and the offset after them."""
    count, offset = decode_count(apdu, offset)
    found = []
    for _ in range(count):
        choice = unsigned_at(apdu, offset, 1)
        decoder = _VARIABLES.get(choice)
        if decoder is None:
            raise DecodeError(f"variable access of kind {choice} at octet {offset}", offset=offset)
        variable, offset = decoder(apdu, offset + 1)
        found.append(variable)
    return tuple(found), offset


def _pull_variable(apdu: bytes, offset: int) -> tuple[VariableAccess, int]:
    return Variable(unsigned_at(apdu, offset, 2)), offset + 2


def _pull_parameterised(apdu: bytes, offset: int) -> tuple[VariableAccess, int]:
    name = unsigned_at(apdu, offset, 2)
    selector = unsigned_at(apdu, offset + 2, 1)
    end = selection_end(apdu, offset + 2)
    return Parameterised(name, selector, apdu[offset + 3 : end]), end


def _pull_block_asked(apdu: bytes, offset: int) -> tuple[VariableAccess, int]:
    return BlockAsked(unsigned_at(apdu, offset, 2)), offset + 2


def _pull_read_block(apdu: bytes, offset: int) -> tuple[VariableAccess, int]:
    last, number, octets, end = _decode_block(apdu, offset)
    return ReadBlock(last, number, octets), end


def _pull_write_block(apdu: bytes, offset: int) -> tuple[VariableAccess, int]:
    last = unsigned_at(apdu, offset, 1) != 0
    return WriteBlock(last, unsigned_at(apdu, offset + 1, 2)), offset + 3


_VARIABLES: Final[dict[int, Callable[[bytes, int], tuple[VariableAccess, int]]]] = {
    2: _pull_variable,
    4: _pull_parameterised,
    5: _pull_block_asked,
    6: _pull_read_block,
    7: _pull_write_block,
}


def _decode_written(apdu: bytes, tag: int) -> tuple[tuple[VariableAccess, ...], tuple[bytes, ...]]:
    _check_tag(apdu, tag)
    return _decode_named_values(apdu, 1)


def _decode_named_values(apdu: bytes, offset: int) -> tuple[tuple[VariableAccess, ...], tuple[bytes, ...]]:
    variables, offset = decode_variables(apdu, offset)
    values, end = decode_values(apdu, offset)
    check_end(apdu, end)
    if len(values) != len(variables):
        raise DecodeError(f"{len(values)} values for {len(variables)} variables", offset=offset)
    return variables, values


# --- results ---------------------------------------------------------------------------------------------------------


def encode_read_results(results: Iterable[ReadResult]) -> bytes:
    """Encode a list of results of READ."""
    encoded = [_encode_read_result(result) for result in results]
    return encode_length(len(encoded)) + b"".join(encoded)


def _encode_read_result(result: ReadResult) -> bytes:
    if isinstance(result, bytes):
        return b"\x00" + result
    if isinstance(result, DataAccessResult):
        return bytes((1, result))
    return result.to_bytes() if isinstance(result, ReadBlockResult) else b"\x03" + _two_octets(result.number)


def decode_read_results(apdu: bytes, offset: int = 0) -> tuple[tuple[ReadResult, ...], int]:
    """Give the results of a list and the offset after them."""
    count, offset = decode_count(apdu, offset)
    results = []
    for _ in range(count):
        result, offset = _decode_read_result(apdu, offset)
        results.append(result)
    return tuple(results), offset


def _decode_read_result(apdu: bytes, offset: int) -> tuple[ReadResult, int]:
    choice = unsigned_at(apdu, offset, 1)
    if choice == 0:
        end = end_of(apdu, offset + 1)
        return apdu[offset + 1 : end], end
    if choice == 1:
        return DataAccessResult(unsigned_at(apdu, offset + 1, 1)), offset + 2
    if choice == 2:
        last, number, octets, end = _decode_block(apdu, offset + 1)
        return ReadBlockResult(last, number, octets), end
    if choice == 3:
        return BlockTaken(unsigned_at(apdu, offset + 1, 2)), offset + 3
    raise DecodeError(f"result of READ of kind {choice} at octet {offset}", offset=offset)


def _encode_write_result(result: WriteResult) -> bytes:
    if isinstance(result, BlockTaken):
        return b"\x02" + _two_octets(result.number)
    return b"\x00" if result == DataAccessResult.SUCCESS else bytes((1, result))


def _decode_write_result(apdu: bytes, offset: int) -> tuple[WriteResult, int]:
    choice = unsigned_at(apdu, offset, 1)
    if choice == 0:
        return DataAccessResult.SUCCESS, offset + 1
    if choice == 1:
        return DataAccessResult(unsigned_at(apdu, offset + 1, 1)), offset + 2
    if choice == 2:
        return BlockTaken(unsigned_at(apdu, offset + 1, 2)), offset + 3
    raise DecodeError(f"result of WRITE of kind {choice} at octet {offset}", offset=offset)
