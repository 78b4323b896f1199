"""How a server refuses a whole APDU: exception response, confirmed service error.  Source: IEC 62056-5-3."""

from dataclasses import dataclass
from typing import Self

from meterworks.protocols.dlms.block import check_end
from meterworks.protocols.dlms.length import take, unsigned_at
from meterworks.protocols.dlms.result import ExceptionService
from meterworks.protocols.errors import DecodeError

__all__ = ["ConfirmedServiceError", "ExceptionResponse"]


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """Refusal of an APDU. counter: with a counter error, the smallest one that the server will accept."""

    state: int
    service: int
    counter: int | None = None

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        counter = b"" if self.counter is None else self.counter.to_bytes(4, "big")
        return bytes((0xD8, self.state, self.service)) + counter

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        if take(apdu, 0, 1) != b"\xd8":
            raise DecodeError(f"exception response expected, got {apdu[:1].hex()}", offset=0)
        state, service = take(apdu, 1, 2)
        if service == ExceptionService.INVOCATION_COUNTER_ERROR and len(apdu) > 3:
            check_end(apdu, 7)
            return cls(state, service, unsigned_at(apdu, 3, 4))
        check_end(apdu, 3)
        return cls(state, service)


@dataclass(frozen=True, slots=True)
class ConfirmedServiceError:
    """Refusal of a service. For an initiate request service is 1, kind 6 and error a number of `InitiateError`."""

    service: int
    kind: int
    error: int

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return bytes((0x0E, self.service, self.kind, self.error))

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        if take(apdu, 0, 1) != b"\x0e":
            raise DecodeError(f"confirmed service error expected, got {apdu[:1].hex()}", offset=0)
        service, kind, error = take(apdu, 1, 3)
        check_end(apdu, 4)
        return cls(service, kind, error)
