"""How a responder's error reaches the one who asked: as headers of the reply, raised again as one of the six."""

from collections.abc import Mapping

from meterworks.errors import (
    MeterworksError,
    OutcomeUnknown,
    PeerError,
    RefusedError,
    SecurityError,
    UnreachableError,
    UsageError,
)
from meterworks.runtime.bus.contract import Responder
from meterworks.runtime.errors import ResponderError
from meterworks.runtime.telemetry import get_logger

__all__ = ["answer", "error_of"]

FAMILY = "Meterworks-Error-Family"
CODE = "Meterworks-Error-Code"
TEXT = "Meterworks-Error-Text"
TEXT_SIZE_MAX = 500

_SIX: dict[str, type[MeterworksError]] = {
    kind.code: kind for kind in (PeerError, UsageError, SecurityError, RefusedError, UnreachableError, OutcomeUnknown)
}
_log = get_logger("runtime.bus")


async def answer(handler: Responder, subject: str, data: bytes) -> tuple[bytes, dict[str, str]]:
    """Run the responder; gives the reply's data and headers, whatever it raises."""
    try:
        return await handler(data), {}
    except MeterworksError as error:
        family = next((code for code, kind in _SIX.items() if isinstance(error, kind)), ResponderError.code)
        return b"", _headers(family, error.code, str(error))
    except Exception:  # noqa: BLE001  # the shell of someone else's handler: logged here, told there
        _log.exception("a responder failed", subject=subject)
        return b"", _headers(
            ResponderError.code, ResponderError.code, f"the responder at {subject} failed; see its log"
        )


def _headers(family: str, code: str, text: str) -> dict[str, str]:
    return {FAMILY: family, CODE: code, TEXT: " ".join(text.split())[:TEXT_SIZE_MAX].strip()}


def error_of(subject: str, headers: Mapping[str, str]) -> MeterworksError | None:
    """The error that a reply carries, None for an answer."""
    family = headers.get(FAMILY)
    if family is None:
        return None
    kind = _SIX.get(family, ResponderError)
    return kind(headers.get(TEXT, "the responder failed"), subject=subject, responder_code=headers.get(CODE, family))
