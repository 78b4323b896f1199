"""What came of a vector, and how a check says that it failed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from meterworks.errors import MeterworksError, PeerError, UsageError

__all__ = ["Document", "Mismatch", "NotRun", "Outcome", "VectorReport", "Verdict", "expect", "shortened", "verdict_of"]

FIELD_ERRORS = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)

Document: TypeAlias = Mapping[str, Any]  # a JSON object of a vector file: a parse edge


class Outcome(Enum):
    """Passed, failed, or not run."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Mismatch(PeerError):
    """What we read or wrote is not what the vector says."""

    code = "vector-mismatch"


class NotRun(UsageError):
    """A vector that there is nothing here to run with; the text says why."""

    code = "vector-not-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one vector, or of one step of one.

    id: file, then the row's own name or place in it. reason: why it failed or was not run, or on which condition it
    passed. subject: what the vector is about, where a kind is told by subject (the use case of a GB message).
    """

    id: str
    kind: str
    outcome: Outcome
    reason: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class VectorReport:
    """The verdicts of a folder, in the order of its files."""

    verdicts: tuple[Verdict, ...]

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> "VectorReport":
        """Collect verdicts."""
        return cls(tuple(verdicts))

    def count(self, outcome: Outcome, kind: str | None = None) -> int:
        """Give how many vectors ended so, of one kind or of all."""
        return sum(row.outcome is outcome and kind in (None, row.kind) for row in self.verdicts)

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """Those that failed."""
        return tuple(row for row in self.verdicts if row.outcome is Outcome.FAILED)

    @property
    def notes(self) -> tuple[Verdict, ...]:
        """Those that passed on a condition."""
        return tuple(row for row in self.verdicts if row.outcome is Outcome.PASSED and row.reason)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that occur among vectors without a subject, in the order met."""
        return tuple(dict.fromkeys(row.kind for row in self.verdicts if not row.subject))

    @property
    def by_subject(self) -> Mapping[str, Mapping[str, Mapping[Outcome, int]]]:
        """Counts of outcomes by subject and kind, subjects in the order of their names."""
        found: dict[str, dict[str, dict[Outcome, int]]] = {}
        for row in self.verdicts:
            if row.subject:
                counts = found.setdefault(row.subject, {}).setdefault(row.kind, dict.fromkeys(Outcome, 0))
                counts[row.outcome] += 1
        return {subject: found[subject] for subject in sorted(found)}

    def to_json(self) -> dict[str, object]:
        """Give counts, failures and what was skipped, as `--json` prints them."""
        subjects = {
            subject: {kind: {outcome.value: count for outcome, count in counts.items()} for kind, counts in row.items()}
            for subject, row in self.by_subject.items()
        }
        return ({"subjects": subjects} if subjects else {}) | {
            "passed": self.count(Outcome.PASSED),
            "failed": self.count(Outcome.FAILED),
            "skipped": self.count(Outcome.SKIPPED),
            "failures": [{"id": row.id, "reason": row.reason} for row in self.failures],
            "notes": [{"id": row.id, "reason": row.reason} for row in self.notes],
            "skips": [{"id": row.id, "reason": row.reason} for row in self.verdicts if row.outcome is Outcome.SKIPPED],
        }


def verdict_of(name: str, kind: str, check: Callable[[], str | None], *, subject: str = "") -> Verdict:
    """Run a check and tell what came of it: errors of ours are failures, and so are fields that cannot be read.

    check: gives what is to be said of a vector that passed, if anything.
    """
    outcome, reason = Outcome.PASSED, ""
    try:
        reason = check() or ""
    except NotRun as error:
        outcome, reason = Outcome.SKIPPED, str(error)
    except MeterworksError as error:
        outcome, reason = Outcome.FAILED, str(error)
    except FIELD_ERRORS as error:
        outcome, reason = Outcome.FAILED, f"a field of the vector cannot be read: {type(error).__name__}: {error}"
    return Verdict(id=name, kind=kind, outcome=outcome, reason=reason, subject=subject)


def expect(name: str, ours: object, theirs: object) -> None:
    """Raise Mismatch where what we have is not what the vector says."""
    if ours != theirs:
        raise Mismatch(f"{name}: the vector says {shortened(theirs)}, we have {shortened(ours)}")


def shortened(value: object) -> str:
    """Give a value for a message, cut where it is long."""
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
