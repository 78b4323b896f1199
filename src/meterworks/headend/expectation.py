"""The expectation table: per device and profile what was expected, and which of it is missing, sent or absent.

    expected = installed ∩ [now − memory depth, now − grace], never forgotten once laid down
    missing  = expected − sent − absent − committed

Collection works from `missing` alone. A range that was read becomes `sent` with its set's number when its reading set
is handed to the bus, and leaves the table only when the writer says that the set is durable. A range the device
answered for and holds no entry in becomes `absent`: it is crossed off and shown as a gap. What grew older than the
device's memory can never be read and becomes absent too. Sets that stay unconfirmed return to missing.

This is the working copy in memory; `store.HeadendStore` writes changed pairs behind. Losing the newest changes in a
crash only means that something is read again: the writer drops what it already holds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from meterworks.headend.ranges import EMPTY, Range, Ranges, align, floor_to, intersect, normalise, subtract, total_s
from meterworks.headend.ranges import union as union_of

__all__ = ["ConfirmedSet", "ExpectationRow", "ExpectationTable", "ExpectationTotals", "Ledger", "Pair", "ProfileRule"]

Pair = tuple[int, str]
"""Device number and profile name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRule:
    """How a profile is expected of a device."""

    profile: str
    step_s: int
    """Interval length of a load profile; for registers the coarsest step in which they are asked for."""
    depth_s: int
    """How far back the device remembers."""
    on_grid: bool
    """True where each interval start is one expected entry, false for registers at instants of local time."""


@dataclass(slots=True)
class SentSet:
    """A reading set on its way to the warehouse."""

    ranges: Ranges
    sent_at_epoch_s: float
    rows: int = 0
    sequence: int = 0
    """Position in the stream of reading sets; 0 until the bus has acknowledged it."""


@dataclass(slots=True)
class Ledger:
    """What is known of one device and profile."""

    expected: Ranges = EMPTY
    missing: Ranges = EMPTY
    absent: Ranges = EMPTY
    sent: dict[str, SentSet] = field(default_factory=dict)

    def sent_ranges(self) -> Ranges:
        """Everything on its way."""
        return normalise(piece for each in self.sent.values() for piece in each.ranges) if self.sent else EMPTY


@dataclass(frozen=True, slots=True)
class ConfirmedSet:
    """The writer's word that a reading set is durable."""

    set_id: str
    device_id: int
    profile: str
    start_epoch_s: int
    end_epoch_s: int


@dataclass(frozen=True, slots=True)
class ExpectationRow:
    """One stored row: `expected`, `missing`, `absent`, or `sent` with its set."""

    device_id: int
    profile: str
    state: str
    start_epoch_s: int
    end_epoch_s: int
    set_id: str | None = None
    sent_at_epoch_s: float | None = None
    sequence: int = 0


@dataclass(slots=True)
class ExpectationTotals:
    """Seconds per state, of one profile over all devices."""

    expected_s: int = 0
    missing_s: int = 0
    sent_s: int = 0
    absent_s: int = 0

    @property
    def committed_s(self) -> int:
        """What the warehouse holds."""
        return self.expected_s - self.missing_s - self.sent_s - self.absent_s


class ExpectationTable:
    """All ledgers, with running totals and the list of pairs changed since they were last written."""

    def __init__(self) -> None:
        self._ledgers: dict[Pair, Ledger] = {}
        self._pair_of_set: dict[str, Pair] = {}
        self._totals: dict[str, ExpectationTotals] = {}
        self._dirty: set[Pair] = set()
        self._unconfirmed_rows = 0
        self._latest_confirmed_sent_at = 0.0

    def __len__(self) -> int:
        return len(self._ledgers)

    @property
    def unconfirmed_sets(self) -> int:
        """Sets on their way."""
        return len(self._pair_of_set)

    @property
    def unconfirmed_rows(self) -> int:
        """Rows on their way, of the sets sent since the start."""
        return self._unconfirmed_rows

    def ledger(self, pair: Pair) -> Ledger | None:
        """The ledger of a pair, None before anything was expected of it."""
        return self._ledgers.get(pair)

    def pair_of(self, set_id: str) -> Pair | None:
        """Whose set this is, while it is on its way."""
        return self._pair_of_set.get(set_id)

    def pairs(self) -> Iterator[tuple[Pair, Ledger]]:
        """All ledgers."""
        return iter(list(self._ledgers.items()))

    def missing(self, pair: Pair) -> Ranges:
        """What is to be read."""
        found = self._ledgers.get(pair)
        return found.missing if found else EMPTY

    def totals(self, profile: str) -> ExpectationTotals:
        """Running totals of a profile."""
        return self._totals.setdefault(profile, ExpectationTotals())

    def take_dirty(self) -> set[Pair]:
        """Pairs changed since the last call."""
        taken, self._dirty = self._dirty, set()
        return taken

    def return_dirty(self, pairs: Iterable[Pair]) -> None:
        """Say that pairs taken could not be written."""
        self._dirty.update(pairs)

    # What changes a ledger.

    def lay_down(self, device_id: int, rule: ProfileRule, installed: Ranges, *, until_epoch_s: float) -> None:
        """Expect what became due: whole intervals of the installed time, up to `until_epoch_s` (now − grace)."""
        pair = (device_id, rule.profile)
        ledger = self._ledgers.get(pair)
        before = ledger or Ledger()
        horizon = floor_to(int(until_epoch_s), rule.step_s)
        oldest = floor_to(int(until_epoch_s) - rule.depth_s, rule.step_s)
        whole = align(installed, rule.step_s) if rule.on_grid else installed
        due = intersect(whole, ((oldest, horizon),)) if oldest < horizon else EMPTY
        expected = intersect(union_of(before.expected, due), whole)
        missing = intersect(union_of(before.missing, subtract(due, before.expected)), expected)
        forgotten = intersect(missing, ((0, oldest),)) if oldest > 0 else EMPTY
        absent = intersect(union_of(before.absent, forgotten), expected)
        missing = subtract(missing, forgotten)
        if ledger is None or (expected, missing, absent) != (before.expected, before.missing, before.absent):
            self._change(pair, expected=expected, missing=missing, absent=absent)

    def mark_absent(self, pair: Pair, ranges: Ranges) -> None:
        """The device answered and holds nothing there."""
        ledger = self._ledgers.get(pair)
        if ledger is None or not ranges:
            return
        gone = intersect(ranges, ledger.missing)
        self._change(pair, missing=subtract(ledger.missing, gone), absent=union_of(ledger.absent, gone))

    def mark_sent(self, pair: Pair, set_id: str, ranges: Ranges, *, at_epoch_s: float, rows: int) -> None:
        """A reading set covering these ranges is on its way."""
        ledger = self._ledgers.get(pair)
        if ledger is None:
            return
        before = total_s(ledger.sent_ranges())
        ledger.sent[set_id] = SentSet(intersect(ranges, ledger.expected), at_epoch_s, rows)
        self._pair_of_set[set_id] = pair
        self._unconfirmed_rows += rows
        missing, absent = subtract(ledger.missing, ranges), subtract(ledger.absent, ranges)
        self._change(pair, missing=missing, absent=absent, sent_before_s=before)

    def acknowledge(self, set_id: str, sequence: int) -> None:
        """The bus has stored a set at this position."""
        pair = self._pair_of_set.get(set_id)
        if pair is not None:
            self._ledgers[pair].sent[set_id].sequence = sequence
            self._dirty.add(pair)

    def give_back(self, set_id: str) -> None:
        """A set got lost on its way: its ranges are missing again."""
        pair = self._pair_of_set.get(set_id)
        if pair is None:
            return
        ledger = self._ledgers[pair]
        before = total_s(ledger.sent_ranges())
        lost = self._drop_set(ledger, set_id)
        again = subtract(lost.ranges, ledger.sent_ranges())
        self._change(pair, missing=union_of(ledger.missing, again), sent_before_s=before)

    def confirm(self, confirmed: Iterable[ConfirmedSet]) -> int:
        """Cross off what is durable. Gives the number of sets that we were waiting for."""
        known = 0
        for one in confirmed:
            pair = (one.device_id, one.profile)
            ledger = self._ledgers.get(pair)
            if ledger is None:
                continue
            before = total_s(ledger.sent_ranges())
            if one.set_id in ledger.sent:
                gone = self._drop_set(ledger, one.set_id)
                self._latest_confirmed_sent_at = max(self._latest_confirmed_sent_at, gone.sent_at_epoch_s)
                known += 1
            durable = ((one.start_epoch_s, one.end_epoch_s),) if one.start_epoch_s < one.end_epoch_s else EMPTY
            self._change(pair, missing=subtract(ledger.missing, durable), sent_before_s=before)
        return known

    def overdue(self, now_epoch_s: float, *, passed_s_max: float, stale_s_max: float, position: int) -> list[str]:
        """Sets to be read again.

        The stream keeps its order, so a set is lost when the writer has confirmed something that lies behind it
        (`position`, or a set sent well after it) and the set itself has been waiting for `passed_s_max`; without any
        sign of the writer only after `stale_s_max`, because reading again would not help a writer that stands still.
        """
        found = []
        for set_id, pair in self._pair_of_set.items():
            one = self._ledgers[pair].sent[set_id]
            age_s = now_epoch_s - one.sent_at_epoch_s
            passed = 0 < one.sequence <= position or one.sent_at_epoch_s + passed_s_max < self._latest_confirmed_sent_at
            if age_s > stale_s_max or (passed and age_s > passed_s_max):
                found.append(set_id)
        return found

    def forget(self, device_id: int, profile: str) -> None:
        """Expect a profile of a device no longer (the device left the registry, or never had the profile)."""
        pair = (device_id, profile)
        ledger = self._ledgers.get(pair)
        if ledger is None:
            return
        before = total_s(ledger.sent_ranges())
        for set_id in list(ledger.sent):
            self._drop_set(ledger, set_id)
        self._change(pair, expected=EMPTY, missing=EMPTY, absent=EMPTY, sent_before_s=before)
        del self._ledgers[pair]

    # Loading and writing.

    def load(self, rows: Iterable[ExpectationRow]) -> None:
        """Take up what an earlier process wrote."""
        pieces: dict[Pair, dict[str, list[Range]]] = {}
        for row in rows:
            pair = (row.device_id, row.profile)
            piece = (row.start_epoch_s, row.end_epoch_s)
            if row.state == "sent" and row.set_id is not None:
                ledger = self._ledgers.setdefault(pair, Ledger())
                before = ledger.sent.get(row.set_id)
                ranges = normalise((*(before.ranges if before else ()), piece))
                ledger.sent[row.set_id] = SentSet(ranges, row.sent_at_epoch_s or 0.0, 0, row.sequence)
                self._pair_of_set[row.set_id] = pair
            else:
                pieces.setdefault(pair, {}).setdefault(row.state, []).append(piece)
        for pair, by_state in pieces.items():
            ledger = self._ledgers.setdefault(pair, Ledger())
            ledger.expected = normalise(by_state.get("expected", ()))
            ledger.missing = normalise(by_state.get("missing", ()))
            ledger.absent = normalise(by_state.get("absent", ()))
        for pair in set(pieces) | set(self._pair_of_set.values()):
            self._count(pair[1], self._ledgers[pair], 1)
        self._dirty.clear()

    def rows(self, pair: Pair) -> list[ExpectationRow]:
        """What is to be stored of a pair."""
        ledger = self._ledgers.get(pair)
        if ledger is None:
            return []
        device_id, profile = pair
        rows = [
            ExpectationRow(device_id, profile, state, start, end)
            for state, ranges in (
                ("expected", ledger.expected),
                ("missing", ledger.missing),
                ("absent", ledger.absent),
            )
            for start, end in ranges
        ]
        for set_id, one in ledger.sent.items():
            rows += [
                ExpectationRow(device_id, profile, "sent", start, end, set_id, one.sent_at_epoch_s, one.sequence)
                for start, end in one.ranges
            ]
        return rows

    # Inner book-keeping.

    def _drop_set(self, ledger: Ledger, set_id: str) -> SentSet:
        gone = ledger.sent.pop(set_id)
        self._unconfirmed_rows -= gone.rows
        del self._pair_of_set[set_id]
        return gone

    def _change(
        self,
        pair: Pair,
        *,
        expected: Ranges | None = None,
        missing: Ranges | None = None,
        absent: Ranges | None = None,
        sent_before_s: int | None = None,
    ) -> None:
        ledger = self._ledgers.setdefault(pair, Ledger())
        totals = self.totals(pair[1])
        if expected is not None:
            totals.expected_s += total_s(expected) - total_s(ledger.expected)
            ledger.expected = expected
        if missing is not None:
            totals.missing_s += total_s(missing) - total_s(ledger.missing)
            ledger.missing = missing
        if absent is not None:
            totals.absent_s += total_s(absent) - total_s(ledger.absent)
            ledger.absent = absent
        if sent_before_s is not None:
            totals.sent_s += total_s(ledger.sent_ranges()) - sent_before_s
        self._dirty.add(pair)

    def _count(self, profile: str, ledger: Ledger, sign: int) -> None:
        totals = self.totals(profile)
        totals.expected_s += sign * total_s(ledger.expected)
        totals.missing_s += sign * total_s(ledger.missing)
        totals.absent_s += sign * total_s(ledger.absent)
        totals.sent_s += sign * total_s(ledger.sent_ranges())
