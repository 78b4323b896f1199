"""A backup holds all a system keeps, sealed, whoever writes meanwhile; the drill back is judged by digests and rows."""

import io
import json
import sqlite3
import stat
import tarfile
from contextlib import closing
from datetime import UTC, datetime

import pytest

from meterworks.headend.restore import RestoreMark
from meterworks.system import backup as backup_module
from meterworks.system.backup import COUNTER_MARK, create_backup, restore_backup
from meterworks.system.errors import BackupError
from meterworks.trust import EnvelopeError, EnvelopeWriter, FileKeyVault, KeyStore, KeyUsage

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    return FileKeyVault(tmp_path_factory.mktemp("vault"), KeyStore(bytes(range(32))))


@pytest.fixture(scope="module")
def key(vault):
    return vault.generate("recovery", KeyUsage.AGREE, "P-256")


@pytest.fixture
def data(tmp_path):
    """A data folder with a database in use, keys, readings and things that are no use tomorrow."""
    folder = tmp_path / "var"
    for name in ("db", "keys", "world", "warehouse/files/2026", "run", "log", "nats", "spool"):
        (folder / name).mkdir(parents=True)
    with closing(sqlite3.connect(folder / "db" / "meterworks.sqlite3")) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute('CREATE TABLE devices (id INTEGER, "odd ""name" TEXT)')
        database.executemany("INSERT INTO devices VALUES (?, 'x')", [(number,) for number in range(500)])
        database.commit()
    (folder / "keys" / "master.key").touch(0o600)
    (folder / "keys" / "master.key").write_text("5a" * 32)
    (folder / COUNTER_MARK).write_text(f"{41:020d}\n")
    (folder / "world" / "state.npy").write_bytes(bytes(range(256)) * 1000)
    (folder / "warehouse" / "files" / "2026" / "a.parquet").write_bytes(b"PAR1" * 5000)
    (folder / "clock.json").write_text("{}")
    for gone in ("run/settings.toml", "log/web.log", "nats/x.blk", "spool/web.jsonl", "in-use.lock"):
        (folder / gone).write_text("left out")
    return folder


def made(data, tmp_path, key):
    target = tmp_path / "backup.mwb"
    return target, create_backup(data, target, [key.public_key], now=NOW)


def test_the_drill_gives_back_every_file_and_every_row(data, tmp_path, key):
    target, written = made(data, tmp_path, key)
    restored = tmp_path / "restored"
    assert restore_backup(target, restored, key) == written
    assert sorted(written.files) == [
        "clock.json", "db/meterworks.sqlite3", "keys/counters.json", "keys/master.key",
        "warehouse/files/2026/a.parquet", "world/state.npy",
    ]  # fmt: skip
    assert written.rows == written.files["db/meterworks.sqlite3"].rows["devices"] == 500
    for name in set(written.files) - {"db/meterworks.sqlite3", COUNTER_MARK}:
        assert (restored / name).read_bytes() == (data / name).read_bytes()
    with closing(sqlite3.connect(restored / "db" / "meterworks.sqlite3")) as database:
        assert database.execute("SELECT count(*), sum(id) FROM devices").fetchone() == (500, sum(range(500)))
    assert {stat.S_IMODE(path.stat().st_mode) for path in restored.rglob("*") if path.is_file()} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.mwb", "restored", "var"]


def test_a_system_that_writes_meanwhile_is_backed_up_as_it_was_at_one_moment(data, tmp_path, key):
    with closing(sqlite3.connect(data / "db" / "meterworks.sqlite3")) as writing:
        writing.execute("INSERT INTO devices VALUES (1000, 'not committed')")
        target, written = made(data, tmp_path, key)
        writing.commit()
    assert written.rows == 500
    assert restore_backup(target, tmp_path / "restored", key).rows == 500


def test_nothing_of_it_stands_in_clear(data, tmp_path, key):
    target, _ = made(data, tmp_path, key)
    content = target.read_bytes()
    for clear in (b"5a5a5a", b"SQLite format", b"PAR1", b"devices", b"master.key"):
        assert clear not in content
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.mwb", "var"]
    assert not list(data.glob(".backup-*"))


def test_nobody_but_the_recipient_restores(data, tmp_path, key, vault):
    target, _ = made(data, tmp_path, key)
    if "other" not in vault.labels():
        vault.generate("other", KeyUsage.AGREE, "P-256")
    with pytest.raises(EnvelopeError, match="sealed to others"):
        restore_backup(target, tmp_path / "restored", vault.key("other"))
    assert not (tmp_path / "restored").exists()


async def test_counters_used_since_the_backup_are_jumped_over(data, tmp_path, key):
    class Known:
        async def position(self, _stream):
            return 41

    target, _ = made(data, tmp_path, key)
    restore_backup(target, tmp_path / "restored", key)
    store = Known()
    assert await RestoreMark(tmp_path / "restored" / COUNTER_MARK).shows_restore(store)  # type: ignore[arg-type]  # all it asks
    assert not await RestoreMark(data / COUNTER_MARK).shows_restore(store)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [0.1, 0.5, 0.999])
def test_a_changed_backup_restores_nothing(data, tmp_path, key, place):
    target, _ = made(data, tmp_path, key)
    content = bytearray(target.read_bytes())
    content[int(place * len(content))] ^= 1
    target.write_bytes(content)
    with pytest.raises(EnvelopeError):
        restore_backup(target, tmp_path / "restored", key)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.mwb", "var"]


def sealed(path, key, *members):
    """A backup of our own making: tar members as (name, content, type)."""
    with path.open("wb") as file:
        writer = EnvelopeWriter(file, "backup", [key.public_key])
        with tarfile.open(fileobj=writer, mode="w|") as archive:  # type: ignore[call-overload]
            for name, content, kind in members:
                member = tarfile.TarInfo(name)
                member.size, member.type = len(content), kind
                archive.addfile(member, io.BytesIO(content))
        writer.close()


def manifest(files):
    return json.dumps({"format": "meterworks-backup-1", "created_at": NOW.isoformat(), "files": files}).encode()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("../up", b"x", tarfile.REGTYPE)], "no file of a data folder"),
        ([("/etc/x", b"x", tarfile.REGTYPE)], "no file of a data folder"),
        ([("link", b"", tarfile.SYMTYPE)], "no file of a data folder"),
        ([("a", b"x", tarfile.REGTYPE)], "no manifest"),
        ([("a", b"x", tarfile.REGTYPE), ("manifest.json", b"[]", tarfile.REGTYPE)], "no manifest"),
        ([("a", b"x", tarfile.REGTYPE), ("manifest.json", manifest({}), tarfile.REGTYPE)], "the first a"),
        ([("manifest.json", manifest({"b": {"size": 1, "digest": ""}}), tarfile.REGTYPE)], "the first b"),
        ([("manifest.json", manifest({}), tarfile.REGTYPE), ("a", b"x", tarfile.REGTYPE)], "no file of a data folder"),
    ],
)
def test_a_backup_that_is_not_what_it_says_restores_nothing(tmp_path, key, members, reason):
    target = tmp_path / "backup.mwb"
    sealed(target, key, *members)
    with pytest.raises(BackupError, match=reason):
        restore_backup(target, tmp_path / "restored", key)
    assert [path.name for path in tmp_path.iterdir()] == ["backup.mwb"]


def test_a_lost_row_is_noticed(data, tmp_path, key, monkeypatch):
    monkeypatch.setattr(backup_module, "_rows", lambda _: {"devices": 499})
    target, _ = made(data, tmp_path, key)
    monkeypatch.undo()
    with pytest.raises(BackupError, match=r"the first db/meterworks\.sqlite3"):
        restore_backup(target, tmp_path / "restored", key)


def test_a_folder_in_use_is_never_restored_over(data, tmp_path, key):
    target, _ = made(data, tmp_path, key)
    with pytest.raises(BackupError, match="is not empty"):
        restore_backup(target, data, key)
    (tmp_path / "empty").mkdir()
    assert restore_backup(target, tmp_path / "empty", key).rows == 500


def test_what_cannot_be_backed_up_is_told(data, tmp_path, key):
    for folder, target, reason in (
        (tmp_path / "none", tmp_path / "b", "there is no system"),
        (data, data / "b", "is inside of what it backs up"),
        (data, tmp_path / "none" / "b", "cannot be written"),
    ):
        with pytest.raises(BackupError, match=reason):
            create_backup(folder, target, [key.public_key], now=NOW)


def test_a_backup_that_is_absent_or_none_is_told(tmp_path, key):
    with pytest.raises(BackupError, match="cannot be restored"):
        restore_backup(tmp_path / "absent", tmp_path / "restored", key)
    (tmp_path / "garbage").write_bytes(b"garbage")
    with pytest.raises(EnvelopeError, match="no sealed file"):
        restore_backup(tmp_path / "garbage", tmp_path / "restored", key)
