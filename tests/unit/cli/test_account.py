"""`meterworks account`, and what the commands say to a data folder that has no system."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from meterworks.catalogue import data_flows
from meterworks.cli.main import app
from meterworks.cli.main import run as run_command
from meterworks.errors import MeterworksError
from meterworks.runtime import Database
from meterworks.system.configuration import Layout, load_configuration


def run(*words: object) -> Result:
    """The command's standard output and error; its own errors come through."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, MeterworksError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture
def data(tmp_path):
    """The data folder of a system that is down."""

    async def lay() -> None:
        database = Database(
            Layout(load_configuration(command_line={"system.data": tmp_path}).configuration).database("x")
        )
        await database.create_tables()
        await database.close()

    (tmp_path / "db").mkdir()
    asyncio.run(lay())
    return tmp_path


def accounts(data: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run("account", "list", "--json", "--data", data).stdout)
    return rows


def test_an_account_from_its_making_to_its_end(data):
    (made,) = json.loads(run("account", "add", "paula", "--json", "--data", data).stdout)
    assert (made["name"], made["role"], len(made["password"])) == ("paula", "operator", 23)
    assert run("account", "add", "aud", "--role", "auditor", "--data", data).stdout.startswith("name,password,role")
    assert [(row["name"], row["role"], row["active"]) for row in accounts(data)] == [
        ("aud", "auditor", True),
        ("paula", "operator", True),
    ]
    assert made["password"] not in run("account", "list", "--data", data).output
    run("account", "reset-factors", "paula", "--data", data)
    run("account", "close", "paula", "--data", data)
    assert [row["active"] for row in accounts(data)] == [True, False]
    (aud,) = json.loads(run("account", "list", "--role", "auditor", "--json", "--data", data).stdout)
    assert aud["name"] == "aud"


def test_no_password_comes_by_argument_and_no_role_beyond_the_carriers(data):
    for words in (("paula", "--password", "x"), ("paula", "x"), ("paula", "--role", "supplier")):
        assert CliRunner().invoke(app, ["account", "add", *words, "--data", str(data)]).exit_code == 2
    assert accounts(data) == []


@pytest.mark.parametrize(
    "words",
    [
        ("account", "list"),
        ("account", "add", "paula"),
        ("account", "close", "paula"),
        ("account", "reset-factors", "paula"),
        ("audit", "verify"),
        ("audit", "show"),
        ("privacy", "retention", "status"),
    ],
)
@pytest.mark.parametrize("folder", ["absent", "empty", "begun"])
def test_a_folder_without_a_system_is_told_in_one_line(words, folder, tmp_path, monkeypatch, capsys):
    place = tmp_path / folder
    if folder != "absent":
        place.mkdir()
    if folder == "begun":
        (place / "db").mkdir()
    monkeypatch.setattr(sys, "argv", ["meterworks", *words, "--data", str(place)])
    with pytest.raises(SystemExit) as left:
        run_command()
    assert left.value.code == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert (
        errors.replace("\n", "")
        == f"meterworks: there is no system in {place} yet: start one with `meterworks up`, or name --data"
    )
    assert sorted(path.name for path in tmp_path.rglob("*.sqlite3")) == []


def test_an_account_that_is_not_there_leaves_with_two(data, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["meterworks", "account", "close", "nobody", "--data", str(data)])
    with pytest.raises(SystemExit) as left:
        run_command()
    assert left.value.code == 2
    assert "there is no user named 'nobody'" in capsys.readouterr().err


def test_the_register_of_flows_is_printed_whole_and_checks_the_database(data):
    rows = json.loads(run("privacy", "register", "--check", "--json").stdout)
    assert len(rows) == len(data_flows())
    assert all(isinstance(row["where"], str) and row["where"] for row in rows)


def test_retention_tells_what_went_and_how_long_each_class_stays(data):
    assert json.loads(run("privacy", "retention", "status", "--json", "--data", data).stdout) == []
    limits = json.loads(run("privacy", "retention", "status", "--limits", "--json").stdout)
    assert len(limits) > 5
    assert all(row["where"] for row in limits)


def test_keys_tells_its_verbs():
    told = run("keys", "--help").output
    for verb in ("rotate", "status", "pause", "resume", "stop", "retry", "show", "alarms"):
        assert verb in told
