"""Acts of people, on their way to the audit trail."""

from collections.abc import Mapping

from meterworks.market.principal import Principal
from meterworks.runtime import get_logger
from meterworks.trust.audit import NOBODY, AuditEvent, AuditSink, Fact, Outcome

__all__ = ["Acts", "LoggedActs", "actor_of"]

NAME_SHOWN_MAX = 128
log = get_logger("market.acts")


class LoggedActs:
    """Writes acts to the log, where no trail was handed in."""

    async def append(self, event: AuditEvent) -> None:
        """Log the act."""
        self.post(event)

    def post(self, event: AuditEvent) -> None:
        """Log the act."""
        log.info("act", act=event.act, actor=event.actor, object=event.object, outcome=event.outcome.value)


def actor_of(principal: Principal | None) -> str:
    """The actor's name in the trail."""
    return NOBODY if principal is None else f"account:{principal.name}"


def _printable(text: str) -> str:
    """What somebody typed, fit for the trail."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:NAME_SHOWN_MAX])


class Acts:
    """Hands acts to the sink, with the names the trail uses."""

    def __init__(self, sink: AuditSink) -> None:
        self._sink = sink

    async def record(
        self,
        act: str,
        *,
        by: str,
        on: str,
        outcome: Outcome = Outcome.SUCCESS,
        cause: str = "",
        facts: Mapping[str, Fact] | None = None,
    ) -> None:
        """Record before the act is done. Raises ActNotRecorded where the act must be and cannot."""
        await self._sink.append(_event(act, by, on, outcome, cause, facts))

    def tell(
        self,
        act: str,
        *,
        by: str,
        on: str,
        outcome: Outcome = Outcome.SUCCESS,
        cause: str = "",
        facts: Mapping[str, Fact] | None = None,
    ) -> None:
        """Tell of an act that is not held up by its record."""
        self._sink.post(_event(act, by, on, outcome, cause, facts))


def _event(act: str, by: str, on: str, outcome: Outcome, cause: str, facts: Mapping[str, Fact] | None) -> AuditEvent:
    return AuditEvent(
        act=act, actor=_printable(by), object=_printable(on), outcome=outcome, cause=cause, facts=facts or {}
    )
