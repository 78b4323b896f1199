"""A test of the conformance suite as a row, what comes of it, and the octets that prove it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NoReturn

from meterworks.errors import PeerError, RefusedError, UsageError

__all__ = [
    "CheckFailed",
    "Exchanged",
    "Group",
    "Inconclusive",
    "Need",
    "NotApplicable",
    "Outcome",
    "Result",
    "Row",
    "expect",
    "fail",
    "masked",
]

SECRET_SIZE_MIN: Final = 4  # shorter ones stand in octets by chance


class Group(Enum):
    """The parts of the suite, in the order they are run."""

    LINK = "Data link"
    ASSOCIATION = "Association"
    SERVICE = "Services"
    BLOCK = "Block transfer"
    SECURITY = "Security"
    CLASS = "Class behaviour"
    ROBUSTNESS = "Robustness"
    CLIENT = "Client"


class Outcome(Enum):
    """What came of a test."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"


class Need(Enum):
    """What a test asks for before it applies."""

    CIPHERED = "a client whose association is ciphered (keys)"
    AUTHENTICATED = "a client that authenticates by a challenge (mechanism 2 to 7)"
    PROOF = "a client with a password or a challenge (mechanism 1 to 7)"
    PUBLIC = "a server that knows the public client"
    WRITES = "leave to change the meter (--writes)"
    WRAPPER = "a target reached over the wrapper"
    HDLC = "a target reached over HDLC"


class CheckFailed(PeerError):
    """The peer did not do what the clause says."""

    code = "check-failed"


class Inconclusive(UsageError):
    """The test could not be brought to the point where it judges."""

    code = "inconclusive"


class NotApplicable(RefusedError):
    """The peer does not offer what the test is about, and need not."""

    code = "not-applicable"


@dataclass(slots=True)
class Exchanged:
    """Octets that went one way. plain: the deciphered APDU, where there is one. note: what else there is to say."""

    sent: bool
    octets: bytes
    plain: bytes | None = None
    note: str = ""


def masked(evidence: Iterable[Exchanged], secret: bytes | None) -> tuple[Exchanged, ...]:
    """Give evidence without a password: its octets are stars wherever they stand. What is too short is no password."""
    if secret is None or len(secret) < SECRET_SIZE_MIN:
        return tuple(evidence)
    stars = b"*" * len(secret)
    return tuple(
        Exchanged(
            one.sent,
            one.octets.replace(secret, stars),
            None if one.plain is None else one.plain.replace(secret, stars),
            one.note,
        )
        for one in evidence
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One test: what it proves, by which clause, and the function that does it.

    A check gives a remark for the report or nothing, or raises one of the three verdicts above. writes: it changes the
    meter, so that it is run with leave only.
    """

    id: str
    group: Group
    title: str
    clause: str
    check: Callable[[Any], str | None]  # of a Tester; of a Record in the rows about clients
    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one test."""

    row: Row
    outcome: Outcome
    reason: str
    duration_s: float
    evidence: tuple[Exchanged, ...] = field(default=(), repr=False)


def fail(reason: str) -> NoReturn:
    """Say that the peer is wrong."""
    raise CheckFailed(reason)


def expect(condition: bool, reason: str) -> None:
    """Say that the peer is wrong unless the condition holds."""
    if not condition:
        raise CheckFailed(reason)
