"""Every vector of a folder, recognised by its shape and run with the code that talks to meters.

A file holds one vector, a list of them, or an object with lists of them; what is written once for all rows of a list
(keys, for example) holds for each row that does not write its own.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from meterworks.assess.vectors.file import VectorFile, vector_files
from meterworks.assess.vectors.gb_runner import gb_verdicts
from meterworks.assess.vectors.gb_set import gb_folders
from meterworks.assess.vectors.kind import KINDS, Kind
from meterworks.assess.vectors.lookup import Lookup
from meterworks.assess.vectors.verdict import Document, Mismatch, NotRun, Outcome, VectorReport, Verdict, verdict_of
from meterworks.errors import MeterworksError, UsageError

__all__ = ["run_vectors"]

DEPTH_MAX: Final = 6
UNKNOWN: Final = "unknown"
_NO_SHAPE: Final = "of no shape that we know"


def run_vectors(folder: Path) -> VectorReport:
    """Run every vector of a folder (or of one file). Raises UsageError where there is no such folder.

    Sets of GB vectors are told by their layout and run as a whole.
    """
    if not folder.exists():
        raise UsageError(f"{folder}: there is no such folder or file")
    sets = gb_folders(folder)
    lookup = Lookup()
    files = (file for file in vector_files(folder) if not any(file.path.is_relative_to(each) for each in sets))
    loaded = [(file, _load(file)) for file in files]
    for file, content in loaded:
        lookup.learn(file.stem, content)
    verdicts = [verdict for file, content in loaded for verdict in _verdicts_of_file(file, content, lookup)]
    verdicts += [verdict for each in sets for verdict in gb_verdicts(each, folder)]
    return VectorReport.of(verdicts)


def _load(file: VectorFile) -> Any:
    """Give the content, or the error that says why there is none."""
    try:
        return file.content()
    except (Mismatch, NotRun) as error:
        return error


def _verdicts_of_file(file: VectorFile, content: Any, lookup: Lookup) -> Iterator[Verdict]:
    if isinstance(content, MeterworksError):
        outcome = Outcome.SKIPPED if isinstance(content, NotRun) else Outcome.FAILED
        yield Verdict(id=file.id, kind=UNKNOWN, outcome=outcome, reason=str(content))
        return
    found = False
    for verdict in _verdicts(file.id, content, {}, lookup, 0):
        found = True
        yield verdict
    if not found:
        yield Verdict(id=file.id, kind=UNKNOWN, outcome=Outcome.SKIPPED, reason=_NO_SHAPE)


def _verdicts(name: str, content: Any, common: Document, lookup: Lookup, depth: int) -> Iterator[Verdict]:
    kind = next((kind for kind in KINDS if kind.fits(content)), None)
    if kind is not None:
        yield _run(name, kind, {**common, **content} if isinstance(content, Mapping) else content, lookup)
        return
    if depth >= DEPTH_MAX:
        return
    if isinstance(content, list):
        for number, row in enumerate(content):
            if isinstance(row, Mapping | list):
                yield from _row_verdicts(f"{name}#{_row_name(row, number)}", row, common, lookup, depth + 1)
    elif isinstance(content, Mapping):
        scalars = {key: value for key, value in content.items() if isinstance(value, str | int)}
        for key, value in content.items():
            if isinstance(value, Mapping | list):
                yield from _verdicts(f"{name}/{key}", value, {**common, **scalars}, lookup, depth + 1)


def _row_verdicts(name: str, row: Any, common: Document, lookup: Lookup, depth: int) -> Iterator[Verdict]:
    """Run a row of a list; one in which nothing is recognised is told as skipped."""
    found = False
    for verdict in _verdicts(name, row, common, lookup, depth):
        found = True
        yield verdict
    if not found and isinstance(row, Mapping):
        yield Verdict(id=name, kind=UNKNOWN, outcome=Outcome.SKIPPED, reason=_NO_SHAPE)


def _row_name(row: Any, number: int) -> str:
    name = row.get("id") if isinstance(row, Mapping) else None
    return name if isinstance(name, str) else str(number)


def _run(name: str, kind: Kind, content: Any, lookup: Lookup) -> Verdict:
    return verdict_of(name, kind.name, lambda: kind.check(content, lookup))
