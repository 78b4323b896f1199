"""From maker to operator: sealed shipments, one-time enrolment, commissioning, renewal."""

import hashlib
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from tests.unit.trust.pki import forge

from meterworks.registry import SealRule, ShipmentSealError, sealed_file
from meterworks.registry.shipment_seal import open_sealed
from meterworks.trust.pki import (
    Authority,
    CertificateSubject,
    EnrolmentRefused,
    ManufacturedDevice,
    PeerRole,
    Provisioning,
    Shipment,
    ShipmentRefused,
    expiry_alarms,
    open_shipment,
    read_request,
    renewal_time,
    seal_shipment,
)
from meterworks.trust.pki.build import key_digest
from meterworks.trust.pki.est_client import certification_request
from meterworks.trust.pki.ledger import AuthorityRow, Ledger

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MEMORY = Path("/dev/shm")
DEVICE = "4d57520000000011"


@cache
def parties():
    """A maker's root and its seal, and the operator's sub-CA: certificates and keys only."""
    maker = forge.party("maker-ca", CertificateSubject(identity="maker 1"), now=NOW - timedelta(days=9))
    seal = forge.party("maker-seal", CertificateSubject(identity="Acme", role=PeerRole.MAKER), maker)
    root = forge.party("root", CertificateSubject(identity="root 1"), now=NOW - timedelta(days=9))
    operator = forge.party("sub-ca", CertificateSubject(identity="devices 1"), root, now=NOW - timedelta(days=9))
    return maker, seal, operator


class Bench:
    """A ledger in memory, a maker and an operator."""

    def __init__(self, tmp_path):
        maker, self.seal, operator = parties()
        self.ledger = Ledger(tmp_path / "ledger.sqlite3")
        self.maker_root = maker.certificate
        self.maker = Authority("maker", maker.certificate, maker.key, self.ledger)
        self.operator = Authority("devices", operator.certificate, operator.key, self.ledger)
        for name, authority in (("maker", maker), ("devices", operator)):
            row = AuthorityRow(name=name, generation=1, label=name, der=authority.der, trusted=False)
            self.ledger.save_authority(row)
        self.provisioning = Provisioning(self.ledger)
        self.key = forge.new_key()

    def shipped(self, identity=DEVICE, key=None, owner="utility"):
        digest = key_digest((key or self.key).public_key()).hex()
        device = ManufacturedDevice(
            serial=f"S{identity}", identity=identity, model="M", firmware="1", keys={"dlms-1-tls": digest}
        )
        return Shipment(number="7", maker="Acme", owner=owner, made_at=NOW, devices=(device,))

    def admit(self):
        shipment = self.shipped()
        self.provisioning.admit(shipment, b"sealed", now=NOW)
        subject = CertificateSubject(identity=DEVICE, role=PeerRole.DEVICE)
        self.maker.issue("dlms-1-tls", subject, self.key.public_key(), now=NOW)

    def personalise(self, key):
        return self.provisioning.personalise(self.operator, "dlms-1-tls", DEVICE, key.public_key(), now=NOW)


@pytest.fixture
def bench(tmp_path):
    """In memory where the machine has such a folder: nothing here is about what survives the power."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as folder:
        made = Bench(Path(folder))
        yield made
        made.ledger.close()


@pytest.mark.requirement("SEC-122")
def test_a_device_enrols_once_with_its_own_token_and_key(bench):
    bench.admit()
    mine, other = forge.new_key(), forge.new_key()
    token = bench.provisioning.new_token(DEVICE, key=mine.public_key(), now=NOW)
    for identity, key in ((DEVICE, other), ("4d57520000000012", mine)):
        with pytest.raises(EnrolmentRefused):
            bench.provisioning.redeem(token, identity, key.public_key(), now=NOW)
    bench.provisioning.redeem(token, DEVICE, mine.public_key(), now=NOW)
    with pytest.raises(EnrolmentRefused) as refused:
        bench.provisioning.redeem(token, DEVICE, mine.public_key(), now=NOW)
    assert refused.value.facts["cause"] == "used"
    first = bench.personalise(mine)
    assert bench.personalise(mine) == first, "a lost answer is answered again"
    with pytest.raises(EnrolmentRefused):
        bench.personalise(other)


@pytest.mark.requirement("SEC-122")
def test_a_makers_certificate_opens_enrolment_for_the_sealed_key_only(bench):
    bench.admit()
    assert bench.provisioning.admits_first_credential(DEVICE, bench.key.public_key()).maker == "Acme"
    with pytest.raises(EnrolmentRefused, match="names another key"):
        bench.provisioning.admits_first_credential(DEVICE, forge.new_key().public_key())


@pytest.mark.requirement("SEC-122")
def test_a_request_proves_possession_of_its_key():
    request = bytearray(certification_request(forge.new_key(), name=DEVICE))
    assert read_request(bytes(request))
    request[-1] ^= 1
    with pytest.raises(EnrolmentRefused):
        read_request(bytes(request))


@pytest.mark.requirement("SEC-122")
def test_a_shipment_is_what_its_maker_sealed_for_this_owner(bench):
    _, seal, _ = parties()
    sealed = seal_shipment(bench.shipped(), seal.key, [seal.certificate])

    def opened(data, owner="utility"):
        return open_shipment(data, maker_anchors=[bench.maker_root], owner=owner, at=NOW + timedelta(hours=1))

    assert opened(sealed) == bench.shipped()
    header, payload, signature = sealed.split(b".")
    foreign = seal_shipment(replace(bench.shipped(), maker="Else"), seal.key, [seal.certificate])
    other = forge.new_key()  # a key that the maker never named
    altered = seal_shipment(bench.shipped(key=other), seal.key, [seal.certificate]).split(b".")[1]
    for bad in (foreign, b".".join((header, altered, signature)), b".".join((header, payload + b"A", signature))):
        with pytest.raises(ShipmentRefused):
            opened(bad)
    with pytest.raises(ShipmentRefused):
        opened(sealed, owner="another utility")


@pytest.mark.requirement("SEC-122")
def test_the_file_behind_a_seal_is_the_one_that_was_sealed(bench):
    _, seal, _ = parties()
    content = b'{"devices": []}'
    shipment = replace(bench.shipped(), file_digest=hashlib.sha256(content).hexdigest())
    sealed = sealed_file(seal_shipment(shipment, seal.key, [seal.certificate]), content)
    rule = SealRule(maker_anchors=[bench.maker_root], owner="utility", at=NOW + timedelta(hours=1), is_required=True)
    opened, behind = open_sealed(sealed, rule)
    assert (opened.maker, behind) == ("Acme", content)
    for bad in (sealed + b" ", content):
        with pytest.raises(ShipmentSealError):
            open_sealed(bad, rule)


@pytest.mark.requirement("SEC-123")
def test_after_commissioning_the_maker_opens_nothing(bench):
    bench.admit()
    with pytest.raises(EnrolmentRefused):
        bench.provisioning.commission(bench.operator, bench.maker, DEVICE, now=NOW)
    bench.personalise(forge.new_key())
    report = bench.provisioning.commission(bench.operator, bench.maker, DEVICE, now=NOW)
    assert report.is_complete
    assert [cell for cell, _, _ in report.replaced] == ["dlms-1-tls"]
    with pytest.raises(EnrolmentRefused):
        bench.provisioning.admits_maker(DEVICE)
    listed = bench.maker.crl(now=NOW + timedelta(minutes=1))
    assert [f"{entry.serial_number:x}" for entry in listed] == [report.replaced[0][1]]
    assert bench.provisioning.commission_seen(bench.operator, bench.maker, [DEVICE], now=NOW) == []


@pytest.mark.requirement("SEC-123")
def test_a_scrapped_device_does_not_come_back(bench):
    bench.admit()
    own = forge.new_key()
    bench.personalise(own)
    bench.provisioning.scrap(DEVICE, [bench.operator, bench.maker], now=NOW)
    with pytest.raises(EnrolmentRefused):
        bench.personalise(own)


@pytest.mark.requirement("SEC-018")
def test_a_key_that_two_devices_share_is_caught(bench):
    bench.admit()
    with pytest.raises(EnrolmentRefused):
        bench.provisioning.admit(bench.shipped("4d57520000000012", key=bench.key), b"sealed", now=NOW)
    with pytest.raises(EnrolmentRefused):
        subject = CertificateSubject(identity="4d57520000000013", role=PeerRole.DEVICE)
        bench.operator.issue("dlms-1-tls", subject, bench.key.public_key(), now=NOW)


@pytest.mark.requirement("SEC-127")
def test_renewal_is_due_long_before_the_end_and_alarms_follow():
    _, seal, operator = parties()
    for certificate in (seal.certificate, operator.certificate):
        starts_at, ends_at = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        lifetime = ends_at - starts_at
        due = [renewal_time(certificate, chance=chance) for chance in (0.0, 1.0)]
        assert starts_at + lifetime * 0.66 <= due[0] < due[1] <= starts_at + lifetime * 0.75
        for days, told in ((91, []), (90, [90]), (30, [30]), (7, [7])):
            at = ends_at - timedelta(days=days, hours=-1) if told else ends_at - timedelta(days=days)
            assert [alarm.days for alarm in expiry_alarms([("x", certificate)], at)] == told
