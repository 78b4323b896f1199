"""`meterworks conformance vectors`: every vector of a folder, run with the code that talks to meters."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from meterworks.assess.vectors import Outcome, VectorReport, run_vectors
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
        print_rows(table_of(report), as_json=False)
        sys.stdout.flush()
        for failure in report.failures:
            notice(f"failed: {failure.id}: {failure.reason}")
        skipped = report.count(Outcome.SKIPPED)
        notice(f"{report.count(Outcome.PASSED)} passed, {len(report.failures)} failed, {skipped} skipped")
    if report.failures:
        raise typer.Exit(1)


def table_of(report: VectorReport) -> list[dict[str, object]]:
    """The report as a table: a row for each kind of vector."""
    return [
        {"kind": kind} | {outcome.value: report.count(outcome, kind) for outcome in Outcome} for kind in report.kinds
    ]
