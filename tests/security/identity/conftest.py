"""Accounts on a database of their own, with a cheap password hash and clocks that move when told."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import argon2
import pytest
from sqlalchemy import insert

from meterworks.catalogue import Role
from meterworks.market import Accounts, Acts, Approvals, Principal, UserRow
from meterworks.market.model import AdmissionRow, ApprovalRow, FactorRow, TokenRow
from meterworks.runtime import Database
from meterworks.trust import KeyStore, password
from meterworks.trust.audit import MemoryAuditSink

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class Arena:
    """What a check stands on."""

    database: Database
    audit: MemoryAuditSink
    file: Path
    seconds: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def __post_init__(self) -> None:
        self.accounts = Accounts(
            self.database,
            keystore=KeyStore(b"k" * 32),
            audit=self.audit,
            now=self.now,
            monotonic=lambda: self.seconds,
        )
        self.approvals = Approvals(
            self.database,
            Acts(self.audit),
            approval_s=3600,
            break_glass_s=600,
            now=self.now,
            monotonic=lambda: self.seconds,
        )


def principal(user_id: int = 1, **changes: object) -> Principal:
    """An operator who has proven everything just now, but for what is changed."""
    facts: dict[str, object] = {
        "user_id": user_id,
        "name": {1: "ann", 2: "bob"}.get(user_id, "eve"),
        "role": Role.OPERATOR,
        "organisation_id": None,
        "consumer_id": None,
        "token_hash": f"{user_id:064}",
        "expires_at": START + timedelta(hours=1),
        "factors": frozenset({"password", "totp"}),
        "stepped_up_until": START + timedelta(minutes=5),
    }
    return Principal(**(facts | changes))  # type: ignore[arg-type]  # facts by name


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database with two operators, an auditor and a closed account."""
    folder = tmp_path_factory.mktemp("identity")

    async def lay() -> None:
        database = Database(f"sqlite:///{folder / 'records.sqlite3'}")
        tables = [row.__table__ for row in (UserRow, TokenRow, FactorRow, ApprovalRow, AdmissionRow)]
        await database.create_tables(*tables)  # type: ignore[arg-type]  # they are tables
        rows = [
            {"name": name, "role": role, "active": active, "password_hash": CHEAP.hash(PASSWORD), "created_at": START}
            for name, role, active in (
                ("ann", "operator", True),
                ("bob", "operator", True),
                ("cid", "auditor", True),
                ("dot", "operator", False),
            )
        ]
        async with database.transaction() as connection:
            await connection.execute(insert(UserRow), rows)
        await database.close()

    asyncio.run(lay())
    yield folder


@pytest.fixture
async def arena(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Arena]:
    """An arena of this check's own."""
    monkeypatch.setattr(password, "_HASHER", CHEAP)
    password._nobody.cache_clear()
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    database = Database(f"sqlite:///{tmp_path / 'records.sqlite3'}")
    yield Arena(database=database, audit=MemoryAuditSink(), file=tmp_path / "records.sqlite3")
    await database.close()
    password._nobody.cache_clear()
