"""The commands of vaults, ceremonies and backups, from the first share to a restored folder."""

import json
import sqlite3
import stat
from contextlib import closing

import pytest
from typer.testing import CliRunner

from meterworks.cli.main import app
from meterworks.errors import MeterworksError
from meterworks.trust.audit import Spool
from meterworks.trust.keystore import passphrase as passphrase_module

HOLDERS = ("--holder", "Ada", "--holder", "Bob", "--holder", "Cleo", "--threshold", "2")


def run(*words):
    """The command's standard output; its own errors come through."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def secret_file(path, content):
    path.touch(0o600)
    path.write_text(content)
    return path


@pytest.fixture
def ceremony(tmp_path):
    """A folder under quorum with a recovery key, and its three shares."""
    folder, shares = tmp_path / "ceremony", tmp_path / "shares"
    run("keystore", "ceremony", folder, *HOLDERS, "--shares", shares, "--recovery", "recovery", "--root", "root")
    return folder, sorted(shares.iterdir())


def test_a_ceremony_gives_each_holder_a_share_and_a_sealed_protocol(ceremony):
    folder, shares = ceremony
    assert [path.name for path in shares] == ["share-1-Ada.txt", "share-2-Bob.txt", "share-3-Cleo.txt"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in shares} == {0o600}
    assert {path.name for path in folder.glob("*.pem")} == {"recovery.public.pem", "root.public.pem"}
    rows = json.loads(run("keystore", "status", folder, "--json"))
    assert [row["act"] for row in rows] == ["created", "opened", "closed"]
    assert rows[2]["facts"] == {"keys": "recovery, root"}


def test_a_backup_is_restored_by_enough_holders_only(ceremony, tmp_path):
    folder, shares = ceremony
    data = tmp_path / "var"
    (data / "db").mkdir(parents=True)
    with closing(sqlite3.connect(data / "db" / "meterworks.sqlite3")) as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (1)")
        database.commit()
    backup, restored = tmp_path / "b.mwb", tmp_path / "restored"
    told = json.loads(
        run("backup", "create", backup, "--recipient", folder / "recovery.public.pem", "--data", data, "--json")
    )
    assert (told["files"], told["rows"]) == (1, 1)
    common = ("backup", "restore", backup, "--into", restored, "--quorum", folder, "--json")
    with pytest.raises(MeterworksError, match="1 holders are too few: 2 are needed"):
        run(*common, "--share", shares[0])
    assert json.loads(run(*common, "--share", shares[0], "--share", shares[2]))["rows"] == 1
    assert (restored / "db" / "meterworks.sqlite3").exists()
    acts = [row["act"] for row in json.loads(run("keystore", "status", folder, "--json"))]
    assert acts[3:] == ["refused", "opened", "closed"]
    told = {place: Spool(place / "spool" / "command.jsonl", bytes_max=0).read(9)[0] for place in (data, restored)}
    assert [[event.act for event in told[place]] for place in (data, restored)] == [
        ["data.exported"],
        ["backup.restored"],
    ]


def test_a_secret_is_split_and_joined(tmp_path):
    secret = secret_file(tmp_path / "pin", "a PIN of a token, long enough\n")
    shares = tmp_path / "shares"
    run("keystore", "split", secret, *HOLDERS, "--shares", shares)
    paths = sorted(shares.iterdir())
    run("keystore", "join", "--share", paths[2], "--share", paths[0], "--out", tmp_path / "again")
    assert (tmp_path / "again").read_text() == secret.read_text()
    assert stat.S_IMODE((tmp_path / "again").stat().st_mode) == 0o600
    with pytest.raises(MeterworksError, match="never written over"):
        run("keystore", "join", "--share", paths[1], "--share", paths[0], "--out", tmp_path / "again")


def test_a_vault_is_made_and_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(passphrase_module, "_MEMORY_KIB", 1024)
    words = ("--vault", tmp_path / "vault", "--passphrase", secret_file(tmp_path / "pass", "a long passphrase\n"))
    run("keystore", "init", *words)
    from meterworks.trust import FileKeyVault, KeyUsage

    vault = FileKeyVault(tmp_path / "vault", lambda: b"a long passphrase")
    vault.generate("root", KeyUsage.SIGN, "P-384")
    vault.generate_wrapping_key("master")
    rows = json.loads(run("keystore", "list", *words, "--json"))
    assert [(row["label"], row["usage"], row["curve"]) for row in rows] == [
        ("master", "wrap", "AES-256"),
        ("root", "sign", "P-384"),
    ]


def test_what_is_wrong_is_told(ceremony, tmp_path):
    folder, shares = ceremony
    secret_file(tmp_path / "none.txt", "no share\n")
    for words, reason in (
        (("keystore", "ceremony", folder, *HOLDERS, "--shares", tmp_path / "x"), "already"),
        (("keystore", "ceremony", tmp_path / "y", *HOLDERS, "--shares", shares[0].parent), "never written over"),
        (("keystore", "join", "--share", tmp_path / "none.txt", "--out", tmp_path / "z"), "cannot be read"),
        (("keystore", "status", tmp_path / "absent"), "is gone|cannot read"),
        (("backup", "create", tmp_path / "b", "--recipient", tmp_path / "absent.pem"), "recipient"),
    ):
        with pytest.raises(MeterworksError, match=reason):
            run(*words)
