"""`meterworks audit` on the trail of a system that is down, and openssl's word on it."""

import asyncio
import hashlib
import json
import shutil
import sqlite3
import subprocess

import pytest
from tests.audited import SIGNER, START, TestSigner, event, place_in
from tests.audited_evidence import Signer
from typer.testing import CliRunner

from meterworks.cli.audit import app
from meterworks.cli.main import Commands
from meterworks.runtime import ManualClock
from meterworks.trust.audit import Evidence, Spool, TrailSink, public_key_pem

RUN = CliRunner()


async def make(folder):
    """A data folder with a trail of 30 records and one evidence."""
    async with place_in(folder, database=folder / "db" / "meterworks.sqlite3") as place, place.appending() as trail:
        await trail.append([event(number) for number in range(30)])
        archive = Evidence(place.database, TrailSink(trail), clock=ManualClock(START))
        return (await archive.keep(Signer().item(1))).evidence_id


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The folder, made once; and the name of its evidence."""
    folder = tmp_path_factory.mktemp("sound")
    return folder, asyncio.run(make(folder))


@pytest.fixture
def system(sound, tmp_path):
    """A copy of the folder."""
    shutil.copytree(sound[0], tmp_path / "var")
    return tmp_path / "var"


def run(system, *words, exit_code=0, data=True):
    """What a command prints."""
    result = RUN.invoke(app, [*words, *(["--data", str(system)] if data else [])])
    assert result.exit_code == exit_code, result.output
    return result.stdout


def key(system):
    return str(next((system / "heads").glob("*.pem")))


def test_a_sound_trail_verifies(system):
    assert run(system, "verify", "--public-key", key(system)) == "sound: 32 records, 32 of them sealed by 3 heads\n"


def test_the_first_bad_record_is_named_and_the_exit_code_is_one(system):
    with sqlite3.connect(system / "db" / "meterworks.sqlite3") as database:
        database.execute("DELETE FROM audit_record WHERE sequence = 17")
    database.close()
    assert run(system, "verify", exit_code=1).startswith("NOT SOUND at record 17 (missing)")
    told = json.loads(run(system, "verify", "--json", exit_code=1))
    assert (told["sound"], told["finding"]["record"]) == (False, 17)


def test_another_key_does_not_verify(system, tmp_path):
    other = tmp_path / "other.pem"
    other.write_bytes(public_key_pem(TestSigner(5).public_key))
    assert "(head)" in run(system, "verify", "--public-key", str(other), exit_code=1)


def test_records_are_shown_by_filter_newest_first(system):
    rows = json.loads(run(system, "show", "--object", "account:user-3", "--limit", "2", "--json"))
    assert [row["record"] for row in rows] == [25, 18]
    rows = json.loads(run(system, "show", "--act", "audit.*", "--json"))
    assert [row["act"] for row in rows] == ["audit.opened"]
    rows = json.loads(run(system, "show", "--from", "2026-11-21T12:00:28", "--act", "login.failed", "--json"))
    assert [row["facts"] for row in rows] == ['{"number":29}', '{"number":28}']


def test_reading_the_trail_of_a_system_that_is_down_is_kept_for_its_next_start(system):
    run(system, "show", "--actor", "nobody")
    run(system, "verify")
    events, _size = Spool(system / "spool" / "command.jsonl", bytes_max=0).read(10)
    assert [told.act for told in events] == ["audit.read", "audit.verified"]
    assert all(told.actor.startswith("person:") for told in events)


def test_a_proof_is_checked_without_the_system(system, tmp_path):
    file = tmp_path / "proof.json"
    run(system, "prove", "11", "--to", str(file))
    row = json.loads(run(system, "check-proof", str(file), "--public-key", key(system), "--json", data=False))[0]
    assert (row["record"], row["facts"]) == (11, '{"number":10}')
    file.write_bytes(file.read_bytes().replace(b"user-3", b"user-4"))
    result = RUN.invoke(app, ["check-proof", str(file), "--public-key", key(system)])
    assert "not in the tree" in str(result.exception)


def test_an_export_verifies_offline_and_a_changed_one_does_not(system, tmp_path):
    file = tmp_path / "bundle.json"
    run(system, "export", "--to", str(file), "--first", "10")
    told = run(system, "check-proof", str(file), "--public-key", key(system), data=False)
    assert told.startswith("sound: 31 records, 32 of them sealed")
    file.write_bytes(file.read_bytes().replace(rb"account:user-5", rb"account:user-6", 1))
    assert run(system, "check-proof", str(file), "--public-key", key(system), data=False, exit_code=1)


def test_evidence_is_shown_and_checked_elsewhere(system, sound, tmp_path):
    file = tmp_path / "evidence.json"
    shown = json.loads(run(system, "evidence", "show", sound[1], "--to", str(file), "--json"))[0]
    assert (shown["subject"], shown["sender"], shown["record"]) == ("request:1", "organisation:17", 31)
    checked = run(system, "check-proof", str(file), "--public-key", key(system), "--json", data=False)
    assert json.loads(checked)[0] == shown
    events, _size = Spool(system / "spool" / "command.jsonl", bytes_max=0).read(100)
    assert events[-1].act == "evidence.shown"


def test_odd_files_and_folders_are_told(system, tmp_path):
    (tmp_path / "odd.json").write_text("{}")
    for words in (
        ["check-proof", str(tmp_path / "odd.json"), "--public-key", key(system)],
        ["check-proof", str(tmp_path / "absent.json"), "--public-key", key(system)],
        ["check-proof", str(tmp_path / "odd.json")],
        ["verify", "--data", str(tmp_path / "nowhere")],
        ["prove", "4000", "--data", str(system)],
        ["evidence", "show", "00", "--data", str(system)],
    ):
        result = RUN.invoke(app, words)
        assert result.exit_code == 1
        assert hasattr(result.exception, "code"), words


def test_the_command_tells_the_same_help_as_its_row():
    assert Commands.table["audit"].help == app.info.help


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on this machine")
def test_a_stranger_verifies_a_head_and_a_record_with_openssl_and_sha256sum(system, tmp_path):
    line = (system / "heads" / "heads.jsonl").read_bytes().splitlines()[0]
    # docs/audit.md tells a stranger to cut the line so; the head is canonical, so its octets stand in it as signed.
    head, _, signature = line.removeprefix(b'{"head":').removesuffix(b'"}').partition(b',"signature":"')
    (tmp_path / "head.json").write_bytes(head)
    (tmp_path / "head.sig64").write_bytes(signature + b"\n")
    for words in (
        ["openssl", "base64", "-d", "-A", "-in", "head.sig64", "-out", "head.sig"],
        ["openssl", "dgst", "-sha256", "-verify", key(system), "-signature", "head.sig", "head.json"],
    ):
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "Verified OK\n"
    with sqlite3.connect(system / "db" / "meterworks.sqlite3") as database:
        body = database.execute("SELECT body FROM audit_record WHERE sequence = 0").fetchone()[0]
    database.close()
    (tmp_path / "leaf").write_bytes(b"\x00" + body)
    printed = subprocess.run(
        ["openssl", "dgst", "-sha256", "-r", "leaf"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert printed.stdout.split()[0] == json.loads(head)["root"]
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", key(system), "-outform", "der"], capture_output=True, check=True
    ).stdout
    assert hashlib.sha256(der).hexdigest() == json.loads(head)["key"]
    assert SIGNER.public_key is not None
