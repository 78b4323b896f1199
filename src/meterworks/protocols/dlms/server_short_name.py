"""READ, WRITE and unconfirmed WRITE as the server answers them. No security here: requests come in plain.

Names become attributes and methods by the device's own map; writing to the name of a method, or reading it with
parameters, invokes it. What does not fit into one APDU goes in blocks: the joined octets are the list of the APDU.
Source: IEC 62056-5-3, 4.2.4 and 7.3.8; fact sheet section 4.
"""

from collections.abc import Callable
from typing import Final

from meterworks.errors import MeterworksError, PeerError
from meterworks.protocols.dlms.block import check_end, decode_values
from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.data import decode_all, end_of
from meterworks.protocols.dlms.device import BaseLogicalDevice, LogicalDevice
from meterworks.protocols.dlms.fault import ConfirmedServiceError
from meterworks.protocols.dlms.result import DataAccessResult
from meterworks.protocols.dlms.server_service import INCOMING_SIZE_MAX
from meterworks.protocols.dlms.short_name import (
    BlockAsked,
    BlockTaken,
    Parameterised,
    ReadBlock,
    ReadBlockResult,
    ReadRequest,
    ReadResponse,
    ReadResult,
    UnconfirmedWriteRequest,
    Variable,
    VariableAccess,
    WriteBlock,
    WriteRequest,
    WriteResponse,
    decode_variables,
    encode_read_results,
)
from meterworks.protocols.dlms.tag import ApduTag
from meterworks.protocols.errors import DecodeError

__all__ = ["ShortNameServices"]

OUTGOING_SIZE_MAX: Final = 1024 * 1024  # octets of one answer, beyond which no more entries are read
READ_BLOCK_ROOM: Final = 1 + 1 + 1 + 1 + 2 + 3  # tag, count, choice, last, number, length
SERVICE_READ: Final = 5
SERVICE_WRITE: Final = 6
_KIND_SERVICE: Final = 3
_PDU_SIZE: Final = 1
_UNSUPPORTED: Final = 2
_BLOCKS_WITH_READ: Final = int(Conformance.BLOCK_TRANSFER_WITH_GET)
_BLOCKS_WITH_WRITE: Final = int(Conformance.BLOCK_TRANSFER_WITH_SET)
_MULTIPLE_REFERENCES: Final = int(Conformance.MULTIPLE_REFERENCES)
_PARAMETERISED: Final = int(Conformance.PARAMETERISED_ACCESS)
_DEFAULTS: Final = BaseLogicalDevice()


class ShortNameServices:
    """The services of one open association with short-name referencing."""

    __slots__ = (
        "_client_sap",
        "_conformance",
        "_device",
        "_incoming",
        "_incoming_number",
        "_names",
        "_offset",
        "_outgoing",
        "_outgoing_number",
        "_size_max",
    )

    def __init__(self, device: LogicalDevice, client_sap: int, conformance: int) -> None:
        self._device = device
        self._names = device if isinstance(device, BaseLogicalDevice) else _DEFAULTS
        self._client_sap = client_sap
        self._conformance = conformance
        self._size_max = 0
        self._outgoing = b""
        self._offset = self._outgoing_number = 0
        self._incoming = bytearray()
        self._incoming_number = 0

    def answer(self, apdu: bytes, size_max: int) -> bytes | None:
        """Answer a plain request with an APDU of at most `size_max` octets. DecodeError for what is malformed."""
        row = _SERVICES.get(apdu[0])
        if row is None:
            return ConfirmedServiceError(SERVICE_READ, _KIND_SERVICE, _UNSUPPORTED).to_bytes()
        needed, service, handler = row
        if not self._conformance & needed:
            if apdu[0] == ApduTag.UNCONFIRMED_WRITE:
                return None
            return ConfirmedServiceError(service, _KIND_SERVICE, _UNSUPPORTED).to_bytes()
        self._size_max = size_max
        answer = handler(self, apdu)
        if answer is not None and len(answer) > size_max:
            return ConfirmedServiceError(service, _KIND_SERVICE, _PDU_SIZE).to_bytes()
        return answer

    # --- READ -------------------------------------------------------------------------------------------------------

    def _read(self, apdu: bytes) -> bytes:
        request = ReadRequest.from_bytes(apdu)
        variables = request.variables
        first = variables[0] if len(variables) == 1 else None
        if isinstance(first, BlockAsked):
            return self._next_block(first.number)
        self._outgoing = b""
        if not isinstance(first, ReadBlock):
            return self._read_all(variables)
        refusal = self._join(first.number, first.octets, _BLOCKS_WITH_READ)
        if refusal is not None:
            return ReadResponse((refusal,)).to_bytes()
        if not first.last:
            return ReadResponse((BlockTaken(first.number),)).to_bytes()
        octets = self._joined()
        joined, end = decode_variables(octets)
        check_end(octets, end)
        return self._read_all(joined)

    def _read_all(self, variables: tuple[VariableAccess, ...]) -> bytes:
        if len(variables) > 1 and not self._conformance & _MULTIPLE_REFERENCES:
            return ConfirmedServiceError(SERVICE_READ, _KIND_SERVICE, _UNSUPPORTED).to_bytes()
        results: list[ReadResult] = []
        size = 0
        for variable in variables:
            result = self._read_one(variable) if size < OUTGOING_SIZE_MAX else DataAccessResult.OTHER_REASON
            size += len(result) if isinstance(result, bytes) else 0
            results.append(result)
        answer = ReadResponse(tuple(results)).to_bytes()
        if len(answer) <= self._size_max or not self._conformance & _BLOCKS_WITH_READ:
            return answer
        self._outgoing = encode_read_results(results)
        self._offset = self._outgoing_number = 0
        return self._next_block(0)

    def _next_block(self, number: int) -> bytes:
        """Give the block after `number`; a request for another one ends the transfer."""
        if not self._outgoing:
            return ReadResponse((DataAccessResult.NO_LONG_TRANSFER_IN_PROGRESS,)).to_bytes()
        if number != self._outgoing_number:
            self._outgoing = b""
            return ReadResponse((DataAccessResult.DATA_BLOCK_NUMBER_INVALID,)).to_bytes()
        end = min(self._offset + self._size_max - READ_BLOCK_ROOM, len(self._outgoing))
        octets = self._outgoing[self._offset : end]
        self._outgoing_number += 1
        self._offset = end
        last = end == len(self._outgoing)
        if last:
            self._outgoing = b""
        return ReadResponse((ReadBlockResult(last, self._outgoing_number, octets),)).to_bytes()

    def _read_one(self, variable: VariableAccess) -> bytes | DataAccessResult:
        try:
            if isinstance(variable, Variable):
                return self._get(variable.name, None)
            if isinstance(variable, Parameterised):
                return self._read_with_parameters(variable)
        except MeterworksError as error:
            return _result_of(error)
        return DataAccessResult.OTHER_REASON

    def _read_with_parameters(self, variable: Parameterised) -> bytes | DataAccessResult:
        if not self._conformance & _PARAMETERISED:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        method = self._names.method_of(self._client_sap, variable.name)
        if method is None:
            return self._get(variable.name, bytes((variable.selector,)) + variable.parameter)
        result, value = self._device.action(self._client_sap, method, variable.parameter)
        return result if result != DataAccessResult.SUCCESS else value or b"\x00"

    def _get(self, name: int, selection: bytes | None) -> bytes | DataAccessResult:
        attribute = self._names.attribute_of(self._client_sap, name)
        if attribute is None:
            return DataAccessResult.OBJECT_UNDEFINED
        return self._device.get(self._client_sap, attribute, selection)

    # --- WRITE ------------------------------------------------------------------------------------------------------

    def _write(self, apdu: bytes) -> bytes:
        request = WriteRequest.from_bytes(apdu)
        variables = request.variables
        first = variables[0] if len(variables) == 1 else None
        if not isinstance(first, WriteBlock):
            return self._write_all(variables, request.values)
        octets = decode_all(request.values[0])
        if not isinstance(octets, bytes):
            raise DecodeError("a block of a WRITE request is an octet-string", offset=0)
        refusal = self._join(first.number, octets, _BLOCKS_WITH_WRITE)
        if refusal is not None:
            return WriteResponse((refusal,)).to_bytes()
        if not first.last:
            return WriteResponse((BlockTaken(first.number),)).to_bytes()
        joined = self._joined()
        named, offset = decode_variables(joined)
        values, end = decode_values(joined, offset)
        check_end(joined, end)
        if len(named) != len(values):
            raise DecodeError(f"{len(values)} values for {len(named)} variables", offset=offset)
        return self._write_all(named, values)

    def _write_all(self, variables: tuple[VariableAccess, ...], values: tuple[bytes, ...]) -> bytes:
        if len(variables) > 1 and not self._conformance & _MULTIPLE_REFERENCES:
            return ConfirmedServiceError(SERVICE_WRITE, _KIND_SERVICE, _UNSUPPORTED).to_bytes()
        return WriteResponse(tuple(map(self._write_one, variables, values))).to_bytes()

    def _unconfirmed(self, apdu: bytes) -> None:
        request = UnconfirmedWriteRequest.from_bytes(apdu)
        if len(request.variables) == 1 or self._conformance & _MULTIPLE_REFERENCES:
            for variable, value in zip(request.variables, request.values, strict=True):
                self._write_one(variable, value)

    def _write_one(self, variable: VariableAccess, value: bytes) -> DataAccessResult:
        if not isinstance(variable, Variable):
            return DataAccessResult.READ_WRITE_DENIED  # no attribute that we know is written by selection
        try:
            method = self._names.method_of(self._client_sap, variable.name)
            attribute = None if method is not None else self._names.attribute_of(self._client_sap, variable.name)
            check_end(value, end_of(value))
            if method is not None:
                return self._device.action(self._client_sap, method, value)[0]
            if attribute is not None:
                return self._device.set(self._client_sap, attribute, value)
        except MeterworksError as error:
            return _result_of(error)
        return DataAccessResult.OBJECT_UNDEFINED

    # --- blocks that come in ----------------------------------------------------------------------------------------

    def _join(self, number: int, octets: bytes, needed: int) -> DataAccessResult | None:
        """Keep a block; give why not. Block 1 begins anew."""
        if number == 1:
            self._joined()
        refusal = None
        if not self._conformance & needed:
            refusal = DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        elif number != self._incoming_number + 1:
            refusal = DataAccessResult.DATA_BLOCK_NUMBER_INVALID
        elif len(self._incoming) + len(octets) > INCOMING_SIZE_MAX:
            refusal = DataAccessResult.LONG_SET_ABORTED
        if refusal is not None:
            self._joined()
            return refusal
        self._incoming += octets
        self._incoming_number = number
        return None

    def _joined(self) -> bytes:
        """Give what was joined, and forget it."""
        octets = bytes(self._incoming)
        self._incoming.clear()
        self._incoming_number = 0
        return octets


def _result_of(error: MeterworksError) -> DataAccessResult:
    return DataAccessResult.TYPE_UNMATCHED if isinstance(error, PeerError) else DataAccessResult.OTHER_REASON


_SERVICES: Final[dict[int, tuple[int, int, Callable[[ShortNameServices, bytes], bytes | None]]]] = {
    ApduTag.READ_REQUEST: (int(Conformance.READ), SERVICE_READ, ShortNameServices._read),
    ApduTag.WRITE_REQUEST: (int(Conformance.WRITE), SERVICE_WRITE, ShortNameServices._write),
    ApduTag.UNCONFIRMED_WRITE: (
        int(Conformance.UNCONFIRMED_WRITE),
        SERVICE_WRITE,
        ShortNameServices._unconfirmed,
    ),
}
