"""READ, WRITE and unconfirmed WRITE as the client asks them, long transfers included. APDUs are plain here.

`begin` gives the first request; `receive` takes each response and gives the events it means and, while a transfer goes
on, the next request. Source: IEC 62056-5-3, 7.3.8; fact sheet section 4.
"""

from typing import Final

from meterworks.protocols.dlms.block import check_end, encode_values
from meterworks.protocols.dlms.command import (
    BlockTransferred,
    ClientEvent,
    Read,
    SetListFinished,
    UnconfirmedWrite,
    ValuesReceived,
    Write,
)
from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.data import encode_octet_string
from meterworks.protocols.dlms.result import DataAccessResult
from meterworks.protocols.dlms.short_name import (
    SHORT_BLOCKS_MAX,
    BlockAsked,
    BlockTaken,
    Parameterised,
    ReadBlock,
    ReadBlockResult,
    ReadRequest,
    ReadResponse,
    ReadResult,
    UnconfirmedWriteRequest,
    WriteBlock,
    WriteRequest,
    WriteResponse,
    decode_read_results,
    encode_variables,
)
from meterworks.protocols.errors import StateError, UnlawfulMessage

__all__ = ["ShortNameRequests", "needed_by_names"]

JOINED_SIZE_MAX: Final = 32 * 1024 * 1024  # octets of one answer
READ_BLOCK_ROOM: Final = 1 + 1 + 1 + 1 + 2 + 3  # tag, count, choice, last, number, length
WRITE_BLOCK_ROOM: Final = READ_BLOCK_ROOM + 1 + 1 + 3  # and a list of one octet-string
Answer = tuple[list[ClientEvent], bytes | None]


def needed_by_names(command: Read | Write | UnconfirmedWrite) -> int:
    """Give the services that a command needs beyond its own, as a number."""
    several = len(command.items) > 1
    accesses = command.items if isinstance(command, Read) else [access for access, _ in command.items]
    parameterised = any(isinstance(access, Parameterised) for access in accesses)
    return (int(Conformance.MULTIPLE_REFERENCES) if several else 0) | (
        int(Conformance.PARAMETERISED_ACCESS) if parameterised else 0
    )


class ShortNameRequests:
    """The requests by short name of one association, one at a time."""

    __slots__ = ("_command", "_conformance", "_incoming", "_number", "_offset", "_outgoing", "_size_max")

    def __init__(self) -> None:
        self._conformance = self._size_max = 0
        self._command: Read | Write = Read(())
        self._incoming = bytearray()
        self._outgoing = b""
        self._offset = self._number = 0

    def open(self, conformance: int, size_max: int) -> None:
        """Take the negotiated services, and the largest plain APDU that the server takes."""
        self._conformance = conformance
        self._size_max = size_max

    def begin(self, command: Read | Write | UnconfirmedWrite) -> bytes:
        """Give the first request. StateError where it does not fit, or where several were not negotiated."""
        if isinstance(command, Read):
            apdu = ReadRequest(command.items).to_bytes()
        else:
            kind = WriteRequest if isinstance(command, Write) else UnconfirmedWriteRequest
            apdu = kind(
                tuple(access for access, _ in command.items), tuple(value for _, value in command.items)
            ).to_bytes()
        self._incoming = bytearray()
        self._outgoing = b""
        self._offset = self._number = 0
        if isinstance(command, UnconfirmedWrite):
            self._check_fits(apdu, 0)
            return apdu
        self._command = command
        if len(apdu) <= self._size_max:
            return apdu
        is_read = isinstance(command, Read)
        needed = Conformance.BLOCK_TRANSFER_WITH_GET if is_read else Conformance.BLOCK_TRANSFER_WITH_SET
        self._check_fits(apdu, needed)
        self._outgoing = apdu[1:]  # the list, or both lists, behind the tag
        return self._next_block()

    def _check_fits(self, apdu: bytes, blocks: int) -> None:
        if len(apdu) > self._size_max and not self._conformance & blocks:
            raise StateError(f"the request does not fit into {self._size_max} octets, the most that the server takes")

    def _next_block(self) -> bytes:
        is_read = isinstance(self._command, Read)
        size = self._size_max - (READ_BLOCK_ROOM if is_read else WRITE_BLOCK_ROOM)
        if size < 1 or self._number >= SHORT_BLOCKS_MAX:
            raise StateError(f"not in {SHORT_BLOCKS_MAX} blocks of {size} octets")
        octets = self._outgoing[self._offset : self._offset + size]
        self._offset += len(octets)
        self._number += 1
        last = self._offset == len(self._outgoing)
        if is_read:
            return ReadRequest((ReadBlock(last, self._number, octets),)).to_bytes()
        head = b"\x06" + encode_variables((WriteBlock(last, self._number),))
        return head + encode_values((encode_octet_string(octets),))

    def receive(self, apdu: bytes) -> Answer:
        """Take a response. Raises DecodeError or UnlawfulMessage."""
        if isinstance(self._command, Write):
            return self._receive_written(WriteResponse.from_bytes(apdu))
        results = ReadResponse.from_bytes(apdu).results
        first = results[0] if len(results) == 1 else None
        if isinstance(first, BlockTaken):
            return self._go_on(first.number)
        if isinstance(first, ReadBlockResult):
            return self._receive_block(first)
        return self._finish(results)

    def _receive_written(self, response: WriteResponse) -> Answer:
        results = response.results
        if len(results) == 1 and isinstance(results[0], BlockTaken):
            return self._go_on(results[0].number)
        finished = tuple(result for result in results if isinstance(result, DataAccessResult))
        if self._outgoing and len(results) == 1:
            finished *= len(self._command.items)  # the transfer failed, and everything with it
        self._check_count(len(finished))
        return [SetListFinished(finished)], None

    def _go_on(self, number: int) -> Answer:
        if number != self._number or self._offset >= len(self._outgoing):
            raise UnlawfulMessage(f"block {number} confirmed where {self._number} was sent", number=number)
        return [BlockTransferred(number, self._offset)], self._next_block()

    def _receive_block(self, block: ReadBlockResult) -> Answer:
        if not self._incoming:
            self._number = 0  # from here on the numbers count the blocks of the answer
        if block.number != self._number + 1:
            raise UnlawfulMessage(f"block {block.number} came where {self._number + 1} was due", number=block.number)
        if len(self._incoming) + len(block.octets) > JOINED_SIZE_MAX:
            raise UnlawfulMessage(f"transfer of more than {JOINED_SIZE_MAX} octets", number=block.number)
        self._incoming += block.octets
        self._number = block.number
        if not block.last:
            size = len(self._incoming)
            return [BlockTransferred(block.number, size)], ReadRequest((BlockAsked(block.number),)).to_bytes()
        octets = bytes(self._incoming)
        results, end = decode_read_results(octets)
        check_end(octets, end)
        return self._finish(results)

    def _finish(self, results: tuple[ReadResult, ...]) -> Answer:
        plain = tuple(result for result in results if isinstance(result, bytes | DataAccessResult))
        if len(plain) == len(results) == 1 and isinstance(plain[0], DataAccessResult):
            plain *= len(self._command.items)  # one error may stand for the whole request
        self._check_count(len(plain))
        return [ValuesReceived(plain)], None

    def _check_count(self, count: int) -> None:
        if count != len(self._command.items):
            raise UnlawfulMessage(f"{count} results answer {len(self._command.items)} items")
