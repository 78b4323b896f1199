"""Certificates of meters replaced by job with every exchange cut in turn, and requests that are not what they claim."""

from itertools import product

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.security.device_keys.bench import LOSSES, Bench
from tests.security.device_keys.certified import CURVES, act

from meterworks.devices import certificate_store
from meterworks.headend import KeyPurpose, KeyTask, SecurityLevel
from meterworks.protocols.dlms import SecuritySuite
from meterworks.registry import KeyKind, KeySelection, KeyState

ALL = (KeyKind.SIGNING, KeyKind.AGREEMENT, KeyKind.TLS)
CONTACTS_MAX = 10
EXCHANGES = 10  # opening, pair, request, import, shown, signed, list; ours; opening, signed message


async def begun(bench, kinds=(KeyKind.SIGNING,), task=KeyTask.CERTIFICATE):
    await bench.service.start(KeyPurpose.PERSONALISE, KeySelection(), kinds=kinds, task=task)


async def renewed(faults=(), *, suite=1, kinds=(KeyKind.SIGNING,), task=KeyTask.CERTIFICATE, absent=()):
    """Replace certificates of a meter while exchanges are lost, and the head-end with each of them."""
    bench = Bench(suite=suite)
    await begun(bench, kinds, task)
    bench.line.faults, bench.registrar.faults = list(faults), list(absent)
    for _ in range(CONTACTS_MAX):
        await bench.contact()
        if bench.ledger.states()[0] in ("done", "failed"):
            break
        bench.service = bench.restarted()
        bench.clock.advance(3600)
        bench.take_up()
    return bench


def held_by(bench, owner=certificate_store.CertificateEntity.SERVER):
    """The certificates in the meter, by use."""
    rows = certificate_store.certificates(bench.line.meters[1].view)
    return {int(row.use): row.octets for row in rows if row.entity is owner}


def assert_replaced(bench, kinds):
    assert bench.ledger.states() == ["done"]
    hand, shown = bench.ledger.hands[1], held_by(bench)
    assert not hand.pending()
    for kind in kinds:
        in_force = [each for each in hand.versions if each.kind is kind and each.is_in_force]
        assert [each.certificate for each in in_force] == [shown[ALL.index(kind)]]
        scalar = certificate_store.key_pair(bench.line.meters[1].view, certificate_store.KeyPairUse(ALL.index(kind)))
        mine = ec.derive_private_key(int.from_bytes(scalar, "big"), CURVES[SecuritySuite(bench.suite)])
        assert x509.load_der_x509_certificate(in_force[0].certificate).public_key() == mine.public_key()


@pytest.mark.parametrize("suite", [1, 2])
async def test_all_key_pairs_of_a_meter_are_replaced_one_after_the_other(suite):
    bench = await renewed(suite=suite, kinds=ALL)
    assert_replaced(bench, ALL)
    assert bench.registrar.asked == [f"dlms-{suite}-{use}" for use in ("signature", "agreement", "tls")]
    old = [each for each in bench.ledger.hands[1].versions if each.kind is KeyKind.SIGNING and each.version == 1]
    assert [(each.state, each.certificate is not None) for each in old] == [(KeyState.REPLACED, True)]


@pytest.mark.parametrize("suite", [1, 2])
async def test_every_exchange_may_be_lost(suite):
    for at, lost in product(range(EXCHANGES + 1), LOSSES):
        bench = await renewed([None] * at + [lost], suite=suite)
        assert_replaced(bench, [KeyKind.SIGNING])
        assert bool(bench.line.faults) is (at >= EXCHANGES)
        versions = [each.version for each in bench.ledger.hands[1].versions if each.kind is KeyKind.SIGNING]
        assert versions == [1, 2]  # none was certified and left


async def test_any_two_exchanges_may_be_lost():
    for first, between in product(range(EXCHANGES), range(4)):
        bench = await renewed([None] * first + ["answer"] + [None] * between + ["answer"])
        assert_replaced(bench, [KeyKind.SIGNING])


async def test_while_the_authority_is_away_the_old_pair_serves_and_the_request_is_made_again():
    bench = await renewed(absent=[True, True])
    assert_replaced(bench, [KeyKind.SIGNING])
    assert bench.registrar.asked == ["dlms-1-signature"]


async def test_an_authority_that_is_away_holds_up_no_visit():
    bench = Bench(suite=1)
    bench.registrar.faults = [True]
    await begun(bench)
    assert await bench.contact() is None  # the visit goes on
    (job,) = bench.ledger.all_jobs.values()
    assert (str(job.state), job.step, job.attempts) == ("answered", "signing:pair", 1)
    assert "does not answer" in job.reason
    heard = len(bench.line.heard)
    assert await bench.contact() is None  # and it is not asked again at once
    assert len(bench.line.heard) == heard


async def test_a_meter_in_suite_0_has_no_key_pairs():
    bench = await renewed(suite=0)
    (job,) = bench.ledger.all_jobs.values()
    assert (str(job.state), "suite 0" in job.reason) == ("failed", True)


def request_of(key, name, *, signer=None):
    builder = x509.CertificateSigningRequestBuilder(
        subject_name=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    )
    made = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    if signer is None:
        return made
    return made[:-8] + bytes(8)  # its signature is another one


@pytest.mark.parametrize("fault", ["another-title", "another-curve", "published", "not-new", "unproved"])
async def test_a_request_that_is_not_what_it_should_be_is_not_certified(fault, monkeypatch):
    bench = Bench(suite=1)
    title = bench.fleet.devices[1].system_title.hex().upper()
    in_force = certificate_store.key_pair(bench.line.meters[1].view, certificate_store.KeyPairUse.SIGNING)
    fresh, curve = ec.generate_private_key(ec.SECP256R1()), ec.SECP256R1()
    requests = {
        "another-title": request_of(fresh, "0" * 16),
        "another-curve": request_of(ec.generate_private_key(ec.SECP384R1()), title),
        "published": request_of(ec.derive_private_key(1, curve), title),
        "not-new": request_of(ec.derive_private_key(int.from_bytes(in_force, "big"), curve), title),
        "unproved": request_of(fresh, title, signer=True),
    }
    monkeypatch.setattr(
        "meterworks.headend.key_certificate.refuse_known_key_pair", _only_one(ec.derive_private_key(1, curve))
    )
    monkeypatch.setattr(certificate_store, "request_certificate", lambda view, use: requests[fault])
    before = held_by(bench)
    await begun(bench)
    await bench.contact()
    assert bench.ledger.states() == ["failed"]
    assert bench.registrar.asked == []
    assert held_by(bench) == before
    assert not bench.ledger.hands[1].pending()


def _only_one(known):
    """As the table of published pairs would judge, were this one in it."""
    from meterworks.trust import KnownKeyError

    def refuse(key, where):
        if key == known.public_key():
            raise KnownKeyError(f"{where} is known", where=where)

    return refuse


async def test_a_meter_that_shows_another_certificate_than_it_was_brought_is_told_of(monkeypatch):
    bench = Bench(suite=1)
    monkeypatch.setattr(certificate_store, "import_certificate", lambda view, octets: None)
    await begun(bench)
    await bench.contact()
    (job,) = bench.ledger.all_jobs.values()
    assert (str(job.state), "shows another certificate" in job.reason) == ("failed", True)
    assert bench.ledger.hands[1].active()[KeyKind.SIGNING].version == 1


async def test_a_meter_that_signs_with_another_key_than_was_certified_is_told_of(monkeypatch):
    bench = Bench(suite=1)
    asked = certificate_store.request_certificate
    other = request_of(ec.generate_private_key(ec.SECP256R1()), bench.fleet.devices[1].system_title.hex())
    answers = [asked, lambda view, use: other]
    monkeypatch.setattr(certificate_store, "request_certificate", lambda view, use: answers.pop(0)(view, use))
    await begun(bench)
    await bench.contact()
    (job,) = bench.ledger.all_jobs.values()
    assert (str(job.state), "signs with another key" in job.reason) == ("failed", True)
    assert bench.ledger.hands[1].active()[KeyKind.SIGNING].version == 1


# --- ours ------------------------------------------------------------------------------------------------------------


async def test_a_meter_is_given_our_newest_certificate_whatever_is_lost():
    for at, lost in product(range(6), LOSSES):
        bench = Bench(suite=1)
        bench.own.renew(SecuritySuite.SUITE_1)
        await begun(bench, (), KeyTask.CLIENT)
        bench.line.faults = [None] * at + [lost]
        for _ in range(3):
            await bench.contact()
            bench.service = bench.restarted()
            bench.clock.advance(3600)
            bench.take_up()
        assert bench.ledger.states() == ["done"]
        shown = held_by(bench, certificate_store.CertificateEntity.CLIENT)
        assert shown == {0: bench.own.certificates(SecuritySuite.SUITE_1)[0]}


async def test_without_a_certificate_of_ours_a_job_says_so():
    bench = Bench(suite=1)
    bench.own.pairs[SecuritySuite.SUITE_1].clear()
    await begun(bench, (), KeyTask.CLIENT)
    await bench.contact()
    (job,) = bench.ledger.all_jobs.values()
    assert (str(job.state), job.reason) == ("failed", "we have no certificate of suite 1")


async def test_a_meter_agrees_keys_with_its_new_pair():
    bench = await renewed(kinds=(KeyKind.SIGNING,))
    await bench.start()
    assert await bench.contact() is None
    assert bench.in_force() == bench.at_meter()
    assert str(bench.ledger.hands[1].active()[KeyKind.KEK].origin) == "agreed"


async def test_keys_are_agreed_while_it_is_not_known_which_pair_the_meter_has():
    bench = Bench(suite=1)
    await begun(bench)
    bench.line.faults = [None, None, None, "answer"]  # it took the new certificate, and nobody knows
    assert await bench.contact() is None
    assert KeyKind.SIGNING in bench.ledger.hands[1].pending()
    await bench.start()
    assert await bench.contact() is None  # before the other job is due again
    assert sorted(bench.ledger.states()) == ["done", "sent"]
    assert str(bench.ledger.hands[1].active()[KeyKind.KEK].origin) == "agreed"
    bench.clock.advance(3600)
    assert await bench.contact() is None
    assert_replaced_of(bench)


def assert_replaced_of(bench):
    assert bench.ledger.states() == ["done", "done"]
    assert held_by(bench) == {0: bench.ledger.hands[1].active()[KeyKind.SIGNING].certificate}
    assert bench.in_force() == bench.at_meter()


async def test_which_keys_open_the_meter_is_found_out_before_its_certificate_goes_on():
    bench = Bench(suite=1)
    await begun(bench)
    bench.line.faults = [None, "answer"]
    await bench.contact()  # a pair is made, and nobody knows
    await bench.start()
    bench.line.faults = [None, None, None, "answer"]
    await bench.contact()  # new keys are sent, and nobody knows
    assert sorted(bench.ledger.states()) == ["sent", "sent"]
    bench.clock.advance(3600)
    assert await bench.contact() is None
    assert_replaced_of(bench)


async def test_a_meter_raised_to_another_suite_is_certified_anew_and_agrees_again():
    bench = Bench(suite=1)
    await bench.service.start(KeyPurpose.PERSONALISE, KeySelection(), level=SecurityLevel(suite=2))
    assert await bench.contact() is None
    bench.suite = 2
    await bench.start()  # with a certificate of its old curve it agrees to nothing
    assert await bench.contact() is None
    assert str(bench.ledger.hands[1].active()[KeyKind.KEK].origin) == "generated"
    await begun(bench)
    assert await bench.contact() is None
    assert_replaced_last(bench)
    await bench.start()
    assert await bench.contact() is None
    assert str(bench.ledger.hands[1].active()[KeyKind.KEK].origin) == "agreed"
    assert bench.in_force() == bench.at_meter()


def assert_replaced_last(bench):
    """The meter holds one certificate of its own, that of the registry, on its suite's curve."""
    in_force = bench.ledger.hands[1].active()[KeyKind.SIGNING].certificate
    assert held_by(bench) == {0: in_force}
    assert x509.load_der_x509_certificate(in_force).public_key().curve.name == "secp384r1"


def test_the_bench_meter_signs_its_requests():
    bench = Bench(suite=1)
    from meterworks.protocols.dlms import encode_enum

    assert x509.load_der_x509_csr(act(bench.line.meters[1], 5, encode_enum(0))).is_signature_valid
