"""`meterworks decode`: what may be pasted, files, captures, keys, formats and exit codes."""

import base64
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from meterworks.cli.decode import octets_of
from meterworks.cli.main import app
from meterworks.errors import UsageError
from meterworks.protocols.capture import CaptureWriter, Endpoint
from meterworks.protocols.dlms import encode_wrapper

GET = "c001c100080000010000ff0200"
CIPHERED = "db084d4d4d0000bc614e1e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
GUEK, GAK = "000102030405060708090a0b0c0d0e0f", "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
ENDS = Endpoint("10.0.0.1", 50000), Endpoint("10.0.0.2", 4059)


def asked(*words: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["decode", *words], input=given)


@pytest.mark.parametrize(
    "text",
    [
        GET, GET.upper(), "0x" + GET, "c0 01 c1 00 08 00 00 01 00 00 ff 02 00",
        "c0:01:c1:00:08:00:00:01:00:00:ff:02:00",
        "c0-01-c1-00-08-00-00-01-00-00-ff-02-00", "0xc0, 0x01, 0xc1, 0x00080000010000ff0200",
        "c001c100\n  080000010000ff0200\n", "c001c100 # the head\n080000010000ff0200 // the rest",
        r"\xc0\x01\xc1" + GET[6:],
        base64.b64encode(bytes.fromhex(GET)).decode(),
    ],
)  # fmt: skip
def test_octets_may_be_pasted_in_any_writing(text: str) -> None:
    assert octets_of(text.encode()) == bytes.fromhex(GET)


def test_octets_that_are_no_text_are_octets() -> None:
    assert octets_of(bytes.fromhex(GET)) == bytes.fromhex(GET)
    assert octets_of(b"\x00\x01\x02") == b"\x00\x01\x02"


@pytest.mark.parametrize("text", ["hello world!", "c0f", "", "   ", "#"])
def test_what_stands_for_no_octets_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        octets_of(text.encode())


def test_hex_is_shown_as_a_tree() -> None:
    told = asked(GET)
    assert told.exit_code == 0
    assert "get-request-normal" in told.output
    assert "Clock (8)" in told.output


def test_words_are_joined() -> None:
    assert asked("c001", "c100", "080000010000ff0200").exit_code == 0


def test_octets_come_from_a_file_or_from_standard_input(tmp_path: Path) -> None:
    for name, content in (("a.hex", GET.encode()), ("a.bin", bytes.fromhex(GET))):
        path = tmp_path / name
        path.write_bytes(content)
        assert "get-request" in asked(str(path)).output
    assert "get-request" in asked("-", given=GET.encode()).output
    assert "get-request" in asked("-", given=bytes.fromhex(GET)).output


def test_malformed_octets_are_shown_and_exit_with_1() -> None:
    told = asked(GET[:-6])
    assert told.exit_code == 1
    assert "! 6 octets expected" in told.output


def test_misuse_exits_with_2() -> None:
    assert isinstance(asked("no file of that name").exception, UsageError)
    assert asked().exit_code == 2
    assert asked(GET, "--format", "paint").exit_code == 2


def test_json_and_xml() -> None:
    tree = json.loads(asked(GET, "--json").stdout)
    assert tree["children"][0]["name"] == "get-request"
    assert json.loads(asked(GET, "--format", "json").stdout) == tree
    assert ET.fromstring(asked(GET, "--format", "xml").stdout).tag.endswith("xDLMS-APDU")


def test_colours_only_where_asked_for() -> None:
    assert "\x1b[" not in asked(GET).output
    assert "\x1b[" in asked(GET, "--colour").output


def test_keys_open_what_is_ciphered(tmp_path: Path) -> None:
    assert "closed: no keys given" in asked(CIPHERED).output
    assert "tag verified" in asked(CIPHERED, "--guek", GUEK, "--gak", GAK).output
    assert "no tag was checked" in asked(CIPHERED, "--guek", "0x" + GUEK).output
    toml = tmp_path / "keys.toml"
    toml.write_text(f'[4d4d4d0000bc614e]\nguek = "{GUEK}"\ngak = "{GAK}"\n')
    assert "tag verified" in asked(CIPHERED, "--keys", str(toml)).output
    flat = tmp_path / "flat.toml"
    flat.write_text(f'guek = "{GUEK}"\ngak = "{GAK}"\n')
    assert "tag verified" in asked(CIPHERED, "--keys", str(flat)).output
    as_json = tmp_path / "keys.json"
    as_json.write_text(json.dumps({"any": {"guek": GUEK, "gak": GAK}}))
    assert "tag verified" in asked(CIPHERED, "--keys", str(as_json)).output


def test_the_keys_file_of_a_meter_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "meter.json"
    path.write_text(json.dumps({"suite": 0, "guek": GUEK, "gak": GAK, "password_text": "12345678"}))
    assert "tag verified" in asked(CIPHERED, "--keys", str(path)).output
    path.write_text(json.dumps({"suite": 0, "guek": GUEK, "colour": "blue"}))
    assert isinstance(asked(CIPHERED, "--keys", str(path)).exception, UsageError)


@pytest.mark.parametrize(
    "words",
    [
        ("--guek", "zz"),
        ("--guek", "0011"),
        ("--keys", "nowhere.toml"),
        ("--keys", "KEYS", "--gak", GAK),
        ("--keys", "KEYS"),
    ],
    ids=["no hex", "size", "no file", "both", "broken file"],
)
def test_keys_that_are_none_are_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    broken = tmp_path / "keys"
    broken.write_text("guek = ")
    told = asked(CIPHERED, *(str(broken) if word == "KEYS" else word for word in words))
    assert isinstance(told.exception, UsageError)
    assert GUEK not in str(told.exception)


# --- captures -------------------------------------------------------------------------------------------------------


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    writer = CaptureWriter(*ENDS)
    octets = writer.header()
    for number, apdu in enumerate((GET, CIPHERED)):
        octets += writer.write(
            number * 1_500_000_000, from_client=True, octets=encode_wrapper(16, 1, bytes.fromhex(apdu))
        )
    path = tmp_path / "session"
    path.write_bytes(octets + writer.close(4_000_000_000))
    return path


def test_a_capture_is_told_message_by_message(capture: Path) -> None:
    told = asked(str(capture), "--guek", GUEK, "--gak", GAK)
    assert told.exit_code == 0
    assert "1970-01-01T00:00:01.500000Z 10.0.0.1:50000 -> 10.0.0.2:4059" in told.stdout
    assert told.stdout.count("wrapper: 16 -> 1") == 2
    assert "tag verified" in told.stdout
    assert "2 messages in" in told.stderr


def test_a_capture_as_json_and_xml(capture: Path) -> None:
    told = json.loads(asked(str(capture), "--json").stdout)
    assert [row["source"] for row in told["messages"]] == ["10.0.0.1:50000"] * 2
    assert told["fault"] is None
    xml = asked(str(capture), "--format", "xml").stdout
    assert xml.count("<x:xDLMS-APDU") == 2


def test_a_capture_cut_off_is_shown_and_exits_with_1(capture: Path) -> None:
    capture.write_bytes(capture.read_bytes()[:-5])
    told = asked(str(capture))
    assert told.exit_code == 1
    assert "the capture is not whole" in told.stderr


def test_a_capture_without_dlms_says_so(tmp_path: Path) -> None:
    writer = CaptureWriter(ENDS[0], Endpoint("10.0.0.2", 80))
    path = tmp_path / "a.pcap"
    path.write_bytes(writer.header() + writer.write(0, from_client=True, octets=b"GET / HTTP/1.1\r\n"))
    told = asked(str(path))
    assert told.exit_code == 1
    assert "no DLMS message was found" in str(told.exception)
