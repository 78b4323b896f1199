"""`meterworks conformance vectors`: every vector of a folder, run with the code that talks to meters."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from meterworks.assess.vectors import GB_STEPS, Outcome, VectorReport, run_vectors
from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json, print_rows

__all__ = ["vectors"]


def vectors(
    folder: Annotated[Path, typer.Argument(help="folder of vectors, at any depth, or one file")],
    as_json: AsJson = False,
) -> None:
    """Run every vector of a folder with the code that talks to meters; exit code 1 if any failed."""
    report = run_vectors(folder)
    if as_json:
        print_json(report.to_json())
    else:
        for table in (table_of(report), table_by_subject(report)):
            if table:
                print_rows(table, as_json=False)
        sys.stdout.flush()
        for failure in report.failures:
            notice(f"failed: {failure.id}: {failure.reason}")
        for note in report.notes:
            notice(f"passed: {note.id}, {note.kind}: {note.reason}")
        skipped = report.count(Outcome.SKIPPED)
        notice(f"{report.count(Outcome.PASSED)} passed, {len(report.failures)} failed, {skipped} skipped")
    if report.failures:
        raise typer.Exit(1)


def table_of(report: VectorReport) -> list[dict[str, object]]:
    """The report as a table: a row for each kind of vector."""
    return [
        {"kind": kind} | {outcome.value: report.count(outcome, kind) for outcome in Outcome} for kind in report.kinds
    ]


def table_by_subject(report: VectorReport) -> list[dict[str, object]]:
    """The vectors that are about something as a table: a row for each subject, a column for each step, and totals.

    A cell tells how many passed of those that were run; what was skipped is not counted.
    """
    subjects = report.by_subject
    steps = [step for step in GB_STEPS if any(step in row for row in subjects.values())]
    totals = {step: [0, 0] for step in steps}
    rows: list[dict[str, object]] = []
    for subject, row in subjects.items():
        cells: dict[str, object] = {"subject": subject}
        for step in steps:
            counts = row.get(step)
            passed = 0 if counts is None else counts[Outcome.PASSED]
            run = passed + (0 if counts is None else counts[Outcome.FAILED])
            cells[step] = f"{passed}/{run}" if run else ""
            totals[step][0] += passed
            totals[step][1] += run
        rows.append(cells)
    if rows:
        sums: dict[str, object] = {step: f"{passed}/{run}" for step, (passed, run) in totals.items()}
        rows.append({"subject": "total"} | sums)
    return rows
