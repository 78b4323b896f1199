"""Consents and one's own data over the API."""

import io
import zipfile
from datetime import timedelta

import pytest
from tests.integration.market.conftest import ClientOf
from tests.integration.market.small_neighbourhood import PASSWORD, SmallNeighbourhood

from meterworks.catalogue import Role
from meterworks.market import Accounts, Acts, Admissions, NewUser
from meterworks.registry import OrganisationKind
from meterworks.trust.audit import MemoryAuditSink

DIGEST = "ab" * 32
WEEK = {"from": "2026-11-14T00:00:00Z", "to": "2026-11-21T00:00:00Z", "channel": "12"}


@pytest.fixture
async def adviser(neighbourhood: SmallNeighbourhood) -> int:
    """An energy service with a user `eva`; gives its number."""
    registry, now = neighbourhood.services.registry, neighbourhood.clock.now()
    number = await registry.add_organisation("Adviser", "90b3d51f30000077", OrganisationKind.MARKET)
    await registry.grant_role(number, Role.OTHER_USER, now)
    await Admissions(neighbourhood.database, Acts(MemoryAuditSink()), now=lambda: now).admit(
        int(number), assessor="olivia", document_digest=DIGEST, valid_until=now + timedelta(days=365)
    )
    new = NewUser(name="eva", password=PASSWORD, role=Role.OTHER_USER, organisation_id=int(number))
    await Accounts(neighbourhood.database).add_user(new)
    return int(number)


async def test_a_consent_opens_readings_until_it_is_withdrawn(client_of: ClientOf, adviser: int) -> None:
    consumer, service = await client_of("rea"), await client_of("eva")
    path = "/metering-points/MP0001/readings"
    assert (await service.get(path, params=WEEK)).status_code == 404
    terms = {"organisation": adviser, "metering_point": "MP0001", "purpose": "advice", "detail": "day"}
    given = await consumer.post("/consents", json={**terms, "data_from": "2026-10-01T00:00:00Z"})
    assert (given.status_code, given.json()["state"]) == (201, "in-force")
    refused = await service.get(path, params=WEEK)
    assert (refused.status_code, refused.json()["code"]) == (403, "purpose-exceeded"), "it reaches days"
    days = await service.get(path, params={**WEEK, "resolution": "day"})
    assert [row["count"] for row in days.json()["series"][0]["readings"]] == [48] * 7
    shifted = await service.get(path, params={**WEEK, "resolution": "day", "tz": "Asia/Tokyo"})
    assert shifted.json()["code"] == "purpose-exceeded", "days of two zones would tell half-hours"
    entries = (await consumer.get("/metering-points/MP0001/accesses")).json()["accesses"]
    assert (entries[0]["organisation"], entries[0]["consent"]) == ("Adviser", given.json()["reference"])
    withdrawn = await consumer.delete(f"/consents/{given.json()['reference']}")
    assert (withdrawn.json()["state"], withdrawn.json()["ended_by"]) == ("withdrawn", "consumer")
    assert (await service.get(path, params={**WEEK, "resolution": "day"})).status_code == 404


async def test_a_recorded_consent_waits_for_the_consumer(client_of: ClientOf, adviser: int) -> None:
    consumer, service = await client_of("rea"), await client_of("eva")
    terms = {"metering_point": "MP0001", "purpose": "advice", "data_from": "2026-11-01T00:00:00Z"}
    evidence = {"reference": "call of 12 November", "digest": DIGEST}
    told = await service.post("/consent-proposals", json={**terms, "evidence": evidence})
    unknown = await service.post("/consent-proposals", json={**terms, "metering_point": "MP0999", "evidence": evidence})
    assert told.status_code == unknown.status_code == 201
    assert set(told.json()) == set(unknown.json()), "the answer tells nothing of the meter"
    assert (await service.get("/metering-points/MP0001/readings", params=WEEK)).status_code == 404
    reference = told.json()["reference"]
    assert (await service.post(f"/consents/{reference}/confirmation")).status_code == 403
    other = await client_of("ben")
    assert (await other.post(f"/consents/{reference}/confirmation")).status_code == 404
    confirmed = await consumer.post(f"/consents/{reference}/confirmation")
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "in-force")
    assert (await service.get("/metering-points/MP0001/readings", params=WEEK)).status_code == 200
    again = await consumer.post(f"/consents/{reference}/confirmation")
    assert again.json()["code"] == "consent-not-possible"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"metering_point": "MP0002"}, 404, "not-found"),
        ({"purpose": "billing"}, 422, "request-malformed"),
        ({"purpose": "advice", "detail": "instant"}, 422, "request-malformed"),
        ({"organisation": 999}, 422, "consent-not-possible"),
        ({"to": "2031-01-01T00:00:00Z"}, 422, "consent-not-possible"),
        ({"evidence": {"reference": "x", "digest": DIGEST}}, 422, "request-malformed"),
    ],
)
async def test_a_consent_nobody_can_give_is_refused(
    client_of: ClientOf, adviser: int, change: dict[str, object], status: int, code: str
) -> None:
    consumer = await client_of("rea")
    terms: dict[str, object] = {"organisation": adviser, "metering_point": "MP0001", "purpose": "advice"}
    answer = await consumer.post("/consents", json={**terms, **change})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_purposes_are_told_and_a_wrong_one_is_refused(client_of: ClientOf) -> None:
    supplier = await client_of("sam")
    names = {row["purpose"] for row in (await supplier.get("/purposes")).json()["purposes"]}
    assert {"billing", "advice"} <= names
    path = "/metering-points/MP0001/readings"
    assert (await supplier.get(path, params={"purpose": "biling"})).json()["code"] == "request-malformed"
    assert (await supplier.get(path, params={"purpose": "own-use"})).json()["code"] == "purpose-not-permitted"
    answer = await supplier.get(path, params={"purpose": "billing", "from": WEEK["from"], "to": WEEK["to"]})
    assert answer.json()["resolution"] == "day", "without a resolution, the finest the purpose sees"


async def test_a_consumer_takes_their_data_and_corrects_it(client_of: ClientOf) -> None:
    consumer = await client_of("rea")
    corrected = await consumer.patch("/own-data", json={"email": "rea@example.org"})
    assert corrected.json()["email"] == "rea@example.org"
    packed = await consumer.get("/own-data", params={"form": "zip"})
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert set(archive.namelist()) == {"data.json", "homes.csv", "consents.csv", "accesses.csv", "readings.csv"}
        lines = archive.read("readings.csv").decode().splitlines()
    assert lines[0] == "metering_point,channel,start,value,scaler,unit,quality"
    assert not any(line.startswith("MP0001") and ",2026-02" in line for line in lines), "before they lived there"
    asked = await consumer.post("/own-data/erasure")
    assert (asked.status_code, asked.json()["approved"]) == (202, False)
    assert (await (await client_of("sam")).get("/own-data")).status_code == 403
