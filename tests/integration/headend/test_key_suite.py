"""Meters of suites 0, 1 and 2 in one fleet, on real sockets: certified, agreed with, rotated, whatever is lost."""

import asyncio
import itertools

import orjson
import pytest
from cryptography import x509
from tests.integration.headend.certified_field import certified
from tests.integration.headend.key_field import make_field, settled, specification
from tests.integration.headend.test_key_campaign import counters_of, done_share, lowered

from meterworks.devices import FaultSettings, certificate_store
from meterworks.devices.client_login import ClientLogin
from meterworks.headend import KeyPurpose
from meterworks.protocols.dlms import READER_CLIENT, Mechanism
from meterworks.registry import KeyKind, KeyOrigin, KeySelection

METERS = 9  # three of each suite; more in `make soak`
FAULTS = {"cut_probability": 0.05, "death_probability": 0.06, "answer_loss_probability": 0.0}


@pytest.fixture
async def field(tmp_path):
    made = await make_field(tmp_path)
    certified(made)
    yield made
    made.certifier.pki.close()
    await made.close()


def held_by(field, place):
    """The signing certificate that a meter holds of itself."""
    view = field.fleet.meter(place).view
    server, signing = certificate_store.CertificateEntity.SERVER, certificate_store.KeyPairUse.SIGNING
    return [row.octets for row in certificate_store.certificates(view) if (row.entity, row.use) == (server, signing)]


async def certify_all(field):
    """Give the meters of suites 1 and 2 key pairs and certificates, asked for over the bus; gives the campaign."""
    devices = [number for place, number in enumerate(field.ids) if field.suites[place]]
    body = orjson.dumps({"task": "certificate", "kinds": ["signing"], "devices": devices})
    return orjson.loads(await field.bus.request("headend.keys.start", body, timeout_s=60.0))


async def suites_under_losses(field, meters, *, seed, kills=(0.3, 0.6), within_s=300.0):
    """Certify and rotate a fleet of all suites while connections break and the head-end is killed."""
    field.suites = [number % 3 for number in range(meters)]
    specifications = [specification(number, suite=suite) for number, suite in enumerate(field.suites)]
    await field.serve(specifications, FaultSettings(seed=seed, **FAULTS))
    await field.enrol(specifications)
    first = await field.registry.keys(field.ids)
    await field.start()
    begun = await certify_all(field)
    found = {"certified": await settled(field, begun["id"], within_s=within_s), "counters": [await counters_of(field)]}
    campaign = await field.keys.start(KeyPurpose.ROTATE, KeySelection())
    seen = found["seen"] = []
    for share in kills:
        async with asyncio.timeout(within_s):
            while (done := await done_share(field, campaign.id)) < share:
                seen.append(done)
                await asyncio.sleep(0.1)
        await field.kill()
        found["counters"].append(await counters_of(field))
        await field.start()
    found["jobs"] = await settled(field, campaign.id, within_s=within_s)
    found["counters"].append(await counters_of(field))
    found["changed"] = await field.changed(first)
    return found


async def test_the_secret_of_readers_is_replaced_over_the_wire(field):
    login = ClientLogin(client_sap=READER_CLIENT, mechanism=Mechanism.SHA256, secret=b"the first secret")
    meters = [specification(0, logins=(login,)), specification(1)]
    await field.serve(meters)
    await field.enrol(meters)
    await field.start()
    body = orjson.dumps({"task": "secret", "devices": field.ids})
    begun = orjson.loads(await field.bus.request("headend.keys.start", body, timeout_s=60.0))
    assert await settled(field, begun["id"]) == {"done": 1, "failed": 1}  # the other one has none
    held = await field.registry.keys(field.ids)
    assert field.fleet.meter(0).association(READER_CLIENT).secret == held[field.ids[0]].hls != login.secret
    (failed,) = orjson.loads(
        await field.bus.request("headend.keys.status", orjson.dumps({"campaign": begun["id"]}), timeout_s=60.0)
    )["exceptions"]
    assert "mechanism 5" in failed["reason"]


async def test_no_meter_of_any_suite_is_lost_whatever_is_lost_on_the_way(field):
    found = await suites_under_losses(field, METERS, seed=11)
    assert found["certified"] == {"done": METERS * 2 // 3}
    assert found["jobs"] == {"done": METERS}
    assert await field.lost() == []
    assert await field.two_valid() == []
    assert found["changed"] == field.ids
    assert lowered(found["counters"]) == []
    hands = await field.registry.key_hands(field.ids)
    for place, number in enumerate(field.ids):
        active = hands[number].active()
        if not field.suites[place]:
            continue
        assert active[KeyKind.KEK].origin is KeyOrigin.AGREED
        assert held_by(field, place) == [active[KeyKind.SIGNING].certificate]
    keys = [x509.load_der_x509_certificate(held_by(field, place)[0]).public_key() for place in (1, 2)]
    assert [key.curve.name for key in keys] == ["secp256r1", "secp384r1"]
    assert not any(first == second for first, second in itertools.combinations(keys, 2))
