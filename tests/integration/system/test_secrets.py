"""Secrets of a running system, looked for by value in all it writes and shows: logs, processes, stores, backups."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.running import OPERATOR, running_system
from tests.security.keys.canary import Canaries, forms

from meterworks.system.backup import create_backup, restore_backup
from meterworks.trust import FileKeyVault, KeyStore, KeyUsage

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("test_secrets")]


def secrets_of(data):
    """Every secret that the system keeps on disk in a place of its own, and each device's keys."""
    keys, held = data / "keys", {}
    for path in sorted([*keys.iterdir(), *(data / "secrets").glob("*")]):
        text = path.read_text(errors="replace").strip()
        if path.is_file() and path.name != "counters.json" and len(text) >= 16:
            held[path.name] = text.encode()
            if set(text) <= set("0123456789abcdef") and len(text) % 2 == 0:
                held[f"{path.name}, octets"] = bytes.fromhex(text)
    store = KeyStore.open(keys / "master.key", may_create=False)
    with closing(sqlite3.connect(f"file:{data / 'db' / 'meterworks.sqlite3'}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT device_id, key_id, wrapped FROM registry_device_key WHERE wrapped IS NOT NULL")
        held |= {f"{key} of device {device}": store.unwrap(bytes(wrapped)) for device, key, wrapped in rows}
    return held


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A system that ran, with what was found while it did; its data folder, password and secrets."""
    folder = tmp_path_factory.mktemp("secrets")
    data = folder / "var"
    with running_system(data, "--meters", "4") as system:
        system.wait(lambda: system.get("/health")["status"] == "ok", "healthy")
        found = OPERATOR.search(system.output)
        assert found is not None
        password = found.group(2).encode()
        held = secrets_of(data) | {"password of the operator": password, "token": system.token.encode()}
        canaries = Canaries(held)
        in_processes = canaries.in_processes()
        in_run = canaries.in_folders([data / "run", data / "metrics"])
        numbers = [int(number) for number in json.loads((data / "run" / "processes.json").read_text()).values()]
        limits = {number: flags_of(number) for number in numbers}
        recovery = FileKeyVault(folder / "vault", KeyStore(bytes(range(32)))).generate(
            "recovery", KeyUsage.AGREE, "P-256"
        )
        summary = create_backup(data, folder / "backup.mwb", [recovery.public_key], now=datetime.now(UTC))
    return data, canaries, in_processes + in_run, limits, (folder / "backup.mwb", recovery, summary)


def flags_of(number):
    """Whether a process leaves no core, as the kernel tells."""
    with Path(f"/proc/{number}/limits").open() as lines:
        return next(line.split()[4:6] for line in lines if line.startswith("Max core"))


def test_no_secret_shows_in_processes_and_what_children_are_told(stopped):
    assert stopped[2] == []


def test_no_secret_is_in_a_log(stopped):
    data, canaries, *_ = stopped
    assert len(list((data / "log").iterdir())) >= 4
    assert canaries.in_folders([data / "log"]) == []


def test_no_secret_is_in_the_database_or_the_warehouse(stopped):
    data, canaries, *_ = stopped
    assert canaries.in_database(data / "db" / "meterworks.sqlite3") == []
    assert canaries.in_folders([data / "warehouse", data / "nats"]) == []


def test_no_secret_is_in_a_backup_and_the_backup_restores(stopped, tmp_path):
    _, canaries, _, _, (backup, recovery, summary) = stopped
    assert canaries.in_file(backup) == []
    assert restore_backup(backup, tmp_path / "restored", recovery) == summary
    assert summary.rows > 0


def test_every_process_that_we_start_leaves_no_core(stopped):
    assert stopped[3]
    assert {tuple(limits) for limits in stopped[3].values()} == {("0", "0")}


def test_the_search_finds_every_form_of_a_canary(tmp_path):
    secret = bytes(range(200, 232))
    canaries = Canaries({"canary": secret})
    for number, form in enumerate(forms(secret).values()):
        path = tmp_path / str(number)
        path.write_bytes(b"x" * (1 << 20) + form + b"y")
        assert canaries.in_file(path), form
    with closing(sqlite3.connect(tmp_path / "d.sqlite3")) as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (?)", (secret,))
        database.commit()
    assert any("table t" in fault for fault in canaries.in_database(tmp_path / "d.sqlite3"))
    assert canaries.in_octets(b"nothing of it", "here") == []
