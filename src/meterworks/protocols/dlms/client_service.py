"""GET, SET, ACTION and ACCESS as the client asks them, long transfers included. No security here: APDUs are plain.

`begin` gives the first request of a command; `receive` takes each response and gives the events it means and, while a
transfer goes on, the next request. One command at a time.
Source: IEC 62056-5-3, 4.2; fact sheet section 4.
"""

from collections.abc import Callable
from typing import Final

from meterworks.protocols.dlms.access import AccessKind, AccessRequest, AccessResponse, AccessSpecification, LongInvoke
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
from meterworks.protocols.dlms.client_short_name import ShortNameRequests, needed_by_names
from meterworks.protocols.dlms.command import (
    Access,
    AccessAction,
    AccessFinished,
    AccessGet,
    AccessItem,
    AccessOutcome,
    Action,
    ActionFinished,
    ActionList,
    ActionListFinished,
    BlockTransferred,
    ClientEvent,
    Get,
    GetList,
    Read,
    ServiceErrorReceived,
    Set,
    SetFinished,
    SetList,
    SetListFinished,
    UnconfirmedWrite,
    ValueReceived,
    ValuesReceived,
    Write,
    encode_selection,
)
from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.descriptor import MethodAddress
from meterworks.protocols.dlms.fault import ConfirmedServiceError
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
UNCONFIRMED: Final = ~0x40

ServiceCommand = Get | GetList | Set | SetList | Action | ActionList | Access | Read | Write | UnconfirmedWrite
_ByName = Read | Write | UnconfirmedWrite
Answer = tuple[list[ClientEvent], bytes | None]  # events, and the next request while a transfer goes on


class ClientServices:
    """The services of one open association; `open` sets what was negotiated."""

    __slots__ = (
        "_asked",
        "_by_name",
        "_command",
        "_conformance",
        "_incoming",
        "_invoke",
        "_long_id",
        "_number",
        "_offset",
        "_outgoing",
        "_size_max",
    )

    def __init__(self, invoke: int) -> None:
        self._invoke = invoke
        self._conformance = 0
        self._size_max = 0
        self._long_id = 0
        self._asked: AccessRequest | None = None
        self._by_name = ShortNameRequests()
        self.abandon()

    @property
    def expects_answer(self) -> bool:
        """Whether the server answers what was begun last; an unconfirmed service is finished when it is sent."""
        return self._command is not None

    def open(self, conformance: int, size_max: int) -> None:
        """Take the negotiated services, and the largest plain APDU that the server takes."""
        self._conformance = conformance
        self._size_max = size_max
        self._by_name.open(conformance, size_max)

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
        needed = _NEEDED[type(command)] | _needed_of_items(command)
        if self._conformance & needed != needed:
            raise StateError(f"the server did not agree to {Conformance(needed & ~self._conformance)!r}")
        self.abandon()
        if isinstance(command, _ByName):
            apdu = self._by_name.begin(command)
        else:
            apdu = self._encode(command)
            if len(apdu) > self._size_max:
                apdu = self._begin_blocks(command)
        self._command = (
            command if getattr(command, "confirmed", True) and type(command) is not UnconfirmedWrite else None
        )
        return apdu

    def _encode(self, command: Get | GetList | Set | SetList | Action | ActionList | Access) -> bytes:
        invoke = self._invoke
        if isinstance(command, Get):
            return GetRequest(invoke, command.address, encode_selection(command.selection)).to_bytes()
        if isinstance(command, GetList):
            return GetWithList(invoke, command.encoded()).to_bytes()
        if isinstance(command, Set):
            invoke = invoke if command.confirmed else invoke & UNCONFIRMED
            return SetRequest(invoke, command.address, encode_selection(command.selection), command.value).to_bytes()
        if isinstance(command, SetList):
            items = tuple((address, None) for address, _ in command.items)
            return SetWithList(invoke, items, tuple(value for _, value in command.items)).to_bytes()
        if isinstance(command, Action):
            invoke = invoke if command.confirmed else invoke & UNCONFIRMED
            return ActionRequest(invoke, command.address, command.parameter).to_bytes()
        if isinstance(command, Access):
            return self._encode_access(command)
        return ActionWithList(invoke, *_split(command)).to_bytes()

    def _encode_access(self, command: Access) -> bytes:
        self._long_id = (self._long_id + 1) & LongInvoke.ID_MASK
        long_invoke = self._long_id | LongInvoke.HIGH_PRIORITY
        long_invoke |= LongInvoke.CONFIRMED if command.confirmed else 0
        long_invoke |= LongInvoke.BREAK_ON_ERROR if command.break_on_error else 0
        long_invoke |= LongInvoke.SELF_DESCRIPTIVE if command.self_descriptive else 0
        asked = AccessRequest(
            long_invoke=long_invoke,
            specifications=tuple(map(_specification_of, command.items)),
            values=tuple(map(_value_of, command.items)),
            date_time=command.date_time,
        )
        self._asked = asked
        return asked.to_bytes()

    def _begin_blocks(self, command: Get | GetList | Set | SetList | Action | ActionList | Access) -> bytes:
        """Give the first block of what does not fit into one request."""
        service = Conformance.BLOCK_TRANSFER_WITH_SET
        if isinstance(command, Action | ActionList):
            service = Conformance.BLOCK_TRANSFER_WITH_ACTION
        is_whole = isinstance(command, Get | GetList | Access) or not getattr(command, "confirmed", True)
        if is_whole or not self._conformance & service:
            raise StateError(f"the request does not fit into {self._size_max} octets, the most that the server takes")
        invoke = self._invoke
        if isinstance(command, Set):
            self._outgoing = command.value
            selection = encode_selection(command.selection)
            block = self._next_block(DESCRIPTOR_ROOM + len(selection or b""))
            return SetFirstBlock(invoke, command.address, selection, block).to_bytes()
        if isinstance(command, Action):
            self._outgoing = command.parameter or b""
            return ActionFirstBlock(invoke, command.address, self._next_block(DESCRIPTOR_ROOM)).to_bytes()
        if isinstance(command, SetList):
            items = tuple((address, None) for address, _ in command.items)
            self._outgoing = encode_values(value for _, value in command.items)
            block = self._next_block(len(encode_get_items(items)))
            return SetWithListFirstBlock(invoke, items, block).to_bytes()
        if isinstance(command, Get | GetList | Access):  # refused above
            raise StateError("only what is written goes in blocks")
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
        if apdu[0] == ApduTag.CONFIRMED_SERVICE_ERROR:
            error = ConfirmedServiceError.from_bytes(apdu)
            self.abandon()
            return [ServiceErrorReceived(error.service, error.kind, error.error)], None
        tag, has_invoke, handler = _HANDLERS[type(command)]
        if apdu[0] != tag or (has_invoke and (len(apdu) < 3 or apdu[2] != self._invoke)):
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

    def _receive_access(self, apdu: bytes) -> Answer:
        response = AccessResponse.from_bytes(apdu)
        asked = self._asked
        if asked is None or (response.long_invoke ^ asked.long_invoke) & LongInvoke.ID_MASK:
            raise UnlawfulMessage(f"access response {response.long_invoke:#010x} answers another request")
        if len(response.results) != len(asked.specifications):
            raise UnlawfulMessage(f"{len(response.results)} results answer {len(asked.specifications)} parts")
        if response.specifications not in (None, asked.specifications):
            raise UnlawfulMessage("access response describes another request")
        outcomes = [
            AccessOutcome(result, value) for (_, result), value in zip(response.results, response.values, strict=True)
        ]
        return [AccessFinished(tuple(outcomes))], None

    def _receive_by_name(self, apdu: bytes) -> Answer:
        return self._by_name.receive(apdu)


def _specification_of(item: AccessItem) -> AccessSpecification:
    if isinstance(item, AccessAction):
        return AccessSpecification(AccessKind.ACTION, item.address)
    selection = encode_selection(item.selection)
    if isinstance(item, AccessGet):
        kind = AccessKind.GET if selection is None else AccessKind.GET_WITH_SELECTION
    else:
        kind = AccessKind.SET if selection is None else AccessKind.SET_WITH_SELECTION
    return AccessSpecification(kind, item.address, selection)


def _value_of(item: AccessItem) -> bytes:
    if isinstance(item, AccessGet):
        return b"\x00"
    return item.parameter if isinstance(item, AccessAction) else item.value


def _joined_outcome(octets: bytes) -> ActionOutcome:
    """Read the joined blocks of one method: the bare value, or (some servers) result, flags and value."""
    if octets[:2] == b"\x00\x01" and len(octets) > 2:
        outcome, end = decode_action_outcome(octets, 0)
        check_end(octets, end)
        return outcome
    return ActionOutcome(ActionResult.SUCCESS, octets)


def _split(command: ActionList) -> tuple[tuple[MethodAddress, ...], tuple[bytes, ...]]:
    return tuple(address for address, _ in command.items), tuple(parameter for _, parameter in command.items)


def _needed_of_items(command: ServiceCommand) -> int:
    """Give the services that the parts of a command need beyond its own."""
    if isinstance(command, Get):
        return _needed_to_read(command.address.attribute, command.selection)
    if isinstance(command, GetList):
        needed = 0
        for address, selection in command.items:
            needed |= _needed_to_read(address.attribute, selection)
        return needed
    if isinstance(command, Set) and not command.address.attribute:
        return int(Conformance.ATTRIBUTE_0_WITH_SET)
    return needed_by_names(command) if isinstance(command, _ByName) else 0


def _needed_to_read(attribute: int, selection: object) -> int:
    needed = 0 if attribute else int(Conformance.ATTRIBUTE_0_WITH_GET)
    return needed if selection is None else needed | int(Conformance.SELECTIVE_ACCESS)


_NEEDED: Final[dict[type[ServiceCommand], int]] = {  # plain integers, see server_service
    Get: int(Conformance.GET),
    GetList: int(Conformance.GET | Conformance.MULTIPLE_REFERENCES),
    Set: int(Conformance.SET),
    SetList: int(Conformance.SET | Conformance.MULTIPLE_REFERENCES),
    Action: int(Conformance.ACTION),
    ActionList: int(Conformance.ACTION | Conformance.MULTIPLE_REFERENCES),
    Access: int(Conformance.ACCESS),
    Read: int(Conformance.READ),
    Write: int(Conformance.WRITE),
    UnconfirmedWrite: int(Conformance.UNCONFIRMED_WRITE),
}
# Tag of the answer, whether the invoke id stands in its third octet, and who reads it.
_HANDLERS: Final[dict[type[ServiceCommand], tuple[ApduTag, bool, Callable[[ClientServices, bytes], Answer]]]] = {
    Get: (ApduTag.GET_RESPONSE, True, ClientServices._receive_get),
    GetList: (ApduTag.GET_RESPONSE, True, ClientServices._receive_get),
    Set: (ApduTag.SET_RESPONSE, True, ClientServices._receive_set),
    SetList: (ApduTag.SET_RESPONSE, True, ClientServices._receive_set),
    Action: (ApduTag.ACTION_RESPONSE, True, ClientServices._receive_action),
    ActionList: (ApduTag.ACTION_RESPONSE, True, ClientServices._receive_action),
    Access: (ApduTag.ACCESS_RESPONSE, False, ClientServices._receive_access),
    Read: (ApduTag.READ_RESPONSE, False, ClientServices._receive_by_name),
    Write: (ApduTag.WRITE_RESPONSE, False, ClientServices._receive_by_name),
}
