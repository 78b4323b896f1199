"""Dated facts: what holds from one instant until another, or until further notice.

Spans are half-open, `[starts_at, ends_at)`, so that one fact can end at the very instant the next begins.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from meterworks.registry.errors import InvalidValueError
from meterworks.registry.value import checked_time
from meterworks.runtime import UtcDateTime

__all__ = ["DatedColumns", "DatedFact", "Span", "Timeline", "holds_at", "holds_within", "merged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From an instant (included) until another (not included); None: no end yet. Times come out in UTC."""

    starts_at: datetime
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts_at", checked_time("the start", self.starts_at))
        if self.ends_at is None:
            return
        object.__setattr__(self, "ends_at", checked_time("the end", self.ends_at))
        if self.ends_at <= self.starts_at:
            raise InvalidValueError(
                f"the end {self.ends_at.isoformat()} is not after the start {self.starts_at.isoformat()}",
                what="ends_at",
            )

    def contains(self, instant: datetime) -> bool:
        """Tell whether the instant lies in the span."""
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)

    def overlaps(self, other: "Span") -> bool:
        """Tell whether the two have an instant in common; touching is not overlapping."""
        return (other.ends_at is None or self.starts_at < other.ends_at) and (
            self.ends_at is None or other.starts_at < self.ends_at
        )

    def clipped(self, other: "Span") -> "Span | None":
        """Give what the two have in common."""
        if not self.overlaps(other):
            return None
        ends = [end for end in (self.ends_at, other.ends_at) if end is not None]
        return Span(starts_at=max(self.starts_at, other.starts_at), ends_at=min(ends, default=None))

    def __str__(self) -> str:
        end = "further notice" if self.ends_at is None else self.ends_at.isoformat()
        return f"{self.starts_at.isoformat()} until {end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedFact:
    """Base of facts that hold from an instant (included) until another (not included); None: until further notice."""

    starts_at: datetime
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        span = Span(starts_at=self.starts_at, ends_at=self.ends_at)
        object.__setattr__(self, "starts_at", span.starts_at)
        object.__setattr__(self, "ends_at", span.ends_at)

    @property
    def span(self) -> Span:
        """From when until when."""
        return Span(starts_at=self.starts_at, ends_at=self.ends_at)


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Join spans that overlap or touch; gives them in order of time."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: span.starts_at):
        last = joined[-1] if joined else None
        if last is None or (last.ends_at is not None and last.ends_at < span.starts_at):
            joined.append(span)
        elif last.ends_at is not None and (span.ends_at is None or span.ends_at > last.ends_at):
            joined[-1] = Span(starts_at=last.starts_at, ends_at=span.ends_at)
    return tuple(joined)


class Timeline:
    """Spans of facts that exclude one another, by what they are facts of."""

    def __init__(self) -> None:
        self._spans: dict[Hashable, list[Span]] = {}

    def conflict(self, subject: Hashable, span: Span) -> Span | None:
        """Give a span of the subject that overlaps this one."""
        return next((held for held in self._spans.get(subject, ()) if held.overlaps(span)), None)

    def add(self, subject: Hashable, span: Span) -> None:
        """Note that the fact holds."""
        self._spans.setdefault(subject, []).append(span)


class DatedColumns:
    """The two columns of a dated fact."""

    starts_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


def holds_within(table: type[DatedColumns], span: Span) -> sa.ColumnElement[bool]:
    """Condition: the fact holds at some instant of the span."""
    begins = sa.true() if span.ends_at is None else table.starts_at < span.ends_at
    return sa.and_(begins, sa.or_(table.ends_at.is_(None), table.ends_at > span.starts_at))


def holds_at(table: type[DatedColumns], instant: datetime | None) -> sa.ColumnElement[bool]:
    """Condition: the fact holds at the instant; None: it holds until further notice."""
    if instant is None:
        return table.ends_at.is_(None)
    return sa.and_(table.starts_at <= instant, sa.or_(table.ends_at.is_(None), table.ends_at > instant))
