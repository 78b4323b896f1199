"""An act as whoever did or saw it tells it."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import cast

from meterworks.trust.audit.act import act_of
from meterworks.trust.audit.errors import AuditUsageError

__all__ = ["NOBODY", "AuditEvent", "Fact", "Outcome", "new_event_id"]

Fact = str | int | bool | None
NOBODY = "nobody"  # an actor that has not proved who it is
NAME_SIZE_MAX = 200  # characters of an actor or an object
CAUSE_SIZE_MAX = 500
FACT_SIZE_MAX = 1_000
FACTS_MAX = 24
INTEGER_MAX = 2**53 - 1  # what every reader of JSON keeps exactly
_FACT_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_EVENT_ID = re.compile(r"[0-9a-zA-Z_.-]{8,64}")
_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})


class Outcome(StrEnum):
    """How an act ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    REFUSED = "refused"
    UNKNOWN = "unknown"


def new_event_id() -> str:
    """An id that no other event has."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One act: who did what to what, how it ended and why.

    act: a name of the table of acts. actor and object: `kind:identity`, for instance `account:operator`,
    `process:headend`, `device:4D4D4D0000BC614E`, `organisation:17`, `usage-point:UP-000042`; an actor that has not
    proved who it is, is `nobody`. cause: why it ended so, or what asked for it (a request's id). facts: further names
    and values, flat; never a secret, never a reading's value.
    event_id: an event appended twice under one id is recorded once. at: system time, machine_at: machine time; where
    absent, the sink that takes the event sets both. Raises AuditUsageError for what cannot be recorded.
    """

    act: str
    actor: str
    object: str
    outcome: Outcome = Outcome.SUCCESS
    cause: str = ""
    facts: Mapping[str, Fact] = field(default_factory=lambda: _NO_FACTS)
    event_id: str = field(default_factory=new_event_id)
    at: datetime | None = None
    machine_at: datetime | None = None

    def __post_init__(self) -> None:
        act_of(self.act)
        for name, text, size_max in (
            ("actor", self.actor, NAME_SIZE_MAX),
            ("object", self.object, NAME_SIZE_MAX),
            ("cause", self.cause, CAUSE_SIZE_MAX),
        ):
            self._check_text(name, text, size_max)
        if not self.actor or not self.object:
            raise AuditUsageError(f"the act {self.act} names no actor or no object", act=self.act)
        if _EVENT_ID.fullmatch(self.event_id) is None:
            raise AuditUsageError(f"{self.event_id!r} is no event id: 8 to 64 letters and digits", act=self.act)
        if any(time is not None and time.tzinfo is None for time in (self.at, self.machine_at)):
            raise AuditUsageError(f"the time of the act {self.act} has no zone: give an aware one", act=self.act)
        self._check_facts()

    def _check_facts(self) -> None:
        if len(self.facts) > FACTS_MAX:
            raise AuditUsageError(f"the act {self.act} has more than {FACTS_MAX} facts", act=self.act)
        for name, value in cast("Mapping[str, object]", self.facts).items():  # what a caller's types promise is checked
            if _FACT_NAME.fullmatch(name) is None:
                raise AuditUsageError(f"{name!r} is no name of a fact: small letters, digits and _", act=self.act)
            if isinstance(value, str):
                self._check_text(name, value, FACT_SIZE_MAX)
            elif isinstance(value, int):
                if abs(value) > INTEGER_MAX:
                    raise AuditUsageError(f"the fact {name} of {self.act} is too large a number", act=self.act)
            elif value is not None:
                kind = type(value).__name__
                raise AuditUsageError(
                    f"the fact {name} of {self.act} is a {kind}: text, integer or truth", act=self.act
                )

    def _check_text(self, name: str, text: str, size_max: int) -> None:
        if len(text) > size_max:
            raise AuditUsageError(f"{name} of the act {self.act} has more than {size_max} characters", act=self.act)
        try:
            text.encode()
        except UnicodeEncodeError as error:  # a lone surrogate has no octets
            raise AuditUsageError(f"{name} of the act {self.act} is no Unicode text", act=self.act) from error
