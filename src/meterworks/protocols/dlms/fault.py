"""How a server refuses a whole APDU: exception response, confirmed service error.

Source: IEC 62056-5-3, 7.3 and the ASN.1 of its ConfirmedServiceError and ServiceError, which two open implementations
write alike.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from meterworks.protocols.dlms.block import check_end
from meterworks.protocols.dlms.length import take, unsigned_at
from meterworks.protocols.dlms.result import ExceptionService
from meterworks.protocols.errors import DecodeError

__all__ = ["CONFIRMED_SERVICES", "SERVICE_ERRORS", "ConfirmedServiceError", "ExceptionResponse"]

# Choice of ConfirmedServiceError: the service that failed. Only 1, 5 and 6 are used by COSEM, the rest is DLMS's own.
CONFIRMED_SERVICES: Final = MappingProxyType(
    dict(
        enumerate(
            (
                "initiate",
                "get-status",
                "get-name-list",
                "get-variable-attribute",
                "read",
                "write",
                "get-data-set-attribute",
                "get-ti-attribute",
                "change-scope",
                "start",
                "stop",
                "resume",
                "make-usable",
                "initiate-load",
                "load-segment",
                "terminate-load",
                "initiate-upload",
                "upload-segment",
                "terminate-upload",
            ),
            start=1,
        )
    )
)
# Choice of ServiceError: its name, and the names of its values from 0; value 0 is always "other".
SERVICE_ERRORS: Final = MappingProxyType(
    {
        0: (
            "application-reference",
            (
                "other", "time-elapsed", "application-unreachable", "application-reference-invalid",
                "application-context-unsupported", "provider-communication-error", "deciphering-error",
            ),
        ),
        1: (
            "hardware-resource",
            (
                "other", "memory-unavailable", "processor-resource-unavailable", "mass-storage-unavailable",
                "other-resource-unavailable",
            ),
        ),
        2: (
            "vde-state-error",
            ("other", "no-dlms-context", "loading-data-set", "status-nochange", "status-inoperable"),
        ),
        3: ("service", ("other", "pdu-size", "service-unsupported")),
        4: (
            "definition",
            ("other", "object-undefined", "object-class-inconsistent", "object-attribute-inconsistent"),
        ),
        5: (
            "access",
            (
                "other", "scope-of-access-violated", "object-access-violated", "hardware-fault", "object-unavailable",
            ),
        ),
        6: (
            "initiate",
            (
                "other", "dlms-version-too-low", "incompatible-conformance", "pdu-size-too-short",
                "refused-by-the-vde-handler",
            ),
        ),
        7: (
            "load-data-set",
            (
                "other", "primitive-out-of-sequence", "not-loadable", "dataset-size-too-large", "not-awaited-segment",
                "interpretation-failure", "storage-failure", "data-set-not-ready",
            ),
        ),
        8: ("change-scope", ("other",)),
        9: ("task", ("other", "no-remote-control", "ti-stopped", "ti-running", "ti-unusable")),
        10: ("other", ("other",)),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, init=False)
class ExceptionResponse:
    """Refusal of an APDU. counter: with a counter error, the smallest one that the server will accept."""

    state: int
    service: int
    counter: int | None

    def __init__(self, state: int, service: int, counter: int | None = None) -> None:
        _set_state(self, state)
        _set_service(self, service)
        _set_counter(self, counter)

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        counter = b"" if self.counter is None else self.counter.to_bytes(4, "big")
        return bytes((0xD8, self.state, self.service)) + counter

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        if len(apdu) < 3 or apdu[0] != 0xD8:
            raise DecodeError(f"exception response expected, got {apdu[:3].hex()}", offset=0)
        state, service = apdu[1], apdu[2]
        if len(apdu) == 3:
            return cls(state, service)
        if service == ExceptionService.INVOCATION_COUNTER_ERROR and len(apdu) > 3:
            check_end(apdu, 7)
            return cls(state, service, unsigned_at(apdu, 3, 4))
        check_end(apdu, 3)
        return cls(state, service)


_set_state, _set_service, _set_counter = (  # see `get`
    getattr(ExceptionResponse, name).__set__ for name in ("state", "service", "counter")
)


@dataclass(frozen=True, slots=True)
class ConfirmedServiceError:
    """Refusal of a service.

    service: choice of the service, a key of `CONFIRMED_SERVICES`. kind and error: choice and value of ServiceError,
    named in `SERVICE_ERRORS`. For an initiate request service is 1, kind 6 and error a number of `InitiateError`.
    """

    service: int
    kind: int
    error: int

    @property
    def service_name(self) -> str:
        """The service that failed, in the words of the standard; its number where it has no name."""
        return CONFIRMED_SERVICES.get(self.service, f"service-{self.service}")

    @property
    def error_name(self) -> str:
        """What failed, as `kind/error`; numbers stand for what has no name."""
        kind, errors = SERVICE_ERRORS.get(self.kind, (f"kind-{self.kind}", ()))
        return f"{kind}/{errors[self.error] if self.error < len(errors) else self.error}"

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
