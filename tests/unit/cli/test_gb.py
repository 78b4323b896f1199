"""`meterworks gb`: requests become commands, commands are checked, forms are changed; mistakes are told in one line."""

import json

import pytest
from tests.gb_example import BROKER, EXAMPLES, METER, ask, tree
from typer.testing import CliRunner

from meterworks.cli.gb import app
from meterworks.companions.errors import RequestError, RequestMismatchError, TransformError
from meterworks.companions.gb import write_request
from meterworks.errors import MeterworksError, UsageError
from meterworks.protocols.gbcs import Message

SUPPLY = next(example for example in EXAMPLES if example.name == "supply, DLMS, signed")
OTHER = "5A-02-00-00-00-00-00-02"
JOIN = ask("8.7.1", tree("JoinServiceCritical", ("OtherDeviceID", OTHER)), is_critical=True)
OPTIONS = ("--broker", BROKER.hex("-"), "--broker-counter", "7")


@pytest.fixture
def request_file(tmp_path):
    path = tmp_path / "request.xml"
    path.write_bytes(write_request(SUPPLY.request))
    return path


def said(*arguments: object) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(kind: type[MeterworksError], *arguments: object) -> str:
    with pytest.raises(kind) as told:
        CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    return str(told.value)


def test_a_request_becomes_its_pre_command(request_file):
    octets = bytes.fromhex(said("command", request_file, "--device", "esme", *OPTIONS))
    assert octets == SUPPLY.command().to_bytes()
    assert Message.from_bytes(octets).ends_behind_payload


def test_a_command_is_told_and_checked(request_file, tmp_path):
    octets = SUPPLY.command().to_bytes()
    assert METER.hex("-").upper() in said("check", request_file, octets.hex(), "--device", "ESME", *OPTIONS)
    (tmp_path / "message").write_bytes(octets)
    assert "ECS42" in said("check", request_file, tmp_path / "message", "--device", "ESME", *OPTIONS)
    changed = octets[:-1] + bytes((octets[-1] ^ 1,))
    assert "do not sign it" in refused(
        RequestMismatchError, "check", request_file, changed.hex(), "--device", "ESME", *OPTIONS
    )


def test_a_gas_command_is_checked_by_the_time_it_says_it_was_made(tmp_path):
    """Nobody but its maker knows the second; a person judges whether it can be."""
    path = tmp_path / "request.xml"
    path.write_bytes(write_request(ask("7.2", tree("DisableSupply"), is_critical=True)))
    octets = bytes.fromhex(said("command", path, "--device", "GSME", *OPTIONS))
    earlier = octets.replace(octets[-14:-10], bytes.fromhex("804a371c"))
    assert "made_at = 2015-01-01T00:00:00Z" in said("check", path, earlier.hex(), "--device", "GSME", *OPTIONS)


def test_a_request_in_json_means_the_same(request_file, tmp_path):
    told = said("convert", request_file)
    assert json.loads(told)["Body"] == {"EnableSupply": {}}
    path = tmp_path / "request.json"
    path.write_text(told)
    assert said("command", path, "--device", "ESME", *OPTIONS) == said(
        "command", request_file, "--device", "ESME", *OPTIONS
    )
    assert said("convert", path, "--to", "xml") == said("convert", request_file, "--to", "xml")


def test_the_tables_are_listed():
    rows = json.loads(said("requests", "--json"))
    assert len(rows) == 129
    assert next(row for row in rows if row["variant"] == "7.1")["critical"] == "yes"
    assert any(row["roles"].startswith("not verified") for row in rows)
    assert "EnableSupply" in json.loads(said("openapi"))["components"]["schemas"]


def test_mistakes_are_told(request_file, tmp_path):
    assert "ESME" in refused(UsageError, "command", request_file, "--device", "toaster", *OPTIONS)
    assert "EUI-64" in refused(UsageError, "command", request_file, "--device", "ESME", "--broker", "12")
    assert "cannot be read" in refused(UsageError, "convert", tmp_path / "none.xml")
    assert "--keys" in refused(UsageError, "command", request_file, "--device", "ESME", "--sign", *OPTIONS)
    (tmp_path / "broken.json").write_text("{")
    assert "JSON" in refused(UsageError, "convert", tmp_path / "broken.json")
    (tmp_path / "broken.xml").write_text("<a")
    assert "line 1" in refused(RequestError, "convert", tmp_path / "broken.xml")


def test_facts_settle_what_no_request_says(request_file, tmp_path):
    command = ("command", request_file, "--device", "ESME", *OPTIONS)
    assert said(*command, "--fact", "code=4F", "--fact", "party=supplier", "--fact", "second_element=no") == said(
        *command
    )
    assert "has no use case" in refused(TransformError, *command, "--fact", "code=0001")
    assert "party" in refused(UsageError, *command, "--fact", "party=nobody")
    assert "one of party" in refused(UsageError, *command, "--fact", "colour=red")
    path = tmp_path / "join.xml"
    path.write_bytes(write_request(JOIN))
    join = ("command", path, "--device", "ESME", *OPTIONS)
    assert "of what kind" in refused(TransformError, *join)
    assert said(*join, "--fact", f"kind={OTHER}:PPMID")
    assert "EUI-64" in refused(UsageError, *join, "--fact", "kind=12:PPMID")


def test_signing_needs_the_keys_of_signer_and_broker(request_file, tmp_path):
    keys = tmp_path / "keys"
    keys.mkdir()
    assert "no signing key" in refused(
        UsageError, "command", request_file, "--device", "ESME", "--sign", "--keys", keys, *OPTIONS
    )
