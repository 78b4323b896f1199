"""A shipment that a person sends in: recorded before, admitted before, and nothing imported where either fails."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from meterworks.catalogue import Role
from meterworks.errors import RefusedError, UnreachableError
from meterworks.market import shipment as module
from meterworks.market.principal import Principal
from meterworks.market.shipment import ShipmentTooLarge, import_shipment
from meterworks.registry import ShipmentNotice, ShipmentResult
from meterworks.runtime import MemoryBus
from meterworks.trust.audit import MemoryAuditSink
from meterworks.trust.audit.errors import ActNotRecorded
from meterworks.trust.pki import ADMIT_SUBJECT, EnrolmentRefused

OLGA = Principal(
    user_id=1, name="olga", role=Role.OPERATOR, organisation_id=None, consumer_id=None, token_hash="",
    expires_at=datetime(2027, 1, 1, tzinfo=UTC),
)  # fmt: skip


class Registry:
    """Imports whatever `before` lets through."""

    def __init__(self, seal):
        self.notice = ShipmentNotice(maker="Acme", number="7", seal=seal, digest="ab" * 32, devices=2)
        self.imported = 0

    async def import_shipment(self, data, format_, *, transport_key, before):
        await before(self.notice)
        self.imported += 1
        return ShipmentResult(rows=(), sealed_by="Acme")


class Desk:
    """Services with a registry, a bus and a trail of their own."""

    def __init__(self, seal=b"eyJ.a.b"):
        self.audit, self.bus, self.registry = MemoryAuditSink(), MemoryBus(), Registry(seal)
        self.admitted = []
        self.services = SimpleNamespace(audit=self.audit, bus=self.bus, registry=self.registry)

    async def admit(self, seal):
        if self.registry.notice.maker == "Else":
            raise EnrolmentRefused("a device comes with the key of another one")
        self.admitted.append(seal)
        return b"{}"

    async def bring(self):
        return await import_shipment(self.services, OLGA, b"data", "json", transport_key=bytes(16))


async def test_a_sealed_shipment_is_recorded_and_admitted_before_it_is_imported():
    desk = Desk()
    await desk.bus.respond(ADMIT_SUBJECT, desk.admit)
    assert (await desk.bring()).sealed_by == "Acme"
    assert desk.admitted == [b"eyJ.a.b"]
    (event,) = desk.audit.events
    assert (event.act, event.actor, event.object) == ("shipment.accepted", "account:olga", "shipment:7")
    assert event.facts == {"maker": "Acme", "devices": 2, "sha256": "ab" * 32}


async def test_a_shipment_without_seal_is_recorded_and_admits_nobody():
    desk = Desk(seal=b"")
    await desk.bring()
    assert desk.audit.acts() == ["shipment.accepted"]
    assert desk.registry.imported == 1


async def test_nothing_is_imported_that_is_not_recorded():
    desk = Desk()
    desk.audit.away = True
    with pytest.raises(ActNotRecorded):
        await desk.bring()
    assert desk.registry.imported == 0


@pytest.mark.parametrize(("maker", "error"), [("Else", RefusedError), ("Acme", UnreachableError)])
async def test_nothing_is_imported_that_the_authority_refuses_or_does_not_hear_of(maker, error):
    desk = Desk()
    object.__setattr__(desk.registry.notice, "maker", maker)
    if maker == "Else":
        await desk.bus.respond(ADMIT_SUBJECT, desk.admit)
    with pytest.raises(error):
        await desk.bring()
    assert desk.registry.imported == 0
    assert desk.audit.acts() == ["shipment.accepted", "shipment.refused"]


async def test_a_seal_that_fits_no_message_is_refused(monkeypatch):
    monkeypatch.setattr(module, "SEAL_SIZE_MAX", 3)
    desk = Desk()
    with pytest.raises(ShipmentTooLarge, match="meterworks device add"):
        await desk.bring()
    assert desk.audit.acts() == ["shipment.refused"]
