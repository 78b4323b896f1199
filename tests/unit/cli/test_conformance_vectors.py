"""`meterworks conformance vectors`: table, JSON and exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from meterworks.cli.conformance import Verbs
from meterworks.cli.late import LateCommand
from meterworks.cli.main import app
from meterworks.errors import UsageError

GOOD = {"apdu": "c002c100000001", "decoded": {"apdu": "get-request", "block_number": 1}}
BAD = {"apdu": "c002c100000001", "decoded": {"apdu": "get-request", "block_number": 2}}


def asked(*words: str) -> Result:
    return CliRunner().invoke(app, ["conformance", "vectors", *words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.json").write_text(json.dumps({"vectors": [GOOD, GOOD]}))
    (tmp_path / "notes.md").write_text("words")
    return tmp_path


def test_what_passes_exits_with_0(folder: Path) -> None:
    told = asked(str(folder))
    assert told.exit_code == 0
    assert "apdu,2,0,0" in told.stdout
    assert "2 passed, 0 failed, 1 skipped" in told.stderr


def test_what_fails_is_named_and_exits_with_1(folder: Path) -> None:
    (folder / "b.json").write_text(json.dumps([BAD]))
    told = asked(str(folder))
    assert told.exit_code == 1
    assert "failed: b.json#0: decoded.block_number: the vector says 2, we have 1" in told.stderr


def test_json_has_counts_and_failures(folder: Path) -> None:
    (folder / "b.json").write_text(json.dumps([BAD]))
    told = asked(str(folder), "--json")
    report = json.loads(told.stdout)
    assert told.exit_code == 1
    assert (report["passed"], report["failed"], report["skipped"]) == (2, 1, 1)
    assert [failure["id"] for failure in report["failures"]] == ["b.json#0"]
    assert report["failures"][0]["reason"]


def test_a_folder_that_is_not_there_is_misuse(tmp_path: Path) -> None:
    assert isinstance(asked(str(tmp_path / "nowhere")).exception, UsageError)


@pytest.mark.parametrize("name", Verbs.table)
def test_a_verb_is_announced_in_the_first_words_of_its_own_help(name: str) -> None:
    own = LateCommand(name, Verbs.table[name]).load()
    assert " ".join((own.help or "").split("\n\n")[0].split()) == Verbs.table[name].help


def test_the_group_lists_its_verbs() -> None:
    told = CliRunner().invoke(app, ["conformance", "--help"])
    assert all(name in told.output for name in Verbs.table)
