"""Meters with certified keys under attack and loss: agreements, certificates, signed policies, shipments."""

import base64
import json
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.security.device_keys.bench import LOSSES, START, Bench, run
from tests.security.device_keys.certified import Registrar

from meterworks.devices import certificate_store
from meterworks.headend import KeyPurpose, KeyTask, PolicyRefused, PolicyStatement, SecurityLevel, key_statement
from meterworks.headend.key_expiry import certificates_due
from meterworks.headend.key_policy import raised_policy
from meterworks.protocols.dlms import is_weaker_policy
from meterworks.registry import KeyHand, KeyKind, KeyOrigin, KeySelection, NewKey, shipment
from meterworks.trust import FileKeyVault, KeyStore, KeyUsage, wrap_key

SIGNING = (KeyKind.SIGNING,)
TRANSPORT_KEY = bytes.fromhex("5f0e1d2c3b4a59687786958493a2b1c0")


async def carried_out(bench, faults, task=KeyTask.KEYS, kinds=(KeyKind.GUEK, KeyKind.GAK, KeyKind.KEK)):
    """Begin a job and contact the meter until it is over; the head-end dies with each loss."""
    await bench.service.start(KeyPurpose.PERSONALISE, KeySelection(), kinds=kinds, task=task)
    bench.line.faults = list(faults)
    for _ in range(4):
        await bench.contact()
        bench.service = bench.restarted()
        bench.clock.advance(3600)
        bench.take_up()
    return bench


@pytest.mark.requirement("SEC-124")
def test_an_agreement_survives_a_loss_at_every_step():
    for at, lost in product(range(5), LOSSES):  # opening, agreement, opening, transfer, proof
        bench = run(carried_out(Bench(suite=1), [None] * at + [lost]))
        assert bench.ledger.states() == ["done"]
        assert bench.in_force() == bench.at_meter()
        assert bench.ledger.hands[1].active()[KeyKind.KEK].origin is KeyOrigin.AGREED
        assert not bench.ledger.hands[1].pending()


def held_by(bench):
    rows = certificate_store.certificates(bench.line.meters[1].view)
    return [row.octets for row in rows if row.entity is certificate_store.CertificateEntity.SERVER]


@pytest.mark.requirement("SEC-124")
def test_a_certificate_is_replaced_whatever_is_lost():
    for at, lost in product(range(7), LOSSES):  # opening, pair, request, import, shown, signed, list
        bench = run(carried_out(Bench(suite=1), [None] * at + [lost], KeyTask.CERTIFICATE, SIGNING))
        assert bench.ledger.states() == ["done"]
        in_force = bench.ledger.hands[1].active()[KeyKind.SIGNING]
        assert (in_force.version, held_by(bench)) == (2, [in_force.certificate])


def request_of(key, name):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return x509.CertificateSigningRequestBuilder(subject_name=subject).sign(key, hashes.SHA256())


@pytest.mark.requirement("SEC-122", "SEC-027")
def test_a_meter_gets_a_certificate_for_its_own_new_key_only(monkeypatch):
    title = Bench(suite=1).fleet.devices[1].system_title.hex()
    fresh = ec.generate_private_key(ec.SECP256R1())

    def in_force(bench):
        scalar = certificate_store.key_pair(bench.line.meters[1].view, certificate_store.KeyPairUse.SIGNING)
        return ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())

    asked = (
        lambda bench: request_of(fresh, "0" * 16),
        lambda bench: request_of(ec.generate_private_key(ec.SECP384R1()), title),
        lambda bench: request_of(in_force(bench), title),
    )
    for bench, make in [(Bench(suite=1), make) for make in asked]:
        request = make(bench).public_bytes(Encoding.DER)
        monkeypatch.setattr(certificate_store, "request_certificate", lambda view, use, given=request: given)
        before = held_by(bench)
        run(carried_out(bench, [], KeyTask.CERTIFICATE, (KeyKind.AGREEMENT,)))
        assert (bench.ledger.states(), bench.registrar.asked, held_by(bench)) == (["failed"], [], before)


@pytest.mark.requirement("SEC-127")
def test_a_certificate_of_a_meter_is_renewed_long_before_its_end_and_told_of():
    now = datetime.fromtimestamp(START, UTC)
    made = Registrar(START).issue("0" * 16, ec.generate_private_key(ec.SECP256R1()).public_key(), "signature", days=300)
    fresh = {KeyKind.SIGNING: NewKey(certificate=made.public_bytes(Encoding.DER))}
    hand = KeyHand(device_id=7).prepared(fresh, KeyOrigin.CERTIFIED, "", now).put_in_force(fresh, now)
    found = {days: certificates_due([hand], now + timedelta(days=days)) for days in (100, 201, 271, 294, 301)}
    assert [bool(due.renewals) for due in found.values()] == [False, True, True, True, True]
    assert [[each.days for _, each in due.alarms] for due in found.values()] == [[], [], [30], [7], [0]]


def policy_key(folder, name):
    return FileKeyVault(folder / name, KeyStore(bytes(32))).generate("policy", KeyUsage.SIGN, "P-256")


@pytest.mark.requirement("SEC-131")
def test_only_a_signed_policy_raises_a_meter(tmp_path):
    board, stranger = policy_key(tmp_path, "board"), policy_key(tmp_path, "stranger")
    level = SecurityLevel(suite=2, policy=0x6C)
    statement = PolicyStatement(level=level, reason="", signed_at=datetime.now(UTC), models=("One",))
    signed = key_statement.sign_statement(statement, board)
    assert key_statement.open_statement(signed, [board.public_key]).level == level
    head, body, tail = signed.split(".")
    changed = {**json.loads(base64.urlsafe_b64decode(body + "==")), "models": []}
    other = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
    for text, keys in (
        (f"{head}.{other}.{tail}", [board.public_key]),
        (key_statement.sign_statement(statement, stranger), [board.public_key]),
        (signed, []),
        ("", [board.public_key]),
    ):
        with pytest.raises(PolicyRefused):
            key_statement.open_statement(text, keys)


@pytest.mark.requirement("SEC-131")
def test_whatever_is_asked_for_no_policy_falls():
    for present, wanted in product(range(0x20, 0x70, 4), range(0, 0x70, 4)):
        if not (present | wanted) & 0x90:  # without signatures, which are refused
            assert not is_weaker_policy(raised_policy(present, wanted, 1), present, 1)


@pytest.mark.requirement("SEC-019")
def test_a_shipment_with_a_key_that_everyone_knows_is_refused():
    own = b"a key of its own"
    for known in (bytes(16), bytes(range(16)), b"\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xdb\xdc\xdd\xde\xdf"):
        text = (
            "identity,serial,manufacturer,model,firmware,medium,phases,address,guek,gak\n"
            "4d57530000000001,MW1,Meterworks,MW-E1,1.0.0,electricity,1,127.0.0.1:4059,"
            f"{wrap_key(TRANSPORT_KEY, own).hex()},{wrap_key(TRANSPORT_KEY, known).hex()}\n"
        )
        results, candidates = shipment._parse(text.encode(), "csv", TRANSPORT_KEY, None)
        assert candidates == []
        assert "everyone knows" in results[0].message
