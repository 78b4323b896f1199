"""The audit trail over the API: acts told on the bus, read by an auditor, proved by a file; each look is told too."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.audited import SIGNER, event
from tests.integration.market.conftest import ClientOf
from tests.integration.market.small_neighbourhood import NOW, PASSWORD, SmallNeighbourhood

from meterworks.catalogue import Role
from meterworks.market import Accounts, NewUser
from meterworks.market.api import create_api
from meterworks.trust.audit import AuditSettings, AuditTrail, BusAuditSink, HeadBook, RecordProof, serve_appends

HEAD_RECORDS = 4


@pytest.fixture
async def trail(neighbourhood: SmallNeighbourhood, tmp_path: Path) -> AsyncIterator[AuditTrail]:
    """The appender, which takes the acts of the web process on the bus."""
    made = AuditTrail(
        neighbourhood.database,
        HeadBook([tmp_path / "heads"]),
        SIGNER,
        clock=neighbourhood.clock,
        settings=AuditSettings(head_records=HEAD_RECORDS, head_interval_s=3600.0),
        machine_now=lambda: NOW,
    )
    async with made.appending(), serve_appends(neighbourhood.bus, made, ["web"]):
        await made.append([event(number, at=NOW) for number in range(6)])
        yield made


@pytest.fixture
async def api(neighbourhood: SmallNeighbourhood, trail: AuditTrail, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The application as the web process makes it, with an auditor."""
    sink = BusAuditSink(neighbourhood.bus, source="web", clock=neighbourhood.clock, spool=tmp_path / "web.jsonl")
    await Accounts(neighbourhood.database).add_user(NewUser(name="aud", password=PASSWORD, role=Role.AUDITOR))
    services = replace(neighbourhood.services, audit=sink, audit_heads=(tmp_path / "heads",))
    yield create_api(services, neighbourhood.settings)
    await sink.close()


async def _records(client: httpx.AsyncClient, **question: str | int) -> list[dict[str, object]]:
    answer = await client.get("/audit/records", params=question)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()["records"]
    return found


async def test_an_auditor_sees_acts_by_filter_and_page_and_is_seen(client_of: ClientOf) -> None:
    client = await client_of("aud")
    first = (await client.get("/audit/records", params={"act": "login.failed", "limit": 4})).json()
    assert [row["facts"]["number"] for row in first["records"]] == [5, 4, 3, 2]
    assert first["sealed"] >= HEAD_RECORDS
    rest = (
        await client.get("/audit/records", params={"act": "login.failed", "limit": 4, "before": first["next"]})
    ).json()
    assert ([row["facts"]["number"] for row in rest["records"]], rest["next"]) == ([1, 0], None)
    assert [row["facts"]["number"] for row in first["records"][3:] + rest["records"]] == [2, 1, 0]
    assert [row["object"] for row in await _records(client, object="account:user-3")] == ["account:user-3"]
    looks = await _records(client, act="audit.read", actor="account:aud")
    assert len(looks) == 4, "this look is in its own answer"
    assert {row["outcome"] for row in looks} == {"success"}
    assert await _records(client, act="login.failed", outcome="refused") == []
    assert await _records(client, to="2026-11-21T12:00:00Z", act="login.failed") == []
    assert len(await _records(client, **{"from": "2026-11-21T12:00:00Z"}, act="login.failed")) == 6


async def test_a_proof_is_checked_with_the_public_key_alone(client_of: ClientOf) -> None:
    client = await client_of("aud")
    answer = await client.get("/audit/records/2/proof")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.content)["format"]
    record = RecordProof.decode(answer.content).check([SIGNER.public_key])
    assert (record.sequence, record.event.act) == (2, "login.failed")
    assert (await client.get("/audit/records/4000/proof")).status_code == 404
    assert (await client.get("/audit/records/-1/proof")).status_code == 422
    assert [row["cause"] for row in await _records(client, act="audit.read", limit=3)] == ["", "proof", "proof"]


async def test_acts_are_counted_by_the_hour(client_of: ClientOf) -> None:
    hours = (await (await client_of("aud")).get("/audit/hours")).json()["hours"]
    (row,) = [each for each in hours if each["hour"] == "2026-11-21T12:00:00Z"]
    assert row["acts"] >= 6


async def test_nobody_else_reads_the_trail_and_the_auditor_not_by_password_alone(client_of: ClientOf) -> None:
    bare = await client_of(None)
    token = (await bare.post("/tokens", json={"user": "aud", "password": PASSWORD})).json()["token"]
    by_password = {"Authorization": f"Bearer {token}"}
    sam, rea = await client_of("sam"), await client_of("rea")
    for path in ("/audit/records", "/audit/records/0/proof", "/audit/hours"):
        assert (await bare.get(path)).status_code == 401
        assert (await sam.get(path)).status_code == 403
        assert (await rea.get(path)).status_code == 403
        assert (await bare.get(path, headers=by_password)).status_code == 403


async def test_odd_questions_are_refused(client_of: ClientOf) -> None:
    client = await client_of("aud")
    for question in ({"outcome": "maybe"}, {"before": "-1"}, {"from": "yesterday"}, {"limit": "0"}, {"act": "x" * 201}):
        answer = await client.get("/audit/records", params=question)
        assert answer.status_code in {400, 422}, question
