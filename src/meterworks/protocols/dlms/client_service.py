"""GET, SET and ACTION as the client asks them, long transfers included. No security here: APDUs are plain.

`begin` gives the first request of a command; `receive` takes each response and gives the events it means and, while a
transfer goes on, the next request. One command at a time.
Source: IEC 62056-5-3, 4.2; fact sheet section 4.
"""

from collections.abc import Callable
from typing import Final

from meterworks.protocols.dlms.action import (
    ActionBlock,
    ActionFirstBlock,
    ActionNext,
    ActionOutcome,
    ActionRequest,
    ActionResponse,
    ActionResponseBlock,
    ActionWithList,
    ActionWithListFirstBlock,
    ActionWithListResponse,
    decode_action_outcome,
    decode_action_outcomes,
    decode_action_response,
)
from meterworks.protocols.dlms.block import (
    BLOCK_OVERHEAD,
    DataBlock,
    check_end,
    decode_get_results,
    encode_get_items,
    encode_values,
)
from meterworks.protocols.dlms.command import (
    Action,
    ActionFinished,
    ActionList,
    ActionListFinished,
    BlockTransferred,
    ClientEvent,
    Get,
    GetList,
    Set,
    SetFinished,
    SetList,
    SetListFinished,
    ValueReceived,
    ValuesReceived,
    encode_selection,
)
from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.descriptor import MethodAddress
from meterworks.protocols.dlms.get import (
    GetNext,
    GetRequest,
    GetResponse,
    GetResponseBlock,
    GetWithList,
    GetWithListResponse,
    decode_get_response,
)
from meterworks.protocols.dlms.result import ActionResult, DataAccessResult
from meterworks.protocols.dlms.set import (
    SetBlock,
    SetFirstBlock,
    SetRequest,
    SetResponse,
    SetResponseBlock,
    SetResponseLastBlock,
    SetWithList,
    SetWithListFirstBlock,
    SetWithListLastBlock,
    SetWithListResponse,
    decode_set_response,
)
from meterworks.protocols.dlms.tag import ApduTag
from meterworks.protocols.errors import StateError, UnlawfulMessage

__all__ = ["BLOCKS_MAX", "TRANSFER_SIZE_MAX", "ClientServices", "ServiceCommand"]

TRANSFER_SIZE_MAX: Final = 32 * 1024 * 1024  # octets of one value; 13 months of quarter hours are below 2 MB
BLOCKS_MAX: Final = 1_000_000
DESCRIPTOR_ROOM: Final = 16  # descriptor and flags that stand before the first block of a single value

ServiceCommand = Get | GetList | Set | SetList | Action | ActionList
Answer = tuple[list[ClientEvent], bytes | None]  # events, and the next request while a transfer goes on


class ClientServices:
    """The services of one open association; `open` sets what was negotiated."""

    __slots__ = ("_command", "_conformance", "_incoming", "_invoke", "_number", "_offset", "_outgoing", "_size_max")

    def __init__(self, invoke: int) -> None:
        self._invoke = invoke
        self._conformance = 0
        self._size_max = 0
        self.abandon()

    def open(self, conformance: int, size_max: int) -> None:
        """Take the negotiated services, and the largest plain APDU that the server takes."""
        self._conformance = conformance
        self._size_max = size_max

    def abandon(self) -> None:
        """Forget the command that was going on."""
        self._command: ServiceCommand | None = None
        self._incoming = bytearray()
        self._outgoing = b""
        self._offset = 0
        self._number = 0

    # --- asking -----------------------------------------------------------------------------------------------------

    def begin(self, command: ServiceCommand) -> bytes:
        """Give the first request of a command. StateError where it was not negotiated; nothing changes then."""
        needed = _NEEDED[type(command)]
        if self._conformance & needed != needed:
            raise StateError(f"the server did not agree to {Conformance(needed & ~self._conformance)!r}")
        self.abandon()
        apdu = self._encode(command)
        if len(apdu) > self._size_max:
            apdu = self._begin_blocks(command)
        self._command = command
        return apdu

    def _encode(self, command: ServiceCommand) -> bytes:
        invoke = self._invoke
        if isinstance(command, Get):
            return GetRequest(invoke, command.address, encode_selection(command.selection)).to_bytes()
        if isinstance(command, GetList):
            return GetWithList(invoke, command.encoded()).to_bytes()
        if isinstance(command, Set):
            return SetRequest(invoke, command.address, None, command.value).to_bytes()
        if isinstance(command, SetList):
            items = tuple((address, None) for address, _ in command.items)
            return SetWithList(invoke, items, tuple(value for _, value in command.items)).to_bytes()
        if isinstance(command, Action):
            return ActionRequest(invoke, command.address, command.parameter).to_bytes()
        return ActionWithList(invoke, *_split(command)).to_bytes()

    def _begin_blocks(self, command: ServiceCommand) -> bytes:
        """Give the first block of what does not fit into one request."""
        service = Conformance.BLOCK_TRANSFER_WITH_SET
        if isinstance(command, Action | ActionList):
            service = Conformance.BLOCK_TRANSFER_WITH_ACTION
        if isinstance(command, Get | GetList) or not self._conformance & service:
            raise StateError(f"the request does not fit into {self._size_max} octets, the most that the server takes")
        invoke = self._invoke
        if isinstance(command, Set):
            self._outgoing = command.value
            return SetFirstBlock(invoke, command.address, None, self._next_block(DESCRIPTOR_ROOM)).to_bytes()
        if isinstance(command, Action):
            self._outgoing = command.parameter or b""
            return ActionFirstBlock(invoke, command.address, self._next_block(DESCRIPTOR_ROOM)).to_bytes()
        if isinstance(command, SetList):
            items = tuple((address, None) for address, _ in command.items)
            self._outgoing = encode_values(value for _, value in command.items)
            block = self._next_block(len(encode_get_items(items)))
            return SetWithListFirstBlock(invoke, items, block).to_bytes()
        addresses, parameters = _split(command)
        self._outgoing = encode_values(parameters)
        block = self._next_block(DESCRIPTOR_ROOM * len(addresses))
        return ActionWithListFirstBlock(invoke, addresses, block).to_bytes()

    def _next_block(self, room: int = 0) -> DataBlock:
        size = self._size_max - BLOCK_OVERHEAD - room
        if size < 1:
            raise StateError(
                f"not one octet fits beside the addresses into {self._size_max}, the most the server takes"
            )
        start = self._offset
        self._offset = min(start + size, len(self._outgoing))
        self._number += 1
        return DataBlock(self._offset == len(self._outgoing), self._number, self._outgoing[start : self._offset])

    # --- being answered ---------------------------------------------------------------------------------------------

    def receive(self, apdu: bytes) -> Answer:
        """Take a response. Raises DecodeError or UnlawfulMessage."""
        command = self._command
        if command is None:
            raise UnlawfulMessage("response without a request")
        tag, handler = _HANDLERS[type(command)]
        if apdu[0] != tag or len(apdu) < 3 or apdu[2] != self._invoke:
            raise UnlawfulMessage(f"response {apdu[:3].hex()} does not answer {type(command).__name__}")
        answer = handler(self, apdu)
        if answer[1] is None:
            self.abandon()
        return answer

    def _unexpected(self, response: object) -> UnlawfulMessage:
        return UnlawfulMessage(f"{type(response).__name__} does not answer {type(self._command).__name__}")

    def _join(self, number: int, octets: bytes) -> None:
        """Keep a block of the answer; blocks are numbered from 1, and bounded in number and size."""
        if number != self._number + 1:
            raise UnlawfulMessage(f"block {number} came where {self._number + 1} was due", number=number)
        size = len(self._incoming) + len(octets)
        if number > BLOCKS_MAX or size > TRANSFER_SIZE_MAX:
            raise UnlawfulMessage(
                f"transfer of more than {TRANSFER_SIZE_MAX} octets or {BLOCKS_MAX} blocks", number=number
            )
        self._number = number
        self._incoming += octets

    def _receive_get(self, apdu: bytes) -> Answer:
        response = decode_get_response(apdu)
        as_list = isinstance(self._command, GetList)
        if isinstance(response, GetResponse) and not as_list and not self._number:
            return [ValueReceived(response.result)], None
        if isinstance(response, GetWithListResponse) and as_list and not self._number:
            return [self._values(response.results)], None
        if not isinstance(response, GetResponseBlock):
            raise self._unexpected(response)
        if isinstance(response.result, DataAccessResult):
            count = len(self._command.items) if isinstance(self._command, GetList) else 1
            failed = (response.result,) * count
            return [ValuesReceived(failed) if as_list else ValueReceived(response.result)], None
        self._join(response.number, response.result)
        if not response.last:
            size = len(self._incoming)
            return [BlockTransferred(response.number, size)], GetNext(self._invoke, response.number).to_bytes()
        octets = bytes(self._incoming)
        if not as_list:
            return [ValueReceived(octets)], None
        results, end = decode_get_results(octets)
        check_end(octets, end)
        return [self._values(results)], None

    def _values(self, results: tuple[bytes | DataAccessResult, ...]) -> ValuesReceived:
        self._check_count(len(results))
        return ValuesReceived(results)

    def _check_count(self, count: int) -> None:
        command = self._command
        if isinstance(command, GetList | SetList | ActionList) and len(command.items) != count:
            raise UnlawfulMessage(f"{count} results answer {len(command.items)} items")

    def _receive_set(self, apdu: bytes) -> Answer:
        response = decode_set_response(apdu)
        as_list = isinstance(self._command, SetList)
        if isinstance(response, SetResponseBlock):
            return self._go_on(response.number, lambda block: SetBlock(self._invoke, block).to_bytes())
        if isinstance(response, SetResponse | SetResponseLastBlock) and not as_list:
            return [SetFinished(response.result)], None
        if isinstance(response, SetWithListResponse | SetWithListLastBlock) and as_list:
            self._check_count(len(response.results))
            return [SetListFinished(response.results)], None
        if isinstance(response, SetResponse | SetResponseLastBlock) and isinstance(self._command, SetList):
            return [SetListFinished((response.result,) * len(self._command.items))], None
        raise self._unexpected(response)

    def _go_on(self, number: int, encode: Callable[[DataBlock], bytes]) -> Answer:
        """Send the next block of what we write, when the last one was confirmed."""
        if number != self._number or self._offset >= len(self._outgoing):
            raise UnlawfulMessage(f"block {number} confirmed where {self._number} was sent", number=number)
        event = BlockTransferred(number, self._offset)
        return [event], encode(self._next_block())

    def _receive_action(self, apdu: bytes) -> Answer:
        response = decode_action_response(apdu)
        as_list = isinstance(self._command, ActionList)
        if isinstance(response, ActionResponse):
            return [self._outcome(response.outcome)], None
        if isinstance(response, ActionWithListResponse) and as_list:
            self._check_count(len(response.outcomes))
            return [ActionListFinished(response.outcomes)], None
        if isinstance(response, ActionResponseBlock):
            return self._receive_action_block(response.block, as_list)
        if isinstance(response, ActionWithListResponse):
            raise self._unexpected(response)
        return self._go_on(response.number, lambda block: ActionBlock(self._invoke, block).to_bytes())

    def _outcome(self, outcome: ActionOutcome) -> ActionFinished | ActionListFinished:
        if isinstance(self._command, ActionList):
            if outcome.result == ActionResult.SUCCESS and len(self._command.items) != 1:
                raise UnlawfulMessage("one outcome answers several methods")
            return ActionListFinished((outcome,) * len(self._command.items))
        return ActionFinished(outcome)

    def _receive_action_block(self, block: DataBlock, as_list: bool) -> Answer:
        if not self._incoming:
            self._number = 0  # from here on the numbers count the blocks of the answer
        self._join(block.number, block.octets)
        if not block.last:
            size = len(self._incoming)
            return [BlockTransferred(block.number, size)], ActionNext(self._invoke, block.number).to_bytes()
        octets = bytes(self._incoming)
        if as_list:
            outcomes, end = decode_action_outcomes(octets)
            check_end(octets, end)
            self._check_count(len(outcomes))
            return [ActionListFinished(outcomes)], None
        return [ActionFinished(_joined_outcome(octets))], None


def _joined_outcome(octets: bytes) -> ActionOutcome:
    """Read the joined blocks of one method: the bare value, or (some servers) result, flags and value."""
    if octets[:2] == b"\x00\x01" and len(octets) > 2:
        outcome, end = decode_action_outcome(octets, 0)
        check_end(octets, end)
        return outcome
    return ActionOutcome(ActionResult.SUCCESS, octets)


def _split(command: ActionList) -> tuple[tuple[MethodAddress, ...], tuple[bytes, ...]]:
    return tuple(address for address, _ in command.items), tuple(parameter for _, parameter in command.items)


_NEEDED: Final[dict[type[ServiceCommand], int]] = {  # plain integers, see server_service
    Get: int(Conformance.GET),
    GetList: int(Conformance.GET | Conformance.MULTIPLE_REFERENCES),
    Set: int(Conformance.SET),
    SetList: int(Conformance.SET | Conformance.MULTIPLE_REFERENCES),
    Action: int(Conformance.ACTION),
    ActionList: int(Conformance.ACTION | Conformance.MULTIPLE_REFERENCES),
}
_HANDLERS: Final[dict[type[ServiceCommand], tuple[ApduTag, Callable[[ClientServices, bytes], Answer]]]] = {
    Get: (ApduTag.GET_RESPONSE, ClientServices._receive_get),
    GetList: (ApduTag.GET_RESPONSE, ClientServices._receive_get),
    Set: (ApduTag.SET_RESPONSE, ClientServices._receive_set),
    SetList: (ApduTag.SET_RESPONSE, ClientServices._receive_set),
    Action: (ApduTag.ACTION_RESPONSE, ClientServices._receive_action),
    ActionList: (ApduTag.ACTION_RESPONSE, ClientServices._receive_action),
}
