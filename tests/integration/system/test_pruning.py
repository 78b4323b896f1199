"""`meterworks audit prune`: what a verified bundle holds leaves the database, and the trail still verifies."""

import asyncio

import pytest
from tests.audited import SIGNER, event, place_in
from tests.integration.system.test_audit_command import RUN, key, run

from meterworks.cli.audit import app
from meterworks.runtime import FolderInUseError, FolderLock
from meterworks.system import pruning
from meterworks.trust.audit import AuditFormatError


async def make(folder):
    async with place_in(folder, database=folder / "db" / "meterworks.sqlite3") as place, place.appending() as trail:
        await trail.append([event(number) for number in range(300)])


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A data folder with a trail of 301 records; its vault is not what is tried here."""
    asyncio.run(make(tmp_path / "var"))
    monkeypatch.setattr(pruning, "open_vault", lambda _layout, _name: None)
    monkeypatch.setattr(pruning, "head_key", lambda _vault: (SIGNER, False))
    return tmp_path / "var"


def test_what_a_bundle_holds_leaves_the_database_and_is_told(system, tmp_path):
    bundle = tmp_path / "trail.json"
    run(system, "export", "--to", str(bundle))
    assert "256" in run(system, "prune", str(bundle))
    assert run(system, "verify", "--public-key", key(system)).startswith("sound")
    shown = run(system, "show", "--act", "audit.pruned", "--json")
    assert '"cause": "person:' in shown
    assert run(system, "check-proof", str(bundle), "--public-key", key(system), data=False).startswith("sound")
    again = RUN.invoke(app, ["prune", str(bundle), "--data", str(system)])
    assert isinstance(again.exception, AuditFormatError)


def test_a_bundle_that_was_changed_takes_nothing_out(system, tmp_path):
    bundle = tmp_path / "trail.json"
    run(system, "export", "--to", str(bundle))
    bundle.write_bytes(bundle.read_bytes().replace(b"account:user-5", b"account:user-6", 1))
    refused = RUN.invoke(app, ["prune", str(bundle), "--data", str(system)])
    assert isinstance(refused.exception, AuditFormatError)
    assert "records" in str(run(system, "verify", "--public-key", key(system)))


def test_nothing_is_pruned_while_the_appender_runs(system, tmp_path):
    bundle = tmp_path / "trail.json"
    run(system, "export", "--to", str(bundle))
    with FolderLock(system / "heads", purpose="the audit trail's appender"):
        refused = RUN.invoke(app, ["prune", str(bundle), "--data", str(system)])
    assert isinstance(refused.exception, FolderInUseError)
