"""GET, SET, ACTION and ACCESS as the server answers them, long transfers included. No security: requests come plain.

A client has at most one long transfer in each direction; a new request ends what was pending. The server keeps the
encoded octets of a long answer and slices them; blocks are numbered from 1.
Source: IEC 62056-5-3, 4.2; fact sheet section 4.
"""

from collections.abc import Callable
from typing import Final

from meterworks.errors import MeterworksError, PeerError
from meterworks.protocols.dlms.access import AccessKind, AccessRequest, AccessResponse, AccessSpecification, LongInvoke
from meterworks.protocols.dlms.action import (
    ActionBlock,
    ActionFirstBlock,
    ActionNext,
    ActionOutcome,
    ActionRequest,
    ActionResponse,
    ActionResponseBlock,
    ActionResponseNext,
    ActionWithList,
    ActionWithListFirstBlock,
    ActionWithListResponse,
    decode_action_request,
    encode_action_outcomes,
)
from meterworks.protocols.dlms.block import (
    BLOCK_OVERHEAD,
    DataBlock,
    GetItem,
    GetResult,
    check_end,
    decode_values,
    encode_get_results,
)
from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.data import end_of
from meterworks.protocols.dlms.descriptor import AttributeAddress, MethodAddress
from meterworks.protocols.dlms.device import LogicalDevice
from meterworks.protocols.dlms.fault import ExceptionResponse
from meterworks.protocols.dlms.get import (
    GetNext,
    GetRequest,
    GetResponse,
    GetResponseBlock,
    GetWithList,
    GetWithListResponse,
    decode_get_request,
)
from meterworks.protocols.dlms.result import ActionResult, DataAccessResult, ExceptionService, ExceptionState
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
    decode_set_request,
)
from meterworks.protocols.dlms.tag import ApduTag
from meterworks.protocols.errors import DecodeError

__all__ = ["INCOMING_SIZE_MAX", "ServerServices"]

INCOMING_SIZE_MAX: Final = 256 * 1024  # octets of a value or parameter that comes in blocks
OUTGOING_SIZE_MAX: Final = 1024 * 1024  # octets of one answer with a list, beyond which no more entries are read
_CONFIRMED: Final = 0x40
# Plain integers: the bit operations of a Flag run in Python, and these are looked at for each request.
_MULTIPLE_REFERENCES: Final = int(Conformance.MULTIPLE_REFERENCES)
_SELECTIVE_ACCESS: Final = int(Conformance.SELECTIVE_ACCESS)
_ATTRIBUTE_0_WITH_GET: Final = int(Conformance.ATTRIBUTE_0_WITH_GET)
_ATTRIBUTE_0_WITH_SET: Final = int(Conformance.ATTRIBUTE_0_WITH_SET)
_BLOCKS_WITH_GET: Final = int(Conformance.BLOCK_TRANSFER_WITH_GET)
_BLOCKS_WITH_SET: Final = int(Conformance.BLOCK_TRANSFER_WITH_SET)
_BLOCKS_WITH_ACTION: Final = int(Conformance.BLOCK_TRANSFER_WITH_ACTION)
_NOT_SUPPORTED: Final = ExceptionResponse(ExceptionState.NOT_ALLOWED, ExceptionService.NOT_SUPPORTED).to_bytes()
_NULL: Final = b"\x00"


class _Outgoing:
    """A long answer on its way out."""

    __slots__ = ("invoke", "number", "octets", "offset", "service")

    def __init__(self, service: ApduTag, invoke: int, octets: bytes) -> None:
        self.service = service
        self.invoke = invoke
        self.octets = octets
        self.offset = 0
        self.number = 0

    def next_block(self, size_max: int) -> DataBlock:
        """Cut the next block off."""
        end = min(self.offset + size_max, len(self.octets))
        self.number += 1
        block = DataBlock(end == len(self.octets), self.number, self.octets[self.offset : end])
        self.offset = end
        return block


class _Incoming:
    """Long values or parameters on their way in, for attributes or for methods."""

    __slots__ = ("attributes", "invoke", "is_list", "methods", "number", "octets")

    def __init__(
        self,
        invoke: int,
        *,
        attributes: tuple[GetItem, ...] = (),
        methods: tuple[MethodAddress, ...] = (),
        is_list: bool,
    ) -> None:
        self.invoke = invoke
        self.attributes = attributes
        self.methods = methods
        self.is_list = is_list
        self.octets = bytearray()
        self.number = 0

    def add(self, block: DataBlock, invoke: int) -> DataAccessResult | None:
        """Join a block; give why not."""
        if block.number != self.number + 1 or invoke != self.invoke:
            return DataAccessResult.DATA_BLOCK_NUMBER_INVALID
        if len(self.octets) + len(block.octets) > INCOMING_SIZE_MAX:
            return DataAccessResult.LONG_SET_ABORTED
        self.octets += block.octets
        self.number = block.number
        return None


class ServerServices:
    """The services of one open association."""

    __slots__ = ("_client_sap", "_conformance", "_device", "_incoming", "_outgoing", "_size_max")

    def __init__(self, device: LogicalDevice, client_sap: int, conformance: int) -> None:
        self._device = device
        self._client_sap = client_sap
        self._conformance = conformance
        self._outgoing: _Outgoing | None = None
        self._incoming: _Incoming | None = None
        self._size_max = 0

    def answer(self, apdu: bytes, size_max: int) -> bytes | None:
        """Answer a plain request with an APDU of at most `size_max` octets. DecodeError for what is malformed."""
        row = _SERVICES.get(apdu[0])
        if row is None:
            return ExceptionResponse(ExceptionState.UNKNOWN, ExceptionService.NOT_SUPPORTED).to_bytes()
        needed, handler = row
        if not self._conformance & needed:
            return _NOT_SUPPORTED
        self._size_max = size_max
        answer = handler(self, apdu)
        if answer is not None and len(answer) > size_max:
            return ExceptionResponse(ExceptionState.NOT_ALLOWED, ExceptionService.PDU_TOO_LONG).to_bytes()
        return answer

    # --- GET --------------------------------------------------------------------------------------------------------

    def _get(self, apdu: bytes) -> bytes:
        request = decode_get_request(apdu)
        if isinstance(request, GetNext):
            return self._get_next(request)
        self._outgoing = None
        if isinstance(request, GetRequest):
            result = self._read(request.address, request.selection)
            if isinstance(result, DataAccessResult) or len(result) + 4 <= self._size_max:
                return GetResponse(request.invoke, result).to_bytes()
            if not self._conformance & _BLOCKS_WITH_GET:
                return GetResponse(request.invoke, DataAccessResult.OTHER_REASON).to_bytes()
            return self._begin_get(request.invoke, result)
        return self._get_with_list(request)

    def _get_with_list(self, request: GetWithList) -> bytes:
        if not self._conformance & _MULTIPLE_REFERENCES:
            return _NOT_SUPPORTED
        results: list[GetResult] = []
        size = 0
        for address, selection in request.items:
            # What cannot be carried any more is not computed either: a list may name a long history many times.
            result = self._read(address, selection) if size < OUTGOING_SIZE_MAX else DataAccessResult.OTHER_REASON
            if not isinstance(result, DataAccessResult):
                size += len(result)
            results.append(result)
        answer = GetWithListResponse(request.invoke, tuple(results)).to_bytes()
        if len(answer) <= self._size_max:
            return answer
        if not self._conformance & _BLOCKS_WITH_GET:
            return GetWithListResponse(request.invoke, (DataAccessResult.OTHER_REASON,) * len(results)).to_bytes()
        return self._begin_get(request.invoke, encode_get_results(results))

    def _begin_get(self, invoke: int, octets: bytes) -> bytes:
        self._outgoing = _Outgoing(ApduTag.GET_RESPONSE, invoke, octets)
        return self._get_block(self._outgoing)

    def _get_block(self, outgoing: _Outgoing) -> bytes:
        block = outgoing.next_block(self._size_max - BLOCK_OVERHEAD)
        if block.last:
            self._outgoing = None
        return GetResponseBlock(outgoing.invoke, block.last, block.number, block.octets).to_bytes()

    def _get_next(self, request: GetNext) -> bytes:
        outgoing, self._outgoing = self._outgoing, None
        if outgoing is None or outgoing.service != ApduTag.GET_RESPONSE:
            result = DataAccessResult.NO_LONG_TRANSFER_IN_PROGRESS
        elif request.number != outgoing.number or request.invoke != outgoing.invoke:
            result = DataAccessResult.DATA_BLOCK_NUMBER_INVALID
        else:
            self._outgoing = outgoing
            return self._get_block(outgoing)
        return GetResponseBlock(request.invoke, True, request.number, result).to_bytes()

    def _read(self, address: AttributeAddress, selection: bytes | None) -> GetResult:
        if selection is not None and not self._conformance & _SELECTIVE_ACCESS:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        if not address.attribute and not self._conformance & _ATTRIBUTE_0_WITH_GET:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        try:
            return self._device.get(self._client_sap, address, selection)
        except MeterworksError as error:
            return _result_of(error)

    # --- SET --------------------------------------------------------------------------------------------------------

    def _set(self, apdu: bytes) -> bytes | None:
        request = decode_set_request(apdu)
        invoke = request.invoke
        answer: bytes
        if isinstance(request, SetBlock):
            return self._set_block(request.block, invoke)
        self._incoming = None
        if isinstance(request, SetRequest):
            answer = SetResponse(invoke, self._write(request.address, request.selection, request.value)).to_bytes()
            return answer if invoke & _CONFIRMED else None
        if isinstance(request, SetWithList | SetWithListFirstBlock) and not self._conformance & _MULTIPLE_REFERENCES:
            return _NOT_SUPPORTED
        if isinstance(request, SetWithList):
            results = self._write_all(request.items, request.values)
            answer = SetWithListResponse(invoke, results).to_bytes()
            return answer if invoke & _CONFIRMED else None
        if not self._conformance & _BLOCKS_WITH_SET:
            return _NOT_SUPPORTED
        if isinstance(request, SetFirstBlock):
            self._incoming = _Incoming(invoke, attributes=((request.address, request.selection),), is_list=False)
        elif isinstance(request, SetWithListFirstBlock):
            self._incoming = _Incoming(invoke, attributes=request.items, is_list=True)
        return self._set_block(request.block, invoke)

    def _set_block(self, block: DataBlock, invoke: int) -> bytes:
        incoming = self._incoming
        if incoming is None or not incoming.attributes:
            return SetResponseLastBlock(invoke, DataAccessResult.NO_LONG_SET_IN_PROGRESS, block.number).to_bytes()
        refusal = incoming.add(block, invoke)
        if refusal is not None:
            self._incoming = None
            return SetResponseLastBlock(invoke, refusal, block.number).to_bytes()
        if not block.last:
            return SetResponseBlock(invoke, block.number).to_bytes()
        self._incoming = None
        octets = bytes(incoming.octets)
        if not incoming.is_list:
            address, selection = incoming.attributes[0]
            return SetResponseLastBlock(invoke, self._write(address, selection, octets), block.number).to_bytes()
        values = _values_of(octets, len(incoming.attributes))
        return SetWithListLastBlock(invoke, self._write_all(incoming.attributes, values), block.number).to_bytes()

    def _write_all(self, items: tuple[GetItem, ...], values: tuple[bytes, ...]) -> tuple[DataAccessResult, ...]:
        return tuple(
            self._write(address, selection, value) for (address, selection), value in zip(items, values, strict=True)
        )

    def _write(self, address: AttributeAddress, selection: bytes | None, value: bytes) -> DataAccessResult:
        if selection is not None:
            return DataAccessResult.READ_WRITE_DENIED
        if not address.attribute and not self._conformance & _ATTRIBUTE_0_WITH_SET:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        try:
            check_end(value, end_of(value))
            return self._device.set(self._client_sap, address, value)
        except MeterworksError as error:
            return _result_of(error)

    # --- ACTION -----------------------------------------------------------------------------------------------------

    def _action(self, apdu: bytes) -> bytes | None:
        request = decode_action_request(apdu)
        invoke = request.invoke
        if isinstance(request, ActionNext):
            return self._action_next(request)
        if isinstance(request, ActionBlock):
            return self._action_block(request.block, invoke)
        self._incoming = self._outgoing = None
        if isinstance(request, ActionWithList | ActionWithListFirstBlock):
            if not self._conformance & _MULTIPLE_REFERENCES:
                return _NOT_SUPPORTED
        if isinstance(request, ActionRequest):
            return self._answer_action(invoke, self._invoke(request.address, request.parameter))
        if isinstance(request, ActionWithList):
            return self._answer_actions(invoke, self._invoke_all(request.addresses, request.parameters))
        if not self._conformance & _BLOCKS_WITH_ACTION:
            return _NOT_SUPPORTED
        if isinstance(request, ActionFirstBlock):
            self._incoming = _Incoming(invoke, methods=(request.address,), is_list=False)
        elif isinstance(request, ActionWithListFirstBlock):
            self._incoming = _Incoming(invoke, methods=request.addresses, is_list=True)
        return self._action_block(request.block, invoke)

    def _action_block(self, block: DataBlock, invoke: int) -> bytes | None:
        incoming = self._incoming
        if incoming is None or not incoming.methods:
            outcome = ActionOutcome(ActionResult.NO_LONG_TRANSFER_IN_PROGRESS)
            return ActionResponse(invoke, outcome).to_bytes()
        refusal = incoming.add(block, invoke)
        if refusal is not None:
            self._incoming = None
            return ActionResponse(invoke, ActionOutcome(ActionResult.LONG_TRANSFER_ABORTED)).to_bytes()
        if not block.last:
            return ActionResponseNext(invoke, block.number).to_bytes()
        self._incoming = None
        octets = bytes(incoming.octets)
        if not incoming.is_list:
            return self._answer_action(invoke, self._invoke(incoming.methods[0], octets))
        parameters = _values_of(octets, len(incoming.methods))
        return self._answer_actions(invoke, self._invoke_all(incoming.methods, parameters))

    def _answer_action(self, invoke: int, outcome: ActionOutcome) -> bytes | None:
        if not invoke & _CONFIRMED:
            return None
        answer = ActionResponse(invoke, outcome).to_bytes()
        if len(answer) <= self._size_max or not isinstance(outcome.value, bytes):
            return answer
        if not self._conformance & _BLOCKS_WITH_ACTION:
            return ActionResponse(invoke, _TOO_LONG).to_bytes()
        return self._begin_action(invoke, outcome.value)

    def _answer_actions(self, invoke: int, outcomes: tuple[ActionOutcome, ...]) -> bytes | None:
        if not invoke & _CONFIRMED:
            return None
        answer = ActionWithListResponse(invoke, outcomes).to_bytes()
        if len(answer) <= self._size_max:
            return answer
        if not self._conformance & _BLOCKS_WITH_ACTION:
            return ActionWithListResponse(invoke, (_TOO_LONG,) * len(outcomes)).to_bytes()
        return self._begin_action(invoke, encode_action_outcomes(outcomes))

    def _begin_action(self, invoke: int, octets: bytes) -> bytes:
        self._outgoing = _Outgoing(ApduTag.ACTION_RESPONSE, invoke, octets)
        return self._action_response_block(self._outgoing)

    def _action_response_block(self, outgoing: _Outgoing) -> bytes:
        block = outgoing.next_block(self._size_max - BLOCK_OVERHEAD)
        if block.last:
            self._outgoing = None
        return ActionResponseBlock(outgoing.invoke, block).to_bytes()

    def _action_next(self, request: ActionNext) -> bytes:
        outgoing, self._outgoing = self._outgoing, None
        if outgoing is None or outgoing.service != ApduTag.ACTION_RESPONSE:
            result = ActionResult.NO_LONG_TRANSFER_IN_PROGRESS
        elif request.number != outgoing.number or request.invoke != outgoing.invoke:
            result = ActionResult.LONG_TRANSFER_ABORTED
        else:
            self._outgoing = outgoing
            return self._action_response_block(outgoing)
        return ActionResponse(request.invoke, ActionOutcome(result)).to_bytes()

    def _invoke_all(
        self, addresses: tuple[MethodAddress, ...], parameters: tuple[bytes, ...]
    ) -> tuple[ActionOutcome, ...]:
        return tuple(self._invoke(*row) for row in zip(addresses, parameters, strict=True))

    def _invoke(self, address: MethodAddress, parameter: bytes | None) -> ActionOutcome:
        try:
            if parameter is not None:
                check_end(parameter, end_of(parameter))
            result, value = self._device.action(self._client_sap, address, parameter)
        except MeterworksError as error:
            return ActionOutcome(_result_of(error))
        return ActionOutcome(result, value)

    # --- ACCESS -----------------------------------------------------------------------------------------------------

    def _access(self, apdu: bytes) -> bytes | None:
        """Carry out the entries in order; after a failure, none any more where the request says so."""
        request = AccessRequest.from_bytes(apdu)
        self._incoming = self._outgoing = None
        values: list[bytes] = []
        results: list[tuple[int, DataAccessResult]] = []
        size, is_broken = 0, False
        for specification, value in zip(request.specifications, request.values, strict=True):
            result, answer = DataAccessResult.OTHER_REASON, _NULL
            if not is_broken and size < OUTGOING_SIZE_MAX:
                result, answer = self._access_one(specification, value)
            if result != DataAccessResult.SUCCESS:
                is_broken = request.long_invoke & LongInvoke.BREAK_ON_ERROR != 0
            size += len(answer)
            values.append(answer)
            results.append((_ANSWER_KINDS[specification.kind], result))
        if not request.long_invoke & LongInvoke.CONFIRMED:
            return None
        return AccessResponse(
            long_invoke=request.long_invoke,
            values=tuple(values),
            results=tuple(results),
            specifications=request.specifications if request.long_invoke & LongInvoke.SELF_DESCRIPTIVE else None,
        ).to_bytes()

    def _access_one(self, specification: AccessSpecification, value: bytes) -> tuple[DataAccessResult, bytes]:
        address = specification.address
        if isinstance(address, MethodAddress):
            outcome = self._invoke(address, value)
            return outcome.result, outcome.value if isinstance(outcome.value, bytes) else _NULL
        if specification.kind in (AccessKind.GET, AccessKind.GET_WITH_SELECTION):
            read = self._read(address, specification.selection)
            return (read, _NULL) if isinstance(read, DataAccessResult) else (DataAccessResult.SUCCESS, read)
        return self._write(address, specification.selection, value), _NULL


_TOO_LONG: Final = ActionOutcome(ActionResult.OTHER_REASON)
_ANSWER_KINDS: Final = {  # an answer to a selection is of the kind of one without
    AccessKind.GET: AccessKind.GET,
    AccessKind.SET: AccessKind.SET,
    AccessKind.ACTION: AccessKind.ACTION,
    AccessKind.GET_WITH_SELECTION: AccessKind.GET,
    AccessKind.SET_WITH_SELECTION: AccessKind.SET,
}


def _values_of(octets: bytes, count: int) -> tuple[bytes, ...]:
    """Give the `count` values of joined blocks."""
    values, end = decode_values(octets, 0)
    check_end(octets, end)
    if len(values) != count:
        raise DecodeError(f"{len(values)} values for {count} addresses", offset=0)
    return values


def _result_of(error: MeterworksError) -> DataAccessResult:
    """Turn what a device could not do into a result: their data did not fit, or another reason."""
    return DataAccessResult.TYPE_UNMATCHED if isinstance(error, PeerError) else DataAccessResult.OTHER_REASON


_SERVICES: Final[dict[int, tuple[int, Callable[[ServerServices, bytes], bytes | None]]]] = {
    ApduTag.GET_REQUEST: (int(Conformance.GET), ServerServices._get),
    ApduTag.SET_REQUEST: (int(Conformance.SET), ServerServices._set),
    ApduTag.ACTION_REQUEST: (int(Conformance.ACTION), ServerServices._action),
    ApduTag.ACCESS_REQUEST: (int(Conformance.ACCESS), ServerServices._access),
}
