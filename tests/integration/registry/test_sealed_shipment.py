"""Sealed shipments into a real registry: only what a known maker sealed for us, unaltered, while the seal is good."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from tests.integration.registry.test_shipment import TRANSPORT_KEY, row
from tests.unit.trust.pki import forge

from meterworks.registry import Registry, RowOutcome, SealRule, ShipmentSealError, sealed_file
from meterworks.trust.pki import (
    CertificateSubject,
    CrlStore,
    ManufacturedDevice,
    PeerRole,
    Shipment,
    revocation_policy_of,
    seal_shipment,
)

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@cache
def maker():
    """A maker's root and its seal."""
    root = forge.party("maker-ca", CertificateSubject(identity="maker 1"), now=NOW - timedelta(days=9))
    return root, forge.party("maker-seal", CertificateSubject(identity="Acme", role=PeerRole.MAKER), root)


def content(*numbers, **changes):
    return json.dumps({"devices": [row(number, **changes) for number in numbers]}).encode()


def manifest(data, *numbers, **changes):
    devices = tuple(
        ManufacturedDevice(
            serial=f"MW{number:08d}", identity=f"4d5753{number:010x}", model="MW-E3", firmware="1.2.3", keys={}
        )
        for number in numbers
    )
    digest = hashlib.sha256(data).hexdigest()
    made = Shipment(number="7", maker="Acme", owner="utility", made_at=NOW, devices=devices, file_digest=digest)
    return replace(made, **changes)


def seal(shipment):
    _, given = maker()
    return seal_shipment(shipment, given.key, [given.certificate])


def rule(**changes):
    return replace(SealRule(maker_anchors=[maker()[0].certificate], owner="utility", at=LATER), **changes)


@pytest.fixture
def registry_under(database, keystore):
    return lambda given: Registry(database, keystore, seals=None if given is None else lambda: given)


async def brought(registry, data):
    return await registry.import_shipment(data, "json", transport_key=TRANSPORT_KEY)


async def test_a_device_is_recorded_with_the_maker_whose_seal_it_came_under(registry_under):
    registry = registry_under(rule(is_required=True))
    data = content(1, 2)
    sealed = sealed_file(seal(manifest(data, 1, 2)), data)
    result = await brought(registry, sealed)
    assert result.sealed_by == "Acme"
    assert [entry.outcome for entry in result.rows] == [RowOutcome.ADDED] * 2
    assert (await registry.device_by_identity("4d57530000000002")).sealed_by == "Acme"
    again = await brought(registry, sealed.replace(b"\n", b"\r\n", 1))
    assert [entry.outcome for entry in again.rows] == [RowOutcome.ALREADY_THERE] * 2


async def test_a_shipment_without_seal_is_taken_unless_seals_are_required(registry_under):
    result = await brought(registry_under(rule()), content(1))
    assert (result.sealed_by, result.rows[0].outcome) == ("", RowOutcome.ADDED)
    assert (await registry_under(rule()).device(result.rows[0].device_id)).sealed_by == ""
    registry = registry_under(rule(is_required=True))
    with pytest.raises(ShipmentSealError, match="has no seal"):
        await brought(registry, content(2))
    assert (await registry.count_devices()).total == 1


def _foreign(data):
    return sealed_file(seal(manifest(data, 1, maker="Else")), data)


def _altered_file(data):
    return sealed_file(seal(manifest(data, 1)), data.replace(b"MW-E3", b"MW-E1"))


def _altered_manifest(data):
    header, _, signature = seal(manifest(data, 1)).split(b".")
    other = seal(manifest(data, 1, number="8")).split(b".")[1]
    return sealed_file(b".".join((header, other, signature)), data)


def _of_nothing(data):
    return sealed_file(seal(manifest(data, 1, file_digest="")), data)


def _for_another(data):
    return sealed_file(seal(manifest(data, 1, owner="another utility")), data)


@pytest.mark.parametrize("spoilt", [_foreign, _altered_file, _altered_manifest, _of_nothing, _for_another])
async def test_a_seal_that_does_not_hold_refuses_the_whole_shipment(registry_under, spoilt):
    registry = registry_under(rule())
    with pytest.raises(ShipmentSealError, match="ask the maker") as refused:
        await brought(registry, spoilt(content(1)))
    assert refused.value.code == "shipment-seal"
    assert (await registry.count_devices()).total == 0


def revoked():
    root, given = maker()
    store = CrlStore()
    data = forge.crl(root, revoked=(given.certificate.serial_number,), at=NOW)
    store.accept(data, root.certificate, at=LATER)
    return store


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(rule(at=NOW + timedelta(days=6 * 365)), id="ended"),
        pytest.param(rule(at=NOW - timedelta(days=1)), id="not yet valid"),
        pytest.param(rule(maker_anchors=[]), id="unknown maker"),
        pytest.param(rule(crls=revoked, revocation=revocation_policy_of("shipment")), id="revoked"),
        pytest.param(rule(crls=CrlStore, revocation=revocation_policy_of("market")), id="no list where one is needed"),
        pytest.param(None, id="no maker is known"),
    ],
)
async def test_a_seal_is_judged_by_what_is_known_now(registry_under, given):
    data = content(1)
    with pytest.raises(ShipmentSealError):
        await brought(registry_under(given), sealed_file(seal(manifest(data, 1)), data))


async def test_a_maker_without_a_list_is_believed(registry_under):
    data = content(1)
    given = rule(crls=CrlStore, revocation=revocation_policy_of("shipment"))
    assert (await brought(registry_under(given), sealed_file(seal(manifest(data, 1)), data))).sealed_by == "Acme"


async def test_a_row_that_the_manifest_contradicts_is_refused_alone(registry_under):
    data = json.dumps({"devices": [row(1), row(2), row(3, firmware="6.6.6")]}).encode()
    result = await brought(registry_under(rule()), sealed_file(seal(manifest(data, 1, 3)), data))
    assert [entry.outcome for entry in result.rows] == [RowOutcome.ADDED, RowOutcome.REFUSED, RowOutcome.REFUSED]
    assert "does not name this device" in result.rows[1].message
    assert "firmware is '6.6.6', the seal of Acme says '1.2.3'" in result.rows[2].message
