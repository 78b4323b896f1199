"""What came of a vector, and how a check says that it failed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from meterworks.errors import PeerError, UsageError

__all__ = ["Document", "Mismatch", "NotRun", "Outcome", "VectorReport", "Verdict", "expect", "shortened"]

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
    """What came of one vector. id: file, then the row's own name or place in it. reason: empty where it passed."""

    id: str
    kind: str
    outcome: Outcome
    reason: str = ""


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
    def kinds(self) -> tuple[str, ...]:
        """The kinds that occur, in the order met."""
        return tuple(dict.fromkeys(row.kind for row in self.verdicts))

    def to_json(self) -> dict[str, object]:
        """Give counts, failures and what was skipped, as `--json` prints them."""
        return {
            "passed": self.count(Outcome.PASSED),
            "failed": self.count(Outcome.FAILED),
            "skipped": self.count(Outcome.SKIPPED),
            "failures": [{"id": row.id, "reason": row.reason} for row in self.failures],
            "skips": [{"id": row.id, "reason": row.reason} for row in self.verdicts if row.outcome is Outcome.SKIPPED],
        }


def expect(name: str, ours: object, theirs: object) -> None:
    """Raise Mismatch where what we have is not what the vector says."""
    if ours != theirs:
        raise Mismatch(f"{name}: the vector says {shortened(theirs)}, we have {shortened(ours)}")


def shortened(value: object) -> str:
    """Give a value for a message, cut where it is long."""
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
