"""`meterworks conformance vectors` on a set of GB vectors: all of the given one passes, and what is broken is told."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from meterworks.assess.vectors import GB_STEPS, Outcome, VectorReport, run_vectors
from meterworks.cli.conformance_vectors import table_by_subject
from meterworks.cli.main import app

STEPS = ("frame", "verify", "decode", "re-encode", "request→command", "response→result")


@pytest.fixture(scope="module")
def folder(shared_folder: Path) -> Path:
    found = shared_folder / "vectors" / "gb"
    if not found.is_dir():
        pytest.skip(f"no GB vectors at {found}")
    return found


@pytest.fixture(scope="module")
def report(folder: Path) -> VectorReport:
    return run_vectors(folder)


def test_every_vector_passes(report: VectorReport) -> None:
    assert [(each.id, each.kind, each.reason) for each in report.failures] == []
    assert report.count(Outcome.PASSED) > 4_000
    skipped = [each for each in report.verdicts if each.outcome is Outcome.SKIPPED]
    assert all("no private key" in each.reason or "no pair" in each.reason for each in skipped)
    assert (
        sum("no pair" in each.reason for each in skipped) <= 12
    )  # requests of the set with other values than their commands


def test_the_table_has_a_row_for_each_use_case_and_the_totals(report: VectorReport) -> None:
    rows = table_by_subject(report)
    assert rows[-1]["subject"] == "total"
    assert [name for name in GB_STEPS if name in STEPS] == list(STEPS)
    for step in STEPS:
        passed, run = str(rows[-1][step]).split("/")
        assert passed == run != "0", step
    ecs = next(row for row in rows if row["subject"] == "ECS01a")
    assert set(STEPS) <= {name for name, cell in ecs.items() if cell}


@pytest.fixture
def small(folder: Path, tmp_path: Path) -> Path:
    """A use case of the set in a set of its own."""
    for name in ("keystore", "xsd"):
        (tmp_path / name).symlink_to(folder / name)
    for path in folder.glob("rtds/*/ECS12_3.2_*"):
        (tmp_path / "rtds" / "x").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / "rtds" / "x" / path.name)
    (tmp_path / "duis").mkdir()
    for path in folder.glob("duis/ECS12_3.2_*"):
        shutil.copyfile(path, tmp_path / "duis" / path.name)
    return tmp_path


def failures(folder: Path) -> set[str]:
    return {each.kind for each in run_vectors(folder).failures}


def changed(path: Path, place: int) -> None:
    octets = bytearray.fromhex(path.read_text())
    octets[place] ^= 1
    path.write_text(octets.hex())


def test_a_small_set_passes(small: Path) -> None:
    assert failures(small) == set()


@pytest.mark.parametrize(
    ("place", "steps"),
    [
        (0, {"frame", "verify", "decode", "re-encode", "request→command", "check", "response→result"}),
        (-1, {"verify", "request→command", "check"}),
        (-14, {"verify", "request→command", "check"}),
    ],
    ids=["frame", "MAC", "payload"],
)
def test_an_altered_command_is_told(small: Path, place: int, steps: set[str]) -> None:
    changed(next(small.glob("rtds/x/ECS12_3.2_SUCCESS_COMMAND_GBCS.HEX")), place)
    assert failures(small) <= steps
    assert {"verify", "request→command"} <= failures(small)


def test_an_altered_request_makes_another_command(small: Path) -> None:
    path = next(small.glob("duis/*.XML"))
    text = path.read_text()
    assert "2014" in text
    path.write_text(text.replace("2014", "2016"))
    told = {each.kind: each for each in run_vectors(small).verdicts if each.id.startswith("duis/")}
    for step in ("request→command", "check"):
        assert told[step].outcome is Outcome.SKIPPED
        assert "no pair" in told[step].reason
        assert "2016" in told[step].reason


def test_a_file_that_is_no_message_is_told(small: Path) -> None:
    (small / "rtds" / "x" / "ECS12_3.2_OTHER_COMMAND_GBCS.HEX").write_text("no hex")
    assert "frame" in failures(small)
    assert "unreadable" in {row["subject"] for row in table_by_subject(run_vectors(small))}


def test_the_command_prints_the_table_and_json(small: Path) -> None:
    shown = CliRunner().invoke(app, ["conformance", "vectors", str(small)])
    assert shown.exit_code == 0
    assert "ECS12" in shown.output
    assert "total" in shown.output
    told = json.loads(CliRunner().invoke(app, ["conformance", "vectors", str(small), "--json"]).stdout)
    assert told["failed"] == 0
    assert told["subjects"]["ECS12"]["frame"]["passed"] == len(list(small.glob("rtds/x/*.HEX")))
