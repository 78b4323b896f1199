"""The verbs of `meterworks meter` are announced in their own words, and share the options of the connection."""

import pytest
from typer.testing import CliRunner

from meterworks.cli.late import LateCommand
from meterworks.cli.main import app
from meterworks.cli.meter import MeterCommands

APART = {"discover", "serve", "replay"}  # ask no meter as a client with keys, or not only


@pytest.mark.parametrize("name", MeterCommands.table)
def test_a_verb_is_announced_in_its_own_words(name):
    own = LateCommand(name, MeterCommands.table[name]).load()
    assert own.help == MeterCommands.table[name].help


def test_help_lists_every_verb():
    told = CliRunner().invoke(app, ["meter", "--help"])
    assert told.exit_code == 0
    assert all(name in told.output for name in MeterCommands.table)


@pytest.mark.parametrize("name", sorted(set(MeterCommands.table) - APART))
def test_verbs_that_ask_a_meter_share_its_options(name):
    own = LateCommand(name, MeterCommands.table[name]).load()
    options = {option for parameter in own.params for option in parameter.opts}
    wanted = {
        "--client", "--server", "--keys", "--mechanism", "--protection", "--ciphering", "--dedicated",
        "--system-title", "--counter", "--counter-file", "--general-block-transfer", "--tolerant", "--unverified",
        "--timeout-s", "--trace", "--cache", "--no-cache", "--json", "--short-names", "--gateway",
    }  # fmt: skip
    assert wanted <= options
    assert own.params[0].name == "target"
