"""Replaced certificates of meters, told to the pki process and revoked there; nobody is left without one."""

from datetime import UTC, datetime

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.unit.trust.pki.conftest import fresh_pki, vault  # noqa: F401  # fixtures

from meterworks.errors import MeterworksError
from meterworks.headend.key_retirement import CertificateRetirement, retired_of
from meterworks.registry import KeyHand, KeyKind, KeyOrigin, NewKey, SealRule
from meterworks.runtime import MemoryBus
from meterworks.system.serving.provisioning import ProvisioningDesk
from meterworks.trust.audit import MemoryAuditSink
from meterworks.trust.pki import RETIRE_SUBJECT, CertificateSubject, PeerRole, Provisioning

METER = "4d57530000000007"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Field:
    """A pki process on a bus, and the keys of one meter."""

    def __init__(self, pki):
        import asyncio

        self.pki, self.bus, self.audit = pki, MemoryBus(), MemoryAuditSink()
        self.desk = ProvisioningDesk(
            pki, Provisioning(pki.ledger), self.audit, seals=lambda: SealRule(()), turn=asyncio.Lock()
        )
        self.hand = KeyHand(device_id=7)

    def certify(self, *, profile="dlms-1-signature", kind=KeyKind.SIGNING, compromised=False):
        if compromised:
            self.hand = self.hand.compromised([kind])
        subject = CertificateSubject(identity=METER, role=PeerRole.DEVICE)
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        made = self.pki.authority("devices").issue(profile, subject, key)
        fresh = {kind: NewKey(certificate=made.public_bytes(Encoding.DER))}
        self.hand = self.hand.prepared(fresh, KeyOrigin.CERTIFIED, "", NOW).put_in_force(fresh, NOW)
        return made

    def revoked(self):
        return {
            x509.load_der_x509_certificate(row.der).serial_number
            for row in self.pki.ledger.certificates(identity=METER)
            if row.revoked_at is not None
        }

    async def tell(self, *hands):
        async with self.desk.answering(self.bus):
            return await CertificateRetirement(self.bus).tell(hands or [self.hand])


@pytest.fixture
def field(fresh_pki):  # noqa: F811  # the fixture
    return Field(fresh_pki)


async def test_a_replaced_certificate_is_revoked_once_and_its_successor_is_not(field):
    first, tls = field.certify(), field.certify(profile="dlms-1-tls", kind=KeyKind.TLS)
    assert await field.tell()
    assert field.revoked() == set()
    second = field.certify()
    assert await field.tell()
    assert field.revoked() == {first.serial_number}
    assert await field.tell()  # as the daily look does
    assert field.audit.acts() == ["certificate.revoked"]
    assert not {second.serial_number, tls.serial_number} & field.revoked()


async def test_a_compromised_one_is_revoked_as_that(field):
    field.certify()
    field.certify(compromised=True)
    assert [row["reason"] for row in retired_of(field.hand)] == ["keyCompromise"]
    assert await field.tell()
    (entry,) = list(field.pki.authority("devices").crl())
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise


async def test_the_newest_is_never_revoked_whoever_says_so(field):
    only = field.certify()
    row = {"identity": METER, "serial": f"{only.serial_number:x}", "reason": "superseded"}
    stranger = {"identity": "0" * 16, "serial": "1", "reason": "superseded"}
    async with field.desk.answering(field.bus):
        question = orjson.dumps({"certificates": [row, stranger]})
        assert orjson.loads(await field.bus.request(RETIRE_SUBJECT, question, timeout_s=5.0)) == {"revoked": 0}
    assert field.revoked() == set()
    assert field.audit.acts() == []


NO_REASON = b'{"certificates": [{"identity": "x", "serial": "1", "reason": "y"}]}'


@pytest.mark.parametrize("question", [b"", b"{}", b'{"certificates": [1]}', NO_REASON])
async def test_what_names_no_certificate_is_refused(field, question):
    async with field.desk.answering(field.bus):
        with pytest.raises(MeterworksError):
            await field.bus.request(RETIRE_SUBJECT, question, timeout_s=5.0)


async def test_nothing_is_revoked_that_cannot_be_recorded(field):
    field.certify()
    field.certify()
    field.audit.away = True
    assert not await field.tell()
    assert field.revoked() == set()


async def test_where_nobody_hears_it_is_told_again_later(field):
    field.certify()
    field.certify()
    assert not await CertificateRetirement(MemoryBus()).tell([field.hand])
    assert await field.tell()
    assert len(field.revoked()) == 1
