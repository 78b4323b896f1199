"""All rows of the suite, which of them are run, and the run itself."""

import fnmatch
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from meterworks.assess.conformance.association_row import ASSOCIATION_ROWS
from meterworks.assess.conformance.block_row import BLOCK_ROWS
from meterworks.assess.conformance.class_row import CLASS_ROWS
from meterworks.assess.conformance.hdlc_row import HDLC_ROWS
from meterworks.assess.conformance.link_row import LINK_ROWS
from meterworks.assess.conformance.robustness_row import ROBUSTNESS_ROWS
from meterworks.assess.conformance.row import (
    CheckFailed,
    Exchanged,
    Inconclusive,
    NotApplicable,
    Outcome,
    Result,
    Row,
    masked,
)
from meterworks.assess.conformance.security_row import SECURITY_ROWS
from meterworks.assess.conformance.service_row import SERVICE_ROWS
from meterworks.assess.conformance.tester import Tester
from meterworks.errors import MeterworksError, UnreachableError, UsageError

__all__ = ["ROWS", "Report", "run_rows", "selected_rows"]

ROWS: Final[tuple[Row, ...]] = (
    *LINK_ROWS,
    *HDLC_ROWS,
    *ASSOCIATION_ROWS,
    *SERVICE_ROWS,
    *BLOCK_ROWS,
    *SECURITY_ROWS,
    *CLASS_ROWS,
    *ROBUSTNESS_ROWS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found. target: who was tested; facts: what was found out about it; began: UTC."""

    target: str
    began: datetime
    duration_s: float
    results: tuple[Result, ...]
    facts: tuple[tuple[str, str], ...] = ()
    title: str = "DLMS/COSEM conformance of a server"

    def count(self, outcome: Outcome) -> int:
        """How many tests ended so."""
        return sum(result.outcome is outcome for result in self.results)

    @property
    def passed(self) -> bool:
        """Whether nothing failed and anything passed."""
        return not self.count(Outcome.FAILED) and self.count(Outcome.PASSED) > 0


def selected_rows(patterns: Sequence[str], rows: Sequence[Row] = ROWS) -> tuple[Row, ...]:
    """Give the rows that any pattern names: an id (`SEC-03`), its beginning (`SEC`), or with wild cards (`*-0?`).

    Without patterns all. Raises UsageError where a pattern names none.
    """
    if not patterns:
        return tuple(rows)
    chosen: set[str] = set()
    for pattern in patterns:
        wanted = pattern.strip().upper()
        found = {row.id for row in rows if row.id.startswith(wanted) or fnmatch.fnmatchcase(row.id, wanted)}
        if not found:
            raise UsageError(f"no test is called {pattern}: name ids as ASSOC-03, groups as SEC, or use wild cards")
        chosen |= found
    return tuple(row for row in rows if row.id in chosen)


def run_rows(
    tester: Tester, rows: Iterable[Row], *, target: str, progress: Callable[[Result], None] | None = None
) -> Report:
    """Look around at the server, then run the rows in order; give what was found.

    Raises UnreachableError where the server cannot be reached to begin with.
    """
    began = datetime.now(UTC)
    start_s = time.monotonic()
    tester.look_around()
    results: list[Result] = []
    for row in rows:
        result = _run_one(tester, row)
        results.append(result)
        if progress is not None:
            progress(result)
    return Report(
        target=target, began=began, duration_s=time.monotonic() - start_s, results=tuple(results), facts=_facts(tester)
    )


def _run_one(tester: Tester, row: Row) -> Result:
    missing = [need.value for need in row.needs if not tester.meets(need)]
    if missing:
        return _result(row, Outcome.NOT_APPLICABLE, f"needs {' and '.join(sorted(missing))}", 0.0, ())
    start_s = time.monotonic()
    with tester.test() as trace:
        outcome, reason = _judge(tester, row)
    evidence = masked(trace.exchanges, tester.credential.password)
    if trace.dropped:
        evidence += (Exchanged(False, b"", None, f"{trace.dropped} more exchanges are not kept"),)
    return _result(row, outcome, reason, time.monotonic() - start_s, evidence)


def _judge(tester: Tester, row: Row) -> tuple[Outcome, str]:
    try:
        return Outcome.PASSED, row.check(tester) or ""
    except CheckFailed as error:
        return Outcome.FAILED, str(error)
    except NotApplicable as error:
        return Outcome.NOT_APPLICABLE, str(error)
    except (Inconclusive, UnreachableError) as error:
        return Outcome.INCONCLUSIVE, str(error)
    except MeterworksError as error:
        return Outcome.FAILED, f"{type(error).__name__}: {error}"
    except (LookupError, ValueError, ArithmeticError, AttributeError, TypeError) as error:
        # An answer that a check did not foresee: no reason to give the other tests up.
        return Outcome.INCONCLUSIVE, f"the check stumbled over an answer: {type(error).__name__}: {error}"


def _result(row: Row, outcome: Outcome, reason: str, duration_s: float, evidence: tuple[Exchanged, ...]) -> Result:
    return Result(row=row, outcome=outcome, reason=reason, duration_s=duration_s, evidence=evidence)


def _facts(tester: Tester) -> tuple[tuple[str, str], ...]:
    survey, credential = tester.survey, tester.credential
    facts = [
        ("client address", str(credential.client_sap)),
        ("mechanism", str(credential.mechanism)),
        ("protection", f"suite {credential.suite}" if credential.is_ciphered else "none"),
        ("public client", "known" if survey.public else "not known"),
        ("objects in the list", str(len(survey.objects))),
    ]
    if survey.server_title:
        facts.append(("server's system title", survey.server_title.hex()))
    if survey.agreed is not None:
        facts.append(("conformance", f"{survey.agreed.conformance:06x}"))
        facts.append(("server's max PDU", str(survey.agreed.max_pdu)))
    if survey.fault:
        facts.append(("fault when looking around", survey.fault))
    return tuple(facts)
