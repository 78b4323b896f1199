"""What a message makes a device do, as named facts; and what a request may mean where it leaves a choice."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

__all__ = ["AnyOf", "Carriers", "Effects", "Fact", "Term", "term_text"]

Term: TypeAlias = Any  # int, str, bool, Decimal, octets, an instant, or tuples and sets of these: a parse edge
TEXT_SIZE_MAX = 120
MADE_AT = " made_at"  # ends the names of facts that say when a command was made


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a message says. name: the item of the message, then the request's word for it, or its place.

    value: in the request's terms: instants in UTC, "now" or "never"; numbers unscaled; octets; sets of days.
    """

    name: str
    value: Term


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A request leaves a choice: each of these does what was asked."""

    values: tuple[Term, ...]

    def admits(self, found: Term) -> bool:
        """Whether a value is one of the choices."""
        return found in self.values


@dataclass(frozen=True, slots=True)
class Carriers:
    """A value that the carrier chooses and no request names. why: for people; size: of its text, at most."""

    why: str
    size: int

    def admits(self, found: Term) -> bool:
        """Whether a value has the form of such a choice: digits, no more of them than there may be."""
        return isinstance(found, str) and found.isdecimal() and 0 < len(found) <= self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a device would do that took a message for good.

    message_code, use_case, title: what the message says it is. originator, recipient: EUI-64. counter: of the first.
    facts: in the order of the message; together they account for each octet of its payload.
    """

    message_code: int
    use_case: str
    title: str
    originator: bytes
    recipient: bytes
    counter: int
    facts: tuple[Fact, ...]

    @property
    def made_at(self) -> datetime | None:
        """When a gas command says it was made; None where it does not say.

        Later ones win over earlier ones, so it has to be about now. The check compares it with the situation's
        `made_at` to the second: a requester that was not there takes it from here, once it is plausible.
        """
        told = (fact.value for fact in self.facts if fact.name.endswith(MADE_AT) and isinstance(fact.value, datetime))
        return next(told, None)

    def __str__(self) -> str:
        """For people: one line a fact."""
        head = f"{self.use_case} ({self.message_code:04X}) {self.title}, to {self.recipient.hex('-').upper()}"
        return "\n".join([head, *(f"  {fact.name} = {term_text(fact.value)}" for fact in self.facts)])


def term_text(value: Term) -> str:
    """A value as people read it, cut to a line."""
    if isinstance(value, bytes):
        text = value.hex().upper() or "nothing"
    elif isinstance(value, datetime):
        text = value.isoformat().replace("+00:00", "Z")
    elif isinstance(value, AnyOf):
        text = " or ".join(map(term_text, value.values))
    elif isinstance(value, Carriers):
        text = value.why
    elif isinstance(value, frozenset):
        text = "{" + ", ".join(sorted(map(term_text, value))) + "}"
    elif isinstance(value, tuple):
        text = "(" + ", ".join(map(term_text, value)) + ")"
    else:
        text = str(value)
    return text if len(text) <= TEXT_SIZE_MAX else text[: TEXT_SIZE_MAX - 1] + "…"
