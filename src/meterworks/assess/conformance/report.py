"""Reports of a run: JSON for machines, JUnit XML for build servers.  The page for people is in `page`."""

from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from meterworks.assess.conformance.row import Exchanged, Outcome, Result
from meterworks.assess.conformance.suite import Report

__all__ = ["render_json", "render_junit"]

EVIDENCE_MAX: Final = 40  # exchanges of a test in a report
OCTETS_MAX: Final = 1024  # octets of an APDU in a report


def shown(octets: bytes) -> str:
    """Give octets in hexadecimal, the first so many of them."""
    text = octets[:OCTETS_MAX].hex()
    return text if len(octets) <= OCTETS_MAX else f"{text}.. ({len(octets)} octets)"


def render_json(report: Report) -> dict[str, object]:
    """Give the report as what `json` can write: counts, facts, a row for each test with its evidence."""
    return {
        "title": report.title,
        "target": report.target,
        "began": report.began.isoformat(),
        "duration_s": round(report.duration_s, 3),
        "passed": report.count(Outcome.PASSED),
        "failed": report.count(Outcome.FAILED),
        "inconclusive": report.count(Outcome.INCONCLUSIVE),
        "not_applicable": report.count(Outcome.NOT_APPLICABLE),
        "facts": dict(report.facts),
        "results": [_row(result) for result in report.results],
    }


def _row(result: Result) -> dict[str, object]:
    return {
        "id": result.row.id,
        "group": result.row.group.value,
        "title": result.row.title,
        "clause": result.row.clause,
        "outcome": result.outcome.value,
        "reason": result.reason,
        "duration_s": round(result.duration_s, 4),
        "evidence": [_exchange(exchanged) for exchanged in result.evidence[:EVIDENCE_MAX]],
    }


def _exchange(exchanged: Exchanged) -> dict[str, str]:
    row = {"direction": "sent" if exchanged.sent else "received", "octets": shown(exchanged.octets)}
    if exchanged.plain is not None:
        row["plain"] = shown(exchanged.plain)
    if exchanged.note:
        row["note"] = exchanged.note
    return row


def render_junit(report: Report) -> str:
    """Give the report as JUnit XML: a suite for each group, a case for each test.

    Failed is a failure, inconclusive an error, not applicable is skipped; a case's output is what was exchanged.
    """
    top = Element("testsuites", name=report.title, time=f"{report.duration_s:.3f}")
    groups: dict[str, list[Result]] = {}
    for result in report.results:
        groups.setdefault(result.row.group.value, []).append(result)
    for name, results in groups.items():
        suite = SubElement(
            top, "testsuite", name=name, tests=str(len(results)),
            failures=str(sum(result.outcome is Outcome.FAILED for result in results)),
            errors=str(sum(result.outcome is Outcome.INCONCLUSIVE for result in results)),
            skipped=str(sum(result.outcome is Outcome.NOT_APPLICABLE for result in results)),
            time=f"{sum(result.duration_s for result in results):.3f}", timestamp=report.began.isoformat(),
            hostname=report.target,
        )  # fmt: skip
        for result in results:
            _case(suite, result)
    indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(top, encoding="unicode") + "\n"


def _case(suite: Element, result: Result) -> None:
    row = result.row
    case = SubElement(
        suite, "testcase", classname=f"conformance.{row.group.value}", name=f"{row.id} {row.title}",
        time=f"{result.duration_s:.4f}",
    )  # fmt: skip
    kind = {Outcome.FAILED: "failure", Outcome.INCONCLUSIVE: "error", Outcome.NOT_APPLICABLE: "skipped"}
    if result.outcome in kind:
        SubElement(case, kind[result.outcome], message=result.reason).text = row.clause
    if result.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE):
        lines = [_line(exchanged) for exchanged in result.evidence[:EVIDENCE_MAX]]
        SubElement(case, "system-out").text = "\n".join(lines)


def _line(exchanged: Exchanged) -> str:
    plain = "" if exchanged.plain is None else f" (inside: {shown(exchanged.plain)})"
    return f"{'>' if exchanged.sent else '<'} {shown(exchanged.octets) or exchanged.note}{plain}"
