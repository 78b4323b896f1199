"""`meterworks decode` of GB messages: by their look, from files and standard input, with keys, as text and JSON."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.unit.companions.gb.result.messages import DEVICE, EXPORT, PARTY, READ_EXPORT, command, message
from typer.testing import CliRunner, Result

from meterworks.cli.main import app
from meterworks.companions.gb import KeyFolder
from meterworks.protocols.gbcs import in_blocks, with_mac

ANSWER = message(READ_EXPORT, EXPORT)


def asked(*words: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["decode", *words], input=given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of keys: the private one of the party, the public one of the device."""
    for identity, number in ((DEVICE, 5), (PARTY, 6)):
        key = ec.derive_private_key(number, ec.SECP256R1())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{identity.hex()}-ka.pem").write_bytes(public)
        if identity == PARTY:
            private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (tmp_path / f"{identity.hex()}-ka.key").write_bytes(private)
    return tmp_path


def test_a_message_is_known_by_its_look() -> None:
    told = asked(ANSWER.to_bytes().hex())
    assert told.exit_code == 0
    assert "response ECS17a: Read ESME Energy Registers (Export Energy)" in told.output
    assert "get active_export_register.value (3/1-0:2.8.0.255/a2): 10" in told.output
    assert "not checked" in told.output


def test_it_comes_from_a_file_or_from_standard_input(tmp_path: Path) -> None:
    octets = ANSWER.to_bytes()
    for name, content in (
        ("a.HEX", octets.hex().encode()),
        ("a.bin", octets),
        ("b.bin", in_blocks(octets, block_size=9)),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert "ECS17a" in asked(str(path)).output
    assert "ECS17a" in asked("-", given=octets).output


def test_a_folder_of_keys_verifies(folder: Path) -> None:
    secret = KeyFolder(folder).secret(DEVICE, PARTY)
    assert secret is not None
    right = asked("--keys", str(folder), with_mac(ANSWER, secret).to_bytes().hex())
    assert right.exit_code == 0
    assert "(verified)" in right.output
    wrong = asked("--keys", str(folder), ANSWER.to_bytes().hex())
    assert wrong.exit_code == 1
    assert "the MAC does not fit" in wrong.output


def test_json_holds_the_tree_and_what_was_answered() -> None:
    told = json.loads(asked("--json", ANSWER.to_bytes().hex()).output)
    assert told["name"] == "gb-message"
    assert told["result"]["items"][0]["value"] == 10
    of_command = json.loads(
        asked("--json", command(READ_EXPORT, "d9200003e800 01 0100030100020800ff02 01 00").to_bytes().hex()).output
    )
    assert "result" not in of_command


def test_a_malformed_message_gives_one_error_and_exit_code_1() -> None:
    told = asked(ANSWER.to_bytes().hex()[:-20])
    assert told.exit_code == 1
    assert told.output.count("  ! ") == 1
    assert "at octet" in told.output


def test_other_octets_of_these_tags_are_dlms_still() -> None:
    told = asked("df00000000000000")
    assert "gb-message" not in told.output
    assert "general-signing" in told.output


def test_the_xml_form_is_that_of_dlms() -> None:
    assert "gb-message" not in asked("--format", "xml", ANSWER.to_bytes().hex()).output
