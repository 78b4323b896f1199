"""Every act of the table can be caused, and is recorded: here through the API, or by the test that the table names."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import httpx
import pyotp
import pytest
from fastapi import FastAPI
from tests.integration.market.conftest import ClientOf
from tests.integration.market.small_neighbourhood import PASSWORD, SmallNeighbourhood
from tests.integration.market.test_account import DEVICE, _connected, _peer

from meterworks.catalogue import Role
from meterworks.headend import RELEASE_SUBJECT
from meterworks.market import Accounts, NewUser
from meterworks.trust.audit import ACTS, MemoryAuditSink

TESTS = Path(__file__).resolve().parents[2]
REASON = "the meter was opened by a stranger"
DIGEST = "5f" * 32
NOW, LATER = "2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z"

# Acts that come about elsewhere: by file and test, which names them and finds them recorded.
ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "integration/devices/test_meter_tls.py": {
        "test_a_meter_at_another_ones_address_is_not_read": "peer.refused",
    },
    "integration/market/test_privacy_stores.py": {
        "test_erasure_takes_the_person_and_keeps_the_books": "data.erased",
    },
    "integration/system/test_act.py": {
        "test_a_new_root_and_each_new_list_are_told": "crl.published root.changed",
        "test_the_appender_tells_of_its_key_and_of_the_settings": (
            "key.generated configuration.loaded audit.opened audit.resumed "
        ),
        "test_news_of_keys_are_acts": (
            "key.rotated key.fell_back key.change_failed key.exhausting key.known policy.raised"
        ),
        "test_a_campaign_is_on_record_before_it_begins_and_before_it_changes": "campaign.started campaign.changed",
        "test_a_process_tells_that_it_begins_and_how_it_ends": "process.started process.stopped process.failed",
    },
    "integration/system/test_audit_command.py": {
        "test_reading_the_trail_of_a_system_that_is_down_is_kept_for_its_next_start": "audit.read audit.verified",
        "test_evidence_is_shown_and_checked_elsewhere": "evidence.shown",
    },
    "integration/system/test_first_contact.py": {
        "test_a_meter_is_personalised_at_first_contact_and_its_makers_certificate_ends": (
            "device.commissioned certificate.issued certificate.revoked "
        ),
    },
    "integration/system/test_renewal.py": {
        "test_an_alarm_of_a_certificate_without_successor_is_an_act": "certificate.expiring",
    },
    "integration/trust/test_est.py": {
        "test_a_service_renews_and_a_revoked_one_does_not": "certificate.refused",
    },
    "security/audit/test_origin.py": {
        "test_the_state_of_the_book_is_told_to_the_trail": "readings.anchored",
    },
    "security/audit/test_trail.py": {
        "test_noise_gives_way_to_what_matters_and_the_loss_is_told": "audit.warning audit.dropped",
    },
    "security/identity/test_login.py": {
        "test_the_first_lock_is_told_at_once": "login.locked",
    },
    "security/privacy/test_keeping.py": {
        "test_what_is_past_its_limit_is_in_no_store": "data.retired",
    },
    "unit/cli/test_key_escrow.py": {
        "test_meters_are_taken_over_by_enough_holders_and_nobody_else": "key.escrowed key.recovered",
    },
    "unit/cli/test_keystore.py": {
        "test_a_backup_is_restored_by_enough_holders_only": "backup.restored",
    },
    "unit/headend/test_act.py": {
        "test_an_incident_of_security_is_an_act": (
            "clock.set clock.drifted device.wrong_key device.replay device.identity_mismatch device.quarantined "
        ),
        "test_what_a_device_tells_of_security_is_an_act": (
            "supply.changed device.tampered device.event firmware.activated firmware.refused "
        ),
        "test_a_session_that_ends_for_security_is_an_act": "device.refused",
    },
    "unit/market/test_authoriser.py": {
        "test_an_emergency_access_adds_the_named_action_and_no_other": "access.elevated",
    },
    "unit/market/test_shipment.py": {
        "test_a_sealed_shipment_is_recorded_and_admitted_before_it_is_imported": "shipment.accepted",
        "test_a_seal_that_fits_no_message_is_refused": "shipment.refused",
    },
    "unit/trust/audit/test_bus_sink.py": {
        "test_what_a_full_spool_could_not_take_is_counted_in_the_trail": "audit.spool_dropped",
    },
    "unit/trust/audit/test_room.py": {
        "test_what_a_bundle_holds_can_go_and_everything_else_still_verifies": "audit.pruned",
    },
    "unit/trust/audit/test_trail.py": {
        "test_a_clock_that_goes_back_is_told_and_records_do_not": "clock.stepped",
    },
}


@cache
def sources_of(path: str) -> dict[str, str]:
    """The source of each test of a file, its decorators included."""
    source = (TESTS / path).read_text()
    lines = source.splitlines()
    return {
        node.name: "\n".join(
            lines[min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1 : node.end_lineno]
        )
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize(
    ("path", "name", "act"),
    [(path, name, act) for path, rows in ELSEWHERE.items() for name, acts in rows.items() for act in acts.split()],
)
def test_the_test_that_the_table_names_is_there_and_looks_for_the_act(path: str, name: str, act: str) -> None:
    assert f'"{act}"' in sources_of(path)[name]


class Walk:
    """Causes acts through the API, one after another."""

    def __init__(self, operator: httpx.AsyncClient) -> None:
        self.operator = operator

    async def did(
        self, method: str, path: str, body: object = None, *, by: httpx.AsyncClient | None = None
    ) -> httpx.Response:
        """A request that has to succeed."""
        answer = await (by or self.operator).request(method, path, json=body)
        assert answer.status_code < 300, (method, path, answer.text)
        return answer


async def test_every_act_of_the_table_can_be_caused_and_is_recorded(
    neighbourhood: SmallNeighbourhood, api: FastAPI, client_of: ClientOf
) -> None:
    await Accounts(neighbourhood.database).add_user(NewUser(name="paula", password=PASSWORD, role=Role.OPERATOR))

    async def released(_question: bytes) -> bytes:
        return b"{}"

    await neighbourhood.bus.respond(RELEASE_SUBJECT, released)
    walk = Walk(await client_of("olivia"))
    await accounts(walk, client_of)
    await two_people(walk, await client_of("paula"))
    await organisations(walk)
    await devices(walk)
    await privacy(walk, await client_of("rea"))
    async with _connected(api, _peer("90b3d51f30000042")) as party:
        await walk.did("POST", "/devices/2/reads", by=party)
    audit = neighbourhood.services.audit
    assert isinstance(audit, MemoryAuditSink)
    elsewhere = {act for rows in ELSEWHERE.values() for acts in rows.values() for act in acts.split()}
    caused = set(audit.acts())
    assert sorted(set(ACTS) - caused - elsewhere) == [], "nothing causes these: write them out of the table"
    assert sorted(elsewhere - set(ACTS)) == []
    for event in audit.events:
        assert event.actor != "nobody" or event.act.startswith("login."), event


async def accounts(walk: Walk, client_of: ClientOf) -> None:
    """Logging in and out, factors, tokens, and accounts of others."""
    nobody = await client_of(None)
    assert (await nobody.post("/tokens", json={"user": "sam", "password": "wrong"})).status_code == 401
    offered = (await walk.did("POST", "/account/factors/totp")).json()
    code = pyotp.TOTP(offered["secret"]).now()
    await walk.did("POST", "/account/factors/totp/confirmation", {"code": code})
    assert (await walk.operator.post("/account/proofs", json={"code": "000000"})).status_code == 401
    sam = await client_of("sam")
    await walk.did("POST", "/account/proofs", {"password": PASSWORD}, by=sam)
    await walk.did("POST", "/account/password", {"password": "another correct battery"}, by=sam)
    await walk.did("DELETE", "/tokens/current", by=await client_of("ben"))
    made = (await walk.did("POST", "/account/tokens", {"name": "nightly", "scopes": ["device.read"]})).json()
    assert made["token"]
    (entry,) = [each for each in (await walk.operator.get("/account/tokens")).json()["tokens"] if each["kind"] == "api"]
    await walk.did("DELETE", f"/account/tokens/{entry['id']}")
    user = {"name": "karl", "password": "a long enough secret", "role": "auditor", "reason": REASON}
    await walk.did("POST", "/users", user)
    await walk.did("DELETE", "/users/karl/factors")
    await walk.did("DELETE", "/users/karl")
    assert (await (await client_of("ben")).get("/users")).status_code == 403


async def two_people(walk: Walk, second: httpx.AsyncClient) -> None:
    """A role and an emergency access, asked for by one and approved by another."""
    grant = {"role": "auditor", "user": "karl", "reason": REASON}
    asked = (await walk.did("POST", "/role-grants", grant)).json()
    await walk.did("POST", f"/approvals/{asked['id']}/approval", by=second)
    glass = (await walk.did("POST", "/break-glass", {"actions": ["audit.read"], "reason": REASON})).json()
    await walk.did("POST", f"/approvals/{glass['id']}/approval", by=second)
    await walk.did("POST", f"/approvals/{glass['id']}/end", by=second)


async def organisations(walk: Walk) -> None:
    """Parties, who serves whom, and who lives where."""
    await walk.did("POST", "/organisations", {"name": "Southern", "eui64": "90b3d51f30000055"})
    await walk.did("POST", "/organisations/1/suspension", {"reason": REASON})
    assessment = {"document_digest": DIGEST, "valid_until": "2027-01-01T00:00:00Z"}
    await walk.did("POST", "/organisations/1/admissions", assessment)
    await walk.did(
        "POST", "/registrations", {"organisation": 1, "metering_point": "MP0004", "role": "supplier", "from": LATER}
    )
    person = (await walk.did("POST", "/consumers", {"name": "C. New"})).json()
    await walk.did("POST", "/occupancies", {"consumer": person["id"], "metering_point": "MP0004", "from": LATER})


async def devices(walk: Walk) -> None:
    """Devices come, hang, go, and are read."""
    added = (await walk.did("POST", "/devices", DEVICE)).json()
    await walk.did("POST", "/metering-points", {"id": "MP0099"})
    await walk.did(
        "POST", "/installations", {"device": added["id"], "metering_point": "MP0001", "at": NOW, "replaces": 1}
    )
    await walk.did("POST", "/devices/2/release")
    readings = "/metering-points/MP0002/readings?channel=12&from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z"
    await walk.did("GET", readings)


async def privacy(walk: Walk, consumer: httpx.AsyncClient) -> None:
    """Consents, one's own data, holds and erasures."""
    terms = {"organisation": 1, "metering_point": "MP0001", "purpose": "advice", "detail": "day"}
    given = (await walk.did("POST", "/consents", terms, by=consumer)).json()
    await walk.did("DELETE", f"/consents/{given['reference']}", by=consumer)
    await walk.did("PATCH", "/own-data", {"name": "A. Writer"}, by=consumer)
    await walk.did("GET", "/own-data", by=consumer)
    await walk.did("GET", "/consumers/1/data")
    await walk.did("POST", "/consumers/1/erasure")
    await walk.did("POST", "/privacy/holds", {"metering_point": "MP0001", "reason": REASON})
    (hold,) = (await walk.operator.get("/privacy/holds")).json()["holds"]
    await walk.did("DELETE", f"/privacy/holds/{hold['id']}")
