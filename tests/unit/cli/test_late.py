"""Commands are loaded when they are called, and told of before that in the same words."""

from typing import ClassVar

import pytest
from typer.testing import CliRunner

from meterworks.cli.late import LateCommand, LateGroup, Row
from meterworks.cli.main import Commands, app


def asked(*words: str):
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("name", Commands.table)
def test_a_command_is_announced_in_its_own_words(name):
    own = LateCommand(name, Commands.table[name]).load()
    assert own.help == Commands.table[name].help


def test_help_lists_every_command_and_leaves_well():
    told = asked("--help")
    assert told.exit_code == 0
    assert all(name in told.output for name in (*Commands.table, "version"))


def test_a_misspelt_command_is_answered_with_the_nearest():
    told = asked("metr")
    assert told.exit_code == 2
    assert "meter" in told.output


def test_a_group_keeps_its_verbs_when_there_is_one_only():
    assert asked("config", "show", "--json").exit_code == 0
    assert asked("config", "shw").exit_code == 2


def test_options_reach_the_command_that_was_loaded():
    told = asked("config", "show", "--json", "--set", "web.port=9000")
    assert '"value": 9000' in told.output
    assert '"origin": "command line"' in told.output


def test_commands_given_in_the_usual_way_stand_behind_the_table():
    class Group(LateGroup):
        table: ClassVar = {"config": Row(module="meterworks.cli.config", help="The system's settings.")}

    group = Group(name="g", commands={"own": LateCommand("own", Row(module="meterworks.cli.doctor", help="h"))})
    assert list(group.commands) == ["config", "own"]
