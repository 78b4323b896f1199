"""Keys and key campaigns over the API: states and progress, never a key; the acts go to the head-end."""

import json
from datetime import UTC, datetime

import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.integration.market.conftest import ClientOf
from tests.integration.market.small_neighbourhood import SmallNeighbourhood
from tests.security.device_keys.certified import Registrar

from meterworks.headend import KeyCampaign, KeyJobState, KeyLedger, KeyPurpose
from meterworks.headend.key_job import KeyEvent
from meterworks.registry import DeviceId, DeviceKeys, KeyKind, KeyOrigin, KeySelection, NewKey

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CAMPAIGN = "0123456789abcdef0123456789abcdef"
KEYS = DeviceKeys(guek=b"the secret guek.", gak=b"the secret gak..", kek=b"the secret kek..")


async def test_the_operator_sees_states_and_no_key(neighbourhood: SmallNeighbourhood, client_of: ClientOf) -> None:
    await neighbourhood.services.registry.set_keys(DeviceId(1), KEYS)
    answer = await (await client_of("olivia")).get("/devices/1/keys")
    assert answer.status_code == 200
    in_force = [key for key in answer.json()["keys"] if key["in_force"]]
    assert {(key["kind"], key["state"], key["origin"]) for key in in_force} == {
        ("guek", "active", "imported"),
        ("gak", "active", "imported"),
        ("kek", "active", "imported"),
    }
    for key in KEYS.present().values():
        assert key.hex() not in answer.text
        assert key not in answer.content
    assert (await (await client_of("sam")).get("/devices/1/keys")).status_code == 403
    assert (await (await client_of("olivia")).get("/devices/999/keys")).status_code == 404


async def test_a_campaign_shows_how_far_it_is_and_whom_it_missed(
    neighbourhood: SmallNeighbourhood, client_of: ClientOf
) -> None:
    ledger = KeyLedger(neighbourhood.services.database, neighbourhood.services.registry)
    campaign = KeyCampaign(
        id=CAMPAIGN,
        purpose=KeyPurpose.EMERGENCY,
        kinds=(KeyKind.GUEK,),
        selection=KeySelection(),
        reason="a meter was opened",
        started_by="olivia",
        created_at=NOW,
    )
    jobs = await ledger.add_campaign(campaign, [DeviceId(1), DeviceId(2)])
    await ledger.write(DeviceId(2), job=jobs[1].after(KeyEvent.GAVE_UP, NOW, "enter its KEK"))
    client = await client_of("olivia")
    (listed,) = (await client.get("/key-campaigns")).json()["campaigns"]
    assert (listed["id"], listed["total"], listed["jobs"]["planned"], listed["jobs"]["failed"]) == (CAMPAIGN, 2, 1, 1)
    found = (await client.get(f"/key-campaigns/{CAMPAIGN}")).json()
    assert [(each["device"], each["state"], each["reason"]) for each in found["exceptions"]] == [
        (2, str(KeyJobState.FAILED), "enter its KEK")
    ]
    assert (await client.get(f"/key-campaigns/{'f' * 32}")).status_code == 404
    unknown = await client.post(f"/key-campaigns/{'f' * 32}", json={"act": "pause"})
    assert unknown.status_code == 404


async def test_a_campaign_is_begun_by_the_operator_alone_and_in_its_name(
    neighbourhood: SmallNeighbourhood, client_of: ClientOf
) -> None:
    asked: list[bytes] = []

    async def start(question: bytes) -> bytes:
        asked.append(question)
        return b'{"id": "x"}'

    await neighbourhood.bus.respond("headend.keys.start", start)
    body = {"purpose": "emergency", "devices": [1], "kinds": ["guek", "gak"], "reason": "opened"}
    assert (await (await client_of("sam")).post("/key-campaigns", json=body)).status_code == 403
    answer = await (await client_of("olivia")).post("/key-campaigns", json=body)
    assert (answer.status_code, answer.json()) == (201, {"id": "x"})
    (question,) = [orjson.loads(each) for each in asked]
    assert question["started_by"] == "olivia"
    assert (question["purpose"], question["devices"], question["kinds"]) == ("emergency", [1], ["guek", "gak"])
    wrong = await (await client_of("olivia")).post("/key-campaigns", content=json.dumps({"started_by": "sam"}))
    assert wrong.status_code == 422


async def test_certificates_and_signed_policies_are_asked_for_too(
    neighbourhood: SmallNeighbourhood, client_of: ClientOf
) -> None:
    asked: list[dict[str, object]] = []

    async def start(question: bytes) -> bytes:
        asked.append(orjson.loads(question))
        return b'{"id": "x"}'

    await neighbourhood.bus.respond("headend.keys.start", start)
    client = await client_of("olivia")
    for body in ({"task": "certificate", "kinds": ["signing"]}, {"task": "policy", "statement": "a.b.c"}):
        assert (await client.post("/key-campaigns", json=body)).status_code == 201
    assert [(each["task"], each["kinds"], each.get("statement")) for each in asked] == [
        ("certificate", ["signing"], None),
        ("policy", [], "a.b.c"),
    ]
    for wrong in ({"task": "lower"}, {"suite": 2}, {"statement": "x" * 9000}):
        assert (await client.post("/key-campaigns", json=wrong)).status_code == 422


async def test_a_certificate_of_a_meter_is_shown(neighbourhood: SmallNeighbourhood, client_of: ClientOf) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = Registrar(NOW.timestamp()).issue("0" * 16, key.public_key(), "signature", days=10)
    fresh = {KeyKind.SIGNING: NewKey(certificate=made.public_bytes(Encoding.DER))}
    registry = neighbourhood.services.registry
    await registry.change_keys(
        {DeviceId(1): lambda hand: hand.prepared(fresh, KeyOrigin.CERTIFIED, "", NOW).put_in_force(fresh, NOW)}
    )
    shown = (await (await client_of("olivia")).get("/devices/1/keys")).json()["keys"]
    (signing,) = [each for each in shown if each["kind"] == "signing"]
    assert signing["certificate"]["serial_number"] == f"{made.serial_number:x}"
    assert signing["certificate"]["ends_at"] == "2026-06-11T00:00:00Z"
    assert all(each["certificate"] is None for each in shown if each["kind"] != "signing")


async def test_a_campaign_is_held_and_let_go_by_the_head_end(
    neighbourhood: SmallNeighbourhood, client_of: ClientOf
) -> None:
    ledger = KeyLedger(neighbourhood.services.database, neighbourhood.services.registry)
    campaign = KeyCampaign(
        id=CAMPAIGN,
        purpose=KeyPurpose.ROTATE,
        kinds=(KeyKind.GUEK,),
        selection=KeySelection(),
        reason="",
        started_by="olivia",
        created_at=NOW,
    )
    await ledger.add_campaign(campaign, [DeviceId(1)])
    asked: list[dict[str, object]] = []

    async def control(question: bytes) -> bytes:
        asked.append(orjson.loads(question))
        return b'{"id": "x", "state": "paused"}'

    client, path = await client_of("olivia"), f"/key-campaigns/{CAMPAIGN}"
    assert (await client.post(path, json={"act": "pause"})).status_code == 503, "no head-end answers"
    await neighbourhood.bus.respond("headend.keys.control", control)
    for act in ("pause", "resume", "stop", "retry"):
        answer = await client.post(path, json={"act": act})
        assert (answer.status_code, answer.json()["state"]) == (200, "paused")
    assert asked == [
        {"campaign": CAMPAIGN, "act": act, "started_by": "olivia"} for act in ("pause", "resume", "stop", "retry")
    ]
    assert (await client.post(path, json={"act": "burn"})).status_code == 422
    assert (await (await client_of("sam")).post(path, json={"act": "stop"})).status_code == 403
