"""What has to be kept of each service request, to be able to say later who asked what and what became of it.

Source: fact sheet gb/GBCS.md section 14, audit fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from meterworks.catalogue import Role
from meterworks.companions.errors import RequestError
from meterworks.companions.gb.duis.response import Response
from meterworks.companions.gb.duis.signature import IssuerSerial
from meterworks.companions.gb.duis.value import JsonValue
from meterworks.companions.gb.request import CommandVariant, Request, RequestId

__all__ = ["AnomalyDecision", "RecordedResponse", "ServiceAudit"]


class AnomalyDecision(StrEnum):
    """What anomaly detection said of a request."""

    NOT_CHECKED = "not-checked"
    PASSED = "passed"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedResponse:
    """A response to a request. time: when it was sent, UTC. message_hash: SHA-256 of the GBCS message it carried."""

    code: str
    time: datetime
    message_hash: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAudit:
    """The record of one request. It grows by new values, never by change.

    role: under which the originator asked. signer: certificate that the request was signed with. received_at: UTC.
    message_hashes: SHA-256 of each GBCS message made of it. pre_command, command: identities of the request that led
    to the pre-command, and of the signed pre-command or command that came of it, where there are such.
    """

    request_id: RequestId
    role: Role
    signer: IssuerSerial
    variant: str
    command_variant: CommandVariant
    received_at: datetime
    responses: tuple[RecordedResponse, ...] = ()
    anomaly: AnomalyDecision = AnomalyDecision.NOT_CHECKED
    message_hashes: tuple[bytes, ...] = ()
    pre_command: RequestId | None = None
    command: RequestId | None = None

    def __post_init__(self) -> None:
        """Refuse times without a zone."""
        if self.received_at.tzinfo is None or any(one.time.tzinfo is None for one in self.responses):
            raise RequestError("times of a record are UTC; one has no zone", path="received_at")

    @classmethod
    def of(cls, request: Request, *, role: Role, signer: IssuerSerial, received_at: datetime) -> Self:
        """Open the record of a request that just came."""
        return cls(
            request_id=request.request_id,
            role=role,
            signer=signer,
            variant=request.variant,
            command_variant=request.command_variant,
            received_at=received_at,
        )

    def with_response(self, response: Response, *, time: datetime, message_hash: bytes | None = None) -> Self:
        """Give the record with one response more. Raises RequestError where it answers another request."""
        if response.request_id != self.request_id:
            raise RequestError(f"the response answers {response.request_id}, not {self.request_id}", path="RequestID")
        recorded = RecordedResponse(code=response.code, time=time, message_hash=message_hash)
        return replace(self, responses=(*self.responses, recorded))

    def to_json(self) -> Mapping[str, JsonValue]:
        """The record for a report: identities as DUIS writes them, hashes in hexadecimal, times in ISO 8601."""
        return {
            "request_id": str(self.request_id),
            "originator": self.request_id.originator.hex("-").upper(),
            "role": str(self.role),
            "certificate_issuer": self.signer.issuer,
            "certificate_serial": str(self.signer.serial),
            "variant": self.variant,
            "command_variant": int(self.command_variant),
            "received_at": self.received_at.isoformat(),
            "responses": [
                {
                    "code": one.code,
                    "time": one.time.isoformat(),
                    "message_hash": None if one.message_hash is None else one.message_hash.hex(),
                }
                for one in self.responses
            ],
            "anomaly": str(self.anomaly),
            "message_hashes": [one.hex() for one in self.message_hashes],
            "pre_command": None if self.pre_command is None else str(self.pre_command),
            "command": None if self.command is None else str(self.command),
        }
